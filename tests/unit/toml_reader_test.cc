#include "drivers/toml_reader.h"

#include <catch2/catch.hpp>

using namespace sealring;
using namespace std::chrono_literals;

namespace {

TomlTable parse(std::string_view text) {
  Result<TomlTable> table = TomlTable::parse(text, "/etc/x/c.toml");
  REQUIRE(table.ok());
  return std::move(table).value();
}

std::string error_of(TomlTable& table) {
  Status status = table.finish();
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().kind == ErrorKind::reject);
  return status.error().message;
}

}  // namespace

TEST_CASE("toml: sizes and durations") {
  CHECK(*parse_size("0") == 0);
  CHECK(*parse_size("4096") == 4096);
  CHECK(*parse_size("64KiB") == 65536);
  CHECK(*parse_size("4MiB") == 4u << 20);
  CHECK(*parse_size("8GiB") == 8ull << 30);
  for (const char* bad : {"", "MiB", "4 MiB", "4mib", "4MB", "-1", "1.5MiB", "04MiB", "9007199254740992GiB", "4MiBs"})
    CHECK_FALSE(parse_size(bad).ok());
  CHECK(*parse_duration("0ms") == 0ms);
  CHECK(*parse_duration("250ms") == 250ms);
  CHECK(*parse_duration("10s") == 10s);
  CHECK(*parse_duration("10min") == 10min);
  CHECK(*parse_duration("2h") == 2h);
  for (const char* bad : {"", "10", "10m", "s", "1.5s", "-1s", "9223372036854775807h"})
    CHECK_FALSE(parse_duration(bad).ok());
}

TEST_CASE("toml: every getter reads its value and its default") {
  TomlTable t = parse(
      "name = \"n\"\nfile = \"a/b\"\nabsolute = \"/c\"\nflag = true\nport = 0\nbytes = \"2KiB\"\nplain = 7\n"
      "wait = \"3s\"\nlevel = \"info\"\n[inner]\nx = 1\n[[many]]\ny = 1\n[[many]]\ny = 2\n");
  CHECK(t.required_string("name") == "n");
  CHECK(t.required_path("file") == "/etc/x/a/b");
  CHECK(t.path("absolute", "") == "/c");
  CHECK(t.path("no_path", "d") == "/etc/x/d");
  CHECK(t.path("no_path", "").empty());
  CHECK(t.boolean("flag", false));
  CHECK(t.integer("port", 9, 0, 65535) == 0);
  CHECK(t.integer("no_port", 9, 0, 65535) == 9);
  CHECK(t.size("bytes", 1, 1, 4096) == 2048);
  CHECK(t.size("plain", 1, 1, 4096) == 7);
  CHECK(t.duration("wait", 1s, 0s, 1h) == 3s);
  CHECK(t.duration("no_wait", 1s, 0s, 1h) == 1s);
  CHECK(t.choice("level", "debug", {"info", "debug"}) == "info");
  CHECK(t.choice("no_level", "debug", {"info", "debug"}) == "debug");
  auto inner = t.table("inner");
  REQUIRE(inner.has_value());
  CHECK(inner->integer("x", 0, 0, 5) == 1);
  CHECK_FALSE(t.table("no_table").has_value());
  std::vector<TomlTable> many = t.tables("many");
  REQUIRE(many.size() == 2);
  CHECK(many[1].integer("y", 0, 0, 5) == 2);
  CHECK(many[0].integer("y", 0, 0, 5) == 1);
  CHECK(t.finish().ok());
}

TEST_CASE("toml: an unknown key is refused with file, line and the nearest key") {
  TomlTable t = parse("store = \"s\"\n\nstroe = \"s\"\n");
  t.string("store", "");
  t.string("socket", "");
  CHECK(error_of(t) == "/etc/x/c.toml:3: unknown key stroe; the nearest key is store");
}

TEST_CASE("toml: what a file is called wrong for stays one short line") {
  TomlTable t = parse("\"\\u001b[2J\\n\" = 1\n");
  CHECK(error_of(t) == "/etc/x/c.toml:1: unknown key \"\\x1b[2J\\x0a\"");
  TomlTable u = parse(std::string(100000, 'k') + " = 1\n");
  CHECK(error_of(u) == "/etc/x/c.toml:1: unknown key \"" + std::string(64, 'k') + "\"...");
  const std::string key = "\"\\u001b" + std::string(100000, 'k') + "\"";
  const Result<TomlTable> twice = TomlTable::parse(key + " = 1\n" + key + " = 2\n", "/etc/x/c.toml");
  REQUIRE_FALSE(twice.ok());
  CHECK(twice.error().message.size() < 1200);
  CHECK(twice.error().message.find('\x1b') == std::string::npos);
}

TEST_CASE("toml: what the parser underneath would fall over is refused before, with its line") {
  struct Case {
    std::string text, words;
  };
  std::string dots;
  for (int i = 0; i < 33; ++i) dots += "a.";
  for (const Case& one : std::vector<Case>{
           {"a = 1\n\xef\xbb\xbd = 2\n", "2: outside of quotes there is a character beyond ASCII"},
           {"k\xc3\xa4se = 2\n", "1: outside of quotes"},
           {"a = \"\"\"x\n\"\"\"\"\xc3\xa4\n", "2: outside of quotes"},
           {"a = 'x\\'\xc3\xa4\n", "1: outside of quotes"},
           {"x = 1\n" + dots + "a = 1\n", "2: a key has more than 32 dots"},
           {"x = { " + dots + "a = 1 }\n", "1: a key has more than 32 dots"},
           {"[!_", "1: "},
           {"[[!", "1: "},
       }) {
    INFO(one.text);
    const Result<TomlTable> table = TomlTable::parse(one.text, "c.toml");
    REQUIRE_FALSE(table.ok());
    CHECK_THAT(table.error().message, Catch::StartsWith("c.toml:" + one.words));
  }
}

