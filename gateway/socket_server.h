// The daemon's socket (docs/architecture.md): status, records, proofs, for whoever is of its group.
//
// One thread accepts; each connection has a thread of its own, of lower priority, which answers one request and ends.
// Answers are copied out of the ring bundle by bundle, so that whoever reads slowly holds neither a lock nor a page.
// Limits: 16 connections, of them so many for each user (socket_seats.h), 4 KiB and 2 s for a request, 10 s without any
// progress of the answer. What an answer fails with, be it memory, ends that connection and nothing else.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>

#include "gateway/log_view.h"
#include "gateway/record_index.h"

namespace sealring {

// Wakes those who follow the log. ring() costs the recorder one atomic load unless somebody waits, and each follower at
// most 20 wake-ups a second, however many commits there are.
class CommitBell {
 public:
  void ring() {
    if (armed_.load() && armed_.exchange(false)) wake();
  }
  // An eventfd that is readable after a ring() that followed arm().
  int subscribe();
  void unsubscribe(int fd);
  void arm() { armed_.store(true); }

 private:
  void wake();
  std::atomic<bool> armed_{false};
  std::mutex mutex_;
  std::vector<int> fds_;
};

class SocketServer {
 public:
  struct Config {
    std::string path;
    std::string group;  // empty: `sealring` where that group exists
  };
  struct Made {
    std::string head;  // one line of JSON, without its newline
    Bytes bytes;
  };
  // Called on the connections' threads; what they use must outlive the server. `proof` and `payload` may be empty.
  struct Services {
    std::function<std::string(unsigned clients)> status;
    std::function<Result<Made>(std::uint64_t index)> proof, payload;
    const LogView* log = nullptr;
    const RecordIndex* index = nullptr;  // may be null
    CommitBell* bell = nullptr;
  };
  // Replaces a socket that is there: the store's lock is held, so it was left by a daemon that was killed.
  // reject: path too long, group unknown, or the system's words.
  static Result<std::unique_ptr<SocketServer>> start(const Config& config, Services services);
  virtual ~SocketServer() = default;  // ends all connections at once, removes the socket
};

}  // namespace sealring
