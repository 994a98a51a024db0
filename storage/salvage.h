// What can still be proven of a damaged store, into a new one (docs/log.md §4): `sealring repair`.
//
// It trusts no page of the ring, and LMDB does not touch the old file. Every page that can be read as a leaf is read,
// in use or not, and of all the records on them the newest state record counts that is whole. It has the compact range
// of the log, so everything else can be proven from it downwards: a hash of the tree by the hash above it, and a bundle
// by its hash; of several candidates for one key, a stale page and a damaged one say, the one that fits is taken. The
// journal goes on from that state by the rules of a start.
//
// The old store is only read. The new one is a store like any other. When the log could go on from it, it is `whole`;
// otherwise it has the file `salvaged` in it, and no writer opens it: whoever went on from less than was signed would
// begin a second history.
#pragma once

#include "storage/ring_db.h"

namespace sealring {

struct SalvageReport {
  struct Range {
    std::uint64_t start = 0, end = 0;  // entries [start, end)
  };
  std::string origin;
  std::uint64_t first_index = 0, size = 0;  // of the new store, the journal's frames included
  std::uint64_t entries = 0;                // in it, each proven by the tree
  std::uint64_t receipted = 0;
  std::uint64_t segments = 0, frames = 0;  // closed ones; of the journal behind the ring's end
  std::vector<Range> missing;              // could not be proven, or not be found
  std::vector<Range> dropped;              // unsent, when the ring was full: a loss entry says so, nothing is amiss
  std::vector<Range> left_behind;          // proven and receipted, but before a receipted gap: not in the new store
  std::vector<std::string> troubles;       // what was found, a sentence each
  bool whole = false;                      // sealringd can go on from the new store
};

// `into` must not exist. reject: it does, or nothing can be proven, for there is no state record; the new folder is not
// left behind. busy: a daemon is at it. retry, full: the system.
Result<SalvageReport> salvage_store(const std::string& from, const std::string& into);

// The same by whoever holds the lock of `from`.
Result<SalvageReport> salvage_locked_store(const std::string& from, const std::string& into);

// In a store that may be read and not written.
constexpr const char* kSalvagedFile = "/salvaged";

}  // namespace sealring
