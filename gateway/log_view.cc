// A store without its daemon, and an archive, as LogViews.
#include "gateway/log_view.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <unordered_map>

#include "drivers/file.h"
#include "gateway/rotation.h"
#include "gateway/verify_source.h"
#include "storage/segment_file.h"
#include "storage/store_reader.h"

namespace sealring {
namespace {

class StoreView final : public LogView {
 public:
  StoreView(std::string path, std::unique_ptr<StoreReader> reader)
      : path_(std::move(path)), reader_(std::move(reader)) {}
  std::string origin() const override { return reader_->state().origin; }
  std::uint64_t first_index() const override { return reader_->first_index(); }
  std::uint64_t size() const override { return reader_->size(); }
  Result<Bytes> entries(std::uint64_t first, std::size_t count) const override {
    SEALRING_ASSERT(count > 0 && count <= kBundleEntries);
    return reader_->entries(first, count);
  }
  Result<Hash> node(int level, std::uint64_t start) const override { return reader_->node(level, start); }
  Result<std::optional<LossRecord>> loss_at(std::uint64_t index) const override {
    const LossRecord* loss = find_loss(reader_->losses(), index);
    return loss ? std::optional(*loss) : std::nullopt;
  }
  std::vector<Segment> segments() const override {
    std::vector<Segment> out = reader_->segments();
    Segment open;
    open.number = reader_->state().segment;
    open.start = reader_->state().segment_start;
    open.end = reader_->size();
    if (open.start < open.end) out.push_back(open);
    return out;
  }
  Result<std::vector<Bytes>> rotations(std::uint64_t size) const override {
    return rotations_below(path_, origin(), size);
  }

 private:
  const std::string path_;
  std::unique_ptr<StoreReader> reader_;
};

// An archive is read by whole segments, of which the last used one is kept: what asks goes through neighbours, or jumps
// rarely. Hashes of subtrees before a segment come from that segment's header, so that a proof reads its own segment
// and a few headers, however long the log.
class ArchiveView final : public LogView {
 public:
  explicit ArchiveView(std::unique_ptr<EvidenceSource> source) : source_(std::move(source)) {}
  Status open();

  std::string origin() const override { return origin_; }
  std::uint64_t first_index() const override { return source_->segments().front().start; }
  std::uint64_t size() const override { return source_->segments().back().end; }
  Result<Bytes> entries(std::uint64_t first, std::size_t count) const override;
  Result<Hash> node(int level, std::uint64_t start) const override;
  Result<std::optional<LossRecord>> loss_at(std::uint64_t index) const override;
  std::vector<Segment> segments() const override;
  Result<std::vector<Bytes>> rotations(std::uint64_t size) const override;

 private:
  struct Loaded {
    std::size_t i = SIZE_MAX;
    SegmentEvidence segment;
    std::vector<std::size_t> offsets;  // of each entry, here or not, and the end
  };
  Error absent(std::uint64_t index) const;
  const HoleEvidence* hole_at(std::uint64_t index) const;  // of what is loaded
  Status load(std::uint64_t index) const;
  Result<std::optional<Rotation>> rotation_in(std::uint64_t start, std::uint64_t end, const PublicKey& from) const;
  Result<Hash> small_node(int level, std::uint64_t start) const;
  // From the header of a segment that begins where this subtree is part of its compact range. missing: there is none.
  Result<Hash> node_of_a_header(int level, std::uint64_t start) const;

