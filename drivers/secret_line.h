// Secrets from where an operator put them: a file of their own, or a credential of the service manager, which may have
// it encrypted on the disk (LoadCredentialEncrypted=).
#pragma once

#include <string>

#include "crypto/bytes.h"

namespace sealring {

constexpr std::string_view kCredentialPrefix = "credential:";
constexpr std::size_t kMaxSecretLine = 65535;  // as long as MQTT's longest password

bool is_credential(std::string_view source);
// reject: not "credential:" with the plain name of a file.
Status check_credential(std::string_view source);

// `source`: a path, of a file as read_secret_file() wants it, or "credential:NAME" in the folder `credentials`
// ($CREDENTIALS_DIRECTORY; empty: there is none). `what` it is, for the words, which never have a byte of it. The
// caller wipes it.
Result<Bytes> read_secret(const std::string& source, const std::string& credentials, std::size_t max_bytes,
                          const std::string& what);
// The same for a password or a pin: without the end of the line; never empty, and without a NUL.
Result<std::string> read_secret_line(const std::string& source, const std::string& credentials,
                                     const std::string& what);

}  // namespace sealring
