#include "tests/torture/disk.h"

#include <sys/mman.h>

#include <algorithm>

namespace sealring::torture {

// --- Image ---

Image::~Image() {
  if (data_ != nullptr) ::munmap(data_, room_);
}

void Image::reserve(std::uint64_t size) {
  if (size <= room_) return;
  const std::uint64_t room = std::max<std::uint64_t>(size + size / 2, 64u << 10);
  void* map = ::mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  SEALRING_ASSERT(map != MAP_FAILED);
  if (data_ != nullptr) {
    std::memcpy(map, data_, size_);
    ::munmap(data_, room_);
  }
  data_ = static_cast<char*>(map);
  room_ = room;
}

void Image::resize(std::uint64_t size) {
  reserve(size);
  if (size < size_) std::memset(data_ + size, 0, size_ - size);
  size_ = size;
}

void Image::write(std::uint64_t offset, ByteView bytes) {
  if (offset + bytes.size() > size_) resize(offset + bytes.size());
  std::memcpy(data_ + offset, bytes.data(), bytes.size());
}

void Image::zero(std::uint64_t offset, std::uint64_t length) {
  if (offset + length > size_) resize(offset + length);
  std::memset(data_ + offset, 0, length);
}

// --- Choices ---

std::string words(const Choices& choices) {
  std::string out;
  for (const Choice& choice : choices) {
    out += "-+spzbw"[static_cast<int>(choice.tear)];
    if (choice.tear > Tear::whole && choice.tear != Tear::zeros) {
      char mask[24];
      std::snprintf(mask, sizeof mask, "%llx", static_cast<unsigned long long>(choice.mask));
      out += "(" + std::string(mask) + ")";
    }
  }
  return out;
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> pieces(const Change& change, Choice choice) {
  if (choice.tear == Tear::whole) return {{0, change.length}};
  if (choice.tear == Tear::prefix || choice.tear == Tear::bytes)
    return {{0, std::min<std::uint64_t>(choice.mask, change.length)}};
  std::vector<std::pair<std::uint64_t, std::uint64_t>> out;
  if (choice.tear != Tear::sectors && choice.tear != Tear::words) return out;
  const std::uint64_t unit = choice.tear == Tear::sectors ? kSector : kWord;
  // Units of the file, not of the write, which may begin within one.
  std::uint64_t at = 0, number = 0;
  while (at < change.length) {
    const std::uint64_t end = std::min(change.length, ((change.offset + at) / unit + 1) * unit - change.offset);
    if ((choice.mask >> (number % 64) & 1) != 0) out.emplace_back(at, end - at);
    at = end;
    ++number;
  }
  return out;
}

// --- Disk ---

std::uint64_t Disk::find(std::string_view path) const {
  std::uint64_t at = root_;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string name(path.substr(0, slash));
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    const auto folder = seen_.find(at);
    SEALRING_ASSERT(folder != seen_.end());
    const auto found = folder->second.find(name);
    if (found == folder->second.end()) return 0;
    at = found->second;
  }
  return at;
}

std::pair<std::uint64_t, std::string> Disk::place(std::string_view path) const {
  const std::size_t slash = path.rfind('/');
  const std::string name(slash == std::string_view::npos ? path : path.substr(slash + 1));
  return {find(slash == std::string_view::npos ? std::string_view() : path.substr(0, slash)), name};
}

std::string Disk::name_of(std::uint64_t ino) const {
  for (const auto& [folder, names] : seen_)
    for (const auto& [name, of] : names)
      if (of == ino) return folder == root_ ? name : name_of(folder) + "/" + name;
  return ino == root_ ? "." : "(no name)";
}

Change Disk::names_change(const Event& event, std::size_t number) {
  Change change;
  change.kind = Change::Kind::names;
  change.event = number;
  const std::size_t end = event.bytes.find('\0');
  const auto [folder, name] = place(event.bytes.substr(0, end));
  const auto there = [this](std::uint64_t in, const std::string& of) {
    const auto found = seen_[in].find(of);
    return found == seen_[in].end() ? std::uint64_t{0} : found->second;
  };
  switch (event.type()) {
    case EventType::create:
    case EventType::mkdir:
      change.names.push_back({folder, name, event.header.ino});
      break;
    case EventType::unlink:
    case EventType::rmdir:
      change.names.push_back({folder, name, 0});
      break;
    default: {  // rename, link
      const auto [to_folder, to_name] = place(event.bytes.substr(end + 1));
      const std::uint64_t from = there(folder, name), to = there(to_folder, to_name);
      const bool exchange = event.type() == EventType::rename && (event.header.a & 2) != 0;  // RENAME_EXCHANGE
      if (event.type() == EventType::rename) change.names.push_back({folder, name, exchange ? to : 0});
      change.names.push_back({to_folder, to_name, from});
    }
  }
  for (const Change::Name& n : change.names) {
    change.folders.insert(n.folder);
    if (n.ino == 0)
      seen_[n.folder].erase(n.name);
    else
      seen_[n.folder][n.name] = n.ino;
  }
  return change;
}

void Disk::settle(const Change& change) {
  if (change.kind == Change::Kind::names) {
    for (const Change::Name& n : change.names) {
      auto& names = inodes_[n.folder].names;
      if (n.ino == 0)
        names.erase(n.name);
      else
        names[n.name] = n.ino;
    }
    return;
  }
  Inode& inode = inodes_[change.ino];
  if (change.kind == Change::Kind::mode) {
    inode.mode = change.mode;
    return;
  }
  if (change.kind == Change::Kind::resize) {
    inode.data.resize(change.length);
    changed_.push_back({change.ino, 0, ~0ull});
    return;
  }
  if (change.bytes.empty())
    inode.data.zero(change.offset, change.length);
  else
    inode.data.write(change.offset, change.bytes);
  changed_.push_back({change.ino, change.offset, change.length});
}

void Disk::sync(std::uint64_t ino, bool mode) {
  std::vector<Change> left;
  for (Change& change : waiting_) {
    if (change.kind == Change::Kind::names) {
      change.folders.erase(ino);
      if (change.folders.empty()) {
        settle(change);
        continue;
      }
    } else if (change.ino == ino && (mode || change.kind != Change::Kind::mode)) {
      settle(change);
      continue;
    }
    left.push_back(std::move(change));
  }
  waiting_ = std::move(left);
}

// Of one write through O_DSYNC; what it covers of earlier ones is past.
void Disk::sync_range(std::uint64_t ino, std::uint64_t offset, std::uint64_t length) {
  std::vector<Change> left;
  for (Change& change : waiting_) {
    if (change.ino == ino && change.kind == Change::Kind::write && change.offset >= offset &&
        change.offset + change.length <= offset + length) {
      settle(change);
      continue;
    }
    SEALRING_ASSERT(change.ino != ino || change.kind != Change::Kind::write || change.offset >= offset + length ||
                    change.offset + change.length <= offset);
    left.push_back(std::move(change));
  }
  waiting_ = std::move(left);
}

bool Disk::syncs(const Event& event) const {
  if (event.type() != EventType::sync && event.type() != EventType::sync_range) return false;
  return std::any_of(waiting_.begin(), waiting_.end(), [&event](const Change& change) {
    return change.kind == Change::Kind::names ? change.folders.count(event.header.ino) > 0
                                              : change.ino == event.header.ino;
  });
}

void Disk::take(const Event& event, std::size_t number) {
  const EventHeader& h = event.header;
  Change change;
  change.event = number;
  change.ino = h.ino;
  switch (event.type()) {
    case EventType::create:
    case EventType::mkdir: {
      Inode& inode = inodes_[h.ino];
      inode.folder = event.type() == EventType::mkdir;
      inode.born = event.bytes;
      inode.mode = static_cast<std::uint32_t>(h.a);
      if (inode.folder) seen_[h.ino];
      if (event.bytes.empty()) {
        root_ = h.ino;
        return;
      }
      waiting_.push_back(names_change(event, number));
      return;
    }
    case EventType::rename:
    case EventType::unlink:
    case EventType::rmdir:
    case EventType::link:
      waiting_.push_back(names_change(event, number));
      return;
    case EventType::write:
      change.offset = h.a;
      change.length = h.a2;
      change.bytes = event.bytes;
      break;
    case EventType::resize:
      change.kind = Change::Kind::resize;
      change.length = h.a;
      break;
    case EventType::chmod:
      change.kind = Change::Kind::mode;
      change.mode = static_cast<std::uint32_t>(h.a);
      break;
    case EventType::sync:
      return sync(h.ino, h.a != 0);
    case EventType::sync_range:
      return sync_range(h.ino, h.a, h.a2);
    case EventType::mapped:
      inodes_[h.ino].mapped = true;
      return;
    case EventType::mark:
      return;
  }
  waiting_.push_back(std::move(change));
}

}  // namespace sealring::torture
