// Tells when the network may have come back: a link went up or an address appeared (rtnetlink). One owner; wait() from
// one thread, wake() from any.
#pragma once

#include <chrono>
#include <memory>

#include "crypto/result.h"

namespace sealring {

class LinkMonitor {
 public:
  enum class Event { timeout, link, woken };
  // Never fails for good: where the kernel gives no netlink socket, link events just never come.
  LinkMonitor();
  ~LinkMonitor();
  LinkMonitor(const LinkMonitor&) = delete;
  LinkMonitor& operator=(const LinkMonitor&) = delete;

  // Waits for a wake-up or `timeout`; when `links` also for the network to change.
  Event wait(std::chrono::milliseconds timeout, bool links);
  void wake();  // the present or the next wait() returns `woken`

 private:
  bool drain_netlink();
  int netlink_fd_ = -1;
  int wake_fd_ = -1;
};

}  // namespace sealring
