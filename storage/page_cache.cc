#include "storage/page_cache.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "storage/disk_error.h"

namespace sealring {
namespace {

constexpr std::size_t kCachePage = 4096;    // a multiple of every sector that direct access wants
constexpr std::size_t kWindow = 16u << 20;  // mapped at a time: a 32-bit process has no room for a whole ring
constexpr std::size_t kDirectBytes = 64 * kCachePage;  // compared at a time

class File {
 public:
  File(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

struct Freed {
  void operator()(void* memory) const { std::free(memory); }
};
using Aligned = std::unique_ptr<char, Freed>;

// The pages of [at, at + size) that are in the cache.
Result<std::vector<unsigned char>> cached_pages(int fd, const std::string& path, std::uint64_t at, std::size_t size) {
  void* const map = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(at));
  if (map == MAP_FAILED) return disk_error(path + ": mmap", errno);
  std::vector<unsigned char> pages((size + kCachePage - 1) / kCachePage);
  const int rc = ::mincore(map, size, pages.data());
  const int error = errno;
  ::munmap(map, size);
  if (rc != 0) return disk_error(path + ": mincore", error);
  return pages;
}

Status read_fully(int fd, const std::string& path, char* to, std::size_t size, std::uint64_t at) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t n = ::pread(fd, to + done, size - done, static_cast<off_t>(at + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return disk_error(path + ": read", errno);
    if (n == 0) return unknown_error(path + ": became shorter while it was read");
    done += static_cast<std::size_t>(n);
  }
  return {};
}

Status write_fully(int fd, const std::string& path, const char* from, std::size_t size, std::uint64_t at) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t n = ::pwrite(fd, from + done, size - done, static_cast<off_t>(at + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return disk_error(path + ": write", n == 0 ? EIO : errno);
    done += static_cast<std::size_t>(n);
  }
  return {};
}

// A direct write takes the pages out of the cache, mapped or not.
Status compare(int cached, int direct, const std::string& path, std::uint64_t at, std::size_t size) {
  const Aligned disk(static_cast<char*>(std::aligned_alloc(kCachePage, size))),
      cache(static_cast<char*>(std::aligned_alloc(kCachePage, size)));
  if (!disk || !cache) return disk_error(path, ENOMEM);
  for (int attempt = 0; attempt < 2; ++attempt) {
    SEALRING_TRY(read_fully(direct, path, disk.get(), size, at));
    SEALRING_TRY(read_fully(cached, path, cache.get(), size, at));
    if (std::memcmp(disk.get(), cache.get(), size) == 0) return {};
    if (attempt == 0) SEALRING_TRY(write_fully(direct, path, disk.get(), size, at));
  }
  return unknown_error(path + ": the page cache shows other bytes than the disk has, from offset " +
                       std::to_string(at) + " on");
}

bool is_tmpfs(int fd) {
  struct statfs system {};
  return ::fstatfs(fd, &system) == 0 && system.f_type == TMPFS_MAGIC;
}

Status open_synced(const File& file, const std::string& path) {
  if (file.fd() < 0 && errno == ENOENT) return Error{ErrorKind::missing, path + ": is not there"};
  if (file.fd() < 0) return disk_error(path + ": open", errno);
  int rc = 0;
  while ((rc = ::fdatasync(file.fd())) != 0 && errno == EINTR) continue;
  return rc == 0 ? Status() : Status(disk_error(path + ": fdatasync", errno));
}

}  // namespace

Status forget_page_cache(const std::string& path) {
  const File file(path, O_RDWR);
  SEALRING_TRY(open_synced(file, path));
  ::posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED);
  if (is_tmpfs(file.fd())) return {};  // the cache is all there is
  struct stat st {};
  if (::fstat(file.fd(), &st) != 0) return disk_error(path + ": stat", errno);
  // Whole pages: what a cut file has besides is for whoever judges its length.
  const std::uint64_t size = static_cast<std::uint64_t>(st.st_size) / kCachePage * kCachePage;
  const File direct(path, O_RDWR | O_DIRECT);
  if (direct.fd() < 0) return errno == EINVAL ? Status() : Status(disk_error(path + ": open", errno));
  for (std::uint64_t at = 0; at < size; at += kWindow) {
    const auto window = static_cast<std::size_t>(std::min<std::uint64_t>(kWindow, size - at));
    SEALRING_ASSIGN(const auto pages, cached_pages(file.fd(), path, at, window));
    for (std::size_t i = 0; i < pages.size();) {
      std::size_t end = i;
      while (end < pages.size() && (pages[end] & 1) != 0 && (end - i) * kCachePage < kDirectBytes) ++end;
      if (end > i) SEALRING_TRY(compare(file.fd(), direct.fd(), path, at + i * kCachePage, (end - i) * kCachePage));
      i = std::max(end, i + 1);
    }
  }
  return {};
}

}  // namespace sealring
