#include "gateway/config.h"

#include "crypto/checkpoint.h"
#include "crypto/sha256.h"
#include "drivers/file.h"
#include "drivers/http.h"
#include "drivers/pkcs11_uri.h"
#include "drivers/secret_line.h"
#include "drivers/toml_reader.h"
#include "storage/limits.h"

namespace sealring {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint64_t kMaxQueueBytes = 256u << 20;
// Collectors put a segment together in memory and take at most 60 MiB; a frame may come on top of the limit.
constexpr std::uint64_t kMaxSegmentBytes = 48u << 20;
constexpr std::uint64_t kMinSegmentBytes = 64u << 10;  // below, more is signed and receipted than recorded
constexpr std::uint64_t kMaxSegmentEntries = 10'000'000;
constexpr std::size_t kMaxBrokers = 64;      // each has threads and sockets of its own
constexpr std::size_t kMaxFilters = 1000;    // of a broker; each is held against each for messages that come twice
constexpr std::size_t kMaxBrokerName = 255;  // it is repeated in every event of the broker
constexpr std::size_t kMaxMqttString = 65535;
constexpr std::size_t kMaxFileBytes = 1u << 20;

std::vector<std::string_view> levels(std::string_view filter) {
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t slash = filter.find('/');
    out.push_back(filter.substr(0, slash));
    if (slash == std::string_view::npos) return out;
    filter.remove_prefix(slash + 1);
  }
}

DiagLevel diag_level(const std::string& name) {
  if (name == "error") return DiagLevel::error;
  if (name == "warning") return DiagLevel::warning;
  if (name == "notice") return DiagLevel::notice;
  return name == "debug" ? DiagLevel::debug : DiagLevel::info;
}

// A path, or "credential:NAME".
std::string secret_source(TomlTable& table, const char* key, const std::string& fallback) {
  const std::string text = table.string(key, fallback);
  if (!is_credential(text)) return table.path(key, fallback);
  if (Status named = check_credential(text); !named) table.fail(key, named.error().message);
  return text;
}

void read_recorder(TomlTable& table, GatewayConfig::Recorder& r) {
  r.max_payload = table.size("max_payload", r.max_payload, 1024, kMaxPayloadBytes);
  r.queue_bytes = table.size("queue_bytes", r.queue_bytes, 64u << 10, kMaxQueueBytes);
  r.commit_interval = table.duration("commit_interval", r.commit_interval, milliseconds(0), seconds(10));
  r.segment_bytes = table.size("segment_bytes", r.segment_bytes, kMinSegmentBytes, kMaxSegmentBytes);
  r.segment_entries = table.integer("segment_entries", r.segment_entries, 2, kMaxSegmentEntries);
  r.segment_age = table.duration("segment_age", r.segment_age, seconds(1), hours(24));
  if (r.segment_age > minutes(10))
    table.fail("segment_age", "must be at most 10min: no epoch key lives longer, and a segment has one");
  r.drop_oldest = table.choice("when_full", "block", {"block", "drop-oldest"}) == "drop-oldest";
  r.heartbeat = table.duration("heartbeat", r.heartbeat, seconds(1), hours(24));
  if (r.queue_bytes < 2 * r.max_payload)
    table.fail("queue_bytes", "must be at least twice max_payload (" + std::to_string(r.max_payload) +
                                  " bytes): one such message waits while another one is committed");
}

void read_subscriptions(TomlTable& broker, std::vector<Subscription>& out) {
  std::vector<TomlTable> tables = broker.tables("subscriptions");
  if (!broker.has("subscriptions"))
    out.push_back({"#", 1});
  else if (tables.empty())
    broker.fail("subscriptions", "must name at least one filter, or there is nothing to record");
  const bool too_many = tables.size() > kMaxFilters;
  if (too_many)
    broker.fail("subscriptions", "has " + std::to_string(tables.size()) + " filters, and may have " +
                                     std::to_string(kMaxFilters) + ": let wildcards cover them");
  for (TomlTable& table : tables) {
    Subscription s;
    s.filter = table.required_string("filter");
    s.qos = static_cast<int>(table.integer("qos", 1, 0, 2));
    if (s.filter.empty() || too_many) continue;
    if (Status status = check_filter(s.filter); !status) table.fail("filter", status.error().message);
    for (const Subscription& other : out)
      if (filters_overlap(s.filter, other.filter))
        table.fail("filter", "overlaps with " + sealring::quoted(other.filter) +
                                 ": the broker may deliver one message twice, and each would be recorded");
    out.push_back(std::move(s));
  }
}

