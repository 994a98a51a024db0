#include "tests/torture/tap.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace {

using sealring::torture::DirtyTable;
using sealring::torture::EventHeader;
using sealring::torture::EventType;

constexpr int kFds = 4096;
constexpr std::size_t kPathBytes = 4096;

enum class Mode { off, record, marks, watch };

struct {
  pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
  Mode mode = Mode::off;
  char root[kPathBytes] = "";
  std::size_t root_bytes = 0;
  int fd = -1;
  DirtyTable* table = nullptr;
} g_tap;

struct File {
  std::uint64_t ino = 0;  // 0: none of ours
  bool dsync = false;
};
File g_files[kFds];

class Lock {
 public:
  Lock() { pthread_mutex_lock(&g_tap.mutex); }
  ~Lock() { pthread_mutex_unlock(&g_tap.mutex); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
};

bool on() { return g_tap.mode == Mode::record || g_tap.mode == Mode::watch; }

[[noreturn]] void give_up(const char* why) {
  std::fprintf(stderr, "tap: %s: %s\n", why, std::strerror(errno));
  abort();
}

void put(const void* bytes, std::size_t n) {
  const char* at = static_cast<const char*>(bytes);
  while (n > 0) {
    const long done = syscall(SYS_write, g_tap.fd, at, n);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) give_up("cannot write the trace");
    at += done;
    n -= static_cast<std::size_t>(done);
  }
}

void emit(const EventHeader& header, const void* bytes) {
  if (g_tap.mode != Mode::record && g_tap.mode != Mode::marks) return;
  if (g_tap.mode == Mode::marks && header.type != static_cast<std::uint32_t>(EventType::mark)) return;
  put(&header, sizeof header);
  if (header.bytes > 0) put(bytes, header.bytes);
}

void emit(EventType type, std::uint64_t ino, std::uint64_t a, const char* bytes, std::size_t n) {
  EventHeader header;
  header.type = static_cast<std::uint32_t>(type);
  header.ino = ino;
  header.a = a;
  header.bytes = static_cast<std::uint32_t>(n);
  emit(header, bytes);
}

void dirty(std::uint64_t ino, std::uint64_t offset, std::uint64_t length) {
  if (g_tap.mode != Mode::watch) return;
  const std::uint64_t i = g_tap.table->count.fetch_add(1);
  if (i < DirtyTable::kRanges) g_tap.table->ranges[i] = {ino, offset, length};
}

bool is_zero(const char* bytes, std::size_t n) {
  return n >= 4096 && bytes[0] == 0 && std::memcmp(bytes, bytes + 1, n - 1) == 0;
}

void wrote(const File& file, std::uint64_t offset, const char* bytes, std::size_t n) {
  dirty(file.ino, offset, n);
  EventHeader header;
  header.type = static_cast<std::uint32_t>(EventType::write);
  header.ino = file.ino;
  header.a = offset;
  header.a2 = n;
  if (is_zero(bytes, n))
    header.b = 1;
  else
    header.bytes = static_cast<std::uint32_t>(n);
  emit(header, bytes);
  if (!file.dsync) return;
  header.type = static_cast<std::uint32_t>(EventType::sync_range);
  header.bytes = 0;
  emit(header, nullptr);
}

// The absolute path of `path` as seen from `dirfd`; false when it is not below the root.
bool below_root(int dirfd, const char* path, char (&out)[kPathBytes]) {
  if (path == nullptr) return false;
  if (path[0] == '/') {
    if (std::snprintf(out, kPathBytes, "%s", path) >= static_cast<int>(kPathBytes)) return false;
  } else {
    if (dirfd == AT_FDCWD) return false;
    char link[64], folder[kPathBytes];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
    const ssize_t n = readlink(link, folder, sizeof folder - 1);
    if (n <= 0) return false;
    folder[n] = '\0';
    if (std::strlen(folder) + std::strlen(path) + 2 > kPathBytes) return false;
    std::strcpy(out, folder);
    std::strcat(out, "/");
    std::strcat(out, path);
  }
  return std::strncmp(out, g_tap.root, g_tap.root_bytes) == 0 &&
         (out[g_tap.root_bytes] == '/' || out[g_tap.root_bytes] == '\0');
}

