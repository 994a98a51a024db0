// Making the evidence for one record: a C2SP tlog-proof with the entry inside, that anyone can check offline.
// The bytes of the file are in storage/FORMAT.md "Proof file"; verify_proof.h has the other side.
#pragma once

#include "crypto/tlog_proof.h"
#include "gateway/log_view.h"

namespace sealring {

struct MadeProof {
  TlogProof proof;
  std::uint64_t index = 0;
  std::uint64_t size = 0;   // of the checkpoint
  bool receipted = false;   // otherwise a witness' line may be there already, but not what the quorum wants
  bool genesis = false;     // the path of entry 0 is in it as well
  std::uint64_t parts = 1;  // entries that the record spans; the proof is of the first, which has the hash of the whole
};

// The lowest checkpoint with receipts that covers `index`, else the lowest sealed one. An index of a later part of a
// large message is replaced by its first. missing: no such entry, or released ("prove it from the archive");
// retry: no checkpoint covers it yet, since it is not sealed, or since the identity has not signed what is.
Result<MadeProof> make_proof(const LogView& log, std::uint64_t index);

// All of a record's payload: that of a message, joined where it spans several entries (and checked against the hash in
// the first). reject: not a message.
Result<Bytes> record_payload(const LogView& log, std::uint64_t index);

}  // namespace sealring
