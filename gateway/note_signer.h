// Signs checkpoints with the identity key, on a thread of its own: a token may be slow, away or stuck, and recording
// never waits for it. What cannot be signed is tried again, after a second at first and a minute at most, for as long
// as it takes; in the store it is a sealed segment without a note, so a restart finds it again.
//
// While it is held, nothing is signed: a store that may be an old copy must not be vouched for (docs/log.md §7).
//
// Every change of the reason is one diag line, a repetition none.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "crypto/checkpoint.h"

namespace sealring {

class NoteSigner {
 public:
  struct Request {
    std::optional<std::uint64_t> segment;  // that this is the seal of; none: a checkpoint within the open one
    Checkpoint checkpoint;
  };
  struct Made {
    std::optional<std::uint64_t> segment;
    std::uint64_t size = 0;
    Bytes note;
  };
  // `on_news` is called from the thread when take() has something new. `identity` must outlive this, and is used by
  // nobody else meanwhile.
  NoteSigner(Signer& identity, std::function<void()> on_news, std::chrono::milliseconds retry_min = kRetryMin,
             std::chrono::milliseconds retry_max = kRetryMax);
  ~NoteSigner();  // waits for no signature: stops the signer
  static constexpr std::chrono::milliseconds kRetryMin{1000}, kRetryMax{60000};

  void put(Request request);  // any thread, in ascending order
  // Any thread. A signature under way when it is held is thrown away.
  void hold(bool held);
  struct News {
    std::vector<Made> made;  // in the order of put()
    // That signing has begun to fail, with the reason, or works again (empty), if that changed since the last time.
    std::optional<std::string> trouble;
  };
  News take();  // any thread
  // Until all that was put is made, signing fails or is held, or `deadline`.
  void wait(std::chrono::steady_clock::time_point deadline);

  struct Stats {
    std::uint64_t waiting = 0;  // not signed yet
    std::string trouble;        // why not; empty: it goes well
    bool held = false;
  };
  Stats stats() const;  // any thread

 private:
  void loop();
  void report(const Error& error, const Request& request);

  Signer& identity_;
  const std::function<void()> on_news_;
  const std::chrono::milliseconds retry_min_, retry_max_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Request> requests_;
  News news_;
  std::string trouble_;
  std::set<std::string> told_;  // since signing last went well
  bool held_ = false, stopping_ = false;
  std::thread thread_;
};

}  // namespace sealring
