#include "drivers/tls_names.h"

#include <arpa/inet.h>
#include <mbedtls/error.h>
#include <mbedtls/x509_crt.h>

#include <algorithm>
#include <ctime>

namespace sealring {

namespace {

constexpr unsigned char kSanUri = 0x86;  // GeneralName: context tag 6
constexpr unsigned char kSanDns = 0x82;
constexpr unsigned char kSanIp = 0x87;

// The alternative names of one kind, by their tag, as they stand. mbedTLS 2.28 interprets few kinds but lists all raw.
std::vector<std::string> alternative_names(const mbedtls_x509_crt& crt, unsigned char tag) {
  std::vector<std::string> names;
  for (const mbedtls_x509_sequence* s = &crt.subject_alt_names; s != nullptr; s = s->next) {
    if (s->buf.p == nullptr || s->buf.tag != tag) continue;
    names.emplace_back(reinterpret_cast<const char*>(s->buf.p), s->buf.len);
  }
  return names;
}

std::string address_words(const std::string& raw) {
  char words[INET6_ADDRSTRLEN];
  int family = raw.size() == 4 ? AF_INET : AF_INET6;
  if ((raw.size() != 4 && raw.size() != 16) || inet_ntop(family, raw.data(), words, sizeof words) == nullptr)
    return "?";
  return words;
}

}  // namespace

std::string mbedtls_words(int code) {
  char words[160];
  mbedtls_strerror(code, words, sizeof words);
  return words;
}

std::string subject_of(const mbedtls_x509_crt& crt) {
  char name[512];
  int n = mbedtls_x509_dn_gets(name, sizeof name, &crt.subject);
  return n < 0 ? "(a name that cannot be shown)" : std::string(name, static_cast<std::size_t>(n));
}

std::string issuer_of(const mbedtls_x509_crt& crt) {
  char name[512];
  int n = mbedtls_x509_dn_gets(name, sizeof name, &crt.issuer);
  return n < 0 ? "(a name that cannot be shown)" : std::string(name, static_cast<std::size_t>(n));
}

std::string time_words(const mbedtls_x509_time& t) {
  char words[80];
  std::snprintf(words, sizeof words, "%04d-%02d-%02d %02d:%02d:%02d UTC", t.year, t.mon, t.day, t.hour, t.min, t.sec);
  return words;
}

std::string now_words() {
  std::time_t now = std::time(nullptr);
  std::tm t{};
  gmtime_r(&now, &t);
  char words[40];
  std::strftime(words, sizeof words, "%Y-%m-%d %H:%M:%S UTC", &t);
  return words;
}

// URIs are printable ASCII; one with a NUL or a control character in it must not be equal to anything.
std::vector<std::string> uris_of(const mbedtls_x509_crt& crt) {
  std::vector<std::string> uris = alternative_names(crt, kSanUri);
  auto odd = [](const std::string& uri) {
    return std::any_of(uri.begin(), uri.end(), [](char c) { return c <= 0x20 || c >= 0x7f; });
  };
  uris.erase(std::remove_if(uris.begin(), uris.end(), odd), uris.end());
  return uris;
}

// The 4 or 16 bytes of an address, empty for a name.
Bytes address_bytes(const std::string& name) {
  char raw[16];
  if (inet_pton(AF_INET, name.c_str(), raw) == 1) return Bytes(raw, 4);
  if (inet_pton(AF_INET6, name.c_str(), raw) == 1) return Bytes(raw, 16);
  return {};
}

std::string names_words(const mbedtls_x509_crt& crt) {
  std::string words;
  for (const std::string& dns : alternative_names(crt, kSanDns)) words += ", " + quoted(dns);
  for (const std::string& ip : alternative_names(crt, kSanIp)) words += ", " + address_words(ip);
  return words.empty() ? subject_of(crt) : words.substr(2);
}

std::vector<std::string> addresses_of(const mbedtls_x509_crt& crt) { return alternative_names(crt, kSanIp); }

}  // namespace sealring
