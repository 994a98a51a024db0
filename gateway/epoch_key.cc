#include "gateway/epoch_key.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <string_view>

#include "crypto/sha256.h"
#include "drivers/diag.h"
#include "drivers/file.h"
#include "drivers/system_error.h"

namespace sealring {
namespace {

constexpr std::string_view kMagic = "sealring/epoch-key/v1\n";
constexpr std::size_t kSeedBytes = 32;
constexpr std::size_t kFileBytes = kMagic.size() + 8 + kSeedBytes + 32;

struct Secret {  // wiped on every way out
  Bytes bytes;
  ~Secret() { wipe(bytes); }
};

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Error failure(const char* what, const std::string& path) {
  return retry_error(std::string("cannot ") + what + " " + path + ": " + errno_words(errno));
}

Status write_all(int fd, ByteView bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure("write", path);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Status write_key(const std::string& path, const std::string& folder, ByteView bytes) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (fd.get() < 0) return failure("create", path);
  SEALRING_TRY(write_all(fd.get(), bytes, path));
  if (::fchmod(fd.get(), 0600) != 0) return failure("set the mode of", path);
  if (::fsync(fd.get()) != 0) return failure("sync", path);
  return sync_directory(folder);
}

// The file's blocks are overwritten in place, as long as they are or were: not truncated, which would free them as
// they are.
Status erase_file(const std::string& path) {
  {
    const Fd fd(::open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
    if (fd.get() < 0 && errno == ENOENT) return {};
    if (fd.get() < 0) return failure("open", path);
    struct stat st;
    if (::fstat(fd.get(), &st) != 0) return failure("look at", path);
    const auto size = std::min<std::size_t>(static_cast<std::size_t>(st.st_size), 1u << 16);
    SEALRING_TRY(write_all(fd.get(), Bytes(std::max(size, kFileBytes), '\0'), path));
    if (::fsync(fd.get()) != 0) return failure("sync", path);
  }
  if (::unlink(path.c_str()) != 0) return failure("remove", path);
  return {};
}

Secret encode(std::uint64_t epoch, const SoftwareSigner& key) {
  const Secret seed{key.seed()};
  Secret file;
  file.bytes.reserve(kFileBytes);  // no copy left behind by growing
  file.bytes.append(kMagic);
  put_u64(file.bytes, epoch);
  file.bytes.append(seed.bytes);
  file.bytes.append(view(sha256(file.bytes)));
  return file;
}

// No seed: the bytes are not a whole file of that epoch.
bool decode(ByteView file, std::uint64_t epoch, Secret& seed) {
  if (file.size() != kFileBytes || file.substr(0, kMagic.size()) != kMagic) return false;
  const std::size_t end = kFileBytes - 32;
  if (get_u64(file.data() + kMagic.size()) != epoch) return false;
  if (view(sha256(file.substr(0, end))) != file.substr(end)) return false;
  seed.bytes.assign(file.substr(kMagic.size() + 8, kSeedBytes));
  return true;
}

struct Copy {
  bool there = false, whole = false;
  Secret seed;
};

Status read_copy(const std::string& path, std::uint64_t epoch, Copy& copy) {
  Result<Bytes> bytes = read_secret_file(path, kFileBytes);
  if (!bytes && bytes.error().kind == ErrorKind::missing) return {};
  copy.there = true;
  struct stat st;
  // Too long is damage, not a reason to leave the good copy unused.
  if (!bytes && ::stat(path.c_str(), &st) == 0 && static_cast<std::size_t>(st.st_size) > kFileBytes) return {};
  if (!bytes) return std::move(bytes).error();
  const Secret file{std::move(*bytes)};
  copy.whole = decode(file.bytes, epoch, copy.seed);
  return {};
}

std::optional<std::uint64_t> epoch_of(std::string_view name) {
  constexpr std::string_view kHead = "epoch-", kTail = ".key", kCopy = ".copy";
  if (name.substr(0, kHead.size()) != kHead) return std::nullopt;
  name.remove_prefix(kHead.size());
  if (name.size() > kCopy.size() && name.substr(name.size() - kCopy.size()) == kCopy) name.remove_suffix(kCopy.size());
  if (name.size() <= kTail.size() || name.substr(name.size() - kTail.size()) != kTail) return std::nullopt;
  name.remove_suffix(kTail.size());
  Result<std::uint64_t> epoch = from_decimal(name);
  if (!epoch) return std::nullopt;
  return *epoch;
}

}  // namespace

std::string EpochKeys::path(std::uint64_t epoch) const {
  return directory_ + "/epoch-" + std::to_string(epoch) + ".key";
}

Status EpochKeys::save(std::uint64_t epoch, const SoftwareSigner& key) {
  SEALRING_TRY(erase(epoch));
  const Secret file = encode(epoch, key);
  SEALRING_TRY(write_key(path(epoch), directory_, file.bytes));
  return write_key(copy_path(epoch), directory_, file.bytes);
}

Result<std::unique_ptr<SoftwareSigner>> EpochKeys::load(std::uint64_t epoch) {
  Copy first, second;
  const Status one = read_copy(path(epoch), epoch, first), other = read_copy(copy_path(epoch), epoch, second);
  // One that cannot be read just now is as good as the other one.
  const auto spared = [](const Status& of, const Copy& by) {
    return of.ok() || (of.error().kind == ErrorKind::retry && by.whole);
  };
  if (!spared(one, second)) return one.error();
  if (!spared(other, first)) return other.error();
  if (!first.there && !second.there)
    return Error{ErrorKind::missing, "the epoch key file " + path(epoch) + " and its copy are not there"};
  if (!first.whole && !second.whole)
    return Error{ErrorKind::missing, "the epoch key file " + path(epoch) + " and its copy are damaged or not there"};
  if (first.whole && second.whole && first.seed.bytes != second.seed.bytes)
    return fatal_error("the epoch key file " + path(epoch) + " and its copy hold different keys");
  const Copy& good = first.whole ? first : second;
  SEALRING_ASSIGN(auto key, SoftwareSigner::from_seed(good.seed.bytes));
  if (!one.ok() || !other.ok() || (first.whole && second.whole)) return key;
  const std::string bad = first.whole ? copy_path(epoch) : path(epoch);
  Status repaired = erase_file(bad);
  if (repaired.ok()) repaired = write_key(bad, directory_, encode(epoch, *key).bytes);
  if (!repaired.ok())  // a full disk, say: one copy does, and the next start tries again
    diag(DiagLevel::warning, "one of the two copies of the epoch key is not mended: " + repaired.error().message);
  return key;
}

Status EpochKeys::erase(std::uint64_t epoch) {
  SEALRING_TRY(erase_file(path(epoch)));
  SEALRING_TRY(erase_file(copy_path(epoch)));
  return sync_directory(directory_);
}

Status EpochKeys::erase_before(std::uint64_t epoch) {
  SEALRING_ASSIGN(const std::vector<std::string> names, list_directory(directory_));
  std::set<std::uint64_t> old;
  for (const std::string& name : names)
    if (const auto of = epoch_of(name); of && *of < epoch) old.insert(*of);
  for (const std::uint64_t k : old) SEALRING_TRY(erase(k));
  return {};
}

}  // namespace sealring
