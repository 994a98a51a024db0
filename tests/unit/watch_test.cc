// Who looks after the daemon's threads and promises; health, and the line for the service manager.
#include "gateway/watch.h"

#include "gateway/alarm_desk.h"
#include "gateway/health.h"
#include "gateway/metrics.h"
#include "tests/unit/recorder_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

class Nobody final : public HttpClient {
 public:
  Result<HttpResponse> call(const Request&) override { return retry_error("nobody there"); }
  void stop() override {}
};

Forwarder::Config config_of(const Gateway& g) {
  Forwarder::Config config;
  config.identity = {{{kOrigin, KeyType::ed25519, g.identity->public_key()}}};
  return config;
}

constexpr Watch::Limits kSoon{std::chrono::milliseconds(5), std::chrono::milliseconds(15000)};

}  // namespace

TEST_CASE("pulse: late only beyond what was said") {
  Pulse pulse;
  const auto now = Pulse::Clock::now();
  CHECK_FALSE(pulse.overdue(now + std::chrono::hours(1000)));
  pulse.within(std::chrono::minutes(5));
  CHECK_FALSE(pulse.overdue(now + std::chrono::minutes(5) + Pulse::kSlack));
  CHECK(pulse.overdue(now + std::chrono::minutes(7)));
  pulse.ended();
  CHECK_FALSE(pulse.overdue(now + std::chrono::hours(1000)));
}

TEST_CASE("watch: what no receipt covers for too long is an alarm, once, in the log too, until it is receipted") {
  Gateway g;
  g.config.segment_entries = 10;
  g.start();
  Nobody nobody;
  const Forwarder forwarder(config_of(g), *g.ring, nobody, *g.queue);
  AlarmDesk desk({}, std::chrono::milliseconds(0));
  desk.serve(kOrigin, *g.recorder);
  Watch watch({*g.ring, *g.recorder, *g.queue, &forwarder, g.clock, desk.alarms()}, std::chrono::hours(1), kSoon);
  watch.start();
  // Entry 0 is of an earlier start, by a clock that stood at 0.
  g.wait_for([&] { return desk.alarms().active().size() == 1; });
  CHECK(desk.alarms().active()[0].kind == kAlarmLag);
  const auto alarm_events = [&] {
    std::vector<std::string> out;
    for (std::uint64_t i = 0; i < g.ring->size(); ++i) {
      const Bytes bytes = *g.ring->entries(i, 1);
      const auto entry = decode_entry(ByteView(bytes).substr(2));
      const auto* event = std::get_if<Event>(&entry->body);
      if (event == nullptr || event->code != EventCode::alarm) continue;
      out.emplace_back(std::string(std::get<ByteView>(find_detail(*event, "alarm")->value)) + " " +
                       std::string(std::get<ByteView>(find_detail(*event, "state")->value)));
    }
    return out;
  };
  using Events = std::vector<std::string>;
  g.wait_for([&] { return alarm_events() == Events{"lag begins"}; });
  SECTION("it is receipted") {
    g.connect(false);
    for (std::uint16_t id = 1; id <= 20; ++id) g.message("t", "x", id);
    g.wait_for([&] { return g.sealed(true) > 0; });
    g.receipt_all();
  }
  SECTION("nobody wants to know any more") { watch.set_max_lag(std::chrono::milliseconds(0)); }
  g.wait_for([&] { return desk.alarms().active().empty(); });
  g.wait_for([&] { return alarm_events() == Events{"lag begins", "lag ends"}; });
  CHECK(desk.alarms().begun().at(kAlarmLag) == 1);
  CHECK(watch.hangs().empty());
  watch.stop();
  desk.leave();
}

TEST_CASE("watch: a recorder that does not come round hangs, and one that waits for room does not") {
  Gateway g;
  g.start();
  Alarms alarms(gateway_alarm_kinds());
  const Watch::Limits limits{std::chrono::milliseconds(5), std::chrono::milliseconds(3000)};
  Watch watch({*g.ring, *g.recorder, *g.queue, nullptr, g.clock, alarms}, std::chrono::milliseconds(0), limits);
  watch.start();
  if (GENERATE(false, true)) {
    g.config.segment_bytes = 4u << 20;
    g.connect(false);
    g.fill();
  }
  CHECK(watch.hangs().empty());
  g.queue->close();
  g.thread.join();  // nobody comes round any more
  g.wait_for([&] { return watch.hangs().find("the recorder has not come round for 3 s") == 0; });
  watch.stop();
}

TEST_CASE("health: recording or not, and what a person should know") {
  StatusSnapshot s;
  MqttSource::Stats connected;
  connected.connected = true;
  s.sources = {{"hall", connected}, {"roof", connected}};
  s.recorder.sources.resize(2);
  const auto json = [&] { return health_json(health_of(s)); };
  CHECK(json() == R"({"status":"ok","reasons":[]})");
  s.usage.map_bytes = 1000;
  s.usage.used_bytes = 250;
  s.usage.size = 7;
  s.origin = "o";
  CHECK(status_line(s) == "recording o, 7 entries; ring 25 %; 2 of 2 brokers");
  s.forwarder = Forwarder::Stats();
  s.receipted_size = 5;
  CHECK(json() == R"({"status":"degraded","reasons":["the collector does not answer as it should"]})");
  s.forwarder->reachable = true;
  CHECK(json() == R"({"status":"ok","reasons":[]})");
  s.sources[1].stats.connected = false;
  s.alarms = {{"lag", "", "words", {}, true, 0, 0, 1}};
  CHECK(json() == R"({"status":"degraded","reasons":["broker roof is not connected","alarm: lag"]})");
  CHECK(status_line(s) ==
        "recording o, 7 entries; ring 25 %; 1 of 2 brokers; collector there, 2 entries without a receipt; broker roof "
        "is not connected; alarm: lag");
  s.recorder.waiting_for_room = true;
  CHECK(health_of(s).level == Health::Level::unhealthy);
  s.recorder.waiting_for_room = false;
  CHECK(health_of(s).level == Health::Level::degraded);
  s.hangs = "the recorder \"hangs\"";
  CHECK(json().find(R"({"status":"unhealthy","reasons":["the recorder \"hangs\"",)") == 0);
  CHECK(metrics_text(s).find("sealring_health{status=\"unhealthy\"} 1\n") != std::string::npos);
}
