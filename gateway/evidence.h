// What our proofs carry in the `extra` of a .tlog-proof (storage/FORMAT.md "Proof file"): the entry itself, and the
// path of entry 0 in the same tree, so that one file and an anchor are enough to check it.
//
// `extra` is not authenticated by the proof's format. It need not be: what is in it counts only after its hash was
// found to be in the signed tree.
#pragma once

#include <vector>

#include "crypto/merkle.h"

namespace sealring {

struct Evidence {
  Bytes entry;
  Bytes genesis;       // entry 0; empty: not there
  Proof genesis_path;  // its inclusion in the tree of the proof's checkpoint
  // Statements (rotation.h) of all rotations of the log's identity below the checkpoint's size, in order.
  std::vector<Bytes> rotations;

  Bytes encode() const;
  static Result<Evidence> decode(ByteView bytes);  // strict; reject says at which offset
};
// The second where there are rotations.
constexpr std::string_view kEvidenceMagic = "sealring/evidence/v1\n", kEvidenceMagic2 = "sealring/evidence/v2\n";
constexpr std::size_t kMaxProofRotations = 255;

}  // namespace sealring
