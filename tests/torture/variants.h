// Which states of a crash point are tried.
#pragma once

#include "tests/torture/disk.h"

namespace sealring::torture {

// The states that every run should try, in a fixed order: all and none, every prefix, every change alone left out or
// kept, all selections when they are few, and each write torn. At most `limit`.
std::vector<Choices> plain_variants(const Disk& disk, std::size_t limit);
// Any state that the rules allow.
Choices random_variant(const Disk& disk, std::mt19937_64& random);
// Writes of the journal cut at any byte.
Choices byte_variant(const Disk& disk, std::mt19937_64& random);
// The last write mixed from its 8-byte words and what was there; none when it is no meta page of the ring.
bool has_meta_write(const Disk& disk);
Choices word_variant(const Disk& disk, std::mt19937_64& random);

}  // namespace sealring::torture
