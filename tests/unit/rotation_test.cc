// The statement of a rotation, and its files in a store.
#include "gateway/rotation.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <map>

#include "tests/unit/archive_fixture.h"
#include "tests/unit/entry_vectors.h"

using namespace sealring;
using namespace sealring::test;

namespace {

struct Statements {
  TempDir dir;
  std::unique_ptr<SoftwareSigner> a = test_key(1), b = test_key(2), c = test_key(3), epoch = test_key(4);
  RotationStatement from(SoftwareSigner& old_key, SoftwareSigner& new_key, const std::string& origin = kOrigin) {
    auto made = RotationStatement::make(origin, old_key, new_key);
    REQUIRE(made.ok());
    return *made;
  }
  Entry other(std::size_t index) {
    if (index > 0) return {EntryCommon{}, Event{}};
    return {EntryCommon{}, Genesis{kOrigin, a->public_key(), epoch->public_key(), "test"}};
  }
  // Of events, but for these rotations.
  LogReading log(std::uint64_t size, std::map<std::uint64_t, Rotation> rotations = {}, std::uint64_t first = 0) {
    std::vector<Bytes> all(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < all.size(); ++i) {
      Bytes bytes;
      const auto at = rotations.find(i);
      REQUIRE(encode_entry(at == rotations.end() ? other(i) : Entry{EntryCommon{}, at->second}, bytes).ok());
      put_u16(all[i], static_cast<std::uint16_t>(bytes.size()));
      all[i] += bytes;
    }
    return {first, size, [all, first](std::uint64_t from, std::size_t count) -> Result<Bytes> {
              if (from < first || from + count > all.size()) return Error{ErrorKind::missing, "released"};
              if (count > kBundleEntries) return fatal_error("more than a bundle");
              Bytes out;
              while (count-- > 0) out += all[static_cast<std::size_t>(from++)];
              return out;
            }};
  }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const auto& one : fs::directory_iterator(dir.path())) out.push_back(one.path().filename());
    std::sort(out.begin(), out.end());
    return out;
  }
};

LogReading unreadable(LogReading log, std::uint64_t index) {
  log.entries = [index, whole = log.entries](std::uint64_t first, std::size_t count) -> Result<Bytes> {
    return first == index ? Result<Bytes>(retry_error("the disk is away")) : whole(first, count);
  };
  return log;
}

}  // namespace

TEST_CASE("a statement is a signed note of two lines, and no byte of it may be another") {
  Statements s;
  const Bytes bytes = s.from(*s.a, *s.b).encode();
  CHECK_THAT(bytes, Catch::StartsWith(rotation_message(kOrigin, s.a->public_key(), s.b->public_key()) + "\n\u2014 "));
  const auto again = RotationStatement::parse(bytes);
  REQUIRE(again.ok());
  CHECK(again->origin == kOrigin);
  CHECK(again->rotation == s.from(*s.a, *s.b).rotation);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    for (const int bit : {0, 5}) {
      Bytes other = bytes;
      other[i] = static_cast<char>(other[i] ^ (1 << bit));
      INFO(i);
      CHECK_FALSE(RotationStatement::parse(other).ok());
    }
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(RotationStatement::parse(bytes.substr(0, size)).ok());
  CHECK_FALSE(RotationStatement::parse(bytes + "\n").ok());
  CHECK_FALSE(RotationStatement::make(kOrigin, *s.a, *s.a).ok());
}

// rotation.note is made without our code, and shown in storage/FORMAT.md.
TEST_CASE("the example of a statement") {
  const Bytes note = file_vector("rotation.note"), bytes = entry_vector("rotation");
  const auto statement = RotationStatement::parse(note);
  REQUIRE(statement.ok());
  CHECK(statement->encode() == note);
  const auto entry = decode_entry(bytes);
  REQUIRE(entry.ok());
  CHECK(std::get<Rotation>(entry->body) == statement->rotation);
}

