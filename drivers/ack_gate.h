// The ack gate: one thread between Paho and the broker, for one connection.
//
//     broker <-> [Upstream | MqttInbound / MqttOutbound | loopback socket] <-> Paho
//
// Paho acknowledges right after its callback and cannot be told to wait. The gate passes everything on but holds the
// acknowledgements until release(). It also
//   - keeps the connection alive by itself: it puts the keep-alive time into CONNECT (Paho is configured with 0) and
//     sends PINGREQ after half of it without a byte to the broker. A Paho that counts held acknowledgements as sent
//     would starve the broker, and one whose PINGRESP waits behind a full sink would give up a good connection;
//   - reads no further PUBLISH while the sink is full, or while Paho has more than a window of them to hand over: so a
//     full sink is overrun by at most that window;
//   - leaves the facts of each PUBLISH for Paho's callback.
//
// Buffers are bounded whatever either side sends. When one side fails the gate closes both: Paho never reconnects.
//
// Alternative tried before: acknowledging from inside the callback (commit in the callback) makes 2.7 k messages/s
// instead of 50 k, because Paho has one receive thread.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "drivers/mqtt_inbound.h"
#include "drivers/mqtt_outbound.h"
#include "drivers/mqtt_upstream.h"

namespace sealring {

class AckGate {
 public:
  struct Config {
    int protocol = 5;
    std::uint16_t keepalive_s = 30;  // 0: no pings, and a dead broker is noticed only by TCP
    MqttInbound::Limits limits;
    std::chrono::milliseconds connect_timeout{10000};  // for CONNACK
    std::chrono::milliseconds stall_timeout{30000};    // of the MQTT client, with messages before it
  };
  // Called on the gate's thread; must not block and not call the gate.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void on_connack(const MqttConnack& connack) = 0;  // also a refusal; before anything of it reaches Paho
    virtual void on_suback(const std::string& filter, std::uint8_t code) = 0;  // of a SUBSCRIBE with this one filter
    virtual void on_closed(const std::string& reason) = 0;                     // once, last; both sockets are closed
  };

  // Opens the loopback port and starts the thread. retry: why it could not. `sink` (only full() is called) and
  // `listener` must outlive the gate.
  static Result<std::unique_ptr<AckGate>> open(const Config& config, std::unique_ptr<Upstream> broker,
                                               const SourceSink& sink, Listener& listener);
  ~AckGate() { close(); }
  AckGate(const AckGate&) = delete;
  AckGate& operator=(const AckGate&) = delete;

  void close();  // at once; joins the thread: no call of the listener after it. The opener's thread

  std::uint16_t port() const { return port_; }  // where Paho must connect

  // For Paho's callback: all facts that have come since the last call, in wire order, appended.
  void take_facts(std::deque<PublishFacts>& to);
  // After the message of these facts has been given to the sink.
  void handed_over(const PublishFacts& facts) { handed_over(facts.wire_bytes); }
  std::uint64_t messages() const { return handed_.load(); }

  void release(std::uint64_t tag);  // any thread, never blocks
  void wake();                      // the sink has room. Any thread, never blocks
  void fail(std::string reason);    // close now. Any thread
  // No more from the broker; DISCONNECT is about to come from Paho, or is made here when Paho goes without. What is
  // held may still be released until `deadline`, then it is given up, DISCONNECT is sent and the gate closes.
  void finish(std::chrono::steady_clock::time_point deadline);

  std::uint64_t acks_held() const { return acks_held_.load(std::memory_order_relaxed); }
  std::uint64_t acks_released() const { return acks_released_.load(std::memory_order_relaxed); }
  bool waiting_for_room() const { return paused_.load(); }  // the sink is or was full

 private:
  using Clock = std::chrono::steady_clock;
  struct Buffer {  // bytes in [at, end) are waiting
    Bytes bytes;
    std::size_t at = 0;
    ByteView view() const { return ByteView(bytes).substr(at); }
    std::size_t size() const { return bytes.size() - at; }
    void consume(std::size_t n);
  };

  AckGate(const Config& config, const SourceSink& sink, Listener& listener, WakeEvent event);
  void handed_over(std::uint64_t wire_bytes);
  void signal();

  void run();
  Status turn();  // one round of work and one poll()
  Status accept_paho();
  Status read_broker();
  Error lost(const Error& why) const;
  Status read_paho();
  Status flush(bool& progress);
  Status pass_inbound();
  Status pass_output();
  void compact_input();
  bool may_pass_publish();
  void pass_releases();
  Status keep_alive(Clock::time_point now);
  Status check_deadlines(Clock::time_point now);
  Status check_taking(Clock::time_point now);
  Status check_finish(Clock::time_point now);
  Status wait();
  int timeout_ms(Clock::time_point now) const;
  void to_broker(ByteView bytes) { up_.bytes.append(bytes); }
  Clock::duration ping_interval() const { return std::chrono::milliseconds(keepalive_s_ * 500); }

  const Config config_;
  const SourceSink& sink_;
  Listener& listener_;
  const WakeEvent event_;
  std::uint16_t port_ = 0;

  // Of the gate's thread only.
  std::unique_ptr<Upstream> upstream_;
  UniqueFd listening_, paho_;
  MqttInbound inbound_;
  MqttOutbound outbound_;
  MqttInbound::Output output_;
  Bytes in_;  // from the broker, [in_at_, in_end_)
  std::size_t in_at_ = 0, in_end_ = 0;
  Buffer up_, down_;
  std::uint64_t forwarded_ = 0, forwarded_bytes_ = 0, sink_asked_at_ = 0;
  bool ask_sink_ = true;
  std::size_t counted_ = 0;    // of output_.facts
  bool more_to_pass_ = false;  // pass_inbound() stopped at a full buffer,
  bool blocked_ = false;       // or at that or a PUBLISH that may not pass yet
  bool connect_sent_ = false;  // Paho is there
  bool connected_ = false;     // CONNACK has come
  Bytes begin_;                // the broker's first bytes, until then
  bool paho_gone_ = false;     // and it was expected
  bool closing_ = false;       // DISCONNECT was sent
  bool closed_ = false;
  unsigned pings_out_ = 0;
  std::uint16_t keepalive_s_;
  Clock::time_point opened_, last_sent_, last_received_, ping_since_, closing_since_;
  std::uint64_t taken_ = 0;  // handed_, as it has been
  Clock::time_point taken_since_;

  // Shared.
  std::atomic<std::uint64_t> handed_{0}, handed_bytes_{0}, durable_{0};
  std::atomic<std::uint64_t> acks_held_{0}, acks_released_{0};
  std::atomic<bool> signalled_{false}, paused_{false}, window_full_{false}, stop_{false}, finishing_{false};
  std::mutex mutex_;
  std::vector<PublishFacts> facts_;      // under mutex_
  std::string failure_;                  // under mutex_
  Clock::time_point finish_deadline_{};  // under mutex_
  std::thread thread_;
};

}  // namespace sealring
