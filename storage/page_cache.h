// That what is read from a file is what the disk has, not what the page cache remembers.
//
// After a failed fsync Linux keeps the pages, marks them clean and shows them to everybody until they are evicted: a
// process that starts then reads bytes that no disk has, and the next power cut takes them away. So each start,
// whatever ended the one before, forgets the cache of journal and ring before it reads them. (A mark of an unclean end
// would have to be written to the disk that fails.)
#pragma once

#include <string>

#include "crypto/result.h"

namespace sealring {

// Syncs what is still to be written; drops what is cached; what cannot be dropped, because another process has it
// mapped, is compared with the disk and where it differs replaced by what is there. Where the file system has no direct
// access (tmpfs, which has no disk either) only the first two are done. Nobody may write to the file meanwhile.
//
// missing: no such file. unknown: an I/O error. retry: see disk_error.h.
Status forget_page_cache(const std::string& path);

}  // namespace sealring
