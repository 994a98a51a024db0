// The collector over real mutual TLS: what a gateway sends, with gzip, and what another certificate may not.
#include <thread>

#include "tests/unit/collector_fixture.h"
#include "tests/unit/test_pki.h"

using namespace sealring;
using namespace sealring::test;

namespace {

struct TlsTest {
  TlsTest() {
    HttpServer::Config config;
    config.tls = TestPki::get().identity("server");
    auto started = HttpServer::start(config, [this](const HttpRequest& r) { return collector.service->handle(r); });
    if (!started.ok()) FAIL(started.error().message);
    server = std::move(started).value();
  }
  std::unique_ptr<HttpClient> client(const std::string& identity) const {
    HttpClient::Config config;
    config.host = "127.0.0.1";
    config.port = std::to_string(server->port());
    config.tls = TestPki::get().identity(identity);
    auto made = HttpClient::create(config);
    if (!made.ok()) FAIL(made.error().message);
    return std::move(made).value();
  }
  static HttpResponse call(HttpClient& client, const std::string& target, Bytes body, const std::string& type) {
    Result<HttpResponse> response = client.call({"POST", target, type, std::move(body), true});
    if (!response.ok()) FAIL(response.error().message);
    return std::move(response).value();
  }
  static HttpResponse upload(HttpClient& client, Bytes body) {
    return call(client, "/mirror/add-entries", std::move(body), "application/octet-stream");
  }
  static HttpResponse get(HttpClient& client, const std::string& target) {
    Result<HttpResponse> response = client.call({"GET", target, "", "", false});
    if (!response.ok()) FAIL(response.error().message);
    return std::move(response).value();
  }

  FakeLog log;
  Collector collector{{{log.key(), std::nullopt, "sealring:gw-1"}}};
  std::unique_ptr<HttpServer> server;
};

}  // namespace

TEST_CASE_METHOD(TlsTest, "tls: a gateway's whole way, compressed") {
  auto gateway = client("client");
  log.grow(9000);
  require_cosignature(call(*gateway, "/witness/add-checkpoint", log.add_checkpoint(0, 9000), "text/plain"),
                      Collector::witness_key(), log, 9000);
  CHECK(call(*gateway, "/mirror/add-checkpoint", log.add_checkpoint(0, 300), "text/plain").status == 200);
  CHECK(call(*gateway, "/mirror/add-checkpoint", log.add_checkpoint(300, 9000), "text/plain").status == 200);
  require_cosignature(upload(*gateway, log.add_entries(0, 300)), Collector::mirror_key(), log, 300);
  HttpResponse more = upload(*gateway, log.add_entries(300, 9000));
  CHECK(more.status == 202);
  CHECK(more.content_type == "text/x.tlog.mirror-info");
  require_cosignature(upload(*gateway, log.add_entries(decode_mirror_info(more.body)->next_entry, 9000)),
                      Collector::mirror_key(), log, 9000);
  CHECK(check_archive(collector.directory(log), log) == 9000);

  HttpResponse conflict = call(*gateway, "/witness/add-checkpoint", log.add_checkpoint(0, 9000), "text/plain");
  CHECK(conflict.status == 409);
  CHECK(conflict.content_type == "text/x.tlog.size");
  CHECK(conflict.body == "9000\n");
  HttpResponse latest = get(*gateway, "/mirror/" + origin_hash(log.key().name) + "/checkpoint");
  CHECK(latest.status == 200);
  CHECK(Note::parse(latest.body).ok());
}

TEST_CASE_METHOD(TlsTest, "tls: another certificate of the same CA may read, but not speak for the log") {
  auto stranger = client("client-bare");
  log.grow(300);
  CHECK(call(*stranger, "/witness/add-checkpoint", log.add_checkpoint(0, 300), "text/plain").status == 403);
  CHECK(call(*stranger, "/mirror/add-checkpoint", log.add_checkpoint(0, 300), "text/plain").status == 403);
  CHECK(upload(*stranger, log.add_entries(0, 300)).status == 403);
  CHECK(names_in(collector.directory(log) + "/pending").empty());
  auto gateway = client("client");
  CHECK(call(*gateway, "/witness/add-checkpoint", log.add_checkpoint(0, 300), "text/plain").status == 200);
  CHECK(get(*stranger, "/witness/" + origin_hash(log.key().name) + "/checkpoint").status == 200);
  Result<HttpResponse> foreign = client("client-other-ca")->call({"GET", "/", "", "", false});
  CHECK_FALSE(foreign.ok());
}

TEST_CASE_METHOD(TlsTest, "tls: many clients at once leave one history") {
  log.grow(2000);
  REQUIRE(call(*client("client"), "/mirror/add-checkpoint", log.add_checkpoint(0, 2000), "text/plain").status == 200);
  // Each sends all packages one by one, and after a conflict goes on where the answer says.
  auto send_all = [&](std::string& last, const std::vector<Bytes>& from_package) {
    auto gateway = client("client");
    std::uint64_t next = 0;
    for (int i = 0; i < 100; ++i) {
      HttpResponse response = upload(*gateway, from_package[next / 256]);
      if (response.status != 202 && response.status != 409) {
        last = std::to_string(response.status) + " " + response.body;
        return;
      }
      next = decode_mirror_info(response.body)->next_entry;
      if (next == 2000) next = 1792;
    }
  };
  std::vector<Bytes> bodies;
  for (std::uint64_t start = 0; start < 2000; start += 256) bodies.push_back(log.add_entries(start, 2000, 0, 1));
  std::vector<std::string> answers(6);
  std::vector<std::thread> threads;
  for (std::string& answer : answers) threads.emplace_back([&] { send_all(answer, bodies); });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& answer : answers) {
    CHECK(answer.substr(0, 4) == "200 ");
    CHECK(answer == answers[0]);
  }
  CHECK(check_archive(collector.directory(log), log) == 2000);
  CHECK(names_in(collector.directory(log) + "/staging").empty());
}
