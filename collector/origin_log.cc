#include "collector/origin_log.h"

#include <algorithm>

namespace sealring {

LogKeys LogIdentity::keys() const {
  LogKeys out = {key};
  out.insert(out.end(), later.begin(), later.end());
  return out;
}

HttpResponse other_anchor(const Succession& statement) {
  return sentence(403,
                  "The log " + quoted(statement.follower.name, 255) + " is here already, and has another anchor than " +
                      statement.follower.encode() + " " + hex(view(statement.genesis)) + ".",
                  "succession");
}

OriginLog::OriginLog(const std::string& archive, LogIdentity identity, Cosigner& witness, Cosigner& mirror,
                     SuccessionKey* succession)
    : identity_(std::move(identity)),
      anchored_(identity_.genesis.has_value()),
      keys_(identity_.keys()),
      key_since_(keys_.size(), UINT64_MAX),
      archive_(archive, identity_.key.name),
      witness_(witness),
      succession_(succession),
      mirror_(archive_, keys_, witness, mirror) {}

Result<std::unique_ptr<OriginLog>> OriginLog::open(const std::string& archive, LogIdentity identity, Cosigner& witness,
                                                   Cosigner& mirror, SuccessionKey* succession) {
  std::unique_ptr<OriginLog> log(new OriginLog(archive, std::move(identity), witness, mirror, succession));
  SEALRING_TRY(log->load());
  log->publish();
  return log;
}

Status OriginLog::load() {
  SEALRING_TRY(archive_.prepare());
  SEALRING_TRY(mirror_.load());
  SEALRING_TRY(load_anchor());
  SEALRING_TRY(load_witness());
  SEALRING_TRY(load_keys());
  SEALRING_TRY(load_successor());
  return mirror_.load_receipt();  // may have to sign one: only once the anchor was compared
}

// The pin outlives the config: a log that was once pinned here stays pinned when its [[gateway]] section goes.
Status OriginLog::load_anchor() {
  const std::string vkey = identity_.key.encode();
  auto line = [&] { return vkey + (identity_.genesis ? " " + hex(view(*identity_.genesis)) : "") + "\n"; };
  Result<Bytes> stored = archive_.log_line();
  if (!stored.ok() && stored.error().kind != ErrorKind::missing) return std::move(stored).error();
  if (stored.ok() && !identity_.genesis && stored->size() == vkey.size() + 66) {
    Result<Bytes> hash = from_hex(ByteView(*stored).substr(vkey.size() + 1, 64));
    if (hash.ok()) identity_.genesis = to_array<32>(*hash);
  }
  if (stored.ok() && *stored != line() && *stored != vkey + "\n")
    return fatal_error(archive_.directory() + "/log says " + quoted(*stored, 400) + ", but the configuration says " +
                       quoted(line(), 400));
  if (identity_.genesis) SEALRING_TRY(mirror_.pin_genesis(*identity_.genesis));
  if (stored.ok() && *stored == line()) return {};
  return archive_.put_log_line(line());
}

Status OriginLog::load_witness() {
  Result<Bytes> stored = archive_.witness();
  if (!stored.ok() && stored.error().kind == ErrorKind::missing) return {};
  if (!stored.ok()) return std::move(stored).error();
  std::string context = archive_.directory() + "/witness";
  Result<SignedCheckpoint> checkpoint = read_checkpoint(*stored, keys_);
  if (!checkpoint.ok()) return std::move(checkpoint).error().in(context);
  Result<NoteSignature> line = witness_.find_line(*Note::parse(*stored));
  if (!line.ok()) return std::move(line).error().in(context);
  witnessed_ = std::move(checkpoint).value();
  mirror_.witnessed(witnessed_->checkpoint, *line);
  accepted_unix_ = static_cast<std::int64_t>(check_cosignature(*Note::parse(*stored), witness_.key()).time_s);
  witness_note_ = std::move(stored).value();
  return {};
}

// What this or an earlier policy let in: all that is still here may show a later key.
Status OriginLog::load_keys() {
  SEALRING_ASSIGN(const std::vector<std::uint64_t> sizes, archive_.key_notes());
  for (std::uint64_t size : sizes) {
    std::string context = archive_.directory() + ": first checkpoint by a later key, of size " + std::to_string(size);
    SEALRING_ASSIGN(const Bytes bytes, archive_.key_note(size));
    Result<SignedCheckpoint> checkpoint = read_checkpoint(bytes, keys_);
    if (!checkpoint.ok()) return std::move(checkpoint).error().in(context);
    if (checkpoint->checkpoint.size != size) return fatal_error(context + " is of another size");
    if (checkpoint->key == 0 && has_wrong_line(*Note::parse(bytes), keys_))
      return fatal_error(context + " has no line by one that holds");
    take_key(*checkpoint);
  }
  if (witnessed_) take_key(*witnessed_);
  mirror_.for_each_known([this](const SignedCheckpoint& known) { take_key(known); });
  return {};
}

Status OriginLog::load_successor() {
  Result<Bytes> stored = archive_.successor();
  if (!stored.ok() && stored.error().kind == ErrorKind::missing) return {};
  if (!stored.ok()) return std::move(stored).error();
  const VerifierKey* key = succession_ == nullptr ? nullptr : &succession_->key();
  Result<SignedSuccession> read = read_succession(*stored, keys_, key);
  if (!read.ok()) return std::move(read).error().in(archive_.directory() + "/successor");
  successor_ = std::move(read->statement);
  successor_note_ = std::move(stored).value();
  return {};
}

void OriginLog::take_key(const SignedCheckpoint& checkpoint) {
  for (std::size_t i = 0; i <= checkpoint.key; ++i) key_since_[i] = std::min(key_since_[i], checkpoint.checkpoint.size);
}

// Durable before the checkpoint is answered.
Status OriginLog::keep_key(const SignedCheckpoint& checkpoint) {
  if (checkpoint.key > 0 && checkpoint.checkpoint.size < key_since_[checkpoint.key])
    SEALRING_TRY(archive_.put_key_note(checkpoint.checkpoint.size, checkpoint.note.encode()));
  take_key(checkpoint);
  return {};
}

std::optional<HttpResponse> OriginLog::refuse_former_key(const SignedCheckpoint& checkpoint) {
  const std::uint64_t size = checkpoint.checkpoint.size;
  for (std::size_t later = keys_.size(); --later > checkpoint.key;) {
    if (key_since_[later] > size) continue;
    const std::string words = "size " + std::to_string(size) + " is signed by the key " +
                              keys_[checkpoint.key].encode() + ", but from size " + std::to_string(key_since_[later]) +
                              " on the log has another one, " + keys_[later].encode();
    former_.report(DiagLevel::warning, identity_.key.name + ": refused a checkpoint: " + words);
    return sentence(403, "The checkpoint of " + words + ".", "former-key");
  }
  return std::nullopt;
}

Result<HttpResponse> OriginLog::witness_checkpoint(const AddCheckpoint& request, const SignedCheckpoint& checkpoint) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (auto closed = refuse_closed("a checkpoint")) return *closed;
  if (auto former = refuse_former_key(checkpoint)) return *former;
  SEALRING_ASSIGN(std::optional<HttpResponse> refusal,
                  refuse(request, checkpoint, witnessed_ ? &*witnessed_ : nullptr));
  if (refusal) return *refusal;
  SEALRING_TRY(keep_key(checkpoint));
  SEALRING_ASSIGN(NoteSignature line, witness_.sign(checkpoint.note));
  // The same once more only renews our line: whoever sends it with a line cut off, or one added, must not take from the
  // log what it has signed.
  const bool again = witnessed_ && witnessed_->checkpoint == checkpoint.checkpoint && checkpoint.key <= witnessed_->key;
  SignedCheckpoint kept = again ? *witnessed_ : checkpoint;
  Note note = kept.note;
  note.signatures.push_back(line);
  Bytes encoded = note.encode();
  SEALRING_TRY(archive_.put_witness(encoded));  // a crash before: the client asks again; after: it may have the line
  if (!again) accepted_unix_ = witness_.now_s();
  witnessed_ = std::move(kept);
  mirror_.witnessed(checkpoint.checkpoint, line);
  witness_note_ = std::move(encoded);
  publish();
  return signature_lines(line.line());
}

