#include "collector/config.h"
#include "tests/unit/collector_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

const char kConfig[] =
    "listen = \"127.0.0.1:0\"\n"
    "archive = \"archive\"\n"
    "policy = \"policy\"\n"
    "witness_key = \"/keys/w\"\n"
    "mirror_key = \"/keys/m\"\n"
    "diag_level = \"warning\"\n"
    "[tls]\n"
    "ca = \"tls/ca.pem\"\n"
    "cert = \"tls/c.pem\"\n"
    "key = \"tls/c.key\"\n";

std::string anchor_of(const FakeLog& log) { return log.key().encode() + " " + std::string(64, '7'); }

std::string gateway(const std::string& anchor, const std::string& uri = "") {
  return "[[gateway]]\nanchor = \"" + anchor + "\"\n" + (uri.empty() ? "" : "tls_uri = \"" + uri + "\"\n");
}

Result<CollectorConfig> parse(const std::string& text) { return CollectorConfig::parse(text, "/etc/s/collector.toml"); }

std::string error_of(const std::string& text) {
  Result<CollectorConfig> config = parse(text);
  REQUIRE_FALSE(config.ok());
  return config.error().message;
}

std::string without(std::string text, const std::string& line) {
  REQUIRE(text.find(line) != std::string::npos);
  return text.erase(text.find(line), line.size());
}

}  // namespace

TEST_CASE("config: everything of the documentation is read") {
  FakeLog log;
  Result<CollectorConfig> config = parse(std::string(kConfig) + gateway(anchor_of(log), "sealring:gw-1"));
  REQUIRE(config.ok());
  CHECK(config->address == "127.0.0.1");
  CHECK(config->port == 0);
  CHECK(config->archive == "/etc/s/archive");
  CHECK(config->policy == "/etc/s/policy");
  CHECK(config->witness_key == "/keys/w");
  CHECK(config->mirror_key == "/keys/m");
  CHECK(config->diag_level == DiagLevel::warning);
  CHECK(config->tls.ca_file == "/etc/s/tls/ca.pem");
  CHECK(config->tls.cert_file == "/etc/s/tls/c.pem");
  CHECK(config->tls.key_file == "/etc/s/tls/c.key");
  REQUIRE(config->gateways.size() == 1);
  CHECK(config->gateways[0].anchor.key == log.key());
  CHECK(hex(view(config->gateways[0].anchor.genesis)) == std::string(64, '7'));
  CHECK(config->gateways[0].tls_uri == "sealring:gw-1");
}

TEST_CASE("config: addresses") {
  auto with = [](const std::string& listen) {
    return parse("listen = \"" + listen + "\"\n" + (strchr(kConfig, '\n') + 1));
  };
  CHECK(with("[::1]:8443")->address == "::1");
  CHECK(with("0.0.0.0:65535")->port == 65535);
  for (const char* bad : {"", ":1", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1:8443", "h:08"}) {
    INFO(bad);
    Result<CollectorConfig> config = with(bad);
    REQUIRE_FALSE(config.ok());
    CHECK(config.error().message.find("/etc/s/collector.toml:1: listen must be ADDRESS:PORT") == 0);
  }
  CHECK(parse(without(kConfig, "listen = \"127.0.0.1:0\"\n"))->port == 8443);
}

TEST_CASE("config: what is wrong is named with its line") {
  CHECK(error_of(std::string("achive = \"x\"\n") + kConfig) ==
        "/etc/s/collector.toml:1: unknown key achive; the nearest key is archive");
  CHECK(error_of(std::string(kConfig) + "crt = \"x\"\n") ==
        "/etc/s/collector.toml:11: unknown key tls.crt; the nearest key is tls.cert");
  CHECK(error_of(without(kConfig, "archive = \"archive\"\n")) == "/etc/s/collector.toml:1: the key archive is missing");
  CHECK(error_of(without(kConfig, "cert = \"tls/c.pem\"\n")) == "/etc/s/collector.toml:7: the key tls.cert is missing");
  CHECK(error_of("archive = \"a\"\npolicy = \"p\"\nwitness_key = \"w\"\nmirror_key = \"m\"\n").find("tls is missing") !=
        std::string::npos);
  FakeLog log;
  CHECK(error_of(std::string(kConfig) + "[[gateway]]\n") ==
        "/etc/s/collector.toml:11: the key gateway.anchor is missing");
  std::string twice = std::string(kConfig) + gateway(anchor_of(log)) + gateway(anchor_of(log));
  CHECK(error_of(twice) == "/etc/s/collector.toml:14: gateway.anchor names an origin that another gateway has");
  CHECK(error_of(std::string(kConfig) + gateway("x"))
            .find("/etc/s/collector.toml:12: gateway.anchor is not an anchor: ") == 0);
}

TEST_CASE("config: anchors") {
  FakeLog log;
  std::string good = anchor_of(log);
  CHECK(parse_anchor(good).ok());
  CHECK_FALSE(parse_anchor(good + "\n").ok());
  CHECK_FALSE(parse_anchor(good + " ").ok());
  CHECK_FALSE(parse_anchor(good.substr(0, good.size() - 1)).ok());
  CHECK_FALSE(parse_anchor(log.key().encode() + " " + std::string(64, 'A')).ok());
  CHECK_FALSE(parse_anchor(log.key().encode() + "  " + std::string(64, '7')).ok());
  CHECK_FALSE(parse_anchor(log.key().encode()).ok());
  VerifierKey witness{"w", KeyType::cosignature_v1, log.key().key};
  CHECK_FALSE(parse_anchor(witness.encode() + " " + std::string(64, '7')).ok());
}

TEST_CASE("config: the policy says which logs, the gateways what else is known of them") {
  FakeLog a("example.com/a"), b("example.com/b", 'b'), c("example.com/c", 'c');
  Result<Policy> policy = Policy::parse("log " + a.key().encode() + "\nlog " + b.key().encode() + "\nquorum none\n");
  REQUIRE(policy.ok());
  CollectorConfig config = *parse(std::string(kConfig) + gateway(anchor_of(b), "sealring:b"));
  Result<std::vector<LogIdentity>> logs = trusted_logs(config, *policy);
  REQUIRE(logs.ok());
  REQUIRE(logs->size() == 2);
  CHECK((*logs)[0].key == a.key());
  CHECK_FALSE((*logs)[0].genesis.has_value());
  CHECK((*logs)[1].tls_uri == "sealring:b");
  CHECK((*logs)[1].genesis.has_value());
  CHECK_FALSE(trusted_logs(*parse(std::string(kConfig) + gateway(anchor_of(c))), *policy).ok());
  policy = Policy::parse("log " + a.key().encode() + "\nlog " + b.key().encode() + "\nlog " + a.key_of('2').encode() +
                         "\nquorum none\n");
  logs = trusted_logs(config, *policy);
  REQUIRE(logs.ok());
  REQUIRE(logs->size() == 2);
  CHECK((*logs)[0].keys() == LogKeys{a.key(), a.key_of('2')});
  CHECK((*logs)[1].keys() == LogKeys{b.key()});
  FakeLog second("example.com/a", '2');  // the anchor of a log is that of its first key
  CHECK_FALSE(trusted_logs(*parse(std::string(kConfig) + gateway(anchor_of(second))), *policy).ok());
  FakeLog impostor("example.com/b", 'x');  // the origin is there, under another key
  CHECK_FALSE(trusted_logs(*parse(std::string(kConfig) + gateway(anchor_of(impostor))), *policy).ok());
}
