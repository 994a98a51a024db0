// What the recorder waits for, and what it puts off. For the files of the recorder only.
#pragma once

#include <cstdint>

#include "crypto/result.h"

namespace sealring {

// Nothing happened, and the same call may succeed later: no room in the ring, or a disk that refuses for a time.
inline bool may_pass(const Status& status) {
  return !status.ok() && (status.error().kind == ErrorKind::full || status.error().kind == ErrorKind::retry);
}

// A segment that cannot be sealed, for want of a place for the next key, grows up to this. Above, no collector takes it
// (collector/archive.h); a frame more fits.
constexpr std::uint64_t kMostSegmentBytes = 50u << 20;

}  // namespace sealring
