#include "gateway/redelivery.h"

#include <bitset>

namespace sealring {

void Redelivery::recorded(std::uint16_t packet_id, std::uint64_t index, bool flagged) {
  tail_.push_back({packet_id, index, flagged});
  if (tail_.size() > kMaxTail) tail_.pop_front();
}

void Redelivery::disconnected() {
  between_connections_ = true;
  aligning_ = false;
}

std::vector<Redelivery::ToRecord> Redelivery::connected(bool session_present) {
  between_connections_ = false;
  std::vector<ToRecord> lost = give_up();
  if (session_present)
    lost.clear();
  else
    tail_.clear(), doubted_ = older_unknown_ = false;
  aligning_ = !tail_.empty();
  may_suppress_ = aligning_ && !doubted_ && !ids_are_reused();
  return lost;
}

bool Redelivery::ids_are_reused() const {
  std::bitset<65536> seen;
  for (const TailEntry& entry : tail_) {
    if (entry.flagged) continue;
    if (seen[entry.packet_id]) return true;
    seen.set(entry.packet_id);
  }
  return false;
}

std::optional<std::size_t> Redelivery::latest(std::uint16_t packet_id) const {
  for (std::size_t i = tail_.size(); i-- > 0;)
    if (tail_[i].packet_id == packet_id) return i;
  return std::nullopt;
}

std::optional<std::uint64_t> Redelivery::flag_for(const SourceItem& item) {
  if (!item.dup) {
    older_unknown_ = false;
    return std::nullopt;
  }
  const auto at = latest(item.packet_id);
  if (at && same_content_(tail_[*at].index, item)) {
    older_unknown_ = false;
    return tail_[*at].index;
  }
  if (!older_unknown_ || connection_ == 0) return std::nullopt;
  return connection_;
}

std::vector<Redelivery::ToRecord> Redelivery::offer(SourceItem&& item) {
  std::vector<ToRecord> out;
  if (item.qos == 0) {  // has no place in the order of redelivery
    out.push_back({std::move(item), std::nullopt});
    return out;
  }
  if (aligning_ && item.dup && may_suppress_ && held_bytes_ + item.memory_bytes() <= kMaxHeldBytes) {
    std::optional<std::size_t> at = held_.empty() ? latest(item.packet_id) : std::optional<std::size_t>(next_);
    if (at && tail_[*at].packet_id == item.packet_id && same_content_(tail_[*at].index, item)) {
      older_unknown_ = false;
      held_bytes_ += item.memory_bytes();
      held_.push_back({std::move(item), tail_[*at].index});
      next_ = *at + 1;
      if (next_ < tail_.size()) return out;
      suppressed_ += held_.size();  // the whole overlap came again: all of it is in the log
      held_.clear();
      held_bytes_ = 0;
      aligning_ = false;
      return out;
    }
  }
  // Not the next of the tail, so the alignment is over; what was held cannot be told from new messages.
  out = give_up();
  const std::optional<std::uint64_t> flag = flag_for(item);
  out.push_back({std::move(item), flag});
  return out;
}

std::vector<Redelivery::ToRecord> Redelivery::give_up() {
  // Redeliveries to come are still compared, to be flagged: flag_for() looks at the tail, not at aligning_.
  aligning_ = false;
  std::vector<ToRecord> out;
  if (between_connections_) return out;
  out.swap(held_);
  held_bytes_ = 0;
  return out;
}

std::optional<std::uint64_t> Redelivery::held_from_tag() const {
  if (!holding()) return std::nullopt;
  return held_.front().item.tag;
}

}  // namespace sealring
