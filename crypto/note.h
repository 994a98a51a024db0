// Signed notes and verifier keys: C2SP signed-note v1.0.0.
//
//     text, ending in a newline
//     (one empty line)
//     — name base64(keyID[4] || signature)
//
// The parsers are strict: what the specification does not allow is an error that says where (line, offset).
#pragma once

#include <vector>

#include "crypto/ed25519.h"

namespace sealring {

enum class KeyType : std::uint8_t {
  ed25519 = 0x01,         // plain signature over the note's text
  cosignature_v1 = 0x04,  // timestamped cosignature, see cosignature.h
};

// Non-empty valid UTF-8, no Unicode space, no control character below U+0020, no '+'. Otherwise reject.
Status check_key_name(std::string_view name);
// What a note may sign: valid UTF-8, no control character below U+0020 but newlines, ends in one. Otherwise reject.
Status check_note_text(std::string_view text);

// A vkey: name+keyID(8 hex)+base64(type || public key). Only the two types above; another one: reject, by its number.
// And only what is_ed25519_key() takes.
struct VerifierKey {
  std::string name;
  KeyType type = KeyType::ed25519;
  PublicKey key{};

  std::uint32_t id() const;                                 // SHA-256(name || 0x0A || type || key)[:4], big-endian
  std::string encode() const;                               // the vkey
  static Result<VerifierKey> parse(std::string_view vkey);  // the key ID in it must be the computed one
  friend bool operator==(const VerifierKey& a, const VerifierKey& b) {
    return a.name == b.name && a.type == b.type && a.key == b.key;
  }
};

struct NoteSignature {
  std::string name;
  std::uint32_t key_id = 0;
  Bytes signature;  // without the key ID: 64 bytes for ed25519, 72 for cosignature_v1, other lengths for other types

  std::string line() const;  // "— name base64\n"
};

struct Note {
  std::string text;  // ends in a newline; these are the signed bytes
  std::vector<NoteSignature> signatures;

  std::string encode() const;
  // Whole input or nothing. At least one signature line, at most kMaxNoteSignatures, input at most kMaxNoteBytes.
  static Result<Note> parse(std::string_view note);
};
constexpr std::size_t kMaxNoteSignatures = 64;
constexpr std::size_t kMaxNoteBytes = 512 * 1024;

// One or more signature lines and nothing else: the body that a witness answers with.
Result<std::vector<NoteSignature>> parse_signature_lines(std::string_view lines);

// The line of `signer` under `name` over `text`, type ed25519. The signature is verified before it is returned.
Result<NoteSignature> sign_note_text(std::string_view text, std::string_view name, Signer& signer);

enum class SignatureState { absent, valid, invalid };
// Looks for a line with the name and key ID of `key` (type ed25519). A line of that key which does not verify makes it
// invalid even beside one that does: the specification's "a known key that fails rejects the note".
SignatureState check_note_signature(const Note& note, const VerifierKey& key);

}  // namespace sealring
