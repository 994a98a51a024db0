// The recorder: turns what the sources hand over into entries, frames and segments, in the order of durability.
//
// One thread runs run(). It takes from the queue whatever came while the previous commit was under way and, per frame:
// encodes the entries, extends the tree, signs the new root with the epoch key, makes the frame durable, and only then
// releases the acknowledgements (commit() in recorder.cc is that order, step by step). It also keeps the epochs:
// seals the open segment by bytes, count or age, with a handover entry as its last. The identity's signature of a
// sealed segment follows from a thread of its own (note_signer.h), whenever that is.
//
// Each broker has its own acknowledgements, packet ids and redeliveries; they share the log, the frames and the queue.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "crypto/ed25519.h"
#include "drivers/clock.h"
#include "gateway/alarm_kinds.h"
#include "gateway/epoch_key.h"
#include "gateway/note_signer.h"
#include "gateway/queue.h"
#include "gateway/redelivery.h"
#include "storage/entry.h"
#include "storage/ring.h"

namespace sealring {

struct Droppable;

class Recorder {
 public:
  struct Config {
    std::chrono::milliseconds commit_interval{0};
    std::uint64_t segment_bytes = 4u << 20;
    std::uint64_t segment_entries = 100000;
    std::chrono::milliseconds segment_age{600000};
    std::chrono::milliseconds heartbeat{60000};
    std::optional<Hash> file_sha256;  // of the configuration; in the start event
    // When the ring is full and nothing is acknowledged: drop the oldest segment that was not sent (docs/log.md §6).
    // Only towards a collector that takes that (forwarder.h). `mirror`: its name, see droppable.h.
    bool drop_oldest = false;
    std::string mirror = {};
    // Entries that a start reads at most to find what the brokers may send again: a broker that has sent nothing for
    // long, or at QoS 0 only, has it far back. About a second.
    std::uint64_t max_tail_scan = 1000000;
  };
  // All referenced objects must outlive the recorder. `brokers`: the names of the sources, in the order of
  // SourceItem::source; an empty name is left out of the events.
  Recorder(Config config, Ring& ring, IdentitySigners identity, EpochKeys& epochs, const Clock& clock,
           RecordQueue& queue, const std::vector<std::string>& brokers = {""});
  ~Recorder();

  // Makes the recorder ready to go on where the log ends: finishes a seal that was cut short, has signed what is closed
  // but not signed, loads the epoch key and checks it against the log. A key that is lost is no reason to stop: run()
  // begins with a break then (docs/log.md §3). fatal: the key's file holds another key than the log names.
  Status open();
  // While held, the identity key signs nothing; what waits for it is signed when it is let go. Any thread.
  void hold_signatures(bool held) { notes_.hold(held); }
  // Checkpoints within the open segment, for a witness: what it has cosigned, root on this gateway can no longer
  // rewrite (docs/log.md §5). At most one in `heartbeat`, and only while `wanted` says so. Both are called on the
  // recorder's thread. Before run().
  struct Early {
    std::function<bool()> wanted;
    std::function<void(std::uint64_t size, Bytes note)> made;
  };
  void set_early(Early early) { early_ = std::move(early); }
  // `may`: whether what is dropped would be taken for that upstream. `give_up`: that the entries [start, end) are
  // going, so that nobody is shown a checkpoint of a size within from then on; false: somebody was already. Both are
  // asked before each drop, on the recorder's thread. Before run().
  struct Drops {
    std::function<bool()> may;
    std::function<bool(std::uint64_t start, std::uint64_t end)> give_up;
    // Of a damaged bundle, whose entries cannot be looked at: that a rotation was recorded in [start, end).
    std::function<bool(std::uint64_t start, std::uint64_t end)> built_on;
    // Keeps the bytes of a damaged bundle, for whoever wants to know why.
    std::function<Status(std::uint64_t bundle, ByteView bytes)> keep;
  };
  void set_drops(Drops drops) { drops_ = std::move(drops); }
  // A bundle that is to go up cannot be read as it was signed. Where that is so, and the log can do without it, run()
  // records its loss (docs/log.md §6). Any thread.
  void found_damaged(std::uint64_t bundle);
  // Where acknowledgements go. Before run().
  using Release = std::function<void(std::uint32_t source, std::uint64_t connection, std::uint64_t tag)>;
  void set_release(Release release) { release_ = std::move(release); }
  // A rotation to `current` of the signers: recorded by run(), after the event of the start. `recorded` is called with
  // the index of its entry once that is durable, and before anything else is recorded. Between open() and run().
  // reject: what ends before that entry still needs a signature, and the key before it is not among the signers.
  Status set_rotation(const Rotation& rotation, std::function<Status(std::uint64_t index)> recorded);
  // An alarm of damage that was found at the start: recorded by run(), after the event of the start. `recorded` is
  // called with its index once it is durable. Between open() and run().
  void set_incident(std::string words, std::function<Status(std::uint64_t index)> recorded) {
    incident_ = std::move(words);
    on_incident_ = std::move(recorded);
  }
  // Called on the recorder's thread when a segment was sealed and signed, or acknowledged.
  void set_on_segments(std::function<void()> on_segments) { on_segments_ = std::move(on_segments); }
  // Called on the recorder's thread after each frame: must cost next to nothing. Before run().
  // `wall_ns`: the clock as the recorder read it last.
  void set_on_commit(std::function<void(std::int64_t wall_ns)> on_commit) { on_commit_ = std::move(on_commit); }

