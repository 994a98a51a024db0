#include "drivers/mqtt_wire.h"

#include <array>

namespace sealring {
namespace {

enum class Shape { none, byte, two, four, varint, text, pair };

// MQTT 5, table 2-4.
Shape shape_of(std::uint32_t id) {
  switch (id) {
    case 0x01:  // Payload Format Indicator
    case 0x17:  // Request Problem Information
    case 0x19:  // Request Response Information
    case 0x24:  // Maximum QoS
    case 0x25:  // Retain Available
    case 0x28:  // Wildcard Subscription Available
    case 0x29:  // Subscription Identifier Available
    case 0x2a:  // Shared Subscription Available
      return Shape::byte;
    case 0x13:  // Server Keep Alive
    case 0x21:  // Receive Maximum
    case 0x22:  // Topic Alias Maximum
    case 0x23:  // Topic Alias
      return Shape::two;
    case 0x02:  // Message Expiry Interval
    case 0x11:  // Session Expiry Interval
    case 0x18:  // Will Delay Interval
    case 0x27:  // Maximum Packet Size
      return Shape::four;
    case 0x0b:  // Subscription Identifier
      return Shape::varint;
    case 0x03:  // Content Type
    case 0x08:  // Response Topic
    case 0x09:  // Correlation Data
    case 0x12:  // Assigned Client Identifier
    case 0x15:  // Authentication Method
    case 0x16:  // Authentication Data
    case 0x1a:  // Response Information
    case 0x1c:  // Server Reference
    case 0x1f:  // Reason String
      return Shape::text;
    case 0x26:  // User Property
      return Shape::pair;
    default:
      return Shape::none;
  }
}

constexpr std::uint8_t kUserProperty = 0x26, kSubscriptionId = 0x0b, kTopicAlias = 0x23, kReasonString = 0x1f,
                       kServerKeepAlive = 0x13;

bool allowed_in_publish(std::uint8_t id) {
  switch (id) {
    case 0x01:
    case 0x02:
    case 0x03:
    case 0x08:
    case 0x09:
    case kSubscriptionId:
    case kTopicAlias:
    case kUserProperty:
      return true;
    default:
      return false;
  }
}

bool flags_fit(MqttPacket type, std::uint8_t flags) {
  switch (type) {
    case MqttPacket::publish:
      return (flags & 6) != 6;  // no QoS 3
    case MqttPacket::pubrel:
    case MqttPacket::subscribe:
    case MqttPacket::unsubscribe:
      return flags == 2;
    default:
      return flags == 0;
  }
}

std::string hex_byte(std::uint32_t value) {
  const char c = static_cast<char>(value);
  return "0x" + hex(ByteView(&c, 1));
}

Bytes read_text(ByteReader& reader) {
  const std::uint16_t length = reader.u16();
  return Bytes(reader.bytes(length));
}

// One property; false when it is unknown or leaves the section.
bool read_property(ByteReader& reader, ReceivedProperty& out) {
  std::uint32_t id = 0;
  std::size_t size = 0;
  if (read_varint(reader.rest(), id, size) != WireState::complete) return false;
  reader.bytes(size);
  const Shape shape = shape_of(id);
  out.id = static_cast<std::uint8_t>(id);  // every known one is less than 128
  switch (shape) {
    case Shape::none:
      return false;
    case Shape::byte:
      out.number = reader.u8();
      break;
    case Shape::two:
      out.number = reader.u16();
      break;
    case Shape::four:
      out.number = reader.u32();
      break;
    case Shape::varint: {
      std::uint32_t value = 0;
      if (read_varint(reader.rest(), value, size) != WireState::complete) return false;
      reader.bytes(size);
      out.number = value;
      break;
    }
    case Shape::text:
      out.a = read_text(reader);
      break;
    case Shape::pair:
      out.a = read_text(reader);
      out.b = read_text(reader);
      break;
  }
  return reader.ok();
}

// Length and section of properties at the reader; an empty view when there are none. false: they leave the packet.
bool take_properties(ByteReader& reader, ByteView& section) {
  section = {};
  if (reader.at_end()) return true;
  std::uint32_t length = 0;
  std::size_t size = 0;
  if (read_varint(reader.rest(), length, size) != WireState::complete) return false;
  reader.bytes(size);
  section = reader.bytes(length);
  return reader.ok();
}

std::string reason_string(const std::vector<ReceivedProperty>& properties) {
  for (const ReceivedProperty& p : properties)
    if (p.id == kReasonString && !p.a.empty()) return " (" + quoted(p.a, 200) + ")";
  return {};
}

std::string old_connack_words(std::uint8_t code) {
  switch (code) {
    case 0:
      return {};
    case 1:
      return "the broker does not speak this version of MQTT";
    case 2:
      return "the broker does not accept this client id";
    case 3:
      return "the broker is unavailable";
    case 4:
      return "bad user name or password";
    case 5:
      return "not authorized";
    default:
      return "refused with return code " + std::to_string(code);
  }
}

struct Reason {
  std::uint8_t code;
  const char* words;
};
constexpr std::array<Reason, 43> kReasons = {{
    {0x00, "normal disconnection"},
    {0x01, "granted QoS 1"},
    {0x02, "granted QoS 2"},
    {0x04, "disconnect with will message"},
    {0x10, "no matching subscribers"},
    {0x11, "no subscription existed"},
    {0x18, "continue authentication"},
    {0x19, "re-authenticate"},
    {0x80, "unspecified error"},
    {0x81, "malformed packet"},
    {0x82, "protocol error"},
    {0x83, "implementation specific error"},
    {0x84, "the broker does not speak this version of MQTT"},
    {0x85, "the broker does not accept this client id"},
    {0x86, "bad user name or password"},
    {0x87, "not authorized"},
    {0x88, "the broker is unavailable"},
    {0x89, "the broker is busy"},
    {0x8a, "banned"},
    {0x8b, "the broker is shutting down"},
    {0x8c, "bad authentication method"},
    {0x8d, "keep alive timeout"},
    {0x8e, "session taken over: another client uses this client id"},
    {0x8f, "topic filter invalid"},
    {0x90, "topic name invalid"},
    {0x91, "packet identifier in use"},
    {0x92, "packet identifier not found"},
    {0x93, "receive maximum exceeded"},
    {0x94, "topic alias invalid"},
    {0x95, "packet too large"},
    {0x96, "message rate too high"},
    {0x97, "quota exceeded"},
    {0x98, "administrative action"},
    {0x99, "payload format invalid"},
    {0x9a, "retain not supported"},
    {0x9b, "QoS not supported"},
    {0x9c, "use another server"},
    {0x9d, "server moved"},
    {0x9e, "shared subscriptions not supported"},
    {0x9f, "connection rate exceeded"},
    {0xa0, "maximum connect time"},
    {0xa1, "subscription identifiers not supported"},
    {0xa2, "wildcard subscriptions not supported"},
}};

}  // namespace

WireState read_varint(ByteView bytes, std::uint32_t& value, std::size_t& size) {
  value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    if (i == bytes.size()) return WireState::more;
    const auto byte = static_cast<std::uint8_t>(bytes[i]);
    value |= static_cast<std::uint32_t>(byte & 0x7f) << (7 * i);
    if (byte & 0x80) continue;
    size = i + 1;
    return i > 0 && byte == 0 ? WireState::malformed : WireState::complete;
  }
  return WireState::malformed;
}

