#include "crypto/checkpoint.h"
#include "gateway/verify_log.h"

namespace sealring {
namespace {

std::string decimal(std::uint64_t n) { return std::to_string(n); }

const char* role_name(NoteRef::Role role) {
  switch (role) {
    case NoteRef::Role::receipt:
      return "receipt";
    case NoteRef::Role::witness:
      return "the witness' checkpoint";
    case NoteRef::Role::pending:
      return "pending checkpoint";
    case NoteRef::Role::key:
      return "the first checkpoint by another key";
    case NoteRef::Role::refused:
      return "refused checkpoint";
    case NoteRef::Role::refused_succession:
      return "refused succession";
  }
  return "note";
}

struct SignedNote {
  Note note;
  Checkpoint checkpoint;
};

struct IdentityFault {
  Verdict verdict = Verdict::tampered;
  std::string what;
  bool former_only = false;  // a key that was the identity before has signed, and nothing else is wrong
};

// What is wrong with the lines of the log's own keys. Of a size that a rotation is in, the key before it says nothing
// any more.
std::optional<IdentityFault> identity_fault(const Note& note, std::uint64_t size, const IdentityChain& identity) {
  const VerifierKey& wanted = identity.at(size);
  std::string other;
  bool signed_by_it = false, reached = false, by_later = false;
  for (const IdentityChain::Link& link : identity.links()) {
    const SignatureState state = check_note_signature(note, link.key);
    const bool is_it = link.key == wanted;
    reached = reached || is_it;
    if (state == SignatureState::absent) continue;
    if (state == SignatureState::invalid)
      return IdentityFault{Verdict::tampered, is_it ? "its signature by the identity key does not hold"
                                                    : "its signature by " + link.key.encode() + " does not hold"};
    signed_by_it = signed_by_it || is_it;
    by_later = by_later || (reached && !is_it);
    other = link.key.encode();
  }
  if (signed_by_it) return std::nullopt;
  const std::string lacks = "has no signature by the identity key " + wanted.encode();
  if (!other.empty())
    return IdentityFault{Verdict::tampered, lacks + ", only by " + other + ", which was not the identity at that size",
                         !by_later};
  if (identity.sure_at(size)) return IdentityFault{Verdict::tampered, lacks};
  return IdentityFault{Verdict::unproven, lacks + ", but entries are missing in which that may have been rotated"};
}

// Note, checkpoint, origin and the identity's line. Anything wrong is a finding. What a collector has `refused` may be
// signed by a former key: whoever has that can have it kept any number of times, and it says nothing about this log.
std::optional<SignedNote> check_signed_note(ByteView bytes, const std::string& where, const IdentityChain& identity,
                                            LogReport& report, bool refused = false) {
  auto bad = [&](std::string what, Verdict verdict = Verdict::tampered) {
    report.find(verdict, where, std::move(what));
    return std::nullopt;
  };
  Result<Note> note = Note::parse(bytes);
  if (!note) return bad("is not a signed note: " + note.error().message);
  Result<Checkpoint> checkpoint = Checkpoint::parse(note->text);
  if (!checkpoint) return bad("is not a checkpoint: " + checkpoint.error().message);
  if (checkpoint->origin != identity.first().name)
    return bad("is a checkpoint of " + sealring::quoted(checkpoint->origin, 255) +
               ", not of this log: it was taken from another one");
  if (auto fault = identity_fault(*note, checkpoint->size, identity))
    return bad(std::move(fault->what), refused && fault->former_only ? Verdict::named : fault->verdict);
  return SignedNote{std::move(*note), std::move(*checkpoint)};
}

// Policy over a note whose identity line holds. Empty: it does not count; why is a finding.
std::optional<Policy::Verdict> evaluate(const Note& note, const std::string& where, const Trust& trust,
                                        LogReport& report) {
  Result<Policy::Verdict> verdict = trust.policy->evaluate(note);
  if (!verdict) {
    report.find(Verdict::tampered, where, "the policy rejects it: " + verdict.error().message);
    return std::nullopt;
  }
  if (verdict->log_signed) return std::move(*verdict);
  // The identity's line was found valid before; a policy that names the log by other keys of it only says nothing here.
  report.find(Verdict::named, where,
              "does not count: none of the policy's keys of this log has signed it; the identity was rotated, name the "
              "old and the new key");
  return std::nullopt;
}

void check_receipt(const SignedNote& note, const std::string& where, const Trust& trust, LogReport& report) {
  ++report.receipts;
  if (trust.policy_keys.empty()) return;
  std::optional<Policy::Verdict> verdict = evaluate(note.note, where, trust, report);
  if (!verdict) return;
  if (!verdict->quorum_met || verdict->cosigned_by.empty()) {
    std::string has;
    for (const auto& [name, time] : verdict->cosigned_by) has += " " + sealring::quoted(name);
    return report.find(Verdict::named, where,
                       "does not count: the policy's quorum is not met, cosigned by" + (has.empty() ? " nobody" : has));
  }
  ++report.receipts_counted;
  report.receipted_sizes.push_back(note.checkpoint.size);
  if (!report.highest_receipt || report.highest_receipt->size < note.checkpoint.size)
    report.highest_receipt = ReceiptSeen{note.checkpoint.size, verdict->cosigned_by};
}

// Whether it was cosigned lately.
bool check_witness(const SignedNote& note, const std::string& where, const Trust& trust, LogReport& report) {
  report.witnessed = note.checkpoint.size;
  if (trust.policy_keys.empty()) return false;
  std::optional<Policy::Verdict> verdict = evaluate(note.note, where, trust, report);
  if (!verdict) return false;
  if (verdict->cosigned_by.empty()) report.find(Verdict::named, where, "nobody whom the policy names has cosigned it");
  for (const auto& [name, time] : verdict->cosigned_by)
    report.witnessed_unix = std::max(report.witnessed_unix.value_or(0), time);
  if (!report.witnessed_unix || !trust.now_unix) return false;
  const std::uint64_t then = *report.witnessed_unix, now = *trust.now_unix;
  return then <= now + trust.max_lag_s && then + trust.max_lag_s > now;  // nor far in the future
}

}  // namespace

std::vector<Claim> check_notes(const EvidenceSource& source, const Trust& trust, const IdentityChain& identity,
                               LogReport& report) {
  std::vector<Claim> claims;
  for (std::size_t i = 0; i < source.notes().size(); ++i) {
    const NoteRef& ref = source.notes()[i];
    if (ref.role == NoteRef::Role::refused_succession) continue;  // no checkpoint: see check_closed()
    const bool refused = ref.role == NoteRef::Role::refused;
    if (refused) report.find(Verdict::named, ref.where, "the collector kept this because it refused it");
    Result<Bytes> bytes = source.note(i);
    // A collector at work removes a pending checkpoint once a receipt covers it.
    if (!bytes && bytes.error().kind == ErrorKind::missing && ref.role == NoteRef::Role::pending) continue;
    if (!bytes) {
      report.find(Verdict::unreadable, ref.where, bytes.error().message);
      continue;
    }
    std::optional<SignedNote> note = check_signed_note(*bytes, ref.where, identity, report, refused);
    if (!note) continue;
    if (ref.size && *ref.size != note->checkpoint.size) {
      report.find(Verdict::tampered, ref.where, "is a checkpoint of size " + decimal(note->checkpoint.size));
      continue;
    }
    if (ref.role == NoteRef::Role::receipt) check_receipt(*note, ref.where, trust, report);
    const bool fresh = ref.role == NoteRef::Role::witness && check_witness(*note, ref.where, trust, report);
    if (ref.role == NoteRef::Role::pending) ++report.pending;
    claims.push_back({note->checkpoint.size, note->checkpoint.root, role_name(ref.role) + (" " + ref.where),
                      ref.role == NoteRef::Role::receipt, refused, fresh, ref.role == NoteRef::Role::key});
  }
  return claims;
}

std::vector<Claim> check_logged_notes(const std::vector<EntryChecker::LoggedNote>& notes, const Trust& trust,
                                      const IdentityChain& identity, LogReport& report) {
  std::vector<Claim> claims;
  for (const EntryChecker::LoggedNote& logged : notes) {
    const std::string where = logged.where + ": receipt in it";
    std::optional<SignedNote> note = check_signed_note(logged.note, where, identity, report);
    if (!note) continue;
    if (note->checkpoint.size > logged.index) {
      report.find(Verdict::tampered, where,
                  "is of size " + decimal(note->checkpoint.size) + ", which is not below its own index");
      continue;
    }
    if (!trust.policy_keys.empty() && !evaluate(note->note, where, trust, report)) continue;
    ++report.logged_receipts;
    claims.push_back({note->checkpoint.size, note->checkpoint.root, where, true, false, false, false});
  }
  return claims;
}

std::optional<Checkpoint> check_sealed_note(ByteView bytes, const std::string& where, const IdentityChain& identity,
                                            bool alone, LogReport& report) {
  std::optional<SignedNote> note = check_signed_note(bytes, where, identity, report);
  if (!note) return std::nullopt;
  // No byte of a segment is without a check: lines of other keys could be changed unnoticed.
  std::size_t own = 0;
  for (const IdentityChain::Link& link : identity.links())
    own += check_note_signature(note->note, link.key) == SignatureState::valid;
  if (alone && note->note.signatures.size() != own) {
    report.find(Verdict::tampered, where, "carries other signatures beside the identity's");
    return std::nullopt;
  }
  return std::move(note->checkpoint);
}

}  // namespace sealring
