// Where a verifier's evidence comes from: the seam between `verify` and an archive or a store.
//
// A source only fetches bytes and says where they lie. It judges nothing but the layout: names that do not belong
// become findings.
#pragma once

#include <functional>
#include <memory>

#include "crypto/merkle.h"
#include "gateway/rotation.h"
#include "gateway/verify.h"
#include "storage/frame.h"

namespace sealring {

struct SegmentRef {
  std::string where;
  std::uint64_t start = 0, end = 0;  // as the name (archive) or the index (store) says: to be checked
};

// Entries that are not in a segment, and what is said of that: they were dropped unsent, docs/log.md §6.
struct HoleEvidence {
  std::uint64_t from = 0;            // first entry that is not here
  std::uint64_t start = 0, end = 0;  // of the loss; `from` is in it, and it ends there
  std::vector<Hash> bundles;         // the hash of each bundle of it
  std::uint64_t loss_index = 0;
  Bytes loss_entry;  // the rest is empty in a store, which has the entry itself
  Bytes note;
  Proof proof;

  const Hash& bundle_at(std::uint64_t index) const { return bundles[static_cast<std::size_t>((index - start) / 256)]; }
};

struct SegmentEvidence {
  std::uint64_t start = 0, end = 0;  // as the bytes themselves say
  bool sealed = true;                // false: the open segment of a store; neither handover nor note
  std::vector<Hash> range;           // compact range of [0, start)
  Bytes note;                        // empty: the identity has not signed yet (store only)
  Bytes entries;                     // bundle-encoded; those that are not in holes
  std::vector<HoleEvidence> holes;   // ascending
  std::size_t entries_offset = 0;    // of `entries` in the file, for messages
  std::vector<FrameHeader> frames;   // those still known (store only), ascending
};

struct NoteRef {
  enum class Role {
    receipt,             // cosigned by the mirror: the log must reach its size
    witness,             // the latest that the witness cosigned
    pending,             // registered at the mirror, entries to follow
    key,                 // the first that came with a later identity key
    refused,             // kept by the collector because it contradicts the log
    refused_succession,  // as that one, but no checkpoint: a second statement that closes the log
  };
  Role role = Role::receipt;
  std::string where;
  std::optional<std::uint64_t> size;  // as its name says
};

struct KeptBreak {  // by the collector, when it archived it
  std::string where;
  std::uint64_t index = 0;  // as its name says
  Hash leaf{};
};

class EvidenceSource {
 public:
  virtual ~EvidenceSource() = default;
  virtual bool is_store() const = 0;
  virtual const std::string& where() const = 0;
  // The anchor line that lies with the evidence; empty: none. As little to be trusted as the rest.
  virtual const Bytes& own_anchor() const = 0;
  // Whose log it says it is; empty: it does not.
  virtual const std::string& claimed_origin() const {
    static const std::string none;
    return none;
  }
  // The statement by which the log was closed, as its collector keeps it; empty: none.
  virtual const Bytes& successor() const {
    static const Bytes none;
    return none;
  }
  virtual const std::vector<SegmentRef>& segments() const = 0;  // ascending by start
  virtual const std::vector<NoteRef>& notes() const = 0;
  virtual const std::vector<KeptBreak>& kept_breaks() const {  // a collector's only
    static const std::vector<KeptBreak> none;
    return none;
  }
  // What a store says of rotations whose entries it may have released. As little to be trusted as the rest.
  virtual const std::vector<RecordedRotation>& rotations() const = 0;
  virtual std::uint64_t staged() const = 0;  // files of uploads under way
  // missing, retry: could not be read; reject, fatal: not what it should be.
  virtual Result<SegmentEvidence> segment(std::size_t i) const = 0;
  virtual Result<Bytes> note(std::size_t i) const = 0;
  virtual const std::vector<Finding>& findings() const = 0;
};

// One log's folder of an archive (docs/architecture.md "Archive").
Result<std::unique_ptr<EvidenceSource>> open_archive_source(const std::string& folder);

// A gateway's store, read without its writer; a daemon may be running. fatal: ring and journal are damaged or
// contradict each other.
Result<std::unique_ptr<EvidenceSource>> open_store_source(const std::string& folder);

// What PATH is.
enum class PathKind { archive_root, archive_log, store, unknown };
Result<PathKind> path_kind(const std::string& path);
bool is_log_folder_name(const std::string& name);  // lower-case hex of a SHA-256

}  // namespace sealring
