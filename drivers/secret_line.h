// A secret of one line, a password or a pin, from where an operator put it.
#pragma once

#include <string>

#include "crypto/bytes.h"

namespace sealring {

constexpr std::string_view kCredentialPrefix = "credential:";
constexpr std::size_t kMaxSecretLine = 65535;  // as long as MQTT's longest password

// `source`: a path, of a file as read_secret_file() wants it, or "credential:NAME" in the folder `credentials`
// ($CREDENTIALS_DIRECTORY; empty: there is none). Without the end of the line; never empty, and without a NUL. `what`
// it is, for the words, which never have a byte of it. The caller wipes it.
Result<std::string> read_secret_line(const std::string& source, const std::string& credentials,
                                     const std::string& what);

}  // namespace sealring
