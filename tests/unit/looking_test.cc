// What is behind tail and show: queries, the index, times, how records are shown, requests.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "crypto/merkle.h"
#include "gateway/record_index.h"
#include "gateway/render.h"
#include "gateway/render_payload.h"
#include "gateway/time_spec.h"
#include "tests/unit/fake_log.h"

using namespace sealring;
using namespace sealring::test;

namespace {

std::vector<std::uint64_t> found(const FakeLog& log, const RecordQuery& query, const RecordIndex* index = nullptr) {
  RecordCursor cursor(log, query, index);
  REQUIRE(cursor.seek([] { return false; }).ok());
  std::vector<FoundEntry> entries;
  for (;;) {
    const Result<bool> more = cursor.next(entries);
    REQUIRE(more);
    if (!*more) break;
  }
  std::vector<std::uint64_t> out;
  for (const FoundEntry& entry : entries) out.push_back(entry.index);
  return out;
}

// Topics and times in an order that is none: the clock steps back now and then.
FakeLog a_log(std::size_t n) {
  FakeLog log;
  for (std::size_t i = 0; i < n; ++i) {
    const auto step = static_cast<std::int64_t>(i % 1000 < 500 ? i : i - 300);
    log.add_message(1000 * step, "site" + std::to_string(i / 700) + "/dev" + std::to_string(i % 7) + "/t");
  }
  return log;
}

Record record_of(const Message& message) {
  Record record;
  record.index = 42;
  REQUIRE(encode_entry({EntryCommon{}, message}, record.entry).ok());
  record.payload = Bytes(message.payload);
  return record;
}

constexpr std::int64_t kNow = 1700000000000000000;

}  // namespace

TEST_CASE("which topics a filter matches", "[looking]") {
  struct Row {
    const char *filter, *topic;
    bool matches;
  };
  for (const Row& row :
       {Row{"a/b", "a/b", true}, {"a/b", "a/b/c", false},  {"a/b", "a", false},        {"a/+", "a/b", true},
        {"a/+", "a/b/c", false}, {"a/+", "a/", true},      {"a/+", "a", false},        {"+", "a", true},
        {"+", "/a", false},      {"+/+", "/a", true},      {"/+", "/a", true},         {"#", "a/b", true},
        {"a/#", "a", true},      {"a/#", "a/b/c", true},   {"a/#", "ab", false},       {"+/b/#", "a/b", true},
        {"#", "$SYS/x", false},  {"+/x", "$SYS/x", false}, {"$SYS/#", "$SYS/x", true}, {"a", "A", false},
        {"a/b/#", "a", false}}) {
    INFO(row.filter << " and " << row.topic);
    CHECK(topic_matches(row.filter, row.topic) == row.matches);
  }
}

TEST_CASE("the index leaves out nothing that matches", "[looking]") {
  const int steps = GENERATE(0, 3, 1000);
  FakeLog log = a_log(5000);
  RecordIndex index(log);
  for (int i = 0; i < steps && index.step();) ++i;
  std::vector<RecordQuery> queries(1);
  for (const char* topic : {"site3/dev2/t", "site3/#", "+/dev1/t", "site9/#", "#", "+/+/t", "nothing"}) {
    RecordQuery q;
    q.topic = topic;
    queries.push_back(q);
    q.since_ns = 1000000;
    q.until_ns = 1800000;
    queries.push_back(q);
    q.last = 7;
    queries.push_back(q);
    q.last.reset();
    q.count = 5;
    q.from = 600;
    queries.push_back(q);
  }
  std::size_t hits = 0;
  for (const RecordQuery& q : queries) {
    INFO(q.topic << " since " << q.since_ns.value_or(-1));
    const auto plain = found(log, q);
    CHECK(found(log, q, &index) == plain);
    std::vector<std::uint64_t> naive;  // the words of record_query.h, one by one
    for (std::uint64_t i = q.from; i < log.size(); ++i) {
      const Result<Entry> entry = decode_entry(log.list[i]);
      const std::int64_t t = entry->common.wall_ns;
      if (q.since_ns && (t < *q.since_ns || t >= *q.until_ns)) continue;
      if (q.topic.empty() || topic_matches(q.topic, std::get<Message>(entry->body).topic)) naive.push_back(i);
    }
    if (q.last && naive.size() > *q.last) naive.erase(naive.begin(), naive.end() - static_cast<long>(*q.last));
    if (q.count && naive.size() > *q.count) naive.resize(*q.count);
    CHECK(plain == naive);
    hits += naive.size();
  }
  CHECK(hits > 1000);
}

