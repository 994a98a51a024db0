#include "storage/ring.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "storage/bundle_writer.h"
#include "storage/journal.h"
#include "storage/ring_db.h"

namespace sealring {
namespace {

constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kMinMapBytes = 64u << 20;
// What one transaction may add at most: a journal half and the largest frame. Kept free beyond the reserve, so that an
// append finds room without a release of its own.
constexpr std::uint64_t kHeadroomBytes = kJournalHalfBytes + kMaxFrameBytes;

std::string words(const std::string& path, const char* call) {
  return path + ": " + call + ": " + std::strerror(errno);
}

std::string at_size(std::uint64_t size, const Hash& root) {
  return "size " + std::to_string(size) + " root " + hex(view(root)).substr(0, 16);
}

Status sync_directory_of(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return retry_error(words(directory, "open"));
  const int rc = ::fsync(fd);
  ::close(fd);
  if (rc != 0) return retry_error(words(directory, "fsync"));
  return {};
}

// Pages that entries may take at most: their chunks, a short last chunk per bundle, and the B-tree around them.
std::uint64_t worst_case_bytes(std::uint64_t bytes, std::uint64_t count) {
  const std::uint64_t bundles = count / kBundleEntries + 2;
  return (bytes / kChunkBytes + 2 * bundles + 64) * kPageBytes;
}

std::vector<Hash> leaf_hashes(const std::vector<ByteView>& entries) {
  std::vector<Hash> hashes;
  hashes.reserve(entries.size());
  for (ByteView entry : entries) hashes.push_back(leaf_hash(entry));
  return hashes;
}

class RingStore final : public Ring {
 public:
  RingStore(int lock_fd, std::unique_ptr<RingDb> db, std::unique_ptr<Journal> journal, RingState state)
      : lock_fd_(lock_fd), db_(std::move(db)), journal_(std::move(journal)), state_(std::move(state)) {
    reserve_bytes_ = std::max<std::uint64_t>(db_->map_bytes() / 20, 4 * kMaxFrameBytes);
  }
  ~RingStore() override { ::close(lock_fd_); }

  Status recover();

  const Contents& contents() const override { return contents_; }
  Status append(const Frame& frame, const CompactRange& range, const std::vector<TreeNode>& nodes) override;
  Status close_segment(std::int64_t wall_ns) override;
  Status attach_note(std::uint64_t segment, ByteView note) override;
  Status acknowledge(std::uint64_t segment, ByteView note) override;
  Status move() override { return pending_.empty() ? journal_->sync() : commit({}); }

  const std::string& origin() const override { return contents_.origin; }  // never changes after open()
  std::uint64_t size() const override {
    std::lock_guard<std::mutex> lock(mutex_);
    return size_;
  }
  Result<Bytes> entries(std::uint64_t first, std::size_t count) const override;
  Result<Hash> node(int level, std::uint64_t start) const override;
  std::vector<Segment> segments() const override;
  Usage usage() const override;

 private:
  using FramePtr = std::shared_ptr<const Frame>;
  // What one LMDB transaction does besides moving the journal's frames.
  struct Change {
    const Frame* direct = nullptr;  // a frame too large for the journal
    const CompactRange* range = nullptr;
    const std::vector<TreeNode>* nodes = nullptr;
    const Segment* closed = nullptr;   // the open segment, as it is to be recorded
    const Segment* changed = nullptr;  // a closed segment with a new note
  };

  Status check_against_journal(const std::vector<JournalRecord>& records);
  Status replay(std::vector<JournalRecord> records);
  Status check_partial_bundle();
  Status commit(const Change& change);
  Status commit_with_release(const Change& change);
  Status release(RingDb::Writer& writer, RingState& next, std::vector<Segment>& segments) const;
  Status make_room(std::uint64_t bytes, std::uint64_t count);
  bool has_room(std::uint64_t bytes, std::uint64_t count) const;
  std::uint64_t releasable_end(const std::vector<Segment>& segments) const;
  Segment* find(std::uint64_t number);
  Status change_segment(std::uint64_t number, SegmentState state, ByteView note);
  void remember(const FrameHeader& last, const CompactRange& range);
  Result<std::vector<Hash>> bundle_leaves(std::uint64_t bundle) const;

