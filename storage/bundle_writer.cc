#include "storage/bundle_writer.h"

#include <algorithm>

namespace sealring {

Status BundleTail::put(RingDb::Writer& writer, const Frame& frame) {
  ByteView rest = frame.entries;
  for (std::uint32_t left = frame.header.count; left > 0;) {
    const std::uint64_t room = kBundleEntries - index_ % kBundleEntries;
    const std::uint64_t count = std::min<std::uint64_t>(room, left);
    std::size_t bytes = 0;
    for (std::uint64_t i = 0; i < count; ++i) bytes += 2 + get_u16(rest.data() + bytes);
    SEALRING_ASSERT(bytes <= rest.size());
    SEALRING_TRY(extend(writer, rest.substr(0, bytes)));
    rest.remove_prefix(bytes);
    index_ += count;
    left -= static_cast<std::uint32_t>(count);
    if (count == room) {  // the bundle is complete
      SEALRING_TRY(writer.put_chunk((index_ - 1) / kBundleEntries, chunk_, bytes_));
      chunk_ = 0;
      bytes_.clear();
    }
  }
  SEALRING_ASSERT(rest.empty());
  return {};
}

Status BundleTail::extend(RingDb::Writer& writer, ByteView bytes) {
  const std::uint64_t bundle = index_ / kBundleEntries;
  while (bytes_.size() + bytes.size() >= kChunkBytes) {
    const std::size_t take = kChunkBytes - bytes_.size();
    bytes_.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    SEALRING_TRY(writer.put_chunk(bundle, chunk_, bytes_));
    ++chunk_;
    bytes_.clear();
  }
  bytes_.append(bytes);
  return {};
}

Status BundleTail::flush(RingDb::Writer& writer) {
  if (bytes_.empty()) return {};
  return writer.put_chunk(index_ / kBundleEntries, chunk_, bytes_);
}

}  // namespace sealring
