// The identity key of a gateway: a key file, one that the service manager keeps, or a key on a PKCS#11 token, whichever
// `identity_key` names.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "gateway/rotation.h"

namespace sealring {

class Ring;
struct GatewayConfig;

// `credentials`: $CREDENTIALS_DIRECTORY, or empty.

struct GatewayIdentity {
  std::unique_ptr<Signer> current;
  std::unique_ptr<Signer> previous;           // none, unless previous_identity_key is set
  std::uint64_t since = 0;                    // index of the rotation to `current`; 0: it is entry 0's key
  std::optional<RotationStatement> rotation;  // to `current`, still to be recorded
};
// For sealringd. The key must be the log's identity (StoreIdentity), or the one to which a statement in the store
// rotates it; where nothing is known any more, the one of this log's first line in the policy. A token need not be
// there, if one of them says which key it has to have: it is opened by the first signature. reject: a file that is not
// right, or another key; a key before the rotation is still needed and not named; else errors of files and tokens.
Result<GatewayIdentity> load_identity(const GatewayConfig& config, const std::string& credentials, const Ring& ring);

// For `init`: the public half of a key on a token. No pin is needed where the token shows it without.
Result<PublicKey> token_public_key(const std::string& uri, const std::string& credentials);

// A key file of that name, or a token's key; the token must be there.
Result<std::unique_ptr<Signer>> open_key(const std::string& place, const std::string& origin,
                                         const std::string& credentials);

// For `check`: the public half, after everything was tried short of signing.
Result<PublicKey> try_identity(const std::string& place, const std::string& origin, const std::string& credentials);

// Words, with what to do.
Error not_the_identity(const std::string& place, const std::string& origin, const StoreIdentity& log);
Error not_the_previous(const std::string& place, const std::string& origin, const std::optional<PublicKey>& wanted);

}  // namespace sealring
