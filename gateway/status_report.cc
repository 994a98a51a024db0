#include "gateway/status_report.h"

#include <nlohmann/json.hpp>

namespace sealring {
namespace {

using Json = nlohmann::ordered_json;

Json segments_json(const std::vector<Segment>& segments, std::uint64_t open_from) {
  std::uint64_t sealed = 0, acknowledged = 0;
  for (const Segment& segment : segments) {
    sealed += segment.state == SegmentState::sealed;
    acknowledged += segment.state == SegmentState::acknowledged;
  }
  return {{"open_from", open_from}, {"sealed", sealed}, {"acknowledged", acknowledged}};
}

// Reasons may hold bytes that a peer chose.
std::string dump(const Json& json) { return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n"; }

}  // namespace

std::string status_json(const Ring& ring, const Recorder& recorder, const RecordQueue& queue, const MqttSource& source,
                        const Forwarder* forwarder, const Clock& clock) {
  const Ring::Usage usage = ring.usage();
  const std::vector<Segment> segments = ring.segments();
  const Recorder::Stats r = recorder.stats();
  const MqttSource::Stats s = source.stats();
  const ClockReading now = clock.now();
  Json json;
  json["origin"] = ring.origin();
  json["running"] = true;
  json["size"] = usage.size;
  json["segments"] = segments_json(segments, segments.back().start);
  json["ring"] = {{"map_bytes", usage.map_bytes},
                  {"used_bytes", usage.used_bytes},
                  {"reserve_bytes", usage.reserve_bytes},
                  {"first_index", usage.first_index}};
  json["recorder"] = {{"messages", r.messages},
                      {"events", r.events},
                      {"rejected", r.rejected},
                      {"frames", r.frames},
                      {"suppressed_redeliveries", r.suppressed},
                      {"flagged_duplicates", r.flagged},
                      {"waiting_for_room", r.waiting_for_room},
                      {"queue_bytes", queue.bytes()},
                      {"journal_bytes", usage.journal_bytes},
                      {"moved_bytes", usage.ring_bytes}};
  json["broker"] = {{"connected", s.connected}, {"connections", s.connections},     {"messages", s.messages},
                    {"acks_held", s.acks_held}, {"acks_released", s.acks_released}, {"trouble", s.last_trouble}};
  json["upstream"] = nullptr;
  if (forwarder != nullptr) {
    const Forwarder::Stats f = forwarder->stats();
    json["upstream"] = {{"reachable", f.reachable},
                        {"acknowledged_size", f.acknowledged_size},
                        {"last_receipt_unix", r.last_receipt_wall_ns / 1000000000},
                        {"trouble", f.last_trouble}};
  }
  json["clock"] = {{"unix_ns", now.wall_ns}, {"synchronised", now.synchronised}};
  return dump(json);
}

}  // namespace sealring
