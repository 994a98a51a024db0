#include "drivers/deadline_thread.h"

#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace sealring {

struct DeadlineThread::Shared {
  const pid_t process = ::getpid();
  std::mutex mutex;
  std::condition_variable changed;
  std::function<void()> job;
  bool busy = false, end = false;
  bool started = false;  // the caller's

  void loop() {
    std::unique_lock<std::mutex> lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return busy || end; });
      if (!busy) return;
      std::function<void()> next = std::move(job);
      lock.unlock();
      next();
      next = nullptr;  // what it owns goes here, not on the caller's thread
      lock.lock();
      busy = false;
      changed.notify_all();
    }
  }
};

DeadlineThread::DeadlineThread() : shared_(std::make_shared<Shared>()) {}

DeadlineThread::~DeadlineThread() {
  if (shared_->process != ::getpid()) return;
  std::lock_guard<std::mutex> lock(shared_->mutex);
  shared_->end = true;
  shared_->changed.notify_all();
}

bool DeadlineThread::run(std::function<void()> job, std::chrono::milliseconds timeout,
                         const std::atomic<bool>* give_up) {
  if (shared_->process != ::getpid()) {
    // Of the parent: its thread is not here, its mutex may be locked for ever. Left as it is.
    static_cast<void>(new std::shared_ptr<Shared>(std::move(shared_)));
    shared_ = std::make_shared<Shared>();
  }
  if (!std::exchange(shared_->started, true)) std::thread([shared = shared_] { shared->loop(); }).detach();
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const auto over = [&] { return !shared_->busy || (give_up != nullptr && *give_up); };
  std::unique_lock<std::mutex> lock(shared_->mutex);
  if (shared_->busy) return false;
  shared_->job = std::move(job);
  shared_->busy = true;
  shared_->changed.notify_all();
  shared_->changed.wait_until(lock, deadline, over);
  return !shared_->busy;
}

void DeadlineThread::wake() {
  std::lock_guard<std::mutex> lock(shared_->mutex);
  shared_->changed.notify_all();
}

}  // namespace sealring
