// `sealring init`: makes what a gateway needs, once.
//
//     DIR/identity.key     the identity key (0600)
//     DIR/store/           epoch key 0, and the store with entry 0
//     DIR/sealring.toml    the configuration, commented; written last: when it is there, everything is
//
// A kill in between is mended by calling it again: what is there and fits is taken over, what does not fit is refused
// and left alone.
#pragma once

#include "drivers/clock.h"
#include "gateway/verify.h"

namespace sealring {

struct InitOptions {
  std::string directory;
  std::string origin;
  std::uint64_t ring_bytes = 256u << 20;
  std::string software;  // of the genesis: "sealring 0.1.0"
};

struct InitResult {
  Anchor anchor;
  bool resumed = false;  // something of an earlier, cut-short init was taken over
};

// reject: `directory` has a gateway already, or something of another one; says what. Else errors of files and store.
Result<InitResult> init_gateway(const InitOptions& options, const Clock& clock);

}  // namespace sealring