  const int lock_fd_;
  const std::unique_ptr<RingDb> db_;
  const std::unique_ptr<Journal> journal_;
  std::uint64_t reserve_bytes_ = 0;
  std::uint64_t map_full_ = 0;

  // Writer only.
  RingState state_;  // what LMDB has
  BundleTail tail_;  // end of its last bundle
  std::vector<TreeNode> pending_nodes_;
  CompactRange pending_range_;
  std::uint64_t pending_bytes_ = 0, pending_count_ = 0;

  // Written by the writer under the mutex, read by all.
  mutable std::mutex mutex_;
  Contents contents_;
  std::uint64_t size_ = 0;
  std::uint64_t ring_size_ = 0;
  std::vector<FramePtr> pending_;  // in the journal only
  std::vector<Segment> segments_;  // closed and not released
  Usage usage_;

  mutable std::mutex leaves_mutex_;
  mutable std::uint64_t leaves_bundle_ = ~0ull;
  mutable std::vector<Hash> leaves_;
};

// --- open ---

Status RingStore::check_against_journal(const std::vector<JournalRecord>& records) {
  const JournalRecord& first = records.front();
  const JournalRecord& last = records.back();
  const std::string ring = "ring has " + at_size(state_.size(), state_.range.root());
  if (last.sequence + 1 == state_.sequence && state_.direct) {
    // Killed between the commit of a large frame and its mark: the ring is ahead by just that frame.
    journal_->switch_half();
    SEALRING_TRY(journal_->mark(state_.last));
    return journal_->sync();
  }
  if (last.sequence < state_.sequence)
    return fatal_error("store: " + ring + ", but the journal ends before it at size " +
                       std::to_string(last.frame.header.end()) +
                       ": the journal was replaced by an older one. Keep both files; ask the collector for its size");
  if (first.sequence > state_.sequence + 1)
    return fatal_error("store: " + ring + ", but the oldest frame in the journal begins at " +
                       std::to_string(first.frame.header.first) +
                       ": the ring lost a commit or was replaced by an older one. Keep both files");
  for (const JournalRecord& record : records)
    if (record.sequence == state_.sequence &&
        (record.frame.header.end() != state_.size() || record.frame.header.root != state_.range.root()))
      return fatal_error("store: " + ring + ", but the journal has " +
                         at_size(record.frame.header.end(), record.frame.header.root) + " at the same place");
  return {};
}

Status RingStore::replay(std::vector<JournalRecord> records) {
  CompactRange range = state_.range;
  for (JournalRecord& record : records) {
    if (record.sequence <= state_.sequence) continue;
    const FrameHeader& header = record.frame.header;
    const std::string where = "store: journal frame " + std::to_string(record.sequence);
    if (record.mark || header.first != range.size())
      return fatal_error(where + " begins at " + std::to_string(header.first) + ", but the ring ends at " +
                         std::to_string(range.size()));
    SEALRING_ASSIGN(const auto entries, split_entries(record.frame.entries, header.count));
    for (const Hash& leaf : leaf_hashes(entries))
      range.append(leaf, [&](int level, std::uint64_t index, const Hash& hash) {
        if (level >= kStoredNodeLevel) pending_nodes_.push_back({level, index, hash});
      });
    if (range.root() != header.root) return fatal_error(where + ": its root does not follow from its entries");
    pending_bytes_ += record.frame.entries.size();
    pending_count_ += header.count;
    contents_.last = header;
    ++contents_.replayed;
    pending_.push_back(std::make_shared<const Frame>(std::move(record.frame)));
  }
  pending_range_ = range;
  return {};
}

// The last, short bundle against the low part of the compact range: what the next append builds on.
Status RingStore::check_partial_bundle() {
  const std::uint64_t count = state_.size() % kBundleEntries;
  tail_ = BundleTail(state_.size());
  if (count == 0) return {};
  SEALRING_ASSIGN(auto reader, db_->read());
  SEALRING_ASSIGN(const Bytes bytes, reader.bundle(state_.size() / kBundleEntries));
  auto entries = split_entries(bytes, count);
  if (!entries) return std::move(entries).error().in("ring: last bundle");
  CompactRange low;
  for (const Hash& leaf : leaf_hashes(*entries)) low.append(leaf);
  const auto& all = state_.range.hashes();
  if (!std::equal(low.hashes().rbegin(), low.hashes().rend(), all.rbegin()))
    return fatal_error("ring: the last bundle does not match the tree state");
  tail_.resume(bytes);
  return {};
}

Status RingStore::recover() {
  db_->clear_dead_readers();
  SEALRING_ASSIGN(auto reader, db_->read());
  SEALRING_ASSIGN(segments_, reader.segments());
  std::uint64_t next = segments_.empty() ? state_.segment_start : segments_.front().start;
  for (const Segment& segment : segments_) {
    if (segment.start != next)
      return fatal_error("ring: segment " + std::to_string(segment.number) +
                         " does not begin where the one before ends");
    next = segment.end;
  }
  if (next != state_.segment_start) return fatal_error("ring: the open segment does not begin where the last one ends");
  SEALRING_TRY(check_partial_bundle());
  std::vector<JournalRecord> records = journal_->take_records();
  SEALRING_TRY(check_against_journal(records));
  contents_.last = state_.last;
  SEALRING_TRY(replay(std::move(records)));
  SEALRING_ASSIGN(auto writer, db_->write());
  usage_.used_bytes = writer.used_bytes();
  contents_.origin = state_.origin;
  remember(contents_.last, pending_range_);
  return {};
}

void RingStore::remember(const FrameHeader& last, const CompactRange& range) {
  std::lock_guard<std::mutex> lock(mutex_);
  contents_.last = last;
  contents_.range = range;
  contents_.epoch = state_.segment;
  contents_.segment_start = state_.segment_start;
  size_ = range.size();
  ring_size_ = state_.size();
  usage_.first_index = state_.first_index;
  usage_.journal_bytes = journal_->bytes_written();
}

// --- writer ---

bool RingStore::has_room(std::uint64_t bytes, std::uint64_t count) const {
  return usage_.used_bytes + worst_case_bytes(pending_bytes_ + bytes, pending_count_ + count) + reserve_bytes_ <=
         db_->map_bytes();
}

std::uint64_t RingStore::releasable_end(const std::vector<Segment>& segments) const {
  std::uint64_t end = 0;
  for (const Segment& segment : segments) {
    if (segment.state != SegmentState::acknowledged) break;
    end = segment.end;
  }
  return end / kBundleEntries * kBundleEntries;
}

// Room is made by the appends themselves; only when what they released is not free yet (a page freed by a commit can be
// reused two commits later) are transactions of its own needed, a few at most.
Status RingStore::make_room(std::uint64_t bytes, std::uint64_t count) {
  for (int i = 0; i < 4 && !has_room(bytes, count) && state_.first_index < releasable_end(segments_); ++i)
    SEALRING_TRY(commit({}));
  if (has_room(bytes, count)) return {};
  return Error{ErrorKind::full, "ring is full: " + std::to_string(usage_.used_bytes >> 20) + " of " +
                                    std::to_string(db_->map_bytes() >> 20) +
                                    " MiB in use and nothing that the collector has receipted"};
}

Status RingStore::append(const Frame& frame, const CompactRange& range, const std::vector<TreeNode>& nodes) {
  const FrameHeader& header = frame.header;
  SEALRING_ASSERT(header.first == size_ && header.count > 0 && range.size() == header.end());
  SEALRING_ASSERT(range.root() == header.root && frame.entries.size() <= kMaxFrameBytes);
  SEALRING_TRY(make_room(frame.entries.size(), header.count));
  if (kFrameHeaderBytes + frame.entries.size() >= kJournalFrameBytes) {
    Change change;
    change.direct = &frame;
    change.range = &range;
    change.nodes = &nodes;
    SEALRING_TRY(commit_with_release(change));
    return journal_->mark(header);
  }
  if (!journal_->fits(frame.entries.size())) {
    SEALRING_TRY(commit_with_release({}));
    // Nothing was pending: open() found this half full, and all of it in the ring. The other half was moved before it.
    if (!journal_->fits(frame.entries.size())) journal_->switch_half();
  }
  SEALRING_TRY(journal_->append(frame));
  auto copy = std::make_shared<const Frame>(frame);
  pending_nodes_.insert(pending_nodes_.end(), nodes.begin(), nodes.end());
  pending_range_ = range;
  pending_bytes_ += frame.entries.size();
  pending_count_ += header.count;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    pending_.push_back(std::move(copy));
    ++usage_.commits;
  }
  remember(header, range);
  return {};
}

// The reserve should make MAP_FULL impossible; where it comes all the same, nothing was written: release and retry.
Status RingStore::commit_with_release(const Change& change) {
  Status status = commit(change);
  for (int i = 0; i < 4 && !status.ok() && status.error().kind == ErrorKind::full; ++i) {
    db_->clear_dead_readers();  // a killed `verify` or `status` pins pages
    ++map_full_;
    SEALRING_ASSIGN(auto writer, db_->write());
    RingState next = state_;
    std::vector<Segment> segments = segments_;
    SEALRING_TRY(release(writer, next, segments));
    SEALRING_TRY(writer.put_state(next));
    SEALRING_TRY(writer.commit());
    state_ = next;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      segments_ = segments;
    }
    status = commit(change);
  }
  return status;
}

