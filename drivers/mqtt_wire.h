// MQTT packets as bytes: the little that the ack gate must read and write of them. Pure, total functions: any input
// gives an answer, none reads past its end, none allocates more than the input is long. MQTT 5 and 3.1.1 (level 4).
//
// Strict where the stream would lose its framing or an acknowledgement its message (lengths, packet types, packet
// ids); lenient about what the recorder keeps as it came (UTF-8 is not checked: topics and strings are bytes).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drivers/mqtt_source.h"

namespace sealring {

enum class MqttPacket : std::uint8_t {
  connect = 1,
  connack,
  publish,
  puback,
  pubrec,
  pubrel,
  pubcomp,
  subscribe,
  suback,
  unsubscribe,
  unsuback,
  pingreq,
  pingresp,
  disconnect,
  auth,
};

// A packet that arrives in pieces is `more` until it can be read; `malformed` never heals.
enum class WireState { complete, more, malformed };

constexpr std::uint32_t kMqttMaxRemaining = 268'435'455;  // 4 bytes of 7 bits
constexpr std::size_t kMqttMaxFixedHeader = 5;            // type and flags, 1-4 bytes of remaining length

struct MqttFixedHeader {
  MqttPacket type{};
  std::uint8_t flags = 0;       // low four bits of the first byte
  std::uint8_t bytes = 0;       // of this header: 2-5
  std::uint32_t remaining = 0;  // bytes that follow it
};
// malformed: type 0, flags that the type forbids, a remaining length of more than 4 bytes or not in its shortest form.
WireState read_fixed_header(ByteView bytes, MqttFixedHeader& out);

// Variable byte integer at the start of `bytes`; `size` is how many bytes it took.
WireState read_varint(ByteView bytes, std::uint32_t& value, std::size_t& size);
void put_varint(Bytes& out, std::uint32_t value);

// The variable header of a PUBLISH. Offsets and views count from the first byte after the fixed header.
struct MqttPublish {
  std::uint8_t qos = 0;
  bool retain = false;
  bool dup = false;
  std::uint16_t packet_id = 0;  // 0 at QoS 0
  ByteView topic;               // as sent: empty when an alias stands for it
  std::uint32_t properties_at = 0;
  std::uint32_t properties_bytes = 0;  // 0 on 3.1.1
  std::uint32_t payload_at = 0;
  std::uint32_t payload_bytes = 0;
};
// `body` is what has arrived of the `header.remaining` bytes, or a prefix; complete as soon as the length of the
// properties has been read (the properties themselves need not be there). malformed: QoS 3, packet id 0, a length
// that leaves the packet.
WireState read_publish(const MqttFixedHeader& header, ByteView body, int protocol, MqttPublish& out);

// The properties of an MQTT 5 packet, without their length. In order; user properties may repeat.
// reject: unknown identifier, or a value that leaves the section.
Status read_properties(ByteView section, std::vector<ReceivedProperty>& out);
// The same for a PUBLISH: reject also what has no place there, or is there twice. Topic Alias is taken out.
struct MqttPublishProperties {
  std::vector<ReceivedProperty> list;
  std::optional<std::uint16_t> topic_alias;
};
Result<MqttPublishProperties> read_publish_properties(ByteView section);

struct MqttConnack {
  bool session_present = false;
  std::uint8_t code = 0;  // 0: accepted
  bool refuses_protocol = false;
  std::optional<std::uint16_t> server_keepalive_s;
  std::string words;  // why it was refused; empty when accepted
};
// `body`: everything after the fixed header. A two-byte body is read in the way of 3.1.1 also when 5 was asked for:
// that is how an old broker refuses.
Result<MqttConnack> read_connack(ByteView body, int protocol);

// ": " and what to look at when CONNACK refused us with this code, or nothing.
std::string connack_advice(std::uint8_t code);

struct MqttSubscribe {
  std::uint16_t packet_id = 0;
  std::string first_filter;
};
Result<MqttSubscribe> read_subscribe(ByteView body, int protocol);

struct MqttSuback {
  std::uint16_t packet_id = 0;
  std::vector<std::uint8_t> codes;  // granted QoS 0-2, or from 0x80 a refusal; one for each filter
};
Result<MqttSuback> read_suback(ByteView body, int protocol);

// DISCONNECT from the broker (MQTT 5), in words. Never fails: it is only told to people.
std::string disconnect_words(ByteView body);
// The name of an MQTT 5 reason code, "reason 0x.." for unknown ones.
std::string reason_words(std::uint8_t code);

}  // namespace sealring
