#include "drivers/service_manager.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <ctime>

#include "crypto/bytes.h"

namespace sealring {
namespace {

// A status is one line; what comes from outside must not add a line of its own, which would be another key.
std::string single_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return text;
}

std::string monotonic_usec() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return std::to_string(t.tv_sec * 1000000 + t.tv_nsec / 1000);
}

}  // namespace

ServiceManager::ServiceManager(const Environment& environment) {
  const std::string& name = environment.notify_socket;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // Other kinds (vsock:) are for virtual machines; an address that does not fit is none.
  if (name.size() < 2 || (name[0] != '/' && name[0] != '@') || name.size() >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, name.data(), name.size());
  if (name[0] == '@') address.sun_path[0] = '\0';
  address_.assign(reinterpret_cast<const char*>(&address), offsetof(sockaddr_un, sun_path) + name.size());
  fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return;
  // The variables may have been inherited from a service that started us: then the pid is another one's.
  const Result<std::uint64_t> usec = from_decimal(environment.watchdog_usec);
  const bool ours =
      environment.watchdog_pid.empty() || environment.watchdog_pid == std::to_string(static_cast<long>(::getpid()));
  if (usec && *usec > 0 && *usec <= 86'400'000'000 && ours)
    watchdog_interval_ = std::chrono::milliseconds(std::max<std::uint64_t>(1, *usec / 2000));
}

ServiceManager::~ServiceManager() {
  if (fd_ >= 0) ::close(fd_);
}

void ServiceManager::send(std::string text) {
  if (fd_ < 0) return;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto n =
        ::sendto(fd_, text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(address_.data()),
                 static_cast<socklen_t>(address_.size()));
    if (n >= 0 || errno != EAGAIN) return;
    pollfd room{fd_, POLLOUT, 0};
    ::poll(&room, 1, 1000);
  }
}

void ServiceManager::ready(const std::string& text) { send("READY=1\nSTATUS=" + single_line(text) + "\n"); }
void ServiceManager::status(const std::string& text) { send("STATUS=" + single_line(text) + "\n"); }
// The time tells a manager that asked for a reload that this one began after it.
void ServiceManager::reloading() { send("RELOADING=1\nMONOTONIC_USEC=" + monotonic_usec() + "\n"); }
void ServiceManager::stopping(const std::string& text) { send("STOPPING=1\nSTATUS=" + single_line(text) + "\n"); }
void ServiceManager::busy() { send("WATCHDOG=1\nEXTEND_TIMEOUT_USEC=60000000\n"); }

void ServiceManager::watchdog() { send("WATCHDOG=1\n"); }

}  // namespace sealring
