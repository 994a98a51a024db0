// The operator's command, run when an alarm begins and when it ends: for mail, a lamp, an MQTT topic.
//
// Its last two arguments are the alarm's kind and `begins` or `ends`; standard input is one line of JSON and then the
// end. No shell. It gets PATH and LANG and nothing else of our environment, no descriptor of ours but standard error,
// no blocked signal, a session of its own, and 30 seconds: then it is killed with all that it has started there.
//
// One at a time, on a thread of this object; at most kMaxWaiting wait, and what comes beyond is left out and counted.
// So neither a command that hangs nor one that cannot be started holds anybody up.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "drivers/alarms.h"

namespace sealring {

class AlarmCommand {
 public:
  static constexpr std::size_t kMaxWaiting = 32;
  static constexpr std::chrono::milliseconds kTimeout{30000};
  // How long the end of this object waits for a command that runs.
  static constexpr std::chrono::milliseconds kLastWords{2000};

  // `command`: an absolute path and its first arguments; empty: nothing is ever run.
  explicit AlarmCommand(std::vector<std::string> command, std::chrono::milliseconds timeout = kTimeout);
  ~AlarmCommand();  // what still waits is not run
  AlarmCommand(const AlarmCommand&) = delete;
  AlarmCommand& operator=(const AlarmCommand&) = delete;

  void run(const Alarm& alarm, std::string json);  // any thread, waits for nothing; `json`: see alarm_json()

  struct Stats {
    std::uint64_t run = 0, failed = 0, left_out = 0;
  };
  Stats stats() const;  // any thread

 private:
  struct Job {
    std::string kind, json;
    bool begins = true;
  };
  void loop();
  std::string execute(const Job& job);
  std::string wait_for(pid_t child);

  const std::vector<std::string> command_;
  const std::chrono::milliseconds timeout_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  Stats stats_;
  bool stopping_ = false;
  std::thread thread_;
};

// {"alarm": ..., "state": "begins" or "ends", "log": ..., "words": ..., "since_unix": ..., "lasted_s": ...,
// "times": ...} and the details; less than 4 KiB, so that a pipe takes it at once. `log`: where the subject is empty.
std::string alarm_json(const Alarm& alarm, const std::string& log);

}  // namespace sealring
