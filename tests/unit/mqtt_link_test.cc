// How the source makes, keeps and ends its connections, against a broker played by the test.
#include <filesystem>
#include <map>
#include <random>

#include "drivers/mqtt_session.h"
#include "tests/unit/mqtt_fixture.h"
#include "tests/unit/temp_dir.h"

using namespace sealring;
using namespace sealring::test;
using Type = SourceItem::Type;

TEST_CASE("link: CONNECT keeps the session for ever and has the keep-alive time and the receive maximum") {
  FakeBroker broker;
  CollectingSink sink;
  MqttSource::Config config = source_config(broker.port());
  config.keepalive_s = 0x1234;
  config.receive_maximum = 258;
  config.username = "user";
  config.password = "secret";
  RunningSource source(config, sink);
  Peer peer = broker.serve(true);
  ByteReader r(ByteView(broker.connect).substr(2));
  CHECK(r.bytes(7) == ByteView("\0\4MQTT\5", 7));
  CHECK(r.u8() == 0xc0);  // user, password; no clean start, no will
  CHECK(r.u16() == 0x1234);
  const std::size_t length = r.u8();
  std::vector<ReceivedProperty> properties;
  REQUIRE(read_properties(r.bytes(length), properties).ok());
  REQUIRE(properties.size() == 2);
  CHECK((properties[0].id == 0x11 && properties[0].number == 0x7fffffff));
  CHECK((properties[1].id == 0x21 && properties[1].number == 258));
  CHECK(r.rest() == with_length("sealring-test") + with_length("user") + with_length("secret"));
  // Retain Handling 1, granted as asked.
  CHECK(broker.subscribe.substr(4) == Bytes("\0\0\1#\x11", 5));
  REQUIRE(sink.wait_count(Type::connected, 1));
  const SourceItem connected = sink.of(Type::connected)[0];
  CHECK((connected.session_present && connected.protocol == 5 && connected.connection == 1));
}

TEST_CASE("link: stop in every state returns") {
  CollectingSink sink;
  SECTION("never started") {
    FakeBroker broker;
    auto source = MqttSource::create(source_config(broker.port()), sink);
    REQUIRE(source.ok());
  }
  SECTION("nobody listens") {
    std::uint16_t port = 0;
    { REQUIRE(listen_loopback(port).ok()); }
    RunningSource source(source_config(port), sink);
    REQUIRE(sink.wait_count(Type::trouble, 1));
    CHECK(sink.of(Type::trouble)[0].reason == "no connection to the broker 127.0.0.1:" + std::to_string(port) +
                                                  ": connection refused by 127.0.0.1:" + std::to_string(port) +
                                                  ": nothing listens there");
  }
  SECTION("no CONNACK") {
    FakeBroker broker;
    RunningSource source(source_config(broker.port()), sink);
    Peer peer = broker.accept();
    REQUIRE_FALSE(peer.read().empty());
  }
  SECTION("no SUBACK, in the middle of a message") {
    FakeBroker broker;
    RunningSource source(source_config(broker.port()), sink);
    Peer peer = broker.accept();
    REQUIRE_FALSE(peer.read().empty());
    REQUIRE(peer.send(connack_packet(false, 0) + publish_packet({"t", Bytes(100000, 'x'), 1, 1}).substr(0, 50000)));
    REQUIRE_FALSE(peer.read().empty());
    source->stop();
    CHECK(sink.of(Type::disconnected).size() == 1);
  }
}