const char* from_root(const char* path) {
  path += g_tap.root_bytes;
  return *path == '/' ? path + 1 : path;
}

void emit_path(EventType type, std::uint64_t ino, std::uint64_t a, const char* path) {
  const char* name = from_root(path);
  emit(type, ino, a, name, std::strlen(name));
}

void emit_paths(EventType type, std::uint64_t a, const char* from, const char* to) {
  char both[2 * kPathBytes];
  const std::size_t n = std::strlen(from_root(from)) + 1;
  std::memcpy(both, from_root(from), n);
  std::strcpy(both + n, from_root(to));
  emit(type, 0, a, both, n + std::strlen(from_root(to)));
}

File file_of(int fd) { return fd >= 0 && fd < kFds && on() ? g_files[fd] : File(); }

template <class F>
F* next(const char* name) {
  void* found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) give_up(name);
  return reinterpret_cast<F*>(found);
}

#define REAL(name, type) static auto* const real = next<type>(name)

int opened(int fd, const char* path, int flags, mode_t mode, bool was_there) {
  struct stat st;
  if (fstat(fd, &st) != 0 || fd >= kFds) give_up("fstat");
  g_files[fd] = {st.st_ino, (flags & O_DSYNC) != 0};
  if (!was_there)
    emit_path(EventType::create, st.st_ino, mode & 07777, path);
  else if ((flags & O_TRUNC) != 0) {
    dirty(st.st_ino, 0, ~0ull);
    emit(EventType::resize, st.st_ino, 0, nullptr, 0);
  }
  return fd;
}

int open_at(int dirfd, const char* path, int flags, mode_t mode) {
  char full[kPathBytes];
  REAL("openat", int(int, const char*, int, ...));
  if (!on() || !below_root(dirfd, path, full)) return real(dirfd, path, flags, mode);
  Lock lock;
  struct stat st;
  const bool was_there = (flags & O_CREAT) == 0 || lstat(full, &st) == 0;
  const int fd = real(dirfd, path, flags, mode);
  return fd < 0 ? fd : opened(fd, full, flags, mode, was_there);
}

mode_t mode_of(int flags, va_list list) {
  return (flags & O_CREAT) != 0 ? static_cast<mode_t>(va_arg(list, unsigned)) : 0;
}

int sync_fd(int fd, int (*real)(int), bool all) {
  const File file = file_of(fd);
  if (file.ino == 0) return real(fd);
  Lock lock;
  const int rc = real(fd);
  if (rc == 0) emit(EventType::sync, file.ino, all ? 1 : 0, nullptr, 0);
  return rc;
}

int resize_fd(int fd, off_t size) {
  const File file = file_of(fd);
  dirty(file.ino, 0, ~0ull);
  emit(EventType::resize, file.ino, static_cast<std::uint64_t>(size), nullptr, 0);
  return 0;
}

int chmod_fd(std::uint64_t ino, mode_t mode) {
  emit(EventType::chmod, ino, mode & 07777, nullptr, 0);
  return 0;
}

int rename_at(int from_fd, const char* from, int to_fd, const char* to, unsigned flags) {
  char a[kPathBytes], b[kPathBytes];
  REAL("renameat2", int(int, const char*, int, const char*, unsigned));
  if (!on()) return real(from_fd, from, to_fd, to, flags);
  const bool below_a = below_root(from_fd, from, a), below_b = below_root(to_fd, to, b);
  if (!below_a && !below_b) return real(from_fd, from, to_fd, to, flags);
  if (below_a != below_b) give_up("a rename across the root");
  Lock lock;
  const int rc = real(from_fd, from, to_fd, to, flags);
  if (rc == 0) emit_paths(EventType::rename, flags, a, b);
  return rc;
}

}  // namespace

