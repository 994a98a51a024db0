// What the verifier makes of a log that was closed, and of the one that follows it.
#include <catch2/catch.hpp>

#include "crypto/succession.h"
#include "tests/unit/archive_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

// A log that was closed at the end of its second segment, and its follower up to entry 0, in one archive.
struct Succeeded {
  TempDir dir;
  std::string root = dir / "archive";
  LogBuilder old{root}, log{root, std::string(kOrigin) + "~1"};
  Checkpoint closed;  // by what proved the store of `old` to be a copy

  Succeeded() {
    old.add_genesis();
    old.add_message("before");
    old.seal();
    old.add_message("lost on the way");
    old.seal();
    old.write_log_line();
    closed = old.checkpoint();
    log.identity = test_key(40);
    log.add_genesis();
  }
  Succession statement() const { return {closed, log.vkey(), log.genesis_hash}; }
  SuccessionEntry entry() {
    return {closed.origin, closed.size, closed.root, old.identity->public_key(),
            *old.identity->sign(statement().text())};
  }
  void carry(std::uint64_t index, ByteView bytes, std::uint64_t from = 0, std::uint64_t to = UINT64_MAX) {
    Carried carried;
    carried.index = index;
    carried.length = bytes.size();
    carried.offset = from;
    carried.bytes = bytes.substr(from, to - from);
    log.add({log.common(), carried});
  }
  void follow() { log.add({log.common(), entry()}); }
  VerifyReport report(bool seal = true) {
    if (seal) log.seal();
    log.write_log_line();
    return verify(asking(log, log.folder));
  }
};

}  // namespace

TEST_CASE("a log that follows another is fine by its own anchor", "[verify][succession]") {
  Succeeded s;
  s.follow();
  const Bytes bytes(300, 'x');
  s.carry(3, bytes);
  s.log.add_event(EventCode::heartbeat);
  s.carry(5, bytes, 0, 100);
  s.carry(5, bytes, 100, 299);
  s.carry(5, bytes, 299);
  s.log.seal();
  s.carry(9, bytes);
  s.log.add_message("after");
  const VerifyReport report = s.report();
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::fine);
  const LogReport& log = report.logs.at(0);
  REQUIRE(log.succession);
  CHECK(log.succession->closed == s.closed);
  CHECK(log.succession->old_key == s.old.vkey());
  CHECK(log.succession->signature_holds);
  CHECK(log.carried == 3);
  CHECK(log.kinds.at("carried") == 5);
  CHECK_THAT(report_text(report),
             Catch::Contains("follows     \"" + std::string(kOrigin) + "\", closed at size 5, signed "));
  CHECK_THAT(report_text(report), Catch::Contains("carried     3 entries"));
  CHECK_THAT(report_json(report), Catch::Contains("\"signature_holds\": true") && Catch::Contains("\"carried\": 3,"));
}

TEST_CASE("a succession that is none", "[verify][succession]") {
  Succeeded s;
  SuccessionEntry entry = s.entry();
  const auto with = [&](const std::string& words) {
    s.log.add({s.log.common(), entry});
    CHECK(tampered(s.report(), words));
  };
  SECTION("lawful") {
    s.follow();
    CHECK(s.report().verdict == Verdict::fine);
  }
  SECTION("in another place") {
    s.log.add_event(EventCode::start);
    with("a succession may only be entry 1");
  }
  SECTION("a second time") {
    s.follow();
    with("a succession may only be entry 1");
  }
  SECTION("of a log that another one would follow") {
    s.closed.origin = GENERATE("example.com/other", "example.com/other~1");
    entry = s.entry();
    with("would come, not");
  }
  SECTION("by what is no key") {
    entry.old_key = PublicKey{};
    with("by what is no Ed25519 key");
  }
  SECTION("by its own identity") {
    entry.old_key = s.log.identity->public_key();
    entry.by_old = *s.log.identity->sign(s.statement().text());
    with("by its own identity key");
  }
  SECTION("by its own epoch key") {
    entry.old_key = s.log.epoch_key->public_key();
    entry.by_old = *s.log.epoch_key->sign(s.statement().text());
    with("by an epoch key of its own");
  }
  SECTION("with an epoch key later") {
    entry.old_key = test_key(101)->public_key();
    entry.by_old = *test_key(101)->sign(s.statement().text());
    with("takes the key of the log that this one follows for an epoch key");
  }
  SECTION("with a rotation to its key") {
    s.follow();
    s.log.add({s.log.common(), s.log.rotation(*s.log.identity, *s.old.identity)});
    CHECK(tampered(s.report(), "but to the key of the log that this one follows"));
  }
  SECTION("over another size, root, key or entry 0") {
    Succession other = s.statement();
    switch (GENERATE(0, 1, 2, 3)) {
      case 0:
        ++other.closed.size;
        break;
      case 1:
        other.closed.root = sha256("x");
        break;
      case 2:
        other.follower.key = test_key(41)->public_key();
        break;
      default:
        other.genesis = sha256("x");
    }
    entry.by_old = *s.old.identity->sign(other.text());
    with("over that and entry 0, does not hold");
  }
}

