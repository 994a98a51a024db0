// The forwarder: takes sealed segments to the collector, one by one in ascending order, and brings receipts back.
//
// First it asks what the collector has of this log (docs/log.md §7). Until that is known and fits our store, the
// identity key signs nothing; where it contradicts our store, nothing is forwarded.
//
// Then, each only when nothing before it is left to do, or has had its turn for long (docs/log.md §5):
//   1. the witness cosigns the sealed checkpoints, in ascending order; its line is durable here before the next goes;
//   2. the witness cosigns the newest checkpoint within the open segment;
//   3. the mirror registers the lowest sealed checkpoint (add-checkpoint) and takes its entries in packages of 256
//      (add-entries), resumable at any package; its cosignature means "durably stored". Only when the policy's quorum
//      is met and the mirror's cosignature is there does the recorder hear of it, and only when the recorder has
//      recorded it does the next segment go: so the collector is never ahead of what a crash here leaves.
//
// Where the collector says that the log is closed, it is asked for the statement that closed it. One that our identity
// key has signed is an alarm: a copy of this gateway has made it, or whoever has that key (docs/trust.md).
// Of a segment that entries were dropped of (docs/log.md §6) all checkpoints up to the one that has the loss entry are
// registered first. Then the mirror is told by `skip` what will not come, and goes on behind it. What was dropped, and
// where its loss entry stands, is in the ring, so a start goes on where a kill came. A bundle that is damaged is never
// sent: the recorder is told of it, and where it can, records that it is lost.
//
// Failures: backoff doubling from retry_min to retry_max with jitter; a link that comes up ends the wait. Every change
// of the reason is one diag line, a repetition none. Own thread; reads the ring only.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <thread>

#include "crypto/policy.h"
#include "crypto/tlog_wire.h"
#include "drivers/clock.h"
#include "drivers/http.h"
#include "drivers/link_monitor.h"
#include "gateway/alarm_kinds.h"
#include "gateway/head_check.h"
#include "gateway/pulse.h"
#include "gateway/queue.h"
#include "storage/ring.h"

namespace sealring {

class Forwarder {
 public:
  struct Config {
    std::vector<LogKey> identity;  // of the log, the present one first; their name is the origin
    std::string path;              // of the collector's URL; endpoints are below path/witness and path/mirror
    std::string mirror;            // name in the policy
    Policy policy;
    std::chrono::milliseconds retry_min{500}, retry_max{60000};  // set_retry() changes them
    bool ask_first =
        true;  // false: the operator has said that the store is no old copy; nothing at the collector is fine
    std::optional<Note> succession;                 // of this log, with its own line only, where it follows another one
    std::chrono::milliseconds call_timeout{20000};  // of the client: how long a call may keep the thread
    bool needs_skip = false;                        // entries may be dropped: asks whether the mirror takes that
    bool succession_taken = false;  // by a collector: it is offered again only to one that does not know of the log
  };
  // Called on the forwarder's thread. on_fits: what the collector has fits our store, at each time that it was asked.
  // on_contradiction: once, from when on nothing is forwarded any more. on_taken: the succession has the collector's
  // line; an error makes it be offered again.
  struct Events {
    std::function<void()> on_fits;
    std::function<void(const Head&)> on_contradiction;
    std::function<Status(const Note&)> on_taken;
    std::function<void(std::uint64_t bundle)> on_damaged;  // one that is to go up; at each try
    Alarms* alarms = nullptr;                              // who is told of what needs a person; null: nobody
  };
  Forwarder(Config config, const Ring& ring, HttpClient& client, RecordQueue& queue);
  ~Forwarder();  // stops

  void set_events(Events events) { events_ = std::move(events); }  // before start()
  void contradict();  // known beforehand: nothing is asked and nothing is sent. Before start()
  void start();
  void wake();  // a segment was sealed or acknowledged. Any thread
  // The collector was asked and does not know `skip`: what is dropped would never get a receipt. Any thread
  bool lacks_skip() const { return lacks_skip_; }
  // The entries [start, end) are going to be dropped: no early checkpoint of a size within goes out any more. False:
  // one has, so they must stay, or nobody could show that later ones extend it. Any thread
  bool give_up(std::uint64_t start, std::uint64_t end);
  bool wants_early() const;                    // the collector answers, and what it has fits. Any thread
  void early(std::uint64_t size, Bytes note);  // our newest checkpoint within the open segment. Any thread
  void stop();                                 // returns when the thread has ended
  // From the next failure on. Any thread.
  void set_retry(std::chrono::milliseconds min, std::chrono::milliseconds max);

