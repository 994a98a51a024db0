#include "gateway/record_reader.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>

#include "drivers/system_error.h"

namespace sealring {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t kMaxLineBytes = 1u << 20;
constexpr milliseconds kAnswerTime{30000};

}  // namespace

SocketClient::~SocketClient() { ::close(fd_); }

Result<std::unique_ptr<SocketClient>> SocketClient::connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return reject_error(path + ": the path is too long for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return retry_error(errno_words(errno));
  std::unique_ptr<SocketClient> client(new SocketClient(fd, path));
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    const bool nobody = error == ENOENT || error == ECONNREFUSED;
    std::string words = path + ": " + errno_words(error);
    if (error == EACCES) words += " (only members of the socket's group may ask)";
    return Error{nobody ? ErrorKind::missing : ErrorKind::retry, words};
  }
  return client;
}

Result<std::unique_ptr<SocketClient>> SocketClient::ask(const std::string& path, const std::string& request) {
  SEALRING_ASSIGN(auto client, connect(path));
  // At most 4 KiB into an empty buffer. A daemon that refuses at once has an answer to be read all the same.
  const std::string line = request + "\n";
  const ssize_t n = ::send(client->fd_, line.data(), line.size(), MSG_NOSIGNAL);
  if (n != static_cast<ssize_t>(line.size()) && !(n < 0 && errno == EPIPE))
    return retry_error(path + ": " + errno_words(errno));
  return client;
}

Result<bool> SocketClient::more(std::optional<steady_clock::time_point> deadline) {
  buffer_.erase(0, at_);
  at_ = 0;
  for (;;) {
    int time = -1;
    if (deadline)
      time =
          static_cast<int>(std::max<long>(0, std::chrono::ceil<milliseconds>(*deadline - steady_clock::now()).count()));
    pollfd p{fd_, POLLIN, 0};
    const int ready = ::poll(&p, 1, time);
    if (ready == 0) return retry_error(path_ + ": no answer in time");
    if (ready < 0 && errno != EINTR) return retry_error(path_ + ": " + errno_words(errno));
    if (ready < 0) continue;
    char bytes[16384];
    const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0 && errno != ECONNRESET) return retry_error(path_ + ": " + errno_words(errno));
    if (n <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(n));
    return true;
  }
}

Result<std::string> SocketClient::line(milliseconds time) {
  const auto deadline = steady_clock::now() + time;
  for (;;) {
    const std::size_t end = buffer_.find('\n', at_);
    if (end != std::string::npos) {
      std::string out = buffer_.substr(at_, end - at_);
      at_ = end + 1;
      return out;
    }
    if (buffer_.size() - at_ > kMaxLineBytes) return reject_error(path_ + ": an answer without end");
    SEALRING_ASSIGN(const bool got, more(deadline));
    if (!got) return Error{ErrorKind::missing, path_ + ": the daemon hung up without an answer"};
  }
}

Result<Bytes> SocketClient::exactly(std::size_t n, std::optional<milliseconds> time) {
  std::optional<steady_clock::time_point> deadline;
  if (time) deadline = steady_clock::now() + *time;
  while (buffer_.size() - at_ < n) {
    SEALRING_ASSIGN(const bool got, more(deadline));
    if (!got) return Error{ErrorKind::missing, path_ + ": the daemon went away"};
  }
  Bytes out = buffer_.substr(at_, n);
  at_ += n;
  return out;
}

Result<Bytes> SocketClient::rest(milliseconds time, std::size_t limit) {
  const auto deadline = steady_clock::now() + time;
  for (;;) {
    if (buffer_.size() - at_ > limit) return reject_error(path_ + ": an answer without end");
    SEALRING_ASSIGN(const bool got, more(deadline));
    if (!got) return buffer_.substr(at_);
  }
}