Status RingStore::release(RingDb::Writer& writer, RingState& next, std::vector<Segment>& segments) const {
  const std::uint64_t end = releasable_end(segments);
  const std::uint64_t before = next.first_index;
  const std::uint64_t limit = db_->map_bytes() - reserve_bytes_ - 2 * kHeadroomBytes;
  while (next.first_index < end && writer.used_bytes() > limit) {
    SEALRING_TRY(writer.erase_bundle(next.first_index / kBundleEntries));
    next.first_index += kBundleEntries;
  }
  while (!segments.empty() && segments.front().end <= next.first_index) {
    SEALRING_TRY(writer.erase_segment(segments.front().number));
    segments.erase(segments.begin());
  }
  // A tile is kept while its end index is above the minimum index; its hashes go with it (docs/log.md §5).
  for (int level = kStoredNodeLevel;; ++level) {
    const int span = 8 * (level / 8 + 1);  // log2 of the entries under the tile that the node is in
    if (span >= 64 || (before >> span) == (next.first_index >> span)) break;
    SEALRING_TRY(writer.erase_nodes(level, next.first_index >> span << (span - level)));
  }
  return {};
}

Status RingStore::commit(const Change& change) {
  // What says that the last direct frame is durable must exist twice before the next meta page (docs/log.md §4).
  SEALRING_TRY(journal_->sync());
  SEALRING_ASSIGN(auto writer, db_->write());
  RingState next = state_;
  BundleTail tail = tail_;
  for (const FramePtr& frame : pending_) SEALRING_TRY(tail.put(writer, *frame));
  for (const TreeNode& node : pending_nodes_) SEALRING_TRY(writer.put_node(node));
  if (!pending_.empty()) {
    next.range = pending_range_;
    next.last = pending_.back()->header;
    next.direct = false;
    next.sequence = journal_->last_sequence();
  }
  if (change.direct != nullptr) {
    SEALRING_TRY(tail.put(writer, *change.direct));
    for (const TreeNode& node : *change.nodes) SEALRING_TRY(writer.put_node(node));
    next.range = *change.range;
    next.last = change.direct->header;
    next.direct = true;
    next.sequence = journal_->last_sequence() + 1;
  }
  SEALRING_TRY(tail.flush(writer));
  std::vector<Segment> segments = segments_;
  if (change.closed != nullptr) {
    SEALRING_TRY(writer.put_segment(*change.closed));
    segments.push_back(*change.closed);
    next.segment = change.closed->number + 1;
    next.segment_start = change.closed->end;
  }
  if (change.changed != nullptr) {
    SEALRING_TRY(writer.put_segment(*change.changed));
    for (Segment& segment : segments)
      if (segment.number == change.changed->number) segment = *change.changed;
  }
  SEALRING_TRY(release(writer, next, segments));
  SEALRING_TRY(writer.put_state(next));
  const std::uint64_t used = writer.used_bytes();
  SEALRING_TRY(writer.commit());
  // From here on the commit is a fact.
  if (!pending_.empty() || change.direct != nullptr) journal_->switch_half();
  const std::uint64_t written = pending_bytes_ + (change.direct != nullptr ? change.direct->entries.size() : 0);
  state_ = std::move(next);
  tail_ = std::move(tail);
  pending_nodes_.clear();
  pending_bytes_ = pending_count_ = 0;
  pending_range_ = state_.range;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    pending_.clear();
    ring_size_ = state_.size();
    segments_ = std::move(segments);
    usage_.used_bytes = used;
    usage_.map_full = map_full_;
    usage_.ring_bytes += written;
    ++usage_.moves;
  }
  remember(state_.last, state_.range);
  return {};
}