void put_varint(Bytes& out, std::uint32_t value) {
  SEALRING_ASSERT(value <= kMqttMaxRemaining);
  do {
    const std::uint8_t byte = value & 0x7f;
    value >>= 7;
    put_u8(out, value ? byte | 0x80 : byte);
  } while (value);
}

WireState read_fixed_header(ByteView bytes, MqttFixedHeader& out) {
  if (bytes.empty()) return WireState::more;
  const auto first = static_cast<std::uint8_t>(bytes[0]);
  out.type = static_cast<MqttPacket>(first >> 4);
  out.flags = first & 0x0f;
  if (first >> 4 == 0 || !flags_fit(out.type, out.flags)) return WireState::malformed;
  std::size_t size = 0;
  const WireState state = read_varint(bytes.substr(1), out.remaining, size);
  out.bytes = static_cast<std::uint8_t>(1 + size);
  return state;
}

WireState read_publish(const MqttFixedHeader& header, ByteView body, int protocol, MqttPublish& out) {
  const std::uint64_t remaining = header.remaining;
  body = body.substr(0, remaining);
  // What is missing is `more` while the packet has room for it, else the packet is wrong.
  const auto lacks = [&](std::uint64_t need) {
    return need > remaining ? WireState::malformed : need > body.size() ? WireState::more : WireState::complete;
  };
  out.dup = header.flags & 8;
  out.qos = (header.flags >> 1) & 3;
  out.retain = header.flags & 1;
  if (out.qos == 3) return WireState::malformed;

  std::uint64_t at = 2;
  if (auto s = lacks(at); s != WireState::complete) return s;
  const std::uint16_t topic_bytes = get_u16(body.data());
  if (auto s = lacks(at + topic_bytes); s != WireState::complete) return s;
  out.topic = body.substr(at, topic_bytes);
  at += topic_bytes;

  out.packet_id = 0;
  if (out.qos > 0) {
    if (auto s = lacks(at + 2); s != WireState::complete) return s;
    out.packet_id = get_u16(body.data() + at);
    if (out.packet_id == 0) return WireState::malformed;
    at += 2;
  }

  out.properties_bytes = 0;
  if (protocol == 5) {
    std::size_t size = 0;
    if (auto s = lacks(at + 1); s != WireState::complete) return s;
    const WireState s = read_varint(body.substr(at), out.properties_bytes, size);
    if (s == WireState::malformed) return s;
    if (s == WireState::more) return body.size() == remaining ? WireState::malformed : s;
    at += size;
  }
  out.properties_at = static_cast<std::uint32_t>(at);
  if (at + out.properties_bytes > remaining) return WireState::malformed;
  out.payload_at = out.properties_at + out.properties_bytes;
  out.payload_bytes = header.remaining - out.payload_at;
  return WireState::complete;
}

