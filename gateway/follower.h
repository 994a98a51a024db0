// Another log in the place of one whose store turned out to be an old copy (docs/log.md §7).
//
//     <store>              the log that is recorded
//     <store>.new          a follower in the making, or, where a kill came right behind the exchange, what it replaced
//     <store>.abandoned    what was replaced; .abandoned-2 and so on where that name is taken
//
// A <store>.new with a rollback.note was a log, and is set aside. One with kMark is a follower that was not finished,
// and is removed. Anything else is somebody's, and not touched.
#pragma once

#include "gateway/head_check.h"
#include "gateway/identity_key.h"
#include "gateway/recorder.h"

namespace sealring {

// What a kill left beside the store. To be called while its ring is open, so that no other daemon is at it. What is
// done is said as a diagnostic, and so is what fails: it costs nothing but the space.
void clear_up_beside(const std::string& store);

// Whether the daemon may do it by itself. reject, with words: the operator has the say (on_rollback); the key is on a
// token, where it cannot be replaced unasked; the proof is by another key than the present identity; or the store is
// where no other one can take its place.
Status may_follow(const GatewayConfig& config, const GatewayIdentity& identity, const Head& proof);

// The follower of `ring`, which is `config`'s and stays open: a fresh identity key, entry 0, the succession signed by
// `identity`, and every entry that no receipt covers. When it returns ok it is in the place of the store. `alive` is
// called again and again meanwhile: it can take minutes; its error ends the making. Nothing is exchanged that this
// configuration could not run on. On an error everything is as it was: full or retry (the disk), the signer's or that
// of `alive`. Except fatal: the two were exchanged, and a crash may bring the old one back; the process must end.
Status make_follower(const GatewayConfig& config, const std::string& credentials, const GatewayIdentity& identity,
                     const Head& proof, const Ring& ring, const Clock& clock, const std::function<Status()>& alive);

}  // namespace sealring
