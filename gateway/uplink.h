// The way to the collector, and what forwarder and recorder tell each other.
#pragma once

#include "gateway/config.h"
#include "gateway/forwarder.h"
#include "gateway/identity_key.h"
#include "gateway/recorder.h"
#include "gateway/succession.h"

namespace sealring {

struct Uplink {  // both empty where no upstream is configured
  std::unique_ptr<HttpClient> client;
  std::unique_ptr<Forwarder> forwarder;
};
// All given must outlive it. reject: the url, the policy or the certificates.
// `succession`: of this log, where it follows another one.
Result<Uplink> make_uplink(const GatewayConfig& config, const GatewayIdentity& identity, bool assume_current,
                           const Ring& ring, RecordQueue& queue, const std::optional<KnownSuccession>& succession);

// That checkpoints of this log are signed by, the present one first: of the identity, the store and the policy. Errors
// of the store's files.
Result<std::vector<LogKey>> keys_of_log(const GatewayConfig& config, const GatewayIdentity& identity,
                                        const Policy& policy);

// What an earlier run has found, if it still holds: nothing in that store is to be signed any more.
std::optional<Head> known_rollback(const GatewayConfig& config, const GatewayIdentity& identity, const Ring& ring);

// Before either runs; without a forwarder there is little to do. From then on sealed segments wake it, early
// checkpoints go to it, and what the collector has of this log decides whether the identity signs (docs/log.md §7):
// nothing before it is known, where the recorder was held, and nothing more once it contradicts the store. Then an
// alarm is recorded, and the checkpoint that proves it is kept in `store`; once it is, `on_proof` is called with it, on
// the forwarder's thread. `rollback`: it was, in an earlier run.
void connect_uplink(Forwarder* forwarder, Recorder& recorder, Alarms& alarms, const Ring& ring,
                    const std::string& store, const std::optional<Head>& rollback,
                    const std::function<void(const Head&)>& on_proof);
constexpr const char* kRollbackFile = "rollback.note";

}  // namespace sealring
