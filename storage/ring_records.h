// Keys and values of the ring's records as bytes (FORMAT.md "Ring"); their decoders are in ring_db.h. Pure.
#pragma once

#include "storage/ring_db.h"

namespace sealring {

Bytes segment_key(std::uint64_t number);
Bytes loss_key(std::uint64_t start);
Bytes node_key(int level, std::uint64_t index);
Bytes chunk_key(std::uint64_t bundle, std::size_t chunk);

Bytes encode_segment(const Segment& segment);
Bytes encode_loss(const LossRecord& loss);

}  // namespace sealring
