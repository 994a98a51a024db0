// Records as `tail` and `show` get them: from a daemon over its socket, or from a log that is read directly.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "gateway/socket_request.h"

namespace sealring {

// One request to the daemon's socket.
class SocketClient {
 public:
  // missing: nobody listens there; otherwise the system's words. With connect() alone one only learns that.
  static Result<std::unique_ptr<SocketClient>> connect(const std::string& path);
  static Result<std::unique_ptr<SocketClient>> ask(const std::string& path, const std::string& request);
  ~SocketClient();
  SocketClient(const SocketClient&) = delete;
  SocketClient& operator=(const SocketClient&) = delete;

  // retry: not in time; missing: the daemon ended the connection before.
  Result<std::string> line(std::chrono::milliseconds time);
  Result<Bytes> exactly(std::size_t n, std::optional<std::chrono::milliseconds> time);  // none: as long as it takes
  Result<Bytes> rest(std::chrono::milliseconds time, std::size_t limit);                // to the end
  bool has_buffered() const { return at_ < buffer_.size(); }

 private:
  explicit SocketClient(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  Result<bool> more(std::optional<std::chrono::steady_clock::time_point> deadline);  // false: the end

  const int fd_;
  const std::string path_;
  std::string buffer_;
  std::size_t at_ = 0;
};

// A record with what belongs to it. With `skipped`, none: as FoundEntry's.
struct Record {
  std::uint64_t index = 0;
  Bytes entry;
  std::uint64_t connection = 0;     // as EntryCommon's
  std::string broker;               // whose connection that is, if it is to be shown
  Bytes payload;                    // of a message, all parts joined
  std::uint64_t entries = 1;        // how many it spans here
  std::uint64_t parts_missing = 0;  // of a large message: not here any more, or not yet
  std::uint64_t skipped = 0;
  std::optional<std::uint64_t> loss = std::nullopt;
};

class RecordReader {
 public:
  virtual ~RecordReader() = default;
  // None: the end. missing, while following: the daemon went away.
  Result<std::optional<Record>> next();
  // Whether next() has something without waiting, as far as it is known.
  virtual bool has_buffered() const = 0;
  // As it was when the reading began.
  std::uint64_t first_index() const { return start_.first_index; }
  std::uint64_t size() const { return start_.size; }
  const std::optional<Segment>& segment() const { return start_.segment; }  // with `count` 1: of `from`

 protected:
  SocketAnswer start_;
  virtual Result<std::optional<FoundEntry>> next_entry() = 0;

 private:
  std::optional<FoundEntry> held_;  // read ahead
};

Result<std::unique_ptr<RecordReader>> read_records(const std::string& socket_path, const RecordQuery& query,
                                                   bool follow);
// `log` must outlive it.
Result<std::unique_ptr<RecordReader>> read_records(const LogView& log, const RecordQuery& query);

}  // namespace sealring