TEST_CASE("the index spares reading", "[looking]") {
  FakeLog log = a_log(256 * 40);
  RecordIndex index(log);
  while (index.step()) {
  }
  CHECK(index.progress().bundles == 40);
  CHECK(index.progress().of == 40);
  RecordQuery q;
  q.topic = "site5/dev3/t";
  log.reads = 0;
  CHECK(found(log, q, &index).size() == 100);
  CHECK(log.reads <= 4);
  q.topic.clear();
  q.since_ns = 1000 * 10200;
  log.reads = 0;
  CHECK_FALSE(found(log, q, &index).empty());
  CHECK(log.reads <= 3);
}

TEST_CASE("the index follows a log that grows and is released", "[looking]") {
  FakeLog log = a_log(256 * 4 + 10);
  RecordIndex index(log);
  while (index.step()) {
  }
  CHECK(index.progress().bundles == 4);
  for (int i = 0; i < 600; ++i) log.add_message(1, "new/topic");
  log.first = 512;
  while (index.step()) {
  }
  CHECK(index.progress().bundles == 4);  // of 6, two were released
  CHECK(index.progress().of == 4);
  RecordQuery q;
  q.topic = "new/topic";
  CHECK(found(log, q, &index).size() == 600);
  log.first = 256 * 6;  // everything that is covered
  while (index.step()) {
  }
  CHECK(index.progress().bundles == 0);
}

TEST_CASE("a large message is one record with its parts", "[looking]") {
  FakeLog log;
  for (int i = 0; i < 254; ++i) log.add_message(5, "small");
  Message large;
  large.topic = "large";
  large.payload = "one,";
  large.parts = PartsInfo{11, 3, Hash{}};
  log.add({EntryCommon{}, large});
  for (std::uint64_t n = 1; n <= 2; ++n) {  // the second is in the next bundle
    Part part;
    part.first = 254;
    part.number = n;
    part.payload = n == 1 ? "two," : "end";
    log.add({EntryCommon{}, part});
  }
  for (int i = 0; i < 300; ++i) log.add_message(5, "small");  // so that the index covers the second bundle
  RecordIndex index(log);
  while (index.step()) {
  }
  RecordQuery q;
  q.topic = "large";
  CHECK(found(log, q, &index) == std::vector<std::uint64_t>{254, 255, 256});
  CHECK(found(log, q, &index) == std::vector<std::uint64_t>{254, 255, 256});
  q.last = 1;
  const auto reader = read_records(log, q);
  REQUIRE(reader);
  const auto record = (*reader)->next();
  REQUIRE(record);
  REQUIRE(*record);
  CHECK((*record)->payload == "one,two,end");
  CHECK((*record)->parts_missing == 0);
  CHECK_FALSE(*(*reader)->next());
  RecordQuery part;  // asked for by its index
  part.from = 255;
  part.count = 1;
  CHECK(found(log, part).front() == 255);
}

