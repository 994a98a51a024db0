#include "crypto/note.h"

#include <algorithm>

#include "crypto/sha256.h"

namespace sealring {
namespace {

constexpr std::string_view kDash = "\xE2\x80\x94 ";  // U+2014 and a space
constexpr std::size_t kKeyIdBytes = 4;
constexpr std::uint32_t kNotUtf8 = UINT32_MAX;

bool is_continuation(char c) { return (static_cast<std::uint8_t>(c) & 0xC0) == 0x80; }

// The code point at `at`, which moves behind it; kNotUtf8 (and `at` stays) for anything that RFC 3629 does not allow:
// a lone or missing continuation byte, an overlong form, a surrogate, a value above U+10FFFF.
std::uint32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<std::uint8_t>(text[at]);
  if (lead < 0x80) return ++at, lead;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() - at < length) return kNotUtf8;
  std::uint32_t point = lead & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[at + i])) return kNotUtf8;
    point = point << 6 | (static_cast<std::uint8_t>(text[at + i]) & 0x3F);
  }
  constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < kSmallest[length] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return kNotUtf8;
  at += length;
  return point;
}

// Unicode's property White_Space.
bool is_space(std::uint32_t point) {
  return (point >= 0x09 && point <= 0x0D) || point == 0x20 || point == 0x85 || point == 0xA0 || point == 0x1680 ||
         (point >= 0x2000 && point <= 0x200A) || point == 0x2028 || point == 0x2029 || point == 0x202F ||
         point == 0x205F || point == 0x3000;
}

std::size_t line_of(std::string_view text, std::size_t offset) {
  return 1 + static_cast<std::size_t>(std::count(text.begin(), text.begin() + static_cast<long>(offset), '\n'));
}

std::string place(std::string_view text, std::size_t offset) {
  return "line " + std::to_string(line_of(text, offset)) + ", offset " + std::to_string(offset);
}

Status check_characters(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const std::uint32_t point = next_code_point(text, at);
    if (point == kNotUtf8) return reject_error(place(text, begin) + ": not valid UTF-8");
    if (point < 0x20 && point != '\n') {
      return reject_error(place(text, begin) + ": control character 0x" + hex(text.substr(begin, 1)));
    }
  }
  return {};
}

Result<NoteSignature> parse_signature_line(std::string_view line) {
  if (line.substr(0, kDash.size()) != kDash)
    return reject_error("signature line must begin with an em dash and a space");
  line.remove_prefix(kDash.size());
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return reject_error("signature line has no space between name and signature");
  NoteSignature signature;
  signature.name = std::string(line.substr(0, space));
  SEALRING_TRY(check_key_name(signature.name));
  auto bytes = from_base64(line.substr(space + 1));
  if (!bytes.ok()) return std::move(bytes).error().in("signature");
  if (bytes->size() <= kKeyIdBytes) {
    return reject_error("signature of " + std::to_string(bytes->size()) + " bytes, must be more than a key ID");
  }
  signature.key_id = get_u32(bytes->data());
  signature.signature = bytes->substr(kKeyIdBytes);
  return signature;
}

// `first_line`: the number of the first line, for messages.
Result<std::vector<NoteSignature>> parse_lines(std::string_view lines, std::size_t first_line) {
  std::vector<NoteSignature> signatures;
  for (std::size_t number = first_line; !lines.empty(); ++number) {
    const std::string here = "line " + std::to_string(number);
    const std::size_t end = lines.find('\n');
    if (end == std::string_view::npos) return reject_error(here + ": signature line does not end in a newline");
    if (signatures.size() == kMaxNoteSignatures) {
      return reject_error(here + ": more than " + std::to_string(kMaxNoteSignatures) + " signatures");
    }
    auto signature = parse_signature_line(lines.substr(0, end));
    if (!signature.ok()) return std::move(signature).error().in(here);
    signatures.push_back(std::move(signature).value());
    lines.remove_prefix(end + 1);
  }
  if (signatures.empty()) return reject_error("line " + std::to_string(first_line) + ": no signature line");
  return signatures;
}

Status check_note_size(std::string_view note) {
  if (note.size() <= kMaxNoteBytes) return {};
  return reject_error(std::to_string(note.size()) + " bytes, more than the " + std::to_string(kMaxNoteBytes) +
                      " a note may have");
}

Bytes type_and_key(KeyType type, const PublicKey& key) {
  Bytes bytes;
  put_u8(bytes, static_cast<std::uint8_t>(type));
  return bytes.append(view(key));
}

bool line_verifies(const NoteSignature& line, std::string_view text, const VerifierKey& key) {
  if (key.type != KeyType::ed25519 || line.signature.size() != sizeof(Signature)) return false;
  return ed25519_verify(key.key, text, to_array<64>(line.signature));
}

}  // namespace

Status check_key_name(std::string_view name) {
  if (name.empty()) return reject_error("key name is empty");
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t begin = at;
    const std::uint32_t point = next_code_point(name, at);
    const char* wrong = point == kNotUtf8 ? "is not valid UTF-8"
                        : is_space(point) ? "has a space"
                        : point < 0x20    ? "has a control character"
                        : point == '+'    ? "has a '+'"
                                          : nullptr;
    if (wrong) return reject_error("key name " + quoted(name) + " " + wrong + " at offset " + std::to_string(begin));
  }
  return {};
}

