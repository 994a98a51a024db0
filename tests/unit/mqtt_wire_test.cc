// The pure part of the MQTT source: packets, and what the gate does to the two byte streams. No socket, no thread.
#include <random>

#include "drivers/mqtt_inbound.h"
#include "drivers/mqtt_outbound.h"
#include "tests/unit/mqtt_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

constexpr MqttInbound::Limits kLimits{1000, 100};

// Feeds `stream` in pieces of `piece` bytes the way the gate does.
struct Fed {
  MqttInbound::Output out;
  bool ok = true;
  Bytes rest;
};
Fed feed(MqttInbound& inbound, const Bytes& stream, std::size_t piece) {
  Fed fed;
  for (std::size_t at = 0; at < stream.size() && fed.ok; at += piece) {
    fed.rest += stream.substr(at, piece);
    for (;;) {
      auto used = inbound.step(fed.rest, fed.out);
      fed.ok = used.ok();
      if (!used.ok() || *used == 0) break;
      REQUIRE(*used <= fed.rest.size());
      fed.rest.erase(0, *used);
    }
    REQUIRE(fed.rest.size() <= inbound.max_step_bytes() + piece);
  }
  return fed;
}

Bytes property_bytes() {
  Bytes p;
  put_u8(p, 0x26), p += with_length("b") + with_length("1");
  put_u8(p, 0x01), put_u8(p, 1);
  put_u8(p, 0x02), put_u32(p, 3600);
  put_u8(p, 0x26), p += with_length("a") + with_length("2");
  put_u8(p, 0x03), p += with_length("text/plain");
  put_u8(p, 0x08), p += with_length("reply");
  put_u8(p, 0x09), p += with_length(Bytes("\0\1\xff", 3));
  put_u8(p, 0x0b), put_varint(p, 300);
  put_u8(p, 0x26), p += with_length("b") + with_length("1");
  return p;
}

}  // namespace

TEST_CASE("remaining length: every boundary, and nothing but the shortest form") {
  for (const std::uint32_t n : {0u, 1u, 127u, 128u, 16383u, 16384u, 2097151u, 2097152u, 268435455u}) {
    Bytes bytes;
    put_varint(bytes, n);
    std::uint32_t value = 1;
    std::size_t size = 0;
    REQUIRE(read_varint(bytes, value, size) == WireState::complete);
    CHECK(value == n);
    CHECK(size == bytes.size());
    for (std::size_t cut = 0; cut < bytes.size(); ++cut)
      CHECK(read_varint(ByteView(bytes).substr(0, cut), value, size) == WireState::more);
  }
  std::uint32_t value = 0;
  std::size_t size = 0;
  CHECK(read_varint(ByteView("\xff\xff\xff\xff", 4), value, size) == WireState::malformed);
  CHECK(read_varint(ByteView("\xff\xff\xff\xff\x7f", 5), value, size) == WireState::malformed);
  CHECK(read_varint(ByteView("\x80\0", 2), value, size) == WireState::malformed);
  CHECK(read_varint(ByteView("\xff\x80\0", 3), value, size) == WireState::malformed);
}

TEST_CASE("fixed header: flags that a type forbids are refused") {
  unsigned good = 0;
  for (unsigned first = 0; first < 256; ++first) {
    const Bytes bytes{static_cast<char>(first), '\0'};
    MqttFixedHeader header;
    const bool complete = read_fixed_header(bytes, header) == WireState::complete;
    const unsigned type = first >> 4, flags = first & 15;
    const bool want = type == 3 ? (flags & 6) != 6 : type == 6 || type == 8 || type == 10 ? flags == 2 : flags == 0;
    CHECK(complete == (want && type != 0));
    good += complete;
  }
  CHECK(good == 12 + 14);
}

