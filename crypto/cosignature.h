// Cosignatures: C2SP tlog-cosignature v1.0.1, Ed25519 only ("cosignature/v1").
#pragma once

#include "crypto/checkpoint.h"

namespace sealring {

// The bytes that a cosigner signs: "cosignature/v1\ntime <t>\n" || checkpoint text.
Bytes cosignature_message(std::uint64_t time_s, std::string_view checkpoint_text);

// The cosigner's line over `checkpoint_text` at POSIX time `time_s`; verified before it is returned.
Result<NoteSignature> cosign(std::string_view checkpoint_text, std::uint64_t time_s, std::string_view name,
                             Signer& signer);

struct CosignatureCheck {
  SignatureState state = SignatureState::absent;
  std::uint64_t time_s = 0;  // when valid
};
// As check_note_signature, for a key of type cosignature_v1. Of several valid lines the latest time counts.
CosignatureCheck check_cosignature(const Note& note, const VerifierKey& key);

}  // namespace sealring
