#include "collector/tiles.h"

#include <algorithm>
#include <mutex>

#include "drivers/diag.h"
#include "storage/frame.h"

namespace sealring {

namespace {

// The root of a full tile's 256 hashes, and of fewer.
template <class Iterator>
Hash root_of(Iterator first, Iterator last) {
  CompactRange range;
  for (; first != last; ++first) range.append(*first);
  return range.root();
}

Error not_there() { return {ErrorKind::missing, "there is no such tile of what is archived"}; }

}  // namespace

// ---------- the index ----------

Status Tiles::load(const std::vector<EntryRange>& segments, const CompactRange& archived) {
  for (bool trusting : {true, false}) {
    std::size_t anew = 0;
    std::string why;
    for (const EntryRange& range : segments) {
      Result<SegmentIndex> index = trusting ? stored(range) : Error(reject_error("the hashes do not give the root"));
      if (!index.ok()) {
        if (anew++ == 0) why = segment_index_name(range) + ": " + index.error().message;
        index = made(range);
        if (!index.ok()) return std::move(index).error();
        store(*index);
      }
      append(*index);
    }
    if (anew != 0)
      diag(DiagLevel::notice, archive_.directory() + ": made the tile index of " + std::to_string(anew) + " of " +
                                  std::to_string(segments.size()) + " segments anew; the first was " + why);
    if (fits(archived)) return {};
    segments_.clear();
    offsets_.clear();
    levels_.clear();
    if (anew == segments.size()) break;
  }
  return fatal_error(archive_.directory() +
                     ": the segments do not give the root of the last one: sealring verify says "
                     "which is damaged");
}

Result<SegmentIndex> Tiles::stored(const EntryRange& range) const {
  SEALRING_ASSIGN(Bytes bytes, archive_.index(range));
  SEALRING_ASSIGN(SegmentIndex index, SegmentIndex::decode(bytes, range));
  SEALRING_ASSIGN(std::uint64_t length, archive_.segment_length(range));
  if (index.offsets.back() != length) return reject_error("the segment has another length than it says");
  return index;
}

Result<SegmentIndex> Tiles::made(const EntryRange& range) const {
  SEALRING_ASSIGN(SegmentFile segment, archive_.segment(range));
  Result<SegmentIndex> index = index_segment(segment);
  if (!index.ok())
    return fatal_error(archive_.directory() + "/segments/" + segment_file_name(range.start, range.end) + ": " +
                       index.error().message);
  return index;
}

// Without the file everything goes on; the next start makes it again.
void Tiles::store(const SegmentIndex& index) {
  Status stored = archive_.put_index(index.range, index.encode());
  if (!stored.ok()) diag(DiagLevel::warning, "a tile index was not kept: " + stored.error().message);
}

void Tiles::add(const SegmentIndex& index) {
  append(index);
  store(index);
}

void Tiles::append(const SegmentIndex& index) {
  std::unique_lock<std::shared_mutex> lock(mutex_);
  SEALRING_ASSERT(index.range.start == size());
  segments_.push_back({index.range, offsets_.size()});
  offsets_.insert(offsets_.end(), index.offsets.begin(), index.offsets.end());
  for (const Hash& bundle : index.bundles) {
    Hash hash = bundle;
    for (std::size_t level = 0;; ++level) {
      if (level == levels_.size()) levels_.emplace_back();
      std::vector<Hash>& hashes = levels_[level];
      hashes.push_back(hash);
      if (hashes.size() % kBundleEntries != 0) break;
      hash = root_of(hashes.end() - kBundleEntries, hashes.end());
    }
  }
}

// The bundles' hashes are the leaves of the tree from level 8 up: its compact range is the front of the log's.
bool Tiles::fits(const CompactRange& archived) const {
  CompactRange range;
  if (!levels_.empty())
    for (const Hash& bundle : levels_[0]) range.append(bundle);
  return range.size() == archived.size() / kBundleEntries &&
         std::equal(range.hashes().begin(), range.hashes().end(), archived.hashes().begin());
}

// ---------- reading ----------

Result<Bytes> Tiles::read(const TilePath& path) const {
  if (path.level <= 0) return read_bundle(path);
  std::shared_lock<std::shared_mutex> lock(mutex_);
  std::size_t level = static_cast<std::size_t>(path.level) - 1;
  if (level >= levels_.size()) return not_there();
  const std::vector<Hash>& hashes = levels_[level];
  if (path.index > hashes.size() / kBundleEntries) return not_there();
  std::uint64_t first = path.index * kBundleEntries;
  if (path.width > hashes.size() - first) return not_there();
  Bytes out;
  out.reserve(path.width * sizeof(Hash));
  for (std::uint64_t i = first; i < first + path.width; ++i) out += view(hashes[i]);
  return out;
}

Tiles::Bundle Tiles::locate(std::uint64_t index) const {
  Bundle bundle;
  std::shared_lock<std::shared_mutex> lock(mutex_);
  if (index > size() / kBundleEntries) return bundle;
  std::uint64_t start = index * kBundleEntries;
  bundle.count = std::min<std::uint64_t>(kBundleEntries, size() - start);
  auto ends_after = [](std::uint64_t entry, const Segment& segment) { return entry < segment.range.end; };
  for (auto it = std::upper_bound(segments_.begin(), segments_.end(), start, ends_after);
       it != segments_.end() && it->range.start < start + bundle.count; ++it) {
    // The bundle's part of a segment begins with the segment or with the bundle, and there is an offset for either.
    std::uint64_t from = std::max(start, it->range.start);
    const std::uint32_t* offset =
        &offsets_[it->offsets_at + (from / kBundleEntries - it->range.start / kBundleEntries)];
    bundle.pieces.push_back({it->range, offset[0], offset[1] - offset[0]});
  }
  if (!levels_.empty() && index < levels_[0].size()) bundle.hash = levels_[0][index];
  return bundle;
}

// All that is there of the bundle, whatever width was asked for: its hash is of the whole.
Result<Bytes> Tiles::read_bundle(const TilePath& path) const {
  Bundle bundle = locate(path.index);
  if (bundle.count < path.width) return not_there();
  Bytes bytes;
  for (const Piece& piece : bundle.pieces) {
    SEALRING_ASSIGN(Bytes part, archive_.segment_bytes(piece.segment, piece.offset, piece.bytes));
    if (bytes.empty())
      bytes = std::move(part);  // the usual case: a bundle in one segment
    else
      bytes += part;
  }
  if (bytes.empty()) return Error{ErrorKind::missing, "the log dropped these entries unsent"};
  std::string where = archive_.directory() + ": bundle " + std::to_string(path.index) + ", in " +
                      segment_file_name(bundle.pieces.front().segment.start, bundle.pieces.front().segment.end);
  Result<std::vector<ByteView>> entries = split_entries(bytes, bundle.count);
  if (!entries.ok()) return fatal_error(where + ": " + entries.error().message);
  std::vector<Hash> leaves;
  for (ByteView entry : *entries) leaves.push_back(leaf_hash(entry));
  if (bundle.hash && root_of(leaves.begin(), leaves.end()) != *bundle.hash)
    return fatal_error(where + ": the entries there are not those that were archived");
  if (path.level == TilePath::kEntries) {
    if (path.width < bundle.count)
      bytes.resize(static_cast<std::size_t>((*entries)[path.width].data() - bytes.data()) - 2);
    return bytes;
  }
  Bytes out;
  for (std::uint64_t i = 0; i < path.width; ++i) out += view(leaves[i]);
  return out;
}

}  // namespace sealring
