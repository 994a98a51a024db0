// The plain listener of both daemons for operators: GET /metrics and GET /healthz, nothing else.
#pragma once

#include "drivers/http.h"
#include "drivers/operator_config.h"

namespace sealring {

// `metrics`: text of OpenMetrics. `health`: 200 or 503 with JSON. Both are called on several threads at once.
Result<std::unique_ptr<HttpServer>> start_metrics_server(const ListenAddress& listen,
                                                         std::function<std::string()> metrics,
                                                         std::function<HttpResponse()> health);

}  // namespace sealring
