// Files with secrets: whatever is in them, what is said about them repeats none of it.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "crypto/note.h"
#include "crypto/sha256.h"
#include "drivers/certificate.h"
#include "drivers/file.h"
#include "drivers/key_file.h"
#include "drivers/secret_line.h"
#include "gateway/epoch_key.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scratch.h"

namespace sealring::fuzz {
namespace {

// A file of mode 0600 without a folder.
class MemoryFile {
 public:
  explicit MemoryFile(ByteView bytes) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    SEALRING_ASSERT(fd_ >= 0 && ::fchmod(fd_, 0600) == 0);
    SEALRING_ASSERT(::write(fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  const int fd_;
};

void put_file(const std::string& path, ByteView bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  SEALRING_ASSERT(fd >= 0 && ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  ::close(fd);
}

// Eight bytes of it in a row could be of a key. Those that look like our own words, which a fuzzer learns, do not
// count.
void check_keeps_secret(const Error& error, ByteView secret) {
  check_error(error);
  for (std::size_t at = 0; at + 8 <= secret.size(); ++at) {
    const ByteView piece = secret.substr(at, 8);
    const bool words = piece.find_first_of("abcdefghijklmnopqrstuvwxyz +") != ByteView::npos;
    FUZZ_CHECK_SHOW(words || error.message.find(piece) == std::string::npos, error.message);
  }
}

// The secret part of a key line: behind the last plus sign.
ByteView key_part(ByteView line) {
  const std::size_t plus = line.rfind('+');
  return plus == ByteView::npos ? line : line.substr(plus + 1);
}

// As its format says, with a checksum that holds where `whole`.
Bytes epoch_file(std::uint64_t epoch, ByteView seed, bool whole) {
  Bytes out = "sealring/epoch-key/v1\n";
  put_u64(out, epoch);
  out += seed;
  out += whole ? Bytes(view(sha256(out))) : Bytes(32, '\0');
  return out;
}

}  // namespace

FUZZ_TARGET(key_file, 512) {
  const MemoryFile file(input);
  const auto key = load_key_file(file.path());
  if (!key) return check_keeps_secret(key.error(), key_part(input));
  const Scratch folder;
  FUZZ_CHECK(ok_or_checked(create_key_file(folder.path() + "/k", key->name, *key->signer)));
  const auto again = read_file(folder.path() + "/k");
  FUZZ_CHECK(again.ok() && (*again == input || *again == Bytes(input) + "\n"));
}

FUZZ_TARGET(secret_line, 512) {
  const MemoryFile file(input);
  const auto line = read_secret_line(file.path(), "", "pin");
  if (!line) return check_keeps_secret(line.error(), input);
  FUZZ_CHECK(!line->empty() && line->find('\0') == std::string::npos);
  FUZZ_CHECK(input.substr(0, line->size()) == *line && input.size() - line->size() <= 2);
}

// The bits of the first byte: which of the two copies are there, and which have a checksum that holds.
FUZZ_TARGET(epoch_key, 512) {
  Pieces pieces(input);
  const unsigned bits = pieces.u8();
  const std::uint64_t epoch = pieces.u8();
  const Scratch folder;
  EpochKeys keys(folder.path());
  const ByteView first = pieces.bytes(bits & 16 ? 32 : pieces.u8());
  if (bits & 1) put_file(keys.path(epoch), bits & 2 ? epoch_file(epoch, first, true) : Bytes(pieces.rest()));
  const ByteView second = bits & 32 ? first : pieces.bytes(bits & 64 ? 32 : pieces.u8());
  if (bits & 4) put_file(keys.copy_path(epoch), epoch_file(epoch, second, bits & 8));
  const auto key = keys.load(epoch);
  if (!key) return check_keeps_secret(key.error(), first);
  const auto again = keys.load(epoch);
  FUZZ_CHECK(ok_or_checked(again));
  FUZZ_CHECK((*again)->public_key() == (*key)->public_key());
  FUZZ_CHECK(*read_file(keys.path(epoch)) == *read_file(keys.copy_path(epoch)));
  FUZZ_CHECK(ok_or_checked(keys.erase_before(epoch + 1)));
  FUZZ_CHECK(list_directory(folder.path())->empty());
}

// PEM, read by mbedTLS: what we make of its answers, and of the names in a certificate.
FUZZ_TARGET(certificate, 4096, 1u << 20, 256) {
  const MemoryFile file(input);
  const auto facts = read_certificates(file.path());
  if (ok_or_checked(facts)) FUZZ_CHECK(!facts->empty());
  ok_or_checked(check_certificate_key(file.path(), file.path()));
}

}  // namespace sealring::fuzz
