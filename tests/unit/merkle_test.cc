#include "crypto/merkle.h"

#include <catch2/catch.hpp>
#include <map>
#include <tuple>

#include "crypto/sha256.h"
#include "tests/unit/vectors.h"

namespace sealring {
namespace {

using testing::check_expected;
using testing::contains;
using testing::unhex;

// --- The definitions of RFC 6962 section 2.1, word for word and slow -------------------------------------------------
// They hash by sha256() alone and share no code with what is tested.
using Leaves = std::vector<Bytes>;

std::size_t split(std::size_t n) {
  std::size_t k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

Hash naive_root(const Leaves& d, std::size_t from, std::size_t to) {
  if (from == to) return sha256("");
  if (to - from == 1) return sha256({ByteView("\0", 1), d[from]});
  const std::size_t k = from + split(to - from);
  const Hash left = naive_root(d, from, k), right = naive_root(d, k, to);
  return sha256({"\1", view(left), view(right)});
}

Proof naive_path(const Leaves& d, std::size_t m, std::size_t from, std::size_t to) {
  if (to - from == 1) return {};
  const std::size_t k = split(to - from);
  Proof proof = m < k ? naive_path(d, m, from, from + k) : naive_path(d, m - k, from + k, to);
  proof.push_back(m < k ? naive_root(d, from + k, to) : naive_root(d, from, from + k));
  return proof;
}

Proof naive_subproof(const Leaves& d, std::size_t m, std::size_t from, std::size_t to, bool known) {
  if (m == to - from) return known ? Proof{} : Proof{naive_root(d, from, to)};
  const std::size_t k = split(to - from);
  Proof proof = m <= k ? naive_subproof(d, m, from, from + k, known) : naive_subproof(d, m - k, from + k, to, false);
  proof.push_back(m <= k ? naive_root(d, from + k, to) : naive_root(d, from, from + k));
  return proof;
}

// --- Sources ---------------------------------------------------------------------------------------------------------
Leaves single_bytes(std::size_t n) {
  Leaves d;
  for (std::size_t i = 0; i < n; ++i) d.emplace_back(1, static_cast<char>(i));
  return d;
}

// All complete subtrees of `d`, as a log would keep them; it fails for any other node.
class Nodes {
 public:
  explicit Nodes(const Leaves& d) {
    CompactRange range;
    for (std::size_t i = 0; i < d.size(); ++i) {
      const Hash leaf = leaf_hash(d[i]);
      nodes_[{0, i}] = leaf;
      range.append(leaf, [&](int level, std::uint64_t index, const Hash& hash) {
        nodes_[{level, index << level}] = hash;
      });
    }
  }
  NodeSource source(std::uint64_t offset = 0) const {
    return [this, offset](int level, std::uint64_t start) -> Result<Hash> {
      const auto it = nodes_.find({level, start + offset});
      if (it == nodes_.end()) return Error{ErrorKind::missing, "no node"};
      return it->second;
    };
  }

 private:
  std::map<std::pair<int, std::uint64_t>, Hash> nodes_;
};

// A tree of up to 2^63 leaves: all the same but for a few.
class SparseTree {
 public:
  explicit SparseTree(std::map<std::uint64_t, Hash> special) : special_(std::move(special)) {
    ordinary_[0] = leaf_hash("ordinary");
    for (int level = 1; level < 64; ++level) ordinary_[level] = node_hash(ordinary_[level - 1], ordinary_[level - 1]);
  }
  Hash node(int level, std::uint64_t start) const {
    const auto next = special_.lower_bound(start);
    if (next == special_.end() || next->first - start >= std::uint64_t{1} << level) return ordinary_[level];
    if (level == 0) return next->second;
    return node_hash(node(level - 1, start), node(level - 1, start + (std::uint64_t{1} << (level - 1))));
  }
  NodeSource source() const {
    return [this](int level, std::uint64_t start) -> Result<Hash> { return node(level, start); };
  }

 private:
  std::map<std::uint64_t, Hash> special_;
  std::array<Hash, 64> ordinary_;
};

std::string words(const Proof& proof) {
  std::string text;
  for (const Hash& hash : proof) text += " " + hex(view(hash));
  return text;
}

TEST_CASE("hashes of the well-known tree of eight entries", "[merkle]") {
  const Leaves entries = {
      "",
      unhex("00"),
      unhex("10"),
      unhex("2021"),
      unhex("3031"),
      unhex("40414243"),
      unhex("5051525354555657"),
      unhex("606162636465666768696a6b6c6d6e6f"),
  };
  const char* roots[] = {
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
      "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
      "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
      "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
      "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
  };
  CompactRange range;
  for (std::size_t n = 0; n <= entries.size(); ++n) {
    INFO("size " << n);
    CHECK(hex(view(range.root())) == roots[n]);
    CHECK(hex(view(naive_root(entries, 0, n))) == roots[n]);
    CHECK(hex(view(subtree_hash(0, n, Nodes(entries).source()).value())) == roots[n]);
    if (n < entries.size()) range.append(leaf_hash(entries[n]));
  }
  CHECK(hex(view(empty_root())) == roots[0]);
  CHECK(hex(view(leaf_hash(""))) == roots[1]);
  CHECK(leaf_hash(Bytes(1, '\1') + Bytes(64, 'x')) !=
        node_hash(to_array<32>(Bytes(32, 'x')), to_array<32>(Bytes(32, 'x'))));
}

TEST_CASE("compact range against the naive recursion", "[merkle]") {
  const Leaves d = single_bytes(256);
  CompactRange range;
  for (std::size_t n = 0; n <= d.size(); ++n) {
    INFO("size " << n);
    REQUIRE(range.size() == n);
    CHECK(range.root() == naive_root(d, 0, n));
    // One hash per set bit, largest first, each of the subtree that it stands for.
    std::size_t from = 0, which = 0;
    for (std::size_t bit = 256; bit > 0; bit /= 2) {
      if (!(n & bit)) continue;
      REQUIRE(which < range.hashes().size());
      CHECK(range.hashes()[which++] == naive_root(d, from, from + bit));
      from += bit;
    }
    CHECK(which == range.hashes().size());
    // What is stored and loaded goes on alike.
    auto loaded = CompactRange::from(range.size(), range.hashes());
    REQUIRE(loaded.ok());
    CHECK(loaded->root() == range.root());
    if (n == d.size()) break;
    loaded->append(leaf_hash(d[n]));
    std::vector<std::tuple<int, std::uint64_t, Hash>> seen, expected;
    range.append(leaf_hash(d[n]),
                 [&](int level, std::uint64_t index, const Hash& hash) { seen.emplace_back(level, index, hash); });
    for (int level = 1; (n + 1) % (std::size_t{1} << level) == 0; ++level) {
      expected.emplace_back(level, n >> level, naive_root(d, n + 1 - (std::size_t{1} << level), n + 1));
    }
    CHECK(seen == expected);
    CHECK(loaded->hashes() == range.hashes());
  }
}

TEST_CASE("compact range: number of hashes", "[merkle]") {
  check_expected(CompactRange::from(7, std::vector<Hash>(2)), "size 7 has 2 hashes, must have 3");
  check_expected(CompactRange::from(7, std::vector<Hash>(4)), "size 7 has 4 hashes, must have 3");
  check_expected(CompactRange::from(0, std::vector<Hash>(1)), "must have 0");
  check_expected(CompactRange::from(UINT64_MAX, std::vector<Hash>(63)), "must have 64");
  CHECK(CompactRange::from(0, {}).value().root() == empty_root());
  CHECK(CompactRange::from(UINT64_MAX, std::vector<Hash>(64)).ok());
}

TEST_CASE("which ranges are subtrees", "[merkle]") {
  for (std::uint64_t end = 0; end <= 70; ++end) {
    for (std::uint64_t start = 0; start <= 70; ++start) {
      std::uint64_t ceil = 1;
      while (start <= end && ceil < end - start) ceil *= 2;
      INFO(start << ", " << end);
      CHECK(valid_subtree(start, end) == (start <= end && start % ceil == 0));
    }
  }
  const std::uint64_t half = std::uint64_t{1} << 63;
  CHECK(valid_subtree(0, UINT64_MAX));
  CHECK(valid_subtree(0, half + 1));
  CHECK_FALSE(valid_subtree(1, half + 2));
  CHECK_FALSE(valid_subtree(half - 2, UINT64_MAX));
  CHECK(valid_subtree(half, UINT64_MAX));
  CHECK(valid_subtree(UINT64_MAX - 1, UINT64_MAX));
  CHECK(valid_subtree(UINT64_MAX, UINT64_MAX));
  CHECK_FALSE(valid_subtree(UINT64_MAX, 0));
  check_expected(subtree_hash(1, 3, Nodes(single_bytes(4)).source()), "[1, 3) is not a subtree");
}

// The appendix of the draft: each digest pins every hash of every case up to 130 leaves.
TEST_CASE("accumulated subtree hashes", "[merkle]") {
  const Nodes nodes(single_bytes(130));
  Sha256 digest;
  for (std::uint64_t end = 0; end <= 130; ++end) {
    for (std::uint64_t start = 0; start <= end; ++start) {
      if (!valid_subtree(start, end)) continue;
      const Hash hash = subtree_hash(start, end, nodes.source()).value();
      digest.update("[" + std::to_string(start) + ", " + std::to_string(end) + ") " + hex(view(hash)) + "\n");
    }
  }
  CHECK(hex(view(digest.finish())) == "b82806ad4265bb151c1119c0f4db437bb4d1a1f887b3a7fba1cd4ebf552e3e81");
}

TEST_CASE("accumulated inclusion proofs", "[merkle]") {
  const Leaves d = single_bytes(130);
  const Nodes nodes(d);
  Sha256 digest;
  int refused = 0;
  for (std::uint64_t end = 0; end <= 130; ++end) {
    for (std::uint64_t start = 0; start <= end; ++start) {
      if (!valid_subtree(start, end)) continue;
      const Hash root = subtree_hash(start, end, nodes.source()).value();
      for (std::uint64_t i = start; i < end; ++i) {
        const auto proof = subtree_proof(i - start, i - start + 1, end - start, nodes.source(start));
        REQUIRE(proof.ok());
        digest.update(std::to_string(i) + " [" + std::to_string(start) + ", " + std::to_string(end) + ")" +
                      words(*proof) + "\n");
        refused += !verify_inclusion(i - start, end - start, *proof, leaf_hash(d[i]), root).ok();
      }
    }
  }
  CHECK(hex(view(digest.finish())) == "ac2a8f989e44d99e399db448050ff5f19757df53cfb716aa81015d3955d8163f");
  CHECK(refused == 0);
}

TEST_CASE("accumulated subtree consistency proofs", "[merkle]") {
  const Nodes nodes(single_bytes(130));
  Sha256 digest;
  int refused = 0;
  for (std::uint64_t size = 0; size <= 130; ++size) {
    const Hash root = subtree_hash(0, size, nodes.source()).value();
    for (std::uint64_t end = 0; end <= size; ++end) {
      for (std::uint64_t start = 0; start <= end; ++start) {
        if (!valid_subtree(start, end)) continue;
        const auto proof = subtree_proof(start, end, size, nodes.source());
        REQUIRE(proof.ok());
        digest.update("[" + std::to_string(start) + ", " + std::to_string(end) + ") " + std::to_string(size) +
                      words(*proof) + "\n");
        const Hash subtree = subtree_hash(start, end, nodes.source()).value();
        refused += !verify_subtree(start, end, size, *proof, subtree, root).ok();
      }
    }
  }
  CHECK(hex(view(digest.finish())) == "10fa99b37bf9bf9ffa26b412fbd98bd75363256d0b75d61bc4538b9c9c5a0a74");
  CHECK(refused == 0);
}

TEST_CASE("proofs are those of RFC 6962", "[merkle]") {
  const Leaves d = single_bytes(40);
  const Nodes nodes(d);
  for (std::size_t n = 1; n <= d.size(); ++n) {
    const Hash root = naive_root(d, 0, n);
    for (std::size_t m = 0; m < n; ++m) {
      INFO(m << " in " << n);
      const Proof path = naive_path(d, m, 0, n);
      CHECK(subtree_proof(m, m + 1, n, nodes.source()).value() == path);
      CHECK(verify_inclusion(m, n, path, sha256({ByteView("\0", 1), d[m]}), root).ok());
      const Proof consistency = naive_subproof(d, m + 1, 0, n, true);
      CHECK(subtree_proof(0, m + 1, n, nodes.source()).value() == consistency);
      CHECK(verify_consistency(m + 1, n, consistency, naive_root(d, 0, m + 1), root).ok());
    }
    CHECK(verify_consistency(0, n, {}, sha256(""), root).ok());
  }
}

// The verifier's whole contract: of all claims that can be made with true hashes, it accepts those whose proof is the
// generator's. This includes each wrong index, size and pair of swapped trees.
TEST_CASE("a proof is accepted for its own claim alone, exhaustively", "[merkle]") {
  const Leaves d = single_bytes(14);
  const Nodes nodes(d);
  struct Claim {
    std::uint64_t start, end, size;
    Proof proof;
    Hash subtree, root;
  };
  std::vector<Claim> claims;
  for (std::uint64_t size = 1; size <= d.size(); ++size) {
    for (std::uint64_t end = 1; end <= size; ++end) {
      for (std::uint64_t start = 0; start < end; ++start) {
        if (!valid_subtree(start, end)) continue;
        claims.push_back({start, end, size, subtree_proof(start, end, size, nodes.source()).value(),
                          naive_root(d, start, end), naive_root(d, 0, size)});
      }
    }
  }
  // The root is what a signature vouches for, so it is the claim's own, or another one with all else right.
  std::size_t wrong = 0, accepted = 0;
  const auto check = [&](const Claim& c, const Proof& proof, const Hash& subtree, const Hash& root) {
    const bool ok = verify_subtree(c.start, c.end, c.size, proof, subtree, root).ok();
    wrong += ok != (proof == c.proof && subtree == c.subtree && root == c.root);
    accepted += ok;
  };
  for (const Claim& claim : claims) {
    for (const Claim& other : claims) {
      check(claim, other.proof, claim.subtree, claim.root);
      check(claim, claim.proof, other.subtree, claim.root);
      check(claim, other.proof, other.subtree, claim.root);
      check(claim, claim.proof, claim.subtree, other.root);
    }
  }
  CHECK(claims.size() == 257);
  CHECK(accepted >= claims.size());
  CHECK(wrong == 0);
}

TEST_CASE("a changed proof is refused", "[merkle]") {
  const Leaves d = single_bytes(23);
  const Nodes nodes(d);
  int accepted = 0, tried = 0;
  const auto refuse = [&](std::uint64_t start, std::uint64_t end, std::uint64_t size, const Proof& proof) {
    ++tried;
    accepted += verify_subtree(start, end, size, proof, naive_root(d, start, end), naive_root(d, 0, size)).ok();
  };
  for (std::uint64_t size = 1; size <= d.size(); ++size) {
    for (std::uint64_t end = 1; end <= size; ++end) {
      for (std::uint64_t start = 0; start < end; ++start) {
        if (!valid_subtree(start, end)) continue;
        const Proof proof = subtree_proof(start, end, size, nodes.source()).value();
        for (std::size_t i = 0; i <= proof.size(); ++i) {
          const auto at = static_cast<long>(i);
          for (const Hash& extra : {Hash{}, naive_root(d, 0, size), naive_root(d, start, end), empty_root()}) {
            Proof longer = proof;
            longer.insert(longer.begin() + at, extra);
            refuse(start, end, size, longer);
          }
          if (i == proof.size()) break;
          Proof shorter = proof;
          shorter.erase(shorter.begin() + at);
          refuse(start, end, size, shorter);
          Proof twice = proof;
          twice.insert(twice.begin() + at, proof[i]);
          refuse(start, end, size, twice);
          for (std::size_t j = i + 1; j < proof.size(); ++j) {
            Proof swapped = proof;
            std::swap(swapped[i], swapped[j]);
            refuse(start, end, size, swapped);
          }
        }
      }
    }
  }
  CHECK(tried > 5000);
  CHECK(accepted == 0);
}

TEST_CASE("a flip of any bit of a proof or hash is refused", "[merkle]") {
  const Leaves d = single_bytes(13);
  const Nodes nodes(d);
  for (const auto& [start, end] : {std::pair<std::uint64_t, std::uint64_t>{0, 6}, {8, 11}, {4, 8}, {12, 13}}) {
    const Proof proof = subtree_proof(start, end, 13, nodes.source()).value();
    const Hash subtree = naive_root(d, start, end), root = naive_root(d, 0, 13);
    REQUIRE(verify_subtree(start, end, 13, proof, subtree, root).ok());
    for (std::size_t bit = 0; bit < 256; ++bit) {
      const auto flipped = [bit](Hash hash) {
        hash[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
        return hash;
      };
      for (std::size_t i = 0; i < proof.size(); ++i) {
        Proof other = proof;
        other[i] = flipped(other[i]);
        CHECK_FALSE(verify_subtree(start, end, 13, other, subtree, root).ok());
      }
      CHECK_FALSE(verify_subtree(start, end, 13, proof, flipped(subtree), root).ok());
      CHECK_FALSE(verify_subtree(start, end, 13, proof, subtree, flipped(root)).ok());
    }
  }
}

TEST_CASE("claims that cannot be true are refused by what is wrong with them", "[merkle]") {
  const Leaves d = single_bytes(9);
  const Nodes nodes(d);
  const Hash root = naive_root(d, 0, 9), zero{};
  check_expected(verify_subtree(1, 3, 9, {}, zero, root), "[1, 3) is not a subtree");
  check_expected(verify_subtree(3, 2, 9, {}, zero, root), "[3, 2) is not a subtree");
  check_expected(verify_subtree(8, 10, 9, {}, zero, root), "reaches beyond the tree of 9");
  check_expected(verify_subtree(0, 1, UINT64_MAX, {}, zero, root), "above 2^63");
  check_expected(verify_subtree(0, UINT64_MAX, UINT64_MAX, {}, root, root), "above 2^63");
  check_expected(verify_inclusion(9, 9, {}, zero, root), "index 9 is not in a tree of size 9");
  check_expected(verify_inclusion(0, 0, {}, zero, empty_root()), "index 0 is not in a tree of size 0");
  check_expected(verify_inclusion(UINT64_MAX, UINT64_MAX, {}, zero, root), "is not in a tree");
  check_expected(verify_inclusion(UINT64_MAX, 9, {}, zero, root), "is not in a tree");
  check_expected(verify_consistency(10, 9, {}, zero, root), "old size 10 is above the new size 9");

  check_expected(verify_consistency(0, 9, {zero}, empty_root(), root), "must be empty");
  check_expected(verify_consistency(0, 9, {}, zero, root), "is not that of no bytes");
  check_expected(verify_consistency(0, 0, {}, empty_root(), zero), "root of size 0");
  CHECK(verify_consistency(0, 0, {}, empty_root(), empty_root()).ok());
  check_expected(verify_consistency(9, 9, {}, zero, root), "another root of size 9");
  check_expected(verify_consistency(9, 9, {}, root, zero), "another root of size 9");
  check_expected(verify_consistency(9, 9, {zero}, root, root), "too long: the root is reached after 0 of 1");
  CHECK(verify_consistency(9, 9, {}, root, root).ok());

  const Proof proof = subtree_proof(0, 6, 9, nodes.source()).value();
  check_expected(verify_consistency(6, 9, {}, naive_root(d, 0, 6), root), "too short: it is empty");
  check_expected(verify_consistency(6, 9, {proof[0]}, naive_root(d, 0, 6), root), "too short: 1 hashes do not reach");
}

TEST_CASE("the generator refuses what is no subtree of the tree", "[merkle]") {
  const Nodes nodes(single_bytes(9));
  check_expected(subtree_proof(1, 3, 9, nodes.source()), "is not a subtree");
  check_expected(subtree_proof(8, 10, 9, nodes.source()), "reaches beyond");
  check_expected(subtree_proof(0, 1, UINT64_MAX, nodes.source()), "above 2^63");
  CHECK(subtree_proof(0, 0, 0, nodes.source()).value().empty());
  CHECK(subtree_proof(5, 5, 9, nodes.source()).value().empty());
  // A node that is not kept any more is the source's error, handed on as it is.
  const auto gone = subtree_proof(0, 1, 16, nodes.source());
  REQUIRE_FALSE(gone.ok());
  CHECK(gone.error().kind == ErrorKind::missing);
  CHECK_FALSE(subtree_hash(0, 16, nodes.source()).ok());
}

TEST_CASE("proofs in trees of up to 2^63 leaves", "[merkle]") {
  const std::uint64_t top = std::uint64_t{1} << 63;
  const std::uint64_t places[] = {0,       1,       2,      0x0123456789abcdef, top / 2 - 1, top / 2, top / 2 + 1,
                                  top - 3, top - 2, top - 1};
  std::map<std::uint64_t, Hash> special;
  for (const std::uint64_t i : places) special[i] = leaf_hash(std::to_string(i));
  const SparseTree tree(special);
  for (const std::uint64_t size : {top / 2 - 1, top / 2, top / 2 + 1, top - 2, top - 1, top}) {
    const Hash root = subtree_hash(0, size, tree.source()).value();
    for (const std::uint64_t i : places) {
      if (i >= size) continue;
      INFO("index " << i << ", size " << size);
      const Hash leaf = special[i];
      Proof proof = subtree_proof(i, i + 1, size, tree.source()).value();
      CHECK(proof.size() <= kMaxProofHashes);
      CHECK(verify_inclusion(i, size, proof, leaf, root).ok());
      CHECK_FALSE(verify_inclusion(i ^ 1, size, proof, leaf, root).ok());
      CHECK_FALSE(verify_inclusion(i, size, proof, leaf_hash("x"), root).ok());
      const Proof consistency = subtree_proof(0, i + 1, size, tree.source()).value();
      const Hash old_root = subtree_hash(0, i + 1, tree.source()).value();
      CHECK(verify_consistency(i + 1, size, consistency, old_root, root).ok());
      if (i + 1 < size) CHECK_FALSE(verify_consistency(i + 2, size, consistency, old_root, root).ok());
      if (proof.empty()) continue;
      proof.pop_back();
      CHECK_FALSE(verify_inclusion(i, size, proof, leaf, root).ok());
    }
  }
  // An unsound length must end the climb, not the process.
  CHECK_FALSE(verify_inclusion(0, top, Proof(10000), Hash{}, Hash{}).ok());
  CHECK_FALSE(verify_inclusion(top - 1, top, Proof(10000), Hash{}, Hash{}).ok());
  CHECK_FALSE(verify_consistency(top - 1, top, Proof(10000), Hash{}, Hash{}).ok());
}

}  // namespace
}  // namespace sealring
