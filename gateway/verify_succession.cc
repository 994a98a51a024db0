#include "gateway/verify_succession.h"

#include <algorithm>

#include "gateway/verify_log.h"

namespace sealring {
namespace {

std::string named(const std::string& origin) { return quoted(origin, 255); }

// The steps so far, and one statement more.
class Follower {
 public:
  Follower(Followed& out, const SuccessionsBrought::File& file, const std::optional<VerifierKey>& key)
      : out_(out), file_(file), key_(key) {}

  void follow() {
    Result<Note> note = Note::parse(file_.note);
    if (!note) return refuse("it is not a signed note: " + note.error().message);
    Result<Succession> statement = Succession::parse(note->text);
    if (!statement) return refuse(statement.error().message);
    step_ = {file_.where, std::move(*note), std::move(*statement)};
    if (countersigned() && closed_by_its_log() && only_one()) add_anchor();
  }

 private:
  const Succession& statement() const { return step_.statement; }
  void refuse(const std::string& why, Verdict verdict = Verdict::unproven) {
    out_.findings.push_back({verdict, file_.where, "is not followed: " + why});
  }
  bool refused(const std::string& why, Verdict verdict = Verdict::unproven) {
    refuse(why, verdict);
    return false;
  }

  bool countersigned() {
    if (!key_) return refused("the key of the collector that took it was not given");
    switch (check_note_signature(step_.note, *key_)) {
      case SignatureState::valid:
        return true;
      case SignatureState::absent:
        return refused("it has no line of the succession key " + key_->encode() + ", and without that it binds nobody");
      case SignatureState::invalid:
        return refused("its line of the succession key " + key_->encode() + " does not verify", Verdict::tampered);
    }
    return false;
  }

  // By one of the keys that are known for it; which of them is its identity now, the collector has asked.
  bool closed_by_its_log() {
    const std::string& origin = statement().closed.origin;
    std::vector<VerifierKey> keys;
    for (const Anchor& anchor : out_.anchors) keys.push_back(anchor.key);
    if (out_.policy)
      for (const Policy::Log& log : out_.policy->logs) keys.push_back(log.key);
    keys.erase(std::remove_if(keys.begin(), keys.end(), [&](const VerifierKey& key) { return key.name != origin; }),
               keys.end());
    if (keys.empty())
      return refused("it closes " + named(origin) +
                     ", of which neither anchor nor policy nor a succession given before it names a key");
    bool by_it = false;
    for (const VerifierKey& key : keys) {
      const SignatureState state = check_note_signature(step_.note, key);
      if (state == SignatureState::invalid)
        return refused("its line of " + key.encode() + " does not verify", Verdict::tampered);
      by_it = by_it || state == SignatureState::valid;
      if (key.key == key_->key) return refused("the succession key given is that of " + named(origin) + " itself");
      if (key.key == statement().follower.key)
        return refused("the log that follows has the key of the one that was closed", Verdict::tampered);
    }
    return by_it || refused("no key that is known of " + named(origin) +
                            " has signed it; if its identity was rotated, name the new key in the policy");
  }

  bool only_one() {
    const FollowedSuccession* other = out_.closing(statement().closed.origin);
    if (other == nullptr) return true;
    if (other->statement == statement()) return false;  // given twice
    return refused(named(statement().closed.origin) + " was closed otherwise by " + other->where, Verdict::forked);
  }

  // An anchor comes from an anchor: who knows the closed log by the policy alone does not know how that began either.
  void add_anchor() {
    const Anchor anchor = step_.follower();
    const Anchor* brought = out_.anchor_of(anchor.key.name);
    if (brought != nullptr && brought->line() != anchor.line())
      return refuse("it names " + anchor.line() + " as the log that follows, the anchor given is " + brought->line(),
                    Verdict::tampered);
    step_.gave_anchor = brought == nullptr && out_.anchor_of(statement().closed.origin) != nullptr;
    if (step_.gave_anchor) out_.anchors.push_back(anchor);
    // Where the policy is not about the closed log, it is not about the one that follows.
    if (out_.policy && out_.policy->find_log(statement().closed.origin)) {
      std::vector<Policy::Log>& logs = out_.policy->logs;
      const auto is_it = [&](const Policy::Log& log) { return log.key == anchor.key; };
      step_.gave_line = std::none_of(logs.begin(), logs.end(), is_it);
      if (step_.gave_line) logs.push_back({anchor.key, ""});
    }
    out_.steps.push_back(std::move(step_));
  }

