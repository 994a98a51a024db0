#include "gateway/config.h"

#include <catch2/catch.hpp>

#include "gateway/config_keys.h"
#include "tests/unit/archive_fixture.h"

using namespace sealring;
using namespace sealring::test;
using std::chrono::milliseconds;

namespace {

const std::string kHead = "origin = \"example.com/gw\"\n";
const std::string kBroker = "[[broker]]\n";
const std::string kUpstream =
    "[upstream]\nurl = \"https://collector.example:8443/base\"\nca = \"tls/ca.pem\"\ncert = \"tls/gw.pem\"\n"
    "key = \"/abs/gw.key\"\npolicy = \"policy\"\nmirror = \"m\"\n";

Result<GatewayConfig> parse(const std::string& text) { return GatewayConfig::parse(text, "/etc/gw/sealring.toml"); }

// The message of the refusal; empty: it was not refused.
std::string refusal(const std::string& text) {
  Result<GatewayConfig> config = parse(text);
  return config ? "" : config.error().message;
}
bool refused(const std::string& text, const std::string& words) {
  const std::string message = refusal(text);
  UNSCOPED_INFO(message);
  return message.find(words) != std::string::npos && message.find("/etc/gw/sealring.toml:") == 0;
}

}  // namespace

TEST_CASE("the defaults are the documented ones", "[config]") {
  Result<GatewayConfig> config = parse(kHead + kBroker);
  REQUIRE(config);
  CHECK(config->origin == "example.com/gw");
  CHECK(config->store == "/var/lib/sealring/store");
  CHECK(config->identity_key == "/var/lib/sealring/identity.key");
  CHECK(config->socket == "/run/sealring/sock");
  CHECK(config->socket_group.empty());
  CHECK(config->diag_level == DiagLevel::info);
  const auto& r = config->recorder;
  CHECK(r.queue_bytes == 4u << 20);
  CHECK(r.commit_interval == milliseconds(0));
  CHECK(r.segment_bytes == 4u << 20);
  CHECK(r.segment_entries == 100000);
  CHECK(r.segment_age == milliseconds(600000));
  CHECK(r.heartbeat == milliseconds(60000));
  CHECK(r.max_payload == 1u << 20);
  REQUIRE(config->brokers.size() == 1);
  CHECK(config->brokers[0].name == "127.0.0.1:1883");
  CHECK(config->brokers[0].watch_drops);
  CHECK(config->brokers[0].password_file.empty());
  const auto& b = config->brokers[0].source;
  CHECK(b.username.empty());
  CHECK_FALSE(b.tls);
  CHECK(b.host == "127.0.0.1");
  CHECK(b.port == 1883);
  CHECK(b.client_id == "sealring-" + hex(view(sha256("example.com/gw"))).substr(0, 12));
  CHECK(b.protocol == 0);
  CHECK(b.receive_maximum == 50000);
  CHECK(b.keepalive_s == 30);
  CHECK(b.max_payload_bytes == 1u << 20);
  REQUIRE(b.subscriptions.size() == 1);
  CHECK(b.subscriptions[0].filter == "#");
  CHECK(b.subscriptions[0].qos == 1);
  CHECK_FALSE(config->upstream);
}

