#include "drivers/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>

#include "crypto/ed25519.h"
#include "drivers/system_error.h"

namespace sealring {

namespace {

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

Error system_failure(const char* what, const std::string& path, int error) {
  return retry_error(std::string("cannot ") + what + " " + path + ": " + errno_words(error));
}

Error open_failure(const std::string& path, int error) {
  Error e = system_failure("open", path, error);
  if (error == ENOENT) e.kind = ErrorKind::missing;
  return e;
}

std::string folder_of(const std::string& path) {
  std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// A path that is none for a file is wrong, and stays so: trying again is no use.
Error of_reading(Error e, int error) {
  if (error == EISDIR || error == ENOTDIR || error == ELOOP || error == ENAMETOOLONG) e.kind = ErrorKind::reject;
  return e;
}

Result<Bytes> read_all(int fd, const std::string& path, std::size_t max_bytes) {
  Bytes out;
  struct stat s {};
  // Its size and one byte more, so that the usual file needs no second round; a pipe or /proc file says 0.
  std::size_t want = fstat(fd, &s) == 0 && s.st_size > 0 ? static_cast<std::size_t>(s.st_size) : 4096;
  for (std::size_t done = 0;;) {
    if (done > max_bytes) {
      wipe(out);
      return reject_error(path + " is larger than " + std::to_string(max_bytes) + " bytes");
    }
    if (done == out.size()) out.resize(std::min(std::max(want, 2 * done), max_bytes) + 1);
    ssize_t n = ::read(fd, out.data() + done, out.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return of_reading(system_failure("read", path, errno), errno);
    done += static_cast<std::size_t>(n);
    if (n == 0) {
      out.resize(done);
      return out;
    }
  }
}

Status write_all(int fd, ByteView bytes, const std::string& path) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_failure("write", path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

// Removes a temporary name unless it was given away.
struct TemporaryName {
  std::string path;
  bool keep = false;
  ~TemporaryName() {
    if (!keep) ::unlink(path.c_str());
  }
};

Result<int> open_temporary(const std::string& path, std::string& temporary) {
  static std::atomic<unsigned> counter{0};
  std::string stem = folder_of(path) + "/." + name_of(path) + "." + std::to_string(getpid()) + "-";
  // A name that is taken is the rest of a crashed process with our number: leave it, take the next.
  for (int attempt = 0; attempt < 1000; ++attempt) {
    temporary = stem + std::to_string(counter++) + ".tmp";
    int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    if (errno != EEXIST) break;
  }
  return system_failure("create", temporary, errno);
}

Status fill(const Fd& fd, ByteView bytes, unsigned mode, const std::string& path) {
  SEALRING_TRY(write_all(fd.get(), bytes, path));
  // After the bytes, so that a file for few eyes was never open to more; and exactly, whatever the umask.
  if (fchmod(fd.get(), mode) != 0) return system_failure("set the mode of", path, errno);
  if (fsync(fd.get()) != 0) return system_failure("sync", path, errno);
  return {};
}

Status move_new(const std::string& from, const std::string& to) {
  int done = renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
  if (done != 0 && errno == EINVAL) {  // a file system that cannot (NFS): the same with two names
    done = ::link(from.c_str(), to.c_str());
    if (done == 0) ::unlink(from.c_str());
  }
  if (done == 0) return {};
  if (errno == EEXIST) return reject_error(to + " exists already; it is never overwritten");
  return system_failure("create", to, errno);
}

Status move_over(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return system_failure("replace", to, errno);
  return {};
}

Status write_file(const std::string& path, ByteView bytes, unsigned mode,
                  Status (*give_name)(const std::string&, const std::string&)) {
  TemporaryName temporary;
  Result<int> opened = open_temporary(path, temporary.path);
  if (!opened.ok()) {
    temporary.keep = true;  // not ours
    return std::move(opened).error();
  }
  {
    Fd fd(*opened);
    SEALRING_TRY(fill(fd, bytes, mode, temporary.path));  // a crash here means: only a temporary name more
  }
  SEALRING_TRY(give_name(temporary.path, path));
  temporary.keep = true;
  Status synced = sync_directory(folder_of(path));  // a crash before means: either file, whole
  if (!synced.ok()) {
    return unknown_error(path + " is written, but whether it survives a crash is unknown: " + synced.error().message);
  }
  return {};
}

}  // namespace

Result<Bytes> read_file(const std::string& path, std::size_t max_bytes) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) return of_reading(open_failure(path, errno), errno);
  return read_all(fd.get(), path, max_bytes);
}

Result<Bytes> read_secret_file(const std::string& path, std::size_t max_bytes, const char* what) {
  // O_NONBLOCK: opening a FIFO must not wait for its writer. The checks are of what was opened, not of a name.
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.ok()) return of_reading(open_failure(path, errno), errno);
  struct stat s {};
  if (fstat(fd.get(), &s) != 0) return system_failure("look at", path, errno);
  if (!S_ISREG(s.st_mode)) return reject_error(path + " is not a regular file");
  if (s.st_uid != geteuid() && s.st_uid != 0) {
    return reject_error(what + (" " + path) + " belongs to user " + std::to_string(s.st_uid) +
                        ", who could change it: run this as that user, or chown " + std::to_string(geteuid()) + " " +
                        path);
  }
  unsigned mode = s.st_mode & 07777;
  if (mode != 0600 && mode != 0400) {
    char octal[8];
    std::snprintf(octal, sizeof octal, "%04o", mode);
    return reject_error(what + (" " + path) + " has mode " + octal +
                        ", but only its owner may have access: chmod 600 " + path);
  }
  return read_all(fd.get(), path, max_bytes);
}

Status replace_file(const std::string& path, ByteView bytes, unsigned mode) {
  return write_file(path, bytes, mode, move_over);
}

Status create_file(const std::string& path, ByteView bytes, unsigned mode) {
  // Asked first only to spare the writing; move_new() decides.
  if (::access(path.c_str(), F_OK) == 0) return reject_error(path + " exists already; it is never overwritten");
  return write_file(path, bytes, mode, move_new);
}

Status sync_directory(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) return open_failure(path, errno);
  if (fsync(fd.get()) != 0) return system_failure("sync", path, errno);
  return {};
}

Status make_directories(const std::string& path, unsigned mode) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    std::string prefix = path.substr(0, end);
    if (::mkdir(prefix.c_str(), mode) == 0) {
      SEALRING_TRY(sync_directory(folder_of(prefix)));
      continue;
    }
    int error = errno;
    struct stat s {};
    const bool seen = ::stat(prefix.c_str(), &s) == 0;
    if (seen && S_ISDIR(s.st_mode)) continue;
    if (error == EEXIST) error = seen ? ENOTDIR : errno;
    return system_failure("make directory", prefix, error);
  }
  return {};
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
  if (!dir) return open_failure(path, errno);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr && errno != 0) return system_failure("list", path, errno);
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace sealring
