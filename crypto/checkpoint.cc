#include "crypto/checkpoint.h"

#include "crypto/merkle.h"

namespace sealring {
namespace {

constexpr std::string_view kOwnNotes = "sealring/";  // first line of notes of ours that are no checkpoints
constexpr std::size_t kMaxOriginBytes = 255;
constexpr std::uint64_t kMaxSize = INT64_MAX;  // so that no sum or rounding of sizes can overflow anywhere

bool is_own_note(std::string_view first_line) { return first_line.substr(0, kOwnNotes.size()) == kOwnNotes; }

Result<Hash> parse_root(std::string_view line) {
  SEALRING_ASSIGN(const Bytes bytes, from_base64(line));
  if (bytes.size() != sizeof(Hash)) {
    return reject_error("root hash has " + std::to_string(bytes.size()) + " bytes, must have 32");
  }
  return to_array<32>(bytes);
}

Status check_sizes(const Checkpoint& checkpoint) {
  if (checkpoint.size > kMaxSize)
    return reject_error("line 2: size " + std::to_string(checkpoint.size) + " is too large");
  if (checkpoint.size == 0 && checkpoint.root != empty_root()) {
    return reject_error("line 3: size is 0, but the root hash is not that of no bytes");
  }
  return {};
}

}  // namespace

std::string Checkpoint::text() const { return origin + "\n" + std::to_string(size) + "\n" + base64(view(root)) + "\n"; }

Result<Checkpoint> Checkpoint::parse(std::string_view text) {
  if (auto status = check_note_text(text); !status.ok()) return std::move(status).error().in("checkpoint");
  Checkpoint checkpoint;
  checkpoint.origin = std::string(*take_line(text));  // the text ends in a newline, as was checked, so there is one
  if (checkpoint.origin.empty()) return reject_error("checkpoint: line 1: origin is empty");
  if (is_own_note(checkpoint.origin)) {
    return reject_error("checkpoint: line 1: " + quoted(checkpoint.origin) + " is a note of another type");
  }
  if (text.empty()) return reject_error("checkpoint: line 2: size is missing");
  auto size = from_decimal(*take_line(text));
  if (!size.ok()) return std::move(size).error().in("checkpoint: line 2");
  if (text.empty()) return reject_error("checkpoint: line 3: root hash is missing");
  auto root = parse_root(*take_line(text));
  if (!root.ok()) return std::move(root).error().in("checkpoint: line 3");
  if (!text.empty()) return reject_error("checkpoint: line 4: extension lines are not accepted");
  checkpoint.size = *size;
  checkpoint.root = *root;
  if (auto status = check_sizes(checkpoint); !status.ok()) return std::move(status).error().in("checkpoint");
  return checkpoint;
}

Status check_origin(std::string_view origin) {
  SEALRING_TRY(check_key_name(origin));
  if (origin.size() > kMaxOriginBytes) {
    return reject_error("origin has " + std::to_string(origin.size()) + " bytes, may have 255");
  }
  for (const char c : origin) {
    if (c < 0x21 || c > 0x7e) return reject_error("origin " + quoted(origin) + " is not printable ASCII");
  }
  if (is_own_note(origin)) return reject_error("origin " + quoted(origin) + " may not begin with \"sealring/\"");
  return {};
}

Result<Note> sign_checkpoint(const Checkpoint& checkpoint, Signer& signer) {
  SEALRING_TRY(check_origin(checkpoint.origin));
  SEALRING_TRY(check_sizes(checkpoint));
  Note note;
  note.text = checkpoint.text();
  SEALRING_ASSIGN(NoteSignature signature, sign_note_text(note.text, checkpoint.origin, signer));
  note.signatures.push_back(std::move(signature));
  return note;
}

}  // namespace sealring
