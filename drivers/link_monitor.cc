#include "drivers/link_monitor.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace sealring {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

LinkMonitor::LinkMonitor() {
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  SEALRING_ASSERT(wake_fd_ >= 0);
  netlink_fd_ = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (netlink_fd_ < 0) return;
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (::bind(netlink_fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(netlink_fd_);
    netlink_fd_ = -1;
  }
}

LinkMonitor::~LinkMonitor() {
  ::close(wake_fd_);
  if (netlink_fd_ >= 0) ::close(netlink_fd_);
}

void LinkMonitor::wake() {
  const std::uint64_t one = 1;
  if (::write(wake_fd_, &one, sizeof one) < 0) return;  // the counter is full: a wake-up is pending already
}

// Whether a message says that something came up. Going down is no reason to try.
bool LinkMonitor::drain_netlink() {
  alignas(nlmsghdr) char buffer[8192];
  bool up = false;
  for (;;) {
    const ssize_t n = ::recv(netlink_fd_, buffer, sizeof buffer, 0);
    if (n <= 0) return up;
    int left = static_cast<int>(n);
    for (auto* h = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
      if (h->nlmsg_type == RTM_NEWADDR) up = true;
      if (h->nlmsg_type == RTM_NEWLINK)
        up = up || (static_cast<const ifinfomsg*>(NLMSG_DATA(h))->ifi_flags & IFF_RUNNING) != 0;
    }
  }
}

LinkMonitor::Event LinkMonitor::wait(milliseconds timeout, bool links) {
  const auto deadline = steady_clock::now() + timeout;
  if (netlink_fd_ >= 0) drain_netlink();  // what changed before is no news
  for (;;) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()).count();
    pollfd fds[2] = {{wake_fd_, POLLIN, 0}, {links ? netlink_fd_ : -1, POLLIN, 0}};
    const int n = ::poll(fds, 2, static_cast<int>(std::clamp<long long>(left + 1, 0, 3600000)));
    if (n > 0 && fds[0].revents != 0) {
      std::uint64_t count = 0;
      if (::read(wake_fd_, &count, sizeof count) == sizeof count) return Event::woken;
    }
    if (n > 0 && fds[1].revents != 0 && drain_netlink()) return Event::link;
    if (steady_clock::now() >= deadline) return Event::timeout;
  }
}

}  // namespace sealring
