#include "gateway/init.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "drivers/key_file.h"
#include "gateway/config.h"
#include "gateway/day_count.h"
#include "gateway/epoch_key.h"
#include "gateway/render.h"
#include "gateway/status.h"
#include "tests/unit/archive_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

constexpr std::uint64_t kRingBytes = 64u << 20;  // the smallest

class FixedClock final : public Clock {
 public:
  ClockReading now() const override { return {1'700'000'000'000'000'000, 42, true}; }
};

Result<InitResult> init(const std::string& dir, const std::string& origin = "example.com/gw") {
  return init_gateway({dir, origin, kRingBytes, "sealring test"}, FixedClock());
}

std::map<std::string, Bytes> contents(const std::string& dir) {
  std::map<std::string, Bytes> out;
  for (const auto& entry : fs::recursive_directory_iterator(dir))
    if (entry.is_regular_file()) out[entry.path().string()] = read_all(entry.path().string());
  return out;
}

Verdict verify_store(const std::string& dir, const Anchor& anchor) {
  VerifyOptions options;
  options.path = dir + "/store";
  options.anchors = {anchor};
  options.min_size = 1;
  return verify(options).verdict;
}

}  // namespace

TEST_CASE("init makes a gateway that verifies against the anchor it prints", "[init]") {
  TempDir dir;
  const std::string gw = dir / "new/gw";
  Result<InitResult> made = init(gw);
  INFO((made ? "" : made.error().message));
  REQUIRE(made);
  CHECK_FALSE(made->resumed);
  CHECK(made->anchor.key.name == "example.com/gw");
  CHECK(load_key_file(gw + "/identity.key")->signer->public_key() == made->anchor.key.key);
  CHECK(EpochKeys(gw + "/store").load(0).ok());
  Result<GatewayConfig> config = GatewayConfig::load(gw + "/sealring.toml");
  REQUIRE(config);
  CHECK(config->origin == "example.com/gw");
  CHECK(config->store == gw + "/store");
  CHECK(verify_store(gw, made->anchor) == Verdict::fine);
  Anchor other = made->anchor;
  other.genesis[0] ^= 1;
  CHECK(verify_store(gw, other) == Verdict::tampered);

  SECTION("a second init changes nothing") {
    const auto before = contents(gw);
    for (const char* origin : {"example.com/gw", "example.com/other"}) {
      Result<InitResult> again = init(gw, origin);
      REQUIRE_FALSE(again);
      CHECK(again.error().kind == ErrorKind::reject);
    }
    CHECK(contents(gw) == before);
  }
}

TEST_CASE("an init that was killed can be repeated", "[init]") {
  TempDir dir;
  const std::string gw = dir / "gw";
  Result<InitResult> made = init(gw);
  REQUIRE(made);
  fs::remove(gw + "/sealring.toml");
  SECTION("before the config") {
    Result<InitResult> again = init(gw);
    INFO((again ? "" : again.error().message));
    REQUIRE(again);
    CHECK(again->resumed);
    CHECK(again->anchor.line() == made->anchor.line());
    CHECK(fs::exists(gw + "/sealring.toml"));
  }
  SECTION("before the store got its name") {
    fs::rename(gw + "/store/ring.lmdb", gw + "/store/ring.lmdb.new");
    Result<InitResult> again = init(gw);
    INFO((again ? "" : again.error().message));
    REQUIRE(again);
    CHECK(again->anchor.key == made->anchor.key);
    CHECK(verify_store(gw, again->anchor) == Verdict::fine);
    CHECK(EpochKeys(gw + "/store").load(0).ok());
  }
  SECTION("between the two copies of the epoch key") {
    fs::remove(gw + "/store/ring.lmdb");
    fs::remove(gw + "/store/journal");
    fs::remove(gw + "/store/epoch-0.key.copy");
    write_all(gw + "/store/epoch-0.key", "half");
    Result<InitResult> again = init(gw);
    REQUIRE(again);
    CHECK(verify_store(gw, again->anchor) == Verdict::fine);
  }
  SECTION("after the identity key") {
    fs::remove_all(gw + "/store");
    Result<InitResult> again = init(gw);
    REQUIRE(again);
    CHECK(again->resumed);
    CHECK(again->anchor.key == made->anchor.key);
  }
  SECTION("but not for another origin") {
    const auto before = contents(gw);
    Result<InitResult> again = init(gw, "example.com/other");
    REQUIRE_FALSE(again);
    CHECK(again.error().message.find("is the key of \"example.com/gw\"") != std::string::npos);
    CHECK(contents(gw) == before);
  }
  SECTION("nor with a store of another identity") {
    fs::remove(gw + "/identity.key");
    Result<InitResult> again = init(gw);
    REQUIRE_FALSE(again);
    CHECK(again.error().message.find("is the store of another gateway") != std::string::npos);
    CHECK_FALSE(fs::exists(gw + "/sealring.toml"));
  }
}

