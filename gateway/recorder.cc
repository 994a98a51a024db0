#include "gateway/recorder.h"

#include <pthread.h>

#include <algorithm>

#include "crypto/checkpoint.h"
#include "drivers/diag.h"
#include "gateway/recorder_waiting.h"

namespace sealring {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kFrameTargetBytes = 512u << 10;  // a frame is committed once it has grown to this
// Redeliveries follow each other at once, unless the link loses packets: this outlasts TCP's first two repetitions.
constexpr std::chrono::seconds kHoldTime{5};
constexpr std::int64_t kClockStepNs = 1000000000;
constexpr std::chrono::seconds kLastSignatures{2};  // how long a stop waits for them; the next start makes the rest

Status unless_it_may_pass(Status status) { return may_pass(status) ? Status() : status; }

}  // namespace

Recorder::Recorder(Config config, Ring& ring, IdentitySigners identity, EpochKeys& epochs, const Clock& clock,
                   RecordQueue& queue, const std::vector<std::string>& brokers)
    : config_(config),
      ring_(ring),
      epochs_(epochs),
      clock_(clock),
      queue_(queue),
      has_previous_(identity.previous != nullptr),
      notes_(identity, [&queue] { queue.poke(); }) {
  for (const std::string& name : brokers) {
    const auto same = [this](std::uint64_t index, const SourceItem& item) { return same_content(index, item); };
    sources_.emplace_back(name, same);
  }
  stats_.sources.resize(sources_.size());
}

Recorder::~Recorder() = default;

// --- the identity's signatures ---

Status Recorder::ask_for_signatures() {
  for (const Segment& segment : ring_.segments()) {
    if (segment.state != SegmentState::sealed || !segment.note.empty() || segment.number < next_to_sign_) continue;
    const Result<Hash> root = subtree_hash_at(segment.end);
    if (!root) {  // damage: recording goes on, and nothing is signed over what cannot be computed any more
      diag(DiagLevel::error, "segment " + std::to_string(segment.number) + " is not signed: " + root.error().message);
      continue;
    }
    notes_.put({segment.number, {origin_, segment.end, *root}});
    next_to_sign_ = segment.number + 1;
  }
  return {};
}

Status Recorder::take_signatures() {
  NoteSigner::News news = notes_.take();
  for (NoteSigner::Made& made : news.made) {
    if (made.segment) {
      SEALRING_TRY(when_room([&] { return ring_.attach_note(*made.segment, made.note); }));
    } else {
      early_.made(made.size, std::move(made.note));
    }
  }
  if (!news.made.empty() && on_segments_) on_segments_();
  if (news.trouble && alarms_ != nullptr) {
    if (news.trouble->empty())
      alarms_->clear(kAlarmKey, "");
    else
      alarms_->raise(kAlarmKey, "", "the identity key does not sign: " + *news.trouble);
  }
  if (news.trouble) identity_trouble_ = std::move(news.trouble);
  return {};
}

// For the rest of an outage nobody is asked: what is sealed meanwhile goes first.
Status Recorder::ask_for_early_signature() {
  const auto now = steady_clock::now();
  if (!early_.wanted || !segment_has_records_ || range_.size() == early_size_) return {};
  if (now < early_asked_ + config_.heartbeat || !early_.wanted()) return {};
  const NoteSigner::Stats signing = notes_.stats();
  if (signing.waiting > 0 || signing.early > 0) return {};
  // What says that a size is durable exists twice before a checkpoint of it leaves the process (docs/log.md §4).
  const Status moved = ring_.move();
  if (!moved.ok()) return may_pass(moved) ? Status() : moved;
  early_asked_ = now;
  early_size_ = range_.size();
  notes_.put({std::nullopt, {origin_, early_size_, range_.root()}});
  return {};
}

Status Recorder::log_identity_trouble() {
  if (!identity_trouble_) return {};
  const std::string words = *std::exchange(identity_trouble_, std::nullopt);
  std::vector<Detail> details = {{"alarm", ByteView(kAlarmKey)},
                                 {"key", ByteView("identity")},
                                 {"state", ByteView(words.empty() ? "signs again" : "does not sign")}};
  if (!words.empty()) details.push_back({"reason", ByteView(words)});
  return add_event(EventCode::alarm, std::move(details));
}

