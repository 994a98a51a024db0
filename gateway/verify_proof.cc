#include "gateway/verify_proof.h"

#include <algorithm>

#include "crypto/checkpoint.h"
#include "crypto/sha256.h"
#include "crypto/tlog_proof.h"
#include "gateway/evidence.h"
#include "gateway/rotation.h"
#include "gateway/verify_succession.h"

namespace sealring {
namespace {

// One file's check, step by step; each step needs what the ones before found.
class ProofCheck {
 public:
  explicit ProofCheck(const ProofOptions& options)
      : options_(options),
        followed_(follow_successions(options.anchors, options.policy, options.successions)),
        anchors_(followed_.anchors),
        policy_(followed_.policy) {
    report_.where = options.where;
  }

  ProofReport run() {
    for (const Finding& finding : followed_.findings)
      report_.find(finding.verdict, finding.where + ": " + finding.what);
    if (read() && check_tree()) {
      check_successions();
      check_signature();
      check_anchor();
      check_policy();
      check_payload();
      conclude();
    }
    return std::move(report_);
  }

 private:
  bool tampered(const std::string& what) {
    report_.find(Verdict::tampered, what);
    return false;
  }

  bool read() {
    Result<TlogProof> proof = TlogProof::parse(options_.file);
    if (!proof) return tampered(proof.error().message);
    proof_ = std::move(proof).value();
    report_.index = proof_.index;
    Result<Note> note = Note::parse(proof_.checkpoint);
    if (!note) return tampered("checkpoint: " + note.error().message);
    note_ = std::move(note).value();
    Result<Checkpoint> checkpoint = Checkpoint::parse(note_.text);
    if (!checkpoint) return tampered("checkpoint: " + checkpoint.error().message);
    checkpoint_ = std::move(checkpoint).value();
    report_.origin = checkpoint_.origin;
    report_.size = checkpoint_.size;
    report_.root = checkpoint_.root;
    if (!proof_.extra) {
      report_.find(Verdict::unreadable,
                   "the record itself is not in this file, so there is nothing to prove: it was "
                   "not made by `sealring prove`");
      return false;
    }
    Result<Evidence> evidence = Evidence::decode(*proof_.extra);
    if (!evidence) return tampered(evidence.error().message);
    evidence_ = std::move(evidence).value();
    report_.entry = evidence_.entry;
    return read_rotations();
  }

  bool check_tree() {
    report_.leaf = leaf_hash(evidence_.entry);
    const Status included =
        verify_inclusion(proof_.index, checkpoint_.size, proof_.inclusion, report_.leaf, checkpoint_.root);
    if (!included) return tampered("the record is not at this place of the signed tree: " + included.error().message);
    if (evidence_.genesis.empty()) return true;
    genesis_leaf_ = leaf_hash(evidence_.genesis);
    const Status first =
        verify_inclusion(0, checkpoint_.size, evidence_.genesis_path, *genesis_leaf_, checkpoint_.root);
    if (!first) return tampered("entry 0 is not the first of the signed tree: " + first.error().message);
    const Result<Entry> entry = decode_entry(evidence_.genesis);
    const auto* genesis = entry ? std::get_if<Genesis>(&entry->body) : nullptr;
    if (genesis == nullptr || genesis->origin != checkpoint_.origin)
      return tampered("entry 0 is not the genesis of " + quoted(checkpoint_.origin, 255));
    identity_ = genesis->identity;
    return true;
  }

  // By every key that is known for the log: entry 0's and the anchor's here, each as the rotations in the file go on
  // from it, one of the policy's with the quorum. True: it has signed.
  bool check_key(const PublicKey& first, const std::string& whose) {
    if (!rotations_.empty() && rotations_.front().old_key != first)
      return tampered("the rotations in it do not begin with the key of " + whose);
    const PublicKey& key = rotations_.empty() ? first : rotations_.back().new_key;
    const SignatureState state = check_note_signature(note_, vkey(key));
    if (state == SignatureState::absent && !genesis_leaf_ && rotations_.empty())
      report_.open.push_back("that the key of " + whose +
                             " or one that it was rotated to has signed it: the file has " +
                             "neither entry 0 nor a rotation. A proof made from the whole archive has them");
    else if (state != SignatureState::valid)
      tampered("the checkpoint is not signed by the key of " + whose +
               (rotations_.empty() ? "" : ", nor by the one that it was rotated to") +
               (state == SignatureState::absent ? "" : ": its line does not verify"));
    return state == SignatureState::valid;
  }

