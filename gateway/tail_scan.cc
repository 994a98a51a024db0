#include "gateway/tail_scan.h"

#include <algorithm>

namespace sealring {

const Detail* find_detail(const Event& event, ByteView name) {
  for (const Detail& detail : event.details)
    if (detail.name == name) return &detail;
  return nullptr;
}

std::uint64_t number_of(const Event& event, ByteView name) {
  const Detail* detail = find_detail(event, name);
  const auto* number = detail ? std::get_if<std::uint64_t>(&detail->value) : nullptr;
  return number ? *number : 0;
}

void TailScan::take(std::uint64_t index, const Entry& entry) {
  if (const auto* message = std::get_if<Message>(&entry.body)) {
    if (message->qos > 0)
      found_.push_back(
          {message->packet_id, index, message->possible_duplicate_of.has_value(), entry.common.connection});
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
    found_.push_back({static_cast<std::uint16_t>(number_of(event, "packet-id")), index,
                      find_detail(event, "possible-duplicate-of") != nullptr, common.connection});
  if (event.code == EventCode::broker_connected) take_connected(index, event);
  if (event.code == EventCode::heartbeat)
    for (const Detail& detail : event.details)
      if (const auto* connection = std::get_if<std::uint64_t>(&detail.value)) {
        const auto at = std::find(brokers_.begin(), brokers_.end(), detail.name);
        owner_.emplace(*connection, at == brokers_.end()
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
  if (source || find_detail(event, kBrokerDetail) != nullptr) owner_.emplace(index, source);
  met_others_ = met_others_ || !source;
  if (source && number_of(event, "session-present") == 0 && !sources_[*source].lineage)
    sources_[*source].lineage = index;
}

bool TailScan::complete() const {
  return std::all_of(sources_.begin(), sources_.end(), [](const Source& s) { return s.lineage.has_value(); });
}

std::vector<TailScan::Found> TailScan::tail(std::size_t source) const {
  std::vector<Found> out;
  for (auto found = found_.rbegin(); found != found_.rend(); ++found) {
    if (found->connection < sources_[source].lineage.value_or(0)) continue;  // of a session that is gone
    // Recorded when the session that they had come in was known to be gone: nobody sends them again.
    if (found->connection == 0 && brokers_.size() > 1) continue;
    const auto owner = owner_.find(found->connection);
    if (owner == owner_.end() || owner->second == source) out.push_back(*found);
  }
  return out;
}

bool TailScan::doubtful() const {
  if (brokers_.size() == 1) return met_others_;
  return std::any_of(found_.begin(), found_.end(), [this](const Found& found) {
    return found.connection != 0 && owner_.find(found.connection) == owner_.end();
  });
}

}  // namespace sealring
