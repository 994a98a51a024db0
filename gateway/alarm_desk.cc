#include "gateway/alarm_desk.h"

#include "drivers/diag.h"

namespace sealring {
namespace {

// The others are said where they are found.
bool is_unsaid(const std::string& kind) { return kind == kAlarmLag || kind == kAlarmFork; }

void record(Recorder& recorder, const Alarm& alarm) {
  Recorder::Change change;
  change.code = EventCode::alarm;
  change.details = {{"alarm", alarm.kind}, {"state", std::string(alarm.begins ? "begins" : "ends")}};
  if (alarm.begins)
    change.details.insert(change.details.end(), alarm.details.begin(), alarm.details.end());
  else
    change.details.emplace_back("lasted-s", alarm.lasted_s);
  recorder.change(std::move(change));
}

}  // namespace

AlarmDesk::AlarmDesk(std::vector<std::string> command, std::chrono::milliseconds quiet)
    : alarms_(gateway_alarm_kinds(), quiet), command_(std::move(command)) {}

AlarmDesk::~AlarmDesk() { leave(); }

void AlarmDesk::serve(const std::string& origin, Recorder& recorder) {
  alarms_.clear_all();  // of the run before
  alarms_.set_listener([this, origin, &recorder](const Alarm& alarm) { tell(alarm, origin, &recorder); });
}

void AlarmDesk::leave() { alarms_.set_listener(nullptr); }

void AlarmDesk::tell(const Alarm& alarm, const std::string& origin, Recorder* recorder) {
  if (alarm.begins && is_unsaid(alarm.kind)) diag(DiagLevel::error, "alarm: " + alarm.kind + ": " + alarm.words);
  if (!alarm.begins)
    diag(DiagLevel::notice, "the alarm " + alarm.kind + " is over, after " + std::to_string(alarm.lasted_s) + " s");
  if (!alarm.details.empty()) record(*recorder, alarm);
  command_.run(alarm, alarm_json(alarm, origin));
}

}  // namespace sealring
