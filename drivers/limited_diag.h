// diag() for what strangers can cause: it is worth a line, but whoever can connect must not be able to fill the
// journal. At most one line a second; the next one says how many were left out.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>

#include "drivers/diag.h"

namespace sealring {

// Any thread.
class LimitedDiag {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit LimitedDiag(std::function<Time()> now = std::chrono::steady_clock::now) : now_(std::move(now)) {}

  void report(DiagLevel level, const std::string& message) {
    std::lock_guard<std::mutex> lock(mutex_);
    Time now = now_();
    if (now < next_) {
      ++hidden_;
      return;
    }
    std::string more = hidden_ != 0 ? " (and " + std::to_string(hidden_) + " more since the last such line)" : "";
    next_ = now + std::chrono::seconds(1);
    hidden_ = 0;
    diag(level, message + more);
  }

 private:
  std::function<Time()> now_;
  std::mutex mutex_;
  Time next_{};
  std::uint64_t hidden_ = 0;
};

}  // namespace sealring