  // For a configuration that was read again, or an alarm from elsewhere. Any thread: what is given here is taken at the
  // next turn of run(), the settings and the event about them together. Texts of the details are UTF-8.
  struct Change {
    std::optional<Config> config;  // none: the settings stay as they are
    AlarmDetails details;
    EventCode code = EventCode::config_changed;
  };
  void change(Change change);

  // Who is told when a key or the disk is in trouble; null: nobody. Its listener may call change(). Before run().
  void set_alarms(Alarms* alarms) { alarms_ = alarms; }
  std::uint64_t boot() const { return boot_; }  // as in the entries of this start. After open()

  // How often run() has come round: it does at least once after each poke() of the queue, and once a second while it
  // waits for room, unless it hangs. Any thread.
  std::uint64_t turns() const { return turns_; }

  // In place of run(), for a log that follows another one: records why, then what `next` gives until it gives none,
  // each wrapped, and moves the journal into the ring. The queue is closed. full: the ring is too small.
  struct Taken {
    std::uint64_t index = 0;  // in the log that is followed
    Bytes entry;
  };
  Status take_over(const SuccessionEntry& succession, const std::function<Result<std::optional<Taken>>()>& next);

  // Until the queue is closed; then records "stop" and moves the journal into the ring. What the disk refuses for a
  // time (full, read-only) is waited for, with the acknowledgements held; a stop need not wait for it. An error ends
  // the process: unknown, an I/O error or a commit of unknown outcome; else a broken invariant. May throw
  // std::bad_alloc: then this recorder is of no use any more, and what it had not committed comes again.
  Status run();

  struct Stats {
    std::uint64_t messages = 0, events = 0, frames = 0, suppressed = 0, flagged = 0, rejected = 0;
    std::uint64_t receipts = 0;
    std::uint64_t losses = 0, lost_messages = 0;  // dropped unsent, to make room or by damage (docs/log.md §6)
    bool waiting_for_room = false;
    bool open_has_records = false;  // the open segment: anything besides receipts, which alone are no reason to seal it
    std::uint64_t open_first_ns = 0;  // boottime of the first of them; 0: it is of an earlier run
    std::string disk_trouble;         // why nothing can be made durable just now; empty: it can
    std::string key_trouble;  // why the open segment is not sealed, or a former epoch key not erased, though it is time
    std::int64_t last_receipt_wall_ns = 0;
    NoteSigner::Stats identity;
    struct OfSource {
      std::uint64_t messages = 0, payload_bytes = 0;  // recorded; what was rejected is not among them
      std::optional<std::uint64_t> dropped;           // the broker's own count of what it dropped, as last seen
    };
    std::vector<OfSource> sources;                 // by SourceItem::source
    LatencyHistogram::Counts commit_latency = {};  // of making a frame durable, without waiting for room
    LatencyHistogram::Counts epoch_latency = {};   // of signing a frame's root with the epoch key
  };
  Stats stats() const;  // any thread

