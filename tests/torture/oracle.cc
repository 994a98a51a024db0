#include "tests/torture/oracle.h"

#include <unistd.h>

#include <algorithm>

#include "crypto/checkpoint.h"
#include "drivers/file.h"
#include "drivers/key_file.h"
#include "gateway/alarm_kinds.h"
#include "gateway/follower.h"
#include "gateway/incident.h"
#include "gateway/init.h"
#include "gateway/succession.h"
#include "gateway/uplink.h"
#include "gateway/verify.h"
#include "tests/torture/scene.h"

namespace sealring::torture {
namespace {

Error wrong(const std::string& what) { return reject_error(what); }

// Signs nothing that contradicts what was signed before the crash.
class WatchfulSigner final : public Signer {
 public:
  WatchfulSigner(Signer& key, const Promise& promise, const ModelEntries& model, std::string& trouble)
      : key_(key), promise_(promise), model_(model), trouble_(trouble) {}
  const PublicKey& public_key() const override { return key_.public_key(); }
  Result<Signature> sign(ByteView message) override {
    const auto checkpoint = Checkpoint::parse(message);
    if (checkpoint && checkpoint->origin == promise_.origin) {
      const auto before = promise_.checkpoints.find(checkpoint->size);
      if (before != promise_.checkpoints.end() && before->second != checkpoint->root)
        trouble_ = "the identity signs a second root of size " + std::to_string(checkpoint->size);
      const auto known = model_.roots.find(checkpoint->size);
      if (checkpoint->size <= promise_.durable && (known == model_.roots.end() || known->second != checkpoint->root))
        trouble_ = "the identity signs a root of size " + std::to_string(checkpoint->size) + " that never was";
    }
    return key_.sign(message);
  }

 private:
  Signer& key_;
  const Promise& promise_;
  const ModelEntries& model_;
  std::string& trouble_;
};

// A gateway as the daemon would start it.
struct Started {
  GatewayConfig config;
  std::unique_ptr<Ring> ring;
  GatewayIdentity identity;
};

class Oracle {
 public:
  Oracle(const std::string& root, const Promise& promise, const ModelEntries& model, const Trial& trial)
      : root_(root), store_(root + "/store"), promise_(promise), model_(model), trial_(trial) {}

  Judgement judge() {
    if (const Status s = check_erased(store_, promise_.epoch); !s.ok()) return {Verdict::wrong, s.error().message};
    if (!promise_.created()) {
      if (const Status s = begin_anew(); !s.ok()) return {Verdict::wrong, s.error().message};
    }
    auto started = start();
    if (!started) return {Verdict::refused, without_place(started.error().message)};
    const Status status = examine(*started);
    return status.ok() ? Judgement() : Judgement{Verdict::wrong, without_place(status.error().message)};
  }

 private:
  std::string without_place(std::string words) const {
    for (std::size_t at; (at = words.find(root_ + "/")) != std::string::npos;) words.erase(at, root_.size() + 1);
    return words;
  }

  Status examine(Started& started) {
    const bool follower = !started.config.follows.empty();
    if (follower && !promise_.following) return wrong("another log is in the store");
    if (!follower && promise_.followed) return wrong("the log that followed is gone");
    if (follower) {
      SEALRING_TRY(check_follower(*started.ring));
    } else {
      SEALRING_TRY(check_ring(*started.ring));
      if (promise_.following) SEALRING_TRY(follow(started));
    }
    SEALRING_TRY(go_on(started));
    started.ring.reset();
    if (!trial_.verify) return {};
    SEALRING_TRY(check_whole(started));
    const auto again = start();
    if (!again) return Error(again.error()).in("the start after it");
    return again->identity.rotation ? wrong("the rotation is due once more") : Status();
  }

  // The secrets of the epochs that are over: a crash must not bring them back.
  Status check_erased(const std::string& folder, std::uint64_t below) const {
    if (promise_.following && folder == store_) return {};  // it may be another log's
    EpochKeys keys(folder);
    for (std::uint64_t k = 0; k < below; ++k)
      if (keys.load(k).ok()) return wrong("the erased key of epoch " + std::to_string(k) + " is there again");
    return {};
  }

  // Of a gateway that is not announced yet anything may be there: `sealring init` makes of it what it should be.
  Status begin_anew() {
    const std::string config = root_ + "/sealring.toml";
    if (::access(config.c_str(), F_OK) == 0) return {};
    const auto made = init_gateway({root_, kTortureOrigin, kTortureRingBytes, "sealring torture"}, StillClock());
    if (!made) return Error(made.error()).in("init, once more");
    return {};
  }

