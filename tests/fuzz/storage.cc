// The formats of storage/: entries, frames, the journal's file, segment files, the ring's state.
#include <algorithm>

#include "collector/segment_index.h"
#include "crypto/sha256.h"
#include "storage/entry.h"
#include "storage/journal.h"
#include "storage/ring_db.h"
#include "storage/segment_file.h"
#include "tests/fuzz/fuzz.h"

namespace sealring::fuzz {
namespace {

constexpr std::string_view kOrigin = "example.com/log";

Bytes encoded(const Frame& frame) { return encode_frame_header(frame.header, frame.entries.size()) + frame.entries; }

Entry message_of(Pieces& pieces) {
  Entry entry;
  entry.common.wall_ns = static_cast<std::int64_t>(pieces.u64());
  const unsigned bits = pieces.u16();
  entry.common.clock = static_cast<ClockState>(bits & 1);
  entry.common.boot = pieces.u8();
  entry.common.boottime_ns = pieces.u64();
  entry.common.connection = pieces.u8();
  entry.common.received = pieces.u8();
  Message m;
  std::copy_n(hex(view(sha256(pieces.sized()))).begin(), m.salt.size(), m.salt.begin());
  m.topic = pieces.sized();
  m.qos = static_cast<std::uint8_t>(bits >> 1 & 3);
  m.retain = (bits & 8) != 0;
  m.dup = (bits & 16) != 0;
  m.packet_id = static_cast<std::uint16_t>(bits & 32 ? pieces.u16() : 0);
  m.assurance = static_cast<Assurance>(bits >> 6 & 3);
  if (bits & 256) m.source = pieces.sized();
  if (bits & 512) m.possible_duplicate_of = pieces.u64();
  if (bits & 1024) m.parts = PartsInfo{pieces.u64(), pieces.u16(), sha256("x")};
  for (unsigned n = bits >> 11 & 7; n > 0; --n) {
    Property p;
    p.id = pieces.u8();
    p.number = pieces.u8();
    p.a = pieces.sized();
    p.b = pieces.sized();
    m.properties.push_back(p);
  }
  m.payload = pieces.rest();
  entry.body = m;
  return entry;
}

// storage/FORMAT.md "Journal", once more: what a fuzzer cannot find by itself are the checksums.
class JournalMaker {
 public:
  JournalMaker() {
    put_header("sealring/journal/v1\n");
    file_.resize(Journal::kFileBytes);
  }
  Bytes& file() { return file_; }
  // A record at a sector of the halves, as many of its bytes as fit.
  void put(std::size_t sector, std::uint8_t type, std::uint64_t sequence, ByteView body) {
    Bytes head("SRJ1");
    put_u8(head, type);
    head.append(3, '\0');
    put_u32(head, static_cast<std::uint32_t>(body.size()));
    put_u64(head, sequence);
    const Hash checksum = sha256({Bytes(16, 's'), head, body});
    overwrite(4096 + sector * kJournalSectorBytes, head.append(view(checksum).substr(0, 16)).append(body));
  }
  void overwrite(std::size_t at, ByteView bytes) {
    at %= file_.size();
    file_.replace(at, std::min(bytes.size(), file_.size() - at), bytes.substr(0, file_.size() - at));
  }