TEST_CASE("who is overtaken by the release is told, once", "[looking]") {
  FakeLog log = a_log(256 * 5);
  std::vector<FoundEntry> entries;
  const auto next = [&](RecordCursor& cursor) {
    entries.clear();
    const Result<bool> more = cursor.next(entries);
    REQUIRE(more);
    return *more;
  };
  SECTION("between two readings, with and without something that matches") {
    RecordQuery q;
    q.topic = GENERATE(as<std::string>(), "", "nothing/matches");
    RecordCursor cursor(log, q);
    REQUIRE(next(cursor));
    CHECK(cursor.position() == 256);
    log.first = 700;
    REQUIRE(next(cursor));
    REQUIRE_FALSE(entries.empty());
    CHECK(entries[0].index == 256);
    CHECK(entries[0].skipped == 700 - 256);
    CHECK(entries[0].bytes.empty());
    if (q.topic.empty()) {
      REQUIRE(entries.size() > 1);
      CHECK(entries[1].index == 700);
      CHECK(entries[1].skipped == 0);
    }
    REQUIRE(next(cursor));
    for (const FoundEntry& entry : entries) CHECK(entry.skipped == 0);
  }
  SECTION("up to the end of the log") {
    RecordCursor cursor(log, {});
    log.first = log.size();
    CHECK_FALSE(next(cursor));
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].skipped == log.size());
    CHECK_FALSE(next(cursor));
    CHECK(entries.empty());
  }
  SECTION("while it is being read") {
    RecordCursor cursor(log, {});
    log.on_read = [&] { log.first = 512; };
    REQUIRE(next(cursor));
    CHECK(entries.empty());
    REQUIRE(next(cursor));
    REQUIRE(entries.size() == 257);
    CHECK(entries[0].skipped == 512);
  }
  SECTION("but not of what was away before he came") {
    log.first = 300;
    RecordCursor cursor(log, {});
    REQUIRE(next(cursor));
    CHECK(entries[0].index == 300);
    CHECK(entries[0].skipped == 0);
  }
  SECTION("nor when he has all that he wanted") {
    RecordQuery q;
    q.count = 1;
    RecordCursor cursor(log, q);
    REQUIRE(next(cursor));
    CHECK(cursor.finished());
    log.first = 600;
    CHECK_FALSE(next(cursor));
    CHECK(entries.empty());
  }
  SECTION("and a message of which the parts went is none with all of them") {
    FakeLog parts;
    parts.add_message(1, "before");
    Message large;
    large.topic = "large";
    large.payload = "one,";
    large.parts = PartsInfo{303, 300, Hash{}};
    parts.add({EntryCommon{}, large});
    for (std::uint64_t n = 1; n < 300; ++n) {
      Part part;
      part.first = 1;
      part.number = n;
      part.payload = "x";
      parts.add({EntryCommon{}, part});
    }
    parts.add_message(1, "after");
    const auto reader = read_records(parts, RecordQuery{});
    REQUIRE(reader);
    parts.on_read = [&] {
      if (parts.reads == 2) parts.first = 256 + 20;
    };
    REQUIRE((*reader)->next());
    const auto record = (*reader)->next();
    REQUIRE(record);
    CHECK((*record)->entries == 255);
    CHECK((*record)->parts_missing == 45);
    const auto gap = (*reader)->next();
    REQUIRE(gap);
    CHECK((*gap)->index == 256);
    CHECK((*gap)->skipped == 20);
    const auto after = (*reader)->next();
    REQUIRE(after);
    CHECK((*after)->index == 301);
  }
}

TEST_CASE("nothing that was sent commands a terminal", "[looking]") {
  const Bytes hostile =
      "\x1b]0;owned\x07\n  99  2026 forged\r\x7f\xc2\x9b"
      "31m\xe2\x80\xae\xe2\x80\xa8\\end";
  Message message;
  message.topic = "a\x1b[2Jb\nc";
  message.payload = hostile;
  const Record record = record_of(message);
  const std::string all[] = {record_line(record, 0), record_line(record, 80), record_json(record),
                             record_text(record, std::nullopt)};
  for (const std::string& text : all) {
    INFO(text);
    for (const char* bad : {"\x1b", "\x07", "\r", "\x7f", "\xc2\x9b", "\xe2\x80\xae", "\xe2\x80\xa8"})
      CHECK(text.find(bad) == std::string::npos);
  }
  CHECK(all[0].find('\n') == std::string::npos);
  CHECK(all[2].find('\n') == std::string::npos);
  CHECK(all[3].find("\n  99  2026") == std::string::npos);  // indented further
  const auto json = nlohmann::json::parse(all[2]);
  CHECK(json["payload"] == hostile);  // exact
  CHECK(json["topic"] == Bytes(message.topic));
}

TEST_CASE("a payload as what it is", "[looking]") {
  Message message;
  message.topic = "t";
  SECTION("binary") {
    const Bytes bytes("\x00\xff\x01", 3);
    message.payload = bytes;
    CHECK(record_line(record_of(message), 100).find("0x00ff01 (3 bytes)") != std::string::npos);
    CHECK(nlohmann::json::parse(record_json(record_of(message)))["payload_base64"] == "AP8B");
    CHECK(record_text(record_of(message), std::nullopt).find("00 ff 01") != std::string::npos);
  }
  SECTION("JSON") {
    message.payload = R"({"b":1,"a":[2]})";
    CHECK(record_line(record_of(message), 100).find(R"({"b":1,"a":[2]})") != std::string::npos);
    CHECK(record_text(record_of(message), std::nullopt).find("  \"b\": 1,\n") != std::string::npos);
  }
  SECTION("JSON is shown as it came: no key is dropped, no number rounded") {
    message.payload = R"({"a":1, "a":2,"n":123456789012345678901234567890,"x":1.10,"e":{},"s":"\\\" {[,:"})";
    const std::string text = record_text(record_of(message), std::nullopt);
    INFO(text);
    for (const char* line :
         {"\"a\": 1,\n", "\"a\": 2,\n", "\"n\": 123456789012345678901234567890,\n", "\"x\": 1.10,\n", "\"e\": {},\n"})
      CHECK(text.find(line) != std::string::npos);
    CHECK(text.find(R"("s": "\\\\\\" {[,:")") != std::string::npos);
  }
  SECTION("JSON that nests deep is not indented: it would fill the memory") {
    const Bytes deep = Bytes(20000, '[') + Bytes(20000, ']');
    message.payload = deep;
    CHECK(record_text(record_of(message), std::nullopt).size() < 60000);
  }
  SECTION("nothing") { CHECK(record_line(record_of(message), 100).find("(empty)") != std::string::npos); }
}

