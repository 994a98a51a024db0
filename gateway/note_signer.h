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
#include "drivers/histogram.h"

namespace sealring {

// Who signs for the log: its identity and, in the overlap after a rotation, the key before it as well (docs/log.md §3).
// They must outlive whoever is given them, who alone uses them meanwhile.
struct IdentitySigners {
  IdentitySigners(Signer& only) : current(&only) {}  // NOLINT: implicit by design
  Signer* current;
  Signer* previous = nullptr;
  // Index of the entry that made `current` the identity: checkpoints of sizes up to it are signed by `previous` alone.
  std::uint64_t since = 0;
  static constexpr std::uint64_t kNotYet = UINT64_MAX;  // it is still to be recorded
};

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
  // `on_news` is called from the thread when take() has something new.
  NoteSigner(IdentitySigners identity, std::function<void()> on_news, std::chrono::milliseconds retry_min = kRetryMin,
             std::chrono::milliseconds retry_max = kRetryMax);
  ~NoteSigner();  // waits for no signature: stops the signers
  static constexpr std::chrono::milliseconds kRetryMin{1000}, kRetryMax{60000};

  // The entry that makes `current` the identity is in the log now. Any thread.
  void rotated_at(std::uint64_t index);
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
    std::uint64_t waiting = 0;  // sealed segments that are not signed yet
    std::uint64_t early = 0;    // checkpoints within the open segment that are not
    std::string trouble;        // why not; empty: it goes well
    bool held = false;
    std::uint64_t since = 0;                // as in IdentitySigners
    LatencyHistogram::Counts latency = {};  // of each signature that was made
  };
  Stats stats() const;  // any thread

 private:
  void loop();
  std::optional<bool> make_one(std::unique_lock<std::mutex>& lock);
  Result<Note> sign(const Checkpoint& checkpoint, std::uint64_t since) const;
  Result<Note> sign_or_no_memory(const Checkpoint& checkpoint, std::uint64_t since) const;
  void report(const Error& error, const Request& request);

  IdentitySigners identity_;  // `since`: mutex_
  const std::function<void()> on_news_;
  const std::chrono::milliseconds retry_min_, retry_max_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Request> requests_;
  News news_;
  std::string trouble_;
  std::set<std::string> told_;  // since signing last went well
  bool held_ = false, stopping_ = false;
  LatencyHistogram latency_;
  std::thread thread_;
};

}  // namespace sealring