TEST_CASE("a store knows whose log it is") {
  Statements s;
  const std::string store = s.dir.path();
  const RotationStatement first = s.from(*s.a, *s.b), second = s.from(*s.b, *s.c);
  const std::map<std::uint64_t, Rotation> rotations = {{7, first.rotation}, {700, second.rotation}};
  const LogReading begun = s.log(6), whole = s.log(800, rotations), released = s.log(800, rotations, 750);
  const auto now = [&](const LogReading& log) { return store_identity(store, kOrigin, log); };
  CHECK(now(begun)->key == s.a->public_key());
  CHECK_FALSE(now(s.log(6, {}, 5))->key);
  CHECK(now(unreadable(begun, 0)).error().message == "the disk is away");
  REQUIRE(put_pending_rotation(store, first).ok());
  CHECK(now(begun)->key == s.a->public_key());
  CHECK(now(begun)->pending->rotation.new_key == s.b->public_key());
  REQUIRE(put_recorded_rotation(store, 7, first).ok());
  CHECK(s.names() == std::vector<std::string>{"rotation-00000000000000000007.note"});
  REQUIRE(put_recorded_rotation(store, 700, second).ok());
  for (const LogReading& log : {whole, released}) {
    const auto identity = now(log);
    REQUIRE(identity.ok());
    CHECK(identity->key == s.c->public_key());
    CHECK(identity->since == 700);
    CHECK(identity->former == std::vector<PublicKey>{s.a->public_key(), s.b->public_key()});
    CHECK_FALSE(identity->pending);
    CHECK_FALSE(identity->unfinished);
  }
  SECTION("an old statement says nothing any more") {
    REQUIRE(put_pending_rotation(store, first).ok());
    CHECK_FALSE(now(whole)->pending);
  }
  SECTION("names that are not quite those are not read") {
    for (const char* name : {"/rotation-7.note", "/rotation-0000000000000000000x.note", "/rotation-.note",
                             "/rotation-00000000000000000009.note.tmp", "/rotation-99999999999999999999.note"})
      std::ofstream(store + name) << "?";
    CHECK(now(whole)->key == s.c->public_key());
  }
  SECTION("of another log") {
    REQUIRE(put_pending_rotation(store, s.from(*s.c, *s.a, "example.com/other")).ok());
    CHECK_THAT(now(whole).error().message, Catch::Contains("rotation.note: is of the log \"example.com/other\""));
  }
  SECTION("a step is missing") {
    REQUIRE(fs::remove(store + "/rotation-00000000000000000007.note"));
    CHECK_THAT(now(whole).error().message, Catch::Contains("is not of the key that entry 0 names"));
    REQUIRE(put_recorded_rotation(store, 800, first).ok());
    CHECK_THAT(now(whole).error().message, Catch::Contains("does not begin with the key"));
  }
  SECTION("damaged") {
    std::ofstream(store + "/rotation.note") << "rubbish";
    CHECK_FALSE(now(whole).ok());
  }
}