Status check_broker_name(std::string_view name) {
  if (name.empty()) return reject_error("must not be empty; leave it out for host:port");
  if (name.size() > kMaxBrokerName) return reject_error("has more than 255 bytes");
  for (const char c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return reject_error("has control characters");
  return {};
}

std::string endpoint(const std::string& host, std::uint16_t port) {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
}

void read_broker_tls(TomlTable& table, MqttSource::Config& b) {
  BrokerTls& tls = b.tls.emplace();
  tls.ca_file = table.required_path("ca");
  tls.server_name = table.string("server_name", b.host);
  if (tls.server_name.empty()) table.fail("server_name", "must not be empty; leave it out for the broker's host");
  tls.cert_file = table.path("cert", "");
  tls.key_file = table.path("key", "");
  if (tls.cert_file.empty() != tls.key_file.empty())
    table.fail(tls.cert_file.empty() ? "key" : "cert",
               "stands alone: a client certificate needs both cert and key, or neither");
}

void read_login(TomlTable& table, GatewayConfig::Broker& broker) {
  broker.source.username = table.string("username", "");
  if (broker.source.username.size() > kMaxMqttString || broker.source.username.find('\0') != std::string::npos)
    table.fail("username", "must have at most 65535 bytes and no zero byte");
  broker.password_file = secret_source(table, "password_file", "");
  if (!broker.password_file.empty() && broker.source.username.empty())
    table.fail("password_file", "needs a username: MQTT 3.1.1 has no password without one");
}

// `first`: of the file's brokers.
void read_broker(TomlTable& table, const GatewayConfig& config, bool first, GatewayConfig::Broker& broker) {
  MqttSource::Config& b = broker.source;
  b.host = table.string("host", "127.0.0.1");
  if (b.host.empty()) table.fail("host", "must not be empty");
  std::optional<TomlTable> tls = table.table("tls");
  b.port = static_cast<std::uint16_t>(table.integer("port", tls ? 8883 : 1883, 1, 65535));
  broker.name = table.string("name", endpoint(b.host, b.port));
  if (Status status = check_broker_name(broker.name); !status) table.fail("name", status.error().message);
  b.client_id = table.string("client_id",
                             first ? default_client_id(config.origin) : default_client_id(config.origin, broker.name));
  // Without an id of its own a client has no session, and without a session an unacknowledged message is lost.
  if (b.client_id.empty() || b.client_id.size() > kMaxMqttString) table.fail("client_id", "must have 1 to 65535 bytes");
  read_login(table, broker);
  const std::string protocol = table.choice("protocol", "auto", {"auto", "5", "3.1.1"});
  b.protocol = protocol == "5" ? 5 : protocol == "3.1.1" ? 4 : 0;
  b.receive_maximum = static_cast<std::uint16_t>(table.integer("receive_maximum", 50000, 1, 65535));
  const auto keepalive = table.duration("keepalive", seconds(30), seconds(2), seconds(65535));
  if (keepalive % seconds(1) != milliseconds(0)) table.fail("keepalive", "must be whole seconds");
  b.keepalive_s = static_cast<std::uint16_t>(keepalive / seconds(1));
  broker.watch_drops = table.boolean("watch_drops", true);
  read_subscriptions(table, b.subscriptions);
  if (tls) read_broker_tls(*tls, b);
  b.max_payload_bytes = config.recorder.max_payload;
}

void read_brokers(TomlTable& root, GatewayConfig& config) {
  std::vector<TomlTable> tables = root.tables("broker");
  if (tables.empty()) root.fail("broker", "one [[broker]] is needed: where the messages come from");
  if (tables.size() > kMaxBrokers)
    root.fail("broker", "may be there " + std::to_string(kMaxBrokers) + " times at most");
  for (TomlTable& table : tables) {
    GatewayConfig::Broker broker;
    read_broker(table, config, config.brokers.empty(), broker);
    for (const GatewayConfig::Broker& other : config.brokers) {
      const MqttSource::Config &a = broker.source, &b = other.source;
      const std::string where = endpoint(a.host, a.port);
      if (broker.name == other.name)
        table.fail("name", "= " + sealring::quoted(broker.name) +
                               " has another [[broker]], too: give each a name of its own, it is what the log says");
      if (a.host == b.host && a.port == b.port && a.client_id == b.client_id)
        table.fail("client_id", "= " + sealring::quoted(a.client_id) + " is used at " + where +
                                    " by another [[broker]], too: the two would throw each other out");
    }
    config.brokers.push_back(std::move(broker));
  }
}

void read_upstream(TomlTable& table, const GatewayConfig::Recorder& recorder, GatewayConfig::Upstream& u) {
  u.url = table.required_string("url");
  Result<Url> url = parse_https_url(u.url);
  if (!url && !u.url.empty()) table.fail("url", url.error().message);
  u.server_name = table.string("server_name", url ? url->host : "");
  if (url && u.server_name.empty()) table.fail("server_name", "must not be empty; leave it out for the url's host");
  u.ca = table.required_path("ca");
  u.cert = table.required_path("cert");
  u.key = table.required_path("key");
  u.policy = table.required_path("policy");
  u.mirror = table.required_string("mirror");
  u.foreign_mirror = table.boolean("foreign_mirror", u.foreign_mirror);
  u.retry_min = table.duration("retry_min", u.retry_min, milliseconds(50), hours(1));
  u.retry_max = table.duration("retry_max", u.retry_max, milliseconds(50), hours(24));
  u.timeout = table.duration("timeout", u.timeout, seconds(1), minutes(10));
  u.max_lag = table.duration("max_lag", u.max_lag, milliseconds(0), hours(24 * 365));
  if (u.max_lag.count() != 0 && u.max_lag <= recorder.segment_age)
    table.fail("max_lag", "must be above segment_age, or \"0s\": so long does what is recorded wait by right");
  if (u.retry_max < u.retry_min) table.fail("retry_max", "must not be below retry_min");
}

// What is dropped gets no receipt, nor does anything behind it, unless somebody takes it for dropped.
void check_when_full(TomlTable& root, const GatewayConfig& config) {
  if (!config.recorder.drop_oldest) return;
  const std::string is = "= \"drop-oldest\" ";
  if (!config.upstream)
    root.fail("recorder", "when_full " + is +
                              "needs an [upstream]: without one nothing is ever receipted, and what "
                              "stands between what was dropped fills the store all the same");
  if (config.upstream && config.upstream->foreign_mirror)
    root.fail("recorder", "when_full " + is +
                              "goes with no foreign_mirror: that one has no `skip`, and would wait for "
                              "the dropped entries for ever");
}

// "broker.0.port" -> "broker[NAME].port": the order of the brokers in the file means nothing. The subscriptions of a
// broker are one setting.
std::map<std::string, std::string> named_settings(const TomlTable& root,
                                                  const std::vector<GatewayConfig::Broker>& all) {
  std::map<std::string, std::string> out;
  const std::string broker = "broker.";
  for (const auto& [key, value] : root.settings()) {
    if (key.rfind(broker, 0) != 0) {
      out[key] = value;
      continue;
    }
    const std::size_t end = key.find('.', broker.size());
    const Result<std::uint64_t> index = from_decimal(std::string_view(key).substr(broker.size(), end - broker.size()));
    if (!index || *index >= all.size() || key.find(".subscriptions.", end) == end) continue;
    out["broker[" + all[*index].name + "]" + key.substr(end)] = value;
  }
  for (const GatewayConfig::Broker& one : all) {
    std::string& listed = out["broker[" + one.name + "].subscriptions"];
    for (const Subscription& s : one.source.subscriptions) listed += std::to_string(s.qos) + " " + s.filter + "\n";
  }
  return out;
}

// A file, a credential, or a key on a token; whether that is there is not asked here.
std::string read_identity_key(TomlTable& root, const char* key, const std::string& fallback) {
  std::string text = root.string(key, fallback);
  if (!is_pkcs11_uri(text)) text = secret_source(root, key, fallback);
  if (!is_pkcs11_uri(text)) return text;
  const Result<Pkcs11Uri> uri = Pkcs11Uri::parse(text);
  const Status usable = uri ? uri->check_names_key() : Status(uri.error());
  if (!usable) root.fail(key, usable.error().message);
  return text;
}

Result<GatewayConfig> read(TomlTable root) {
  GatewayConfig config;
  config.origin = root.required_string("origin");
  if (!config.origin.empty())
    if (Status status = check_origin(config.origin); !status) root.fail("origin", status.error().message);
  config.store = root.path("store", config.store);
  if (config.store.empty()) root.fail("store", "must not be empty");
  while (config.store.size() > 1 && config.store.back() == '/') config.store.pop_back();
  config.identity_key = read_identity_key(root, "identity_key", config.identity_key);
  if (config.identity_key.empty()) root.fail("identity_key", "must not be empty");
  config.previous_identity_key = read_identity_key(root, "previous_identity_key", "");
  config.follower_identity_key = read_identity_key(root, "follower_identity_key", "");
  config.follow_rollback = root.choice("on_rollback", "follow", {"follow", "hold"}) == "follow";
  config.socket = root.path("socket", config.socket);
  config.socket_group = root.string("socket_group", "");
  config.scrub_rate = root.size("scrub_rate", config.scrub_rate, 0, 1u << 30);
  config.diag_level = diag_level(root.choice("diag_level", "info", {"error", "warning", "notice", "info", "debug"}));
  config.alarm_command = read_alarm_command(root);
  config.alarm_quiet = root.duration("alarm_quiet", config.alarm_quiet, seconds(1), hours(24));
  config.metrics = read_metrics(root);
  if (auto recorder = root.table("recorder", TomlTable::Absent::as_empty)) read_recorder(*recorder, config.recorder);
  read_brokers(root, config);
  if (auto upstream = root.table("upstream"))
    read_upstream(*upstream, config.recorder, config.upstream.emplace(GatewayConfig::Upstream{}));
  check_when_full(root, config);
  SEALRING_TRY(root.finish());
  config.settings = named_settings(root, config.brokers);
  return config;
}

}  // namespace

