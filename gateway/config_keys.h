// The keys of sealring.toml: the one table that the commented file of `sealring init`, the manual page
// sealring.toml(5), docs/configuration.md and the reload at SIGHUP are made from. A test holds the reader in config.cc
// against it: every key here is read there and every key read there is here, with the same default.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sealring {

struct GatewayConfig;

struct ConfigKey {
  enum class Value {
    fallback,  // `value` is the default, as TOML
    derived,   // the default depends on other keys: `derived` says how; `value` is an example
    required,  // within its table; `value` is an example
    optional,  // absent by default; `value` is an example
  };
  std::string_view table;  // "", "recorder", "broker", "broker.subscriptions", "broker.tls", "upstream"
  std::string_view name;
  std::string_view
      type;  // for people: "string", "file", "size", "duration", "integer", "true or false", "5, 3.1.1 or auto"
  Value kind = Value::fallback;
  std::string_view value;
  std::string_view derived;
  bool live = false;       // SIGHUP is enough; otherwise a change needs a restart
  std::string_view about;  // one line, lower case, no full stop
};
// In the order in which a file has them.
const std::vector<ConfigKey>& config_keys();

struct ConfigTable {
  std::string_view name;    // as in ConfigKey
  std::string_view header;  // "[recorder]", "[[broker]]"; empty: has no header of its own
  bool optional = false;
  std::string_view about;
};
const std::vector<ConfigTable>& config_tables();

// The commented sealring.toml of a new gateway. `paths`: store, identity_key and socket as they are to stand there;
// empty: the defaults, commented out.
struct TemplatePaths {
  std::string store, identity_key, socket;
};
std::string config_template(const std::string& origin, const TemplatePaths& paths);

// docs/configuration.md.
std::string config_keys_markdown();

// Keys whose values differ between two configurations: "recorder.heartbeat", "broker[hall].port"; a broker or table
// that only one has counts as one key, "broker[hall]", "upstream". `live`: they can change while running.
struct ConfigDiff {
  std::vector<std::string> live, restart;
};
ConfigDiff diff_config(const GatewayConfig& from, const GatewayConfig& to);

}  // namespace sealring