Result<HttpResponse> OriginLog::mirror_checkpoint(const AddCheckpoint& request, const SignedCheckpoint& checkpoint) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (auto closed = refuse_closed("a checkpoint")) return *closed;
  if (auto former = refuse_former_key(checkpoint)) return *former;
  SEALRING_ASSIGN(std::optional<HttpResponse> refusal, refuse(request, checkpoint, mirror_.latest()));
  if (refusal) return *refusal;
  SEALRING_TRY(keep_key(checkpoint));
  // What the witness has cosigned already, in the client's words: it may be further ahead by now.
  std::optional<NoteSignature> line;
  if (Result<Note> note = Note::parse(request.checkpoint); note.ok())
    if (Result<NoteSignature> shown = witness_.find_line(*note); shown.ok()) line = std::move(shown).value();
  SEALRING_TRY(mirror_.add_pending(checkpoint, line));
  publish();
  return signature_lines("");
}

Result<HttpResponse> OriginLog::add_entries(AddEntriesReader& upload) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (auto closed = refuse_closed("entries")) return *closed;
  const std::uint64_t before = mirror_.next_entry();
  Result<HttpResponse> answer = mirror_.add_entries(upload);
  if (mirror_.next_entry() > before) accepted_unix_ = witness_.now_s();
  publish();
  return answer;
}

