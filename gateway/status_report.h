// What `sealring status` shows: one JSON object, from a running daemon over its socket. What asks
// for it, and what reads a store without a daemon, is status.h.
#pragma once

#include <string>
#include <vector>

#include "drivers/mqtt_source.h"
#include "gateway/alarm_desk.h"
#include "gateway/day_count.h"
#include "gateway/forwarder.h"
#include "gateway/record_index.h"
#include "gateway/recorder.h"
#include "gateway/watch.h"
#include "storage/scrub.h"

namespace sealring {

struct NamedSource {
  std::string name;
  MqttSource::Stats stats;
};
struct StatusParts {
  const Ring& ring;
  const Recorder& recorder;
  const RecordQueue& queue;
  std::vector<NamedSource> sources;
  const Forwarder* forwarder;  // null: no upstream
  const Clock& clock;
  RecordIndex::Progress index;
  unsigned clients;
  std::string identity, previous_identity;  // vkeys; the second is empty outside the overlap of a rotation
  std::string follows;                      // origin of the log before this one; empty: none
  Scrub::Stats scrub;
  DayCount& day;
  AlarmDesk& desk;
  const Watch& watch;
  std::int64_t started_unix;
};

// The state of a running daemon at one moment: what `status`, the metrics and health are all made from.
struct StatusSnapshot {
  std::string origin, follows, identity, previous_identity;
  std::int64_t started_unix = 0;
  Ring::Usage usage;
  std::vector<LossRecord> losses;
  std::uint64_t segment_start = 0, epoch = 0;  // of the open segment
  std::uint64_t sealed = 0, acknowledged = 0;  // how many segments
  std::uint64_t receipted_size = 0;
  Recorder::Stats recorder;
  std::uint64_t queue_bytes = 0;
  std::vector<NamedSource> sources;
  std::optional<Forwarder::Stats> forwarder;
  DayCount::Today today;
  ClockReading now;
  std::optional<Unforwarded> oldest;         // without a receipt
  std::optional<std::uint64_t> epoch_age_s;  // none while the entry it begins with is not there
  RecordIndex::Progress index;
  Scrub::Stats scrub;
  unsigned clients = 0;
  std::vector<Alarm> alarms;  // those that last
  std::map<std::string, std::uint64_t> alarms_begun;
  AlarmCommand::Stats alarm_command;
  std::string hangs;  // which thread, in words; empty: none
};
StatusSnapshot take_snapshot(const StatusParts& parts);

// Fields, all present unless said otherwise:
//   origin, running: true, started_unix, size
//   health: {status: "ok", "degraded" or "unhealthy", reasons: [words]}   see health.h
//   segments: {open_from, sealed, acknowledged}   first index of the open one; how many of the others
//   ring: {map_bytes, used_bytes, free_bytes, reserve_bytes, first_index}
//   losses: [{start, end, index, messages, first_ns, last_ns, damaged}]   what was dropped unsent and is not passed by
//           the minimum index yet: entries [start, end), by loss entry `index`; damaged: that is why, and not a full
//           ring, and `messages` is the most that there can have been
//   recorder: {messages, events, rejected, frames, suppressed_redeliveries, flagged_duplicates, waiting_for_room,
//              disk_trouble, key_trouble,
//              losses, lost_messages, queue_bytes, journal_bytes, moved_bytes}
//   latency: {commit, epoch_signature, identity_signature}   each {count, sum_s} since the start
//   brokers: [{name, connected, connections, messages, acks_held, acks_released, trouble, recorded, recorded_bytes,
//              dropped}]   dropped: by the broker's own count, for all its clients; null: it has not said
//   broker: the same for all together, without a name and the last three: connected when every one is, sums, the first
//           trouble
//   upstream: null, or {reachable, acknowledged_size, last_receipt_unix, trouble, closed_by}   closed_by: the origin
//             that follows this log at the collector by a statement that was not made here; "": none
//   written: {today_bytes, today_since_unix, bytes}   today: since midnight UTC by the gateway's clock, synchronised or
//            not, or since the start when that was later; bytes: since the start
//   clock: {unix_ns, synchronised}
//   unforwarded: null, or {index, age_s, record_age_s, entries} of the oldest entry without a receipt, of the oldest
//   one
//         that is worth forwarding (null: only receipts wait, which go with what comes next), and how many there are
//   keys: {identity (vkey), identity_since, previous_identity, epoch, epoch_age_s, unsigned, unsigned_early,
//          identity_trouble}
//         index of the rotation that made it the identity, 0: none did, null: still to be recorded; the vkey that signs
//         beside it, or ""; an age is null while the entry it begins with is not there; how many sealed segments, and
//         how many checkpoints within the open one, wait for the identity's signature, and why ("": it signs)
//   alarms: [{alarm, words, since_unix, times}]   those that last
//   index: {bundles, of, memory_bytes}   of the index by topic and time: how far it is
//   scrub: {bytes_per_second, next, of, laps, damaged: [BUNDLE, ...]}   how far the reading of all bundles is (0:
//   never),
//          completed laps since the start, and the bundles that do not have the hash that was signed
//   socket: {clients}   who asks now, this one included
std::string status_json(const StatusSnapshot& snapshot);
// What day_count.h sums up.
std::uint64_t written_bytes(const Ring::Usage& usage);
// One line for the service manager.
std::string status_line(const StatusSnapshot& snapshot);

}  // namespace sealring
