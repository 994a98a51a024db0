// The gate's way to the broker: TCP, or TLS over it. Internal to drivers/.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "drivers/mqtt_sockets.h"
#include "drivers/mqtt_source.h"

namespace sealring {

class TcpConnector;
class TlsFiles;
class WakeFd;

// One connection, non-blocking, for a loop around poll().
class Upstream {
 public:
  virtual ~Upstream() = default;
  virtual int fd() const = 0;
  // read() has something although poll() does not show it: bytes that came with others and are decrypted already.
  virtual bool pending() const = 0;
  virtual Result<IoCount> read(char* to, std::size_t room) = 0;  // retry: the end of the stream, too
  // After would_block the same bytes must stand at the front of the next call.
  virtual Result<IoCount> write(ByteView bytes) = 0;
  // What to look at when the broker hangs up before it has answered CONNECT, having sent `begin`.
  virtual std::string advice(ByteView begin) const = 0;
};

// Connects to one broker, again and again. One thread.
class BrokerConnector {
 public:
  // reject: what the PEM files lack.
  static Result<std::unique_ptr<BrokerConnector>> create(const std::string& host, std::uint16_t port,
                                                         const std::optional<BrokerTls>& tls);
  ~BrokerConnector();
  // Looks up the name, tries each address, and with TLS verifies the broker, all within `timeout`; returns soon when
  // `stop` is woken. retry: why not, in words. Never plain TCP where TLS was asked for. Renewed PEM files take effect.
  Result<std::unique_ptr<Upstream>> connect(std::chrono::milliseconds timeout, const WakeFd& stop);

 private:
  BrokerConnector(std::unique_ptr<TcpConnector> tcp, std::unique_ptr<TlsFiles> files, std::string server_name);
  std::unique_ptr<TcpConnector> tcp_;
  std::unique_ptr<TlsFiles> files_;  // null: plain TCP
  std::string server_name_;
};

}  // namespace sealring
