// What a storage device and its file system may have after a power cut: the rules, and all states that follow from
// them. docs/reliability.md has the rules in words.
//
// A disk is replayed from a trace. Each change waits until a sync makes it durable; a crash keeps all that is durable
// and any selection of what waits, each piece of it whole or in part:
//
//   a write            in whole, not at all, in any selection of its sectors (512 bytes, the unit that a device keeps
//                      whole), or as zeros where it makes the file longer
//   a size, a mode     done or not
//   names              create, rename, unlink... done or not, each as one; durable by a sync of the folder alone,
//                      never by one of the file
//
// Writes to one file need not be kept in the order they were made. Harsher than any device, and told apart: a write cut
// at any byte, and the 8-byte words of a write mixed (Tear::bytes, Tear::words).
#pragma once

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/torture/trace.h"

namespace sealring::torture {

constexpr std::size_t kSector = 512, kPage = 4096, kWord = 8;

// Bytes of a file, in memory that a fork shares rather than copies.
class Image {
 public:
  Image() = default;
  ~Image();
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;
  void resize(std::uint64_t size);
  void write(std::uint64_t offset, ByteView bytes);
  void zero(std::uint64_t offset, std::uint64_t length);
  ByteView bytes() const { return {data_, static_cast<std::size_t>(size_)}; }
  std::uint64_t size() const { return size_; }

 private:
  void reserve(std::uint64_t size);
  char* data_ = nullptr;
  std::uint64_t size_ = 0, room_ = 0;
};

struct Inode {
  bool folder = false;
  bool mapped = false;  // its content may be anything
  std::string born;     // its first name
  std::uint32_t mode = 0;
  Image data;
  std::map<std::string, std::uint64_t> names;  // of a folder: durable ones
};

// One change that is not durable yet.
struct Change {
  enum class Kind { write, resize, mode, names };
  struct Name {
    std::uint64_t folder = 0;
    std::string name;
    std::uint64_t ino = 0;  // 0: removed
  };
  Kind kind = Kind::write;
  std::size_t event = 0;  // in the trace
  std::uint64_t ino = 0;
  std::uint64_t offset = 0, length = 0;  // resize: length
  ByteView bytes;                        // write; empty: zeros
  std::uint32_t mode = 0;
  std::vector<Name> names;
  std::set<std::uint64_t> folders;  // not synced yet
};

// What happens to one change.
enum class Tear : std::uint8_t {
  none,     // it is lost
  whole,    // it is kept
  sectors,  // of a write: the sectors that `mask` selects
  prefix,   // of a write: `mask` bytes from its start, a multiple of the sector
  zeros,    // of a write: the file gets its size, but not what was written
  bytes,    // as prefix, of any length
  words,    // of a write: the 8-byte words that `mask` selects
};
struct Choice {
  Tear tear = Tear::none;
  std::uint64_t mask = 0;  // sectors and words: bit i of it is for those of number i modulo 64
};
// One for each change that waits, in order.
using Choices = std::vector<Choice>;
std::string words(const Choices& choices);

class Disk {
 public:
  // Takes the next event of files. Marks are left alone.
  void take(const Event& event, std::size_t number);
  // Whether it makes anything durable that is not yet.
  bool syncs(const Event& event) const;

  const std::map<std::uint64_t, Inode>& inodes() const { return inodes_; }
  std::uint64_t root() const { return root_; }
  const std::vector<Change>& waiting() const { return waiting_; }
  std::string name_of(std::uint64_t ino) const;  // one of its names, as the program sees them

  // Ranges of files whose durable content changed since the last call: inode, offset, length.
  std::vector<DirtyRange> take_changed() { return std::move(changed_); }

 private:
  Change names_change(const Event& event, std::size_t number);
  std::uint64_t find(std::string_view path) const;
  std::pair<std::uint64_t, std::string> place(std::string_view path) const;
  void settle(const Change& change);
  void sync(std::uint64_t ino, bool mode);
  void sync_range(std::uint64_t ino, std::uint64_t offset, std::uint64_t length);

  std::map<std::uint64_t, Inode> inodes_;
  std::map<std::uint64_t, std::map<std::string, std::uint64_t>> seen_;  // names as the program sees them
  std::uint64_t root_ = 0;
  std::vector<Change> waiting_;
  std::vector<DirtyRange> changed_;
};

// The pieces of a write that a choice keeps: offset within it, length.
std::vector<std::pair<std::uint64_t, std::uint64_t>> pieces(const Change& change, Choice choice);

}  // namespace sealring::torture