TEST_CASE("PUBLISH header: facts, and every truncation is told") {
  for (const int protocol : {4, 5})
    for (const int qos : {0, 1, 2}) {
      const Bytes whole = publish_packet({"a/b", "payload", qos, 0xabcd, true, qos > 0, property_bytes()}, protocol);
      MqttFixedHeader header;
      REQUIRE(read_fixed_header(whole, header) == WireState::complete);
      const ByteView body = ByteView(whole).substr(header.bytes);
      MqttPublish p;
      REQUIRE(read_publish(header, body, protocol, p) == WireState::complete);
      CHECK(p.qos == qos);
      CHECK(p.retain);
      CHECK(p.dup == (qos > 0));
      CHECK(p.packet_id == (qos > 0 ? 0xabcd : 0));
      CHECK(p.topic == "a/b");
      CHECK(p.payload_bytes == 7);
      CHECK(body.substr(p.payload_at) == "payload");
      CHECK(p.properties_bytes == (protocol == 5 ? property_bytes().size() : 0));
      for (std::size_t cut = 0; cut < p.properties_at; ++cut)
        CHECK(read_publish(header, body.substr(0, cut), protocol, p) == WireState::more);
      CHECK(read_publish(header, body.substr(0, p.properties_at), protocol, p) == WireState::complete);
      // A packet that ends there is another matter.
      const std::uint32_t needs = p.payload_at;
      for (std::uint32_t length = 0; length < needs; ++length) {
        header.remaining = length;
        CHECK(read_publish(header, body.substr(0, length), protocol, p) == WireState::malformed);
      }
    }
}

TEST_CASE("PUBLISH header: packet id 0 and QoS 3 are malformed") {
  MqttPublish p;
  MqttFixedHeader header{MqttPacket::publish, 2, 2, 5};
  CHECK(read_publish(header, Bytes("\0\1x\0\0", 5), 4, p) == WireState::malformed);
  CHECK(read_publish(header, Bytes("\0\1x\0\1", 5), 4, p) == WireState::complete);
  header.flags = 6;
  CHECK(read_publish(header, Bytes("\0\1x\0\1", 5), 4, p) == WireState::malformed);
  header = {MqttPacket::publish, 2, 2, 6};
  CHECK(read_publish(header, Bytes("\0\1x\0\1\x80", 6), 5, p) == WireState::malformed);  // ends in a length
}

TEST_CASE("properties: order and repetition kept, topic alias taken out") {
  Bytes bytes = property_bytes();
  put_u8(bytes, 0x23), put_u16(bytes, 7);
  auto read = read_publish_properties(bytes);
  REQUIRE(read.ok());
  CHECK(read->topic_alias == 7);
  const auto& list = read->list;
  REQUIRE(list.size() == 9);
  CHECK((list[0].id == 0x26 && list[0].a == "b" && list[0].b == "1"));
  CHECK((list[1].id == 0x01 && list[1].number == 1));
  CHECK((list[2].id == 0x02 && list[2].number == 3600));
  CHECK((list[3].id == 0x26 && list[3].a == "a" && list[3].b == "2"));
  CHECK((list[4].id == 0x03 && list[4].a == "text/plain"));
  CHECK((list[5].id == 0x08 && list[5].a == "reply"));
  CHECK((list[6].id == 0x09 && list[6].a == Bytes("\0\1\xff", 3)));
  CHECK((list[7].id == 0x0b && list[7].number == 300));
  CHECK((list[8].id == 0x26 && list[8].a == "b"));

  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {  // each cut ends at a property or in one
    std::vector<ReceivedProperty> out;
    const bool ok = read_properties(ByteView(bytes).substr(0, cut), out).ok();
    std::size_t length = 0;
    for (const ReceivedProperty& p : out)
      length += 1 + (p.id == 0x26                   ? 4 + p.a.size() + p.b.size()
                     : p.id == 0x01                 ? 1
                     : p.id == 0x02                 ? 4
                     : p.id == 0x0b || p.id == 0x23 ? 2
                                                    : 2 + p.a.size());
    CHECK(ok == (length == cut));
  }
}

TEST_CASE("properties: unknown, misplaced and doubled ones are refused") {
  CHECK_FALSE(read_publish_properties(Bytes("\x04\0", 2)).ok());          // unknown
  CHECK_FALSE(read_publish_properties(Bytes("\x13\0\1", 3)).ok());        // Server Keep Alive
  CHECK_FALSE(read_publish_properties(Bytes("\x01\1\x01\1", 4)).ok());    // twice
  CHECK(read_publish_properties(Bytes("\x0b\1\x0b\2", 4)).ok());          // may repeat
  CHECK_FALSE(read_publish_properties(Bytes("\xa6\2\0\0\0\0", 6)).ok());  // identifier 294 is not 38
}

