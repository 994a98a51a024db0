// The recorder while it cannot go on: the ring is full, the disk refuses, the next epoch key finds no place.
//
// The ring is written out when it is made, so a full disk does not touch it: only the small files beside it need room.
// Where the file system refuses all the same (read-only, a quota, a file system that writes every change to a new
// place), the frame stays in memory, its messages unacknowledged, and the same frame is tried again: the broker holds.
#include "gateway/recorder_waiting.h"

#include "drivers/diag.h"
#include "gateway/recorder.h"

namespace sealring {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kPoll{1};
// A first refusal may be a signal, or memory that is short for a moment: nobody is told.
constexpr std::chrono::milliseconds kFirstPoll{20};
constexpr std::chrono::seconds kKeyPoll{1};

steady_clock::time_point poll_time(unsigned waits) {
  return steady_clock::now() + (waits > 1 ? std::chrono::milliseconds(kPoll) : kFirstPoll);
}

}  // namespace

// Says it once; `then`: what a full ring means for whoever waits.
void Recorder::begin_waiting(const Error& why, const char* then) {
  ++waits_;
  ++turns_;
  const bool disk = why.kind == ErrorKind::retry;
  if (disk && waits_ == 1) return;
  bool fresh = false;
  {
    std::lock_guard<std::mutex> lock(stats_mutex_);
    fresh = disk ? stats_.disk_trouble.empty() : !stats_.waiting_for_room;
    if (disk) stats_.disk_trouble = why.message;
    if (!disk) stats_.waiting_for_room = true;
  }
  if (disk && alarms_ != nullptr)  // its entry waits in the queue of changes until there can be one
    alarms_->raise(kAlarmDisk, "", "the store cannot be written: " + why.message, {{"reason", why.message}});
  if (!fresh) return;
  if (disk) {
    diag(DiagLevel::error,
         "alarm: the store cannot be written: " + why.message + ": acknowledging stops until it can be");
  } else {
    diag(DiagLevel::warning, why.message + then);
  }
}

void Recorder::end_waiting() {
  if (std::exchange(waits_, 0) == 0) return;
  bool disk = false, room = false;
  {
    std::lock_guard<std::mutex> lock(stats_mutex_);
    disk = !std::exchange(stats_.disk_trouble, "").empty();
    room = std::exchange(stats_.waiting_for_room, false);
  }
  if (room) diag(DiagLevel::notice, "the ring has room again: acknowledging goes on");
  if (!disk) return;
  diag(DiagLevel::notice, "the store can be written again: acknowledging goes on");
  if (alarms_ != nullptr) alarms_->clear(kAlarmDisk, "");
}

// A full ring stops acknowledging: the broker holds the messages. Receipts make room; they are taken here, since
// nothing else is.
Status Recorder::append_when_room(const Frame& frame, const CompactRange& range, const std::vector<TreeNode>& nodes) {
  for (;;) {
    const auto began = steady_clock::now();
    Status status = ring_.append(frame, range, nodes);
    if (status.ok()) commit_latency_.add(steady_clock::now() - began);
    if (!may_pass(status) || !running_) {
      end_waiting();
      return status;
    }
    begin_waiting(status.error(), ": acknowledging stops until there is room");
    RecordQueue::Batch batch = queue_.take_receipts(poll_time(waits_));
    const bool nothing_more = batch.closed && batch.receipts.empty();
    closed_ = closed_ || batch.closed;
    SEALRING_TRY(take_receipts(std::move(batch.receipts)));
    SEALRING_TRY(take_signatures());  // or there would be no receipt for what waits for one
    if (nothing_more || can_take_a_loss(status, frame)) return status;
  }
}

// The reserve keeps room for these, unless a reader of the store (a `verify` beside the daemon) holds pages that were
// released. It ends some time, as does a disk's refusal; until then nothing goes on and nothing is lost.
Status Recorder::when_room(const std::function<Status()>& change) {
  const unsigned outer = std::exchange(waits_, 0);
  for (;;) {
    Status status = change();
    if (!may_pass(status) || !running_ || closed_) {
      if (outer == 0) end_waiting();
      waits_ = outer;
      return status;
    }
    begin_waiting(status.error(), ": what the collector has receipted is recorded when there is");
    closed_ = queue_.wait_closed(poll_time(waits_)) || closed_;
  }
}

// --- epoch keys ---

// The text of the present trouble; empty: none.
void Recorder::set_key_trouble(const std::string& words) {
  bool fresh = false, over = false;
  {
    std::lock_guard<std::mutex> lock(stats_mutex_);
    fresh = stats_.key_trouble.empty() && !words.empty();
    over = !stats_.key_trouble.empty() && words.empty();
    stats_.key_trouble = words;
  }
  if (fresh) diag(DiagLevel::error, "alarm: " + words);
  if (over) diag(DiagLevel::notice, "epoch keys are saved and erased again");
  if (alarms_ == nullptr) return;
  if (!words.empty()) alarms_->raise(kAlarmEpochKey, "", words, {{"reason", words}});
  if (over) alarms_->clear(kAlarmEpochKey, "");
}

// False: the seal is put off. The log goes on in the open segment, and its epoch lasts longer than it should: that is
// the lesser evil, for the brokers do not hold for ever.
Result<bool> Recorder::save_next_key(const SoftwareSigner& next) {
  const auto save = [&] { return epochs_.save(epoch_ + 1, next); };
  Status saved = save();
  if (may_pass(saved) && segment_bytes_ >= kMostSegmentBytes) saved = when_room(save);
  if (saved.ok()) {
    seal_again_ = {};
    if (!erase_owed_) set_key_trouble("");
    return true;
  }
  if (!may_pass(saved)) return std::move(saved).error();
  seal_again_ = steady_clock::now() + kKeyPoll;
  set_key_trouble("the next epoch key cannot be saved, so the segment stays open and recording goes on in it: " +
                  saved.error().message);
  return false;
}

void Recorder::erase_former_keys() {
  const Status erased = epochs_.erase_before(epoch_);
  const bool owed = std::exchange(erase_owed_, !erased.ok());
  erase_again_ = steady_clock::now() + kKeyPoll;
  if (!erased.ok()) set_key_trouble("the key of an epoch that has ended is not erased: " + erased.error().message);
  if (erased.ok() && owed) set_key_trouble("");
}

}  // namespace sealring
