#include "drivers/http.h"

#include <sys/socket.h>
#include <zlib.h>

#include <atomic>
#include <mutex>
#include <set>

#include "crypto/ed25519.h"
#include "tests/unit/http_fixture.h"

using namespace sealring;

namespace {

HttpResponse echo(const HttpRequest& request) {
  return {200, "text/plain", request.method + " " + request.target + " " + request.content_type + "\n" + request.body};
}

Bytes gzip(ByteView bytes) {
  z_stream z{};
  REQUIRE(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  Bytes out(deflateBound(&z, bytes.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string raw_post(const std::string& headers, const std::string& body) {
  return "POST /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// The status line of the answer to raw bytes, then whether the server closed the connection after it.
std::string raw_answer(std::uint16_t port, const std::string& bytes) {
  auto tls = tls_client(port);
  send_all(*tls, bytes);
  std::string all = receive_until(*tls, "");
  CHECK(tls->failure() == TlsStream::Failure::none);  // an orderly end, not a reset or our deadline
  return all.substr(0, all.find('\r'));
}

}  // namespace

TEST_CASE("http: a call and its answer") {
  auto server = start_server(server_config(), echo);
  auto client = make_client(client_config(server->port()));
  Result<HttpResponse> r = client->call(post("/a/b?c", "hello"));
  if (!r.ok()) FAIL(r.error().message);
  CHECK(r->status == 200);
  CHECK(r->content_type == "text/plain");
  CHECK(r->body == "POST /a/b?c application/octet-stream\nhello");

  HttpClient::Request get;
  get.method = "GET";
  get.target = "/";
  r = client->call(get);
  REQUIRE(r.ok());
  CHECK(r->body == "GET / \n");

  get.method = "HEAD";
  r = client->call(get);
  REQUIRE(r.ok());
  CHECK(r->status == 200);
  CHECK(r->body.empty());
  get.method = "GET";
  CHECK(client->call(get)->body == "GET / \n");  // the connection is in step after it
}

TEST_CASE("http: bodies of every size, plain and compressed") {
  auto server = start_server(server_config(), echo);
  auto config = client_config(server->port());
  config.max_response_bytes = 8u << 20;
  auto client = make_client(config);
  for (std::size_t size : {0u, 1u, 255u, 4096u, 16383u, 16384u, 16385u, 65537u, 3'000'000u}) {
    for (bool compress : {false, true}) {
      INFO(size << " " << compress);
      Bytes body = random_bytes(size / 2) + Bytes(size - size / 2, 'z');
      Result<HttpResponse> r = client->call(post("/", body, compress));
      if (!r.ok()) FAIL(r.error().message);
      CHECK(r->body == "POST / application/octet-stream\n" + body);
    }
  }
}

TEST_CASE("http: compressed bodies travel compressed") {
  std::atomic<std::size_t> wire_bytes{0};
  std::string headers;
  FakeServer server([&](TcpSocket socket) {
    auto tls = tls_server(std::move(socket));
    if (!tls) return;
    headers = receive_until(*tls, "\r\n\r\n");
    wire_bytes = headers.size();
    send_all(*tls, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    tls->close();
    tls->socket().linger();
  });
  auto client = make_client(client_config(server.port()));
  REQUIRE(client->call(post("/", Bytes(100'000, 'z'), true)).ok());
  CHECK(wire_bytes < 1000);
  CHECK(contains(headers, "Content-Encoding: gzip\r\n"));
  CHECK(contains(headers, "Host: 127.0.0.1:" + std::to_string(server.port()) + "\r\n"));
}

TEST_CASE("http: any status is an answer") {
  std::atomic<unsigned> status{200};
  auto server = start_server(server_config(), [&](const HttpRequest&) {
    return HttpResponse{status, "text/x.tlog.size", "12\n"};
  });
  auto client = make_client(client_config(server->port()));
  for (unsigned s : {200u, 202u, 403u, 404u, 409u, 422u, 500u, 503u}) {
    status = s;
    Result<HttpResponse> r = client->call(post("/"));
    REQUIRE(r.ok());
    CHECK(r->status == s);
    CHECK(r->content_type == "text/x.tlog.size");
    CHECK(r->body == "12\n");
  }
  // What is not a status is the handler's bug and must not become a malformed answer.
  for (unsigned s : {0u, 100u, 199u, 600u, 100000u}) {
    status = s;
    Result<HttpResponse> r = client->call(post("/"));
    REQUIRE(r.ok());
    CHECK(r->status == 500);
  }
}

TEST_CASE("http: the handler sees who calls") {
  std::mutex mutex;
  HttpRequest seen;
  auto server = start_server(server_config(), [&](const HttpRequest& request) {
    std::lock_guard<std::mutex> lock(mutex);
    seen = request;
    return HttpResponse{200, "", ""};
  });
  auto call_as = [&](const std::string& identity) {
    auto client = make_client(client_config(server->port(), identity));
    Result<HttpResponse> r = client->call(post("/"));
    if (!r.ok()) FAIL(r.error().message);
    std::lock_guard<std::mutex> lock(mutex);
    return seen;
  };
  HttpRequest who = call_as("client");
  CHECK(who.peer_uris == std::vector<std::string>{"sealring:gw-1", "urn:two"});
  CHECK(who.peer_subject == "CN=gateway one");
  who = call_as("client-bare");
  CHECK(who.peer_uris.empty());
  CHECK(who.peer_subject.empty());
  who = call_as("client-odd");
  CHECK(who.peer_uris == std::vector<std::string>{"urn:fine"});
}

TEST_CASE("http: one connection serves many calls") {
  std::atomic<int> calls{0};
  FakeServer server([&](TcpSocket socket) {
    auto tls = tls_server(std::move(socket));
    while (tls && !receive_until(*tls, "\r\n\r\n").empty()) {
      ++calls;
      send_all(*tls, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  });
  auto client = make_client(client_config(server.port()));
  for (int i = 0; i < 5; ++i) CHECK(client->call(post("/"))->body == "ok");
  CHECK(calls == 5);
  CHECK(server.accepted() == 1);
}

TEST_CASE("http: a kept connection that the server closed is opened again") {
  std::atomic<int> mode{0};
  FakeServer server([&](TcpSocket socket) {
    auto tls = tls_server(std::move(socket));
    if (!tls) return;
    receive_until(*tls, "\r\n\r\n");
    send_all(*tls, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    if (mode == 0) {
      tls->close();  // at once: the client finds it closed before its next call
    } else if (mode == 1) {
      receive_until(*tls, "\r\n\r\n");  // takes the next request and closes without a word
    }
  });
  auto client = make_client(client_config(server.port()));
  for (int m : {0, 1, 2}) {
    mode = m;
    INFO(m);
    int before = server.accepted();
    REQUIRE(client->call(post("/")).ok());
    Result<HttpResponse> r = client->call(post("/"));
    if (!r.ok()) FAIL(r.error().message);
    CHECK(server.accepted() >= before + 1);
  }
}

TEST_CASE("http: a first request that gets no answer is not sent twice") {
  std::atomic<int> requests{0};
  FakeServer server([&](TcpSocket socket) {
    auto tls = tls_server(std::move(socket));
    if (tls && !receive_until(*tls, "\r\n\r\n").empty()) ++requests;
  });
  auto client = make_client(client_config(server.port()));
  CHECK_FALSE(client->call(post("/")).ok());
  CHECK(requests == 1);
}

TEST_CASE("http: a server that is gone comes back") {
  auto server = start_server(server_config(), echo);
  std::uint16_t port = server->port();
  auto client = make_client(client_config(port));
  CHECK(client->call(post("/")).ok());
  server.reset();
  Result<HttpResponse> r = client->call(post("/"));
  REQUIRE_FALSE(r.ok());
  CHECK(r.error().kind == ErrorKind::retry);
  CHECK(contains(r.error().message, "connection refused by 127.0.0.1:" + std::to_string(port)));
  auto config = server_config();
  config.port = port;
  server = start_server(config, echo);
  CHECK(client->call(post("/")).ok());
}

TEST_CASE("http: many clients at once") {
  auto server = start_server(server_config(), echo);
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      Result<std::unique_ptr<HttpClient>> client = HttpClient::create(client_config(server->port()));
      if (!client.ok()) return;
      for (int n = 0; n < 20; ++n) {
        std::string body = std::to_string(i) + " " + std::to_string(n);
        Result<HttpResponse> r = (*client)->call(post("/", body, n % 2 == 1));
        if (r.ok() && r->body == "POST / application/octet-stream\n" + body) ++good;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(good == 160);
}

TEST_CASE("tcp: past its deadline a call does nothing, although bytes are waiting and there is room") {
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  TcpSocket one(ends[0]), two(ends[1]);
  one.set_deadline(std::chrono::steady_clock::now());
  two.set_deadline(deadline_in(milliseconds(10000)));
  char c = 'x';
  REQUIRE(two.send(&c, 1).outcome == TcpSocket::Io::done);
  CHECK(one.receive(&c, 1).outcome == TcpSocket::Io::timeout);
  CHECK(one.send(&c, 1).outcome == TcpSocket::Io::timeout);
  one.set_deadline(deadline_in(milliseconds(10000)));
  CHECK(one.receive(&c, 1).outcome == TcpSocket::Io::done);
}

TEST_CASE("tcp: what is woken is woken for good, and before anything else") {
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  TcpSocket one(ends[0]), two(ends[1]);
  WakeFd wake;
  one.set_wake(&wake);
  char c = 'x';
  CHECK(one.send(&c, 1).outcome == TcpSocket::Io::done);
  CHECK_FALSE(wake.woken());
  wake.wake();
  CHECK(wake.woken());
  CHECK(one.send(&c, 1).outcome == TcpSocket::Io::woken);
  CHECK(one.receive(&c, 1).outcome == TcpSocket::Io::woken);
  one.set_wake(nullptr);
  CHECK(one.send(&c, 1).outcome == TcpSocket::Io::done);
}

// --- the server against what it is sent ---

TEST_CASE("http server: too large a body is refused, in whatever way it is large") {
  std::atomic<int> handled{0};
  auto config = server_config();
  config.max_body_bytes = 100'000;
  auto server = start_server(config, [&](const HttpRequest& request) {
    ++handled;
    return HttpResponse{200, "", std::to_string(request.body.size())};
  });
  auto client = make_client(client_config(server->port()));
  CHECK(client->call(post("/", Bytes(100'000, 'z')))->status == 200);
  CHECK(client->call(post("/", Bytes(100'000, 'z'), true))->status == 200);
  CHECK(handled == 2);
  CHECK(client->call(post("/", Bytes(100'001, 'z')))->status == 413);
  CHECK(client->call(post("/", Bytes(100'001, 'z'), true))->status == 413);
  CHECK(client->call(post("/", random_bytes(20u << 20)))->status == 413);        // still sending when the answer comes
  CHECK(client->call(post("/", Bytes(200u << 20, '\0'), true))->status == 413);  // 200 MB in 200 KB: a zip bomb
  std::string chunk = "ffff\r\n" + Bytes(0xffff, 'c') + "\r\n";
  CHECK(raw_answer(server->port(), "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + chunk +
                                       "0\r\n\r\n") == "HTTP/1.1 413 Payload Too Large");
  CHECK(handled == 2);
  CHECK(client->call(post("/", "x"))->status == 200);
}

TEST_CASE("http server: damaged and unknown encodings are refused") {
  std::atomic<int> handled{0};
  auto server = start_server(server_config(), [&](const HttpRequest& request) {
    ++handled;
    return HttpResponse{200, "", request.body};
  });
  std::string good = gzip("some text, some text");
  auto status = [&](const std::string& encoding, const std::string& body) {
    return raw_answer(server->port(), raw_post("Content-Encoding: " + encoding + "\r\n", body)).substr(9, 3);
  };
  CHECK(status("gzip", good) == "200");
  CHECK(status("GZIP", good) == "200");
  CHECK(status("identity", good) == "200");
  CHECK(status("gzip", good + good) == "200");  // RFC 1952: several members are one file
  handled = 0;
  for (std::size_t n = 0; n < good.size(); ++n) CHECK(status("gzip", good.substr(0, n)) == "400");
  CHECK(status("gzip", good + "x") == "400");
  CHECK(status("gzip", good + good.substr(0, 12)) == "400");
  std::string bad = good;
  bad[good.size() - 8] = static_cast<char>(bad[good.size() - 8] ^ 1);  // its CRC
  CHECK(status("gzip", bad) == "400");
  CHECK(status("br", good) == "415");
  CHECK(status("gzip, gzip", gzip(good)) == "415");
  CHECK(handled == 0);
}

TEST_CASE("http server: what is not HTTP gets 400 and the end of the connection") {
  std::atomic<int> handled{0};
  auto server = start_server(server_config(), [&](const HttpRequest&) {
    ++handled;
    return HttpResponse{200, "", ""};
  });
  for (const std::string& bytes : std::vector<std::string>{
           "hello\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
           "GET / HTTP/1.1\nHost: x\n\n", "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
           "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
           "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", std::string("\0\1\2\r\n\r\n", 7)}) {
    INFO(quoted(bytes));
    CHECK(raw_answer(server->port(), bytes) == "HTTP/1.1 400 Bad Request");
  }
  CHECK(raw_answer(server->port(), "GET / HTTP/1.1\r\nX: " + Bytes(20'000, 'x') + "\r\n\r\n") ==
        "HTTP/1.1 431 Request Header Fields Too Large");
  CHECK(handled == 0);
  CHECK(raw_answer(server->port(), "GET / HTTP/1.0\r\n\r\n") == "HTTP/1.1 200 OK");
  CHECK(handled == 1);
}

TEST_CASE("http server: waits with the body where the client asks it to") {
  auto server = start_server(server_config(), echo);
  auto tls = tls_client(server->port());
  send_all(*tls, "PUT /y HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  CHECK(receive_until(*tls, "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  send_all(*tls, "ab");
  CHECK(contains(receive_until(*tls, "ab"), "PUT /y \nab"));
}

TEST_CASE("http server: tells how long the answer is, and that it closes") {
  auto server = start_server(server_config(), [](const HttpRequest&) { return HttpResponse{200, "", "12345"}; });
  auto answer_to = [&](const std::string& bytes) {
    auto tls = tls_client(server->port());
    send_all(*tls, bytes);
    return receive_until(*tls, "");
  };
  std::string answer = answer_to("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(contains(answer, "Content-Length: 5\r\n"));
  CHECK(contains(answer, "Connection: close\r\n"));
  CHECK(answer.substr(answer.size() - 4) == "\r\n\r\n");
  CHECK(contains(answer_to("GET / HTTP/1.0\r\n\r\n"), "Connection: close\r\n"));
  CHECK(contains(answer_to("nonsense\r\n\r\n"), "Connection: close\r\n"));
  auto tls = tls_client(server->port());
  send_all(*tls, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK_FALSE(contains(receive_until(*tls, "12345"), "close"));
}

TEST_CASE("http server: requests in a row on one connection are answered in order") {
  auto server = start_server(server_config(), echo);
  auto tls = tls_client(server->port());
  std::string all;
  for (int i = 0; i < 20; ++i) all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  all += "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  send_all(*tls, all);
  std::string answers = receive_until(*tls, "");
  std::size_t at = 0;
  for (int i = 0; i < 20; ++i) {
    at = answers.find("GET /" + std::to_string(i) + " ", at);
    REQUIRE(at != std::string::npos);
  }
  CHECK(answers.find("GET /last ", at) != std::string::npos);
}

TEST_CASE("http server: a handler that throws costs its call, not the server") {
  auto server = start_server(server_config(), [](const HttpRequest& request) -> HttpResponse {
    if (request.target == "/1") throw std::runtime_error("a secret");
    if (request.target == "/2") throw 2;
    return {200, "", "fine"};
  });
  auto client = make_client(client_config(server->port()));
  for (const char* target : {"/1", "/2"}) {
    Result<HttpResponse> r = client->call(post(target));
    REQUIRE(r.ok());
    CHECK(r->status == 500);
    CHECK_FALSE(contains(r->body, "secret"));
  }
  CHECK(client->call(post("/3"))->body == "fine");
}

TEST_CASE("http server: a peer that drips or stalls is cut at the timeout") {
  auto config = server_config();
  config.request_timeout = milliseconds(200);
  auto server = start_server(config, echo);
  auto tls = tls_client(server->port());
  std::string answer;
  SECTION("header") { send_all(*tls, "GET / HT"); }
  SECTION("body") { send_all(*tls, "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"); }
  SECTION("byte by byte") {  // always something new, never the end
    send_all(*tls, "GET / HTTP/1.1\r\nX: ");
    Deadline end = deadline_in(milliseconds(10000));
    char first;
    do {
      send_all(*tls, "x");
      tls->socket().set_deadline(deadline_in(milliseconds(5)));
      if (tls->read_some(&first, 1).ok()) answer = first;
    } while (answer.empty() && std::chrono::steady_clock::now() < end);
    tls->socket().set_deadline(end);
  }
  answer += receive_until(*tls, "");
  CHECK(answer.substr(0, 12) == "HTTP/1.1 408");
}

TEST_CASE("http server: an idle connection and a peer without TLS are cut") {
  auto config = server_config();
  SECTION("after TLS") {
    config.idle_timeout = milliseconds(50);
    auto server = start_server(config, echo);
    auto tls = tls_client(server->port());
    CHECK(receive_until(*tls, "").empty());
    CHECK(tls->failure() == TlsStream::Failure::none);
  }
  SECTION("before TLS") {
    config.handshake_timeout = milliseconds(50);
    auto server = start_server(config, echo);
    TcpConnector connector("127.0.0.1", std::to_string(server->port()));
    Result<TcpSocket> socket = connector.connect(deadline_in(milliseconds(10000)), nullptr);
    REQUIRE(socket.ok());
    socket->set_deadline(deadline_in(milliseconds(10000)));
    char c;
    TcpSocket::Io io;
    do io = socket->receive(&c, 1);
    while (io.outcome == TcpSocket::Io::done);
    CHECK(io.outcome == TcpSocket::Io::end);
  }
}

TEST_CASE("http server: a client that does not take its answer is cut") {
  auto config = server_config();
  config.request_timeout = milliseconds(200);
  std::atomic<int> handled{0};
  auto server = start_server(config, [&](const HttpRequest&) {
    ++handled;
    return HttpResponse{200, "", Bytes(32u << 20, 'x')};  // more than the sockets hold
  });
  auto tls = tls_client(server->port());
  send_all(*tls, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(eventually([&] { return handled == 1; }));
  Deadline begun = std::chrono::steady_clock::now();
  server.reset();  // returns, although nobody reads
  CHECK(std::chrono::steady_clock::now() - begun < milliseconds(60000));
}

TEST_CASE("http server: connections above the limit are closed at once, and there is room again after") {
  auto config = server_config();
  config.max_connections = 2;
  auto server = start_server(config, echo);
  auto one = tls_client(server->port()), two = tls_client(server->port());
  auto client = make_client(client_config(server->port()));
  Result<HttpResponse> r = client->call(post("/"));
  REQUIRE_FALSE(r.ok());
  CHECK(r.error().kind == ErrorKind::retry);
  one.reset();
  CHECK(eventually([&] { return client->call(post("/")).ok(); }));
  send_all(*two, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(contains(receive_until(*two, ""), "200 OK"));
}

TEST_CASE("http server: a stop waits for the call under way and cuts the rest") {
  std::atomic<bool> inside{false}, may_go{false}, stopped{false};
  auto server = start_server(server_config(), [&](const HttpRequest&) {
    inside = true;
    if (!eventually([&] { return may_go.load(); })) return HttpResponse{500, "", ""};
    return HttpResponse{200, "", "done"};
  });
  auto idle = tls_client(server->port());
  auto half = tls_client(server->port());
  send_all(*half, "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
  auto client = make_client(client_config(server->port()));
  Bytes answer;
  std::thread caller([&] {
    Result<HttpResponse> r = client->call(post("/"));
    answer = r.ok() ? r->body : r.error().message;
  });
  REQUIRE(eventually([&] { return inside.load(); }));
  std::thread stopper([&] {
    server.reset();
    stopped = true;
  });
  CHECK(receive_until(*idle, "").empty());
  CHECK(receive_until(*half, "").empty());
  CHECK_FALSE(stopped);
  may_go = true;
  caller.join();
  CHECK(answer == "done");
  stopper.join();
}

// --- the client against what it is answered ---

namespace {

// Answers every request with these bytes and an orderly end.
std::string answered_with(const std::string& bytes, bool orderly = true) {
  FakeServer server([&](TcpSocket socket) {
    auto tls = tls_server(std::move(socket));
    if (!tls) return;
    receive_until(*tls, "\r\n\r\n");
    send_all(*tls, bytes);
    if (orderly) tls->close();
    tls->socket().linger();
  });
  auto config = client_config(server.port());
  config.max_response_bytes = 1000;
  auto client = make_client(config);
  Result<HttpResponse> r = client->call(post("/t"));
  if (r.ok()) return std::to_string(r->status) + " " + r->body;
  CHECK(r.error().kind == ErrorKind::retry);
  CHECK(contains(r.error().message, "POST https://127.0.0.1:" + std::to_string(server.port()) + "/t: "));
  return r.error().message;
}

}  // namespace

TEST_CASE("http client: what is no answer is named") {
  CHECK(contains(answered_with("SSH-2.0-OpenSSH_9.2\r\n"), "answered with something that is not HTTP"));
  CHECK(contains(answered_with("HTTP/1.1 2x0 OK\r\n\r\n"), "answered with something that is not HTTP"));
  CHECK(contains(answered_with(""), "closed the connection without an answer"));
  CHECK(contains(answered_with("HTTP/1.1 200 OK\r\nContent-"), "closed in mid-answer"));
  CHECK(contains(answered_with("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123"), "closed in mid-answer"));
  CHECK(contains(answered_with("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123", false), "closed in mid-answer"));
  CHECK(contains(answered_with("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + Bytes(1001, 'x')),
                 "larger than 1000 bytes"));
  CHECK(contains(answered_with("HTTP/1.1 200 OK\r\n\r\n" + Bytes(1001, 'x')), "larger than 1000 bytes"));
  CHECK(contains(answered_with("HTTP/1.1 200 OK\r\nX: " + Bytes(20'000, 'x') + "\r\n\r\n"), "header is larger"));
  std::string wait = "HTTP/1.1 100 Continue\r\n\r\n";
  CHECK(answered_with(wait + wait + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") == "200 ok");
  std::string waits;
  for (int i = 0; i < 100; ++i) waits += wait;
  CHECK(contains(answered_with(waits), "not HTTP"));
}

TEST_CASE("http client: a body that ends with the connection counts only when TLS ended in order") {
  CHECK(answered_with("HTTP/1.1 200 OK\r\n\r\nall of it") == "200 all of it");
  CHECK(contains(answered_with("HTTP/1.1 200 OK\r\n\r\nall of it", false), "closed in mid-answer"));
}

TEST_CASE("http client: a peer that does not go on costs the timeout") {
  std::atomic<int> stage{0};
  FakeServer server([&](TcpSocket socket) {
    char c;
    while (stage == 0 && socket.receive(&c, 1).outcome == TcpSocket::Io::done) {  // not a word of TLS
    }
    if (stage == 0) return;
    auto tls = tls_server(std::move(socket));
    if (!tls) return;
    if (stage == 1) receive_until(*tls, "");
    receive_until(*tls, "\r\n\r\n");
    send_all(*tls, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    while (stage == 3 && wait_for(-1, 0, deadline_in(milliseconds(5)), &server.stop()) == Wait::timeout &&
           tls->write_some("x", 1).ok()) {
    }
    (void)tls->read_some(&c, 1);
  });
  auto config = client_config(server.port());
  config.timeout = milliseconds(200);
  for (int s : {0, 1, 2, 3}) {
    INFO(s);
    stage = s;
    auto client = make_client(config);
    Result<HttpResponse> r = client->call(post("/"));
    REQUIRE_FALSE(r.ok());
    CHECK(contains(r.error().message, "no answer within 200 ms"));
  }
}

TEST_CASE("http client: stop ends a call under way, and those after it") {
  FakeServer server([&](TcpSocket socket) {
    auto tls = tls_server(std::move(socket));
    if (tls) receive_until(*tls, "");
  });
  auto config = client_config(server.port());
  config.timeout = milliseconds(600'000);
  auto client = make_client(config);
  std::string words;
  std::thread caller([&] {
    Result<HttpResponse> r = client->call(post("/"));
    words = r.ok() ? "answered" : r.error().message;
  });
  REQUIRE(eventually([&] { return server.accepted() == 1; }));
  client->stop();
  caller.join();
  CHECK(contains(words, ": stopped"));
  Result<HttpResponse> r = client->call(post("/"));
  REQUIRE_FALSE(r.ok());
  CHECK(contains(r.error().message, ": stopped"));
  CHECK(server.accepted() == 1);
}

TEST_CASE("http client: an early refusal is heard although the body is not taken") {
  FakeServer server([&](TcpSocket socket) {
    auto tls = tls_server(std::move(socket));
    if (!tls) return;
    receive_until(*tls, "\r\n\r\n");
    send_all(*tls, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
  });  // closed with bytes unread: the kernel resets
  auto client = make_client(client_config(server.port()));
  for (int i = 0; i < 10; ++i) {
    Result<HttpResponse> r = client->call(post("/", Bytes(20u << 20, 'x')));
    if (!r.ok()) FAIL(r.error().message);
    CHECK(r->status == 403);
  }
}

TEST_CASE("http client: a request that would split the header is refused unsent") {
  auto server = start_server(server_config(), echo);
  auto client = make_client(client_config(server->port()));
  HttpClient::Request request = post("/");
  SECTION("target") { request.target = GENERATE(as<std::string>{}, "", "x", "/a b", "/a\r\nX: y", "/\xc3\xbc"); }
  SECTION("type") { request.content_type = "text/plain\r\nX: y"; }
  SECTION("method") { request.method = "GET / HTTP/1.1\r\n"; }
  Result<HttpResponse> r = client->call(request);
  REQUIRE_FALSE(r.ok());
  CHECK(r.error().kind == ErrorKind::reject);
}

TEST_CASE("http: urls") {
  struct {
    const char *url, *host, *port, *path;
  } good[] = {
      {"https://a", "a", "443", ""},
      {"https://a/", "a", "443", ""},
      {"https://a.example:8443", "a.example", "8443", ""},
      {"https://a:1/x", "a", "1", "/x"},
      {"https://127.0.0.1:65535/x/y/", "127.0.0.1", "65535", "/x/y"},
      {"https://[::1]:8443/x", "::1", "8443", "/x"},
      {"https://[fe80::1]", "fe80::1", "443", ""},
  };
  for (auto& g : good) {
    INFO(g.url);
    Result<Url> url = parse_https_url(g.url);
    REQUIRE(url.ok());
    CHECK(url->host == g.host);
    CHECK(url->port == g.port);
    CHECK(url->path == g.path);
  }
  for (const char* bad : {"",
                          "a",
                          "http://a",
                          "https:/a",
                          "https://",
                          "https:///x",
                          "https://:8443",
                          "https://a:",
                          "https://a:0",
                          "https://a:65536",
                          "https://a:080",
                          "https://a:x",
                          "https://u@a",
                          "https://a?q",
                          "https://a/x#f",
                          "https://a b",
                          "https://a/\n",
                          "https://[::1",
                          "https://[::1]8443",
                          "https://[a]",
                          "https://::1",
                          "https://[]",
                          "https://a]:1",
                          "https://a:1:2"}) {
    INFO(bad);
    Result<Url> url = parse_https_url(bad);
    CHECK_FALSE(url.ok());
  }
}
