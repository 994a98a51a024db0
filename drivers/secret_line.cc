#include "drivers/secret_line.h"

#include "crypto/ed25519.h"
#include "drivers/file.h"

namespace sealring {
namespace {

Status check_line(std::string& line, const std::string& path, const std::string& what) {
  if (!line.empty() && line.back() == '\n') line.pop_back();
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (line.empty()) return reject_error(path + " has no " + what + " in it");
  if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
    return reject_error(path + " must hold the " + what + " in one line and nothing else");
  if (line.size() > kMaxSecretLine)
    return reject_error(path + ": a " + what + " has at most " + std::to_string(kMaxSecretLine) + " bytes");
  return {};
}

}  // namespace

bool is_credential(std::string_view source) { return source.rfind(kCredentialPrefix, 0) == 0; }

Status check_credential(std::string_view source) {
  const std::string_view name = is_credential(source) ? source.substr(kCredentialPrefix.size()) : std::string_view();
  if (!name.empty() && name.find('/') == std::string_view::npos && name[0] != '.') return {};
  return reject_error("must be credential:NAME with the plain name of a file");
}

// What a credential is guarded by is the folder, which the service manager makes; its files may have ACLs.
Result<Bytes> read_secret(const std::string& source, const std::string& credentials, std::size_t max_bytes,
                          const std::string& what) {
  if (!is_credential(source)) return read_secret_file(source, max_bytes, what.c_str());
  if (Status named = check_credential(source); !named) return std::move(named).error().in(sealring::quoted(source));
  if (credentials.empty())
    return reject_error(sealring::quoted(source) +
                        " needs $CREDENTIALS_DIRECTORY, which a service manager sets (LoadCredential=); there is none");
  return read_file(credentials + "/" + source.substr(kCredentialPrefix.size()), max_bytes);
}

Result<std::string> read_secret_line(const std::string& source, const std::string& credentials,
                                     const std::string& what) {
  Result<Bytes> text = read_secret(source, credentials, kMaxSecretLine + 2, what + " file");
  if (!text) return std::move(text).error();
  std::string line = std::move(*text);
  if (Status status = check_line(line, source, what); !status) {
    wipe(line);
    return std::move(status).error();
  }
  return line;
}

}  // namespace sealring
