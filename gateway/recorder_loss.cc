// The recorder's way with a full ring where it may drop what was not sent (docs/log.md §6).
#include "drivers/diag.h"
#include "gateway/droppable.h"
#include "gateway/recorder.h"

namespace sealring {
namespace {

// The largest frame, and the small ones around a seal that may come after it.
constexpr std::uint64_t kRoomBytes = kMaxFrameBytes + (64u << 10);
// Of the ring, what is free behind a drop. Each is followed by a seal, and of each segment a bundle or two never go: if
// no more went than the next frame needs, segments would shrink with each lap of the ring until nothing could go.
constexpr std::uint64_t kFreedPart = 16;

}  // namespace

// Before a frame is begun, so that no entry's index is known yet: a loss entry comes before it, and in between the
// segment is sealed. So the loss entry stands beside the handover, in a bundle that is never dropped, and is soon in a
// checkpoint that the collector can be shown. What is acknowledged goes first, and receipts that wait are taken for
// that.
Status Recorder::make_room() {
  if (!config_.drop_oldest || !running_ || closed_ || (drops_.may && !drops_.may())) return {};
  Source* const from = std::exchange(from_, nullptr);
  const Status status = drop_until_room();
  from_ = from;
  return status;
}

Status Recorder::drop_until_room() {
  bool dropped = false;
  for (bool may_seal = true;;) {
    const std::uint64_t wanted = kRoomBytes + (dropped ? ring_.usage().map_bytes / kFreedPart : 0);
    const Status room = ring_.make_room(wanted, wanted / 64);
    // Where the disk refuses, the next frame waits for it.
    if (room.ok() || room.error().kind == ErrorKind::retry) break;
    if (room.error().kind != ErrorKind::full) return room;
    RecordQueue::Batch batch = queue_.take_receipts(std::chrono::steady_clock::now());
    closed_ = closed_ || batch.closed;
    if (!batch.receipts.empty()) {
      SEALRING_TRY(take_receipts(std::move(batch.receipts)));
      continue;
    }
    const auto looked = oldest_droppable(ring_, config_.mirror, exhausted_);
    if (!looked && looked.error().kind == ErrorKind::retry) break;
    if (!looked) return looked.error();
    const OldestDroppable& oldest = *looked;
    if (oldest.found) {
      // Somebody may have cosigned a size within it just now; what its answer brings decides at the next frame.
      if (drops_.give_up && !drops_.give_up(oldest.found->start, oldest.found->end)) break;
      SEALRING_TRY(drop(*oldest.found));
      dropped = true;
      continue;
    }
    if (dropped && ring_.make_room(kRoomBytes, kRoomBytes / 64).ok()) break;
    // The open segment is never dropped of, but once it is sealed it may have something.
    const std::uint64_t start = ring_.contents().segment_start;
    const bool worth_it = range_.size() / kBundleEntries > (start + kBundleEntries - 1) / kBundleEntries;
    if (!may_seal || !oldest.held_back || !worth_it) break;  // as "block" from here on
    may_seal = false;
    SEALRING_TRY(seal());
    SEALRING_TRY(commit_frame());
  }
  return dropped ? seal() : Status();
}

Status Recorder::drop(const Droppable& what) {
  Loss loss;
  loss.start = what.start;
  loss.end = what.end;
  loss.hashes = what.hashes;
  loss.messages = what.messages;
  loss.first_wall_ns = what.first_wall_ns;
  loss.last_wall_ns = what.last_wall_ns;
  SEALRING_TRY(commit_frame());
  const LossRecord record{what.start, what.end, next_index(), what.messages, what.first_wall_ns, what.last_wall_ns};
  SEALRING_TRY(add_entry(std::move(loss)));
  SEALRING_TRY(add_event(
      EventCode::alarm,
      {{"alarm", ByteView(kAlarmLoss)}, {"from", what.start}, {"to", what.end}, {"messages", what.messages}}));
  SEALRING_TRY(commit_as(*epoch_key_, epoch_, &record));
  const std::string words = "the ring is full: dropped the entries [" + std::to_string(what.start) + ", " +
                            std::to_string(what.end) + ") unsent, with " + std::to_string(what.messages) +
                            " messages; entry " + std::to_string(record.index) + " says so";
  diag(DiagLevel::error, "alarm: " + words);
  if (alarms_ != nullptr) alarms_->happened(kAlarmLoss, "", words);
  std::lock_guard<std::mutex> lock(stats_mutex_);
  ++stats_.losses;
  stats_.lost_messages += what.messages;
  return {};
}

}  // namespace sealring
