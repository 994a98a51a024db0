#include "crypto/cosignature.h"

#include <algorithm>

namespace sealring {
namespace {

constexpr std::uint64_t kMaxTime = INT64_MAX;
constexpr std::size_t kTimeBytes = 8;
constexpr std::size_t kCosignatureBytes = kTimeBytes + sizeof(Signature);

bool line_verifies(const NoteSignature& line, std::string_view text, const VerifierKey& key, std::uint64_t& time_s) {
  if (key.type != KeyType::cosignature_v1 || line.signature.size() != kCosignatureBytes) return false;
  time_s = get_u64(line.signature.data());
  if (time_s > kMaxTime) return false;
  const Signature signature = to_array<64>(ByteView(line.signature).substr(kTimeBytes));
  return ed25519_verify(key.key, cosignature_message(time_s, text), signature);
}

}  // namespace

Bytes cosignature_message(std::uint64_t time_s, std::string_view checkpoint_text) {
  return "cosignature/v1\ntime " + std::to_string(time_s) + "\n" + std::string(checkpoint_text);
}

Result<NoteSignature> cosign(std::string_view checkpoint_text, std::uint64_t time_s, std::string_view name,
                             Signer& signer) {
  SEALRING_TRY(check_key_name(name));
  SEALRING_TRY(Checkpoint::parse(checkpoint_text));  // a cosignature over anything else would be a false statement
  if (time_s > kMaxTime) return reject_error("cosign as " + quoted(name) + ": time is above 2^63 - 1");
  const Bytes message = cosignature_message(time_s, checkpoint_text);
  auto signature = signer.sign(message);
  if (!signature.ok()) return std::move(signature).error().in("cosign as " + quoted(name));
  if (!ed25519_verify(signer.public_key(), message, *signature)) {
    return fatal_error("cosign as " + quoted(name) + ": the signer's own public key does not verify what it signed");
  }
  const VerifierKey key{std::string(name), KeyType::cosignature_v1, signer.public_key()};
  NoteSignature line{key.name, key.id(), {}};
  put_u64(line.signature, time_s);
  line.signature.append(view(*signature));
  return line;
}

CosignatureCheck check_cosignature(const Note& note, const VerifierKey& key) {
  CosignatureCheck check;
  const std::uint32_t id = key.id();
  for (const NoteSignature& line : note.signatures) {
    if (line.key_id != id || line.name != key.name) continue;
    std::uint64_t time_s = 0;
    if (!line_verifies(line, note.text, key, time_s)) return {SignatureState::invalid, 0};
    check.state = SignatureState::valid;
    check.time_s = std::max(check.time_s, time_s);
  }
  return check;
}

}  // namespace sealring