  struct Stats {
    std::uint64_t segments = 0;  // receipted since start
    std::uint64_t acknowledged_size = 0;
    std::uint64_t witnessed_size = 0;  // since start
    bool asked = false;                // the collector has said what it has, and it fits
    bool contradicted = false;         // it does not fit
    bool succession_waits = false;     // no collector has taken it
    bool reachable = false;            // the last call was answered as it should be
    // Origin of the log that follows this one at the collector, by a statement of our own identity key that we did not
    // make: nothing of this log is taken there any more. Empty: none is known.
    std::string closed_by;
    std::string last_trouble;
  };
  Stats stats() const;  // any thread
  const Pulse& pulse() const { return pulse_; }

 private:
  // What is to be sent as one: a sealed segment's checkpoint, or an early one.
  struct Sent {
    std::uint64_t size = 0;
    Bytes note;
  };
  void loop();
  Result<bool> step();
  Result<bool> step_or_no_memory();
  using SegmentIterator = std::vector<Segment>::const_iterator;
  Result<bool> step_witness(SegmentIterator sealed, SegmentIterator end, std::optional<Sent>& early);
  std::optional<Sent> take_early();
  bool claim_early(std::uint64_t size);
  void put_back(std::optional<Sent> early);
  struct Lines {
    std::size_t bytes = 0;  // of the note that was looked at
    bool witness = false, mirror = false;
  };
  Lines lines_of(const Segment& segment);
  Lines lines_in(const Note& note) const;
  Result<Note> with_lines(const Segment& segment, const std::vector<NoteSignature>& lines) const;
  void back_off(std::chrono::milliseconds& backoff, std::minstd_rand& random);
  Status ask();
  Result<HttpResponse> send(const HttpClient::Request& request);
  void compare_with_receipts(std::uint64_t size, std::uint64_t receipted);
  Error refused(const std::string& endpoint, const HttpResponse& response);
  void look_whether_closed();
  Status offer_succession();
  void succession_is_known();
  Result<std::optional<Head>> head_of(const std::string& role, std::uint64_t receipted);
  Status witness_sealed(const Segment& segment);
  // Of sealed ones: the lowest that is to go up, those whose entries are up already and whose receipt waits for one
  // that meets the quorum, and where those end whose checkpoints it needs.
  struct Turn {
    SegmentIterator first, lowest, ahead;
  };
  bool is_ready(const Segment& segment);
  SegmentIterator ahead_of(SegmentIterator lowest, SegmentIterator end);
  Status send_entries(const Turn& turn);
  Result<ReceivedReceipt> forward(const Turn& turn);
  Result<std::vector<NoteSignature>> witness(const Sent& sent);
  Status register_at_mirror(const Segment& segment);
  Result<std::vector<NoteSignature>> upload(const Segment& segment);
  Status check_intact(std::uint64_t bundle) const;
  Error tell_damaged(std::uint64_t bundle, const Error& found);
  Result<Bytes> upload_body(const Segment& segment, std::uint64_t from, const Bytes& ticket);
  Result<HttpResponse> send_part(const Segment& segment, std::uint64_t from);
  Result<Bytes> skip_body(const Segment& segment, const LossRecord& loss) const;
  Status ask_for_skip();
  Result<HttpResponse> add_checkpoint(const std::string& endpoint, const Sent& sent, std::uint64_t& known_size);
  bool is_witnessed(const Segment& segment);
  Result<Proof> proof(std::uint64_t start, std::uint64_t end, std::uint64_t size) const;
  void report(const Status& outcome);
  void report_or_no_memory(const Status& outcome);

  const Config config_;
  const Ring& ring_;
  HttpClient& client_;
  RecordQueue& queue_;
  LinkMonitor monitor_;
  std::thread thread_;
  std::atomic<bool> stopping_{false}, lacks_skip_{false};
  bool needs_skip_;
  Pulse pulse_;
  std::atomic<std::chrono::milliseconds> retry_min_, retry_max_;
  // Sizes that the other side told; 0 is always a good question.
  std::uint64_t witness_size_ = 0, mirror_size_ = 0;
  std::uint64_t registered_ = 0;   // our segments up to there are pending at the mirror; 0 after any failure
  std::uint64_t mirror_next_ = 0;  // where the mirror wants the next upload to begin
  Bytes ticket_;
  Events events_;
  bool asked_ = false;
  bool offers_succession_;
  int cosigned_in_a_row_ = 0;
  // Segments that the recorder was handed something of which the ring does not show yet.
  std::optional<std::uint64_t> handed_over_, witnessed_;
  std::map<std::uint64_t, Lines> lines_;  // of sealed segments
  std::uint64_t lineless_end_ = 0;  // up to there the witness has cosigned, by a key that the policy does not name

  mutable std::mutex stats_mutex_;
  Stats stats_;
  std::optional<Sent> early_;     // to go
  std::uint64_t early_sent_ = 0;  // the last that the witness may have cosigned
  std::pair<std::uint64_t, std::uint64_t> given_up_{};
  std::set<std::string> told_;  // since forwarding last went well
};

}  // namespace sealring
