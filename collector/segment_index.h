// What is kept of a segment in memory, to find tiles in it: where each bundle of 256 entries begins in the file, and
// the hash of each bundle that it completes. 36 bytes for 256 entries. All of it can be made again from the segment, so
// its file, beside the segment, is a convenience: what is missing or damaged is made anew.
//
//     "sealring/index/v1\n"
//     u64be start, u64be end          as in the segment file
//     u32be x n                       offsets in the segment file: of entry `start`, of every multiple of 256 above
//                                     `start` and below `end`, and the file's length; of a bundle in a hole, where
//                                     the one after it begins
//     32 bytes x m                    the hash of each bundle whose last entry is in the segment; its first ones may be
//                                     in segments before
//     16 bytes: the first of the SHA-256 of all before
#pragma once

#include <vector>

#include "storage/segment_file.h"

namespace sealring {

struct EntryRange {
  std::uint64_t start = 0, end = 0;
};

struct SegmentIndex {
  EntryRange range;
  std::vector<std::uint32_t> offsets;
  std::vector<Hash> bundles;

  static std::uint64_t offset_count(const EntryRange& range);  // n above
  static std::uint64_t bundle_count(const EntryRange& range);  // m above

  Bytes encode() const;
  // reject: damaged, or of another range.
  static Result<SegmentIndex> decode(ByteView bytes, const EntryRange& range);
};

// Makes the index while somebody goes through the entries for reasons of his own.
class SegmentIndexer {
 public:
  // `entries_at`: length of the segment's header.
  SegmentIndexer(const EntryRange& range, std::size_t entries_at);
  // The next entry, whose leaf completes the nodes that CompactRange::append() then tells.
  void entry(std::uint64_t index, std::size_t bytes);
  void node(int level, const Hash& hash);
  // Of a range that is not in the file; its bundles are nodes, too, and told by append_subtree().
  void hole(const SegmentHole& hole);
  SegmentIndex finish();

 private:
  SegmentIndex index_;
  std::uint64_t at_;
};

// From the segment's own bytes. reject: its root is not the one in its note.
Result<SegmentIndex> index_segment(const SegmentFile& segment);

}  // namespace sealring
