// The recorder's way with a bundle that no receipt covers and that is damaged (docs/log.md §6): its entries cannot be
// given to anybody any more, and nothing behind it can go up before the log says so.
#include <algorithm>

#include "drivers/diag.h"
#include "gateway/droppable.h"
#include "gateway/recorder.h"

namespace sealring {
namespace {

std::string range_words(const Droppable& what) {
  return "[" + std::to_string(what.start) + ", " + std::to_string(what.end) + ")";
}

}  // namespace

void Recorder::found_damaged(std::uint64_t bundle) {
  {
    std::lock_guard<std::mutex> lock(stats_mutex_);
    reported_.insert(bundle);
  }
  queue_.poke();
}

bool Recorder::has_reports() const {
  std::lock_guard<std::mutex> lock(stats_mutex_);
  return !reported_.empty();
}

// Once for each bundle: what cannot be left out, so that everything behind it waits.
void Recorder::say_stays(std::uint64_t bundle, const std::string& found, const std::string& why) {
  if (!stays_.insert(bundle).second) return;
  const std::string words = found + ", and it cannot be left out: " + why +
                            ". Nothing behind it can be forwarded: see \"Damage, at three in the morning\"";
  diag(DiagLevel::error, "alarm: damage: " + words);
  Change alarm;
  alarm.code = EventCode::alarm;
  alarm.details = {{"alarm", std::string(kAlarmDamage)},
                   {"state", std::string("waits")},
                   {"from", bundle * kBundleEntries},
                   {"to", (bundle + 1) * kBundleEntries},
                   {"found", found},
                   {"reason", why}};
  change(std::move(alarm));
  if (alarms_ != nullptr) alarms_->raise(kAlarmDamage, "", words);
}

// Whether a frame that finds no room may get a loss entry behind its own.
bool Recorder::can_take_a_loss(const Status& refused, const Frame& frame) const {
  constexpr std::size_t kLossBytes = 4096;  // more than it and its alarm have
  return refused.error().kind == ErrorKind::full && may_leave_out_ && running_ && !closed_ && has_reports() &&
         frame.entries.size() + kLossBytes <= kMaxFrameBytes;
}

// Into the draft: the loss entry of the first of the reported bundles that is damaged indeed, and its alarm. None:
// there is none that may go.
Result<std::optional<LossRecord>> Recorder::add_damage() {
  std::optional<LossRecord> record;
  while (!record) {
    std::uint64_t bundle = 0;
    {
      std::lock_guard<std::mutex> lock(stats_mutex_);
      if (reported_.empty()) return record;
      bundle = *reported_.begin();
      reported_.erase(reported_.begin());
    }
    Result<DamagedRun> looked = damaged_run(ring_, config_.mirror, bundle, drops_.built_on);
    if (!looked && looked.error().kind == ErrorKind::unknown) return std::move(looked).error();
    if (!looked) continue;  // it is reported again
    const DamagedRun& run = *looked;
    if (!run.what && run.found.empty()) continue;  // it is whole, or nobody is to have it any more
    if (!run.what) {
      say_stays(bundle, run.found, run.stays);
      continue;
    }
    if (drops_.may && !drops_.may()) {
      say_stays(bundle, run.found, "the collector's mirror has no skip");
      continue;
    }
    // A checkpoint within may be on its way to a witness: it is reported again.
    if (drops_.give_up && !drops_.give_up(run.what->start, run.what->end)) continue;
    for (std::size_t i = 0; i < run.bytes.size() && drops_.keep; ++i) {
      const Status kept = drops_.keep(run.what->start / kBundleEntries + i, run.bytes[i]);
      if (!kept.ok()) diag(DiagLevel::warning, "what is damaged is not kept: " + kept.error().message);
    }
    const Droppable& what = *run.what;
    record = LossRecord{what.start, what.end, next_index(), what.messages, what.first_wall_ns, what.last_wall_ns, true};
    Loss loss{what.start, what.end, what.hashes, what.messages, what.first_wall_ns, what.last_wall_ns, true};
    const std::uint64_t from = what.start, to = what.end;
    Source* const source = std::exchange(from_, nullptr);
    Status added = add_entry(std::move(loss));
    if (added.ok())
      added = add_event(EventCode::alarm,
                        {{"alarm", ByteView(kAlarmLoss)}, {"from", from}, {"to", to}, {"found", ByteView(run.found)}});
    from_ = source;
    SEALRING_TRY(added);
    left_out_ = run.found + ": the entries " + range_words(what) + " are lost, and no receipt covers them; entry " +
                std::to_string(record->index) + " says so. All else is forwarded";
  }
  return record;
}

// The frame that has it is durable.
void Recorder::say_left_out(const LossRecord& record) {
  const std::string words = std::exchange(left_out_, "");
  diag(DiagLevel::error, "alarm: loss: " + words);
  if (alarms_ != nullptr) alarms_->happened(kAlarmLoss, "", words);
  std::lock_guard<std::mutex> lock(stats_mutex_);
  ++stats_.losses;
  stats_.lost_messages += record.messages;
}

// A page that the ring could not give back: an incident, and no more than that.
Status Recorder::tell_stuck_pages() {
  const std::uint64_t stuck = ring_.usage().stuck_pages;
  if (stuck == stuck_told_) return {};
  const std::uint64_t more = stuck - std::exchange(stuck_told_, stuck);
  const std::string words = std::to_string(more) +
                            " pages of what was released do not say what they are: they are damaged, and stay where "
                            "they are; nothing is lost";
  diag(DiagLevel::error, "alarm: damage: ring: " + words);
  if (alarms_ != nullptr) alarms_->happened(kAlarmDamage, "", words);
  return add_event(EventCode::alarm, {{"alarm", ByteView(kAlarmDamage)}, {"found", ByteView(words)}, {"pages", more}});
}

// Nothing behind a loss by damage goes up before its entry is in a checkpoint.
bool Recorder::owes_seal() const {
  const std::uint64_t open = ring_.contents().segment_start;
  const std::vector<LossRecord> losses = ring_.losses();
  return std::any_of(losses.begin(), losses.end(),
                     [open](const LossRecord& loss) { return loss.damaged && loss.index >= open; });
}

// With nothing in the draft. Each is sealed at once, as with what a full ring drops; where the next epoch key cannot be
// saved, as soon as it can.
Status Recorder::leave_out_damaged() {
  const auto sealable = [this] { return running_ && owes_seal() && std::chrono::steady_clock::now() >= seal_again_; };
  if (!sealable() && (!running_ || closed_ || !has_reports())) return {};
  Source* const from = std::exchange(from_, nullptr);
  Status status;
  while (status.ok()) {
    if (sealable()) status = seal();
    if (!status.ok() || !running_ || closed_ || !has_reports()) break;
    const auto record = add_damage();
    if (!record) status = record.error();
    if (!record || !*record) break;
    status = commit_as(*epoch_key_, epoch_, &**record);
  }
  from_ = from;
  return status;
}

}  // namespace sealring
