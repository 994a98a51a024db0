// PKCS#11 URIs (RFC 7512): which key on which token, and the library that reaches it.
//
//     pkcs11:token=gateway;object=identity?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/token.pin
//
// Read strictly: an attribute that is not known here, or would not be compared, is refused, since a key that is looked
// for by less than was asked for may be another one. Slots change their numbers, so a token is named by label, serial,
// manufacturer or model. A pin stands in no URI: `pin-value` is refused without repeating it.
#pragma once

#include "crypto/bytes.h"

namespace sealring {

constexpr std::string_view kPkcs11Scheme = "pkcs11:";
inline bool is_pkcs11_uri(std::string_view text) { return text.substr(0, kPkcs11Scheme.size()) == kPkcs11Scheme; }

struct Pkcs11Uri {
  // Decoded; an empty one was not given, and fits everything.
  std::string token, serial, manufacturer, model;  // of the token
  std::string object;                              // CKA_LABEL, UTF-8
  Bytes id;                                        // CKA_ID, any bytes
  std::string module_path;                         // never empty, absolute
  std::string pin_source;                          // an absolute path, or "credential:NAME"; may be empty

  // Syntax alone. Errors say at which character. reject.
  static Result<Pkcs11Uri> parse(std::string_view uri);
  // Names a token and an object on it: what a key that signs needs. reject.
  Status check_names_key() const;
  // Names a token. reject.
  Status check_names_token() const;

  std::string token_words() const;  // `token "gateway" serial "12"`
  std::string words() const;        // `key "identity" id 01 of token "gateway"`
  std::string encode() const;       // a URI again, with all that is set
};

}  // namespace sealring
