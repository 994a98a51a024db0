// The source against a broker played by the test, packet by packet: what no real broker does on request.
#include "drivers/ack_gate.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <future>
#include <map>
#include <random>
#include <set>

#include "crypto/sha256.h"
#include "drivers/tcp_socket.h"
#include "tests/unit/mqtt_fixture.h"

using namespace sealring;
using namespace sealring::test;
using Type = SourceItem::Type;

namespace {

Bytes pingreq() { return packet(12, 0, ""); }

// What Paho and the gate sent, until DISCONNECT or the end.
std::vector<Bytes> read_all(Peer& peer) {
  std::vector<Bytes> out;
  for (Bytes p = peer.read(); !p.empty(); p = peer.read()) {
    out.push_back(p);
    if (static_cast<std::uint8_t>(p[0]) >> 4 == 14) break;
  }
  return out;
}

}  // namespace

TEST_CASE("gate: acknowledgements wait for release, in order") {
  FakeBroker broker;
  CollectingSink sink;
  RunningSource source(source_config(broker.port()), sink);
  Peer peer = broker.serve();
  for (std::uint16_t id = 1; id <= 5; ++id) REQUIRE(peer.send(publish_packet({"t", std::to_string(id), 1, id})));
  REQUIRE(sink.wait_publishes(5));
  const auto items = sink.publishes();
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(items[i].tag == i + 1);
    CHECK(items[i].connection == 1);
    CHECK(items[i].packet_id == i + 1);
    CHECK(items[i].payload == std::to_string(i + 1));
  }
  REQUIRE(eventually([&] { return source->stats().acks_held == 5; }));
  CHECK(peer.silent());
  source->release(2, 5);  // of another connection
  source->release(1, 0);
  CHECK(peer.silent());
  // Each acknowledgement is covered by the count when it was received: never less than its own message's, perhaps more.
  source->release(1, 4);
  CHECK(eventually([&] { return source->stats().acks_held >= 1; }));
  source->release(1, 5);
  for (std::uint16_t id = 1; id <= 5; ++id) CHECK(peer.read() == ack_packet(MqttPacket::puback, id));
  CHECK(eventually([&] { return source->stats().acks_released == 5 && source->stats().acks_held == 0; }));
}

TEST_CASE("gate: an acknowledgement never leaves before its own message is released") {
  FakeBroker broker;
  CollectingSink sink;
  RunningSource source(source_config(broker.port(), 2), sink);
  broker.granted = "\2";
  Peer peer = broker.serve();
  std::mt19937 random(7);
  std::uint16_t sent = 0, acked = 0;
  std::uint64_t released = 0;
  std::set<std::uint16_t> rec;
  while (acked < 400) {
    for (unsigned n = random() % 8; n > 0 && sent < 400; --n) {
      ++sent;
      REQUIRE(peer.send(publish_packet({"t", "x", 1 + sent % 2, sent})));
    }
    REQUIRE(sink.wait_publishes(sent));
    released = std::min<std::uint64_t>(sent, released + random() % 12);
    source->release(1, released);
    const bool all = released == sent;
    // With everything released all must come; otherwise only that nothing comes too early matters.
    for (Bytes p = all && acked < sent ? peer.read() : peer.read(milliseconds(1)); !p.empty();
         p = all && acked < sent ? peer.read() : Bytes()) {
      const std::uint16_t id = get_u16(p.data() + 2);
      const int type = static_cast<std::uint8_t>(p[0]) >> 4;
      if (type == 7) continue;  // PUBCOMP
      CHECK(type == (id % 2 ? 5 : 4));
      CHECK(id == acked + 1);
      CHECK(id <= released);
      acked = id;
      if (type == 5) REQUIRE(peer.send(ack_packet(MqttPacket::pubrel, id)));
    }
  }
}

