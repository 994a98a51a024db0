// What goes wrong with TLS, and whether the words say what to look at.
#include <atomic>
#include <csignal>

#include "tests/unit/capture_stderr.h"
#include "tests/unit/http_fixture.h"

using namespace sealring;

namespace {

HttpResponse fine(const HttpRequest&) { return {200, "", "fine"}; }

std::string refusal(const HttpClient::Config& config) {
  auto client = make_client(config);
  Result<HttpResponse> r = client->call(post("/"));
  if (r.ok()) return "answered " + std::to_string(r->status);
  CHECK(r.error().kind == ErrorKind::retry);
  return r.error().message;
}

std::string refusal_of(const std::string& server_identity) {
  auto server = start_server(server_config(server_identity), fine);
  return refusal(client_config(server->port()));
}

// Both sides of a client certificate that does not do.
struct Refused {
  std::string client, server;
};
Refused client_refused(const std::string& identity) {
  Refused refused;
  refused.server = stderr_of([&] {
    auto server = start_server(server_config(), fine);
    refused.client = refusal(client_config(server->port(), identity));
  });
  return refused;
}

// openssl's answer to a shell command in the certificates' folder, whatever its exit status.
std::string shell(const std::string& command) {
  TempDir dir;
  std::string line = "cd " + TestPki::get().file("") + " && (" + command + ") >" + dir.file("out") + " 2>&1";
  int ignored = std::system(line.c_str());
  (void)ignored;
  return *read_file(dir.file("out"));
}

}  // namespace

TEST_CASE("tls: the server's name is checked, be it a name or an address") {
  auto server = start_server(server_config(), fine);
  auto config = client_config(server->port());
  CHECK(refusal(config) == "answered 200");  // 127.0.0.1, from the alternative names
  config.server_name = "localhost";
  CHECK(refusal(config) == "answered 200");
  config.server_name = "::1";
  CHECK(refusal(config) == "answered 200");
  config.server_name = "0:0:0:0:0:0:0:1";  // addresses are compared, not their spelling
  CHECK(refusal(config) == "answered 200");
  config.host = "localhost";
  config.server_name = "";
  CHECK(refusal(config) == "answered 200");

  for (const char* name : {"other.example", "127.0.0.2", "::2", "localhost.example", "server"}) {
    config.server_name = name;
    std::string words = refusal(config);
    CHECK(contains(words, "is not for name \"" + std::string(name) + "\" but for \"localhost\", 127.0.0.1, ::1"));
  }
}

TEST_CASE("tls: a server's certificate for another name") {
  std::string words = refusal_of("server-wrong-name");
  CHECK(contains(words, "is not for name \"127.0.0.1\" but for \"other.example\", 192.0.2.1"));
}

TEST_CASE("tls: a server's certificate by another CA") {
  std::string words;
  std::string server_words = stderr_of([&] { words = refusal_of("server-other-ca"); });
  CHECK(contains(words, "is not signed by the CA in " + TestPki::get().file("ca.pem") + " but by \"CN=other-ca\""));
  CHECK(contains(server_words, "the client refused our certificate " + TestPki::get().file("server-other-ca.pem") +
                                   ": it is not signed by a CA that it trusts"));
}

TEST_CASE("tls: a server's certificate out of its time") {
  std::string words = refusal_of("server-expired");
  CHECK(contains(words, "has expired on 2021-01-01 00:00:00 UTC (our clock: "));
  words = refusal_of("server-future");
  CHECK(contains(words, "is not valid before 2098-01-01 00:00:00 UTC (our clock, is it right?: "));
}

TEST_CASE("tls: the CA is not one that signed the server") {
  auto server = start_server(server_config(), fine);
  auto config = client_config(server->port());
  config.tls.ca_file = TestPki::get().file("other-ca.pem");
  CHECK(contains(refusal(config), "is not signed by the CA in " + TestPki::get().file("other-ca.pem")));
}

