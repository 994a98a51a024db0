// A server, its clients, and peers that misbehave, all on 127.0.0.1.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "drivers/tls_stream.h"
#include "tests/unit/test_pki.h"

namespace sealring {

using std::chrono::milliseconds;

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Polls: no sleep longer than needed, no failure before ten seconds.
template <class Condition>
bool eventually(Condition&& condition) {
  for (Deadline end = deadline_in(milliseconds(10000)); std::chrono::steady_clock::now() < end;) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return false;
}

inline HttpServer::Config server_config(const std::string& identity = "server") {
  HttpServer::Config config;
  config.tls = TestPki::get().identity(identity);
  return config;
}

inline std::unique_ptr<HttpServer> start_server(const HttpServer::Config& config, HttpServer::Handler handler) {
  Result<std::unique_ptr<HttpServer>> server = HttpServer::start(config, std::move(handler));
  if (!server.ok()) FAIL(server.error().message);
  return std::move(server).value();
}

inline HttpClient::Config client_config(std::uint16_t port, const std::string& identity = "client") {
  HttpClient::Config config;
  config.host = "127.0.0.1";
  config.port = std::to_string(port);
  config.tls = TestPki::get().identity(identity);
  config.timeout = milliseconds(10000);
  return config;
}

inline std::unique_ptr<HttpClient> make_client(const HttpClient::Config& config) {
  Result<std::unique_ptr<HttpClient>> client = HttpClient::create(config);
  if (!client.ok()) FAIL(client.error().message);
  return std::move(client).value();
}

inline HttpClient::Request post(const std::string& target, Bytes body = {}, bool gzip = false) {
  HttpClient::Request request;
  request.target = target;
  request.content_type = "application/octet-stream";
  request.body = std::move(body);
  request.gzip = gzip;
  return request;
}

// Accepts one connection after the other and gives each to `serve`, on a thread of its own, until destroyed.
class FakeServer {
 public:
  using Serve = std::function<void(TcpSocket)>;
  explicit FakeServer(Serve serve) : serve_(std::move(serve)) {
    auto listener = TcpListener::listen("127.0.0.1", 0);
    if (!listener.ok()) FAIL(listener.error().message);
    listener_ = std::move(listener).value();
    thread_ = std::thread([this] {
      for (;;) {
        Result<TcpSocket> socket = listener_->accept(stop_);
        if (!socket.ok() || !socket->is_open()) return;
        ++accepted_;
        socket->set_wake(&stop_);
        serve_(std::move(socket).value());
      }
    });
  }
  ~FakeServer() {
    stop_.wake();
    thread_.join();
  }
  std::uint16_t port() const { return listener_->port(); }
  int accepted() const { return accepted_; }
  const WakeFd& stop() const { return stop_; }

 private:
  Serve serve_;
  WakeFd stop_;
  std::unique_ptr<TcpListener> listener_;
  std::atomic<int> accepted_{0};
  std::thread thread_;
};

inline void send_all(TcpSocket& socket, std::string_view bytes) {
  while (!bytes.empty()) {
    TcpSocket::Io io = socket.send(bytes.data(), bytes.size());
    if (io.outcome != TcpSocket::Io::done) return;
    bytes.remove_prefix(io.bytes);
  }
}

inline void send_all(TlsStream& tls, std::string_view bytes) {
  while (!bytes.empty()) {
    Result<std::size_t> n = tls.write_some(bytes.data(), bytes.size());
    if (!n.ok()) return;
    bytes.remove_prefix(*n);
  }
}

// Up to the end of the connection, or until `enough` is in it.
inline std::string receive_until(TlsStream& tls, const std::string& enough) {
  std::string all;
  char piece[4096];
  while (enough.empty() || !contains(all, enough)) {
    Result<std::size_t> n = tls.read_some(piece, sizeof piece);
    if (!n.ok() || *n == 0) break;
    all.append(piece, *n);
  }
  return all;
}

// The server's side of TLS on a socket of a FakeServer; null when the handshake fails.
inline std::unique_ptr<TlsStream> tls_server(TcpSocket socket, const std::string& identity = "server") {
  auto material = TlsMaterial::load(TestPki::get().identity(identity));
  if (!material.ok()) return nullptr;
  auto tls = TlsStream::create(std::move(socket), TlsStream::Role::server, *material, "");
  if (!tls.ok() || !(*tls)->handshake().ok()) return nullptr;
  return std::move(tls).value();
}

// A client that can say anything.
inline std::unique_ptr<TlsStream> tls_client(std::uint16_t port, const std::string& identity = "client") {
  TcpConnector connector("127.0.0.1", std::to_string(port));
  Result<TcpSocket> socket = connector.connect(deadline_in(milliseconds(10000)), nullptr);
  if (!socket.ok()) FAIL(socket.error().message);
  socket->set_deadline(deadline_in(milliseconds(10000)));
  auto material = TlsMaterial::load(TestPki::get().identity(identity));
  if (!material.ok()) FAIL(material.error().message);
  auto tls = TlsStream::create(std::move(socket).value(), TlsStream::Role::client, *material, "localhost");
  if (!tls.ok()) FAIL(tls.error().message);
  if (Status status = (*tls)->handshake(); !status.ok()) FAIL(status.error().message);
  return std::move(tls).value();
}

}  // namespace sealring