TEST_CASE("every key is read", "[config]") {
  Result<GatewayConfig> config = parse(
      kHead +
      "store = \"s\"\nidentity_key = \"/k/id\"\nsocket = \"\"\nsocket_group = \"g\"\ndiag_level = \"debug\"\n"
      "[recorder]\nqueue_bytes = \"2MiB\"\ncommit_interval = \"5ms\"\nsegment_bytes = \"1MiB\"\nsegment_entries = 7\n"
      "segment_age = \"9min\"\nheartbeat = \"2s\"\nmax_payload = \"64KiB\"\n"
      "[[broker]]\nname = \"n\"\nusername = \"u\"\npassword_file = \"pw\"\nwatch_drops = false\n"
      "host = \"h\"\nport = 1884\nclient_id = \"c\"\nprotocol = \"3.1.1\"\nreceive_maximum = 20\n"
      "keepalive = \"1min\"\nsubscriptions = [ { filter = \"a/#\", qos = 2 }, { filter = \"b\" } ]\n"
      "[broker.tls]\nca = \"bca.pem\"\nserver_name = \"bs\"\ncert = \"bc.pem\"\nkey = \"bk.pem\"\n" +
      kUpstream + "server_name = \"other\"\nretry_min = \"1s\"\nretry_max = \"2s\"\ntimeout = \"3s\"\n");
  INFO((config ? "" : config.error().message));
  REQUIRE(config);
  CHECK(config->store == "/etc/gw/s");
  CHECK(config->identity_key == "/k/id");
  CHECK(config->socket.empty());
  CHECK(config->socket_group == "g");
  CHECK(config->diag_level == DiagLevel::debug);
  const auto& r = config->recorder;
  CHECK(r.queue_bytes == 2u << 20);
  CHECK(r.commit_interval == milliseconds(5));
  CHECK(r.segment_bytes == 1u << 20);
  CHECK(r.segment_entries == 7);
  CHECK(r.segment_age == milliseconds(540000));
  CHECK(r.heartbeat == milliseconds(2000));
  CHECK(r.max_payload == 64u << 10);
  REQUIRE(config->brokers.size() == 1);
  CHECK(config->brokers[0].name == "n");
  CHECK(config->brokers[0].password_file == "/etc/gw/pw");
  CHECK_FALSE(config->brokers[0].watch_drops);
  const auto& b = config->brokers[0].source;
  CHECK(b.username == "u");
  REQUIRE(b.tls);
  CHECK(b.tls->ca_file == "/etc/gw/bca.pem");
  CHECK(b.tls->server_name == "bs");
  CHECK(b.tls->cert_file == "/etc/gw/bc.pem");
  CHECK(b.tls->key_file == "/etc/gw/bk.pem");
  CHECK(b.host == "h");
  CHECK(b.port == 1884);
  CHECK(b.client_id == "c");
  CHECK(b.protocol == 4);
  CHECK(b.receive_maximum == 20);
  CHECK(b.keepalive_s == 60);
  CHECK(b.max_payload_bytes == 64u << 10);
  REQUIRE(b.subscriptions.size() == 2);
  CHECK(b.subscriptions[0].qos == 2);
  CHECK(b.subscriptions[1].filter == "b");
  CHECK(b.subscriptions[1].qos == 1);
  REQUIRE(config->upstream);
  const auto& u = *config->upstream;
  CHECK(u.url == "https://collector.example:8443/base");
  CHECK(u.server_name == "other");
  CHECK(u.ca == "/etc/gw/tls/ca.pem");
  CHECK(u.cert == "/etc/gw/tls/gw.pem");
  CHECK(u.key == "/abs/gw.key");
  CHECK(u.policy == "/etc/gw/policy");
  CHECK(u.mirror == "m");
  CHECK(u.retry_min == milliseconds(1000));
  CHECK(u.retry_max == milliseconds(2000));
  CHECK(u.timeout == milliseconds(3000));
}

TEST_CASE("the server's name is by default the url's host", "[config]") {
  Result<GatewayConfig> config = parse(kHead + kBroker + kUpstream);
  REQUIRE(config);
  CHECK(config->upstream->server_name == "collector.example");
}

