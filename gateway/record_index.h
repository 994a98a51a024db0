// Which bundles of a log need not be read for a query: derived, in memory only, never believed for what is there.
//
// For each whole bundle of 256 entries: lowest and highest wall clock, and the sorted set of 16-bit fingerprints of
// (level number, word) for each level of each topic, and of each whole topic. A filter's literal levels must all be in
// the set, so a false match costs one bundle read and a miss is certain. A set of kMaxFingerprints or more is not kept:
// such a bundle always matches. A bundle takes about 80 bytes and 2 for each fingerprint, at most 2 KiB: 35 MB for 10 M
// entries with 1 000 topics in all bundles, 8 MB with 30 (tests/bench/index_bench.cc: built in 8.4 s there, then 1 to
// 5 ms to the first record of a time or topic, against 2.5 to 4.4 s without).
//
// Rejected: a B-tree by topic and time on disk. It would double the writes of a flash that is to last, and could
// disagree with the log.
//
// Covers one stretch without gaps that grows at both ends, newest first; what lies outside is not known, and read.
#pragma once

#include <deque>
#include <shared_mutex>
#include <thread>

#include "drivers/wake.h"
#include "gateway/record_query.h"

namespace sealring {

constexpr std::size_t kMaxFingerprints = 1000;

class RecordIndex {
 public:
  struct Progress {
    std::uint64_t bundles = 0;       // covered
    std::uint64_t of = 0;            // whole bundles in the log
    std::uint64_t memory_bytes = 0;  // about
  };

  explicit RecordIndex(const LogView& log);
  ~RecordIndex();  // stops the builder

  // Its own thread, of low priority, until the end: builds, then keeps up.
  void start();
  // One bundle more; false: complete. For a builder without a thread.
  bool step();
  // Any thread.
  bool may_match(std::uint64_t bundle, const RecordQuery& query) const;
  Progress progress() const;

 private:
  struct Bundle {
    std::int64_t min_ns = INT64_MAX, max_ns = INT64_MIN;
    bool any = false;  // nothing is known
    std::vector<std::uint16_t> fingerprints;
  };
  Bundle read(std::uint64_t number) const;
  void loop();

  const LogView& log_;
  mutable std::shared_mutex mutex_;
  std::uint64_t low_ = 0;
  std::deque<Bundle> bundles_;  // of bundles low_, low_ + 1, ...
  std::uint64_t fingerprint_count_ = 0;
  WakeFd stop_;
  std::thread thread_;
};

}  // namespace sealring