TEST_CASE("tls: a client's certificate that does not do, in words on both sides") {
  const TestPki& pki = TestPki::get();
  Refused r = client_refused("client-other-ca");
  CHECK(contains(r.client, "the server refused our certificate " + pki.file("client-other-ca.pem") +
                               ": it is not signed by a CA that it trusts"));
  CHECK(contains(r.server, "the client's certificate \"CN=gateway\" is not signed by the CA in " + pki.file("ca.pem") +
                               " but by \"CN=other-ca\""));
  r = client_refused("client-expired");
  CHECK(contains(r.client, "the server refused our certificate " + pki.file("client-expired.pem") + ": expired"));
  CHECK(contains(r.client, "2021-01-01 00:00:00 UTC"));
  CHECK(contains(r.server, "the client's certificate \"CN=gateway\" has expired on 2021-01-01 00:00:00 UTC"));
  r = client_refused("client-for-servers");
  CHECK(contains(r.client, "the server refused our certificate " + pki.file("client-for-servers.pem")));
  CHECK(contains(r.server, "is not meant for clients"));
}

TEST_CASE("tls: a client without a certificate, and one with old TLS, by another implementation") {
  std::string said, answer;
  std::string words = stderr_of([&] {
    auto server = start_server(server_config(), fine);
    std::string at = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 10 openssl s_client -quiet -connect 127.0.0.1:" +
                     std::to_string(server->port()) + " -CAfile ca.pem ";
    answer = shell(at + "-cert client.pem -key client.key -verify_return_error");
    said = shell(at);
  });
  CHECK(contains(answer, "HTTP/1.1 200 OK"));  // so that the refusal below has one reason only
  CHECK_FALSE(contains(said, "HTTP/1.1"));
  CHECK(contains(words, "the client showed no certificate"));

  words = stderr_of([&] {
    auto server = start_server(server_config(), fine);
    std::string at = "timeout 10 openssl s_client -connect 127.0.0.1:" + std::to_string(server->port()) +
                     " -CAfile ca.pem -cert client.pem -key client.key </dev/null ";
    said = shell(at + "-tls1_1 -cipher DEFAULT@SECLEVEL=0");
  });
  CHECK(contains(words, "offers only old versions of TLS"));
  CHECK(contains(said, "Cipher is (NONE)"));
}

TEST_CASE("tls: only ephemeral key exchange with authenticated encryption") {
  auto server = start_server(server_config(), fine);
  std::string at = "timeout 10 openssl s_client -connect 127.0.0.1:" + std::to_string(server->port()) +
                   " -CAfile ca.pem -cert client.pem -key client.key -tls1_2 </dev/null -cipher ";
  CHECK(contains(shell(at + "ECDHE-ECDSA-AES128-GCM-SHA256"), "Cipher is ECDHE-ECDSA-AES128-GCM-SHA256"));
  CHECK(contains(shell(at + "ECDHE-ECDSA-AES128-SHA256"), "Cipher is (NONE)"));  // CBC
  CHECK(contains(shell(at + "AES128-GCM-SHA256"), "Cipher is (NONE)"));          // no forward secrecy
}

namespace {

// A real TLS server that we did not write: it answers every GET with a page of its own.
class OpensslServer {
 public:
  explicit OpensslServer(const std::string& identity) {
    // It cannot tell a port that it chose, so ports are tried.
    for (int port = 20000 + static_cast<int>(getpid() % 20000), tries = 0; tries < 20 && port_ == 0; ++port, ++tries) {
      std::string n = std::to_string(port);
      shell("rm -f " + n + ".out; openssl s_server -accept 127.0.0.1:" + n + " -cert " + identity + ".pem -key " +
            identity + ".key -CAfile ca.pem -Verify 1 -verify_return_error -www >" + n + ".out 2>&1 & echo $! >" + n +
            ".pid");
      pid_ = std::stoi(*read_file(TestPki::get().file(n + ".pid")));
      std::string said;
      eventually([&] {
        if (Result<Bytes> out = read_file(TestPki::get().file(n + ".out")); out.ok()) said = *out;
        return contains(said, "ACCEPT") || kill(pid_, 0) != 0;
      });
      if (contains(said, "ACCEPT")) port_ = static_cast<std::uint16_t>(port);
    }
    REQUIRE(port_ != 0);
  }
  ~OpensslServer() { kill(pid_, SIGTERM); }
  std::uint16_t port() const { return port_; }

