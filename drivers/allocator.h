// The C library's allocator, set up for a daemon on a small machine.
#pragma once

namespace sealring {

// To be called once, before there is a thread and before anything large is allocated.
//
// glibc raises the size from which it maps a block of its own each time that such a block is freed, up to 32 MiB. From
// then on the blocks of a segment's size live in each thread's heap, and each heap keeps the largest it ever had:
// 60 MiB after a backlog was uploaded, of which 5 were in use. With a fixed threshold such a block goes back to the
// system when it is freed.
void return_large_blocks();

}  // namespace sealring
