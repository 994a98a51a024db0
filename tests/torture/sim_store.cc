#include "tests/torture/sim_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "crypto/sha256.h"
#include "drivers/file.h"
#include "storage/entry.h"
#include "storage/frame.h"
#include "storage/ring.h"
#include "tests/torture/sim_archive.h"
#include "tests/torture/sim_world.h"

namespace sealring::sim {
namespace {

constexpr const char* kRing = "/ring.lmdb";
constexpr const char* kJournal = "/journal";
constexpr std::uint64_t kRingFileBytes = 65u << 20;

void copy_file_sparse(const std::string& from, const std::string& to) {
  const int in = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const int out = ::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (in < 0 || out < 0) fail("cannot copy " + from);
  struct stat s {};
  static thread_local Bytes page(64u << 10, '\0');
  static const Bytes zeros(page.size(), '\0');
  if (::fstat(in, &s) != 0 || ::ftruncate(out, s.st_size) != 0) fail("cannot copy " + from);
  off_t at = 0;
  while ((at = ::lseek(in, at, SEEK_DATA)) >= 0 && at < s.st_size) {
    const ssize_t n = ::pread(in, page.data(), page.size(), at);
    if (n <= 0) break;
    const auto size = static_cast<std::size_t>(n);
    if (ByteView(page.data(), size) != ByteView(zeros.data(), size) && ::pwrite(out, page.data(), size, at) != n)
      fail("cannot write " + to);
    at += n;
  }
  ::close(in);
  ::close(out);
}

void write_at(const std::string& path, std::uint64_t at, ByteView bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0 || ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at)) != static_cast<ssize_t>(bytes.size()))
    fail("cannot write " + path);
  ::close(fd);
}

Bytes contents_of(const std::string& path) {
  auto bytes = read_file(path, kRingFileBytes);
  if (!bytes) fail(bytes.error().message);
  return std::move(bytes).value();
}

// Names of the messages of a copy of `folder`, by index; and the size of the log.
std::pair<std::map<std::uint64_t, std::string>, std::uint64_t> read_copy(const std::string& folder,
                                                                         const std::string& copy) {
  copy_sparse(folder, copy);
  std::map<std::uint64_t, std::string> names;
  std::uint64_t size = 0;
  {
    const auto ring = Ring::open({copy});
    if (!ring) fail("a copy of the store does not open: " + ring.error().message);
    size = (*ring)->size();
    for (std::uint64_t i = (*ring)->usage().first_index; i < size; ++i) {
      const auto bytes = (*ring)->entries(i, 1);
      if (!bytes) fail("a copy of the store: " + bytes.error().message);
      const auto entry = decode_entry(ByteView(*bytes).substr(2));
      const auto* message = entry ? std::get_if<Message>(&entry->body) : nullptr;
      if (message != nullptr) names.emplace(i, message->payload.substr(0, kMarked));
    }
  }
  std::filesystem::remove_all(copy);
  return {names, size};
}

}  // namespace

// Not LMDB's lock file: in it are the locks of threads that are still there, though they will never run.
void copy_sparse(const std::string& from, const std::string& to) {
  std::filesystem::create_directories(to);
  for (const auto& file : std::filesystem::directory_iterator(from))
    if (file.is_regular_file() && file.path().filename() != "ring.lmdb-lock")
      copy_file_sparse(file.path(), to + "/" + file.path().filename().string());
}

void shrink_ring(const std::string& store, std::uint64_t bytes) {
  // Page header of 16 bytes, magic, version, address: then the size of the map, in both meta pages.
  for (const std::uint64_t page : {0u, 4096u})
    write_at(store + kRing, page + 16 + 4 + 4 + 8, {reinterpret_cast<const char*>(&bytes), sizeof bytes});
  std::filesystem::resize_file(store + kRing, bytes);
}

std::optional<FlippedBit> FlippedBit::flip(const std::string& folder) {
  const Bytes bytes = contents_of(folder + kRing);
  std::vector<std::size_t> places;
  constexpr std::string_view kWords = "message ";
  for (std::size_t at = bytes.find(kWords); at != Bytes::npos; at = bytes.find(kWords, at + 1))
    if (at + kMarked <= bytes.size()) places.push_back(at);
  if (places.empty()) return std::nullopt;
  FlippedBit out;
  out.at_ = places[random_below(places.size())];
  out.byte_ = random_below(kMarked);
  out.mask_ = static_cast<char>(1u << random_below(8));
  out.damaged_ = bytes.substr(static_cast<std::size_t>(out.at_), kMarked);
  out.damaged_[out.byte_] ^= out.mask_;
  write_at(folder + kRing, out.at_, out.damaged_);
  return out;
}

bool FlippedBit::is_there(const std::string& folder) const {
  return ByteView(contents_of(folder + kRing)).substr(static_cast<std::size_t>(at_), damaged_.size()) == damaged_;
}

void FlippedBit::flip_back(const std::string& folder) const {
  Bytes whole = damaged_;
  whole[byte_] ^= mask_;
  write_at(folder + kRing, at_, whole);
}

std::vector<Hash> hashes_of_files(const std::string& folder) {
  return {sha256(contents_of(folder + kRing)), sha256(contents_of(folder + kJournal))};
}

std::map<std::string, std::size_t> lose_journal(const std::string& folder, const std::string& scratch) {
  const auto [names, size] = read_copy(folder, scratch);
  std::filesystem::remove(folder + kJournal);
  const std::uint64_t left = read_copy(folder, scratch).second;
  if (left > size) fail("the log grows by the loss of its journal");
  std::map<std::string, std::size_t> lost;
  for (auto one = names.lower_bound(left); one != names.end(); ++one) ++lost[one->second];
  return lost;
}

}  // namespace sealring::sim
