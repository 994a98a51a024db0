// A log whose identity key is rotated, as its collector sees it: 'i' is the first key, 'j' the second, 'k' a third.
#include <fstream>

#include "tests/unit/collector_mirror_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

struct KeysTest : MirrorTest {
  KeysTest() { log.grow(2000); }
  // From now on the policy names these; a restart.
  void trust(const std::string& seeds) {
    collector.logs()[0].later.clear();
    for (const char seed : seeds.substr(1)) collector.logs()[0].later.push_back(log.key_of(seed));
    collector.open();
  }
  HttpResponse witness(const std::string& by, std::uint64_t before, std::uint64_t size) {
    log.by = by;
    return collector.witness(log.add_checkpoint(before, size));
  }
  HttpResponse mirror(const std::string& by, std::uint64_t before, std::uint64_t size) {
    log.by = by;
    return collector.mirror(log.add_checkpoint(before, size));
  }
  void archive(const std::string& by, std::uint64_t before, std::uint64_t size) {
    require_status(mirror(by, before, size), 200);
    require_status(collector.upload(log.add_entries(before, size)), 200);
  }
};

void require_refused(const HttpResponse& response, const std::string& words) {
  require_status(response, 403);
  REQUIRE_THAT(response.body, Catch::Contains(words));
}

// `checkpoint` with a line of that name and key ID that nobody has signed.
Bytes with_junk(const Bytes& checkpoint, const VerifierKey& key) {
  Note note = *Note::parse(checkpoint);
  note.signatures.push_back({key.name, key.id(), Bytes(64, '\x2a')});
  return note.encode();
}

bool signed_by(const std::string& path, const VerifierKey& key) {
  return check_note_signature(*Note::parse(*read_file(path)), key) == SignatureState::valid;
}

std::size_t lines_in(const std::string& path) { return Note::parse(*read_file(path))->signatures.size(); }

}  // namespace

TEST_CASE_METHOD(KeysTest, "keys: a policy with the old key only goes on through the overlap, and keeps both lines") {
  archive("i", 0, 100);
  archive("ji", 100, 300);
  require_status(witness("ji", 0, 400), 200);
  // What another verifier needs is carried on, and no more than that.
  const SegmentFile segment = *decode_segment_file(*read_file(directory + "/segments/" + segment_file_name(100, 300)));
  CHECK(check_note_signature(*Note::parse(segment.note), log.key_of('j')) == SignatureState::valid);
  CHECK(lines_in(directory + "/receipts/" + receipt_file_name(100)) == 2);
  CHECK(lines_in(directory + "/receipts/" + receipt_file_name(300)) == 3);
  CHECK(lines_in(directory + "/witness") == 3);
  require_status(witness("kjil", 400, 500), 200);
  CHECK(lines_in(directory + "/witness") == 3);
  require_refused(mirror("j", 300, 400), "has no signature of " + log.key().encode());
  collector.open();
  CHECK(names_in(directory + "/keys").empty());
  SECTION("once the new one is named it knows that it was used") {
    trust("ij");
    require_refused(mirror("i", 300, 600), "but from size 300 on the log has another one, " + log.key_of('j').encode());
    require_status(mirror("j", 300, 600), 200);
  }
}

TEST_CASE_METHOD(KeysTest, "keys: the old key alone is refused from the first checkpoint by the new one on") {
  trust("ij");
  const std::string both = GENERATE("j", "ji");
  const bool restarted = GENERATE(false, true);
  archive("i", 0, 100);
  require_status(witness("i", 0, 200), 200);
  require_status(witness(both, 200, 300), 200);
  require_status(witness(both, 300, 500), 200);
  if (restarted) collector.open();
  CHECK(names_in(directory + "/keys") == std::vector<std::string>{receipt_file_name(300)});
  const std::string words = "but from size 300 on the log has another one, " + log.key_of('j').encode();
  require_refused(witness("i", 500, 600), words);
  // The mirror is not that far: what was signed before the rotation may still come, and nothing later.
  require_status(mirror("i", 100, 200), 200);
  require_refused(mirror("i", 200, 300), words);
  require_status(mirror(both, 200, 300), 200);
  require_refused(mirror("i", 300, 400), words);
  require_status(mirror(both, 300, 400), 200);
  if (restarted) collector.open();
  require_refused(mirror("i", 400, 450), words);
  require_status(collector.upload(log.add_entries(100, 200)), 200);
  require_status(collector.upload(log.add_entries(200, 300)), 200);
  require_status(collector.upload(log.add_entries(300, 400)), 200);
  if (restarted) collector.open();
  require_refused(mirror("i", 400, 450), words);
  require_status(mirror("j", 400, 450), 200);
  CHECK(names_in(directory + "/evidence").empty());
}