Result<Hash> Recorder::subtree_hash_at(std::uint64_t size) const {
  if (size == range_.size()) return range_.root();
  return subtree_hash(0, size, [this](int level, std::uint64_t start) { return ring_.node(level, start); });
}

// --- the order of durability ---

Status Recorder::commit() {
  may_leave_out_ = true;
  const Status status = commit_frame();
  may_leave_out_ = false;
  SEALRING_TRY(status);
  SEALRING_TRY(leave_out_damaged());
  return make_room();
}

Status Recorder::commit_frame() { return commit_as(*epoch_key_, epoch_); }

// Takes the draft's entries.
Result<Frame> Recorder::make_frame(SoftwareSigner& key, std::uint64_t epoch, CompactRange& range,
                                   std::vector<TreeNode>& nodes) {
  Frame frame;
  frame.entries.swap(draft_.entries);
  frame.header.first = range_.size();
  frame.header.count = draft_.count;
  frame.header.epoch = epoch;

  // 1. Extend the tree. A crash here loses what nobody was told of.
  range = range_;
  ByteView rest = frame.entries;
  for (std::uint32_t i = 0; i < draft_.count; ++i) {
    const std::size_t length = get_u16(rest.data());
    range.append(leaf_hash(rest.substr(2, length)), [&](int level, std::uint64_t index, const Hash& hash) {
      if (level >= kStoredNodeLevel) nodes.push_back({level, index, hash});
    });
    rest.remove_prefix(2 + length);
  }
  frame.header.root = range.root();

  // 2. Sign the root. The signature goes nowhere but into the frame; a crash here makes it unknown to all, and the same
  //    epoch key may sign another root of this size after the restart.
  const auto began = steady_clock::now();
  SEALRING_ASSIGN(frame.header.signature, key.sign(Checkpoint{origin_, range.size(), frame.header.root}.text()));
  epoch_latency_.add(steady_clock::now() - began);
  return frame;
}

// `loss`: the draft has its entry, and its bundles go in the same transaction.
Status Recorder::commit_as(SoftwareSigner& key, std::uint64_t epoch, const LossRecord* loss) {
  if (draft_.count == 0) {
    release_acknowledgements();
    return {};
  }
  Frame frame;
  CompactRange range;
  std::optional<LossRecord> found;
  for (;;) {
    std::vector<TreeNode> nodes;
    SEALRING_ASSIGN(frame, make_frame(key, epoch, range, nodes));

    // 3. Make it durable. A crash in here leaves the whole frame or nothing; either way no acknowledgement went out,
    //    the broker sends the messages again, and redelivery.h finds out which.
    const Status durable = loss == nullptr ? append_when_room(frame, range, nodes)
                                           : when_room([&] { return ring_.drop(*loss, frame, range, nodes); });
    if (durable.ok()) break;
    if (loss != nullptr || !can_take_a_loss(durable, frame)) return durable;
    // Of a full ring that waits for a receipt, which waits for this. Nobody has seen the frame.
    frame.entries.swap(draft_.entries);
    SEALRING_ASSIGN(found, add_damage());
    if (found) loss = &*found;
  }
  if (loss != nullptr && loss->damaged) say_left_out(*loss);
  range_ = std::move(range);
  segment_bytes_ += frame.entries.size();
  for (const auto& [source, packet_id, index, flagged] : draft_.tail)
    sources_[source].redelivery.recorded(packet_id, index, flagged);

  // 4. Move the watermark. A crash from here on costs a redelivery at most.
  release_acknowledgements();
  if (on_commit_) on_commit_(now_.wall_ns);
  frame.entries.clear();  // keep the memory for the next draft
  draft_.entries.swap(frame.entries);
  draft_.count = 0;
  draft_.tail.clear();
  std::lock_guard<std::mutex> lock(stats_mutex_);
  ++stats_.frames;
  return {};
}

void Recorder::release_acknowledgements() {
  if (!release_) return;
  for (std::uint32_t i = 0; i < sources_.size(); ++i) {
    const Source& source = sources_[i];
    if (source.tag == 0) continue;
    const auto held = source.redelivery.held_from_tag();
    const std::uint64_t tag = held ? std::min(source.tag, *held - 1) : source.tag;
    if (tag > 0) release_(i, source.connection, tag);
  }
}

