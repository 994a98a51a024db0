#include "gateway/verify_log.h"

#include <algorithm>

#include "crypto/checkpoint.h"
#include "crypto/merkle.h"

namespace sealring {
namespace {

std::string number(std::uint64_t n) { return std::to_string(n); }
std::string range_text(std::uint64_t start, std::uint64_t end) {
  return "[" + number(start) + ", " + number(end) + ")";
}

// The archive's `log` file: the anchor line, or the vkey alone where the collector pinned no genesis.
struct OwnLine {
  VerifierKey key;
  std::optional<Hash> genesis;
};

std::optional<OwnLine> parse_own_line(ByteView line) {
  if (!line.empty() && line.back() == '\n') line.remove_suffix(1);
  if (Result<Anchor> anchor = Anchor::parse(line)) return OwnLine{anchor->key, anchor->genesis};
  Result<VerifierKey> key = VerifierKey::parse(line);
  if (!key || key->type != KeyType::ed25519 || key->encode() != line) return std::nullopt;
  return OwnLine{std::move(*key), std::nullopt};
}

void push_hole(TreeStack& tree, const HoleEvidence& hole) {
  for (std::uint64_t at = hole.from; at < hole.end; at += kBundleEntries) tree.push_bundle(hole.bundle_at(at));
}

class LogPass {
 public:
  LogPass(const EvidenceSource& source, const Trust& trust)
      : source_(source), trust_(trust), checker_(trust_, report_) {}

  LogReport run();

 private:
  struct Known {  // a segment that was read, for going back to
    std::size_t ref = 0;
    std::uint64_t start = 0, end = 0;
    std::vector<Hash> before;
    Hash root{};
  };

  void choose_identity();
  void settle_policy();
  void read_segment(std::size_t i);
  bool place_segment(const SegmentRef& ref, const SegmentEvidence& segment);
  void resume_at(const SegmentRef& ref, const SegmentEvidence& segment);
  void read_entries(std::size_t i, const SegmentEvidence& segment);
  void check_frame(const std::string& where, const FrameHeader& frame);
  void check_seal(const SegmentRef& ref, const SegmentEvidence& segment);
  void check_claims(std::vector<Claim> claims);
  void check_claims_within(const Known& known, const std::vector<const Claim*>& claims);
  void compare(const Claim& claim, const Hash& root);
  void name_missing_receipts();
  void judge();
  void say_what_holds();
  void find(Verdict v, const std::string& where, std::string what) { report_.find(v, where, std::move(what)); }

