// A checkpoint with its log's signature, and who signs beside it.
#pragma once

#include <memory>
#include <mutex>

#include "crypto/cosignature.h"
#include "drivers/clock.h"
#include "drivers/key_file.h"

namespace sealring {

// A checkpoint whose log line was verified. The note holds that line and no other: what a stranger appended is not
// carried on.
struct SignedCheckpoint {
  Checkpoint checkpoint;
  Note note;
};

// `note` must have a valid line of `log`. Otherwise reject.
Result<SignedCheckpoint> accept_checkpoint(const Note& note, const Checkpoint& checkpoint, const VerifierKey& log);
// The same from bytes that this collector has written: what is wrong with them is damage, so errors are fatal.
Result<SignedCheckpoint> read_checkpoint(ByteView bytes, const VerifierKey& log);

// A cosigning key with its name. Any thread.
class Cosigner {
 public:
  Cosigner(NamedKey key, const Clock& clock);
  const VerifierKey& key() const { return key_; }
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
