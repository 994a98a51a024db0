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
std::string dump(const Json& json) { return json.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n"; }

Json broker_json(const MqttSource::Stats& s) {
  return {{"connected", s.connected}, {"connections", s.connections},     {"messages", s.messages},
          {"acks_held", s.acks_held}, {"acks_released", s.acks_released}, {"trouble", s.last_trouble}};
}

void put_brokers(Json& json, const std::vector<NamedSource>& sources) {
  MqttSource::Stats all;
  all.connected = true;
  json["brokers"] = Json::array();
  for (const auto& [name, s] : sources) {
    Json broker = broker_json(s);
    broker["name"] = name;
    json["brokers"].push_back(std::move(broker));
    all.connected = all.connected && s.connected;
    all.connections += s.connections;
    all.messages += s.messages;
    all.acks_held += s.acks_held;
    all.acks_released += s.acks_released;
    if (all.last_trouble.empty()) all.last_trouble = s.last_trouble;
  }
  json["broker"] = broker_json(all);
}

// When an entry that is here was recorded, in seconds before `now`; null where it is not here.
Json age_of(const Ring& ring, std::uint64_t index, const ClockReading& now) {
  const Result<Bytes> bytes = ring.entries(index, 1);
  if (!bytes) return nullptr;
  const Result<Entry> entry = decode_entry(ByteView(*bytes).substr(2));
  if (!entry) return nullptr;
  return (now.wall_ns - entry->common.wall_ns) / 1000000000;
}

// The oldest entry that no receipt covers.
Json unforwarded_json(const Ring& ring, const std::vector<Segment>& segments, const ClockReading& now) {
  for (const Segment& segment : segments)
    if (segment.state != SegmentState::acknowledged && segment.start < segment.end)
      return {{"index", segment.start}, {"age_s", age_of(ring, segment.start, now)}};
  return nullptr;
}

}  // namespace

std::uint64_t written_bytes(const Ring::Usage& usage) { return usage.journal_bytes + usage.ring_bytes; }

std::string status_json(const StatusParts& parts) {
  const auto& [ring, recorder, queue, sources, forwarder, clock, index, clients, identity, day] = parts;
  const Ring::Usage usage = ring.usage();
  const std::vector<Segment> segments = ring.segments();
  const Recorder::Stats r = recorder.stats();
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
  put_brokers(json, sources);
  json["upstream"] = nullptr;
  if (forwarder != nullptr) {
    const Forwarder::Stats f = forwarder->stats();
    json["upstream"] = {{"reachable", f.reachable},
                        {"acknowledged_size", f.acknowledged_size},
                        {"last_receipt_unix", r.last_receipt_wall_ns / 1000000000},
                        {"trouble", f.last_trouble}};
  }
  const DayCount::Today today = day.look(now.wall_ns, [&] { return written_bytes(ring.usage()); });
  json["written"] = {
      {"today_bytes", today.bytes}, {"today_since_unix", today.since_ns / 1000000000}, {"bytes", written_bytes(usage)}};
  json["clock"] = {{"unix_ns", now.wall_ns}, {"synchronised", now.synchronised}};
  json["unforwarded"] = unforwarded_json(ring, segments, now);
  json["keys"] = {{"identity", identity},
                  {"epoch", segments.back().number},
                  {"epoch_age_s", age_of(ring, segments.back().start, now)},
                  {"unsigned", r.identity.waiting},
                  {"identity_trouble", r.identity.trouble}};
  json["index"] = {{"bundles", index.bundles}, {"of", index.of}, {"memory_bytes", index.memory_bytes}};
  json["socket"] = {{"clients", clients}};
  return dump(json);
}

}  // namespace sealring
