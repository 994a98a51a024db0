#include "crypto/tlog_proof.h"

namespace sealring {
namespace {

constexpr std::size_t kMaxHashes = 63;

Error at_proof_line(std::size_t number, const std::string& what) {
  return reject_error("proof: line " + std::to_string(number) + ": " + what);
}

}  // namespace

Bytes TlogProof::encode() const {
  Bytes out(kTlogProofHeader);
  if (extra) out += "extra " + base64(*extra) + "\n";
  out += "index " + std::to_string(index) + "\n";
  for (const Hash& hash : inclusion) out += base64(view(hash)) + "\n";
  return out + "\n" + checkpoint;
}

Result<TlogProof> TlogProof::parse(ByteView bytes) {
  TlogProof proof;
  if (!take_prefix(bytes, kTlogProofHeader)) return at_proof_line(1, "is not " + quoted("c2sp.org/tlog-proof@v1"));
  std::size_t number = 2;
  auto line = take_line(bytes);
  if (line && take_prefix(*line, "extra ")) {
    Result<Bytes> extra = from_base64(*line);
    if (!extra) return at_proof_line(number, "extra: " + extra.error().message);
    proof.extra = std::move(extra).value();
    ++number;
    line = take_line(bytes);
  }
  if (!line || !take_prefix(*line, "index ")) return at_proof_line(number, "does not begin with \"index \"");
  const Result<std::uint64_t> index = from_decimal(*line);
  if (!index) return at_proof_line(number, "the index is not a decimal number");
  proof.index = *index;
  for (;;) {
    ++number;
    line = take_line(bytes);
    if (!line) return at_proof_line(number, "is cut short: no empty line before the checkpoint");
    if (line->empty()) break;
    const Result<Bytes> hash = from_base64(*line);
    if (!hash || hash->size() != sizeof(Hash)) return at_proof_line(number, "is not the base64 of a hash");
    if (proof.inclusion.size() == kMaxHashes) return at_proof_line(number, "is one hash too many: 63 is the most");
    proof.inclusion.push_back(to_array<sizeof(Hash)>(*hash));
  }
  if (bytes.empty()) return at_proof_line(number + 1, "the checkpoint is missing");
  proof.checkpoint = Bytes(bytes);
  return proof;
}

}  // namespace sealring
