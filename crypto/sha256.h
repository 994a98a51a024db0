// SHA-256 by nettle (SHA-NI and ARMv8 instructions in Debian's build). Nothing else in the project includes nettle.
#pragma once

#include <initializer_list>

#include "crypto/bytes.h"

namespace sealring {

Hash sha256(ByteView bytes);
// Of the concatenation; no copy is made.
Hash sha256(std::initializer_list<ByteView> pieces);

}  // namespace sealring
