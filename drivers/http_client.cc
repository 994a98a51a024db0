#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <optional>

#include "drivers/gzip.h"
#include "drivers/http.h"
#include "drivers/tls_stream.h"

namespace sealring {

namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::size_t kMaxHeaderBytes = 16u << 10;
constexpr std::chrono::milliseconds kLingerTimeout{500};
constexpr int kMaxInterimAnswers = 8;  // 1xx before the answer; more is a peer that plays

// What Beast calls a SyncStream, over TLS. Beast carries error codes only; the words stay here.
class ClientStream {
 public:
  explicit ClientStream(TlsStream& tls) : tls_(tls) {}

  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, error_code& ec) {
    boost::asio::mutable_buffer buffer = first_of<boost::asio::mutable_buffer>(buffers);
    std::size_t n = take(tls_.read_some(static_cast<char*>(buffer.data()), buffer.size()), ec);
    received_ += n;
    if (n == 0 && !ec && buffer.size() != 0) ec = boost::asio::error::eof;
    return n;
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, error_code& ec) {
    boost::asio::const_buffer buffer = first_of<boost::asio::const_buffer>(buffers);
    return take(tls_.write_some(static_cast<const char*>(buffer.data()), buffer.size()), ec);
  }
  // The forms that throw: the concept asks for them, nobody calls them.
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers);
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers);

  std::size_t received() const { return received_; }
  const std::string& failure_words() const { return failure_words_; }  // empty: TLS has not failed

 private:
  template <class Buffer, class Buffers>
  static Buffer first_of(const Buffers& buffers) {
    auto end = boost::asio::buffer_sequence_end(buffers);
    for (auto it = boost::asio::buffer_sequence_begin(buffers); it != end; ++it) {
      if (Buffer buffer = *it; buffer.size() != 0) return buffer;
    }
    return Buffer();
  }
  std::size_t take(Result<std::size_t> result, error_code& ec) {
    ec = {};
    if (result.ok()) return *result;
    if (failure_words_.empty()) failure_words_ = result.error().message;
    ec = boost::system::errc::make_error_code(boost::system::errc::io_error);
    return 0;
  }

  TlsStream& tls_;
  std::size_t received_ = 0;
  std::string failure_words_;
};

std::string duration_words(std::chrono::milliseconds time) {
  if (time.count() % 1000 != 0) return std::to_string(time.count()) + " ms";
  return std::to_string(time.count() / 1000) + " s";
}

bool fit_for_a_header(std::string_view text, bool spaces) {
  for (char c : text) {
    if (c < 0x20 || c >= 0x7f || (c == ' ' && !spaces)) return false;
  }
  return true;
}

class Client final : public HttpClient {
 public:
  Client(Config config, std::unique_ptr<TlsFiles> files)
      : config_(std::move(config)), files_(std::move(files)), connector_(config_.host, config_.port) {
    bool v6 = config_.host.find(':') != std::string::npos;
    authority_ = v6 ? "[" + config_.host + "]" : config_.host;
    if (config_.port != "443") authority_ += ":" + config_.port;
  }

  Result<HttpResponse> call(const Request& request) override;
  void stop() override { wake_.wake(); }
  bool ok() const { return wake_.ok(); }

 private:
  struct Connection {
    std::unique_ptr<TlsStream> tls;
    beast::flat_buffer buffer;
    bool used = false;  // for a whole call before
  };
  using WireRequest = http::request<http::span_body<const char>>;

  Result<HttpResponse> call_within(const Request& request, const WireRequest& wire);
  Status connect();
  // `again`: the server had closed a kept connection before it read this request.
  Result<HttpResponse> exchange(const Request& request, const WireRequest& wire, bool& again);
  Result<HttpResponse> read_answer(ClientStream& stream, bool head);
  WireRequest to_wire(const Request& request, ByteView body) const;
  Error no_answer(const ClientStream& stream, error_code ec) const;
  bool out_of_time() const { return std::chrono::steady_clock::now() >= deadline_; }

  Config config_;
  std::string authority_;  // host as in a URL, with the port unless it is 443
  std::unique_ptr<TlsFiles> files_;
  TcpConnector connector_;
  WakeFd wake_;
  Deadline deadline_;
  std::optional<Connection> connection_;
};

