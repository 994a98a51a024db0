#include "gateway/status_report.h"

#include <algorithm>

#include "gateway/health.h"
#include "gateway/json_text.h"

namespace sealring {
namespace {

std::string or_null(const std::optional<std::uint64_t>& value) { return value ? std::to_string(*value) : "null"; }

JsonText broker_json(const MqttSource::Stats& s) {
  JsonText json;
  json.put("connected", s.connected).put("connections", s.connections).put("messages", s.messages);
  json.put("acks_held", s.acks_held).put("acks_released", s.acks_released).put("trouble", s.last_trouble);
  return json;
}

void put_brokers(JsonText& json, const StatusSnapshot& snapshot) {
  MqttSource::Stats all;
  all.connected = true;
  std::string list;
  for (std::size_t i = 0; i < snapshot.sources.size(); ++i) {
    const MqttSource::Stats& s = snapshot.sources[i].stats;
    const Recorder::Stats::OfSource& recorded = snapshot.recorder.sources.at(i);
    JsonText one = broker_json(s);
    one.put("name", snapshot.sources[i].name).put("recorded", recorded.messages);
    one.put("recorded_bytes", recorded.payload_bytes).put_raw("dropped", or_null(recorded.dropped));
    list += (list.empty() ? "" : ",") + one.text();
    all.connected = all.connected && s.connected;
    all.connections += s.connections;
    all.messages += s.messages;
    all.acks_held += s.acks_held;
    all.acks_released += s.acks_released;
    if (all.last_trouble.empty()) all.last_trouble = s.last_trouble;
  }
  json.put_raw("brokers", "[" + list + "]").put("broker", broker_json(all));
}

std::string unforwarded_json(const StatusSnapshot& s) {
  if (!s.oldest) return "null";
  JsonText json;
  json.put("index", s.oldest->index).put_raw("age_s", or_null(s.oldest->age_s));
  json.put_raw("record_age_s", or_null(s.oldest->record_age_s));
  return json.put("entries", s.usage.size - s.oldest->index).text();
}

std::string losses_json(const std::vector<LossRecord>& losses) {
  std::string list;
  for (const LossRecord& loss : losses) {
    JsonText json;
    json.put("start", loss.start).put("end", loss.end).put("index", loss.index).put("messages", loss.messages);
    json.put("first_ns", loss.first_wall_ns).put("last_ns", loss.last_wall_ns);
    json.put("damaged", loss.damaged);
    list += (list.empty() ? "" : ",") + json.text();
  }
  return "[" + list + "]";
}

JsonText recorder_json(const StatusSnapshot& s) {
  const Recorder::Stats& r = s.recorder;
  JsonText json;
  json.put("messages", r.messages).put("events", r.events).put("rejected", r.rejected).put("frames", r.frames);
  json.put("suppressed_redeliveries", r.suppressed).put("flagged_duplicates", r.flagged);
  json.put("waiting_for_room", r.waiting_for_room).put("queue_bytes", s.queue_bytes);
  json.put("disk_trouble", r.disk_trouble).put("key_trouble", r.key_trouble);
  json.put("losses", r.losses).put("lost_messages", r.lost_messages);
  json.put("journal_bytes", s.usage.journal_bytes).put("moved_bytes", s.usage.ring_bytes);
  return json;
}

std::string upstream_json(const StatusSnapshot& s) {
  if (!s.forwarder) return "null";
  const Forwarder::Stats& f = *s.forwarder;
  JsonText json;
  json.put("reachable", f.reachable).put("asked", f.asked).put("contradicted", f.contradicted);
  json.put("succession_waits", f.succession_waits).put("closed_by", f.closed_by);
  json.put("witnessed_size", f.witnessed_size).put("acknowledged_size", f.acknowledged_size);
  json.put("last_receipt_unix", s.recorder.last_receipt_wall_ns / 1000000000).put("trouble", f.last_trouble);
  return json.text();
}

JsonText latency_json(const Recorder::Stats& r) {
  const auto one = [](const LatencyHistogram::Counts& counts) {
    return JsonText().put("count", counts.total()).put_raw("sum_s", std::to_string(counts.sum_seconds));
  };
  JsonText json;
  json.put("commit", one(r.commit_latency)).put("epoch_signature", one(r.epoch_latency));
  return json.put("identity_signature", one(r.identity.latency));
}

std::string alarms_json(const std::vector<Alarm>& alarms) {
  std::string list;
  for (const Alarm& alarm : alarms) {
    JsonText one;
    one.put("alarm", alarm.kind).put("words", alarm.words).put("since_unix", alarm.since_unix);
    list += (list.empty() ? "" : ",") + one.put("times", alarm.times).text();
  }
  return "[" + list + "]";
}

JsonText keys_json(const StatusSnapshot& s) {
  const NoteSigner::Stats& identity = s.recorder.identity;
  const bool recorded = identity.since != IdentitySigners::kNotYet;
  JsonText json;
  json.put("identity", s.identity).put_raw("identity_since", recorded ? std::to_string(identity.since) : "null");
  json.put("previous_identity", s.previous_identity).put("epoch", s.epoch);
  json.put_raw("epoch_age_s", or_null(s.epoch_age_s)).put("unsigned", identity.waiting);
  json.put("unsigned_early", identity.early).put("identity_held", identity.held);
  return json.put("identity_trouble", identity.trouble);
}

JsonText scrub_json(const Scrub::Stats& scrub) {
  std::string damaged;
  for (const std::uint64_t bundle : scrub.damaged) damaged += (damaged.empty() ? "" : ",") + std::to_string(bundle);
  JsonText json;
  json.put("bytes_per_second", scrub.bytes_per_second).put("next", scrub.next).put("of", scrub.end);
  json.put("laps", scrub.laps).put_raw("damaged", "[" + damaged + "]");
  return json;
}

}  // namespace

std::uint64_t written_bytes(const Ring::Usage& usage) { return usage.journal_bytes + usage.ring_bytes; }

StatusSnapshot take_snapshot(const StatusParts& parts) {
  StatusSnapshot s;
  const std::vector<Segment> segments = parts.ring.segments();
  s.origin = parts.ring.origin();
  s.follows = parts.follows;
  s.identity = parts.identity;
  s.previous_identity = parts.previous_identity;
  s.started_unix = parts.started_unix;
  s.usage = parts.ring.usage();
  s.losses = parts.ring.losses();
  s.segment_start = segments.back().start;
  s.epoch = segments.back().number;
  for (const Segment& segment : segments) {
    s.sealed += segment.state == SegmentState::sealed;
    s.acknowledged += segment.state == SegmentState::acknowledged;
  }
  s.receipted_size = receipted_size(segments);
  s.recorder = parts.recorder.stats();
  s.queue_bytes = parts.queue.bytes();
  s.sources = parts.sources;
  s.recorder.sources.resize(s.sources.size());
  if (parts.forwarder != nullptr) s.forwarder = parts.forwarder->stats();
  s.now = parts.clock.now();
  s.today = parts.day.look(s.now.wall_ns, [&parts] { return written_bytes(parts.ring.usage()); });
  const std::uint64_t boot = parts.recorder.boot();
  s.oldest = unforwarded(parts.ring, segments, parts.recorder, s.now);
  s.epoch_age_s = age_of(parts.ring, segments.back().start, boot, s.now);
  s.index = parts.index;
  s.scrub = parts.scrub;
  s.clients = parts.clients;
  s.alarms = parts.desk.alarms().active();
  s.alarms_begun = parts.desk.alarms().begun();
  s.alarm_command = parts.desk.command();
  s.hangs = parts.watch.hangs();
  return s;
}

std::string status_json(const StatusSnapshot& s) {
  JsonText json;
  json.put("origin", s.origin).put("follows", s.follows).put("running", true).put("started_unix", s.started_unix);
  json.put("size", s.usage.size).put_raw("health", health_json(health_of(s)));
  json.put("segments",
           JsonText().put("open_from", s.segment_start).put("sealed", s.sealed).put("acknowledged", s.acknowledged));
  json.put("ring", JsonText()
                       .put("map_bytes", s.usage.map_bytes)
                       .put("used_bytes", s.usage.used_bytes)
                       .put("free_bytes", s.usage.map_bytes - std::min(s.usage.map_bytes, s.usage.used_bytes))
                       .put("reserve_bytes", s.usage.reserve_bytes)
                       .put("first_index", s.usage.first_index));
  json.put_raw("losses", losses_json(s.losses));
  json.put("recorder", recorder_json(s)).put("latency", latency_json(s.recorder));
  put_brokers(json, s);
  json.put_raw("upstream", upstream_json(s));
  json.put("written", JsonText()
                          .put("today_bytes", s.today.bytes)
                          .put("today_since_unix", s.today.since_ns / 1000000000)
                          .put("bytes", written_bytes(s.usage)));
  json.put("clock", JsonText().put("unix_ns", s.now.wall_ns).put("synchronised", s.now.synchronised));
  json.put_raw("unforwarded", unforwarded_json(s));
  json.put("keys", keys_json(s)).put_raw("alarms", alarms_json(s.alarms));
  json.put("index",
           JsonText().put("bundles", s.index.bundles).put("of", s.index.of).put("memory_bytes", s.index.memory_bytes));
  json.put("scrub", scrub_json(s.scrub));
  json.put("socket", JsonText().put("clients", s.clients));
  return json.text() + "\n";
}

std::string status_line(const StatusSnapshot& s) {
  const auto connected =
      std::count_if(s.sources.begin(), s.sources.end(), [](const NamedSource& one) { return one.stats.connected; });
  std::string line = "recording " + s.origin + ", " + std::to_string(s.usage.size) + " entries; ring " +
                     std::to_string(s.usage.used_bytes * 100 / std::max<std::uint64_t>(s.usage.map_bytes, 1)) + " %; " +
                     std::to_string(connected) + " of " + std::to_string(s.sources.size()) + " brokers";
  if (s.forwarder) {
    line += s.forwarder->reachable ? "; collector there" : "; collector AWAY";
    line += ", " + std::to_string(s.usage.size - s.receipted_size) + " entries without a receipt";
  }
  const Health health = health_of(s);
  for (const std::string& reason : health.reasons) line += "; " + reason;
  return line;
}

}  // namespace sealring
