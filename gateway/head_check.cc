#include "gateway/head_check.h"

#include <algorithm>

#include "crypto/merkle.h"

namespace sealring {

Result<Head> check_head(ByteView bytes, const std::vector<VerifierKey>& identity, const Ring& ring) {
  const Result<Note> note = Note::parse(bytes);
  if (!note) return retry_error("is not a signed note: " + note.error().message);
  Result<Checkpoint> checkpoint = Checkpoint::parse(note->text);
  if (!checkpoint) return retry_error("is not a checkpoint: " + checkpoint.error().message);
  if (checkpoint->origin != identity.front().name)
    return retry_error("is of the log " + quoted(checkpoint->origin, 255) + ", not of ours");
  const auto by = [&note](const VerifierKey& key) { return check_note_signature(*note, key) == SignatureState::valid; };
  if (std::none_of(identity.begin(), identity.end(), by)) return retry_error("is not signed by our identity key");
  Head head{std::move(checkpoint).value(), Bytes(bytes), true, false};
  const std::uint64_t size = head.checkpoint.size;
  if (size > ring.size()) {
    head.contradicts = true;
    return head;
  }
  if (size == 0) return head;
  const Result<Hash> root =
      subtree_hash(0, size, [&ring](int level, std::uint64_t start) { return ring.node(level, start); });
  if (!root && root.error().kind != ErrorKind::missing) return retry_error(root.error().message);
  head.compared = root.ok();
  head.contradicts = root.ok() && *root != head.checkpoint.root;
  return head;
}

std::string contradiction_words(const Head& head, std::uint64_t size) {
  const std::string stated = "our identity key has signed size " + std::to_string(head.checkpoint.size);
  if (head.checkpoint.size > size) return stated + ", and this store has only " + std::to_string(size) + " entries";
  return stated + " with another root than this store has there";
}

}  // namespace sealring
