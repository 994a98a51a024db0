#include "drivers/allocator.h"

#include <malloc.h>

namespace sealring {

void return_large_blocks() {
  constexpr int kLarge = 256 * 1024;  // above the chunks of the HTTP and TLS layers, far below a segment
  ::mallopt(M_MMAP_THRESHOLD, kLarge);
}

}  // namespace sealring
