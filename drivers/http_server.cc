#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <list>
#include <new>
#include <thread>

#include "drivers/gzip.h"
#include "drivers/http.h"
#include "drivers/limited_diag.h"
#include "drivers/peer_stream.h"

namespace sealring {

namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kMaxRequestHeaderBytes = 16u << 10;
constexpr milliseconds kServerLinger{2000};
constexpr milliseconds kStopTimeout{5000};  // for an answer under way when the server stops
constexpr milliseconds kAcceptPause{200};   // after an error such as "no descriptors left"

// What Beast calls a SyncStream.
class ServerStream {
 public:
  explicit ServerStream(PeerStream& peer) : peer_(peer) {}

  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, error_code& ec) {
    boost::asio::mutable_buffer buffer = first_of<boost::asio::mutable_buffer>(buffers);
    std::size_t n = take(peer_.read_some(static_cast<char*>(buffer.data()), buffer.size()), ec);
    if (n == 0 && !ec && buffer.size() != 0) ec = boost::asio::error::eof;
    return n;
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, error_code& ec) {
    boost::asio::const_buffer buffer = first_of<boost::asio::const_buffer>(buffers);
    return take(peer_.write_some(static_cast<const char*>(buffer.data()), buffer.size()), ec);
  }
  // The forms that throw: the concept asks for them, nobody calls them.
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers);
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers);

 private:
  template <class Buffer, class Buffers>
  static Buffer first_of(const Buffers& buffers) {
    auto end = boost::asio::buffer_sequence_end(buffers);
    for (auto it = boost::asio::buffer_sequence_begin(buffers); it != end; ++it) {
      if (Buffer buffer = *it; buffer.size() != 0) return buffer;
    }
    return Buffer();
  }
  static std::size_t take(const Result<std::size_t>& result, error_code& ec) {
    ec = {};
    if (result.ok()) return *result;
    ec = boost::system::errc::make_error_code(boost::system::errc::io_error);
    return 0;
  }
  PeerStream& peer_;
};

// An answer of the server itself.
HttpResponse plain(unsigned status, const std::string& text) {
  return {status, "text/plain; charset=utf-8", text + "\n"};
}

// What all connections share.
struct Shared {
  HttpServer::Config config;
  HttpServer::Handler handler;
  std::unique_ptr<TlsFiles> files;  // null: plain
  WakeFd stop;
  LimitedDiag refusals;
};

// --- one connection ---

class Connection {
 public:
  Connection(Shared& shared, PeerStream peer) : shared_(shared), peer_(std::move(peer)), stream_(peer_) {}

  void serve() {
    if (!shake_hands()) return;
    while (serve_one()) {
    }
    leave();
  }

 private:
  using Parser = http::request_parser<http::string_body>;
  using WireResponse = http::response<http::span_body<const char>>;

  bool shake_hands();
  bool serve_one();  // false: the connection ends
  bool wait_for_request();
  bool read_request(Parser& parser);
  bool refuse_reading(error_code ec);
  bool decode_body(http::request<http::string_body>& message, HttpRequest& request, HttpResponse& refusal) const;
  HttpResponse call_handler(const HttpRequest& request) const;
  bool answer(const HttpResponse& response, bool keep_alive, bool head);
  void leave();
  bool stopping() const { return shared_.stop.woken(); }

  Shared& shared_;
  PeerStream peer_;
  ServerStream stream_;
  beast::flat_buffer buffer_;
  bool cut_off_ = false;  // the peer no longer takes what we send
};

bool Connection::shake_hands() {
  TcpSocket& socket = peer_.socket();
  socket.set_wake(&shared_.stop);
  socket.set_deadline(deadline_in(shared_.config.handshake_timeout));
  std::string peer = socket.peer();
  Status done = peer_.handshake();
  if (done.ok()) return true;
  if (peer_.failure() == PeerStream::Failure::stopped) return false;
  shared_.refusals.report(DiagLevel::notice, "connection from " + peer + " refused: " + done.error().message);
  // The alert that tells the peer why must reach it.
  socket.set_deadline(deadline_in(kServerLinger));
  socket.linger();
  return false;
}

bool Connection::wait_for_request() {
  if (buffer_.size() != 0) return true;  // came together with the last one
  peer_.socket().set_wake(&shared_.stop);
  peer_.socket().set_deadline(deadline_in(shared_.config.idle_timeout));
  error_code ec;
  std::size_t n = stream_.read_some(buffer_.prepare(4096), ec);
  buffer_.commit(n);
  return !ec;
}

