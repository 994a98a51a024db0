// Another log in the place of one whose store turned out to be an old copy (docs/log.md §7).
//
//     <store>              the log that is recorded
//     <store>.new          a follower in the making, or, where a kill came right behind the exchange, what it replaced
//     <store>.abandoned    what was replaced; .abandoned-2 and so on where that name is taken
//
// A folder with a rollback.note was a log; one without is a follower that was not finished, and is removed.
#pragma once

#include "gateway/head_check.h"
#include "gateway/identity_key.h"
#include "gateway/recorder.h"

namespace sealring {

// What a kill left beside the store. To be called while its ring is open, so that no other daemon is at it. Failing
// costs nothing but the space: said as a diagnostic.
void clear_up_beside(const std::string& store);

// Whether the daemon may do it by itself. reject, with words: the operator has the say (on_rollback), or the key is on
// a token, where it cannot be replaced unasked; or the proof is by another key than the present identity.
Status may_follow(const GatewayConfig& config, const GatewayIdentity& identity, const Head& proof);

// The follower of `ring`, which is `config`'s and stays open: a fresh identity key, entry 0, the succession signed by
// `identity`, and every entry that no receipt covers. When it returns ok it is in the place of the store. `alive` is
// called again and again meanwhile: it can take a minute. On an error everything is as it was: full or retry (the
// disk), or the signer's.
Status make_follower(const GatewayConfig& config, const GatewayIdentity& identity, const Head& proof, const Ring& ring,
                     const Clock& clock, const std::function<void()>& alive);

}  // namespace sealring
