// What the tests of journal and ring share: a temporary folder, and a log that grows by frames of chosen sizes and
// remembers what it appended.
#pragma once

#include <random>

#include "crypto/checkpoint.h"
#include "storage/ring.h"
#include "tests/unit/temp_dir.h"

namespace sealring::test {

inline const std::string kOrigin = "example.com/test/gw";

// A writer that keeps every entry, so that a test can compare the store with what it was given.
class ModelLog {
 public:
  explicit ModelLog(unsigned seed) : random_(seed) {}

  struct Step {
    Frame frame;
    CompactRange range;
    std::vector<TreeNode> nodes;
  };
  // The next frame: `count` entries of `bytes` bytes each.
  Step next(std::size_t count, std::size_t bytes) {
    std::vector<Bytes> fresh;
    for (std::size_t i = 0; i < count; ++i) {
      Bytes entry(bytes, '\0');
      for (char& c : entry) c = static_cast<char>(random_());
      fresh.push_back(std::move(entry));
    }
    return frame_of(std::move(fresh));
  }
  Step frame_of(std::vector<Bytes> fresh) {
    Step step;
    step.frame.header.first = range_.size();
    step.frame.header.count = static_cast<std::uint32_t>(fresh.size());
    for (const Bytes& entry : fresh) {
      put_u16(step.frame.entries, static_cast<std::uint16_t>(entry.size()));
      step.frame.entries += entry;
      range_.append(leaf_hash(entry), [&](int level, std::uint64_t index, const Hash& hash) {
        if (level >= kStoredNodeLevel) step.nodes.push_back({level, index, hash});
      });
    }
    step.range = range_;
    step.frame.header.root = range_.root();
    entries_.insert(entries_.end(), fresh.begin(), fresh.end());
    return step;
  }
  // Forgets everything from `size` on: what was never durable.
  void rewind(std::uint64_t size) {
    entries_.resize(size);
    range_ = CompactRange();
    for (const Bytes& entry : entries_) range_.append(leaf_hash(entry));
  }
  const std::vector<Bytes>& entries() const { return entries_; }
  const CompactRange& range() const { return range_; }
  Hash root_at(std::uint64_t size) const {
    CompactRange range;
    for (std::uint64_t i = 0; i < size; ++i) range.append(leaf_hash(entries_[i]));
    return range.root();
  }

 private:
  std::mt19937 random_;
  std::vector<Bytes> entries_;
  CompactRange range_;
};

}  // namespace sealring::test
