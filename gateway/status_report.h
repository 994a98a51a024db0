// What `sealring status` shows: one JSON object, from a running daemon over its socket. What asks
// for it, and what reads a store without a daemon, is status.h.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "drivers/mqtt_source.h"
#include "gateway/forwarder.h"
#include "gateway/recorder.h"

namespace sealring {

// Of a running daemon; `forwarder` may be null (no upstream). Fields, all present unless said otherwise:
//   origin, running: true, size, root_at (size of the last frame)
//   segments: {open_from, sealed, acknowledged}   first index of the open one; how many of the others
//   ring: {map_bytes, used_bytes, reserve_bytes, first_index}
//   recorder: {messages, events, rejected, frames, suppressed_redeliveries, flagged_duplicates, waiting_for_room,
//              queue_bytes, journal_bytes, moved_bytes}
//   broker: {connected, connections, messages, acks_held, acks_released, trouble}
//   upstream: null, or {reachable, acknowledged_size, last_receipt_unix, trouble}
//   clock: {unix_ns, synchronised}
std::string status_json(const Ring& ring, const Recorder& recorder, const RecordQueue& queue, const MqttSource& source,
                        const Forwarder* forwarder, const Clock& clock);

// A Unix socket (mode 0660) that answers each connection with what `answer` returns, after the line "status". A peer
// that does not send or read within two seconds is dropped. Own thread; stops at destruction and removes the socket.
class StatusServer {
 public:
  static Result<std::unique_ptr<StatusServer>> start(const std::string& path, std::function<std::string()> answer);
  virtual ~StatusServer() = default;
};

}  // namespace sealring
