// Alarms, the operator's command, histograms and the text that a monitoring system reads.

#include <fcntl.h>

#include <catch2/catch.hpp>
#include <thread>

#include "drivers/alarm_command.h"
#include "drivers/diag.h"
#include "drivers/file.h"
#include "drivers/metrics_server.h"
#include "drivers/open_metrics.h"
#include "tests/unit/capture_stderr.h"
#include "tests/unit/http_fixture.h"
#include "tests/unit/temp_dir.h"

using namespace sealring;
using std::chrono::seconds;

namespace {

struct Desk {
  Alarms::Time now{};
  std::vector<std::string> told;
  Alarms alarms{{"lag", "fork"}, seconds(60), [this] { return now; }};
  Desk() {
    alarms.set_listener([this](const Alarm& alarm) {
      told.push_back(alarm.kind + (alarm.subject.empty() ? "" : " " + alarm.subject) +
                     (alarm.begins ? " begins" : " ends after " + std::to_string(alarm.lasted_s)));
    });
  }
  void pass(int s) {
    now += seconds(s);
    alarms.tick();
  }
};

using Told = std::vector<std::string>;

// A script of a test.
std::string script(TempDir& dir, const std::string& text) {
  const std::string path = dir.file("command");
  REQUIRE(replace_file(path, "#!/bin/sh\n" + text, 0755).ok());
  return path;
}

std::string plain_ask(std::uint16_t port, const std::string& bytes, milliseconds patience = milliseconds(20000)) {
  TcpConnector connector("127.0.0.1", std::to_string(port));
  auto socket = connector.connect(deadline_in(patience), nullptr);
  REQUIRE(socket.ok());
  socket->set_deadline(deadline_in(patience));
  send_all(*socket, bytes);
  std::string all;
  char piece[4096];
  for (;;) {
    const TcpSocket::Io io = socket->receive(piece, sizeof piece);
    if (io.outcome != TcpSocket::Io::done) return io.outcome == TcpSocket::Io::end ? all : all + " NOT ENDED";
    all.append(piece, io.bytes);
  }
}

}  // namespace

TEST_CASE("alarms: a state begins once, lasts, and ends once it has been away for long enough") {
  Desk desk;
  desk.alarms.raise("lag", "", "words");
  for (int i = 0; i < 1000; ++i) {
    desk.alarms.raise("lag", "", "others");
    desk.pass(1);
  }
  CHECK(desk.told == Told{"lag begins"});
  REQUIRE(desk.alarms.active().size() == 1);
  CHECK(desk.alarms.active()[0].words == "words");
  CHECK(desk.alarms.active()[0].times == 1001);
  CHECK(desk.alarms.active()[0].lasted_s == 1000);
  desk.alarms.clear("lag", "");
  desk.pass(59);
  CHECK(desk.told.size() == 1);
  desk.pass(1);
  CHECK(desk.told == Told{"lag begins", "lag ends after 1000"});
  CHECK(desk.alarms.active().empty());
  desk.pass(1000);
  CHECK(desk.told.size() == 2);
  CHECK(desk.alarms.begun() == std::map<std::string, std::uint64_t>{{"fork", 0}, {"lag", 1}});
}

TEST_CASE("alarms: what flaps is one, and a second clear puts nothing off") {
  Desk desk;
  for (int i = 0; i < 1000; ++i) {
    desk.alarms.raise("lag", "", "");
    desk.alarms.clear("lag", "");
    desk.pass(30);
  }
  CHECK(desk.told == Told{"lag begins"});
  for (int i = 0; i < 30; ++i) {
    desk.alarms.clear("lag", "");
    desk.pass(1);
  }
  CHECK(desk.told.size() == 2);
  desk.alarms.raise("lag", "", "");
  CHECK(desk.told.size() == 3);
}

TEST_CASE("alarms: all are over together, but for those that are found again") {
  Desk desk;
  desk.alarms.raise("lag", "", "");
  desk.alarms.raise("fork", "a", "");
  desk.pass(100);
  desk.alarms.clear_all();
  desk.alarms.raise("lag", "", "");
  desk.pass(60);
  CHECK(desk.told == Told{"lag begins", "fork a begins", "fork a ends after 100"});
}

TEST_CASE("alarms: what happens meanwhile does not end what lasts") {
  Desk desk;
  desk.alarms.raise("lag", "", "");
  desk.alarms.happened("lag", "", "");
  desk.pass(1000);
  CHECK(desk.told == Told{"lag begins"});
  desk.alarms.clear("lag", "");
  desk.alarms.happened("lag", "", "");
  desk.pass(60);
  CHECK(desk.told.size() == 2);
}