 private:
  // Entries of the next frame.
  struct Draft {
    Bytes entries;
    std::uint32_t count = 0;
    struct TailEntry {
      std::uint32_t source;
      std::uint16_t packet_id;
      std::uint64_t index;
      bool flagged;
    };
    std::vector<TailEntry> tail;
  };
  // What is known of one broker.
  struct Source {
    Source(std::string broker, Redelivery::SameContent same) : name(std::move(broker)), redelivery(std::move(same)) {}
    std::string words() const { return name.empty() ? "broker" : "broker " + name; }
    void name_in(std::vector<Detail>& details) const;  // of an event

    const std::string name;  // may be empty
    Redelivery redelivery;
    std::uint64_t connection_index = 0;                // of the broker-connected event; 0: not connected
    std::uint64_t received = 0;                        // PUBLISH packets on that connection
    std::uint64_t last_tag = 0;                        // of the last message taken from the queue, on this connection
    std::uint64_t connection = 0, tag = 0;             // released once the draft is durable
    std::chrono::steady_clock::time_point held_since;  // the newest of what is held
    bool overdue = false;                              // nothing followed in time, but the queue had something left
    std::optional<std::uint64_t> dropped;              // the broker's own count of what it dropped, as last seen
  };

  std::uint64_t next_index() const { return range_.size() + draft_.count; }
  EntryCommon common() const;
  Result<std::optional<PublicKey>> named_epoch_key() const;
  Status check_last_frame(const std::optional<PublicKey>& named) const;
  Status load_epoch_key();
  Status rebuild_tail();
  Status finish_cut_short_seal();
  Status ask_for_signatures();
  Status ask_for_early_signature();
  Status take_signatures();
  Status log_identity_trouble();
  Result<Hash> subtree_hash_at(std::uint64_t size) const;

  void gather(RecordQueue::Batch& batch);
  Status take_items(std::vector<SourceItem>&& items);
  Status take_item(SourceItem&& item);
  Status take_connected(Source& source, const SourceItem& item);
  Status take_disconnected(Source& source, const SourceItem& item);
  Status take_drops(Source& source, const SourceItem& item);
  Status add_all(Source& source, std::vector<Redelivery::ToRecord>&& records);
  Status name_connections();
  Status add_message(const SourceItem& item, std::optional<std::uint64_t> duplicate_of);
  Status add_parts(const SourceItem& item, Message message);
  Status add_rejected(const SourceItem& item, std::optional<std::uint64_t> duplicate_of, const std::string& reason);
  Status add_event(EventCode code, std::vector<Detail> details);
  using EntryBody = decltype(Entry::body);
  Status add_entry(EntryBody body);
  void append_entry(ByteView entry);
  std::array<std::uint8_t, 16> next_salt();
  void note_record();
  void note_tail(const SourceItem& item, std::uint64_t index, bool flagged);
  bool same_content(std::uint64_t index, const SourceItem& item) const;

