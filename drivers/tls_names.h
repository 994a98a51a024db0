// mbedTLS in words: its errors, and what stands in a certificate. Internal to drivers/.
#pragma once

#include <string>
#include <vector>

#include "crypto/bytes.h"

struct mbedtls_x509_crt;
struct mbedtls_x509_time;

namespace sealring {

std::string mbedtls_words(int code);  // of an error
std::string subject_of(const mbedtls_x509_crt& crt);
std::string issuer_of(const mbedtls_x509_crt& crt);
std::string time_words(const mbedtls_x509_time& t);
std::string now_words();                               // our clock
std::string names_words(const mbedtls_x509_crt& crt);  // all that it is for
std::vector<std::string> uris_of(const mbedtls_x509_crt& crt);
std::vector<std::string> addresses_of(const mbedtls_x509_crt& crt);  // as address_bytes()
Bytes address_bytes(const std::string& name);                        // the 4 or 16 bytes; empty for a name

}  // namespace sealring