Status read_properties(ByteView section, std::vector<ReceivedProperty>& out) {
  ByteReader reader(section);
  while (!reader.at_end()) {
    const std::size_t at = reader.offset();
    ReceivedProperty property;
    if (!read_property(reader, property))
      return reject_error("property at byte " + std::to_string(at) + " is malformed");
    out.push_back(std::move(property));
  }
  return {};
}

Result<MqttPublishProperties> read_publish_properties(ByteView section) {
  MqttPublishProperties out;
  if (section.empty()) return out;
  SEALRING_TRY(read_properties(section, out.list));
  std::uint64_t seen = 0;  // every identifier is less than 64
  for (const ReceivedProperty& p : out.list) {
    if (!allowed_in_publish(p.id)) return reject_error("property " + hex_byte(p.id) + " has no place in a PUBLISH");
    const std::uint64_t bit = std::uint64_t{1} << p.id;
    if (p.id != kUserProperty && p.id != kSubscriptionId && (seen & bit))
      return reject_error("property " + hex_byte(p.id) + " is there twice");
    seen |= bit;
  }
  for (auto p = out.list.begin(); p != out.list.end(); ++p) {
    if (p->id != kTopicAlias) continue;
    out.topic_alias = static_cast<std::uint16_t>(p->number);
    out.list.erase(p);
    break;
  }
  return out;
}

Result<MqttConnack> read_connack(ByteView body, int protocol) {
  ByteReader reader(body);
  MqttConnack out;
  const std::uint8_t flags = reader.u8();
  out.code = reader.u8();
  if (!reader.ok() || flags > 1) return reject_error("malformed CONNACK");
  out.session_present = flags & 1;
  if (reader.at_end()) {
    if (protocol == 5 && out.code == 0) return reject_error("CONNACK of MQTT 3.1.1 in answer to MQTT 5");
    out.words = old_connack_words(out.code);
    out.refuses_protocol = out.code == 1;
    if (protocol == 5 && out.code >= 0x80) {  // an MQTT 5 refusal without its properties
      out.words = reason_words(out.code);
      out.refuses_protocol = out.code == 0x84;
    }
    return out;
  }
  if (protocol != 5) return reject_error("malformed CONNACK");
  ByteView section;
  std::vector<ReceivedProperty> properties;
  if (!take_properties(reader, section) || !reader.at_end()) return reject_error("malformed CONNACK");
  SEALRING_TRY(read_properties(section, properties));
  for (const ReceivedProperty& p : properties)
    if (p.id == kServerKeepAlive) out.server_keepalive_s = static_cast<std::uint16_t>(p.number);
  out.refuses_protocol = out.code == 0x84;
  if (out.code != 0) out.words = reason_words(out.code) + reason_string(properties);
  return out;
}

std::string connack_advice(std::uint8_t code) {
  switch (code) {
    case 2:
    case 0x85:
      return ": look at client_id, and at the broker's list of them";
    case 4:
    case 0x86:
      return ": look at username and password_file, and at the broker's list of passwords";
    case 5:
    case 0x87:
      return ": look at username and password_file, if the broker wants them, and at the rights of the client id there";
    case 0x8a:
      return ": the broker has barred this client id or address";
    default:
      return {};
  }
}

Result<MqttSubscribe> read_subscribe(ByteView body, int protocol) {
  ByteReader reader(body);
  MqttSubscribe out;
  out.packet_id = reader.u16();
  ByteView section;
  if (protocol == 5 && !take_properties(reader, section)) return reject_error("malformed SUBSCRIBE");
  out.first_filter = read_text(reader);
  reader.u8();
  if (!reader.ok()) return reject_error("malformed SUBSCRIBE");
  return out;
}

Result<MqttSuback> read_suback(ByteView body, int protocol) {
  ByteReader reader(body);
  MqttSuback out;
  out.packet_id = reader.u16();
  ByteView section;
  if (!reader.ok() || out.packet_id == 0) return reject_error("malformed SUBACK");
  if (protocol == 5 && (reader.at_end() || !take_properties(reader, section))) return reject_error("malformed SUBACK");
  for (const char c : reader.rest()) out.codes.push_back(static_cast<std::uint8_t>(c));
  if (out.codes.empty()) return reject_error("SUBACK without a code");
  return out;
}

std::string disconnect_words(ByteView body) {
  if (body.empty()) return reason_words(0);
  ByteReader reader(body);
  const std::uint8_t code = reader.u8();
  ByteView section;
  std::vector<ReceivedProperty> properties;
  if (take_properties(reader, section)) (void)read_properties(section, properties).ok();
  return reason_words(code) + reason_string(properties);
}

std::string reason_words(std::uint8_t code) {
  for (const Reason& reason : kReasons)
    if (reason.code == code) return reason.words;
  return "reason " + hex_byte(code);
}

}  // namespace sealring
