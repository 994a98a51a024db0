#include "gateway/status_report.h"

#include "gateway/json_text.h"

namespace sealring {
namespace {

JsonText segments_json(const std::vector<Segment>& segments) {
  std::uint64_t sealed = 0, acknowledged = 0;
  for (const Segment& segment : segments) {
    sealed += segment.state == SegmentState::sealed;
    acknowledged += segment.state == SegmentState::acknowledged;
  }
  JsonText json;
  json.put("open_from", segments.back().start).put("sealed", sealed).put("acknowledged", acknowledged);
  return json;
}

JsonText broker_json(const MqttSource::Stats& s, const std::string* name = nullptr) {
  JsonText json;
  json.put("connected", s.connected).put("connections", s.connections).put("messages", s.messages);
  json.put("acks_held", s.acks_held).put("acks_released", s.acks_released).put("trouble", s.last_trouble);
  if (name != nullptr) json.put("name", *name);
  return json;
}

void put_brokers(JsonText& json, const std::vector<NamedSource>& sources) {
  MqttSource::Stats all;
  all.connected = true;
  std::string list;
  for (const auto& [name, s] : sources) {
    list += (list.empty() ? "" : ",") + broker_json(s, &name).text();
    all.connected = all.connected && s.connected;
    all.connections += s.connections;
    all.messages += s.messages;
    all.acks_held += s.acks_held;
    all.acks_released += s.acks_released;
    if (all.last_trouble.empty()) all.last_trouble = s.last_trouble;
  }
  json.put_raw("brokers", "[" + list + "]").put("broker", broker_json(all));
}

// When an entry that is here was recorded, in seconds before `now`; null where it is not here.
std::string age_of(const Ring& ring, std::uint64_t index, const ClockReading& now) {
  const Result<Bytes> bytes = ring.entries(index, 1);
  if (!bytes) return "null";
  const Result<Entry> entry = decode_entry(ByteView(*bytes).substr(2));
  if (!entry) return "null";
  return std::to_string((now.wall_ns - entry->common.wall_ns) / 1000000000);
}

// The oldest entry that no receipt covers.
std::string unforwarded_json(const Ring& ring, const std::vector<Segment>& segments, const ClockReading& now) {
  for (const Segment& segment : segments)
    if (segment.state != SegmentState::acknowledged && segment.start < segment.end)
      return JsonText().put("index", segment.start).put_raw("age_s", age_of(ring, segment.start, now)).text();
  return "null";
}

std::string losses_json(const Ring& ring) {
  std::string list;
  for (const LossRecord& loss : ring.losses()) {
    JsonText json;
    json.put("start", loss.start).put("end", loss.end).put("index", loss.index).put("messages", loss.messages);
    json.put("first_ns", loss.first_wall_ns).put("last_ns", loss.last_wall_ns);
    list += (list.empty() ? "" : ",") + json.text();
  }
  return "[" + list + "]";
}

JsonText recorder_json(const Recorder::Stats& r, const Ring::Usage& usage, std::uint64_t queue_bytes) {
  JsonText json;
  json.put("losses", r.losses).put("lost_messages", r.lost_messages);
  json.put("messages", r.messages).put("events", r.events).put("rejected", r.rejected).put("frames", r.frames);
  json.put("suppressed_redeliveries", r.suppressed).put("flagged_duplicates", r.flagged);
  json.put("waiting_for_room", r.waiting_for_room).put("queue_bytes", queue_bytes);
  json.put("journal_bytes", usage.journal_bytes).put("moved_bytes", usage.ring_bytes);
  return json;
}

std::string upstream_json(const Forwarder* forwarder, const Recorder::Stats& r) {
  if (forwarder == nullptr) return "null";
  const Forwarder::Stats f = forwarder->stats();
  JsonText json;
  json.put("reachable", f.reachable).put("asked", f.asked).put("contradicted", f.contradicted);
  json.put("succession_waits", f.succession_waits);
  json.put("witnessed_size", f.witnessed_size).put("acknowledged_size", f.acknowledged_size);
  json.put("last_receipt_unix", r.last_receipt_wall_ns / 1000000000).put("trouble", f.last_trouble);
  return json.text();
}

}  // namespace

std::uint64_t written_bytes(const Ring::Usage& usage) { return usage.journal_bytes + usage.ring_bytes; }

std::string status_json(const StatusParts& parts) {
  const auto& [ring, recorder, queue, sources, forwarder, clock, index, clients, identity, previous, follows, day] =
      parts;
  const Ring::Usage usage = ring.usage();
  const std::vector<Segment> segments = ring.segments();
  const Recorder::Stats r = recorder.stats();
  const ClockReading now = clock.now();
  const DayCount::Today today = day.look(now.wall_ns, [&parts] { return written_bytes(parts.ring.usage()); });
  const std::uint64_t since = r.identity.since;
  JsonText json;
  json.put("origin", ring.origin()).put("follows", follows).put("running", true).put("size", usage.size);
  json.put("segments", segments_json(segments));
  json.put("ring", JsonText()
                       .put("map_bytes", usage.map_bytes)
                       .put("used_bytes", usage.used_bytes)
                       .put("reserve_bytes", usage.reserve_bytes)
                       .put("first_index", usage.first_index));
  json.put_raw("losses", losses_json(ring));
  json.put("recorder", recorder_json(r, usage, queue.bytes()));
  put_brokers(json, sources);
  json.put_raw("upstream", upstream_json(forwarder, r));
  json.put("written", JsonText()
                          .put("today_bytes", today.bytes)
                          .put("today_since_unix", today.since_ns / 1000000000)
                          .put("bytes", written_bytes(usage)));
  json.put("clock", JsonText().put("unix_ns", now.wall_ns).put("synchronised", now.synchronised));
  json.put_raw("unforwarded", unforwarded_json(ring, segments, now));
  json.put("keys", JsonText()
                       .put("identity", identity)
                       .put_raw("identity_since", since == IdentitySigners::kNotYet ? "null" : std::to_string(since))
                       .put("previous_identity", previous)
                       .put("epoch", segments.back().number)
                       .put_raw("epoch_age_s", age_of(ring, segments.back().start, now))
                       .put("unsigned", r.identity.waiting)
                       .put("identity_held", r.identity.held)
                       .put("identity_trouble", r.identity.trouble));
  json.put("index",
           JsonText().put("bundles", index.bundles).put("of", index.of).put("memory_bytes", index.memory_bytes));
  json.put("socket", JsonText().put("clients", clients));
  return json.text() + "\n";
}

}  // namespace sealring
