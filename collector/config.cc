#include "collector/config.h"

#include <algorithm>
#include <set>

#include "drivers/toml_reader.h"

namespace sealring {

namespace {

DiagLevel read_level(TomlTable& root) {
  std::string name = root.choice("diag_level", "info", {"error", "warning", "notice", "info", "debug"});
  if (name == "error") return DiagLevel::error;
  if (name == "warning") return DiagLevel::warning;
  if (name == "notice") return DiagLevel::notice;
  return name == "debug" ? DiagLevel::debug : DiagLevel::info;
}

void read_tls(TomlTable& root, CollectorConfig& config) {
  std::optional<TomlTable> tls = root.table("tls");
  if (!tls) return root.fail("tls", "is missing: ca, cert and key say who may connect");
  config.tls = {tls->required_path("ca"), tls->required_path("cert"), tls->required_path("key")};
}

void read_gateways(TomlTable& root, CollectorConfig& config) {
  std::set<std::string> origins;
  for (TomlTable& table : root.tables("gateway")) {
    std::string line = table.required_string("anchor"), uri = table.string("tls_uri", "");
    if (line.empty()) continue;
    Result<Anchor> anchor = parse_anchor(line);
    if (!anchor.ok()) {
      table.fail("anchor", "is not an anchor: " + anchor.error().message);
      continue;
    }
    if (!origins.insert(anchor->key.name).second) table.fail("anchor", "names an origin that another gateway has");
    config.gateways.push_back({std::move(anchor).value(), uri});
  }
}

}  // namespace

Result<Anchor> parse_anchor(std::string_view line) {
  std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return reject_error("there is no space between the vkey and the hash");
  Anchor anchor;
  SEALRING_ASSIGN(anchor.key, VerifierKey::parse(line.substr(0, space)));
  if (anchor.key.type != KeyType::ed25519) return reject_error("the vkey is not of type ed25519");
  SEALRING_TRY(check_origin(anchor.key.name));
  std::string_view hash = line.substr(space + 1);
  bool lower = hash.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (!lower || hash.size() != 64) return reject_error("the hash is not 64 lower-case hex digits");
  anchor.genesis = to_array<32>(*from_hex(hash));
  return anchor;
}

Result<CollectorConfig> CollectorConfig::load(const std::string& path) {
  Result<TomlTable> root = TomlTable::load(path);
  if (!root.ok()) return std::move(root).error();
  return read(*root);
}

Result<CollectorConfig> CollectorConfig::parse(std::string_view text, const std::string& path) {
  Result<TomlTable> root = TomlTable::parse(text, path);
  if (!root.ok()) return std::move(root).error();
  return read(*root);
}

Result<CollectorConfig> CollectorConfig::read(TomlTable& root) {
  CollectorConfig config;
  if (auto listen = parse_listen(root.string("listen", "127.0.0.1:8443"))) {
    config.address = listen->address;
    config.port = listen->port;
  } else {
    root.fail("listen", "must be ADDRESS:PORT, such as 127.0.0.1:8443 or [::1]:8443");
  }
  config.archive = root.required_path("archive");
  config.policy = root.required_path("policy");
  config.witness_key = root.required_path("witness_key");
  config.mirror_key = root.required_path("mirror_key");
  config.succession_key = root.path("succession_key", "");
  config.succession_quiet =
      root.duration("succession_quiet", config.succession_quiet, std::chrono::milliseconds(0), std::chrono::hours(24));
  config.diag_level = read_level(root);
  config.alarm_command = read_alarm_command(root);
  config.alarm_quiet =
      root.duration("alarm_quiet", config.alarm_quiet, std::chrono::seconds(1), std::chrono::hours(24));
  config.metrics = read_metrics(root);
  read_tls(root, config);
  read_gateways(root, config);
  SEALRING_TRY(root.finish());
  config.settings = root.settings();
  return config;
}

Result<std::vector<LogIdentity>> trusted_logs(const CollectorConfig& config, const Policy& policy) {
  std::vector<LogIdentity> logs;
  for (const Policy::Log& log : policy.logs) {
    if (log.key.type != KeyType::ed25519)
      return reject_error("the key of log " + log.key.name + " is not of type ed25519");
    SEALRING_TRY(check_origin(log.key.name));
    const auto known =
        std::find_if(logs.begin(), logs.end(), [&](const LogIdentity& one) { return one.key.name == log.key.name; });
    if (known != logs.end())
      known->later.push_back(log.key);
    else
      logs.push_back({log.key, std::nullopt, ""});
  }
  for (const CollectorConfig::Gateway& gateway : config.gateways) {
    auto log =
        std::find_if(logs.begin(), logs.end(), [&](const LogIdentity& one) { return one.key == gateway.anchor.key; });
    if (log == logs.end())
      return reject_error("the [[gateway]] with anchor " + gateway.anchor.key.encode() +
                          " is not a log of the policy, by its first `log` line of that origin");
    log->genesis = gateway.anchor.genesis;
    log->tls_uri = gateway.tls_uri;
  }
  return logs;
}

}  // namespace sealring
