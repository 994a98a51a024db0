#include "drivers/mqtt_sockets.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "drivers/system_error.h"

namespace sealring {
namespace {

void set_option(int fd, int level, int name, int value) { (void)setsockopt(fd, level, name, &value, sizeof value); }

bool address_of(int fd, sockaddr_in& out, int (*get)(int, sockaddr*, socklen_t*)) {
  socklen_t size = sizeof out;
  return get(fd, reinterpret_cast<sockaddr*>(&out), &size) == 0 && size == sizeof out && out.sin_family == AF_INET;
}

bool same(const sockaddr_in& a, const sockaddr_in& b) {
  return a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
}

// Is one of our own descriptors the other end of `accepted`: with the same two addresses the other way round?
bool other_end_is_ours(int accepted) {
  sockaddr_in near{}, far{};
  if (!address_of(accepted, near, getsockname) || !address_of(accepted, far, getpeername)) return false;
  DIR* dir = opendir("/proc/self/fd");
  if (!dir) return false;
  bool found = false;
  while (const dirent* entry = readdir(dir)) {
    char* end = nullptr;
    const long fd = std::strtol(entry->d_name, &end, 10);
    if (end == entry->d_name || *end != '\0' || fd == accepted) continue;
    sockaddr_in local{}, peer{};
    if (address_of(static_cast<int>(fd), local, getsockname) && address_of(static_cast<int>(fd), peer, getpeername) &&
        same(local, far) && same(peer, near)) {
      found = true;
      break;
    }
  }
  closedir(dir);
  return found;
}

}  // namespace

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) (void)close(fd_);
  fd_ = fd;
}

Result<WakeEvent> WakeEvent::create() {
  UniqueFd fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd) return retry_error("eventfd: " + errno_words(errno));
  return WakeEvent(std::move(fd));
}

void WakeEvent::set() const {
  const std::uint64_t one = 1;
  (void)!write(fd_.get(), &one, sizeof one);  // EAGAIN: it is set already
}

void WakeEvent::clear() const {
  std::uint64_t count = 0;
  (void)!read(fd_.get(), &count, sizeof count);
}

Result<IoCount> receive(int fd, char* to, std::size_t room) {
  for (;;) {
    const ssize_t n = recv(fd, to, room, 0);
    if (n > 0) return IoCount{static_cast<std::size_t>(n), false};
    if (n == 0) return retry_error("closed the connection");
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return IoCount{0, true};
    return retry_error(errno_words(errno));
  }
}

Result<IoCount> transmit(int fd, ByteView bytes) {
  for (;;) {
    const ssize_t n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) return IoCount{static_cast<std::size_t>(n), false};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return IoCount{0, true};
    return retry_error(errno_words(errno));
  }
}

Result<UniqueFd> listen_loopback(std::uint16_t& port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!fd || bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(fd.get(), 128) != 0 ||
      !address_of(fd.get(), address, getsockname))
    return retry_error("no listener on 127.0.0.1: " + errno_words(errno));
  port = ntohs(address.sin_port);
  return fd;
}

UniqueFd accept_own_peer(int listener) {
  for (;;) {
    UniqueFd peer(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!peer && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (!peer || other_end_is_ours(peer.get())) {
      if (peer) set_option(peer.get(), IPPROTO_TCP, TCP_NODELAY, 1);
      return peer;
    }
  }
}

}  // namespace sealring