TEST_CASE("init refuses what cannot be", "[init]") {
  TempDir dir;
  CHECK_FALSE(init(dir / "gw", ""));
  CHECK_FALSE(init(dir / "gw", "with space"));
  CHECK_FALSE(init(dir / "gw", "sealring/x"));
  CHECK_FALSE(fs::exists(dir / "gw"));
  CHECK_FALSE(init_gateway({dir / "small", "example.com/gw", 1u << 20, "x"}, FixedClock()));
}

TEST_CASE("the size of the store follows from the disk", "[init]") {
  constexpr std::uint64_t kMiB = 1u << 20, kGiB = 1u << 30;
  const auto chosen = [](std::uint64_t total, std::uint64_t available) {
    const auto size = choose_ring_size({total, available});
    return size ? *size : 0;
  };
  CHECK(chosen(20 * kGiB, 20 * kGiB) == 2 * kGiB);       // a tenth
  CHECK(chosen(1000 * kGiB, 900 * kGiB) == 4 * kGiB);    // not more
  CHECK(chosen(300 * kMiB, 300 * kMiB) == 64 * kMiB);    // not less
  CHECK(chosen(20 * kGiB, 1 * kGiB) == 512 * kMiB);      // half of what is free
  CHECK(chosen(20 * kGiB, 1 * kGiB - 1) == 511 * kMiB);  // whole MiB
  CHECK(chosen(9999 * kMiB + 7, 9 * kGiB) == 999 * kMiB);
  CHECK(chosen(20 * kGiB, 128 * kMiB) == 64 * kMiB);
  CHECK(chosen(20 * kGiB, 128 * kMiB - 1) == 0);
  CHECK(chosen(0, 0) == 0);
  const auto refused = choose_ring_size({20 * kGiB, 100 * kMiB});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("only 100 MiB are free") == 0);

  TempDir dir;
  const auto here = disk_space(dir / "not/yet/there");
  REQUIRE(here);
  CHECK(here->total > 0);
  CHECK(here->total == disk_space(dir / "")->total);
  write_all(dir / "file", "x");
  CHECK_FALSE(disk_space(dir / "file/below"));
}

TEST_CASE("sizes in words", "[init]") {
  CHECK(size_words(0) == "0 B");
  CHECK(size_words(1023) == "1023 B");
  CHECK(size_words(1024) == "1 KiB");
  CHECK(size_words(1536) == "1.5 KiB");
  CHECK(size_words((9u << 20) + (1u << 19)) == "9.5 MiB");
  CHECK(size_words((10u << 20) + (1u << 19)) == "10 MiB");
  CHECK(size_words(4ull << 30) == "4 GiB");
  CHECK(size_words(5000ull << 40) == "5000 TiB");
}

TEST_CASE("what does not fit is refused before anything is made", "[init]") {
  TempDir dir;
  const auto space = disk_space(dir / "");
  REQUIRE(space);
  InitOptions options{dir / "gw", "example.com/gw", (space->available >> 20 << 20) + (1u << 20), "x", ""};
  Result<InitResult> made = init_gateway(options, FixedClock());
  REQUIRE_FALSE(made);
  CHECK(made.error().message.find("are free there, not") != std::string::npos);
  options.ring_bytes = (64u << 20) + 1;
  CHECK(init_gateway(options, FixedClock()).error().message.find("whole MiB") != std::string::npos);
  CHECK_FALSE(fs::exists(dir / "gw"));
}

