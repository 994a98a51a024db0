// Offline proofs: C2SP tlog-proof (untagged, text of 2026-07), the file format `.tlog-proof`:
//
//     c2sp.org/tlog-proof@v1
//     extra <base64>          (optional; whatever the maker wants to say, not authenticated by the proof)
//     index <decimal>
//     <base64 hash>           x n, from the leaf's sibling to the root's child; at most 63
//                             (empty line)
//     <checkpoint: a signed note, verbatim>
//
// Strict: only what encode() writes is parsed.
#pragma once

#include <optional>

#include "crypto/merkle.h"

namespace sealring {

struct TlogProof {
  std::optional<Bytes> extra;
  std::uint64_t index = 0;
  Proof inclusion;
  Bytes checkpoint;  // the note's bytes

  Bytes encode() const;
  // reject: says which line is wrong and why. The note is not parsed here.
  static Result<TlogProof> parse(ByteView bytes);
};
constexpr std::string_view kTlogProofHeader = "c2sp.org/tlog-proof@v1\n";

}  // namespace sealring
