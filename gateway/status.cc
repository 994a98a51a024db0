#include "gateway/status.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "gateway/record_reader.h"
#include "gateway/render.h"
#include "gateway/rotation.h"
#include "storage/store_reader.h"

namespace sealring {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxAnswerBytes = 1u << 20;

// Looks up "a.b"; null where it is not there.
Json at(const Json& json, const char* section, const char* key) {
  if (!json.contains(section) || !json[section].is_object() || !json[section].contains(key)) return nullptr;
  return json[section][key];
}

// Reasons may hold what a peer chose: nothing of it reaches the terminal as a control character.
std::string plain(const Json& value) {
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

std::string mib(const Json& bytes) {
  if (!bytes.is_number_unsigned()) return "?";
  return std::to_string((bytes.get<std::uint64_t>() + (1u << 19)) >> 20) + " MiB";
}

void row(std::string& out, const std::string& label, const std::string& text) {
  constexpr std::size_t kLabel = 12;
  out += label + std::string(kLabel - std::min(label.size(), kLabel - 1), ' ') + text + "\n";
}

// "12 messages, 3 events" of those keys that are there.
std::string list(const Json& json, const char* section,
                 std::initializer_list<std::pair<const char*, const char*>> keys) {
  std::string out;
  for (const auto& [key, words] : keys) {
    const Json value = at(json, section, key);
    if (!value.is_null()) out += (out.empty() ? "" : ", ") + plain(value) + " " + words;
  }
  return out;
}

std::string with_trouble(std::string text, const Json& trouble) {
  if (trouble.is_string() && !trouble.get<std::string>().empty()) text += "; " + plain(trouble);
  return text;
}

std::string percent(const Json& part, const Json& whole) {
  if (!part.is_number_unsigned() || !whole.is_number_unsigned() || whole == 0u) return "?";
  return std::to_string(static_cast<int>(100.0 * part.get<double>() / whole.get<double>())) + " %";
}

std::string store_text(const Json& json) {
  const Json used = at(json, "ring", "used_bytes"), all = at(json, "ring", "map_bytes");
  return mib(used) + " of " + mib(all) + " used (" + percent(used, all) + ")";
}

constexpr std::int64_t kSecondNs = 1000000000;

// "since 00:00 UTC", or since the start when that was later.
void written_row(std::string& out, const Json& json) {
  const Json today = at(json, "written", "today_bytes"), since = at(json, "written", "today_since_unix");
  if (!since.is_number_integer() || today.is_null()) return;
  const bool all_day = since.get<std::int64_t>() % 86400 == 0;
  std::string text =
      mib(today) + " today, since " +
      (all_day ? "00:00 UTC" : "the start at " + local_time(since.get<std::int64_t>() * kSecondNs, false));
  if (all_day) text += "; " + mib(at(json, "written", "bytes")) + " since start";
  row(out, "written", text);
  if (at(json, "clock", "synchronised") == false) row(out, "", "by a clock that is not synchronised");
}

std::string span(const Json& seconds) {
  if (!seconds.is_number_integer()) return "?";
  const auto s = seconds.get<std::int64_t>();
  if (s < 120) return std::to_string(s) + " s";
  if (s < 7200) return std::to_string(s / 60) + " min";
  return s < 172800 ? std::to_string(s / 3600) + " h" : std::to_string(s / 86400) + " days";
}

void one_broker(std::string& out, const Json& broker) {
  if (!broker.is_object() || !broker.value("connected", Json()).is_boolean()) return;
  std::string text = broker.value("name", Json()).is_string() ? plain(broker["name"]) + ": " : "";
  text += broker["connected"] == true ? "connected" : "NOT CONNECTED";
  for (const auto& [key, words] :
       {std::pair{"connections", "connections"}, {"messages", "messages"}, {"acks_held", "unacknowledged"}})
    if (broker.contains(key)) text += ", " + plain(broker[key]) + " " + words;
  row(out, "broker", with_trouble(text, broker.value("trouble", Json())));
}

void broker_rows(std::string& out, const Json& json) {
  if (json.contains("brokers") && json["brokers"].is_array()) {
    for (const Json& broker : json["brokers"]) one_broker(out, broker);
  } else if (json.contains("broker")) {
    one_broker(out, json["broker"]);
  }
}

// The mean of a latency, "0.8 ms"; empty where nothing was measured.
std::string mean(const Json& json, const char* of) {
  const Json one = at(json, "latency", of);
  if (!one.is_object() || !one.value("count", Json()).is_number_unsigned() || one["count"] == 0u) return "";
  if (!one.value("sum_s", Json()).is_number()) return "";
  char out[40];
  std::snprintf(out, sizeof out, "%.1f ms", 1000 * one["sum_s"].get<double>() / one["count"].get<double>());
  return out;
}

void latency_row(std::string& out, const Json& json) {
  const std::string commit = mean(json, "commit"), identity = mean(json, "identity_signature");
  if (commit.empty()) return;
  row(out, "latency",
      "on average " + commit + " to make a frame durable" +
          (identity.empty() ? "" : ", " + identity + " for a signature of the identity key"));
}

void alarm_rows(std::string& out, const Json& json) {
  const Json now = at(json, "clock", "unix_ns");
  if (!json.contains("alarms") || !json["alarms"].is_array()) return;
  for (const Json& alarm : json["alarms"]) {
    if (!alarm.is_object()) continue;
    std::string text = plain(alarm.value("alarm", Json()));
    const Json since = alarm.value("since_unix", Json());
    if (since.is_number_integer() && now.is_number_integer())
      text += ", since " + span(now.get<std::int64_t>() / kSecondNs - since.get<std::int64_t>());
    row(out, "ALARM", text + ": " + plain(alarm.value("words", Json())));
  }
}

void health_row(std::string& out, const Json& json) {
  const Json status = at(json, "health", "status"), reasons = at(json, "health", "reasons");
  if (!status.is_string() || status == "ok" || !reasons.is_array()) return;
  std::string list;
  for (const Json& reason : reasons) list += (list.empty() ? "" : "; ") + plain(reason);
  row(out, "health", (status == "unhealthy" ? "UNHEALTHY: " : "degraded: ") + list);
}

void more_rows(std::string& out, const Json& json) {
  if (!at(json, "unforwarded", "index").is_null())
    row(out, "unforwarded",
        "from entry " + plain(at(json, "unforwarded", "index")) + " on, recorded " +
            span(at(json, "unforwarded", "age_s")) + " ago" +
            (at(json, "unforwarded", "entries").is_null()
                 ? ""
                 : "; " + plain(at(json, "unforwarded", "entries")) + " entries"));
  if (!at(json, "keys", "epoch").is_null())
    row(out, "keys",
        "epoch " + plain(at(json, "keys", "epoch")) + ", " + span(at(json, "keys", "epoch_age_s")) + " old; identity " +
            plain(at(json, "keys", "identity")));
  else if (!at(json, "keys", "identity").is_null())
    row(out, "keys", "identity " + plain(at(json, "keys", "identity")));
  const Json since = at(json, "keys", "identity_since"), previous = at(json, "keys", "previous_identity");
  if (since.is_number_unsigned() && since != 0u)
    row(out, "",
        "which was rotated at entry " + plain(since) +
            (previous.is_string() && previous != "" ? "; beside it signs " + plain(previous) : ""));
  const Json trouble = at(json, "keys", "identity_trouble");
  if (trouble.is_string() && trouble != "")
    row(out, "identity",
        with_trouble("DOES NOT SIGN, " + plain(at(json, "keys", "unsigned")) + " segments wait", trouble));
  else if (at(json, "keys", "identity_held") == true)
    row(out, "identity",
        at(json, "upstream", "contradicted") == true
            ? "HELD: this store is an old copy of the log, and nothing is signed in it any more"
        : !json.contains("upstream") || !json["upstream"].is_object()
            ? "HELD: the journal was lost, and nothing is signed until sealringd is started with --assume-current"
            : "held until the collector has said what it has of this log; " + plain(at(json, "keys", "unsigned")) +
                  " segments wait");
  const Json done = at(json, "index", "bundles"), all = at(json, "index", "of");
  if (done.is_number_unsigned() && all.is_number_unsigned() && done < all)
    row(out, "index", percent(done, all) + " built; until then looking takes longer");
}

void upstream_row(std::string& out, const Json& json) {
  if (!json.contains("upstream")) return;
  if (json["upstream"].is_null()) return row(out, "upstream", "none: nothing is forwarded");
  const Json reachable = at(json, "upstream", "reachable");
  if (!reachable.is_boolean()) return;
  const std::string size = plain(at(json, "upstream", "acknowledged_size"));
  row(out, "upstream",
      with_trouble(
          (reachable.get<bool>() ? "reachable" : "NOT REACHABLE") + std::string(", receipts up to size ") + size,
          at(json, "upstream", "trouble")));
  const Json closed = at(json, "upstream", "closed_by");
  if (closed.is_string() && closed != "")
    row(out, "", "CLOSED there: " + plain(closed) + " follows this log, by a statement that was not made here");
  const Json last = at(json, "upstream", "last_receipt_unix"), now = at(json, "clock", "unix_ns");
  if (!last.is_number_integer()) return;
  if (last == 0) return row(out, "receipts", "none came since start");
  std::string text = "the last at " + local_time(last.get<std::int64_t>() * kSecondNs, false);
  if (now.is_number_integer())
    text += ", " + span(now.get<std::int64_t>() / kSecondNs - last.get<std::int64_t>()) + " ago";
  row(out, "receipts", text);
}

// What a full ring dropped, of what it still knows.
void loss_rows(std::string& out, const Json& json) {
  const Json losses = json.value("losses", Json());
  if (!losses.is_array() || losses.empty()) return;
  std::uint64_t messages = 0;
  for (const Json& loss : losses) messages += loss.value("messages", std::uint64_t{0});
  row(out, "LOST",
      std::to_string(messages) + " messages at most, dropped unsent when the store was full, or lost by damage:");
  for (const Json& loss : losses)
    row(out, "",
        "entries " + plain(loss.value("start", Json())) + " to " +
            std::to_string(loss.value("end", std::uint64_t{1}) - 1) + ", " + plain(loss.value("messages", Json())) +
            " messages, recorded from " + local_time(loss.value("first_ns", std::int64_t{0}), false) + " to " +
            local_time(loss.value("last_ns", std::int64_t{0}), false) + "; loss entry " +
            plain(loss.value("index", Json())));
}

std::string text_of(const Json& json) {
  std::string out;
  if (json.contains("origin")) row(out, "log", plain(json["origin"]));
  const Json follows = json.value("follows", Json());
  if (follows.is_string() && follows != "")
    row(out, "",
        "which follows " + plain(follows) +
            (at(json, "upstream", "succession_waits") == true ? "; the collector has not taken that yet" : ""));
  if (json.contains("running")) row(out, "daemon", json["running"] == true ? "running" : "not running");
  if (json.contains("size")) row(out, "size", plain(json["size"]) + (json["size"] == 1 ? " entry" : " entries"));
  const std::string segments =
      list(json, "segments", {{"sealed", "sealed and not receipted"}, {"acknowledged", "receipted and still here"}});
  if (!segments.empty()) row(out, "segments", segments + ", open from " + plain(at(json, "segments", "open_from")));
  if (!at(json, "ring", "used_bytes").is_null())
    row(out, "store", store_text(json));
  else if (!at(json, "ring", "map_bytes").is_null())
    row(out, "store", mib(at(json, "ring", "map_bytes")));
  loss_rows(out, json);
  health_row(out, json);
  alarm_rows(out, json);
  const Json damaged = at(json, "scrub", "damaged");
  if (damaged.is_array() && !damaged.empty())
    row(out, "",
        "DAMAGED: " + std::to_string(damaged.size()) + " bundles, the first is " + plain(damaged[0]) +
            ": their entries cannot be proven here any more");
  written_row(out, json);
  if (at(json, "recorder", "waiting_for_room") == true)
    row(out, "", "FULL: the broker is not read until a receipt comes");
  for (const auto& [key, words] :
       {std::pair{"disk_trouble", "NOT WRITABLE: the broker is not read"}, {"key_trouble", "EPOCH TOO LONG"}})
    if (const Json trouble = at(json, "recorder", key); trouble.is_string() && trouble != "")
      row(out, "", with_trouble(words, trouble));
  const std::string recorded = list(json, "recorder",
                                    {{"messages", "messages"},
                                     {"events", "events"},
                                     {"rejected", "rejected"},
                                     {"flagged_duplicates", "possible duplicates"},
                                     {"suppressed_redeliveries", "redeliveries left out"}});
  if (!recorded.empty()) row(out, "recorded", recorded + " since start");
  const Json lost = at(json, "recorder", "lost_messages");
  if (lost.is_number_unsigned() && lost != 0u) row(out, "LOST", plain(lost) + " messages, unsent, to make room");
  latency_row(out, json);
  broker_rows(out, json);
  upstream_row(out, json);
  more_rows(out, json);
  const Json synchronised = at(json, "clock", "synchronised");
  if (synchronised.is_boolean()) row(out, "clock", synchronised == true ? "synchronised" : "NOT synchronised");
  return out;
}

}  // namespace

Result<std::string> ask_status(const std::string& socket_path, std::chrono::milliseconds timeout) {
  SEALRING_ASSIGN(const auto client, SocketClient::ask(socket_path, socket_request_json({})));
  SEALRING_ASSIGN(std::string answer, client->rest(timeout, kMaxAnswerBytes));
  if (answer.empty()) return retry_error(socket_path + ": the daemon hung up without an answer");
  const Json json = Json::parse(answer, nullptr, false);
  if (json.is_object() && json.contains("error")) SEALRING_TRY(parse_socket_answer(answer));
  return answer;
}

Result<std::string> offline_status_json(const std::string& store_directory) {
  SEALRING_ASSIGN(const auto store, StoreReader::open(store_directory));
  std::uint64_t sealed = 0, acknowledged = 0;
  for (const Segment& segment : store->segments()) {
    sealed += segment.state == SegmentState::sealed;
    acknowledged += segment.state == SegmentState::acknowledged;
  }
  nlohmann::ordered_json json;
  json["origin"] = store->state().origin;
  json["running"] = false;
  json["size"] = store->size();
  json["segments"] = {{"open_from", store->state().segment_start}, {"sealed", sealed}, {"acknowledged", acknowledged}};
  json["ring"] = {{"map_bytes", store->map_bytes()}, {"first_index", store->first_index()}};
  json["losses"] = nlohmann::ordered_json::array();
  for (const LossRecord& loss : store->losses())
    json["losses"].push_back({{"start", loss.start},
                              {"end", loss.end},
                              {"index", loss.index},
                              {"messages", loss.messages},
                              {"first_ns", loss.first_wall_ns},
                              {"last_ns", loss.last_wall_ns},
                              {"damaged", loss.damaged}});
  const std::string& origin = store->state().origin;
  SEALRING_ASSIGN(const StoreIdentity identity, store_identity(store_directory, origin, entries_of(*store)));
  if (identity.key)
    json["keys"] = {{"identity", VerifierKey{origin, KeyType::ed25519, *identity.key}.encode()},
                    {"identity_since", identity.since}};
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

Result<std::string> status_text(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return reject_error("the answer is not a status: not a JSON object");
  return text_of(json);
}

}  // namespace sealring