Status RingStore::close_segment(std::int64_t wall_ns) {
  Segment segment;
  segment.number = state_.segment;
  segment.start = state_.segment_start;
  segment.end = contents_.range.size();
  SEALRING_ASSERT(segment.start < segment.end);
  segment.state = SegmentState::sealed;
  segment.closed_wall_ns = wall_ns;
  Change change;
  change.closed = &segment;
  return commit_with_release(change);
}

Segment* RingStore::find(std::uint64_t number) {
  for (Segment& segment : segments_)
    if (segment.number == number) return &segment;
  return nullptr;
}

Status RingStore::change_segment(std::uint64_t number, SegmentState state, ByteView note) {
  const Segment* old = find(number);
  if (old == nullptr) return reject_error("store: there is no closed segment " + std::to_string(number));
  Segment segment = *old;
  segment.state = state;
  segment.note = Bytes(note);
  Change change;
  change.changed = &segment;
  return commit_with_release(change);
}

Status RingStore::attach_note(std::uint64_t number, ByteView note) {
  return change_segment(number, SegmentState::sealed, note);
}

Status RingStore::acknowledge(std::uint64_t number, ByteView note) {
  return change_segment(number, SegmentState::acknowledged, note);
}

// --- any thread ---

// Entries [first, first + count) out of bundle-encoded bytes that begin at `begin` and hold `have` entries.
Result<Bytes> slice(ByteView bytes, std::uint64_t begin, std::size_t have, std::uint64_t first, std::size_t count) {
  SEALRING_ASSIGN(const auto entries, split_entries(bytes, have));
  const std::size_t skip = static_cast<std::size_t>(first - begin);
  SEALRING_ASSERT(skip + count <= entries.size() && count > 0);
  const char* from = entries[skip].data() - 2;
  const ByteView last = entries[skip + count - 1];
  return Bytes(from, static_cast<std::size_t>(last.data() + last.size() - from));
}