TEST_CASE("a line fits", "[looking]") {
  CHECK(fitted("abcdef", 6) == "abcdef");
  CHECK(fitted("abcdefg", 6) == "abcde…");
  CHECK(fitted("ab\\u{1b}cd", 6) == "ab…");  // an escape is not cut
  CHECK(fitted("温度温度", 6) == "温度…");
  CHECK(fitted("x", 0).empty());
}

TEST_CASE("times as people type them", "[looking]") {
  CHECK(*parse_time("2023-11-14T22:13:20Z", 0) == kNow);
  CHECK(*parse_time("2023-11-14T23:13:20.25+01:00", 0) == kNow + 250000000);
  CHECK(*parse_time("10min", kNow) == kNow - 600000000000);
  CHECK(*parse_time("2h ago", kNow) == kNow - 7200000000000);
  CHECK(*parse_time("3d", kNow) == kNow - 3 * 86400000000000);
  CHECK(*parse_time("now", kNow) == kNow);
  const std::string local = local_time(kNow, false);
  CHECK(*parse_time(local, 0) == kNow);
  CHECK(*parse_time(local.substr(11), kNow) == kNow);
  for (const char* bad :
       {"", "14", "14:", "25:00", "14:60", "2023-02-30", "2023-13-01", "2023-11-14T", "10", "10x", "-5min", "5 min 3",
        "1e9h", "99999999999999999999d", "2023-11-14T22:13:20Zx", "14:03:", "T"}) {
    INFO(bad);
    CHECK_FALSE(parse_time(bad, kNow));
  }
}

TEST_CASE("requests are strict", "[looking]") {
  for (const char* bad :
       {"", "x", "[]", "{}", "{\"get\":1}", "{\"get\":\"all\"}", "{\"get\":\"status\",\"x\":1}", "{\"get\":\"proof\"}",
        "{\"get\":\"records\",\"last\":0}", "{\"get\":\"records\",\"last\":-1}", "{\"get\":\"records\",\"from\":1.5}",
        "{\"get\":\"records\",\"topic\":\"a/#/b\"}", "{\"get\":\"records\",\"topic\":\"\"}",
        "{\"get\":\"records\",\"follow\":1}", "{\"get\":\"records\",\"since\":18446744073709551615}",
        "{\"get\":\"proof\",\"index\":\"1\"}", "{\"get\":\"proof\",\"index\":1,\"from\":1}"}) {
    INFO(bad);
    CHECK_FALSE(parse_socket_request(bad));
  }
  SocketRequest request;
  request.get = SocketRequest::Get::records;
  request.query.from = 5;
  request.query.last = 6;
  request.query.topic = "a/+";
  request.query.since_ns = -7;
  request.query.until_ns = 8;
  request.follow = true;
  const auto back = parse_socket_request(socket_request_json(request));
  REQUIRE(back);
  CHECK(socket_request_json(*back) == socket_request_json(request));
  CHECK(back->query.since_ns == -7);
}

TEST_CASE("nothing may be behind a zero byte", "[looking]") {
  CHECK_FALSE(parse_socket_request(ByteView("{\"get\":\"status\"}\0x", 18)));
  CHECK_FALSE(parse_socket_request(ByteView("{\"get\":\"status\"}\0", 17)));
  CHECK(pretty_json(ByteView("{}\0}}}}", 7)).empty());
  CHECK(pretty_json("{}") == "{}");
}

TEST_CASE("an error that is said over the socket commands no terminal", "[looking]") {
  const auto answer = parse_socket_answer("{\"error\":\"no\\u001b[2J\\nsuch\",\"kind\":\"missing\"}");
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().kind == ErrorKind::missing);
  CHECK(answer.error().message == "no\\x1b[2J\\x0asuch");
  const auto much = parse_socket_answer("{\"error\":\"" + std::string(100000, 'x') + "\"}");
  REQUIRE_FALSE(much.ok());
  CHECK(much.error().message == std::string(1024, 'x') + "...");
}

namespace {

Bytes carrying(std::uint64_t index, ByteView bytes, std::uint64_t offset = 0, std::size_t count = SIZE_MAX) {
  Carried carried;
  carried.index = index;
  carried.length = bytes.size();
  carried.offset = offset;
  carried.bytes = bytes.substr(offset, count);
  Bytes out;
  REQUIRE(encode_entry({EntryCommon{}, carried}, out).ok());
  return out;
}

}  // namespace