TEST_CASE("what is wrong is refused with file, line and words", "[config]") {
  CHECK(refusal(kHead + kBroker).empty());
  CHECK(refused(kBroker, "origin"));
  CHECK(refused("origin = \"\"\n" + kBroker, "origin"));
  CHECK(refused("origin = \"a b\"\n" + kBroker, "sealring.toml:1: "));
  CHECK(refused("origin = \"sealring/x\"\n" + kBroker, "sealring.toml:1: "));
  CHECK(refused(kHead + "stor = \"x\"\n" + kBroker, "store"));
  CHECK(refused(kHead + "stor = \"x\"\n" + kBroker, "sealring.toml:2: "));
  CHECK(refused(kHead + "store = \"\"\n" + kBroker, "must not be empty"));
  CHECK(refused(kHead + "identity_key = \"\"\n" + kBroker, "must not be empty"));
  CHECK(refused(kHead + "diag_level = \"loud\"\n" + kBroker, "warning"));
  CHECK(refused(kHead, "[[broker]] is needed"));
  CHECK(refused(kHead + kBroker + "host = \"\"\n", "must not be empty"));
  CHECK(refused(kHead + kBroker + "port = 0\n", "sealring.toml:3: "));
  CHECK(refused(kHead + kBroker + "port = 65536\n", "65535"));
  CHECK(refused(kHead + kBroker + "client_id = \"\"\n", "client_id"));
  CHECK(refused(kHead + kBroker + "protocol = \"4\"\n", "3.1.1"));
  CHECK(refused(kHead + kBroker + "receive_maximum = 0\n", "receive_maximum"));
  CHECK(refused(kHead + kBroker + "keepalive = \"1500ms\"\n", "keepalive"));
  CHECK(refused(kHead + kBroker + "keepalive = \"2500ms\"\n", "whole seconds"));
  CHECK(refused(kHead + kBroker + "subscriptions = []\n", "at least one filter"));
  CHECK(refused(kHead + kBroker + "subscriptions = [ { qos = 1 } ]\n", "filter"));
  const auto filters = [](int count) {
    std::string list;
    for (int i = 0; i < count; ++i) list += "{ filter = \"" + std::to_string(i) + "\" }, ";
    return kHead + kBroker + "subscriptions = [ " + list + "]\n";
  };
  CHECK(parse(filters(1000))->brokers[0].source.subscriptions.size() == 1000);
  CHECK(refused(filters(1001), "has 1001 filters, and may have 1000"));
  CHECK(refused(filters(40000), "has 40000 filters"));  // a megabyte: no pair of them is looked at
  CHECK(refused(kHead + kBroker + "subscriptions = [ { filter = \"a\", qos = 3 } ]\n", "qos"));
  CHECK(refused(kHead + kBroker + "subscriptions = [ { filter = \"a/#/b\" } ]\n", "last level"));
  CHECK(refused(kHead + kBroker + "subscriptions = [ { filter = \"a/b\" }, { filter = \"+/b\" } ]\n", "overlaps"));
}

TEST_CASE("an identity key on a token", "[config]") {
  const auto with = [](const std::string& uri) { return kHead + "identity_key = \"" + uri + "\"\n" + kBroker; };
  const std::string good = "pkcs11:token=t;object=o?module-path=/lib/p.so&pin-source=file:/p";
  Result<GatewayConfig> config = parse(with(good));
  REQUIRE(config);
  CHECK(config->identity_key == good);  // not a path below the file's folder
  CHECK(refused(with("pkcs11:token=t;object=o"), "the library of the token is not named"));
  CHECK(refused(with("pkcs11:token=t?module-path=/lib/p.so"), "does not name a key"));
  CHECK(refused(with("pkcs11:object=o?module-path=/lib/p.so"), "does not name a token"));
  const std::string pin = with("pkcs11:token=t;object=o?module-path=/lib/p.so&pin-value=12345");
  CHECK(refused(pin, "a pin must not stand in a URI"));
  CHECK(refusal(pin).find("12345") == std::string::npos);
}