 private:
  void put_header(ByteView magic) {
    Bytes head(magic);
    put_u32(head, kJournalHalfBytes);
    head += view(sha256(kOrigin));
    head.append(16, 's');
    file_ = with_checksum16(head);
  }
  Bytes file_;
};

Frame frame_of(Pieces& pieces) {
  Frame frame;
  frame.header.first = pieces.u64();
  frame.header.count = 1 + pieces.u8() % 4;
  for (std::uint32_t i = 0; i < frame.header.count; ++i) {
    const ByteView entry = pieces.bytes(pieces.u8());
    put_u16(frame.entries, static_cast<std::uint16_t>(entry.size()));
    frame.entries += entry;
  }
  if (frame.header.first > UINT64_MAX - frame.header.count) frame.header.first = 0;
  return frame;
}

// A file from a list of steps: records with the right checksum, and damage.
Bytes journal_of(ByteView input) {
  JournalMaker maker;
  Pieces pieces(input);
  for (int steps = 0; !pieces.empty() && steps < 64; ++steps) {
    const unsigned what = pieces.u8();
    const std::size_t sector = pieces.u16() % (2 * kJournalHalfBytes / kJournalSectorBytes);
    const std::uint64_t sequence = pieces.u8();
    const Frame frame = frame_of(pieces);
    switch (what % 4) {
      case 0:
        maker.put(sector, 1, sequence, encoded(frame));
        break;
      case 1:
        maker.put(sector, 2, sequence, encode_frame_header(frame.header, 0));
        break;
      case 2:
        maker.put(sector, static_cast<std::uint8_t>(what), sequence, frame.entries);
        break;
      default:
        maker.overwrite(sector * kJournalSectorBytes + sequence, frame.entries);
    }
  }
  if (input.size() % 16 == 15) maker.file().resize(maker.file().size() - 1);
  return std::move(maker.file());
}

void check_segment(const SegmentFile& segment, ByteView bytes) {
  FUZZ_CHECK(encode_segment_header(segment) + segment.entries == bytes);
  const auto head = decode_segment_head(bytes.substr(0, kSegmentHeadBytes));
  FUZZ_CHECK(head.ok() && head->start == segment.start && head->end == segment.end && head->range == segment.range);
  const auto index = index_segment(segment);
  if (!ok_or_checked(index)) return;
  const auto again = SegmentIndex::decode(index->encode(), index->range);
  FUZZ_CHECK(again.ok() && again->encode() == index->encode());
}

}  // namespace

FUZZ_TARGET(entry, 16u << 10, 256u << 10, 192) {
  const auto entry = decode_entry(input);
  if (!ok_or_checked(entry)) return;
  Bytes again;
  const Status status = encode_entry(*entry, again);
  if (std::holds_alternative<Opaque>(entry->body)) {
    FUZZ_CHECK(!status.ok() && again.empty());
    return;
  }
  FUZZ_CHECK(ok_or_checked(status));
  FUZZ_CHECK(again == input);
}

// From the other side: what is encoded decodes to the same.
FUZZ_TARGET(message, 16u << 10) {
  Pieces pieces(input);
  const Entry entry = message_of(pieces);
  Bytes bytes, direct;
  const Status status = encode_entry(entry, bytes);
  const Status hot = encode_message(entry.common, std::get<Message>(entry.body), direct);
  FUZZ_CHECK(status.ok() == hot.ok() && bytes == direct);
  if (!ok_or_checked(status)) {
    FUZZ_CHECK(bytes.empty());
    return;
  }
  const auto again = decode_entry(bytes);
  FUZZ_CHECK(ok_or_checked(again));
  const Message &m = std::get<Message>(entry.body), &n = std::get<Message>(again->body);
  FUZZ_CHECK(n.topic == m.topic && n.payload == m.payload && n.salt == m.salt && n.packet_id == m.packet_id);
  FUZZ_CHECK(n.qos == m.qos && n.retain == m.retain && n.dup == m.dup && n.source == m.source);
  FUZZ_CHECK(n.properties.size() == m.properties.size() && n.possible_duplicate_of == m.possible_duplicate_of);
  FUZZ_CHECK(again->common.wall_ns == entry.common.wall_ns && again->common.received == entry.common.received);
  Bytes bytes_again;
  FUZZ_CHECK(encode_entry(*again, bytes_again).ok() && bytes_again == bytes);
}

FUZZ_TARGET(frame, 16u << 10) {
  const auto frame = decode_frame(input);
  if (ok_or_checked(frame)) FUZZ_CHECK(encoded(*frame) == input);
  std::size_t announced = 0;
  const auto header = decode_frame_header(input, announced);
  if (ok_or_checked(header) && announced <= input.size())  // the encoder makes room for as much
    FUZZ_CHECK(encode_frame_header(*header, announced) == input.substr(0, kFrameHeaderBytes));
  Pieces pieces(input);
  const std::size_t count = static_cast<std::size_t>(pieces.u8() == 255 ? pieces.u64() : pieces.u8());
  const auto entries = split_entries(pieces.rest(), count);
  if (!ok_or_checked(entries)) return;
  Bytes joined;
  for (const ByteView entry : *entries) {
    put_u16(joined, static_cast<std::uint16_t>(entry.size()));
    joined += entry;
  }
  FUZZ_CHECK(entries->size() == count && joined == pieces.rest());
}

FUZZ_TARGET(journal, 4096, 12u << 20) {
  const auto scan = scan_journal(journal_of(input), kOrigin);
  if (!ok_or_checked(scan)) return;
  FUZZ_CHECK(!scan->records.empty() && scan->offset <= kJournalHalfBytes && scan->salt == Bytes(16, 's'));
  for (std::size_t i = 1; i < scan->records.size(); ++i)
    FUZZ_CHECK(scan->records[i].sequence == scan->records[i - 1].sequence + 1);
  for (const JournalRecord& record : scan->records) FUZZ_CHECK(record.mark == record.frame.entries.empty());
}

// The first byte: whether the checksum of an index is to be made right.
FUZZ_TARGET(segment_file, 16u << 10) {
  const auto segment = decode_segment_file(input);
  if (ok_or_checked(segment)) check_segment(*segment, input);
  ok_or_checked(decode_segment_head(input));
  Pieces pieces(input);
  const bool repaired = pieces.u8() & 1;
  const EntryRange range{pieces.u16(), pieces.u16()};
  const Bytes bytes = repaired ? with_checksum16(pieces.rest()) : Bytes(pieces.rest());
  const auto index = SegmentIndex::decode(bytes, range);
  if (ok_or_checked(index)) FUZZ_CHECK(index->encode() == bytes);
}

FUZZ_TARGET(ring_state) {
  ok_or_checked(decode_ring_state(input));
  const Bytes bytes = with_checksum16(input);
  const auto state = decode_ring_state(bytes);
  if (ok_or_checked(state)) FUZZ_CHECK(encode_ring_state(*state) == bytes);
}

}  // namespace sealring::fuzz
