// One log for reading, wherever it lies: a running daemon's ring, a store without its daemon, an archive. What tail,
// show and prove read from; `verify` does not use it, for it believes nothing that it has not recomputed.
//
// Every call copies out and holds nothing afterwards, so that a slow reader never pins pages of the ring.
#pragma once

#include <memory>

#include "storage/ring.h"

namespace sealring {

class LogView {
 public:
  virtual ~LogView() = default;
  virtual std::string origin() const = 0;
  virtual std::uint64_t first_index() const = 0;  // lowest entry that is here
  virtual std::uint64_t size() const = 0;         // entries [first_index, size)
  // Bundle-encoded entries [first, first + count), 0 < count <= kBundleEntries. missing: released, dropped, or not
  // there yet.
  virtual Result<Bytes> entries(std::uint64_t first, std::size_t count) const = 0;
  // Hash of a complete subtree, for the proof generator (NodeSource in crypto/merkle.h). missing: released.
  virtual Result<Hash> node(int level, std::uint64_t start) const = 0;
  // What was dropped unsent and has entry `index` in it. None: it was not.
  virtual Result<std::optional<LossRecord>> loss_at(std::uint64_t) const { return std::optional<LossRecord>(); }
  // Closed segments that are known, ascending, each with its best note: with the cosigners' lines where there are any.
  // The open one comes last where there is one.
  virtual std::vector<Segment> segments() const = 0;
  // Statements (rotation.h) of the rotations of the identity whose entries are below `size`, in order.
  virtual Result<std::vector<Bytes>> rotations(std::uint64_t) const { return std::vector<Bytes>(); }
};

// A running daemon's; any thread, as Ring's own reading functions. `ring`, of the folder `store`, must outlive it.
// (log_view_ring.cc, with the recorder's parts.)
std::unique_ptr<LogView> view_of(const Ring& ring, std::string store);

// `path`: a store, an archive with one log, or one log's folder in an archive. One thread at a time; a snapshot of the
// moment it was opened. missing: nothing of the kind is there; reject: an archive with several logs (they are named),
// or not what it should be.
Result<std::unique_ptr<LogView>> open_log_view(const std::string& path);

}  // namespace sealring