TEST_CASE("what a log carries over from the one that it follows", "[looking]") {
  Message message;
  message.topic = "plant/temp";
  message.payload = "21.0";
  const Bytes inner = record_of(message).entry;
  SECTION("is found by its topic") {
    FakeLog log;
    while (log.list.size() < 2 * 256) {
      log.add_message(1, "other/t");
      log.list.push_back(carrying(log.list.size(), "no entry"));
    }
    log.list[3] = carrying(7, inner);
    log.list[300] = carrying(8, inner);
    log.list[301] = carrying(9, inner, 0, 10);
    RecordIndex index(log);
    while (index.step()) continue;
    RecordQuery query;
    query.topic = "plant/#";
    CHECK(found(log, query) == std::vector<std::uint64_t>{3, 300});
    CHECK(found(log, query, &index) == std::vector<std::uint64_t>{3, 300});
  }
  Record record;
  record.index = 2;
  record.entry = carrying(7, inner);
  SECTION("is shown as what it is") {
    CHECK_THAT(record_line(record, 0), Catch::Contains("* carried over from entry 7: plant/temp  21.0"));
    const std::string text = record_text(record, {});
    CHECK_THAT(text, Catch::Contains("carried       over from entry 7 of the log that this one follows:\n\n"
                                     "index         7\n") &&
                         Catch::Contains("topic         plant/temp\n") && Catch::Contains("\n  21.0\n"));
    const auto json = nlohmann::json::parse(record_json(record));
    CHECK(json["carried_index"] == 7);
    CHECK(json["entry"]["kind"] == "message");
    CHECK(json["entry"]["topic"] == "plant/temp");
    CHECK(json["entry"]["leaf_hash"] == hex(view(leaf_hash(inner))));
    CHECK_FALSE(json.contains("bytes_base64"));
  }
  SECTION("however often it was carried") {
    record.entry = carrying(9, record.entry);
    const auto json = nlohmann::json::parse(record_json(record));
    CHECK(json["entry"]["carried_index"] == 7);
    CHECK(json["entry"]["entry"]["topic"] == "plant/temp");
    CHECK_THAT(record_line(record, 0),
               Catch::EndsWith("carried over from entry 9: carried over from entry 7: plant/temp  21.0"));
    const std::string text = record_text(record, {});
    CHECK_THAT(text, Catch::Contains("over from entry 9 of the log") &&
                         Catch::Contains("over from entry 7 of the log") &&
                         Catch::Contains("topic         plant/temp\n"));
    FakeLog log;
    log.add_message(1, "other/t");
    log.list.push_back(record.entry);
    RecordIndex index(log);
    while (index.step()) continue;
    RecordQuery query;
    query.topic = "plant/#";
    CHECK(found(log, query) == std::vector<std::uint64_t>{1});
    CHECK(found(log, query, &index) == std::vector<std::uint64_t>{1});
  }
  SECTION("and a forger does not make it without end") {
    for (std::uint64_t i = 1; i < 16; ++i) record.entry = carrying(100 + i, record.entry);
    REQUIRE(topic_of(*decode_entry(record.entry)) == ByteView("plant/temp"));
    CHECK_THAT(record_line(record, 0), Catch::EndsWith(": plant/temp  21.0"));
    CHECK_THAT(record_json(record), Catch::Contains("plant/temp"));
    CHECK_THAT(record_text(record, {}), Catch::Contains("plant/temp"));
    for (std::uint64_t i = 0; i < 500; ++i) record.entry = carrying(200 + i, record.entry);
    CHECK_FALSE(topic_of(*decode_entry(record.entry)));
    CHECK_THAT(record_line(record, 0), Catch::EndsWith("carried over from entry 684: carried"));
    CHECK_THAT(record_json(record), !Catch::Contains("plant/temp") && Catch::Contains("bytes_base64"));
    CHECK_THAT(record_text(record, {}), !Catch::Contains("plant/temp") && Catch::Contains("684: carried"));
  }
  SECTION("and stays bytes where it is a piece, or no entry") {
    record.entry = GENERATE_COPY(carrying(9, inner, 0, 10), carrying(9, "no entry"));
    const auto json = nlohmann::json::parse(record_json(record));
    CHECK_FALSE(json.contains("entry"));
    CHECK(json.contains("bytes_base64"));
    CHECK_THAT(record_text(record, {}), Catch::Contains("carried over from entry 9"));
  }
}
