// A checkpoint with its log's signature, and who signs beside it.
#pragma once

#include <memory>
#include <mutex>

#include "crypto/cosignature.h"
#include "drivers/clock.h"
#include "drivers/key_file.h"

namespace sealring {

// The identity keys of one log, under one name: the first one, and those that it was or may be rotated to, in order.
using LogKeys = std::vector<VerifierKey>;

// A checkpoint of which a line by one of the log's keys was verified. The note holds the lines under the log's own name
// and no other: what a stranger appended is not carried on. A line of a key that is not ours to verify is, one at most:
// in the overlap of a rotation whoever has the new key needs it.
struct SignedCheckpoint {
  Checkpoint checkpoint;
  Note note;
  std::size_t key = 0;  // the last of the log's keys that signed
};

// `note` must have a valid line of one of the keys, and none that is invalid. Otherwise reject.
Result<SignedCheckpoint> accept_checkpoint(const Note& note, const Checkpoint& checkpoint, const LogKeys& log);
// The same from bytes that this collector has written: what is wrong with them is damage, so errors are fatal. Only a
// line that does not hold beside one that does is dropped: it was carried unread, by a policy that had no key for it.
Result<SignedCheckpoint> read_checkpoint(ByteView bytes, const LogKeys& log);

// Whether a line by one of the keys does not hold.
bool has_wrong_line(const Note& note, const LogKeys& log);

// A cosigning key with its name. Any thread.
class Cosigner {
 public:
  Cosigner(NamedKey key, const Clock& clock);
  const VerifierKey& key() const { return key_; }
  std::int64_t now_s() const { return clock_.now().wall_ns / 1'000'000'000; }  // as it would stand in a line
  // `note` with our line, at the present time.
  Result<NoteSignature> sign(const Note& note);
  // Our line in a note that this collector has written; fatal when it is not there or not valid.
  Result<NoteSignature> find_line(const Note& note) const;

 private:
  std::unique_ptr<SoftwareSigner> signer_;
  VerifierKey key_;
  const Clock& clock_;
  std::mutex mutex_;  // a signer serves one thread at a time
};

}  // namespace sealring
