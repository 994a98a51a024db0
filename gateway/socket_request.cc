#include "gateway/socket_request.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "drivers/one_line.h"
#include "gateway/config.h"
#include "gateway/json_text.h"

namespace sealring {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxRecords = 1000000000;

using Pairs = std::vector<std::pair<std::string, Json>>;

// The values of one JSON object; what is nested comes as null, which nothing here may be. Not as one Json: that takes
// memory to be destroyed (json_text.h), and a request is a stranger's.
class FlatObject final : public nlohmann::json_sax<Json> {
 public:
  static std::optional<Pairs> parse(std::string_view text) {
    FlatObject object;
    if (text.find('\0') != std::string_view::npos) return std::nullopt;  // to the parser it would be the end
    if (!Json::sax_parse(text, &object)) return std::nullopt;
    return std::move(object.pairs_);
  }

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return enter(true); }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override { return enter(false); }
  bool end_array() override { return leave(); }
  bool key(string_t& value) override {
    if (depth_ == 1) key_ = std::move(value);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) override { return false; }

 private:
  bool put(Json value) {
    if (depth_ == 0) return false;
    if (depth_ == 1) pairs_.emplace_back(std::move(key_), std::move(value));
    return true;
  }
  bool enter(bool object) {
    const bool fits = depth_ == 0 ? object : put(nullptr);
    ++depth_;
    return fits;
  }
  bool leave() {
    --depth_;
    return true;
  }

  Pairs pairs_;
  std::string key_;
  std::size_t depth_ = 0;
};

// Takes values out of a JSON object; what is left at the end does not belong there.
class Fields {
 public:
  explicit Fields(Pairs pairs) : pairs_(std::move(pairs)) {}

  template <class T, class Is>
  void take(const char* key, T& out, Is is, const char* type) {
    const auto it = find(key);
    if (it == pairs_.end() || !status_.ok()) return;
    if (is(it->second))
      out = it->second.template get<typename Plain<T>::type>();
    else
      status_ = reject_error(std::string(key) + " must be " + type);
    pairs_.erase(it);
  }
  template <class T>
  void unsigned_number(const char* key, T& out) {
    take(
        key, out, [](const Json& v) { return v.is_number_unsigned(); }, "a whole number from 0 on");
  }
  void time(const char* key, std::optional<std::int64_t>& out) {
    const auto fits = [](const Json& v) {
      return v.is_number_integer() && (!v.is_number_unsigned() || v.get<std::uint64_t>() <= INT64_MAX);
    };
    take(key, out, fits, "nanoseconds since 1970");
  }
  Status end() {
    if (status_.ok() && !pairs_.empty())
      return reject_error(sealring::quoted(pairs_.front().first) + " is not known here, or is there twice");
    return status_;
  }
  bool has(const char* key) { return find(key) != pairs_.end(); }

 private:
  Pairs::iterator find(const char* key) {
    return std::find_if(pairs_.begin(), pairs_.end(), [&](const auto& pair) { return pair.first == key; });
  }
  template <class T>
  struct Plain {
    using type = T;
  };
  template <class T>
  struct Plain<std::optional<T>> {
    using type = T;
  };
  Pairs pairs_;
  Status status_;
};

Status take_query(Fields& fields, SocketRequest& request) {
  RecordQuery& q = request.query;
  const auto is_string = [](const Json& v) { return v.is_string(); };
  const auto is_boolean = [](const Json& v) { return v.is_boolean(); };
  std::optional<std::string> topic;
  fields.unsigned_number("from", q.from);
  fields.unsigned_number("last", q.last);
  fields.unsigned_number("count", q.count);
  fields.take("topic", topic, is_string, "a string");
  fields.time("since", q.since_ns);
  fields.time("until", q.until_ns);
  fields.take("follow", request.follow, is_boolean, "true or false");
  SEALRING_TRY(fields.end());
  for (const auto& [key, value] : {std::pair{"last", q.last}, std::pair{"count", q.count}})
    if (value && (*value == 0 || *value > kMaxRecords)) return reject_error(std::string(key) + " must be 1 to 10^9");
  if (!topic) return {};
  Status filter = check_filter(*topic);
  if (!filter.ok()) return std::move(filter).error().in("topic");
  q.topic = std::move(*topic);
  return {};
}

const char* kind_name(ErrorKind kind) {
  if (kind == ErrorKind::missing) return "missing";
  return kind == ErrorKind::retry || kind == ErrorKind::busy || kind == ErrorKind::full ? "retry" : "reject";
}

std::optional<Segment> take_segment(const Json& json) {
  const Json start = json.value("start", Json()), end = json.value("end", Json()), state = json.value("state", Json());
  if (!start.is_number_unsigned() || !end.is_number_unsigned()) return std::nullopt;
  Segment segment;
  segment.start = start.get<std::uint64_t>();
  segment.end = end.get<std::uint64_t>();
  for (const SegmentState s : {SegmentState::open, SegmentState::sealed, SegmentState::acknowledged})
    if (state == segment_state_name(s)) segment.state = s;
  return segment;
}

}  // namespace