Result<HttpResponse> OriginLog::skip(const SkipRequest& request) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (auto closed = refuse_closed("a skip")) return *closed;
  Result<HttpResponse> answer = mirror_.skip(request);
  publish();
  return answer;
}

std::optional<HttpResponse> OriginLog::refuse_closed(const char* what) {
  if (!successor_) return std::nullopt;
  closed_.report(DiagLevel::warning, identity_.key.name + ": refused " + what + ": the log is closed, and " +
                                         successor_->follower.name + " follows it");
  return sentence(403,
                  "The log " + quoted(identity_.key.name, 255) +
                      " is closed: " + quoted(successor_->follower.name, 255) + " follows it.",
                  "closed");
}

Result<HttpResponse> OriginLog::close(const SignedSuccession& succession, std::int64_t now_s,
                                      std::chrono::seconds quiet, OriginLog* follower) {
  SEALRING_ASSERT(succession_ != nullptr);
  std::lock_guard<std::mutex> lock(mutex_);
  if (successor_ && successor_note_.empty())
    return fatal_error(archive_.directory() + "/successor: whether it was written is not known");
  if (successor_) return close_again(succession);
  SEALRING_ASSIGN(const std::optional<std::string> why_not, why_not_closed(succession));
  if (why_not) return sentence(403, *why_not + ".", "succession");
  if (is_in_use(now_s, quiet))
    return sentence(503,
                    "The log " + quoted(identity_.key.name, 255) +
                        " is still being written to: a log is closed when its last checkpoint is " +
                        std::to_string(quiet.count()) + " s old. Is the gateway there twice?",
                    "succession");
  if (follower != nullptr) {
    SEALRING_ASSIGN(const bool pinned, follower->pin(succession.statement, identity_.tls_uri));
    if (!pinned) return other_anchor(succession.statement);
  }
  SEALRING_ASSIGN(const Note note, succession_->countersign(succession));
  const Bytes bytes = note.encode();
  const Status written = archive_.put_successor(bytes);
  if (!written.ok() && written.error().kind != ErrorKind::fatal && written.error().kind != ErrorKind::unknown)
    return written.error();
  // Of an unknown outcome it is closed as well: the next start says which.
  successor_ = succession.statement;
  if (!written.ok()) return written.error();
  successor_note_ = bytes;
  publish();
  say_closed();
  return note_answer(bytes);
}

HttpResponse OriginLog::close_again(const SignedSuccession& succession) {
  const Succession& offered = succession.statement;
  if (offered == *successor_) return note_answer(successor_note_);
  successions_.report(DiagLevel::error, "alarm: " + identity_.key.name +
                                            " has signed a second succession: its identity key is in other hands, or "
                                            "two copies of its store go on. It is closed for " +
                                            successor_->follower.encode() + "; refused for " +
                                            offered.follower.encode() + " at size " +
                                            std::to_string(offered.closed.size) + ", which is kept in " +
                                            archive_.directory() + "/evidence");
  if (alarms_ != nullptr)
    alarms_->happened(kAlarmTwice, identity_.key.name,
                      "it has signed a second succession: its identity key is in other hands, or two copies go on");
  const Status kept = archive_.put_succession_evidence(offered.closed.size, succession.note.encode());
  if (!kept.ok()) evidence_.report(DiagLevel::warning, "evidence was not kept: " + kept.error().message);
  return sentence(403,
                  "The log " + quoted(identity_.key.name, 255) +
                      " is closed already, and by another statement: " + successor_->follower.encode() + " follows it.",
                  "succession");
}

