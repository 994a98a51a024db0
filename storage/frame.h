// Frames: the entries of one group commit with the root after them, signed by the epoch key. The unit of durability.
// FORMAT.md has the bytes.
#pragma once

#include <vector>

#include "crypto/bytes.h"
#include "storage/limits.h"

namespace sealring {

struct FrameHeader {
  std::uint64_t first = 0;  // index of the first entry
  std::uint32_t count = 0;
  std::uint64_t epoch = 0;
  Hash root{};            // of size first + count
  Signature signature{};  // E(epoch) over the checkpoint text of that size

  std::uint64_t end() const { return first + count; }
};

struct Frame {
  FrameHeader header;
  Bytes entries;  // count times: u16be length || entry. The encoding of tlog-tiles bundles
};

constexpr std::size_t kFrameHeaderBytes = 8 + 4 + 4 + 8 + 32 + 64;
Bytes encode_frame_header(const FrameHeader& header, std::size_t entries_bytes);
// The header alone, from the first kFrameHeaderBytes; how many bytes of entries it announces (0 in a journal mark) in
// `entries_bytes`. reject: too short, or not a frame.
Result<FrameHeader> decode_frame_header(ByteView bytes, std::size_t& entries_bytes);
// Header and entries, nothing left over; the entries are as many as the header says.
Result<Frame> decode_frame(ByteView bytes);

// Splits `count` entries off bundle-encoded bytes. reject: a length runs past the end, or bytes are left over.
Result<std::vector<ByteView>> split_entries(ByteView bytes, std::size_t count);

}  // namespace sealring