TEST_CASE_METHOD(KeysTest, "keys: what was signed once is not taken back by sending it again") {
  const bool named = GENERATE(true, false);  // by the policy; else carried unread
  if (named) trust("ij");
  const std::string path = directory + "/witness";
  require_status(witness("ij", 0, 100), 200);
  require_status(mirror("ij", 0, 100), 200);
  const std::string pending = directory + "/pending/" + receipt_file_name(100);
  collector.clock.wall_ns += 60'000'000'000;
  if (named) {
    const std::string words = "but from size 100 on the log has another one";
    require_refused(witness("i", 100, 100), words);
    require_refused(mirror("i", 100, 100), words);
    require_status(witness("j", 100, 100), 200);
  } else {
    require_status(witness("i", 100, 100), 200);
    require_status(mirror("i", 100, 100), 200);
    log.by = "i";
    const Bytes junk = with_junk(log.checkpoint(100), log.key_of('j'));
    require_status(collector.witness(encode_add_checkpoint({100, {}, junk})), 200);
    require_status(collector.mirror(encode_add_checkpoint({100, {}, junk})), 200);
  }
  for (const bool restarted : {false, true}) {
    if (restarted) collector.open();
    for (const std::string& file : {path, pending})
      for (const char seed : {'i', 'j'}) CHECK(signed_by(file, log.key_of(seed)));
    CHECK(lines_in(path) == 3);
    // The time is the new one all the same: of a log that is idle, that is all there is to see.
    CHECK(check_cosignature(*Note::parse(*read_file(path)), Collector::witness_key()).time_s == 1'700'000'060);
  }
}

TEST_CASE_METHOD(KeysTest, "keys: the same checkpoint with a later key's line takes the place of the one without") {
  trust("ij");
  require_status(witness("i", 0, 100), 200);
  require_status(mirror("i", 0, 100), 200);
  const bool restarted = GENERATE(false, true);
  if (restarted) collector.open();
  require_status(mirror("ij", 100, 100), 200);
  require_status(witness("ij", 100, 100), 200);
  if (restarted) collector.open();
  CHECK(names_in(directory + "/keys") == std::vector<std::string>{receipt_file_name(100)});
  CHECK(signed_by(directory + "/witness", log.key_of('j')));
  require_refused(witness("i", 100, 100), "from size 100 on");
  require_status(collector.upload(log.add_entries(0, 100)), 200);
  const std::string receipt = directory + "/receipts/" + receipt_file_name(100);
  CHECK(signed_by(receipt, log.key_of('j')));
  CHECK(signed_by(receipt, log.key_of('i')));
}

TEST_CASE_METHOD(KeysTest,
                 "keys: a line that was carried unread and does not hold stops nothing once its key is known") {
  log.by = "i";
  const auto junk = [&](std::uint64_t before, std::uint64_t size) {
    return encode_add_checkpoint(
        {before, log.consistency(before, size), with_junk(log.checkpoint(size), log.key_of('j'))});
  };
  require_status(collector.mirror(junk(0, 100)), 200);
  require_status(collector.upload(log.add_entries(0, 100)), 200);
  require_status(collector.mirror(junk(100, 200)), 200);
  require_status(collector.witness(junk(0, 200)), 200);
  CHECK(lines_in(directory + "/witness") == 3);
  trust("ij");
  require_refused(collector.witness(junk(200, 300)), "is wrong");
  require_status(witness("i", 200, 200), 200);
  CHECK(lines_in(directory + "/witness") == 2);
  require_status(witness("ij", 200, 300), 200);
  require_status(mirror("ij", 200, 300), 200);
  require_status(collector.upload(log.add_entries(100, 200)), 200);
  CHECK(lines_in(directory + "/receipts/" + receipt_file_name(200)) == 2);
}

TEST_CASE_METHOD(KeysTest, "keys: the witness' line and a later key's may come to a pending checkpoint one by one") {
  const std::string witness_line = witness("i", 0, 100).body;
  const auto shown = [&](const std::string& by, std::uint64_t before) {
    log.by = by;
    return collector.mirror(encode_add_checkpoint({before, {}, log.checkpoint(100) + witness_line}));
  };
  const bool named = GENERATE(true, false);
  if (named) {
    trust("ij");
    require_status(shown("i", 0), 200);
    require_status(mirror("ij", 100, 100), 200);
  } else {
    require_status(mirror("ij", 0, 100), 200);
    require_status(shown("i", 100), 200);
  }
  // Further on by now: a receipt of 100 has the witness' line only as it was shown.
  require_status(witness("ij", 100, 200), 200);
  if (GENERATE(false, true)) collector.open();
  require_status(collector.upload(log.add_entries(0, 100)), 200);
  const std::string receipt = directory + "/receipts/" + receipt_file_name(100);
  CHECK(lines_in(receipt) == 4);
  CHECK(signed_by(receipt, log.key_of('j')));
  CHECK(check_cosignature(*Note::parse(*read_file(receipt)), Collector::witness_key()).state == SignatureState::valid);
}

TEST_CASE_METHOD(KeysTest, "keys: a third one, and one that was passed over") {
  trust("ijk");
  require_status(witness("i", 0, 100), 200);
  require_status(witness("k", 100, 200), 200);
  for (const std::string by : {"i", "j", "ij"})
    require_refused(witness(by, 200, 300), "another one, " + log.key_of('k').encode());
  require_status(witness("ki", 200, 300), 200);
}

TEST_CASE_METHOD(KeysTest, "keys: a line of a known key that does not hold") {
  trust("ij");
  log.by = "ij";
  AddCheckpoint request{0, {}, log.checkpoint(100)};
  Note note = *Note::parse(request.checkpoint);
  const std::size_t which = GENERATE(0, 1);
  note.signatures[which].signature[9] = static_cast<char>(note.signatures[which].signature[9] ^ 1);
  request.checkpoint = note.encode();
  require_refused(collector.witness(encode_add_checkpoint(request)), "is wrong");
}

TEST_CASE_METHOD(KeysTest, "keys: what was kept of a later key must be what it was") {
  trust("ij");
  const std::string by = GENERATE("j", "ij");
  require_status(witness(by, 0, 100), 200);
  const std::string path = directory + "/keys/" + receipt_file_name(100);
  Note note = *Note::parse(*read_file(path));
  REQUIRE(::unlink(path.c_str()) == 0);
  for (NoteSignature& line : note.signatures)
    if (line.key_id == log.key_of('j').id()) line.signature[9] = static_cast<char>(line.signature[9] ^ 1);
  std::ofstream(path) << note.encode();
  const Status opened = collector.try_open();
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().kind == ErrorKind::fatal);
  CHECK_THAT(opened.error().message, Catch::Contains("first checkpoint by a later key, of size 100"));
}

TEST_CASE_METHOD(KeysTest, "keys: nothing is answered by a later key before that is durable") {
  trust("ij");
  require_status(witness("i", 0, 100), 200);
  {
    Unusable keys(directory + "/keys");
    require_status(witness("j", 100, 200), 503);
    require_status(mirror("j", 0, 200), 503);
  }
  require_status(witness("i", 100, 300), 200);
}
