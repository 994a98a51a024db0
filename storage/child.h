// A process of its own for what may kill the one that does it: reading a damaged memory map.
#pragma once

#include <functional>

#include "crypto/result.h"

namespace sealring {

// Runs `work` in a child process and gives its outcome. `work` sees this process as it is; what it changes in memory is
// lost. The child writes no core file and nothing to stderr, and ends with its parent. fatal: it was killed by a
// signal, or did not come to an end within `seconds`. retry: no process can be made.
//
// By fork() and no exec(), so only the calling thread goes on in the child. A start does it before it has threads, but
// for those of the alarm command and of a run before; the command and the tests may have others. So `work` may take
// memory, which glibc and musl keep usable across fork(), and read and write files by system calls; it may take no
// lock that another thread could hold, and must not use diag, Clock, libsodium, or anything else with a state of its
// own. All that examines a ring keeps to that.
Status in_child(const std::function<Status()>& work, unsigned seconds = 600);

}  // namespace sealring
