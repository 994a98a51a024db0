// How much was written today: a sum that only grows, seen from the midnight (UTC) before on.
//
// By the wall clock of the gateway, synchronised or not: whoever shows it says which. Not kept over a restart: then it
// counts from there, and `since_ns` says so. A clock that steps into another day begins that one anew.
#pragma once

#include <cstdint>
#include <mutex>

namespace sealring {

class DayCount {
 public:
  struct Today {
    std::int64_t since_ns = 0;  // midnight, or the start when that was later
    std::uint64_t bytes = 0;
  };

  explicit DayCount(std::int64_t started_ns) : day_(day_of(started_ns)), since_ns_(started_ns) {}

  // Often enough, that is before anything much is written on a new day. Any thread. `sum()`: as it is now; asked only
  // when a day begins.
  template <class Sum>
  void turn(std::int64_t now_ns, Sum&& sum) {
    std::lock_guard<std::mutex> lock(mutex_);
    const std::int64_t day = day_of(now_ns);
    if (day == day_) return;
    day_ = day;
    since_ns_ = day * kDayNs;
    before_ = sum();
  }
  template <class Sum>
  Today look(std::int64_t now_ns, Sum&& sum) {
    turn(now_ns, sum);
    std::lock_guard<std::mutex> lock(mutex_);
    return {since_ns_, sum() - before_};
  }

 private:
  static constexpr std::int64_t kDayNs = 86400 * std::int64_t{1000000000};
  static std::int64_t day_of(std::int64_t ns) { return ns / kDayNs - (ns % kDayNs < 0); }

  std::mutex mutex_;
  std::int64_t day_, since_ns_;
  std::uint64_t before_ = 0;
};

}  // namespace sealring
