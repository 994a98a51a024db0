// The background scrub: reads every bundle of the ring again and again, slowly, and holds it against the tree of the
// log (Ring::check_bundle), so that damage is known while there is still a copy elsewhere, and not when the bundle is
// asked for. What a start looks at is in ring_check.h.
//
// Each bundle is read in a short transaction of its own, so it pins no pages; between two there is a pause by the rate.
// A lap begins a day after the one before began, at the earliest. How far it is, and what it has found, is in the file
// `scrub` of the store: a restart goes on there, and says nothing twice. The file is no evidence; without it a lap
// begins anew.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "storage/ring.h"

namespace sealring {

class Scrub {
 public:
  struct Damage {
    std::uint64_t bundle = 0;
    std::string words;
    std::uint64_t start() const { return bundle * kBundleEntries; }
  };
  // `on_damage`: once for each bundle; `on_whole`: when none of those that were damaged is here and damaged any more,
  // or its loss is recorded. On the scrub's thread. All must outlive it.
  Scrub(const Ring& ring, const std::string& directory, std::uint64_t bytes_per_second,
        std::function<void(const Damage&)> on_damage, std::function<void()> on_whole = {});
  ~Scrub();  // stops

  void start();  // its own thread, of low priority; none where the rate is 0
  // One bundle; how many bytes were read. 0: the lap is at its end, and the next call begins another. For a scrub
  // without a thread.
  std::uint64_t step();

  struct Stats {
    std::uint64_t bytes_per_second = 0;
    std::uint64_t next = 0, end = 0;  // bundles: the next one to be read, and behind the last
    std::uint64_t laps = 0;           // completed since the start
    std::vector<std::uint64_t> damaged;
  };
  Stats stats() const;  // any thread

 private:
  void loop();
  std::uint64_t read_one(std::uint64_t bundle);
  void load();
  void save() const;
  bool pause(std::chrono::steady_clock::duration time);

  const Ring& ring_;
  const std::string path_;
  const std::uint64_t bytes_per_second_;
  const std::function<void(const Damage&)> on_damage_;
  const std::function<void()> on_whole_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::uint64_t next_ = 0, laps_ = 0;
  std::set<std::uint64_t> damaged_;
  std::thread thread_;
};

}  // namespace sealring
