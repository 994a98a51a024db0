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

// What a credential is guarded by is the folder, which the service manager makes; its files may have ACLs.
Result<std::string> read_secret_line(const std::string& source, const std::string& credentials,
                                     const std::string& what) {
  const bool credential = source.rfind(kCredentialPrefix, 0) == 0;
  if (credential && credentials.empty())
    return reject_error(sealring::quoted(source) +
                        " needs $CREDENTIALS_DIRECTORY, which a service manager sets (LoadCredential=); there is none");
  const std::string path = credential ? credentials + "/" + source.substr(kCredentialPrefix.size()) : source;
  Result<Bytes> text = credential ? read_file(path, kMaxSecretLine + 2)
                                  : read_secret_file(path, kMaxSecretLine + 2, (what + " file").c_str());
  if (!text) return std::move(text).error();
  std::string line = std::move(*text);
  if (Status status = check_line(line, path, what); !status) {
    wipe(line);
    return std::move(status).error();
  }
  return line;
}

}  // namespace sealring
