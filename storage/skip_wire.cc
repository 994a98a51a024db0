#include "storage/skip_wire.h"

#include "storage/entry.h"

namespace sealring {
namespace {

constexpr std::string_view kSkipMagic = "sealring/skip/v1\n";

void put_hashes(Bytes& out, const Proof& hashes) {
  put_u8(out, static_cast<std::uint8_t>(hashes.size()));
  for (const Hash& hash : hashes) out += view(hash);
}

// False: more than a proof may have.
bool get_hashes(ByteReader& reader, Proof& out) {
  const std::size_t count = reader.u8();
  if (count > kMaxProofHashes) return false;
  for (std::size_t i = 0; i < count; ++i) out.push_back(reader.array<32>());
  return reader.ok();
}

}  // namespace

Bytes encode_skip(const SkipRequest& request) {
  SEALRING_ASSERT(request.bundles.size() == (request.end - request.start) / kBundleEntries);
  Bytes out(kSkipMagic);
  put_u16(out, static_cast<std::uint16_t>(request.origin.size()));
  out += request.origin;
  put_u64(out, request.upload_end);
  put_u16(out, static_cast<std::uint16_t>(request.loss_entry.size()));
  out += request.loss_entry;
  put_u64(out, request.loss_index);
  put_u64(out, request.loss_size);
  put_hashes(out, request.inclusion);
  for (const Hash& hash : request.bundles) out += view(hash);
  for (const Proof& proof : request.proofs) put_hashes(out, proof);
  return out;
}

Result<SkipRequest> decode_skip(ByteView body) {
  const Error cut_short = reject_error("The skip request is cut short or too long");
  ByteReader reader(body);
  SkipRequest out;
  if (reader.bytes(kSkipMagic.size()) != kSkipMagic) return reject_error("The body is no skip request of this version");
  out.origin = std::string(reader.bytes(reader.u16()));
  out.upload_end = reader.u64();
  out.loss_entry = Bytes(reader.bytes(reader.u16()));
  out.loss_index = reader.u64();
  out.loss_size = reader.u64();
  if (!get_hashes(reader, out.inclusion)) return cut_short;
  const Result<Entry> entry = decode_entry(out.loss_entry);
  const auto* loss = entry ? std::get_if<Loss>(&entry->body) : nullptr;
  if (loss == nullptr) return reject_error("What should be a loss entry is none");
  out.start = loss->start;
  out.end = loss->end;
  if ((out.end - out.start) / kBundleEntries > reader.rest().size() / 32) return cut_short;
  for (std::uint64_t at = out.start; at < out.end; at += kBundleEntries) out.bundles.push_back(reader.array<32>());
  for (std::size_t i = 0; i < loss->hashes.size(); ++i) {
    Proof proof;
    if (!get_hashes(reader, proof)) return cut_short;
    out.proofs.push_back(std::move(proof));
  }
  if (!reader.at_end()) return cut_short;
  return out;
}

}  // namespace sealring
