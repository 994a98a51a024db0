#include "gateway/head_check.h"

#include <algorithm>

#include "crypto/merkle.h"

namespace sealring {
namespace {

Status check_signed(const Note& note, std::uint64_t size, const std::vector<LogKey>& identity) {
  const LogKey* former = nullptr;
  for (const LogKey& one : identity) {
    if (check_note_signature(note, one.key) != SignatureState::valid) continue;
    if (size <= one.until) return {};
    former = &one;
  }
  if (former == nullptr) return retry_error("is not signed by our identity key");
  return retry_error("is of size " + std::to_string(size) + " and signed by " + former->key.encode() +
                     " alone, which was our identity key up to size " + std::to_string(former->until) +
                     ": somebody may have that key");
}

}  // namespace

Result<Head> check_head(ByteView bytes, const std::vector<LogKey>& identity, const Ring& ring) {
  const Result<Note> note = Note::parse(bytes);
  if (!note) return retry_error("is not a signed note: " + note.error().message);
  Result<Checkpoint> checkpoint = Checkpoint::parse(note->text);
  if (!checkpoint) return retry_error("is not a checkpoint: " + checkpoint.error().message);
  if (checkpoint->origin != identity.front().key.name)
    return retry_error("is of the log " + quoted(checkpoint->origin, 255) + ", not of ours");
  const std::uint64_t size = checkpoint->size;
  SEALRING_TRY(check_signed(*note, size, identity));
  Head head{std::move(checkpoint).value(), Bytes(bytes), true, false};
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
