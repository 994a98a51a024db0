#include "gateway/broker_tap.h"

#include <algorithm>

#include "gateway/config.h"

namespace sealring {
namespace {

bool covers(const MqttSource::Config& config) {
  return std::any_of(config.subscriptions.begin(), config.subscriptions.end(),
                     [](const Subscription& s) { return filters_overlap(s.filter, kDropsTopic); });
}

// What Mosquitto writes: a decimal number. Anything else is no count.
std::optional<std::uint64_t> parse_count(std::string_view text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  std::uint64_t n = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    n = 10 * n + static_cast<std::uint64_t>(c - '0');
  }
  return n;
}

}  // namespace

BrokerTap::BrokerTap(std::uint32_t source, const MqttSource::Config& config, bool watch_drops, RecordQueue& queue)
    : source_(source), watch_drops_(watch_drops), covered_(covers(config)), queue_(queue) {}

MqttSource::Config BrokerTap::watched(MqttSource::Config config, bool watch_drops) {
  if (watch_drops && !covers(config)) config.subscriptions.push_back({std::string(kDropsTopic), 0, true});
  return config;
}

void BrokerTap::put(SourceItem&& item) {
  item.source = source_;
  const bool count = item.type == SourceItem::Type::message && item.topic == kDropsTopic;
  const auto total = count && watch_drops_ ? parse_count(item.payload) : std::nullopt;
  if (!total) return queue_.put(std::move(item));
  SourceItem drops;
  drops.type = SourceItem::Type::drops;
  drops.source = source_;
  drops.connection = item.connection;
  drops.tag = item.tag;
  drops.dropped_total = *total;
  // At a higher QoS, by a filter of this or an earlier configuration, it has its place among the redeliveries.
  if (!covered_ && item.qos == 0) return queue_.put(std::move(drops));
  std::vector<SourceItem> both;
  both.push_back(std::move(item));
  both.push_back(std::move(drops));
  queue_.put_all(std::move(both));
}

}  // namespace sealring
