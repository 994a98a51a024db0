// What a certificate file says, for people who want to know before it matters. Verification is TLS's own business.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "crypto/bytes.h"

namespace sealring {

struct CertificateFacts {
  std::string subject, issuer;
  std::int64_t not_before = 0, not_after = 0;  // seconds since 1970
  bool authority = false;                      // may sign others
};

// All of a PEM file, in its order. missing, retry: as read_file(); reject: not certificates in PEM.
Result<std::vector<CertificateFacts>> read_certificates(const std::string& path);
// The private key belongs to the first certificate; permissions as for key files. Otherwise reject, with words.
Status check_certificate_key(const std::string& cert_path, const std::string& key_path);

}  // namespace sealring