TEST_CASE("gate: held acknowledgements die with the connection, and a new Paho takes the redelivery") {
  FakeBroker broker;
  CollectingSink sink;
  RunningSource source(source_config(broker.port(), 2), sink);
  broker.granted = "\2";
  Peer peer = broker.serve();
  REQUIRE(peer.send(publish_packet({"t", "a", 2, 9}) + publish_packet({"t", "b", 1, 10})));
  REQUIRE(sink.wait_publishes(2));
  REQUIRE(eventually([&] { return source->stats().acks_held == 2; }));
  peer.close();
  REQUIRE(sink.wait_count(Type::disconnected, 1));
  CHECK(sink.of(Type::disconnected)[0].connection == 1);
  source->release(1, 2);  // too late

  Peer again = broker.serve(true);
  CHECK(again.silent());
  REQUIRE(again.send(publish_packet({"t", "a", 2, 9, false, true}) + publish_packet({"t", "b", 1, 10, false, true})));
  REQUIRE(sink.wait_publishes(4));
  const auto items = sink.publishes();
  for (std::size_t i : {2u, 3u}) CHECK((items[i].dup && items[i].connection == 2 && items[i].tag == i - 1));
  source->release(1, 2);
  CHECK(again.silent());
  source->release(2, 2);
  CHECK(again.read() == ack_packet(MqttPacket::pubrec, 9));
  CHECK(again.read() == ack_packet(MqttPacket::puback, 10));
  CHECK(source->stats().connections == 2);
}

TEST_CASE("gate: PUBREL for a packet id of an earlier life is answered") {
  for (const int protocol : {5, 4}) {
    FakeBroker broker;
    CollectingSink sink;
    RunningSource source(source_config(broker.port(), 1, protocol), sink);
    Peer peer = broker.serve(true, protocol);
    REQUIRE(peer.send(ack_packet(MqttPacket::pubrel, 4711)));
    CHECK(peer.read() == ack_packet(MqttPacket::pubcomp, 4711));
  }
}

TEST_CASE("gate: QoS 2 in an old session on 3.1.1 is acknowledged only after release") {
  FakeBroker broker;
  CollectingSink sink;
  RunningSource source(source_config(broker.port(), 2, 4), sink);
  Peer peer = broker.serve(true, 4);
  CHECK(broker.subscribe.back() == 1);  // lowered
  REQUIRE(sink.wait_count(Type::trouble, 1));
  CHECK(sink.of(Type::trouble)[0].reason ==
        "subscribed with QoS 1 instead of 2, because the broker speaks MQTT 3.1.1: \"#\"");
  REQUIRE(peer.send(publish_packet({"t", "two", 2, 3}, 4)));
  REQUIRE(sink.wait_publishes(1));
  CHECK((sink.publishes()[0].qos == 2 && sink.publishes()[0].payload == "two"));
  REQUIRE(eventually([&] { return source->stats().acks_held == 1; }));
  CHECK(peer.silent());
  source->release(1, 1);
  CHECK(peer.read() == ack_packet(MqttPacket::pubrec, 3));
  REQUIRE(peer.send(ack_packet(MqttPacket::pubrel, 3)));
  CHECK(peer.read() == ack_packet(MqttPacket::pubcomp, 3));
}

TEST_CASE("gate: oversize messages are hashed, kept in order and acknowledged") {
  for (const int protocol : {5, 4}) {
    FakeBroker broker;
    CollectingSink sink;
    MqttSource::Config config = source_config(broker.port(), 1, protocol);
    config.max_payload_bytes = 1000;
    config.max_header_bytes = 50;
    RunningSource source(config, sink);
    Peer peer = broker.serve(false, protocol);
    const Bytes big(3'000'000, 'z');
    REQUIRE(peer.send(
        publish_packet({"a", "first", 1, 1}, protocol) + publish_packet({"b", big, 1, 2, true}, protocol) +
        publish_packet({"c", big, 2, 3}, protocol) + publish_packet({"d", big, 0}, protocol) +
        publish_packet({Bytes(51, 'e'), "small", 1, 4}, protocol) + publish_packet({"f", "last", 1, 5}, protocol)));
    REQUIRE(sink.wait_publishes(6));
    const auto items = sink.publishes();
    CHECK((items[0].type == Type::message && items[5].type == Type::message && items[5].payload == "last"));
    for (std::size_t i = 1; i <= 3; ++i) {
      CHECK(items[i].type == Type::rejected);
      CHECK(items[i].payload.empty());
      CHECK(items[i].payload_bytes == big.size());
      CHECK(items[i].payload_sha256 == sha256(big));
      CHECK(items[i].topic == Bytes(1, static_cast<char>('a' + i)));
      CHECK(items[i].tag == i + 1);
    }
    CHECK((items[1].retain && items[2].qos == 2 && items[3].qos == 0 && items[4].topic == Bytes(50, 'e')));
    REQUIRE(eventually([&] { return source->stats().acks_held == 5; }));
    source->release(1, 6);
    CHECK(peer.read() == ack_packet(MqttPacket::puback, 1));
    CHECK(peer.read() == ack_packet(MqttPacket::puback, 2));
    CHECK(peer.read() == ack_packet(MqttPacket::pubrec, 3));
    CHECK(peer.read() == ack_packet(MqttPacket::puback, 4));
    CHECK(peer.read() == ack_packet(MqttPacket::puback, 5));
    REQUIRE(peer.send(ack_packet(MqttPacket::pubrel, 3)));
    CHECK(peer.read() == ack_packet(MqttPacket::pubcomp, 3));
  }
}

