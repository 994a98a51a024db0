#include "storage/ring_db.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "storage/disk_error.h"
#include "storage/ring_records.h"

namespace sealring {
namespace {

constexpr std::size_t kMaxKeyBytes = 16;

// Positive codes are errno's.
Error lmdb_error(int rc, const char* call) {
  const std::string words = std::string("ring: ") + call + ": " + mdb_strerror(rc);
  if (rc > 0) return {disk_error_kind(rc), words};
  switch (rc) {
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
      return {ErrorKind::full, words};
    case MDB_NOTFOUND:
      return {ErrorKind::missing, words};
    case MDB_READERS_FULL:
      return retry_error(words);
    case MDB_PANIC:
      return unknown_error(words);
    default:
      return fatal_error(words);
  }
}

MDB_val to_val(ByteView v) { return {v.size(), const_cast<char*>(v.data())}; }
ByteView from_val(const MDB_val& v) { return {static_cast<const char*>(v.mv_data), v.mv_size}; }

class Cursor {
 public:
  ~Cursor() {
    if (cursor_) mdb_cursor_close(cursor_);
  }
  int open(MDB_txn* txn, MDB_dbi dbi) { return mdb_cursor_open(txn, dbi, &cursor_); }
  int get(MDB_val& key, MDB_val& value, MDB_cursor_op op) { return mdb_cursor_get(cursor_, &key, &value, op); }
  int del() { return mdb_cursor_del(cursor_, 0); }

