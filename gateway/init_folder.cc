#include "gateway/init_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <memory>

#include "drivers/system_error.h"

namespace sealring {
namespace {

constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

Status failed(const std::string& what, const std::string& path) {
  return retry_error("cannot " + what + " " + path + ": " + errno_words(errno));
}

// Not there is fine.
Status check_plain(int folder, const std::string& name, const std::string& path, bool is_folder) {
  struct stat s {};
  if (::fstatat(folder, name.c_str(), &s, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? Status() : failed("look at", path);
  const std::string how = " and would be given away; move it away, or run this as the user that it belongs to";
  if (S_ISLNK(s.st_mode)) return reject_error(path + " is a symbolic link," + how);
  if (is_folder ? !S_ISDIR(s.st_mode) : !S_ISREG(s.st_mode))
    return reject_error(path + " is not a " + (is_folder ? "folder" : "regular file") + how);
  if (!is_folder && s.st_nlink != 1) return reject_error(path + " has another name elsewhere," + how);
  if (s.st_uid != 0) return reject_error(path + " belongs to user " + std::to_string(s.st_uid) + how);
  if ((s.st_mode & 022) != 0) return reject_error(path + " can be written by others than root" + how);
  return {};
}

using Take = std::function<Status(int folder, const std::string& name)>;

// take() of everything in a folder below, and the folder's own descriptor last, with an empty name. Not there is fine.
Status each_in(int folder, const std::string& name, const std::string& path, const Take& take) {
  const int fd = ::openat(folder, name.c_str(), kFolder | O_NOFOLLOW);
  if (fd < 0) return errno == ENOENT ? Status() : failed("open", path);
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd), ::closedir);
  if (!dir) {
    ::close(fd);
    return failed("list", path);
  }
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string below = entry->d_name;
    if (below != "." && below != "..") SEALRING_TRY(take(fd, below));
  }
  return take(fd, "");
}

}  // namespace

RootsFolder::RootsFolder(std::string path, int fd, std::vector<std::string> files, std::vector<std::string> subfolders)
    : path_(std::move(path)), fd_(fd), files_(std::move(files)), subfolders_(std::move(subfolders)) {}

RootsFolder::RootsFolder(RootsFolder&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      files_(std::move(other.files_)),
      subfolders_(std::move(other.subfolders_)) {}

RootsFolder::~RootsFolder() {
  if (fd_ >= 0) ::close(fd_);
}

Status RootsFolder::check_roots(const std::string& path) {
  struct stat s {};
  if (::stat(path.c_str(), &s) != 0) return failed("look at", path);
  if (s.st_uid != 0)
    return reject_error(path + " belongs to user " + std::to_string(s.st_uid) +
                        ", who could change what root makes there: run this as that user, or chown root " + path);
  if ((s.st_mode & 022) != 0 && (s.st_mode & S_ISVTX) == 0)
    return reject_error(path + " can be written by others than root: chmod go-w " + path);
  return {};
}

Result<RootsFolder> RootsFolder::claim(const std::string& path, std::vector<std::string> files,
                                       std::vector<std::string> subfolders) {
  RootsFolder folder(path, ::open(path.c_str(), kFolder), std::move(files), std::move(subfolders));
  struct stat before {};
  if (folder.fd_ < 0 || ::fstat(folder.fd_, &before) != 0) return failed("open", path).error();
  // Looked at only when it can no longer change. A process of that user that has it open can do nothing with that.
  if (::fchown(folder.fd_, 0, 0) != 0 || ::fchmod(folder.fd_, 0700) != 0) return failed("take", path).error();
  const Status fits = folder.check_files();
  if (fits.ok()) return folder;
  if (::fchown(folder.fd_, before.st_uid, before.st_gid) != 0 || ::fchmod(folder.fd_, before.st_mode & 07777) != 0)
    return failed("give back", path).error();
  return fits.error();
}

Status RootsFolder::check_files() const {
  for (const std::string& name : files_) SEALRING_TRY(check_plain(fd_, name, path_ + "/" + name, false));
  for (const std::string& name : subfolders_) {
    const std::string path = path_ + "/" + name;
    SEALRING_TRY(check_plain(fd_, name, path, true));
    SEALRING_TRY(each_in(fd_, name, path, [&](int folder, const std::string& below) {
      return below.empty() ? Status() : check_plain(folder, below, path + "/" + below, false);
    }));
  }
  return {};
}

Status RootsFolder::hand_over(unsigned user, unsigned group) {
  for (const std::string& name : subfolders_) {
    const std::string path = path_ + "/" + name;
    SEALRING_TRY(each_in(fd_, name, path, [&](int folder, const std::string& below) {
      const int rc = below.empty() ? ::fchown(folder, user, group)
                                   : ::fchownat(folder, below.c_str(), user, group, AT_SYMLINK_NOFOLLOW);
      return rc == 0 ? Status() : failed("give away", path + "/" + below);
    }));
  }
  for (const std::string& name : files_)
    if (::fchownat(fd_, name.c_str(), user, group, AT_SYMLINK_NOFOLLOW) != 0) return failed("give away", name);
  // Last: until then nobody else can go in.
  return ::fchown(fd_, user, group) == 0 ? Status() : failed("give away", path_);
}

}  // namespace sealring