  const EvidenceSource& source_;
  Trust trust_;
  LogReport report_;
  EntryChecker checker_;
  TreeStack tree_;
  std::optional<Hash> own_genesis_;
  bool linked_ = true;  // tree_ is our own from entry `first` on
  std::vector<Known> known_;
  std::vector<HoleSeen> holes_;
};

void LogPass::choose_identity() {
  std::optional<OwnLine> own;
  if (!source_.own_anchor().empty()) {
    own = parse_own_line(source_.own_anchor());
    if (!own) find(Verdict::tampered, "log", "is not a vkey or an anchor line");
  } else if (!source_.is_store()) {
    find(Verdict::named, "log", "is missing or empty; it should hold the anchor line");
  }
  // Without an anchor the evidence says which key was the first, for a policy may name those after it only: whether
  // that leads to one of the policy's, settle_policy() asks. Where nothing says it, it has to be the policy's first.
  const std::vector<VerifierKey>& keys = trust_.policy_keys;
  const std::vector<SegmentRef>& segments = source_.segments();
  if (trust_.anchor)
    checker_.set_identity(trust_.anchor->key);
  else if (own)
    checker_.set_identity(own->key);
  else if (!keys.empty() && (segments.empty() || segments.front().start != 0))
    checker_.set_identity(keys.front());
  if (!own) return;
  if (!(own->key == checker_.identity().first()))
    find(Verdict::tampered, "log",
         "names another key, " + own->key.encode() + ", expected was " + checker_.identity().first().encode());
  own_genesis_ = own->genesis;
}

// Once all entries have said which keys are the log's.
void LogPass::settle_policy() {
  const std::vector<VerifierKey>& keys = trust_.policy_keys;
  const IdentityChain& identity = checker_.identity();
  const auto is_its = [&](const VerifierKey& key) { return identity.has(key.key); };
  if (!identity.known() || keys.empty() || std::any_of(keys.begin(), keys.end(), is_its)) return;
  const std::string both = identity.first().encode() + " and " + keys.front().encode();
  if (identity.sure())
    find(Verdict::tampered, "",
         std::string(trust_.anchor ? "anchor" : "log") + " and policy name different identity keys: " + both);
  else
    find(Verdict::unproven, "",
         "no receipt was checked: nothing here leads from the log's identity key to the policy's, " + both +
             "; entries are missing in which it may have been rotated");
  trust_.policy_keys.clear();
}

// A segment may stand only where the one before it ends.
bool LogPass::place_segment(const SegmentRef& ref, const SegmentEvidence& segment) {
  if (segment.start != ref.start || segment.end != ref.end) {
    find(Verdict::tampered, ref.where,
         "holds entries " + range_text(segment.start, segment.end) + ", not those that its name says");
    return false;
  }
  return true;
}

void LogPass::resume_at(const SegmentRef& ref, const SegmentEvidence& segment) {
  for (const RecordedRotation& released : source_.rotations())
    if (tree_.size() <= released.index && released.index < segment.start) checker_.check_released(released);
  checker_.lose_track(tree_.size());
  if (!tree_.resume(segment.start, segment.range))
    find(Verdict::tampered, ref.where, "the hashes of what stands before it are not as many as its start demands");
  linked_ = false;
}

void LogPass::read_segment(std::size_t i) {
  const SegmentRef& ref = source_.segments()[i];
  if (ref.start < tree_.size()) {
    return find(Verdict::tampered, ref.where,
                "overlaps the segment before it, which reaches to " + number(tree_.size()) + "; it was not read");
  }
  Result<SegmentEvidence> segment = source_.segment(i);
  if (!segment) {
    const bool unread = segment.error().kind == ErrorKind::retry || segment.error().kind == ErrorKind::missing;
    return find(unread ? Verdict::unreadable : Verdict::tampered, ref.where, segment.error().message);
  }
  if (!place_segment(ref, *segment)) return;
  if (segment->start > tree_.size()) {
    const bool released = source_.is_store() && i == 0;
    if (released) report_.first = segment->start;
    find(released ? Verdict::unproven : Verdict::truncated, ref.where,
         "entries " + range_text(tree_.size(), segment->start) +
             (released ? " are not in this store any more; verify the archive that holds them"
                       : " are missing before it, or could not be checked"));
    resume_at(ref, *segment);
  } else if (segment->range != tree_.hashes()) {
    find(Verdict::tampered, ref.where, "the hashes of what stands before it are not those of the entries before it");
  }
  ++report_.segments;
  read_entries(i, *segment);
  check_seal(ref, *segment);
}

void LogPass::read_entries(std::size_t i, const SegmentEvidence& segment) {
  const SegmentRef& ref = source_.segments()[i];
  Known known{i, segment.start, segment.end, tree_.hashes(), {}};
  checker_.begin_segment(segment.end, segment.sealed);
  ByteReader reader(segment.entries);
  auto frame = segment.frames.begin();
  auto hole = segment.holes.begin();
  for (std::uint64_t index = segment.start; index < segment.end; ++index) {
    if (hole != segment.holes.end() && hole->from == index) {
      push_hole(tree_, *hole);
      checker_.skip_hole();
      holes_.push_back(see_hole(ref.where, *hole));
      index = hole++->end - 1;
      continue;
    }
    const std::size_t offset = segment.entries_offset + reader.offset();
    const std::uint16_t length = reader.u16();
    const ByteView entry = reader.bytes(length);
    if (!reader.ok()) {
      find(Verdict::tampered, ref.where, "ends within entry " + number(index) + " (byte " + number(offset) + ")");
      break;
    }
    const Hash leaf = leaf_hash(entry);
    if (index == 0 && own_genesis_ && leaf != *own_genesis_)
      find(Verdict::tampered, "log", "names another entry 0 than the one that is here");
    checker_.check({ref.where, index, offset + 2}, entry, leaf, tree_);
    tree_.push(leaf);
    ++report_.leaves;
    for (; frame != segment.frames.end() && frame->end() == tree_.size(); ++frame) check_frame(ref.where, *frame);
  }
  if (hole != segment.holes.end())
    find(Verdict::tampered, ref.where, "has a hole that does not lie in it, at " + number(hole->from));
  if (reader.ok() && !reader.at_end())
    find(Verdict::tampered, ref.where, "has " + number(reader.rest().size()) + " bytes after its last entry");
  if (frame != segment.frames.end())
    find(Verdict::tampered, ref.where, "has a frame that ends at no entry of it: " + number(frame->end()));
  if (!segment.sealed && (segment.frames.empty() || segment.frames.back().end() != segment.end))
    find(Verdict::unproven, ref.where, "its last entries have no signature of their epoch key here");
  checker_.end_segment(ref.where);
  known.root = tree_.root();
  known_.push_back(std::move(known));
}

void LogPass::check_frame(const std::string& file, const FrameHeader& frame) {
  const std::string where = file + ": frame " + range_text(frame.first, frame.end());
  if (frame.root != tree_.root()) return find(Verdict::tampered, where, "its root is not that of the entries");
  const EntryChecker::FrameSigner signer = checker_.signer_of(frame.first, frame.end());
  if (!signer.key) return;  // after a gap, which is a finding already
  if (signer.epoch && frame.epoch != *signer.epoch)
    return find(Verdict::tampered, where,
                "is of epoch " + number(frame.epoch) + ", expected was " + number(*signer.epoch));
  const Checkpoint checkpoint{checker_.origin(), frame.end(), frame.root};
  if (!ed25519_verify(*signer.key, checkpoint.text(), frame.signature))
    return find(
        Verdict::tampered, where,
        "the signature of its epoch key does not hold" + checker_.other_signer(checkpoint.text(), frame.signature));
  ++report_.epoch_signatures;
}

void LogPass::check_seal(const SegmentRef& ref, const SegmentEvidence& segment) {
  if (!segment.sealed) return;
  const std::string where = ref.where + ": checkpoint";
  if (segment.note.empty()) return find(Verdict::named, where, "the identity has not signed this segment yet");
  if (!checker_.identity().known()) return;  // judge() says that no key is known
  std::optional<Checkpoint> checkpoint =
      check_sealed_note(segment.note, where, checker_.identity(), !source_.is_store(), report_);
  if (!checkpoint) return;
  if (checkpoint->size != segment.end)
    return find(Verdict::tampered, where, "is of size " + number(checkpoint->size) + ", not " + number(segment.end));
  if (checkpoint->root != tree_.root())
    return find(Verdict::tampered, where,
                "its root is not that of the entries up to here (" + base64(view(tree_.root())) +
                    "): at least one of them is not what was signed");
  checker_.identity_signed();
  if (linked_) ++report_.checkpoints;
}

void LogPass::compare(const Claim& claim, const Hash& root) {
  if (claim.root == root) return;
  find(Verdict::forked, claim.where,
       "the identity has signed root " + base64(view(claim.root)) + " at size " + number(claim.size) +
           ", but these entries have " + base64(view(root)) + ": two histories");
}

void LogPass::check_claims_within(const Known& known, const std::vector<const Claim*>& claims) {
  const SegmentRef& ref = source_.segments()[known.ref];
  Result<SegmentEvidence> segment = source_.segment(known.ref);
  TreeStack tree;
  if (!segment || !tree.resume(known.start, known.before))
    return find(Verdict::unreadable, ref.where, "could not be read a second time");
  ByteReader reader(segment->entries);
  auto claim = claims.begin();
  auto hole = segment->holes.begin();
  for (std::uint64_t index = known.start; index < known.end; ++index) {
    if (hole != segment->holes.end() && hole->from == index) {
      for (; claim != claims.end() && (*claim)->size < hole->end; ++claim)
        find((*claim)->of_key ? Verdict::named : Verdict::unproven, (*claim)->where,
             "cannot be compared: entries at size " + number((*claim)->size) + " were dropped unsent");
      push_hole(tree, *hole);
      index = hole++->end - 1;
      for (; claim != claims.end() && (*claim)->size == tree.size(); ++claim) compare(**claim, tree.root());
      continue;
    }
    tree.push(leaf_hash(reader.bytes(reader.u16())));
    for (; claim != claims.end() && (*claim)->size == tree.size(); ++claim) compare(**claim, tree.root());
  }
  if (!reader.at_end() || tree.root() != known.root)
    find(Verdict::tampered, ref.where, "changed while it was being verified");
}

void LogPass::check_claims(std::vector<Claim> claims) {
  std::sort(claims.begin(), claims.end(), [](const Claim& a, const Claim& b) { return a.size < b.size; });
  auto claim = claims.cbegin();
  for (const Known& known : known_) {
    for (; claim != claims.cend() && claim->size <= known.start; ++claim) {
      find(claim->size == 0 ? Verdict::named : Verdict::unproven, claim->where,
           "cannot be compared: the entries below size " + number(claim->size) + " are not here");
    }
    std::vector<const Claim*> within;
    for (; claim != claims.cend() && claim->size < known.end; ++claim) within.push_back(&*claim);
    if (!within.empty()) check_claims_within(known, within);
    for (; claim != claims.cend() && claim->size == known.end; ++claim) compare(*claim, known.root);
  }
  std::uint64_t reach = 0;
  std::string by;
  for (; claim != claims.cend(); ++claim) {
    if (claim != claims.cbegin() && claim[-1].size == claim->size && claim[-1].root != claim->root)
      find(Verdict::forked, claim->where, "the identity has signed two roots at size " + number(claim->size));
    if (claim->must_reach)
      reach = claim->size, by = claim->where;
    else if (claim->refused)
      find(
          Verdict::unproven, claim->where,
          "the identity has signed size " + number(claim->size) +
              ", which the collector refused because it was not proven to extend this log: there may be two histories");
    else if (!claim->fresh)
      find(Verdict::named, claim->where,
           "entries " + range_text(report_.size, claim->size) +
               " existed by then and are not here: not sent yet, or removed");
  }
  if (reach > report_.size)
    find(Verdict::truncated, by,
         "the log had " + number(reach) + " entries, here are only " + number(report_.size) + ": its end was cut off");
}

void LogPass::name_missing_receipts() {
  if (source_.is_store()) return;
  std::set<std::uint64_t> receipts;
  for (const NoteRef& ref : source_.notes())
    if (ref.role == NoteRef::Role::receipt && ref.size) receipts.insert(*ref.size);
  if (receipts.empty()) {
    if (!known_.empty()) find(Verdict::named, "receipts", "there are none");
    return;
  }
  for (const Known& known : known_)
    if (!receipts.count(known.end))
      find(Verdict::named, source_.segments()[known.ref].where, "has no receipt of size " + number(known.end));
}

void LogPass::judge() {
  if (report_.size < trust_.min_size)
    find(Verdict::truncated, "",
         "has " + number(report_.size) + " entries, at least " + number(trust_.min_size) + " were demanded");
  if (report_.size == 0) find(Verdict::unproven, "", "there are no entries: nothing was checked");
  if (!checker_.identity().known())
    find(Verdict::unproven, "", "no identity key is known: no signature of it was checked");
  const Followed& followed = trust_.followed;
  const FollowedSuccession* step = followed.anchor_of(report_.origin) ? nullptr : followed.leading_to(report_.origin);
  if (!trust_.anchor)
    find(
        Verdict::unproven, "",
        "no anchor was given" +
            (step ? ", of this log or the closed one, and " + step->where + " leads to it from the policy alone" : "") +
            ": the log is self-consistent at best; the whole history may have been re-made by whoever has the "
            "identity key");
  else if (!report_.anchor_matched)
    find(Verdict::unproven, "", "entry 0 is not here to be compared with the anchor");
  if (trust_.policy && trust_.policy_keys.empty())
    find(Verdict::unproven, "", "the policy does not name this log: no receipt was checked");
  else if (trust_.policy && report_.receipts_counted == 0)
    find(Verdict::unproven, "", "no receipt counts under the policy: the tail is not bounded");
  else if (!trust_.policy && trust_.min_size == 0)
    find(Verdict::unproven, "", "neither policy nor minimum size was given: the tail is not bounded");
}

void LogPass::say_what_holds() {
  auto& proven = report_.proven;
  auto& open = report_.open;
  const bool sound = worse_of(report_.verdict, Verdict::broken) == Verdict::broken;
  if (!sound) {
    open.push_back("anything: see the findings");
    return;
  }
  const std::string all = "entries " + range_text(report_.first, report_.size);
  if (report_.anchor_matched)
    proven.push_back(all +
                     " are one history that begins with the anchor's entry 0, fixed up to the last handover "
                     "whose key was erased before a compromise of the gateway");
  if (!report_.anchor_matched && report_.size > 0)
    proven.push_back(all + " are consistent with each other and with the signatures, and no more than that");
  std::uint64_t lost = 0;
  for (const LossSeen& seen : report_.losses) lost += seen.missing_from ? seen.loss.end - *seen.missing_from : 0;
  if (lost > 0)
    proven.push_back(number(lost) +
                     " of them are not here: they were dropped unsent, as the log says, and their hashes "
                     "stand for them");
  if (report_.highest_receipt)
    proven.push_back("whoever cosigned size " + number(report_.highest_receipt->size) +
                     " saw this same history up to there; nothing below it was changed or cut since");
  const FollowedSuccession* step = trust_.followed.leading_to(report_.origin);
  const bool rests = step && (step->gave_anchor ? report_.anchor_matched : report_.highest_receipt.has_value());
  const std::string vouched = rests ? vouched_text(*step, *trust_.succession_key) : "";
  if (!vouched.empty()) proven.push_back(vouched);
  const std::uint64_t bounded = std::max(report_.highest_receipt ? report_.highest_receipt->size : 0, trust_.min_size);
  open.push_back(bounded > 0 ? "whether entries after size " + number(std::max(bounded, report_.size)) + " existed"
                             : "whether entries were cut from the end");
  if (report_.highest_receipt && report_.highest_receipt->size < report_.size)
    open.push_back("whether entries " + range_text(report_.highest_receipt->size, report_.size) +
                   " are the only ones that were signed there: no receipt covers them");
  if (!trust_.policy && report_.receipts > 0)
    open.push_back("the cosignatures of " + number(report_.receipts) + " receipts: no policy was given");
}

LogReport LogPass::run() {
  report_.where = source_.where();
  report_.is_store = source_.is_store();
  report_.staged = source_.staged();
  if (trust_.anchor) {
    const FollowedSuccession* step = trust_.followed.leading_to(trust_.anchor->key.name);
    if (step && step->gave_anchor) report_.anchor_from = step->where;
  }
  choose_identity();
  for (const Finding& finding : source_.findings()) find(finding.verdict, finding.where, finding.what);
  const std::vector<SegmentRef>& segments = source_.segments();
  for (std::size_t i = 0; i < segments.size(); ++i) {
    read_segment(i);
    if (trust_.on_progress) trust_.on_progress(source_.where(), segments[i].end, segments.back().end);
  }
  report_.origin = checker_.origin();
  report_.size = tree_.size();
  report_.root = tree_.root();
  settle_policy();
  checker_.lose_track(tree_.size());  // whatever is signed above this size: the entries up to it are not here
  if (!checker_.identity().known() && !holes_.empty())
    find(Verdict::tampered, holes_.front().where, "lacks entries, and no identity key is known that says so");
  if (checker_.identity().known()) {
    std::vector<Claim> claims = check_notes(source_, trust_, checker_.identity(), report_);
    for (Claim& claim : check_losses(holes_, checker_.identity(), report_)) claims.push_back(std::move(claim));
    for (Claim& claim : check_logged_notes(checker_.logged_notes(), trust_, checker_.identity(), report_))
      claims.push_back(std::move(claim));
    for (Claim& claim : check_closed(source_, trust_, checker_.identity(), report_)) claims.push_back(std::move(claim));
    check_claims(std::move(claims));
  }
  check_follows(trust_, checker_.has_entry_1(), report_);
  compare_breaks(source_.kept_breaks(), report_);
  grade_breaks(trust_, report_);
  name_missing_receipts();
  judge();
  say_what_holds();
  return std::move(report_);
}

}  // namespace

void TreeStack::push_subtree(std::uint64_t leaves, const Hash& hash) {
  Subtree top{leaves, hash};
  while (!stack_.empty() && stack_.back().leaves == top.leaves) {
    top = Subtree{2 * top.leaves, node_hash(stack_.back().hash, top.hash)};
    stack_.pop_back();
  }
  stack_.push_back(top);
  size_ += leaves;
}

Hash TreeStack::root() const {
  if (stack_.empty()) return empty_root();
  Hash root = stack_.back().hash;
  for (std::size_t i = stack_.size() - 1; i-- > 0;) root = node_hash(stack_[i].hash, root);
  return root;
}

std::vector<Hash> TreeStack::hashes() const {
  std::vector<Hash> hashes;
  for (const Subtree& subtree : stack_) hashes.push_back(subtree.hash);
  return hashes;
}

bool TreeStack::resume(std::uint64_t size, const std::vector<Hash>& hashes) {
  stack_.clear();
  size_ = size;
  std::size_t next = 0;
  for (int bit = 63; bit >= 0; --bit) {
    if (!(size >> bit & 1)) continue;
    if (next == hashes.size()) return false;
    stack_.push_back({std::uint64_t{1} << bit, hashes[next++]});
  }
  return next == hashes.size();
}

LogReport verify_log(const EvidenceSource& source, const Trust& trust) { return LogPass(source, trust).run(); }

}  // namespace sealring
