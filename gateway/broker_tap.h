// Between one broker's source and the queue: says which broker an item is of, and takes the broker's own count of
// dropped messages out of the stream.
//
// Mosquitto and others publish on $SYS/broker/publish/messages/dropped how many messages they have thrown away because
// a client's queue was full: what such a client never gets cannot be in the log, but that it was lost can. The count is
// retained, so it is subscribed to with every connection and tells, too, what was lost while we were away.
#pragma once

#include "gateway/queue.h"

namespace sealring {

constexpr std::string_view kDropsTopic = "$SYS/broker/publish/messages/dropped";

class BrokerTap final : public SourceSink {
 public:
  // `watch_drops`: an item of type drops for each count. Where the subscriptions of `config` cover that topic anyway,
  // its messages are recorded as well; otherwise watched() adds a subscription of our own.
  BrokerTap(std::uint32_t source, const MqttSource::Config& config, bool watch_drops, RecordQueue& queue);
  static MqttSource::Config watched(MqttSource::Config config, bool watch_drops);

  void put(SourceItem&& item) override;
  bool full() const override { return queue_.full(); }

 private:
  const std::uint32_t source_;
  const bool watch_drops_, covered_;
  RecordQueue& queue_;
};

}  // namespace sealring
