#include "drivers/peer_stream.h"

#include <cstring>

namespace sealring {

Result<PeerStream> PeerStream::accept(TcpSocket socket, const std::shared_ptr<const TlsMaterial>& material) {
  PeerStream out;
  if (material == nullptr) {
    out.plain_ = std::move(socket);
    return out;
  }
  SEALRING_ASSIGN(out.tls_, TlsStream::create(std::move(socket), TlsStream::Role::server, material, ""));
  return out;
}

Result<std::size_t> PeerStream::read_some(char* to, std::size_t capacity) {
  return tls_ ? tls_->read_some(to, capacity) : moved(plain_.receive(to, capacity));
}

Result<std::size_t> PeerStream::write_some(const char* from, std::size_t count) {
  return tls_ ? tls_->write_some(from, count) : moved(plain_.send(from, count));
}

Result<std::size_t> PeerStream::moved(const TcpSocket::Io& io) {
  failure_ = Failure::none;
  switch (io.outcome) {
    case TcpSocket::Io::done:
      return io.bytes;
    case TcpSocket::Io::end:
      return std::size_t{0};
    case TcpSocket::Io::timeout:
      failure_ = Failure::timeout;
      return retry_error("too slow");
    case TcpSocket::Io::woken:
      failure_ = Failure::stopped;
      return retry_error("the server stops");
    case TcpSocket::Io::would_block:
    case TcpSocket::Io::failed:
      break;
  }
  failure_ = Failure::broken;
  return retry_error(io.error == 0 ? "broken" : std::strerror(io.error));
}

}  // namespace sealring
