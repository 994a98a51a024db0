// What the gate does to the broker's byte stream on its way to Paho. No sockets, no threads, no clock: bytes in, bytes
// and facts out, so that any split of any stream can be tried in memory.
//
// Everything passes unchanged but:
//   PUBLISH    leaves its facts (header, topic, properties), in wire order, for the callback that will follow
//   PUBLISH too large, or with properties that cannot be read
//              is hashed as it streams past, and Paho gets a stand-in: same packet id, QoS and place, topic "-", no
//              payload. So Paho calls back and acknowledges in order as always, the broker's window never sticks, and
//              memory stays bounded. (Making the acknowledgements here would need the QoS 2 state machine again, and
//              a second thread that hands messages over.)
//   PUBLISH of QoS 2 on 3.1.1
//              reaches Paho as QoS 1 and its PUBACK leaves as PUBREC, because there Paho sends PUBREC before it calls
//              back: a crash would lose the message. Subscriptions are lowered to QoS 1, but a session from an
//              earlier MQTT 5 connection may still hold some.
//   PINGRESP   is swallowed: the pings are the gate's
//   CONNACK, SUBACK, DISCONNECT are also read
#pragma once

#include <bitset>
#include <map>
#include <vector>

#include "crypto/sha256.h"
#include "drivers/mqtt_wire.h"

namespace sealring {

// Of one PUBLISH that Paho will call back for.
struct PublishFacts {
  SourceItem item;               // type message or rejected; without connection, tag and payload
  std::uint64_t wire_bytes = 0;  // what was forwarded to Paho for it
  bool topic_known_to_paho = false;
};

class MqttInbound {
 public:
  struct Limits {
    std::size_t max_payload_bytes = 1u << 20;
    std::size_t max_header_bytes = 16u << 10;
  };
  MqttInbound(int protocol, Limits limits);

  struct Output {
    Bytes forward;                    // for Paho
    std::vector<PublishFacts> facts;  // in wire order; a callback can come as soon as `forward` was sent
    std::optional<MqttConnack> connack;
    std::vector<MqttSuback> subacks;
    unsigned pingresps = 0;
    std::optional<std::string> disconnect;  // the broker said goodbye, in words
  };
  // At most one packet, or a piece of one: how many bytes of `bytes` it consumed; 0: needs more than these. It never
  // needs more than max_step_bytes(). reject: the stream is damaged; never heals.
  Result<std::size_t> step(ByteView bytes, Output& out);
  std::size_t max_step_bytes() const { return max_step_bytes_; }

  // Between two packets: here something else may be sent to Paho.
  bool at_boundary() const { return state_ == State::boundary; }
  // The next packet is a PUBLISH, or its first byte is not here yet: here the gate may pause.
  static bool publish_next(ByteView bytes);

  // Paho acknowledges `packet_id` by PUBACK: true when the broker must get PUBREC instead. Once for each.
  bool wants_pubrec(std::uint16_t packet_id);

 private:
  enum class State { boundary, forwarding, skipping, hashing };

  Result<std::size_t> packet(ByteView bytes, Output& out);
  Result<std::size_t> publish(const MqttFixedHeader& header, ByteView bytes, Output& out);
  Result<std::size_t> other(const MqttFixedHeader& header, ByteView bytes, Output& out);
  Status look_into(const MqttFixedHeader& header, ByteView body, Output& out);
  Status resolve_alias(std::optional<std::uint16_t> alias, std::string& topic);
  bool paho_knows(const MqttPublish& publish) const;
  void accept(const MqttFixedHeader& header, ByteView bytes, const MqttPublish& publish, SourceItem item, Output& out);
  void start_reject(const MqttPublish& publish, SourceItem item, std::string reason, std::uint64_t skip);
  void finish_reject(Output& out);
  void pass_piece(ByteView piece, Output& out);
  void note_qos2(const MqttPublish& publish);

  const int protocol_;
  const Limits limits_;
  const std::size_t max_step_bytes_;
  State state_ = State::boundary;
  std::uint64_t left_ = 0;       // bytes of the packet in this state
  std::uint64_t hash_left_ = 0;  // skipping: payload bytes after it
  bool connected_ = false;
  SourceItem rejected_;
  bool rejected_known_ = false;
  Sha256 hash_;
  std::bitset<65536> qos2_open_;     // PUBLISH seen, PUBREL not yet: Paho does not call back again for these
  std::bitset<65536> wants_pubrec_;  // 3.1.1 only
  std::map<std::uint16_t, std::string> aliases_;
};

}  // namespace sealring
