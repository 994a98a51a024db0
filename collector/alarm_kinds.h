// The alarms of a collector (docs/operations.md says of each what it means and what to do). The subject is the origin.
#pragma once

#include "drivers/alarms.h"

namespace sealring {

constexpr const char* kAlarmForked = "fork";           // two histories signed by one key
constexpr const char* kAlarmSetBack = "rollback";      // a log has signed below what is known of it
constexpr const char* kAlarmBreak = "break";           // a gateway has lost an epoch key
constexpr const char* kAlarmDropped = "loss";          // a gateway has dropped entries that it had not sent
constexpr const char* kAlarmSucceeded = "closed";      // a log was closed, and another one follows it
constexpr const char* kAlarmTwice = "succession";      // a closed log has signed a second succession
constexpr const char* kAlarmArchiveDamage = "damage";  // the archive is not what was written

inline std::vector<std::string> collector_alarm_kinds() {
  return {kAlarmForked, kAlarmSetBack, kAlarmBreak, kAlarmDropped, kAlarmSucceeded, kAlarmTwice, kAlarmArchiveDamage};
}

}  // namespace sealring