// The deadline covers header and body together, however slowly they drip.
bool Connection::read_request(Parser& parser) {
  peer_.socket().set_deadline(deadline_in(shared_.config.request_timeout));
  parser.header_limit(kMaxRequestHeaderBytes);
  parser.body_limit(shared_.config.max_body_bytes);
  error_code ec;
  http::read_header(stream_, buffer_, parser, ec);
  if (ec) return refuse_reading(ec);
  if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    http::response<http::empty_body> go_on{http::status::continue_, 11};
    http::write(stream_, go_on, ec);
    if (ec) return false;
  }
  http::read(stream_, buffer_, parser, ec);
  return ec ? refuse_reading(ec) : true;
}

bool Connection::refuse_reading(error_code ec) {
  if (stopping()) return false;
  if (peer_.failure() == PeerStream::Failure::timeout) {
    peer_.socket().set_deadline(deadline_in(kServerLinger));
    return answer(plain(408, "the request took too long"), false, false);
  }
  if (peer_.failure() != PeerStream::Failure::none) return false;
  if (ec == http::error::end_of_stream || ec == http::error::partial_message) return false;
  if (ec == http::error::body_limit) {
    return answer(plain(413, "the body is larger than " + std::to_string(shared_.config.max_body_bytes) + " bytes"),
                  false, false);
  }
  if (ec == http::error::header_limit || ec == http::error::buffer_overflow) {
    return answer(plain(431, "the header is larger than " + std::to_string(kMaxRequestHeaderBytes) + " bytes"), false,
                  false);
  }
  return answer(plain(400, "not an HTTP/1.1 request: " + ec.message()), false, false);
}

bool Connection::decode_body(http::request<http::string_body>& message, HttpRequest& request,
                             HttpResponse& refusal) const {
  auto encoding = message[http::field::content_encoding];
  if (encoding.empty() || beast::iequals(encoding, "identity")) {
    request.body = std::move(message.body());
    return true;
  }
  if (!beast::iequals(encoding, "gzip")) {
    refusal = plain(415, "the only content encoding understood is gzip");
    return false;
  }
  switch (gunzip(message.body(), shared_.config.max_body_bytes, request.body)) {
    case Gunzip::done:
      return true;
    case Gunzip::damaged:
      refusal = plain(400, "the body is not gzip, or is damaged");
      return false;
    case Gunzip::too_large:
      break;
  }
  refusal =
      plain(413, "the decompressed body is larger than " + std::to_string(shared_.config.max_body_bytes) + " bytes");
  return false;
}

HttpResponse Connection::call_handler(const HttpRequest& request) const {
  std::string what = request.method + " " + quoted(request.target);
  try {
    HttpResponse response = shared_.handler(request);
    if (response.status >= 200 && response.status <= 599) return response;
    diag(DiagLevel::error, what + " failed: its handler answered status " + std::to_string(response.status));
  } catch (const std::exception& e) {
    diag(DiagLevel::error, what + " failed: " + e.what());
  } catch (...) {
    diag(DiagLevel::error, what + " failed: an exception of an unknown kind");
  }
  return plain(500, "internal error");
}

bool Connection::serve_one() {
  if (!wait_for_request()) return false;
  Parser parser;
  if (!read_request(parser)) return false;
  http::request<http::string_body> message = parser.release();
  HttpRequest request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  request.content_type = std::string(message[http::field::content_type]);
  auto codings = message.equal_range(http::field::accept_encoding);  // a header that comes twice is one list
  for (auto it = codings.first; it != codings.second; ++it)
    request.accept_encoding += (request.accept_encoding.empty() ? "" : ",") + std::string(it->value());
  request.peer_uris = peer_.peer_uris();
  request.peer_subject = peer_.peer_subject();
  HttpResponse response;
  bool decoded = decode_body(message, request, response);
  if (decoded) response = call_handler(request);
  peer_.socket().set_deadline(deadline_in(shared_.config.request_timeout));
  return answer(response, decoded && message.keep_alive(), message.method() == http::verb::head);
}

// A stop does not cut an answer: what the handler did is done, and its caller should hear of it. It gets less time.
bool Connection::answer(const HttpResponse& response, bool keep_alive, bool head) {
  bool stop = stopping();
  if (stop) peer_.socket().set_deadline(deadline_in(std::min(kStopTimeout, shared_.config.request_timeout)));
  peer_.socket().set_wake(nullptr);
  WireResponse wire;
  wire.version(11);
  wire.result(response.status);
  if (!response.content_type.empty()) wire.set(http::field::content_type, response.content_type);
  if (!response.content_encoding.empty()) wire.set(http::field::content_encoding, response.content_encoding);
  if (!response.cache_control.empty()) wire.set(http::field::cache_control, response.cache_control);
  if (!response.vary.empty()) wire.set(http::field::vary, response.vary);
  wire.keep_alive(keep_alive && !stop);
  if (!head) wire.body() = beast::span<const char>(response.body.data(), response.body.size());
  wire.prepare_payload();
  if (head) wire.content_length(response.body.size());
  error_code ec;
  http::write(stream_, wire, ec);
  cut_off_ = static_cast<bool>(ec);
  return !ec && keep_alive && !stop;
}

