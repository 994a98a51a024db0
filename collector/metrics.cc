#include "collector/metrics.h"

#include <algorithm>

#include "drivers/open_metrics.h"
#include "drivers/utf8.h"

namespace sealring {
namespace {

using Of = OpenMetrics;
using Summary = OriginLog::Summary;
using Summaries = std::vector<std::pair<std::string, Summary>>;

template <class Value>
void put_each(Of& out, const Summaries& logs, Of::Type type, const char* name, const char* help, Value&& of) {
  out.family(type, name, help);
  for (const auto& [origin, summary] : logs) out.sample(std::uint64_t{of(summary)}, {{"log", origin}});
}

void put_logs(Of& out, const Summaries& logs, std::int64_t now) {
  out.single(Of::gauge, "sealring_collector_logs", "Logs that are open here.", std::uint64_t{logs.size()});
  put_each(out, logs, Of::gauge, "sealring_collector_witnessed_entries", "Size of the log that the witness cosigned.",
           [](const Summary& s) { return s.witnessed; });
  put_each(out, logs, Of::gauge, "sealring_collector_archived_entries", "Entries in the archive.",
           [](const Summary& s) { return s.archived; });
  put_each(out, logs, Of::gauge, "sealring_collector_archive_bytes", "Bytes of the segments in the archive.",
           [](const Summary& s) { return s.bytes; });
  put_each(out, logs, Of::gauge, "sealring_collector_archive_segments", "Segments in the archive.",
           [](const Summary& s) { return s.segments; });
  put_each(out, logs, Of::gauge, "sealring_collector_pending_checkpoints", "Checkpoints whose entries are to come.",
           [](const Summary& s) { return s.pending; });
  put_each(out, logs, Of::counter, "sealring_collector_receipts", "Receipts signed since the start.",
           [](const Summary& s) { return s.receipts; });
  put_each(out, logs, Of::counter, "sealring_collector_lost_entries",
           "Entries that a gateway has dropped unsent, as told since the start.",
           [](const Summary& s) { return s.lost; });
  put_each(out, logs, Of::gauge, "sealring_collector_closed", "1 when another log follows.",
           [](const Summary& s) { return std::uint64_t{s.closed}; });
  out.family(Of::gauge, "sealring_collector_lag_seconds",
             "Since something new of the log was accepted; nothing where nothing ever was.");
  for (const auto& [origin, summary] : logs)
    if (summary.accepted_unix != 0)
      out.sample(static_cast<std::uint64_t>(std::max<std::int64_t>(0, now - summary.accepted_unix)), {{"log", origin}});
}

void put_alarms(Of& out, const Alarms& alarms, const AlarmCommand::Stats& command) {
  const auto begun = alarms.begun();
  const auto active = alarms.active();
  out.family(Of::counter, "sealring_collector_alarms", "Alarms that began, by kind.");
  for (const auto& [kind, times] : begun) out.sample(times, {{"alarm", kind}});
  out.family(Of::gauge, "sealring_collector_alarms_active", "Alarms that last, by kind.");
  for (const auto& [kind, times] : begun) {
    std::uint64_t lasting = 0;
    for (const Alarm& alarm : active) lasting += alarm.kind == kind;
    out.sample(lasting, {{"alarm", kind}});
  }
  out.single(Of::counter, "sealring_collector_alarm_commands", "Runs of alarm_command.", command.run);
  out.single(Of::counter, "sealring_collector_alarm_command_failures",
             "Runs of alarm_command that failed, or were left out.", command.failed + command.left_out);
}

std::string level_of(const CollectorService& service, const Alarms& alarms) {
  if (!service.trouble().empty()) return "unhealthy";
  return alarms.active().empty() ? "ok" : "degraded";
}

}  // namespace

std::string collector_metrics_text(const CollectorService& service, const Alarms& alarms,
                                   const AlarmCommand::Stats& command, std::int64_t started_unix,
                                   std::int64_t now_unix) {
  Of out;
  out.family(Of::info, "sealring_collector_build", "What runs.");
  out.sample(std::uint64_t{1}, {{"version", SEALRING_VERSION}});
  out.single(Of::gauge, "sealring_collector_start_time_seconds", "Unix time of the start.", started_unix);
  out.family(Of::gauge, "sealring_collector_health", "1 for what /healthz says.");
  const std::string level = level_of(service, alarms);
  for (const char* one : {"ok", "degraded", "unhealthy"}) out.sample(level == one, {{"status", one}});
  const CollectorService::Counts counts = service.counts();
  out.family(Of::counter, "sealring_collector_requests", "Requests answered, by endpoint.");
  for (const auto& [endpoint, times] : counts.requests) out.sample(times, {{"endpoint", endpoint}});
  out.single(Of::gauge, "sealring_collector_requests_in_flight", "Requests being answered.", counts.in_flight);
  out.family(Of::counter, "sealring_collector_refusals", "Requests refused, by reason.");
  for (const auto& [reason, times] : counts.refusals) out.sample(times, {{"reason", reason}});
  out.single(Of::counter, "sealring_collector_failures", "Requests that failed here, with 500 or 503.",
             counts.failures);
  put_logs(out, service.summaries(), now_unix);
  put_alarms(out, alarms, command);
  return out.text();
}

HttpResponse collector_health(const CollectorService& service, const Alarms& alarms) {
  std::vector<std::string> reasons;
  if (const std::string trouble = service.trouble(); !trouble.empty()) reasons.push_back(trouble);
  for (const Alarm& alarm : alarms.active()) reasons.push_back("alarm: " + alarm.kind + " of " + alarm.subject);
  std::string list;
  constexpr std::size_t kShown = 20;
  for (std::size_t i = 0; i < reasons.size() && i < kShown; ++i)
    list += (i == 0 ? "\"" : ",\"") + utf8_escaped(reasons[i]) + "\"";
  const std::string level = level_of(service, alarms);
  return {level == "unhealthy" ? 503u : 200u, "application/json",
          "{\"status\":\"" + level + "\",\"reasons\":[" + list + "]}\n"};
}

}  // namespace sealring
