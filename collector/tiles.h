// The tiles of one log (C2SP tlog-tiles), made from the segments of its archive when they are asked for.
//
// A tile is there once all its entries are archived. Partial tiles of any width are served, not only those of published
// sizes: they cost nothing to keep, and whoever holds an older checkpoint, or the witness' one, finds his.
//
// In memory, per bundle of 256 entries: its offset and its hash, which is the tree from level 8 up: tiles of level 1
// and above are copied from there. A bundle, and a tile of level 0, is read from the file. A full bundle is compared
// with its hash before it is served, so that a rotten block is an error here and not a lasting one in every cache.
//
// Measured with 10 million entries in 200 segments (1.1 GiB): 3 MiB of memory; 11 ms to load, 2.2 s when all indexes
// are made anew; 53 us for a tile of level 0, 1 us for one of level 1.
//
// Why not tiles as files: they would double what is written and synced for each segment, and a log of short segments
// has most of its tiles written several times.
//
// Threads: load() and add() on one at a time; the others on any, also meanwhile. The lock is held for copying 256
// hashes at most, never while a file is read: a reader does not hold up an upload.
#pragma once

#include <shared_mutex>

#include "collector/archive.h"
#include "collector/tile_path.h"

namespace sealring {

class Tiles {
 public:
  explicit Tiles(LogArchive& archive) : archive_(archive) {}  // which must outlive it
  // At start: reads the indexes of `segments`, which end at `archived`, and makes those anew that are missing or do not
  // hold. All hashes together are compared with `archived`, so no index has to be trusted. fatal: a segment is damaged.
  Status load(const std::vector<EntryRange>& segments, const CompactRange& archived);
  // A segment that continues the last one, and is on disk. Keeps its index in a file, too, as well as it can.
  void add(const SegmentIndex& index);

  // The bytes of the tile or bundle. missing: not there (yet). retry: cannot be read now. fatal: the archive is damaged
  // there (the others may be served nevertheless).
  Result<Bytes> read(const TilePath& path) const;

 private:
  struct Segment {
    EntryRange range;
    std::size_t offsets_at = 0;  // in offsets_
  };
  struct Piece {  // of a bundle, in one segment
    EntryRange segment;
    std::uint64_t offset = 0, bytes = 0;
  };
  struct Bundle {
    std::uint64_t count = 0;  // entries that are archived
    std::vector<Piece> pieces;
    std::optional<Hash> hash;  // of a full one
  };
  Result<SegmentIndex> stored(const EntryRange& range) const;
  Result<SegmentIndex> made(const EntryRange& range) const;
  void store(const SegmentIndex& index);
  void append(const SegmentIndex& index);
  bool fits(const CompactRange& archived) const;
  std::uint64_t size() const { return segments_.empty() ? 0 : segments_.back().range.end; }
  Bundle locate(std::uint64_t index) const;
  Result<Bytes> read_bundle(const TilePath& path) const;

  LogArchive& archive_;
  mutable std::shared_mutex mutex_;             // of what follows
  std::vector<Segment> segments_;               // ascending, without gaps
  std::vector<std::uint32_t> offsets_;          // of all segments, see SegmentIndex
  std::vector<std::vector<Hash>> levels_ = {};  // [k]: the hashes of 256^(k+1) entries each
};

}  // namespace sealring
