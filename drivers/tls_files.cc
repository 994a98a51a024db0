#include "drivers/tls_files.h"

#include <sys/stat.h>

#include "crypto/ed25519.h"
#include "drivers/diag.h"
#include "drivers/file.h"
#include "drivers/tls_pem.h"

namespace sealring {

namespace {

constexpr std::size_t kMaxPemBytes = 1u << 20;

// Device, inode, size and times of the files: changes when one of them does.
std::string stamp_of(const TlsIdentity& files) {
  std::string stamp;
  for (const std::string* path : {&files.ca_file, &files.cert_file, &files.key_file}) {
    if (path->empty()) continue;
    struct stat s {};
    if (::stat(path->c_str(), &s) != 0) return {};
    for (long long n :
         {static_cast<long long>(s.st_dev), static_cast<long long>(s.st_ino), static_cast<long long>(s.st_size),
          static_cast<long long>(s.st_mtim.tv_sec), static_cast<long long>(s.st_mtim.tv_nsec),
          static_cast<long long>(s.st_ctim.tv_sec), static_cast<long long>(s.st_ctim.tv_nsec)}) {
      stamp += std::to_string(n) + " ";
    }
  }
  return stamp;
}

}  // namespace

TlsMaterial::~TlsMaterial() { wipe(key); }

Result<std::shared_ptr<const TlsMaterial>> TlsMaterial::load(const TlsIdentity& files) {
  auto material = std::make_shared<TlsMaterial>();
  material->files = files;
  SEALRING_ASSIGN(material->ca, read_file(files.ca_file, kMaxPemBytes));
  if (material->has_own()) {
    SEALRING_ASSIGN(material->cert, read_file(files.cert_file, kMaxPemBytes));
    SEALRING_ASSIGN(material->key, read_secret_file(files.key_file, kMaxPemBytes));
  }
  SEALRING_TRY(read_chain(material->ca, files.ca_file, "is not a CA certificate"));
  if (material->has_own()) SEALRING_TRY(check_pair(material->cert, files.cert_file, material->key, files.key_file));
  return std::shared_ptr<const TlsMaterial>(std::move(material));
}

Result<std::unique_ptr<TlsFiles>> TlsFiles::open(const TlsIdentity& files, OwnCertificate own) {
  const bool none = files.cert_file.empty() && files.key_file.empty();
  if (none && own == OwnCertificate::required) return reject_error("TLS: no certificate and key of our own are named");
  std::string stamp = stamp_of(files);  // before reading: a change in between is seen as one later
  Result<std::shared_ptr<const TlsMaterial>> material = TlsMaterial::load(files);
  // Whatever kept a file from being read, the configuration has to be looked at.
  if (!material.ok()) return reject_error("TLS: " + material.error().message);
  return std::unique_ptr<TlsFiles>(new TlsFiles(std::move(material).value(), std::move(stamp)));
}

std::shared_ptr<const TlsMaterial> TlsFiles::current() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::string stamp = stamp_of(material_->files);
  if (stamp == stamp_) return material_;  // empty when one is gone: that is told once, too
  stamp_ = std::move(stamp);
  Result<std::shared_ptr<const TlsMaterial>> renewed = TlsMaterial::load(material_->files);
  if (renewed.ok()) {
    material_ = std::move(renewed).value();
  } else {
    diag(DiagLevel::warning, "TLS files changed but cannot be used, going on with the old: " + renewed.error().message);
  }
  return material_;
}

}  // namespace sealring
