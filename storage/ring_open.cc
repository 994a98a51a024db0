#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "storage/disk_error.h"
#include "storage/entry.h"
#include "storage/journal_anew.h"
#include "storage/page_cache.h"
#include "storage/quarantine.h"
#include "storage/ring_check.h"
#include "storage/ring_store.h"
#include "storage/salvage.h"

namespace sealring {
namespace {

constexpr std::uint64_t kMinMapBytes = 64u << 20;

Error failure(const std::string& path, const char* call) { return disk_error(path + ": " + call, errno); }

Status sync_directory_of(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failure(directory, "open");
  const Status status = ::fsync(fd) != 0 ? Status(failure(directory, "fsync")) : Status();
  ::close(fd);
  return status;
}

std::string ring_path(const std::string& directory) { return directory + "/ring.lmdb"; }
std::string journal_path(const std::string& directory) { return directory + "/journal"; }

// Exclusive for the life of the process; says who else has it where the other left its pid.
Result<int> lock_store(const std::string& directory) {
  const std::string path = directory + "/lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return failure(path, "open");
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  const bool busy = errno == EWOULDBLOCK;
  Error reason = failure(path, "lock");
  ::close(fd);
  if (busy) return Error{ErrorKind::busy, directory + ": another process has this store open"};
  return reason;
}

// That was dealt with, and of which a kill prevented the entry.
std::string earlier_incident(const std::string& directory) {
  std::ifstream in(directory + kIncidentFile, std::ios::binary);
  std::string words(std::istreambuf_iterator<char>(in), {});
  return words.substr(0, 4096);
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

// The frame's last entry ends its segment, and another frame follows: LMDB has lost the commit that closed it, to a
// damaged meta page. (Behind the last frame the recorder finishes a seal by itself.)
void RingStore::close_replayed(const JournalRecord& record) {
  const auto split = split_entries(record.frame.entries, record.frame.header.count);
  if (!split) return;
  const auto entry = decode_entry(split->back());
  if (!entry) return;
  const auto* handover = std::get_if<Handover>(&entry->body);
  const auto* lost = std::get_if<KeyBreak>(&entry->body);
  const std::uint64_t index = record.frame.header.end() - 1;
  const bool ends = handover != nullptr ? handover->epoch == state_.segment && handover->size == index
                                        : lost != nullptr && lost->epoch == state_.segment && lost->size == index;
  if (!ends) return;
  Segment closed;
  closed.number = state_.segment;
  closed.start = state_.segment_start;
  closed.end = index + 1;
  closed.state = SegmentState::sealed;
  closed.closed_wall_ns = entry->common.wall_ns;
  replayed_close_ = closed;
}

Status RingStore::replay(std::vector<JournalRecord> records) {
  pending_range_ = state_.range;
  SEALRING_TRY(
      replay_journal(state_, records, [this](JournalRecord& record, const CompactRange& range, const auto& nodes) {
        if (!replayed_close_) close_replayed(record);
        pending_nodes_.insert(pending_nodes_.end(), nodes.begin(), nodes.end());
        pending_range_ = range;
        pending_bytes_ += record.frame.entries.size();
        pending_count_ += record.frame.header.count;
        contents_.last = record.frame.header;
        ++contents_.replayed;
        pending_.push_back(std::make_shared<const Frame>(std::move(record.frame)));
      }));
  if (replayed_close_ && replayed_close_->end == pending_range_.size()) replayed_close_.reset();
  return {};
}

Status RingStore::finish_open() {
  if (!replayed_close_) return move();
  Change change;
  change.closed = &*replayed_close_;
  return commit_with_release(change);
}

// The last, short bundle against the low part of the compact range: what the next append builds on.
Status RingStore::check_partial_bundle() {
  tail_ = BundleTail(state_.size());
  if (state_.size() % kBundleEntries == 0) return {};
  SEALRING_ASSIGN(auto reader, db_->read());
  SEALRING_ASSIGN(const Bytes bytes, reader.bundle(state_.size() / kBundleEntries));
  SEALRING_TRY(check_last_bundle(state_, bytes));
  tail_.resume(bytes);
  return {};
}

Status RingStore::recover(std::string incident, bool silent) {
  db_->clear_dead_readers();
  SEALRING_ASSIGN(auto reader, db_->read());
  SEALRING_ASSIGN(segments_, reader.segments());
  SEALRING_TRY(check_segments(state_, segments_));
  SEALRING_ASSIGN(losses_, reader.losses());
  SEALRING_TRY(check_losses(state_, segments_, losses_));
  SEALRING_TRY(check_partial_bundle());
  std::vector<JournalRecord> records = journal_->take_records();
  bool direct_ahead = false;
  SEALRING_TRY(check_against_journal(state_, records, direct_ahead));
  if (direct_ahead) {
    // Killed between the commit of a large frame and its mark: the ring is ahead by just that frame.
    journal_->switch_half();
    SEALRING_TRY(journal_->mark(state_.last));
    SEALRING_TRY(journal_->sync());
  }
  contents_.last = state_.last;
  contents_.incident = std::move(incident);
  contents_.silent = silent;
  SEALRING_TRY(replay(std::move(records)));
  SEALRING_ASSIGN(auto writer, db_->write());
  usage_.used_bytes = writer.used_bytes();
  contents_.origin = state_.origin;
  remember(contents_.last, pending_range_);
  return {};
}

namespace {

Result<std::string> usable_ring(const Ring::Options& options) {
  Result<std::string> usable = make_ring_usable(options.directory);
  if (usable || usable.error().kind != ErrorKind::fatal) return usable;
  std::string found = usable.error().message;
  if (options.quarantine) {
    Result<std::string> replaced = quarantine_ring(options.directory, found);
    if (replaced || replaced.error().kind == ErrorKind::unknown) return replaced;
    found += ". It cannot be gone on from by itself: " + replaced.error().message;
  }
  return fatal_error(found + kRepairAdvice);
}

}  // namespace

Status Ring::create(const Options& options, const std::string& origin, const Frame& genesis) {
  const std::string& directory = options.directory;
  const std::string path = ring_path(directory), temporary = path + ".new";
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return failure(directory, "mkdir");
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
  if (::rename(temporary.c_str(), path.c_str()) != 0) return failure(path, "rename");
  return sync_directory_of(directory);
}

Result<std::unique_ptr<Ring>> Ring::open(const Options& options) {
  const std::string& directory = options.directory;
  const std::string path = ring_path(directory);
  if (::access(path.c_str(), F_OK) != 0) {
    const bool missing = errno == ENOENT;
    Error error = failure(path, "open");
    if (missing) error = {ErrorKind::missing, error.message + " (make a store with `sealring init`)"};
    return error;
  }
  if (::access((directory + kSalvagedFile).c_str(), F_OK) == 0)
    return reject_error(directory +
                        ": was saved by `sealring repair` from a damaged store, and lacks what the log needs to "
                        "go on: it is to be read only");
  SEALRING_ASSIGN(const int lock, lock_store(directory));
  std::string incident;
  auto opened = [&]() -> Result<std::unique_ptr<RingStore>> {
    SEALRING_TRY(forget_page_cache(path));
    SEALRING_ASSIGN(incident, usable_ring(options));
    if (incident.empty()) incident = earlier_incident(directory);
    SEALRING_ASSIGN(auto db, RingDb::open(path, RingDb::Mode::write, 0));
    Result<RingState> state = [&]() -> Result<RingState> {
      SEALRING_ASSIGN(auto reader, db->read());
      return reader.state();
    }();
    if (!state) return std::move(state).error();
    SEALRING_ASSIGN(const std::string lost, make_journal_usable(directory, *state, incident));
    if (!lost.empty()) incident = lost;
    SEALRING_ASSIGN(auto journal, Journal::open(journal_path(directory), state->origin));
    return std::make_unique<RingStore>(lock, std::move(db), std::move(journal), std::move(state).value());
  }();
  if (!opened) {
    ::close(lock);
    return std::move(opened).error().in(directory);
  }
  Status status = (*opened)->recover(std::move(incident), ::access((directory + kSilentFile).c_str(), F_OK) == 0);
  if (status.ok()) status = (*opened)->finish_open();
  if (!status.ok()) return std::move(status).error().in(directory);
  return std::unique_ptr<Ring>(std::move(opened).value());
}

}  // namespace sealring