Result<Bytes> RingStore::entries(std::uint64_t first, std::size_t count) const {
  std::uint64_t ring_size = 0;
  std::vector<FramePtr> pending;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (count > kBundleEntries || first + count > size_)
      return Error{ErrorKind::missing, "store: entries " + std::to_string(first) + " to " +
                                           std::to_string(first + count) + " are not in a log of size " +
                                           std::to_string(size_)};
    ring_size = ring_size_;
    // Only the frames that are asked for: the recorder waits for this lock, and the journal may hold thousands.
    const auto from = std::lower_bound(pending_.begin(), pending_.end(), first,
                                       [](const FramePtr& f, std::uint64_t i) { return f->header.end() <= i; });
    for (auto it = from; it != pending_.end() && (*it)->header.first < first + count; ++it) pending.push_back(*it);
  }
  Bytes out;
  const std::uint64_t end = first + count;
  for (std::uint64_t at = first; at < std::min(end, ring_size);) {
    const std::uint64_t bundle = at / kBundleEntries, begin = bundle * kBundleEntries;
    const std::uint64_t stop = std::min({end, ring_size, begin + kBundleEntries});
    SEALRING_ASSIGN(auto reader, db_->read());
    SEALRING_ASSIGN(const RingState state, reader.state());
    SEALRING_ASSIGN(const Bytes bytes, reader.bundle(bundle));
    const std::size_t have = std::min<std::uint64_t>(kBundleEntries, state.size() - begin);
    SEALRING_ASSIGN(const Bytes part, slice(bytes, begin, have, at, static_cast<std::size_t>(stop - at)));
    out += part;
    at = stop;
  }
  for (const FramePtr& frame : pending) {
    const FrameHeader& h = frame->header;
    const std::uint64_t from = std::max({h.first, first, ring_size}), to = std::min(h.end(), end);
    if (from >= to) continue;
    SEALRING_ASSIGN(const Bytes part,
                    slice(frame->entries, h.first, h.count, from, static_cast<std::size_t>(to - from)));
    out += part;
  }
  return out;
}

