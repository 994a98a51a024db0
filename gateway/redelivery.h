// Exactly once into the log (docs/log.md §8): which of the messages that a broker sends again after a reconnect are in
// the log already.
//
// After a reconnect *with* session the broker first redelivers, in order and with the same packet ids, what it has no
// acknowledgement for. Acknowledgements go out in order and only for what is durable, so what is both in the log and
// redelivered is exactly the end of the log's messages of this session (the *tail*) and the beginning of what the
// broker sends. Equal payloads are the normal case in telemetry, so content alone never decides; it must be the same
// packet id and content, in order, up to the very end of the tail. Until that end is reached the messages are *held*:
// neither recorded nor acknowledged. If it is not reached (another message comes first, or nothing more), all of them
// are recorded, flagged as possible duplicates: a flagged duplicate is acceptable, a lost message is not.
//
// So the broker must be able to send that far without an acknowledgement: hence a Receive Maximum of kMaxTail.
// Mosquitto 2.0.11 has more under way than a smaller one allows as soon as anything was acknowledged, but keeps to it
// when it repeats after a restart of its own; it then waits for us as we wait for it, until the recorder gives up.
//
// A broker that gives out a packet id again as soon as it is free (a repeated id within the tail shows it) could send a
// *new* message that looks just like a recorded one. For such a broker nothing is ever suppressed, only flagged.
//
// One thread.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "drivers/mqtt_source.h"

namespace sealring {

class Redelivery {
 public:
  // Whether the record at `index` has the content of `item` (topic, payload, properties but for Message Expiry and
  // Topic Alias).
  using SameContent = std::function<bool(std::uint64_t index, const SourceItem& item)>;
  explicit Redelivery(SameContent same_content) : same_content_(std::move(same_content)) {}

  // A QoS > 0 message or rejected event of this session's lineage was recorded at `index`.
  // `flagged`: as a possible duplicate, so that its packet id appears twice without having been reused.
  void recorded(std::uint16_t packet_id, std::uint64_t index, bool flagged = false);
  // What was recorded() may be of another broker: nothing is suppressed, only flagged, until a session begins anew.
  void doubt() { doubted_ = true; }
  // There may be older records of the session than what was recorded(), fewer than kMaxTail: a redelivery of something
  // that is not among them is flagged, with connection_began() as what it may be a duplicate of. Until the broker has
  // come to what is known or new, for it repeats in order.
  void older_unknown() { older_unknown_ = true; }
  void connection_began(std::uint64_t index) { connection_ = index; }  // of the event, once it is connected()
  struct ToRecord {
    SourceItem item;
    std::optional<std::uint64_t> possible_duplicate_of;
  };
  // A connection began. With session, what was held comes once more and is forgotten here. Without, it will not: the
  // tail is of no use any more, and what was held is returned, to be recorded.
  std::vector<ToRecord> connected(bool session_present);
  // The connection ended. What is held was not acknowledged, so the broker sends it once more if it keeps the session:
  // it is kept until that is known, and no time runs out for it.
  void disconnected();

  // What is to be recorded now that `item` came: nothing (it is held, or is in the log), itself, or held ones and
  // itself.
  std::vector<ToRecord> offer(SourceItem&& item);
  // Nothing more came for a while: whatever is held is to be recorded.
  std::vector<ToRecord> give_up();

  // Acknowledgements may go up to this tag at most while something is held; none: no limit.
  std::optional<std::uint64_t> held_from_tag() const;
  bool holding() const { return !held_.empty() && !between_connections_; }
  std::uint64_t suppressed() const { return suppressed_; }  // so far

  static constexpr std::size_t kMaxHeldBytes = 16u << 20;  // more is not held back but recorded, flagged
  // Below the 65 535 packet ids, so that an id repeats only by reuse; by more than what one frame may hold, since the
  // messages of the frame that is being made are not in the tail yet.
  static constexpr std::size_t kMaxTail = 50000;

 private:
  struct TailEntry {
    std::uint16_t packet_id;
    std::uint64_t index;
    bool flagged;
  };
  std::optional<std::size_t> latest(std::uint16_t packet_id) const;
  bool ids_are_reused() const;
  std::optional<std::uint64_t> flag_for(const SourceItem& item);

  SameContent same_content_;
  std::deque<TailEntry> tail_;
  bool aligning_ = false;  // since connected(), until the first message that is not a redelivery of the tail
  bool may_suppress_ = false;
  bool doubted_ = false, older_unknown_ = false;
  std::uint64_t connection_ = 0;
  bool between_connections_ = false;
  std::size_t next_ = 0;  // in tail_, when held_ is not empty
  std::vector<ToRecord> held_;
  std::size_t held_bytes_ = 0;
  std::uint64_t suppressed_ = 0;
};

}  // namespace sealring
