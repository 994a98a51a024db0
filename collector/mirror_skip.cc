// The mirror's answer to `skip` (docs/log.md §6): entries that will not come, because the log dropped them unsent.
#include <algorithm>

#include "collector/mirror.h"
#include "drivers/diag.h"
#include "storage/entry.h"

namespace sealring {

// Of entries that come after, too: it goes into the segment, and its hole is proven by its own bytes from then on.
Result<std::optional<HttpResponse>> Mirror::check_skip(const SkipRequest& request, const Checkpoint& end) const {
  std::optional<HttpResponse> refusal;
  const auto refuse = [&](const std::string& why, const char* reason = "other") {
    const std::string range = "[" + std::to_string(request.start) + ", " + std::to_string(request.end) + ")";
    refusals_.report(DiagLevel::warning, log_.front().name + ": refused to skip entries " + range + ": " + why);
    refusal = sentence(422, "The entries " + range + " are not skipped: " + why + ".", reason);
    return refusal;
  };
  if (request.start < archived() || request.end > end.size)
    return refuse("they are not all of one segment, which begins at " + std::to_string(archived()));
  // Which log it is, and how an epoch ends, is never left out: also where the log would have several of its segments
  // archived as one.
  const auto ends_within = pending_.upper_bound(request.start);
  if (request.start == 0 || (ends_within != pending_.end() && ends_within->first <= request.end))
    return refuse("entry 0 or the last one of a segment is among them");
  const auto covering = pending_.find(request.loss_size);
  if (covering == pending_.end())
    return refuse("size " + std::to_string(request.loss_size) +
                  ", which should have the loss entry, is no pending checkpoint");
  if (request.loss_index < request.end || request.loss_index >= request.loss_size)
    return refuse("the loss entry is at " + std::to_string(request.loss_index));
  const Checkpoint& later = covering->second.checkpoint;
  const Status recorded =
      verify_inclusion(request.loss_index, later.size, request.inclusion, leaf_hash(request.loss_entry), later.root);
  if (!recorded.ok())
    return refuse("the loss entry is not proven to be in the checkpoint of size " + std::to_string(later.size) + ": " +
                      recorded.error().message,
                  "not-proven");
  SEALRING_ASSIGN(const Entry entry, decode_entry(request.loss_entry));  // decode_skip() has seen that it is one
  const std::vector<Hash> folded = fold_subtrees(request.start, request.end, 8, request.bundles);
  if (std::get<Loss>(entry.body).hashes != folded) return refuse("the loss entry has other hashes");
  const std::vector<Subtree> subtrees = complete_subtrees(request.start, request.end);
  for (std::size_t i = 0; i < subtrees.size(); ++i) {
    const std::uint64_t from = subtrees[i].start, to = from + (std::uint64_t{1} << subtrees[i].level);
    const Status proven = verify_subtree(from, to, end.size, request.proofs[i], folded[i], end.root);
    if (!proven.ok())
      return refuse("their hashes are not proven to be in the checkpoint of size " + std::to_string(end.size) + ": " +
                        proven.error().message,
                    "not-proven");
  }
  return refusal;
}

Result<HttpResponse> Mirror::skip(const SkipRequest& request) {
  if (receipt_size_ != archived()) SEALRING_TRY(make_receipt());
  const Checkpoint* end = target(request.upload_end);
  const bool again = !parts_.empty() && parts_.back().hole && parts_.back().hole->loss_entry == request.loss_entry;
  if (end != nullptr && again) return mirror_info(202, {request.upload_end, next_, ""});
  if (end == nullptr || next_ < request.start || next_ >= request.end) return conflict(request.upload_end);
  SEALRING_ASSIGN(const auto refusal, check_skip(request, *end));
  if (refusal) return *refusal;
  if (next_ % kBundleEntries != 0) return sentence(422, "A part of a bundle is here: entries are skipped by bundles.");
  SegmentHole hole;
  hole.from = next_;
  hole.start = request.start;
  hole.end = request.end;
  hole.loss_entry = request.loss_entry;
  hole.loss_index = request.loss_index;
  hole.note = pending_.at(request.loss_size).note.encode();
  hole.proof = request.inclusion;
  hole.bundles = request.bundles;
  const Bytes bytes = encode_hole(hole);
  if (staged_bytes() + bytes.size() > kMaxSegmentBytes)
    return sentence(422, "The segment has more bytes than one may have.");
  SEALRING_TRY(archive_.put_skip({hole.from, hole.end}, bytes));
  say_lost(hole);
  lost_ += hole.end - hole.from;
  next_ = hole.end;
  staged_tail_.clear();
  parts_.push_back({{hole.from, hole.end}, bytes.size(), std::move(hole)});
  return mirror_info(202, {request.upload_end, next_, ""});
}

// What an earlier run has staged, it may have been killed before it could say.
void Mirror::set_alarms(Alarms* alarms) {
  alarms_ = alarms;
  for (const Part& part : parts_)
    if (part.hole) say_lost(*part.hole);
}

void Mirror::say_lost(const SegmentHole& hole) const {
  const Result<Entry> entry = decode_entry(hole.loss_entry);  // decode_hole() or decode_skip() has seen that it is one
  const auto* loss = entry ? std::get_if<Loss>(&entry->body) : nullptr;
  const std::string words = "entries [" + std::to_string(hole.from) + ", " + std::to_string(hole.end) +
                            (loss != nullptr && loss->damaged ? ") were lost by damage at the gateway, unsent; entry "
                                                              : ") were dropped unsent; entry ") +
                            std::to_string(hole.loss_index) + " says so, of " +
                            (loss != nullptr && loss->damaged ? "at most " : "") +
                            (loss != nullptr ? std::to_string(loss->messages) : "?") + " messages in [" +
                            std::to_string(hole.start) + ", " + std::to_string(hole.end) + ")";
  diag(DiagLevel::error, "alarm: " + log_.front().name + ": LOSS: " + words);
  if (alarms_ != nullptr) alarms_->happened(kAlarmDropped, log_.front().name, words);
}

// Of a skip that was staged by an earlier run.
Result<bool> Mirror::load_skip(const EntryRange& range) {
  const Result<Bytes> bytes = archive_.skip(range);
  if (!bytes.ok() && bytes.error().kind == ErrorKind::retry) return bytes.error();
  if (!bytes.ok() || range.start != next_) return false;
  ByteReader reader(*bytes);
  Result<SegmentHole> hole = decode_hole(reader);
  if (!hole.ok() || !reader.at_end() || hole->from != range.start || hole->end != range.end) return false;
  parts_.push_back({range, bytes->size(), std::move(*hole)});
  next_ = range.end;
  staged_tail_.clear();
  return true;
}

std::vector<SegmentHole> Mirror::staged_holes(std::uint64_t end) const {
  std::vector<SegmentHole> out;
  for (const Part& part : parts_)
    if (part.hole && archived() <= part.range.start && part.range.end <= end) out.push_back(*part.hole);
  return out;
}

// Whether an entry below N is in a hole, so that there are no leaves of its bundle.
Result<bool> Mirror::is_skipped(std::uint64_t index) const {
  for (const Part& part : parts_)
    if (part.hole && part.range.start <= index && index < part.range.end) return true;
  if (index >= archived()) return false;
  const auto ends_after = [](std::uint64_t i, const EntryRange& range) { return i < range.end; };
  const auto range = std::upper_bound(segments_.begin(), segments_.end(), index, ends_after);
  SEALRING_ASSIGN(const SegmentFile segment, archive_.segment(*range));
  return std::any_of(segment.holes.begin(), segment.holes.end(),
                     [index](const SegmentHole& hole) { return hole.from <= index && index < hole.end; });
}

}  // namespace sealring
