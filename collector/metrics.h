// /metrics and /healthz of sealring-collector, by plain HTTP on a listener of its own: the one for gateways answers
// anybody with a certificate of the CA, and what one gateway may not know of another is in here.
#pragma once

#include "collector/service.h"
#include "drivers/alarm_command.h"

namespace sealring {

std::string collector_metrics_text(const CollectorService& service, const Alarms& alarms,
                                   const AlarmCommand::Stats& command, std::int64_t started_unix,
                                   std::int64_t now_unix);
// 503 while nothing can be archived: after damage, or when the last write failed. Otherwise 200.
HttpResponse collector_health(const CollectorService& service, const Alarms& alarms);

}  // namespace sealring
