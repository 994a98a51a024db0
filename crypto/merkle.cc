#include "crypto/merkle.h"

#include <algorithm>

#include "crypto/sha256.h"

namespace sealring {
namespace {

// Above this, sizes of one more leaf or rounded up to a power of two would not fit 64 bits.
constexpr std::uint64_t kMaxTreeSize = std::uint64_t{1} << 63;

int floor_log2(std::uint64_t n) { return 63 - __builtin_clzll(n); }

// The largest power of two smaller than `n`, where the RFC splits a tree of n >= 2 leaves.
std::uint64_t split_point(std::uint64_t n) { return std::uint64_t{1} << floor_log2(n - 1); }

std::string range_text(std::uint64_t start, std::uint64_t end) {
  return "[" + std::to_string(start) + ", " + std::to_string(end) + ")";
}

Hash fold(const std::vector<Hash>& largest_first) {
  if (largest_first.empty()) return empty_root();
  Hash hash = largest_first.back();
  for (std::size_t i = largest_first.size() - 1; i > 0; --i) hash = node_hash(largest_first[i - 1], hash);
  return hash;
}

Status check_range(std::uint64_t start, std::uint64_t end, std::uint64_t size) {
  if (size > kMaxTreeSize) return reject_error("tree size " + std::to_string(size) + " is above 2^63");
  if (end > size) {
    return reject_error("subtree " + range_text(start, end) + " reaches beyond the tree of " + std::to_string(size));
  }
  if (!valid_subtree(start, end)) return reject_error(range_text(start, end) + " is not a subtree");
  return {};
}

// The verifier's walk from a node up to the root. first and last are the path of the subtree's first and last leaf, end
// that of the tree's last leaf, all at the current level; below the level where first == last, the subtree's own hash
// is rebuilt beside the root.
class Climb {
 public:
  Climb(std::uint64_t start, std::uint64_t end, std::uint64_t size) : first_(start), last_(end - 1), end_(size - 1) {
    if (last_ == end_) {
      while (first_ != last_) shift();
    } else {
      while (first_ != last_ && (last_ & 1)) shift();
    }
  }

  // The node at this level is the subtree itself, so that its hash need not be in the proof.
  bool at_subtree() const { return first_ == last_; }
  void begin(const Hash& hash) { subtree_ = root_ = hash; }

  // False: the root is reached already.
  bool step(const Hash& sibling) {
    if (end_ == 0) return false;
    if ((last_ & 1) || last_ == end_) {
      if (first_ < last_) subtree_ = node_hash(sibling, subtree_);
      root_ = node_hash(sibling, root_);
      while (!(last_ & 1)) shift();  // ends: last is odd, or equal to end, which is not 0
    } else {
      root_ = node_hash(root_, sibling);
    }
    shift();
    return true;
  }

  bool at_root() const { return end_ == 0; }
  const Hash& subtree() const { return subtree_; }
  const Hash& root() const { return root_; }

 private:
  void shift() {
    first_ >>= 1;
    last_ >>= 1;
    end_ >>= 1;
  }

