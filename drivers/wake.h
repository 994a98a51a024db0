// Waiting that always ends: at a deadline, or when somebody wakes it.
#pragma once

#include <chrono>

namespace sealring {

using Deadline = std::chrono::steady_clock::time_point;
inline Deadline deadline_in(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }

// Wakes every poll() that watches it; once woken it stays so. Any thread.
class WakeFd {
 public:
  WakeFd();
  ~WakeFd();
  WakeFd(const WakeFd&) = delete;
  WakeFd& operator=(const WakeFd&) = delete;
  bool ok() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  void wake();
  bool woken() const;

 private:
  int fd_;
};

enum class Wait { ready, timeout, woken };
// `events` as for poll(); fd -1: only wait. `wake` may be null. A woken `wake` wins over a ready fd. `bell`: another fd
// that ends the wait, when it can be read, as the deadline does; a ready fd wins over it.
Wait wait_for(int fd, short events, Deadline deadline, const WakeFd* wake, int bell = -1);

}  // namespace sealring
