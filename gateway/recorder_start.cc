// The recorder's start: what the log's end says.
#include "crypto/checkpoint.h"
#include "drivers/diag.h"
#include "gateway/recorder.h"
#include "gateway/tail_scan.h"

namespace sealring {

Status Recorder::open() {
  const Ring::Contents& contents = ring_.contents();
  origin_ = contents.origin;
  range_ = contents.range;
  epoch_ = contents.epoch;
  now_ = clock_.now();
  if (contents.replayed > 0)
    diag(DiagLevel::notice, "went on after an unclean stop: " + std::to_string(contents.replayed) +
                                " frames that only the journal had were moved into the ring");
  SEALRING_TRY(rebuild_tail());
  SEALRING_ASSIGN(const std::optional<PublicKey> named, named_epoch_key());
  SEALRING_TRY(check_last_frame(named));
  SEALRING_TRY(finish_cut_short_seal());
  SEALRING_TRY(load_epoch_key());
  erase_former_keys();  // a kill may have come between handover and erasing
  SEALRING_TRY(ask_for_signatures());
  segment_began_ = last_record_ = std::chrono::steady_clock::now();
  segment_has_records_ = range_.size() > ring_.contents().segment_start;
  stats_.open_has_records = segment_has_records_;
  return {};
}

// The key of the open segment's epoch, as the entry before it names it. None: that entry was released.
Result<std::optional<PublicKey>> Recorder::named_epoch_key() const {
  const std::uint64_t namer = epoch_ == 0 ? 0 : ring_.contents().segment_start - 1;
  const Result<Bytes> bytes = ring_.entries(namer, 1);
  if (!bytes && bytes.error().kind == ErrorKind::missing) return std::optional<PublicKey>();
  if (!bytes) return bytes.error();
  SEALRING_ASSIGN(const Entry entry, decode_entry(ByteView(*bytes).substr(2)));
  if (const auto* genesis = std::get_if<Genesis>(&entry.body)) return std::optional(genesis->epoch_key);
  if (const auto* handover = std::get_if<Handover>(&entry.body)) return std::optional(handover->next_key);
  if (const auto* lost = std::get_if<KeyBreak>(&entry.body)) return std::optional(lost->next_key);
  return fatal_error("entry " + std::to_string(namer) + " of the log should name the key of epoch " +
                     std::to_string(epoch_) + ", and does not");
}

// Where a kill came before the segment of a break could be closed, the last frame is of the epoch after it.
Status Recorder::check_last_frame(const std::optional<PublicKey>& named) const {
  const FrameHeader& last = ring_.contents().last;
  if (!named || last.epoch != epoch_) return {};
  const Bytes text = Checkpoint{origin_, last.end(), last.root}.text();
  if (!ed25519_verify(*named, text, last.signature))
    return fatal_error("the signature of the last frame, of size " + std::to_string(last.end()) +
                       ", is not by the key of epoch " + std::to_string(epoch_));
  return {};
}

// Killed between a durable handover, or break, and the end of the seal: the rest of the seal, by the same code.
Status Recorder::finish_cut_short_seal() {
  if (range_.size() == ring_.contents().segment_start) return {};
  SEALRING_ASSIGN(const Bytes bytes, ring_.entries(range_.size() - 1, 1));
  SEALRING_ASSIGN(const Entry entry, decode_entry(ByteView(bytes).substr(2)));
  if (!std::holds_alternative<Handover>(entry.body) && !std::holds_alternative<KeyBreak>(entry.body)) return {};
  return close_and_sign();
}

Status Recorder::load_epoch_key() {
  SEALRING_ASSIGN(const std::optional<PublicKey> named, named_epoch_key());
  auto key = epochs_.load(epoch_);
  if (!key && key.error().kind != ErrorKind::missing)
    return std::move(key).error().in("epoch " + std::to_string(epoch_));
  if (!key) {
    diag(DiagLevel::error, "alarm: " + key.error().message +
                               ": recording goes on with a new key, and the log says that here its chain is broken");
    return {};
  }
  if (named && *named != (*key)->public_key())
    return fatal_error("the epoch key file of epoch " + std::to_string(epoch_) +
                       " holds another key than the log names: bring the right one back, or, if it is lost, remove "
                       "both files, and the log goes on with a break");
  epoch_key_ = std::move(key).value();
  return {};
}

// The messages that each broker may send again, the count of starts, the size of the open segment.
Status Recorder::rebuild_tail() {
  const std::uint64_t size = range_.size(), first = ring_.usage().first_index;
  const std::uint64_t segment_start = ring_.contents().segment_start;
  std::vector<std::string> names;
  for (const Source& source : sources_) names.push_back(source.name);
  TailScan scan(names, Redelivery::kMaxTail);
  bool enough = false, carried = false;
  std::uint64_t looked_from = size;
  const std::vector<LossRecord> losses = ring_.losses();
  for (std::uint64_t end = size; end > first;) {
    if (find_loss(losses, end - 1) != nullptr) break;  // below the open segment; of the rest nothing is known any more
    const std::uint64_t begin = std::max(first, (end - 1) / kBundleEntries * kBundleEntries);
    // Of a bundle that is damaged, and of what is before it, nothing is known any more either. The end has been
    // checked.
    const Result<Bytes> bytes = ring_.entries(begin, static_cast<std::size_t>(end - begin));
    const bool lost = !bytes && (bytes.error().kind == ErrorKind::fatal || bytes.error().kind == ErrorKind::missing);
    if (!bytes && (end == size || !lost)) return bytes.error();
    const auto entries = split_entries(bytes ? ByteView(*bytes) : ByteView(), static_cast<std::size_t>(end - begin));
    if (!entries && end == size) return entries.error();
    bool damaged = !entries;
    for (std::uint64_t index = end; !damaged && index-- > begin;) {
      const ByteView raw = (*entries)[static_cast<std::size_t>(index - begin)];
      if (index >= segment_start) segment_bytes_ += 2 + raw.size();
      if (enough) continue;
      const Result<Entry> entry = decode_entry(raw);
      if (!entry && index + 1 == size) return entry.error();
      damaged = !entry;
      if (damaged) break;
      if (index + 1 == size) boot_ = entry->common.boot + 1;
      scan.take(index, *entry);
      carried = carried || std::holds_alternative<Carried>(entry->body);
      enough = scan.complete();
    }
    if (damaged) break;
    end = begin;
    looked_from = enough ? looked_from : begin;
    enough = enough || size - begin >= config_.max_tail_scan;
    if (enough && begin <= segment_start) break;
  }
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    for (const TailScan::Found& found : scan.tail(i))
      sources_[i].redelivery.recorded(found.packet_id, found.index, found.flagged);
    if (scan.doubtful()) sources_[i].redelivery.doubt();
    // What was carried over from another log may come again, too, and is not compared.
    if (!scan.complete(i) && (looked_from > 0 || carried)) sources_[i].redelivery.older_unknown();
    sources_[i].dropped = scan.dropped(i);
  }
  return {};
}

}  // namespace sealring
