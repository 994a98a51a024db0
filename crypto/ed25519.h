// Ed25519 (RFC 8032) by libsodium, whose verification rule is the one strict rule of the project. Nothing else includes
// libsodium or verifies a signature of the log; what TLS does with certificates is TLS' matter.
//
// A signature (R, S) over M holds under A when S < L, R and A are the canonical spellings of points, neither is of
// small order, and S B = R + k A, without the cofactor. tests/vectors/make_ed25519_vectors.py has a case for each.
//
// A key is taken in, as a vkey, from a token or by an entry, only when it is a point as key generation makes them: the
// canonical spelling of one of prime order. Under most others no signature ever holds. The keys of mixed order that the
// rule for signatures lets pass are refused as well: verifiers with and without the cofactor contradict each other
// about what such a key has signed, and nobody has one by accident.
#pragma once

#include <memory>

#include "crypto/bytes.h"

namespace sealring {

bool ed25519_verify(const PublicKey& key, ByteView message, const Signature& signature);
bool is_ed25519_key(const PublicKey& key);

// `n` bytes from the operating system's generator; never fails (aborts where the system has none).
Bytes random_bytes(std::size_t n);
// Overwrites secrets in a way the compiler may not remove.
void wipe(Bytes& secret);

// Whoever can sign: a software key, or one on a PKCS#11 token. One thread at a time.
class Signer {
 public:
  virtual ~Signer() = default;
  virtual const PublicKey& public_key() const = 0;
  // retry: the token is away; fatal: it answered with something that its own public key does not verify.
  virtual Result<Signature> sign(ByteView message) = 0;
  // The sign() under way, if it waits for something, and all later ones answer soon. Any thread.
  virtual void stop() {}
};

// A key in this process' memory: locked (never swapped, left out of core dumps) and wiped at destruction.
class SoftwareSigner final : public Signer {
 public:
  static Result<std::unique_ptr<SoftwareSigner>> generate();
  // From the 32-byte seed of RFC 8032; the caller wipes its own copy.
  static Result<std::unique_ptr<SoftwareSigner>> from_seed(ByteView seed);
  ~SoftwareSigner() override;
  SoftwareSigner(const SoftwareSigner&) = delete;
  SoftwareSigner& operator=(const SoftwareSigner&) = delete;

  const PublicKey& public_key() const override { return public_key_; }
  Result<Signature> sign(ByteView message) override;
  // The seed, for writing it to a key file. The caller wipes it.
  Bytes seed() const;

 private:
  explicit SoftwareSigner(unsigned char* secret);
  unsigned char* secret_;  // 64 bytes by sodium_malloc
  PublicKey public_key_;
};

}  // namespace sealring
