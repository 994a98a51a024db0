#include "drivers/tls_pem.h"

#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif

#include "crypto/ed25519.h"
#include "drivers/tls_names.h"

namespace sealring {
namespace {

void start_mbedtls() {
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  static const psa_status_t started = psa_crypto_init();  // TLS 1.3 calls PSA
  SEALRING_ASSERT(started == PSA_SUCCESS);
#endif
}

// mbedTLS wants the terminating zero of PEM counted.
const unsigned char* pem_data(const Bytes& pem) { return reinterpret_cast<const unsigned char*>(pem.c_str()); }

}  // namespace

void FreeMbedtls::operator()(mbedtls_x509_crt* chain) const {
  mbedtls_x509_crt_free(chain);
  delete chain;
}

void FreeMbedtls::operator()(mbedtls_pk_context* key) const {
  mbedtls_pk_free(key);
  delete key;
}

CertificateChain new_chain() {
  start_mbedtls();
  CertificateChain chain(new mbedtls_x509_crt);
  mbedtls_x509_crt_init(chain.get());
  return chain;
}

PrivateKey new_key() {
  start_mbedtls();
  PrivateKey key(new mbedtls_pk_context);
  mbedtls_pk_init(key.get());
  return key;
}

int random_for_mbedtls(void*, unsigned char* to, std::size_t count) {
  Bytes bytes = random_bytes(count);
  std::memcpy(to, bytes.data(), count);
  wipe(bytes);
  return 0;
}

int parse_chain(mbedtls_x509_crt& chain, const Bytes& pem) {
  return mbedtls_x509_crt_parse(&chain, pem_data(pem), pem.size() + 1);
}

int parse_key(mbedtls_pk_context& key, const Bytes& pem) {
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  return mbedtls_pk_parse_key(&key, pem_data(pem), pem.size() + 1, nullptr, 0, random_for_mbedtls, nullptr);
#else
  return mbedtls_pk_parse_key(&key, pem_data(pem), pem.size() + 1, nullptr, 0);
#endif
}

Result<CertificateChain> read_chain(const Bytes& pem, const std::string& file, const char* flaw) {
  CertificateChain chain = new_chain();
  int code = parse_chain(*chain, pem);
  if (code > 0) return reject_error(file + ": " + std::to_string(code) + " of its certificates cannot be read");
  if (code < 0) return reject_error(file + " " + flaw + " in PEM: " + mbedtls_words(code));
  return chain;
}

Status check_pair(const Bytes& cert, const std::string& cert_file, const Bytes& key, const std::string& key_file) {
  SEALRING_ASSIGN(const CertificateChain chain, read_chain(cert, cert_file, "is not a certificate"));
  const PrivateKey private_key = new_key();
  int code = parse_key(*private_key, key);
  if (code == MBEDTLS_ERR_PK_PASSWORD_REQUIRED)
    return reject_error(key_file + " is encrypted; a daemon needs it without a password, mode 0600");
  if (code != 0) return reject_error(key_file + " is not a private key in PEM: " + mbedtls_words(code));
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  code = mbedtls_pk_check_pair(&chain->pk, private_key.get(), random_for_mbedtls, nullptr);
#else
  code = mbedtls_pk_check_pair(&chain->pk, private_key.get());
#endif
  if (code == 0) return {};
  return reject_error("the private key " + key_file + " does not belong to the certificate " + cert_file);
}

}  // namespace sealring
