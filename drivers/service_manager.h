// Telling a service manager (systemd, or anything that speaks its protocol) how the daemon does: one datagram of
// "KEY=value" lines to the socket that it named in $NOTIFY_SOCKET. Own code instead of libsystemd: gateways without
// systemd should not carry its library, and the protocol is one sendmsg().
//
// Nothing here fails, and nothing blocks for more than a second: a manager that is gone, or does not read, must not
// hold the daemon up. Any thread.
#pragma once

#include <chrono>
#include <string>

namespace sealring {

class ServiceManager {
 public:
  // $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID as main found them; empty: not there.
  struct Environment {
    std::string notify_socket;  // a path, or "@name": an abstract socket
    std::string watchdog_usec, watchdog_pid;
  };
  explicit ServiceManager(const Environment& environment);
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  bool there() const { return fd_ >= 0; }
  // How often a ping is due, half of what the manager allows; zero: it does not want any.
  std::chrono::milliseconds watchdog_interval() const { return watchdog_interval_; }

  // `status` is for people: what `systemctl status` shows.
  void ready(const std::string& status);
  void status(const std::string& status);
  void reloading();  // ready() ends it
  void stopping(const std::string& status);
  void watchdog();
  // As watchdog(), and while starting or stopping: it takes longer, up to a minute from now.
  void busy();

 private:
  void send(std::string text);
  std::string address_;  // sockaddr_un, as bytes
  int fd_ = -1;
  std::chrono::milliseconds watchdog_interval_{0};
};

}  // namespace sealring