 private:
  int pid_ = 0;
  std::uint16_t port_ = 0;
};

}  // namespace

TEST_CASE("tls: the client with a server by another implementation") {
  const TestPki& pki = TestPki::get();
  {
    OpensslServer server("server");
    auto config = client_config(server.port());
    HttpClient::Request get;
    get.method = "GET";
    get.target = "/";
    Result<HttpResponse> r = make_client(config)->call(get);
    if (!r.ok()) FAIL(r.error().message);
    CHECK(contains(r->body, "ECDHE-ECDSA-"));
    config.tls = pki.identity("client-other-ca");
    CHECK(contains(refusal(config), "refused our certificate " + pki.file("client-other-ca.pem")));
  }
  OpensslServer server("client");  // a server with a client's certificate
  auto config = client_config(server.port());
  config.server_name = "gw.example";
  CHECK(contains(refusal(config), "the server's certificate \"CN=gateway one\" is not meant for servers"));
}

TEST_CASE("tls: a server that speaks no TLS") {
  for (const std::string first : {"220 mail.example ESMTP\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n"}) {
    FakeServer server([&](TcpSocket socket) {
      char hello[16];
      (void)socket.receive(hello, sizeof hello);
      send_all(socket, first);
      socket.linger();
    });
    std::string words = refusal(client_config(server.port()));
    CHECK(
        contains(words, "the server speaks plain text or another protocol, not TLS (begins \"" + first.substr(0, 20)));
    CHECK(contains(words, "is the port right?"));
  }
}

