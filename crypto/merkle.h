// The Merkle tree of RFC 6962 §2.1 (RFC 9162 §2.1) with SHA-256, and its proofs.
//
// One generator and one verifier serve inclusion, consistency and subtree proofs: the subtree consistency proof of
// draft-ietf-plants-merkle-tree-certs is the RFC 9162 consistency proof for start = 0 and the inclusion proof for
// end = start + 1. Pure functions of their arguments; any thread. Proofs are for sizes up to 2^63; above: reject.
#pragma once

#include <functional>
#include <vector>

#include "crypto/bytes.h"

namespace sealring {

Hash leaf_hash(ByteView entry);                       // H(0x00 || entry)
Hash node_hash(const Hash& left, const Hash& right);  // H(0x01 || left || right)
Hash empty_root();                                    // H(""), the root of size 0

using Proof = std::vector<Hash>;
constexpr std::size_t kMaxProofHashes = 63;  // C2SP: num_hashes <= 63

// The hashes of the complete subtrees that make up [0, size), largest first: one per set bit of size. Appending a leaf
// costs one node hash on average and needs no earlier leaf, so the range is stored with the log, never rebuilt.
class CompactRange {
 public:
  CompactRange() = default;
  // `hashes` must have popcount(size) elements, largest subtree first; otherwise reject.
  static Result<CompactRange> from(std::uint64_t size, std::vector<Hash> hashes);

  std::uint64_t size() const { return size_; }
  const std::vector<Hash>& hashes() const { return hashes_; }
  Hash root() const;
  void append(const Hash& leaf) {
    append(leaf, [](int, std::uint64_t, const Hash&) {});
  }
  // As append; `on_node(level, index, hash)` is called for each inner node (level >= 1: 2^level leaves, the index-th of
  // its level) that this leaf completes, lowest first.
  template <class OnNode>
  void append(const Hash& leaf, OnNode&& on_node) {
    Hash hash = leaf;
    std::uint64_t index = size_;
    int level = 0;
    for (; index & 1; index >>= 1) {
      hash = node_hash(hashes_.back(), hash);
      hashes_.pop_back();
      on_node(++level, index >> 1, hash);
    }
    hashes_.push_back(hash);
    ++size_;
  }
  // As 2^level leaves at once, whose root is `subtree`; size() must be a multiple of that. `on_node` is called for the
  // subtree itself, too, and not for the nodes below it.
  template <class OnNode>
  void append_subtree(int level, const Hash& subtree, OnNode&& on_node) {
    SEALRING_ASSERT(size_ % (std::uint64_t{1} << level) == 0);
    const std::uint64_t leaves = std::uint64_t{1} << level;
    Hash hash = subtree;
    std::uint64_t index = size_ >> level;
    on_node(level, index, hash);
    for (; index & 1; index >>= 1) {
      hash = node_hash(hashes_.back(), hash);
      hashes_.pop_back();
      on_node(++level, index >> 1, hash);
    }
    hashes_.push_back(hash);
    size_ += leaves;
  }
  void append_subtree(int level, const Hash& subtree) {
    append_subtree(level, subtree, [](int, std::uint64_t, const Hash&) {});
  }

 private:
  std::uint64_t size_ = 0;
  std::vector<Hash> hashes_;
};

// [start, end) is a subtree: start < end or both equal, and start is a multiple of bit_ceil(end - start).
bool valid_subtree(std::uint64_t start, std::uint64_t end);

// The complete subtrees that make up [start, end), from left to right, as few as there can be.
struct Subtree {
  int level = 0;  // 2^level leaves
  std::uint64_t start = 0;
};
std::vector<Subtree> complete_subtrees(std::uint64_t start, std::uint64_t end);
// Their hashes, from those of the subtrees of 2^level leaves that [start, end) consists of, in order.
std::vector<Hash> fold_subtrees(std::uint64_t start, std::uint64_t end, int level, const std::vector<Hash>& hashes);

// Gives the hash of a complete subtree: `start` a multiple of 2^level, [start, start + 2^level). Level 0 is a leaf
// hash. Fails where the hash is not kept any more.
using NodeSource = std::function<Result<Hash>(int level, std::uint64_t start)>;

// MTH(D[start:end]) for a valid subtree.
Result<Hash> subtree_hash(std::uint64_t start, std::uint64_t end, const NodeSource& nodes);
// SUBTREE_PROOF(start, end, D_size). Requires a valid subtree with end <= size.
Result<Proof> subtree_proof(std::uint64_t start, std::uint64_t end, std::uint64_t size, const NodeSource& nodes);

// Accepts exactly the proofs that the generator makes. Otherwise reject, and the message says which step failed.
Status verify_subtree(std::uint64_t start, std::uint64_t end, std::uint64_t size, const Proof& proof,
                      const Hash& subtree, const Hash& root);
// The leaf at `index` is in the tree of `size` and `root`.
Status verify_inclusion(std::uint64_t index, std::uint64_t size, const Proof& proof, const Hash& leaf,
                        const Hash& root);
// The tree of `old_size` and `old_root` is a prefix of the tree of `size` and `root`. Old size 0: empty proof, and
// old_root must be empty_root().
Status verify_consistency(std::uint64_t old_size, std::uint64_t size, const Proof& proof, const Hash& old_root,
                          const Hash& root);

}  // namespace sealring
