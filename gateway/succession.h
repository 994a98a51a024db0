// What a store says about the log that it follows (docs/log.md §7), and what that means for the configuration.
//
//     <store>/succession.note    the statement, by the closed log's identity; with the collector's line once it took it
//     <store>/identity.key       the follower's identity key, made by sealringd (0600); or
//     <store>/identity.place     the follower_identity_key that it was begun with, one line
//
// The configuration goes on naming the first log of a chain and its key: nobody was there to change it.
#pragma once

#include <optional>

#include "crypto/succession.h"
#include "gateway/config.h"

namespace sealring {

struct KnownSuccession {
  Succession statement;
  Note note;
  bool taken() const { return note.signatures.size() > 1; }  // a collector has countersigned it
};

// None: the store's log is a first one. reject: the file is no statement, or has no line of the closed log.
Result<std::optional<KnownSuccession>> succession_of(const std::string& store);
Status put_succession(const std::string& store, const Note& note);
std::string follower_key_path(const std::string& store);
Status put_follower_place(const std::string& store, const std::string& place);

// `config` for the log that is in its store. One that follows config.origin: with its origin, with `follows` set, and
// with the key that it was begun with, as long as the configuration says follower_identity_key as it did then; or with
// the one that sealringd made for it, unless identity_key names another key of that log or one on a token. Without a
// key before it where it was not rotated.
Result<GatewayConfig> config_of_store(GatewayConfig config, const std::string& credentials);

// How the log that follows is enrolled: its anchor line.
std::string anchor_of(const Succession& statement);

}  // namespace sealring
