// The mirror of one log (C2SP tlog-mirror): pending checkpoints, the entries of an upload under way, and the archive
// of sealed segments that the receipts vouch for.
//
//     archived          next                pending checkpoints
//     0 ---------------- A -------- N ------ P1 ------ P2
//       segments/          staging/
//       receipts/
//
// Every pending checkpoint extends the one before it, and A's (consistency proof at registration). Every staged entry
// was proven to be in a pending checkpoint, so entries staged for one serve any other.
//
// What a log dropped unsent never comes (docs/log.md §6): a skip is staged like entries, and becomes a hole of the
// segment. A hole has the hashes of its bundles, which were proven, and the loss entry, proven to be in a later pending
// checkpoint.
//
// The mirror need not understand entries, and does not for logs of strangers. Of a log that is enrolled here, whose
// genesis is pinned, it looks at each segment's last entry: a break is worth an alarm at once (docs/log.md §3).
//
// Everything is rebuilt from the directory. Order of durability, and what a crash leaves:
//   1. pending/<P>.note, then the answer to add-checkpoint.  Before: nothing happened.
//   2. staging/ part of a request, then its 202.             Before: the client sends those packages again.
//      staging/ skip, then its 202 (mirror_skip.cc).         Before: the client asks for it again.
//   3. evidence/<P-1>.break, where a break ends the segment. Before: as before 3.
//      segments/<A>-<P>.seg.                                 Before: the parts are there, the client's next upload
//                                                            ends in 3 again.
//      index/<A>-<P>.idx.                                    Before: load() makes it; it is never needed for a promise.
//   4. the receipt is signed, receipts/<P>.note.             Before: load() signs it, by the same function.
//   5. pending and parts up to P are removed.                Before: load() removes them.
//   6. the 200 with the receipt.                             Before: the client asks again and is given it.
//
// One thread at a time (OriginLog locks).
#pragma once

#include <functional>
#include <map>

#include "collector/alarm_kinds.h"
#include "collector/answer.h"
#include "collector/archive.h"
#include "collector/signed_checkpoint.h"
#include "collector/tiles.h"
#include "drivers/limited_diag.h"
#include "storage/skip_wire.h"

namespace sealring {

class Mirror {
 public:
  // All four must outlive the mirror. `witness`: whose lines receipts carry besides.
  Mirror(LogArchive& archive, const LogKeys& log, const Cosigner& witness, Cosigner& cosigner)
      : archive_(archive), log_(log), witness_(witness), cosigner_(cosigner), tiles_(archive) {}
  // fatal: the directory contradicts itself, in words that name the file.
  Status load();
  // After load(), pin_genesis() and witnessed(): the receipt of what is archived; signs it where an earlier run did not
  // come to it.
  Status load_receipt();
  // Also checks the archive's own entry 0, when there is one: fatal when it is another.
  Status pin_genesis(const Hash& genesis);
  // The hash of the entry 0 that is here, staged or archived.
  Result<std::optional<Hash>> first_leaf() const;

  void set_alarms(Alarms* alarms);  // null: nobody is told. After load(): tells of the skips that are staged

  // The latest checkpoint that the witness has cosigned, and its line. A receipt of that very checkpoint carries the
  // line beside ours, so that a quorum of both is met by the archive alone. A log that has its checkpoints cosigned
  // further ahead than it uploads shows the line when it registers (add_pending), or gets receipts with our line only.
  void witnessed(const Checkpoint& checkpoint, const NoteSignature& line) { witnessed_ = {checkpoint, line}; }

  // The checkpoint that a new one must extend: the highest pending one, else the archived one; nullptr: size 0.
  const SignedCheckpoint* latest() const;
  // The archived one and the pending ones.
  void for_each_known(const std::function<void(const SignedCheckpoint&)>& visit) const;
  // A checkpoint of exactly `size` that was ever accepted and is still known.
  Result<std::optional<SignedCheckpoint>> find(std::uint64_t size) const;
  // `checkpoint` extends latest(), or is it. `witness`: the witness' line of it, verified, if there is one. Durable
  // when it returns. full: too many pending ones.
  Status add_pending(const SignedCheckpoint& checkpoint, const std::optional<NoteSignature>& witness);

  // The answer of add-entries. An error: the archive could not be read or written (retry), or is damaged (fatal).
  Result<HttpResponse> add_entries(AddEntriesReader& upload);
  // The answer of skip, likewise.
  Result<HttpResponse> skip(const SkipRequest& request);

