// The store of one log: journal and ring behind one seam (storage/FORMAT.md has the bytes).
//
// A frame of less than kJournalFrameBytes becomes durable by one write and one sync of the journal. When a journal half
// is full, at a seal, a stop, or before a larger frame, all frames in it move into LMDB in one transaction and writing
// goes on in the other half; a half is overwritten only after the LMDB commit after the one that moved it. Entries lie
// in LMDB as bundles of 256, cut into chunks of one page each, so that no run of free pages is ever needed.
//
// Rejected alternatives, measured: one LMDB commit per frame writes 5-10 pages and two flushes for one record; one
// value per frame leaves the map stuck with free pages that no value fits.
//
// A ring that is full can drop whole bundles of a closed segment that is not acknowledged: with the frame that records
// the loss, in one LMDB transaction, so a crash leaves both or neither. The hashes of the bundles and the nodes above
// them stay, as long as proofs need them.
//
// Threads: one writer calls append, drop, close_segment, attach_note, acknowledge, move. Everything const may be called
// from any thread meanwhile and sees a consistent state; results are copies. Errors of the writer's functions: full
// (nothing happened, call again after a receipt), retry (nothing happened: the disk is full or read-only, or there is
// no memory; call again, with the same frame), unknown (an I/O error, or a commit of unknown outcome: exit, and let the
// next open read from the disk what is there), fatal.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/merkle.h"
#include "storage/frame.h"

namespace sealring {

enum class SegmentState : std::uint8_t { open = 0, sealed = 1, acknowledged = 2, released = 3 };
const char* segment_state_name(SegmentState state);

struct Segment {
  std::uint64_t number = 0;          // 0, 1, 2...; the segment of epoch k is number k
  std::uint64_t start = 0, end = 0;  // entries [start, end); of the open segment, end is the size now
  SegmentState state = SegmentState::open;
  std::int64_t closed_wall_ns = 0;
  Bytes note;  // once signed: checkpoint of size `end` with the identity's line; once acknowledged, the cosigners' too
};

// Entries of a closed segment that were dropped unsent (docs/log.md §6). Its record stays until all before its end has
// gone. `messages` and the times are those of the loss entry.
struct LossRecord {
  std::uint64_t start = 0, end = 0;                  // [start, end): whole bundles
  std::uint64_t index = 0;                           // of the loss entry
  std::uint64_t messages = 0;                        // of which an entry was in there
  std::int64_t first_wall_ns = 0, last_wall_ns = 0;  // of the entries
  bool damaged = false;                              // that is why; otherwise the ring was full
};
// That `index` is in it, of `losses` in ascending order; nullptr: it is in none.
const LossRecord* find_loss(const std::vector<LossRecord>& losses, std::uint64_t index);
// "entries [A, B) were dropped unsent when the ring was full; the loss entry is N", or "... since they were damaged;
// ..."
std::string loss_words(const LossRecord& loss);

// How far receipts reach without a gap: what was released had its own.
std::uint64_t receipted_size(const std::vector<Segment>& segments);

// An inner node of the tree that a frame completes: 2^level leaves, the index-th of its level. From level
// kStoredNodeLevel on they are stored, so that proofs need no released entry.
struct TreeNode {
  int level = 0;
  std::uint64_t index = 0;
  Hash hash{};
};
constexpr int kStoredNodeLevel = 8;  // 256 leaves: one bundle

// One whose entries nobody can prove any more, though its hash can be proven.
struct DamagedBundle {
  std::string words;  // what is damaged
  Bytes bytes;        // what is stored in the place of it, as far as it can be read
};

class Ring {
 public:
  struct Options {
    std::string directory;
    std::uint64_t map_bytes = 256u << 20;  // only read by create(); fixed afterwards
    bool quarantine = false;               // open(): a ring that is damaged may be replaced, see quarantine.h
  };
  struct Contents {  // what a writer must know to go on
    std::string origin;
    CompactRange range;       // of everything appended
    std::uint64_t epoch = 0;  // of the open segment
    std::uint64_t segment_start = 0;
    FrameHeader last;            // header of the last frame
    std::uint64_t replayed = 0;  // frames that open() found only in the journal
    std::string incident;  // what open() found damaged and could do something about, here or in an earlier run, and
                           // that no entry tells of yet; empty: nothing
    bool silent = false;   // the journal was lost: the identity key may not sign (journal_anew.h)
  };
  struct Usage {
    std::uint64_t map_bytes = 0, used_bytes = 0;  // by pages
    std::uint64_t reserve_bytes = 0;              // kept free
    std::uint64_t first_index = 0;                // lowest entry still here
    std::uint64_t size = 0;
    std::uint64_t map_full = 0;     // how often LMDB had no page although the budget said so, since open: should be 0
    std::uint64_t stuck_pages = 0;  // of released or dropped bundles, damaged so that they had to stay, since open
    std::uint64_t commits = 0, moves = 0;             // since open
    std::uint64_t journal_bytes = 0, ring_bytes = 0;  // written since open, by our own count
  };

