// How a daemon ends that cannot go on where nobody can hand an error back: in words and with an exit code of its own,
// as after any other error. A core dump or an abort says neither, and keys may be in the core.
//
// Both end at once, by write(2) and _exit(2); no destructor is run. That is as good as a kill: what was acknowledged is
// durable before it is acknowledged. Each is called by main, before there is a thread; the code may be changed later.
//
// So ends `sealring`, too, when a store shrinks under it: its commands read the ring by a map.
#pragma once

namespace sealring {

// A memory map that cannot be read: the ring is read by one, and where the disk fails, or the file was cut short under
// us, the kernel answers with SIGBUS in place of an error. There is no going on, since LMDB is in the middle of
// something. A SIGBUS of another cause, and one in a child that was forked, kills as ever.
void end_on_map_fault(int exit_code);

// No memory, in a thread that has no way to do without, ours or a library's: std::bad_alloc that nobody caught.
// `words`: what it means, a literal. Any other uncaught exception aborts as ever.
void end_without_memory(const char* words, int exit_code);

}  // namespace sealring
