// The body of `skip`, an endpoint of our own beside add-entries (docs/log.md §6): a log tells its mirror that entries
// of a pending checkpoint will not come, because they were dropped unsent, and proves that it has recorded so.
//
//     "sealring/skip/v1\n"
//     u16be n, origin
//     u64be upload_end            the pending checkpoint that the range belongs to
//     u16be n, loss entry         of the range [A, B)
//     u64be index, u64be size     of the loss entry, and of a pending checkpoint that has it
//     u8 n, n x 32 bytes          inclusion proof of the loss entry in that one
//     32 bytes x (B - A) / 256    hash of each bundle of the range
//     (u8 n, n x 32 bytes) x s    of each of complete_subtrees(A, B), from left to right: its proof to upload_end
//
// The answers are those of add-entries: 202 with where to go on, 409 where that is not in the range. Bytes only; what
// they prove is the collector's business. As tlog_wire.h: strict, and one code for both sides.
#pragma once

#include <string>
#include <vector>

#include "crypto/merkle.h"
#include "storage/limits.h"

namespace sealring {

constexpr std::string_view kSkipType = "application/octet-stream";

struct SkipRequest {
  std::string origin;
  std::uint64_t upload_end = 0;
  Bytes loss_entry;
  std::uint64_t loss_index = 0, loss_size = 0;
  Proof inclusion;
  std::vector<Hash> bundles;
  std::vector<Proof> proofs;

  std::uint64_t start = 0, end = 0;  // [A, B), as the loss entry says
};
Bytes encode_skip(const SkipRequest& request);
// reject: not such a body, or its loss entry is none.
Result<SkipRequest> decode_skip(ByteView body);

}  // namespace sealring
