// What a collector's operator is told: counts, summaries, alarms, health, and their text.
#include "collector/metrics.h"
#include "tests/unit/collector_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

struct MetricsTest {
  MetricsTest() : collector({{log.key(), std::nullopt, "sealring:gw-1"}}) {
    collector.peer_uris = {"sealring:gw-1"};
    log.grow(300);
  }
  std::map<std::string, std::uint64_t> refusals() const {
    std::map<std::string, std::uint64_t> out;
    for (const auto& [reason, times] : collector.service->counts().refusals)
      if (times != 0) out[reason] = times;
    return out;
  }
  std::vector<std::string> alarms() const {
    std::vector<std::string> out;
    for (const Alarm& alarm : collector.alarms.active()) out.push_back(alarm.kind + " " + alarm.subject);
    return out;
  }
  OriginLog::Summary summary() const { return collector.service->summaries().at(0).second; }
  std::string text(std::int64_t now = 1'700'000'100) const {
    return collector_metrics_text(*collector.service, collector.alarms, {}, 5, now);
  }

  FakeLog log;
  Collector collector;
};

using Reasons = std::map<std::string, std::uint64_t>;

}  // namespace

TEST_CASE_METHOD(MetricsTest, "metrics: what is accepted") {
  CHECK(summary().accepted_unix == 0);
  CHECK(text().find("lag_seconds{") == std::string::npos);
  CHECK(collector.witness(log.add_checkpoint(0, 100)).status == 200);
  CHECK(collector.mirror(log.add_checkpoint(0, 100)).status == 200);
  CHECK(collector.mirror(log.add_checkpoint(100, 200)).status == 200);
  CHECK(summary().pending == 2);
  CHECK(collector.upload(log.add_entries(0, 100)).status == 200);
  const auto check_summary = [&](std::uint64_t receipts) {
    const OriginLog::Summary s = summary();
    CHECK(s.witnessed == 100);
    CHECK(s.archived == 100);
    CHECK(s.segments == 1);
    CHECK(s.pending == 1);
    CHECK(s.receipts == receipts);
    CHECK(s.accepted_unix == 1'700'000'000);
    CHECK_FALSE(s.closed);
    const std::string file = collector.directory(log) + "/segments/" + segment_file_name(0, 100);
    CHECK(s.bytes == read_file(file)->size());
  };
  check_summary(1);
  CHECK(refusals().empty());
  const std::string out = text();
  INFO(out);
  for (const char* line :
       {"sealring_collector_archived_entries{log=\"example.com/gw-1\"} 100\n",
        "sealring_collector_lag_seconds{log=\"example.com/gw-1\"} 100\n",
        "sealring_collector_receipts_total{log=\"example.com/gw-1\"} 1\n", "sealring_collector_logs 1\n",
        "sealring_collector_requests_total{endpoint=\"mirror/add-entries\"} 1\n",
        "sealring_collector_refusals_total{reason=\"fork\"} 0\n", "sealring_collector_health{status=\"ok\"} 1\n"})
    CHECK(out.find(line) != std::string::npos);
  CHECK(out.substr(out.size() - 7) == "\n# EOF\n");
  collector.open();
  check_summary(0);
}

TEST_CASE_METHOD(MetricsTest, "metrics: what is refused, by reason, and what of it is an alarm") {
  REQUIRE(collector.witness(log.add_checkpoint(0, 100)).status == 200);
  FakeLog fork(log.key().name);
  fork.grow(200, "forked ");
  const auto refused = [&](const std::string& reason, const HttpResponse& response, std::vector<std::string> told) {
    INFO(response.body);
    CHECK(response.status >= 400);
    CHECK(refusals() == Reasons{{reason, 1}});
    CHECK(alarms() == told);
  };
  SECTION("fork") {
    refused("fork", collector.witness("old 100\n\n" + fork.checkpoint(100)), {"fork example.com/gw-1"});
  }
  SECTION("a fork that does not know how far we are") {
    refused("fork", collector.witness("old 0\n\n" + fork.checkpoint(100)), {"fork example.com/gw-1"});
  }
  SECTION("rollback") {
    refused("rollback", collector.witness(log.add_checkpoint(0, 50)), {"rollback example.com/gw-1"});
  }
  SECTION("size: somebody who does not know how far we are") {
    refused("size", collector.witness(log.add_checkpoint(50, 200)), {});
  }
  SECTION("certificate") {
    collector.peer_uris = {"sealring:gw-2"};
    refused("certificate", collector.witness(log.add_checkpoint(100, 200)), {});
  }
  SECTION("signature") {
    log.by = "x";
    refused("signature", collector.witness(log.add_checkpoint(100, 200)), {});
  }
  SECTION("unknown log") {
    FakeLog other("example.com/other");
    other.grow(2);
    refused("unknown-log", collector.witness(other.add_checkpoint(0, 2)), {});
  }
  SECTION("malformed") { refused("malformed", collector.witness("nonsense"), {}); }
  SECTION("not proven") {
    REQUIRE(collector.mirror(log.add_checkpoint(0, 100)).status == 200);
    log.entries[5][0] ^= 1;
    refused("not-proven", collector.upload(log.add_entries(0, 100)), {});
  }
  CHECK(collector.service->counts().in_flight == 0);
  CHECK(collector_health(*collector.service, collector.alarms).status == 200);
  const bool degraded = !alarms().empty();
  CHECK((collector_health(*collector.service, collector.alarms).body.find("degraded") != std::string::npos) ==
        degraded);
}

TEST_CASE_METHOD(MetricsTest, "metrics: unhealthy while nothing can be archived") {
  REQUIRE(collector.witness(log.add_checkpoint(0, 100)).status == 200);
  REQUIRE(collector.mirror(log.add_checkpoint(0, 100)).status == 200);
  const std::string staging = collector.directory(log) + "/staging";
  REQUIRE(::rmdir(staging.c_str()) == 0);
  CHECK(collector.upload(log.add_entries(0, 100)).status == 503);
  const HttpResponse sick = collector_health(*collector.service, collector.alarms);
  CHECK(sick.status == 503);
  CHECK(sick.body.find("{\"status\":\"unhealthy\",\"reasons\":[\"") == 0);
  CHECK(sick.body.find("staging") != std::string::npos);
  CHECK(collector.service->counts().failures == 1);
  CHECK(refusals().empty());
  REQUIRE(::mkdir(staging.c_str(), 0700) == 0);
  CHECK(collector.upload(log.add_entries(0, 100)).status == 200);
  CHECK(collector_health(*collector.service, collector.alarms).status == 200);
}
