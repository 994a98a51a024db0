// The gate's way to the broker over TLS, against a server of our own whose records the test shapes.
#include <poll.h>

#include <future>

#include "drivers/ack_gate.h"
#include "drivers/mqtt_upstream.h"
#include "drivers/tls_stream.h"
#include "tests/unit/mqtt_fixture.h"
#include "tests/unit/test_pki.h"

using namespace sealring;
using namespace sealring::test;

namespace {

BrokerTls client_tls(const std::string& server_name = "localhost") {
  const TlsIdentity files = TestPki::get().identity("client");
  return {files.ca_file, server_name, files.cert_file, files.key_file};
}

// Listens, and gives out the connections that have shaken hands.
class TlsServer {
 public:
  TlsServer() {
    auto listener = TcpListener::listen("127.0.0.1", 0);
    REQUIRE(listener.ok());
    listener_ = std::move(*listener);
    auto material = TlsMaterial::load(TestPki::get().identity("server"));
    REQUIRE(material.ok());
    material_ = *material;
  }
  std::uint16_t port() const { return listener_->port(); }
  std::unique_ptr<TlsStream> accept() {  // on another thread than the client: so no REQUIRE
    auto socket = listener_->accept(wake_);
    if (!socket.ok() || !socket->is_open()) return nullptr;
    socket->set_deadline(deadline_in(kPatience));
    auto stream = TlsStream::create(std::move(*socket), TlsStream::Role::server, material_, "");
    return stream.ok() && (*stream)->handshake().ok() ? std::move(*stream) : nullptr;
  }
  ~TlsServer() { wake_.wake(); }

 private:
  WakeFd wake_;
  std::unique_ptr<TcpListener> listener_;
  std::shared_ptr<const TlsMaterial> material_;
};

struct Connected {
  Connected() {
    auto accepting = std::async(std::launch::async, [this] { return server.accept(); });
    auto connector = BrokerConnector::create("127.0.0.1", server.port(), client_tls());
    REQUIRE(connector.ok());
    auto upstream = (*connector)->connect(kPatience, stop);
    if (!upstream.ok()) FAIL(upstream.error().message);
    broker = std::move(*upstream);
    peer = accepting.get();
    REQUIRE(peer);
  }
  bool wait(short events) const {
    pollfd p{broker->fd(), events, 0};
    return poll(&p, 1, static_cast<int>(milliseconds(kPatience).count())) > 0;
  }
  TlsServer server;
  WakeFd stop;
  std::unique_ptr<Upstream> broker;
  std::unique_ptr<TlsStream> peer;
};

Bytes numbered(std::size_t n) {
  Bytes out(n, '\0');
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<char>(i * 7 + i / 251);
  return out;
}

}  // namespace

TEST_CASE("upstream tls: what poll() does not show any more is pending") {
  Connected c;
  const Bytes sent = numbered(50000);
  for (std::size_t at = 0; at < sent.size();) {  // records of 1 to 500 bytes
    auto n = c.peer->write_some(sent.data() + at, std::min<std::size_t>(1 + at % 500, sent.size() - at));
    REQUIRE(n.ok());
    at += *n;
  }
  Bytes got;
  std::size_t unseen = 0;
  char room[100];  // smaller than a record
  while (got.size() < sent.size()) {
    if (c.broker->pending())
      ++unseen;
    else
      REQUIRE(c.wait(POLLIN));
    auto n = c.broker->read(room, sizeof room);
    REQUIRE(n.ok());
    got.append(room, n->bytes);
  }
  CHECK(got == sent);
  CHECK(unseen > 0);
  CHECK_FALSE(c.broker->pending());
  auto none = c.broker->read(room, sizeof room);
  REQUIRE(none.ok());
  CHECK(none->would_block);
}

TEST_CASE("upstream tls: whole records that came with others are pending") {
  Connected c;
  const Bytes sent = numbered(1000);
  for (std::size_t at = 0; at < sent.size(); at += 100) REQUIRE(c.peer->write_some(sent.data() + at, 100).ok());
  Bytes got;
  char room[100];  // a record each: mbedTLS holds nothing back in between
  while (got.size() < sent.size()) {
    if (!c.broker->pending()) REQUIRE(c.wait(POLLIN));
    auto n = c.broker->read(room, sizeof room);
    REQUIRE(n.ok());
    got.append(room, n->bytes);
  }
  CHECK(got == sent);
}

namespace {

// A broker whose answer poll() never shows.
class HiddenAnswer final : public Upstream {
 public:
  int fd() const override { return event_.fd(); }
  bool pending() const override { return asked_ && !answer_.empty(); }
  Result<IoCount> read(char* to, std::size_t room) override {
    if (!pending()) return IoCount{0, true};
    const std::size_t n = std::min(room, answer_.size());
    answer_.copy(to, n);
    answer_.erase(0, n);
    return IoCount{n, false};
  }
  Result<IoCount> write(ByteView bytes) override {
    asked_ = true;
    return IoCount{bytes.size(), false};
  }
  std::string advice(ByteView) const override { return {}; }

 private:
  WakeFd event_;
  bool asked_ = false;
  Bytes answer_ = connack_packet(false, 0);
};

struct Heard final : AckGate::Listener {
  std::atomic<bool> connack{false}, closed{false};
  void on_connack(const MqttConnack&) override { connack = true; }
  void on_suback(const std::string&, std::uint8_t) override {}
  void on_closed(const std::string&) override { closed = true; }
};

}  // namespace

