// The verifier's side of a succession (docs/log.md §7): the entries of a log that follows a closed one.
#include "crypto/succession.h"
#include "gateway/verify_log.h"

namespace sealring {

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
