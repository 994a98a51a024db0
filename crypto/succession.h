// The statement of a succession (docs/log.md §7): a log whose store turned out to be an old copy is closed, and another
// one, by a fresh identity key, follows it. A signed note, no checkpoint:
//
//     sealring/succession/v1
//     <origin of the log that is closed>
//     <size>                                of the checkpoint that its store cannot extend
//     <base64 root>                         of that size
//     <vkey of the log that follows>
//     <base64 leaf hash of its entry 0>
//
//     — <origin of the closed log> ...      by its identity key
//     — <name of a succession key> ...      by the collector that took it; only with this line it binds anyone
//
// The identity's line alone proves little: whoever has the old key can make it. Pure functions; any thread.
#pragma once

#include "crypto/checkpoint.h"

namespace sealring {

struct Succession {
  Checkpoint closed;     // size at least 1
  VerifierKey follower;  // type ed25519; its name is follower_origin(closed.origin)
  Hash genesis{};        // leaf hash of the follower's entry 0

  std::string text() const;
  // Strict: what text() writes for a valid one. Signatures are the caller's.
  static Result<Succession> parse(std::string_view text);
};
bool operator==(const Succession& a, const Succession& b);

// Of the log that follows: "X~1" after X, "X~2" after X~1. reject: too long for an origin, or no number is left.
Result<std::string> follower_origin(const std::string& origin);
// Whether `origin` is that of a log which follows the one of `base`, with any number of others between.
bool follows(std::string_view origin, std::string_view base);

}  // namespace sealring
