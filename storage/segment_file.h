// A sealed segment as one object: what the collector archives, and what a stick carries across an air gap. It stands
// alone: with the hashes of the compact range before it, its root can be recomputed from its own bytes.
//
//     "sealring/segment/v1\n"
//     u64be start, u64be end
//     u8 n, n x 32 bytes          compact range of [0, start)
//     u32be length, note          checkpoint of size `end` with the identity's line
//     (u16be length, entry) x (end - start)
#pragma once

#include <vector>

#include "crypto/merkle.h"
#include "storage/limits.h"

namespace sealring {

constexpr std::string_view kSegmentFileMagic = "sealring/segment/v1\n";

struct SegmentFile {
  std::uint64_t start = 0, end = 0;
  std::vector<Hash> range;  // before `start`
  Bytes note;
  Bytes entries;  // bundle-encoded
};

// Everything before the entries.
Bytes encode_segment_header(const SegmentFile& segment);
// Structure only: no hash or signature is checked. reject: says at which offset what is wrong.
Result<SegmentFile> decode_segment_file(ByteView bytes);

// Its beginning alone: start, end and range, without the note and the entries. kSegmentHeadBytes of a file are enough.
Result<SegmentFile> decode_segment_head(ByteView bytes);
constexpr std::size_t kSegmentHeadBytes = kSegmentFileMagic.size() + 8 + 8 + 1 + 64 * 32;

// Names in an archive: 20 digits each, so that a listing sorts by index.
std::string segment_file_name(std::uint64_t start, std::uint64_t end);  // "<start>-<end>.seg"
std::string receipt_file_name(std::uint64_t size);                      // "<size>.note"

}  // namespace sealring