TEST_CASE("the default places under a root", "[init]") {
  TempDir dir;
  InitOptions options{"", "example.com/gw", kRingBytes, "x", dir / "image"};
  const mode_t mask = ::umask(0077);  // must not matter
  Result<InitResult> made = init_gateway(options, FixedClock());
  ::umask(mask);
  INFO((made ? "" : made.error().message));
  REQUIRE(made);
  CHECK(made->config_file == dir / "image/etc/sealring/sealring.toml");
  CHECK(made->store == dir / "image/var/lib/sealring/store");
  const auto mode = [&](const std::string& path) {
    return static_cast<unsigned>(fs::status(dir / "image" + path).permissions());
  };
  CHECK(mode("/etc/sealring/sealring.toml") == 0640);
  CHECK(mode("/var/lib/sealring") == 0700);
  CHECK(mode("/var/lib/sealring/identity.key") == 0600);
  CHECK(mode("/etc/sealring") == 0755);
  Result<GatewayConfig> config = GatewayConfig::load(made->config_file);
  REQUIRE(config);
  CHECK(config->store == "/var/lib/sealring/store");
  CHECK(config->identity_key == "/var/lib/sealring/identity.key");
  CHECK(config->socket == "/run/sealring/sock");
  Result<InitResult> again = init_gateway(options, FixedClock());
  REQUIRE_FALSE(again);
  CHECK(again.error().message.find("is there already") != std::string::npos);
}

namespace {

// A socket that answers one connection with `answer` and remembers what it was asked.
class OneAnswer {
 public:
  OneAnswer(const std::string& path, std::string answer) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(fd_, 1) == 0);
    thread_ = std::thread([this, text = std::move(answer)] {
      const int peer = ::accept(fd_, nullptr, nullptr);
      char buffer[64];
      while (asked.find('\n') == std::string::npos) {
        const ssize_t n = ::read(peer, buffer, sizeof buffer);
        if (n <= 0) break;
        asked.append(buffer, static_cast<std::size_t>(n));
      }
      for (std::size_t done = 0; done < text.size();) {
        const ssize_t n = ::send(peer, text.data() + done, text.size() - done, MSG_NOSIGNAL);
        if (n <= 0) break;
        done += static_cast<std::size_t>(n);
      }
      ::close(peer);
    });
  }
  ~OneAnswer() {
    if (thread_.joinable()) thread_.join();
    ::close(fd_);
  }
  void join() { thread_.join(); }
  std::string asked;

 private:
  int fd_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("status asks the socket", "[status]") {
  TempDir dir;
  const std::string path = dir / "s";
  CHECK(ask_status(path).error().kind == ErrorKind::missing);
  SECTION("and gets the whole answer") {
    const std::string long_answer = "{\"origin\": \"" + std::string(200000, 'x') + "\"}\n";
    OneAnswer server(path, long_answer);
    Result<std::string> answer = ask_status(path);
    REQUIRE(answer);
    CHECK(*answer == long_answer);
    server.join();
    CHECK(server.asked == "{\"get\":\"status\"}\n");
  }
  SECTION("and takes no answer without end") {
    OneAnswer server(path, std::string(3u << 20, 'x'));
    CHECK_FALSE(ask_status(path));
  }
  SECTION("whose path is too long") { CHECK_FALSE(ask_status(dir / std::string(200, 'x'))); }
}

TEST_CASE("status is shown as far as it is there", "[status]") {
  CHECK_FALSE(status_text("x"));
  CHECK_FALSE(status_text(""));
  CHECK_FALSE(status_text("[]"));
  CHECK(status_text("{}")->empty());
  CHECK(status_text("{\"ring\": 5, \"broker\": null, \"upstream\": \"x\", \"recorder\": []}").ok());
}

