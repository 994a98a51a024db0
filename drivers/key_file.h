// Private keys in files, in the form of Go's sumdb/note: one line
//     PRIVATE+KEY+<name>+<key ID, 8 hex>+base64(0x01 || seed)
// The file must belong to the caller's user (or root) and have no permission for anyone else (mode 0600 or 0400);
// otherwise it is refused with the command that mends it. Messages name the path, never a byte of the key.
#pragma once

#include <memory>
#include <string>

#include "crypto/ed25519.h"

namespace sealring {

struct NamedKey {
  std::string name;
  std::unique_ptr<SoftwareSigner> signer;
};

// `source`: a path, or "credential:NAME" in the folder `credentials` (secret_line.h). missing: no such file. reject:
// permissions, or not a key file.
Result<NamedKey> load_key_file(const std::string& source, const std::string& credentials = "");
// Creates `path` with mode 0600, never overwrites (reject when it exists). Durable when it returns: written under a
// temporary name, synced, linked, directory synced.
Status create_key_file(const std::string& path, const std::string& name, const SoftwareSigner& key);

}  // namespace sealring
