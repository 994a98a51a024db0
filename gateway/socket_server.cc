#include "gateway/socket_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <list>
#include <thread>

#include "drivers/diag.h"
#include "drivers/system_error.h"
#include "drivers/wake.h"
#include "gateway/check.h"
#include "gateway/socket_request.h"

namespace sealring {

int CommitBell::subscribe() {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return fd;
  std::lock_guard<std::mutex> lock(mutex_);
  fds_.push_back(fd);
  return fd;
}

void CommitBell::unsubscribe(int fd) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    fds_.erase(std::remove(fds_.begin(), fds_.end(), fd), fds_.end());
  }
  ::close(fd);
}

void CommitBell::wake() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const int fd : fds_) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(fd, &one, sizeof one);  // full: it is readable already
  }
}

namespace {

using std::chrono::milliseconds;

constexpr unsigned kMaxClients = 16;
constexpr milliseconds kRequestTime{2000}, kProgressTime{10000}, kFollowPause{50}, kFollowLook{1000}, kReapTime{60000};
constexpr std::size_t kMaxRequestBytes = 4096;
constexpr std::size_t kSendBytes = 64u << 10;
constexpr int kNice = 10;

// One client: its request and its answer.
class Conversation {
 public:
  Conversation(int fd, const WakeFd& stop, unsigned clients, const SocketServer::Services& services)
      : fd_(fd), stop_(stop), clients_(clients), services_(services) {}
  void run() {
    std::string line;
    if (!read_request(line)) return;
    // Of the first version, which had one request: for a command that is older than the daemon.
    if (line == "status") line = R"({"get": "status"})";
    const Result<SocketRequest> request = parse_socket_request(line);
    if (!request) return refuse(request.error());
    switch (request->get) {
      case SocketRequest::Get::status:
        send(services_.status(clients_));
        return;
      case SocketRequest::Get::records:
        return records(*request);
      case SocketRequest::Get::proof:
        return made(services_.proof, request->index);
      case SocketRequest::Get::payload:
        return made(services_.payload, request->index);
    }
  }

 private:
  bool read_request(std::string& line);
  bool send(ByteView bytes);
  void refuse(const Error& error) { send(error_json(error) + "\n"); }
  void made(const std::function<Result<SocketServer::Made>(std::uint64_t)>& make, std::uint64_t index);
  void records(const SocketRequest& request);
  // Until there may be more to follow. False: the client is gone, or the server stops.
  bool wait_for_more(int bell_fd, std::uint64_t position);

