#include "drivers/certificate.h"

#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#include <ctime>

#include "crypto/ed25519.h"
#include "drivers/file.h"
#include "drivers/tls_names.h"
#include "drivers/tls_pem.h"

namespace sealring {
namespace {

constexpr std::size_t kMaxPemBytes = 1u << 20;

std::int64_t unix_time(const mbedtls_x509_time& t) {
  std::tm out{};
  out.tm_year = t.year - 1900;
  out.tm_mon = t.mon - 1;
  out.tm_mday = t.day;
  out.tm_hour = t.hour;
  out.tm_min = t.min;
  out.tm_sec = t.sec;
  return ::timegm(&out);
}

bool is_authority(const mbedtls_x509_crt& crt) {
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  return mbedtls_x509_crt_get_ca_istrue(&crt) == 1;
#else
  return crt.ca_istrue != 0;
#endif
}

}  // namespace

Result<std::vector<CertificateFacts>> read_certificates(const std::string& path) {
  SEALRING_ASSIGN(const Bytes pem, read_file(path, kMaxPemBytes));
  SEALRING_ASSIGN(const CertificateChain chain, read_chain(pem, path, "has no certificate"));
  std::vector<CertificateFacts> out;
  for (const mbedtls_x509_crt* crt = chain.get(); crt != nullptr && crt->raw.p != nullptr; crt = crt->next) {
    out.push_back(
        {subject_of(*crt), issuer_of(*crt), unix_time(crt->valid_from), unix_time(crt->valid_to), is_authority(*crt)});
  }
  return out;
}

Status check_certificate_key(const std::string& cert_path, const std::string& key_path) {
  SEALRING_ASSIGN(const Bytes cert, read_file(cert_path, kMaxPemBytes));
  SEALRING_ASSIGN(Bytes key, read_secret_file(key_path, kMaxPemBytes));
  Status status = check_pair(cert, cert_path, key, key_path);
  wipe(key);
  return status;
}

}  // namespace sealring
