// The keys of sealring.toml: the one table that the commented file of `sealring init`, the manual page
// sealring.toml(5), docs/configuration.md and the reload at SIGHUP are made from. A test holds the reader in config.cc
// against it: every key here is read there and every key read there is here, with the same default.
#pragma once

#include "manual/config_table.h"

namespace sealring {

struct GatewayConfig;

// In the order in which a file has them.
const std::vector<ConfigKey>& config_keys();

const std::vector<ConfigTable>& config_tables();

// The commented sealring.toml of a new gateway. `paths`: store, identity_key and socket as they are to stand there;
// empty: the defaults, commented out.
struct TemplatePaths {
  std::string store, identity_key, socket;
};
std::string config_template(const std::string& origin, const TemplatePaths& paths);

// Keys whose values differ between two configurations: "recorder.heartbeat", "broker[hall].port"; a broker or table
// that only one has counts as one key, "broker[hall]", "upstream". `live`: they can change while running.
struct ConfigDiff {
  std::vector<std::string> live, restart;
};
ConfigDiff diff_config(const GatewayConfig& from, const GatewayConfig& to);

}  // namespace sealring