// Every row, word for word.
TEST_CASE("status in words", "[status]") {
  const auto at = [](std::int64_t unix_s) { return local_time(unix_s * 1000000000, false); };
  SECTION("when something is wrong") {
    const std::string text = *status_text(
        R"({"origin":"o","running":true,"size":1234,"segments":{"open_from":5,"sealed":2,"acknowledged":3},)"
        R"("ring":{"map_bytes":268435456,"used_bytes":134217728},"recorder":{"messages":7,"events":2,"rejected":1,)"
        R"("flagged_duplicates":3,"suppressed_redeliveries":4,"waiting_for_room":true},"brokers":[)"
        R"({"connected":false,"connections":9,"messages":6,"acks_held":5,"trouble":"refused\u001b[31m","name":"hall"},)"
        R"({"connected":true,"connections":1,"messages":1,"acks_held":0,"trouble":"","name":"roof"}],)"
        R"("broker":{"connected":false},"upstream":{"reachable":false,"acknowledged_size":99,"trouble":"no\nroute",)"
        R"("last_receipt_unix":1700000000},"written":{"today_bytes":3145728,"today_since_unix":1699920000,)"
        R"("bytes":7340032},"clock":{"unix_ns":1700000090000000000,"synchronised":false},)"
        R"("unforwarded":{"index":99,"age_s":7300},"keys":{"identity":"o+1+A","epoch":4,"epoch_age_s":119,)"
        R"("unsigned":2,"identity_trouble":"no token"},"index":{"bundles":1,"of":4}})");
    CHECK(text ==
          "log         o\n"
          "daemon      running\n"
          "size        1234 entries\n"
          "segments    2 sealed and not receipted, 3 receipted and still here, open from 5\n"
          "store       128 MiB of 256 MiB used (50 %)\n"
          "written     3 MiB today, since 00:00 UTC; 7 MiB since start\n"
          "            by a clock that is not synchronised\n"
          "            FULL: the broker is not read until a receipt comes\n"
          "recorded    7 messages, 2 events, 1 rejected, 3 possible duplicates, 4 redeliveries left out since start\n"
          "broker      hall: NOT CONNECTED, 9 connections, 6 messages, 5 unacknowledged; refused?[31m\n"
          "broker      roof: connected, 1 connections, 1 messages, 0 unacknowledged\n"
          "upstream    NOT REACHABLE, receipts up to size 99; no?route\n"
          "receipts    the last at " +
              at(1700000000) +
              ", 90 s ago\n"
              "unforwarded from entry 99 on, recorded 2 h ago\n"
              "keys        epoch 4, 119 s old; identity o+1+A\n"
              "identity    DOES NOT SIGN, 2 segments wait; no token\n"
              "index       25 % built; until then looking takes longer\n"
              "clock       NOT synchronised\n");
  }
  SECTION("when all is well, and young") {
    const std::string text = *status_text(
        R"({"origin":"o","running":true,"size":1,"recorder":{"waiting_for_room":false},"broker":{"connected":true},)"
        R"("upstream":{"reachable":true,"acknowledged_size":0,"trouble":"","last_receipt_unix":0},)"
        R"("written":{"today_bytes":1048576,"today_since_unix":1700000000,"bytes":1048576},"unforwarded":null,)"
        R"("keys":{"identity":"o+1+A","epoch":0,"epoch_age_s":180000,"unsigned":0,"identity_trouble":""},)"
        R"("index":{"bundles":4,"of":4},"clock":{"synchronised":true}})");
    CHECK(text ==
          "log         o\n"
          "daemon      running\n"
          "size        1 entry\n"
          "written     1 MiB today, since the start at " +
              at(1700000000) +
              "\n"
              "broker      connected\n"
              "upstream    reachable, receipts up to size 0\n"
              "receipts    none came since start\n"
              "keys        epoch 0, 2 days old; identity o+1+A\n"
              "clock       synchronised\n");
  }
  SECTION("without a daemon, or without a collector") {
    CHECK(*status_text(R"({"running":false,"ring":{"map_bytes":268435456},"upstream":null})") ==
          "daemon      not running\nstore       256 MiB\nupstream    none: nothing is forwarded\n");
  }
}

TEST_CASE("what was written today begins anew at midnight", "[status]") {
  constexpr std::int64_t kSecond = 1000000000, kDay = 86400 * kSecond;
  std::uint64_t sum = 0;
  DayCount day(kDay * 100 + 5 * kSecond);
  const auto look = [&](std::int64_t now) { return day.look(now, [&] { return sum; }); };
  CHECK(look(kDay * 100 + 6 * kSecond).since_ns == kDay * 100 + 5 * kSecond);
  sum = 1000;
  CHECK(look(kDay * 101 - 1).bytes == 1000);
  CHECK(look(kDay * 101).bytes == 0);
  CHECK(look(kDay * 101).since_ns == kDay * 101);
  sum = 1700;
  CHECK(look(kDay * 101 + kSecond).bytes == 700);
  CHECK(look(kDay * 99).bytes == 0);  // a step back
  CHECK(look(-1).since_ns == -kDay);
  CHECK(look(0).since_ns == 0);
}

TEST_CASE("without a daemon the store itself is asked", "[status]") {
  TempDir dir;
  CHECK_FALSE(offline_status_json(dir / "nothing"));
  REQUIRE(init(dir / "gw"));
  Result<std::string> answer = offline_status_json(dir / "gw/store");
  REQUIRE(answer);
  const auto json = nlohmann::json::parse(*answer);
  CHECK(json["running"] == false);
  CHECK(json["origin"] == "example.com/gw");
  CHECK(json["size"] == 1);
  CHECK(status_text(*answer)->find("not running") != std::string::npos);
}
