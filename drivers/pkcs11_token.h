// A session with one token: logging in, finding an Ed25519 key, signing, making a key. One thread, and calls may hang
// for as long as the library does; Pkcs11Signer keeps both away from whoever signs.
//
// Of a key pair the private half signs and tells nothing; the public half is an object beside it, with the same CKA_ID
// or else the same CKA_LABEL, whose CKA_EC_POINT some tokens wrap in DER and some do not.
#pragma once

#include <optional>

#include "drivers/pkcs11_library.h"

namespace sealring {

// What a library lists of an Ed25519 key.
struct Pkcs11Key {
  Pkcs11Library::Token token;
  std::string label;
  Bytes id;
  std::optional<PublicKey> key;  // none: the public half is not there
  std::string trouble;           // why not, where it is there and cannot be read
  bool is_private = false;       // the private half was seen, which takes a pin with most tokens
};

class Pkcs11Token {
 public:
  // Loads the library, finds the token, opens a session. Errors as Pkcs11Library.
  static Result<std::unique_ptr<Pkcs11Token>> open(const Pkcs11Uri& uri, bool write = false);
  ~Pkcs11Token();  // closes the session and finalises the library
  Pkcs11Token(const Pkcs11Token&) = delete;
  Pkcs11Token& operator=(const Pkcs11Token&) = delete;

  bool wants_pin() const;                                  // private keys cannot be seen without
  bool wants_pin_each_time() const { return each_time_; }  // the key that was taken: CKA_ALWAYS_AUTHENTICATE
  // `refused`: the token judged the pin and did not like it; offering it again would bring the token's lock nearer.
  // Nothing is tried at all, reject, where the token says that it is locked or has one try left.
  Status login(ByteView pin, bool& refused);

  // The public half of the one key pair that fits the URI. missing: none (before login() it may be hidden); reject:
  // several, or not an Ed25519 key.
  Result<PublicKey> public_key() const;
  // Takes the one private key that fits for sign(). `expected`: what its public half must be, where that can be seen.
  // missing, reject: as above, or another key.
  Status take_key(const PublicKey& expected);
  // By the key taken; not verified here.
  // The pin is for a key that wants it each time, and for no other; `refused` as in login().
  Result<Signature> sign(ByteView message, ByteView pin, bool& refused) const;
  // Makes a key pair that cannot leave the token, with the URI's object as label and its id (random without one).
  // reject: the token has an object with that label or id. Needs write and login.
  Result<Pkcs11Key> generate();
  // The Ed25519 keys of this token that can be seen and fit the URI.
  Result<std::vector<Pkcs11Key>> keys() const;

 private:
  explicit Pkcs11Token(const Pkcs11Uri& uri) : uri_(uri) {}
  struct Attributes;
  Result<std::vector<unsigned long>> find(Attributes wanted) const;
  Result<Bytes> attribute(unsigned long object, unsigned long type) const;
  Result<PublicKey> point(unsigned long object) const;
  Attributes of_uri(unsigned long object_class, bool ed25519) const;
  Error none(const char* half) const;
  Status check_public(unsigned long private_key, const PublicKey& expected) const;
  Status check_mechanism(unsigned long mechanism) const;
  Status authenticate(unsigned long user, ByteView pin, bool& refused) const;

  const Pkcs11Uri uri_;
  std::unique_ptr<Pkcs11Library> library_;
  Pkcs11Library::Token token_;
  unsigned long session_ = 0, key_ = 0;
  bool each_time_ = false;
};

// The 32 bytes of a CKA_EC_POINT: raw, or as a DER OCTET STRING. reject: anything else.
Result<PublicKey> decode_ec_point(ByteView value);

}  // namespace sealring