// Words for whoever asks; none: it may be closed.
Result<std::optional<std::string>> OriginLog::why_not_closed(const SignedSuccession& succession) const {
  std::optional<std::string> why;
  for (std::size_t later = keys_.size(); --later > succession.key;)
    if (key_since_[later] != UINT64_MAX) {
      why = "The succession is signed by the key " + keys_[succession.key].encode() + ", but from size " +
            std::to_string(key_since_[later]) + " on the log has another one, " + keys_[later].encode();
      return why;
    }
  const Checkpoint& end = succession.statement.closed;
  if (witnessed_ && witnessed_->checkpoint == end) return why;
  SEALRING_ASSIGN(const std::optional<SignedCheckpoint> known, mirror_.find(end.size));
  if (!known || !(known->checkpoint == end))
    why = "The log " + quoted(end.origin, 255) + " has no checkpoint of size " + std::to_string(end.size) +
          " with that root here: what closes it must be known here";
  return why;
}

// Of a log that the policy names: whether it can be the one that follows. What no [[gateway]] says of it, `by` and the
// closed log do, as they do after each start; durable before the other is closed, since what is archived meanwhile must
// not stand against it.
Result<bool> OriginLog::pin(const Succession& by, const std::string& tls_uri) {
  std::lock_guard<std::mutex> lock(mutex_);
  SEALRING_ASSIGN(const std::optional<Hash> first, mirror_.first_leaf());
  for (const std::optional<Hash>& known : {first, identity_.genesis})
    if (known && *known != by.genesis) return false;
  if (!(identity_.key == by.follower)) return false;
  if (anchored_) return true;
  SEALRING_TRY(archive_.put_log_line(by.follower.encode() + " " + hex(view(by.genesis)) + "\n"));
  SEALRING_TRY(mirror_.pin_genesis(by.genesis));
  std::lock_guard<std::mutex> published(published_mutex_);
  identity_.genesis = by.genesis;
  identity_.tls_uri = tls_uri;
  return true;
}

// A store that was set back has nothing that writes to its log any more; where something does, the gateway is alive,
// and what asks is a copy of it. What counts is the time in the witness' line, though a checkpoint that is sent once
// more renews it: a store that knows itself to be an old copy sends none, so it does not put off its own closing. A
// time that is still to come, by a clock that was wrong then or now, is no quiet either.
bool OriginLog::is_in_use(std::int64_t now_s, std::chrono::seconds quiet) const {
  if (quiet.count() == 0 || !witnessed_) return false;
  const auto cosigned = check_cosignature(*Note::parse(witness_note_), witness_.key());
  return now_s - quiet.count() < static_cast<std::int64_t>(cosigned.time_s);
}

void OriginLog::say_closed() const {
  const std::optional<Succession> by = successor();
  if (!by) return;
  diag(DiagLevel::error, "alarm: " + identity_.key.name + " is closed at size " + std::to_string(by->closed.size) +
                             ": " + by->follower.name +
                             " follows it, by a succession. Was its store set back? If so, enrol the follower by its "
                             "anchor: " +
                             by->follower.encode() + " " + hex(view(by->genesis)));
  if (alarms_ == nullptr) return;
  alarms_->raise(kAlarmSucceeded, identity_.key.name,
                 by->follower.name + " follows it, by a succession: was its store set back?",
                 {{"closed-size", by->closed.size}, {"follower", by->follower.encode()}});
}

void OriginLog::set_alarms(Alarms* alarms) {
  alarms_ = alarms;
  mirror_.set_alarms(alarms);
}

OriginLog::Summary OriginLog::summary() const {
  std::lock_guard<std::mutex> lock(published_mutex_);
  return published_summary_;
}

LogIdentity OriginLog::identity() const {
  std::lock_guard<std::mutex> lock(published_mutex_);
  return identity_;
}

std::optional<Succession> OriginLog::successor() const {
  std::lock_guard<std::mutex> lock(published_mutex_);
  return published_succession_;
}

Bytes OriginLog::successor_note() const {
  std::lock_guard<std::mutex> lock(published_mutex_);
  return published_successor_;
}

void OriginLog::publish() {
  std::lock_guard<std::mutex> lock(published_mutex_);
  published_witness_ = witness_note_;
  published_mirror_ = mirror_.receipt();
  published_succession_ = successor_;
  published_successor_ = successor_note_;
  Summary& s = published_summary_;
  s.witnessed = witnessed_ ? witnessed_->checkpoint.size : 0;
  s.archived = mirror_.archived();
  s.bytes = mirror_.bytes();
  s.segments = mirror_.segments();
  s.pending = mirror_.pending();
  s.receipts = mirror_.receipts();
  s.lost = mirror_.lost();
  s.accepted_unix = accepted_unix_;
  s.closed = successor_.has_value();
}

