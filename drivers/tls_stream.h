// TLS over one TCP connection by mbedTLS; synchronous, or without waiting after stop_waiting(). Internal to drivers/;
// nothing else includes mbedTLS.
//
// TLS 1.2 (and 1.3 when built against mbedTLS 3.6) with ephemeral ECDH and authenticated encryption only. A server
// always shows a certificate, which the client verifies; our server requires one from the client, and our client shows
// one if it has it. No renegotiation, no resumption.
//
// Each connection parses its own copy of certificates and key: mbedTLS as Debian builds it has no locks, and even a
// private key that is only used writes to itself (point tables). That costs 0.1 ms beside a handshake of several.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "drivers/tcp_socket.h"
#include "drivers/tls_files.h"

namespace sealring {

class TlsStream {
 public:
  enum class Role { client, server };
  enum class Failure { none, timeout, stopped, broken };

  // `server_name`: what the server's certificate must be for, a DNS name or an address; `called`: what our words call
  // the server. Client only.
  static Result<std::unique_ptr<TlsStream>> create(TcpSocket socket, Role role,
                                                   std::shared_ptr<const TlsMaterial> material,
                                                   const std::string& server_name,
                                                   const std::string& called = "the server");
  ~TlsStream();

  TcpSocket& socket();  // for its deadline and wake
  // retry: which check failed, with the name or file to look at.
  Status handshake();

  // At least one byte, or 0 at the peer's orderly end. A connection cut without one is an error: otherwise whoever cuts
  // it decides where a body ends.
  Result<std::size_t> read_some(char* to, std::size_t capacity);
  Result<std::size_t> write_some(const char* from, std::size_t count);
  Failure failure() const;  // of the last call

  // For an event loop, after the handshake: read_now() and write_now() move what can be moved at once.
  void stop_waiting();
  struct Moved {
    std::size_t bytes = 0;
    bool blocked = false;  // until the socket is readable or writable; false with 0 bytes read: the peer's orderly end
  };
  Result<Moved> read_now(char* to, std::size_t capacity);
  // The bytes that were blocked must come again at the front of the next call: they are encrypted already.
  Result<Moved> write_now(const char* from, std::size_t count);
  // read_now() has something to say although poll() does not show it.
  bool pending() const;

  void close();  // tells the peer, within the socket's deadline; the socket stays open for linger()

  // Of the verified peer's certificate.
  const std::string& peer_subject() const;
  const std::vector<std::string>& peer_uris() const;

 private:
  struct Impl;
  explicit TlsStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sealring