TEST_CASE("alarms: what happens ends by itself; logs are told apart; few are kept") {
  Desk desk;
  desk.alarms.happened("fork", "a", "");
  desk.alarms.happened("fork", "b", "");
  desk.pass(30);
  desk.alarms.happened("fork", "b", "");
  desk.pass(30);
  CHECK(desk.told == Told{"fork a begins", "fork b begins", "fork a ends after 0"});
  desk.pass(30);
  CHECK(desk.told.back() == "fork b ends after 30");
  for (int i = 0; i < 10000; ++i) desk.alarms.happened("fork", std::to_string(i), "");
  CHECK(desk.alarms.active().size() == Alarms::kMaxActive);
  CHECK(desk.alarms.begun().at("fork") == 10002);
}

TEST_CASE("alarm command: its name, JSON, and nothing of ours") {
  TempDir dir;
  ::setenv("SEALRING_SECRET", "yes", 1);
  const std::string out = dir.file("out");
  const std::string path = script(
      dir, "{ echo \"$@\"; cat; env | sort; ls /proc/self/fd; } > " + out + ".new; mv " + out + ".new " + out + "\n");
  const int open_here = ::open(out.c_str(), O_RDONLY | O_CREAT, 0600);  // without O_CLOEXEC
  REQUIRE(open_here > 2);
  AlarmCommand command({path, "first", "a \"b\" $HOME"});
  Alarm alarm{"lag", "", "it is \"late\"\n\xff", {{"index", std::uint64_t{7}}, {"reason", std::string("x")}}, true, 5};
  command.run(alarm, alarm_json(alarm, "the/log"));
  REQUIRE(eventually([&] { return command.stats().run == 1; }));
  CHECK(command.stats().failed == 0);
  const Bytes text = *read_file(out);
  INFO(text);
  CHECK(text.rfind(
            "first a \"b\" $HOME lag begins\n"
            "{\"alarm\": \"lag\", \"state\": \"begins\", \"log\": \"the/log\", \"words\": \"it is \\\"late\\\"??\", "
            "\"since_unix\": 5, \"lasted_s\": 0, \"times\": 0, \"index\": 7, \"reason\": \"x\"}\nLANG=C.UTF-8\n",
            0) == 0);
  CHECK_FALSE(contains(text, "SEALRING_SECRET"));
  // 0, 1, 2 and the folder that `ls` reads.
  CHECK(contains(text, "\n0\n1\n2\n3\n"));
  CHECK_FALSE(contains(text, "\n4\n"));
  ::close(open_here);
}

TEST_CASE("alarm command: one that fails, is not there, hangs or is asked too often holds nobody up") {
  TempDir dir;
  Alarm alarm{"fork", "a", "", {}, true, 0};
  SECTION("fails") {
    std::uint64_t failed = 0;
    const std::string said = stderr_of([&] {
      AlarmCommand command({script(dir, "exit 3\n")});
      for (int i = 0; i < 3; ++i) command.run(alarm, "{}\n");
      (void)eventually([&] { return command.stats().run == 3; });
      failed = command.stats().failed;
    });
    CHECK(failed == 3);
    CHECK_THAT(said, Catch::Contains("alarm_command " + dir.file("command") + " failed: it ended with 3"));
    CHECK(said.find("failed") == said.rfind("failed"));
  }
  SECTION("is not there") {
    AlarmCommand command({dir.file("nothing")});
    const std::string said = stderr_of([&] {
      command.run(alarm, "{}\n");
      (void)eventually([&] { return command.stats().failed == 1; });
    });
    CHECK_THAT(said, Catch::Contains("cannot be run: No such file or directory"));
  }
  SECTION("hangs, with a child") {
    const std::string pid_file = dir.file("pid");
    const std::string path = script(dir, "sleep 1000 & echo $! > " + pid_file + "; wait\n");
    AlarmCommand command({path}, milliseconds(300));
    const std::string said = stderr_of([&] {
      for (std::size_t i = 0; i < AlarmCommand::kMaxWaiting + 10; ++i) command.run(alarm, "{}\n");
      (void)eventually([&] { return command.stats().failed >= 2; });
    });
    CHECK_THAT(said, Catch::Contains("and was killed"));
    CHECK(command.stats().left_out >= 9);
    const std::string pid = *read_file(pid_file);
    CHECK(eventually([&] {
      const auto stat = read_file("/proc/" + pid.substr(0, pid.size() - 1) + "/stat");
      return !stat.ok() || contains(*stat, ") Z ");
    }));
  }
}

