// The gateway's configuration, `sealring.toml`: every key of docs/architecture.md, with its default, checked before
// anything uses it.
#pragma once

#include <chrono>
#include <optional>

#include "drivers/diag.h"
#include "drivers/mqtt_source.h"

namespace sealring {

struct GatewayConfig {
  std::string origin;
  std::string store = "store";
  std::string identity_key = "identity.key";
  std::string socket = "sealring.sock";  // empty: none
  DiagLevel diag_level = DiagLevel::info;

  struct Recorder {
    std::uint64_t queue_bytes = 4u << 20;
    std::chrono::milliseconds commit_interval{0};
    std::uint64_t segment_bytes = 4u << 20;
    std::uint64_t segment_entries = 100000;
    std::chrono::milliseconds segment_age{600000};
    std::chrono::milliseconds heartbeat{60000};
    std::uint64_t max_payload = 1u << 20;
  } recorder;

  MqttSource::Config broker;  // max_payload_bytes is recorder.max_payload

  struct Upstream {
    std::string url;
    std::string server_name;  // never empty
    std::string ca, cert, key;
    std::string policy;  // file
    std::string mirror;
    std::chrono::milliseconds retry_min{500}, retry_max{60000};
    std::chrono::milliseconds timeout{20000};
  };
  std::optional<Upstream> upstream;

  // Errors begin "FILE:LINE: " where a line is to blame. Paths come out relative to the file's folder.
  static Result<GatewayConfig> load(const std::string& path);
  // The same from a text; `path` is what errors name and relative paths start from.
  static Result<GatewayConfig> parse(std::string_view text, const std::string& path);

  // What can only be judged beside the store, whose size was fixed when it was made: a segment must be small enough
  // that several fit, or the ring would be full before the first one is sealed.
  Status check_ring(std::uint64_t map_bytes) const;
};

// "sealring-" and the first 12 hex digits of SHA-256(origin): unlike the origin short enough for any broker.
std::string default_client_id(std::string_view origin);

// Whether a topic can match both filters: a broker may then deliver a message twice, and a log must not guess.
bool filters_overlap(std::string_view a, std::string_view b);
// An MQTT topic filter as MQTT 5 §4.7 allows it, not a shared subscription: of those the broker gives each member only
// a part. Otherwise reject.
Status check_filter(std::string_view filter);

}  // namespace sealring
