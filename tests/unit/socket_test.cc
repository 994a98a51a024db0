// The daemon's socket, in one process: who is let in, and that nothing that an answer fails with goes further than its
// own connection: each allocation that serving makes fails once.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <new>
#include <nlohmann/json.hpp>
#include <thread>

#include "drivers/diag.h"
#include "gateway/record_index.h"
#include "gateway/record_reader.h"
#include "gateway/socket_seats.h"
#include "gateway/socket_server.h"
#include "gateway/status_report.h"
#include "tests/unit/fake_log.h"
#include "tests/unit/recorder_fixture.h"
#include "tests/unit/temp_dir.h"

namespace {

thread_local bool t_spared = false;         // this thread's allocations are not counted
std::atomic<std::int64_t> g_until_fails{};  // the allocation that finds 1 here fails; 0: none does

void* allocate(std::size_t n) {
  if (!t_spared && g_until_fails > 0 && g_until_fails-- == 1) throw std::bad_alloc();
  if (void* p = std::malloc(n)) return p;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t n) { return allocate(n); }
void* operator new[](std::size_t n) { return allocate(n); }
// All of them, since a sanitizer's own would not match these.
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  try {
    return allocate(n);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new[](std::size_t n, const std::nothrow_t& tag) noexcept { return operator new(n, tag); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

using namespace sealring;
using namespace sealring::test;

namespace {

constexpr std::chrono::milliseconds kPatience{20000};

// A server of a log with three messages.
struct Scene {
  Scene() {
    for (int i = 0; i < 3; ++i) log.add_message(i, "topic/" + std::to_string(i));
    services.status = [](unsigned) { return std::string("{\"fine\": true}\n"); };
    services.payload = [](std::uint64_t) { return SocketServer::Made{payload_head_json(5), Bytes("bytes")}; };
    services.log = &log;
    services.bell = &bell;
  }
  void start() {
    auto started = SocketServer::start({path, ""}, services);
    REQUIRE(started);
    server = std::move(started).value();
  }
  // Everything until the server hangs up; fails when it does not.
  std::string ask(const std::string& request) {
    auto client = SocketClient::ask(path, request);
    REQUIRE(client);
    Result<Bytes> answer = (*client)->rest(kPatience, 1u << 20);
    REQUIRE(answer);
    return *answer;
  }

  TempDir dir;
  const std::string path = dir.path() + "/sock";
  FakeLog log;
  CommitBell bell;
  SocketServer::Services services;
  std::unique_ptr<SocketServer> server;
};

const char* const kStatus = R"({"get": "status"})";
const char* const kRecords = R"({"get": "records"})";
const char* const kPayload = R"({"get": "payload", "index": 0})";

bool apologises(const std::string& answer) {
  return answer.find("the daemon failed to answer this") != std::string::npos;
}

// Asks until no allocation is left that could fail, and after each failure once more.
void fail_each(Scene& scene, const std::string& request, const std::function<bool(const std::string&)>& well) {
  bool all_tried = false;
  std::size_t failed = 0, apologies = 0;
  for (std::int64_t n = 1; !all_tried && n < 1000; ++n) {
    g_until_fails = n;
    const std::string answer = scene.ask(request);
    all_tried = g_until_fails.exchange(0) > 0;
    failed += !well(answer);
    apologies += apologises(answer);
    INFO("allocation " << n << ": " << answer);
    CHECK(well(scene.ask(request)));
  }
  CHECK(all_tried);
  CHECK(failed > 1);
  CHECK(apologies > 0);
  CHECK(apologies < failed);  // who was not let in yet is only hung up on
}

// A collector that is never called.
class Unreachable final : public HttpClient {
 public:
  Result<HttpResponse> call(const Request&) override { return retry_error("nobody is here"); }
  void stop() override {}
};

}  // namespace

TEST_CASE("a user of the group cannot take all seats", "[socket]") {
  SocketSeats seats(7);
  std::vector<unsigned> taken;
  const auto take = [&](unsigned user) {
    const Result<unsigned> seat = seats.take(user);
    if (seat) taken.push_back(*seat);
    return seat ? std::string() : seat.error().message;
  };
  for (unsigned i = 0; i < kSeatsOfUser; ++i) CHECK(take(1000).empty());
  CHECK(take(1000).find("user 1000 has 6 connections") != std::string::npos);
  CHECK(take(1001).empty());

  SECTION("many users cannot either") {
    for (unsigned user = 1002; seats.taken() < kSeats - kSeatsKept; ++user) CHECK(take(user).empty());
    CHECK(take(2000).find("12 others") != std::string::npos);
    CHECK(take(0).empty());
    CHECK(take(7).empty());
    CHECK(take(7).empty());
    CHECK(take(0).empty());
    CHECK(take(0).find("16 others") != std::string::npos);
    seats.leave(taken.front());
    CHECK(take(2000).empty());  // the kept ones are in use, but this one was of the others
    CHECK(take(0).find("16 others") != std::string::npos);
  }
  SECTION("they do not count who they are kept for") {
    for (unsigned i = 0; i < 8; ++i) CHECK(take(i % 2 == 0 ? 0 : 7).empty());
    CHECK(take(1002).empty());
    CHECK(seats.taken() == kSeats);
    CHECK(take(1002).find("16 others") != std::string::npos);
  }
  SECTION("following is allowed fewer times than asking") {
    for (unsigned i = 0; i < kFollowingOfUser; ++i) CHECK(seats.follow(taken[i]).ok());
    CHECK_FALSE(seats.follow(taken[kFollowingOfUser]).ok());
    CHECK(seats.follow(taken.back()).ok());  // another user
    seats.leave(taken[0]);
    CHECK(seats.follow(taken[kFollowingOfUser]).ok());
    for (unsigned i = 0; i < 8; ++i) {
      const Result<unsigned> seat = seats.take(0);
      REQUIRE(seat);
      CHECK(seats.follow(*seat).ok());
    }
  }
}

TEST_CASE("what an answer throws ends that connection only", "[socket]") {
  t_spared = true;
  Scene scene;
  SECTION("out of memory") {
    scene.services.status = [](unsigned) -> std::string { throw std::bad_alloc(); };
  }
  SECTION("something that is no std::exception") {
    scene.services.status = [](unsigned) -> std::string { throw 7; };  // NOLINT
  }
  scene.start();
  CHECK(apologises(scene.ask(kStatus)));
  const std::string records = scene.ask(kRecords);
  CHECK(records.find("{\"end\":3}") != std::string::npos);
}

TEST_CASE("what reading throws in the middle is the last record", "[socket]") {
  t_spared = true;
  Scene scene;
  for (int i = 0; i < 300; ++i) scene.log.add_message(i, "more");
  scene.log.on_read = [&] {
    if (scene.log.reads == 2) throw std::bad_alloc();
  };
  scene.start();
  const auto reader = read_records(scene.path, RecordQuery{}, false);
  REQUIRE(reader);
  for (int i = 0; i < 256; ++i) {
    const auto record = (*reader)->next();
    REQUIRE(record);
    REQUIRE(*record);
  }
  const auto record = (*reader)->next();
  REQUIRE_FALSE(record);
  CHECK(apologises(record.error().message));
  CHECK(record.error().kind == ErrorKind::retry);
}

TEST_CASE("a gap is told over the socket", "[socket]") {
  t_spared = true;
  Scene scene;
  for (int i = 0; i < 900; ++i) scene.log.add_message(i, "more");
  scene.log.on_read = [&] {
    if (scene.log.reads == 2) scene.log.first = 800;
  };
  scene.start();
  const auto reader = read_records(scene.path, RecordQuery{}, false);
  REQUIRE(reader);
  std::vector<std::uint64_t> indexes;
  for (;;) {
    const auto record = (*reader)->next();
    REQUIRE(record);
    if (!*record) break;
    if ((*record)->skipped == 0) {
      indexes.push_back((*record)->index);
      continue;
    }
    CHECK((*record)->index == 256);
    CHECK((*record)->skipped == 800 - 256);
    CHECK(indexes.back() == 255);
    indexes.push_back(799);
  }
  CHECK(indexes.size() == 256 + 1 + 103);
  CHECK(indexes.back() == 902);
}

TEST_CASE("each allocation of serving fails once, and the next client is served", "[socket]") {
  t_spared = true;
  set_diag_level(DiagLevel::error);
  Scene scene;
  scene.start();
  const std::string request = GENERATE(as<std::string>(), kStatus, kRecords, kPayload, "nonsense");
  const std::string well = scene.ask(request);
  fail_each(scene, request, [&](const std::string& answer) { return answer == well; });
  set_diag_level(DiagLevel::info);
}

TEST_CASE("each allocation of a status fails once, and the next one is whole", "[socket]") {
  t_spared = true;
  set_diag_level(DiagLevel::error);
  Gateway gateway;
  gateway.start();
  gateway.message("topic", "payload");
  gateway.wait_released(1);
  gateway.queue->close();
  gateway.thread.join();  // what it allocates is none of the status'
  Unreachable nobody;
  Forwarder::Config config;
  config.identity = {{{kOrigin, KeyType::ed25519, gateway.identity->public_key()}}};
  const Forwarder forwarder(config, *gateway.ring, nobody, *gateway.queue);
  const bool forwards = GENERATE(true, false);
  DayCount day(gateway.clock.wall_ns);
  MqttSource::Stats connected;
  connected.connected = true;
  const std::string trouble(40, '\xff');  // a peer chose it, and it is longer than what needs no memory
  MqttSource::Stats troubled;
  troubled.last_trouble = trouble;
  AlarmDesk desk({});
  desk.alarms().raise(kAlarmLag, "", "words of an alarm, which need memory as well");
  const Watch watch({*gateway.ring, *gateway.recorder, *gateway.queue, nullptr, gateway.clock, desk.alarms()},
                    std::chrono::milliseconds(0), {});
  Scene scene;
  scene.services.status = [&](unsigned clients) {
    return status_json(take_snapshot({*gateway.ring,
                                      *gateway.recorder,
                                      *gateway.queue,
                                      {{"the broker in the hall", connected}, {"the broker on the roof", troubled}},
                                      forwards ? &forwarder : nullptr,
                                      gateway.clock,
                                      {},
                                      clients,
                                      "vkey",
                                      "",
                                      "",
                                      {},
                                      day,
                                      desk,
                                      watch,
                                      5}));
  };
  scene.start();
  const auto whole = [&](const std::string& answer) {
    const std::string_view begin = R"({"origin":"example.com/)", end = "\"socket\":{\"clients\":1}}\n";
    return answer.substr(0, begin.size()) == begin && answer.size() > end.size() &&
           answer.substr(answer.size() - end.size()) == end && nlohmann::json::accept(answer) &&
           (answer.find(R"("upstream":null)") == std::string::npos) == forwards;
  };
  CHECK(whole(scene.ask(kStatus)));
  fail_each(scene, kStatus, whole);
  set_diag_level(DiagLevel::info);
}

TEST_CASE("the index goes on after it had no memory", "[socket]") {
  t_spared = true;
  FakeLog log;
  for (int i = 0; i < 256 * 3; ++i) log.add_message(i, "topic/" + std::to_string(i % 10));
  SECTION("each allocation fails once, and nothing is half done") {
    bool all_tried = false;
    for (std::int64_t n = 1; !all_tried; ++n) {
      RecordIndex index(log);
      RecordIndex whole(log);
      while (whole.step()) {
      }
      t_spared = false;
      g_until_fails = n;
      bool threw = false;
      try {
        while (index.step()) {
        }
      } catch (const std::bad_alloc&) {
        threw = true;
      }
      all_tried = g_until_fails.exchange(0) > 0;
      t_spared = true;
      CHECK(threw == !all_tried);
      while (index.step()) {
      }
      CHECK(index.progress().bundles == 3);
      CHECK(index.progress().memory_bytes == whole.progress().memory_bytes);
    }
  }
  SECTION("on its thread") {
    std::atomic<bool> thrown{false};
    log.on_read = [&] {
      if (!thrown.exchange(true)) throw std::bad_alloc();
    };
    RecordIndex index(log);
    index.start();
    const Deadline deadline = deadline_in(kPatience);
    while (index.progress().bundles < 3 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    CHECK(thrown);
    CHECK(index.progress().bundles == 3);
  }
}