TEST_CASE("gate: what Paho makes of odd messages still pairs") {
  FakeBroker broker;
  CollectingSink sink;
  RunningSource source(source_config(broker.port(), 2), sink);
  broker.granted = "\2";
  Peer peer = broker.serve();
  const Bytes alias("\x23\0\1", 3);
  REQUIRE(peer.send(publish_packet({Bytes("nul\0in\xff\xfe topic", 14), Bytes("\0\0", 2), 1, 1}) +
                    publish_packet({"aliased", "x", 1, 2, false, false, alias}) +
                    publish_packet({"", "y", 1, 3, false, false, alias}) + publish_packet({"q2", "z", 2, 4}) +
                    publish_packet({"q2", "z", 2, 4, false, true}) + publish_packet({"", "no topic", 1, 5}) +
                    publish_packet({"bad", "property", 1, 6, false, false, Bytes("\x7f\0", 2)}) +
                    publish_packet({"+/#", "wild", 0}) + publish_packet({Bytes(65535, 'L'), "", 1, 7}) +
                    publish_packet({"end", "end", 1, 8})));
  REQUIRE(sink.wait_publishes(9));
  const auto items = sink.publishes();
  CHECK((items[0].topic == Bytes("nul\0in\xff\xfe topic", 14) && items[0].payload == Bytes("\0\0", 2)));
  CHECK((items[1].topic == "aliased" && items[2].topic == "aliased" && items[2].payload == "y"));
  CHECK((items[3].topic == "q2" && items[3].qos == 2));
  CHECK((items[4].type == Type::rejected && items[4].reason == "no topic"));
  CHECK((items[5].type == Type::rejected && items[5].topic == "bad"));
  CHECK((items[6].topic == "+/#" && items[7].topic.size() == 16384));
  CHECK((items[8].topic == "end" && items[8].packet_id == 8));
  source->release(1, 9);
  std::multiset<std::uint16_t> ids;
  for (int i = 0; i < 8; ++i) ids.insert(get_u16(peer.read().data() + 2));
  CHECK(ids == std::multiset<std::uint16_t>{1, 2, 3, 4, 4, 5, 6, 7});
  CHECK(peer.read() == ack_packet(MqttPacket::puback, 8));
  CHECK(sink.of(Type::disconnected).empty());
}

TEST_CASE("gate: a full sink stops the reading after a bounded number, wake() goes on") {
  FakeBroker broker;
  CollectingSink sink;
  RunningSource source(source_config(broker.port()), sink);
  Peer peer = broker.serve();
  sink.set_full(true);
  const Bytes one = publish_packet({"t", Bytes(1000, 'x'), 0});
  Bytes many;
  for (int i = 0; i < 1000; ++i) many += one;
  // Far more than the sockets' buffers take: so the test's send() must get stuck.
  std::atomic<std::size_t> sent{0};
  constexpr std::size_t kMegabytes = 40;
  std::thread sender([&] {
    for (; sent < kMegabytes; ++sent)
      if (!peer.send(many)) return;
  });
  std::size_t last = ~std::size_t{0};
  REQUIRE(eventually([&] {  // until it stands still
    const std::size_t now = sent;
    const bool still = now == last;
    last = now;
    (void)poll(nullptr, 0, 200);
    return still;
  }));
  CHECK(sent < kMegabytes);
  CHECK(sink.publishes().size() <= 600);
  sink.set_full(false);
  source->wake();
  CHECK(sink.wait_publishes(kMegabytes * 1000));
  sender.join();
  CHECK(sent == kMegabytes);
  CHECK(sink.of(Type::disconnected).empty());
}

