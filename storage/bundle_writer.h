// Cuts frames into bundles of 256 entries and bundles into chunks of one page each.
#pragma once

#include "storage/frame.h"
#include "storage/ring_db.h"

namespace sealring {

// Where the last bundle of the ring ends, with its last, short chunk, which the next frame extends.
class BundleTail {
 public:
  BundleTail() = default;
  explicit BundleTail(std::uint64_t size) : index_(size) {}
  // The short bundle that is there already.
  void resume(ByteView bundle_bytes) {
    chunk_ = bundle_bytes.size() / kChunkBytes;
    bytes_ = Bytes(bundle_bytes.substr(chunk_ * kChunkBytes));
  }
  // Puts all full chunks; the entries of `frame` follow on those before.
  Status put(RingDb::Writer& writer, const Frame& frame);
  // Puts the short chunk, so that the transaction may commit.
  Status flush(RingDb::Writer& writer);

 private:
  Status extend(RingDb::Writer& writer, ByteView bytes);

  std::uint64_t index_ = 0;  // of the next entry
  std::size_t chunk_ = 0;
  Bytes bytes_;  // of chunk_, less than kChunkBytes
};

}  // namespace sealring
