#include "gateway/evidence.h"

#include "storage/limits.h"

namespace sealring {
namespace {

class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) {}
  Result<ByteView> take(std::size_t n, const char* what) {
    if (bytes_.size() - at_ < n)
      return reject_error("evidence: cut short at byte " + std::to_string(at_) + ", in " + what);
    at_ += n;
    return bytes_.substr(at_ - n, n);
  }
  Result<Bytes> sized(const char* what) {
    SEALRING_ASSIGN(const ByteView length, take(2, what));
    SEALRING_ASSIGN(const ByteView bytes, take(get_u16(length.data()), what));
    return Bytes(bytes);
  }
  bool at_end() const { return at_ == bytes_.size(); }

 private:
  const ByteView bytes_;
  std::size_t at_ = 0;
};

}  // namespace

Bytes Evidence::encode() const {
  SEALRING_ASSERT(entry.size() <= kMaxEntryBytes && genesis.size() <= kMaxEntryBytes && genesis_path.size() <= 63);
  SEALRING_ASSERT(rotations.size() <= kMaxProofRotations);
  Bytes out(rotations.empty() ? kEvidenceMagic : kEvidenceMagic2);
  put_u16(out, static_cast<std::uint16_t>(entry.size()));
  out += entry;
  put_u16(out, static_cast<std::uint16_t>(genesis.size()));
  out += genesis;
  out += static_cast<char>(genesis_path.size());
  for (const Hash& hash : genesis_path) out += view(hash);
  if (rotations.empty()) return out;
  out += static_cast<char>(rotations.size());
  for (const Bytes& rotation : rotations) {
    put_u16(out, static_cast<std::uint16_t>(rotation.size()));
    out += rotation;
  }
  return out;
}

Result<Evidence> Evidence::decode(ByteView bytes) {
  const ByteView magic = bytes.substr(0, kEvidenceMagic.size());
  if (magic != kEvidenceMagic && magic != kEvidenceMagic2)
    return reject_error("evidence: does not begin with " + quoted("sealring/evidence/v1") + " or v2");
  Reader reader(bytes.substr(kEvidenceMagic.size()));
  Evidence out;
  SEALRING_ASSIGN(out.entry, reader.sized("the entry"));
  SEALRING_ASSIGN(out.genesis, reader.sized("entry 0"));
  SEALRING_ASSIGN(const ByteView count, reader.take(1, "the number of hashes"));
  const auto n = static_cast<unsigned char>(count[0]);
  if (n > 63) return reject_error("evidence: " + std::to_string(n) + " hashes, 63 is the most");
  if (n > 0 && out.genesis.empty()) return reject_error("evidence: a path of entry 0 without entry 0");
  for (unsigned i = 0; i < n; ++i) {
    SEALRING_ASSIGN(const ByteView hash, reader.take(sizeof(Hash), "the path of entry 0"));
    out.genesis_path.push_back(to_array<sizeof(Hash)>(hash));
  }
  if (magic == kEvidenceMagic2) {
    SEALRING_ASSIGN(const ByteView rotations, reader.take(1, "the number of rotations"));
    const auto r = static_cast<unsigned char>(rotations[0]);
    if (r == 0) return reject_error("evidence: version 2 without a rotation");
    for (unsigned i = 0; i < r; ++i) {
      SEALRING_ASSIGN(Bytes rotation, reader.sized("a rotation"));
      out.rotations.push_back(std::move(rotation));
    }
  }
  if (!reader.at_end()) return reject_error("evidence: more bytes than it should have");
  return out;
}

}  // namespace sealring
