#include "storage/segment_file.h"

#include "crypto/note.h"
#include "storage/entry.h"

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

static_assert(kSegmentFileMagic.size() == kSegmentFileMagicHoles.size());

// `holes`: whether it is of the version that has some.
Result<SegmentFile> read_head(ByteReader& reader, std::size_t bytes, bool& holes) {
  const ByteView magic = reader.bytes(kSegmentFileMagic.size());
  holes = magic == kSegmentFileMagicHoles;
  if (magic != kSegmentFileMagic && !holes) {
    return wrong(0, "does not begin with \"" + std::string(kSegmentFileMagic.substr(0, kSegmentFileMagic.size() - 1)) +
                        "\" or v2: another kind of file, or of a later version");
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

// How many entries are in them.
Result<std::uint64_t> read_holes(ByteReader& reader, SegmentFile& segment) {
  const std::size_t count_at = reader.offset(), count = reader.u16();
  if (count == 0) return wrong(count_at, "no holes, in the version that has some");
  std::uint64_t lost = 0, from = segment.start;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = reader.offset();
    Result<SegmentHole> hole = decode_hole(reader);
    if (!hole) return wrong(at, hole.error().message);
    if (hole->start < from || hole->end > segment.end)
      return wrong(at, "the hole [" + std::to_string(hole->start) + ", " + std::to_string(hole->end) +
                           ") does not lie in the segment, behind the one before it");
    from = hole->end;
    lost += hole->end - hole->from;
    segment.holes.push_back(std::move(*hole));
  }
  return lost;
}

}  // namespace

Bytes encode_hole(const SegmentHole& hole) {
  SEALRING_ASSERT(hole.bundles.size() == (hole.end - hole.start) / kBundleEntries);
  SEALRING_ASSERT(!hole.note.empty() && hole.note.size() <= kMaxNoteBytes && hole.proof.size() <= kMaxProofHashes);
  Bytes out;
  put_u64(out, hole.from);
  put_u16(out, static_cast<std::uint16_t>(hole.loss_entry.size()));
  out += hole.loss_entry;
  put_u64(out, hole.loss_index);
  put_u32(out, static_cast<std::uint32_t>(hole.note.size()));
  out += hole.note;
  put_u8(out, static_cast<std::uint8_t>(hole.proof.size()));
  for (const Hash& hash : hole.proof) out += view(hash);
  for (const Hash& hash : hole.bundles) out += view(hash);
  return out;
}

Result<SegmentHole> decode_hole(ByteReader& reader) {
  SegmentHole hole;
  hole.from = reader.u64();
  hole.loss_entry = Bytes(reader.bytes(reader.u16()));
  hole.loss_index = reader.u64();
  const std::size_t note_bytes = reader.u32();
  if (note_bytes == 0 || note_bytes > kMaxNoteBytes) return reject_error("hole: a note of impossible length");
  hole.note = Bytes(reader.bytes(note_bytes));
  const std::size_t hashes = reader.u8();
  if (hashes > kMaxProofHashes) return reject_error("hole: a proof of " + std::to_string(hashes) + " hashes");
  for (std::size_t i = 0; i < hashes; ++i) hole.proof.push_back(reader.array<32>());
  if (!reader.ok()) return reject_error("hole: cut short");
  const Result<Entry> entry = decode_entry(hole.loss_entry);
  const auto* loss = entry ? std::get_if<Loss>(&entry->body) : nullptr;
  if (loss == nullptr) return reject_error("hole: what should be a loss entry is none");
  hole.start = loss->start;
  hole.end = loss->end;
  if (hole.from % kBundleEntries != 0 || hole.from < hole.start || hole.from >= hole.end || hole.loss_index < hole.end)
    return reject_error("hole: it begins at " + std::to_string(hole.from) + ", and its loss entry, at " +
                        std::to_string(hole.loss_index) + ", is of [" + std::to_string(hole.start) + ", " +
                        std::to_string(hole.end) + ")");
  if ((hole.end - hole.start) / kBundleEntries > reader.rest().size() / 32) return reject_error("hole: cut short");
  for (std::uint64_t at = hole.start; at < hole.end; at += kBundleEntries) hole.bundles.push_back(reader.array<32>());
  return hole;
}

Bytes encode_segment_header(const SegmentFile& segment) {
  SEALRING_ASSERT(segment.start < segment.end);
  SEALRING_ASSERT(segment.range.size() == bits_set(segment.start));
  SEALRING_ASSERT(!segment.note.empty() && segment.note.size() <= kMaxNoteBytes);
  Bytes out(segment.holes.empty() ? kSegmentFileMagic : kSegmentFileMagicHoles);
  put_u64(out, segment.start);
  put_u64(out, segment.end);
  put_u8(out, static_cast<std::uint8_t>(segment.range.size()));
  for (const Hash& hash : segment.range) out.append(view(hash));
  put_u32(out, static_cast<std::uint32_t>(segment.note.size()));
  out.append(segment.note);
  if (segment.holes.empty()) return out;
  put_u16(out, static_cast<std::uint16_t>(segment.holes.size()));
  for (const SegmentHole& hole : segment.holes) out += encode_hole(hole);
  return out;
}

Result<SegmentFile> decode_segment_head(ByteView bytes) {
  ByteReader reader(bytes);
  bool holes = false;
  return read_head(reader, bytes.size(), holes);
}

Result<SegmentFile> decode_segment_file(ByteView bytes) {
  ByteReader reader(bytes);
  bool holes = false;
  SEALRING_ASSIGN(SegmentFile segment, read_head(reader, bytes.size(), holes));
  const std::size_t note_at = reader.offset();
  const std::size_t note_bytes = reader.u32();
  if (!reader.ok()) return wrong(bytes.size(), "ends within the header");
  if (note_bytes == 0 || note_bytes > kMaxNoteBytes) return wrong(note_at, "a note of impossible length");
  segment.note = Bytes(reader.bytes(note_bytes));
  if (!reader.ok()) return wrong(bytes.size(), "ends within the note");

  std::uint64_t count = segment.end - segment.start;
  if (holes) {
    SEALRING_ASSIGN(const std::uint64_t lost, read_holes(reader, segment));
    count -= lost;
  }
  const ByteView entries = reader.rest();
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
