#include "crypto/sha256.h"

#include <nettle/sha2.h>

#include <new>

namespace sealring {
namespace {

void update(sha256_ctx& context, ByteView bytes) {
  sha256_update(&context, bytes.size(), reinterpret_cast<const std::uint8_t*>(bytes.data()));
}

}  // namespace

Hash sha256(ByteView bytes) { return sha256({bytes}); }

Hash sha256(std::initializer_list<ByteView> pieces) {
  sha256_ctx context;
  sha256_init(&context);
  for (const ByteView piece : pieces) update(context, piece);
  Hash hash;
  sha256_digest(&context, hash.size(), hash.data());
  return hash;
}

static_assert(sizeof(sha256_ctx) <= sizeof(Sha256) && alignof(sha256_ctx) <= alignof(Sha256));

Sha256::Sha256() { sha256_init(new (context_) sha256_ctx); }

void Sha256::update(ByteView bytes) { sealring::update(*std::launder(reinterpret_cast<sha256_ctx*>(context_)), bytes); }

Hash Sha256::finish() {
  Hash hash;
  sha256_digest(std::launder(reinterpret_cast<sha256_ctx*>(context_)), hash.size(), hash.data());
  return hash;
}

}  // namespace sealring
