// Checkpoints: C2SP tlog-checkpoint v1.0.0, without extension lines (we write none and accept none in our own logs:
// ML-DSA cosignatures would not cover them).
#pragma once

#include "crypto/note.h"

namespace sealring {

struct Checkpoint {
  std::string origin;
  std::uint64_t size = 0;
  Hash root{};

  std::string text() const;  // "origin\nsize\nbase64(root)\n"
  // Strict; also the rules that size 0 has the empty root, that the size is at most 2^63 - 1, and that the origin is
  // not one of our own note types ("sealring/..." as first line).
  static Result<Checkpoint> parse(std::string_view text);
  friend bool operator==(const Checkpoint& a, const Checkpoint& b) {
    return a.origin == b.origin && a.size == b.size && a.root == b.root;
  }
};

// A valid origin for our logs: a key name (check_key_name), printable ASCII, at most 255 bytes, not starting with
// "sealring/". Otherwise reject.
Status check_origin(std::string_view origin);

// A note over checkpoint.text() with one line by `signer` under the origin as key name.
Result<Note> sign_checkpoint(const Checkpoint& checkpoint, Signer& signer);

}  // namespace sealring
