// HTTP/1.1 over TLS: Boost.Beast on a synchronous stream by mbedTLS. Nothing outside drivers/ includes Beast, Asio or
// mbedTLS. TLS 1.2 (1.3 when built against mbedTLS 3.6); both sides always verify their peer. A server may be plain,
// for what anybody who reaches it may read.
//
// Every call has a deadline; a peer that stops answering costs its deadline, never a thread for ever. Bodies are
// bounded. http_proxy and the like in the environment are ignored.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/bytes.h"

namespace sealring {

struct TlsIdentity {      // PEM files
  std::string ca_file;    // whom to trust
  std::string cert_file;  // own certificate chain
  std::string key_file;   // own private key; permissions as for key files
};

struct HttpResponse {
  unsigned status = 0;
  std::string content_type;
  Bytes body;
  // A server's answer only; the client does not read these.
  std::string content_encoding = {};  // what the body is packed by already
  std::string cache_control = {};
  std::string vary = {};
  const char* refusal = "";               // why it is a "no", in one word for whoever counts; a literal
  std::shared_ptr<void> until_sent = {};  // let go of when the answer is out, or its client is gone
};

// One server, one kept-alive connection, opened when needed and reopened when the server has closed it. One thread at
// a time; stop() from any thread makes a call under way return soon.
class HttpClient {
 public:
  struct Config {
    std::string host;  // name or address to connect to
    std::string port;
    std::string server_name;  // name that the certificate must have; default: host
    TlsIdentity tls;
    std::chrono::milliseconds timeout{20000};  // for a whole call, connecting included
    std::size_t max_response_bytes = 1u << 20;
  };
  // Reads the PEM files: reject, naming the file, when one does not do.
  static Result<std::unique_ptr<HttpClient>> create(const Config& config);
  virtual ~HttpClient() = default;

  struct Request {
    std::string method = "POST";
    std::string target;        // path
    std::string content_type;  // empty: no body
    Bytes body;
    bool gzip = false;  // compress the body and say so
  };
  // Any status is a response. retry: no answer, with words that say what to look at: "connection refused",
  // "certificate has expired", "certificate is not for name X", "not signed by the CA in F", "answered with something
  // that is not HTTP", "closed in mid-answer", "no answer within 20 s".
  //
  // When the server closes a kept connection without a word of an answer, the request is sent once more on a new one:
  // so call only what may be done twice. reject: the request cannot be sent as HTTP. Renewed PEM files take effect at
  // the next connection.
  virtual Result<HttpResponse> call(const Request& request) = 0;
  virtual void stop() = 0;  // for good: later calls fail at once
};

struct HttpRequest {
  std::string method;
  std::string target;
  std::string content_type;
  Bytes body;                          // decompressed
  std::string accept_encoding;         // see accepts_gzip()
  std::vector<std::string> peer_uris;  // SAN URIs of the verified client certificate
  std::string peer_subject;
};

class HttpServer {
 public:
  struct Config {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;  // 0: any free one, see port()
    // Client certificates are required and verified. None: plain HTTP, for whoever reaches the address.
    std::optional<TlsIdentity> tls;
    std::size_t max_connections = 64;
    std::size_t max_body_bytes = 32u << 20;              // after decompression as well
    std::chrono::milliseconds handshake_timeout{10000};  // short: a peer that is nobody yet holds a place
    std::chrono::milliseconds idle_timeout{60000};       // between two requests
    std::chrono::milliseconds request_timeout{60000};    // for a request with its body, and again for the answer
  };
  using Handler = std::function<HttpResponse(const HttpRequest&)>;  // called on many threads at once
  // Listening when it returns. reject: PEM files or address. Renewed PEM files take effect for new connections. A
  // handler that throws, or answers a status outside 200..599, answers 500.
  static Result<std::unique_ptr<HttpServer>> start(const Config& config, Handler handler);
  // Stops: closes the listener, cuts idle connections and requests that are not there in full, waits for calls of the
  // handler under way and lets their answers out.
  virtual ~HttpServer() = default;
  virtual std::uint16_t port() const = 0;
};

// "https://host[:port][/path]" -> pieces; path without trailing slash. Otherwise reject.
struct Url {
  std::string host, port, path;
};
Result<Url> parse_https_url(std::string_view url);

}  // namespace sealring