TEST_CASE("a file of a rotation is believed where the log says the same, or has released the entry") {
  Statements s;
  const std::string store = s.dir.path();
  const RotationStatement statement = s.from(*s.a, *s.b);
  const auto refused = [&](const LogReading& log) {
    const auto identity = store_identity(store, kOrigin, log);
    REQUIRE_FALSE(identity.ok());
    CHECK(identity.error().kind == ErrorKind::fatal);
    const Status finished = finish_rotation(store, kOrigin, log);
    CHECK(finished.error().message == identity.error().message);
    return identity.error().message;
  };
  SECTION("a prepared one that was given the name of a recorded one") {
    REQUIRE(put_recorded_rotation(store, 5, statement).ok());
    CHECK_THAT(refused(s.log(9)), Catch::Contains("00005.note: entry 5 of the log is not this rotation"));
    CHECK_THAT(refused(s.log(5)), Catch::Contains("00005.note: the log has only 5 entries"));
    CHECK(store_identity(store, kOrigin, s.log(9, {}, 6))->key == s.b->public_key());
  }
  SECTION("under another index than its own") {
    REQUIRE(put_recorded_rotation(store, 6, statement).ok());
    CHECK_THAT(refused(s.log(9, {{5, statement.rotation}})), Catch::Contains("entry 6 of the log is not this"));
  }
  SECTION("of the same entry, and another key") {
    REQUIRE(put_recorded_rotation(store, 5, s.from(*s.a, *s.c)).ok());
    CHECK_THAT(refused(s.log(9, {{5, statement.rotation}})), Catch::Contains("entry 5 of the log is not this"));
  }
  SECTION("an error is no release") {
    REQUIRE(put_recorded_rotation(store, 5, statement).ok());
    const LogReading log = s.log(9, {{5, statement.rotation}});
    for (const std::uint64_t index : {5, 8})
      CHECK(store_identity(store, kOrigin, unreadable(log, index)).error().message == "the disk is away");
  }
  SECTION("a recorded one that was given the name of a prepared one is not recorded twice") {
    const std::uint64_t index = GENERATE(5, 255, 256, 700), first = GENERATE(0, 3);
    REQUIRE(put_pending_rotation(store, statement).ok());
    const LogReading log = s.log(800, {{index, statement.rotation}}, first);
    const auto identity = store_identity(store, kOrigin, log);
    REQUIRE(identity.ok());
    CHECK(identity->key == s.b->public_key());
    CHECK(identity->since == index);
    CHECK_FALSE(identity->pending);
    REQUIRE(finish_rotation(store, kOrigin, log).ok());
    CHECK(recorded_rotations(store, kOrigin)->at(0).index == index);
    CHECK(s.names().size() == 1);
  }
}

TEST_CASE("a kill between the entry of a rotation and its file") {
  Statements s;
  const std::string store = s.dir.path();
  const RotationStatement statement = s.from(*s.a, *s.b), another = s.from(*s.a, *s.c);
  SECTION("is mended: the entry is the last of the log, whatever is prepared") {
    const int prepared = GENERATE(0, 1, 2);
    if (prepared > 0) REQUIRE(put_pending_rotation(store, prepared == 1 ? statement : another).ok());
    const std::uint64_t first = GENERATE(0, 3);
    const LogReading log = s.log(6, {{5, statement.rotation}}, first);
    const auto identity = store_identity(store, kOrigin, log);
    REQUIRE(identity.ok());
    CHECK(identity->unfinished->index == 5);
    CHECK(identity->key == s.b->public_key());
    CHECK_FALSE(identity->pending);
    for (int start = 0; start < 2; ++start) {
      REQUIRE(finish_rotation(store, kOrigin, log).ok());
      CHECK(s.names() == std::vector<std::string>{"rotation-00000000000000000005.note"});
      CHECK(recorded_rotations(store, kOrigin)->at(0).statement.encode() == statement.encode());
    }
  }
  SECTION("did not come between") {
    REQUIRE(put_pending_rotation(store, statement).ok());
    REQUIRE(finish_rotation(store, kOrigin, s.log(6)).ok());
    REQUIRE(finish_rotation(store, kOrigin, s.log(6, {}, 6)).ok());
    CHECK(s.names() == std::vector<std::string>{"rotation.note"});
  }
  SECTION("is none, where the entry is not what both keys signed, or of another key") {
    Rotation wrong = statement.rotation;
    wrong.by_new[3] ^= 1;
    CHECK_THAT(finish_rotation(store, kOrigin, s.log(6, {{5, wrong}})).error().message,
               Catch::Contains("entry 5, a rotation, its signature by"));
    CHECK_THAT(finish_rotation(store, kOrigin, s.log(6, {{5, s.from(*s.b, *s.c).rotation}})).error().message,
               Catch::Contains("is not of the key that entry 0 names"));
    CHECK(s.names().empty());
  }
}
