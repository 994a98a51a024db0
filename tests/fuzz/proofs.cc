// Proofs: the verifier of the tree against the generator, evidence, and the offline check of a whole file.
#include <algorithm>

#include "gateway/evidence.h"
#include "gateway/rotation.h"
#include "gateway/verify_proof.h"
#include "tests/fuzz/fuzz.h"

namespace sealring::fuzz {
namespace {

constexpr std::size_t kLeaves = 300;

const std::vector<Hash>& leaves() {
  static const std::vector<Hash> all = [] {
    std::vector<Hash> made;
    for (std::size_t i = 0; i < kLeaves; ++i) made.push_back(leaf_hash(std::to_string(i)));
    return made;
  }();
  return all;
}

Hash root_of(std::uint64_t start, std::uint64_t end) {
  CompactRange range;
  for (std::uint64_t i = start; i < end; ++i) range.append(leaves()[i]);
  return range.root();
}

Result<Hash> node(int level, std::uint64_t start) {
  FUZZ_CHECK(start % (std::uint64_t{1} << level) == 0 && start + (std::uint64_t{1} << level) <= kLeaves);
  return root_of(start, start + (std::uint64_t{1} << level));
}

// Changes a proof as the input says: drops, doubles, swaps hashes or flips a bit.
void change(Proof& proof, Pieces& pieces) {
  for (int i = 0; i < 4 && !pieces.empty(); ++i) {
    const unsigned what = pieces.u8();
    const std::size_t at = proof.empty() ? 0 : pieces.u8() % proof.size();
    if (proof.empty() || what % 4 == 0)
      proof.insert(proof.begin() + static_cast<long>(at), leaves()[what]);
    else if (what % 4 == 1)
      proof.erase(proof.begin() + static_cast<long>(at));
    else if (what % 4 == 2)
      std::swap(proof[at], proof[(at + 1) % proof.size()]);
    else
      proof[at][what % 32] ^= static_cast<std::uint8_t>(pieces.u8());
  }
}

// A tree that is there: what the generator makes passes, anything else does not.
void check_small_tree(Pieces pieces) {
  const std::uint64_t size = 1 + pieces.u16() % kLeaves;
  std::uint64_t start = pieces.u16() % size, end = start + 1 + pieces.u16() % (size - start);
  if (!valid_subtree(start, end)) start = 0;
  const auto proof = subtree_proof(start, end, size, node);
  FUZZ_CHECK(ok_or_checked(proof));
  const Hash subtree = root_of(start, end), root = root_of(0, size);
  const auto hashed = subtree_hash(start, end, node);
  FUZZ_CHECK(hashed.ok() && *hashed == subtree);
  FUZZ_CHECK(ok_or_checked(verify_subtree(start, end, size, *proof, subtree, root)));
  Proof other = *proof;
  change(other, pieces);
  FUZZ_CHECK(ok_or_checked(verify_subtree(start, end, size, other, subtree, root)) == (other == *proof));
  if (start == 0) FUZZ_CHECK(verify_consistency(end, size, *proof, subtree, root).ok());
  if (end == start + 1) FUZZ_CHECK(verify_inclusion(start, size, *proof, leaves()[start], root).ok());
}

// Numbers and hashes without a tree: nothing holds but the trivial.
void check_any(Pieces pieces) {
  const std::uint64_t start = pieces.u64(), end = pieces.u64(), size = pieces.u64();
  Proof proof;
  for (unsigned n = pieces.u8() % 80; n > 0; --n) {
    Hash hash = leaves()[n];
    hash[0] = pieces.u8();
    proof.push_back(hash);
  }
  const Hash subtree = leaves()[0], root = leaves()[1];
  FUZZ_CHECK(!ok_or_checked(verify_subtree(start, end, size, proof, subtree, root)));
  FUZZ_CHECK(!ok_or_checked(verify_inclusion(start, size, proof, subtree, root)));
  FUZZ_CHECK(!ok_or_checked(verify_consistency(start, size, proof, subtree, root)));
  const bool same = ok_or_checked(verify_consistency(start, size, proof, root, root));
  FUZZ_CHECK(!same || (start == size && proof.empty()));
  std::vector<Hash> hashes(proof);
  const auto range = CompactRange::from(size, hashes);
  if (ok_or_checked(range)) FUZZ_CHECK(range->size() == size && range->hashes() == hashes);
}

}  // namespace

FUZZ_TARGET(merkle, 512) {
  Pieces pieces(input);
  if (pieces.u8() & 1)
    check_small_tree(pieces);
  else
    check_any(pieces);
}

FUZZ_TARGET(evidence, 4096) {
  const auto evidence = Evidence::decode(input);
  if (ok_or_checked(evidence)) FUZZ_CHECK(evidence->encode() == input);
  const auto statement = RotationStatement::parse(input);
  if (ok_or_checked(statement)) FUZZ_CHECK(statement->encode() == input);
}

// A file that anyone may have made, without an anchor and a policy: never more than unproven.
FUZZ_TARGET(proof_file, 8u << 10, 1u << 20, 256) {
  ProofOptions options;
  options.where = "a.tlog-proof";
  options.file = Bytes(input);
  const ProofReport report = verify_proof(options);
  FUZZ_CHECK(report.verdict != Verdict::fine && report.verdict != Verdict::named);
  FUZZ_CHECK(!report.anchor_matched && !report.quorum_met);
  for (const Finding& finding : report.findings) check_message(finding.what);
  for (const char c : proof_report_text(report))
    FUZZ_CHECK(c == '\n' || (static_cast<std::uint8_t>(c) >= 0x20 && c != 0x7f));
  for (const char c : proof_report_json(report)) FUZZ_CHECK(c == '\n' || (c >= 0x20 && c < 0x7f));
}

}  // namespace sealring::fuzz