TEST_CASE("a succession whose entry 0 is not here", "[verify][succession]") {
  Succeeded s;
  s.log.write_segment();
  const std::string lost = s.log.segment_path();
  s.log.next_key = test_key(100);
  s.log.begin_next();
  s.follow();
  s.log.seal();
  fs::remove(lost);
  s.log.write_log_line();
  const VerifyReport report = verify(asking(s.log, s.log.folder));
  CHECK(report.verdict == Verdict::truncated);
  CHECK(says(report, Verdict::unproven, "but entry 0, which was signed with it, is not here"));
  CHECK_FALSE(report.logs.at(0).succession->signature_holds);
}

TEST_CASE("carried entries where none can be", "[verify][succession]") {
  Succeeded s;
  const Bytes bytes(300, 'x');
  const auto spoilt = [&](const std::string& words) { CHECK(tampered(s.report(), words)); };
  SECTION("in a log that follows none") {
    s.log.add_event(EventCode::start);
    s.carry(3, bytes);
    spoilt("but this one follows none");
  }
  SECTION("as its entry 1") {
    s.carry(3, bytes);
    spoilt("but this one follows none");
  }
  s.follow();
  SECTION("twice the same") {
    s.carry(3, bytes);
    s.carry(3, bytes);
    spoilt("not in the order of the log that was closed");
  }
  SECTION("backwards, in another segment") {
    s.carry(3, bytes);
    s.log.seal();
    s.carry(2, bytes, 0, 10);
    s.carry(2, bytes, 10);
    spoilt("not in the order of the log that was closed");
  }
  SECTION("without their first piece") {
    s.carry(3, bytes, 100);
    spoilt("what comes before that does not stand directly before it");
  }
  SECTION("with a piece left out") {
    s.carry(3, bytes, 0, 100);
    s.carry(3, bytes, 101);
    spoilt("expected was entry 3 from 100 on of 300");
  }
  SECTION("with a piece twice") {
    s.carry(3, bytes, 0, 100);
    s.carry(3, bytes, 0, 100);
    spoilt("expected was entry 3 from 100 on of 300");
  }
  SECTION("with a piece of another entry") {
    s.carry(3, bytes, 0, 100);
    s.carry(4, bytes, 100);
    spoilt("expected was entry 3 from 100 on of 300");
  }
  SECTION("with a piece of one of another length") {
    s.carry(3, bytes, 0, 100);
    s.carry(3, Bytes(301, 'x'), 100);
    spoilt("expected was entry 3 from 100 on of 300");
  }
  SECTION("with something between its pieces") {
    s.carry(3, bytes, 0, 100);
    s.log.add_message("between");
    s.carry(3, bytes, 100);
    spoilt("interrupts the carried entry 3");
  }
  SECTION("without their first piece, after a gap and another one") {
    s.log.add({s.log.common(), s.log.handover()});
    s.log.write_segment();
    const std::string lost = s.log.segment_path();
    s.log.begin_next();
    s.carry(3, bytes);
    s.carry(4, bytes, 100);
    s.log.seal();
    fs::remove(lost);
    spoilt("what comes before that does not stand directly before it");
  }
  SECTION("without their last piece, at the end of a segment") {
    s.carry(3, bytes, 0, 100);
    s.log.write_segment();
    s.log.write_log_line();
    CHECK(tampered(verify(asking(s.log, s.log.folder)), "the carried entry 3 lacks its bytes from 100 on"));
  }
  SECTION("without their last piece") {
    s.carry(3, bytes, 0, 100);
    spoilt("interrupts the carried entry 3");  // the handover does
  }
}

TEST_CASE("what stands before carried entries may not be here", "[verify][succession]") {
  Succeeded s;
  s.follow();
  const Bytes bytes(300, 'x');
  const bool whole = GENERATE(true, false);
  if (!whole) s.carry(6, bytes, 0, 100);
  s.log.add({s.log.common(), s.log.handover()});
  s.log.write_segment();
  const std::string lost = s.log.segment_path();
  s.log.begin_next();
  if (whole) s.carry(7, bytes);
  if (!whole) s.carry(6, bytes, 100, 200), s.carry(6, bytes, 200);
  s.log.seal();
  fs::remove(lost);
  const VerifyReport report = s.report();
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::truncated);
  CHECK(report.logs.at(0).carried == 1);
  CHECK_FALSE(report.logs.at(0).succession);
}