Result<SocketRequest> parse_socket_request(std::string_view line) {
  std::optional<Pairs> pairs = FlatObject::parse(line);
  if (!pairs) return reject_error("a request is one JSON object in a line");
  Fields fields(std::move(*pairs));
  std::string get;
  fields.take(
      "get", get, [](const Json& v) { return v.is_string(); }, "a string");
  SocketRequest request;
  if (get == "records") {
    request.get = SocketRequest::Get::records;
    SEALRING_TRY(take_query(fields, request));
    return request;
  }
  if (get == "proof" || get == "payload") {
    request.get = get == "proof" ? SocketRequest::Get::proof : SocketRequest::Get::payload;
    if (!fields.has("index")) return reject_error("index is missing");
    fields.unsigned_number("index", request.index);
  } else if (get != "status") {
    return reject_error("get must be \"status\", \"records\", \"proof\" or \"payload\"");
  }
  SEALRING_TRY(fields.end());
  return request;
}

std::string socket_request_json(const SocketRequest& request) {
  JsonText json;
  const RecordQuery& q = request.query;
  switch (request.get) {
    case SocketRequest::Get::status:
      json.put("get", "status");
      break;
    case SocketRequest::Get::proof:
    case SocketRequest::Get::payload:
      json.put("get", request.get == SocketRequest::Get::proof ? "proof" : "payload");
      json.put("index", request.index);
      break;
    case SocketRequest::Get::records:
      json.put("get", "records").put("from", q.from);
      if (q.last) json.put("last", *q.last);
      if (q.count) json.put("count", *q.count);
      if (!q.topic.empty()) json.put("topic", q.topic);
      if (q.since_ns) json.put("since", *q.since_ns);
      if (q.until_ns) json.put("until", *q.until_ns);
      if (request.follow) json.put("follow", true);
      break;
  }
  return json.text();
}

std::string error_json(const Error& error) {
  return JsonText().put("error", error.message).put("kind", kind_name(error.kind)).text();
}

std::optional<Segment> segment_of(const LogView& log, std::uint64_t index) {
  for (Segment& segment : log.segments()) {
    if (index < segment.start || index >= segment.end) continue;
    segment.note.clear();
    return std::move(segment);
  }
  return std::nullopt;
}

std::string records_head_json(const LogView& log, std::optional<std::uint64_t> index) {
  JsonText json;
  json.put("records", true).put("origin", log.origin());
  json.put("first_index", log.first_index()).put("size", log.size());
  std::optional<Segment> segment;
  if (index) segment = segment_of(log, *index);
  if (segment)
    json.put("segment", JsonText()
                            .put("start", segment->start)
                            .put("end", segment->end)
                            .put("state", segment_state_name(segment->state)));
  return json.text();
}

std::string end_json(std::uint64_t next) { return JsonText().put("end", next).text(); }

std::string skipped_json(std::uint64_t from, std::uint64_t count, std::optional<std::uint64_t> loss) {
  JsonText range = JsonText().put("from", from).put("count", count);
  if (loss) range.put("loss", *loss);
  return JsonText().put("skipped", range).text();
}

std::string proof_head_json(std::uint64_t bytes, std::uint64_t size, bool receipted) {
  return JsonText().put("proof_bytes", bytes).put("size", size).put("receipted", receipted).text();
}

std::string payload_head_json(std::uint64_t bytes) { return JsonText().put("payload_bytes", bytes).text(); }

Result<SocketAnswer> parse_socket_answer(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return reject_error("the answer is not one of sealringd");
  if (json.contains("error") && json["error"].is_string()) {
    const Json kind = json.value("kind", Json());
    return Error{kind == "missing" ? ErrorKind::missing
                 : kind == "retry" ? ErrorKind::retry
                                   : ErrorKind::reject,
                 one_line(json["error"].get_ref<const std::string&>())};  // of whoever listens there
  }
  SocketAnswer answer;
  const auto number_in = [](const Json& object, const char* key, std::uint64_t& out) {
    if (object.contains(key) && object[key].is_number_unsigned()) out = object[key].get<std::uint64_t>();
  };
  const auto number = [&](const char* key, std::uint64_t& out) { number_in(json, key, out); };
  if (json.contains("origin") && json["origin"].is_string()) answer.origin = json["origin"].get<std::string>();
  number("first_index", answer.first_index);
  number("size", answer.size);
  number("proof_bytes", answer.bytes);
  number("payload_bytes", answer.bytes);
  answer.receipted = json.contains("receipted") && json["receipted"] == true;
  if (json.contains("segment") && json["segment"].is_object()) answer.segment = take_segment(json["segment"]);
  if (json.contains("skipped") && json["skipped"].is_object()) {
    number_in(json["skipped"], "from", answer.skipped_from);
    number_in(json["skipped"], "count", answer.skipped);
    std::uint64_t loss = 0;  // entry 0 is none
    number_in(json["skipped"], "loss", loss);
    if (loss != 0) answer.skipped_loss = loss;
  }
  return answer;
}

void put_record(std::string& out, std::uint64_t index, ByteView entry) {
  put_u64(out, index);
  put_u16(out, static_cast<std::uint16_t>(entry.size()));
  out += entry;
}

}  // namespace sealring
