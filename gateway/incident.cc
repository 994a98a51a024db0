#include "gateway/incident.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "drivers/diag.h"
#include "drivers/file.h"
#include "gateway/alarm_kinds.h"
#include "storage/journal_anew.h"
#include "storage/ring_check.h"

namespace sealring {
namespace {

constexpr std::uint64_t kMaxKeptBytes = 16u << 20;  // of damaged bundles

}  // namespace

void tell_incident(Recorder& recorder, Alarms& alarms, const Ring& ring, const std::string& store) {
  const std::string words = ring.contents().incident;
  if (words.empty()) return;
  diag(DiagLevel::error, "alarm: damage: " + words);
  alarms.happened(kAlarmDamage, "", words);
  recorder.set_incident(words, [store](std::uint64_t index) -> Status {
    const std::string from = store + kIncidentFile, to = from + "-" + std::to_string(index);
    if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT)
      return retry_error(from + ": " + std::generic_category().message(errno));
    return sync_directory(store);
  });
}

Status keep_bundle(const std::string& store, std::uint64_t bundle, ByteView bytes) {
  SEALRING_ASSIGN(const auto names, list_directory(store));
  std::uint64_t kept = bytes.size();
  const std::string own = "bundle-" + std::to_string(bundle) + "-damaged";
  for (const std::string& name : names) {
    std::error_code gone;
    if (name == own || name.rfind("bundle-", 0) != 0) continue;
    const std::uintmax_t size = std::filesystem::file_size(store + "/" + name, gone);
    kept += gone ? 0 : size;
  }
  if (kept > kMaxKeptBytes)
    return reject_error(own + " would make more than " + std::to_string(kMaxKeptBytes >> 20) +
                        " MiB of damaged bundles in " + store);
  SEALRING_TRY(write_store_file(store + "/" + own, bytes));
  return sync_store_folder(store);
}

void let_sign(const std::string& store) {
  if (const Status s = end_silence(store); !s.ok()) diag(DiagLevel::warning, s.error().message);
}

void tell_damage(Recorder& recorder, Alarms& alarms, const Scrub::Damage& damage) {
  const std::uint64_t end = damage.start() + kBundleEntries;
  const std::string words = damage.words + ": entries " + std::to_string(damage.start()) + " to " +
                            std::to_string(end - 1) + " cannot be proven here any more; all else goes on";
  diag(DiagLevel::error, "alarm: damage: " + words);
  Recorder::Change alarm;
  alarm.code = EventCode::alarm;
  alarm.details = {{"alarm", std::string(kAlarmDamage)},
                   {"state", std::string("begins")},
                   {"from", damage.start()},
                   {"to", end},
                   {"found", damage.words}};
  recorder.change(std::move(alarm));
  alarms.raise(kAlarmDamage, "", words);
}

void tell_remembered(Alarms& alarms, const Scrub::Stats& scrub) {
  if (scrub.bytes_per_second == 0 || scrub.damaged.empty()) return;  // nothing would end it
  alarms.raise(kAlarmDamage, "",
               std::to_string(scrub.damaged.size()) + " bundles are damaged, the first is " +
                   std::to_string(scrub.damaged.front()) + ": their entries cannot be proven here any more");
}

void tell_whole(Recorder& recorder, Alarms& alarms) {
  Recorder::Change over;
  over.code = EventCode::alarm;
  over.details = {{"alarm", std::string(kAlarmDamage)}, {"state", std::string("ends")}};
  recorder.change(std::move(over));
  alarms.clear(kAlarmDamage, "");
}

}  // namespace sealring
