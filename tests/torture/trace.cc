#include "tests/torture/trace.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "drivers/file.h"
#include "storage/entry.h"
#include "storage/frame.h"

namespace sealring::torture {

Result<Trace> Trace::load(const std::string& path) {
  Trace trace;
  trace.path_ = path;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat st {};
  if (fd < 0 || ::fstat(fd, &st) != 0) return Error{ErrorKind::missing, path + ": no trace"};
  trace.size_ = static_cast<std::size_t>(st.st_size);
  trace.map_ = ::mmap(nullptr, trace.size_, PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  if (trace.map_ == MAP_FAILED) return reject_error(path + ": cannot be mapped");
  const ByteView all(static_cast<const char*>(trace.map_), trace.size_);
  for (std::size_t at = 0; at < all.size();) {
    Event event;
    if (all.size() - at < sizeof event.header) return reject_error(path + ": cut short");
    std::memcpy(&event.header, all.data() + at, sizeof event.header);
    at += sizeof event.header;
    if (all.size() - at < event.header.bytes) return reject_error(path + ": cut short");
    event.bytes = all.substr(at, event.header.bytes);
    at += event.header.bytes;
    trace.events_.push_back(event);
  }
  return trace;
}

Trace::Trace(Trace&& other) noexcept
    : path_(std::move(other.path_)),
      map_(std::exchange(other.map_, nullptr)),
      size_(other.size_),
      events_(std::move(other.events_)) {}

Trace::~Trace() {
  if (map_ != nullptr) ::munmap(map_, size_);
}

void put_mark(Mark kind, ByteView bytes) {
  EventHeader header;
  header.type = static_cast<std::uint32_t>(EventType::mark);
  header.a = static_cast<std::uint64_t>(kind);
  header.bytes = static_cast<std::uint32_t>(bytes.size());
  sealring_tap_emit(&header, bytes.data());
}

namespace {

namespace fs = std::filesystem;

void put_event(EventType type, std::uint64_t ino, std::uint64_t a, ByteView bytes) {
  EventHeader header;
  header.type = static_cast<std::uint32_t>(type);
  header.ino = ino;
  header.a = a;
  header.bytes = static_cast<std::uint32_t>(bytes.size());
  sealring_tap_emit(&header, bytes.data());
}

// The pages of a file that are not zero, its size, and that it is durable.
void put_file(const fs::path& path, const std::string& name) {
  struct stat st {};
  SEALRING_ASSERT(::stat(path.c_str(), &st) == 0);
  put_event(EventType::create, st.st_ino, st.st_mode & 07777, name);
  const auto content = read_file(path.string(), std::size_t{1} << 32);
  SEALRING_ASSERT(content.ok());
  constexpr std::size_t kPage = 4096;
  const Bytes zeros(kPage, '\0');
  for (std::size_t at = 0; at < content->size(); at += kPage) {
    const ByteView page = ByteView(*content).substr(at, kPage);
    if (page == ByteView(zeros).substr(0, page.size())) continue;
    EventHeader header;
    header.type = static_cast<std::uint32_t>(EventType::write);
    header.ino = st.st_ino;
    header.a = at;
    header.a2 = page.size();
    header.bytes = static_cast<std::uint32_t>(page.size());
    sealring_tap_emit(&header, page.data());
  }
  put_event(EventType::resize, st.st_ino, content->size(), {});
  put_event(EventType::sync, st.st_ino, 1, {});
}

void put_folder(const fs::path& path, const std::string& name) {
  struct stat st {};
  SEALRING_ASSERT(::stat(path.c_str(), &st) == 0);
  put_event(EventType::mkdir, st.st_ino, st.st_mode & 07777, name);
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    const std::string inside =
        name.empty() ? entry.path().filename().string() : name + "/" + entry.path().filename().string();
    if (entry.is_directory())
      put_folder(entry.path(), inside);
    else
      put_file(entry.path(), inside);
  }
  put_event(EventType::sync, st.st_ino, 1, {});
}

}  // namespace

void record_files(const std::string& root, int fd) {
  sealring_tap_record("/nowhere", fd, true);  // nothing that reading does
  put_folder(root, "");
  sealring_tap_record(root.c_str(), fd, true);
}

void Promises::take_attempt(ByteReader& reader) {
  std::size_t bytes = 0;
  const auto header = decode_frame_header(reader.bytes(kFrameHeaderBytes), bytes);
  SEALRING_ASSERT(header.ok());
  const auto entries = split_entries(reader.rest(), header->count);
  SEALRING_ASSERT(entries.ok());
  if (model_.offsets.empty()) model_.offsets.push_back(0);
  SEALRING_ASSERT(header->first == model_.size());
  std::uint64_t messages = model_.messages.empty() ? 0 : model_.messages.rbegin()->second;
  for (ByteView bytes_of : *entries) {
    model_.offsets.push_back(model_.offsets.back() + 2 + bytes_of.size());
    const auto entry = decode_entry(bytes_of);
    messages += entry.ok() && std::holds_alternative<Message>(entry->body);
  }
  model_.messages[header->end()] = messages;
  model_.bytes += reader.rest();
  model_.roots[header->end()] = header->root;
  now_.attempted = header->end();
  now_.epoch = header->epoch;
}

void Promises::take(const Event& event) {
  ByteReader reader(event.bytes);
  switch (static_cast<Mark>(event.header.a)) {
    case Mark::begin:
      begun_ = true;
      break;
    case Mark::created:
      now_.origin = Bytes(reader.rest());
      break;
    case Mark::attempt:
      take_attempt(reader);
      break;
    case Mark::durable:
      now_.durable = reader.u64();
      break;
    case Mark::released:
      now_.released += reader.u64();
      break;
    case Mark::checkpoint: {
      const std::uint64_t size = reader.u64();
      now_.checkpoints[size] = reader.array<32>();
      break;
    }
    case Mark::closed: {
      const std::uint64_t number = reader.u64(), start = reader.u64();
      now_.segments[number] = {start, reader.u64(), false};
      break;
    }
    case Mark::acknowledge:
      reader.u64();
      now_.may_release = reader.u64();
      break;
    case Mark::acknowledged:
      now_.segments[reader.u64()].acknowledged = true;
      break;
    case Mark::dropping:
      now_.dropping = true;
      break;
    case Mark::damaged:
      now_.damaged = true;
      break;
    case Mark::breaking:
      now_.breaking = true;
      break;
    case Mark::rotating:
      now_.rotating = true;
      break;
    case Mark::following:
      now_.following = true;
      break;
    case Mark::followed:
      now_.followed = true;
      break;
  }
}

}  // namespace sealring::torture
