// Looks after the daemon's own threads and promises, every other second, on a thread of its own: does the recorder come
// round, does the forwarder, how old is what no receipt covers, which alarms are over. It waits for a hung disk as
// anybody does; who asks it does not, and is told that nothing has come round.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "drivers/alarms.h"
#include "drivers/clock.h"
#include "gateway/forwarder.h"
#include "gateway/recorder.h"

namespace sealring {

// The oldest entry that no receipt covers.
struct Unforwarded {
  std::uint64_t index = 0;
  std::optional<std::uint64_t> age_s;  // none: the entry is not here
  // The same of the oldest that is worth forwarding; none: only receipts wait, which go with what comes next.
  std::optional<std::uint64_t> record_age_s;
};
// None: all that is here has its receipt.
std::optional<Unforwarded> unforwarded(const Ring& ring, const std::vector<Segment>& segments, const Recorder& recorder,
                                       const ClockReading& now);
// Since an entry was recorded, by the clock that no step moves where it is of this boot; none: it is not here.
std::optional<std::uint64_t> age_of(const Ring& ring, std::uint64_t index, std::uint64_t boot, const ClockReading& now);

class Watch {
 public:
  struct Limits {
    std::chrono::milliseconds interval{2000};
    std::chrono::milliseconds recorder_hangs{15000};  // when it has not come round for so long
  };
  struct Parts {
    const Ring& ring;
    const Recorder& recorder;
    RecordQueue& queue;
    const Forwarder* forwarder;  // may be null
    const Clock& clock;
    Alarms& alarms;
  };
  // `max_lag`: when what no receipt covers is an alarm; zero: never. Without a forwarder nothing is to be forwarded.
  Watch(Parts parts, std::chrono::milliseconds max_lag, Limits limits);
  ~Watch();  // stops
  void start();
  void stop();
  void set_max_lag(std::chrono::milliseconds max_lag);  // any thread

  // What hangs, in words; empty: nothing does. Any thread, waits for nothing.
  std::string hangs() const;
  bool forwarder_hangs() const;

 private:
  void loop();
  void look();
  void look_at_lag();

  const Parts parts_;
  const Limits limits_;
  std::atomic<std::chrono::milliseconds> max_lag_;
  std::atomic<std::chrono::steady_clock::rep> came_round_;
  std::uint64_t turns_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sealring
