// The forwarder: takes sealed segments to the collector, one by one in ascending order, and brings receipts back.
//
// Per segment (docs/log.md §5): the witness cosigns the sealed checkpoint; the mirror registers it (add-checkpoint) and
// takes the entries in packages of 256 (add-entries), resumable at any package; its cosignature means "durably stored".
// Only when the policy's quorum is met and the mirror's cosignature is there does the recorder hear of it, and only
// when the recorder has recorded it does the next segment go: so the collector is never ahead of what a crash here
// leaves.
//
// Failures: backoff doubling from retry_min to retry_max with jitter; a link that comes up ends the wait. Every change
// of the reason is one diag line, a repetition none. Own thread; reads the ring only.
#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "crypto/policy.h"
#include "crypto/tlog_wire.h"
#include "drivers/clock.h"
#include "drivers/http.h"
#include "drivers/link_monitor.h"
#include "gateway/queue.h"
#include "storage/ring.h"

namespace sealring {

class Forwarder {
 public:
  struct Config {
    std::string origin;
    std::string path;    // of the collector's URL; endpoints are below path/witness and path/mirror
    std::string mirror;  // name in the policy
    Policy policy;
    std::chrono::milliseconds retry_min{500}, retry_max{60000};  // set_retry() changes them
  };
  Forwarder(Config config, const Ring& ring, HttpClient& client, RecordQueue& queue);
  ~Forwarder();  // stops

  void start();
  void wake();  // a segment was sealed or acknowledged. Any thread
  void stop();  // returns when the thread has ended
  // From the next failure on. Any thread.
  void set_retry(std::chrono::milliseconds min, std::chrono::milliseconds max);

  struct Stats {
    std::uint64_t segments = 0;  // receipted since start
    std::uint64_t acknowledged_size = 0;
    bool reachable = false;  // the last call was answered as it should be
    std::string last_trouble;
  };
  Stats stats() const;  // any thread

 private:
  void loop();
  Result<ReceivedReceipt> forward(const Segment& segment);
  Result<std::vector<NoteSignature>> witness(const Segment& segment);
  Status register_at_mirror(const Segment& segment);
  Result<std::vector<NoteSignature>> upload(const Segment& segment);
  Result<Bytes> upload_body(const Segment& segment, std::uint64_t from, const Bytes& ticket, std::uint64_t& to) const;
  Result<HttpResponse> add_checkpoint(const std::string& endpoint, const Segment& segment, std::uint64_t& known_size);
  bool in_policy(const NoteSignature& line) const;
  Result<Proof> proof(std::uint64_t start, std::uint64_t end, std::uint64_t size) const;
  void report(const Status& outcome);

  const Config config_;
  const Ring& ring_;
  HttpClient& client_;
  RecordQueue& queue_;
  LinkMonitor monitor_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::chrono::milliseconds> retry_min_, retry_max_;
  // Sizes that the other side told; 0 is always a good question.
  std::uint64_t witness_size_ = 0, mirror_size_ = 0;
  std::uint64_t mirror_next_ = 0;  // where the mirror wants the next upload to begin
  Bytes ticket_;

  mutable std::mutex stats_mutex_;
  Stats stats_;
  std::set<std::string> told_;  // since forwarding last went well
};

}  // namespace sealring
