// The LMDB side of the store: typed records over one unnamed database (each named one costs about 4 KB per commit).
// The only includer of lmdb.h is ring_db.cc. FORMAT.md "Ring" has keys and values.
//
// Traps of LMDB 0.9 kept here: no checksums (the journal is the independent copy of size and root); MAP_FULL may come
// from put and from commit; after a failed commit the outcome is unknown and the environment may not be used on; a
// reader that stays pins pages, so every Reader is short-lived.
#pragma once

#include <memory>
#include <optional>

#include "storage/ring.h"

struct MDB_env;
struct MDB_txn;

namespace sealring {

struct RingState {
  std::string origin;
  std::uint64_t sequence = 0;  // journal sequence of the last frame in the ring
  bool direct = false;         // that frame did not come through the journal
  FrameHeader last;
  std::uint64_t segment = 0;  // number of the open one
  std::uint64_t segment_start = 0;
  std::uint64_t first_index = 0;  // lowest entry still here; a multiple of 256
  CompactRange range;             // of all entries in the ring
  bool losses = false;            // there are records of losses: version 2, which a program that knows none refuses

  std::uint64_t size() const { return range.size(); }
};
Bytes encode_ring_state(const RingState& state);
// reject: another format version (says which), or damaged (checksum).
Result<RingState> decode_ring_state(ByteView bytes);

// What a key is of. None: not a key of this version.
struct RingKey {
  enum class Kind { state, segment, loss, node, chunk };
  Kind kind = Kind::state;
  int level = 0;            // of a node
  std::uint64_t index = 0;  // number of the segment or bundle, or of the node in its level, or start of the loss
  std::size_t chunk = 0;
};
std::optional<RingKey> parse_ring_key(ByteView key);
// fatal: damaged, or of another number.
Result<Segment> decode_segment(ByteView bytes, std::uint64_t number);
Result<LossRecord> decode_loss(ByteView bytes, std::uint64_t start);

class RingDb {
 public:
  // create: a new file of exactly `map_bytes`, to be filled by one Writer and then pre_size()d. trial: for a process
  // that tries whether the file can be written, without LMDB's lock file: nothing may be committed.
  enum class Mode { create, write, read, trial };
  static Result<std::unique_ptr<RingDb>> open(const std::string& path, Mode mode, std::uint64_t map_bytes);
  ~RingDb();
  RingDb(const RingDb&) = delete;
  RingDb& operator=(const RingDb&) = delete;

  // A consistent snapshot. Any thread; one thread at a time each.
  class Reader {
   public:
    ~Reader();
    Reader(Reader&& other) noexcept;
    Reader(const Reader&) = delete;
    Result<RingState> state() const;
    // Its chunks joined: bundle-encoded entries, the last bundle may be short. missing: released.
    Result<Bytes> bundle(std::uint64_t number) const;
    Bytes raw_bundle(std::uint64_t number) const;             // what there is of its chunks, joined
    Result<Hash> node(int level, std::uint64_t index) const;  // missing: not stored
    Result<std::vector<Segment>> segments() const;
    Result<std::vector<LossRecord>> losses() const;  // by start

   private:
    friend class RingDb;
    Reader(const RingDb& db, MDB_txn* txn) : db_(&db), txn_(txn) {}
    const RingDb* db_;
    MDB_txn* txn_;
  };
  Result<Reader> read() const;

  // One write transaction, aborted at destruction unless committed. full: no page left.
  class Writer {
   public:
    ~Writer();
    Writer(Writer&& other) noexcept;
    Writer(const Writer&) = delete;
    Status put_state(const RingState& state);
    Status put_chunk(std::uint64_t bundle, std::size_t chunk, ByteView bytes);
    Status put_node(const TreeNode& node);
    Status put_segment(const Segment& segment);
    Status erase_segment(std::uint64_t number);
    // How many of its chunks have to stay, because their page does not say how many pages it is: LMDB would free as
    // many as it says. They are in nobody's way, and nobody reads them any more.
    Result<std::size_t> erase_bundle(std::uint64_t number);
    Status put_loss(const LossRecord& loss);
    Status erase_loss(std::uint64_t start);
    // All nodes of `level` with an index below `end`.
    Status erase_nodes(int level, std::uint64_t end);
    // By pages: what would be in use after a commit now.
    std::uint64_t used_bytes() const;
    // full, retry: certainly not done. unknown: nobody can tell, or the disk fails.
    Status commit();

   private:
    friend class RingDb;
    Writer(const RingDb& db, MDB_txn* txn) : db_(&db), txn_(txn) {}
    Status put(ByteView key, ByteView value);
    const RingDb* db_;
    MDB_txn* txn_;
  };
  Result<Writer> write();

  std::uint64_t map_bytes() const { return map_bytes_; }
  const std::string& path() const { return path_; }
  void clear_dead_readers();
  // Another process that reads an older view of the ring, by which the pages released since then are kept; 0: none.
  long lagging_reader() const;
  Status pre_size();  // writes zeros up to map_bytes and syncs, so that no commit ever grows the file

 private:
  RingDb(MDB_env* env, std::string path) : env_(env), path_(std::move(path)) {}
  MDB_env* env_;
  std::string path_;
  unsigned dbi_ = 0;
  std::uint64_t map_bytes_ = 0;
  std::size_t page_bytes_ = 4096;
  std::uintptr_t map_ = 0;  // where the file is mapped, which LMDB does not tell; 0: a new file, not known
};

}  // namespace sealring
