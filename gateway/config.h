// The gateway's configuration, `sealring.toml`: every key of docs/architecture.md, with its default, checked before
// anything uses it.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <vector>

#include "drivers/diag.h"
#include "drivers/mqtt_source.h"
#include "drivers/operator_config.h"

namespace sealring {

struct GatewayConfig {
  std::string origin;
  std::string store = "/var/lib/sealring/store";
  std::string identity_key = "/var/lib/sealring/identity.key";
  std::string previous_identity_key;          // empty: none
  std::string follower_identity_key;          // of a log that would follow; empty: one is made in its store
  bool follow_rollback = true;                // otherwise the operator decides what becomes of an old copy
  std::string follows;                        // of config_of_store(): the log before the one in the store; empty: none
  std::string socket = "/run/sealring/sock";  // empty: none
  std::string socket_group;                   // empty: `sealring` where that group exists
  std::uint64_t scrub_rate = 256u << 10;      // bytes a second; 0: no scrub
  DiagLevel diag_level = DiagLevel::info;
  std::vector<std::string> alarm_command;  // see drivers/alarm_command.h; empty: none
  std::chrono::milliseconds alarm_quiet{60000};
  std::optional<ListenAddress> metrics;  // none: nobody listens

  struct Recorder {
    std::uint64_t queue_bytes = 4u << 20;
    std::chrono::milliseconds commit_interval{0};
    std::uint64_t segment_bytes = 4u << 20;
    std::uint64_t segment_entries = 100000;
    std::chrono::milliseconds segment_age{600000};
    std::chrono::milliseconds heartbeat{60000};
    std::uint64_t max_payload = 1u << 20;
    bool drop_oldest = false;  // when the ring is full; only with an upstream whose mirror is no foreign one
  } recorder;

  struct Broker {
    std::string name;           // unique; in events and status
    MqttSource::Config source;  // max_payload_bytes is recorder.max_payload; the password comes by load_secrets()
    std::string password_file;  // a path, or "credential:NAME"; empty: no password
    bool watch_drops = true;    // $SYS/broker/publish/messages/dropped
  };
  std::vector<Broker> brokers;  // at least one; no two with one name, or with one host, port and client_id

  struct Upstream {
    std::string url;
    std::string server_name;  // never empty
    std::string ca, cert, key;
    std::string policy;  // file
    std::string mirror;
    bool foreign_mirror = false;
    std::chrono::milliseconds retry_min{500}, retry_max{60000};
    std::chrono::milliseconds timeout{20000};
    std::chrono::milliseconds max_lag{3600000};  // zero: no alarm
  };
  std::optional<Upstream> upstream;

  // Every key with the value that it has, given or by default, see TomlTable::settings(). A broker's are
  // "broker[NAME].port". No secret is among them: a password is in a file of its own.
  std::map<std::string, std::string> settings;
  Hash file_sha256{};  // of the text

  // Errors begin "FILE:LINE: " where a line is to blame. Paths come out relative to the file's folder.
  static Result<GatewayConfig> load(const std::string& path);
  // The same from a text; `path` is what errors name and relative paths start from.
  static Result<GatewayConfig> parse(std::string_view text, const std::string& path);

  // Reads the brokers' password files into their sources. Apart from load(), because whoever only asks the daemon may
  // not, and need not, read them. `credentials`: the folder of "credential:NAME", $CREDENTIALS_DIRECTORY; empty: none.
  // Errors name key and file.
  Status load_secrets(const std::string& credentials);

  // What can only be judged beside the store, whose size was fixed when it was made: a segment must be small enough
  // that several fit, or the ring would be full before the first one is sealed.
  Status check_ring(std::uint64_t map_bytes) const;
  // What an operator should know who has set drop-oldest and segments that are too short for it. Empty: nothing.
  std::string drop_warning() const;
};

// "sealring-" and the first 12 hex digits of SHA-256(origin): unlike the origin short enough for any broker.
std::string default_client_id(std::string_view origin);
// Of a second and further broker: of SHA-256(origin, newline, name).
std::string default_client_id(std::string_view origin, std::string_view broker);

// Whether a topic can match both filters: a broker may then deliver a message twice, and a log must not guess.
bool filters_overlap(std::string_view a, std::string_view b);
// An MQTT topic filter as MQTT 5 §4.7 allows it, not a shared subscription: of those the broker gives each member only
// a part. Otherwise reject.
Status check_filter(std::string_view filter);

}  // namespace sealring