  Followed& out_;
  const SuccessionsBrought::File& file_;
  const std::optional<VerifierKey>& key_;
  FollowedSuccession step_;
};

// What says that a log was closed, against the keys that were its identity.
class ClosedCheck {
 public:
  ClosedCheck(const IdentityChain& identity, LogReport& report) : identity_(identity), report_(report) {}

  void take(const std::string& where, const Note& note, const Succession& statement, const std::string& by) {
    const Checkpoint& closed = statement.closed;
    if (closed.origin != identity_.first().name)
      return report_.find(Verdict::tampered, where, "closes " + named(closed.origin) + ", not this log");
    if (!signed_by_its_identity(where, note, closed.size, false)) return;
    if (report_.closed && !(report_.closed->statement == statement))
      report_.find(Verdict::forked, where, "closes this log otherwise than " + report_.closed->where);
    if (!report_.closed) report_.closed = ClosedSeen{where, statement, by};
    claims.push_back({closed.size, closed.root, "succession " + where, false, false, false});
  }

  // A second one, which the collector kept because it had taken another.
  void take_refused(const std::string& where, std::uint64_t named_size, ByteView bytes) {
    report_.find(Verdict::named, where, "the collector kept this because it refused it");
    const Result<Note> note = Note::parse(bytes);
    const Result<Succession> statement = note ? Succession::parse(note->text) : Result<Succession>(note.error());
    if (!statement)
      return report_.find(Verdict::tampered, where,
                          "is not the statement of a succession: " + statement.error().message);
    const Checkpoint& closed = statement->closed;
    if (closed.origin != identity_.first().name)
      return report_.find(Verdict::tampered, where, "closes " + named(closed.origin) + ", not this log");
    if (closed.size != named_size)
      return report_.find(Verdict::tampered, where, "closes this log at size " + std::to_string(closed.size));
    if (!report_.closed)
      return report_.find(Verdict::tampered, where,
                          "was refused because another one had closed this log, which is not here");
    if (!signed_by_its_identity(where, *note, closed.size, true)) return;
    if (!(report_.closed->statement == *statement))
      report_.find(Verdict::forked, where,
                   "closes this log otherwise than " + report_.closed->where + ", for " + statement->follower.encode());
    claims.push_back({closed.size, closed.root, "refused succession " + where, false, false, false});
  }

  std::vector<Claim> claims;

 private:
  // The one of that size, or one that it was rotated to. What a collector has `refused` may be by a former one.
  bool signed_by_its_identity(const std::string& where, const Note& note, std::uint64_t size, bool refused) {
    bool reached = false, by_it = false, by_former = false;
    for (const IdentityChain::Link& link : identity_.links()) {
      reached = reached || link.key == identity_.at(size);
      const SignatureState state = check_note_signature(note, link.key);
      if (state == SignatureState::invalid) {
        report_.find(Verdict::tampered, where, "its signature by " + link.key.encode() + " does not hold");
        return false;
      }
      by_it = by_it || (reached && state == SignatureState::valid);
      by_former = by_former || (!reached && state == SignatureState::valid);
    }
    const Verdict without = identity_.sure_at(size) ? Verdict::tampered : Verdict::unproven;
    if (!by_it)
      report_.find(refused && by_former ? Verdict::named : without, where,
                   "closes this log without a signature by its identity key " + identity_.last().encode());
    return by_it;
  }

