// A succession (docs/log.md §7) with the closed log's signature, and who countersigns it.
#pragma once

#include <memory>

#include "collector/signed_checkpoint.h"
#include "crypto/succession.h"

namespace sealring {

struct SignedSuccession {
  Succession statement;
  Note note;            // with the line of that key and no other
  std::size_t key = 0;  // the last of the log's keys that signed
};

// `note` must have a valid line of one of the keys, and none that is invalid. Otherwise reject.
Result<SignedSuccession> accept_succession(const Note& note, const Succession& statement, const LogKeys& log);

// The key that countersigns successions, and signs nothing else. One thread at a time.
class SuccessionKey {
 public:
  explicit SuccessionKey(NamedKey key);
  const VerifierKey& key() const { return key_; }
  // The note with our line behind the log's.
  Result<Note> countersign(const SignedSuccession& succession);

 private:
  std::unique_ptr<SoftwareSigner> signer_;
  VerifierKey key_;
};

// From bytes that countersign() has made: what is wrong with them is damage, so errors are fatal. Without `key` its
// line is not verified: what it says binds the closed log and nobody else.
Result<SignedSuccession> read_succession(ByteView bytes, const LogKeys& log, const VerifierKey* key);

}  // namespace sealring