TEST_CASE("CONNACK of both versions, and the answer of an old broker to MQTT 5") {
  auto ok = read_connack(Bytes("\1\0\0", 3), 5);
  REQUIRE(ok.ok());
  CHECK((ok->session_present && ok->code == 0 && !ok->server_keepalive_s));
  auto keepalive = read_connack(Bytes("\0\0\3\x13\0\x0a", 6), 5);
  REQUIRE(keepalive.ok());
  CHECK(keepalive->server_keepalive_s == 10);
  auto words = read_connack(Bytes("\0\x87\6\x1f\0\3why", 9), 5);
  REQUIRE(words.ok());
  CHECK(words->words == "not authorized (\"why\")");
  auto old = read_connack(Bytes("\1\0", 2), 4);
  REQUIRE(old.ok());
  CHECK(old->session_present);
  auto password = read_connack(Bytes("\0\4", 2), 4);
  REQUIRE(password.ok());
  CHECK(password->words == "bad user name or password");
  for (const Bytes& body : {Bytes("\0\1", 2), Bytes("\0\x84\0", 3), Bytes("\0\x84", 2)}) {
    auto refusal = read_connack(body, 5);
    REQUIRE(refusal.ok());
    CHECK(refusal->refuses_protocol);
  }
  CHECK_FALSE(read_connack(Bytes("\0\0", 2), 5).ok());
  CHECK_FALSE(read_connack(Bytes("\2\0", 2), 4).ok());
  CHECK_FALSE(read_connack(Bytes("\0\0\0", 3), 4).ok());
  CHECK_FALSE(read_connack("", 5).ok());
  CHECK_FALSE(read_connack(Bytes("\0\0\1", 3), 5).ok());
  CHECK_FALSE(read_connack(Bytes("\0\0\0\0", 4), 5).ok());
}

TEST_CASE("SUBACK and DISCONNECT") {
  auto s = read_suback(Bytes("\0\7\0\1\x87", 5), 5);
  REQUIRE(s.ok());
  CHECK((s->packet_id == 7 && s->codes == std::vector<std::uint8_t>{1, 0x87}));
  s = read_suback(Bytes("\0\7\1\x80", 4), 4);
  REQUIRE(s.ok());
  CHECK(s->codes == std::vector<std::uint8_t>{1, 0x80});
  CHECK_FALSE(read_suback(Bytes("\0\7\0", 3), 5).ok());
  CHECK_FALSE(read_suback(Bytes("\0\7", 2), 4).ok());
  CHECK_FALSE(read_suback(Bytes("\0\0\1", 3), 4).ok());
  CHECK(disconnect_words("") == "normal disconnection");
  CHECK(disconnect_words("\x8e") == "session taken over: another client uses this client id");
  CHECK(disconnect_words(Bytes("\x8b\5\x1f\0\2go", 7)) == "the broker is shutting down (\"go\")");
  CHECK(disconnect_words("\xf0\xff\xff") == "reason 0xf0");
}

TEST_CASE("inbound: any split gives the same bytes and facts") {
  Bytes properties = property_bytes();
  Bytes stream = connack_packet(true, 0);
  stream += publish_packet({"t/1", "one", 1, 1, false, true, properties});
  stream += packet(13, 0, "");  // PINGRESP
  stream += publish_packet({Bytes("odd \0\xff\n\xc3\x28", 8), Bytes(1000, '\0'), 2, 2});
  stream += publish_packet({"big", Bytes(1001, 'x'), 1, 3, true});
  stream += publish_packet({Bytes(101, 't'), "long", 2, 4});
  stream += publish_packet({"empty", "", 0});
  stream += packet(9, 0, Bytes("\0\1\0\1", 4));
  stream += ack_packet(MqttPacket::pubrel, 2);
  Bytes want = connack_packet(true, 0);
  want += publish_packet({"t/1", "one", 1, 1, false, true, properties});
  want += publish_packet({Bytes("odd \0\xff\n\xc3\x28", 8), Bytes(1000, '\0'), 2, 2});
  want += publish_packet({"-", "", 1, 3, true});
  want += publish_packet({"-", "", 2, 4});
  want += publish_packet({"empty", "", 0});
  want += packet(9, 0, Bytes("\0\1\0\1", 4));
  want += ack_packet(MqttPacket::pubrel, 2);

  for (std::size_t piece = 1; piece <= stream.size(); piece = piece < 20 ? piece + 1 : piece * 2) {
    MqttInbound inbound(5, kLimits);
    const Fed fed = feed(inbound, stream, piece);
    REQUIRE(fed.ok);
    CHECK(fed.rest.empty());
    CHECK(fed.out.forward == want);
    CHECK(fed.out.pingresps == 1);
    CHECK((fed.out.connack && fed.out.connack->session_present));
    CHECK(fed.out.subacks.size() == 1);
    const auto& facts = fed.out.facts;
    REQUIRE(facts.size() == 5);
    CHECK((facts[0].item.topic == "t/1" && facts[0].item.dup && facts[0].item.properties.size() == 9));
    CHECK((facts[1].item.topic == Bytes("odd \0\xff\n\xc3\x28", 8) && facts[1].item.qos == 2));
    CHECK(facts[2].item.type == SourceItem::Type::rejected);
    CHECK((facts[2].item.topic == "big" && facts[2].item.retain && facts[2].item.packet_id == 3));
    CHECK(facts[2].item.payload_bytes == 1001);
    CHECK(facts[2].item.payload_sha256 == sha256(Bytes(1001, 'x')));
    CHECK(facts[2].item.reason == "payload of 1001 bytes is more than the limit of 1000");
    CHECK(facts[3].item.type == SourceItem::Type::rejected);
    CHECK((facts[3].item.topic == Bytes(100, 't') && facts[3].item.payload_sha256 == sha256("long")));
    CHECK((facts[4].item.topic == "empty" && facts[4].item.payload_bytes == 0));
    std::uint64_t bytes = 0;
    for (const PublishFacts& f : facts) bytes += f.wire_bytes;
    CHECK(bytes == want.size() - connack_packet(true, 0).size() - 6 - 4);
  }
}

