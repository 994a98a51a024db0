// TCP sockets whose every call ends: at its deadline, or when somebody wakes it. Internal to drivers/.
//
// All sockets are non-blocking and waited for with poll(); a call checks its deadline before it does anything, so that
// a peer that sends one byte a second gets no further than one that sends nothing. No call raises SIGPIPE.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "crypto/bytes.h"
#include "drivers/wake.h"

namespace sealring {

// Owns the descriptor. One thread at a time.
class TcpSocket {
 public:
  TcpSocket() = default;
  explicit TcpSocket(int fd);  // connected; made non-blocking and without delay
  ~TcpSocket();
  TcpSocket(TcpSocket&& other) noexcept;
  TcpSocket& operator=(TcpSocket&& other) noexcept;

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  void set_deadline(Deadline deadline) { deadline_ = deadline; }
  void set_wake(const WakeFd* wake) { wake_ = wake; }  // null: nothing wakes

  // From now on receive() and send() never wait: `would_block` instead, and neither deadline nor wake matter.
  void stop_waiting() { waits_ = false; }

  struct Io {
    enum Outcome {
      done,
      end,
      timeout,
      woken,
      would_block,
      failed
    } outcome = done;       // end: the peer closed its direction
    std::size_t bytes = 0;  // at least one when done
    int error = 0;          // errno when failed
  };
  Io receive(char* to, std::size_t capacity);
  Io send(const char* from, std::size_t count);

  // What can be read at once, up to `capacity`; it stays to be read.
  std::size_t peek(char* to, std::size_t capacity) const;
  // Closes our direction and reads on until the peer closes its own, or the deadline: closing with bytes unread would
  // make the kernel send a reset, which may destroy our last words before the peer reads them.
  void linger();
  std::string peer() const;  // "127.0.0.1:4711"

 private:
  Io wait_or(short events) const;
  int fd_ = -1;
  Deadline deadline_ = Deadline::max();
  const WakeFd* wake_ = nullptr;
  bool waits_ = true;
};

// Connects to one host. The system's resolver has no deadline, so it runs in a thread of its own; when it takes longer
// than the call, the next call waits for the same thread instead of starting another.
class TcpConnector {
 public:
  TcpConnector(std::string host, std::string port) : host_(std::move(host)), port_(std::move(port)) {}
  // Tries each address, sharing the time among them. retry: words that say what to look at.
  Result<TcpSocket> connect(Deadline deadline, const WakeFd* wake);

  struct Lookup;

 private:
  Result<std::shared_ptr<Lookup>> look_up(Deadline deadline, const WakeFd* wake);
  std::string host_, port_;
  std::shared_ptr<Lookup> pending_;
};

class TcpListener {
 public:
  // reject: not an address. retry: the system has it not to give now, in words that say what to do.
  static Result<std::unique_ptr<TcpListener>> listen(const std::string& address, std::uint16_t port);
  ~TcpListener();
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;
  std::uint16_t port() const { return port_; }
  // Waits for the next connection. retry: the words of an error that will pass (no descriptors left, for example).
  // A socket that is not open: woken.
  Result<TcpSocket> accept(const WakeFd& wake);

 private:
  TcpListener(int fd, std::uint16_t port) : fd_(fd), port_(port) {}
  int fd_;
  std::uint16_t port_;
};

}  // namespace sealring
