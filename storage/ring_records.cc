#include "storage/ring_records.h"

#include "crypto/sha256.h"

namespace sealring {
namespace {

constexpr std::string_view kStateMagic = "sealring/ring/v1\n";
constexpr std::string_view kStateMagicLosses = "sealring/ring/v2\n";
static_assert(kStateMagic.size() == kStateMagicLosses.size());
constexpr std::string_view kStatePrefix = "sealring/ring/v";
constexpr std::size_t kRecordChecksumBytes = 16;

// First byte of a key. Bundles come last: theirs are the keys that grow.
enum KeyType : std::uint8_t { kState = 0x00, kSegment = 0x10, kLoss = 0x18, kNode = 0x20, kBundle = 0xe0 };

Bytes with_checksum(Bytes bytes) {
  const Hash hash = sha256(bytes);
  bytes += view(hash).substr(0, kRecordChecksumBytes);
  return bytes;
}
// Strips and checks; empty when it does not match.
ByteView without_checksum(ByteView bytes) {
  if (bytes.size() < kRecordChecksumBytes) return {};
  const ByteView body = bytes.substr(0, bytes.size() - kRecordChecksumBytes);
  const Hash hash = sha256(body);
  return view(hash).substr(0, kRecordChecksumBytes) == bytes.substr(body.size()) ? body : ByteView();
}

}  // namespace

Bytes segment_key(std::uint64_t number) {
  Bytes key(1, static_cast<char>(kSegment));
  put_u64(key, number);
  return key;
}
Bytes loss_key(std::uint64_t start) {
  Bytes key(1, static_cast<char>(kLoss));
  put_u64(key, start);
  return key;
}
Bytes node_key(int level, std::uint64_t index) {
  Bytes key(1, static_cast<char>(kNode));
  put_u8(key, static_cast<std::uint8_t>(level));
  put_u64(key, index);
  return key;
}
Bytes chunk_key(std::uint64_t bundle, std::size_t chunk) {
  Bytes key(1, static_cast<char>(kBundle));
  put_u64(key, bundle);
  put_u16(key, static_cast<std::uint16_t>(chunk));
  return key;
}

Bytes encode_segment(const Segment& segment) {
  Bytes out;
  put_u64(out, segment.number);
  put_u64(out, segment.start);
  put_u64(out, segment.end);
  put_u8(out, static_cast<std::uint8_t>(segment.state));
  put_u64(out, static_cast<std::uint64_t>(segment.closed_wall_ns));
  put_u32(out, static_cast<std::uint32_t>(segment.note.size()));
  out += segment.note;
  return with_checksum(std::move(out));
}

Bytes encode_loss(const LossRecord& loss) {
  Bytes out;
  put_u64(out, loss.start);
  put_u64(out, loss.end);
  put_u64(out, loss.index);
  put_u64(out, loss.messages);
  put_u64(out, static_cast<std::uint64_t>(loss.first_wall_ns));
  put_u64(out, static_cast<std::uint64_t>(loss.last_wall_ns));
  if (loss.damaged) put_u8(out, 1);
  return with_checksum(std::move(out));
}

std::optional<RingKey> parse_ring_key(ByteView key) {
  ByteReader reader(key);
  const std::uint8_t type = reader.u8();
  RingKey out;
  switch (type) {
    case kState:
      out.kind = RingKey::Kind::state;
      break;
    case kSegment:
      out.kind = RingKey::Kind::segment;
      out.index = reader.u64();
      break;
    case kLoss:
      out.kind = RingKey::Kind::loss;
      out.index = reader.u64();
      break;
    case kNode:
      out.kind = RingKey::Kind::node;
      out.level = reader.u8();
      out.index = reader.u64();
      break;
    case kBundle:
      out.kind = RingKey::Kind::chunk;
      out.index = reader.u64();
      out.chunk = reader.u16();
      break;
    default:
      return std::nullopt;
  }
  return reader.at_end() ? std::optional(out) : std::nullopt;
}

Result<Segment> decode_segment(ByteView bytes, std::uint64_t number) {
  ByteReader reader(without_checksum(bytes));
  Segment s;
  s.number = reader.u64();
  s.start = reader.u64();
  s.end = reader.u64();
  const std::uint8_t state = reader.u8();
  s.closed_wall_ns = static_cast<std::int64_t>(reader.u64());
  s.note = Bytes(reader.bytes(reader.u32()));
  const bool closed =
      state == static_cast<int>(SegmentState::sealed) || state == static_cast<int>(SegmentState::acknowledged);
  if (!reader.at_end() || s.number != number || !closed || s.start >= s.end)
    return fatal_error("ring: record of segment " + std::to_string(number) + " is damaged");
  s.state = static_cast<SegmentState>(state);
  return s;
}

Result<LossRecord> decode_loss(ByteView bytes, std::uint64_t start) {
  ByteReader reader(without_checksum(bytes));
  LossRecord loss;
  loss.start = reader.u64();
  loss.end = reader.u64();
  loss.index = reader.u64();
  loss.messages = reader.u64();
  loss.first_wall_ns = static_cast<std::int64_t>(reader.u64());
  loss.last_wall_ns = static_cast<std::int64_t>(reader.u64());
  loss.damaged = !reader.at_end() && reader.u8() == 1;
  const bool in_full = reader.at_end() && bytes == encode_loss(loss);
  if (!in_full || loss.start != start || loss.start >= loss.end || (start | loss.end) % kBundleEntries != 0)
    return fatal_error("ring: the record of the loss at " + std::to_string(start) + " is damaged");
  return loss;
}

Bytes encode_ring_state(const RingState& state) {
  Bytes out(state.losses ? kStateMagicLosses : kStateMagic);
  put_u16(out, static_cast<std::uint16_t>(state.origin.size()));
  out += state.origin;
  put_u64(out, state.sequence);
  put_u8(out, state.direct ? 1 : 0);
  out += encode_frame_header(state.last, 0);
  put_u64(out, state.segment);
  put_u64(out, state.segment_start);
  put_u64(out, state.first_index);
  put_u64(out, state.range.size());
  for (const Hash& hash : state.range.hashes()) out += view(hash);
  return with_checksum(std::move(out));
}

Result<RingState> decode_ring_state(ByteView bytes) {
  const ByteView first = bytes.substr(0, kStateMagic.size());
  if (bytes.substr(0, kStatePrefix.size()) == kStatePrefix && first != kStateMagic && first != kStateMagicLosses)
    return reject_error("ring: format version " + quoted(bytes.substr(kStatePrefix.size(), 4)) +
                        ", this program knows versions 1 and 2");
  ByteReader reader(without_checksum(bytes));
  RingState state;
  const ByteView version = reader.bytes(kStateMagic.size());
  state.losses = version == kStateMagicLosses;
  const bool magic = state.losses || version == kStateMagic;
  state.origin = std::string(reader.bytes(reader.u16()));
  state.sequence = reader.u64();
  const std::uint8_t direct = reader.u8();
  state.direct = direct == 1;
  std::size_t entries_bytes = 0;
  auto last = decode_frame_header(reader.bytes(kFrameHeaderBytes), entries_bytes);
  state.segment = reader.u64();
  state.segment_start = reader.u64();
  state.first_index = reader.u64();
  const std::uint64_t size = reader.u64();
  std::vector<Hash> hashes(static_cast<std::size_t>(__builtin_popcountll(size)));
  for (Hash& hash : hashes) hash = reader.array<32>();
  auto range = CompactRange::from(size, std::move(hashes));
  if (!magic || direct > 1 || entries_bytes != 0 || !reader.at_end() || !last || !range ||
      range->size() != last->end() || range->root() != last->root)
    return fatal_error("ring: the state record is damaged");
  state.last = *last;
  state.range = std::move(range).value();
  return state;
}

}  // namespace sealring
