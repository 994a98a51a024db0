// The MQTT source: Paho C++ behind the ack gate.
//
//     broker <- TCP or TLS -> [gate thread] <- loopback -> Paho -> callback -> Sink
//
// Paho acknowledges right after its callback and cannot wait for a group commit. So Paho connects to a relay in this
// process, the gate, which passes bytes on but holds back PUBACK, PUBREC, PUBCOMP and DISCONNECT, in order, until the
// messages handed over before them are durable (release()). Held acknowledgements die with the connection: the broker
// then sends those messages again. The gate also reads the headers of the broker's CONNACK and PUBLISH packets, so
// that every item has its wire facts; see ack_gate.h.
//
// Persistent session: clean start off, fixed client id, session expiry 68 years (MQTT 5), Receive Maximum. MQTT 5 with
// 3.1.1 as fallback: for good when the broker refuses MQTT 5 in words, for one connection when it hangs up before
// CONNACK. A fresh Paho client is made for every connection, so that nothing Paho remembers hides a redelivery.
// Reconnects by itself, for ever, with backoff (0.5 s doubling to 30 s, jitter). A filter that is no longer
// configured stays in the session at the broker until that is removed there: what it brings is handed over.
//
// QoS 2 on 3.1.1 loses data inside Paho (PUBREC before the callback). There the subscriptions are lowered to QoS 1 and
// one `trouble` item says so. QoS 2 messages that come all the same, from a session that MQTT 5 began, reach Paho as
// QoS 1 and are acknowledged to the broker as QoS 2: nothing is lost.
//
// Traps of Paho C 1.3.12 / C++ 1.2.0 that the code goes around: http_proxy in the environment diverts the loopback
// connection; SUBSCRIBE with several filters loses the options of MQTT 5 or crashes; a token does not tell the packet
// id of its SUBSCRIBE; four-byte properties from 2^31 are written wrong; a subscribe() between CONNACK and the
// connected callback is refused.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/bytes.h"

namespace sealring {

// An MQTT 5 property as received, in the order on the wire. See Property in storage/entry.h for its fields.
struct ReceivedProperty {
  std::uint8_t id = 0;
  std::uint64_t number = 0;
  std::string a, b;
};

struct SourceItem {
  enum class Type {
    connected,  // CONNACK received; session_present tells whether the broker kept our session
    message,
    rejected,      // a message that cannot be recorded as one: reason says why; payload left out, size and hash given
    disconnected,  // reason says why; sent once per connected
    trouble,       // could not connect, or a subscription was refused or granted with a lower QoS: reason says what to
                   // look at. Only when the reason changes
    drops,         // the broker's count of messages it has dropped: dropped_total
  };
  Type type = Type::message;
  std::uint32_t source = 0;      // which of several sources, see SourceSink
  std::uint64_t connection = 0;  // counts the connections of this object, from 1
  std::uint64_t tag = 0;         // message, rejected: how many messages of this connection were handed over, this one
                                 // included. What release() takes
  bool session_present = false;
  int protocol = 0;  // connected: 5 or 4 (3.1.1)
  // message, rejected: wire facts
  std::uint8_t qos = 0;
  bool retain = false;
  bool dup = false;
  std::uint16_t packet_id = 0;
  std::string topic;  // bytes; an alias is resolved. rejected: at most max_header_bytes of it
  std::string payload;
  std::vector<ReceivedProperty> properties;  // without Topic Alias. rejected: none when they are what is wrong
  std::uint64_t payload_bytes = 0;
  Hash payload_sha256{};  // rejected only
  std::uint64_t dropped_total = 0;
  std::string reason;

  std::size_t memory_bytes() const;  // what it costs in a queue, about
};

class SourceSink {
 public:
  virtual ~SourceSink() = default;
  // Called on Paho's or the gate's thread: must only enqueue, must not block, must not throw.
  virtual void put(SourceItem&& item) = 0;
  // Polled by the gate: when true it stops reading from the broker (back-pressure, not loss) until wake(). What has
  // passed the gate by then still comes: at most 256 KiB of packets, or one packet that is larger.
  virtual bool full() const = 0;
};

struct Subscription {
  std::string filter;
  int qos = 1;
  bool retained_always = false;  // the broker sends the retained message at each connection, not only to a new session
};

// TLS to the broker. PEM files, read at the start; when they have changed, again at the next connection.
struct BrokerTls {
  std::string ca_file;              // whom to trust
  std::string server_name;          // that the broker's certificate must have
  std::string cert_file, key_file;  // our own; both empty: none
};

class MqttSource {
 public:
  struct Config {
    std::string host = "127.0.0.1";
    std::uint16_t port = 1883;
    std::string client_id;
    std::string username, password;         // empty: none
    std::optional<BrokerTls> tls;           // none: plain TCP
    int protocol = 0;                       // 5 or 4 (3.1.1); 0: 5, and 3.1.1 when the broker refuses 5
    std::uint16_t receive_maximum = 50000;  // as many as Redelivery compares: see there
    std::uint16_t keepalive_s = 30;
    std::size_t max_payload_bytes = 1u << 20;  // larger ones become `rejected`
    std::size_t max_header_bytes = 16u << 10;  // topic + properties; larger ones become `rejected`
    std::vector<Subscription> subscriptions;
    std::string state_folder;  // where to remember what mqtt_session.h does; empty: not over the end of the process
  };
  // Removes http_proxy and the like from the environment: call it before other threads read that. reject: a config
  // that cannot work.
  static Result<std::unique_ptr<MqttSource>> create(Config config, SourceSink& sink);
  virtual ~MqttSource() = default;  // stops
  virtual Status start() = 0;       // returns at once; connecting goes on in the background
  // Disconnects cleanly (the session stays at the broker), joins the threads. release() still counts while it waits,
  // for 2 s at most, for what was handed over. No put() after it returns. What was not released is redelivered by the
  // broker at the next start. Final: a source starts once.
  virtual void stop() = 0;
  // Everything of `connection` up to `tag` is durable: its acknowledgements may go. Any thread, never blocks.
  virtual void release(std::uint64_t connection, std::uint64_t tag) = 0;
  virtual void wake() = 0;  // the sink has room again. Any thread

  struct Stats {
    bool connected = false;
    std::uint64_t connections = 0, messages = 0, acks_held = 0, acks_released = 0;
    std::string last_trouble;
  };
  virtual Stats stats() const = 0;  // any thread
};

}  // namespace sealring
