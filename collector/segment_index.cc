#include "collector/segment_index.h"

#include "crypto/checkpoint.h"
#include "crypto/note.h"
#include "crypto/sha256.h"
#include "storage/frame.h"

namespace sealring {

namespace {

constexpr std::string_view kMagic = "sealring/index/v1\n";
constexpr std::size_t kChecksumBytes = 16;
constexpr int kBundleLevel = 8;
static_assert(1u << kBundleLevel == kBundleEntries, "the node of a full bundle");

ByteView checksum(const Hash& hash) { return view(hash).substr(0, kChecksumBytes); }

}  // namespace

std::uint64_t SegmentIndex::offset_count(const EntryRange& range) {
  return (range.end - 1) / kBundleEntries - range.start / kBundleEntries + 2;
}
std::uint64_t SegmentIndex::bundle_count(const EntryRange& range) {
  return range.end / kBundleEntries - range.start / kBundleEntries;
}

Bytes SegmentIndex::encode() const {
  Bytes out(kMagic);
  put_u64(out, range.start);
  put_u64(out, range.end);
  for (std::uint32_t offset : offsets) put_u32(out, offset);
  for (const Hash& hash : bundles) out += view(hash);
  return out.append(checksum(sha256(out)));
}

Result<SegmentIndex> SegmentIndex::decode(ByteView bytes, const EntryRange& range) {
  SegmentIndex index;
  index.range = range;
  std::uint64_t offsets = offset_count(range), bundles = bundle_count(range);
  if (bytes.substr(0, kMagic.size()) != kMagic) return reject_error("not an index of this version");
  if (bytes.size() != kMagic.size() + 16 + 4 * offsets + 32 * bundles + kChecksumBytes)
    return reject_error("of another length than its range makes it");
  ByteView covered = bytes.substr(0, bytes.size() - kChecksumBytes);
  if (bytes.substr(covered.size()) != checksum(sha256(covered))) return reject_error("its checksum does not hold");
  ByteReader reader(covered.substr(kMagic.size()));
  if (reader.u64() != range.start || reader.u64() != range.end) return reject_error("of another range");
  for (std::uint64_t i = 0; i < offsets; ++i) {
    index.offsets.push_back(reader.u32());
    if (i > 0 && index.offsets[i] < index.offsets[i - 1]) return reject_error("its offsets do not ascend");
  }
  for (std::uint64_t i = 0; i < bundles; ++i) index.bundles.push_back(reader.array<32>());
  return index;
}

SegmentIndexer::SegmentIndexer(const EntryRange& range, std::size_t entries_at) : at_(entries_at) {
  index_.range = range;
}

void SegmentIndexer::entry(std::uint64_t index, std::size_t bytes) {
  if (index == index_.range.start || index % kBundleEntries == 0)
    index_.offsets.push_back(static_cast<std::uint32_t>(at_));
  at_ += 2 + bytes;
  SEALRING_ASSERT(at_ <= UINT32_MAX);  // kMaxSegmentBytes is far below
}

void SegmentIndexer::node(int level, const Hash& hash) {
  if (level == kBundleLevel) index_.bundles.push_back(hash);
}

void SegmentIndexer::hole(const SegmentHole& hole) {
  for (std::uint64_t at = hole.from; at < hole.end; at += kBundleEntries)
    index_.offsets.push_back(static_cast<std::uint32_t>(at_));
}

SegmentIndex SegmentIndexer::finish() {
  index_.offsets.push_back(static_cast<std::uint32_t>(at_));
  SEALRING_ASSERT(index_.offsets.size() == SegmentIndex::offset_count(index_.range));
  SEALRING_ASSERT(index_.bundles.size() == SegmentIndex::bundle_count(index_.range));
  return std::move(index_);
}

Result<SegmentIndex> index_segment(const SegmentFile& segment) {
  SEALRING_ASSIGN(CompactRange range, CompactRange::from(segment.start, segment.range));
  SEALRING_ASSIGN(Note note, Note::parse(segment.note));
  SEALRING_ASSIGN(Checkpoint checkpoint, Checkpoint::parse(note.text));
  SegmentIndexer indexer({segment.start, segment.end}, encode_segment_header(segment).size());
  const auto on_node = [&](int level, std::uint64_t, const Hash& hash) { indexer.node(level, hash); };
  const auto on_entry = [&](std::uint64_t index, ByteView entry) {
    indexer.entry(index, entry.size());
    range.append(leaf_hash(entry), on_node);
  };
  const auto on_hole = [&](const SegmentHole& hole) {
    indexer.hole(hole);
    for (std::uint64_t at = hole.from; at < hole.end; at += kBundleEntries)
      range.append_subtree(kBundleLevel, hole.bundle_at(at), on_node);
  };
  SEALRING_TRY(walk_entries(segment.start, segment.end, segment.entries, segment.holes, on_entry, on_hole));
  if (checkpoint.size != segment.end || checkpoint.root != range.root())
    return reject_error("its entries do not give the root in its note");
  return indexer.finish();
}

}  // namespace sealring
