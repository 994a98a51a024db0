#include "tests/torture/state_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

namespace sealring::torture {
namespace {

void must(bool done, const char* what) {
  if (done) return;
  std::perror(what);
  std::abort();
}

void write_at(int fd, const char* bytes, std::size_t n, std::uint64_t offset) {
  while (n > 0) {
    const ssize_t done = ::pwrite(fd, bytes, n, static_cast<off_t>(offset));
    must(done > 0, "state folder: write");
    bytes += done;
    offset += static_cast<std::uint64_t>(done);
    n -= static_cast<std::size_t>(done);
  }
}

void zero_at(int fd, std::uint64_t offset, std::uint64_t n) {
  static const Bytes zeros(1u << 20, '\0');
  for (std::uint64_t done = 0; done < n; done += zeros.size())
    write_at(fd, zeros.data(), static_cast<std::size_t>(std::min<std::uint64_t>(zeros.size(), n - done)),
             offset + done);
}

std::uint64_t size_of(int fd) {
  struct stat st {};
  must(::fstat(fd, &st) == 0, "state folder: stat");
  return static_cast<std::uint64_t>(st.st_size);
}

}  // namespace

StateFolder::StateFolder(std::string place) : place_(std::move(place)) {
  must(::mkdir(place_.c_str(), 0700) == 0 && ::mkdir((place_ + "/inodes").c_str(), 0700) == 0, place_.c_str());
}

StateFolder::~StateFolder() {
  for (const auto& [ino, fd] : fds_) ::close(fd);
  std::error_code error;
  std::filesystem::remove_all(place_, error);
}

void StateFolder::open_inode(std::uint64_t ino, const Inode& inode) {
  if (inode.folder || fds_.count(ino) > 0) return;
  const std::string path = place_ + "/inodes/" + std::to_string(ino);
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  must(fd >= 0, path.c_str());
  struct stat st {};
  must(::fstat(fd, &st) == 0, path.c_str());
  fds_[ino] = fd;
  real_inos_[st.st_ino] = ino;
  must(::ftruncate(fd, static_cast<off_t>(inode.data.size())) == 0, path.c_str());
}

void StateFolder::put_back(const Disk& disk, DirtyRange range) {
  const auto found = disk.inodes().find(range.ino);
  const auto fd = fds_.find(range.ino);
  if (found == disk.inodes().end() || fd == fds_.end()) return;
  const Image& data = found->second.data;
  if (size_of(fd->second) != data.size())
    must(::ftruncate(fd->second, static_cast<off_t>(data.size())) == 0, "state folder: size");
  if (range.offset >= data.size()) return;
  const std::uint64_t n = std::min(range.length, data.size() - range.offset);
  write_at(fd->second, data.bytes().data() + range.offset, static_cast<std::size_t>(n), range.offset);
}

void StateFolder::follow(Disk& disk) {
  for (const auto& [ino, inode] : disk.inodes()) open_inode(ino, inode);
  for (const DirtyRange& range : disk.take_changed()) put_back(disk, range);
}

void StateFolder::apply(const Change& change, Choice choice) {
  if (choice.tear == Tear::none) return;
  if (change.kind == Change::Kind::names) {
    for (const Change::Name& n : change.names) {
      if (n.ino == 0)
        names_[n.folder].erase(n.name);
      else
        names_[n.folder][n.name] = n.ino;
    }
    return;
  }
  if (change.kind == Change::Kind::mode) {
    modes_[change.ino] = change.mode;
    return;
  }
  const int fd = fds_.at(change.ino);
  if (change.kind == Change::Kind::resize) {
    touched_.push_back({change.ino, 0, ~0ull});
    must(::ftruncate(fd, static_cast<off_t>(change.length)) == 0, "state folder: size");
    return;
  }
  touched_.push_back({change.ino, change.offset, change.length});
  if (choice.tear == Tear::zeros) {
    if (size_of(fd) < change.offset + change.length)
      must(::ftruncate(fd, static_cast<off_t>(change.offset + change.length)) == 0, "state folder: size");
    return;
  }
  for (const auto& [at, n] : pieces(change, choice)) {
    if (change.bytes.empty())
      zero_at(fd, change.offset + at, n);
    else
      write_at(fd, change.bytes.data() + at, static_cast<std::size_t>(n), change.offset + at);
  }
}

void StateFolder::link_folder(const Disk& disk, std::uint64_t ino, const std::string& path) {
  must(::mkdir(path.c_str(), 0700) == 0, path.c_str());
  for (const auto& [name, of] : names_[ino]) {
    const std::string inside = path + "/" + name;
    if (disk.inodes().at(of).folder) {
      link_folder(disk, of, inside);
      continue;
    }
    const std::string backing = place_ + "/inodes/" + std::to_string(of);
    must(::link(backing.c_str(), inside.c_str()) == 0, inside.c_str());
    must(::chmod(inside.c_str(), modes_.at(of)) == 0, inside.c_str());
  }
}

void StateFolder::build(const Disk& disk, const Choices& choices, std::uint64_t noise) {
  SEALRING_ASSERT(choices.size() == disk.waiting().size());
  names_.clear();
  modes_.clear();
  for (const auto& [ino, inode] : disk.inodes()) {
    names_[ino] = inode.names;
    modes_[ino] = inode.mode;
  }
  touched_.clear();
  for (std::size_t i = 0; i < choices.size(); ++i) apply(disk.waiting()[i], choices[i]);
  std::minstd_rand random(static_cast<unsigned>(noise));
  for (const auto& [ino, inode] : disk.inodes()) {
    if (!inode.mapped) continue;
    Bytes bytes(static_cast<std::size_t>(size_of(fds_.at(ino))), '\0');
    if (noise % 2 != 0)
      for (char& c : bytes) c = static_cast<char>(random());
    touched_.push_back({ino, 0, ~0ull});
    write_at(fds_.at(ino), bytes.data(), bytes.size(), 0);
  }
  std::error_code error;
  std::filesystem::remove_all(work(), error);
  link_folder(disk, disk.root(), work());
}

void StateFolder::restore(const Disk& disk, const DirtyTable& watched) {
  for (const DirtyRange& range : touched_) put_back(disk, range);
  const std::uint64_t count = watched.count;
  if (count > DirtyTable::kRanges) {
    for (const auto& [ino, fd] : fds_) put_back(disk, {ino, 0, ~0ull});
    return;
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    const DirtyRange& range = watched.ranges[i];
    const auto found = real_inos_.find(range.ino);
    if (found != real_inos_.end()) put_back(disk, {found->second, range.offset, range.length});
  }
}

}  // namespace sealring::torture
