#include "gateway/droppable.h"

#include <algorithm>

#include "crypto/note.h"
#include "gateway/record_query.h"
#include "storage/entry.h"

namespace sealring {
namespace {

bool is_built_on(const Entry& entry) {
  return std::holds_alternative<Genesis>(entry.body) || std::holds_alternative<Handover>(entry.body) ||
         std::holds_alternative<KeyBreak>(entry.body) || std::holds_alternative<Rotation>(entry.body) ||
         std::holds_alternative<SuccessionEntry>(entry.body) || std::holds_alternative<Loss>(entry.body);
}

// The first piece of a message that was carried over and did not fit one entry: after the head of its map come version
// 1 and kind 1.
bool begins_message(const Carried& piece) {
  return piece.offset == 0 && piece.bytes.size() != piece.length && piece.bytes.substr(1, 4) == ByteView("\0\1\1\1", 4);
}

// Whether a message has its first entry here; or, for the first entry of all, any.
bool counts(const Entry& entry, bool first) {
  if (std::holds_alternative<Part>(entry.body)) return first;
  const auto* carried = std::get_if<Carried>(&entry.body);
  if (carried != nullptr && carried->offset != 0) return first;
  return topic_of(entry).has_value() || (carried != nullptr && begins_message(*carried));
}

// What may go of one bundle; none: it has to stay, is not here, or is damaged: then who looks into that must find it.
Result<std::optional<Droppable>> look_at(const Ring& ring, std::uint64_t start, bool first) {
  std::optional<Droppable> out;
  Result<Bytes> bytes = ring.entries(start, kBundleEntries);
  const auto is = [&bytes](ErrorKind kind) { return !bytes && bytes.error().kind == kind; };
  if (is(ErrorKind::missing) || is(ErrorKind::reject) || is(ErrorKind::fatal)) return out;
  if (!bytes) return std::move(bytes).error();
  const auto split = split_entries(*bytes, kBundleEntries);
  if (!split) return out;
  Droppable bundle;
  bundle.start = start;
  bundle.end = start + kBundleEntries;
  for (std::size_t i = 0; i < split->size(); ++i) {
    const Result<Entry> entry = decode_entry((*split)[i]);
    if (!entry || is_built_on(*entry)) return out;
    bundle.messages += counts(*entry, first && i == 0);
    if (i == 0) bundle.first_wall_ns = entry->common.wall_ns;
    bundle.last_wall_ns = entry->common.wall_ns;
  }
  out = std::move(bundle);
  return out;
}

struct Lines {
  bool mirror = false, other = false;
};

Lines cosigners_of(const Segment& segment, const std::string& origin, const std::string& mirror) {
  Lines out;
  const auto note = Note::parse(segment.note);
  if (!note) return out;
  for (const NoteSignature& line : note->signatures) {
    out.mirror = out.mirror || line.name == mirror;
    out.other = out.other || (line.name != mirror && line.name != origin);
  }
  return out;
}

}  // namespace

Result<std::optional<Droppable>> droppable(const Ring& ring, const Segment& segment) {
  const std::uint64_t from = (segment.start + kBundleEntries - 1) / kBundleEntries * kBundleEntries;
  const std::uint64_t to = (segment.end - 1) / kBundleEntries * kBundleEntries;
  std::optional<Droppable> best, run;
  const auto length = [](const std::optional<Droppable>& d) { return d ? d->end - d->start : 0; };
  for (std::uint64_t at = from; at < to; at += kBundleEntries) {
    SEALRING_ASSIGN(const std::optional<Droppable> bundle, look_at(ring, at, !run));
    if (bundle && run) {
      run->end = bundle->end;
      run->messages += bundle->messages;
      run->last_wall_ns = bundle->last_wall_ns;
    } else {
      run = bundle;
    }
    if (length(run) > length(best)) best = run;
  }
  if (!best) return best;
  for (const Subtree& subtree : complete_subtrees(best->start, best->end)) {
    SEALRING_ASSIGN(const Hash hash, ring.node(subtree.level, subtree.start));
    best->hashes.push_back(hash);
  }
  return best;
}

Result<OldestDroppable> oldest_droppable(const Ring& ring, const std::string& mirror,
                                         std::set<std::uint64_t>& exhausted) {
  OldestDroppable out;
  exhausted.erase(exhausted.begin(), exhausted.lower_bound(ring.segments().front().number));
  for (const Segment& segment : ring.segments()) {
    if (segment.state != SegmentState::sealed) continue;
    const Lines lines = cosigners_of(segment, ring.origin(), mirror);
    if (lines.mirror) continue;
    if (!lines.other && !out.held_back) {
      out.held_back = true;
      continue;
    }
    if (exhausted.count(segment.number) != 0) continue;
    SEALRING_ASSIGN(out.found, droppable(ring, segment));
    if (out.found) return out;
    exhausted.insert(segment.number);
  }
  return out;
}

namespace {

// Of what is stored in damaged bundles; more of them is left out by another loss entry.
constexpr std::size_t kMostHeld = 16u << 20;

// `reread`: that the ring was read again, which takes long and is done once. None: it is as it was signed; or it cannot
// be read again, or its hash is damaged, too, and `trouble` says so.
Result<std::optional<DamagedBundle>> surely_damaged(Ring& ring, std::uint64_t bundle, bool& reread,
                                                    std::string& trouble) {
  Result<std::optional<DamagedBundle>> damaged = ring.damaged_bundle(bundle);
  if (damaged && *damaged && !reread) {
    if (const Status again = ring.reread(); !again.ok()) {
      trouble = (*damaged)->words + "; reading it again: " + again.error().message;
      return std::optional<DamagedBundle>();
    }
    reread = true;
    damaged = ring.damaged_bundle(bundle);
  }
  if (damaged || damaged.error().kind != ErrorKind::fatal) return damaged;
  trouble = damaged.error().message;
  return std::optional<DamagedBundle>();
}

std::string why_it_stays(const Ring& ring, const Segment& segment, std::uint64_t start,
                         const std::function<bool(std::uint64_t, std::uint64_t)>& built_on) {
  const std::uint64_t end = start + kBundleEntries;
  const auto holds = [&](std::uint64_t index) { return start <= index && index < end; };
  if (start == 0) return "it has entry 0, which says what log it is";
  if (start < segment.start || end >= segment.end)
    return "it has the end of a segment, whose key hands over there to the next";
  for (const LossRecord& loss : ring.losses())
    if (holds(loss.index)) return "it has loss entry " + std::to_string(loss.index);
  if (built_on && built_on(start, end)) return "it has a rotation of the identity key";
  return "";
}

// Of the entry at `index`, or none.
std::optional<std::int64_t> wall_at(const Ring& ring, std::uint64_t index) {
  const Result<Bytes> bytes = ring.entries(index, 1);
  if (!bytes) return std::nullopt;
  const Result<Entry> entry = decode_entry(ByteView(*bytes).substr(2));
  return entry ? std::optional(entry->common.wall_ns) : std::nullopt;
}

}  // namespace

Result<DamagedRun> damaged_run(Ring& ring, const std::string& mirror, std::uint64_t bundle,
                               const std::function<bool(std::uint64_t, std::uint64_t)>& built_on) {
  DamagedRun out;
  const std::vector<Segment> segments = ring.segments();
  const std::uint64_t start = bundle * kBundleEntries;
  // What has the mirror's line is archived.
  const auto segment = std::find_if(segments.begin(), segments.end(), [&](const Segment& s) {
    return s.state == SegmentState::sealed && start < s.end && s.start < start + kBundleEntries &&
           !cosigners_of(s, ring.origin(), mirror).mirror;
  });
  if (segment == segments.end()) return out;
  Droppable what;
  what.start = what.end = start;
  std::size_t held = 0;
  bool reread = false;
  for (; what.end < segment->end && held < kMostHeld; what.end += kBundleEntries) {
    std::string trouble;
    SEALRING_ASSIGN(auto damaged, surely_damaged(ring, what.end / kBundleEntries, reread, trouble));
    std::string stays = !damaged && trouble.empty() ? "" : why_it_stays(ring, *segment, what.end, built_on);
    if (!damaged && !trouble.empty()) stays = "what it should be is not known for certain";
    if (what.end == start) {
      out.found = damaged ? damaged->words : trouble;
      out.stays = stays;
    }
    if (!damaged || !stays.empty()) break;
    held += damaged->bytes.size();
    out.bytes.push_back(std::move(damaged->bytes));
  }
  if (what.end == start) return out;
  for (const Subtree& subtree : complete_subtrees(what.start, what.end)) {
    SEALRING_ASSIGN(const Hash hash, ring.node(subtree.level, subtree.start));
    what.hashes.push_back(hash);
  }
  what.messages = what.end - what.start;
  const auto before = wall_at(ring, what.start - 1), after = wall_at(ring, what.end);
  what.first_wall_ns = before ? *before : after.value_or(segment->closed_wall_ns);
  what.last_wall_ns = after ? *after : before.value_or(segment->closed_wall_ns);
  out.what = std::move(what);
  return out;
}

}  // namespace sealring
