#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "gateway/status_report.h"

namespace sealring {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPeerTime{2000};
constexpr std::size_t kMaxRequestBytes = 256;

class Server final : public StatusServer {
 public:
  Server(std::string path, int fd, std::function<std::string()> answer)
      : path_(std::move(path)), fd_(fd), stop_fd_(::eventfd(0, EFD_CLOEXEC)), answer_(std::move(answer)) {
    SEALRING_ASSERT(stop_fd_ >= 0);
    thread_ = std::thread([this] { loop(); });
  }
  ~Server() override {
    const std::uint64_t one = 1;
    SEALRING_ASSERT(::write(stop_fd_, &one, sizeof one) == sizeof one);
    thread_.join();
    ::close(fd_);
    ::close(stop_fd_);
    ::unlink(path_.c_str());
  }

 private:
  // Whether `fd` got ready before the deadline and before a stop.
  bool ready(int fd, short events, milliseconds left) const {
    pollfd fds[2] = {{fd, events, 0}, {stop_fd_, POLLIN, 0}};
    const int n = ::poll(fds, 2, static_cast<int>(left.count()));
    return n > 0 && fds[1].revents == 0;
  }
  void loop() {
    for (;;) {
      pollfd fds[2] = {{fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
      if (::poll(fds, 2, -1) < 0 && errno != EINTR) return;
      if (fds[1].revents != 0) return;
      const int peer = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (peer < 0) continue;
      serve(peer);
      ::close(peer);
    }
  }
  void serve(int peer) const {
    const auto deadline = steady_clock::now() + kPeerTime;
    const auto left = [&] {
      return std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()));
    };
    std::string request;
    while (request.find('\n') == std::string::npos && request.size() < kMaxRequestBytes) {
      char buffer[kMaxRequestBytes];
      if (!ready(peer, POLLIN, left())) return;
      const ssize_t n = ::recv(peer, buffer, sizeof buffer, 0);
      if (n <= 0) return;
      request.append(buffer, static_cast<std::size_t>(n));
    }
    const std::string answer =
        request.substr(0, request.find('\n')) == "status" ? answer_() : "{\"error\": \"unknown request\"}\n";
    for (std::size_t done = 0; done < answer.size();) {
      if (!ready(peer, POLLOUT, left())) return;
      const ssize_t n = ::send(peer, answer.data() + done, answer.size() - done, MSG_NOSIGNAL);
      if (n <= 0 && errno != EAGAIN) return;
      if (n > 0) done += static_cast<std::size_t>(n);
    }
  }

  const std::string path_;
  const int fd_, stop_fd_;
  const std::function<std::string()> answer_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<StatusServer>> StatusServer::start(const std::string& path,
                                                          std::function<std::string()> answer) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return reject_error("socket " + path + ": longer than the " + std::to_string(sizeof address.sun_path - 1) +
                        " bytes that a socket's path may have; choose a shorter one");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return retry_error("socket " + path + ": " + std::strerror(errno));
  // The store's lock is held: a socket that is there was left by a daemon that was killed. Anything else is not ours.
  struct stat st {};
  if (::lstat(path.c_str(), &st) == 0 && S_ISSOCK(st.st_mode)) ::unlink(path.c_str());
  const mode_t mask = ::umask(0117);  // 0660 from the first moment
  const int rc = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  ::umask(mask);
  if (rc != 0 || ::listen(fd, 8) != 0) {
    const std::string words = std::strerror(errno);
    ::close(fd);
    return reject_error("socket " + path + ": " + words);
  }
  return std::unique_ptr<StatusServer>(std::make_unique<Server>(path, fd, std::move(answer)));
}

}  // namespace sealring
