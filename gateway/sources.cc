#include "gateway/sources.h"

#include <thread>

namespace sealring {

std::vector<std::string> broker_names(const GatewayConfig& config) {
  std::vector<std::string> names;
  for (const GatewayConfig::Broker& broker : config.brokers) names.push_back(broker.name);
  return names;
}

Result<std::unique_ptr<Sources>> Sources::create(const GatewayConfig& config, RecordQueue& queue) {
  auto out = std::make_unique<Sources>();
  out->names_ = broker_names(config);
  for (const GatewayConfig::Broker& broker : config.brokers) {
    const auto number = static_cast<std::uint32_t>(out->sources_.size());
    out->taps_.push_back(std::make_unique<BrokerTap>(number, broker.source, broker.watch_drops, queue));
    MqttSource::Config watched = BrokerTap::watched(broker.source, broker.watch_drops);
    watched.state_folder = config.store;
    auto source = MqttSource::create(std::move(watched), *out->taps_.back());
    if (!source) return std::move(source).error().in("broker " + broker.name);
    out->sources_.push_back(std::move(source).value());
  }
  return out;
}

Status Sources::start() {
  for (auto& source : sources_) SEALRING_TRY(source->start());
  return {};
}

// Each may wait for its acknowledgements: together they take no longer than one.
void Sources::stop() {
  std::vector<std::thread> stopping;
  for (auto& source : sources_) stopping.emplace_back([&source] { source->stop(); });
  for (std::thread& thread : stopping) thread.join();
}

void Sources::release(std::uint32_t source, std::uint64_t connection, std::uint64_t tag) {
  sources_[source]->release(connection, tag);
}

void Sources::wake() {
  for (auto& source : sources_) source->wake();
}

std::vector<NamedSource> Sources::stats() const {
  std::vector<NamedSource> out;
  for (std::size_t i = 0; i < sources_.size(); ++i) out.push_back({names_[i], sources_[i]->stats()});
  return out;
}

}  // namespace sealring
