// A thread's promise of when it comes round again, for whoever watches that it does not hang.
//
// Kept instead of a count of turns where a thread may rest for long by right: it says so beforehand.
#pragma once

#include <atomic>
#include <chrono>

namespace sealring {

class Pulse {
 public:
  using Clock = std::chrono::steady_clock;
  // Beyond what it says: a slow disk, a machine that swaps.
  static constexpr std::chrono::seconds kSlack{60};

  void within(std::chrono::milliseconds time) { due_ = (Clock::now() + time + kSlack).time_since_epoch().count(); }
  void ended() { due_ = Clock::duration::max().count(); }  // it need not come back any more
  // Any thread.
  bool overdue(Clock::time_point now = Clock::now()) const { return now.time_since_epoch().count() > due_; }

 private:
  std::atomic<Clock::rep> due_{Clock::duration::max().count()};
};

}  // namespace sealring