TEST_CASE("link: a refused subscription is told and tried again") {
  FakeBroker broker;
  CollectingSink sink;
  MqttSource::Config config = source_config(broker.port());
  config.subscriptions = {{"a/#", 1}, {"b/#", 1}, {"c", 2}};
  RunningSource source(config, sink);
  Peer peer = broker.accept();
  REQUIRE_FALSE(peer.read().empty());
  REQUIRE(peer.send(connack_packet(false, 0)));
  std::map<Bytes, Bytes> subscribes;
  for (int i = 0; i < 3; ++i) {
    const Bytes subscribe = peer.read();
    REQUIRE(subscribe.size() > 7);
    subscribes[subscribe.substr(5, subscribe.size() - 6)] = subscribe;
  }
  // In any order.
  REQUIRE(peer.send(FakeBroker::suback(subscribes.at(with_length("b/#")), 5, "\x87")));
  REQUIRE(peer.send(FakeBroker::suback(subscribes.at(with_length("a/#")), 5, "\1")));
  REQUIRE(peer.send(FakeBroker::suback(subscribes.at(with_length("c")), 5, "\1")));
  REQUIRE(sink.wait_count(Type::trouble, 2));
  CHECK(sink.of(Type::trouble)[0].reason == "the broker refuses the subscription to \"b/#\": not authorized");
  CHECK(sink.of(Type::trouble)[1].reason == "the broker grants QoS 1 instead of 2 for \"c\"");
  for (const char* answer : {"\x87", "\1"}) {
    const Bytes again = peer.read();
    CHECK(again.substr(5) == with_length("b/#") + "\x11");
    CHECK(peer.silent());
    REQUIRE(peer.send(FakeBroker::suback(again, 5, answer)));
  }
  CHECK(eventually([&] { return source->stats().last_trouble.empty(); }));
  CHECK(sink.of(Type::disconnected).empty());
}

TEST_CASE("link: what a broker refuses at every connection is told once") {
  FakeBroker broker;
  CollectingSink sink;
  MqttSource::Config config = source_config(broker.port());
  config.subscriptions = {{"a", 1}, {"w", 0, true}};
  RunningSource source(config, sink);
  const auto connection = [&](const Bytes& answer) {
    Peer peer = broker.accept();
    REQUIRE_FALSE(peer.read().empty());
    REQUIRE(peer.send(connack_packet(true, 0)));
    REQUIRE(peer.send(FakeBroker::suback(peer.read(), 5, answer)));    // w
    REQUIRE(peer.send(FakeBroker::suback(peer.read(), 5, "\x87")));    // a
    REQUIRE(peer.read().find(with_length("a")) != std::string::npos);  // again: both answers were taken
  };
  const auto told = [&] {
    std::vector<std::string> out;
    for (const SourceItem& item : sink.of(Type::trouble)) out.push_back(item.reason);
    return out;
  };
  const std::string w = "the broker refuses the subscription to \"w\": not authorized";
  const std::string a = "the broker refuses the subscription to \"a\": not authorized";
  for (int i = 0; i < 2; ++i) connection("\x87");
  CHECK(told() == std::vector<std::string>{w, a});
  CHECK(source->stats().last_trouble == a);
  connection(Bytes(1, '\0'));
  CHECK(told().size() == 2);
  connection("\x87");  // it had been granted in between
  CHECK(told() == std::vector<std::string>{w, a, w});
}

namespace {

// MQTT 3.1.1 with a folder to remember in. Each connection subscribes to "w" anyway, which comes first.
struct Remembering {
  TempDir dir;
  FakeBroker broker;
  MqttSource::Config config = source_config(broker.port(), 1, 4);
  Remembering() {
    config.state_folder = dir.path();
    config.subscriptions = {{"#", 1}, {"w", 0, true}};
  }

  bool remembered() const { return !std::filesystem::is_empty(dir.path()); }
  static Bytes filter_of(const Bytes& subscribe) {
    REQUIRE(subscribe.size() > 7);
    REQUIRE(static_cast<std::uint8_t>(subscribe[0]) == 0x82);
    return subscribe.substr(6, subscribe.size() - 7);
  }
  static void answer(Peer& peer, const Bytes& subscribe, const Bytes& code) {
    REQUIRE(peer.send(FakeBroker::suback(subscribe, 4, code)));
  }
  // Up to the SUBSCRIBE that is always sent.
  Peer connect(bool session) {
    Peer peer = broker.accept();
    REQUIRE(peer.valid());
    REQUIRE_FALSE(peer.read().empty());
    CHECK_FALSE(remembered());  // whoever is killed from here on subscribes again
    REQUIRE(peer.send(connack_packet(session, 0, 4)));
    const Bytes watch = peer.read();
    CHECK(filter_of(watch) == "w");
    answer(peer, watch, Bytes(1, '\0'));
    return peer;
  }
  // Is asked for the other subscription, refuses it once and then grants it: so there is a trouble, and its end tells
  // that the grant was taken.
  static void grant(Peer& peer, RunningSource& source) {
    const Bytes first = peer.read();
    CHECK(filter_of(first) == "#");
    answer(peer, first, "\x80");
    const Bytes second = peer.read();
    CHECK(filter_of(second) == "#");
    CHECK_FALSE(source->stats().last_trouble.empty());
    answer(peer, second, "\1");
    CHECK(eventually([&] { return source->stats().last_trouble.empty(); }));
  }
  void subscribed_and_stopped() {
    CollectingSink sink;
    RunningSource source(config, sink);
    Peer peer = connect(false);
    grant(peer, source);
    source->stop();
    CHECK(remembered());
  }
};

}  // namespace