TEST_CASE("tls: a client that speaks no TLS") {
  std::string words = stderr_of([&] {
    auto server = start_server(server_config(), fine);
    TcpConnector connector("127.0.0.1", std::to_string(server->port()));
    Result<TcpSocket> socket = connector.connect(deadline_in(milliseconds(10000)), nullptr);
    REQUIRE(socket.ok());
    socket->set_deadline(deadline_in(milliseconds(10000)));
    send_all(*socket, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    char c;
    while (socket->receive(&c, 1).outcome == TcpSocket::Io::done) {
    }
  });
  CHECK(contains(words, "the client speaks plain text or another protocol, not TLS (begins \"GET / HTTP/1.1"));
}

TEST_CASE("tls: a server that closes at once, or in the handshake") {
  std::atomic<bool> wait{false};
  FakeServer server([&](TcpSocket socket) {
    char hello[1024];
    if (wait) (void)socket.receive(hello, sizeof hello);
    if (wait) send_all(socket, std::string("\x16\x03\x03\0\x10", 5));
  });
  CHECK(contains(refusal(client_config(server.port())), "closed the connection before it said a word of TLS"));
  wait = true;
  std::string words = refusal(client_config(server.port()));
  CHECK((contains(words, "closed the connection during the TLS handshake") || contains(words, "Connection reset")));
}

TEST_CASE("tls: nobody there") {
  std::uint16_t port;
  {
    auto listener = TcpListener::listen("127.0.0.1", 0);
    REQUIRE(listener.ok());
    port = (*listener)->port();
  }
  auto config = client_config(port);
  std::string words = refusal(config);
  CHECK(contains(words, "POST https://127.0.0.1:" + std::to_string(port) +
                            "/: connection refused by 127.0.0.1:" + std::to_string(port)));
  config.host = "no-such-host.invalid";  // RFC 6761: never resolves
  words = refusal(config);
  CHECK((contains(words, "there is no host named \"no-such-host.invalid\"") || contains(words, "name server")));
}

// --- files ---

namespace {

std::string create_error(const TlsIdentity& tls) {
  auto config = client_config(1);
  config.tls = tls;
  Result<std::unique_ptr<HttpClient>> client = HttpClient::create(config);
  REQUIRE_FALSE(client.ok());
  CHECK(client.error().kind == ErrorKind::reject);
  auto listen = server_config();
  listen.tls = tls;
  Result<std::unique_ptr<HttpServer>> server = HttpServer::start(listen, fine);
  REQUIRE_FALSE(server.ok());
  CHECK(server.error().message == client.error().message);
  return client.error().message;
}

}  // namespace

TEST_CASE("tls: files that do not do are named") {
  const TestPki& pki = TestPki::get();
  TempDir dir;
  auto put = [&](const std::string& name, const std::string& bytes, unsigned mode) {
    REQUIRE(replace_file(dir.file(name), bytes, mode).ok());
    return dir.file(name);
  };
  std::string key = *read_file(pki.file("client.key")), cert = *read_file(pki.file("client.pem"));
  const TlsIdentity good = pki.identity("client");
  TlsIdentity bad = good;

  bad.ca_file = dir.file("no.pem");
  CHECK(contains(create_error(bad), "cannot open " + dir.file("no.pem") + ": No such file"));
  bad = good;
  bad.cert_file = put("empty.pem", "", 0644);
  CHECK(contains(create_error(bad), dir.file("empty.pem") + " is not a certificate in PEM"));
  bad.cert_file = put("half.pem", cert.substr(0, cert.size() / 2), 0644);
  CHECK(contains(create_error(bad), dir.file("half.pem") + " is not a certificate in PEM"));
  bad.cert_file = put("one-bad.pem", cert + "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", 0644);
  CHECK(contains(create_error(bad), dir.file("one-bad.pem") + ": 1 of its certificates cannot be read"));
  bad = good;
  bad.key_file = put("open.key", key, 0644);
  CHECK(contains(create_error(bad), "chmod 600 " + dir.file("open.key")));
  bad.key_file = put("bad.key", "x" + key.substr(20), 0600);
  CHECK(contains(create_error(bad), dir.file("bad.key") + " is not a private key in PEM"));
  bad.key_file = pki.file("server.key");
  CHECK(contains(create_error(bad), pki.file("server.key") + " does not belong to the certificate " + good.cert_file));
  shell("openssl pkcs8 -topk8 -in client.key -out " + dir.file("locked.key") + " -passout pass:x -v1 PBE-SHA1-3DES");
  bad.key_file = dir.file("locked.key");
  CHECK(contains(create_error(bad), dir.file("locked.key") + " is encrypted"));
}

TEST_CASE("tls: an address that cannot be listened on is refused") {
  auto server = start_server(server_config(), fine);
  auto config = server_config();
  config.port = server->port();
  Result<std::unique_ptr<HttpServer>> second = HttpServer::start(config, fine);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().kind == ErrorKind::retry);  // who has the port may go
  CHECK(contains(second.error().message, "cannot listen on 127.0.0.1:" + std::to_string(server->port())));
  CHECK(contains(second.error().message, "the port is in use"));
  config = server_config();
  for (const char* address : {"", "192.0.2.77", "no-such-host.invalid"}) {
    config.address = address;
    Result<std::unique_ptr<HttpServer>> r = HttpServer::start(config, fine);
    REQUIRE_FALSE(r.ok());
    const bool may_come = *address == '1';  // with its network
    CHECK(r.error().kind == (may_come ? ErrorKind::retry : ErrorKind::reject));
  }
}

TEST_CASE("tls: renewed files take effect at the next connection, broken ones do not") {
  const TestPki& pki = TestPki::get();
  TempDir dir;
  auto install = [&](const std::string& identity) {
    for (const char* kind : {".pem", ".key"}) {
      REQUIRE(replace_file(dir.file(std::string("own") + kind), *read_file(pki.file(identity + kind)), 0600).ok());
    }
  };
  install("client-expired");
  auto server = start_server(server_config(), fine);
  auto config = client_config(server->port());
  config.tls = {pki.file("ca.pem"), dir.file("own.pem"), dir.file("own.key")};
  auto client = make_client(config);
  CHECK_FALSE(client->call(post("/")).ok());
  install("client");
  Result<HttpResponse> r = client->call(post("/"));
  if (!r.ok()) FAIL(r.error().message);

  // Half of a renewal: key and certificate do not belong together. The old pair goes on.
  REQUIRE(replace_file(dir.file("own.key"), *read_file(pki.file("client-bare.key")), 0600).ok());
  server.reset();
  auto again = server_config();
  again.port = static_cast<std::uint16_t>(std::stoi(config.port));
  server = start_server(again, fine);
  std::string words = stderr_of([&] { CHECK(client->call(post("/")).ok()); });
  CHECK(contains(words, "TLS files changed but cannot be used, going on with the old"));
}

