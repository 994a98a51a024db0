#include "drivers/certificate.h"

#include <mbedtls/error.h>
#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif

#include <ctime>

#include "crypto/ed25519.h"
#include "drivers/file.h"

namespace sealring {
namespace {

constexpr std::size_t kMaxPemBytes = 1u << 20;

// A context of mbedTLS that frees itself.
template <class Context, void (*Init)(Context*), void (*Free)(Context*)>
struct Held : Context {
  Held() { Init(this); }
  ~Held() { Free(this); }
  Held(const Held&) = delete;
};
using CertificateChain = Held<mbedtls_x509_crt, mbedtls_x509_crt_init, mbedtls_x509_crt_free>;
using KeyContext = Held<mbedtls_pk_context, mbedtls_pk_init, mbedtls_pk_free>;

std::string error_words(int code) {
  char words[160];
  mbedtls_strerror(code, words, sizeof words);
  return words;
}

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
int system_random(void*, unsigned char* to, std::size_t count) {
  Bytes bytes = random_bytes(count);
  std::memcpy(to, bytes.data(), count);
  wipe(bytes);
  return 0;
}
#endif

std::string name_words(const mbedtls_x509_name& name) {
  char words[512];
  const int n = mbedtls_x509_dn_gets(words, sizeof words, &name);
  return n < 0 ? "(a name that cannot be shown)" : std::string(words, static_cast<std::size_t>(n));
}

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

Status parse(CertificateChain& chain, const std::string& path) {
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  static const psa_status_t started = psa_crypto_init();
  SEALRING_ASSERT(started == PSA_SUCCESS);
#endif
  SEALRING_ASSIGN(const Bytes pem, read_file(path, kMaxPemBytes));
  // The terminating zero belongs to a PEM text.
  const int code = mbedtls_x509_crt_parse(&chain, reinterpret_cast<const unsigned char*>(pem.c_str()), pem.size() + 1);
  if (code < 0) return reject_error(path + " has no certificate in PEM: " + error_words(code));
  if (code > 0) return reject_error(path + ": " + std::to_string(code) + " of its certificates cannot be read");
  return {};
}

}  // namespace

Result<std::vector<CertificateFacts>> read_certificates(const std::string& path) {
  CertificateChain chain;
  SEALRING_TRY(parse(chain, path));
  std::vector<CertificateFacts> out;
  for (const mbedtls_x509_crt* crt = &chain; crt != nullptr && crt->raw.p != nullptr; crt = crt->next) {
    out.push_back({name_words(crt->subject), name_words(crt->issuer), unix_time(crt->valid_from),
                   unix_time(crt->valid_to), is_authority(*crt)});
  }
  return out;
}

Status check_certificate_key(const std::string& cert_path, const std::string& key_path) {
  CertificateChain chain;
  SEALRING_TRY(parse(chain, cert_path));
  SEALRING_ASSIGN(Bytes pem, read_secret_file(key_path, kMaxPemBytes));
  KeyContext key;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  const int code = mbedtls_pk_parse_key(&key, reinterpret_cast<const unsigned char*>(pem.c_str()), pem.size() + 1,
                                        nullptr, 0, system_random, nullptr);
#else
  const int code =
      mbedtls_pk_parse_key(&key, reinterpret_cast<const unsigned char*>(pem.c_str()), pem.size() + 1, nullptr, 0);
#endif
  wipe(pem);
  if (code == MBEDTLS_ERR_PK_PASSWORD_REQUIRED)
    return reject_error(key_path + " is encrypted; a daemon needs it without a password, mode 0600");
  if (code != 0) return reject_error(key_path + " is not a private key in PEM: " + error_words(code));
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  const int pair = mbedtls_pk_check_pair(&chain.pk, &key, system_random, nullptr);
#else
  const int pair = mbedtls_pk_check_pair(&chain.pk, &key);
#endif
  if (pair != 0)
    return reject_error("the private key " + key_path + " does not belong to the certificate " + cert_path);
  return {};
}

}  // namespace sealring
