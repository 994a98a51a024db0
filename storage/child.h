// A process of its own for what may kill the one that does it: reading a damaged memory map.
#pragma once

#include <functional>

#include "crypto/result.h"

namespace sealring {

// Runs `work` in a child process and gives its outcome. `work` sees this process as it is; what it changes in memory is
// lost. The child writes no core file and nothing to stderr, and ends with its parent. fatal: it was killed by a
// signal, or did not come to an end in ten minutes. retry: no process can be made.
//
// Only the calling thread goes on in the child: no other may hold a lock that `work` needs.
Status in_child(const std::function<Status()>& work);

}  // namespace sealring
