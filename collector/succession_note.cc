#include "collector/succession_note.h"

namespace sealring {

Result<SignedSuccession> accept_succession(const Note& note, const Succession& statement, const LogKeys& log) {
  SignedSuccession out{statement, Note{note.text, {}}, 0};
  for (std::size_t i = 0; i < log.size(); ++i) {
    const SignatureState state = check_note_signature(note, log[i]);
    if (state == SignatureState::invalid)
      return reject_error("the succession's signature of " + log[i].encode() + " is wrong");
    if (state == SignatureState::absent) continue;
    for (const NoteSignature& line : note.signatures)
      if (line.name == log[i].name && line.key_id == log[i].id()) out.note.signatures = {line};
    out.key = i;
  }
  if (!out.note.signatures.empty()) return out;
  return reject_error("the succession has no signature of " + log.front().encode() +
                      (log.size() > 1 ? " nor of a key that it was rotated to" : ""));
}

SuccessionKey::SuccessionKey(NamedKey key)
    : signer_(std::move(key.signer)), key_{std::move(key.name), KeyType::ed25519, signer_->public_key()} {}

Result<Note> SuccessionKey::countersign(const SignedSuccession& succession) {
  SEALRING_ASSIGN(NoteSignature line, sign_note_text(succession.note.text, key_.name, *signer_));
  Note note = succession.note;
  note.signatures.push_back(std::move(line));
  return note;
}

Result<SignedSuccession> read_succession(ByteView bytes, const LogKeys& log, const VerifierKey* key) {
  Result<Note> note = Note::parse(bytes);
  if (!note.ok()) return fatal_error(note.error().message);
  Result<Succession> statement = Succession::parse(note->text);
  if (!statement.ok()) return fatal_error(statement.error().message);
  if (statement->closed.origin != log.front().name)
    return fatal_error("a succession of " + quoted(statement->closed.origin, 255) + " instead of " +
                       quoted(log.front().name, 255));
  Result<SignedSuccession> accepted = accept_succession(*note, *statement, log);
  if (!accepted.ok()) return fatal_error(accepted.error().message);
  if (note->signatures.size() != 2) return fatal_error("a succession with other lines than the log's and ours");
  if (key != nullptr && check_note_signature(*note, *key) != SignatureState::valid)
    return fatal_error("no valid signature of " + key->encode() + " (was succession_key changed?)");
  return accepted;
}

}  // namespace sealring
