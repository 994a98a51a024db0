#include "gateway/incident.h"

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "drivers/diag.h"
#include "drivers/file.h"
#include "storage/ring_check.h"

namespace sealring {

void tell_incident(Recorder& recorder, const Ring& ring, const std::string& store) {
  const std::string words = ring.contents().incident;
  if (words.empty()) return;
  diag(DiagLevel::error, "alarm: damage: " + words);
  recorder.set_incident(words, [store](std::uint64_t index) -> Status {
    const std::string from = store + kIncidentFile, to = from + "-" + std::to_string(index);
    if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT)
      return retry_error(from + ": " + std::generic_category().message(errno));
    return sync_directory(store);
  });
}

void tell_damage(Recorder& recorder, const Scrub::Damage& damage) {
  const std::uint64_t end = damage.start() + kBundleEntries;
  diag(DiagLevel::error, "alarm: damage: " + damage.words + ": entries " + std::to_string(damage.start()) + " to " +
                             std::to_string(end - 1) + " cannot be proven here any more; all else goes on");
  Recorder::Change alarm;
  alarm.code = EventCode::alarm;
  alarm.details = {{"alarm", std::string("damage")}, {"from", damage.start()}, {"to", end}, {"found", damage.words}};
  recorder.change(std::move(alarm));
}

}  // namespace sealring