TEST_CASE("inbound: properties too large or damaged make a rejected message, not a dead connection") {
  MqttInbound inbound(5, kLimits);
  Bytes many;
  while (many.size() <= 200) put_u8(many, 0x26), many += with_length("k") + with_length("v");
  const Bytes stream = connack_packet(false, 0) + publish_packet({"p", "payload", 1, 1, false, false, many}) +
                       publish_packet({"q", "", 1, 2, false, false, Bytes("\x04\0", 2)}) +
                       publish_packet({"", "x", 1, 3}) + publish_packet({Bytes(100, 'k'), "y", 1, 4});
  const Fed fed = feed(inbound, stream, 7);
  REQUIRE(fed.ok);
  const auto& facts = fed.out.facts;
  REQUIRE(facts.size() == 4);
  CHECK(facts[0].item.reason.find("topic and properties of") == 0);
  CHECK((facts[0].item.topic == "p" && facts[0].item.payload_sha256 == sha256("payload")));
  CHECK(facts[0].item.payload_bytes == 7);
  CHECK(facts[1].item.reason == "property at byte 0 is malformed");
  CHECK(facts[1].item.payload_sha256 == sha256(""));
  CHECK(facts[2].item.reason == "no topic");
  CHECK(facts[3].item.type == SourceItem::Type::message);
}

TEST_CASE("inbound: topic aliases are resolved") {
  MqttInbound inbound(5, kLimits);
  const Bytes alias1("\x23\0\1", 3), alias9("\x23\0\x09", 3);
  const Bytes stream = connack_packet(false, 0) + publish_packet({"first", "1", 1, 1, false, false, alias1}) +
                       publish_packet({"", "2", 1, 2, false, false, alias1}) +
                       publish_packet({"second", "3", 1, 3, false, false, alias1}) +
                       publish_packet({"", "4", 1, 4, false, false, alias1}) +
                       publish_packet({"", "5", 1, 5, false, false, alias9});
  const Fed fed = feed(inbound, stream, stream.size());
  REQUIRE(fed.ok);
  const auto& facts = fed.out.facts;
  REQUIRE(facts.size() == 5);
  CHECK((facts[0].item.topic == "first" && facts[1].item.topic == "first" && facts[1].item.properties.empty()));
  CHECK((facts[2].item.topic == "second" && facts[3].item.topic == "second"));
  CHECK((!facts[3].topic_known_to_paho && facts[2].topic_known_to_paho));
  CHECK(facts[4].item.reason == "unknown topic alias 9");
}

TEST_CASE("inbound: the same open packet id of QoS 2 is one message, after PUBREL another") {
  MqttInbound inbound(5, kLimits);
  const Bytes stream = connack_packet(false, 0) + publish_packet({"t", "1", 2, 5}) +
                       publish_packet({"t", "1", 2, 5, false, true}) + ack_packet(MqttPacket::pubrel, 5) +
                       publish_packet({"t", "2", 2, 5});
  const Fed fed = feed(inbound, stream, 3);
  REQUIRE(fed.ok);
  CHECK(fed.out.facts.size() == 2);
  CHECK(fed.out.forward == stream);
}