Result<std::vector<Hash>> RingStore::bundle_leaves(std::uint64_t bundle) const {
  const std::uint64_t begin = bundle * kBundleEntries;
  const std::size_t count = std::min<std::uint64_t>(kBundleEntries, size() - std::min(size(), begin));
  if (count == 0) return Error{ErrorKind::missing, "store: bundle " + std::to_string(bundle) + " is not there yet"};
  {
    std::lock_guard<std::mutex> lock(leaves_mutex_);
    if (leaves_bundle_ == bundle && leaves_.size() >= count) return leaves_;
  }
  // Read and hashed without the lock: a thread of low priority must not keep others waiting for that.
  SEALRING_ASSIGN(const Bytes bytes, entries(begin, count));
  SEALRING_ASSIGN(const auto split, split_entries(bytes, count));
  std::vector<Hash> leaves = leaf_hashes(split);
  std::lock_guard<std::mutex> lock(leaves_mutex_);
  leaves_ = leaves;
  leaves_bundle_ = bundle;
  return leaves;
}

Result<Hash> RingStore::node(int level, std::uint64_t start) const {
  SEALRING_ASSERT(level >= 0 && level < 64 && start % (1ull << level) == 0);
  if (start + (1ull << level) > size()) return Error{ErrorKind::missing, "store: the subtree is not complete yet"};
  if (level >= kStoredNodeLevel) {
    SEALRING_ASSIGN(auto reader, db_->read());
    auto stored = reader.node(level, start >> level);
    if (stored || stored.error().kind != ErrorKind::missing) return stored;
  } else {
    SEALRING_ASSIGN(const auto leaves, bundle_leaves(start / kBundleEntries));
    CompactRange range;
    const std::size_t from = start % kBundleEntries, count = std::size_t{1} << level;
    SEALRING_ASSERT(from + count <= leaves.size());
    for (std::size_t i = from; i < from + count; ++i) range.append(leaves[i]);
    return range.root();
  }
  // Complete, but still in the journal.
  const std::uint64_t half = 1ull << (level - 1);
  SEALRING_ASSIGN(const Hash left, node(level - 1, start));
  SEALRING_ASSIGN(const Hash right, node(level - 1, start + half));
  return node_hash(left, right);
}

std::vector<Segment> RingStore::segments() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Segment> out = segments_;
  Segment open;
  open.number = contents_.epoch;
  open.start = contents_.segment_start;
  open.end = size_;
  out.push_back(open);
  return out;
}

Ring::Usage RingStore::usage() const {
  std::lock_guard<std::mutex> lock(mutex_);
  Usage usage = usage_;
  usage.map_bytes = db_->map_bytes();
  usage.reserve_bytes = reserve_bytes_;
  usage.size = size_;
  return usage;
}

std::string ring_path(const std::string& directory) { return directory + "/ring.lmdb"; }
std::string journal_path(const std::string& directory) { return directory + "/journal"; }

// Exclusive for the life of the process; says who else has it where the other left its pid.
Result<int> lock_store(const std::string& directory) {
  const std::string path = directory + "/lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return retry_error(words(path, "open"));
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  const bool busy = errno == EWOULDBLOCK;
  const std::string reason = words(path, "lock");
  ::close(fd);
  if (busy) return Error{ErrorKind::busy, directory + ": another process has this store open"};
  return retry_error(reason);
}

