// The rotation of a log's identity key (docs/log.md §3, docs/keys.md): the statement that both keys sign, and the files
// in the store that tell a start whose log it is once entry 0 is released.
//
// `sealring key rotate` writes the statement as rotation.note. The daemon that is started with the new key records the
// entry and then keeps the statement as rotation-<index>.note; nothing is recorded in between, so a start that finds
// the entry as the last one of the log, without that file, was killed right there: it makes the file from the entry.
//
// Whoever can write into the store can write, rename or remove such a file: it makes nobody the identity of the log. It
// says which key the log has agreed to, as far as the log, where it still has the entry, says so too; and the daemon
// signs only with the key that its configuration names.
#pragma once

#include <functional>
#include <optional>

#include "crypto/note.h"
#include "storage/entry.h"

namespace sealring {

class Ring;
class StoreReader;

struct RotationStatement {
  std::string origin;
  Rotation rotation;

  // A signed note over rotation_message, with the lines of the old and of the new key under the origin as name.
  Bytes encode() const;
  // Strict: exactly what encode() writes. Both signatures are checked.
  static Result<RotationStatement> parse(ByteView note);
  // reject: the two are one key; else errors of the signers.
  static Result<RotationStatement> make(const std::string& origin, Signer& old_key, Signer& new_key);
};
bool operator==(const Rotation& a, const Rotation& b);

struct RecordedRotation {
  std::uint64_t index = 0;  // of the entry
  RotationStatement statement;
};

// Files of a store. reject: one is not a statement of this log.
Result<std::optional<RotationStatement>> pending_rotation(const std::string& store, const std::string& origin);
Status put_pending_rotation(const std::string& store, const RotationStatement& statement);
// In order of their indices. fatal: one does not begin with the key that the one before it ends with.
Result<std::vector<RecordedRotation>> recorded_rotations(const std::string& store, const std::string& origin);
// Those whose entries are below `size`, as notes.
Result<std::vector<Bytes>> rotations_below(const std::string& store, const std::string& origin, std::uint64_t size);
// The entry is in the log at `index`: keeps the statement, and it is pending no more.
Status put_recorded_rotation(const std::string& store, std::uint64_t index, const RotationStatement& statement);

// What is there of a log's entries.
struct LogReading {
  std::uint64_t first = 0, size = 0;                                             // those below `first` were released
  std::function<Result<Bytes>(std::uint64_t first, std::size_t count)> entries;  // bundle-encoded
};
LogReading entries_of(const Ring& ring);
LogReading entries_of(const StoreReader& store);

// What a store says about the identity of its log.
struct StoreIdentity {
  std::optional<PublicKey> key;  // none: entry 0 was released, and no rotation was recorded
  std::uint64_t since = 0;       // index of the entry that made it the identity; 0: it is entry 0's
  std::vector<PublicKey> former;
  std::optional<RotationStatement> pending;    // to another one, not recorded yet
  std::optional<RecordedRotation> unfinished;  // in the log, and counted above; its file is not there yet

  std::string words() const;  // "since entry 17", "since entry 0", for messages
};
// The files are compared with what the log still has. fatal: one does not fit the log, or the other ones.
Result<StoreIdentity> store_identity(const std::string& store, const std::string& origin, const LogReading& log);
// At a start, before anything is recorded: what a kill left undone, see above.
Status finish_rotation(const std::string& store, const std::string& origin, const LogReading& log);

}  // namespace sealring
