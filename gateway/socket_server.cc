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
#include "gateway/socket_seats.h"

namespace sealring {

int CommitBell::subscribe() {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return fd;
  std::lock_guard<std::mutex> lock(mutex_);
  try {
    fds_.push_back(fd);
  } catch (...) {  // no memory
    ::close(fd);
    throw;
  }
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

constexpr milliseconds kRequestTime{2000}, kProgressTime{10000}, kFollowPause{50}, kFollowLook{1000}, kReapTime{60000};
constexpr std::size_t kMaxRequestBytes = 4096;
constexpr std::size_t kSendBytes = 64u << 10;
constexpr int kNice = 10;
constexpr std::string_view kFailedWords =
    R"({"error":"the daemon failed to answer this, and its log says why; try again later","kind":"retry"})";

// Nothing that somebody asks may end the daemon: not even being out of memory. False: it failed, and is said.
template <class Act>
bool contained(const char* what, Act&& act) noexcept {
  try {
    act();
    return true;
  } catch (const std::exception& error) {
    try {
      diag(DiagLevel::warning, std::string("socket: ") + what + " failed: " + error.what());
    } catch (...) {  // nor are there words
    }
  } catch (...) {
  }
  return false;
}

// A client that was let in, until its end.
class Guest {
 public:
  Guest(int fd, unsigned seat, SocketSeats& seats) : fd_(fd), seat_(seat), seats_(&seats) {}
  Guest(Guest&& other) noexcept : fd_(other.fd_), seat_(other.seat_), seats_(std::exchange(other.seats_, nullptr)) {}
  Guest& operator=(Guest&&) = delete;
  ~Guest() {
    if (seats_ == nullptr) return;
    seats_->leave(seat_);  // first: who sees the end may come again at once
    ::close(fd_);
  }
  int fd() const { return fd_; }
  Status follow() const { return seats_->follow(seat_); }
  unsigned clients() const { return seats_->taken(); }

 private:
  int fd_;
  unsigned seat_;
  SocketSeats* seats_;  // null: moved from
};

class Subscription {
 public:
  explicit Subscription(CommitBell& bell) : bell_(bell), fd_(bell.subscribe()) {}
  ~Subscription() {
    if (fd_ >= 0) bell_.unsubscribe(fd_);
  }
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;
  int fd() const { return fd_; }

 private:
  CommitBell& bell_;
  const int fd_;
};

// One client: its request and its answer.
class Conversation {
 public:
  Conversation(const Guest& guest, const WakeFd& stop, const SocketServer::Services& services)
      : guest_(guest), fd_(guest.fd()), stop_(stop), services_(services) {}
  void run() {
    std::string line;
    if (!read_request(line)) return;
    // Of the first version, which had one request: for a command that is older than the daemon.
    if (line == "status") line = R"({"get": "status"})";
    const Result<SocketRequest> request = parse_socket_request(line);
    if (!request) return refuse(request.error());
    switch (request->get) {
      case SocketRequest::Get::status:
        send(services_.status(guest_.clients()));
        return;
      case SocketRequest::Get::records:
        return records(*request);
      case SocketRequest::Get::proof:
        return made(services_.proof, request->index);
      case SocketRequest::Get::payload:
        return made(services_.payload, request->index);
    }
  }
  // When run() failed. Needs no memory.
  void apologise();

 private:
  bool read_request(std::string& line);
  bool send(ByteView bytes);
  void refuse(const Error& error) { send(error_json(error) + "\n"); }
  void made(const std::function<Result<SocketServer::Made>(std::uint64_t)>& make, std::uint64_t index);
  void records(const SocketRequest& request);
  // Until there may be more to follow. False: the client is gone, or the server stops.
  bool wait_for_more(int bell_fd, std::uint64_t position);

  const Guest& guest_;
  const int fd_;
  const WakeFd& stop_;
  const SocketServer::Services& services_;
  bool answered_ = false, sends_records_ = false;
};

void Conversation::apologise() {
  if (answered_ && !sends_records_) return;  // he waits for so many bytes: all that can be done is to hang up
  char words[10 + kFailedWords.size() + 1];
  std::size_t n = 0;
  if (sends_records_) {  // whole records were sent: this one is the last
    for (; n < 8; ++n) words[n] = '\xff';
    words[n++] = 0;
    words[n++] = kFailedWords.size();
  }
  n += kFailedWords.copy(words + n, kFailedWords.size());
  if (!sends_records_) words[n++] = '\n';
  send({words, n});
}

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
  answered_ = true;
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
  if (request.follow)
    if (const Status s = guest_.follow(); !s.ok()) return refuse(s.error());
  std::optional<std::uint64_t> single;
  if (request.query.count == 1u) single = request.query.from;
  if (!send(records_head_json(log, single) + "\n")) return;
  sends_records_ = true;
  RecordCursor cursor(log, request.query, services_.index);
  if (const Status sought = cursor.seek([this] { return stop_.woken(); }); !sought.ok()) {
    std::string end;
    put_record(end, kEndOfRecords, error_json(sought.error()));
    send(end);
    return;
  }
  std::optional<Subscription> bell;
  if (request.follow) bell.emplace(*services_.bell);
  const int bell_fd = bell ? bell->fd() : -1;
  std::string out;
  std::vector<FoundEntry> found;
  for (bool going = true; going && !stop_.woken();) {
    found.clear();
    out.clear();
    const Result<bool> more = cursor.next(found);
    for (const FoundEntry& entry : found) {
      if (entry.skipped > 0)
        put_record(out, kSkippedRecords, skipped_json(entry.index, entry.skipped, entry.loss));
      else
        put_record(out, entry.index, entry.bytes);
    }
    const bool follow = more && !*more && request.follow && bell_fd >= 0 && !cursor.finished();
    going = more && (*more || follow);
    if (!going) put_record(out, kEndOfRecords, more ? end_json(cursor.position()) : error_json(more.error()));
    if (!send(out)) break;
    if (follow) going = wait_for_more(bell_fd, cursor.position());
  }
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
    if (::getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &length) != 0) who.uid = static_cast<uid_t>(-1);
    Result<unsigned> seat = Error{ErrorKind::retry, std::string()};
    if (!contained("letting a client in", [&] { seat = admit(who, peer); }) || !seat) {
      ::close(peer);
      return;
    }
    contained("letting a client in", [&] { begin(Guest(peer, *seat, seats_)); });
  }
  // A seat; or he was told why not.
  Result<unsigned> admit(const ucred& who, int peer) {
    diag(DiagLevel::debug,
         "socket: process " + std::to_string(who.pid) + " of user " + std::to_string(who.uid) + " asks");
    Result<unsigned> seat = seats_.take(who.uid);
    if (seat) return seat;
    const std::string words = error_json(seat.error()) + "\n";
    [[maybe_unused]] const ssize_t n = ::send(peer, words.data(), words.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return seat;
  }
  void begin(Guest guest) {
    Client& client = clients_.emplace_back();
    try {
      client.thread = std::thread([this, &client, mine = std::move(guest)]() mutable {
        ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
        serve(Guest(std::move(mine)));
        client.done = true;
      });
    } catch (...) {  // no thread to be had
      clients_.pop_back();
      throw;
    }
  }
  void serve(Guest guest) const {
    Conversation conversation(guest, stop_, services_);
    if (!contained("an answer", [&] { conversation.run(); }))
      contained("an apology", [&] { conversation.apologise(); });
  }

  const std::string path_;
  const int fd_;
  WakeFd stop_;
  const Services services_;
  SocketSeats seats_{::geteuid()};
  std::list<Client> clients_;  // the accepting thread's
  std::thread thread_;
};

// A wrong place stays wrong; a full disk, or one that fails, does not.
Error bind_failure(const std::string& path, int error) {
  const std::string words = "socket " + path + ": " + errno_words(error);
  const bool passes = error == ENOSPC || error == EDQUOT || error == EROFS || error == ENOMEM || error == EIO;
  return passes ? retry_error(words) : reject_error(words);
}

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

Result<std::unique_ptr<SocketServer>> SocketServer::start(const Config& config, Services services) {
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
  if (rc != 0) status = bind_failure(path, bind_errno);
  if (status.ok()) status = admit(path, config.group);
  if (status.ok() && ::listen(fd, 2 * kSeats) != 0) status = reject_error("socket " + path + ": " + errno_words(errno));
  if (!status.ok()) {
    ::close(fd);
    if (rc == 0) ::unlink(path.c_str());
    return std::move(status).error();
  }
  return std::unique_ptr<SocketServer>(std::make_unique<Server>(path, fd, std::move(services)));
}

}  // namespace sealring
