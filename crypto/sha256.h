// SHA-256 by nettle (SHA-NI and ARMv8 instructions in Debian's build). Nothing else in the project includes nettle.
#pragma once

#include <initializer_list>

#include "crypto/bytes.h"

namespace sealring {

Hash sha256(ByteView bytes);
// Of the concatenation; no copy is made.
Hash sha256(std::initializer_list<ByteView> pieces);

// Of input that comes in pieces and need not fit into memory. One thread.
class Sha256 {
 public:
  Sha256();
  void update(ByteView bytes);
  Hash finish();  // of all so far; starts anew

 private:
  alignas(8) unsigned char context_[128];  // nettle's sha256_ctx
};

}  // namespace sealring
