// The certificates and the key of one side of TLS, as files that may be renewed while we run. Internal to drivers/.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "drivers/http.h"

namespace sealring {

// Whether this side must have a certificate of its own, or may do without: no cert_file and no key_file.
enum class OwnCertificate { required, optional };

// The PEM files of an identity, read and found to be usable.
struct TlsMaterial {
  TlsIdentity files;
  Bytes ca, cert, key;
  // reject, or missing: names the file and says what is wrong with it.
  static Result<std::shared_ptr<const TlsMaterial>> load(const TlsIdentity& files);
  bool has_own() const { return !files.cert_file.empty() || !files.key_file.empty(); }
  TlsMaterial() = default;
  ~TlsMaterial();
  TlsMaterial(const TlsMaterial&) = delete;
  TlsMaterial& operator=(const TlsMaterial&) = delete;
};

// Follows the files: certificates are renewed while we run.
class TlsFiles {
 public:
  static Result<std::unique_ptr<TlsFiles>> open(const TlsIdentity& files,
                                                OwnCertificate own = OwnCertificate::required);
  // Reads again when a file has changed. New files that do not do (half of a renewal) are left alone, with a warning,
  // until they change again. Any thread.
  std::shared_ptr<const TlsMaterial> current();

 private:
  TlsFiles(std::shared_ptr<const TlsMaterial> material, std::string stamp)
      : material_(std::move(material)), stamp_(std::move(stamp)) {}
  std::mutex mutex_;
  std::shared_ptr<const TlsMaterial> material_;
  std::string stamp_;  // what stat() says of the files
};

}  // namespace sealring