Status Recorder::take_receipts(std::vector<ReceivedReceipt>&& receipts) {
  for (ReceivedReceipt& receipt : receipts) {
    if (!receipt.complete) {
      SEALRING_TRY(when_room([&] { return ring_.attach_note(receipt.segment, receipt.note); }));
      continue;
    }
    SEALRING_TRY(when_room([&] { return ring_.acknowledge(receipt.segment, receipt.note); }));
    receipts_to_log_.push_back(std::move(receipt.note));
    std::lock_guard<std::mutex> lock(stats_mutex_);
    ++stats_.receipts;
    stats_.last_receipt_wall_ns = clock_.now().wall_ns;
  }
  if (!receipts.empty() && on_segments_) on_segments_();
  return {};
}

// --- segments and epochs ---

bool Recorder::seal_is_due() const {
  const std::uint64_t entries = range_.size() - ring_.contents().segment_start;
  if (entries == 0) return false;
  if (steady_clock::now() < seal_again_ && segment_bytes_ < kMostSegmentBytes) return false;
  return segment_bytes_ >= config_.segment_bytes || entries >= config_.segment_entries ||
         (segment_has_records_ && steady_clock::now() - segment_began_ >= config_.segment_age);
}

// A damaged bundle makes little room, and the receipt that would make more needs its loss entry to be sealed.
Status Recorder::seal() {
  ring_.lend_reserve(owes_seal());
  const Status status = end_segment();
  ring_.lend_reserve(false);
  return status;
}

Status Recorder::end_segment() {
  SEALRING_TRY(commit_frame());
  // The next key is durable before the log names it.
  SEALRING_ASSIGN(auto next, SoftwareSigner::generate());
  SEALRING_ASSIGN(const bool saved, save_next_key(*next));
  if (!saved) return {};
  Handover handover;
  handover.epoch = epoch_;
  handover.size = range_.size();
  handover.root = range_.root();
  handover.next_key = next->public_key();
  const Bytes message = handover_message(origin_, handover.epoch, handover.size, handover.root, handover.next_key);
  SEALRING_ASSIGN(handover.by_old, epoch_key_->sign(message));
  SEALRING_ASSIGN(handover.by_next, next->sign(message));
  SEALRING_TRY(add_entry(handover));
  SEALRING_TRY(commit_frame());
  epoch_key_ = std::move(next);
  SEALRING_TRY(close_and_sign());
  return name_connections();
}

Status Recorder::close_and_sign() {
  SEALRING_TRY(when_room([&] { return ring_.close_segment(clock_.now().wall_ns); }));
  ++epoch_;
  erase_former_keys();
  segment_bytes_ = 0;
  segment_has_records_ = false;
  {
    std::lock_guard<std::mutex> lock(stats_mutex_);
    stats_.open_has_records = false;
  }
  segment_began_ = steady_clock::now();
  return ask_for_signatures();
}

// Nobody can sign for the open epoch any more. What it has signed stands; the next one begins with this entry.
Status Recorder::record_break() {
  SEALRING_ASSIGN(auto next, SoftwareSigner::generate());
  SEALRING_TRY(when_room([&] { return epochs_.save(epoch_ + 1, *next); }));
  KeyBreak lost;
  lost.epoch = epoch_;
  lost.size = range_.size();
  lost.root = range_.root();
  lost.next_key = next->public_key();
  lost.receipted = receipted_size(ring_.segments());
  SEALRING_ASSIGN(lost.by_next, next->sign(break_message(origin_, lost)));
  SEALRING_TRY(add_entry(lost));
  SEALRING_TRY(commit_as(*next, epoch_ + 1));
  epoch_key_ = std::move(next);
  SEALRING_TRY(close_and_sign());
  if (alarms_ != nullptr)
    alarms_->happened(kAlarmKeyLost, "",
                      "the key of epoch " + std::to_string(lost.epoch) +
                          " was lost, and the log's chain is broken at entry " + std::to_string(lost.size));
  return add_event(EventCode::alarm, {{"alarm", ByteView(kAlarmKeyLost)}, {"epoch", lost.epoch}, {"break", lost.size}});
}

// A start may itself close segments of before the rotation: where a seal was cut short, or by a break.
Status Recorder::set_rotation(const Rotation& rotation, std::function<Status(std::uint64_t)> recorded) {
  const char* const due = " before the rotation can be recorded: set previous_identity_key to the key before it";
  if (!has_previous_ && notes_.stats().waiting > 0)
    return reject_error(std::to_string(notes_.stats().waiting) + " sealed segments must be signed" + due);
  if (!has_previous_ && !epoch_key_)
    return reject_error("the epoch key is lost, and the segment that the log breaks off must be signed" +
                        std::string(due));
  rotation_ = rotation;
  on_rotated_ = std::move(recorded);
  return {};
}