Client::WireRequest Client::to_wire(const Request& request, ByteView body) const {
  WireRequest wire{http::string_to_verb(request.method), request.target, 11};
  if (wire.method() == http::verb::unknown) wire.method_string(request.method);
  wire.set(http::field::host, authority_);
  wire.set(http::field::user_agent, "sealring/" SEALRING_VERSION);
  if (!request.content_type.empty()) {
    wire.set(http::field::content_type, request.content_type);
    if (request.gzip) wire.set(http::field::content_encoding, "gzip");
    wire.body() = beast::span<const char>(body.data(), body.size());
  }
  wire.prepare_payload();
  return wire;
}

Result<HttpResponse> Client::call(const Request& request) {
  if (request.target.empty() || request.target[0] != '/' || !fit_for_a_header(request.target, false) ||
      !fit_for_a_header(request.method, false) || !fit_for_a_header(request.content_type, true)) {
    return reject_error("not a request that HTTP can carry: " + quoted(request.method) + " " + quoted(request.target));
  }
  std::string where = request.method + " https://" + authority_ + request.target;
  Bytes compressed;
  if (request.gzip && !request.content_type.empty()) {
    SEALRING_ASSIGN(compressed, gzip(request.body));
  }
  WireRequest wire = to_wire(request, request.gzip ? ByteView(compressed) : ByteView(request.body));
  deadline_ = deadline_in(config_.timeout);
  Result<HttpResponse> response = call_within(request, wire);
  if (response.ok()) return response;
  connection_.reset();
  if (wake_.woken()) return retry_error(where + ": stopped");
  Error error = std::move(response).error();
  if (out_of_time()) error.message = "no answer within " + duration_words(config_.timeout) + " (" + error.message + ")";
  return std::move(error).in(where);
}

Result<HttpResponse> Client::call_within(const Request& request, const WireRequest& wire) {
  if (wake_.woken()) return retry_error("stopped");
  for (;;) {
    if (!connection_) SEALRING_TRY(connect());
    bool again = false;
    Result<HttpResponse> response = exchange(request, wire, again);
    if (!again) return response;
    connection_.reset();
  }
}

Status Client::connect() {
  SEALRING_ASSIGN(TcpSocket socket, connector_.connect(deadline_, &wake_));
  socket.set_deadline(deadline_);
  socket.set_wake(&wake_);
  const std::string& name = config_.server_name.empty() ? config_.host : config_.server_name;
  SEALRING_ASSIGN(std::unique_ptr<TlsStream> tls,
                  TlsStream::create(std::move(socket), TlsStream::Role::client, files_->current(), name));
  Status done = tls->handshake();
  if (!done.ok()) {
    // What we refuse the server for should reach it: its operator reads its diagnostics, not ours.
    tls->socket().set_deadline(std::min(deadline_, deadline_in(kLingerTimeout)));
    if (tls->failure() == TlsStream::Failure::broken) tls->socket().linger();
    return done;
  }
  connection_.emplace(Connection{});
  connection_->tls = std::move(tls);
  return {};
}

Result<HttpResponse> Client::exchange(const Request& request, const WireRequest& wire, bool& again) {
  connection_->tls->socket().set_deadline(deadline_);
  ClientStream stream(*connection_->tls);
  error_code ec;
  http::write(stream, wire, ec);
  // A server that refuses a request early answers and closes while we still write: its answer says more than the
  // failed write.
  Result<HttpResponse> response = read_answer(stream, request.method == "HEAD");
  bool lost = !response.ok() && stream.received() == 0 && connection_->tls->failure() != TlsStream::Failure::timeout &&
              connection_->tls->failure() != TlsStream::Failure::stopped;
  again = lost && connection_->used;
  if (response.ok() && ec) connection_.reset();  // half a request may be on the way
  if (response.ok() && connection_) connection_->used = true;
  return response;
}