TEST_CASE("gate: reads what is pending although poll() does not show it") {
  CollectingSink sink;
  Heard heard;
  AckGate::Config config;
  config.connect_timeout = kPatience;
  auto gate = AckGate::open(config, std::make_unique<HiddenAnswer>(), sink, heard);
  REQUIRE(gate.ok());
  Peer paho = Peer::connect((*gate)->port());
  REQUIRE(paho.send(connect_packet("c", 5)));
  CHECK(eventually([&] { return heard.connack || heard.closed; }, 2 * kPatience));
  CHECK(heard.connack);
  CHECK(paho.read() == connack_packet(false, 0));
}

TEST_CASE("upstream tls: a blocked write goes on where it was, with more behind it") {
  Connected c;
  const Bytes sent = numbered(24u << 20);  // more than the buffers of both sockets
  std::size_t at = 0, slice = 1000, blocked = 0;
  std::future<Bytes> reading;
  while (at < sent.size()) {
    auto n = c.broker->write(ByteView(sent).substr(at, slice));
    REQUIRE(n.ok());
    at += n->bytes;
    if (!n->would_block) continue;
    ++blocked;
    slice = 1000 + blocked % 20 * 1000;  // the next call has another end
    if (!reading.valid())
      reading = std::async(std::launch::async, [&] {
        Bytes got(sent.size(), '\0');
        std::size_t have = 0;
        while (have < got.size()) {
          auto r = c.peer->read_some(got.data() + have, got.size() - have);
          if (!r.ok() || *r == 0) break;
          have += *r;
        }
        got.resize(have);
        return got;
      });
    REQUIRE(c.wait(POLLOUT));
  }
  CHECK(blocked > 0);
  REQUIRE(reading.valid());
  CHECK(reading.get() == sent);
}

TEST_CASE("upstream tls: reading goes on while a write is blocked") {
  Connected c;
  const Bytes sent = numbered(24u << 20);
  std::size_t at = 0;
  const auto write = [&] {
    auto n = c.broker->write(ByteView(sent).substr(at, 20000));
    REQUIRE(n.ok());
    at += n->bytes;
    return !n->would_block;
  };
  while (write()) REQUIRE(at < sent.size());
  REQUIRE(c.peer->write_some("go on", 5).ok());
  REQUIRE(c.wait(POLLIN));
  char room[100];
  auto n = c.broker->read(room, sizeof room);
  REQUIRE(n.ok());
  CHECK(Bytes(room, n->bytes) == "go on");
}

TEST_CASE("upstream tls: a silent broker costs the time allowed, no more") {
  FakeBroker silent;
  auto connector = BrokerConnector::create("127.0.0.1", silent.port(), client_tls());
  REQUIRE(connector.ok());
  WakeFd stop;
  auto result = (*connector)->connect(milliseconds(50), stop);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().message == "TLS: no answer from the broker in time");
}

TEST_CASE("upstream tls: the broker's end, orderly or not, comes after what it said") {
  const bool orderly = GENERATE(true, false);
  Connected c;
  REQUIRE(c.peer->write_some("last words", 10).ok());
  if (orderly) c.peer->close();
  c.peer.reset();
  Bytes got;
  char room[100];
  for (;;) {
    if (!c.broker->pending()) REQUIRE(c.wait(POLLIN));
    auto n = c.broker->read(room, sizeof room);
    if (!n.ok()) {
      CHECK(n.error().message.find(orderly ? "closed the connection" : "without ending TLS") != std::string::npos);
      break;
    }
    got.append(room, n->bytes);
  }
  CHECK(got == "last words");
}

TEST_CASE("upstream tls: stop ends a handshake that a silent broker keeps waiting") {
  FakeBroker silent;
  auto connector = BrokerConnector::create("127.0.0.1", silent.port(), client_tls());
  REQUIRE(connector.ok());
  WakeFd stop;
  auto connecting = std::async(std::launch::async, [&] { return (*connector)->connect(std::chrono::hours(1), stop); });
  Peer peer = silent.accept();
  char first = 0;
  REQUIRE(recv(peer.fd(), &first, 1, 0) == 1);
  CHECK(first == 0x16);  // it has begun
  stop.wake();
  auto result = connecting.get();
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().message == "TLS: stopped");
}

TEST_CASE("source tls: files that do not do are told at once") {
  CollectingSink sink;
  const auto words = [&](const BrokerTls& tls) {
    MqttSource::Config config = source_config(1);
    config.tls = tls;
    auto source = MqttSource::create(config, sink);
    if (source.ok()) return std::string("created");
    CHECK(source.error().kind == ErrorKind::reject);
    return source.error().message;
  };
  CHECK(words(client_tls()) == "created");
  BrokerTls tls = client_tls();
  tls.cert_file = tls.key_file = "";
  CHECK(words(tls) == "created");
  tls.ca_file = TestPki::get().file("missing.pem");
  CHECK(words(tls).find("missing.pem") != std::string::npos);
  tls = client_tls();
  tls.key_file = TestPki::get().file("server.key");
  CHECK(words(tls).find("does not belong to the certificate") != std::string::npos);
  CHECK(words(client_tls("")).find("no name") != std::string::npos);
}