TEST_CASE("inbound: QoS 2 on 3.1.1 reaches Paho as QoS 1 and leaves as PUBREC") {
  MqttInbound inbound(4, kLimits);
  const Bytes stream =
      connack_packet(true, 0, 4) + publish_packet({"t", "1", 2, 5}, 4) + publish_packet({"u", "2", 1, 6}, 4);
  const Fed fed = feed(inbound, stream, 2);
  REQUIRE(fed.ok);
  CHECK(fed.out.forward ==
        connack_packet(true, 0, 4) + publish_packet({"t", "1", 1, 5}, 4) + publish_packet({"u", "2", 1, 6}, 4));
  REQUIRE(fed.out.facts.size() == 2);
  CHECK(fed.out.facts[0].item.qos == 2);

  MqttOutbound outbound(inbound, 4, 30);
  Bytes pass, out;
  REQUIRE(outbound.feed(connect_packet("c", 4), 0, pass).ok());
  REQUIRE(outbound.feed(ack_packet(MqttPacket::puback, 5) + ack_packet(MqttPacket::puback, 6), 2, pass).ok());
  outbound.release(2, out);
  CHECK(out == ack_packet(MqttPacket::pubrec, 5) + ack_packet(MqttPacket::puback, 6));
}

TEST_CASE("inbound: what is not a broker's stream is refused") {
  const Bytes ok = connack_packet(false, 0);
  const std::vector<Bytes> bad = {
      publish_packet({"t", "x"}),                  // before CONNACK
      packet(13, 0, ""),                           //
      ok + ok,                                     // CONNACK again
      ok + Bytes("\x30\xff\xff\xff\xff\x01", 6),   // over-long remaining length
      ok + packet(3, 0, Bytes("\0\5ab", 4)),       // topic leaves the packet
      ok + packet(3, 0, Bytes("\0\1a\5", 4)),      // properties leave the packet
      ok + packet(3, 2, Bytes("\0\1a\0\0\0", 6)),  // packet id 0
      ok + connect_packet("x", 5),                 // what clients send
      ok + packet(12, 0, ""),                      //
      ok + packet(9, 0, Bytes("\0\1", 2)),         // SUBACK without codes
      ok + packet(6, 2, "x"),                      // PUBREL without id
      ok + Bytes("\x90\xff\xff\x7f", 4),           // SUBACK of 2 MiB
      Bytes("\0\0", 2),                            // type 0
      "HTTP/1.1 400 Bad Request\r\n\r\n",          //
      Bytes("\x15\x03\x03\0\2\2\x46", 7),          // a TLS alert
  };
  for (const Bytes& stream : bad) {
    MqttInbound inbound(5, kLimits);
    INFO(quoted(stream));
    CHECK_FALSE(feed(inbound, stream, stream.size()).ok);
  }
}

TEST_CASE("inbound: random and damaged streams never crash, nor ask for more than the bound") {
  std::mt19937 random(20240607);
  Bytes good = connack_packet(false, 0);
  for (int i = 1; i < 8; ++i)
    good += publish_packet({"t", Bytes(static_cast<std::size_t>(i) * 200, 'p'), i % 3, static_cast<std::uint16_t>(i),
                            false, false, property_bytes()});
  for (int round = 0; round < 3000; ++round) {
    Bytes stream = good;
    if (round % 2)
      for (char& c : stream) c = static_cast<char>(random());
    else
      for (int n = 0; n < 4; ++n) stream[random() % stream.size()] = static_cast<char>(random());
    if (round % 3 == 0) stream = connack_packet(false, 0) + stream;
    MqttInbound inbound(round % 4 ? 5 : 4, kLimits);
    const Fed fed = feed(inbound, stream, 1 + random() % 97);
    for (const PublishFacts& f : fed.out.facts) CHECK(f.item.topic.size() <= kLimits.max_header_bytes);
  }
}

