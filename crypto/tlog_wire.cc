#include "crypto/tlog_wire.h"

#include <algorithm>

namespace sealring {

namespace {

Error at_line(std::size_t line, const std::string& what) {
  return reject_error("line " + std::to_string(line) + ": " + what);
}

Result<Hash> hash_line(ByteView line, std::size_t number) {
  Result<Bytes> raw = from_base64(line);
  if (!raw.ok() || raw->size() != std::tuple_size<Hash>::value)
    return at_line(number, quoted(line) + " is not a base64 hash of 32 bytes");
  return to_array<32>(*raw);
}

// One decimal and its newline, off `rest`.
Result<std::uint64_t> decimal_line(ByteView& rest, std::size_t number) {
  std::optional<ByteView> line = take_line(rest);
  if (!line) return at_line(number, "no newline");
  Result<std::uint64_t> value = from_decimal(*line);
  if (!value.ok()) return at_line(number, quoted(*line) + " is not a decimal number");
  return value;
}

}  // namespace

Bytes encode_add_checkpoint(const AddCheckpoint& request) {
  SEALRING_ASSERT(request.proof.size() <= kMaxProofHashes);
  Bytes body = "old " + std::to_string(request.old_size) + "\n";
  for (const Hash& hash : request.proof) body += base64(view(hash)) + "\n";
  return body + "\n" + request.checkpoint;
}

Result<AddCheckpoint> decode_add_checkpoint(ByteView body) {
  constexpr ByteView prefix = "old ";
  if (body.substr(0, prefix.size()) != prefix) return at_line(1, "does not begin with \"old \"");
  body.remove_prefix(prefix.size());
  AddCheckpoint request;
  SEALRING_ASSIGN(request.old_size, decimal_line(body, 1));
  for (std::size_t number = 2;; ++number) {
    std::optional<ByteView> line = take_line(body);
    if (!line) return at_line(number, "the empty line before the checkpoint is missing");
    if (line->empty()) break;
    if (request.proof.size() == kMaxProofHashes) return at_line(number, "more than 63 proof hashes");
    SEALRING_ASSIGN(Hash hash, hash_line(*line, number));
    request.proof.push_back(hash);
  }
  request.checkpoint = Bytes(body);
  return request;
}

Bytes encode_size(std::uint64_t size) { return std::to_string(size) + "\n"; }

Result<std::uint64_t> decode_size(ByteView body) {
  Result<std::uint64_t> size = decimal_line(body, 1);
  if (size.ok() && !body.empty()) return at_line(2, "bytes after the size");
  return size;
}

Bytes encode_add_entries(const AddEntries& header) {
  SEALRING_ASSERT(header.origin.size() <= 0xffff && header.ticket.size() <= 0xffff);
  SEALRING_ASSERT(header.upload_start <= header.upload_end);
  Bytes out;
  put_u16(out, static_cast<std::uint16_t>(header.origin.size()));
  out += header.origin;
  put_u64(out, header.upload_start);
  put_u64(out, header.upload_end);
  put_u16(out, static_cast<std::uint16_t>(header.ticket.size()));
  return out + header.ticket;
}

std::uint64_t package_count(std::uint64_t upload_start, std::uint64_t upload_end) {
  if (upload_start >= upload_end) return 0;
  return (upload_end - 1) / kWirePackageEntries - upload_start / kWirePackageEntries + 1;
}

PackageRange package_range(std::uint64_t upload_start, std::uint64_t upload_end, std::uint64_t i) {
  SEALRING_ASSERT(i < package_count(upload_start, upload_end));
  std::uint64_t aligned = (upload_start / kWirePackageEntries + i) * kWirePackageEntries;
  // The last bundle may end at 2^64: compare lengths, not ends.
  std::uint64_t end = aligned + std::min(kWirePackageEntries, upload_end - aligned);
  return {aligned, std::max(upload_start, aligned), end};
}

void append_package(Bytes& body, ByteView entries, const Proof& proof) {
  SEALRING_ASSERT(proof.size() <= kMaxProofHashes);
  body += entries;
  put_u8(body, static_cast<std::uint8_t>(proof.size()));
  for (const Hash& hash : proof) body += view(hash);
}

AddEntriesReader::AddEntriesReader(AddEntries header, ByteReader reader)
    : header_(std::move(header)), reader_(reader), count_(package_count(header_.upload_start, header_.upload_end)) {}

Result<AddEntriesReader> AddEntriesReader::open(ByteView body) {
  ByteReader reader(body);
  AddEntries header;
  header.origin = std::string(reader.bytes(reader.u16()));
  header.upload_start = reader.u64();
  header.upload_end = reader.u64();
  header.ticket = Bytes(reader.bytes(reader.u16()));
  if (!reader.ok()) return reject_error("the body ends inside the header of add-entries");
  if (header.upload_start > header.upload_end) return reject_error("upload_start is above upload_end");
  return AddEntriesReader(std::move(header), reader);
}

Result<std::optional<EntryPackage>> AddEntriesReader::next() {
  std::optional<EntryPackage> package;
  if (complete() || reader_.at_end()) return package;
  package.emplace();
  package->range = package_range(header_.upload_start, header_.upload_end, next_);
  for (std::uint64_t index = package->range.start; index < package->range.end && reader_.ok(); ++index)
    package->entries.push_back(reader_.bytes(reader_.u16()));
  std::size_t hashes = reader_.u8();
  if (reader_.ok() && hashes > kMaxProofHashes)
    return reject_error("package " + std::to_string(next_) + " has a proof of more than 63 hashes");
  for (std::size_t i = 0; i < hashes && reader_.ok(); ++i) package->proof.push_back(reader_.array<32>());
  if (!reader_.ok()) return reject_error("the body ends inside package " + std::to_string(next_));
  ++next_;
  return package;
}

Bytes encode_mirror_info(const MirrorInfo& info) {
  return std::to_string(info.pending_size) + "\n" + std::to_string(info.next_entry) + "\n" + base64(info.ticket) + "\n";
}

Result<MirrorInfo> decode_mirror_info(ByteView body) {
  MirrorInfo info;
  SEALRING_ASSIGN(info.pending_size, decimal_line(body, 1));
  SEALRING_ASSIGN(info.next_entry, decimal_line(body, 2));
  std::optional<ByteView> ticket = take_line(body);
  if (!ticket) return at_line(3, "no newline");
  Result<Bytes> raw = from_base64(*ticket);
  if (!raw.ok()) return at_line(3, quoted(*ticket) + " is not base64");
  info.ticket = std::move(raw).value();
  if (!body.empty()) return at_line(4, "bytes after the ticket");
  return info;
}

}  // namespace sealring
