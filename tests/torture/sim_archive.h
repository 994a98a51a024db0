// What the archive of a simulated collector holds, read as it grows.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "gateway/verify.h"
#include "storage/segment_file.h"

namespace sealring::sim {

constexpr std::size_t kMarked = 24;  // bytes of a payload that name it

class ArchiveReading {
 public:
  explicit ArchiveReading(std::string folder) : folder_(std::move(folder)) {}  // of the log
  void read();

  struct Archived {
    std::size_t all = 0, flagged = 0;
  };
  // By the names of the payloads.
  const std::map<std::string, Archived>& messages() const { return messages_; }
  bool has(const std::string& name) const { return messages_.count(name) != 0; }
  std::size_t damage_alarms() const { return damage_alarms_; }
  bool only_damage() const;  // no loss is of another reason
  std::size_t losses() const { return losses_.size(); }
  // What the holes must have had, where all names differ and came in the order of `published`: each had as many
  // messages as its loss entry says, those that come next after what is before it, and which are archived nowhere, or
  // with a flag. Gives the first kind; fails where it is not so.
  std::set<std::string> dropped(const std::vector<std::string>& published) const;
  // Whether `verify` has found the same losses; fails where not.
  void compare(const std::vector<LossSeen>& seen) const;

 private:
  void take(std::uint64_t index, ByteView bytes);
  std::size_t messages_between(std::uint64_t start, std::uint64_t end) const;

  const std::string folder_;
  std::set<std::string> read_;  // names of segments
  std::map<std::string, Archived> messages_;
  std::map<std::uint64_t, std::string> names_;  // by index
  std::map<std::uint64_t, Loss> losses_;        // by index
  std::map<std::uint64_t, SegmentHole> holes_;  // by the index of their loss entry
  std::size_t damage_alarms_ = 0;
};

}  // namespace sealring::sim