Result<HttpResponse> Client::read_answer(ClientStream& stream, bool head) {
  for (int i = 0; i < kMaxInterimAnswers; ++i) {
    http::response_parser<http::string_body> parser;
    parser.header_limit(kMaxHeaderBytes);
    parser.body_limit(config_.max_response_bytes);
    parser.skip(head);
    error_code ec;
    http::read(stream, connection_->buffer, parser, ec);
    if (ec) return no_answer(stream, ec);
    auto& message = parser.get();
    if (message.result_int() < 200) continue;  // "wait a little": the answer follows
    HttpResponse response;
    response.status = message.result_int();
    response.content_type = std::string(message[http::field::content_type]);
    response.body = std::move(message.body());
    if (!parser.keep_alive() || connection_->buffer.size() != 0) connection_.reset();
    return response;
  }
  return retry_error("answered with something that is not HTTP: only interim answers");
}

Error Client::no_answer(const ClientStream& stream, error_code ec) const {
  bool begun = stream.received() != 0;
  if (!stream.failure_words().empty()) {
    return retry_error((begun && !out_of_time() ? "closed in mid-answer: " : "") + stream.failure_words());
  }
  if (ec == http::error::end_of_stream) return retry_error("the server closed the connection without an answer");
  if (ec == http::error::partial_message) return retry_error("closed in mid-answer");
  if (ec == http::error::body_limit) {
    return retry_error("the answer is larger than " + std::to_string(config_.max_response_bytes) + " bytes");
  }
  if (ec == http::error::header_limit || ec == http::error::buffer_overflow) {
    return retry_error("the answer's header is larger than " + std::to_string(kMaxHeaderBytes) + " bytes");
  }
  return retry_error("answered with something that is not HTTP (" + ec.message() + "): is the port right?");
}

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::create(const Config& config) {
  constexpr std::size_t kMaxNameBytes = 255;  // of DNS, and of mbedTLS
  const std::string& name = config.server_name.empty() ? config.host : config.server_name;
  if (config.host.empty() || name.size() > kMaxNameBytes || config.host.size() > kMaxNameBytes ||
      !fit_for_a_header(name, false) || !fit_for_a_header(config.host, false)) {
    return reject_error("not a host name: " + quoted(name, 255));
  }
  SEALRING_ASSIGN(std::unique_ptr<TlsFiles> files, TlsFiles::open(config.tls));
  auto client = std::make_unique<Client>(config, std::move(files));
  if (!client->ok()) return retry_error("no file descriptor left for an HTTP client");
  return std::unique_ptr<HttpClient>(std::move(client));
}

namespace {

constexpr char kUrlForm[] = "is not of the form https://host[:port][/path]";

bool valid_port(std::string_view port) {
  Result<std::uint64_t> number = from_decimal(port);
  return number.ok() && *number >= 1 && *number <= 65535;
}

// Splits "host", "host:port", "[v6]" and "[v6]:port".
bool split_authority(std::string_view authority, Url& url) {
  std::size_t host_end = authority.find(':');
  if (!authority.empty() && authority[0] == '[') {
    std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return false;
    url.host = std::string(authority.substr(1, close - 1));
    if (url.host.find(':') == std::string::npos) return false;
    host_end = close + 1;
  } else {
    url.host = std::string(authority.substr(0, host_end));
    host_end = std::min(host_end, authority.size());
  }
  if (url.host.find_first_of("[]") != std::string::npos) return false;
  std::string_view rest = authority.substr(host_end);
  url.port = rest.empty() ? "443" : std::string(rest.substr(1));
  return !url.host.empty() && (rest.empty() || rest[0] == ':') && valid_port(url.port);
}

}  // namespace

Result<Url> parse_https_url(std::string_view url) {
  constexpr std::string_view kScheme = "https://";
  auto bad = [&] { return reject_error(quoted(url, 255) + " " + kUrlForm); };
  if (url.substr(0, kScheme.size()) != kScheme) return bad();
  std::string_view rest = url.substr(kScheme.size());
  // User names, queries and fragments have no meaning here: refused rather than sent along.
  if (!fit_for_a_header(rest, false) || rest.find_first_of("@?#\\\"<>") != std::string_view::npos) return bad();
  std::size_t slash = std::min(rest.find('/'), rest.size());
  Url out;
  if (!split_authority(rest.substr(0, slash), out)) return bad();
  out.path = std::string(rest.substr(slash));
  while (!out.path.empty() && out.path.back() == '/') out.path.pop_back();
  return out;
}

}  // namespace sealring
