// One log's evidence against what is trusted: the parts of the verifier behind verify().
#pragma once

#include <set>

#include "crypto/merkle.h"
#include "gateway/rotation.h"
#include "gateway/verify_source.h"
#include "gateway/verify_succession.h"

namespace sealring {

// What came from outside.
struct Trust {
  std::optional<Anchor> anchor;
  const Policy* policy = nullptr;
  Followed followed;
  std::optional<VerifierKey> succession_key;
  std::vector<VerifierKey> policy_keys;  // of the policy's `log` lines of this origin, in its order
  std::uint64_t min_size = 0;
  std::set<std::uint64_t> accepted_breaks;
  std::optional<std::uint64_t> now_unix;  // see VerifyOptions
  std::uint64_t max_lag_s = VerifyOptions::kMaxLagSeconds;
  std::function<void(const std::string& where, std::uint64_t done, std::uint64_t of)> on_progress;
};

// The identity keys of a log in order: each counts from the size on that its rotation made it, and then alone. Where
// entries are missing it may have been rotated unseen: from there on the last key known is not surely the identity,
// until it signs a later size or ends by a rotation, for none comes back.
class IdentityChain {
 public:
  void begin(const VerifierKey& key) { links_ = {{0, key}}; }
  void rotate(std::uint64_t index, const VerifierKey& to) {
    links_.push_back({index + 1, to});
    unsure_above_.reset();
  }
  void lose_track(std::uint64_t size);                 // the entries from there on are missing
  void last_signed_later() { unsure_above_.reset(); }  // than whatever is missing so far
  bool sure() const { return !unsure_above_; }
  bool sure_at(std::uint64_t size) const { return sure() || size <= *unsure_above_; }
  bool known() const { return !links_.empty(); }
  const VerifierKey& first() const { return links_.front().key; }
  const VerifierKey& last() const { return links_.back().key; }
  const VerifierKey& at(std::uint64_t size) const;  // whose line a checkpoint of that size must have
  bool has(const PublicKey& key) const;

  struct Link {
    std::uint64_t from_size = 0;
    VerifierKey key;
  };
  const std::vector<Link>& links() const { return links_; }

 private:
  std::vector<Link> links_;
  std::optional<std::uint64_t> unsure_above_;
};

// The Merkle tree by a stack of complete subtrees, written for reading beside RFC 9162 §2.1 and deliberately not the
// recorder's CompactRange: two implementations that agree on every root check each other.
class TreeStack {
 public:
  void push(const Hash& leaf) { push_subtree(1, leaf); }
  // The hash of 256 leaves at once; size() is a multiple of that.
  void push_bundle(const Hash& hash) { push_subtree(kBundleEntries, hash); }
  std::uint64_t size() const { return size_; }
  Hash root() const;
  std::vector<Hash> hashes() const;  // largest subtree first
  // Continues after `size` leaves that are not here; false when the hashes cannot belong to that size.
  bool resume(std::uint64_t size, const std::vector<Hash>& hashes);

 private:
  struct Subtree {
    std::uint64_t leaves;
    Hash hash;
  };
  void push_subtree(std::uint64_t leaves, const Hash& hash);
  std::vector<Subtree> stack_;
  std::uint64_t size_ = 0;
};

// Where an entry lies; the text is only made when something is wrong with it.
struct EntryPlace {
  const std::string& file;
  std::uint64_t index;
  std::size_t offset;  // of the entry's first byte in the file
  std::string text() const;
};

// What entries say, in order: genesis, handover chain, parts, duplicates. Of leaves and roots it only knows what it is
// given.
class EntryChecker {
 public:
  struct LoggedNote {  // a receipt entry, to be compared with our root once all roots are known
    std::uint64_t index = 0;
    std::string where;
    Bytes note;
  };
  EntryChecker(const Trust& trust, LogReport& report) : trust_(trust), report_(report) {}

  // `sealed`: the last entry, end - 1, must be a handover or a break.
  void begin_segment(std::uint64_t end, bool sealed);
  void check(const EntryPlace& place, ByteView bytes, const Hash& leaf, const TreeStack& before);
  // A hole begins: what a large message would go on with is not here.
  void skip_hole();
  void end_segment(const std::string& file);
  // The entries from `size` on are missing before the next segment: its epoch and key are not known.
  void lose_track(std::uint64_t size);
  // The identity's signature of the segment that ended holds.
  void identity_signed() { identity_.last_signed_later(); }

  const std::string& origin() const { return origin_; }  // empty: not known yet
  const IdentityChain& identity() const { return identity_; }
  void set_identity(const VerifierKey& key);  // the first one, and with it the origin
  // A rotation whose entry is not here, by what the store says of it: the two signatures make it one all the same.
  void check_released(const RecordedRotation& released);
  // Whose signature the frame [first, end) of the segment under way must have. Of a break's own frame, which holds
  // nothing else, it is the key that begins. No key: not known, which is a finding already.
  struct FrameSigner {
    std::optional<PublicKey> key;
    std::optional<std::uint64_t> epoch;
  };
  FrameSigner signer_of(std::uint64_t first, std::uint64_t end) const;
  // To be added to the words on an epoch's signature that does not hold: whether another epoch's key made it.
  std::string other_signer(ByteView message, const Signature& signature);
  bool has_entry_1() const { return has_entry_1_; }
  const std::vector<LoggedNote>& logged_notes() const { return logged_notes_; }