  // What the daemon does, gateway/daemon.cc.
  Result<Started> start() const {
    Started out;
    out.config.origin = kTortureOrigin;
    out.config.store = store_;
    out.config.identity_key = root_ + (promise_.rotating ? "/next.key" : "/identity.key");
    if (promise_.rotating) out.config.previous_identity_key = root_ + "/identity.key";
    SEALRING_ASSIGN(out.config, config_of_store(std::move(out.config), ""));
    SEALRING_TRY(succession_of(store_));
    SEALRING_ASSIGN(out.ring, Ring::open({store_}));
    clear_up_beside(store_);
    if (out.ring->origin() != out.config.origin) return wrong("the store is of " + out.ring->origin());
    SEALRING_TRY(finish_rotation(store_, out.config.origin, entries_of(*out.ring)));
    SEALRING_ASSIGN(out.identity, load_identity(out.config, "", *out.ring));
    return out;
  }

  Status check_ring(const Ring& ring) {
    const Ring::Contents& contents = ring.contents();
    size_ = contents.range.size();
    const std::string at = "size " + std::to_string(size_);
    if (!promise_.created()) return size_ == 1 ? Status() : wrong(at + " of a new log");
    if (size_ < promise_.durable) return wrong(at + ", but " + std::to_string(promise_.durable) + " were acknowledged");
    const auto root = model_.roots.find(size_);
    if (root == model_.roots.end() || size_ > promise_.attempted) return wrong(at + " was never written");
    if (root->second != contents.range.root()) return wrong(at + " has another root");
    if (model_.messages.at(size_) < promise_.released)
      return wrong(at + " has " + std::to_string(model_.messages.at(size_)) + " messages, but " +
                   std::to_string(promise_.released) + " were acknowledged to the broker");
    for (const auto& [size, signed_root] : promise_.checkpoints) {
      const auto known = model_.roots.find(size);
      if (size > size_) return wrong(at + ", but the identity has signed size " + std::to_string(size));
      if (known == model_.roots.end() || known->second != signed_root)
        return wrong("the checkpoint of size " + std::to_string(size) + " is not of this log");
    }
    SEALRING_TRY(check_segments(ring));
    return check_entries(ring);
  }

  Status check_segments(const Ring& ring) const {
    const std::uint64_t first = ring.usage().first_index;
    if (first > promise_.may_release) return wrong("entries below " + std::to_string(first) + " are gone, unreceipted");
    const std::vector<Segment> there = ring.segments();
    for (const auto& [number, segment] : promise_.segments) {
      if (segment.end <= first) continue;
      const auto found =
          std::find_if(there.begin(), there.end(), [n = number](const Segment& s) { return s.number == n; });
      const std::string which = "segment " + std::to_string(number);
      if (trial_.harsh && (found == there.end() || found->state == SegmentState::open)) continue;
      if (found == there.end() || found->state == SegmentState::open) return wrong(which + " is not closed any more");
      if (found->start != segment.start || found->end != segment.end) return wrong(which + " has other bounds");
      if (segment.acknowledged && !trial_.harsh && found->state != SegmentState::acknowledged)
        return wrong(which + " lost its receipt");
    }
    return {};
  }

  // A loss and its entry are there together, or neither is.
  Status check_losses(const Ring& ring) const {
    const std::vector<LossRecord> losses = ring.losses();
    std::size_t recorded = 0;
    for (std::uint64_t at = 0; at < size_; ++at) {
      const auto entry = decode_entry(model_.entries(at, at + 1).substr(2));
      const auto* loss = entry ? std::get_if<Loss>(&entry->body) : nullptr;
      if (loss == nullptr || loss->end <= ring.usage().first_index) continue;
      ++recorded;
      const LossRecord* known = find_loss(losses, loss->start);
      if (known == nullptr || known->index != at || known->start != loss->start || known->end != loss->end)
        return wrong("loss entry " + std::to_string(at) + " is there, and the ring knows of no such loss");
    }
    return recorded == losses.size() ? Status() : wrong("the ring has a loss that no entry says");
  }