TEST_CASE("link: on 3.1.1 a session that is known to be subscribed is left alone") {
  Remembering r;
  r.subscribed_and_stopped();
  for (int start = 0; start < 2; ++start) {  // it remembers what it did not need to do, too
    CollectingSink sink;
    RunningSource source(r.config, sink);
    Peer peer = r.connect(true);
    source->stop();
    CHECK(peer.read() == Bytes("\xe0\0", 2));  // DISCONNECT, and no SUBSCRIBE before it
    CHECK(r.remembered());
  }
}

TEST_CASE("link: from CONNECT on nothing is known of a session, however old it is") {
  MqttSession session(source_config(1, 1, 4));
  CHECK_FALSE(session.connecting());
  session.subscribed();
  CHECK(session.connecting());
  CHECK_FALSE(session.connecting());  // CONNACK did not come
  session.subscribed();
  REQUIRE(session.connecting());
  session.resumed();
  CHECK(session.connecting());
}

TEST_CASE("link: on 3.1.1 it subscribes on any doubt") {
  Remembering r;
  r.subscribed_and_stopped();
  CollectingSink sink;
  SECTION("the session is not there") {
    RunningSource source(r.config, sink);
    Peer peer = r.connect(false);
    r.grant(peer, source);
  }
  SECTION("other subscriptions") {
    r.config.subscriptions.insert(r.config.subscriptions.begin(), {"other", 1});
    RunningSource source(r.config, sink);
    Peer peer = r.connect(true);
    CHECK(r.filter_of(peer.read()) == "#");
    CHECK(r.filter_of(peer.read()) == "other");
  }
  SECTION("another QoS") {
    r.config.subscriptions[0].qos = 0;
    RunningSource source(r.config, sink);
    Peer peer = r.connect(true);
    CHECK(r.filter_of(peer.read()) == "#");
  }
  SECTION("another broker") {
    r.config.host = "localhost";
    RunningSource source(r.config, sink);
    Peer peer = r.broker.accept();
    REQUIRE_FALSE(peer.read().empty());
    CHECK(r.remembered());  // of the first one
    REQUIRE(peer.send(connack_packet(true, 0, 4)));
    CHECK(r.filter_of(peer.read()) == "w");
    CHECK(r.filter_of(peer.read()) == "#");
  }
  SECTION("a file with anything else in it") {
    for (const auto& file : std::filesystem::directory_iterator(r.dir.path()))
      std::ofstream(file.path(), std::ios::app) << "x";
    RunningSource source(r.config, sink);
    Peer peer = r.connect(true);
    r.grant(peer, source);
  }
  SECTION("an answer to CONNECT that was lost may have said that the session is new") {
    RunningSource source(r.config, sink);
    {
      Peer peer = r.broker.accept();
      REQUIRE_FALSE(peer.read().empty());
    }
    Peer peer = r.connect(true);
    r.grant(peer, source);
  }
  SECTION("a connection that broke soon: the broker may have been killed, and have saved an earlier state") {
    RunningSource source(r.config, sink);
    { Peer peer = r.connect(true); }
    Peer peer = r.connect(true);
    r.grant(peer, source);
  }
  SECTION("stopped before the broker has granted") {
    {
      RunningSource source(r.config, sink);
      Peer peer = r.connect(false);
      CHECK(r.filter_of(peer.read()) == "#");
      source->stop();
      CHECK_FALSE(r.remembered());
    }
    RunningSource source(r.config, sink);
    Peer peer = r.connect(true);
    r.grant(peer, source);
  }
}

