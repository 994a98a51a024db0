// The statement of a rotation, and its files in a store.
#include "gateway/rotation.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/unit/archive_fixture.h"
#include "tests/unit/entry_vectors.h"

using namespace sealring;
using namespace sealring::test;

namespace {

struct Statements {
  TempDir dir;
  std::unique_ptr<SoftwareSigner> a = test_key(1), b = test_key(2), c = test_key(3);
  RotationStatement from(SoftwareSigner& old_key, SoftwareSigner& new_key, const std::string& origin = kOrigin) {
    auto made = RotationStatement::make(origin, old_key, new_key);
    REQUIRE(made.ok());
    return *made;
  }
  EntryReading log(const EntryCommon& common, decltype(Entry::body) last) {
    Bytes genesis, entry;
    REQUIRE(encode_entry({EntryCommon{}, Genesis{kOrigin, a->public_key(), c->public_key(), "test"}}, genesis).ok());
    REQUIRE(encode_entry({common, std::move(last)}, entry).ok());
    return [genesis, entry](std::uint64_t index) -> Result<Bytes> {
      const Bytes& one = index == 0 ? genesis : entry;
      Bytes out;
      put_u16(out, static_cast<std::uint16_t>(one.size()));
      return out + one;
    };
  }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const auto& one : fs::directory_iterator(dir.path())) out.push_back(one.path().filename());
    std::sort(out.begin(), out.end());
    return out;
  }
};

EntryReading nothing() {
  return [](std::uint64_t) -> Result<Bytes> { return Error{ErrorKind::missing, "released"}; };
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
  const EntryReading begun = s.log({}, Event{});
  const auto now = [&](const EntryReading& entry) { return store_identity(store, kOrigin, entry); };
  CHECK(now(begun)->key == s.a->public_key());
  CHECK_FALSE(now(nothing())->key);
  REQUIRE(put_pending_rotation(store, s.from(*s.a, *s.b)).ok());
  CHECK(now(begun)->key == s.a->public_key());
  CHECK(now(begun)->pending->rotation.new_key == s.b->public_key());
  REQUIRE(put_recorded_rotation(store, 7, s.from(*s.a, *s.b)).ok());
  CHECK(s.names() == std::vector<std::string>{"rotation-00000000000000000007.note"});
  REQUIRE(put_recorded_rotation(store, 700, s.from(*s.b, *s.c)).ok());
  for (const EntryReading& entry : {begun, nothing()}) {
    const auto identity = now(entry);
    REQUIRE(identity.ok());
    CHECK(identity->key == s.c->public_key());
    CHECK(identity->since == 700);
    CHECK(identity->former == std::vector<PublicKey>{s.a->public_key(), s.b->public_key()});
    CHECK_FALSE(identity->pending);
  }
  SECTION("an old statement says nothing any more") {
    REQUIRE(put_pending_rotation(store, s.from(*s.a, *s.b)).ok());
    CHECK_FALSE(now(begun)->pending);
  }
  SECTION("names that are not quite those are not read") {
    for (const char* name : {"/rotation-7.note", "/rotation-0000000000000000000x.note", "/rotation-.note",
                             "/rotation-00000000000000000009.note.tmp", "/rotation-99999999999999999999.note"})
      std::ofstream(store + name) << "?";
    CHECK(now(begun)->key == s.c->public_key());
  }
  SECTION("of another log") {
    REQUIRE(put_pending_rotation(store, s.from(*s.c, *s.a, "example.com/other")).ok());
    CHECK_THAT(now(begun).error().message, Catch::Contains("rotation.note: is of the log \"example.com/other\""));
  }
  SECTION("a step is missing") {
    REQUIRE(fs::remove(store + "/rotation-00000000000000000007.note"));
    CHECK_THAT(now(begun).error().message, Catch::Contains("is not of the key that entry 0 names"));
    REQUIRE(put_recorded_rotation(store, 800, s.from(*s.a, *s.b)).ok());
    CHECK_THAT(now(begun).error().message, Catch::Contains("does not begin with the key"));
  }
  SECTION("damaged") {
    std::ofstream(store + "/rotation.note") << "rubbish";
    CHECK_FALSE(now(begun).ok());
  }
}

TEST_CASE("a kill between the entry of a rotation and its file") {
  Statements s;
  const std::string store = s.dir.path();
  const RotationStatement statement = s.from(*s.a, *s.b);
  REQUIRE(put_pending_rotation(store, statement).ok());
  SECTION("is mended: the entry is the last of the log") {
    REQUIRE(finish_rotation(store, kOrigin, 6, s.log({}, statement.rotation)).ok());
    CHECK(s.names() == std::vector<std::string>{"rotation-00000000000000000005.note"});
    REQUIRE(finish_rotation(store, kOrigin, 6, s.log({}, statement.rotation)).ok());
  }
  SECTION("did not come between") {
    REQUIRE(finish_rotation(store, kOrigin, 6, s.log({}, Event{})).ok());
    REQUIRE(finish_rotation(store, kOrigin, 6, s.log({}, s.from(*s.a, *s.c).rotation)).ok());
    CHECK(s.names() == std::vector<std::string>{"rotation.note"});
  }
}