 private:
  void check_body(const EntryPlace& place, const Entry& entry, const Hash& leaf, const TreeStack& before);
  void on(const Genesis& genesis, const EntryPlace& place);
  void on(const Message& message, const EntryPlace& place);
  void on(const Part& part, const EntryPlace& place);
  void on(const Handover& handover, const EntryPlace& place, const TreeStack& before);
  void on(const KeyBreak& lost, const EntryPlace& place, const TreeStack& before);
  template <class Step>
  bool take_step(const Step& step, const char* what, const Bytes& message, const EntryPlace& place,
                 const TreeStack& before);
  bool may_end_epoch(const char* what, const EntryPlace& place);
  void on(const Rotation& rotation, const EntryPlace& place);
  void on(const SuccessionEntry& succession, const EntryPlace& place);
  void on(const Carried& carried, const EntryPlace& place);
  void on(const Loss& loss, const EntryPlace& place, const Hash& leaf);
  bool is_closed_logs(const PublicKey& key) const {
    return report_.succession && report_.succession->old_key.key == key;
  }
  bool follow(const Rotation& rotation, std::uint64_t index, const std::string& where);
  void use_key(const PublicKey& key, std::uint64_t epoch, const EntryPlace& place);
  bool rest_of_released(const Part& part, const EntryPlace& place) const;
  void finish_parts(const EntryPlace& place);
  void bad(const EntryPlace& place, std::string what) {
    report_.find(Verdict::tampered, place.text(), std::move(what));
  }

  const Trust& trust_;
  LogReport& report_;
  std::string origin_;
  IdentityChain identity_;
  std::optional<std::uint64_t> epoch_;
  std::optional<PublicKey> epoch_key_, next_key_;
  std::map<PublicKey, std::uint64_t> keys_;  // every epoch key so far, and its epoch
  std::size_t searches_left_ = 100'000;      // of keys for a signature that does not hold
  std::uint64_t end_ = 0;
  bool sealed_ = true, handed_over_ = false, broken_ = false;
  struct Assembly {  // of a message in parts
    std::uint64_t first = 0, next = 0;
    PartsInfo info;
    Bytes payload;
  };
  std::optional<Assembly> parts_;
  struct CarriedEntry {  // of which pieces are to come
    std::uint64_t index = 0, length = 0, next = 0;
  };
  std::optional<CarriedEntry> carried_;
  std::optional<std::uint64_t> last_carried_;  // its index in the closed log's store
  std::optional<Hash> genesis_;                // leaf hash of entry 0, once it was read
  bool has_entry_1_ = false, after_gap_ = false;
  bool after_hole_ = false;  // and nothing but parts since
  bool only_parts_ = true;   // nothing else was here so far
  std::vector<LoggedNote> logged_notes_;
};

// What the collector kept of breaks must be what the log has there.
void compare_breaks(const std::vector<KeptBreak>& kept, LogReport& report);
// Each break as a finding, with what no receipt before it covers.
void grade_breaks(const Trust& trust, LogReport& report);

// A root that the identity key has signed: the evidence must agree with it.
struct Claim {
  std::uint64_t size = 0;
  Hash root{};
  std::string where;
  bool must_reach = false;  // the log has to have that many entries
  bool refused = false;     // by the collector, as not extending this log
  bool fresh = false;       // by the witness, so lately that the entries may be on their way
  bool of_key = false;      // the first by another key: kept to show when that came, whatever became of the entries
};

// The note of a sealed segment: a checkpoint of this log with the line of the identity key of its size, perhaps those
// of the keys before it, and, when `alone`, no other. Anything else is a finding.
std::optional<Checkpoint> check_sealed_note(ByteView bytes, const std::string& where, const IdentityChain& identity,
                                            bool alone, LogReport& report);
// The notes beside the entries (receipts, witness, pending, refused) and the receipts among them: signatures and
// policy. What they claim about roots is returned.
std::vector<Claim> check_notes(const EvidenceSource& source, const Trust& trust, const IdentityChain& identity,
                               LogReport& report);
std::vector<Claim> check_logged_notes(const std::vector<EntryChecker::LoggedNote>& notes, const Trust& trust,
                                      const IdentityChain& identity, LogReport& report);

// A range of a segment that is not there, and the hashes of complete_subtrees() of its loss' range as they follow from
// the evidence. Whether the log says that it was dropped is known once all entries were read.
struct HoleSeen {
  std::string where;
  HoleEvidence hole;
  std::vector<Hash> folded;
};
HoleSeen see_hole(std::string where, const HoleEvidence& hole);
// What checkpoints of loss entries beyond the end claim about roots is returned.
std::vector<Claim> check_losses(const std::vector<HoleSeen>& holes, const IdentityChain& identity, LogReport& report);

// That the log was closed, as a statement that was brought or lies with the evidence has it. What that claims about a
// root is returned.
std::vector<Claim> check_closed(const EvidenceSource& source, const Trust& trust, const IdentityChain& identity,
                                LogReport& report);
// What the log says that it follows, against the statement by which it is trusted.
void check_follows(const Trust& trust, bool has_entry_1, LogReport& report);

LogReport verify_log(const EvidenceSource& source, const Trust& trust);

}  // namespace sealring