TEST_CASE("drop-oldest goes only with somebody who takes what is dropped", "[config]") {
  const auto with = [](const std::string& when, const std::string& upstream) {
    return kHead + "[recorder]\nwhen_full = \"" + when + "\"\n" + kBroker + upstream;
  };
  const std::string upstream =
      "[upstream]\nurl = \"https://c.example\"\nca = \"a\"\ncert = \"b\"\nkey = \"c\"\npolicy = \"p\"\nmirror = "
      "\"m\"\n";
  const auto dropping = parse(with("drop-oldest", upstream));
  REQUIRE(dropping);
  CHECK(dropping->recorder.drop_oldest);
  CHECK_FALSE(dropping->upstream->foreign_mirror);
  CHECK(dropping->drop_warning().empty());
  const auto few =
      parse(kHead + "[recorder]\nwhen_full = \"drop-oldest\"\nsegment_entries = 511\n" + kBroker + upstream);
  REQUIRE(few);
  CHECK(few->drop_warning().find("segment_entries is 511") != std::string::npos);
  CHECK_FALSE(parse(with("block", upstream))->recorder.drop_oldest);
  CHECK_FALSE(parse(kHead + kBroker)->recorder.drop_oldest);
  CHECK(refused(with("drop-newest", upstream), "when_full"));
  CHECK(refused(with("drop-oldest", ""), "needs an [upstream]"));
  CHECK(refused(with("drop-oldest", upstream + "foreign_mirror = true\n"), "goes with no foreign_mirror"));
  CHECK(refusal(with("block", upstream + "foreign_mirror = true\n")).empty());
}

TEST_CASE("budgets must fit each other", "[config]") {
  const auto with = [](const std::string& recorder) { return kHead + "[recorder]\n" + recorder + kBroker; };
  CHECK(refused(with("queue_bytes = \"1MiB\"\n"), "at least twice max_payload"));
  CHECK(refusal(with("queue_bytes = \"1MiB\"\nmax_payload = \"512KiB\"\n")).empty());
  CHECK(refused(with("queue_bytes = \"1MiB\"\nmax_payload = \"513KiB\"\n"), "at least twice max_payload"));
  CHECK(refused(with("max_payload = \"2MiB\"\n"), "max_payload"));
  CHECK(refused(with("segment_bytes = 1\n"), "segment_bytes"));
  CHECK(refused(with("segment_bytes = \"64MiB\"\n"), "segment_bytes"));
  CHECK(refused(with("segment_entries = 1\n"), "segment_entries"));
  CHECK(refused(with("segment_age = \"0s\"\n"), "segment_age"));
  CHECK(parse(with("segment_age = \"10min\"\n")));
  CHECK(refused(with("segment_age = \"601s\"\n"), "must be at most 10min: no epoch key lives longer"));
  CHECK(refused(with("heartbeat = \"25h\"\n"), "heartbeat"));
  CHECK(refused(with("commit_interval = \"1min\"\n"), "commit_interval"));
  Result<GatewayConfig> config = parse(kHead + kBroker);
  REQUIRE(config);
  CHECK(config->check_ring(16u << 20).ok());
  const Status small = config->check_ring((16u << 20) - 1);
  REQUIRE_FALSE(small.ok());
  CHECK(small.error().message.find("more than a quarter of the ring") != std::string::npos);
}

TEST_CASE("upstream", "[config]") {
  const auto without = [](const std::string& key) {
    std::string text = kUpstream;
    const std::size_t at = text.find(key + " =");
    return kHead + kBroker + text.erase(at, text.find('\n', at) + 1 - at);
  };
  for (const char* key : {"url", "ca", "cert", "key", "policy", "mirror"}) {
    INFO(key);
    CHECK(refused(without(key), key));
  }
  CHECK(refused(kHead + kBroker + "[upstream]\nurl = \"http://x\"\n", "https"));
  CHECK(
      refused(kHead + kBroker + kUpstream + "retry_min = \"5s\"\nretry_max = \"4s\"\n", "must not be below retry_min"));
  CHECK(refused(kHead + kBroker + kUpstream + "timeout = \"0s\"\n", "timeout"));
  CHECK(refused(kHead + kBroker + kUpstream + "max_lag = \"10min\"\n", "must be above segment_age"));
  CHECK(refused(kHead + kBroker + kUpstream + "server_name = \"\"\n", "server_name"));
  CHECK(refused(kHead + kBroker + kUpstream + "proxy = \"x\"\n", "proxy"));
}