extern "C" {

void sealring_tap_record(const char* root, int fd, bool files) {
  Lock lock;
  std::snprintf(g_tap.root, sizeof g_tap.root, "%s", root);
  g_tap.root_bytes = std::strlen(root);
  g_tap.fd = fd;
  g_tap.mode = files ? Mode::record : Mode::marks;
}
void sealring_tap_watch(const char* root, DirtyTable* table) {
  Lock lock;
  std::snprintf(g_tap.root, sizeof g_tap.root, "%s", root);
  g_tap.root_bytes = std::strlen(root);
  g_tap.table = table;
  g_tap.mode = Mode::watch;
}
void sealring_tap_stop() {
  Lock lock;
  g_tap.mode = Mode::off;
}
void sealring_tap_emit(const EventHeader* header, const void* bytes) {
  Lock lock;
  emit(*header, bytes);
}

int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = mode_of(flags, list);
  va_end(list);
  return open_at(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = mode_of(flags, list);
  va_end(list);
  return open_at(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}
int openat(int dirfd, const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = mode_of(flags, list);
  va_end(list);
  return open_at(dirfd, path, flags, mode);
}
int openat64(int dirfd, const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = mode_of(flags, list);
  va_end(list);
  return open_at(dirfd, path, flags | O_LARGEFILE, mode);
}
int close(int fd) {
  if (fd >= 0 && fd < kFds) g_files[fd] = File();
  REAL("close", int(int));
  return real(fd);
}

ssize_t pwrite(int fd, const void* bytes, size_t n, off_t offset) {
  REAL("pwrite", ssize_t(int, const void*, size_t, off_t));
  const File file = file_of(fd);
  if (file.ino == 0) return real(fd, bytes, n, offset);
  Lock lock;
  const ssize_t done = real(fd, bytes, n, offset);
  if (done > 0)
    wrote(file, static_cast<std::uint64_t>(offset), static_cast<const char*>(bytes), static_cast<std::size_t>(done));
  return done;
}
ssize_t pwrite64(int fd, const void* bytes, size_t n, off64_t offset) { return pwrite(fd, bytes, n, offset); }
ssize_t write(int fd, const void* bytes, size_t n) {
  REAL("write", ssize_t(int, const void*, size_t));
  const File file = file_of(fd);
  if (file.ino == 0) return real(fd, bytes, n);
  Lock lock;
  const off_t offset = lseek(fd, 0, SEEK_CUR);
  const ssize_t done = real(fd, bytes, n);
  if (done > 0)
    wrote(file, static_cast<std::uint64_t>(offset), static_cast<const char*>(bytes), static_cast<std::size_t>(done));
  return done;
}
// In pieces: a short one is as good as a short answer of the system.
ssize_t pwritev(int fd, const struct iovec* iov, int count, off_t offset) {
  REAL("pwritev", ssize_t(int, const struct iovec*, int, off_t));
  if (file_of(fd).ino == 0) return real(fd, iov, count, offset);
  ssize_t total = 0;
  for (int i = 0; i < count; ++i) {
    const ssize_t done = pwrite(fd, iov[i].iov_base, iov[i].iov_len, offset + total);
    if (done < 0) return total > 0 ? total : done;
    total += done;
    if (static_cast<std::size_t>(done) < iov[i].iov_len) break;
  }
  return total;
}
ssize_t pwritev64(int fd, const struct iovec* iov, int count, off64_t offset) {
  return pwritev(fd, iov, count, offset);
}
ssize_t writev(int fd, const struct iovec* iov, int count) {
  REAL("writev", ssize_t(int, const struct iovec*, int));
  if (file_of(fd).ino == 0) return real(fd, iov, count);
  ssize_t total = 0;
  for (int i = 0; i < count; ++i) {
    const ssize_t done = write(fd, iov[i].iov_base, iov[i].iov_len);
    if (done < 0) return total > 0 ? total : done;
    total += done;
    if (static_cast<std::size_t>(done) < iov[i].iov_len) break;
  }
  return total;
}

int fsync(int fd) {
  REAL("fsync", int(int));
  return sync_fd(fd, real, true);
}
int fdatasync(int fd) {
  REAL("fdatasync", int(int));
  return sync_fd(fd, real, false);
}
int ftruncate(int fd, off_t size) noexcept {
  REAL("ftruncate", int(int, off_t));
  if (file_of(fd).ino == 0) return real(fd, size);
  Lock lock;
  return real(fd, size) == 0 ? resize_fd(fd, size) : -1;
}
int ftruncate64(int fd, off64_t size) noexcept { return ftruncate(fd, size); }
int posix_fallocate(int fd, off_t offset, off_t n) {
  REAL("posix_fallocate", int(int, off_t, off_t));
  if (file_of(fd).ino == 0) return real(fd, offset, n);
  Lock lock;
  struct stat st;
  const int rc = real(fd, offset, n);
  if (rc == 0 && fstat(fd, &st) == 0) resize_fd(fd, st.st_size);
  return rc;
}
int fchmod(int fd, mode_t mode) noexcept {
  REAL("fchmod", int(int, mode_t));
  const File file = file_of(fd);
  if (file.ino == 0) return real(fd, mode);
  Lock lock;
  return real(fd, mode) == 0 ? chmod_fd(file.ino, mode) : -1;
}
int chmod(const char* path, mode_t mode) noexcept {
  REAL("chmod", int(const char*, mode_t));
  char full[kPathBytes];
  if (!on() || !below_root(AT_FDCWD, path, full)) return real(path, mode);
  Lock lock;
  struct stat st;
  return real(path, mode) == 0 && stat(path, &st) == 0 ? chmod_fd(st.st_ino, mode) : -1;
}

int rename(const char* from, const char* to) noexcept { return rename_at(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_fd, const char* from, int to_fd, const char* to) noexcept {
  return rename_at(from_fd, from, to_fd, to, 0);
}
int renameat2(int from_fd, const char* from, int to_fd, const char* to, unsigned flags) noexcept {
  return rename_at(from_fd, from, to_fd, to, flags);
}
int link(const char* from, const char* to) noexcept {
  REAL("link", int(const char*, const char*));
  char a[kPathBytes], b[kPathBytes];
  if (!on() || !below_root(AT_FDCWD, from, a) || !below_root(AT_FDCWD, to, b)) return real(from, to);
  Lock lock;
  const int rc = real(from, to);
  if (rc == 0) emit_paths(EventType::link, 0, a, b);
  return rc;
}
int unlinkat(int dirfd, const char* path, int flags) noexcept {
  REAL("unlinkat", int(int, const char*, int));
  char full[kPathBytes];
  if (!on() || !below_root(dirfd, path, full)) return real(dirfd, path, flags);
  Lock lock;
  const int rc = real(dirfd, path, flags);
  if (rc == 0) emit_path((flags & AT_REMOVEDIR) != 0 ? EventType::rmdir : EventType::unlink, 0, 0, full);
  return rc;
}
int unlink(const char* path) noexcept { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char* path) noexcept { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char* path) noexcept {
  const int rc = unlink(path);
  return rc != 0 && errno == EISDIR ? rmdir(path) : rc;
}
int mkdir(const char* path, mode_t mode) noexcept {
  REAL("mkdir", int(const char*, mode_t));
  char full[kPathBytes];
  if (!on() || !below_root(AT_FDCWD, path, full)) return real(path, mode);
  Lock lock;
  const int rc = real(path, mode);
  struct stat st;
  if (rc == 0 && stat(path, &st) == 0) emit_path(EventType::mkdir, st.st_ino, mode & 07777, full);
  return rc;
}
void* mmap(void* at, size_t n, int protection, int flags, int fd, off_t offset) noexcept {
  REAL("mmap", void*(void*, size_t, int, int, int, off_t));
  const File file = file_of(fd);
  if (file.ino != 0 && (protection & PROT_WRITE) != 0 && (flags & MAP_SHARED) != 0) {
    Lock lock;
    dirty(file.ino, 0, ~0ull);
    emit(EventType::mapped, file.ino, 0, nullptr, 0);
  }
  return real(at, n, protection, flags, fd, offset);
}
void* mmap64(void* at, size_t n, int protection, int flags, int fd, off64_t offset) noexcept {
  return mmap(at, n, protection, flags, fd, offset);
}

}  // extern "C"