std::string default_client_id(std::string_view origin) { return "sealring-" + hex(view(sha256(origin))).substr(0, 12); }

std::string default_client_id(std::string_view origin, std::string_view broker) {
  return default_client_id(std::string(origin) + "\n" + std::string(broker));
}

bool filters_overlap(std::string_view a, std::string_view b) {
  const auto left = levels(a), right = levels(b);
  const auto wild = [](std::string_view level) { return level == "#" || level == "+"; };
  // A wildcard in the first level does not match topics that begin with '$' (MQTT 5 §4.7.2).
  if (wild(left[0]) && !right[0].empty() && right[0][0] == '$') return false;
  if (wild(right[0]) && !left[0].empty() && left[0][0] == '$') return false;
  for (std::size_t i = 0;; ++i) {
    const bool left_ends = i == left.size(), right_ends = i == right.size();
    // "a/#" matches "a" as well, so a filter that ends here still meets a '#'.
    if (left_ends || right_ends) return (left_ends || left[i] == "#") && (right_ends || right[i] == "#");
    if (left[i] == "#" || right[i] == "#") return true;
    if (left[i] != "+" && right[i] != "+" && left[i] != right[i]) return false;
  }
}

Status check_filter(std::string_view filter) {
  if (filter.empty()) return reject_error("must not be empty");
  if (filter.size() > 65535) return reject_error("is longer than 65535 bytes");
  if (filter.find('\0') != std::string_view::npos) return reject_error("contains a NUL");
  const auto parts = levels(filter);
  if (parts[0] == "$share")
    return reject_error("is a shared subscription, of which the broker sends only a part to each member");
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string_view level = parts[i];
    if (level == "#" && i + 1 != parts.size()) return reject_error("'#' may only be its last level");
    if (level.size() > 1 && level.find_first_of("#+") != std::string_view::npos)
      return reject_error("'#' and '+' must be a whole level between slashes, not " + sealring::quoted(level));
  }
  return {};
}

