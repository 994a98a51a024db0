#include "drivers/alarms.h"

#include <ctime>

namespace sealring {
namespace {

std::uint64_t seconds_between(Alarms::Time from, Alarms::Time to) {
  const auto passed = std::chrono::duration_cast<std::chrono::seconds>(to - from).count();
  return passed < 0 ? 0 : static_cast<std::uint64_t>(passed);
}

}  // namespace

Alarms::Alarms(std::vector<std::string> kinds, std::chrono::milliseconds quiet, std::function<Time()> now)
    : quiet_(quiet), now_(std::move(now)) {
  for (std::string& kind : kinds) begun_[std::move(kind)] = 0;
}

void Alarms::set_listener(Listener listener) {
  std::lock_guard<std::mutex> lock(listener_mutex_);
  listener_ = std::move(listener);
}

void Alarms::tell(const Alarm& alarm) {
  std::lock_guard<std::mutex> lock(listener_mutex_);
  if (listener_) listener_(alarm);
}

void Alarms::raise(const std::string& kind, const std::string& subject, const std::string& words,
                   AlarmDetails details) {
  note(kind, subject, words, std::move(details), false);
}

void Alarms::happened(const std::string& kind, const std::string& subject, const std::string& words,
                      AlarmDetails details) {
  note(kind, subject, words, std::move(details), true);
}

void Alarms::note(const std::string& kind, const std::string& subject, const std::string& words, AlarmDetails details,
                  bool cleared) {
  Alarm begun;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const Time now = now_();
    const auto there = active_.find({kind, subject});
    if (there != active_.end()) {
      ++there->second.alarm.times;
      there->second.renewed = now;
      there->second.cleared = cleared && there->second.cleared;  // what lasts does so, whatever else happened
      return;
    }
    ++begun_[kind];
    if (active_.size() >= kMaxActive) return;
    begun = {kind, subject, words, std::move(details), true, static_cast<std::int64_t>(std::time(nullptr)), 0, 1};
    active_[{kind, subject}] = {begun, now, now, cleared};
  }
  tell(begun);
}

void Alarms::clear(const std::string& kind, const std::string& subject) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto there = active_.find({kind, subject});
  if (there == active_.end() || there->second.cleared) return;
  there->second.cleared = true;
  there->second.renewed = now_();
}

void Alarms::clear_all() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [key, state] : active_) {
    if (!state.cleared) state.renewed = now_();
    state.cleared = true;
  }
}

void Alarms::tick() {
  std::vector<Alarm> over;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const Time now = now_();
    for (auto it = active_.begin(); it != active_.end();) {
      State& state = it->second;
      if (!state.cleared || now - state.renewed < quiet_) {
        ++it;
        continue;
      }
      state.alarm.begins = false;
      state.alarm.lasted_s = seconds_between(state.began, state.renewed);
      over.push_back(std::move(state.alarm));
      it = active_.erase(it);
    }
  }
  for (const Alarm& alarm : over) tell(alarm);
}

std::vector<Alarm> Alarms::active() const {
  std::lock_guard<std::mutex> lock(mutex_);
  const Time now = now_();
  std::vector<Alarm> out;
  for (const auto& [key, state] : active_) {
    out.push_back(state.alarm);
    out.back().lasted_s = seconds_between(state.began, now);
  }
  return out;
}

std::map<std::string, std::uint64_t> Alarms::begun() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return begun_;
}

}  // namespace sealring