  // Makes directory and files under temporary names, syncs, renames; `genesis` is frame 0 with entry 0. reject: there
  // is a store already.
  static Status create(const Options& options, const std::string& origin, const Frame& genesis);
  // Single instance (lock file); forgets what the page cache says of both files; looks for damage, in a child process
  // (ring_check.h); replays the journal. busy: another process has it. reject: it is not a store of this version and
  // word size. fatal: it is damaged, or journal and ring contradict each other (docs/log.md §4), with both sizes and
  // roots; nothing of it was changed then. retry, unknown: the file system; nothing is known to be damaged.
  static Result<std::unique_ptr<Ring>> open(const Options& options);
  virtual ~Ring() = default;  // does not move: like a kill. Call move() for an orderly stop

  virtual const Contents& contents() const = 0;  // writer only

  // --- writer ---
  // Durable when it returns ok. `range` is the compact range after the frame, `nodes` what the frame completed from
  // kStoredNodeLevel on, in the order of CompactRange::append.
  virtual Status append(const Frame& frame, const CompactRange& range, const std::vector<TreeNode>& nodes) = 0;
  // What append() does first, for a frame of up to `bytes` with `count` entries: gives back what is acknowledged. full:
  // that does not make room enough.
  virtual Status make_room(std::uint64_t bytes, std::uint64_t count) = 0;
  // As append(), of the frame whose entry `loss.index` is the loss entry; and the bundles of [loss.start, loss.end),
  // which are of one closed segment that is not acknowledged, go in the same transaction.
  virtual Status drop(const LossRecord& loss, const Frame& frame, const CompactRange& range,
                      const std::vector<TreeNode>& nodes) = 0;
  // Lets frames of 16 KiB at most into the reserve of a full ring: those that end a segment which has the loss entry
  // that a receipt waits for.
  virtual void lend_reserve(bool lend) = 0;
  // Ends the open segment at the present size (its last entry is the handover) and opens the next one. Moves.
  virtual Status close_segment(std::int64_t wall_ns) = 0;
  // The identity's note for a closed segment.
  virtual Status attach_note(std::uint64_t segment, ByteView note) = 0;
  // The note with receipts: the segment may be released when room is needed, oldest first.
  virtual Status acknowledge(std::uint64_t segment, ByteView note) = 0;
  // All frames in the journal into the ring, now. From then on what says how large the log is exists twice.
  virtual Status move() = 0;

  // --- any thread ---
  virtual const std::string& origin() const = 0;
  virtual std::uint64_t size() const = 0;  // durable entries
  // Bundle-encoded entries [first, first + count), count <= kBundleEntries. missing: released, dropped, or not there
  // yet.
  virtual Result<Bytes> entries(std::uint64_t first, std::size_t count) const = 0;
  // Hash of a complete subtree of what is durable, for the proof generator. missing: released.
  virtual Result<Hash> node(int level, std::uint64_t start) const = 0;
  // All segments that are not released, ascending, the open one last.
  virtual std::vector<Segment> segments() const = 0;
  // What was dropped and lies above the lowest entry that is still here, ascending.
  virtual std::vector<LossRecord> losses() const = 0;
  virtual Usage usage() const = 0;
  // That the entries of a bundle are what the log was signed over: their hashes, and those of the stored nodes above
  // them, up to the tree state. Reads one bundle and keeps nothing; gives its bytes. missing: not here, or in the
  // journal yet; fatal: what is damaged.
  virtual Result<std::uint64_t> check_bundle(std::uint64_t bundle) const = 0;
  // Of a whole bundle: that it is damaged, and that the hashes are not, which is what a loss entry of it can prove.
  // None: it is as it was signed, or not here. fatal: a hash is damaged, so nobody can tell what was signed.
  virtual Result<std::optional<DamagedBundle>> damaged_bundle(std::uint64_t bundle) const = 0;
  // Has the ring read from the disk, past the page cache; where that shows other bytes than the disk has, they are what
  // is read from then on. All of it: what leads to a bundle may be wrong in memory, too. Takes as long as the cache is
  // large. The writer's thread only: nothing may be written meanwhile.
  virtual Status reread() = 0;
};

}  // namespace sealring
