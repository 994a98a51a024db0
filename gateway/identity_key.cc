#include "gateway/identity_key.h"

#include "crypto/policy.h"
#include "drivers/file.h"
#include "drivers/key_file.h"
#include "drivers/pkcs11_signer.h"
#include "gateway/config.h"
#include "storage/entry.h"
#include "storage/ring.h"

namespace sealring {
namespace {

// An entry is released only for a receipt, and there is no receipt without a policy.
std::optional<PublicKey> key_of_policy(const GatewayConfig& config) {
  if (!config.upstream) return std::nullopt;
  const auto text = read_file(config.upstream->policy);
  if (!text) return std::nullopt;  // whoever forwards will say so
  const auto policy = Policy::parse(*text);
  const Policy::Log* own = policy ? policy->find_log(config.origin) : nullptr;
  return own == nullptr ? std::nullopt : std::optional<PublicKey>(own->key.key);
}

Result<std::unique_ptr<Signer>> load_file(const std::string& path, const std::string& origin,
                                          const std::string& credentials) {
  SEALRING_ASSIGN(NamedKey key, load_key_file(path, credentials));
  if (key.name == origin) return std::unique_ptr<Signer>(std::move(key.signer));
  return reject_error(path + ": is the key of " + sealring::quoted(key.name) + ", the store's origin is " +
                      sealring::quoted(origin));
}

Result<Pkcs11Uri> key_uri(const std::string& text) {
  SEALRING_ASSIGN(Pkcs11Uri uri, Pkcs11Uri::parse(text));
  SEALRING_TRY(uri.check_names_key());
  return uri;
}

Result<PublicKey> public_key_of(const std::string& place, const std::string& origin, const std::string& credentials) {
  if (is_pkcs11_uri(place)) return token_public_key(place, credentials);
  SEALRING_ASSIGN(const auto key, load_file(place, origin, credentials));
  return key->public_key();
}

std::string vkey(const std::string& origin, const PublicKey& key) {
  return VerifierKey{origin, KeyType::ed25519, key}.encode();
}

Result<std::unique_ptr<Signer>> token_signer(const std::string& uri, const PublicKey& key,
                                             const std::string& credentials) {
  SEALRING_ASSIGN(Pkcs11Uri parsed, key_uri(uri));
  return std::unique_ptr<Signer>(std::make_unique<Pkcs11Signer>(Pkcs11Signer::Config{parsed, key, credentials}));
}

// The token is away, and has either the log's key or the one that the statement goes on to. Whoever names a key before
// it has made the step, unless that is the key before an earlier rotation, whose overlap lasts: that key has to say it.
Result<PublicKey> key_by_previous(const GatewayConfig& config, const std::string& credentials,
                                  const StoreIdentity& log) {
  const Rotation& next = log.pending->rotation;
  if (log.former.empty()) return next.new_key;
  const std::string& place = config.previous_identity_key;
  const auto previous = public_key_of(place, config.origin, credentials);
  if (!previous)
    return reject_error("a rotation from " + vkey(config.origin, next.old_key) + " to " +
                        vkey(config.origin, next.new_key) +
                        " is prepared, and with the token of identity_key away it is previous_identity_key that says "
                        "whether to record it, which cannot be read either: plug the token in, or remove "
                        "rotation.note from the store (" +
                        previous.error().message + ")");
  if (*previous == next.old_key) return next.new_key;
  if (*previous == log.former.back()) return next.old_key;
  return not_the_previous(place, config.origin, next.old_key);
}

// Which key the token must have. With a statement in the store it may be either of two, and the token says which.
Result<PublicKey> key_of_token(const GatewayConfig& config, const std::string& credentials, const StoreIdentity& log) {
  const std::optional<PublicKey> known = log.key ? log.key : key_of_policy(config);
  if (known && !log.pending) return *known;
  auto found = token_public_key(config.identity_key, credentials);
  if (found) return found;
  if (log.pending && !config.previous_identity_key.empty()) return key_by_previous(config, credentials, log);
  if (known) return *known;
  return std::move(found).error().in(
      "entry 0 was released and no policy names the log's key, so the token must be there at the start");
}

Result<std::unique_ptr<Signer>> load_current(const GatewayConfig& config, const std::string& credentials,
                                             const StoreIdentity& log) {
  if (!is_pkcs11_uri(config.identity_key)) return load_file(config.identity_key, config.origin, credentials);
  SEALRING_ASSIGN(const PublicKey key, key_of_token(config, credentials, log));
  return token_signer(config.identity_key, key, credentials);
}

// `wanted`: the key before the log's identity; none: there was none.
Result<std::unique_ptr<Signer>> load_previous(const GatewayConfig& config, const std::string& credentials,
                                              const std::optional<PublicKey>& wanted) {
  const std::string& place = config.previous_identity_key;
  if (place.empty()) return std::unique_ptr<Signer>();
  if (!wanted) return not_the_previous(place, config.origin, wanted);
  if (is_pkcs11_uri(place)) return token_signer(place, *wanted, credentials);
  SEALRING_ASSIGN(auto key, load_file(place, config.origin, credentials));
  if (key->public_key() != *wanted) return not_the_previous(place, config.origin, wanted);
  return key;
}

// What is sealed and not signed must be signed by the key of its size: one that is not named any more would be missing
// for ever.
Status check_unsigned(const GatewayIdentity& identity, const StoreIdentity& log, const Ring& ring) {
  const std::uint64_t covered = identity.rotation && identity.previous ? log.since
                                : identity.rotation                    ? UINT64_MAX
                                : identity.previous || log.since == 0  ? 0
                                                                       : log.since;
  std::uint64_t count = 0;
  for (const Segment& segment : ring.segments())
    count += segment.state == SegmentState::sealed && segment.note.empty() && segment.end <= covered;
  if (count == 0) return {};
  if (identity.rotation && identity.previous)
    return reject_error(std::to_string(count) +
                        " sealed segments wait for a key two rotations ago: go on with the old "
                        "identity_key until `sealring status --json` says keys.unsigned 0, then rotate");
  return reject_error(std::to_string(count) +
                      " sealed segments wait for the signature of the key before the rotation: set "
                      "previous_identity_key to it");
}

}  // namespace

Error not_the_identity(const std::string& place, const std::string& origin, const StoreIdentity& log) {
  return reject_error(place + ": is not the identity key of the log, which is " + vkey(origin, *log.key) + " " +
                      log.words() + "; to go on with another one, prepare it with `sealring key rotate`");
}

Error not_the_previous(const std::string& place, const std::string& origin, const std::optional<PublicKey>& wanted) {
  if (!wanted)
    return reject_error("previous_identity_key = " + place +
                        ": the log's identity was not rotated, so there is no key before it");
  return reject_error("previous_identity_key = " + place + ": is not the key before the rotation, " +
                      vkey(origin, *wanted));
}

Result<GatewayIdentity> load_identity(const GatewayConfig& config, const std::string& credentials, const Ring& ring) {
  SEALRING_ASSIGN(const StoreIdentity log, store_identity(config.store, config.origin, entries_of(ring)));
  GatewayIdentity out;
  SEALRING_ASSIGN(out.current, load_current(config, credentials, log));
  const PublicKey& key = out.current->public_key();
  if (log.pending && log.pending->rotation.new_key == key) {
    out.rotation = log.pending;
  } else {
    if (log.key && *log.key != key) return not_the_identity(config.identity_key, config.origin, log);
    out.since = log.since;
  }
  const auto before = out.rotation         ? std::optional(out.rotation->rotation.old_key)
                      : log.former.empty() ? std::nullopt
                                           : std::optional(log.former.back());
  SEALRING_ASSIGN(out.previous, load_previous(config, credentials, before));
  SEALRING_TRY(check_unsigned(out, log, ring));
  return out;
}

Result<std::unique_ptr<Signer>> open_key(const std::string& place, const std::string& origin,
                                         const std::string& credentials) {
  if (!is_pkcs11_uri(place)) return load_file(place, origin, credentials);
  SEALRING_ASSIGN(const PublicKey key, token_public_key(place, credentials));
  return token_signer(place, key, credentials);
}

Result<PublicKey> token_public_key(const std::string& uri, const std::string& credentials) {
  SEALRING_ASSIGN(const Pkcs11Uri parsed, key_uri(uri));
  return pkcs11_public_key({parsed, credentials});
}

Result<PublicKey> try_identity(const std::string& place, const std::string& origin, const std::string& credentials) {
  if (!is_pkcs11_uri(place)) {
    SEALRING_ASSIGN(const auto key, load_file(place, origin, credentials));
    return key->public_key();
  }
  SEALRING_ASSIGN(const Pkcs11Uri uri, key_uri(place));
  SEALRING_ASSIGN(const PublicKey key, pkcs11_public_key({uri, credentials}));
  SEALRING_TRY(Pkcs11Signer({uri, key, credentials}).open());
  return key;
}

}  // namespace sealring