TEST_CASE("gate: what is on its way through Paho is bounded, so a sink that fills is not overrun") {
  FakeBroker broker;
  CollectingSink sink;
  RunningSource source(source_config(broker.port()), sink);
  Peer peer = broker.serve();
  REQUIRE(sink.wait_count(Type::connected, 1));
  sink.hold(true);
  constexpr std::size_t kMany = 20000;
  Bytes many;
  for (std::size_t i = 0; i < kMany; ++i) many += publish_packet({"t", Bytes(1000, 'x'), 0});
  bool all_sent = false;
  std::thread sender([&] { all_sent = peer.send(many); });
  std::size_t waiting = 0;  // until the broker's bytes stand still, all buffers full
  REQUIRE(eventually([&] {
    int unsent = 0;
    (void)ioctl(peer.fd(), SIOCOUTQ, &unsent);
    const bool still = unsent > 0 && static_cast<std::size_t>(unsent) == waiting;
    waiting = static_cast<std::size_t>(unsent);
    (void)poll(nullptr, 0, 200);
    return still;
  }));
  sink.set_full(true);
  sink.hold(false);
  std::size_t count = 0;
  REQUIRE(eventually([&] {
    const std::size_t before = std::exchange(count, sink.publishes().size());
    (void)poll(nullptr, 0, 200);
    return before > 0 && before == count;
  }));
  CHECK(count <= (256 * 1024 + 16 * 1024) / 1000 + 1);
  sink.set_full(false);
  source->wake();
  CHECK(sink.wait_publishes(kMany));
  sender.join();
  CHECK(all_sent);
}

TEST_CASE("gate: keeps the connection alive while acknowledgements are held and while the sink is full") {
  FakeBroker broker;
  CollectingSink sink;
  MqttSource::Config config = source_config(broker.port());
  config.keepalive_s = 1;
  RunningSource source(config, sink);
  Peer peer = broker.serve();
  REQUIRE(peer.send(publish_packet({"t", "x", 1, 1})));
  REQUIRE(sink.wait_publishes(1));
  for (int i = 0; i < 3; ++i) {
    CHECK(peer.read() == pingreq());
    REQUIRE(peer.send(packet(13, 0, "")));
  }
  sink.set_full(true);
  REQUIRE(peer.send(publish_packet({"t", "y", 1, 2})));
  for (int i = 0; i < 4; ++i) {  // the answers wait behind a PUBLISH that is not taken
    CHECK(peer.read() == pingreq());
    REQUIRE(peer.send(packet(13, 0, "")));
  }
  CHECK(sink.of(Type::disconnected).empty());
  sink.set_full(false);
  source->wake();
  REQUIRE(sink.wait_publishes(2));
  // A broker that no longer answers is given up.
  REQUIRE(sink.wait_count(Type::disconnected, 1));
  CHECK(sink.of(Type::disconnected)[0].reason == "the broker does not answer pings");
}

TEST_CASE("gate: the broker's own keep-alive time is kept") {
  FakeBroker broker;
  CollectingSink sink;
  RunningSource source(source_config(broker.port()), sink);  // 30 s
  Peer peer = broker.accept();
  REQUIRE_FALSE(peer.read().empty());
  REQUIRE(peer.send(connack_packet(false, 0, 5, Bytes("\x13\0\1", 3))));
  const Bytes subscribe = peer.read();
  REQUIRE(peer.send(FakeBroker::suback(subscribe, 5, "\1")));
  for (int i = 0; i < 3; ++i) {
    CHECK(peer.read(std::chrono::seconds(10)) == pingreq());
    REQUIRE(peer.send(packet(13, 0, "")));
  }
  CHECK(sink.of(Type::disconnected).empty());
}