// In one frame with the event of the start, so that after a kill it is the last entry, or not there.
Status Recorder::record_rotation() {
  const std::uint64_t index = next_index();
  SEALRING_TRY(add_entry(*rotation_));
  SEALRING_TRY(commit_frame());
  SEALRING_TRY(when_room([&] { return on_rotated_(index); }));
  notes_.rotated_at(index);
  return {};
}

Status Recorder::record_incident() {
  const std::uint64_t index = next_index();
  SEALRING_TRY(add_event(EventCode::alarm, {{"alarm", ByteView("damage")}, {"found", ByteView(incident_)}}));
  SEALRING_TRY(commit());
  return on_incident_(index);
}

// --- the loop ---

steady_clock::time_point Recorder::next_deadline() const {
  auto deadline = last_record_ + config_.heartbeat;
  if (early_.wanted && range_.size() != early_size_ && steady_clock::now() < early_asked_ + config_.heartbeat)
    deadline = std::min(deadline, early_asked_ + config_.heartbeat);
  if (segment_has_records_) deadline = std::min(deadline, std::max(segment_began_ + config_.segment_age, seal_again_));
  if (seal_again_ > steady_clock::now()) deadline = std::min(deadline, seal_again_);
  if (erase_owed_) deadline = std::min(deadline, erase_again_);
  for (const Source& source : sources_)
    if (source.redelivery.holding()) deadline = std::min(deadline, source.held_since + kHoldTime);
  return deadline;
}

Status Recorder::tick() {
  // What waits in the queue may be the next redelivery: a recorder that was slow, or waited for room, must not give up.
  // One more turn takes all of that; other brokers may go on for ever.
  for (Source& source : sources_) {
    if (!source.redelivery.holding() || steady_clock::now() < source.held_since + kHoldTime) {
      source.overdue = false;
      continue;
    }
    if (queue_.bytes() != 0 && !std::exchange(source.overdue, true)) continue;
    from_ = &source;
    SEALRING_TRY(add_all(source, source.redelivery.give_up()));
    from_ = nullptr;
    SEALRING_TRY(commit());
  }
  if (steady_clock::now() >= last_record_ + config_.heartbeat) SEALRING_TRY(add_event(EventCode::heartbeat, {}));
  SEALRING_TRY(tell_stuck_pages());
  SEALRING_TRY(commit());
  if (seal_is_due()) SEALRING_TRY(seal());
  if (erase_owed_ && steady_clock::now() >= erase_again_) erase_former_keys();
  return ask_for_early_signature();
}

Status Recorder::check_clock() {
  const ClockReading now = clock_.now();
  const auto offset = [](const ClockReading& r) { return r.wall_ns - static_cast<std::int64_t>(r.boottime_ns); };
  const std::int64_t step = offset(now) - offset(now_);
  const bool stepped = step > kClockStepNs || step < -kClockStepNs || now.synchronised != now_.synchronised;
  now_ = now;
  if (!stepped) return {};
  const std::uint64_t magnitude_ms = static_cast<std::uint64_t>(step < 0 ? -step : step) / 1000000;
  return add_event(EventCode::clock, {{"direction", ByteView(step < 0 ? "back" : "forward")},
                                      {"step-ms", magnitude_ms},
                                      {"synchronised", std::uint64_t{now.synchronised}}});
}

void Recorder::change(Change change) {
  {
    std::lock_guard<std::mutex> lock(stats_mutex_);
    changes_.push_back(std::move(change));
  }
  queue_.poke();
}

// Where a segment ends changes for the open one, too: tick() judges it by the new settings.
Status Recorder::take_changes() {
  std::vector<Change> changes;
  {
    std::lock_guard<std::mutex> lock(stats_mutex_);
    changes.swap(changes_);
  }
  for (const Change& change : changes) {
    if (change.config) config_ = *change.config;
    std::vector<Detail> details;
    for (const auto& [name, value] : change.details) {
      Detail detail{name, std::uint64_t{0}};
      if (const auto* number = std::get_if<std::uint64_t>(&value)) detail.value = *number;
      if (const auto* text = std::get_if<std::string>(&value)) detail.value = ByteView(*text);
      if (const auto* hash = std::get_if<Hash>(&value)) detail.value = *hash;
      details.push_back(detail);
    }
    SEALRING_TRY(add_event(change.code, std::move(details)));
  }
  return {};
}