void Connection::leave() {
  if (cut_off_ || peer_.failure() == PeerStream::Failure::broken) return;
  TcpSocket& socket = peer_.socket();
  socket.set_deadline(deadline_in(kServerLinger));
  socket.set_wake(nullptr);
  peer_.close();
  socket.set_wake(&shared_.stop);
  socket.linger();
}

// --- the server ---

class Server final : public HttpServer {
 public:
  Server(Config config, Handler handler, std::unique_ptr<TlsFiles> files, std::unique_ptr<TcpListener> listener)
      : listener_(std::move(listener)) {
    shared_.config = std::move(config);
    shared_.handler = std::move(handler);
    shared_.files = std::move(files);
  }
  ~Server() override {
    shared_.stop.wake();
    if (acceptor_.joinable()) acceptor_.join();
    listener_.reset();
    for (Worker& worker : workers_) worker.thread.join();
  }

  Status start();
  std::uint16_t port() const override { return listener_->port(); }

 private:
  struct Worker {
    std::thread thread;
    std::atomic<bool> done{false};
  };
  void accept_all();
  void take(TcpSocket socket);
  void reap();
  static void run(Shared& shared, TcpSocket socket, Worker& worker);

  Shared shared_;
  std::unique_ptr<TcpListener> listener_;
  std::thread acceptor_;
  std::list<Worker> workers_;  // of the acceptor's thread, until that has ended
};

Status Server::start() {
  if (!shared_.stop.ok()) return retry_error("no file descriptor left for an HTTP server");
  try {
    acceptor_ = std::thread([this] { accept_all(); });
  } catch (const std::system_error& e) {
    return retry_error(std::string("cannot start a thread: ") + e.what());
  }
  return {};
}

void Server::accept_all() {
  for (;;) {
    bool pause = true;
    try {
      Result<TcpSocket> socket = listener_->accept(shared_.stop);
      if (socket.ok() && !socket->is_open()) return;
      reap();
      pause = !socket.ok();
      if (socket.ok())
        take(std::move(socket).value());
      else
        shared_.refusals.report(DiagLevel::warning, "cannot accept a connection: " + socket.error().message);
    } catch (const std::bad_alloc&) {  // that connection's end, not the server's
    }
    if (pause && wait_for(-1, 0, deadline_in(kAcceptPause), &shared_.stop) == Wait::woken) return;
  }
}

void Server::reap() {
  for (auto it = workers_.begin(); it != workers_.end();) {
    if (!it->done) {
      ++it;
      continue;
    }
    it->thread.join();
    it = workers_.erase(it);
  }
}

// No room: the socket is closed at once, by its destructor.
void Server::take(TcpSocket socket) {
  if (workers_.size() >= shared_.config.max_connections) {
    shared_.refusals.report(DiagLevel::warning, "connection from " + socket.peer() + " refused: all " +
                                                    std::to_string(workers_.size()) + " connections are taken");
    return;
  }
  try {
    Worker& worker = workers_.emplace_back();
    worker.thread =
        std::thread([this, &worker](TcpSocket s) { run(shared_, std::move(s), worker); }, std::move(socket));
  } catch (const std::exception& e) {
    diag(DiagLevel::warning, std::string("cannot serve a connection: ") + e.what());
    if (!workers_.empty() && !workers_.back().thread.joinable()) workers_.pop_back();
  }
}

void Server::run(Shared& shared, TcpSocket socket, Worker& worker) {
  try {
    Result<PeerStream> peer = PeerStream::accept(std::move(socket), shared.files ? shared.files->current() : nullptr);
    if (peer.ok()) {
      Connection(shared, std::move(peer).value()).serve();
    } else {
      diag(DiagLevel::warning, peer.error().message);
    }
  } catch (const std::exception& e) {  // out of memory: this connection's end, not the server's
    diag(DiagLevel::error, std::string("a connection failed: ") + e.what());
  }
  worker.done = true;
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const Config& config, Handler handler) {
  std::unique_ptr<TlsFiles> files;
  if (config.tls) {
    SEALRING_ASSIGN(files, TlsFiles::open(*config.tls));
  }
  SEALRING_ASSIGN(std::unique_ptr<TcpListener> listener, TcpListener::listen(config.address, config.port));
  auto server = std::make_unique<Server>(config, std::move(handler), std::move(files), std::move(listener));
  SEALRING_TRY(server->start());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace sealring