  std::uint64_t first_, last_, end_;
  Hash subtree_{}, root_{};
};

Status verify_empty_subtree(const Proof& proof, const Hash& subtree) {
  if (!proof.empty()) return reject_error("proof of an empty subtree must be empty");
  if (subtree != empty_root()) return reject_error("hash of an empty subtree is not that of no bytes");
  return {};
}

}  // namespace

Hash leaf_hash(ByteView entry) { return sha256({ByteView("\0", 1), entry}); }

Hash node_hash(const Hash& left, const Hash& right) {
  // One contiguous input: this is the hot path, and three short updates cost a third more.
  char input[65];
  input[0] = 0x01;
  std::memcpy(input + 1, left.data(), 32);
  std::memcpy(input + 33, right.data(), 32);
  return sha256(ByteView(input, sizeof input));
}

Hash empty_root() {
  static const Hash hash = sha256(ByteView());
  return hash;
}

Result<CompactRange> CompactRange::from(std::uint64_t size, std::vector<Hash> hashes) {
  const auto needed = static_cast<std::size_t>(__builtin_popcountll(size));
  if (hashes.size() != needed) {
    return reject_error("compact range of size " + std::to_string(size) + " has " + std::to_string(hashes.size()) +
                        " hashes, must have " + std::to_string(needed));
  }
  CompactRange range;
  range.size_ = size;
  range.hashes_ = std::move(hashes);
  return range;
}

Hash CompactRange::root() const { return fold(hashes_); }

bool valid_subtree(std::uint64_t start, std::uint64_t end) {
  if (start > end) return false;
  const std::uint64_t n = end - start;
  if (n > kMaxTreeSize) return start == 0;  // bit_ceil(n) is 2^64
  if (n <= 1) return true;
  const std::uint64_t ceil = split_point(n) << 1;
  return (start & (ceil - 1)) == 0;
}

std::vector<Subtree> complete_subtrees(std::uint64_t start, std::uint64_t end) {
  std::vector<Subtree> out;
  while (start < end) {
    int level = floor_log2(end - start);
    if (start != 0) level = std::min(level, __builtin_ctzll(start));
    out.push_back({level, start});
    start += std::uint64_t{1} << level;
  }
  return out;
}

std::vector<Hash> fold_subtrees(std::uint64_t start, std::uint64_t end, int level, const std::vector<Hash>& hashes) {
  SEALRING_ASSERT(start < end && (start | end) % (std::uint64_t{1} << level) == 0);
  SEALRING_ASSERT(hashes.size() == (end - start) >> level);
  std::vector<Hash> out;
  std::size_t next = 0;
  for (const Subtree& subtree : complete_subtrees(start, end)) {
    CompactRange range;
    for (std::uint64_t i = 0; i < std::uint64_t{1} << (subtree.level - level); ++i) range.append(hashes[next++]);
    out.push_back(range.root());
  }
  return out;
}

Result<Hash> subtree_hash(std::uint64_t start, std::uint64_t end, const NodeSource& nodes) {
  if (!valid_subtree(start, end)) return reject_error(range_text(start, end) + " is not a subtree");
  std::vector<Hash> hashes;
  while (start < end) {
    const int level = floor_log2(end - start);
    SEALRING_ASSIGN(const Hash hash, nodes(level, start));
    hashes.push_back(hash);
    start += std::uint64_t{1} << level;
  }
  return fold(hashes);
}

Result<Proof> subtree_proof(std::uint64_t start, std::uint64_t end, std::uint64_t size, const NodeSource& nodes) {
  SEALRING_TRY(check_range(start, end, size));
  Proof proof;  // root's child first; the recursion of the draft appends on its way back
  if (start == end) return proof;
  std::uint64_t low = 0, high = size;  // the part of the tree that still holds the subtree
  bool known = true;                   // the verifier has the hash of [start, end)
  auto add = [&](std::uint64_t from, std::uint64_t to) -> Status {
    SEALRING_ASSIGN(const Hash hash, subtree_hash(from, to, nodes));
    proof.push_back(hash);
    return {};
  };
  while (low != start || high != end) {
    const std::uint64_t middle = low + split_point(high - low);
    if (end <= middle) {
      SEALRING_TRY(add(middle, high));
      high = middle;
      continue;
    }
    SEALRING_TRY(add(low, middle));
    if (start < middle) {  // the subtree has both halves' leaves: then it begins where this part does
      SEALRING_ASSERT(start == low);
      start = middle;
      known = false;
    }
    low = middle;
  }
  if (!known) SEALRING_TRY(add(low, high));
  std::reverse(proof.begin(), proof.end());
  return proof;
}

Status verify_subtree(std::uint64_t start, std::uint64_t end, std::uint64_t size, const Proof& proof,
                      const Hash& subtree, const Hash& root) {
  SEALRING_TRY(check_range(start, end, size));
  if (start == end) return verify_empty_subtree(proof, subtree);
  Climb climb(start, end, size);
  auto hash = proof.begin();
  if (climb.at_subtree()) {
    climb.begin(subtree);
  } else {
    if (hash == proof.end()) return reject_error("proof is too short: it is empty");
    climb.begin(*hash++);
  }
  for (; hash != proof.end(); ++hash) {
    if (!climb.step(*hash)) {
      return reject_error("proof is too long: the root is reached after " + std::to_string(hash - proof.begin()) +
                          " of " + std::to_string(proof.size()) + " hashes");
    }
  }
  if (!climb.at_root()) {
    return reject_error("proof is too short: " + std::to_string(proof.size()) + " hashes do not reach the root");
  }
  if (climb.subtree() != subtree) return reject_error("proof leads to another hash of " + range_text(start, end));
  if (climb.root() != root) return reject_error("proof leads to another root of size " + std::to_string(size));
  return {};
}

Status verify_inclusion(std::uint64_t index, std::uint64_t size, const Proof& proof, const Hash& leaf,
                        const Hash& root) {
  if (index >= size) {
    return reject_error("index " + std::to_string(index) + " is not in a tree of size " + std::to_string(size));
  }
  return verify_subtree(index, index + 1, size, proof, leaf, root);
}

Status verify_consistency(std::uint64_t old_size, std::uint64_t size, const Proof& proof, const Hash& old_root,
                          const Hash& root) {
  if (old_size > size) {
    return reject_error("old size " + std::to_string(old_size) + " is above the new size " + std::to_string(size));
  }
  if (size == 0 && root != empty_root()) return reject_error("root of size 0 is not that of no bytes");
  return verify_subtree(0, old_size, size, proof, old_root, root);
}

}  // namespace sealring
