// The tap: sees every change that this process makes to the files below one folder, in order. A shared library that
// comes before libc, by linking or by LD_PRELOAD, and wraps the calls that change files.
//
// Two uses. Recording: each change becomes an event in a trace, with the program's own marks (what it has promised so
// far) in between. Watching: the byte ranges that were changed are noted in a table in shared memory, so that they can
// be restored.
//
// What it does not see: writes through a shared memory map (it says that there is one), sendfile and the like, and a
// process that was executed anew. Paths must be absolute.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sealring::torture {

enum class EventType : std::uint32_t {
  create,      // path; a = mode
  mkdir,       // path; a = mode
  write,       // a = offset, bytes; b = 1: they are zeros, as many as `a2` says, and not in the trace
  resize,      // a = size
  sync,        // a = 1: everything of the file (fsync); 0: without the mode (fdatasync)
  sync_range,  // a = offset, a2 = length: what a write through O_DSYNC does
  rename,      // two paths, the first ended by a zero byte; a = flags of renameat2
  unlink,      // path
  rmdir,       // path
  link,        // two paths
  chmod,       // a = mode
  mapped,      // the file may be written through a memory map
  mark,        // a = kind, bytes
};

struct EventHeader {
  std::uint32_t type = 0;
  std::uint32_t bytes = 0;  // that follow
  std::uint64_t ino = 0;
  std::uint64_t a = 0, b = 0, a2 = 0;
};

struct DirtyRange {
  std::uint64_t ino, offset, length;  // length ~0: the whole file
};
struct DirtyTable {
  static constexpr std::size_t kRanges = 1u << 16;
  std::atomic<std::uint64_t> count;  // may be above kRanges: then it is not complete
  DirtyRange ranges[kRanges];
};

}  // namespace sealring::torture

extern "C" {
// Events of changes below `root` go to `fd`. With `files` false, only marks do.
void sealring_tap_record(const char* root, int fd, bool files);
void sealring_tap_watch(const char* root, sealring::torture::DirtyTable* table);
void sealring_tap_stop();
void sealring_tap_emit(const sealring::torture::EventHeader* header, const void* bytes);
}