  const IdentityChain& identity_;
  LogReport& report_;
};

// What lies with the evidence is no more than shown without the key that makes it count; but what the log's identity
// has signed there, it has signed.
void check_successor(const EvidenceSource& source, const Trust& trust, ClosedCheck& check, LogReport& report) {
  if (source.successor().empty()) return;
  const std::string where = "successor";
  const Result<Note> note = Note::parse(source.successor());
  const Result<Succession> statement = note ? Succession::parse(note->text) : Result<Succession>(note.error());
  if (!statement)
    return report.find(Verdict::tampered, where, "is not the statement of a succession: " + statement.error().message);
  const auto state = trust.succession_key ? check_note_signature(*note, *trust.succession_key) : SignatureState::absent;
  if (trust.succession_key && state != SignatureState::valid)
    report.find(state == SignatureState::invalid ? Verdict::tampered : Verdict::unproven, where,
                "has no line of the succession key " + trust.succession_key->encode() +
                    (state == SignatureState::invalid ? " that verifies" : ""));
  check.take(where, *note, *statement, state == SignatureState::valid ? trust.succession_key->name : "");
}

}  // namespace

const FollowedSuccession* Followed::closing(std::string_view origin) const {
  for (const FollowedSuccession& step : steps)
    if (step.statement.closed.origin == origin) return &step;
  return nullptr;
}

const FollowedSuccession* Followed::leading_to(std::string_view origin) const {
  for (const FollowedSuccession& step : steps)
    if (step.statement.follower.name == origin) return &step;
  return nullptr;
}

const Anchor* Followed::anchor_of(std::string_view origin) const {
  for (const Anchor& anchor : anchors)
    if (anchor.key.name == origin) return &anchor;
  return nullptr;
}

Followed::Known Followed::knows(const VerifierKey& key) const {
  const Anchor* anchor = anchor_of(key.name);
  if (anchor != nullptr && anchor->key == key) return Known::yes;
  Known known = Known::cannot_say;
  if (!policy) return known;
  const FollowedSuccession* step = leading_to(key.name);
  for (const Policy::Log& log : policy->logs) {
    if (log.key == key) return Known::yes;
    const bool from_statement = step != nullptr && step->gave_line && log.key == step->statement.follower;
    if (log.key.name == key.name && !from_statement) known = Known::no;
  }
  return known;
}

Followed follow_successions(const std::vector<Anchor>& anchors, const std::optional<Policy>& policy,
                            const SuccessionsBrought& brought) {
  Followed out{anchors, policy, {}, {}};
  for (const SuccessionsBrought::File& file : brought.files) Follower(out, file, brought.key).follow();
  return out;
}

bool agrees(const FollowedSuccession& step, const Checkpoint& closed, const PublicKey& old_key) {
  return step.statement.closed == closed &&
         check_note_signature(step.note, {closed.origin, KeyType::ed25519, old_key}) == SignatureState::valid;
}

std::string vouched_text(const FollowedSuccession& step, const VerifierKey& by) {
  const std::string word =
      step.where + ", countersigned by " + named(by.name) + ": whoever has that key vouches for it";
  if (step.gave_anchor) return "that anchor is the one of " + word;
  return step.gave_line ? "the policy's log line of it is there by the word of " + word : "";
}

std::string closed_text(const ClosedSeen& closed, std::uint64_t size) {
  const Succession& statement = closed.statement;
  std::string out = "at size " + std::to_string(statement.closed.size) + ", by " + closed.where +
                    (closed.countersigned_by.empty() ? " (NOT believed: not countersigned by a key that was given)"
                                                     : ", countersigned by " + quoted(closed.countersigned_by, 255)) +
                    "; " + named(statement.follower.name) + " follows it, " + statement.follower.encode();
  if (size > statement.closed.size)
    out += "; entries [" + std::to_string(statement.closed.size) + ", " + std::to_string(size) +
           ") are beyond what that names";
  return out;
}

std::vector<Claim> check_closed(const EvidenceSource& source, const Trust& trust, const IdentityChain& identity,
                                LogReport& report) {
  ClosedCheck check(identity, report);
  if (const FollowedSuccession* step = trust.followed.closing(identity.first().name))
    check.take(step->where, step->note, step->statement, trust.succession_key->name);
  check_successor(source, trust, check, report);
  for (std::size_t i = 0; i < source.notes().size(); ++i) {
    const NoteRef& ref = source.notes()[i];
    if (ref.role != NoteRef::Role::refused_succession) continue;
    const Result<Bytes> bytes = source.note(i);
    if (bytes)
      check.take_refused(ref.where, *ref.size, *bytes);
    else
      report.find(Verdict::unreadable, ref.where, bytes.error().message);
  }
  return std::move(check.claims);
}

void check_follows(const Trust& trust, bool has_entry_1, LogReport& report) {
  const FollowedSuccession* step = trust.followed.leading_to(report.origin);
  if (step == nullptr) return;
  if (!trust.anchor && !report.anchor.empty() && report.anchor != step->follower().line())
    report.find(Verdict::tampered, step->where, "names another entry 0 or key than the log has that is here");
  if (!has_entry_1) return;
  if (!report.succession)
    report.find(Verdict::tampered, step->where, "names a log that follows another, but entry 1 here is no succession");
  else if (!agrees(*step, report.succession->closed, report.succession->old_key.key))
    report.find(Verdict::tampered, step->where,
                "says otherwise than entry 1 which log was closed where, and by which key");
}

void EntryChecker::on(const SuccessionEntry& succession, const EntryPlace& place) {
  if (place.index != 1) return bad(place, "a succession may only be entry 1");
  SuccessionSeen seen;
  seen.closed = {std::string(succession.origin), succession.size, succession.root};
  seen.old_key = {seen.closed.origin, KeyType::ed25519, succession.old_key};
  const std::string says = "says that this log follows " + quoted(seen.closed.origin, 255);
  const Result<std::string> follower = follower_origin(seen.closed.origin);
  if (!follower || *follower != origin_)
    bad(place, says + ", after which " + (follower ? quoted(*follower, 255) : "none") + " would come, not " +
                   quoted(origin_, 255));
  if (!is_ed25519_key(succession.old_key)) bad(place, says + ", by what is no Ed25519 key");
  if (identity_.has(succession.old_key)) bad(place, says + ", by its own identity key");
  if (keys_.count(succession.old_key) != 0) bad(place, says + ", by an epoch key of its own");
  if (genesis_ && identity_.known()) {
    const Bytes text = Succession{seen.closed, identity_.first(), *genesis_}.text();
    seen.signature_holds = ed25519_verify(succession.old_key, text, succession.by_old);
    if (!seen.signature_holds)
      bad(place, says + ", but the signature by the key of that log, over that and entry 0, does not hold");
  } else {
    report_.find(Verdict::unproven, place.text(), says + ", but entry 0, which was signed with it, is not here");
  }
  const Followed::Known known = trust_.followed.knows(seen.old_key);
  seen.old_key_known = known == Followed::Known::yes;
  if (known == Followed::Known::no)
    bad(place, says + ", but names a key that is not that log's, " + seen.old_key.encode() +
                   ": the policy has others; if that log's identity was rotated to it, name it there");
  report_.succession = std::move(seen);
}

// Pieces of one entry in a row, from the first byte to the last; the entries in the order of the closed log's store.
void EntryChecker::on(const Carried& carried, const EntryPlace& place) {
  const std::string of = "carries entry " + std::to_string(carried.index);
  if (has_entry_1_ && !report_.succession)
    bad(place, of + " of another log, but this one follows none: its entry 1 is no succession");
  const std::uint64_t end = carried.offset + carried.bytes.size();
  if (carried_) {
    const CarriedEntry due = *carried_;
    carried_.reset();
    if (carried.index != due.index || carried.length != due.length || carried.offset != due.next)
      return bad(place, of + ", its bytes from " + std::to_string(carried.offset) + " on of " +
                            std::to_string(carried.length) + "; expected was entry " + std::to_string(due.index) +
                            " from " + std::to_string(due.next) + " on of " + std::to_string(due.length));
  } else if (carried.offset != 0 && !after_gap_) {
    return bad(place, of + " from its byte " + std::to_string(carried.offset) +
                          " on; what comes before that does not stand directly before it");
  } else if (last_carried_ && carried.index <= *last_carried_) {
    bad(place, of + " after entry " + std::to_string(*last_carried_) + ": not in the order of the log that was closed");
  }
  last_carried_ = carried.index;
  if (end < carried.length)
    carried_ = CarriedEntry{carried.index, carried.length, end};
  else
    ++report_.carried;
}

}  // namespace sealring
