#include "gateway/config_keys.h"

#include <algorithm>
#include <map>
#include <set>

#include "gateway/config.h"

namespace sealring {
namespace {

using Value = ConfigKey::Value;

constexpr ConfigTable kTables[] = {
    {"", "", false, "The name of this log, for ever, and where its things are."},
    {"metrics", "[metrics]", true,
     "For a monitoring system: state and health by HTTP. Without this table nobody listens."},
    {"recorder", "[recorder]", true, "How messages become frames and segments."},
    {"broker", "[[broker]]", false,
     "Where the messages come from: one or more. The broker must hold messages for us while we are away or slow: for "
     "Mosquitto set max_queued_messages high enough, it drops silently beyond."},
    {"broker.subscriptions", "subscriptions", true, "One for each topic filter."},
    {"broker.tls", "[broker.tls]", true, "TLS to the broker above. Without this table: plain TCP."},
    {"upstream", "[upstream]", true,
     "The collector that stores the log and signs receipts. Without this table nothing is forwarded, and when the "
     "store is full the gateway stops reading from the brokers."},
};

constexpr bool kLive = true, kRestart = false;

// clang-format off
constexpr ConfigKey kKeys[] = {
    {"", "origin", "string", Value::required, "\"example.com/site7/gw-0042\"", "", kRestart,
     "the log's name, unique and for ever: it is in every signature"},
    {"", "store", "folder", Value::fallback, "\"/var/lib/sealring/store\"", "", kRestart,
     "where the log lies, and the present epoch key"},
    {"", "identity_key", "file", Value::fallback, "\"/var/lib/sealring/identity.key\"", "", kRestart,
     "signs sealed segments; whoever has it can speak for this gateway; or \"credential:NAME\" of the service "
     "manager, or \"pkcs11:...\", a key on a token"},
    {"", "previous_identity_key", "file", Value::optional, "\"identity-1.key\"", "", kRestart,
     "after a rotation: the key before it, which signs beside identity_key as long as it is named here"},
    {"", "on_rollback", "follow or hold", Value::fallback, "\"follow\"", "", kRestart,
     "when the store turns out to be an old copy of the log: follow it with another log, or sign and forward nothing "
     "more until an operator decides"},
    {"", "follower_identity_key", "file", Value::optional,
     "\"pkcs11:token=gateway;object=follower?module-path=/usr/lib/p11.so\"", "", kRestart,
     "a key made beforehand for the log that would follow; needed where identity_key is on a token, else one is made "
     "in the new store"},
    {"", "socket", "file", Value::fallback, "\"/run/sealring/sock\"", "", kRestart,
     "where the commands ask the daemon; \"\": nowhere"},
    {"", "socket_group", "string", Value::fallback, "\"\"", "", kRestart,
     "group that may ask besides the daemon's user; \"\": sealring, where that group exists"},
    {"", "scrub_rate", "size", Value::fallback, "\"256KiB\"", "", kRestart,
     "what is stored is read again and held against the log's tree: so much a second, at most once a day; 0: never"},
    {"", "diag_level", "error, warning, notice, info or debug", Value::fallback, "\"info\"", "", kLive,
     "the least urgent diagnostics that are written"},
    {"", "alarm_command", "array of strings", Value::fallback, "[]", "", kRestart,
     "program, by its absolute path, and arguments, run when an alarm begins and ends, with its name and JSON on "
     "standard input; []: none"},
    {"", "alarm_quiet", "duration", Value::fallback, "\"60s\"", "", kRestart,
     "an alarm is over when its cause has been gone for so long"},

    {"metrics", "listen", "ADDRESS:PORT", Value::fallback, "\"127.0.0.1:9464\"", "", kRestart,
     "where /metrics and /healthz are, by plain HTTP"},
    {"metrics", "allow_remote", "true or false", Value::fallback, "false", "", kRestart,
     "an address that others reach, who then read names of brokers and how much there is without a password"},

    {"recorder", "queue_bytes", "size", Value::fallback, "\"4MiB\"", "", kRestart,
     "messages waiting for a commit; full: the brokers are not read, nothing is lost"},
    {"recorder", "commit_interval", "duration", Value::fallback, "\"0ms\"", "", kLive,
     "raise it to spare flash; acknowledgements wait as long"},
    {"recorder", "segment_bytes", "size", Value::fallback, "\"4MiB\"", "", kLive,
     "a segment is sealed, signed and sent at this size,"},
    {"recorder", "segment_entries", "integer", Value::fallback, "100000", "", kLive,
     "or at this many entries,"},
    {"recorder", "segment_age", "duration", Value::fallback, "\"10min\"", "", kLive,
     "or at this age; at most 10min, so that no epoch key lives longer"},
    {"recorder", "heartbeat", "duration", Value::fallback, "\"60s\"", "", kLive,
     "an event is recorded when nothing else was for so long; and how often the witness is shown the open segment"},
    {"recorder", "when_full", "block or drop-oldest", Value::fallback, "\"block\"", "", kRestart,
     "when the store is full of what the collector has no receipt for: acknowledge nothing more, the brokers hold; or "
     "drop the oldest of it for good, with an entry that says what"},
    {"recorder", "max_payload", "size", Value::fallback, "\"1MiB\"", "", kRestart,
     "above: a message's size and hash are recorded, not its content"},

    {"broker", "name", "string", Value::derived, "\"hall\"", "host:port", kRestart,
     "what events and status call it; unique"},
    {"broker", "host", "string", Value::fallback, "\"127.0.0.1\"", "", kRestart,
     "name or address"},
    {"broker", "port", "integer", Value::fallback, "1883", "1883, or 8883 with [broker.tls]", kRestart,
     "8883 with [broker.tls]"},
    {"broker", "client_id", "string", Value::derived, "\"sealring-gw-0042\"",
     "sealring- and 12 hex digits of the SHA-256 of the origin, from the second broker on of the origin, a newline "
     "and the name", kRestart,
     "names the session at the broker; nobody else may use it"},
    {"broker", "username", "string", Value::optional, "\"gw-0042\"", "", kRestart,
     "to log in with"},
    {"broker", "password_file", "file", Value::optional, "\"broker.password\"", "", kRestart,
     "one line, mode 0600; or \"credential:NAME\", a credential of the service manager"},
    {"broker", "protocol", "auto, 5 or 3.1.1", Value::fallback, "\"auto\"", "", kRestart,
     "the version of MQTT; auto: 5, or 3.1.1 where the broker refuses that"},
    {"broker", "receive_maximum", "integer", Value::fallback, "50000", "", kRestart,
     "messages under way unacknowledged (MQTT 5)"},
    {"broker", "keepalive", "duration", Value::fallback, "\"30s\"", "", kRestart,
     "a silent connection is given up after about one and a half of it"},
    {"broker", "watch_drops", "true or false", Value::fallback, "true", "", kRestart,
     "record a gap when the broker says that it dropped messages"},
    {"broker", "subscriptions", "array of tables", Value::fallback, "[ { filter = \"#\", qos = 1 } ]", "", kRestart,
     "what to record: up to 1000 filters that do not overlap"},
    {"broker.subscriptions", "filter", "string", Value::required, "\"plant/#\"", "", kRestart,
     "topic filter; topics that begin with $ are recorded only when a filter names them"},
    {"broker.subscriptions", "qos", "integer", Value::fallback, "1", "", kRestart,
     "0, 1 or 2; 0 carries no promise before its commit"},

    {"broker.tls", "ca", "file", Value::required, "\"tls/broker-ca.pem\"", "", kRestart,
     "whom to trust"},
    {"broker.tls", "server_name", "string", Value::derived, "\"broker.local\"", "the broker's host", kRestart,
     "the name that the broker's certificate must have"},
    {"broker.tls", "cert", "file", Value::optional, "\"tls/gateway.pem\"", "", kRestart,
     "our certificate, where the broker asks for one; with key"},
    {"broker.tls", "key", "file", Value::optional, "\"tls/gateway.key\"", "", kRestart,
     "its private key, mode 0600"},

    {"upstream", "url", "string", Value::required, "\"https://collector.example:8443\"", "", kRestart,
     "the collector: its witness is at URL/witness, its mirror at URL/mirror"},
    {"upstream", "server_name", "string", Value::derived, "\"collector.example\"", "host of the url", kRestart,
     "the name that the collector's certificate must have"},
    {"upstream", "ca", "file", Value::required, "\"tls/ca.pem\"", "", kRestart,
     "whom to trust"},
    {"upstream", "cert", "file", Value::required, "\"tls/gateway.pem\"", "", kRestart,
     "our certificate"},
    {"upstream", "key", "file", Value::required, "\"tls/gateway.key\"", "", kRestart,
     "its private key, mode 0600"},
    {"upstream", "policy", "file", Value::required, "\"policy\"", "", kRestart,
     "whose cosignatures make a receipt (C2SP tlog-policy), with this log's own line"},
    {"upstream", "mirror", "string", Value::required, "\"mirror\"", "", kRestart,
     "name in the policy of the cosigner whose signature means \"stored\""},
    {"upstream", "foreign_mirror", "true or false", Value::fallback, "false", "", kRestart,
     "the mirror is no sealring-collector but another C2SP mirror, which cannot be told of dropped entries"},
    {"upstream", "retry_min", "duration", Value::fallback, "\"500ms\"", "", kLive,
     "wait after a failure, doubled each time"},
    {"upstream", "retry_max", "duration", Value::fallback, "\"60s\"", "", kLive,
     "up to this"},
    {"upstream", "timeout", "duration", Value::fallback, "\"20s\"", "", kRestart,
     "for each request"},
    {"upstream", "max_lag", "duration", Value::fallback, "\"1h\"", "", kLive,
     "an alarm when the oldest record without a receipt is older; above segment_age; \"0s\": none"},
};
// clang-format on

// An origin is printable ASCII, and a path any bytes that TOML's strings may give a meaning.
std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// "broker[hall].tls.ca" -> "broker[hall]"; "upstream.url" -> "upstream"; "origin" -> "".
std::string owner(const std::string& setting) {
  // The name of a broker may have any character in it: the last bracket ends it, for no key has one.
  const std::size_t bracket = setting.rfind(']');
  if (bracket != std::string::npos) return setting.substr(0, bracket + 1);
  const std::size_t dot = setting.find('.');
  return dot == std::string::npos ? "" : setting.substr(0, dot);
}

// "broker[hall].tls.ca" -> the key "tls.ca" of table "broker".
const ConfigKey* key_of(const std::string& setting) {
  const std::string in = owner(setting);
  const std::string table = in.substr(0, in.find('['));
  const std::string path = table.empty() ? setting : table + setting.substr(in.size());
  for (const ConfigKey& key : kKeys) {
    const std::string full =
        key.table.empty() ? std::string(key.name) : std::string(key.table) + "." + std::string(key.name);
    if (full == path) return &key;
  }
  return nullptr;
}

std::set<std::string> owners(const GatewayConfig& config) {
  std::set<std::string> out;
  for (const auto& [setting, value] : config.settings) out.insert(owner(setting));
  return out;
}

}  // namespace

const std::vector<ConfigKey>& config_keys() {
  static const std::vector<ConfigKey> keys(std::begin(kKeys), std::end(kKeys));
  return keys;
}

const std::vector<ConfigTable>& config_tables() {
  static const std::vector<ConfigTable> tables(std::begin(kTables), std::end(kTables));
  return tables;
}

std::string config_template(const std::string& origin, const TemplatePaths& paths) {
  std::string out =
      "# Configuration of a sealring gateway, see sealring.toml(5). Paths are relative to this file's folder; sizes "
      "are\n"
      "# bytes or \"64KiB\", \"4MiB\"; durations \"250ms\", \"10s\", \"10min\", \"1h\". Lines that begin with # show "
      "the\n"
      "# default, or an example where there is none. An unknown key is refused.\n"
      "# After a change: SIGHUP, or `systemctl reload sealringd`. What needs a restart, the daemon then says.\n";
  const std::map<std::string_view, std::string> given = {{"origin", origin},
                                                         {"store", paths.store},
                                                         {"identity_key", paths.identity_key},
                                                         {"socket", paths.socket},
                                                         {"client_id", default_client_id(origin)}};
  for (const ConfigTable& table : kTables) {
    if (table.name == "broker.subscriptions") continue;  // shown as the value of its key
    out += "\n" + wrapped(table.about, "# ", 110);
    const bool commented = table.optional && table.name != "recorder";
    if (!table.header.empty()) out += (commented ? "# " : "") + std::string(table.header) + "\n";
    for (const ConfigKey& key : kKeys) {
      if (key.table != table.name) continue;
      const auto known = given.find(key.name);
      const bool own = known != given.end() && !known->second.empty() && (key.table.empty() || key.name == "client_id");
      const std::string value = own ? toml_string(known->second) : std::string(key.value);
      // What somebody looks for in the file first is set there, even to its default.
      const bool set =
          (own && key.table.empty()) ||
          (key.table == "broker" && (key.name == "host" || key.name == "port" || key.name == "subscriptions"));
      std::string line = (set ? "" : "# ") + std::string(key.name) + " = " + value;
      line.resize(std::max<std::size_t>(line.size() + 2, 40), ' ');
      out += line + "# " + std::string(key.about) + "\n";
    }
  }
  return out;
}

ConfigDiff diff_config(const GatewayConfig& from, const GatewayConfig& to) {
  std::set<std::string> live, restart;
  const std::set<std::string> before = owners(from), after = owners(to);
  const auto compare = [&](const GatewayConfig& a, const GatewayConfig& b) {
    for (const auto& [setting, value] : a.settings) {
      const auto other = b.settings.find(setting);
      if (other != b.settings.end() && other->second == value) continue;
      const std::string in = owner(setting);
      // [recorder] is nothing but defaults when it is left out: its keys are compared all the same.
      const bool whole = before.count(in) != after.count(in) && in != "recorder";
      const ConfigKey* key = key_of(setting);
      (key != nullptr && key->live && !whole ? live : restart).insert(whole ? in : setting);
    }
  };
  compare(from, to);
  compare(to, from);
  for (const GatewayConfig::Broker& a : from.brokers)
    for (const GatewayConfig::Broker& b : to.brokers)
      if (a.name == b.name && a.source.password != b.source.password)
        restart.insert("broker[" + a.name + "].password_file");
  return {{live.begin(), live.end()}, {restart.begin(), restart.end()}};
}

}  // namespace sealring
