// What an errno of the file system means for the store, in one place.
//
// Two classes. `retry`: the system said no before anything was done, and says yes some time (no space, read-only, no
// memory, no permission): the call may be made again, and nobody needs to end for it. `unknown`: everything else, EIO
// above all. After a failed write or sync nobody knows what is on the disk, and the page cache does not tell: Linux
// marks the pages clean and goes on showing them. So the process ends, and the next start looks at the disk
// (page_cache.h). "Damaged" is neither: that is for bytes that were read and are wrong.
#pragma once

#include <string>

#include "crypto/result.h"

namespace sealring {

ErrorKind disk_error_kind(int error);
// "WHAT: WORDS"
Error disk_error(const std::string& what, int error);

}  // namespace sealring
