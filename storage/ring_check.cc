#include "storage/ring_check.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "storage/child.h"
#include "storage/disk_error.h"
#include "storage/ring_pages.h"

namespace sealring {
namespace {

std::string at_size(std::uint64_t size, const Hash& root) {
  return "size " + std::to_string(size) + " root " + hex(view(root)).substr(0, 16);
}

// Of one meta page, by the pages alone.
struct Looked {
  RingState state;
  std::vector<Segment> segments;
  std::vector<LossRecord> losses;
};

// What the pages under it have of that. Bundles come last and in order, so only the chunks of the last one are kept.
class Look {
 public:
  explicit Look(const RingPages& file) : file_(file) {}

  void visit(ByteView key, const RingPages::Value& value) {
    const auto named = parse_ring_key(key);
    if (!named || !bad_.ok()) return;
    if (named->kind == RingKey::Kind::state) bad_ = take(file_.read(value), state_);
    if (named->kind == RingKey::Kind::segment) bad_ = take_segment(named->index, value);
    if (named->kind == RingKey::Kind::loss) bad_ = take_loss(named->index, value);
    if (named->kind != RingKey::Kind::chunk) return;
    if (named->index != bundle_) chunks_.clear();
    bundle_ = named->index;
    chunks_.push_back({value, Bytes(value.bytes_here)});
  }
  Result<Looked> result() {
    SEALRING_TRY(bad_);
    SEALRING_ASSIGN(looked_.state, decode_ring_state(state_));
    SEALRING_TRY(check_segments(looked_.state, looked_.segments));
    SEALRING_TRY(check_losses(looked_.state, looked_.segments, looked_.losses));
    Bytes bundle;
    if (bundle_ == looked_.state.size() / kBundleEntries) SEALRING_TRY(join(chunks_, bundle));
    SEALRING_TRY(check_last_bundle(looked_.state, bundle));
    return std::move(looked_);
  }

 private:
  using Chunks = std::vector<std::pair<RingPages::Value, Bytes>>;

  Status join(const Chunks& chunks, Bytes& to) const {
    for (const auto& [value, here] : chunks) {
      SEALRING_ASSIGN(const Bytes bytes, value.page == 0 ? Result<Bytes>(here) : file_.read(value));
      to += bytes;
    }
    return {};
  }
  static Status take(Result<Bytes> bytes, Bytes& to) {
    SEALRING_ASSIGN(to, std::move(bytes));
    return {};
  }
  Status take_segment(std::uint64_t number, const RingPages::Value& value) {
    SEALRING_ASSIGN(const Bytes bytes, file_.read(value));
    SEALRING_ASSIGN(Segment segment, decode_segment(bytes, number));
    looked_.segments.push_back(std::move(segment));
    return {};
  }
  Status take_loss(std::uint64_t start, const RingPages::Value& value) {
    SEALRING_ASSIGN(const Bytes bytes, file_.read(value));
    SEALRING_ASSIGN(LossRecord loss, decode_loss(bytes, start));
    looked_.losses.push_back(loss);
    return {};
  }

