// collector.toml. Its keys: config_keys.h.
#pragma once

#include <chrono>
#include <map>

#include "collector/origin_log.h"
#include "crypto/policy.h"
#include "drivers/diag.h"
#include "drivers/operator_config.h"

namespace sealring {

class TomlTable;

// One line: the vkey, one space, and the leaf hash of entry 0 in lower-case hex. Otherwise reject.
struct Anchor {
  VerifierKey key;  // type ed25519; its name is an origin
  Hash genesis{};
};
Result<Anchor> parse_anchor(std::string_view line);

struct CollectorConfig {
  std::string address;
  std::uint16_t port = 0;
  std::string archive, policy, witness_key, mirror_key;
  std::string succession_key;  // empty: no succession is taken
  std::chrono::milliseconds succession_quiet = std::chrono::minutes(2);
  DiagLevel diag_level = DiagLevel::info;
  std::vector<std::string> alarm_command;  // see drivers/alarm_command.h; empty: none
  std::chrono::milliseconds alarm_quiet{60000};
  std::optional<ListenAddress> metrics;  // none: nobody listens
  TlsIdentity tls;
  struct Gateway {
    Anchor anchor;
    std::string tls_uri;
  };
  std::vector<Gateway> gateways;
  std::map<std::string, std::string> settings;  // see TomlTable::settings()

  // reject or missing: a sentence that begins with the file and the line.
  static Result<CollectorConfig> load(const std::string& path);
  static Result<CollectorConfig> parse(std::string_view text, const std::string& path);

 private:
  static Result<CollectorConfig> read(TomlTable& root);
};

// The logs of the policy, each with what its [[gateway]] section says. reject: a gateway that is not in the policy, or
// a log whose key is not of type ed25519.
Result<std::vector<LogIdentity>> trusted_logs(const CollectorConfig& config, const Policy& policy);

}  // namespace sealring
