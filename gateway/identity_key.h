// The identity key of a gateway: a key file, one that the service manager keeps, or a key on a PKCS#11 token, whichever
// `identity_key` names.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "crypto/ed25519.h"

namespace sealring {

class Ring;
struct GatewayConfig;

// `credentials`: $CREDENTIALS_DIRECTORY, or empty.
//
// For sealringd. The key must be the one that entry 0 names; where that entry was released long ago, the one of this
// log's line in the policy. A token need not be there, if one of them says which key it has to have: it is opened by
// the first signature. reject: a file that is not right, or another key; else errors of files and tokens.
Result<std::unique_ptr<Signer>> load_identity(const GatewayConfig& config, const std::string& credentials,
                                              const Ring& ring);

// For `init`: the public half of a key on a token. No pin is needed where the token shows it without.
Result<PublicKey> token_public_key(const std::string& uri, const std::string& credentials);

// For `check`: the public half, after everything was tried short of signing.
Result<PublicKey> try_identity(const GatewayConfig& config, const std::string& credentials);

}  // namespace sealring
