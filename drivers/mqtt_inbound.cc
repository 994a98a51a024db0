#include "drivers/mqtt_inbound.h"

#include <algorithm>

namespace sealring {
namespace {

// We ask for no topic aliases (Topic Alias Maximum is absent), so a broker that sends some errs. A few are resolved all
// the same; the bound keeps such a broker from filling memory.
constexpr std::size_t kMaxAliases = 64;
// Of packets that are read whole: CONNACK, SUBACK, DISCONNECT may have long reason strings.
constexpr std::size_t kMaxOtherPacket = 128u << 10;
constexpr char kStandInTopic[] = "-";

Bytes publish_prefix(std::uint8_t flags, std::uint32_t remaining) {
  Bytes out;
  put_u8(out, static_cast<std::uint8_t>(static_cast<unsigned>(MqttPacket::publish) << 4 | flags));
  put_varint(out, remaining);
  return out;
}

}  // namespace

MqttInbound::MqttInbound(int protocol, Limits limits)
    : protocol_(protocol),
      limits_(limits),
      max_step_bytes_(kMqttMaxFixedHeader + std::max<std::size_t>(kMaxOtherPacket, limits.max_header_bytes + 16)) {}

bool MqttInbound::publish_next(ByteView bytes) {
  return bytes.empty() || static_cast<std::uint8_t>(bytes[0]) >> 4 == static_cast<std::uint8_t>(MqttPacket::publish);
}

bool MqttInbound::wants_pubrec(std::uint16_t packet_id) {
  const bool wants = wants_pubrec_[packet_id];
  wants_pubrec_[packet_id] = false;
  return wants;
}

Result<std::size_t> MqttInbound::step(ByteView bytes, Output& out) {
  if (state_ == State::boundary) return packet(bytes, out);
  const ByteView piece = bytes.substr(0, left_);
  pass_piece(piece, out);
  return piece.size();
}

void MqttInbound::pass_piece(ByteView piece, Output& out) {
  left_ -= piece.size();
  if (state_ == State::forwarding) {
    out.forward.append(piece);
    if (left_ == 0) state_ = State::boundary;
    return;
  }
  if (state_ == State::hashing) hash_.update(piece);
  if (left_ == 0 && state_ == State::skipping) {
    state_ = State::hashing;
    left_ = hash_left_;
  }
  if (left_ == 0 && state_ == State::hashing) finish_reject(out);
}

Result<std::size_t> MqttInbound::packet(ByteView bytes, Output& out) {
  MqttFixedHeader header;
  const WireState state = read_fixed_header(bytes, header);
  if (state == WireState::malformed) return reject_error("the broker sent something that is not MQTT");
  if (state == WireState::more) return std::size_t{0};
  if (!connected_ && header.type != MqttPacket::connack)
    return reject_error("the broker's first packet is not CONNACK: not an MQTT broker?");
  return header.type == MqttPacket::publish ? publish(header, bytes, out) : other(header, bytes, out);
}

Result<std::size_t> MqttInbound::other(const MqttFixedHeader& header, ByteView bytes, Output& out) {
  const std::size_t size = std::size_t{header.bytes} + header.remaining;
  if (header.remaining > kMaxOtherPacket) return reject_error("the broker sent an impossibly long control packet");
  if (bytes.size() < size) return std::size_t{0};
  SEALRING_TRY(look_into(header, bytes.substr(header.bytes, header.remaining), out));
  if (header.type != MqttPacket::pingresp) out.forward.append(bytes.substr(0, size));
  return size;
}

Status MqttInbound::look_into(const MqttFixedHeader& header, ByteView body, Output& out) {
  switch (header.type) {
    case MqttPacket::connack: {
      if (connected_) return reject_error("the broker sent a second CONNACK");
      SEALRING_ASSIGN(out.connack, read_connack(body, protocol_));
      connected_ = true;
      return {};
    }
    case MqttPacket::suback: {
      SEALRING_ASSIGN(MqttSuback suback, read_suback(body, protocol_));
      out.subacks.push_back(std::move(suback));
      return {};
    }
    case MqttPacket::pubrel: {
      if (body.size() < 2) return reject_error("the broker sent a malformed PUBREL");
      qos2_open_[get_u16(body.data())] = false;
      return {};
    }
    case MqttPacket::pingresp:
      ++out.pingresps;
      return {};
    case MqttPacket::disconnect:
      out.disconnect = disconnect_words(body);
      return {};
    case MqttPacket::unsuback:
    case MqttPacket::auth:
    case MqttPacket::puback:
    case MqttPacket::pubrec:
    case MqttPacket::pubcomp:
      return {};
    default:
      return reject_error("the broker sent a packet that only clients send");
  }
}

Result<std::size_t> MqttInbound::publish(const MqttFixedHeader& header, ByteView bytes, Output& out) {
  const ByteView body = bytes.substr(header.bytes);
  MqttPublish p;
  const WireState state = read_publish(header, body, protocol_, p);
  if (state == WireState::malformed) return reject_error("the broker sent a malformed PUBLISH");
  if (state == WireState::more) return std::size_t{0};

  SourceItem item;
  item.qos = p.qos;
  item.retain = p.retain;
  item.dup = p.dup;
  item.packet_id = p.packet_id;
  item.payload_bytes = p.payload_bytes;
  const std::uint64_t header_bytes = std::uint64_t{p.topic.size()} + p.properties_bytes;
  if (header_bytes > limits_.max_header_bytes) {
    item.topic = Bytes(p.topic.substr(0, limits_.max_header_bytes));
    start_reject(p, std::move(item),
                 "topic and properties of " + std::to_string(header_bytes) + " bytes are more than the limit of " +
                     std::to_string(limits_.max_header_bytes),
                 p.properties_bytes);
    if (left_ == 0) pass_piece({}, out);
    return std::size_t{header.bytes} + p.properties_at;
  }
  if (body.size() < p.payload_at) return std::size_t{0};

  item.topic = Bytes(p.topic);
  auto properties = read_publish_properties(body.substr(p.properties_at, p.properties_bytes));
  std::string reason;
  if (!properties.ok()) {
    reason = properties.error().message;
  } else {
    item.properties = std::move(properties->list);
    const Status alias = resolve_alias(properties->topic_alias, item.topic);
    if (!alias.ok()) reason = alias.error().message;
  }
  if (p.payload_bytes > limits_.max_payload_bytes)
    reason = "payload of " + std::to_string(p.payload_bytes) + " bytes is more than the limit of " +
             std::to_string(limits_.max_payload_bytes);
  if (reason.empty()) {
    accept(header, bytes, p, std::move(item), out);
  } else {
    start_reject(p, std::move(item), std::move(reason), 0);
  }
  if (left_ == 0) pass_piece({}, out);
  return std::size_t{header.bytes} + p.payload_at;
}

Status MqttInbound::resolve_alias(std::optional<std::uint16_t> alias, std::string& topic) {
  if (!alias) return topic.empty() ? reject_error("no topic") : Status();
  if (*alias == 0) return reject_error("topic alias 0");
  const auto known = aliases_.find(*alias);
  if (topic.empty()) {
    if (known == aliases_.end()) return reject_error("unknown topic alias " + std::to_string(*alias));
    topic = known->second;
    return {};
  }
  if (known != aliases_.end()) {
    known->second = topic;
  } else if (aliases_.size() < kMaxAliases) {
    aliases_.emplace(*alias, topic);
  }
  return {};
}

// Paho takes a second PUBLISH of QoS 2 with an open packet id for the same message and does not call back.
bool MqttInbound::paho_knows(const MqttPublish& publish) const {
  return protocol_ == 5 && publish.qos == 2 && qos2_open_[publish.packet_id];
}

void MqttInbound::note_qos2(const MqttPublish& publish) {
  if (publish.qos != 2) return;
  qos2_open_[publish.packet_id] = true;
  if (protocol_ != 5) wants_pubrec_[publish.packet_id] = true;
}

void MqttInbound::accept(const MqttFixedHeader& header, ByteView bytes, const MqttPublish& publish, SourceItem item,
                         Output& out) {
  const std::size_t start = out.forward.size();
  out.forward.append(bytes.substr(0, std::size_t{header.bytes} + publish.payload_at));
  if (publish.qos == 2 && protocol_ != 5) out.forward[start] = static_cast<char>((out.forward[start] & ~6) | 2);
  state_ = State::forwarding;
  left_ = publish.payload_bytes;
  const bool known = paho_knows(publish);
  note_qos2(publish);
  if (known) return;
  PublishFacts facts;
  facts.item = std::move(item);
  facts.wire_bytes = std::uint64_t{header.bytes} + header.remaining;
  facts.topic_known_to_paho = !publish.topic.empty();
  out.facts.push_back(std::move(facts));
}

void MqttInbound::start_reject(const MqttPublish& publish, SourceItem item, std::string reason, std::uint64_t skip) {
  rejected_ = std::move(item);
  rejected_.type = SourceItem::Type::rejected;
  rejected_.reason = std::move(reason);
  rejected_known_ = paho_knows(publish);
  note_qos2(publish);
  hash_ = Sha256();
  state_ = skip > 0 ? State::skipping : State::hashing;
  left_ = skip > 0 ? skip : publish.payload_bytes;
  hash_left_ = publish.payload_bytes;
}

void MqttInbound::finish_reject(Output& out) {
  state_ = State::boundary;
  Bytes body;
  put_u16(body, sizeof kStandInTopic - 1);
  body += kStandInTopic;
  if (rejected_.qos > 0) put_u16(body, rejected_.packet_id);
  if (protocol_ == 5) put_u8(body, 0);  // no properties
  const unsigned qos = rejected_.qos == 2 && protocol_ != 5 ? 1 : rejected_.qos;
  const unsigned flags = (rejected_.dup ? 8u : 0u) | qos << 1 | (rejected_.retain ? 1u : 0u);
  const Bytes prefix = publish_prefix(static_cast<std::uint8_t>(flags), static_cast<std::uint32_t>(body.size()));
  out.forward += prefix;
  out.forward += body;
  rejected_.payload_sha256 = hash_.finish();
  if (rejected_known_) return;
  PublishFacts facts;
  facts.item = std::move(rejected_);
  facts.wire_bytes = prefix.size() + body.size();
  out.facts.push_back(std::move(facts));
  rejected_ = SourceItem();
}

}  // namespace sealring