Status create_ring_file(const std::string& path, std::uint64_t map_bytes, const RingState& state,
                        const Frame& genesis) {
  SEALRING_ASSIGN(auto db, RingDb::open(path, RingDb::Mode::create, map_bytes));
  {
    SEALRING_ASSIGN(auto writer, db->write());
    BundleTail tail;
    SEALRING_TRY(tail.put(writer, genesis));
    SEALRING_TRY(tail.flush(writer));
    SEALRING_TRY(writer.put_state(state));
    SEALRING_TRY(writer.commit());
  }
  return db->pre_size();
}

}  // namespace

Status Ring::create(const Options& options, const std::string& origin, const Frame& genesis) {
  const std::string& directory = options.directory;
  const std::string path = ring_path(directory), temporary = path + ".new";
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return retry_error(words(directory, "mkdir"));
  SEALRING_ASSIGN(const int lock, lock_store(directory));
  struct LockCloser {
    int fd;
    ~LockCloser() { ::close(fd); }
  } closer{lock};
  if (::access(path.c_str(), F_OK) == 0) return reject_error(directory + ": there is a store already");
  if (options.map_bytes < kMinMapBytes || options.map_bytes % (1u << 20) != 0)
    return reject_error("ring size " + std::to_string(options.map_bytes) + ": must be whole MiB, at least " +
                        std::to_string(kMinMapBytes >> 20));
  ::unlink(temporary.c_str());  // of a creation that was cut short
  ::unlink((temporary + "-lock").c_str());

  RingState state;
  state.origin = origin;
  state.sequence = 1;
  state.direct = true;
  state.last = genesis.header;
  SEALRING_ASSIGN(const auto entries, split_entries(genesis.entries, genesis.header.count));
  for (ByteView entry : entries) state.range.append(leaf_hash(entry));
  SEALRING_ASSERT(state.range.root() == genesis.header.root);
  SEALRING_TRY(create_ring_file(temporary, options.map_bytes, state, genesis));
  ::unlink((temporary + "-lock").c_str());
  SEALRING_TRY(Journal::create(journal_path(directory), origin, genesis.header));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return retry_error(words(path, "rename"));
  return sync_directory_of(directory);
}

Result<std::unique_ptr<Ring>> Ring::open(const Options& options) {
  const std::string& directory = options.directory;
  const std::string path = ring_path(directory);
  if (::access(path.c_str(), F_OK) != 0)
    return Error{ErrorKind::missing, words(path, "open") + " (make a store with `sealring init`)"};
  SEALRING_ASSIGN(const int lock, lock_store(directory));
  auto opened = [&]() -> Result<std::unique_ptr<RingStore>> {
    SEALRING_ASSIGN(auto db, RingDb::open(path, RingDb::Mode::write, 0));
    Result<RingState> state = [&]() -> Result<RingState> {
      SEALRING_ASSIGN(auto reader, db->read());
      return reader.state();
    }();
    if (!state) return std::move(state).error();
    SEALRING_ASSIGN(auto journal, Journal::open(journal_path(directory), state->origin));
    return std::make_unique<RingStore>(lock, std::move(db), std::move(journal), std::move(state).value());
  }();
  if (!opened) {
    ::close(lock);
    return std::move(opened).error().in(directory);
  }
  Status status = (*opened)->recover();
  if (status.ok()) status = (*opened)->move();  // what only the journal had is now in the ring too
  if (!status.ok()) return std::move(status).error().in(directory);
  return std::unique_ptr<Ring>(std::move(opened).value());
}

std::uint64_t receipted_size(const std::vector<Segment>& segments) {
  std::uint64_t size = 0;
  for (const Segment& segment : segments) {
    size = segment.start;
    if (segment.state != SegmentState::acknowledged) break;
    size = segment.end;
  }
  return size;
}

const char* segment_state_name(SegmentState state) {
  switch (state) {
    case SegmentState::open:
      return "open";
    case SegmentState::sealed:
      return "sealed";
    case SegmentState::acknowledged:
      return "acknowledged";
    case SegmentState::released:
      return "released";
  }
  return "unknown";
}

}  // namespace sealring