  const RingPages& file_;
  Looked looked_;
  Bytes state_;
  Status bad_;
  std::uint64_t bundle_ = 0;
  Chunks chunks_;
};

Result<Looked> look(const RingPages& file, const RingMeta& meta) {
  Look look(file);
  SEALRING_TRY(file.audit(meta, [&look](ByteView key, const RingPages::Value& value) { look.visit(key, value); }));
  return look.result();
}

// reject: another format. A single page that is none is damaged.
Result<RingMeta> younger_of(const RingPages& file) {
  const auto first = file.meta(0), second = file.meta(1);
  if (!first && !second) return first.error().kind == ErrorKind::reject ? second.error() : first.error();
  if (!first || !second) return fatal_error((first ? second : first).error().message);
  return first->transaction < second->transaction ? *second : *first;
}

Result<Bytes> last_bundle(const RingDb::Reader& reader, const RingState& state) {
  if (state.size() % kBundleEntries == 0) return Bytes();
  return reader.bundle(state.size() / kBundleEntries);
}

// As a move would, with as many chunks as a journal half can make, and the release of the oldest bundle. Not committed.
Status try_to_write(RingDb& db, const RingState& state, const std::vector<Segment>& segments) {
  SEALRING_ASSIGN(auto writer, db.write());
  if (!segments.empty()) SEALRING_TRY(writer.put_segment(segments.back()));
  const std::uint64_t oldest = state.first_index / kBundleEntries, last = state.size() / kBundleEntries;
  if (oldest < last) {
    SEALRING_ASSIGN(const std::size_t stay, writer.erase_bundle(oldest));
    static_cast<void>(stay);
  }
  const Bytes chunk(kChunkBytes, '\0');
  for (std::size_t i = 0; i < kJournalHalfBytes / kChunkBytes; ++i) {
    const Status put = writer.put_chunk(last + 1 + i / kBundleEntries, i % kBundleEntries, chunk);
    if (!put.ok() && put.error().kind == ErrorKind::full) break;  // a ring may be full
    SEALRING_TRY(put);
  }
  return writer.put_state(state);
}

Status examine_pages(const std::string& path) {
  SEALRING_ASSIGN(const RingPages file, RingPages::open(path));
  if (file.file_bytes() == 0) return fatal_error(path + ": is empty, there is no log in it");
  SEALRING_ASSIGN(const RingMeta meta, younger_of(file));
  const auto looked = look(file, meta);
  return looked ? Status() : Status(looked.error());
}

Status examine_by_lmdb(const std::string& path) {
  SEALRING_ASSIGN(auto db, RingDb::open(path, RingDb::Mode::trial, 0));
  SEALRING_ASSIGN(auto reader, db->read());
  SEALRING_ASSIGN(const RingState state, reader.state());
  SEALRING_ASSIGN(const auto segments, reader.segments());
  SEALRING_ASSIGN(const auto losses, reader.losses());
  SEALRING_TRY(check_losses(state, segments, losses));
  SEALRING_ASSIGN(const Bytes bundle, last_bundle(reader, state));
  SEALRING_TRY(check_last_bundle(state, bundle));
  return try_to_write(*db, state, segments);
}

// --- the other meta page ---

// The older one, or the one that is whole.
Result<RingMeta> other_meta(const RingPages& file) {
  const auto first = file.meta(0), second = file.meta(1);
  if (!first && !second) return first.error();
  if (first && second) return first->transaction < second->transaction ? *first : *second;
  return first ? *first : *second;
}

Status examine_other(const std::string& path, const std::string& journal) {
  SEALRING_ASSIGN(const RingPages file, RingPages::open(path));
  SEALRING_ASSIGN(const RingMeta meta, other_meta(file));
  SEALRING_ASSIGN(const Looked looked, look(file, meta));
  SEALRING_ASSIGN(const Bytes bytes, read_journal(journal));
  SEALRING_ASSIGN(JournalScan scan, scan_journal(bytes, looked.state.origin));
  bool direct_ahead = false;
  SEALRING_TRY(check_against_journal(looked.state, scan.records, direct_ahead));
  return replay_journal(looked.state, scan.records,
                        [](JournalRecord&, const CompactRange&, const std::vector<TreeNode>&) {});
}

Status write_file(const std::string& path, int flags, ByteView bytes, std::uint64_t offset) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0600);
  bool written = fd >= 0;
  while (written && !bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    written = n > 0 || (n < 0 && errno == EINTR);
    if (n <= 0) continue;
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  const bool synced = written && ::fsync(fd) == 0;
  Error error = disk_error(path, errno);
  if (fd >= 0) ::close(fd);
  return synced ? Status() : Status(std::move(error));
}

// The damaged page goes to a file of its own, the note of it beside that, and only then is it overwritten. Torn, it is
// as damaged as it was.
Result<std::string> fall_back(const std::string& directory, const std::string& found) {
  const std::string path = directory + "/ring.lmdb";
  SEALRING_ASSIGN(const RingPages file, RingPages::open(path));
  SEALRING_ASSIGN(const RingMeta good, other_meta(file));
  const auto bad = static_cast<std::uint64_t>(1 - good.page);
  SEALRING_ASSIGN(const Bytes damaged, file.read_page(bad));
  SEALRING_ASSIGN(Bytes whole, file.read_page(static_cast<std::uint64_t>(good.page)));
  const std::size_t number = bad;
  std::memcpy(whole.data(), &number, sizeof number);  // a page begins with its number
  const std::string kept = kept_name(path + "-meta");
  const std::string words = found + ". Meta page " + std::to_string(good.page) +
                            " leads to the commit before, and the journal has all that came since: nothing is lost. "
                            "The damaged meta page is kept as " +
                            kept;
  SEALRING_TRY(write_file(kept, O_CREAT | O_EXCL, damaged, 0));
  SEALRING_TRY(write_store_file(directory + kIncidentFile, words));
  SEALRING_TRY(sync_store_folder(directory));
  SEALRING_TRY(write_file(path, 0, whole, bad * file.page_bytes()));
  return words;
}

}  // namespace

Status write_store_file(const std::string& path, ByteView bytes) {
  return write_file(path, O_CREAT | O_TRUNC, bytes, 0);
}

std::string kept_name(const std::string& path) {
  std::string kept = path + "-damaged";
  for (int i = 2; ::access(kept.c_str(), F_OK) == 0; ++i) kept = path + "-damaged-" + std::to_string(i);
  return kept;
}

Status sync_store_folder(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  Error error = disk_error(directory, errno);
  if (fd >= 0) ::close(fd);
  return synced ? Status() : Status(std::move(error));
}

Status check_last_bundle(const RingState& state, ByteView bundle) {
  const std::uint64_t count = state.size() % kBundleEntries;
  if (count == 0) return {};
  auto entries = split_entries(bundle, count);
  if (!entries) return fatal_error("ring: last bundle: " + entries.error().message);
  CompactRange low;
  for (ByteView entry : *entries) low.append(leaf_hash(entry));
  const auto& all = state.range.hashes();
  if (!std::equal(low.hashes().rbegin(), low.hashes().rend(), all.rbegin()))
    return fatal_error("ring: the last bundle does not match the tree state");
  return {};
}

