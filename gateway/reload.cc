#include "gateway/reload.h"

#include <cerrno>

#include "crypto/sha256.h"
#include "drivers/file.h"
#include "gateway/config_keys.h"

namespace sealring {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kMaxConfigBytes = 1u << 20;
constexpr std::size_t kNamedKeys = 50;  // in an event and in a line; the rest is counted
constexpr milliseconds kStatusInterval{10000};

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < kNamedKeys; ++i) out += (i ? ", " : "") + names[i];
  if (names.size() > kNamedKeys) out += " and " + std::to_string(names.size() - kNamedKeys) + " more";
  return out;
}

// "FILE:12: words" -> 12.
std::optional<std::uint64_t> line_of(const std::string& message, const std::string& path) {
  const std::string prefix = path + ":";
  if (message.rfind(prefix, 0) != 0) return std::nullopt;
  const std::size_t end = message.find(':', prefix.size());
  if (end == std::string::npos) return std::nullopt;
  const Result<std::uint64_t> line = from_decimal(std::string_view(message).substr(prefix.size(), end - prefix.size()));
  return line ? std::optional(*line) : std::nullopt;
}

}  // namespace

Recorder::Config recorder_config(const GatewayConfig& config) {
  Recorder::Config out;
  out.commit_interval = config.recorder.commit_interval;
  out.segment_bytes = config.recorder.segment_bytes;
  out.segment_entries = config.recorder.segment_entries;
  out.segment_age = config.recorder.segment_age;
  out.heartbeat = config.recorder.heartbeat;
  out.file_sha256 = config.file_sha256;
  out.drop_oldest = config.recorder.drop_oldest;
  if (config.upstream) out.mirror = config.upstream->mirror;
  return out;
}

Reload::Reload(std::string path, std::string credentials, GatewayConfig running, std::uint64_t map_bytes,
               Recorder& recorder, Forwarder* forwarder, Watch& watch)
    : path_(std::move(path)),
      credentials_(std::move(credentials)),
      running_(std::move(running)),
      map_bytes_(map_bytes),
      recorder_(recorder),
      forwarder_(forwarder),
      watch_(watch) {}

void Reload::run() {
  Bytes text;
  Result<GatewayConfig> next = read(text);
  if (!next) return refuse(next.error(), text);
  const ConfigDiff diff = diff_config(running_, *next);
  Recorder::Change change;
  change.config = recorder_config(*next);
  change.config->drop_oldest = running_.recorder.drop_oldest;  // needs a restart, as the mirror does
  if (running_.upstream) change.config->mirror = running_.upstream->mirror;
  change.details = {{"file-sha256", next->file_sha256},
                    {"result", diff.live.empty() && diff.restart.empty() ? "nothing changed" : "taken"}};
  if (!diff.live.empty()) change.details.emplace_back("changed", joined(diff.live));
  if (!diff.restart.empty()) change.details.emplace_back("needs-restart", joined(diff.restart));
  take(*next, diff);
  recorder_.change(std::move(change));
  waiting_ = joined(diff.restart);
  std::string words = "configuration read again: ";
  words += diff.live.empty() ? (waiting_.empty() ? "nothing changed" : "nothing changed yet")
                             : "changed " + joined(diff.live);
  if (!waiting_.empty()) words += "; needs a restart: " + waiting_;
  diag(waiting_.empty() ? DiagLevel::notice : DiagLevel::warning, words);
}

// The text comes back even when the file is not valid: the event has its hash.
Result<GatewayConfig> Reload::read(Bytes& text) const {
  SEALRING_ASSIGN(text, read_file(path_, kMaxConfigBytes));
  SEALRING_ASSIGN(GatewayConfig next, GatewayConfig::parse(text, path_));
  SEALRING_TRY(next.load_secrets(credentials_));
  SEALRING_TRY(next.check_ring(map_bytes_));
  return next;
}

void Reload::refuse(const Error& error, const Bytes& text) {
  Recorder::Change change;
  change.details = {{"result", "refused"}};
  if (!text.empty()) change.details.emplace_back("file-sha256", sha256(text));
  if (const auto line = line_of(error.message, path_)) change.details.emplace_back("line", *line);
  recorder_.change(std::move(change));
  diag(DiagLevel::error, "configuration not taken, going on with the old one: " + error.message);
}

void Reload::take(const GatewayConfig& next, const ConfigDiff& diff) {
  running_.diag_level = next.diag_level;
  set_diag_level(next.diag_level);
  if (forwarder_ != nullptr && next.upstream) forwarder_->set_retry(next.upstream->retry_min, next.upstream->retry_max);
  if (next.upstream) watch_.set_max_lag(next.upstream->max_lag);
  // From now on these are what a later file is compared with.
  for (const std::string& key : diff.live) running_.settings[key] = next.settings.at(key);
}

int serve_signals(ServiceManager& manager, Reload& reload, const Recorder& recorder, RecordQueue& queue,
                  const Watch& watch, const std::function<std::string()>& words) {
  const auto status = [&] {
    return words() + (reload.waiting().empty() ? "" : "; needs a restart: " + reload.waiting());
  };
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, kAgain}) sigaddset(&signals, signal);
  const bool watched = manager.watchdog_interval().count() > 0;
  const milliseconds interval = watched ? std::min(manager.watchdog_interval(), kStatusInterval) : kStatusInterval;
  auto status_due = steady_clock::now() + kStatusInterval;
  std::uint64_t turns = recorder.turns();
  manager.ready(status());
  if (watched) queue.poke();
  for (;;) {
    timespec wait{};
    wait.tv_sec = interval.count() / 1000;
    wait.tv_nsec = interval.count() % 1000 * 1000000;
    // Without a manager nobody hears: no reason to wake up.
    const int signal = manager.there() ? ::sigtimedwait(&signals, nullptr, &wait) : ::sigwaitinfo(&signals, nullptr);
    if (signal == kAgain) return signal;
    if (signal == SIGTERM || signal == SIGINT) {
      manager.stopping("stopping");
      return signal;
    }
    if (signal == SIGHUP) {
      manager.reloading();
      reload.run();
      manager.ready(status());
      continue;
    }
    if (signal < 0 && errno != EAGAIN) continue;
    const std::uint64_t now = recorder.turns();
    if (watched && now != turns && !watch.forwarder_hangs()) manager.watchdog();
    turns = now;
    if (watched) queue.poke();
    if (steady_clock::now() < status_due) continue;
    status_due = steady_clock::now() + kStatusInterval;
    manager.status(status());
  }
}

}  // namespace sealring
