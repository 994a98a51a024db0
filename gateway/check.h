// `sealring check`: everything that sealringd looks at when it starts, and what it would only find out later, without
// changing anything: configuration, keys, passwords, certificates, policy, socket, disk, store. When a daemon runs, it
// is asked instead of its store.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "crypto/policy.h"
#include "drivers/clock.h"
#include "gateway/config.h"

namespace sealring {

struct CheckFinding {
  enum class Level { ok, warning, error };
  Level level = Level::ok;
  std::string subject;  // "identity key", "broker hall", "store"
  std::string words;    // what, where, what to do
};

struct CheckReport {
  std::vector<CheckFinding> findings;
  bool ok() const;  // no error
};

// `credentials`: as for GatewayConfig::load_secrets().
CheckReport check_gateway(const std::string& config_path, const std::string& credentials, const Clock& clock);

std::string check_text(const CheckReport& report);
// {"ok": true, "findings": [{"level": "ok", "subject": "...", "words": "..."}]}
std::string check_json(const CheckReport& report);

// The policy that [upstream] names: with this log's own line and with the mirror. Otherwise reject, with what is
// missing.
Result<Policy> load_policy(const GatewayConfig& config, const std::vector<PublicKey>& identities);

// The group that socket_group names, by default `sealring` where there is one. None: there is not. reject: no such
// group.
struct SocketGroup {
  std::string name;
  unsigned id = 0;
};
Result<std::optional<SocketGroup>> find_socket_group(const std::string& named);

// The folder of the socket: made where it is not there, since after a boot /run is empty, and then for its group alone.
// So is `ours`, a folder that a service manager made for this process; any other is left as it is. reject: cannot be.
Status make_socket_folder(const std::string& socket_path, const std::string& named, const std::string& ours);

}  // namespace sealring