std::string GatewayConfig::drop_warning() const {
  // Two bundles: one that a segment may share with the one before it, and one that it has for itself. The last stays.
  constexpr std::uint64_t kLeast = 2 * kBundleEntries;
  if (!recorder.drop_oldest || recorder.segment_entries >= kLeast) return "";
  return "when_full is drop-oldest, but segment_entries is " + std::to_string(recorder.segment_entries) + ": below " +
         std::to_string(kLeast) +
         " a segment may have nothing that can be dropped, and a full store then stops acknowledging, as with block";
}

Status GatewayConfig::check_ring(std::uint64_t map_bytes) const {
  if (recorder.segment_bytes <= map_bytes / 4) return {};
  return reject_error("segment_bytes " + std::to_string(recorder.segment_bytes) +
                      " is more than a quarter of the ring (" + std::to_string(map_bytes) +
                      " bytes): the ring would be full before segments can be sent and released");
}

Status GatewayConfig::load_secrets(const std::string& credentials) {
  for (Broker& broker : brokers) {
    if (broker.password_file.empty()) continue;
    Result<std::string> password = read_secret_line(broker.password_file, credentials, "password");
    if (!password) return std::move(password).error().in("password_file of broker " + sealring::quoted(broker.name));
    broker.source.password = std::move(*password);
  }
  return {};
}

Result<GatewayConfig> GatewayConfig::load(const std::string& path) {
  SEALRING_ASSIGN(const Bytes text, read_file(path, kMaxFileBytes));
  return parse(text, path);
}

Result<GatewayConfig> GatewayConfig::parse(std::string_view text, const std::string& path) {
  SEALRING_ASSIGN(TomlTable root, TomlTable::parse(text, path));
  SEALRING_ASSIGN(GatewayConfig config, read(std::move(root)));
  config.file_sha256 = sha256(text);
  return config;
}

}  // namespace sealring