TEST_CASE("open metrics: exact text") {
  LatencyHistogram latency;
  latency.add(std::chrono::microseconds(50));
  latency.add(std::chrono::milliseconds(1));
  latency.add(std::chrono::seconds(60));
  OpenMetrics out;
  out.family(OpenMetrics::counter, "a_messages", "Told \\ \"so\".");
  out.sample(std::uint64_t{7}, {{"broker", "h\"a\\l\nl\xc3\xa4\xff"}, {"x", ""}});
  out.single(OpenMetrics::gauge, "a_free_bytes", "Free.", std::uint64_t{1} << 63);
  out.single(OpenMetrics::gauge, "a_fill_ratio", "Full.", 0.25);
  out.family(OpenMetrics::info, "a_build", "What.");
  out.sample(std::uint64_t{1}, {{"version", "1"}});
  out.family(OpenMetrics::histogram, "a_seconds", "How long.");
  out.sample(latency.look(), {{"key", "k"}});
  const std::string text = out.text();
  INFO(text);
  CHECK(
      text.rfind("# TYPE a_messages counter\n"
                 "# HELP a_messages Told \\\\ \\\"so\\\".\n"
                 "a_messages_total{broker=\"h\\\"a\\\\l?l\xc3\xa4?\",x=\"\"} 7\n"
                 "# TYPE a_free_bytes gauge\n# UNIT a_free_bytes bytes\n# HELP a_free_bytes Free.\n"
                 "a_free_bytes 9223372036854775808\n"
                 "# TYPE a_fill_ratio gauge\n# UNIT a_fill_ratio ratio\n# HELP a_fill_ratio Full.\na_fill_ratio 0.25\n"
                 "# TYPE a_build info\n# HELP a_build What.\na_build_info{version=\"1\"} 1\n"
                 "# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n# HELP a_seconds How long.\n"
                 "a_seconds_bucket{key=\"k\",le=\"0.0001\"} 1\na_seconds_bucket{key=\"k\",le=\"0.00025\"} 1\n",
                 0) == 0);
  CHECK(contains(text, "a_seconds_bucket{key=\"k\",le=\"0.001\"} 2\n"));
  CHECK(contains(text,
                 "a_seconds_bucket{key=\"k\",le=\"30.0\"} 2\na_seconds_bucket{key=\"k\",le=\"+Inf\"} 3\n"
                 "a_seconds_count{key=\"k\"} 3\na_seconds_sum{key=\"k\"} 60.00105\n# EOF\n"));
}

TEST_CASE("metrics server: two pages, plain, and a client that says nothing costs its place for moments") {
  const std::string said = GENERATE(as<std::string>(), "", "GET /metrics HTTP/1.1\r\nX: ");
  std::atomic<int> made{0};
  auto server = start_metrics_server(
      {"127.0.0.1", 0}, [&] { return ++made, std::string("# EOF\n"); },
      [] {
        return HttpResponse{503, "application/json", "{}\n"};
      });
  REQUIRE(server.ok());
  const std::uint16_t port = (*server)->port();
  const auto get = [&](const std::string& target, const std::string& method = "GET") {
    return plain_ask(port, method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  };
  const std::string page = get("/metrics?x=y");
  INFO(page);
  CHECK(page.rfind("HTTP/1.1 200 OK\r\n", 0) == 0);
  CHECK(contains(page, "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
  CHECK(contains(page, "\r\n\r\n# EOF\n"));
  CHECK(get("/healthz").rfind("HTTP/1.1 503 ", 0) == 0);
  CHECK(get("/").rfind("HTTP/1.1 404 ", 0) == 0);
  CHECK(get("/metrics", "DELETE").rfind("HTTP/1.1 405 ", 0) == 0);
  CHECK(contains(get("/metrics", "HEAD"), "Content-Length: 6\r\n"));
  CHECK(plain_ask(port, "nonsense\r\n\r\n").rfind("HTTP/1.1 400 ", 0) == 0);
  CHECK(contains(plain_ask(port, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"), " 413 "));

  // All places taken by clients that say nothing, or half a request: each is let go of by itself.
  const int before = made;
  set_diag_level(DiagLevel::error);
  std::vector<TcpSocket> silent;
  for (int i = 0; silent.size() < 8; ++i) {
    REQUIRE(i < 1000);  // places of the requests above become free meanwhile
    TcpConnector connector("127.0.0.1", std::to_string(port));
    auto socket = connector.connect(deadline_in(milliseconds(10000)), nullptr);
    REQUIRE(socket.ok());
    send_all(*socket, said);
    socket->set_deadline(deadline_in(milliseconds(50)));
    char none;
    if (socket->receive(&none, 1).outcome == TcpSocket::Io::timeout) silent.push_back(std::move(socket).value());
  }
  const auto answered = [&] {
    TcpConnector connector("127.0.0.1", std::to_string(port));
    auto socket = connector.connect(deadline_in(milliseconds(1000)), nullptr);
    if (!socket.ok()) return false;
    socket->set_deadline(deadline_in(milliseconds(1000)));
    send_all(*socket, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    char first[16];
    return socket->receive(first, sizeof first).outcome == TcpSocket::Io::done;
  };
  CHECK((eventually(answered) || eventually(answered) || eventually(answered)));
  CHECK(made > before);
  set_diag_level(DiagLevel::info);
}