TEST_CASE("gate: stop leaves with DISCONNECT behind what is released") {
  FakeBroker broker;
  CollectingSink sink;
  RunningSource source(source_config(broker.port()), sink);
  Peer peer = broker.serve();
  REQUIRE(peer.send(publish_packet({"t", "x", 1, 1}) + publish_packet({"t", "y", 1, 2})));
  REQUIRE(sink.wait_publishes(2));
  SECTION("released while stopping") {
    bool silent = false;
    std::thread recorder([&] {
      silent = peer.silent();
      source->release(1, 2);
    });
    source->stop();
    recorder.join();
    CHECK(silent);
    const auto packets = read_all(peer);
    REQUIRE(packets.size() == 3);
    CHECK((packets[0] == ack_packet(MqttPacket::puback, 1) && packets[1] == ack_packet(MqttPacket::puback, 2)));
    CHECK(static_cast<std::uint8_t>(packets[2][0]) == 0xe0);
  }
  SECTION("never released") {
    source->stop();
    const auto packets = read_all(peer);
    REQUIRE(packets.size() == 1);
    CHECK(packets[0] == packet(14, 0, ""));
  }
  CHECK(peer.closed_by_peer());
  CHECK(sink.of(Type::disconnected).size() == 1);
  const std::size_t items = sink.items().size();
  source->stop();
  CHECK(sink.items().size() == items);
}

