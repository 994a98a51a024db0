// A thread of its own for calls into somebody else's code that may never come back. Whoever asks waits until a
// deadline; the call itself cannot be ended, so the thread stays behind with it, and no second one is begun beside it.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>

namespace sealring {

class DeadlineThread {
 public:
  DeadlineThread();   // the thread comes with the first job
  ~DeadlineThread();  // waits for nothing: a thread that still runs ends by itself after its job
  DeadlineThread(const DeadlineThread&) = delete;
  DeadlineThread& operator=(const DeadlineThread&) = delete;

  // true: `job` has run. false: it has not come back within `timeout`, or an earlier one has not yet, and then this one
  // is never run. A job must own all that it touches. After a fork, the child gets a thread of its own. One caller.
  // `give_up`: ends the wait as the timeout does; whoever sets it calls wake().
  bool run(std::function<void()> job, std::chrono::milliseconds timeout, const std::atomic<bool>* give_up = nullptr);
  void wake();  // any thread

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace sealring
