// Whether what somebody else holds of this log fits our store (docs/log.md §7).
//
// A store that was set back to an old copy would go on from there and sign a second history. Only a checkpoint with the
// signature of our own identity proves that: everything else anybody can say, to make a gateway give up its log. A key
// that was the identity says nothing about sizes above its rotation: it is out of use, and may be in other hands.
#pragma once

#include <vector>

#include "crypto/checkpoint.h"
#include "storage/ring.h"

namespace sealring {

struct Head {
  Checkpoint checkpoint;
  Bytes note;
  bool compared = true;      // false: our store does not have what is needed any more, so it is far below our size
  bool contradicts = false;  // our store cannot extend it: beyond our size, or another root
};

struct LogKey {
  VerifierKey key;
  std::uint64_t until = UINT64_MAX;  // index of the rotation to another one: sizes above it, it does not sign for
};

// `identity`: the keys of the log, of one name. retry: `bytes` is not a checkpoint of this log by one of them that
// signs for its size, and so says nothing; or the store cannot be read.
Result<Head> check_head(ByteView bytes, const std::vector<LogKey>& identity, const Ring& ring);

// "size 5000, and this store has 4000 entries": why it contradicts.
std::string contradiction_words(const Head& head, std::uint64_t size);

}  // namespace sealring
