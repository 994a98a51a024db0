// The beginning of a log that follows another one (docs/log.md §7): what makes it so, and what is carried over.
#include "crypto/checkpoint.h"
#include "gateway/recorder.h"

namespace sealring {
namespace {

constexpr std::size_t kTakenFrameBytes = 512u << 10;

// A piece of a wrapped entry: what is left for it once the rest has its largest encoding.
constexpr std::size_t kPieceBytes = kMaxEntryBytes - 256;

}  // namespace

Status Recorder::take_over(const SuccessionEntry& succession,
                           const std::function<Result<std::optional<Taken>>()>& next) {
  closed_ = true;  // as the queue
  now_ = clock_.now();
  SEALRING_TRY(add_entry(succession));
  for (;;) {
    SEALRING_ASSIGN(const auto taken, next());
    if (!taken) break;
    Carried piece;
    piece.index = taken->index;
    piece.length = taken->entry.size();
    for (ByteView rest = taken->entry; !rest.empty(); rest.remove_prefix(piece.bytes.size())) {
      piece.offset = taken->entry.size() - rest.size();
      piece.bytes = rest.substr(0, kPieceBytes);
      SEALRING_TRY(add_entry(piece));
    }
    note_record();
    if (draft_.entries.size() < kTakenFrameBytes) continue;
    SEALRING_TRY(commit());
    if (seal_is_due()) SEALRING_TRY(seal());
    now_ = clock_.now();
  }
  SEALRING_TRY(commit());
  return ring_.move();
}

}  // namespace sealring
