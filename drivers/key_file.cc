#include "drivers/key_file.h"

#include "crypto/note.h"
#include "drivers/file.h"
#include "drivers/secret_line.h"

namespace sealring {

namespace {

constexpr std::string_view kPrefix = "PRIVATE+KEY+";
constexpr std::size_t kMaxKeyFileBytes = 4096;

// Wipes on every way out.
struct Secret {
  Bytes bytes;
  ~Secret() { wipe(bytes); }
};

Bytes hex_of(std::uint32_t id) {
  Bytes be;
  put_u32(be, id);
  return hex(be);
}

std::uint32_t note_key_id(const std::string& name, const PublicKey& key) {
  return VerifierKey{name, KeyType::ed25519, key}.id();
}

// Messages here never quote the input: it is, or once was, a key.
Result<NamedKey> parse_key_line(std::string_view line) {
  if (!line.empty() && line.back() == '\n') line.remove_suffix(1);
  if (line.substr(0, kPrefix.size()) != kPrefix) return reject_error("not a key file: it does not begin PRIVATE+KEY+");
  line.remove_prefix(kPrefix.size());
  std::size_t name_end = line.find('+');
  std::size_t id_end = name_end == std::string_view::npos ? name_end : line.find('+', name_end + 1);
  if (id_end == std::string_view::npos) return reject_error("not a key file: name, key ID and key are not all there");

  NamedKey key;
  key.name = std::string(line.substr(0, name_end));
  if (!check_key_name(key.name).ok()) return reject_error("damaged key file: its name cannot be one of a key");
  std::string_view id = line.substr(name_end + 1, id_end - name_end - 1);
  Result<Bytes> decoded = from_base64(line.substr(id_end + 1));
  if (!decoded.ok()) return reject_error("damaged key file: the key is not base64");
  Secret raw{std::move(decoded).value()};
  if (raw.bytes.size() != 33) return reject_error("damaged key file: the key is not 33 bytes long");
  if (raw.bytes[0] != static_cast<char>(KeyType::ed25519)) return reject_error("not an Ed25519 key (type 1)");
  SEALRING_ASSIGN(key.signer, SoftwareSigner::from_seed(ByteView(raw.bytes).substr(1)));
  if (id != hex_of(note_key_id(key.name, key.signer->public_key()))) {
    return reject_error("damaged key file: its key ID does not belong to its name and key");
  }
  return key;
}

}  // namespace

Result<NamedKey> load_key_file(const std::string& source, const std::string& credentials) {
  SEALRING_ASSIGN(Bytes line, read_secret(source, credentials, kMaxKeyFileBytes, "key file"));
  Secret secret{std::move(line)};
  Result<NamedKey> key = parse_key_line(secret.bytes);
  if (!key.ok()) return std::move(key).error().in(source);
  return key;
}

Status create_key_file(const std::string& path, const std::string& name, const SoftwareSigner& key) {
  SEALRING_TRY(check_key_name(name));
  Secret seed{key.seed()};
  Secret raw;
  raw.bytes.reserve(33);  // no copy left behind by growing
  put_u8(raw.bytes, static_cast<std::uint8_t>(KeyType::ed25519));
  raw.bytes += seed.bytes;
  Secret encoded{base64(raw.bytes)};
  std::string head = std::string(kPrefix) + name + "+" + hex_of(note_key_id(name, key.public_key())) + "+";
  Secret line;
  line.bytes.reserve(head.size() + encoded.bytes.size() + 1);
  line.bytes += head;
  line.bytes += encoded.bytes;
  line.bytes += '\n';
  return create_file(path, line.bytes, 0600);
}

}  // namespace sealring
