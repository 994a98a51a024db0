#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "storage/ring_store.h"

namespace sealring {
namespace {

constexpr std::uint64_t kMinMapBytes = 64u << 20;

std::string words(const std::string& path, const char* call) {
  return path + ": " + call + ": " + std::strerror(errno);
}

std::string at_size(std::uint64_t size, const Hash& root) {
  return "size " + std::to_string(size) + " root " + hex(view(root)).substr(0, 16);
}

Status sync_directory_of(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return retry_error(words(directory, "open"));
  const int rc = ::fsync(fd);
  ::close(fd);
  if (rc != 0) return retry_error(words(directory, "fsync"));
  return {};
}

std::string ring_path(const std::string& directory) { return directory + "/ring.lmdb"; }
std::string journal_path(const std::string& directory) { return directory + "/journal"; }

// Exclusive for the life of the process; says who else has it where the other left its pid.
Result<int> lock_store(const std::string& directory) {
  const std::string path = directory + "/lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return retry_error(words(path, "open"));
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  const bool busy = errno == EWOULDBLOCK;
  const std::string reason = words(path, "lock");
  ::close(fd);
  if (busy) return Error{ErrorKind::busy, directory + ": another process has this store open"};
  return retry_error(reason);
}

Status create_ring_file(const std::string& path, std::uint64_t map_bytes, const RingState& state,
                        const Frame& genesis) {
  SEALRING_ASSIGN(auto db, RingDb::open(path, RingDb::Mode::create, map_bytes));
  {
    SEALRING_ASSIGN(auto writer, db->write());
    BundleTail tail;
    SEALRING_TRY(tail.put(writer, genesis));
    SEALRING_TRY(tail.flush(writer));
    SEALRING_TRY(writer.put_state(state));
    SEALRING_TRY(writer.commit());
  }
  return db->pre_size();
}

}  // namespace

RingStore::~RingStore() { ::close(lock_fd_); }

Status RingStore::check_against_journal(const std::vector<JournalRecord>& records) {
  const JournalRecord& first = records.front();
  const JournalRecord& last = records.back();
  const std::string ring = "ring has " + at_size(state_.size(), state_.range.root());
  if (last.sequence + 1 == state_.sequence && state_.direct) {
    // Killed between the commit of a large frame and its mark: the ring is ahead by just that frame.
    journal_->switch_half();
    SEALRING_TRY(journal_->mark(state_.last));
    return journal_->sync();
  }
  if (last.sequence < state_.sequence)
    return fatal_error("store: " + ring + ", but the journal ends before it at size " +
                       std::to_string(last.frame.header.end()) +
                       ": the journal was replaced by an older one. Keep both files; ask the collector for its size");
  if (first.sequence > state_.sequence + 1)
    return fatal_error("store: " + ring + ", but the oldest frame in the journal begins at " +
                       std::to_string(first.frame.header.first) +
                       ": the ring lost a commit or was replaced by an older one. Keep both files");
  for (const JournalRecord& record : records)
    if (record.sequence == state_.sequence &&
        (record.frame.header.end() != state_.size() || record.frame.header.root != state_.range.root()))
      return fatal_error("store: " + ring + ", but the journal has " +
                         at_size(record.frame.header.end(), record.frame.header.root) + " at the same place");
  return {};
}

Status RingStore::replay(std::vector<JournalRecord> records) {
  CompactRange range = state_.range;
  for (JournalRecord& record : records) {
    if (record.sequence <= state_.sequence) continue;
    const FrameHeader& header = record.frame.header;
    const std::string where = "store: journal frame " + std::to_string(record.sequence);
    if (record.mark || header.first != range.size())
      return fatal_error(where + " begins at " + std::to_string(header.first) + ", but the ring ends at " +
                         std::to_string(range.size()));
    SEALRING_ASSIGN(const auto entries, split_entries(record.frame.entries, header.count));
    for (const Hash& leaf : leaf_hashes(entries))
      range.append(leaf, [&](int level, std::uint64_t index, const Hash& hash) {
        if (level >= kStoredNodeLevel) pending_nodes_.push_back({level, index, hash});
      });
    if (range.root() != header.root) return fatal_error(where + ": its root does not follow from its entries");
    pending_bytes_ += record.frame.entries.size();
    pending_count_ += header.count;
    contents_.last = header;
    ++contents_.replayed;
    pending_.push_back(std::make_shared<const Frame>(std::move(record.frame)));
  }
  pending_range_ = range;
  return {};
}

// The last, short bundle against the low part of the compact range: what the next append builds on.
Status RingStore::check_partial_bundle() {
  const std::uint64_t count = state_.size() % kBundleEntries;
  tail_ = BundleTail(state_.size());
  if (count == 0) return {};
  SEALRING_ASSIGN(auto reader, db_->read());
  SEALRING_ASSIGN(const Bytes bytes, reader.bundle(state_.size() / kBundleEntries));
  auto entries = split_entries(bytes, count);
  if (!entries) return std::move(entries).error().in("ring: last bundle");
  CompactRange low;
  for (const Hash& leaf : leaf_hashes(*entries)) low.append(leaf);
  const auto& all = state_.range.hashes();
  if (!std::equal(low.hashes().rbegin(), low.hashes().rend(), all.rbegin()))
    return fatal_error("ring: the last bundle does not match the tree state");
  tail_.resume(bytes);
  return {};
}

// Each within one closed segment, in whole bundles, and recorded by an entry behind it. Their entries are not looked
// for: what else is not there is found by whoever reads it.
Status RingStore::check_losses() const {
  if (state_.losses == losses_.empty())
    return fatal_error("ring: the state record and the records of losses contradict each other");
  std::uint64_t from = 0;
  for (const LossRecord& loss : losses_) {
    const auto holds_it = [&loss](const Segment& s) { return s.start <= loss.start && loss.end <= s.end; };
    if (loss.start < from || loss.index < loss.end || loss.index >= state_.size() ||
        std::none_of(segments_.begin(), segments_.end(), holds_it))
      return fatal_error("ring: the record of the loss at " + std::to_string(loss.start) + " does not fit the log");
    from = loss.end;
  }
  return {};
}

Status RingStore::recover() {
  db_->clear_dead_readers();
  SEALRING_ASSIGN(auto reader, db_->read());
  SEALRING_ASSIGN(segments_, reader.segments());
  std::uint64_t next = segments_.empty() ? state_.segment_start : segments_.front().start;
  for (const Segment& segment : segments_) {
    if (segment.start != next)
      return fatal_error("ring: segment " + std::to_string(segment.number) +
                         " does not begin where the one before ends");
    next = segment.end;
  }
  if (next != state_.segment_start) return fatal_error("ring: the open segment does not begin where the last one ends");
  SEALRING_ASSIGN(losses_, reader.losses());
  SEALRING_TRY(check_losses());
  SEALRING_TRY(check_partial_bundle());
  std::vector<JournalRecord> records = journal_->take_records();
  SEALRING_TRY(check_against_journal(records));
  contents_.last = state_.last;
  SEALRING_TRY(replay(std::move(records)));
  SEALRING_ASSIGN(auto writer, db_->write());
  usage_.used_bytes = writer.used_bytes();
  contents_.origin = state_.origin;
  remember(contents_.last, pending_range_);
  return {};
}

Status Ring::create(const Options& options, const std::string& origin, const Frame& genesis) {
  const std::string& directory = options.directory;
  const std::string path = ring_path(directory), temporary = path + ".new";
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return retry_error(words(directory, "mkdir"));
  SEALRING_ASSIGN(const int lock, lock_store(directory));
  struct LockCloser {
    int fd;
    ~LockCloser() { ::close(fd); }
  } closer{lock};
  if (::access(path.c_str(), F_OK) == 0) return reject_error(directory + ": there is a store already");
  if (options.map_bytes < kMinMapBytes || options.map_bytes % (1u << 20) != 0)
    return reject_error("ring size " + std::to_string(options.map_bytes) + ": must be whole MiB, at least " +
                        std::to_string(kMinMapBytes >> 20));
  ::unlink(temporary.c_str());  // of a creation that was cut short
  ::unlink((temporary + "-lock").c_str());

  RingState state;
  state.origin = origin;
  state.sequence = 1;
  state.direct = true;
  state.last = genesis.header;
  SEALRING_ASSIGN(const auto entries, split_entries(genesis.entries, genesis.header.count));
  for (ByteView entry : entries) state.range.append(leaf_hash(entry));
  SEALRING_ASSERT(state.range.root() == genesis.header.root);
  SEALRING_TRY(create_ring_file(temporary, options.map_bytes, state, genesis));
  ::unlink((temporary + "-lock").c_str());
  SEALRING_TRY(Journal::create(journal_path(directory), origin, genesis.header));
  // The journal's name is durable before the ring has its own: what has a ring is a store.
  SEALRING_TRY(sync_directory_of(directory));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return retry_error(words(path, "rename"));
  return sync_directory_of(directory);
}

Result<std::unique_ptr<Ring>> Ring::open(const Options& options) {
  const std::string& directory = options.directory;
  const std::string path = ring_path(directory);
  if (::access(path.c_str(), F_OK) != 0)
    return Error{ErrorKind::missing, words(path, "open") + " (make a store with `sealring init`)"};
  SEALRING_ASSIGN(const int lock, lock_store(directory));
  auto opened = [&]() -> Result<std::unique_ptr<RingStore>> {
    SEALRING_ASSIGN(auto db, RingDb::open(path, RingDb::Mode::write, 0));
    Result<RingState> state = [&]() -> Result<RingState> {
      SEALRING_ASSIGN(auto reader, db->read());
      return reader.state();
    }();
    if (!state) return std::move(state).error();
    SEALRING_ASSIGN(auto journal, Journal::open(journal_path(directory), state->origin));
    return std::make_unique<RingStore>(lock, std::move(db), std::move(journal), std::move(state).value());
  }();
  if (!opened) {
    ::close(lock);
    return std::move(opened).error().in(directory);
  }
  Status status = (*opened)->recover();
  if (status.ok()) status = (*opened)->move();  // what only the journal had is now in the ring too
  if (!status.ok()) return std::move(status).error().in(directory);
  return std::unique_ptr<Ring>(std::move(opened).value());
}

}  // namespace sealring
