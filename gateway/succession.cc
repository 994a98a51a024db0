#include "gateway/succession.h"

#include <unistd.h>

#include "drivers/file.h"
#include "drivers/key_file.h"
#include "drivers/pkcs11_uri.h"
#include "gateway/rotation.h"
#include "gateway/verify.h"

namespace sealring {
namespace {

constexpr std::size_t kMaxPlaceBytes = 64u << 10;

std::string note_path(const std::string& store) { return store + "/succession.note"; }
std::string place_path(const std::string& store) { return store + "/identity.place"; }

// Whether the follower was begun with the key that follower_identity_key still names. An operator who has named it as
// identity_key since, and prepared the next one, has changed that.
bool is_prepared_key(const GatewayConfig& config) {
  if (config.follower_identity_key.empty()) return false;
  const auto place = read_file(place_path(config.store), kMaxPlaceBytes);
  return place && *place == config.follower_identity_key + "\n";
}

// Whether a file is the key of that log. One that is not there, or not to be read, is none.
bool is_key_of(const std::string& place, const std::string& credentials, const std::string& origin) {
  const auto key = load_key_file(place, credentials);
  return key && key->name == origin;
}

}  // namespace

std::string follower_key_path(const std::string& store) { return store + "/identity.key"; }

Result<std::optional<KnownSuccession>> succession_of(const std::string& store) {
  const std::string path = note_path(store);
  const Result<Bytes> bytes = read_file(path, kMaxNoteBytes);
  if (!bytes && bytes.error().kind == ErrorKind::missing) return std::optional<KnownSuccession>();
  if (!bytes) return bytes.error();
  KnownSuccession known;
  auto note = Note::parse(*bytes);
  if (!note) return std::move(note).error().in(path);
  known.note = std::move(note).value();
  auto statement = Succession::parse(known.note.text);
  if (!statement) return std::move(statement).error().in(path);
  known.statement = std::move(statement).value();
  if (known.note.signatures.front().name != known.statement.closed.origin)
    return reject_error(path + ": its first line is not of " + quoted(known.statement.closed.origin, 255));
  return std::optional(std::move(known));
}

Status put_succession(const std::string& store, const Note& note) {
  return replace_file(note_path(store), note.encode());
}

Status put_follower_place(const std::string& store, const std::string& place) {
  return replace_file(place_path(store), place + "\n");
}

Result<GatewayConfig> config_of_store(GatewayConfig config, const std::string& credentials) {
  SEALRING_ASSIGN(const auto known, succession_of(config.store));
  if (!known) return config;
  const std::string& origin = known->statement.follower.name;
  if (!follows(origin, config.origin)) return config;  // the operator has named it, or it is another gateway's
  config.follows = known->statement.closed.origin;
  config.origin = origin;
  // What it says of a key before a rotation is of the closed log, until this one was rotated itself.
  SEALRING_ASSIGN(const auto recorded, recorded_rotations(config.store, origin));
  SEALRING_ASSIGN(const auto pending, pending_rotation(config.store, origin));
  if (recorded.empty() && !pending) config.previous_identity_key.clear();
  const std::string own = follower_key_path(config.store);
  if (is_prepared_key(config))
    config.identity_key = config.follower_identity_key;
  else if (!is_pkcs11_uri(config.identity_key) && ::access(own.c_str(), F_OK) == 0 &&
           !is_key_of(config.identity_key, credentials, origin))
    config.identity_key = own;
  return config;
}

std::string anchor_of(const Succession& statement) { return Anchor{statement.follower, statement.genesis}.line(); }

}  // namespace sealring
