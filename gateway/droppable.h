// What of a sealed segment a full ring may drop unsent (docs/log.md §6), and which segment that is.
//
// Whole bundles, but never one with an entry that others build on: the genesis, a rotation, a succession, a loss, and
// the last entry of a segment, which hands its epoch over. Without those a verifier could not tell a hole that is
// recorded from one that somebody made. A bundle stays where segments meet, so the ring gets room for a long time, not
// for ever.
//
// Rejected alternative: to drop up to the very end where a segment ends with a bundle. It saves one bundle in 256
// segments and loses the handover.
//
// Reads the ring only; the recorder's thread.
#pragma once

#include <functional>
#include <set>

#include "storage/ring.h"

namespace sealring {

struct Droppable {
  std::uint64_t start = 0, end = 0;  // whole bundles
  std::uint64_t messages = 0;        // of which an entry is in there
  std::int64_t first_wall_ns = 0, last_wall_ns = 0;
  std::vector<Hash> hashes;  // of complete_subtrees(start, end)
};
// The longest run of bundles of a closed segment that may go and is there. None: not one bundle.
Result<std::optional<Droppable>> droppable(const Ring& ring, const Segment& segment);

// The oldest segment that something may be dropped of, and what. Not one that is acknowledged: it is released. Not one
// with the line of `mirror`: the archive has it, and a receipt that meets the quorum follows. And not the first one
// without the line of another cosigner: while it was open the witness may have cosigned a size within, and only its
// entries can show that a later checkpoint extends that one. `exhausted`: numbers of segments that are known to have
// nothing; more are added. None: nothing may go. `held_back`: there is that first one, so a further one that is sealed
// could go.
struct OldestDroppable {
  std::optional<Droppable> found;
  bool held_back = false;
};
Result<OldestDroppable> oldest_droppable(const Ring& ring, const std::string& mirror,
                                         std::set<std::uint64_t>& exhausted);

// What of a closed segment that is not acknowledged is damaged, and can be left out all the same: the whole bundles
// from `bundle` on whose entries are not what was signed, as far as they follow one another. Each is read again from
// the disk, past the page cache, before it counts: what only the memory has wrong is no damage.
//
// Nobody can look for what others build on in there. So by what is known beside it: entry 0, the end of a segment, a
// loss entry that is still needed, and what `built_on` says of [start, end) stay, and everything behind them waits.
struct DamagedRun {
  std::optional<Droppable> what;  // messages: the number of entries, the most that there can be
  std::vector<Bytes> bytes;       // of each bundle, what is stored
  std::string found;              // what is damaged; empty: nothing that anybody waits for
  std::string stays;              // why nothing of it can be left out; empty: it can
};
// The recorder's thread only: nothing may be written meanwhile.
Result<DamagedRun> damaged_run(Ring& ring, const std::string& mirror, std::uint64_t bundle,
                               const std::function<bool(std::uint64_t start, std::uint64_t end)>& built_on);

}  // namespace sealring