TEST_CASE("outbound: acknowledgements wait in order, all else passes") {
  MqttInbound inbound(5, kLimits);
  MqttOutbound outbound(inbound, 5, 30);
  Bytes pass, out;
  Bytes connect = connect_packet("id", 5);
  connect[10] = connect[11] = 0;
  REQUIRE(outbound.feed(connect, 0, pass).ok());
  connect[11] = 30;
  CHECK(pass == connect);
  pass.clear();

  const Bytes subscribe = packet(8, 2, Bytes("\0\1\0\0\1#\1", 7));
  const Bytes stream = ack_packet(MqttPacket::puback, 1) + subscribe + ack_packet(MqttPacket::pubrec, 2) +
                       packet(12, 0, "") + ack_packet(MqttPacket::pubcomp, 2);
  for (std::size_t i = 0; i < stream.size(); ++i) REQUIRE(outbound.feed(stream.substr(i, 1), i < 4 ? 1 : 2, pass).ok());
  CHECK(pass == subscribe);
  CHECK(outbound.take_pingreqs() == 1);
  CHECK(outbound.held() == 3);
  CHECK(outbound.next_tag() == 1);
  outbound.release(0, out);
  CHECK(out.empty());
  outbound.release(1, out);
  CHECK(out == ack_packet(MqttPacket::puback, 1));
  REQUIRE(outbound.feed(packet(14, 0, ""), 3, pass).ok());
  outbound.release(2, out);
  CHECK(out ==
        ack_packet(MqttPacket::puback, 1) + ack_packet(MqttPacket::pubrec, 2) + ack_packet(MqttPacket::pubcomp, 2));
  CHECK(outbound.held() == 0);
  CHECK(outbound.released() == 3);
  CHECK((outbound.disconnect_seen() && !outbound.disconnect_sent()));
  out.clear();
  outbound.release(3, out);
  CHECK(out == packet(14, 0, ""));
  CHECK(outbound.disconnect_sent());
  outbound.abandon(out);
  CHECK(out == packet(14, 0, ""));  // not twice
}

TEST_CASE("outbound: giving up sends DISCONNECT without the acknowledgements") {
  MqttInbound inbound(5, kLimits);
  MqttOutbound outbound(inbound, 5, 30);
  Bytes pass, out;
  REQUIRE(outbound.feed(connect_packet("id", 5) + ack_packet(MqttPacket::puback, 1), 1, pass).ok());
  outbound.add_disconnect(1);
  outbound.abandon(out);
  CHECK(out == packet(14, 0, ""));
  outbound.add_disconnect(1);
  outbound.release(1, out);
  CHECK(out == packet(14, 0, ""));  // not twice
  CHECK(outbound.held() == 0);
}

TEST_CASE("outbound: an acknowledgement of what was not handed over is refused") {
  const auto type = GENERATE(MqttPacket::puback, MqttPacket::pubrec);
  MqttInbound inbound(5, kLimits);
  MqttOutbound outbound(inbound, 5, 30);
  Bytes pass;
  REQUIRE(outbound.feed(connect_packet("id", 5), 0, pass).ok());
  outbound.expect(7, 1);
  outbound.expect(8, 2);
  outbound.expect(9, 4);  // 3 was of QoS 0
  CHECK(outbound.feed(ack_packet(type, 7), 1, pass).ok());
  CHECK(outbound.feed(ack_packet(type, 8), 4, pass).ok());
  const Status refused = outbound.feed(ack_packet(type, 9), 3, pass);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message == "the MQTT client acknowledged a message that it has not handed over");
  CHECK(outbound.held() == 2);
}

TEST_CASE("outbound: not our client") {
  MqttInbound inbound(5, kLimits);
  Bytes pass;
  CHECK_FALSE(MqttOutbound(inbound, 5, 30).feed(ack_packet(MqttPacket::puback, 1), 0, pass).ok());
  CHECK_FALSE(MqttOutbound(inbound, 5, 30).feed(connect_packet("x", 4), 0, pass).ok());
  CHECK_FALSE(MqttOutbound(inbound, 5, 30).feed("GET / HTTP/1.1\r\n", 0, pass).ok());
  CHECK_FALSE(MqttOutbound(inbound, 5, 30).feed(connect_packet("x", 5) + connect_packet("x", 5), 0, pass).ok());
  CHECK_FALSE(MqttOutbound(inbound, 5, 30).feed(Bytes("\x10\xff\xff\xff\x7f", 5), 0, pass).ok());
}

TEST_CASE("SHA-256 of pieces is that of the whole") {
  const Bytes all(1000, 'q');
  Sha256 hash;
  for (std::size_t at = 0, n = 1; at < all.size(); at += n, n = n * 2 + 1) hash.update(ByteView(all).substr(at, n));
  CHECK(hash.finish() == sha256(all));
  CHECK(hash.finish() == sha256(""));
}
