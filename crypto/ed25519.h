// Ed25519 (RFC 8032) by libsodium, whose verification rule is the one strict rule of the project: no small-order or
// non-canonical point, no unreduced scalar. Nothing else includes libsodium.
#pragma once

#include <memory>

#include "crypto/bytes.h"

namespace sealring {

bool ed25519_verify(const PublicKey& key, ByteView message, const Signature& signature);

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