Bytes OriginLog::witness_note() const {
  std::lock_guard<std::mutex> lock(published_mutex_);
  return published_witness_;
}

Bytes OriginLog::mirror_note() const {
  std::lock_guard<std::mutex> lock(published_mutex_);
  return published_mirror_;
}

// The checks of tlog-witness, in its order. nullopt: `checkpoint` extends `latest` (or is it).
Result<std::optional<HttpResponse>> OriginLog::refuse(const AddCheckpoint& request, const SignedCheckpoint& checkpoint,
                                                      const SignedCheckpoint* latest) {
  std::optional<HttpResponse> refusal;
  const Checkpoint& offered = checkpoint.checkpoint;
  std::uint64_t size = latest == nullptr ? 0 : latest->checkpoint.size;
  Hash root = latest == nullptr ? empty_root() : latest->checkpoint.root;
  SEALRING_ASSIGN(std::optional<SignedCheckpoint> fork, find_fork(checkpoint));
  bool set_back = false;
  if (fork) keep_evidence(*fork, checkpoint, "two roots for one size");
  if (!fork && offered.size < size) {
    SEALRING_ASSIGN(set_back, note_rollback(*latest, checkpoint));
  }
  if (request.old_size > offered.size) {
    refusal = sentence(400, "The old size is above the size of the checkpoint.", "malformed");
  } else if (request.old_size != size) {
    refusal = size_conflict(size);
  } else if (fork) {
    refusal =
        sentence(422, "Another root is known for size " + std::to_string(offered.size) + ": this is a fork.", "fork");
  } else {
    Status proven = verify_consistency(size, offered.size, request.proof, root, offered.root);
    if (proven.ok()) return refusal;
    if (latest != nullptr) keep_evidence(*latest, checkpoint, "no proof that the second extends the first");
    refusal = sentence(422,
                       "The checkpoint is not proven to extend the one of size " + std::to_string(size) + ": " +
                           proven.error().message + ".",
                       latest == nullptr ? "not-proven" : "fork");
  }
  if (fork || set_back) refusal->refusal = fork ? "fork" : "rollback";
  return refusal;
}

// A known checkpoint of the same size with another root.
Result<std::optional<SignedCheckpoint>> OriginLog::find_fork(const SignedCheckpoint& checkpoint) const {
  std::optional<SignedCheckpoint> none;
  const Checkpoint& offered = checkpoint.checkpoint;
  if (witnessed_ && witnessed_->checkpoint.size == offered.size && witnessed_->checkpoint.root != offered.root)
    return witnessed_;
  SEALRING_ASSIGN(std::optional<SignedCheckpoint> known, mirror_.find(offered.size));
  if (known && known->checkpoint.root != offered.root) return known;
  return none;
}

// A log that signs below what it has signed before: its store is an old copy, or somebody else has its key. A known
// checkpoint that is sent once more says nothing.
Result<bool> OriginLog::note_rollback(const SignedCheckpoint& latest, const SignedCheckpoint& offered) {
  SEALRING_ASSIGN(const auto known, mirror_.find(offered.checkpoint.size));
  if (!known)
    keep_evidence(latest, offered, "the second is below the first: an old copy of the log's store, or cut off?",
                  kAlarmSetBack);
  return !known;
}

void OriginLog::keep_evidence(const SignedCheckpoint& known, const SignedCheckpoint& other, const std::string& what,
                              const char* kind) {
  forks_.report(DiagLevel::warning, identity_.key.name + ": FORK? refused a signed checkpoint of size " +
                                        std::to_string(other.checkpoint.size) + " beside the known one of size " +
                                        std::to_string(known.checkpoint.size) + ": " + what + "; both are in " +
                                        archive_.directory() + "/evidence");
  if (alarms_ != nullptr)
    alarms_->happened(kind, identity_.key.name,
                      "size " + std::to_string(other.checkpoint.size) + " beside the known one of size " +
                          std::to_string(known.checkpoint.size) + ": " + what,
                      {{"size", other.checkpoint.size}, {"root", other.checkpoint.root}});
  for (const SignedCheckpoint* one : {&known, &other}) {
    Status kept = archive_.put_evidence(one->checkpoint.size, one->note.encode());
    if (!kept.ok()) evidence_.report(DiagLevel::warning, "evidence was not kept: " + kept.error().message);
  }
}

}  // namespace sealring
