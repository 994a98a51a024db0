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

// None: released long ago.
Result<std::optional<PublicKey>> key_of_genesis(const Ring& ring) {
  const auto bytes = ring.entries(0, 1);
  if (!bytes) return std::optional<PublicKey>();
  SEALRING_ASSIGN(const Entry entry, decode_entry(ByteView(*bytes).substr(2)));
  const auto* genesis = std::get_if<Genesis>(&entry.body);
  if (genesis == nullptr) return fatal_error("entry 0 of the store is not a genesis entry");
  return std::optional<PublicKey>(genesis->identity);
}

// An entry is released only for a receipt, and there is no receipt without a policy.
std::optional<PublicKey> key_of_policy(const GatewayConfig& config) {
  if (!config.upstream) return std::nullopt;
  const auto text = read_file(config.upstream->policy);
  if (!text) return std::nullopt;  // whoever forwards will say so
  const auto policy = Policy::parse(*text);
  const Policy::Log* own = policy ? policy->find_log(config.origin) : nullptr;
  return own == nullptr ? std::nullopt : std::optional<PublicKey>(own->key.key);
}

Result<std::unique_ptr<Signer>> load_file(const GatewayConfig& config, const std::string& credentials) {
  SEALRING_ASSIGN(NamedKey key, load_key_file(config.identity_key, credentials));
  if (key.name == config.origin) return std::unique_ptr<Signer>(std::move(key.signer));
  return reject_error(config.identity_key + ": is the key of " + quoted(key.name) + ", the store's origin is " +
                      quoted(config.origin));
}

Result<Pkcs11Uri> key_uri(const std::string& text) {
  SEALRING_ASSIGN(Pkcs11Uri uri, Pkcs11Uri::parse(text));
  SEALRING_TRY(uri.check_names_key());
  return uri;
}

}  // namespace

Result<std::unique_ptr<Signer>> load_identity(const GatewayConfig& config, const std::string& credentials,
                                              const Ring& ring) {
  SEALRING_ASSIGN(std::optional<PublicKey> wanted, key_of_genesis(ring));
  if (!is_pkcs11_uri(config.identity_key)) {
    SEALRING_ASSIGN(std::unique_ptr<Signer> key, load_file(config, credentials));
    if (wanted && *wanted != key->public_key())
      return reject_error(config.identity_key + ": is not the key that entry 0 of the log names");
    return key;
  }
  SEALRING_ASSIGN(Pkcs11Uri uri, key_uri(config.identity_key));
  if (!wanted) wanted = key_of_policy(config);
  if (!wanted) {
    auto found = pkcs11_public_key({uri, credentials});
    if (!found)
      return std::move(found).error().in(
          "entry 0 was released and no policy names the log's key, so the token must be there at the start");
    wanted = *found;
  }
  return std::unique_ptr<Signer>(std::make_unique<Pkcs11Signer>(Pkcs11Signer::Config{uri, *wanted, credentials}));
}

Result<PublicKey> token_public_key(const std::string& uri, const std::string& credentials) {
  SEALRING_ASSIGN(const Pkcs11Uri parsed, key_uri(uri));
  return pkcs11_public_key({parsed, credentials});
}

Result<PublicKey> try_identity(const GatewayConfig& config, const std::string& credentials) {
  if (!is_pkcs11_uri(config.identity_key)) {
    SEALRING_ASSIGN(const auto key, load_file(config, credentials));
    return key->public_key();
  }
  SEALRING_ASSIGN(const Pkcs11Uri uri, key_uri(config.identity_key));
  SEALRING_ASSIGN(const PublicKey key, pkcs11_public_key({uri, credentials}));
  SEALRING_TRY(Pkcs11Signer({uri, key, credentials}).open());
  return key;
}

}  // namespace sealring
