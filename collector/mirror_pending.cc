// The mirror's pending checkpoints: registered, and not covered by what is archived.
#include "collector/mirror.h"

namespace sealring {

Status Mirror::load_pending() {
  SEALRING_ASSIGN(std::vector<std::uint64_t> sizes, archive_.pending());
  for (std::uint64_t size : sizes) {
    if (size < archived()) {
      archive_.remove_pending(size);
      continue;
    }
    std::string context = archive_.directory() + ": pending checkpoint of size " + std::to_string(size);
    SEALRING_ASSIGN(Bytes bytes, archive_.pending(size));
    Result<SignedCheckpoint> checkpoint = read_checkpoint(bytes, log_);
    if (!checkpoint.ok()) return std::move(checkpoint).error().in(context);
    if (checkpoint->checkpoint.size != size) return fatal_error(context + " is of another size");
    if (Result<NoteSignature> line = witness_.find_line(*Note::parse(bytes)); line.ok())
      witness_lines_[size] = std::move(line).value();
    // After a crash one of the archived size may be left: load_receipt() may need its line, and removes it.
    if (size == archived()) left_pending_ = true;
    if (size > archived()) pending_.emplace(size, std::move(checkpoint).value());
  }
  return {};
}

const SignedCheckpoint* Mirror::latest() const {
  if (!pending_.empty()) return &pending_.rbegin()->second;
  return archived() == 0 ? nullptr : &head_;
}

void Mirror::for_each_known(const std::function<void(const SignedCheckpoint&)>& visit) const {
  if (archived() > 0) visit(head_);
  for (const auto& [size, checkpoint] : pending_) visit(checkpoint);
}

Result<std::optional<SignedCheckpoint>> Mirror::find(std::uint64_t size) const {
  std::optional<SignedCheckpoint> found;
  auto it = pending_.find(size);
  if (it != pending_.end()) {
    found = it->second;
  } else if (size == archived() && size != 0) {
    found = head_;
  } else if (size < archived()) {
    Result<Bytes> bytes = archive_.receipt(size);
    if (!bytes.ok() && bytes.error().kind == ErrorKind::missing) return found;
    if (!bytes.ok()) return std::move(bytes).error();
    SEALRING_ASSIGN(found, read_checkpoint(*bytes, log_));
  }
  return found;
}

Status Mirror::add_pending(const SignedCheckpoint& checkpoint, const std::optional<NoteSignature>& witness) {
  std::uint64_t size = checkpoint.checkpoint.size;
  const auto known = pending_.find(size);
  const bool is_new = known == pending_.end();
  // Sent again it may bring a later key's line or the witness'; any other line that it has, or lacks, changes nothing.
  const bool later = is_new || checkpoint.key > known->second.key;
  const auto shown = witness_lines_.find(size);
  if (size <= archived() || (!later && (!witness || shown != witness_lines_.end()))) return {};
  if (is_new && pending_.size() >= kMaxPending)
    return Error{ErrorKind::full, "there are " + std::to_string(kMaxPending) +
                                      " pending checkpoints already: upload the entries of the first ones"};
  SignedCheckpoint kept = later ? checkpoint : known->second;
  std::optional<NoteSignature> line = witness;
  if (!line && shown != witness_lines_.end()) line = shown->second;
  Note note = kept.note;
  if (line) note.signatures.push_back(*line);
  SEALRING_TRY(archive_.put_pending(size, note.encode()));
  pending_.insert_or_assign(size, std::move(kept));
  if (line) witness_lines_[size] = *line;
  return {};
}

}  // namespace sealring