TEST_CASE("toml: any language in strings and comments") {
  TomlTable t = parse(
      "\xef\xbb\xbf# gr\xc3\xbc\xc3\x9f dich\n"
      "a = \"\xc3\xa4\\\"\xc3\xa4\" # \xe6\x9c\xa8\n"
      "b = 'x\\'\n"
      "c = \"\"\"\xc3\xa4\n\\\"\"\"\xef\xbb\xbd\"\"\"\"\"\n"
      "d = '''\xc3\xa4'\n'''\n\"\xc3\xa4.\xc3\xa4\" = 1.5\n");
  CHECK(t.string("a", "") == "\xc3\xa4\"\xc3\xa4");
  CHECK(t.string("b", "") == "x\\");
  CHECK(t.string("c", "") == "\xc3\xa4\n\"\"\"\xef\xbb\xbd\"\"");
  CHECK(t.string("d", "") == "\xc3\xa4'\n");
  CHECK(t.has("\xc3\xa4.\xc3\xa4"));
}

TEST_CASE("toml: an unknown key in a table, and a key in the wrong table") {
  TomlTable t = parse("queue_bytes = 3\n[recorder]\nsegment_byte = 5\n");
  auto recorder = t.table("recorder");
  recorder->size("queue_bytes", 1, 0, 10);
  recorder->size("segment_bytes", 1, 0, 10);
  CHECK(error_of(t) == "/etc/x/c.toml:1: unknown key queue_bytes; recorder.queue_bytes is a key");
  TomlTable u = parse("[recorder]\nsegment_byte = 5\n");
  recorder = u.table("recorder");
  recorder->size("segment_bytes", 1, 0, 10);
  CHECK(error_of(u) == "/etc/x/c.toml:2: unknown key recorder.segment_byte; the nearest key is recorder.segment_bytes");
}

TEST_CASE("toml: a table that nobody asked for is an unknown key") {
  TomlTable t = parse("a = 1\n[upstraem]\nurl = \"x\"\n");
  t.integer("a", 0, 0, 1);
  t.table("upstream");
  CHECK(error_of(t) == "/etc/x/c.toml:2: unknown key upstraem; the nearest key is upstream");
}

TEST_CASE("toml: a misspelt key is reported before the key that is missing because of it") {
  TomlTable t = parse("achive = \"a\"\n");
  CHECK(t.required_path("archive").empty());
  CHECK(error_of(t) == "/etc/x/c.toml:1: unknown key achive; the nearest key is archive");
}

TEST_CASE("toml: wrong types, ranges and missing keys name the line") {
  auto check = [](std::string_view text, auto&& ask, const std::string& message) {
    TomlTable t = parse(text);
    ask(t);
    CHECK(error_of(t) == "/etc/x/c.toml:" + message);
  };
  check(
      "\nk = 1\n", [](TomlTable& t) { t.string("k", ""); }, "2: k must be a string");
  check(
      "k = \"\"\n", [](TomlTable& t) { t.required_string("k"); }, "1: k must not be empty");
  check(
      "k = 1\n", [](TomlTable& t) { t.required_string("k"); }, "1: k must be a string");
  check(
      "k = 1\n", [](TomlTable& t) { t.boolean("k", true); }, "1: k must be true or false");
  check(
      "k = -1\n", [](TomlTable& t) { t.integer("k", 0, 0, 9); }, "1: k must be from 0 to 9");
  check(
      "k = 10\n", [](TomlTable& t) { t.integer("k", 0, 0, 9); }, "1: k must be from 0 to 9");
  check(
      "k = 1.5\n", [](TomlTable& t) { t.integer("k", 0, 0, 9); }, "1: k must be a whole number");
  check(
      "k = \"1KiB\"\n", [](TomlTable& t) { t.size("k", 0, 0, 9); }, "1: k must be from 0 to 9 bytes");
  check(
      "k = \"1KB\"\n", [](TomlTable& t) { t.size("k", 0, 0, 9); },
      "1: k = \"1KB\" is not a size: a number of bytes, or one with KiB, MiB or GiB behind it");
  check(
      "k = 5\n", [](TomlTable& t) { t.duration("k", 1s, 0s, 9s); },
      "1: k must be a duration such as \"250ms\" or \"10min\"");
  check(
      "k = \"1h\"\n", [](TomlTable& t) { t.duration("k", 1s, 0s, 9s); }, "1: k must be from 0 to 9000ms");
  check(
      "k = \"x\"\n",
      [](TomlTable& t) {
        t.choice("k", "a", {"a", "b"});
      },
      "1: k must be one of a, b");
  check(
      "[t]\n", [](TomlTable& t) { t.table("t")->required_string("k"); }, "1: the key t.k is missing");
  check(
      "k = [1]\n", [](TomlTable& t) { t.tables("k"); }, "1: k must hold tables only");
  check(
      "k = \"a\\u0000b\"\n", [](TomlTable& t) { t.path("k", ""); }, "1: k must not have a zero byte");
  check(
      "k = \"x\"\n",
      [](TomlTable& t) {
        t.string("k", "");
        t.fail("k", "is not good");
      },
      "1: k is not good");
}

TEST_CASE("toml: not TOML, doubled keys, no file") {
  Result<TomlTable> bad = TomlTable::parse("a = 1\nb = \n", "c.toml");
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.error().message.rfind("c.toml:2: ", 0) == 0);
  CHECK_FALSE(TomlTable::parse("a = 1\na = 2\n", "c.toml").ok());
  Result<TomlTable> none = TomlTable::load("/nonexistent/c.toml");
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().kind == ErrorKind::missing);
}
