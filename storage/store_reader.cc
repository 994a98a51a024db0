#include "storage/store_reader.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace sealring {
namespace {

Result<Bytes> slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Error{ErrorKind::missing, path + ": cannot be read"};
  Bytes bytes(std::istreambuf_iterator<char>(in), {});
  if (in.bad()) return retry_error(path + ": cannot be read");
  return bytes;
}

}  // namespace

// A daemon that commits twice between the snapshot and the reading of the journal makes them look as if they did not
// belong together.
Result<std::unique_ptr<StoreReader>> StoreReader::open(const std::string& directory) {
  constexpr int kMoreTimes = 5;
  auto opened = open_once(directory);
  for (int i = 0; i < kMoreTimes && !opened && opened.error().kind == ErrorKind::fatal; ++i)
    opened = open_once(directory);
  return opened;
}

Result<std::unique_ptr<StoreReader>> StoreReader::open_once(const std::string& directory) {
  const std::string path = directory + "/ring.lmdb";
  if (::access(path.c_str(), F_OK) != 0) return Error{ErrorKind::missing, path + ": there is no store"};
  SEALRING_ASSIGN(auto db, RingDb::open(path, RingDb::Mode::read, 0));
  SEALRING_ASSIGN(auto snapshot, db->read());
  std::unique_ptr<StoreReader> reader(new StoreReader(std::move(db), std::move(snapshot)));
  SEALRING_TRY(reader->load(directory));
  return reader;
}

Status StoreReader::load(const std::string& directory) {
  SEALRING_ASSIGN(state_, reader_.state());
  SEALRING_ASSIGN(segments_, reader_.segments());
  SEALRING_ASSIGN(losses_, reader_.losses());
  // Read after the snapshot: a running daemon only adds to it, and what it moves meanwhile stays in the journal until
  // the commit after.
  SEALRING_ASSIGN(const Bytes bytes, slurp(directory + "/journal"));
  auto scan = scan_journal(bytes, state_.origin);
  if (!scan) return std::move(scan).error().in(directory);
  std::uint64_t next = state_.sequence + 1, end = state_.size();
  for (JournalRecord& record : scan->records) {
    if (record.sequence < next) continue;
    if (record.sequence > next || record.mark || record.frame.header.first != end)
      return fatal_error(directory + ": the ring ends at size " + std::to_string(state_.size()) +
                         ", but the journal goes on at " + std::to_string(record.frame.header.first));
    ++next;
    end = record.frame.header.end();
    frames_.push_back(std::move(record));
  }
  const std::uint64_t last = scan->records.empty() ? next - 1 : scan->records.back().sequence;
  if (frames_.empty() && last + (state_.direct ? 1 : 0) < state_.sequence)
    return fatal_error(directory + ": the ring ends at size " + std::to_string(state_.size()) +
                       ", but the journal ends before it: one of the two was replaced by an older one");
  return {};
}

std::uint64_t StoreReader::size() const { return frames_.empty() ? state_.size() : frames_.back().frame.header.end(); }

Result<Bytes> StoreReader::entries(std::uint64_t first, std::size_t count) const {
  Bytes out;
  std::uint64_t at = first;
  const std::uint64_t end = first + count;
  const auto take = [&](ByteView bytes, std::uint64_t begin, std::uint64_t have) -> Status {
    SEALRING_ASSIGN(const auto split, split_entries(bytes, static_cast<std::size_t>(have)));
    for (; at < std::min(end, begin + have); ++at) {
      const ByteView entry = split[static_cast<std::size_t>(at - begin)];
      put_u16(out, static_cast<std::uint16_t>(entry.size()));
      out += entry;
    }
    return {};
  };
  while (at < std::min(end, state_.size())) {
    const std::uint64_t begin = at / kBundleEntries * kBundleEntries;
    if (at < first_index()) return Error{ErrorKind::missing, "store: entry " + std::to_string(at) + " was released"};
    if (const LossRecord* loss = find_loss(losses_, at))
      return Error{ErrorKind::missing, "store: " + loss_words(*loss)};
    SEALRING_ASSIGN(const Bytes bytes, reader_.bundle(begin / kBundleEntries));
    SEALRING_TRY(take(bytes, begin, std::min<std::uint64_t>(kBundleEntries, state_.size() - begin)));
  }
  for (const JournalRecord& record : frames_) {
    const FrameHeader& header = record.frame.header;
    if (at < end && header.first <= at && at < header.end())
      SEALRING_TRY(take(record.frame.entries, header.first, header.count));
  }
  if (at != end) return Error{ErrorKind::missing, "entry " + std::to_string(at) + " is not in the store"};
  return out;
}

Result<CompactRange> StoreReader::range_at(std::uint64_t size) const {
  SEALRING_ASSERT(size >= first_index() && size <= state_.size());
  std::vector<Hash> hashes;
  const std::uint64_t full = size / kBundleEntries * kBundleEntries;
  std::uint64_t at = 0;
  for (int level = 63; level >= kStoredNodeLevel; --level) {
    if ((size >> level & 1) == 0) continue;
    SEALRING_ASSIGN(const Hash hash, reader_.node(level, at >> level));
    hashes.push_back(hash);
    at += 1ull << level;
  }
  SEALRING_ASSIGN(CompactRange range, CompactRange::from(full, std::move(hashes)));
  if (full == size) return range;
  const std::size_t count = static_cast<std::size_t>(size - full);
  SEALRING_ASSIGN(const Bytes bytes, entries(full, count));
  SEALRING_ASSIGN(const auto split, split_entries(bytes, count));
  for (ByteView entry : split) range.append(leaf_hash(entry));
  return range;
}

Result<Hash> StoreReader::node(int level, std::uint64_t start) const {
  SEALRING_ASSERT(level >= 0 && level < 63 && start % (1ull << level) == 0);
  const std::uint64_t leaves = 1ull << level;
  if (start > size() || leaves > size() - start)
    return Error{ErrorKind::missing, "store: the subtree is not complete yet"};
  if (level < kStoredNodeLevel) {
    const std::uint64_t bundle = start / kBundleEntries, begin = bundle * kBundleEntries;
    if (leaves_bundle_ != bundle) {
      const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(kBundleEntries, size() - begin));
      SEALRING_ASSIGN(const Bytes bytes, entries(begin, count));
      SEALRING_ASSIGN(const auto split, split_entries(bytes, count));
      leaves_.clear();
      for (ByteView entry : split) leaves_.push_back(leaf_hash(entry));
      leaves_bundle_ = bundle;
    }
    CompactRange range;
    for (std::uint64_t i = start - begin; i < start - begin + leaves; ++i)
      range.append(leaves_[static_cast<std::size_t>(i)]);
    return range.root();
  }
  Result<Hash> stored = reader_.node(level, start >> level);
  if (stored || stored.error().kind != ErrorKind::missing) return stored;
  // Complete, but still in the journal.
  SEALRING_ASSIGN(const Hash left, node(level - 1, start));
  SEALRING_ASSIGN(const Hash right, node(level - 1, start + leaves / 2));
  return node_hash(left, right);
}

}  // namespace sealring
