#include "storage/ring_store.h"

namespace sealring {
namespace {

constexpr std::uint64_t kPageBytes = 4096;
// What one transaction may add at most: a journal half and the largest frame. Kept free beyond the reserve, so that an
// append finds room without a release of its own.
constexpr std::uint64_t kHeadroomBytes = kJournalHalfBytes + kMaxFrameBytes;

// Of the reserve, for the entries that end a segment.
constexpr std::uint64_t kLentBytes = 16u << 10;

// Pages that entries may take at most: their chunks, a short last chunk per bundle, and the B-tree around them.
std::uint64_t worst_case_bytes(std::uint64_t bytes, std::uint64_t count) {
  const std::uint64_t bundles = count / kBundleEntries + 2;
  return (bytes / kChunkBytes + 2 * bundles + 64) * kPageBytes;
}

}  // namespace

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

Status RingStore::drop(const LossRecord& loss, const Frame& frame, const CompactRange& range,
                       const std::vector<TreeNode>& nodes) {
  const FrameHeader& header = frame.header;
  SEALRING_ASSERT(header.first == size_ && header.count > 0 && range.size() == header.end());
  SEALRING_ASSERT(range.root() == header.root && header.first <= loss.index && loss.index < header.end());
  SEALRING_ASSERT(loss.start < loss.end && (loss.start | loss.end) % kBundleEntries == 0);
  const auto holds_it = [&loss](const Segment& segment) {
    return segment.state == SegmentState::sealed && segment.start <= loss.start && loss.end <= segment.end;
  };
  if (std::none_of(segments_.begin(), segments_.end(), holds_it))
    return reject_error("store: there is no closed segment with [" + std::to_string(loss.start) + ", " +
                        std::to_string(loss.end) + ") that is not acknowledged");
  Change change;
  change.direct = &frame;
  change.range = &range;
  change.nodes = &nodes;
  change.loss = &loss;
  SEALRING_TRY(commit_with_release(change));
  return journal_->mark(header);
}

Status RingStore::append(const Frame& frame, const CompactRange& range, const std::vector<TreeNode>& nodes) {
  const FrameHeader& header = frame.header;
  SEALRING_ASSERT(header.first == size_ && header.count > 0 && range.size() == header.end());
  SEALRING_ASSERT(range.root() == header.root && frame.entries.size() <= kMaxFrameBytes);
  if (!lends_ || frame.entries.size() > kLentBytes) SEALRING_TRY(make_room(frame.entries.size(), header.count));
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

// The reserve makes MAP_FULL impossible, unless another process reads the store: what was released since it began is
// not free before it ends. Nothing was written then, and whoever waits needs to know for whom.
Status RingStore::commit_with_release(const Change& change) {
  Status status = commit_or_release(change);
  const long reader = !status.ok() && status.error().kind == ErrorKind::full ? db_->lagging_reader() : 0;
  if (reader == 0) return status;
  return Error{ErrorKind::full, "ring is full: process " + std::to_string(reader) +
                                    " reads the store and keeps what was released since it began; end it"};
}

Status RingStore::commit_or_release(const Change& change) {
  Status status = commit(change);
  for (int i = 0; i < 4 && !status.ok() && status.error().kind == ErrorKind::full; ++i) {
    db_->clear_dead_readers();  // a killed `verify` or `status` pins pages
    ++map_full_;
    SEALRING_ASSIGN(auto writer, db_->write());
    RingState next = state_;
    Records records{segments_, losses_, 0};
    SEALRING_TRY(release(writer, next, records));
    SEALRING_TRY(writer.put_state(next));
    SEALRING_TRY(writer.commit());
    state_ = next;
    publish(std::move(records));
    status = commit(change);
  }
  return status;
}

void RingStore::publish(Records&& records) {
  std::lock_guard<std::mutex> lock(mutex_);
  segments_ = std::move(records.segments);
  losses_ = std::move(records.losses);
  usage_.stuck_pages += records.stuck;
}

// The nodes over the bundles stay: proofs of everything around them need them until the minimum index passes.
Status RingStore::erase_lost(RingDb::Writer& writer, const LossRecord& loss, RingState& next, Records& records) const {
  for (std::uint64_t at = loss.start; at < loss.end; at += kBundleEntries) {
    SEALRING_ASSIGN(const std::size_t stay, writer.erase_bundle(at / kBundleEntries));
    records.stuck += stay;
  }
  SEALRING_TRY(writer.put_loss(loss));
  const auto after = [](const LossRecord& a, const LossRecord& b) { return a.start < b.start; };
  records.losses.insert(std::upper_bound(records.losses.begin(), records.losses.end(), loss, after), loss);
  next.losses = true;
  return {};
}

Status RingStore::release(RingDb::Writer& writer, RingState& next, Records& records) const {
  std::vector<Segment>& segments = records.segments;
  const std::uint64_t end = releasable_end(segments);
  const std::uint64_t before = next.first_index;
  const std::uint64_t limit = db_->map_bytes() - reserve_bytes_ - 2 * kHeadroomBytes;
  while (next.first_index < end && writer.used_bytes() > limit) {
    SEALRING_ASSIGN(const std::size_t stay, writer.erase_bundle(next.first_index / kBundleEntries));
    records.stuck += stay;
    next.first_index += kBundleEntries;
  }
  while (!segments.empty() && segments.front().end <= next.first_index) {
    SEALRING_TRY(writer.erase_segment(segments.front().number));
    segments.erase(segments.begin());
  }
  while (!records.losses.empty() && records.losses.front().end <= next.first_index) {
    SEALRING_TRY(writer.erase_loss(records.losses.front().start));
    records.losses.erase(records.losses.begin());
  }
  next.losses = !records.losses.empty();
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
  Records records{segments_, losses_, 0};
  if (change.closed != nullptr) {
    SEALRING_TRY(writer.put_segment(*change.closed));
    records.segments.push_back(*change.closed);
    next.segment = change.closed->number + 1;
    next.segment_start = change.closed->end;
  }
  if (change.changed != nullptr) {
    SEALRING_TRY(writer.put_segment(*change.changed));
    for (Segment& segment : records.segments)
      if (segment.number == change.changed->number) segment = *change.changed;
  }
  if (change.loss != nullptr) SEALRING_TRY(erase_lost(writer, *change.loss, next, records));
  SEALRING_TRY(release(writer, next, records));
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
  publish(std::move(records));
  {
    std::lock_guard<std::mutex> lock(mutex_);
    pending_.clear();
    ring_size_ = state_.size();
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

}  // namespace sealring