  VerifierKey vkey(const PublicKey& key) const { return {checkpoint_.origin, KeyType::ed25519, key}; }

  // Signed by both keys each, which is all that makes a rotation one: where its entry lies, the log's own verifier
  // asks.
  bool read_rotations() {
    for (const Bytes& note : evidence_.rotations) {
      const Result<RotationStatement> statement = RotationStatement::parse(note);
      if (!statement) return tampered("a rotation in it: " + statement.error().message);
      const Rotation& rotation = statement->rotation;
      if (statement->origin != checkpoint_.origin) return tampered("a rotation in it is of another log");
      if (!rotations_.empty() && rotations_.back().new_key != rotation.old_key)
        return tampered("a rotation in it does not begin with the key that the one before it ends with");
      rotations_.push_back(rotation);
      report_.rotations.emplace_back(vkey(rotation.old_key), vkey(rotation.new_key));
    }
    return true;
  }

  const Anchor* own_anchor() const {
    for (const Anchor& anchor : anchors_)
      if (anchor.key.name == checkpoint_.origin) return &anchor;
    return nullptr;
  }

  void check_successions() {
    if (const FollowedSuccession* step = followed_.leading_to(checkpoint_.origin)) {
      if (step->gave_anchor) report_.anchor_from = step->where;
      if (own_anchor() == nullptr && genesis_leaf_ && *genesis_leaf_ != step->statement.genesis)
        tampered("entry 0 is not the one that " + step->where + " names");
      const Result<Entry> entry = decode_entry(evidence_.entry);
      const auto* own = entry ? std::get_if<SuccessionEntry>(&entry->body) : nullptr;
      if (proof_.index == 1 &&
          (own == nullptr || !agrees(*step, {std::string(own->origin), own->size, own->root}, own->old_key)))
        tampered("the record is entry 1, and says otherwise than " + step->where + " which log it follows");
    }
    const FollowedSuccession* step = followed_.closing(checkpoint_.origin);
    if (step == nullptr) return;
    report_.closed = ClosedSeen{step->where, step->statement, options_.successions.key->name};
    if (step->statement.closed.size == checkpoint_.size && step->statement.closed.root != checkpoint_.root)
      report_.find(Verdict::forked, step->where + " names another root of the log at this size: two histories");
  }

  void check_signature() {
    if (identity_) check_key(*identity_, "the log's own entry 0");
    if (const Anchor* anchor = own_anchor()) signed_by_anchor_ = check_key(anchor->key.key, "the anchor");
  }

  void check_anchor() {
    if (anchors_.empty()) return;
    const Anchor* anchor = own_anchor();
    if (anchor == nullptr) {
      tampered("the record is of the log " + quoted(checkpoint_.origin, 255) + ", the anchor of " +
               quoted(anchors_.front().key.name, 255));
      return;
    }
    if (!genesis_leaf_) {
      report_.open.push_back(
          "that this log began with the anchor's entry 0: the gateway did not have that entry any "
          "more. A proof made from the archive has it");
      return;
    }
    if (*genesis_leaf_ != anchor->genesis) {
      tampered("entry 0 is not the anchor's: this is another history under the same name");
      return;
    }
    report_.anchor_matched = true;
  }