Result<std::optional<Record>> RecordReader::next() {
  std::optional<FoundEntry> head;
  head.swap(held_);
  if (!head) {
    SEALRING_ASSIGN(head, next_entry());
  }
  if (!head) return std::optional<Record>();
  Record record;
  record.index = head->index;
  record.skipped = head->skipped;
  record.loss = head->loss;
  if (record.skipped > 0) return std::optional<Record>(std::move(record));
  record.entry = std::move(head->bytes);
  const Result<Entry> entry = decode_entry(record.entry);
  if (entry) record.connection = entry->common.connection;
  const auto* message = entry ? std::get_if<Message>(&entry->body) : nullptr;
  if (message == nullptr) return std::optional<Record>(std::move(record));
  record.payload = Bytes(message->payload);
  if (!message->parts) return std::optional<Record>(std::move(record));
  while (record.entries < message->parts->count) {
    SEALRING_ASSIGN(std::optional<FoundEntry> more, next_entry());
    if (!more) break;
    if (more->skipped > 0) {  // the rest of it is not here
      held_ = std::move(more);
      break;
    }
    const Result<Entry> next = decode_entry(more->bytes);
    const auto* part = next ? std::get_if<Part>(&next->body) : nullptr;
    if (part == nullptr || part->first != record.index || part->number != record.entries) {
      held_ = std::move(more);
      break;
    }
    record.payload += part->payload;
    ++record.entries;
  }
  record.parts_missing = message->parts->count - record.entries;
  return std::optional<Record>(std::move(record));
}

namespace {

class SocketReader final : public RecordReader {
 public:
  SocketReader(std::unique_ptr<SocketClient> client, SocketAnswer start, bool follow) : client_(std::move(client)) {
    start_ = std::move(start);
    if (!follow) time_ = kAnswerTime;
  }
  bool has_buffered() const override { return client_->has_buffered(); }

 private:
  Result<std::optional<FoundEntry>> next_entry() override {
    if (ended_) return std::optional<FoundEntry>();
    SEALRING_ASSIGN(const Bytes head, client_->exactly(10, time_));
    FoundEntry entry;
    entry.index = get_u64(head.data());
    SEALRING_ASSIGN(entry.bytes, client_->exactly(get_u16(head.data() + 8), kAnswerTime));
    if (entry.index < kSkippedRecords) return std::optional<FoundEntry>(std::move(entry));
    SEALRING_ASSIGN(const SocketAnswer said, parse_socket_answer(entry.bytes));
    if (entry.index == kSkippedRecords)
      return std::optional<FoundEntry>({said.skipped_from, {}, said.skipped, said.skipped_loss});
    ended_ = true;
    return std::optional<FoundEntry>();
  }

  std::unique_ptr<SocketClient> client_;
  std::optional<milliseconds> time_;
  bool ended_ = false;
};

class ViewReader final : public RecordReader {
 public:
  ViewReader(const LogView& log, const RecordQuery& query) : cursor_(log, query) {
    start_.first_index = log.first_index();
    start_.size = log.size();
    if (query.count == 1u) start_.segment = segment_of(log, query.from);
  }
  Status seek() {
    return cursor_.seek([] { return false; });
  }
  bool has_buffered() const override { return true; }

 private:
  Result<std::optional<FoundEntry>> next_entry() override {
    while (at_ == found_.size()) {
      found_.clear();
      at_ = 0;
      SEALRING_ASSIGN(const bool more, cursor_.next(found_));
      if (!more) return std::optional<FoundEntry>();
    }
    return std::optional<FoundEntry>(std::move(found_[at_++]));
  }

  RecordCursor cursor_;
  std::vector<FoundEntry> found_;
  std::size_t at_ = 0;
};

}  // namespace

Result<std::unique_ptr<RecordReader>> read_records(const std::string& socket_path, const RecordQuery& query,
                                                   bool follow) {
  SocketRequest request;
  request.get = SocketRequest::Get::records;
  request.query = query;
  request.follow = follow;
  SEALRING_ASSIGN(auto client, SocketClient::ask(socket_path, socket_request_json(request)));
  SEALRING_ASSIGN(const std::string line, client->line(kAnswerTime));
  SEALRING_ASSIGN(SocketAnswer start, parse_socket_answer(line));
  return std::unique_ptr<RecordReader>(std::make_unique<SocketReader>(std::move(client), std::move(start), follow));
}

Result<std::unique_ptr<RecordReader>> read_records(const LogView& log, const RecordQuery& query) {
  auto reader = std::make_unique<ViewReader>(log, query);
  SEALRING_TRY(reader->seek());
  return std::unique_ptr<RecordReader>(std::move(reader));
}

}  // namespace sealring
