// A store with entry 0 in it.
#pragma once

#include "crypto/ed25519.h"
#include "drivers/clock.h"

namespace sealring {

struct NewStore {
  std::string origin;
  std::uint64_t ring_bytes = 0;
  std::string software;  // of the genesis: "sealring 0.1.0"
};
// Makes the folder where there is none (0700), epoch key 0 and the store; the leaf hash of entry 0. What a kill left of
// an earlier try is replaced. reject: there is a store already; else errors of files.
Result<Hash> create_store(const NewStore& options, const std::string& store, const PublicKey& identity,
                          const Clock& clock);

}  // namespace sealring