  const int fd_;
  const WakeFd& stop_;
  const unsigned clients_;
  const SocketServer::Services& services_;
};

bool Conversation::read_request(std::string& line) {
  const Deadline deadline = deadline_in(kRequestTime);
  for (std::size_t end = std::string::npos; end == std::string::npos;) {
    const Wait got = wait_for(fd_, POLLIN, deadline, &stop_);
    if (got == Wait::timeout) refuse(retry_error("the request did not come within 2 s"));
    if (got != Wait::ready) return false;
    char buffer[kMaxRequestBytes];
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return false;
    line.append(buffer, static_cast<std::size_t>(n));
    end = line.find('\n');
    if (std::min(end, line.size()) > kMaxRequestBytes) {
      refuse(reject_error("the request has more than 4096 bytes"));
      return false;
    }
    if (end != std::string::npos) line.resize(end);
  }
  return true;
}

bool Conversation::send(ByteView bytes) {
  while (!bytes.empty()) {
    const Wait got = wait_for(fd_, POLLOUT, deadline_in(kProgressTime), &stop_);
    if (got == Wait::timeout) diag(DiagLevel::info, "socket: a client that read nothing for 10 s was dropped");
    if (got != Wait::ready) return false;
    const ssize_t n = ::send(fd_, bytes.data(), std::min(bytes.size(), kSendBytes), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

void Conversation::made(const std::function<Result<SocketServer::Made>(std::uint64_t)>& make, std::uint64_t index) {
  if (!make) return refuse(reject_error("this daemon does not answer that"));
  const Result<SocketServer::Made> answer = make(index);
  if (!answer) return refuse(answer.error());
  if (send(answer->head + "\n")) send(answer->bytes);
}

bool Conversation::wait_for_more(int bell_fd, std::uint64_t position) {
  // A pause first: many commits are one wake-up. A client has nothing more to say; what is readable is its end.
  if (wait_for(fd_, POLLIN | POLLRDHUP, deadline_in(kFollowPause), &stop_) != Wait::timeout) return false;
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t n = ::read(bell_fd, &count, sizeof count);
  services_.bell->arm();
  if (services_.log->size() > position) return true;  // before the bell was armed
  return wait_for(fd_, POLLIN | POLLRDHUP, deadline_in(kFollowLook), &stop_, bell_fd) == Wait::timeout;
}

void Conversation::records(const SocketRequest& request) {
  const LogView& log = *services_.log;
  std::optional<std::uint64_t> single;
  if (request.query.count == 1u) single = request.query.from;
  if (!send(records_head_json(log, single) + "\n")) return;
  RecordCursor cursor(log, request.query, services_.index);
  if (const Status sought = cursor.seek([this] { return stop_.woken(); }); !sought.ok()) {
    std::string end;
    put_record(end, kEndOfRecords, error_json(sought.error()));
    send(end);
    return;
  }
  const int bell_fd = request.follow ? services_.bell->subscribe() : -1;
  std::string out;
  std::vector<FoundEntry> found;
  for (bool going = true; going && !stop_.woken();) {
    found.clear();
    out.clear();
    const Result<bool> more = cursor.next(found);
    for (const FoundEntry& entry : found) put_record(out, entry.index, entry.bytes);
    const bool follow = more && !*more && request.follow && bell_fd >= 0 && !cursor.finished();
    going = more && (*more || follow);
    if (!going) put_record(out, kEndOfRecords, more ? end_json(cursor.position()) : error_json(more.error()));
    if (!send(out)) break;
    if (follow) going = wait_for_more(bell_fd, cursor.position());
  }
  if (bell_fd >= 0) services_.bell->unsubscribe(bell_fd);
}

class Server final : public SocketServer {
 public:
  Server(std::string path, int fd, Services services)
      : path_(std::move(path)), fd_(fd), services_(std::move(services)) {
    SEALRING_ASSERT(stop_.ok());
    thread_ = std::thread([this] { loop(); });
  }
  ~Server() override {
    stop_.wake();
    thread_.join();
    for (Client& client : clients_) client.thread.join();
    ::close(fd_);
    ::unlink(path_.c_str());
  }

 private:
  struct Client {
    std::thread thread;
    std::atomic<bool> done{false};
  };
  void loop() {
    for (;;) {
      if (wait_for(fd_, POLLIN, deadline_in(kReapTime), &stop_) == Wait::woken) return;
      const int peer = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      reap();
      if (peer < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
        wait_for(-1, 0, deadline_in(milliseconds(100)), &stop_);  // rather than spin until somebody closes one
      if (peer >= 0) welcome(peer);
    }
  }
  void reap() {
    for (auto it = clients_.begin(); it != clients_.end();) {
      if (!it->done) {
        ++it;
        continue;
      }
      it->thread.join();
      it = clients_.erase(it);
    }
  }
  void welcome(int peer) {
    ucred who{};
    socklen_t length = sizeof who;
    if (::getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0)
      diag(DiagLevel::debug,
           "socket: process " + std::to_string(who.pid) + " of user " + std::to_string(who.uid) + " asks");
    if (clients_.size() >= kMaxClients) {
      const std::string words = error_json(retry_error("16 others are asking already; try again later")) + "\n";
      [[maybe_unused]] const ssize_t n = ::send(peer, words.data(), words.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      ::close(peer);
      return;
    }
    Client& client = clients_.emplace_back();
    const auto count = static_cast<unsigned>(clients_.size());
    try {
      client.thread = std::thread([this, peer, count, &client] {
        ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
        serve(peer, count);
        ::close(peer);
        client.done = true;
      });
    } catch (const std::system_error&) {  // no thread to be had
      clients_.pop_back();
      ::close(peer);
    }
  }
  // Nothing that somebody asks may end the daemon: not even being out of memory.
  void serve(int peer, unsigned count) const {
    try {
      Conversation(peer, stop_, count, services_).run();
    } catch (const std::exception& error) {
      diag(DiagLevel::warning, std::string("socket: an answer failed: ") + error.what());
    }
  }

  const std::string path_;
  const int fd_;
  WakeFd stop_;
  const Services services_;
  std::list<Client> clients_;  // the accepting thread's
  std::thread thread_;
};

// Lets the group in.
Status admit(const std::string& path, const std::string& named) {
  SEALRING_ASSIGN(const std::optional<SocketGroup> members, find_socket_group(named));
  if (!members || ::chown(path.c_str(), static_cast<uid_t>(-1), members->id) == 0) return {};
  const std::string words = "socket " + path + ": cannot be given to the group " + members->name + ": " +
                            errno_words(errno) + "; let the daemon's user be a member of it";
  if (!named.empty()) return reject_error(words);
  diag(DiagLevel::info, words);
  return {};
}

}  // namespace

Result<std::unique_ptr<SocketServer>> SocketServer::start(Config config, Services services) {
  SEALRING_ASSERT(services.status && services.log != nullptr && services.bell != nullptr);
  const std::string& path = config.path;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return reject_error("socket " + path + ": longer than the " + std::to_string(sizeof address.sun_path - 1) +
                        " bytes that a socket's path may have; choose a shorter one");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return retry_error("socket " + path + ": " + errno_words(errno));
  // Whatever else lies there is not ours to remove.
  struct stat st {};
  if (::lstat(path.c_str(), &st) == 0 && S_ISSOCK(st.st_mode)) ::unlink(path.c_str());
  const mode_t mask = ::umask(0117);  // 0660 from the first moment
  const int rc = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  const int bind_errno = errno;
  ::umask(mask);
  Status status;
  if (rc != 0) status = reject_error("socket " + path + ": " + errno_words(bind_errno));
  if (status.ok()) status = admit(path, config.group);
  if (status.ok() && ::listen(fd, 2 * kMaxClients) != 0)
    status = reject_error("socket " + path + ": " + errno_words(errno));
  if (!status.ok()) {
    ::close(fd);
    if (rc == 0) ::unlink(path.c_str());
    return std::move(status).error();
  }
  return std::unique_ptr<SocketServer>(std::make_unique<Server>(path, fd, std::move(services)));
}

}  // namespace sealring