Status check_segments(const RingState& state, const std::vector<Segment>& segments) {
  std::uint64_t next = segments.empty() ? state.segment_start : segments.front().start;
  for (const Segment& segment : segments) {
    if (segment.start != next)
      return fatal_error("ring: segment " + std::to_string(segment.number) +
                         " does not begin where the one before ends");
    next = segment.end;
  }
  if (next != state.segment_start) return fatal_error("ring: the open segment does not begin where the last one ends");
  return {};
}

Status check_losses(const RingState& state, const std::vector<Segment>& segments,
                    const std::vector<LossRecord>& losses) {
  if (state.losses == losses.empty())
    return fatal_error("ring: the state record and the records of losses contradict each other");
  std::uint64_t from = 0;
  for (const LossRecord& loss : losses) {
    const auto holds_it = [&loss](const Segment& s) { return s.start <= loss.start && loss.end <= s.end; };
    if (loss.start < from || loss.index < loss.end || loss.index >= state.size() ||
        std::none_of(segments.begin(), segments.end(), holds_it))
      return fatal_error("ring: the record of the loss at " + std::to_string(loss.start) + " does not fit the log");
    from = loss.end;
  }
  return {};
}

Status check_against_journal(const RingState& state, const std::vector<JournalRecord>& records, bool& direct_ahead) {
  const JournalRecord& first = records.front();
  const JournalRecord& last = records.back();
  const std::string ring = "ring has " + at_size(state.size(), state.range.root());
  direct_ahead = last.sequence + 1 == state.sequence && state.direct;
  if (direct_ahead) return {};
  if (last.sequence < state.sequence)
    return fatal_error("store: " + ring + ", but the journal ends before it at size " +
                       std::to_string(last.frame.header.end()) +
                       ": the journal was replaced by an older one. Keep both files; ask the collector for its size");
  if (first.sequence > state.sequence + 1)
    return fatal_error("store: " + ring + ", but the oldest frame in the journal begins at " +
                       std::to_string(first.frame.header.first) +
                       ": the ring lost a commit or was replaced by an older one. Keep both files");
  for (const JournalRecord& record : records)
    if (record.sequence == state.sequence &&
        (record.frame.header.end() != state.size() || record.frame.header.root != state.range.root()))
      return fatal_error("store: " + ring + ", but the journal has " +
                         at_size(record.frame.header.end(), record.frame.header.root) + " at the same place");
  return {};
}

Status replay_journal(const RingState& state, std::vector<JournalRecord>& records, const TakeFrame& take) {
  CompactRange range = state.range;
  std::vector<TreeNode> nodes;
  for (JournalRecord& record : records) {
    if (record.sequence <= state.sequence) continue;
    const FrameHeader& header = record.frame.header;
    const std::string where = "store: journal frame " + std::to_string(record.sequence);
    if (record.mark || header.first != range.size())
      return fatal_error(where + " begins at " + std::to_string(header.first) + ", but the ring ends at " +
                         std::to_string(range.size()));
    SEALRING_ASSIGN(const auto entries, split_entries(record.frame.entries, header.count));
    nodes.clear();
    for (ByteView entry : entries)
      range.append(leaf_hash(entry), [&nodes](int level, std::uint64_t index, const Hash& hash) {
        if (level >= kStoredNodeLevel) nodes.push_back({level, index, hash});
      });
    if (range.root() != header.root) return fatal_error(where + ": its root does not follow from its entries");
    take(record, range, nodes);
  }
  return {};
}

Result<std::string> examine_ring(const std::string& directory) {
  const std::string path = directory + "/ring.lmdb";
  const Status examined = in_child([&path]() -> Status {
    SEALRING_TRY(examine_pages(path));
    return examine_by_lmdb(path);
  });
  if (examined.ok()) return std::string();
  // reject: a format that this program leaves alone.
  if (examined.error().kind != ErrorKind::fatal) return examined.error();
  // Only what the pages show can be another one under the other meta page.
  const Status pages = in_child([&path] { return examine_pages(path); });
  if (pages.ok()) return fatal_error(examined.error().message);
  const Status other = in_child([&] { return examine_other(path, directory + "/journal"); });
  if (other.ok()) return pages.error().message;
  return fatal_error(pages.error().message + "; the commit before does not help: " + other.error().message);
}

Result<std::string> make_ring_usable(const std::string& directory) {
  SEALRING_ASSIGN(const std::string found, examine_ring(directory));
  if (found.empty()) return found;
  SEALRING_ASSIGN(std::string words, fall_back(directory, found));
  const Status written = in_child([&directory] { return examine_by_lmdb(directory + "/ring.lmdb"); });
  if (!written.ok()) return fatal_error(written.error().message + "; and before: " + words);
  return words;
}

}  // namespace sealring
