// What `sealring status` shows: one JSON object, from a running daemon over its socket. What asks
// for it, and what reads a store without a daemon, is status.h.
#pragma once

#include <string>
#include <vector>

#include "drivers/mqtt_source.h"
#include "gateway/day_count.h"
#include "gateway/forwarder.h"
#include "gateway/record_index.h"
#include "gateway/recorder.h"

namespace sealring {

// Of a running daemon; `forwarder` may be null (no upstream). Fields, all present unless said otherwise:
//   origin, running: true, size
//   segments: {open_from, sealed, acknowledged}   first index of the open one; how many of the others
//   ring: {map_bytes, used_bytes, reserve_bytes, first_index}
//   losses: [{start, end, index, messages, first_ns, last_ns}]   what a full ring dropped unsent, of what is not
//   released
//           yet: entries [start, end), by loss entry `index`
//   recorder: {losses, lost_messages (since the start), messages, events, rejected, frames, suppressed_redeliveries,
//   flagged_duplicates, waiting_for_room,
//              queue_bytes, journal_bytes, moved_bytes}
//   brokers: [{name, connected, connections, messages, acks_held, acks_released, trouble}]
//   broker: the same for all together, without a name: connected when every one is, sums, the first trouble
//   upstream: null, or {reachable, acknowledged_size, last_receipt_unix, trouble}
//   written: {today_bytes, today_since_unix, bytes}   today: since midnight UTC by the gateway's clock, synchronised or
//            not, or since the start when that was later; bytes: since the start
//   clock: {unix_ns, synchronised}
//   unforwarded: null, or {index, age_s} of the oldest entry without a receipt
//   keys: {identity (vkey), identity_since, previous_identity, epoch, epoch_age_s, unsigned, identity_trouble}
//         index of the rotation that made it the identity, 0: none did, null: still to be recorded; the vkey that signs
//         beside it, or ""; an age is null while the entry it begins with is not there; how many sealed segments wait
//         for the identity's signature, and why ("": it signs)
//   index: {bundles, of, memory_bytes}   of the index by topic and time: how far it is
//   socket: {clients}   who asks now, this one included
struct NamedSource {
  std::string name;
  MqttSource::Stats stats;
};
struct StatusParts {
  const Ring& ring;
  const Recorder& recorder;
  const RecordQueue& queue;
  std::vector<NamedSource> sources;
  const Forwarder* forwarder;
  const Clock& clock;
  RecordIndex::Progress index;
  unsigned clients;
  std::string identity, previous_identity;  // vkeys; the second is empty outside the overlap of a rotation
  std::string follows;                      // origin of the log before this one; empty: none
  DayCount& day;
};
std::string status_json(const StatusParts& parts);
// What day_count.h sums up.
std::uint64_t written_bytes(const Ring::Usage& usage);

}  // namespace sealring