namespace {

struct GateListener final : AckGate::Listener {
  void on_connack(const MqttConnack&) override {}
  void on_suback(const std::string&, std::uint8_t) override {}
  void on_closed(const std::string& reason) override { closed.set_value(reason); }
  std::promise<std::string> closed;
};

// Connects to `port` from another process: true when it is thrown out.
bool foreign_is_thrown_out(std::uint16_t port) {
  const pid_t child = fork();
  if (child == 0) {
    Peer foreign = Peer::connect(port);
    char byte;
    _exit(foreign.valid() && recv(foreign.fd(), &byte, 1, 0) <= 0 ? 0 : 1);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

namespace {

// A gate on its own; the test is the broker and Paho.
struct BareGate {
  explicit BareGate(milliseconds connect_timeout = kPatience, milliseconds stall_timeout = 3 * kPatience) {
    AckGate::Config config;
    config.connect_timeout = connect_timeout;
    config.stall_timeout = stall_timeout;
    auto connector = BrokerConnector::create("127.0.0.1", broker.port(), std::nullopt);
    REQUIRE(connector.ok());
    auto connected = (*connector)->connect(kPatience, stop);
    REQUIRE(connected.ok());
    auto opened = AckGate::open(config, std::move(*connected), sink, listener);
    REQUIRE(opened.ok());
    gate = std::move(*opened);
    upstream.emplace(broker.accept());
  }
  Peer connect() {
    Peer paho = Peer::connect(gate->port());
    REQUIRE(paho.send(connect_packet("own", 5)));
    CHECK_FALSE(upstream->read().empty());
    return paho;
  }
  std::string closed() { return listener.closed.get_future().get(); }

  FakeBroker broker;
  CollectingSink sink;
  GateListener listener;
  WakeFd stop;
  std::optional<Peer> upstream;
  std::unique_ptr<AckGate> gate;
};

}  // namespace

TEST_CASE("gate: other processes are thrown out, one own socket is let in, then the port is closed") {
  BareGate bare;
  for (int i = 0; i < 20; ++i) CHECK(foreign_is_thrown_out(bare.gate->port()));
  CHECK(bare.upstream->silent());
  Peer paho = bare.connect();
  CHECK_FALSE(Peer::connect(bare.gate->port()).valid());
  paho.close();
  CHECK(bare.closed() == "the MQTT client: closed the connection");
}

TEST_CASE("gate: says DISCONNECT itself when Paho leaves without") {
  BareGate bare;
  Peer paho = bare.connect();
  REQUIRE(bare.upstream->send(connack_packet(false, 0)));
  CHECK(paho.read() == connack_packet(false, 0));
  bare.gate->finish(steady_clock::now() + 3 * kPatience);
  paho.close();
  CHECK(bare.upstream->read() == packet(14, 0, ""));
  bare.upstream->close();
  CHECK(bare.closed() == "disconnected");
}

TEST_CASE("gate: gives up when nothing happens") {
  BareGate bare(milliseconds(300));
  SECTION("no Paho") { CHECK(bare.closed() == "the MQTT client did not come"); }
  SECTION("no CONNACK") {
    Peer paho = bare.connect();
    CHECK(bare.closed() == "the broker does not answer CONNECT");
    CHECK(paho.closed_by_peer());
  }
}

TEST_CASE("gate: what a broker does before CONNACK is told with advice, later without") {
  BareGate bare;
  Peer paho = bare.connect();
  SECTION("garbage before") {
    REQUIRE(bare.upstream->send("HTTP/1.1 400 Bad Request\r\n\r\n"));
    CHECK_THAT(bare.closed(), Catch::StartsWith("no answer to CONNECT: "));
  }
  SECTION("the end before") {
    bare.upstream->close();
    CHECK_THAT(bare.closed(), Catch::StartsWith("no answer to CONNECT: "));
  }
  SECTION("later") {
    REQUIRE(bare.upstream->send(connack_packet(false, 0)));
    CHECK(paho.read() == connack_packet(false, 0));
    SECTION("garbage") { REQUIRE(bare.upstream->send("HTTP/1.1 400 Bad Request\r\n\r\n")); }
    SECTION("the end") { bare.upstream->close(); }
    const std::string reason = bare.closed();
    CHECK_FALSE(reason.empty());
    CHECK_THAT(reason, !Catch::Contains("no answer to CONNECT"));
  }
}

TEST_CASE("gate: gives up on a client that takes nothing any more") {
  BareGate bare(kPatience, milliseconds(300));
  Peer paho = bare.connect();
  REQUIRE(bare.upstream->send(connack_packet(false, 0)));
  CHECK(paho.read() == connack_packet(false, 0));
  REQUIRE(bare.upstream->send(publish_packet({"t", "x", 1, 1})));
  CHECK(bare.closed() == "the MQTT client takes nothing any more");
}

TEST_CASE("gate: Paho's own pings are answered between packets, never in one, and do not reach the broker") {
  BareGate bare;
  Peer paho = bare.connect();
  REQUIRE(bare.upstream->send(connack_packet(false, 0)));
  CHECK(paho.read() == connack_packet(false, 0));
  const Bytes message = publish_packet({"t", Bytes(50000, 'x'), 0});
  REQUIRE(bare.upstream->send(message.substr(0, 20000)));
  REQUIRE(paho.send(pingreq()));
  CHECK(bare.upstream->silent());
  REQUIRE(bare.upstream->send(message.substr(20000)));
  CHECK((paho.read() == message));
  CHECK(paho.read() == packet(13, 0, ""));
  REQUIRE(paho.send(pingreq()));  // idle: at once
  CHECK(paho.read() == packet(13, 0, ""));
  CHECK(bare.upstream->silent());
}

TEST_CASE("gate: accepts only a socket of its own process") {
  std::uint16_t port = 0;
  auto listener = listen_loopback(port);
  REQUIRE(listener.ok());
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t child = fork();
  if (child == 0) {  // connects, says so, waits to be closed
    Peer foreign = Peer::connect(port);
    const char word = foreign.valid() ? 'c' : 'x';
    (void)!write(ready[1], &word, 1);
    char byte;
    const bool closed = recv(foreign.fd(), &byte, 1, 0) <= 0;
    _exit(closed ? 0 : 1);
  }
  char word = 0;
  REQUIRE(read(ready[0], &word, 1) == 1);
  REQUIRE(word == 'c');
  CHECK_FALSE(accept_own_peer(listener->get()));
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  close(ready[0]);
  close(ready[1]);

  Peer own = Peer::connect(port);
  CHECK(accept_own_peer(listener->get()));
}
