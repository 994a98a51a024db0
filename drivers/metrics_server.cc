#include "drivers/metrics_server.h"

#include <sys/resource.h>

#include "drivers/open_metrics.h"

namespace sealring {
namespace {

constexpr std::size_t kConnections = 8;               // a scraper, a probe, a person; the rest waits or is refused
constexpr std::chrono::milliseconds kPatience{5000};  // for a request, an answer, and between two
constexpr int kNice = 10;
constexpr std::size_t kMaxBody = 1024;  // nobody has anything to send

HttpResponse words(unsigned status, const std::string& text) {
  return {status, "text/plain; charset=utf-8", text + "\n"};
}

}  // namespace

Result<std::unique_ptr<HttpServer>> start_metrics_server(const ListenAddress& listen,
                                                         std::function<std::string()> metrics,
                                                         std::function<HttpResponse()> health) {
  HttpServer::Config http;
  http.address = listen.address;
  http.port = listen.port;
  http.max_connections = kConnections;
  http.max_body_bytes = kMaxBody;
  http.handshake_timeout = http.idle_timeout = http.request_timeout = kPatience;
  return HttpServer::start(
      http, [metrics = std::move(metrics), health = std::move(health)](const HttpRequest& request) {
        // Who asks in a loop takes no time from recording.
        ::setpriority(PRIO_PROCESS, 0, kNice);
        const std::string path = request.target.substr(0, request.target.find('?'));
        if (path != "/metrics" && path != "/healthz") return words(404, "There is /metrics and /healthz.");
        if (request.method != "GET" && request.method != "HEAD") return words(405, "There is only GET here.");
        HttpResponse response = path == "/healthz" ? health() : HttpResponse{200, OpenMetrics::kContentType, metrics()};
        response.cache_control = "no-store";
        return response;
      });
}

}  // namespace sealring
