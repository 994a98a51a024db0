#include "crypto/ed25519.h"

#include <sodium.h>

#include <new>

namespace sealring {
namespace {

static_assert(crypto_sign_ed25519_PUBLICKEYBYTES == sizeof(PublicKey));
static_assert(crypto_sign_ed25519_BYTES == sizeof(Signature));
constexpr std::size_t kSecretBytes = crypto_sign_ed25519_SECRETKEYBYTES;  // seed || public key
constexpr std::size_t kSeedBytes = crypto_sign_ed25519_SEEDBYTES;
static_assert(kSecretBytes == 64 && kSeedBytes == 32);

const unsigned char* octets(ByteView v) { return reinterpret_cast<const unsigned char*>(v.data()); }

void need_sodium() {
  static const bool ready = sodium_init() >= 0;  // C++11: once, whichever thread comes first
  SEALRING_ASSERT(ready);
}

// sodium_malloc only tries to lock and says nothing when it may not, so ask once more.
Result<unsigned char*> secret_memory() {
  need_sodium();
  auto* secret = static_cast<unsigned char*>(sodium_malloc(kSecretBytes));
  if (secret == nullptr) throw std::bad_alloc();
  if (sodium_mlock(secret, kSecretBytes) != 0) {
    sodium_free(secret);
    return fatal_error("cannot lock memory for a signing key; raise the limit on locked memory (RLIMIT_MEMLOCK)");
  }
  return secret;
}

}  // namespace

bool ed25519_verify(const PublicKey& key, ByteView message, const Signature& signature) {
  need_sodium();
  return crypto_sign_ed25519_verify_detached(signature.data(), octets(message), message.size(), key.data()) == 0;
}

// Before Debian's 1.0.18-1+deb12u1 (CVE-2025-69277) libsodium let a key pass to which the point of order 2 was added;
// the vectors notice.
bool is_ed25519_key(const PublicKey& key) {
  need_sodium();
  return crypto_core_ed25519_is_valid_point(key.data()) == 1;
}

Bytes random_bytes(std::size_t n) {
  need_sodium();
  Bytes bytes(n, '\0');
  randombytes_buf(bytes.data(), n);
  return bytes;
}

void wipe(Bytes& secret) {
  secret.resize(secret.capacity());  // a longer secret may have been in it; never reallocates
  sodium_memzero(secret.data(), secret.size());
  secret.clear();
}

SoftwareSigner::SoftwareSigner(unsigned char* secret) : secret_(secret) {
  std::memcpy(public_key_.data(), secret + kSeedBytes, public_key_.size());
  // Nothing may write it any more. It is not hidden from reads as well: that would cost two system calls a signature.
  sodium_mprotect_readonly(secret_);
}

SoftwareSigner::~SoftwareSigner() { sodium_free(secret_); }  // wipes and unlocks

Result<std::unique_ptr<SoftwareSigner>> SoftwareSigner::generate() {
  SEALRING_ASSIGN(unsigned char* const secret, secret_memory());
  PublicKey key;
  crypto_sign_ed25519_keypair(key.data(), secret);
  return std::unique_ptr<SoftwareSigner>(new SoftwareSigner(secret));
}

Result<std::unique_ptr<SoftwareSigner>> SoftwareSigner::from_seed(ByteView seed) {
  if (seed.size() != kSeedBytes) {
    return reject_error("seed of an Ed25519 key has " + std::to_string(seed.size()) + " bytes, must have 32");
  }
  SEALRING_ASSIGN(unsigned char* const secret, secret_memory());
  PublicKey key;
  crypto_sign_ed25519_seed_keypair(key.data(), secret, octets(seed));
  return std::unique_ptr<SoftwareSigner>(new SoftwareSigner(secret));
}

Result<Signature> SoftwareSigner::sign(ByteView message) {
  Signature signature;
  crypto_sign_ed25519_detached(signature.data(), nullptr, octets(message), message.size(), secret_);
  return signature;
}

Bytes SoftwareSigner::seed() const { return Bytes(reinterpret_cast<const char*>(secret_), kSeedBytes); }

}  // namespace sealring
