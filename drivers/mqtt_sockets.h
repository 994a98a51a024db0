// The sockets of the ack gate. POSIX; non-blocking throughout; every wait can be interrupted.
#pragma once

#include <string>

#include "crypto/bytes.h"

namespace sealring {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~UniqueFd() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// Wakes a poll() on another thread. set() from any thread; stays set until clear().
class WakeEvent {
 public:
  static Result<WakeEvent> create();
  void set() const;
  void clear() const;
  int fd() const { return fd_.get(); }

 private:
  explicit WakeEvent(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// How many bytes moved. would_block: none now. Errors: the connection is gone, in words.
struct IoCount {
  std::size_t bytes = 0;
  bool would_block = false;
};
Result<IoCount> receive(int fd, char* to, std::size_t room);  // retry "closed the connection" at the end of the stream
Result<IoCount> transmit(int fd, ByteView bytes);

// 127.0.0.1, a free port; without SO_REUSEPORT, so that no other process can take a share of the connections.
Result<UniqueFd> listen_loopback(std::uint16_t& port);
// A connection to our own `listener` whose other end is a socket of this very process; anyone else is closed at once.
// An invalid fd when there is none now.
UniqueFd accept_own_peer(int listener);

}  // namespace sealring
