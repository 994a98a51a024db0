#include "storage/segment_file.h"

#include "crypto/note.h"
#include "storage/frame.h"

namespace sealring {
namespace {

std::size_t bits_set(std::uint64_t v) {
  std::size_t n = 0;
  for (; v != 0; v &= v - 1) ++n;
  return n;
}

std::string digits20(std::uint64_t v) {
  const std::string digits = std::to_string(v);
  return std::string(20 - digits.size(), '0') + digits;
}

Error wrong(std::size_t offset, const std::string& what) {
  return reject_error("segment file: offset " + std::to_string(offset) + ": " + what);
}

Result<SegmentFile> read_head(ByteReader& reader, std::size_t bytes) {
  if (reader.bytes(kSegmentFileMagic.size()) != kSegmentFileMagic) {
    return wrong(0, "does not begin with \"" + std::string(kSegmentFileMagic.substr(0, kSegmentFileMagic.size() - 1)) +
                        "\": another kind of file, or of a later version");
  }
  SegmentFile segment;
  const std::size_t bounds_at = reader.offset();
  segment.start = reader.u64();
  segment.end = reader.u64();
  const std::size_t hashes_at = reader.offset();
  const std::size_t hashes = reader.u8();
  if (!reader.ok()) return wrong(bytes, "ends within the header");
  if (segment.start >= segment.end) return wrong(bounds_at, "no entries: start is not below end");
  if (hashes != bits_set(segment.start)) {
    return wrong(hashes_at, std::to_string(hashes) + " hashes for a range of size " + std::to_string(segment.start) +
                                ", which has " + std::to_string(bits_set(segment.start)));
  }
  for (std::size_t i = 0; i < hashes; ++i) segment.range.push_back(reader.array<32>());
  if (!reader.ok()) return wrong(bytes, "ends within the header");
  return segment;
}

}  // namespace

Bytes encode_segment_header(const SegmentFile& segment) {
  SEALRING_ASSERT(segment.start < segment.end);
  SEALRING_ASSERT(segment.range.size() == bits_set(segment.start));
  SEALRING_ASSERT(!segment.note.empty() && segment.note.size() <= kMaxNoteBytes);
  Bytes out(kSegmentFileMagic);
  put_u64(out, segment.start);
  put_u64(out, segment.end);
  put_u8(out, static_cast<std::uint8_t>(segment.range.size()));
  for (const Hash& hash : segment.range) out.append(view(hash));
  put_u32(out, static_cast<std::uint32_t>(segment.note.size()));
  return out.append(segment.note);
}

Result<SegmentFile> decode_segment_head(ByteView bytes) {
  ByteReader reader(bytes);
  return read_head(reader, bytes.size());
}

Result<SegmentFile> decode_segment_file(ByteView bytes) {
  ByteReader reader(bytes);
  SEALRING_ASSIGN(SegmentFile segment, read_head(reader, bytes.size()));
  const std::size_t note_at = reader.offset();
  const std::size_t note_bytes = reader.u32();
  if (!reader.ok()) return wrong(bytes.size(), "ends within the header");
  if (note_bytes == 0 || note_bytes > kMaxNoteBytes) return wrong(note_at, "a note of impossible length");
  segment.note = Bytes(reader.bytes(note_bytes));
  if (!reader.ok()) return wrong(bytes.size(), "ends within the note");

  const ByteView entries = reader.rest();
  const std::uint64_t count = segment.end - segment.start;
  if (count > entries.size()) return wrong(bytes.size(), "ends before " + std::to_string(count) + " entries");
  auto split = split_entries(entries, static_cast<std::size_t>(count));
  if (!split) {
    const std::string context = "segment file: entries, which begin at offset " + std::to_string(reader.offset());
    return std::move(split).error().in(context);
  }
  segment.entries = Bytes(entries);
  return segment;
}

std::string segment_file_name(std::uint64_t start, std::uint64_t end) {
  return digits20(start) + "-" + digits20(end) + ".seg";
}

std::string receipt_file_name(std::uint64_t size) { return digits20(size) + ".note"; }

}  // namespace sealring
