// The server's side of one connection: TLS with a verified client, or plain TCP for listeners that an operator has told
// to be so (metrics on loopback). Internal to drivers/.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "drivers/tls_stream.h"

namespace sealring {

// Calls and their results are TlsStream's. One thread at a time.
class PeerStream {
 public:
  using Failure = TlsStream::Failure;
  // `material` null: plain.
  static Result<PeerStream> accept(TcpSocket socket, const std::shared_ptr<const TlsMaterial>& material);

  TcpSocket& socket() { return tls_ ? tls_->socket() : plain_; }
  Status handshake() { return tls_ ? tls_->handshake() : Status(); }
  Result<std::size_t> read_some(char* to, std::size_t capacity);
  Result<std::size_t> write_some(const char* from, std::size_t count);
  Failure failure() const { return tls_ ? tls_->failure() : failure_; }
  void close() {
    if (tls_) tls_->close();
  }
  // Empty where it is plain: nobody is known.
  std::string peer_subject() const { return tls_ ? tls_->peer_subject() : std::string(); }
  std::vector<std::string> peer_uris() const { return tls_ ? tls_->peer_uris() : std::vector<std::string>(); }

 private:
  PeerStream() = default;
  Result<std::size_t> moved(const TcpSocket::Io& io);
  std::unique_ptr<TlsStream> tls_;
  TcpSocket plain_;
  Failure failure_ = Failure::none;
};

}  // namespace sealring