TEST_CASE("link: a broker without MQTT 5 gets 3.1.1, one that hangs up gets MQTT 5 again later") {
  FakeBroker broker;
  CollectingSink sink;
  RunningSource source(source_config(broker.port()), sink);
  {
    Peer peer = broker.accept();
    CHECK(peer.read()[8] == 5);
  }  // hangs up
  {
    Peer peer = broker.accept();
    CHECK(peer.read()[8] == 4);
  }
  {
    Peer peer = broker.accept();
    CHECK(peer.read()[8] == 5);
    REQUIRE(peer.send(Bytes("\x20\2\0\1", 4)));  // says so
  }
  Peer peer = broker.serve(false, 4);
  CHECK(broker.connect[8] == 4);
  CHECK((broker.connect[9] & 2) == 0);  // no clean session
  REQUIRE(sink.wait_count(Type::connected, 1));
  CHECK(sink.of(Type::connected)[0].protocol == 4);
  peer.close();
  broker.accept().read();
  peer = broker.accept();
  CHECK(peer.read()[8] == 4);
}

TEST_CASE("link: a refusal is told in words, once") {
  FakeBroker broker;
  CollectingSink sink;
  RunningSource source(source_config(broker.port(), 1, 5), sink);
  for (int i = 0; i < 2; ++i) {
    Peer peer = broker.accept();
    peer.read();
    REQUIRE(peer.send(connack_packet(false, 0x86)));
    CHECK(peer.closed_by_peer());
  }
  broker.accept();
  const auto troubles = sink.of(Type::trouble);
  REQUIRE(troubles.size() == 1);
  CHECK(troubles[0].reason ==
        "broker 127.0.0.1:" + std::to_string(broker.port()) +
            ": bad user name or password: look at username and password_file, and at the broker's list of passwords");
  CHECK(source->stats().last_trouble == troubles[0].reason);
  CHECK(sink.of(Type::connected).empty());
  CHECK(sink.of(Type::disconnected).empty());
}

TEST_CASE("link: a refusal says which keys to look at, on both versions of MQTT") {
  for (const int code : {4, 0x86, 5, 0x87}) {
    CAPTURE(code);
    CHECK(connack_advice(static_cast<std::uint8_t>(code)).find("username and password_file") != std::string::npos);
  }
  for (const int code : {2, 0x85}) {
    CAPTURE(code);
    CHECK(connack_advice(static_cast<std::uint8_t>(code)).find("client_id") != std::string::npos);
  }
}

TEST_CASE("link: a DISCONNECT of the broker is told in words") {
  FakeBroker broker;
  CollectingSink sink;
  RunningSource source(source_config(broker.port()), sink);
  Peer peer = broker.serve();
  REQUIRE(peer.send(packet(14, 0, "\x8e")));
  REQUIRE(sink.wait_count(Type::disconnected, 1));
  CHECK(sink.of(Type::disconnected)[0].reason ==
        "the broker disconnected: session taken over: another client uses this client id");
}

TEST_CASE("link: garbage from the broker never crashes or hangs it") {
  FakeBroker broker;
  CollectingSink sink;
  RunningSource source(source_config(broker.port(), 1, 5), sink);
  std::mt19937 random(99);
  std::vector<Bytes> garbage = {"HTTP/1.1 400 Bad Request\r\n\r\n", Bytes("\x20\3\0\0\0\x20\3\0\0\0", 10),
                                Bytes("\x20\xff\xff\xff\xff\xff", 6), Bytes("\x30\5\0\1x\0\0", 7)};
  Bytes noise(5000, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  garbage.push_back(noise);
  garbage.push_back(connack_packet(false, 0) + noise);
  std::size_t trouble = 0;
  for (const Bytes& g : garbage) {
    Peer peer = broker.accept(std::chrono::seconds(60));
    REQUIRE(peer.valid());
    peer.read();
    (void)peer.send(g);
    INFO(quoted(g));
    CHECK(peer.closed_by_peer());
    ++trouble;
  }
  source->stop();
  CHECK(trouble == garbage.size());
}
