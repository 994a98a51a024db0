#include "storage/frame.h"

#include <algorithm>

namespace sealring {
namespace {

constexpr std::size_t kLengthBytes = 2;

// Why `header` cannot be a frame's, by its numbers alone; nullptr: it can.
const char* implausible(const FrameHeader& header, std::size_t entries_bytes) {
  if (header.count == 0) return "no entries";
  if (header.first > UINT64_MAX - header.count) return "indices beyond 64 bits";
  if (entries_bytes == 0) return nullptr;  // a mark
  if (entries_bytes > kMaxFrameBytes) return "more bytes than a frame may have";
  if (entries_bytes / kLengthBytes < header.count) return "fewer bytes than entries need";
  return nullptr;
}

}  // namespace

Bytes encode_frame_header(const FrameHeader& header, std::size_t entries_bytes) {
  SEALRING_ASSERT(!implausible(header, entries_bytes));
  Bytes out;
  out.reserve(kFrameHeaderBytes + entries_bytes);  // callers append the entries
  put_u64(out, header.first);
  put_u32(out, header.count);
  put_u32(out, static_cast<std::uint32_t>(entries_bytes));
  put_u64(out, header.epoch);
  out.append(view(header.root)).append(view(header.signature));
  return out;
}

Result<FrameHeader> decode_frame_header(ByteView bytes, std::size_t& entries_bytes) {
  ByteReader reader(bytes);
  FrameHeader header;
  header.first = reader.u64();
  header.count = reader.u32();
  const std::uint32_t announced = reader.u32();
  header.epoch = reader.u64();
  header.root = reader.array<32>();
  header.signature = reader.array<64>();
  if (!reader.ok()) {
    return reject_error("frame header: " + std::to_string(bytes.size()) + " bytes, must be " +
                        std::to_string(kFrameHeaderBytes));
  }
  if (const char* why = implausible(header, announced)) return reject_error(std::string("frame header: ") + why);
  entries_bytes = announced;
  return header;
}

Result<Frame> decode_frame(ByteView bytes) {
  std::size_t announced = 0;
  Frame frame;
  SEALRING_ASSIGN(frame.header, decode_frame_header(bytes, announced));
  const ByteView entries = bytes.substr(kFrameHeaderBytes);
  if (entries.size() != announced) {
    return reject_error("frame at index " + std::to_string(frame.header.first) + ": " + std::to_string(entries.size()) +
                        " bytes of entries, its header says " + std::to_string(announced));
  }
  auto split = split_entries(entries, frame.header.count);
  if (!split) return std::move(split).error().in("frame at index " + std::to_string(frame.header.first));
  frame.entries = Bytes(entries);
  return frame;
}

Result<std::vector<ByteView>> split_entries(ByteView bytes, std::size_t count) {
  std::vector<ByteView> entries;
  entries.reserve(std::min(count, bytes.size() / kLengthBytes));  // `count` may come from outside
  ByteReader reader(bytes);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t offset = reader.offset();
    const std::uint16_t length = reader.u16();
    const ByteView entry = reader.bytes(length);
    if (!reader.ok()) {
      return reject_error("entry " + std::to_string(i) + " of " + std::to_string(count) + ", at offset " +
                          std::to_string(offset) + ": runs past the end at " + std::to_string(bytes.size()));
    }
    entries.push_back(entry);
  }
  if (!reader.at_end()) {
    return reject_error(std::to_string(reader.rest().size()) + " bytes left over at offset " +
                        std::to_string(reader.offset()) + ", after " + std::to_string(count) + " entries");
  }
  return entries;
}

}  // namespace sealring