  Status check_entries(const Ring& ring) const {
    SEALRING_TRY(check_losses(ring));
    const std::vector<LossRecord> losses = ring.losses();
    for (std::uint64_t at = ring.usage().first_index; at < size_;) {
      const std::uint64_t end = std::min(size_, (at / kBundleEntries + 1) * kBundleEntries);
      auto bytes = ring.entries(at, static_cast<std::size_t>(end - at));
      const bool lost = find_loss(losses, at) != nullptr;
      if (lost && bytes) return wrong("entries from " + std::to_string(at) + " are here and called lost");
      if (!bytes && !lost) return std::move(bytes).error().in("entries from " + std::to_string(at));
      if (!lost && ByteView(*bytes) != model_.entries(at, end))
        return wrong("entries " + std::to_string(at) + " to " + std::to_string(end) + " are not what was written");
      at = end;
    }
    return {};
  }

  // Killed while the follower was made: the next start makes it.
  Status follow(Started& started) {
    Head proof;
    SEALRING_ASSIGN(proof.note, read_file(store_ + "/" + kRollbackFile));
    SEALRING_ASSIGN(const Note note, Note::parse(proof.note));
    SEALRING_ASSIGN(proof.checkpoint, Checkpoint::parse(note.text));
    proof.contradicts = true;
    SEALRING_TRY(may_follow(started.config, started.identity, proof));
    SEALRING_TRY(make_follower(started.config, "", started.identity, proof, *started.ring, StillClock(),
                               [] { return Status(); }));
    started = Started();
    SEALRING_ASSIGN(started, start());
    return check_follower(*started.ring);
  }

  // Every record of the log that was closed is in it, as it was; and of that log nobody can sign any more.
  Status check_follower(const Ring& ring) {
    size_ = ring.size();
    std::map<std::uint64_t, Bytes> carried;
    for (std::uint64_t at = 0; at < size_; ++at) {
      SEALRING_ASSIGN(const Bytes bytes, ring.entries(at, 1));
      SEALRING_ASSIGN(const Entry entry, decode_entry(ByteView(bytes).substr(2)));
      if (const auto* piece = std::get_if<Carried>(&entry.body)) carried[piece->index] += piece->bytes;
    }
    for (std::uint64_t at = 0; at < promise_.durable; ++at) {
      const ByteView bytes = model_.entries(at, at + 1).substr(2);
      SEALRING_ASSIGN(const Entry entry, decode_entry(bytes));
      const bool record = std::holds_alternative<Message>(entry.body) || std::holds_alternative<Part>(entry.body) ||
                          std::holds_alternative<sealring::Event>(entry.body);
      if (record && carried[at] != bytes) return wrong("entry " + std::to_string(at) + " was not carried over");
    }
    SEALRING_ASSIGN(const auto beside, list_directory(root_));
    for (const std::string& name : beside)
      if (name.rfind("store.", 0) == 0) SEALRING_TRY(check_erased(root_ + "/" + name, promise_.epoch + 1));
    return {};
  }

  Status go_on(Started& started) {
    std::string trouble;
    WatchfulSigner current(*started.identity.current, promise_, model_, trouble);
    std::optional<WatchfulSigner> previous;
    IdentitySigners signers(current);
    if (started.identity.previous)
      signers.previous = &previous.emplace(*started.identity.previous, promise_, model_, trouble);
    signers.since = started.identity.rotation ? IdentitySigners::kNotYet : started.identity.since;
    EpochKeys epochs(store_);
    StillClock clock;
    RecordQueue queue(4u << 20);
    Recorder::Config config;
    if (trial_.seal) config.segment_entries = 1;
    config.drop_oldest = promise_.dropping;
    if (const std::string& incident = started.ring->contents().incident;
        !incident.empty() && !promise_.damaged && !trial_.harsh)
      return wrong("takes for damage what is none: " + incident);
    {
      Recorder recorder(config, *started.ring, signers, epochs, clock, queue);
      SEALRING_TRY(recorder.open());
      Alarms alarms(gateway_alarm_kinds());
      tell_incident(recorder, alarms, *started.ring, store_);
      if (const auto& due = started.identity.rotation)
        SEALRING_TRY(recorder.set_rotation(
            due->rotation, [this, &due](std::uint64_t index) { return put_recorded_rotation(store_, index, *due); }));
      feed(queue);
      SEALRING_TRY(recorder.run());
    }
    released_ = started.ring->usage().first_index > 0;
    lost_ = !started.ring->losses().empty();
    if (!trouble.empty()) return wrong(trouble);
    SEALRING_TRY(check_keys(started.ring->contents().epoch));
    if (started.ring->size() < size_ + 5) return wrong("it does not go on");
    if (promise_.damaged) SEALRING_TRY(check_told(*started.ring));
    return check_breaks(*started.ring);
  }

