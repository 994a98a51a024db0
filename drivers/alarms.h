// What a person should be told of, now: each alarm begins once, lasts, and ends once, however often its cause comes
// back meanwhile.
//
// An alarm is a kind ("lag", "fork") and a subject (the log at a collector; empty at a gateway). raise() begins it, or
// renews it silently when it is there. It ends when clear() was called, or at once for what merely happens
// (happened()), and nothing has renewed it for `quiet` since: a link that flaps is one alarm, not a thousand. Whoever
// was told of the beginning is told of the end; the process' end ends nothing.
//
// Listeners are called one at a time, without a lock of ours held, on the thread that raised or ticks; they must not
// wait for anything. Rejected: one alarm per occurrence with a rate limit, which loses the end of the last one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "crypto/bytes.h"

namespace sealring {

using AlarmValue = std::variant<std::uint64_t, std::string, Hash>;
using AlarmDetails = std::vector<std::pair<std::string, AlarmValue>>;

struct Alarm {
  std::string kind, subject, words;
  AlarmDetails details;  // of the beginning
  bool begins = true;    // otherwise it ends
  std::int64_t since_unix = 0;
  std::uint64_t lasted_s = 0, times = 0;  // so far; how often it was raised
};

class Alarms {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Listener = std::function<void(const Alarm&)>;
  static constexpr std::chrono::seconds kQuiet{60};
  static constexpr std::size_t kMaxActive = 4096;  // beyond: counted only

  // `kinds`: all that there can be, so that a count of 0 is shown.
  explicit Alarms(std::vector<std::string> kinds, std::chrono::milliseconds quiet = kQuiet,
                  std::function<Time()> now = std::chrono::steady_clock::now);
  // What is told from then on; an earlier one is let go of, once its call under way has come back.
  void set_listener(Listener listener);

  // Any thread.
  void raise(const std::string& kind, const std::string& subject, const std::string& words, AlarmDetails details = {});
  void clear(const std::string& kind, const std::string& subject);
  void clear_all();  // whoever finds a cause again raises it again
  void happened(const std::string& kind, const std::string& subject, const std::string& words,
                AlarmDetails details = {});
  void tick();  // ends what is over: to be called every now and then

  std::vector<Alarm> active() const;
  // How many began, by kind.
  std::map<std::string, std::uint64_t> begun() const;

 private:
  struct State {
    Alarm alarm;
    Time began, renewed;
    bool cleared = false;
  };
  using Key = std::pair<std::string, std::string>;
  void tell(const Alarm& alarm);
  void note(const std::string& kind, const std::string& subject, const std::string& words, AlarmDetails details,
            bool cleared);

  const std::chrono::milliseconds quiet_;
  const std::function<Time()> now_;
  std::mutex listener_mutex_;
  Listener listener_;
  mutable std::mutex mutex_;
  std::map<Key, State> active_;
  std::map<std::string, std::uint64_t> begun_;
};

}  // namespace sealring
