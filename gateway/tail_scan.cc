#include "gateway/tail_scan.h"

#include <algorithm>

namespace sealring {

void TailScan::take(std::uint64_t index, const Entry& entry) {
  if (const auto* message = std::get_if<Message>(&entry.body)) {
    if (message->qos > 0)
      add({message->packet_id, index, message->possible_duplicate_of.has_value(), entry.common.connection});
  } else if (const auto* event = std::get_if<Event>(&entry.body)) {
    take_event(index, entry.common, *event);
  }
}

std::optional<std::size_t> TailScan::source_named(const Event& event) const {
  const Detail* detail = find_detail(event, kBrokerDetail);
  const auto* name = detail ? std::get_if<ByteView>(&detail->value) : nullptr;
  if (brokers_.size() == 1 && name == nullptr) return 0;
  const auto at = name ? std::find(brokers_.begin(), brokers_.end(), *name) : brokers_.end();
  if (at == brokers_.end()) return std::nullopt;
  return static_cast<std::size_t>(at - brokers_.begin());
}

void TailScan::take_event(std::uint64_t index, const EntryCommon& common, const Event& event) {
  if (event.code == EventCode::rejected && number_of(event, "qos") > 0)
    add({static_cast<std::uint16_t>(number_of(event, "packet-id")), index,
         find_detail(event, "possible-duplicate-of") != nullptr, common.connection});
  if (event.code == EventCode::broker_connected) take_connected(index, event);
  if (event.code == EventCode::heartbeat && find_detail(event, kDroppedTotalDetail) == nullptr)
    for (const Detail& detail : event.details)
      if (const auto* connection = std::get_if<std::uint64_t>(&detail.value)) {
        const auto at = std::find(brokers_.begin(), brokers_.end(), detail.name);
        name(*connection, at == brokers_.end()
                              ? std::optional<std::size_t>()
                              : std::optional<std::size_t>(static_cast<std::size_t>(at - brokers_.begin())));
      }
  if (find_detail(event, kDroppedTotalDetail) == nullptr) return;
  const auto source = source_named(event);
  if (source && !sources_[*source].dropped) sources_[*source].dropped = number_of(event, kDroppedTotalDetail);
}

void TailScan::take_connected(std::uint64_t index, const Event& event) {
  const auto source = source_named(event);
  // An event of before brokers had names owns nothing for certain.
  if (source || find_detail(event, kBrokerDetail) != nullptr) name(index, source);
  met_others_ = met_others_ || !source;
  if (source && number_of(event, "session-present") == 0 && !sources_[*source].lineage)
    sources_[*source].lineage = index;
}

// A busy broker's messages beyond what is wanted must not fill the memory while a quiet one's are looked for.
void TailScan::add(const Found& found) {
  Connection& connection = connections_[found.connection];
  if (connection.named && connection.owner && complete(*connection.owner)) return;
  if (connection.found >= enough_) return;
  ++connection.found;
  if (connection.named && connection.owner) ++sources_[*connection.owner].found;
  if (!connection.named && brokers_.size() == 1) ++sources_[0].found;
  found_.push_back(found);
}

void TailScan::name(std::uint64_t of, std::optional<std::size_t> owner) {
  Connection& connection = connections_[of];
  if (connection.named) return;
  connection.named = true;
  connection.owner = owner;
  if (owner && brokers_.size() > 1) sources_[*owner].found += connection.found;
  if (!owner && brokers_.size() == 1) sources_[0].found -= connection.found;
}

bool TailScan::complete(std::size_t source) const {
  return sources_[source].lineage.has_value() || sources_[source].found >= enough_;
}

bool TailScan::complete() const {
  for (std::size_t i = 0; i < sources_.size(); ++i)
    if (!complete(i)) return false;
  return true;
}

std::vector<TailScan::Found> TailScan::tail(std::size_t source) const {
  std::vector<Found> out;
  for (auto found = found_.rbegin(); found != found_.rend(); ++found) {
    if (found->connection < sources_[source].lineage.value_or(0)) continue;  // of a session that is gone
    // Recorded when the session that they had come in was known to be gone: nobody sends them again.
    if (found->connection == 0 && brokers_.size() > 1) continue;
    const Connection& connection = connections_.at(found->connection);
    if (!connection.named || connection.owner == source) out.push_back(*found);
  }
  return out;
}

bool TailScan::doubtful() const {
  if (brokers_.size() == 1) return met_others_;
  return std::any_of(found_.begin(), found_.end(), [this](const Found& found) {
    return found.connection != 0 && !connections_.at(found.connection).named;
  });
}

}  // namespace sealring
