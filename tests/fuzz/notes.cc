// Everything of crypto/ that is text: notes, keys, checkpoints, proofs, policies. What decodes has one spelling.
#include "crypto/cosignature.h"
#include "crypto/note.h"
#include "crypto/policy.h"
#include "crypto/succession.h"
#include "crypto/tlog_proof.h"
#include "gateway/render.h"
#include "storage/cbor.h"
#include "tests/fuzz/fuzz.h"

namespace sealring::fuzz {
namespace {

constexpr std::string_view kCheckpoint = "example.com/log\n7\ngYUzhjibHpMWpIpvJtex5i7OQKT/xxhLNm6N9ibtbPU=\n";

SoftwareSigner& signer() {
  static const std::unique_ptr<SoftwareSigner> made = std::move(SoftwareSigner::from_seed(Bytes(32, 'f'))).value();
  return *made;
}

// A signature of ours with the bits of `input` flipped: it holds only where nothing was flipped.
NoteSignature flipped(const NoteSignature& line, ByteView input, bool& same) {
  NoteSignature out = line;
  same = true;
  for (std::size_t i = 0; i < input.size() && i < out.signature.size(); ++i) {
    out.signature[i] = static_cast<char>(out.signature[i] ^ input[i]);
    if (input[i] != 0) same = false;
  }
  if (input.size() > out.signature.size()) {  // longer
    out.signature += input.substr(out.signature.size());
    same = false;
  }
  return out;
}

Bytes canonical(const Policy& policy) {
  const auto url = [](const std::string& text) { return text.empty() ? "" : " " + text; };
  Bytes out;
  for (const auto& log : policy.logs) out += "log " + log.key.encode() + url(log.url) + "\n";
  for (const auto& w : policy.witnesses) out += "witness " + w.name + " " + w.key.encode() + url(w.url) + "\n";
  for (const auto& group : policy.groups) {
    out += "group " + group.name + " " + std::to_string(group.threshold);
    for (const std::string& member : group.members) out += " " + member;
    out += "\n";
  }
  return out + "quorum " + policy.quorum + "\n";
}

}  // namespace

FUZZ_TARGET(bytes) {
  if (const auto raw = from_hex(input); ok_or_checked(raw)) FUZZ_CHECK(*from_hex(hex(*raw)) == *raw);
  if (const auto raw = from_base64(input); ok_or_checked(raw)) FUZZ_CHECK(base64(*raw) == input);
  if (const auto number = from_decimal(input); ok_or_checked(number)) FUZZ_CHECK(std::to_string(*number) == input);
  FUZZ_CHECK(*from_hex(hex(input)) == input);
  FUZZ_CHECK(*from_base64(base64(input)) == input);
  check_message(quoted(input));
  // Three readers of UTF-8, each where it is needed: they must agree.
  FUZZ_CHECK(is_utf8(input) == valid_utf8(input));
  Bytes line(input);
  for (char& c : line)
    if (static_cast<std::uint8_t>(c) < 0x20) c = ' ';
  FUZZ_CHECK(check_note_text(line + "\n").ok() == valid_utf8(line));
}

FUZZ_TARGET(note, 16u << 10) {
  if (const auto note = Note::parse(input); ok_or_checked(note)) FUZZ_CHECK(note->encode() == input);
  if (const auto lines = parse_signature_lines(input); ok_or_checked(lines)) {
    Bytes joined;
    for (const NoteSignature& line : *lines) joined += line.line();
    FUZZ_CHECK(joined == input);
    FUZZ_CHECK(!lines->empty() && lines->size() <= kMaxNoteSignatures);
  }
  if (const Status text = check_note_text(input); ok_or_checked(text)) FUZZ_CHECK(valid_utf8(input));
  if (const Status name = check_key_name(input); ok_or_checked(name)) FUZZ_CHECK(valid_utf8(input));
}

FUZZ_TARGET(vkey, 512) {
  const auto key = VerifierKey::parse(input);
  if (!ok_or_checked(key)) return;
  FUZZ_CHECK(key->encode() == lower_key_id(input));
  FUZZ_CHECK(is_ed25519_key(key->key));
}

// Signatures are not malleable, and no line of another length or name passes.
FUZZ_TARGET(signature, 128) {
  static const NoteSignature plain = std::move(sign_note_text(kCheckpoint, "example.com/log", signer())).value();
  static const NoteSignature timed = std::move(cosign(kCheckpoint, 1679315147, "example.com/w", signer())).value();
  const VerifierKey log{"example.com/log", KeyType::ed25519, signer().public_key()};
  const VerifierKey witness{"example.com/w", KeyType::cosignature_v1, signer().public_key()};
  bool same = false;
  Note note{Bytes(kCheckpoint), {flipped(plain, input, same)}};
  FUZZ_CHECK(check_note_signature(note, log) == (same ? SignatureState::valid : SignatureState::invalid));
  note.signatures.push_back(plain);
  FUZZ_CHECK(check_note_signature(note, log) == (same ? SignatureState::valid : SignatureState::invalid));
  note.signatures = {flipped(timed, input, same)};
  const CosignatureCheck check = check_cosignature(note, witness);
  FUZZ_CHECK(check.state == (same ? SignatureState::valid : SignatureState::invalid));
  FUZZ_CHECK(check.time_s == (same ? 1679315147u : 0u));
}

FUZZ_TARGET(checkpoint, 1024) {
  const auto checkpoint = Checkpoint::parse(input);
  if (ok_or_checked(checkpoint)) {
    FUZZ_CHECK(checkpoint->text() == input);
    FUZZ_CHECK(checkpoint->size <= INT64_MAX);
    FUZZ_CHECK(checkpoint->origin.rfind("sealring/", 0) != 0);
  }
  const std::string origin(input);
  if (ok_or_checked(check_origin(origin))) {
    FUZZ_CHECK(ok_or_checked(sign_checkpoint({origin, 0, empty_root()}, signer())));
    if (const auto next = follower_origin(origin); ok_or_checked(next)) {
      FUZZ_CHECK(check_origin(*next).ok());
      FUZZ_CHECK(follows(*next, origin));
      FUZZ_CHECK(!follows(origin, *next));
    }
    FUZZ_CHECK(!follows(origin, origin));
  }
}

FUZZ_TARGET(succession, 2048) {
  const auto statement = Succession::parse(input);
  if (!ok_or_checked(statement)) return;
  FUZZ_CHECK(statement->text() == input);
  FUZZ_CHECK(follows(statement->follower.name, statement->closed.origin));
}

FUZZ_TARGET(tlog_proof, 8u << 10) {
  const auto proof = TlogProof::parse(input);
  if (ok_or_checked(proof)) FUZZ_CHECK(proof->encode() == input);
}

// A policy, a zero byte, a note.
FUZZ_TARGET(policy, 8u << 10, 256u << 10, 128) {
  Pieces pieces(input);
  const ByteView text = pieces.until('\0');
  const auto policy = Policy::parse(text);
  if (!ok_or_checked(policy)) return;
  const auto again = Policy::parse(canonical(*policy));
  FUZZ_CHECK(ok_or_checked(again));
  FUZZ_CHECK(canonical(*again) == canonical(*policy));
  const auto note = Note::parse(pieces.rest());
  if (!note) return;
  const auto verdict = policy->evaluate(*note);
  if (!ok_or_checked(verdict)) return;
  FUZZ_CHECK(verdict->quorum_met || policy->quorum != "none");
  FUZZ_CHECK(!verdict->quorum_met || policy->quorum == "none" || !verdict->cosigned_by.empty());
  const auto same = again->evaluate(*note);
  FUZZ_CHECK(same.ok() && same->quorum_met == verdict->quorum_met && same->cosigned_by == verdict->cosigned_by);
}

}  // namespace sealring::fuzz
