// Several brokers in one configuration, their TLS and their passwords.
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "gateway/config.h"
#include "tests/unit/archive_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

const std::string kHead = "origin = \"example.com/gw\"\n";

Result<GatewayConfig> parse(const std::string& text) {
  return GatewayConfig::parse(kHead + text, "/etc/gw/sealring.toml");
}

bool refused(const std::string& text, const std::string& words) {
  const Result<GatewayConfig> config = parse(text);
  const std::string message = config ? "accepted" : config.error().message;
  UNSCOPED_INFO(message);
  return message.find(words) != std::string::npos && message.find("/etc/gw/sealring.toml:") == 0;
}

std::string first_hex(const std::string& text) { return hex(view(sha256(text))).substr(0, 12); }

}  // namespace

TEST_CASE("several brokers have names and client ids of their own", "[config]") {
  const Result<GatewayConfig> config = parse(
      "[[broker]]\n[[broker]]\nport = 1884\n[[broker]]\nname = \"hall\"\nhost = \"::1\"\n[broker.tls]\nca = \"c\"\n");
  INFO((config ? "" : config.error().message));
  REQUIRE(config);
  REQUIRE(config->brokers.size() == 3);
  const auto& b = config->brokers;
  CHECK(b[0].name == "127.0.0.1:1883");
  CHECK(b[0].source.client_id == "sealring-" + first_hex("example.com/gw"));
  CHECK(b[1].name == "127.0.0.1:1884");
  CHECK(b[1].source.client_id == "sealring-" + first_hex("example.com/gw\n127.0.0.1:1884"));
  CHECK(b[2].name == "hall");
  CHECK(b[2].source.client_id == "sealring-" + first_hex("example.com/gw\nhall"));
  CHECK_FALSE(b[1].source.tls);
  REQUIRE(b[2].source.tls);
  CHECK(b[2].source.port == 8883);
  CHECK(b[2].source.tls->ca_file == "/etc/gw/c");
  CHECK(b[2].source.tls->server_name == "::1");
  CHECK(b[2].source.tls->cert_file.empty());
  CHECK(b[2].source.tls->key_file.empty());
  CHECK(config->settings.at("broker[127.0.0.1:1884].port") == "1884");
  CHECK(config->settings.at("broker[hall].tls.ca") == "/etc/gw/c");
  CHECK(parse("[[broker]]\nhost = \"::1\"\n")->brokers[0].name == "[::1]:1883");
}

TEST_CASE("brokers that would get in each other's way are refused", "[config]") {
  CHECK(refused("[[broker]]\n[[broker]]\n", "sealring.toml:3: broker.name"));
  CHECK(refused("[[broker]]\nname = \"x\"\n[[broker]]\nport = 1884\nname = \"x\"\n", "sealring.toml:6: broker.name"));
  const std::string same = "client_id = \"c\"\n";
  CHECK(refused("[[broker]]\n" + same + "[[broker]]\nname = \"x\"\n" + same, "throw each other out"));
  CHECK(parse("[[broker]]\n" + same + "[[broker]]\nport = 1884\n" + same));
  CHECK(parse("[[broker]]\n[[broker]]\nname = \"x\"\n"));  // two sessions at one broker
  // The same filter at two brokers is two sources, twice in one is one message twice.
  CHECK(parse("[[broker]]\n[[broker]]\nname = \"x\"\nsubscriptions = [ { filter = \"#\" } ]\n"));
  CHECK(refused("[[broker]]\nsubscriptions = [ { filter = \"#\" }, { filter = \"a\" } ]\n", "overlaps"));
  CHECK(refused("[[broker]]\nname = \"\"\n", "must not be empty"));
  CHECK(refused("[[broker]]\nname = \"a\\tb\"\n", "control characters"));
  CHECK(refused("[[broker]]\nname = \"" + std::string(256, 'n') + "\"\n", "255"));
  CHECK(refused("[[broker]]\nwatch_drops = 1\n", "true or false"));
  std::string many;
  for (int i = 1; i <= 65; ++i) many += "[[broker]]\nport = " + std::to_string(i) + "\n";
  CHECK(refused(many, "64 times"));
}