Status check_note_text(std::string_view text) {
  if (text.empty() || text.back() != '\n') return reject_error("text of a note must end in a newline");
  return check_characters(text);
}

std::uint32_t VerifierKey::id() const { return get_u32(view(sha256({name, "\n", type_and_key(type, key)})).data()); }

std::string VerifierKey::encode() const {
  Bytes id_bytes;
  put_u32(id_bytes, id());
  return name + "+" + hex(id_bytes) + "+" + base64(type_and_key(type, key));
}

Result<VerifierKey> VerifierKey::parse(std::string_view vkey) {
  // The base64 may have a '+' of its own, a name may not: only the first two divide.
  const std::size_t first = vkey.find('+');
  const std::size_t second = first == std::string_view::npos ? first : vkey.find('+', first + 1);
  if (second == std::string_view::npos) {
    return reject_error("vkey " + quoted(vkey, 128) + " must have the form name+keyID+key");
  }
  const std::string here = "vkey of " + quoted(vkey.substr(0, first));
  VerifierKey key;
  key.name = std::string(vkey.substr(0, first));
  if (auto status = check_key_name(key.name); !status.ok()) return std::move(status).error().in("vkey");
  auto id_bytes = from_hex(vkey.substr(first + 1, second - first - 1));
  if (!id_bytes.ok()) return std::move(id_bytes).error().in(here + ": key ID");
  if (id_bytes->size() != kKeyIdBytes) return reject_error(here + ": key ID must have 8 hex digits");
  auto typed = from_base64(vkey.substr(second + 1));
  if (!typed.ok()) return std::move(typed).error().in(here);
  if (typed->empty()) return reject_error(here + ": key is empty");
  const auto type = static_cast<std::uint8_t>((*typed)[0]);
  if (type != static_cast<std::uint8_t>(KeyType::ed25519) &&
      type != static_cast<std::uint8_t>(KeyType::cosignature_v1)) {
    return reject_error(here + ": signature type 0x" + hex(typed->substr(0, 1)) + " is not supported");
  }
  if (typed->size() != 1 + sizeof(PublicKey)) {
    return reject_error(here + ": key has " + std::to_string(typed->size() - 1) + " bytes, must have 32");
  }
  key.type = static_cast<KeyType>(type);
  key.key = to_array<32>(ByteView(*typed).substr(1));
  if (!is_ed25519_key(key.key)) return reject_error(here + ": " + hex(view(key.key)) + " is no Ed25519 key");
  if (key.id() != get_u32(id_bytes->data())) {
    return reject_error(here + ": key ID " + hex(*id_bytes) + " is not that of its name and key");
  }
  return key;
}

std::string NoteSignature::line() const {
  Bytes bytes;
  put_u32(bytes, key_id);
  bytes += signature;
  std::string text(kDash);
  return text.append(name).append(" ").append(base64(bytes)).append("\n");
}

std::string Note::encode() const {
  std::string note = text + "\n";
  for (const NoteSignature& signature : signatures) note += signature.line();
  return note;
}

Result<Note> Note::parse(std::string_view note) {
  SEALRING_TRY(check_note_size(note));
  SEALRING_TRY(check_characters(note));
  // The last empty line divides: the text may have empty lines of its own, the signatures cannot.
  const std::size_t divide = note.rfind("\n\n");
  if (divide == std::string_view::npos) return reject_error("no empty line between text and signatures");
  Note result;
  result.text = std::string(note.substr(0, divide + 1));
  SEALRING_ASSIGN(result.signatures, parse_lines(note.substr(divide + 2), line_of(note, divide + 2)));
  return result;
}

Result<std::vector<NoteSignature>> parse_signature_lines(std::string_view lines) {
  SEALRING_TRY(check_note_size(lines));
  SEALRING_TRY(check_characters(lines));
  return parse_lines(lines, 1);
}

Result<NoteSignature> sign_note_text(std::string_view text, std::string_view name, Signer& signer) {
  SEALRING_TRY(check_key_name(name));
  SEALRING_TRY(check_note_text(text));
  auto signature = signer.sign(text);
  if (!signature.ok()) return std::move(signature).error().in("sign as " + quoted(name));
  if (!ed25519_verify(signer.public_key(), text, *signature)) {
    return fatal_error("sign as " + quoted(name) + ": the signer's own public key does not verify what it signed");
  }
  const VerifierKey key{std::string(name), KeyType::ed25519, signer.public_key()};
  return NoteSignature{key.name, key.id(), Bytes(view(*signature))};
}

SignatureState check_note_signature(const Note& note, const VerifierKey& key) {
  SignatureState state = SignatureState::absent;
  const std::uint32_t id = key.id();
  for (const NoteSignature& line : note.signatures) {
    if (line.key_id != id || line.name != key.name) continue;
    if (!line_verifies(line, note.text, key)) return SignatureState::invalid;
    state = SignatureState::valid;
  }
  return state;
}

}  // namespace sealring
