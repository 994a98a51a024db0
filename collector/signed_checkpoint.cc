#include "collector/signed_checkpoint.h"

#include <algorithm>

namespace sealring {

namespace {

Error as_fatal(const Error& error) { return fatal_error(error.message); }

const NoteSignature* line_of(const Note& note, const VerifierKey& key) {
  for (const NoteSignature& line : note.signatures)
    if (line.name == key.name && line.key_id == key.id()) return &line;
  return nullptr;
}

Note without_wrong_lines(Note note, const LogKeys& log) {
  for (const VerifierKey& key : log) {
    if (check_note_signature(note, key) != SignatureState::invalid) continue;
    const auto is_its = [&](const NoteSignature& line) { return line.name == key.name && line.key_id == key.id(); };
    note.signatures.erase(std::remove_if(note.signatures.begin(), note.signatures.end(), is_its),
                          note.signatures.end());
  }
  return note;
}

}  // namespace

bool has_wrong_line(const Note& note, const LogKeys& log) {
  return std::any_of(log.begin(), log.end(), [&](const VerifierKey& key) {
    return check_note_signature(note, key) == SignatureState::invalid;
  });
}

Result<SignedCheckpoint> accept_checkpoint(const Note& note, const Checkpoint& checkpoint, const LogKeys& log) {
  SignedCheckpoint out{checkpoint, Note{note.text, {}}, 0};
  for (std::size_t i = 0; i < log.size(); ++i) {
    const SignatureState state = check_note_signature(note, log[i]);
    if (state == SignatureState::invalid)
      return reject_error("the checkpoint's signature of " + log[i].encode() + " is wrong");
    if (state == SignatureState::absent) continue;
    out.note.signatures.push_back(*line_of(note, log[i]));
    out.key = i;
  }
  if (out.note.signatures.empty())
    return reject_error("the checkpoint has no signature of " + log.front().encode() +
                        (log.size() > 1 ? " nor of a key that it was rotated to" : ""));
  const auto unknown = std::find_if(note.signatures.begin(), note.signatures.end(), [&](const NoteSignature& line) {
    const auto is_its = [&](const VerifierKey& key) { return key.id() == line.key_id; };
    return line.name == log.front().name && line.signature.size() == 64 && std::none_of(log.begin(), log.end(), is_its);
  });
  if (unknown != note.signatures.end()) out.note.signatures.push_back(*unknown);
  return out;
}

Result<SignedCheckpoint> read_checkpoint(ByteView bytes, const LogKeys& log) {
  Result<Note> note = Note::parse(bytes);
  if (!note.ok()) return as_fatal(note.error());
  Result<Checkpoint> checkpoint = Checkpoint::parse(note->text);
  if (!checkpoint.ok()) return as_fatal(checkpoint.error());
  if (checkpoint->origin != log.front().name)
    return fatal_error("a checkpoint of " + quoted(checkpoint->origin) + " instead of " + quoted(log.front().name));
  Result<SignedCheckpoint> accepted = accept_checkpoint(*note, *checkpoint, log);
  if (accepted.ok()) return accepted;
  Result<SignedCheckpoint> rest = accept_checkpoint(without_wrong_lines(*note, log), *checkpoint, log);
  if (!rest.ok()) return as_fatal(accepted.error());
  return rest;
}

Cosigner::Cosigner(NamedKey key, const Clock& clock)
    : signer_(std::move(key.signer)),
      key_{std::move(key.name), KeyType::cosignature_v1, signer_->public_key()},
      clock_(clock) {}

Result<NoteSignature> Cosigner::sign(const Note& note) {
  std::int64_t wall_ns = clock_.now().wall_ns;
  if (wall_ns < 0) return retry_error("the system's clock is before 1970");
  std::lock_guard<std::mutex> lock(mutex_);
  return cosign(note.text, static_cast<std::uint64_t>(wall_ns) / 1'000'000'000, key_.name, *signer_);
}

Result<NoteSignature> Cosigner::find_line(const Note& note) const {
  if (check_cosignature(note, key_).state != SignatureState::valid)
    return fatal_error("no valid cosignature of " + key_.encode() + " (was the key changed?)");
  return *line_of(note, key_);
}

}  // namespace sealring
