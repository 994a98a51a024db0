// The way to the broker by TLS, against a TLS server played by the test: bytes in both directions at the worst moments.
#include "drivers/mqtt_upstream.h"

#include <poll.h>

#include <thread>

#include "drivers/tls_stream.h"
#include "tests/unit/test_pki.h"

using namespace sealring;

namespace {

constexpr std::chrono::milliseconds kPatience{30000};

Bytes pattern(std::size_t size) {
  Bytes bytes(size, '\0');
  std::uint32_t x = 1;
  for (char& c : bytes) c = static_cast<char>((x = x * 1664525u + 1013904223u) >> 24);
  return bytes;
}

// A broker that has accepted one connection, and the connection.
struct Pair {
  Pair() {
    const TestPki& pki = TestPki::get();
    auto listener = TcpListener::listen("127.0.0.1", 0);
    REQUIRE(listener.ok());
    auto material = TlsMaterial::load(pki.identity("server"));
    REQUIRE(material.ok());
    std::thread accepting([&] {
      auto socket = (*listener)->accept(stop);
      if (!socket.ok()) return;
      socket->set_deadline(deadline_in(kPatience));
      auto stream = TlsStream::create(std::move(*socket), TlsStream::Role::server, *material, "");
      if (stream.ok() && (*stream)->handshake().ok()) server = std::move(*stream);
    });
    auto connector = BrokerConnector::create(
        "127.0.0.1", (*listener)->port(),
        BrokerTls{pki.file("ca.pem"), "localhost", pki.file("client.pem"), pki.file("client.key")});
    if (connector.ok()) {
      auto connected = (*connector)->connect(kPatience, stop);
      if (connected.ok()) client = std::move(*connected);
    }
    if (!client) stop.wake();
    accepting.join();
    REQUIRE(server);
    REQUIRE(client);
  }

  // As the gate does it: poll() only while nothing is pending.
  bool wait(short events) const {
    if ((events & POLLIN) != 0 && client->pending()) return true;
    pollfd p{client->fd(), events, 0};
    return poll(&p, 1, static_cast<int>(kPatience.count())) == 1;
  }
  // Until as many bytes have come, or the connection has ended.
  Bytes read(std::size_t count, std::size_t room) const {
    Bytes got, some(room, '\0');
    while (got.size() < count && wait(POLLIN)) {
      auto n = client->read(some.data(), room);
      if (!n.ok()) break;
      got.append(some, 0, n->bytes);
    }
    return got;
  }

  WakeFd stop;
  std::unique_ptr<TlsStream> server;
  std::unique_ptr<Upstream> client;
};

bool write_all(TlsStream& stream, ByteView bytes, std::size_t at_once) {
  while (!bytes.empty()) {
    auto n = stream.write_some(bytes.data(), std::min(at_once, bytes.size()));
    if (!n.ok()) return false;
    bytes.remove_prefix(*n);
  }
  return true;
}

}  // namespace

TEST_CASE("upstream by TLS: whatever the sizes of records and reads, all bytes come, and poll() is never missed") {
  const std::size_t room = GENERATE(as<std::size_t>{}, 1, 100, 4096, 65536);
  const std::size_t record = GENERATE(as<std::size_t>{}, 1, 37, 16384);
  const Bytes sent = pattern(record == 1 ? 3000 : 300000);
  Pair pair;
  bool written = false;
  std::thread broker([&] { written = write_all(*pair.server, sent, record); });
  const Bytes got = pair.read(sent.size(), room);
  broker.join();
  CHECK(written);
  CHECK(got == sent);
}

TEST_CASE("upstream by TLS: a broker that does not read for a while loses nothing and gets nothing twice") {
  const Bytes sent = pattern(24u << 20);  // more than the sockets hold
  Pair pair;
  std::size_t at = 0, blocked = 0;
  // The waiting bytes grow between calls, as the gate's do.
  const auto write = [&](std::size_t count) {
    auto n = pair.client->write(ByteView(sent).substr(at, count));
    REQUIRE(n.ok());
    blocked += n->would_block;
    at += n->bytes;
    return n->would_block;
  };
  std::size_t count = 1;
  while (!write(count)) {
    REQUIRE(at < sent.size());
    count = count * 2 % 40000 + 1;
  }
  const std::size_t stuck_at = at;
  for (int i = 0; i < 100; ++i) CHECK(write(40000));
  CHECK(at == stuck_at);
  // Reading goes on meanwhile.
  REQUIRE(write_all(*pair.server, "hello", 5));
  CHECK(pair.read(5, 100) == "hello");

  Bytes got;
  std::thread broker([&] {
    Bytes some(32768, '\0');
    while (got.size() < sent.size()) {
      auto n = pair.server->read_some(some.data(), some.size());
      if (!n.ok() || *n == 0) return;
      got.append(some, 0, *n);
    }
  });
  while (at < sent.size() && pair.wait(POLLOUT)) write(50000);
  broker.join();
  CHECK(blocked > 100);
  CHECK((got == sent));  // 24 MiB are not for printing
}

TEST_CASE("upstream by TLS: the end of the stream comes after its last bytes") {
  const bool orderly = GENERATE(true, false);
  Pair pair;
  REQUIRE(write_all(*pair.server, "last words", 10));
  if (orderly) pair.server->close();
  pair.server.reset();
  CHECK(pair.read(10, 100) == "last words");
  REQUIRE(pair.wait(POLLIN));
  char byte;
  auto n = pair.client->read(&byte, 1);
  REQUIRE_FALSE(n.ok());
  CHECK(n.error().message.find(orderly ? "closed the connection" : "cut the connection without ending TLS") !=
        std::string::npos);
}

TEST_CASE("upstream by TLS: nobody who says nothing holds up stop or the deadline") {
  const TestPki& pki = TestPki::get();
  auto listener = TcpListener::listen("127.0.0.1", 0);
  REQUIRE(listener.ok());
  auto connector =
      BrokerConnector::create("127.0.0.1", (*listener)->port(), BrokerTls{pki.file("ca.pem"), "localhost", "", ""});
  REQUIRE(connector.ok());
  WakeFd stop;
  auto late = (*connector)->connect(std::chrono::milliseconds(50), stop);
  REQUIRE_FALSE(late.ok());
  CHECK(late.error().message == "TLS: no answer from the server in time");
  stop.wake();
  auto stopped = (*connector)->connect(kPatience, stop);
  REQUIRE_FALSE(stopped.ok());
}