  std::unique_ptr<EvidenceSource> source_;
  std::string origin_;
  mutable Loaded loaded_;
  mutable std::unordered_map<std::uint64_t, Hash> bundles_;  // hashes of whole bundles, by number
};

Status ArchiveView::open() {
  if (source_->segments().empty())
    return Error{ErrorKind::missing, source_->where() + ": no segment has been archived yet"};
  SEALRING_TRY(load(first_index()));
  const Bytes& note = loaded_.segment.note;
  origin_ = note.substr(0, note.find('\n'));
  return {};
}

Error ArchiveView::absent(std::uint64_t index) const {
  return {ErrorKind::missing, source_->where() + ": entry " + std::to_string(index) + " is not here; it has [" +
                                  std::to_string(first_index()) + ", " + std::to_string(size()) + ")"};
}

Status ArchiveView::load(std::uint64_t index) const {
  const std::vector<SegmentRef>& refs = source_->segments();
  const auto after = std::upper_bound(refs.begin(), refs.end(), index,
                                      [](std::uint64_t n, const SegmentRef& ref) { return n < ref.start; });
  if (after == refs.begin() || index >= std::prev(after)->end) return absent(index);
  const auto i = static_cast<std::size_t>(after - refs.begin()) - 1;
  if (loaded_.i == i) return {};
  loaded_ = {};
  const std::string where = source_->where() + "/" + refs[i].where;
  auto segment = source_->segment(i);
  if (!segment) return std::move(segment).error().in(where);
  if (segment->start != refs[i].start || segment->end != refs[i].end)
    return reject_error(where + ": its bytes are of entries [" + std::to_string(segment->start) + ", " +
                        std::to_string(segment->end) + "), not of what its name says; run sealring verify");
  std::uint64_t here = segment->end - segment->start;
  for (const HoleEvidence& hole : segment->holes) here -= hole.end - hole.from;
  auto split = split_entries(segment->entries, static_cast<std::size_t>(here));
  if (!split) return std::move(split).error().in(where);
  std::size_t at = 0;
  auto hole = segment->holes.begin();
  const auto pass_hole = [&] {
    const bool begins = hole != segment->holes.end() && hole->from == segment->start + loaded_.offsets.size();
    if (begins) loaded_.offsets.resize(static_cast<std::size_t>(hole->end - segment->start), at), ++hole;
  };
  for (const ByteView entry : *split) {
    pass_hole();
    loaded_.offsets.push_back(at);
    at += 2 + entry.size();
  }
  pass_hole();
  loaded_.offsets.push_back(at);
  loaded_.segment = std::move(*segment);
  loaded_.i = i;
  return {};
}

Result<Bytes> ArchiveView::entries(std::uint64_t first, std::size_t count) const {
  SEALRING_ASSERT(count > 0 && count <= kBundleEntries);
  if (first > size() || count > size() - first) return absent(first + count - 1);
  Bytes out;
  for (std::uint64_t at = first; at < first + count;) {
    SEALRING_TRY(load(at));
    const SegmentEvidence& segment = loaded_.segment;
    for (std::uint64_t i = at; i < std::min<std::uint64_t>(first + count, segment.end); ++i)
      if (const HoleEvidence* hole = hole_at(i))
        return Error{ErrorKind::missing,
                     source_->where() + ": " + loss_words({hole->from, hole->end, hole->loss_index, 0, 0, 0})};
    const std::uint64_t stop = std::min<std::uint64_t>(first + count, segment.end);
    const std::size_t from = loaded_.offsets[static_cast<std::size_t>(at - segment.start)];
    out.append(segment.entries, from, loaded_.offsets[static_cast<std::size_t>(stop - segment.start)] - from);
    at = stop;
  }
  return out;
}

const HoleEvidence* ArchiveView::hole_at(std::uint64_t index) const {
  for (const HoleEvidence& hole : loaded_.segment.holes)
    if (hole.from <= index && index < hole.end) return &hole;
  return nullptr;
}

Result<std::optional<LossRecord>> ArchiveView::loss_at(std::uint64_t index) const {
  SEALRING_TRY(load(index));
  const HoleEvidence* hole = hole_at(index);
  if (hole == nullptr) return std::optional<LossRecord>();
  return std::optional<LossRecord>({hole->from, hole->end, hole->loss_index, 0, 0, 0});
}

Result<Hash> ArchiveView::small_node(int level, std::uint64_t start) const {
  const std::size_t count = std::size_t{1} << level;
  if (level == kStoredNodeLevel) {
    const auto known = bundles_.find(start >> level);
    if (known != bundles_.end()) return known->second;
    SEALRING_TRY(load(start));
    if (const HoleEvidence* hole = hole_at(start)) return hole->bundle_at(start);
  }
  SEALRING_ASSIGN(const Bytes bytes, entries(start, count));
  SEALRING_ASSIGN(const auto split, split_entries(bytes, count));
  CompactRange range;
  for (const ByteView entry : split) range.append(leaf_hash(entry));
  if (level == kStoredNodeLevel) bundles_[start >> level] = range.root();
  return range.root();
}

Result<Hash> ArchiveView::node_of_a_header(int level, std::uint64_t start) const {
  const std::vector<SegmentRef>& refs = source_->segments();
  const std::uint64_t leaves = std::uint64_t{1} << level;
  const Error none{ErrorKind::missing, "no segment begins there"};
  // In the compact range of every size in [start + leaves, start + 2 * leaves), where it is its parent's left half.
  if (start % (2 * leaves) != 0) return none;
  const auto ref = std::lower_bound(refs.begin(), refs.end(), start + leaves,
                                    [](const SegmentRef& r, std::uint64_t n) { return r.start < n; });
  if (ref == refs.end() || ref->start >= start + 2 * leaves) return none;
  const std::string path = source_->where() + "/" + ref->where;
  Bytes bytes(kSegmentHeadBytes, '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (in.bad() || in.gcount() <= 0) return retry_error(path + ": cannot be read");
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  Result<SegmentFile> head = decode_segment_head(bytes);
  if (!head) return std::move(head).error().in(path);
  if (head->start != ref->start) return reject_error(path + ": not the segment that its name says");
  std::uint64_t at = 0;
  for (int l = 63, i = 0; l >= level; --l) {
    if ((head->start >> l & 1) == 0) continue;
    if (l == level && at == start) return head->range[static_cast<std::size_t>(i)];
    at += std::uint64_t{1} << l;
    ++i;
  }
  return none;
}

Result<Hash> ArchiveView::node(int level, std::uint64_t start) const {
  SEALRING_ASSERT(level >= 0 && level < 63 && start % (1ull << level) == 0);
  const std::uint64_t leaves = 1ull << level;
  if (start > size() || leaves > size() - start) return absent(start + leaves - 1);
  Result<Hash> known = node_of_a_header(level, start);
  if (known || known.error().kind != ErrorKind::missing) return known;
  if (level <= kStoredNodeLevel) return small_node(level, start);
  SEALRING_ASSIGN(const Hash left, node(level - 1, start));
  SEALRING_ASSIGN(const Hash right, node(level - 1, start + leaves / 2));
  return node_hash(left, right);
}

// With the receipt where there is one; a note that cannot be read leaves its segment without, and `verify` says why.
std::vector<Segment> ArchiveView::segments() const {
  std::unordered_map<std::uint64_t, std::size_t> receipts;
  for (std::size_t i = 0; i < source_->notes().size(); ++i) {
    const NoteRef& note = source_->notes()[i];
    if (note.role == NoteRef::Role::receipt && note.size) receipts[*note.size] = i;
  }
  std::vector<Segment> out;
  for (const SegmentRef& ref : source_->segments()) {
    Segment segment;
    segment.number = out.size();
    segment.start = ref.start;
    segment.end = ref.end;
    segment.state = SegmentState::sealed;
    const auto receipt = receipts.find(ref.end);
    if (receipt != receipts.end()) {
      Result<Bytes> note = source_->note(receipt->second);
      if (note) segment.note = std::move(*note);
      if (note) segment.state = SegmentState::acknowledged;
    }
    if (segment.note.empty() && load(ref.start).ok()) segment.note = loaded_.segment.note;
    out.push_back(std::move(segment));
  }
  return out;
}

Result<std::optional<Rotation>> ArchiveView::rotation_in(std::uint64_t start, std::uint64_t end,
                                                         const PublicKey& from) const {
  for (std::uint64_t index = start; index < end; ++index) {
    const Result<Bytes> bytes = entries(index, 1);
    if (!bytes && bytes.error().kind == ErrorKind::missing) continue;  // dropped
    if (!bytes) return bytes.error();
    const Result<Entry> entry = decode_entry(ByteView(*bytes).substr(2));
    const auto* rotation = entry ? std::get_if<Rotation>(&entry->body) : nullptr;
    if (rotation != nullptr && rotation->old_key == from) return std::optional(*rotation);
  }
  return std::optional<Rotation>();
}

// A segment that has a rotation in it is the first whose checkpoint has a line of the log's by another key, so only
// that one is read.
Result<std::vector<Bytes>> ArchiveView::rotations(std::uint64_t size) const {
  std::vector<Bytes> out;
  if (first_index() != 0) return out;
  SEALRING_ASSIGN(const Bytes bytes, entries(0, 1));
  SEALRING_ASSIGN(const Entry entry, decode_entry(ByteView(bytes).substr(2)));
  const auto* genesis = std::get_if<Genesis>(&entry.body);
  if (genesis == nullptr) return out;
  PublicKey key = genesis->identity;
  std::set<std::uint32_t> known;
  for (const Segment& segment : segments()) {
    if (segment.start >= size) break;
    known.insert(VerifierKey{origin_, KeyType::ed25519, key}.id());
    const Result<Note> note = Note::parse(segment.note);
    if (!note) continue;  // `verify` says why
    const auto is_new = [&](const NoteSignature& line) {
      return line.name == origin_ && known.count(line.key_id) == 0;
    };
    if (std::none_of(note->signatures.begin(), note->signatures.end(), is_new)) continue;
    const std::uint64_t end = std::min(segment.end, size);
    for (std::uint64_t from = segment.start; from < end;) {
      SEALRING_ASSIGN(const std::optional<Rotation> rotation, rotation_in(from, end, key));
      if (!rotation) break;
      out.push_back(RotationStatement{origin_, *rotation}.encode());
      key = rotation->new_key;
      known.insert(VerifierKey{origin_, KeyType::ed25519, key}.id());
    }
  }
  return out;
}

Result<std::unique_ptr<LogView>> open_archive_log(const std::string& folder) {
  SEALRING_ASSIGN(auto source, open_archive_source(folder));
  auto view = std::make_unique<ArchiveView>(std::move(source));
  SEALRING_TRY(view->open());
  return std::unique_ptr<LogView>(std::move(view));
}

Result<std::unique_ptr<LogView>> open_archive(const std::string& path) {
  SEALRING_ASSIGN(const std::vector<std::string> names, list_directory(path));
  std::vector<std::string> logs;
  for (const std::string& name : names)
    if (is_log_folder_name(name)) logs.push_back(name);
  if (logs.size() == 1) return open_archive_log(path + "/" + logs[0]);
  std::string message = path + ": has " + std::to_string(logs.size()) + " logs; name one of them:";
  for (const std::string& name : logs) {
    message += "\n  " + path + "/" + name;
    Result<Bytes> line = read_file(path + "/" + name + "/log", 4096);
    if (line) message += "  " + quoted(ByteView(*line).substr(0, line->find('+')), 128);
  }
  return reject_error(message);
}

}  // namespace

Result<std::unique_ptr<LogView>> open_log_view(const std::string& path) {
  SEALRING_ASSIGN(const PathKind kind, path_kind(path));
  switch (kind) {
    case PathKind::store: {
      SEALRING_ASSIGN(auto reader, StoreReader::open(path));
      return std::unique_ptr<LogView>(std::make_unique<StoreView>(path, std::move(reader)));
    }
    case PathKind::archive_log:
      return open_archive_log(path);
    case PathKind::archive_root:
      return open_archive(path);
    case PathKind::unknown:
      break;
  }
  return Error{ErrorKind::missing, path + ": neither a store (ring.lmdb, journal) nor an archive nor a log's folder"};
}

}  // namespace sealring
