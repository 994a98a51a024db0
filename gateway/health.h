// Whether a gateway does what it is for, in one word and reasons.
//
// Unhealthy: nothing is recorded, or it cannot be said that anything is: a full ring, a recorder or forwarder that
// hangs. Degraded: messages are recorded and acknowledged, and something needs a person or will: a broker or the
// collector away, a key that does not sign, any alarm. An outage of the collector alone never makes a gateway
// unhealthy: it is built for that, and no restart would mend it.
#pragma once

#include <string>
#include <vector>

namespace sealring {

struct StatusSnapshot;

struct Health {
  enum class Level { ok, degraded, unhealthy } level = Level::ok;
  std::vector<std::string> reasons;
};
Health health_of(const StatusSnapshot& snapshot);
// {"status": "degraded", "reasons": ["..."]}
std::string health_json(const Health& health);

}  // namespace sealring