TEST_CASE("tls: files that are gone are told once, and taken again when they are back") {
  const TestPki& pki = TestPki::get();
  TempDir dir;
  const std::string ca = dir.file("ca.pem");
  const auto install = [&](const std::string& from) {
    REQUIRE(replace_file(ca, *read_file(pki.file(from)), 0600).ok());
  };
  install("ca.pem");
  auto files = TlsFiles::open({ca, "", ""}, OwnCertificate::optional);
  REQUIRE(files.ok());
  const auto first = (*files)->current();
  REQUIRE(unlink(ca.c_str()) == 0);
  const std::string words = stderr_of([&] { CHECK((*files)->current() == first); });
  CHECK(contains(words, "TLS files changed but cannot be used, going on with the old"));
  CHECK(contains(words, ca));
  CHECK(stderr_of([&] { CHECK((*files)->current() == first); }).empty());
  install("ca.pem");
  CHECK((*files)->current() != first);
}

TEST_CASE("tls: a server's renewed certificate is shown to new connections") {
  const TestPki& pki = TestPki::get();
  TempDir dir;
  auto install = [&](const std::string& identity) {
    for (const char* kind : {".pem", ".key"}) {
      REQUIRE(replace_file(dir.file(std::string("own") + kind), *read_file(pki.file(identity + kind)), 0600).ok());
    }
  };
  install("server-expired");
  auto config = server_config();
  config.tls = {pki.file("ca.pem"), dir.file("own.pem"), dir.file("own.key")};
  auto server = start_server(config, fine);
  CHECK(contains(refusal(client_config(server->port())), "has expired"));
  install("server");
  CHECK(refusal(client_config(server->port())) == "answered 200");
}

TEST_CASE("tls: any bit flipped on the way ends the connection, never changes an answer") {
  auto server = start_server(server_config(), [](const HttpRequest&) { return HttpResponse{200, "", "fine"}; });
  // A relay that flips one bit of the server's bytes: the `target`-th.
  std::atomic<std::size_t> target{0}, passed{0};
  FakeServer relay([&](TcpSocket client) {
    TcpConnector connector("127.0.0.1", std::to_string(server->port()));
    Result<TcpSocket> connected = connector.connect(deadline_in(milliseconds(10000)), nullptr);
    if (!connected.ok()) return;
    TcpSocket upstream = std::move(connected).value();
    char piece[8192];
    passed = 0;
    for (Deadline end = deadline_in(milliseconds(10000)); std::chrono::steady_clock::now() < end;) {
      client.set_deadline(deadline_in(milliseconds(2)));
      TcpSocket::Io io = client.receive(piece, sizeof piece);
      if (io.outcome == TcpSocket::Io::done) send_all(upstream, std::string_view(piece, io.bytes));
      if (io.outcome != TcpSocket::Io::done && io.outcome != TcpSocket::Io::timeout) return;
      upstream.set_deadline(deadline_in(milliseconds(2)));
      io = upstream.receive(piece, sizeof piece);
      if (io.outcome != TcpSocket::Io::done && io.outcome != TcpSocket::Io::timeout) return;
      if (passed <= target && target < passed + io.bytes) piece[target - passed] ^= 0x10;
      passed += io.bytes;
      client.set_deadline(deadline_in(milliseconds(1000)));
      send_all(client, std::string_view(piece, io.bytes));
      upstream.set_deadline(Deadline::max());
    }
  });
  auto config = client_config(relay.port());
  config.timeout = milliseconds(5000);
  target = 1u << 30;
  REQUIRE(refusal(config) == "answered 200");
  std::size_t all = passed;
  REQUIRE(all > 700);
  int refused = 0;
  for (std::size_t i = 0; i < all - 40; i += 37) {
    target = i;
    auto client = make_client(config);
    Result<HttpResponse> r = client->call(post("/"));
    if (!r.ok()) ++refused;
    if (r.ok()) CHECK(r->body == "fine");
  }
  CHECK(refused > 0);
}
