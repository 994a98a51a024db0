// A sealed segment as one object: what the collector archives, and what a stick carries across an air gap. It stands
// alone: with the hashes of the compact range before it, its root can be recomputed from its own bytes.
//
//     "sealring/segment/v1\n"
//     u64be start, u64be end
//     u8 n, n x 32 bytes          compact range of [0, start)
//     u32be length, note          checkpoint of size `end` with the identity's line
//     (u16be length, entry) x (end - start)
//
// A segment of which entries were dropped unsent (docs/log.md §6) is of version 2. It stands alone, too: in the place
// of the entries it has the hashes of their bundles, and what proves that the log says so.
//
//     "sealring/segment/v2\n"
//     start, end, range and note as above
//     u16be h, h x hole           h >= 1; ascending
//     (u16be length, entry) x (those that are not in a hole)
//
//     hole: u64be from                first entry that is not here; a multiple of 256
//           u16be length, entry       the loss entry, of a range [A, B) with A <= from < B: [from, B) is not here
//           u64be index               of the loss entry; B <= index
//           u32be length, note        a checkpoint of the log, of a size above index, with the identity's line
//           u8 n, n x 32 bytes        inclusion proof of the loss entry in it
//           32 bytes x (B - A) / 256  hash of each bundle of the range
#pragma once

#include <vector>

#include "crypto/merkle.h"
#include "storage/frame.h"
#include "storage/limits.h"

namespace sealring {

constexpr std::string_view kSegmentFileMagic = "sealring/segment/v1\n";

constexpr std::string_view kSegmentFileMagicHoles = "sealring/segment/v2\n";

struct SegmentHole {
  std::uint64_t from = 0;
  std::uint64_t start = 0, end = 0;  // [A, B), as the loss entry says
  Bytes loss_entry;
  std::uint64_t loss_index = 0;
  Bytes note;
  Proof proof;
  std::vector<Hash> bundles;  // of all of [A, B)

  const Hash& bundle_at(std::uint64_t index) const {
    return bundles[static_cast<std::size_t>((index - start) / kBundleEntries)];
  }
};
Bytes encode_hole(const SegmentHole& hole);
// One hole out of more bytes. reject: the loss entry is none, or of a range that does not fit `from` and `index`.
Result<SegmentHole> decode_hole(ByteReader& reader);

struct SegmentFile {
  std::uint64_t start = 0, end = 0;
  std::vector<Hash> range;  // before `start`
  Bytes note;
  Bytes entries;  // bundle-encoded; without those in holes
  std::vector<SegmentHole> holes = {};
};

// entry(index, bytes) for each that is here and hole(hole) for each range that is not, in the order of the log. reject:
// `entries` are not as many as it says.
template <class OnEntry, class OnHole>
Status walk_entries(std::uint64_t start, std::uint64_t end, ByteView entries, const std::vector<SegmentHole>& holes,
                    OnEntry&& on_entry, OnHole&& on_hole) {
  std::uint64_t lost = 0;
  for (const SegmentHole& hole : holes) lost += hole.end - hole.from;
  SEALRING_ASSIGN(const std::vector<ByteView> split,
                  split_entries(entries, static_cast<std::size_t>(end - start - lost)));
  auto hole = holes.begin();
  auto entry = split.begin();
  for (std::uint64_t index = start; index < end;) {
    if (hole != holes.end() && hole->from == index) {
      on_hole(*hole);
      index = hole++->end;
    } else {
      on_entry(index++, *entry++);
    }
  }
  return {};
}

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
