// The one queue between the sources and the recorder, bounded in bytes. A full queue makes the gate stop reading from
// the broker: back-pressure, not loss. put() never blocks and never drops: what was read before full() was seen is at
// most one read buffer.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <vector>

#include "drivers/mqtt_source.h"

namespace sealring {

// What the forwarder got for a sealed segment, on its way to the recorder.
struct ReceivedReceipt {
  std::uint64_t segment = 0;
  Bytes note;            // checkpoint with the log's line and the cosigners', already checked
  bool complete = true;  // a receipt. Otherwise a witness' line only, which is kept until the mirror's joins it
};

class RecordQueue final : public SourceSink {
 public:
  explicit RecordQueue(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  void put(SourceItem&& item) override;
  void put_all(std::vector<SourceItem>&& items);  // as one, so that they can become one frame
  bool full() const override;
  void put_receipt(ReceivedReceipt&& receipt);
  void close();  // the recorder is to stop
  void poke();   // take() returns early, with nothing

  struct Batch {
    std::vector<SourceItem> items;
    std::vector<ReceivedReceipt> receipts;
    bool closed = false;
  };
  // Everything there is; waits for something until `deadline`. When this makes room again, on_room is called.
  Batch take(std::chrono::steady_clock::time_point deadline);
  // Only the receipts: for a recorder that waits for room and may take no more messages.
  Batch take_receipts(std::chrono::steady_clock::time_point deadline);
  // Until it is closed, or the deadline. Whether it is closed.
  bool wait_closed(std::chrono::steady_clock::time_point deadline);
  void set_on_room(std::function<void()> on_room) { on_room_ = std::move(on_room); }
  std::size_t bytes() const;

 private:
  const std::size_t max_bytes_;
  std::function<void()> on_room_;
  mutable std::mutex mutex_;
  std::condition_variable something_;
  std::vector<SourceItem> items_;
  std::vector<ReceivedReceipt> receipts_;
  std::size_t bytes_ = 0;
  bool closed_ = false, poked_ = false;
};

}  // namespace sealring
