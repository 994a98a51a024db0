// A disk whose writes and syncs fail on demand: pwrite(), pwritev(), writev() and fdatasync() of the whole program,
// LMDB's too, come through here. For one file of a test program.
#pragma once

#include <dlfcn.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <string>

namespace sealring::test {

// While one is alive, calls on the file whose path ends with `file` fail with `error`: all of them, or the `only`-th.
class FailingDisk {
 public:
  enum class Call { write, sync };
  FailingDisk(std::string file, Call call, int error, int only = 0)
      : file_(std::move(file)), call_(call), error_(error), only_(only) {
    std::lock_guard<std::mutex> lock(mutex());
    present() = this;
  }
  ~FailingDisk() {
    std::lock_guard<std::mutex> lock(mutex());
    present() = nullptr;
  }
  FailingDisk(const FailingDisk&) = delete;
  FailingDisk& operator=(const FailingDisk&) = delete;
  int failed() const { return failed_; }

  // 0, or what the call is to fail with.
  static int judge(Call call, int fd) {
    std::lock_guard<std::mutex> lock(mutex());
    FailingDisk* const disk = present();
    if (disk == nullptr || disk->call_ != call || !disk->is_it(fd)) return 0;
    if (disk->only_ != 0 && ++disk->met_ != disk->only_) return 0;
    ++disk->failed_;
    return disk->error_;
  }

 private:
  static std::mutex& mutex() {
    static std::mutex instance;
    return instance;
  }
  static FailingDisk*& present() {
    static FailingDisk* instance = nullptr;
    return instance;
  }
  bool is_it(int fd) const {
    char path[4096];
    const ssize_t n = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
    const std::string name(path, n > 0 ? static_cast<std::size_t>(n) : 0);
    return name.size() >= file_.size() && name.compare(name.size() - file_.size(), file_.size(), file_) == 0;
  }

  const std::string file_;
  const Call call_;
  const int error_, only_;
  int met_ = 0;
  std::atomic<int> failed_{0};
};

template <class Function>
Function* next_one(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace sealring::test

extern "C" {

ssize_t pwrite(int fd, const void* from, size_t count, off_t at) {
  static auto* const real = sealring::test::next_one<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  errno = sealring::test::FailingDisk::judge(sealring::test::FailingDisk::Call::write, fd);
  return errno != 0 ? -1 : real(fd, from, count, at);
}

ssize_t pwrite64(int fd, const void* from, size_t count, off64_t at) { return pwrite(fd, from, count, at); }

ssize_t pwritev(int fd, const iovec* from, int count, off_t at) {
  static auto* const real = sealring::test::next_one<ssize_t(int, const iovec*, int, off_t)>("pwritev");
  errno = sealring::test::FailingDisk::judge(sealring::test::FailingDisk::Call::write, fd);
  return errno != 0 ? -1 : real(fd, from, count, at);
}

ssize_t pwritev64(int fd, const iovec* from, int count, off64_t at) { return pwritev(fd, from, count, at); }

ssize_t writev(int fd, const iovec* from, int count) {
  static auto* const real = sealring::test::next_one<ssize_t(int, const iovec*, int)>("writev");
  errno = sealring::test::FailingDisk::judge(sealring::test::FailingDisk::Call::write, fd);
  return errno != 0 ? -1 : real(fd, from, count);
}

int fdatasync(int fd) {
  static auto* const real = sealring::test::next_one<int(int)>("fdatasync");
  errno = sealring::test::FailingDisk::judge(sealring::test::FailingDisk::Call::sync, fd);
  return errno != 0 ? -1 : real(fd);
}
}