  Status commit();        // and makes room for the next frame
  Status commit_frame();  // without that
  Status commit_as(SoftwareSigner& key, std::uint64_t epoch, const LossRecord* loss = nullptr);
  Status make_room();
  Status drop_until_room();
  Status drop(const Droppable& what);
  bool has_reports() const;
  void say_stays(std::uint64_t bundle, const std::string& found, const std::string& why);
  Result<std::optional<LossRecord>> add_damage();
  void say_left_out(const LossRecord& record);
  bool owes_seal() const;
  Status end_segment();
  Status leave_out_damaged();
  Status tell_stuck_pages();
  Result<Frame> make_frame(SoftwareSigner& key, std::uint64_t epoch, CompactRange& range, std::vector<TreeNode>& nodes);
  bool can_take_a_loss(const Status& refused, const Frame& frame) const;
  void release_acknowledgements();
  Status when_room(const std::function<Status()>& change);
  void begin_waiting(const Error& why, const char* then);
  void end_waiting();
  void set_key_trouble(const std::string& words);
  Result<bool> save_next_key(const SoftwareSigner& next);
  void erase_former_keys();
  Status append_when_room(const Frame& frame, const CompactRange& range, const std::vector<TreeNode>& nodes);
  Status take_receipts(std::vector<ReceivedReceipt>&& receipts);
  Status log_receipts();
  Status seal();
  Status close_and_sign();
  Status record_break();
  Status record_rotation();
  Status record_incident();
  bool seal_is_due() const;
  Status tick();
  Status check_clock();
  Status take_changes();
  std::chrono::steady_clock::time_point next_deadline() const;

  Config config_;  // changes on the recorder's thread only
  Ring& ring_;
  EpochKeys& epochs_;
  const Clock& clock_;
  RecordQueue& queue_;
  Release release_;
  std::function<void()> on_segments_;
  std::function<void(std::int64_t)> on_commit_;
  Early early_;
  Alarms* alarms_ = nullptr;
  Drops drops_;
  std::optional<Rotation> rotation_;
  std::function<Status(std::uint64_t)> on_rotated_;
  std::string incident_;
  std::function<Status(std::uint64_t)> on_incident_;

  const bool has_previous_;  // among the signers
  std::string origin_;
  CompactRange range_;
  std::uint64_t epoch_ = 0;
  std::unique_ptr<SoftwareSigner> epoch_key_;  // none between open() and run(): lost
  std::vector<Source> sources_;
  Source* from_ = nullptr;  // whose item is being taken
  Draft draft_;
  Bytes scratch_;
  Bytes salts_;  // random bytes not used yet
  std::size_t salts_used_ = 0;
  ClockReading now_;
  std::uint64_t boot_ = 0;
  std::uint64_t segment_bytes_ = 0;   // of the open segment
  bool segment_has_records_ = false;  // anything besides receipts: only then does age seal it
  std::chrono::steady_clock::time_point segment_began_, last_record_;
  std::vector<Bytes> receipts_to_log_;
  std::uint64_t next_to_sign_ = 0;  // segments below it were asked for
  std::uint64_t early_size_ = 0;    // of the last early checkpoint
  std::chrono::steady_clock::time_point early_asked_{};
  std::optional<std::string> identity_trouble_;  // not in the log yet; empty: it is over
  std::uint64_t stuck_told_ = 0;                 // pages of Ring::Usage::stuck_pages
  std::set<std::uint64_t> stays_;                // damaged bundles of which it was said
  std::string left_out_;                         // what is to be said of a loss by damage once it is durable
  bool may_leave_out_ = false;                   // a loss entry may be the last one of the frame
  std::set<std::uint64_t> exhausted_;            // segments that nothing more can be dropped of
  bool running_ = false;                         // only then is anything waited for
  bool closed_ = false;
  unsigned waits_ = 0;                                   // in a row, for room or for the disk
  std::chrono::steady_clock::time_point seal_again_{};   // not before: the next key could not be saved
  std::chrono::steady_clock::time_point erase_again_{};  // not before
  bool erase_owed_ = false;

  std::atomic<std::uint64_t> turns_{0};
  LatencyHistogram commit_latency_, epoch_latency_;
  mutable std::mutex stats_mutex_;
  Stats stats_;
  std::vector<Change> changes_;       // stats_mutex_
  std::set<std::uint64_t> reported_;  // stats_mutex_; damaged bundles
  NoteSigner notes_;                  // its thread pokes the queue
};

}  // namespace sealring
