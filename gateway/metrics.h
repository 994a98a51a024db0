// /metrics and /healthz of sealringd, for whoever scrapes: OpenMetrics, from the same snapshot as `sealring status`.
//
// A listener of its own, plain HTTP, off unless [metrics] is there. It serves few connections, with short deadlines,
// and makes at most one snapshot a second, however often it is asked: who asks costs the recorder next to nothing, and
// who connects and says nothing costs a place for five seconds.
#pragma once

#include <functional>

#include "drivers/http.h"
#include "drivers/operator_config.h"
#include "gateway/status_report.h"

namespace sealring {

std::string metrics_text(const StatusSnapshot& snapshot);

struct MetricsServices {
  std::function<StatusSnapshot()> snapshot;  // any thread
  std::function<std::string()> hangs;        // as Watch::hangs(): asked first, for a snapshot may wait for what hangs
};
// reject, retry: as HttpServer::start().
Result<std::unique_ptr<HttpServer>> serve_metrics(const ListenAddress& listen, MetricsServices services);

}  // namespace sealring
