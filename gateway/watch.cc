#include "gateway/watch.h"

#include <pthread.h>

#include <algorithm>
#include <new>

namespace sealring {
namespace {

using std::chrono::steady_clock;

}  // namespace

std::optional<std::uint64_t> age_of(const Ring& ring, std::uint64_t index, std::uint64_t boot,
                                    const ClockReading& now) {
  const Result<Bytes> bytes = ring.entries(index, 1);
  if (!bytes) return std::nullopt;
  const Result<Entry> entry = decode_entry(ByteView(*bytes).substr(2));
  if (!entry) return std::nullopt;
  const EntryCommon& common = entry->common;
  const bool same_boot = common.boot == boot && common.boottime_ns <= now.boottime_ns;
  const std::int64_t age_ns =
      same_boot ? static_cast<std::int64_t>(now.boottime_ns - common.boottime_ns) : now.wall_ns - common.wall_ns;
  return age_ns < 0 ? 0 : static_cast<std::uint64_t>(age_ns) / 1000000000;
}

std::optional<Unforwarded> unforwarded(const Ring& ring, const std::vector<Segment>& segments, const Recorder& recorder,
                                       const ClockReading& now) {
  for (const Segment& segment : segments) {
    if (segment.state == SegmentState::acknowledged || segment.start >= segment.end) continue;
    Unforwarded out{segment.start, age_of(ring, segment.start, recorder.boot(), now), std::nullopt};
    const Recorder::Stats stats = recorder.stats();
    const std::uint64_t first_ns = stats.open_first_ns;
    if (segment.state != SegmentState::open || (stats.open_has_records && first_ns == 0))
      out.record_age_s = out.age_s;
    else if (stats.open_has_records)
      out.record_age_s = (now.boottime_ns - std::min(first_ns, now.boottime_ns)) / 1000000000;
    return out;
  }
  return std::nullopt;
}

Watch::Watch(Parts parts, std::chrono::milliseconds max_lag, Limits limits)
    : parts_(parts), limits_(limits), max_lag_(max_lag), came_round_(steady_clock::now().time_since_epoch().count()) {}

Watch::~Watch() { stop(); }

void Watch::start() {
  thread_ = std::thread([this] { loop(); });
}

void Watch::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Watch::set_max_lag(std::chrono::milliseconds max_lag) { max_lag_ = max_lag; }

bool Watch::forwarder_hangs() const { return parts_.forwarder != nullptr && parts_.forwarder->pulse().overdue(); }

std::string Watch::hangs() const {
  const auto silent = steady_clock::now() - steady_clock::time_point(steady_clock::duration(came_round_));
  if (silent >= limits_.recorder_hangs)
    return "the recorder has not come round for " +
           std::to_string(std::chrono::duration_cast<std::chrono::seconds>(silent).count()) + " s";
  return forwarder_hangs() ? "the forwarder does not come round" : "";
}

void Watch::loop() {
  ::pthread_setname_np(::pthread_self(), "watch");
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    try {
      look();
    } catch (const std::bad_alloc&) {  // it looks again in a moment; what was to be told of is told of then
    }
    lock.lock();
    changed_.wait_for(lock, limits_.interval, [this] { return stopping_; });
  }
}

void Watch::look() {
  if (const std::uint64_t now = parts_.recorder.turns(); now != turns_) {
    turns_ = now;
    came_round_ = steady_clock::now().time_since_epoch().count();
  }
  parts_.queue.poke();
  look_at_lag();
  parts_.alarms.tick();
}

void Watch::look_at_lag() {
  const std::chrono::milliseconds allowed = max_lag_;
  if (parts_.forwarder == nullptr) return;
  if (allowed.count() == 0) return parts_.alarms.clear(kAlarmLag, "");
  const auto oldest = unforwarded(parts_.ring, parts_.ring.segments(), parts_.recorder, parts_.clock.now());
  if (!oldest || !oldest->record_age_s || std::chrono::seconds(*oldest->record_age_s) < allowed)
    return parts_.alarms.clear(kAlarmLag, "");
  parts_.alarms.raise(kAlarmLag, "",
                      "entry " + std::to_string(oldest->index) + " was recorded " +
                          std::to_string(*oldest->record_age_s) + " s ago and has no receipt yet",
                      {{"index", oldest->index}, {"age-s", *oldest->record_age_s}});
}

}  // namespace sealring