TEST_CASE("metrics are for this machine alone, unless it is said", "[config]") {
  const auto listen = [](const std::string& keys) { return parse(kHead + "[metrics]\n" + keys + kBroker); };
  CHECK_FALSE(parse(kHead + kBroker)->metrics);
  CHECK(listen("")->metrics->port == 9464);
  CHECK(listen("listen = \"[::1]:1\"\n")->metrics->address == "::1");
  CHECK(listen("listen = \"127.9.9.9:0\"\n")->metrics->port == 0);
  for (const char* address : {"0.0.0.0:1", "[::]:1", "192.168.0.1:1", "128.0.0.1:1", "[fe80::1]:1", "localhost:1"}) {
    const std::string line = std::string("listen = \"") + address + "\"\n";
    CHECK(refused(kHead + "[metrics]\n" + line + kBroker, "allow_remote = true if that is meant"));
    CHECK(listen(line + "allow_remote = true\n")->metrics);
  }
  for (const char* address : {"", ":1", "::1:1", "[::1]", "127.0.0.1", "127.0.0.1:65536", "127.0.0.1:x"})
    CHECK(refused(kHead + "[metrics]\nlisten = \"" + address + "\"\nallow_remote = true\n" + kBroker,
                  "must be ADDRESS:PORT"));
}

TEST_CASE("the alarm command is a program by its whole path", "[config]") {
  const auto command = [](const std::string& value) {
    return parse(kHead + "alarm_command = " + value + "\n" + kBroker);
  };
  CHECK(command("[]")->alarm_command.empty());
  CHECK(command("[\"/a b\", \"\", \"c\"]")->alarm_command == std::vector<std::string>{"/a b", "", "c"});
  for (const char* value : {"\"/a\"", "[\"a\"]", "[\"\"]", "[1]", "[[\"/a\"]]", "[\"/a\", 2]", "[\"/a\\u0000\"]", "{}"})
    CHECK_FALSE(command(value));
}

TEST_CASE("a missing file is missing", "[config]") {
  TempDir dir;
  Result<GatewayConfig> config = GatewayConfig::load(dir / "sealring.toml");
  REQUIRE_FALSE(config);
  CHECK(config.error().kind == ErrorKind::missing);
}

TEST_CASE("the template of init is a valid config, and so is every line that it comments out", "[config]") {
  const std::string origin = GENERATE("example.com/site7/gw-0042", "a\"b\\c");
  const std::string text = config_template(origin, {"store", "identity.key", "sealring.sock"});
  Result<GatewayConfig> config = parse(text);
  INFO((config ? "" : config.error().message));
  REQUIRE(config);
  CHECK(config->origin == origin);
  CHECK_FALSE(config->upstream);
  // Uncomment what looks like a setting or a table.
  std::string all;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    std::string line = text.substr(at, end - at);
    const std::size_t equals = line.find(" = ");
    const bool setting = line.rfind("# ", 0) == 0 && equals != std::string::npos &&
                         line.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", 2) == equals;
    if (setting || line == "# [upstream]" || line == "# [broker.tls]" || line == "# [metrics]") line.erase(0, 2);
    all += line + "\n";
    at = end + 1;
  }
  Result<GatewayConfig> full = parse(all);
  INFO((full ? "" : full.error().message));
  REQUIRE(full);
  REQUIRE(full->upstream);
  CHECK(full->upstream->mirror == "mirror");
  // What the template shows as the default is the default.
  CHECK_FALSE(config->metrics);
  REQUIRE(full->metrics);
  CHECK(listen_words(full->metrics->address, full->metrics->port) == "127.0.0.1:9464");
  CHECK(full->alarm_command.empty());
  CHECK(full->alarm_quiet == config->alarm_quiet);
  CHECK(full->upstream->max_lag == GatewayConfig::Upstream().max_lag);
  CHECK(full->recorder.queue_bytes == config->recorder.queue_bytes);
  CHECK(full->recorder.segment_bytes == config->recorder.segment_bytes);
  CHECK(full->recorder.segment_entries == config->recorder.segment_entries);
  CHECK(full->recorder.segment_age == config->recorder.segment_age);
  CHECK(full->recorder.heartbeat == config->recorder.heartbeat);
  CHECK(full->recorder.max_payload == config->recorder.max_payload);
  CHECK(full->recorder.commit_interval == config->recorder.commit_interval);
  CHECK(full->brokers[0].source.client_id == config->brokers[0].source.client_id);
  CHECK(full->brokers[0].source.keepalive_s == config->brokers[0].source.keepalive_s);
  CHECK(full->brokers[0].source.receive_maximum == config->brokers[0].source.receive_maximum);
  CHECK(full->upstream->retry_min == GatewayConfig::Upstream{}.retry_min);
  CHECK(full->upstream->retry_max == GatewayConfig::Upstream{}.retry_max);
  CHECK(full->upstream->timeout == GatewayConfig::Upstream{}.timeout);
}