  std::uint64_t archived() const { return range_.size(); }
  std::uint64_t next_entry() const { return next_; }
  const Tiles& tiles() const { return tiles_; }      // of [0, A); any thread
  const Bytes& receipt() const { return receipt_; }  // the note; empty: nothing is archived
  std::uint64_t bytes() const { return bytes_; }     // of the segments' files
  std::uint64_t segments() const { return segments_.size(); }
  std::uint64_t pending() const { return pending_.size(); }
  std::uint64_t receipts() const { return receipts_; }  // signed since the start
  std::uint64_t lost() const { return lost_; }          // entries that will not come, as taken since the start

 private:
  // What a request adds to the staged entries.
  struct Fresh {
    std::uint64_t end = 0;   // the next entry, once staged
    Bytes entries;           // [next_, end), bundle-encoded
    std::vector<Hash> tail;  // leaf hashes of the bundle of `end`
    std::uint64_t packages = 0;
  };
  Status load_segments();
  Status load_pending();
  Status load_parts();
  const Checkpoint* target(std::uint64_t upload_end) const;
  HttpResponse conflict(std::uint64_t upload_end) const;
  Result<std::optional<HttpResponse>> take_packages(AddEntriesReader& upload, const Checkpoint& end, Fresh& fresh);
  std::optional<HttpResponse> take_package(const EntryPackage& package, std::vector<Hash> leaves, const Checkpoint& end,
                                           Fresh& fresh) const;
  Status stage(Fresh fresh);
  Result<HttpResponse> finish(std::uint64_t upload_end);
  Result<bool> archive_segment(const SignedCheckpoint& checkpoint);
  Result<std::optional<HttpResponse>> check_skip(const SkipRequest& request, const Checkpoint& end) const;
  Result<bool> load_skip(const EntryRange& range);
  Status load_part(const EntryRange& range);
  std::vector<SegmentHole> staged_holes(std::uint64_t end) const;
  Result<bool> is_skipped(std::uint64_t index) const;
  void say_lost(const SegmentHole& hole) const;
  Status look_for_break(const EntryRange& range, ByteView last_entry);
  Status make_receipt();
  void forget_covered();
  struct Part;
  void remove_staged(const Part& part);
  std::size_t staged_bytes() const;
  Result<Bytes> staged_entries(std::uint64_t end) const;
  Result<std::vector<Hash>> stored_leaves(std::uint64_t start, std::uint64_t end) const;
  void drop_staging(const std::string& why);

  LogArchive& archive_;
  const LogKeys& log_;
  const Cosigner& witness_;
  Cosigner& cosigner_;
  std::optional<Hash> genesis_;
  Tiles tiles_;
  mutable LimitedDiag refusals_;

  Alarms* alarms_ = nullptr;
  std::uint64_t bytes_ = 0, receipts_ = 0, lost_ = 0;
  std::vector<EntryRange> segments_;
  CompactRange range_;                                    // of [0, A)
  std::vector<Hash> tail_;                                // leaf hashes of A's bundle up to A
  SignedCheckpoint head_;                                 // of size A, when A > 0
  std::map<std::uint64_t, SignedCheckpoint> pending_;     // above A
  std::map<std::uint64_t, NoteSignature> witness_lines_;  // of pending ones, and of head_ until it has its receipt
  bool left_pending_ = false;  // the file of the pending checkpoint that is now head_ is still there

  std::optional<std::pair<Checkpoint, NoteSignature>> witnessed_;
  std::uint64_t receipt_size_ = 0;  // A, or below it when step 4 failed
  Bytes receipt_;                   // the checkpoint of that size: the log's line, the witness' if it has one, ours
  std::string receipt_line_;        // ours

  struct Part {
    EntryRange range;
    std::size_t bytes = 0;
    std::optional<SegmentHole> hole = std::nullopt;  // nothing is here, and nothing will be
  };
  std::vector<Part> parts_;        // ascending, no gaps; they hold [A, N)
  std::uint64_t next_ = 0;         // N
  std::vector<Hash> staged_tail_;  // leaf hashes of N's bundle up to N
};

// Checkpoints registered and not covered yet, 500 bytes each: months of ten-minute segments.
constexpr std::size_t kMaxPending = 20000;

}  // namespace sealring
