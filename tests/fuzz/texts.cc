// What people and programs on the same machine write: configuration files, points in time, topic filters, PKCS#11 URIs,
// requests to the daemon's socket.
#include <cstdlib>
#include <ctime>

#include "collector/config.h"
#include "drivers/one_line.h"
#include "drivers/pkcs11_uri.h"
#include "drivers/toml_reader.h"
#include "gateway/config.h"
#include "gateway/config_keys.h"
#include "gateway/render.h"
#include "gateway/socket_request.h"
#include "gateway/time_spec.h"
#include "tests/fuzz/fuzz.h"

namespace sealring::fuzz {
namespace {

const std::string kFile = "/etc/sealring/sealring.toml";
constexpr std::int64_t kNow = 1'795'000'000'000'000'000;  // in 2026

// Of a file: where, and what.
void check_place(const Error& error) {
  check_error(error);
  FUZZ_CHECK_SHOW(error.message.rfind(kFile + ":", 0) == 0, error.message);
}

std::vector<std::string> levels_of(ByteView text) {
  std::vector<std::string> levels(1);
  for (const char c : text) {
    if (c == '/')
      levels.emplace_back();
    else
      levels.back() += c;
  }
  return levels;
}

// MQTT 5 §4.7 in the simplest words, for a filter that is one.
bool matches(const std::vector<std::string>& filter, const std::vector<std::string>& topic) {
  if (!topic[0].empty() && topic[0][0] == '$' && (filter[0] == "#" || filter[0] == "+")) return false;
  for (std::size_t i = 0; i < filter.size(); ++i) {
    if (filter[i] == "#") return true;
    if (i >= topic.size() || (filter[i] != "+" && filter[i] != topic[i])) return false;
    if (i + 1 == topic.size()) return filter.size() == i + 1 || (filter.size() == i + 2 && filter[i + 1] == "#");
  }
  return false;
}

}  // namespace

FUZZ_TARGET(gateway_config, 4096, 1u << 20, 1024) {
  const auto config = GatewayConfig::parse(input, kFile);
  if (!config) return check_place(config.error());
  FUZZ_CHECK(check_origin(config->origin).ok() && !config->brokers.empty());
  const ConfigDiff same = diff_config(*config, *config);
  FUZZ_CHECK(same.live.empty() && same.restart.empty());
  ok_or_checked(config->check_ring(1u << 20));
  for (const GatewayConfig::Broker& broker : config->brokers)
    for (const Subscription& s : broker.source.subscriptions) FUZZ_CHECK(check_filter(s.filter).ok());
}

FUZZ_TARGET(collector_config, 4096, 1u << 20, 1024) {
  const auto config = CollectorConfig::parse(input, kFile);
  if (!config) return check_place(config.error());
  FUZZ_CHECK(!config->archive.empty());
}

FUZZ_TARGET(setting, 512) {
  if (const auto size = parse_size(input); ok_or_checked(size)) FUZZ_CHECK(*parse_size(std::to_string(*size)) == *size);
  if (const auto time = parse_duration(input); ok_or_checked(time))
    FUZZ_CHECK(*parse_duration(std::to_string(time->count()) + "ms") == *time);
  const auto anchor = parse_anchor(input);
  if (ok_or_checked(anchor)) FUZZ_CHECK(anchor->key.encode() + " " + hex(view(anchor->genesis)) == lower_key_id(input));
}

FUZZ_TARGET(time_spec, 64) {
  static const bool utc = (::setenv("TZ", "UTC0", 1), ::tzset(), true);
  FUZZ_CHECK(utc);
  const auto time = parse_time(input, kNow);
  if (!ok_or_checked(time)) return;
  FUZZ_CHECK(*time >= 0);
  const auto again = parse_time(utc_time(*time), kNow);
  FUZZ_CHECK_SHOW(again.ok() && *again == *time, utc_time(*time));
}

// Two filters and a topic, with zero bytes between.
FUZZ_TARGET(topic_filter, 512) {
  Pieces pieces(input);
  const ByteView a = pieces.until('\0'), b = pieces.until('\0'), topic = pieces.rest();
  const bool ok_a = ok_or_checked(check_filter(a)), ok_b = ok_or_checked(check_filter(b));
  if (!ok_a || topic.empty()) return;
  FUZZ_CHECK(topic_matches(a, topic) == matches(levels_of(a), levels_of(topic)));
  FUZZ_CHECK(topic_matches("#", topic) == (topic[0] != '$'));
  FUZZ_CHECK(filters_overlap(a, a));
  if (!ok_b) return;
  FUZZ_CHECK(filters_overlap(a, b) == filters_overlap(b, a));
  const bool wild = topic.find_first_of("+#") != ByteView::npos;  // is no topic
  if (!wild && topic_matches(a, topic) && topic_matches(b, topic)) FUZZ_CHECK(filters_overlap(a, b));
}

FUZZ_TARGET(pkcs11_uri, 1024) {
  const auto uri = Pkcs11Uri::parse(input);
  if (!ok_or_checked(uri)) return;
  ok_or_checked(uri->check_names_key());
  check_message(uri->words());
  const auto again = Pkcs11Uri::parse(uri->encode());
  FUZZ_CHECK_SHOW(ok_or_checked(again), uri->encode());
  FUZZ_CHECK_SHOW(again->encode() == uri->encode(), uri->encode());
  FUZZ_CHECK(again->id == uri->id && again->object == uri->object && again->pin_source == uri->pin_source);
}

FUZZ_TARGET(socket_request, 1024, 256u << 10, 256) {
  const auto request = parse_socket_request(input);
  if (ok_or_checked(request)) {
    const std::string json = socket_request_json(*request);
    const auto again = parse_socket_request(json);
    FUZZ_CHECK_SHOW(ok_or_checked(again), json);
    FUZZ_CHECK_SHOW(socket_request_json(*again) == json, json);
    FUZZ_CHECK(again->query.topic == request->query.topic && again->index == request->index);
  }
  const auto answer = parse_socket_answer(input);
  if (answer) return;
  FUZZ_CHECK_SHOW(one_line(answer.error().message) == answer.error().message, answer.error().message);
  check_message(error_json(answer.error()));
}

}  // namespace sealring::fuzz
