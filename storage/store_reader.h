// A store opened for looking only: for `verify` and for `status` without a daemon. A snapshot of the moment of open();
// a daemon may be running. It shares with the ring the record formats and nothing of how they are written.
//
// LMDB wants write access to its lock file even from readers: open a store as its own user.
// One thread. Never open a store twice in one process, nor one that the same process has as a Ring.
#pragma once

#include <memory>

#include "storage/journal.h"
#include "storage/ring_db.h"

namespace sealring {

class StoreReader {
 public:
  // missing: no store there; reject, fatal: what is wrong with it, as Ring::open would say.
  static Result<std::unique_ptr<StoreReader>> open(const std::string& directory);

  const RingState& state() const { return state_; }                     // of the ring
  const std::vector<Segment>& segments() const { return segments_; }    // closed, not released
  const std::vector<LossRecord>& losses() const { return losses_; }     // above first_index(), ascending
  const std::vector<JournalRecord>& frames() const { return frames_; }  // behind the ring's end, in order
  std::uint64_t first_index() const { return state_.first_index; }
  std::uint64_t size() const;  // ring and journal
  std::uint64_t map_bytes() const { return db_->map_bytes(); }

  // Bundle-encoded entries [first, first + count), in the ring or in the journal.
  Result<Bytes> entries(std::uint64_t first, std::size_t count) const;
  // Compact range of [0, size) for a `size` in [first_index, ring's size]: from stored nodes and entries.
  Result<CompactRange> range_at(std::uint64_t size) const;
  // Hash of a complete subtree, as Ring::node(). missing: released, or not complete.
  Result<Hash> node(int level, std::uint64_t start) const;

 private:
  static Result<std::unique_ptr<StoreReader>> open_once(const std::string& directory);
  StoreReader(std::unique_ptr<RingDb> db, RingDb::Reader reader) : db_(std::move(db)), reader_(std::move(reader)) {}
  Status load(const std::string& directory);

  std::unique_ptr<RingDb> db_;
  RingDb::Reader reader_;
  RingState state_;
  std::vector<Segment> segments_;
  std::vector<LossRecord> losses_;
  std::vector<JournalRecord> frames_;
  mutable std::uint64_t leaves_bundle_ = UINT64_MAX;  // the last bundle that node() hashed: a proof asks it repeatedly
  mutable std::vector<Hash> leaves_;
};

}  // namespace sealring
