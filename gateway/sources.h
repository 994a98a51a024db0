// The sources of a configuration: one for each broker, all into one queue.
#pragma once

#include "gateway/broker_tap.h"
#include "gateway/config.h"
#include "gateway/status_report.h"

namespace sealring {

std::vector<std::string> broker_names(const GatewayConfig& config);  // by SourceItem::source

class Sources {
 public:
  // `queue` must outlive them. reject: names the broker whose configuration cannot work.
  static Result<std::unique_ptr<Sources>> create(const GatewayConfig& config, RecordQueue& queue);
  Status start();
  void stop();  // as MqttSource::stop(), of all at once
  void release(std::uint32_t source, std::uint64_t connection, std::uint64_t tag);  // any thread
  void wake();                                                                      // any thread
  std::vector<NamedSource> stats() const;                                           // any thread

 private:
  std::vector<std::string> names_;
  std::vector<std::unique_ptr<BrokerTap>> taps_;
  std::vector<std::unique_ptr<MqttSource>> sources_;  // stop before their taps go
};

}  // namespace sealring