  void check_policy() {
    if (!policy_) return;
    const Result<Policy::Verdict> verdict = policy_->evaluate(note_);
    if (!verdict) {
      tampered("by the policy: " + verdict.error().message);
      return;
    }
    const std::vector<Policy::Log>& logs = policy_->logs;
    const auto names = [&](const Rotation& rotation) {
      return std::any_of(logs.begin(), logs.end(),
                         [&](const Policy::Log& log) { return log.key == vkey(rotation.old_key); });
    };
    // A key of the log that the policy does not know: from before a rotation, or from after it. Entry 0 alone does not
    // make it one: whoever begins a log under this name has one.
    if (!verdict->log_signed && (signed_by_anchor_ || std::any_of(rotations_.begin(), rotations_.end(), names))) {
      report_.open.push_back("by the policy: none of its keys of this log has signed the checkpoint; if the identity " +
                             std::string("was rotated, name the old and the new key"));
      return;
    }
    if (!verdict->log_signed) {
      tampered(
          "the checkpoint is not signed by a key of the policy's log lines; if the identity was rotated, name the "
          "old and the new key");
      return;
    }
    report_.cosigned_by = verdict->cosigned_by;
    report_.quorum_met = verdict->quorum_met;
    if (!report_.quorum_met)
      report_.open.push_back("that anybody but the gateway vouches for it: the policy's quorum " +
                             quoted(policy_->quorum) + " is not met. A proof made after the receipt has it");
  }

  void check_payload() {
    const Result<Entry> entry = decode_entry(evidence_.entry);
    const auto* message = entry ? std::get_if<Message>(&entry->body) : nullptr;
    const bool large = message != nullptr && message->parts;
    if (!options_.payload) {
      if (large)
        report_.open.push_back(
            "the payload beyond its first piece, which lies in entries of its own: the record has "
            "its SHA-256, compare with --payload FILE");
      return;
    }
    const Bytes& payload = *options_.payload;
    const bool same = message != nullptr && (large ? payload.size() == message->parts->total_bytes &&
                                                         sha256(payload) == message->parts->payload_sha256
                                                   : payload == message->payload);
    if (!same) tampered("the payload given is not this record's");
    report_.payload_matched = same;
  }

  void conclude() {
    if (report_.verdict != Verdict::fine) return;
    if (report_.anchor_matched)
      report_.proven.push_back("the record is entry " + std::to_string(proof_.index) +
                               " of the log that began with the anchor's entry 0, signed by its key");
    if (report_.quorum_met) {
      std::string names;
      for (const auto& [name, time] : report_.cosigned_by) names += (names.empty() ? "" : ", ") + name;
      report_.proven.push_back(
          "the record is entry " + std::to_string(proof_.index) + " of the log whose state at size " +
          std::to_string(checkpoint_.size) + " was " +
          (names.empty() ? "signed by the policy's log key; the policy asks for no cosigner" : "cosigned by " + names));
    }
    const FollowedSuccession* step = followed_.leading_to(checkpoint_.origin);
    const bool rests = step && (step->gave_anchor ? report_.anchor_matched : report_.quorum_met);
    const std::string vouched = rests ? vouched_text(*step, *options_.successions.key) : "";
    if (!vouched.empty()) report_.proven.push_back(vouched);
    if (report_.payload_matched) report_.proven.push_back("the payload given is the one that was recorded");
    // Each that was brought must be met: `extra` is not authenticated, and whoever cuts entry 0 out of it must not turn
    // another history into a fine one.
    const bool enough = (policy_ || !anchors_.empty()) && (!policy_ || report_.quorum_met) &&
                        (anchors_.empty() || report_.anchor_matched);
    if (enough) return;
    if (!policy_ && anchors_.empty())
      report_.open.push_back("whose log it is: bring its anchor (--anchor) or a policy (--policy)");
    report_.find(Verdict::unproven, "the file agrees with itself, but that is less than was asked for");
  }

  const ProofOptions& options_;
  const Followed followed_;
  const std::vector<Anchor>& anchors_;
  const std::optional<Policy>& policy_;
  ProofReport report_;
  TlogProof proof_;
  Note note_;
  Checkpoint checkpoint_;
  Evidence evidence_;
  std::optional<Hash> genesis_leaf_;
  std::optional<PublicKey> identity_;
  bool signed_by_anchor_ = false;  // by its key, or by what the file's rotations make of that
  std::vector<Rotation> rotations_;
};

}  // namespace

void ProofReport::find(Verdict v, std::string what) {
  findings.push_back({v, "", std::move(what)});
  verdict = worse_of(verdict, v);
}

bool is_proof_file(ByteView bytes) { return bytes.substr(0, kTlogProofHeader.size()) == kTlogProofHeader; }

ProofReport verify_proof(const ProofOptions& options) { return ProofCheck(options).run(); }

}  // namespace sealring