 private:
  MDB_cursor* cursor_ = nullptr;
};

// Calls `visit(key, value)` for each record from `first` on whose key begins with `prefix`, until it says false.
template <class Visit>
Status for_each(MDB_txn* txn, MDB_dbi dbi, ByteView first, ByteView prefix, Visit&& visit) {
  Cursor cursor;
  if (int rc = cursor.open(txn, dbi)) return lmdb_error(rc, "cursor");
  MDB_val key = to_val(first), value{};
  int rc = cursor.get(key, value, MDB_SET_RANGE);
  for (; rc == 0; rc = cursor.get(key, value, MDB_NEXT)) {
    if (from_val(key).substr(0, prefix.size()) != prefix) return {};
    if (!visit(cursor, from_val(key), from_val(value))) return {};
  }
  if (rc != MDB_NOTFOUND) return lmdb_error(rc, "cursor get");
  return {};
}

// All records of the type of `first`, whose keys are that and a number.
template <class Record, class Decode>
Result<std::vector<Record>> records(MDB_txn* txn, MDB_dbi dbi, const Bytes& first, Decode&& decode) {
  std::vector<Record> out;
  Status bad;
  SEALRING_TRY(for_each(txn, dbi, first, ByteView(first).substr(0, 1), [&](Cursor&, ByteView key, ByteView value) {
    auto record = decode(value, key.size() == first.size() ? get_u64(key.data() + 1) : ~0ull);
    if (record)
      out.push_back(std::move(record).value());
    else
      bad = std::move(record).error();
    return bad.ok();
  }));
  SEALRING_TRY(bad);
  return out;
}

// Where the file is mapped: the page of the state record says which one it is. 0: there is none yet.
std::uintptr_t map_of(MDB_txn* txn, MDB_dbi dbi, std::size_t page_bytes) {
  MDB_val key = to_val(ByteView("\0", 1)), value{};
  if (mdb_get(txn, dbi, &key, &value) != 0) return 0;
  const auto at = reinterpret_cast<std::uintptr_t>(value.mv_data);
  std::size_t number = 0;
  std::memcpy(&number, static_cast<const char*>(value.mv_data) - at % page_bytes, sizeof number);
  return at - at % page_bytes - number * page_bytes;
}

struct Map {
  std::uintptr_t begin;  // 0: not known
  std::uint64_t bytes;
  std::size_t page_bytes;
};

// LMDB frees as many pages as the first page of a value says, from the one on that it says it is: a wrong number there
// would free pages that are in use.
bool says_its_pages(const MDB_val& value, const Map& map) {
  constexpr std::size_t kHeader = sizeof(std::size_t) + 8;
  const char* const data = static_cast<const char*>(value.mv_data);
  const auto at = reinterpret_cast<std::uintptr_t>(data);
  if (at % map.page_bytes != kHeader) return true;  // within a page of several records
  std::uint32_t pages = 0;
  std::memcpy(&pages, data - 4, sizeof pages);
  std::size_t number = 0;
  std::memcpy(&number, data - kHeader, sizeof number);
  const bool mapped =
      map.begin != 0 && at >= map.begin && at - map.begin < map.bytes;  // else it is of this transaction
  return pages == (kHeader - 1 + value.mv_size) / map.page_bytes + 1 &&
         (!mapped || number == (at - map.begin) / map.page_bytes);
}

// Deletes records from `first` on as long as the key begins with `prefix` and is below `end`. Gives how many have to
// stay, because their page is damaged.
Result<std::size_t> erase_range(MDB_txn* txn, MDB_dbi dbi, ByteView first, ByteView prefix, ByteView end,
                                const Map& map) {
  int rc = 0;
  std::size_t stay = 0;
  SEALRING_TRY(for_each(txn, dbi, first, prefix, [&](Cursor& cursor, ByteView key, ByteView value) {
    if (!end.empty() && key >= end) return false;
    if (says_its_pages(to_val(value), map))
      rc = cursor.del();
    else
      ++stay;
    return rc == 0;
  }));
  if (rc) return lmdb_error(rc, "delete");
  return stay;
}

// Of records that a later start would take for true if they stayed.
Status erase_all(MDB_txn* txn, MDB_dbi dbi, ByteView first, ByteView prefix, ByteView end, const Map& map) {
  SEALRING_ASSIGN(const std::size_t stay, erase_range(txn, dbi, first, prefix, end, map));
  return stay == 0 ? Status() : Status(fatal_error("ring: a page that is to be released is damaged"));
}

}  // namespace

Result<std::unique_ptr<RingDb>> RingDb::open(const std::string& path, Mode mode, std::uint64_t map_bytes) {
  struct stat before {};
  if (mode != Mode::create && ::stat(path.c_str(), &before) == 0 && before.st_size == 0)
    return fatal_error(path + ": is empty, there is no log in it");  // LMDB's own words are of file descriptors
  MDB_env* env = nullptr;
  if (int rc = mdb_env_create(&env)) return lmdb_error(rc, "create");
  std::unique_ptr<RingDb> db(new RingDb(env, path));
  if (map_bytes != 0) mdb_env_set_mapsize(env, map_bytes);
  // NOTLS: a snapshot belongs to an object, not to a thread. NOMEMINIT stays off: no stray memory in the file.
  unsigned flags = MDB_NOSUBDIR | MDB_NOTLS;
  if (mode == Mode::read) flags |= MDB_RDONLY;
  if (mode == Mode::trial) flags |= MDB_NOLOCK;  // a lock file that is damaged or held is not what is tried
  if (int rc = mdb_env_open(env, path.c_str(), flags, 0600)) {
    if (rc == MDB_VERSION_MISMATCH || rc == MDB_INVALID)
      return reject_error(path + ": not an LMDB file of this version and word size (" + mdb_strerror(rc) +
                          "); a store cannot be carried between 32-bit and 64-bit machines");
    return lmdb_error(rc, "open").in(path);
  }
  // Reading behind the end of a file that was cut short would kill the process.
  MDB_envinfo size;
  struct stat st {};
  if (mdb_env_info(env, &size)) return fatal_error(path + ": cannot be examined");
  if (::stat(path.c_str(), &st) != 0) return disk_error(path + ": stat", errno);
  if (mode != Mode::create && static_cast<std::uint64_t>(st.st_size) < size.me_mapsize)
    return fatal_error(path + ": has " + std::to_string(st.st_size) + " bytes instead of " +
                       std::to_string(size.me_mapsize) + ": it was cut short");
  MDB_txn* txn = nullptr;
  if (int rc = mdb_txn_begin(env, nullptr, mode == Mode::read ? MDB_RDONLY : 0, &txn))
    return lmdb_error(rc, "begin").in(path);
  MDB_dbi dbi = 0;
  int rc = mdb_dbi_open(txn, nullptr, 0, &dbi);
  if (rc == 0) {
    rc = mdb_txn_commit(txn);
  } else {
    mdb_txn_abort(txn);
  }
  if (rc) return lmdb_error(rc, "open").in(path);
  db->dbi_ = dbi;
  MDB_envinfo info;
  MDB_stat stat;
  if (mdb_env_info(env, &info) || mdb_env_stat(env, &stat)) return fatal_error(path + ": cannot be examined");
  db->map_bytes_ = info.me_mapsize;
  db->page_bytes_ = stat.ms_psize;
  SEALRING_ASSIGN(const Reader reader, db->read());
  db->map_ = map_of(reader.txn_, dbi, db->page_bytes_);
  return db;
}

RingDb::~RingDb() { mdb_env_close(env_); }

void RingDb::clear_dead_readers() {
  int dead = 0;
  mdb_reader_check(env_, &dead);
}

long RingDb::lagging_reader() const {
  MDB_envinfo info;
  if (mdb_env_info(env_, &info)) return 0;
  struct Search {
    std::size_t newest;
    long found;
  } search{info.me_last_txnid, 0};
  // LMDB tells it only as a table for people: process, thread, and transaction or "-". The first line is its heading.
  const auto line = [](const char* text, void* to) {
    auto& s = *static_cast<Search*>(to);
    long pid = 0;
    std::size_t transaction = 0;
    if (std::sscanf(text, "%ld %*x %zu", &pid, &transaction) == 2 && pid != ::getpid() && transaction < s.newest)
      s.found = pid;
    return 0;
  };
  return mdb_reader_list(env_, line, &search) < 0 ? 0 : search.found;
}

Status RingDb::pre_size() {
  const int fd = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return disk_error(path_ + ": open", errno);
  struct stat st {};
  int rc = ::fstat(fd, &st);
  const Bytes zeros(1u << 20, '\0');
  auto at = static_cast<std::uint64_t>(st.st_size);
  while (rc == 0 && at < map_bytes_) {
    const ssize_t n =
        ::pwrite(fd, zeros.data(), std::min<std::uint64_t>(zeros.size(), map_bytes_ - at), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      rc = -1;
    else
      at += static_cast<std::uint64_t>(n);
  }
  if (rc == 0) rc = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  if (rc != 0) return disk_error(path_ + ": writing out " + std::to_string(map_bytes_) + " bytes", error);
  return {};
}

// --- Reader ---

Result<RingDb::Reader> RingDb::read() const {
  MDB_txn* txn = nullptr;
  if (int rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn)) return lmdb_error(rc, "begin read");
  return Reader(*this, txn);
}

RingDb::Reader::Reader(Reader&& other) noexcept : db_(other.db_), txn_(std::exchange(other.txn_, nullptr)) {}
RingDb::Reader::~Reader() {
  if (txn_) mdb_txn_abort(txn_);
}

Result<RingState> RingDb::Reader::state() const {
  MDB_val key = to_val(ByteView("\0", 1)), value{};
  if (int rc = mdb_get(txn_, db_->dbi_, &key, &value)) return lmdb_error(rc, "state record");
  return decode_ring_state(from_val(value));
}

Result<Bytes> RingDb::Reader::bundle(std::uint64_t number) const {
  const Bytes first = chunk_key(number, 0);
  Bytes out;
  std::size_t next = 0;
  bool gap = false;
  SEALRING_TRY(
      for_each(txn_, db_->dbi_, first, ByteView(first).substr(0, 9), [&](Cursor&, ByteView key, ByteView value) {
        gap = gap || key.size() != first.size() || get_u16(key.data() + 9) != next++;
        out += value;
        return !gap;
      }));
  if (gap) return fatal_error("ring: bundle " + std::to_string(number) + " lacks chunk " + std::to_string(next - 1));
  if (next == 0) return Error{ErrorKind::missing, "ring: bundle " + std::to_string(number) + " is not here"};
  return out;
}

Bytes RingDb::Reader::raw_bundle(std::uint64_t number) const {
  const Bytes first = chunk_key(number, 0);
  Bytes out;
  const Status ignored =
      for_each(txn_, db_->dbi_, first, ByteView(first).substr(0, 9), [&](Cursor&, ByteView, ByteView value) {
        out += value;
        return true;
      });
  static_cast<void>(ignored);
  return out;
}

Result<Hash> RingDb::Reader::node(int level, std::uint64_t index) const {
  const Bytes name = node_key(level, index);
  MDB_val key = to_val(name), value{};
  if (int rc = mdb_get(txn_, db_->dbi_, &key, &value)) return lmdb_error(rc, "tree node");
  if (value.mv_size != 32) return fatal_error("ring: tree node of level " + std::to_string(level) + " is damaged");
  return to_array<32>(from_val(value));
}

Result<std::vector<Segment>> RingDb::Reader::segments() const {
  return records<Segment>(txn_, db_->dbi_, segment_key(0), decode_segment);
}

Result<std::vector<LossRecord>> RingDb::Reader::losses() const {
  return records<LossRecord>(txn_, db_->dbi_, loss_key(0), decode_loss);
}

// --- Writer ---

Result<RingDb::Writer> RingDb::write() {
  MDB_txn* txn = nullptr;
  if (int rc = mdb_txn_begin(env_, nullptr, 0, &txn)) return lmdb_error(rc, "begin write");
  return Writer(*this, txn);
}

RingDb::Writer::Writer(Writer&& other) noexcept : db_(other.db_), txn_(std::exchange(other.txn_, nullptr)) {}
RingDb::Writer::~Writer() {
  if (txn_) mdb_txn_abort(txn_);
}

Status RingDb::Writer::put(ByteView key, ByteView value) {
  SEALRING_ASSERT(key.size() <= kMaxKeyBytes);
  MDB_val k = to_val(key), v = to_val(value);
  if (int rc = mdb_put(txn_, db_->dbi_, &k, &v, 0)) return lmdb_error(rc, "put");
  return {};
}

Status RingDb::Writer::put_state(const RingState& state) { return put(ByteView("\0", 1), encode_ring_state(state)); }

Status RingDb::Writer::put_chunk(std::uint64_t bundle, std::size_t chunk, ByteView bytes) {
  SEALRING_ASSERT(bytes.size() <= kChunkBytes);
  return put(chunk_key(bundle, chunk), bytes);
}

Status RingDb::Writer::put_node(const TreeNode& node) { return put(node_key(node.level, node.index), view(node.hash)); }

Status RingDb::Writer::put_segment(const Segment& segment) {
  return put(segment_key(segment.number), encode_segment(segment));
}

Status RingDb::Writer::erase_segment(std::uint64_t number) {
  const Bytes key = segment_key(number);
  return erase_all(txn_, db_->dbi_, key, key, {}, {db_->map_, db_->map_bytes_, db_->page_bytes_});
}

Status RingDb::Writer::put_loss(const LossRecord& loss) { return put(loss_key(loss.start), encode_loss(loss)); }

Status RingDb::Writer::erase_loss(std::uint64_t start) {
  const Bytes key = loss_key(start);
  return erase_all(txn_, db_->dbi_, key, key, {}, {db_->map_, db_->map_bytes_, db_->page_bytes_});
}

Result<std::size_t> RingDb::Writer::erase_bundle(std::uint64_t number) {
  const Bytes first = chunk_key(number, 0);
  return erase_range(txn_, db_->dbi_, first, ByteView(first).substr(0, 9), {},
                     {db_->map_, db_->map_bytes_, db_->page_bytes_});
}

Status RingDb::Writer::erase_nodes(int level, std::uint64_t end) {
  const Bytes first = node_key(level, 0), last = node_key(level, end);
  return erase_all(txn_, db_->dbi_, first, ByteView(first).substr(0, 2), last,
                   {db_->map_, db_->map_bytes_, db_->page_bytes_});
}

std::uint64_t RingDb::Writer::used_bytes() const {
  std::uint64_t pages = 2;  // meta
  for (MDB_dbi dbi : {MDB_dbi{0}, MDB_dbi{db_->dbi_}}) {
    MDB_stat stat;
    if (mdb_stat(txn_, dbi, &stat)) return db_->map_bytes_;  // cannot happen; count as full
    pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
  }
  return pages * db_->page_bytes_;
}

// What fails before the meta page is written is certainly not done, and the pages that were written belong to nobody.
// What fails while it is written LMDB cannot tell, and lets nobody write any more until the file is opened anew: that
// is how the two are told apart.
Status RingDb::Writer::commit() {
  const int rc = mdb_txn_commit(std::exchange(txn_, nullptr));
  if (rc == 0) return {};
  Error error = lmdb_error(rc, "commit");
  if (error.kind != ErrorKind::retry) {
    if (error.kind != ErrorKind::full) error.kind = ErrorKind::unknown;
    return error;
  }
  MDB_txn* probe = nullptr;
  const int usable = mdb_txn_begin(db_->env_, nullptr, 0, &probe);
  if (usable == 0) mdb_txn_abort(probe);
  if (usable == MDB_PANIC) return unknown_error("ring: commit of unknown outcome: " + std::string(mdb_strerror(rc)));
  return error;
}

}  // namespace sealring
