#include "gateway/health.h"

#include "gateway/json_text.h"
#include "gateway/status_report.h"

namespace sealring {

Health health_of(const StatusSnapshot& s) {
  Health health;
  const auto add = [&health](Health::Level level, const std::string& reason) {
    if (level > health.level) health.level = level;
    health.reasons.push_back(reason);
  };
  if (!s.hangs.empty()) add(Health::Level::unhealthy, s.hangs);
  if (s.recorder.waiting_for_room)
    add(Health::Level::unhealthy, "the ring is full: nothing is acknowledged until there is room");
  if (!s.recorder.disk_trouble.empty())
    add(Health::Level::unhealthy, "the store cannot be written: nothing is acknowledged until it can be");
  for (const auto& [name, stats] : s.sources)
    if (!stats.connected) add(Health::Level::degraded, "broker " + name + " is not connected");
  if (s.forwarder && !s.forwarder->reachable)
    add(Health::Level::degraded, "the collector does not answer as it should");
  for (const Alarm& alarm : s.alarms) add(Health::Level::degraded, "alarm: " + alarm.kind);
  return health;
}

std::string health_json(const Health& health) {
  std::string list;
  for (const std::string& reason : health.reasons) {
    const std::string quoted = JsonText().put("r", reason).text();  // {"r":"..."}
    list += (list.empty() ? "" : ",") + quoted.substr(quoted.find(':') + 1, quoted.size() - quoted.find(':') - 2);
  }
  const char* const words[] = {"ok", "degraded", "unhealthy"};
  return JsonText().put("status", words[static_cast<int>(health.level)]).put_raw("reasons", "[" + list + "]").text();
}

}  // namespace sealring
