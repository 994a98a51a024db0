#include "drivers/mqtt_upstream.h"

#include "drivers/tls_stream.h"

namespace sealring {
namespace {

constexpr std::size_t kBeginOfTls = 2;  // of a record: its type, and 3

class PlainUpstream final : public Upstream {
 public:
  explicit PlainUpstream(TcpSocket socket) : socket_(std::move(socket)) {}
  int fd() const override { return socket_.fd(); }
  bool pending() const override { return false; }
  Result<IoCount> read(char* to, std::size_t room) override { return receive(fd(), to, room); }
  Result<IoCount> write(ByteView bytes) override { return transmit(fd(), bytes); }
  std::string advice(ByteView begin) const override {
    const bool tls = begin.size() >= kBeginOfTls && begin[0] >= 0x14 && begin[0] <= 0x17 && begin[1] == 3;
    return tls ? "it speaks TLS on this port: set [broker.tls]"
               : "is this its port for TLS? Then set [broker.tls]. Its own log says more";
  }

 private:
  TcpSocket socket_;
};

class TlsUpstream final : public Upstream {
 public:
  explicit TlsUpstream(std::unique_ptr<TlsStream> stream) : stream_(std::move(stream)) { stream_->stop_waiting(); }
  ~TlsUpstream() override { stream_->close(); }
  int fd() const override { return stream_->socket().fd(); }
  bool pending() const override { return stream_->pending(); }
  Result<IoCount> read(char* to, std::size_t room) override {
    if (room == 0) return IoCount{0, true};
    SEALRING_ASSIGN(const TlsStream::Moved moved, stream_->read_now(to, room));
    if (moved.bytes == 0 && !moved.blocked) return retry_error("closed the connection");
    return IoCount{moved.bytes, moved.bytes == 0};
  }
  Result<IoCount> write(ByteView bytes) override {
    SEALRING_ASSIGN(const TlsStream::Moved moved, stream_->write_now(bytes.data(), bytes.size()));
    return IoCount{moved.bytes, moved.blocked};
  }
  std::string advice(ByteView) const override { return "is this a port for MQTT? Its own log says more"; }

 private:
  std::unique_ptr<TlsStream> stream_;
};

}  // namespace

BrokerConnector::BrokerConnector(std::unique_ptr<TcpConnector> tcp, std::unique_ptr<TlsFiles> files,
                                 std::string server_name)
    : tcp_(std::move(tcp)), files_(std::move(files)), server_name_(std::move(server_name)) {}

BrokerConnector::~BrokerConnector() = default;

Result<std::unique_ptr<BrokerConnector>> BrokerConnector::create(const std::string& host, std::uint16_t port,
                                                                 const std::optional<BrokerTls>& tls) {
  std::unique_ptr<TlsFiles> files;
  if (tls) {
    if (tls->server_name.empty()) return reject_error("TLS: no name that the broker's certificate must have");
    SEALRING_ASSIGN(files, TlsFiles::open({tls->ca_file, tls->cert_file, tls->key_file}, OwnCertificate::optional));
  }
  return std::unique_ptr<BrokerConnector>(new BrokerConnector(
      std::make_unique<TcpConnector>(host, std::to_string(port)), std::move(files), tls ? tls->server_name : ""));
}

Result<std::unique_ptr<Upstream>> BrokerConnector::connect(std::chrono::milliseconds timeout, const WakeFd& stop) {
  const Deadline deadline = deadline_in(timeout);
  SEALRING_ASSIGN(TcpSocket socket, tcp_->connect(deadline, &stop));
  if (!files_) return std::unique_ptr<Upstream>(std::make_unique<PlainUpstream>(std::move(socket)));
  socket.set_deadline(deadline);
  socket.set_wake(&stop);
  SEALRING_ASSIGN(auto stream, TlsStream::create(std::move(socket), TlsStream::Role::client, files_->current(),
                                                 server_name_, "the broker"));
  if (Status s = stream->handshake(); !s.ok()) return retry_error("TLS: " + s.error().message);
  return std::unique_ptr<Upstream>(std::make_unique<TlsUpstream>(std::move(stream)));
}

}  // namespace sealring
