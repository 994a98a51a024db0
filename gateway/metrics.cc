#include "gateway/metrics.h"

#include <algorithm>
#include <mutex>

#include "drivers/metrics_server.h"
#include "drivers/open_metrics.h"
#include "gateway/health.h"

namespace sealring {
namespace {

using Of = OpenMetrics;
using Source = Recorder::Stats::OfSource;

constexpr std::chrono::seconds kFresh{1};

void put_log(Of& out, const StatusSnapshot& s) {
  out.family(Of::info, "sealring_build", "What runs.");
  out.sample(std::uint64_t{1}, {{"version", SEALRING_VERSION}});
  out.family(Of::info, "sealring_log", "Which log it keeps, and which one that follows.");
  out.sample(std::uint64_t{1}, {{"origin", s.origin}, {"follows", s.follows}});
  out.single(Of::gauge, "sealring_start_time_seconds", "Unix time of the daemon's start.", s.started_unix);
  out.family(Of::gauge, "sealring_health", "1 for what /healthz says.");
  const Health::Level level = health_of(s).level;
  out.sample(level == Health::Level::ok, {{"status", "ok"}});
  out.sample(level == Health::Level::degraded, {{"status", "degraded"}});
  out.sample(level == Health::Level::unhealthy, {{"status", "unhealthy"}});
  out.single(Of::gauge, "sealring_log_entries", "Durable entries of the log, its size.", s.usage.size);
  out.family(Of::gauge, "sealring_segments", "Segments that are here.");
  out.sample(std::uint64_t{1}, {{"state", "open"}});
  out.sample(s.sealed, {{"state", "sealed"}});
  out.sample(s.acknowledged, {{"state", "acknowledged"}});
  out.single(Of::gauge, "sealring_epoch", "Number of the present epoch key.", s.epoch);
  if (s.epoch_age_s)
    out.single(Of::gauge, "sealring_epoch_age_seconds", "Since the present epoch began.", *s.epoch_age_s);
}

void put_ring(Of& out, const StatusSnapshot& s) {
  const std::uint64_t all = s.usage.map_bytes, used = std::min(all, s.usage.used_bytes);
  out.single(Of::gauge, "sealring_ring_size_bytes", "Size of the ring, fixed when it was made.", all);
  out.single(Of::gauge, "sealring_ring_free_bytes", "Bytes of the ring that are free, its reserve among them.",
             all - used);
  out.single(Of::gauge, "sealring_ring_reserve_bytes", "Bytes of the ring that are kept free.", s.usage.reserve_bytes);
  out.single(Of::gauge, "sealring_ring_fill_ratio", "Part of the ring in use: what is acknowledged goes on demand.",
             all == 0 ? 0.0 : static_cast<double>(used) / static_cast<double>(all));
  out.single(Of::gauge, "sealring_waiting_for_room", "1 while nothing is acknowledged because the ring is full.",
             s.recorder.waiting_for_room);
  out.single(Of::gauge, "sealring_waiting_for_disk",
             "1 while nothing is acknowledged because the store cannot be written.", !s.recorder.disk_trouble.empty());
  out.single(Of::counter, "sealring_written_bytes", "Bytes written into journal and ring.", written_bytes(s.usage));
  out.single(Of::counter, "sealring_lost_messages",
             "Messages dropped unsent, to make room or by damage; by damage, the most there can have been.",
             s.recorder.lost_messages);
  out.single(Of::counter, "sealring_losses", "Ranges dropped unsent, each under a loss entry.", s.recorder.losses);
}

void put_recorder(Of& out, const StatusSnapshot& s) {
  const Recorder::Stats& r = s.recorder;
  out.single(Of::counter, "sealring_events", "Events recorded.", r.events);
  out.single(Of::counter, "sealring_rejected_messages", "Messages recorded by size and hash only.", r.rejected);
  out.single(Of::counter, "sealring_frames", "Frames made durable: group commits.", r.frames);
  out.single(Of::counter, "sealring_suppressed_redeliveries", "Messages that came again and were known.", r.suppressed);
  out.single(Of::counter, "sealring_possible_duplicates", "Messages recorded that may be known.", r.flagged);
  out.single(Of::gauge, "sealring_queue_bytes", "What waits for the recorder.", s.queue_bytes);
  out.family(Of::histogram, "sealring_commit_seconds", "To make a frame durable, without waiting for room.");
  out.sample(r.commit_latency);
  out.family(Of::histogram, "sealring_signature_seconds", "To make a signature, by key.");
  out.sample(r.epoch_latency, {{"key", "epoch"}});
  out.sample(r.identity.latency, {{"key", "identity"}});
  out.single(Of::gauge, "sealring_identity_signs", "0 while the identity key is in trouble.",
             r.identity.trouble.empty());
  out.single(Of::gauge, "sealring_identity_held", "1 while the identity key may not sign.", r.identity.held);
  out.single(Of::gauge, "sealring_unsigned_segments", "Sealed segments that wait for the identity's signature.",
             r.identity.waiting);
  out.single(Of::gauge, "sealring_clock_synchronised", "1 when the kernel says so of the wall clock.",
             s.now.synchronised);
}

// `of`: the value of one broker; none: there is no sample.
template <class Value>
void put_each(Of& out, const StatusSnapshot& s, Of::Type type, const char* name, const char* help, Value&& of) {
  out.family(type, name, help);
  for (std::size_t i = 0; i < s.sources.size(); ++i) {
    const std::optional<std::uint64_t> value = of(s.sources[i].stats, s.recorder.sources.at(i));
    if (value) out.sample(*value, {{"broker", s.sources[i].name}});
  }
}

void put_brokers(Of& out, const StatusSnapshot& s) {
  using Stats = MqttSource::Stats;
  using Value = std::optional<std::uint64_t>;
  put_each(out, s, Of::gauge, "sealring_broker_connected", "1 while connected.",
           [](const Stats& m, const Source&) { return Value(m.connected); });
  put_each(out, s, Of::counter, "sealring_broker_connections", "Connections made.",
           [](const Stats& m, const Source&) { return Value(m.connections); });
  put_each(out, s, Of::counter, "sealring_received_messages", "Messages received, redeliveries among them.",
           [](const Stats& m, const Source&) { return Value(m.messages); });
  put_each(out, s, Of::counter, "sealring_messages", "Messages recorded.",
           [](const Stats&, const Source& r) { return Value(r.messages); });
  put_each(out, s, Of::counter, "sealring_message_bytes", "Bytes of payload recorded.",
           [](const Stats&, const Source& r) { return Value(r.payload_bytes); });
  put_each(out, s, Of::gauge, "sealring_acknowledgements_held",
           "Acknowledgements held until what they are for is durable.",
           [](const Stats& m, const Source&) { return Value(m.acks_held); });
  put_each(out, s, Of::counter, "sealring_acknowledgements_released", "Acknowledgements sent to the broker.",
           [](const Stats& m, const Source&) { return Value(m.acks_released); });
  put_each(out, s, Of::counter, "sealring_broker_dropped_messages",
           "Messages that the broker says it has dropped since its start, for all its clients.",
           [](const Stats&, const Source& r) { return r.dropped; });
}

void put_upstream(Of& out, const StatusSnapshot& s) {
  out.single(Of::gauge, "sealring_unforwarded_entries", "Entries that no receipt covers.",
             s.usage.size - std::min(s.usage.size, s.receipted_size));
  out.single(Of::gauge, "sealring_unforwarded_age_seconds",
             "Since the oldest record without a receipt was recorded; 0 when nothing but receipts waits.",
             s.oldest ? s.oldest->record_age_s.value_or(0) : std::uint64_t{0});
  out.single(Of::gauge, "sealring_receipted_entries", "Size of the log up to which receipts are here.",
             s.receipted_size);
  if (!s.forwarder) return;
  out.single(Of::gauge, "sealring_upstream_reachable", "1 when the last call to the collector went as it should.",
             s.forwarder->reachable);
  out.single(Of::gauge, "sealring_upstream_closed", "1 when the collector has closed this log by another's statement.",
             !s.forwarder->closed_by.empty());
  out.single(Of::counter, "sealring_receipts", "Segments receipted.", s.recorder.receipts);
  if (s.recorder.last_receipt_wall_ns != 0)
    out.single(Of::gauge, "sealring_last_receipt_time_seconds", "Unix time of the last receipt since the start.",
               s.recorder.last_receipt_wall_ns / 1000000000);
  out.single(Of::gauge, "sealring_witnessed_entries", "Size that the witness has cosigned since the start.",
             s.forwarder->witnessed_size);
}

void put_alarms(Of& out, const StatusSnapshot& s) {
  out.family(Of::counter, "sealring_alarms", "Alarms that began, by kind.");
  for (const auto& [kind, times] : s.alarms_begun) out.sample(times, {{"alarm", kind}});
  out.family(Of::gauge, "sealring_alarm_active", "1 while an alarm lasts.");
  for (const auto& [kind, times] : s.alarms_begun) {
    const std::string& name = kind;
    const bool lasts =
        std::any_of(s.alarms.begin(), s.alarms.end(), [&name](const Alarm& alarm) { return alarm.kind == name; });
    out.sample(lasts, {{"alarm", kind}});
  }
  out.single(Of::counter, "sealring_alarm_commands", "Runs of alarm_command.", s.alarm_command.run);
  out.single(Of::counter, "sealring_alarm_command_failures", "Runs of alarm_command that failed, or were left out.",
             s.alarm_command.failed + s.alarm_command.left_out);
}

// Made at most once a second.
class Cached {
 public:
  explicit Cached(std::function<StatusSnapshot()> make) : make_(std::move(make)) {}
  StatusSnapshot get() {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (!last_ || now - made_ >= kFresh) {
      last_ = make_();
      made_ = now;
    }
    return *last_;
  }

 private:
  const std::function<StatusSnapshot()> make_;
  std::mutex mutex_;
  std::optional<StatusSnapshot> last_;
  std::chrono::steady_clock::time_point made_;
};

HttpResponse health_answer(const Health& health) {
  const unsigned status = health.level == Health::Level::unhealthy ? 503 : 200;
  return {status, "application/json", health_json(health) + "\n"};
}

}  // namespace

std::string metrics_text(const StatusSnapshot& snapshot) {
  OpenMetrics out;
  put_log(out, snapshot);
  put_ring(out, snapshot);
  put_recorder(out, snapshot);
  put_brokers(out, snapshot);
  put_upstream(out, snapshot);
  put_alarms(out, snapshot);
  return out.text();
}

Result<std::unique_ptr<HttpServer>> serve_metrics(const ListenAddress& listen, MetricsServices services) {
  auto cached = std::make_shared<Cached>(std::move(services.snapshot));
  return start_metrics_server(
      listen, [cached] { return metrics_text(cached->get()); },
      [cached, hangs = std::move(services.hangs)] {
        const std::string words = hangs();
        if (!words.empty()) return health_answer({Health::Level::unhealthy, {words}});
        return health_answer(health_of(cached->get()));
      });
}

}  // namespace sealring
