#include "drivers/tcp_socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "drivers/system_error.h"

namespace sealring {

using std::chrono::steady_clock;

TcpSocket::TcpSocket(int fd) : fd_(fd) {
  int flags = fcntl(fd_, F_GETFL, 0);
  fcntl(fd_, F_SETFL, flags | O_NONBLOCK);
  int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

TcpSocket::~TcpSocket() {
  if (fd_ >= 0) ::close(fd_);
}

TcpSocket::TcpSocket(TcpSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), deadline_(other.deadline_), wake_(other.wake_), waits_(other.waits_) {}

TcpSocket& TcpSocket::operator=(TcpSocket&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(deadline_, other.deadline_);
  std::swap(wake_, other.wake_);
  std::swap(waits_, other.waits_);
  return *this;
}

TcpSocket::Io TcpSocket::wait_or(short events) const {
  if (!waits_) return {};
  if (steady_clock::now() >= deadline_) return {Io::timeout};
  switch (wait_for(fd_, events, deadline_, wake_)) {
    case Wait::ready:
      return {};
    case Wait::timeout:
      return {Io::timeout};
    case Wait::woken:
      return {Io::woken};
  }
  return {Io::timeout};
}

TcpSocket::Io TcpSocket::receive(char* to, std::size_t capacity) {
  for (;;) {
    if (Io io = wait_or(POLLIN); io.outcome != Io::done) return io;
    ssize_t n = ::recv(fd_, to, capacity, 0);
    if (n > 0) return {Io::done, static_cast<std::size_t>(n)};
    if (n == 0) return {Io::end};
    if (errno != EINTR && errno != EAGAIN) return {Io::failed, 0, errno};
    if (errno == EAGAIN && !waits_) return {Io::would_block};
  }
}

TcpSocket::Io TcpSocket::send(const char* from, std::size_t count) {
  for (;;) {
    if (Io io = wait_or(POLLOUT); io.outcome != Io::done) return io;
    ssize_t n = ::send(fd_, from, count, MSG_NOSIGNAL);
    if (n >= 0) return {Io::done, static_cast<std::size_t>(n)};
    if (errno != EINTR && errno != EAGAIN) return {Io::failed, 0, errno};
    if (errno == EAGAIN && !waits_) return {Io::would_block};
  }
}

std::size_t TcpSocket::peek(char* to, std::size_t capacity) const {
  ssize_t n = ::recv(fd_, to, capacity, MSG_PEEK | MSG_DONTWAIT);
  return n > 0 ? static_cast<std::size_t>(n) : 0;
}

void TcpSocket::linger() {
  if (fd_ < 0 || ::shutdown(fd_, SHUT_WR) != 0) return;
  char sink[4096];
  while (receive(sink, sizeof sink).outcome == Io::done) {
  }
}

namespace {

std::string address_words(const sockaddr* address, socklen_t length) {
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (getnameinfo(address, length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "an unknown address";
  }
  bool v6 = address->sa_family == AF_INET6;
  return (v6 ? "[" : "") + std::string(host) + (v6 ? "]:" : ":") + port;
}

}  // namespace

std::string TcpSocket::peer() const {
  sockaddr_storage s{};
  socklen_t length = sizeof s;
  auto* address = reinterpret_cast<sockaddr*>(&s);
  if (getpeername(fd_, address, &length) != 0) return "an unknown address";
  return address_words(address, length);
}

// --- connecting ---

struct TcpConnector::Lookup {
  WakeFd done;
  std::mutex mutex;  // over the rest, until done
  int failure = 0;   // EAI_...
  int error = 0;     // errno for EAI_SYSTEM
  addrinfo* addresses = nullptr;
  ~Lookup() {
    if (addresses != nullptr) freeaddrinfo(addresses);
  }
};

namespace {

void look_up_now(TcpConnector::Lookup& lookup, const std::string& host, const std::string& port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  int failure = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  std::lock_guard<std::mutex> lock(lookup.mutex);
  lookup.error = errno;
  lookup.failure = failure;
  lookup.addresses = failure == 0 ? found : nullptr;
}

Error lookup_failure(const std::string& host, int failure, int error) {
  switch (failure) {
    case EAI_NONAME:
    case EAI_NODATA:
      return retry_error("there is no host named " + quoted(host, 255) + ": check the name, and the DNS");
    case EAI_AGAIN:
      return retry_error("the name server does not answer for " + quoted(host, 255));
    case EAI_SYSTEM:
      return retry_error("cannot look up " + quoted(host, 255) + ": " + errno_words(error));
    default:
      return retry_error("cannot look up " + quoted(host, 255) + ": " + gai_strerror(failure));
  }
}

// 0, or errno; ECANCELED: woken.
int connect_one(int fd, const addrinfo& address, Deadline deadline, const WakeFd* wake) {
  if (::connect(fd, address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS && errno != EINTR) return errno;
  switch (wait_for(fd, POLLOUT, deadline, wake)) {
    case Wait::timeout:
      return ETIMEDOUT;
    case Wait::woken:
      return ECANCELED;
    case Wait::ready:
      break;
  }
  int error = 0;
  socklen_t length = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 ? errno : error;
}

std::string connect_words(const addrinfo& address, int error) {
  std::string where = address_words(address.ai_addr, address.ai_addrlen);
  switch (error) {
    case ECONNREFUSED:
      return "connection refused by " + where + ": nothing listens there";
    case ETIMEDOUT:
      return where + " does not answer: check address, route and firewall";
    default:
      return "cannot connect to " + where + ": " + errno_words(error);
  }
}

}  // namespace

Result<std::shared_ptr<TcpConnector::Lookup>> TcpConnector::look_up(Deadline deadline, const WakeFd* wake) {
  auto numeric = std::make_shared<Lookup>();
  look_up_now(*numeric, host_, port_, AI_NUMERICHOST);  // needs no name server and cannot block
  if (numeric->failure == 0) return numeric;
  if (!pending_) {
    auto lookup = std::make_shared<Lookup>();
    if (!lookup->done.ok()) return retry_error("cannot look up a name: no file descriptor left");
    try {
      std::thread([lookup, host = host_, port = port_] {
        look_up_now(*lookup, host, port, 0);
        lookup->done.wake();
      }).detach();
    } catch (const std::system_error&) {
      return retry_error("cannot look up a name: no thread left");
    }
    pending_ = lookup;
  }
  switch (wait_for(pending_->done.fd(), POLLIN, deadline, wake)) {
    case Wait::timeout:
      return retry_error("the name server does not answer for " + quoted(host_, 255));
    case Wait::woken:
      return retry_error("stopped");
    case Wait::ready:
      break;
  }
  std::shared_ptr<Lookup> lookup = std::move(pending_);
  std::lock_guard<std::mutex> lock(lookup->mutex);
  if (lookup->failure != 0) return lookup_failure(host_, lookup->failure, lookup->error);
  return lookup;
}

Result<TcpSocket> TcpConnector::connect(Deadline deadline, const WakeFd* wake) {
  SEALRING_ASSIGN(std::shared_ptr<Lookup> lookup, look_up(deadline, wake));
  int left = 0;
  for (const addrinfo* a = lookup->addresses; a != nullptr; a = a->ai_next) ++left;
  std::string words;
  for (const addrinfo* a = lookup->addresses; a != nullptr; a = a->ai_next, --left) {
    auto now = steady_clock::now();
    int fd = ::socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = fd < 0 ? errno : connect_one(fd, *a, now + (deadline - now) / left, wake);
    if (fd >= 0 && error == 0) return TcpSocket(fd);
    if (fd >= 0) ::close(fd);
    if (error == ECANCELED) return retry_error("stopped");
    words += (words.empty() ? "" : "; ") + connect_words(*a, error);
  }
  return retry_error(std::move(words));
}

// --- listening ---

namespace {

std::string listen_failure(int error) {
  switch (error) {
    case EADDRINUSE:
      return "the port is in use: stop who has it (ss -ltnp shows it), or choose another one";
    case EADDRNOTAVAIL:
      return "this machine does not have the address (ip address shows which it has)";
    case EACCES:
      return "not permitted: ports below 1024 need CAP_NET_BIND_SERVICE";
    default:
      return errno_words(error);
  }
}

}  // namespace

Result<std::unique_ptr<TcpListener>> TcpListener::listen(const std::string& address, std::uint16_t port) {
  if (address.empty()) return reject_error("no address to listen on (0.0.0.0 is all of IPv4)");
  TcpConnector::Lookup lookup;
  look_up_now(lookup, address, std::to_string(port), AI_PASSIVE);
  if (lookup.failure != 0) {
    return reject_error("cannot listen: " + lookup_failure(address, lookup.failure, lookup.error).message);
  }
  const addrinfo& a = *lookup.addresses;
  std::string where = "cannot listen on " + address_words(a.ai_addr, a.ai_addrlen) + ": ";
  int fd = ::socket(a.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return retry_error(where + errno_words(errno));
  int on = 1;  // a restart must not wait for the old connections' TIME_WAIT
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  auto* name = reinterpret_cast<sockaddr*>(&bound);
  if (::bind(fd, a.ai_addr, a.ai_addrlen) != 0 || ::listen(fd, 128) != 0 || getsockname(fd, name, &length) != 0) {
    const int failure = errno;
    ::close(fd);
    return retry_error(where + listen_failure(failure));
  }
  // The port lies at the same place for both families.
  std::uint16_t actual = ntohs(reinterpret_cast<sockaddr_in*>(name)->sin_port);
  return std::unique_ptr<TcpListener>(new TcpListener(fd, actual));
}

TcpListener::~TcpListener() { ::close(fd_); }

Result<TcpSocket> TcpListener::accept(const WakeFd& wake) {
  for (;;) {
    if (wait_for(fd_, POLLIN, steady_clock::now() + std::chrono::hours(1), &wake) == Wait::woken) return TcpSocket();
    int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) return TcpSocket(fd);
    // The peer has gone already, or nothing was there: the next one.
    bool next = errno == EINTR || errno == EAGAIN || errno == ECONNABORTED || errno == EPROTO || errno == ENETDOWN ||
                errno == EHOSTUNREACH || errno == ENETUNREACH || errno == EHOSTDOWN || errno == ENONET;
    if (!next) return retry_error(errno_words(errno));
  }
}

}  // namespace sealring