TEST_CASE("$SYS is left out unless a filter names it", "[config]") {
  CHECK_FALSE(filters_overlap("#", "$SYS/broker/uptime"));
  CHECK(parse("[[broker]]\nsubscriptions = [ { filter = \"#\" }, { filter = \"$SYS/#\" } ]\n"));
}

TEST_CASE("TLS to the broker", "[config]") {
  const std::string tls = "[[broker]]\n[broker.tls]\n";
  CHECK(refused(tls, "the key broker.tls.ca is missing"));
  CHECK(refused(tls + "ca = \"\"\n", "must not be empty"));
  CHECK(refused(tls + "ca = \"c\"\ncert = \"x\"\n", "needs both cert and key"));
  CHECK(refused(tls + "ca = \"c\"\nkey = \"x\"\n", "needs both cert and key"));
  CHECK(refused(tls + "ca = \"c\"\nserver_name = \"\"\n", "server_name"));
  CHECK(refused(tls + "ca = \"c\"\nverify = false\n", "unknown key broker.tls.verify"));
  CHECK(refused("[[broker]]\ntls = true\n", "must be a table"));
}

TEST_CASE("passwords come from files that only the daemon may read", "[config]") {
  TempDir dir;
  const auto load = [&](const std::string& file, const std::string& credentials = "") -> Result<std::string> {
    auto config = GatewayConfig::parse(kHead + "[[broker]]\nusername = \"u\"\npassword_file = \"" + file + "\"\n",
                                       dir / "sealring.toml");
    if (!config) return std::move(config).error();
    SEALRING_TRY(config->load_secrets(credentials));
    for (const auto& [key, value] : config->settings) CHECK(value.find("secret") == std::string::npos);
    return config->brokers[0].source.password;
  };
  const auto words = [&](const std::string& file, const std::string& credentials = "") {
    const Result<std::string> got = load(file, credentials);
    return got ? "accepted" : got.error().message;
  };
  const auto write = [&](const std::string& name, const std::string& text, unsigned mode = 0600) {
    write_all(dir / name, text);
    REQUIRE(::chmod((dir / name).c_str(), mode) == 0);
  };
  write("pw", "secret word\n");
  CHECK(*load("pw") == "secret word");
  write("pw", "secret\r\n", 0400);
  CHECK(*load("pw") == "secret");
  write("pw", "secret");
  CHECK(*load("pw") == "secret");
  write("pw", "secret\n\n");
  CHECK(words("pw").find("in one line") != std::string::npos);
  write("pw", "secret\nsecret2\n");
  CHECK(words("pw").find("in one line") != std::string::npos);
  CHECK(words("pw").find("secret2") == std::string::npos);
  for (const char* nothing : {"", "\n", "\r\n"}) {
    write("pw", nothing);
    CHECK(words("pw").find("has no password in it") != std::string::npos);
  }
  write("pw", std::string(65536, 'x'));
  CHECK(words("pw").find("at most 65535") != std::string::npos);
  write("pw", std::string(65535, 'x') + "\r\n");
  CHECK(load("pw")->size() == 65535);
  write("pw", "secret\n", 0644);
  CHECK(words("pw").find("password file " + (dir / "pw") + " has mode 0644") != std::string::npos);
  CHECK(words("pw").find("password_file of broker \"127.0.0.1:1883\"") != std::string::npos);
  CHECK(words("none").find("none") != std::string::npos);

  SECTION("or from the service manager") {
    CHECK(words("credential:mqtt").find("LoadCredential=") != std::string::npos);
    fs::create_directory(dir / "credentials");
    CHECK(words("credential:mqtt", dir / "credentials").find("credentials/mqtt") != std::string::npos);
    write("credentials/mqtt", "secret\n", 0440);
    CHECK(*load("credential:mqtt", dir / "credentials") == "secret");
  }
  SECTION("named as files") {
    for (const char* name : {"credential:", "credential:../pw", "credential:.x", "credential:a/b"})
      CHECK(words(name).find("plain name") != std::string::npos);
  }
  SECTION("only with a username") { CHECK(refused("[[broker]]\npassword_file = \"pw\"\n", "needs a username")); }
}