TEST_CASE("topic filters", "[config]") {
  for (const char* filter : {"#", "+", "a", "/", "a/b", "+/b/#", "a/+/c", "$SYS/#", "a//b", "/#"}) {
    INFO(filter);
    CHECK(check_filter(filter).ok());
  }
  for (const char* filter : {"", "a#", "#/a", "a/#/b", "a+", "+a/b", "$share/g/a"}) {
    INFO(filter);
    CHECK_FALSE(check_filter(filter).ok());
  }
  CHECK_FALSE(check_filter(ByteView("a\0b", 3)).ok());
  CHECK_FALSE(check_filter(std::string(65536, 'a')).ok());
}

namespace {

// MQTT 5 §4.7, written anew as an oracle: does the topic, given as levels, match?
bool matches(const std::vector<std::string>& filter, const std::vector<std::string>& topic) {
  if (topic[0][0] == '$' && (filter[0] == "#" || filter[0] == "+")) return false;
  for (std::size_t i = 0; i < filter.size(); ++i) {
    if (filter[i] == "#") return true;
    if (i == topic.size() || (filter[i] != "+" && filter[i] != topic[i])) return false;
    if (i + 1 == topic.size() && i + 2 == filter.size() && filter[i + 1] == "#") return true;
  }
  return filter.size() == topic.size();
}

std::vector<std::vector<std::string>> all_paths(const std::vector<std::string>& levels, std::size_t depth) {
  std::vector<std::vector<std::string>> out, last = {{}};
  for (std::size_t d = 0; d < depth; ++d) {
    std::vector<std::vector<std::string>> next;
    for (const auto& path : last)
      for (const auto& level : levels) {
        if (!path.empty() && path.back() == "#") continue;
        next.push_back(path);
        next.back().push_back(level);
      }
    out.insert(out.end(), next.begin(), next.end());
    last = next;
  }
  return out;
}

std::string joined(const std::vector<std::string>& levels) {
  std::string out;
  for (std::size_t i = 0; i < levels.size(); ++i) out += (i ? "/" : "") + levels[i];
  return out;
}

}  // namespace

TEST_CASE("filters overlap exactly when some topic matches both", "[config]") {
  const auto filters = all_paths({"a", "b", "$x", "+", "#"}, 3);
  const auto topics = all_paths({"a", "b", "c", "$x"}, 4);
  std::size_t overlapping = 0;
  std::string wrong;
  for (const auto& left : filters) {
    for (const auto& right : filters) {
      bool some = false;
      for (const auto& topic : topics) some = some || (matches(left, topic) && matches(right, topic));
      overlapping += some;
      if (filters_overlap(joined(left), joined(right)) != some && wrong.empty())
        wrong = joined(left) + " and " + joined(right);
    }
  }
  CHECK(wrong == "");
  CHECK(overlapping > 1000);
}
