// The gate's view of MQTT: single packets, and the two streams that it relays. How a stream is cut into reads must not
// matter; what is not held back reaches the other side unchanged.
#include <algorithm>

#include "drivers/mqtt_inbound.h"
#include "drivers/mqtt_outbound.h"
#include "tests/fuzz/fuzz.h"

namespace sealring::fuzz {
namespace {

void put_field(Bytes& out, ByteView field) {
  put_u64(out, field.size());
  out += field;
}

Bytes described(const PublishFacts& facts) {
  const SourceItem& item = facts.item;
  Bytes out;
  put_u8(out, static_cast<std::uint8_t>(item.type));
  put_u8(out, static_cast<std::uint8_t>(item.qos | (item.retain ? 4 : 0) | (item.dup ? 8 : 0)));
  put_u16(out, item.packet_id);
  for (const std::string* text : {&item.topic, &item.reason}) put_field(out, *text);
  for (const ReceivedProperty& p : item.properties) {
    put_u8(out, p.id);
    put_u64(out, p.number);
    put_field(out, p.a);
    put_field(out, p.b);
  }
  put_u64(out, item.payload_bytes);
  out += view(item.payload_sha256);
  put_u64(out, facts.wire_bytes);
  put_u8(out, facts.topic_known_to_paho);
  return out;
}

struct Inbound {
  Bytes forward, facts, rest;
  std::uint64_t wire_bytes = 0, publishes = 0;
  std::string error, goodbye;
  unsigned subacks = 0, pingresps = 0, connacks = 0;
};

Inbound relay(ByteView stream, int protocol, const MqttInbound::Limits& limits, std::size_t piece) {
  MqttInbound inbound(protocol, limits);
  Inbound result;
  Bytes buffer;
  while (!stream.empty() && result.error.empty()) {
    buffer += stream.substr(0, piece);
    stream.remove_prefix(std::min(piece, stream.size()));
    for (std::size_t at = 0; result.error.empty();) {
      MqttInbound::Output out;
      const ByteView left = ByteView(buffer).substr(at);
      const auto took = inbound.step(left, out);
      if (!took) {
        check_error(took.error());
        result.error = took.error().message;
        break;
      }
      FUZZ_CHECK(*took <= left.size() && (*took > 0 || left.size() < inbound.max_step_bytes()));
      result.forward += out.forward;
      for (const PublishFacts& facts : out.facts) {
        result.facts += described(facts);
        result.wire_bytes += facts.wire_bytes;
        ++result.publishes;
        if (!facts.item.reason.empty()) check_message(facts.item.reason);
      }
      result.connacks += out.connack.has_value();
      if (out.connack && !out.connack->words.empty()) check_message(out.connack->words);
      result.subacks += static_cast<unsigned>(out.subacks.size());
      result.pingresps += out.pingresps;
      if (out.disconnect) {
        check_message(*out.disconnect);
        result.goodbye += *out.disconnect;
      }
      at += *took;
      if (*took == 0) {
        buffer.erase(0, at);
        break;
      }
    }
  }
  result.rest = buffer;
  return result;
}

// What Paho gets is MQTT again, and Paho calls back for as many PUBLISH as have facts, but for open QoS 2 ones.
void check_forward(const Inbound& in, int protocol) {
  ByteView left = in.forward;
  std::uint64_t publishes = 0;
  bool first = true;
  while (!left.empty()) {
    MqttFixedHeader header;
    if (read_fixed_header(left, header) != WireState::complete) FUZZ_CHECK(!"a fixed header");
    FUZZ_CHECK(!first || header.type == MqttPacket::connack);
    FUZZ_CHECK(header.type != MqttPacket::pingresp);
    first = false;
    if (header.type == MqttPacket::publish) {
      MqttPublish publish;
      FUZZ_CHECK(read_publish(header, left.substr(header.bytes), protocol, publish) == WireState::complete);
      FUZZ_CHECK(protocol == 5 || publish.qos < 2);
      ++publishes;
    }
    left.remove_prefix(std::min<std::size_t>(left.size(), std::size_t{header.bytes} + header.remaining));
  }
  FUZZ_CHECK(in.publishes <= publishes);
}

struct Outbound {
  Bytes pass, released;
  std::string error;
  unsigned pingreqs = 0;
};

// `tags`: each read comes with a larger one, and what is due is released between them.
Outbound hold(ByteView stream, int protocol, std::size_t piece, bool tags) {
  MqttInbound inbound(protocol, {});
  MqttOutbound outbound(inbound, protocol, 30);
  Outbound result;
  for (std::uint64_t tag = 0; !stream.empty() && result.error.empty(); tag += tags) {
    const Status fed = outbound.feed(stream.substr(0, piece), tag, result.pass);
    stream.remove_prefix(std::min(piece, stream.size()));
    if (!ok_or_checked(fed)) result.error = fed.error().message;
    if (tags && tag > 0) outbound.release(tag / 2, result.released);
    FUZZ_CHECK(!tags || tag == 0 || outbound.held() == 0 || outbound.next_tag() > tag / 2);
  }
  const std::uint64_t held = outbound.held(), before = outbound.released();
  outbound.release(UINT64_MAX, result.released);
  FUZZ_CHECK(outbound.held() == 0 && outbound.released() == before + held);
  FUZZ_CHECK(!outbound.disconnect_seen() || outbound.disconnect_sent());
  result.pingreqs = outbound.take_pingreqs();
  return result;
}

void check_varint(ByteView input) {
  std::uint32_t value = 0;
  std::size_t size = 0;
  if (read_varint(input, value, size) != WireState::complete) return;
  Bytes again;
  put_varint(again, value);
  FUZZ_CHECK(again == input.substr(0, size));
  FUZZ_CHECK(size == 1 || read_varint(input.substr(0, size - 1), value, size) == WireState::more);
}

// A prefix is `more` or says what the whole says.
void check_publish(const MqttFixedHeader& header, ByteView body, int protocol) {
  MqttPublish whole, part;
  const WireState state = read_publish(header, body, protocol, whole);
  for (std::size_t n = 0; n < std::min<std::size_t>(body.size(), 64); ++n) {
    const WireState early = read_publish(header, body.substr(0, n), protocol, part);
    if (early == WireState::more) continue;
    FUZZ_CHECK(early == state);
    if (early == WireState::malformed) continue;
    FUZZ_CHECK(part.topic == whole.topic && part.packet_id == whole.packet_id && part.payload_at == whole.payload_at);
  }
  if (state != WireState::complete) return;
  FUZZ_CHECK(whole.payload_at + whole.payload_bytes == header.remaining);
  FUZZ_CHECK((whole.qos == 0) == (whole.packet_id == 0) && whole.qos < 3);
}

int protocol_of(std::uint8_t bits) { return bits & 1 ? 5 : 4; }

}  // namespace

FUZZ_TARGET(mqtt_wire, 4096, 256u << 10, 256) {
  Pieces pieces(input);
  const int protocol = protocol_of(pieces.u8());
  const ByteView bytes = pieces.rest();
  check_varint(bytes);
  MqttFixedHeader header;
  if (read_fixed_header(bytes, header) == WireState::complete)
    check_publish(header, bytes.substr(header.bytes), protocol);
  std::vector<ReceivedProperty> properties;
  ok_or_checked(read_properties(bytes, properties));
  ok_or_checked(read_publish_properties(bytes));
  ok_or_checked(read_subscribe(bytes, protocol));
  ok_or_checked(read_suback(bytes, protocol));
  const auto connack = read_connack(bytes, protocol);
  if (ok_or_checked(connack)) FUZZ_CHECK(connack->words.empty() == (connack->code == 0));
  if (connack.ok() && !connack->words.empty()) check_message(connack->words + connack_advice(connack->code));
  check_message(disconnect_words(bytes));
}

// Two bytes: version and limits; how the stream is cut.
FUZZ_TARGET(mqtt_inbound, 4096, 1u << 20, 256) {
  Pieces pieces(input);
  const unsigned bits = pieces.u8();
  const std::size_t piece = 1 + pieces.u8() % 64;
  MqttInbound::Limits limits;
  if (bits & 2) limits.max_payload_bytes = 16;
  if (bits & 4) limits.max_header_bytes = 16;
  const int protocol = protocol_of(static_cast<std::uint8_t>(bits));
  const Inbound whole = relay(pieces.rest(), protocol, limits, std::max<std::size_t>(1, pieces.rest().size()));
  const Inbound cut = relay(pieces.rest(), protocol, limits, piece);
  FUZZ_CHECK(whole.forward == cut.forward && whole.facts == cut.facts && whole.error == cut.error);
  FUZZ_CHECK(whole.goodbye == cut.goodbye && whole.subacks == cut.subacks && whole.pingresps == cut.pingresps);
  FUZZ_CHECK(whole.connacks == cut.connacks && whole.connacks <= 1);
  check_forward(whole, protocol);
}

FUZZ_TARGET(mqtt_outbound, 4096, 1u << 20) {
  Pieces pieces(input);
  const int protocol = protocol_of(pieces.u8());
  const std::size_t piece = 1 + pieces.u8() % 64;
  const ByteView stream = pieces.rest();
  const Outbound whole = hold(stream, protocol, std::max<std::size_t>(1, stream.size()), false);
  for (const bool tags : {false, true}) {
    const Outbound cut = hold(stream, protocol, piece, tags);
    FUZZ_CHECK(whole.pass == cut.pass && whole.released == cut.released && whole.error == cut.error);
    FUZZ_CHECK(whole.pingreqs == cut.pingreqs);
  }
  FUZZ_CHECK(whole.pass.size() + whole.released.size() <= stream.size());
}

}  // namespace sealring::fuzz
