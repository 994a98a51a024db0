// The Ring over LMDB and the journal, as its three files share it: ring_open.cc (creation, and what a start finds),
// ring_write.cc (the order of durability, release) and ring.cc (reading). Not for other includers.
#pragma once

#include <algorithm>
#include <mutex>
#include <optional>

#include "storage/bundle_writer.h"
#include "storage/journal.h"
#include "storage/ring.h"
#include "storage/ring_db.h"

namespace sealring {

// In order, of entries that were split from a frame or a bundle.
std::vector<Hash> leaf_hashes(const std::vector<ByteView>& entries);

class RingStore final : public Ring {
 public:
  RingStore(int lock_fd, std::unique_ptr<RingDb> db, std::unique_ptr<Journal> journal, RingState state)
      : lock_fd_(lock_fd), db_(std::move(db)), journal_(std::move(journal)), state_(std::move(state)) {
    reserve_bytes_ = std::max<std::uint64_t>(db_->map_bytes() / 20, 4 * kMaxFrameBytes);
  }
  ~RingStore() override;

  Status recover(std::string incident, bool silent);
  Status finish_open();  // what only the journal had goes into the ring, too

  const Contents& contents() const override { return contents_; }
  Status append(const Frame& frame, const CompactRange& range, const std::vector<TreeNode>& nodes) override;
  Status make_room(std::uint64_t bytes, std::uint64_t count) override;
  Status drop(const LossRecord& loss, const Frame& frame, const CompactRange& range,
              const std::vector<TreeNode>& nodes) override;
  void lend_reserve(bool lend) override { lends_ = lend; }
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
  std::vector<LossRecord> losses() const override {
    std::lock_guard<std::mutex> lock(mutex_);
    return losses_;
  }
  Usage usage() const override;
  Result<std::uint64_t> check_bundle(std::uint64_t bundle) const override;
  Result<std::optional<DamagedBundle>> damaged_bundle(std::uint64_t bundle) const override;
  Status reread() override;

 private:
  using FramePtr = std::shared_ptr<const Frame>;
  // What one LMDB transaction does besides moving the journal's frames.
  struct Change {
    const Frame* direct = nullptr;  // a frame too large for the journal
    const CompactRange* range = nullptr;
    const std::vector<TreeNode>* nodes = nullptr;
    const Segment* closed = nullptr;   // the open segment, as it is to be recorded
    const Segment* changed = nullptr;  // a closed segment with a new note
    const LossRecord* loss = nullptr;  // whose bundles go
  };

  Status replay(std::vector<JournalRecord> records);
  void close_replayed(const JournalRecord& record);
  Status check_partial_bundle();
  Status commit(const Change& change);
  Status commit_with_release(const Change& change);
  Status commit_or_release(const Change& change);
  // What the records say, beside the state: changed in a copy until the commit is a fact.
  struct Records {
    std::vector<Segment> segments;  // closed and not released
    std::vector<LossRecord> losses;
    std::uint64_t stuck = 0;  // pages that could not be given back
  };
  Status erase_lost(RingDb::Writer& writer, const LossRecord& loss, RingState& next, Records& records) const;
  Status release(RingDb::Writer& writer, RingState& next, Records& records) const;
  void publish(Records&& records);
  bool has_room(std::uint64_t bytes, std::uint64_t count) const;
  std::uint64_t releasable_end(const std::vector<Segment>& segments) const;
  Segment* find(std::uint64_t number);
  Status change_segment(std::uint64_t number, SegmentState state, ByteView note);
  void remember(const FrameHeader& last, const CompactRange& range);
  Status check_leaves(std::uint64_t bundle, const std::vector<Hash>& leaves) const;
  Result<std::vector<Hash>> bundle_leaves(std::uint64_t bundle) const;

  const int lock_fd_;
  const std::unique_ptr<RingDb> db_;
  const std::unique_ptr<Journal> journal_;
  std::uint64_t reserve_bytes_ = 0;
  bool lends_ = false;  // of it
  std::uint64_t map_full_ = 0;

  // Writer only.
  RingState state_;                        // what LMDB has
  BundleTail tail_;                        // end of its last bundle
  std::optional<Segment> replayed_close_;  // a segment that ended in what the journal had only
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
  std::vector<LossRecord> losses_;
  Usage usage_;

  mutable std::mutex leaves_mutex_;
  mutable std::uint64_t leaves_bundle_ = ~0ull;
  mutable std::vector<Hash> leaves_;
};

}  // namespace sealring