Status Recorder::run() {
  ::pthread_setname_np(::pthread_self(), "recorder");
  running_ = true;
  if (!epoch_key_) SEALRING_TRY(record_break());
  // The last run may have ended where nothing could be recorded any more. What is sealed before a rotation needs the
  // key before it: then room is made afterwards.
  // Or behind a loss entry whose seal makes room, where the ring is full.
  if (!rotation_ && owes_seal()) SEALRING_TRY(seal());
  if (!rotation_) SEALRING_TRY(make_room());
  std::vector<Detail> start = {{"software", ByteView("sealring " SEALRING_VERSION)}};
  if (config_.file_sha256) start.push_back({"config-sha256", *config_.file_sha256});
  SEALRING_TRY(add_event(EventCode::start, std::move(start)));
  if (rotation_) SEALRING_TRY(record_rotation());
  if (!incident_.empty()) SEALRING_TRY(record_incident());
  SEALRING_TRY(commit());
  while (!closed_) {
    RecordQueue::Batch batch = queue_.take(next_deadline());
    ++turns_;
    closed_ = closed_ || batch.closed;
    if (!closed_ && !batch.items.empty() && config_.commit_interval.count() > 0) gather(batch);
    SEALRING_TRY(check_clock());
    SEALRING_TRY(take_changes());
    Status status = take_signatures();
    if (status.ok()) status = take_receipts(std::move(batch.receipts));
    if (status.ok()) status = take_items(std::move(batch.items));
    if (status.ok()) status = log_receipts();
    if (status.ok()) status = log_identity_trouble();
    if (status.ok()) status = tick();
    if (!status.ok() && closed_ && may_pass(status)) {
      diag(DiagLevel::warning, "stopping while nothing can be recorded (" + status.error().message +
                                   "): what was not acknowledged stays with the broker");
      return unless_it_may_pass(ring_.move());
    }
    SEALRING_TRY(status);
  }
  SEALRING_TRY(take_changes());
  notes_.wait(steady_clock::now() + kLastSignatures);
  SEALRING_TRY(unless_it_may_pass(take_signatures()));
  SEALRING_TRY(log_identity_trouble());
  SEALRING_TRY(add_event(EventCode::stop, {}));
  SEALRING_TRY(unless_it_may_pass(commit()));
  return unless_it_may_pass(ring_.move());  // what stays in the journal is as durable
}

// Lets more come into the frame, for flash that would rather be written seldom. Ends early when the frame is large.
void Recorder::gather(RecordQueue::Batch& batch) {
  const auto until = steady_clock::now() + config_.commit_interval;
  std::size_t bytes = 0, counted = 0;
  for (;;) {
    for (; counted < batch.items.size(); ++counted) bytes += batch.items[counted].memory_bytes();
    if (bytes >= kFrameTargetBytes || steady_clock::now() >= until || closed_) return;
    RecordQueue::Batch more = queue_.take(until);
    ++turns_;
    closed_ = more.closed;
    std::move(more.items.begin(), more.items.end(), std::back_inserter(batch.items));
    std::move(more.receipts.begin(), more.receipts.end(), std::back_inserter(batch.receipts));
  }
}

Status Recorder::take_items(std::vector<SourceItem>&& items) {
  for (SourceItem& item : items) {
    SEALRING_TRY(take_item(std::move(item)));
    if (draft_.entries.size() < kFrameTargetBytes) continue;
    SEALRING_TRY(commit());
    if (seal_is_due()) SEALRING_TRY(seal());
  }
  return commit();
}

Status Recorder::log_receipts() {
  std::vector<Bytes> notes;
  notes.swap(receipts_to_log_);
  for (const Bytes& note : notes) SEALRING_TRY(add_entry(Receipt{note}));
  return commit();
}

Recorder::Stats Recorder::stats() const {
  std::lock_guard<std::mutex> lock(stats_mutex_);
  Stats out = stats_;
  out.identity = notes_.stats();
  out.commit_latency = commit_latency_.look();
  out.epoch_latency = epoch_latency_.look();
  return out;
}

}  // namespace sealring
