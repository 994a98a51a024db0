#include "drivers/wake.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace sealring {

using std::chrono::steady_clock;

WakeFd::WakeFd() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

WakeFd::~WakeFd() {
  if (fd_ >= 0) ::close(fd_);
}

void WakeFd::wake() {
  std::uint64_t one = 1;
  while (fd_ >= 0 && ::write(fd_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

bool WakeFd::woken() const {
  pollfd p{fd_, POLLIN, 0};
  return poll(&p, 1, 0) > 0;
}

namespace {

// Rounded up, so that poll() does not spin through the last millisecond.
int poll_timeout(Deadline deadline) {
  auto left = deadline - steady_clock::now();
  if (left <= steady_clock::duration::zero()) return 0;
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::min<long long>(ms, 3'600'000) + 1);
}

}  // namespace

Wait wait_for(int fd, short events, Deadline deadline, const WakeFd* wake, int bell) {
  for (;;) {
    pollfd p[3] = {{fd, events, 0}, {wake != nullptr ? wake->fd() : -1, POLLIN, 0}, {bell, POLLIN, 0}};
    int timeout = poll_timeout(deadline);
    int n = poll(p, 3, timeout);
    if (p[1].revents != 0 && n > 0) return Wait::woken;
    if (n > 0) return p[0].revents != 0 ? Wait::ready : Wait::timeout;
    if (n == 0 && timeout == 0) return Wait::timeout;
    if (n < 0 && errno != EINTR) return Wait::ready;  // the call that follows tells the error
  }
}

}  // namespace sealring
