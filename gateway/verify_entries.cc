#include <algorithm>

#include "crypto/merkle.h"
#include "crypto/sha256.h"
#include "gateway/verify_log.h"

namespace sealring {
namespace {

std::string kind_name(const Entry& entry) {
  struct Namer {
    std::string operator()(const Genesis&) { return "genesis"; }
    std::string operator()(const Message&) { return "message"; }
    std::string operator()(const Part&) { return "part"; }
    std::string operator()(const Event&) { return "event"; }
    std::string operator()(const Handover&) { return "handover"; }
    std::string operator()(const KeyBreak&) { return "break"; }
    std::string operator()(const Rotation&) { return "rotation"; }
    std::string operator()(const Receipt&) { return "receipt"; }
    std::string operator()(const SuccessionEntry&) { return "succession"; }
    std::string operator()(const Carried&) { return "carried"; }
    std::string operator()(const Loss&) { return "loss"; }
    std::string operator()(const Opaque& o) { return "kind " + std::to_string(o.kind); }
  };
  return std::visit(Namer{}, entry.body);
}

std::string event_label(EventCode code) {
  const std::string name = event_name(code);
  return name.empty() ? "event " + std::to_string(static_cast<std::uint64_t>(code)) : name;
}

}  // namespace

const VerifierKey& IdentityChain::at(std::uint64_t size) const {
  auto link = links_.end() - 1;
  while (link != links_.begin() && link->from_size > size) --link;
  return link->key;
}

void IdentityChain::lose_track(std::uint64_t size) {
  if (known() && sure()) unsure_above_ = std::max(size, links_.back().from_size);
}

bool IdentityChain::has(const PublicKey& key) const {
  return std::any_of(links_.begin(), links_.end(), [&](const Link& link) { return link.key.key == key; });
}

std::string EntryPlace::text() const {
  return file + ": entry " + std::to_string(index) + " (byte " + std::to_string(offset) + ")";
}

void EntryChecker::set_identity(const VerifierKey& key) {
  identity_.begin(key);
  origin_ = key.name;
}

void EntryChecker::begin_segment(std::uint64_t end, bool sealed) {
  end_ = end;
  sealed_ = sealed;
  if (next_key_) {
    epoch_key_ = next_key_;
    if (epoch_) ++*epoch_;
  } else {
    epoch_key_.reset();
    epoch_.reset();
  }
  next_key_.reset();
  handed_over_ = broken_ = false;
}

EntryChecker::FrameSigner EntryChecker::signer_of(std::uint64_t first, std::uint64_t end) const {
  if (!broken_ || end != end_ || first + 1 != end) return {epoch_key_, epoch_};
  return {next_key_, epoch_ ? std::optional(*epoch_ + 1) : epoch_};
}

void EntryChecker::lose_track(std::uint64_t size) {
  identity_.lose_track(size);
  next_key_.reset();
  parts_.reset();
  carried_.reset();
  after_gap_ = true;
}

void EntryChecker::check(const EntryPlace& place, ByteView bytes, const Hash& leaf, const TreeStack& before) {
  if (place.index == 0) genesis_ = leaf;
  if (place.index == 0 && trust_.anchor) {
    report_.anchor_matched = leaf == trust_.anchor->genesis;
    if (!report_.anchor_matched)
      bad(place, "is not the entry that the anchor names: its leaf hash is " + hex(view(leaf)) + ", the anchor's is " +
                     hex(view(trust_.anchor->genesis)) + ": the log was begun anew, or the anchor is of another log");
  }
  Result<Entry> entry = decode_entry(bytes);
  if (!entry) {
    parts_.reset();
    carried_.reset();
    return bad(place, "is not a valid entry: " + entry.error().message);
  }
  ++report_.kinds[kind_name(*entry)];
  const auto* genesis = std::get_if<Genesis>(&entry->body);
  if (place.index == 0 && !genesis) bad(place, "the first entry of a log must be its genesis");
  if (place.index == 0 && genesis)
    report_.anchor =
        Anchor{VerifierKey{std::string(genesis->origin), KeyType::ed25519, genesis->identity}, leaf}.line();
  has_entry_1_ = has_entry_1_ || place.index == 1;
  if (entry->common.connection > place.index) bad(place, "its connection begins at a later entry");
  check_body(place, *entry, leaf, before);
  after_gap_ = false;
  if (!report_.breaks.empty() && report_.breaks.back().index == place.index) report_.breaks.back().leaf = leaf;
}

void EntryChecker::check_body(const EntryPlace& place, const Entry& entry, const Hash& leaf, const TreeStack& before) {
  only_parts_ = only_parts_ && std::holds_alternative<Part>(entry.body);
  after_hole_ = after_hole_ && std::holds_alternative<Part>(entry.body);
  if (parts_ && !std::holds_alternative<Part>(entry.body)) {
    bad(place, "interrupts the message of entry " + std::to_string(parts_->first) + ", of which part " +
                   std::to_string(parts_->next) + " should be here");
    parts_.reset();
  }
  if (carried_ && !std::holds_alternative<Carried>(entry.body)) {
    bad(place, "interrupts the carried entry " + std::to_string(carried_->index) + ", of which the bytes from " +
                   std::to_string(carried_->next) + " on should be here");
    carried_.reset();
  }
  if (auto* genesis = std::get_if<Genesis>(&entry.body)) on(*genesis, place);
  if (auto* message = std::get_if<Message>(&entry.body)) on(*message, place);
  if (auto* part = std::get_if<Part>(&entry.body)) on(*part, place);
  if (auto* event = std::get_if<Event>(&entry.body)) ++report_.events[event_label(event->code)];
  if (auto* handover = std::get_if<Handover>(&entry.body)) on(*handover, place, before);
  if (auto* lost = std::get_if<KeyBreak>(&entry.body)) on(*lost, place, before);
  if (auto* rotation = std::get_if<Rotation>(&entry.body)) on(*rotation, place);
  if (auto* receipt = std::get_if<Receipt>(&entry.body))
    logged_notes_.push_back({place.index, place.text(), Bytes(receipt->note)});
  if (auto* succession = std::get_if<SuccessionEntry>(&entry.body)) on(*succession, place);
  if (auto* carried = std::get_if<Carried>(&entry.body)) on(*carried, place);
  if (auto* loss = std::get_if<Loss>(&entry.body)) on(*loss, place, leaf);
}

void EntryChecker::use_key(const PublicKey& key, std::uint64_t epoch, const EntryPlace& place) {
  if (!is_ed25519_key(key)) bad(place, "takes what is no Ed25519 key for an epoch key");
  if (identity_.has(key)) bad(place, "takes the identity key for an epoch key");
  if (is_closed_logs(key)) bad(place, "takes the key of the log that this one follows for an epoch key");
  const auto [known, fresh] = keys_.emplace(key, epoch);
  if (!fresh) bad(place, "takes an epoch key that was in use before, for epoch " + std::to_string(known->second));
}

std::string EntryChecker::other_signer(ByteView message, const Signature& signature) {
  if (keys_.size() > searches_left_) return "";  // a forger may make every signature of a long log wrong
  searches_left_ -= keys_.size();
  for (const auto& [key, epoch] : keys_)
    if (ed25519_verify(key, message, signature))
      return "; it is by the key of epoch " + std::to_string(epoch) + ", outside of its range";
  return "";
}

void EntryChecker::on(const Genesis& genesis, const EntryPlace& place) {
  if (place.index != 0) return bad(place, "a genesis may only be entry 0");
  const VerifierKey key{std::string(genesis.origin), KeyType::ed25519, genesis.identity};
  if (!identity_.known()) set_identity(key);
  if (!is_ed25519_key(key.key)) bad(place, "names an identity that is no Ed25519 key");
  if (key.name != origin_)
    bad(place, "is the genesis of " + quoted(key.name, 255) + ", expected was " + quoted(origin_, 255));
  if (key.key != identity_.first().key)
    bad(place, "names another identity key: " + key.encode() + ", expected was " + identity_.first().encode());
  epoch_ = 0;
  epoch_key_ = genesis.epoch_key;
  use_key(genesis.epoch_key, 0, place);
}

void EntryChecker::on(const Message& message, const EntryPlace& place) {
  if (message.possible_duplicate_of && *message.possible_duplicate_of >= place.index)
    bad(place, "says it may be a duplicate of entry " + std::to_string(*message.possible_duplicate_of) +
                   ", which is not before it");
  if (!message.parts) return;
  parts_ = Assembly{place.index, 1, *message.parts, Bytes(message.payload)};
}

// A store releases up to the boundary of a bundle, and a hole ends at one, which may lie within a message: its parts
// from there on are here, and how many they are is not. That they are one row is known by their numbers.
bool EntryChecker::rest_of_released(const Part& part, const EntryPlace& place) const {
  const std::uint64_t gone = report_.first;  // 0: nothing is
  const bool begins_before = after_hole_ || (only_parts_ && part.first < gone);
  return begins_before && part.first < place.index && place.index - part.first == part.number;
}

void EntryChecker::on(const Part& part, const EntryPlace& place) {
  if (!parts_ && rest_of_released(part, place)) return;
  if (!parts_ || part.first != parts_->first || part.number != parts_->next) {
    bad(place, "is part " + std::to_string(part.number) + " of the message of entry " + std::to_string(part.first) +
                   (parts_ ? ", expected was part " + std::to_string(parts_->next) + " of that of entry " +
                                 std::to_string(parts_->first)
                           : ", which does not stand directly before it"));
    parts_.reset();
    return;
  }
  parts_->payload.append(part.payload);
  if (++parts_->next == parts_->info.count) finish_parts(place);
}

void EntryChecker::finish_parts(const EntryPlace& place) {
  const std::string of = "the payload of the message of entry " + std::to_string(parts_->first);
  if (parts_->payload.size() != parts_->info.total_bytes)
    bad(place, of + " has " + std::to_string(parts_->payload.size()) + " bytes, announced were " +
                   std::to_string(parts_->info.total_bytes));
  else if (sha256(parts_->payload) != parts_->info.payload_sha256)
    bad(place, of + " does not have the SHA-256 that its first part announces");
  parts_.reset();
}

// The last entry of a sealed segment; or of a store, where a kill came before the segment could be closed.
bool EntryChecker::may_end_epoch(const char* what, const EntryPlace& place) {
  if (place.index + 1 != end_) {
    bad(place, std::string(what) + " may only be the last entry of a segment: the log was cut into other segments");
    return false;
  }
  handed_over_ = true;
  return true;
}

// What handover and break have in common, but for who signed: the place, the tree before it, the key that begins. The
// key is taken over even from a faulty one, so that one fault is not reported at every later segment.
template <class Step>
bool EntryChecker::take_step(const Step& step, const char* what, const Bytes& message, const EntryPlace& place,
                             const TreeStack& before) {
  bool right = true;
  auto wrong = [&](std::string words) {
    right = false;
    bad(place, std::move(words));
  };
  if (epoch_ && step.epoch != *epoch_)
    wrong(what + std::to_string(step.epoch) + ", expected was " + std::to_string(*epoch_) +
          ": segments are missing or out of order");
  if (step.size != place.index) wrong("says that it stands at index " + std::to_string(step.size));
  if (step.root != before.root()) wrong("its root is not that of the entries before it");
  if (!ed25519_verify(step.next_key, message, step.by_next))
    wrong("the signature of the epoch that begins does not hold");
  use_key(step.next_key, step.epoch + 1, place);
  next_key_ = step.next_key;
  epoch_ = step.epoch;
  return right;
}

void EntryChecker::on(const Handover& handover, const EntryPlace& place, const TreeStack& before) {
  if (!may_end_epoch("a handover", place)) return;
  const Bytes message = handover_message(origin_, handover.epoch, handover.size, handover.root, handover.next_key);
  const bool by_old = epoch_key_ && ed25519_verify(*epoch_key_, message, handover.by_old);
  if (take_step(handover, "ends epoch ", message, place, before) && by_old) ++report_.handovers;
  if (epoch_key_ && !by_old)
    bad(place,
        "the signature of the epoch that ends does not hold: entries of that epoch were changed, or made without its "
        "key" +
            other_signer(message, handover.by_old));
}

void EntryChecker::on(const KeyBreak& lost, const EntryPlace& place, const TreeStack& before) {
  if (!may_end_epoch("a break", place)) return;
  broken_ = true;
  take_step(lost, "is a break of epoch ", break_message(origin_, lost), place, before);
  report_.breaks.push_back({place.index, lost.epoch, Hash{}, 0, place.text()});
}

void EntryChecker::on(const Rotation& rotation, const EntryPlace& place) {
  follow(rotation, place.index, place.text());
}

void EntryChecker::check_released(const RecordedRotation& released) {
  if (identity_.known()) follow(released.statement.rotation, released.index, "a rotation that this store names");
}

// Only one that is right in all is followed: whoever has not the present key makes nobody the identity.
bool EntryChecker::follow(const Rotation& rotation, std::uint64_t index, const std::string& where) {
  const auto wrong = [&](Verdict verdict, std::string what) {
    report_.find(verdict, where, "rotates the identity key, " + std::move(what));
    return false;
  };
  if (!identity_.known()) return wrong(Verdict::unproven, "but no key is known from which");
  const VerifierKey from{origin_, KeyType::ed25519, rotation.old_key}, to{origin_, KeyType::ed25519, rotation.new_key};
  const bool follows = from == identity_.last();
  const bool unseen = !identity_.sure_at(index + 1) && !identity_.has(from.key);
  if (!follows && !unseen)
    return wrong(Verdict::tampered, "but from " + from.encode() + ", which is not the identity here");
  const Bytes message = rotation_message(origin_, rotation.old_key, rotation.new_key);
  if (!ed25519_verify(rotation.old_key, message, rotation.by_old))
    return wrong(Verdict::tampered, "but the signature of the key that ends does not hold");
  if (!ed25519_verify(rotation.new_key, message, rotation.by_new))
    return wrong(Verdict::tampered, "but the signature of the key that begins does not hold");
  if (!follows)
    return wrong(Verdict::unproven, "from " + from.encode() + ", but entries are missing that would have to say how " +
                                        "that became the identity");
  if (identity_.has(rotation.new_key)) return wrong(Verdict::tampered, "but to one that was the identity before");
  if (keys_.count(rotation.new_key) != 0) return wrong(Verdict::tampered, "but to an epoch key");
  if (is_closed_logs(rotation.new_key))
    return wrong(Verdict::tampered, "but to the key of the log that this one follows");
  identity_.rotate(index, to);
  report_.rotations.push_back({index, from, to});
  return true;
}

void EntryChecker::on(const Loss& loss, const EntryPlace& place, const Hash& leaf) {
  if (loss.end > place.index)
    return bad(place, "is a loss entry of entries that are not before it, up to " + std::to_string(loss.end));
  report_.losses.push_back({place.index, leaf, loss});
  report_.find(Verdict::named, place.text(),
               "records a loss: entries [" + std::to_string(loss.start) + ", " + std::to_string(loss.end) +
                   ") were dropped unsent, with " + (loss.damaged ? "at most " : "") + std::to_string(loss.messages) +
                   " messages" + (loss.damaged ? ", since they were damaged" : ""));
}

void EntryChecker::skip_hole() {
  parts_.reset();
  carried_.reset();
  after_gap_ = after_hole_ = true;
}

void EntryChecker::end_segment(const std::string& file) {
  if (parts_) {
    report_.find(Verdict::tampered, file,
                 "the message of entry " + std::to_string(parts_->first) + " lacks part " +
                     std::to_string(parts_->next) + " of " + std::to_string(parts_->info.count));
    parts_.reset();
  }
  if (carried_) {
    report_.find(Verdict::tampered, file,
                 "the carried entry " + std::to_string(carried_->index) + " lacks its bytes from " +
                     std::to_string(carried_->next) + " on");
    carried_.reset();
  }
  if (sealed_ && !handed_over_)
    report_.find(Verdict::tampered, file,
                 "its last entry is neither a handover nor a break: its end was cut off, or the log was cut into other "
                 "segments");
}

void compare_breaks(const std::vector<KeptBreak>& kept, LogReport& report) {
  for (const KeptBreak& one : kept) {
    const auto is_it = [&](const BreakSeen& seen) { return seen.index == one.index && seen.leaf == one.leaf; };
    if (one.index < report.size && std::none_of(report.breaks.begin(), report.breaks.end(), is_it))
      report.find(Verdict::tampered, one.where,
                  "is a break that the collector has seen at index " + std::to_string(one.index) +
                      ", which has another entry now");
  }
}

void grade_breaks(const Trust& trust, LogReport& report) {
  for (BreakSeen& seen : report.breaks) {
    for (const std::uint64_t size : report.receipted_sizes)
      if (size <= seen.index) seen.from = std::max(seen.from, size);
    const bool accepted = trust.accepted_breaks.count(seen.index) != 0;
    const std::string rest = seen.from == seen.index
                                 ? "a receipt covers everything before it"
                                 : "entries [" + std::to_string(seen.from) + ", " + std::to_string(seen.index) +
                                       ") rest on the identity key alone, for ever";
    report.find(accepted ? Verdict::named : Verdict::broken, seen.where,
                "is a break: the key of epoch " + std::to_string(seen.epoch) + " was lost; " + rest +
                    (accepted ? " (accepted)" : ""));
  }
  for (const std::uint64_t index : trust.accepted_breaks) {
    const auto is_it = [&](const BreakSeen& seen) { return seen.index == index; };
    if (std::none_of(report.breaks.begin(), report.breaks.end(), is_it))
      report.find(Verdict::named, "",
                  "there is no break at index " + std::to_string(index) + " that could be accepted");
  }
}

}  // namespace sealring