  // What is left in the store is the key of the open epoch.
  Status check_keys(std::uint64_t epoch) const {
    EpochKeys keys(store_);
    SEALRING_TRY(keys.load(epoch));
    for (std::uint64_t k = 0; k < epoch; ++k)
      if (keys.load(k).ok()) return wrong("the key of epoch " + std::to_string(k) + " is not erased");
    return {};
  }

  static void feed(RecordQueue& queue) {
    std::vector<SourceItem> items(4);
    items[0].type = SourceItem::Type::connected;
    items[0].protocol = 5;
    for (std::size_t i = 0; i < items.size(); ++i) {
      items[i].connection = 1;
      if (i == 0) continue;
      items[i].tag = i;
      items[i].topic = "after";
      items[i].payload = "the crash";
      items[i].payload_bytes = items[i].payload.size();
    }
    queue.put_all(std::move(items));
    queue.close();
  }

  // What was found damaged is in the log.
  static Status check_told(const Ring& ring) {
    for (std::uint64_t at = 0; at < ring.size(); ++at) {
      SEALRING_ASSIGN(const Bytes bytes, ring.entries(at, 1));
      SEALRING_ASSIGN(const Entry entry, decode_entry(ByteView(bytes).substr(2)));
      const auto* event = std::get_if<sealring::Event>(&entry.body);
      const Detail* alarm = event != nullptr ? find_detail(*event, "alarm") : nullptr;
      const ByteView* which = alarm != nullptr ? std::get_if<ByteView>(&alarm->value) : nullptr;
      if (which != nullptr && *which == "damage") return {};
    }
    return wrong("the log does not say that the store was damaged");
  }

  // The chain of epoch keys holds: a crash, at a handover say, leaves a key that can be used. Where it was lost before,
  // the log says so once.
  Status check_breaks(const Ring& ring) {
    for (std::uint64_t at = promise_.breaking ? 0 : size_; at < ring.size(); ++at) {
      SEALRING_ASSIGN(const Bytes bytes, ring.entries(at, 1));
      SEALRING_ASSIGN(const Entry entry, decode_entry(ByteView(bytes).substr(2)));
      if (std::holds_alternative<KeyBreak>(entry.body)) breaks_.insert(at);
    }
    if (breaks_.size() == (promise_.breaking ? 1 : 0)) return {};
    return wrong("the chain of epoch keys is broken " + std::to_string(breaks_.size()) + " times");
  }

  // The whole is what the shipped verifier calls fine.
  Status check_whole(const Started& started) const {
    VerifyOptions options;
    options.path = store_;
    options.min_size = 1;
    options.accepted_breaks = breaks_;
    if (!started.config.follows.empty()) {
      SEALRING_ASSIGN(const auto known, succession_of(store_));
      options.anchors.push_back({known->statement.follower, known->statement.genesis});
    } else if (promise_.created()) {
      SEALRING_ASSIGN(const NamedKey first, load_key_file(root_ + "/identity.key"));
      Anchor anchor;
      anchor.key = {promise_.origin, KeyType::ed25519, first.signer->public_key()};
      anchor.genesis = model_.roots.at(1);
      options.anchors.push_back(anchor);
    }
    const VerifyReport report = verify(options);
    // Weaker evidence is right where entry 0 was released, or nobody was told the anchor yet.
    const bool anchored = !options.anchors.empty() && !released_;
    const auto right = !anchored                   ? sealring::Verdict::unproven
                       : breaks_.empty() && !lost_ ? sealring::Verdict::fine
                                                   : sealring::Verdict::named;
    if (report.verdict != right) return wrong("verify: " + report_text(report));
    return {};
  }

  const std::string root_, store_;
  const Promise& promise_;
  const ModelEntries& model_;
  const Trial trial_;
  std::uint64_t size_ = 0;
  bool released_ = false, lost_ = false;
  std::set<std::uint64_t> breaks_;
};

}  // namespace

Judgement judge(const std::string& root, const Promise& promise, const ModelEntries& model, const Trial& trial) {
  return Oracle(root, promise, model, trial).judge();
}

}  // namespace sealring::torture
