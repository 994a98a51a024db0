// Certificates and private keys out of PEM texts, as mbedTLS holds them. Internal to drivers/.
#pragma once

#include <memory>
#include <string>

#include "crypto/bytes.h"

struct mbedtls_pk_context;
struct mbedtls_x509_crt;

namespace sealring {

struct FreeMbedtls {
  void operator()(mbedtls_x509_crt* chain) const;
  void operator()(mbedtls_pk_context* key) const;
};
using CertificateChain = std::unique_ptr<mbedtls_x509_crt, FreeMbedtls>;
using PrivateKey = std::unique_ptr<mbedtls_pk_context, FreeMbedtls>;
CertificateChain new_chain();  // empty. Both start mbedTLS where it has to be
PrivateKey new_key();

int random_for_mbedtls(void*, unsigned char* to, std::size_t count);  // its source of randomness
// 0, or what mbedTLS answers; above 0: so many of the certificates could not be read.
int parse_chain(mbedtls_x509_crt& chain, const Bytes& pem);
int parse_key(mbedtls_pk_context& key, const Bytes& pem);

// The certificates of `file`, whose text is `pem`. reject: "FILE <flaw> in PEM", or that some cannot be read.
Result<CertificateChain> read_chain(const Bytes& pem, const std::string& file, const char* flaw);
// The private key belongs to the first certificate. reject: names the file that does not do, and why.
Status check_pair(const Bytes& cert, const std::string& cert_file, const Bytes& key, const std::string& key_file);

}  // namespace sealring
