// The alarms of a gateway (docs/operations.md says of each what it means and what to do).
//
// An alarm that is raised with details gets an event of its own in the log, by the listener in alarm_desk.h. One
// without has its entry already, from whoever raised it.
#pragma once

#include "drivers/alarms.h"

namespace sealring {

constexpr const char* kAlarmLag = "lag";            // the oldest record without a receipt is older than max_lag
constexpr const char* kAlarmLoss = "loss";          // records were dropped unsent to make room
constexpr const char* kAlarmRollback = "rollback";  // the store is an old copy of the log
constexpr const char* kAlarmFork = "fork";          // the collector says that ours is not one history with its own
constexpr const char* kAlarmClosed = "closed";      // another log follows this one at the collector
constexpr const char* kAlarmArchive = "archive";    // the collector has less than it has given receipts for
constexpr const char* kAlarmDisk = "store-not-writable";  // nothing can be made durable: acknowledging has stopped
constexpr const char* kAlarmKey = "key";                  // the identity key does not sign
constexpr const char* kAlarmEpochKey = "epoch-key";       // the next epoch key is not saved, or a former one not erased
constexpr const char* kAlarmKeyLost = "key-lost";         // an epoch key was lost: the log has a break
constexpr const char* kAlarmSuccession = "succession";    // this log follows one whose store was an old copy
constexpr const char* kAlarmDamage = "damage";            // something stored is not what was written

inline std::vector<std::string> gateway_alarm_kinds() {
  return {kAlarmLag,  kAlarmLoss, kAlarmRollback, kAlarmFork,    kAlarmClosed,     kAlarmArchive,
          kAlarmDisk, kAlarmKey,  kAlarmEpochKey, kAlarmKeyLost, kAlarmSuccession, kAlarmDamage};
}

}  // namespace sealring
