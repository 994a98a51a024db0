#include "crypto/sha256.h"

#include <nettle/sha2.h>

#include <new>
#include <type_traits>

namespace sealring {
namespace {

static_assert(std::is_trivially_copyable_v<sha256_ctx> && std::is_trivially_destructible_v<sha256_ctx>,
              "Sha256 is copied and dropped without asking nettle");

void update(sha256_ctx& context, ByteView bytes) {
  sha256_update(&context, bytes.size(), reinterpret_cast<const std::uint8_t*>(bytes.data()));
}

Hash digest(sha256_ctx& context) {
  Hash hash;
  sha256_digest(&context, hash.size(), hash.data());  // also starts anew
  return hash;
}

}  // namespace

Hash sha256(ByteView bytes) { return sha256({bytes}); }

Hash sha256(std::initializer_list<ByteView> pieces) {
  sha256_ctx context;
  sha256_init(&context);
  for (const ByteView piece : pieces) update(context, piece);
  return digest(context);
}

Sha256::Sha256() {
  static_assert(sizeof(sha256_ctx) <= sizeof(context_) && alignof(sha256_ctx) <= 8);
  sha256_init(new (context_) sha256_ctx);
}

void Sha256::update(ByteView bytes) { sealring::update(*std::launder(reinterpret_cast<sha256_ctx*>(context_)), bytes); }

Hash Sha256::finish() { return digest(*std::launder(reinterpret_cast<sha256_ctx*>(context_))); }

}  // namespace sealring
