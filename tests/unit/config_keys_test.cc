// The table of keys against the reader, and what is made from the table.
#include "gateway/config_keys.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "gateway/config.h"
#include "tests/unit/archive_fixture.h"

using namespace sealring;

namespace {

using Settings = std::map<std::string, std::string>;

Result<GatewayConfig> parse(const std::string& text) { return GatewayConfig::parse(text, "/etc/gw/sealring.toml"); }

std::string full_name(const ConfigKey& key) {
  return (key.table.empty() ? "" : std::string(key.table) + ".") + std::string(key.name);
}

// A file with every table, in each the required keys and, of the others, those that `with` accepts.
template <class Accept>
std::string file_with(Accept&& with) {
  std::string out;
  for (const ConfigTable& table : config_tables()) {
    std::string keys;
    for (const ConfigKey& key : config_keys()) {
      if (key.table != table.name) continue;
      if (key.kind != ConfigKey::Value::required && !with(key)) continue;
      keys +=
          std::string(key.name) + " = " + std::string(key.value) + (table.name == "broker.subscriptions" ? ", " : "\n");
    }
    if (table.name == "broker.subscriptions")
      out += "subscriptions = [ { " + keys.substr(0, keys.size() - 2) + " } ]\n";
    else
      out += std::string(table.header) + "\n" + keys;
  }
  return out;
}

Settings settings_of(const std::string& text) {
  const Result<GatewayConfig> config = parse(text);
  INFO(text << (config ? "" : config.error().message));
  REQUIRE(config);
  return config->settings;
}

// "broker[hall].tls.ca" -> "broker.tls.ca".
std::string without_name(std::string setting) {
  const std::size_t open = setting.find('['), close = setting.rfind(']');
  if (open != std::string::npos) setting.erase(open, close + 1 - open);
  return setting;
}

}  // namespace

TEST_CASE("the table and the reader know the same keys", "[config]") {
  const auto not_list = [](const ConfigKey& key) { return key.name != "subscriptions"; };
  const Settings all = settings_of(file_with(not_list));
  std::set<std::string> read, listed;
  for (const auto& [setting, value] : all) read.insert(without_name(setting));
  for (const ConfigKey& key : config_keys())
    if (key.table != "broker.subscriptions") listed.insert(full_name(key));
  CHECK(read == listed);
  // Of a subscription: both are accepted above, and there is no third.
  const std::string third =
      parse("origin = \"o\"\n[[broker]]\nsubscriptions = [ { filter = \"a\", qos = 1, x = 1 } ]\n").error().message;
  CHECK(third.find("unknown key broker.subscriptions.x") != std::string::npos);
}

TEST_CASE("the defaults of the table are the reader's", "[config]") {
  const auto none = [](const ConfigKey&) { return false; };
  const Settings by_default = settings_of(file_with(none));
  std::size_t compared = 0;
  for (const ConfigKey& key : config_keys()) {
    if (key.kind != ConfigKey::Value::fallback || key.name == "subscriptions") continue;
    if (key.name == "port") continue;  // depends on [broker.tls]: below
    INFO(full_name(key));
    CHECK(settings_of(file_with([&](const ConfigKey& one) { return full_name(one) == full_name(key); })) == by_default);
    ++compared;
  }
  CHECK(compared > 15);
  const std::string head = "origin = \"o\"\n[[broker]]\n";
  CHECK(settings_of(head) == settings_of(head + "port = 1883\nsubscriptions = [ { filter = \"#\", qos = 1 } ]\n"));
  CHECK(settings_of(head + "[broker.tls]\nca = \"x\"\n") !=
        settings_of(head + "port = 1883\n[broker.tls]\nca = \"x\"\n"));
}

TEST_CASE("what the table calls required is", "[config]") {
  const auto none = [](const ConfigKey&) { return false; };
  const std::string text = file_with(none);
  for (const ConfigKey& key : config_keys()) {
    if (key.kind != ConfigKey::Value::required) continue;
    std::string without;
    if (key.table == "broker.subscriptions") {
      without = "origin = \"o\"\n[[broker]]\nsubscriptions = [ { qos = 1 } ]\n";
    } else {
      const std::size_t table = text.find(key.table.empty() ? "" : "[" + std::string(key.table) + "]");
      const std::size_t at = text.find("\n" + std::string(key.name) + " = ", table);
      REQUIRE(at != std::string::npos);
      without = std::string(text).erase(at + 1, text.find('\n', at + 1) - at);
    }
    const Result<GatewayConfig> config = parse(without);
    INFO(without);
    REQUIRE_FALSE(config);
    CHECK(config.error().message.find("the key " + full_name(key) + " is missing") != std::string::npos);
  }
}

TEST_CASE("configurations are compared key by key", "[config]") {
  const std::string head = "origin = \"o\"\n";
  const auto diff = [&](const std::string& a, const std::string& b) {
    auto from = parse(head + a), to = parse(head + b);
    REQUIRE(from);
    REQUIRE(to);
    return diff_config(*from, *to);
  };
  using Names = std::vector<std::string>;
  const std::string broker = "[[broker]]\n";
  ConfigDiff none = diff(broker, "[recorder]\nheartbeat = \"1min\"\n" + broker + "port = 1883\n# a comment\n");
  CHECK(none.live.empty());
  CHECK(none.restart.empty());
  ConfigDiff some = diff(broker, "diag_level = \"debug\"\n[recorder]\nheartbeat = \"2s\"\nqueue_bytes = \"8MiB\"\n" +
                                     broker + "keepalive = \"9s\"\nsubscriptions = [ { filter = \"a\" } ]\n");
  CHECK(some.live == Names{"diag_level", "recorder.heartbeat"});
  CHECK(some.restart ==
        Names{"broker[127.0.0.1:1883].keepalive", "broker[127.0.0.1:1883].subscriptions", "recorder.queue_bytes"});
  const std::string
      two = "[[broker]]\nname = \"a]b[c.d\"\nport = 1\n",
      up = "[upstream]\nurl = \"https://x\"\nca = \"a\"\ncert = \"b\"\nkey = \"c\"\npolicy = \"d\"\nmirror = "
           "\"m\"\n";
  CHECK(diff(broker, broker + two).restart == Names{"broker[a]b[c.d]"});
  CHECK(diff(broker + two, broker).restart == Names{"broker[a]b[c.d]"});
  CHECK(diff(two + "[broker.tls]\nca = \"x\"\n", two).restart ==
        Names{"broker[a]b[c.d].tls.ca", "broker[a]b[c.d].tls.cert", "broker[a]b[c.d].tls.key",
              "broker[a]b[c.d].tls.server_name"});
  // The second broker's default client id is not the first's, so the order counts; names that stay do not.
  const std::string id = "client_id = \"x\"\n";
  CHECK(diff(broker + id + two + id, two + id + broker + id).restart.empty());
  CHECK(diff(broker, broker + up).restart == Names{"upstream"});
  CHECK(diff(broker, broker + up).live.empty());
  CHECK(diff(broker + up, broker + up + "retry_max = \"5s\"\ntimeout = \"5s\"\n").live == Names{"upstream.retry_max"});
  CHECK(diff(broker + up, broker + up + "retry_max = \"5s\"\ntimeout = \"5s\"\n").restart == Names{"upstream.timeout"});

  auto before = parse(head + broker), after = parse(head + broker);
  after->brokers[0].source.password = "another";
  CHECK(diff_config(*before, *after).restart == Names{"broker[127.0.0.1:1883].password_file"});
}
