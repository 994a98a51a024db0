// What the verifier makes of a log that was closed, and of the one that follows it.
#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/unit/succeeded_fixture.h"

using namespace sealring;
using namespace sealring::test;

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
             Catch::Contains("follows     \"" + std::string(kOrigin) + "\", closed at size 5, signed by a key that "));
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

TEST_CASE("a statement leads from the old anchor to the log that follows", "[verify][succession]") {
  Succeeded s;
  s.complete();
  std::string path = s.log.folder;
  if (GENERATE(false, true)) {
    path = s.dir / "copy";
    fs::copy(s.log.folder, path, fs::copy_options::recursive);
  }
  const VerifyReport report = verify(s.by_old_anchor(path));
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::fine);
  const LogReport& log = report.logs.at(0);
  CHECK(log.origin == s.log.origin);
  CHECK(log.anchor_matched);
  CHECK(log.anchor_from == "statement");
  CHECK(log.receipts_counted == 2);
  CHECK_THAT(report_text(report), Catch::Contains("that anchor is the one of statement, countersigned by \"collector"));
  CHECK_THAT(report_json(report), Catch::Contains("\"anchor_from\": \"statement\""));
  SECTION("which it is not without") {
    VerifyOptions options = s.by_old_anchor(path);
    options.successions = {};
    CHECK(verify(options).verdict == Verdict::tampered);
  }
  SECTION("and a policy that is not about the old one is not about this one") {
    VerifyOptions options = s.by_old_anchor(path);
    options.policy = s.old.policy_naming({{"example.com/third", KeyType::ed25519, test_key(91)->public_key()}});
    const VerifyReport other = verify(options);
    CHECK(other.verdict == Verdict::unproven);
    CHECK(says(other, Verdict::unproven, "the policy does not name this log"));
  }
  SECTION("by the policy alone") {
    VerifyOptions options = s.by_old_anchor(path);
    options.anchors.clear();
    CHECK(verify(options).verdict == Verdict::unproven);  // see verify_succession_trust_test.cc
  }
  SECTION("but a copy does not choose among anchors of several logs") {
    if (path == s.log.folder) return;
    VerifyOptions options = s.by_old_anchor(path);
    options.anchors.push_back({{"example.com/third", KeyType::ed25519, test_key(91)->public_key()}, sha256("x")});
    CHECK(verify(options).verdict == Verdict::unproven);
    CHECK_FALSE(verify(options).logs.at(0).anchor_matched);
  }
  SECTION("beside its own anchor") {
    VerifyOptions options = s.by_old_anchor(s.log.folder);
    options.anchors.push_back(s.log.anchor());
    const VerifyReport own = verify(options);
    CHECK(own.verdict == Verdict::fine);
    CHECK(own.logs.at(0).anchor_from.empty());
    options.anchors.back().genesis = sha256("x");
    const VerifyReport wrong = verify(options);
    CHECK(wrong.verdict == Verdict::tampered);
    CHECK_THAT(wrong.findings.at(0).what, Catch::Contains("as the log that follows, the anchor given is"));
  }
}

namespace {

// That a file was not followed, for these words; and that the log is not fine then.
void not_followed(const Succeeded& s, const SuccessionsBrought& brought, Verdict verdict, const std::string& words) {
  VerifyOptions options = asking(s.old, s.old.folder);
  REQUIRE(verify(options).verdict == Verdict::fine);
  options.successions = brought;
  const VerifyReport report = verify(options);
  INFO(report_text(report));
  CHECK(report.verdict == verdict);
  REQUIRE_FALSE(report.findings.empty());
  CHECK_THAT(report.findings.back().what, Catch::Contains(words));
  options.path = s.log.folder;
  CHECK(verify(options).verdict == (report.findings.size() == brought.files.size() ? Verdict::tampered : verdict));
}

}  // namespace

TEST_CASE("a statement that is not followed", "[verify][succession]") {
  Succeeded s;
  s.complete();
  SECTION("because it is none") {
    SuccessionsBrought brought = s.brought();
    brought.files[0].note = GENERATE("", "x\n", "x\n\n\u2014 x AAAAAAAA\n");
    not_followed(s, brought, Verdict::unproven, "is not followed: ");
    brought.files[0].note = sign_checkpoint(s.closed, *s.old.identity)->encode();
    not_followed(s, brought, Verdict::unproven, "is not followed: succession: ");
  }
  SECTION("because no key was given") {
    SuccessionsBrought brought = s.brought();
    brought.key.reset();
    not_followed(s, brought, Verdict::unproven, "the key of the collector that took it was not given");
  }
  SECTION("because nobody countersigned it, or somebody else") {
    const auto other = test_key(51);
    const Note note = s.note(GENERATE(true, false) ? nullptr : other.get());
    not_followed(s, s.brought(note), Verdict::unproven, "without that it binds nobody");
  }
  SECTION("because a line does not verify") {
    Note note = s.note(s.collector.get());
    const std::size_t which = GENERATE(0, 1);
    note.signatures[which].signature[5] = static_cast<char>(note.signatures[which].signature[5] ^ 1);
    not_followed(s, s.brought(note), Verdict::tampered, "does not verify");
  }
  SECTION("because the closed log is not known") {
    VerifyOptions options = s.by_old_anchor(s.old.folder);
    options.policy.reset();
    options.anchors[0].key.name = "example.com/other";
    CHECK_THAT(verify(options).findings.at(0).what, Catch::Contains("of which neither anchor nor policy"));
  }
  SECTION("because another key signed for the closed log") {
    const Note note = Succeeded::note_of(s.statement(), *test_key(60), s.collector.get());
    not_followed(s, s.brought(note), Verdict::unproven, "if its identity was rotated");
  }
  SECTION("because the succession key is the log's own") {
    SuccessionsBrought brought = s.brought();
    brought.key = s.old.vkey();
    not_followed(s, brought, Verdict::unproven, "the succession key given is that of");
  }
  SECTION("because the follower has the old key") {
    Succession made = s.statement();
    made.follower.key = s.old.identity->public_key();
    const Note note = Succeeded::note_of(made, *s.old.identity, s.collector.get());
    not_followed(s, s.brought(note), Verdict::tampered, "has the key of the one that was closed");
  }
  SECTION("because there is another one") {
    Succession made = s.statement();
    made.genesis = sha256("x");
    SuccessionsBrought brought = s.brought();
    brought.files.push_back({"second", Succeeded::note_of(made, *s.old.identity, s.collector.get()).encode()});
    not_followed(s, brought, Verdict::forked, "was closed otherwise by statement");
    brought.files[1] = brought.files[0];
    VerifyOptions options = asking(s.old, s.log.folder);
    options.successions = brought;
    CHECK(verify(options).verdict == Verdict::fine);
  }
}

TEST_CASE("a statement with any bit changed is not followed", "[verify][succession]") {
  Succeeded s;
  s.complete();
  VerifyOptions options = s.by_old_anchor(s.log.folder);
  options.policy.reset();
  options.min_size = 1;
  const Bytes file = options.successions.files[0].note;
  REQUIRE(verify(options).verdict == Verdict::fine);
  for (std::size_t at = 0; at < file.size(); ++at) {
    Bytes changed = file;
    changed[at] = static_cast<char>(changed[at] ^ 1 << at % 8);
    options.successions.files[0].note = changed;
    if (verify(options).verdict == Verdict::fine) FAIL_CHECK("byte " << at);
  }
}

TEST_CASE("a log that follows one that followed", "[verify][succession]") {
  Succeeded s;
  s.complete();
  LogBuilder third{s.root, *follower_origin(s.log.origin)};
  third.identity = test_key(41);
  third.add_genesis();
  const Succession made{s.log.checkpoint(), third.vkey(), third.genesis_hash};
  third.add({third.common(), SuccessionEntry{made.closed.origin, made.closed.size, made.closed.root,
                                             s.log.identity->public_key(), *s.log.identity->sign(made.text())}});
  third.seal();
  third.write_log_line();
  VerifyOptions options = s.by_old_anchor(third.folder);
  options.successions.files.push_back(
      {"second", Succeeded::note_of(made, *s.log.identity, s.collector.get()).encode()});
  CHECK(verify(options).verdict == Verdict::fine);
  CHECK(verify(options).logs.at(0).anchor_from == "second");
  options.path = s.root;
  const VerifyReport all = verify(options);
  INFO(report_text(all));
  CHECK(all.verdict == Verdict::fine);
  CHECK(all.logs.size() == 3);
  std::swap(options.successions.files[0], options.successions.files[1]);
  CHECK(verify(options).verdict == Verdict::unproven);
  std::swap(options.successions.files[0], options.successions.files[1]);
  fs::remove_all(third.folder);
  const VerifyReport lacking = verify(options);
  CHECK(lacking.verdict == Verdict::truncated);
  CHECK_THAT(lacking.findings.at(0).what, Catch::Contains("which follows by second"));
}

TEST_CASE("entry 1 and the statement must say the same", "[verify][succession]") {
  Succeeded s;
  const auto with = [&](const std::string& words) {
    s.log.seal();
    s.log.write_log_line();
    CHECK(tampered(verify(s.by_old_anchor(s.log.folder)), words));
    VerifyOptions own = asking(s.log, s.log.folder);
    own.anchors.push_back(s.old.anchor());
    own.policy->logs.push_back({s.old.vkey(), ""});
    own.successions = s.brought();
    CHECK(tampered(verify(own), words));
  };
  SECTION("where the log was closed") {
    const Checkpoint truth = s.closed;
    if (GENERATE(true, false))
      --s.closed.size;
    else
      s.closed.root = sha256("x");
    s.follow();
    s.closed = truth;
    with("says otherwise than entry 1");
  }
  SECTION("by which key") {
    const auto other = test_key(60);
    s.log.add({s.log.common(), SuccessionEntry{s.closed.origin, s.closed.size, s.closed.root, other->public_key(),
                                               *other->sign(s.statement().text())}});
    with("says otherwise than entry 1");
  }
  SECTION("that there is one") {
    s.log.add_event(EventCode::start);
    with("entry 1 here is no succession");
  }
}

TEST_CASE("the log that was closed", "[verify][succession]") {
  Succeeded s;
  s.complete();
  VerifyOptions options = s.by_old_anchor(s.old.folder);
  const std::string successor = s.old.folder + "/successor";
  SECTION("is said to be") {
    const VerifyReport report = verify(options);
    CHECK(report.verdict == Verdict::fine);
    REQUIRE(report.logs.at(0).closed);
    CHECK(report.logs[0].closed->countersigned_by == Succeeded::kCollector);
    CHECK_THAT(report_text(report), Catch::Contains("closed      at size 5, by statement, countersigned by "));
    CHECK_THAT(report_text(report), !Catch::Contains("beyond"));
    CHECK_THAT(report_json(report), Catch::Contains("\"follower\": \"" + s.log.vkey().encode()));
  }
  SECTION("and what came later there is named") {
    s.old.add_message("by the copy");
    s.old.seal();
    const VerifyReport report = verify(options);
    CHECK(report.verdict == Verdict::fine);
    CHECK_THAT(report_text(report), Catch::Contains("entries [5, 7) are beyond"));
  }
  SECTION("with another root") {
    s.closed.root = sha256("x");
    options.successions = s.brought();
    const VerifyReport report = verify(options);
    CHECK(report.verdict == Verdict::forked);
    CHECK(says(report, Verdict::forked, "succession statement: the identity has signed root"));
  }
  SECTION("beyond what is here") {
    s.closed = {s.closed.origin, 9, sha256("x")};
    options.successions = s.brought();
    CHECK(verify(options).verdict == Verdict::named);
    CHECK(says(verify(options), Verdict::named, "existed by then and are not here"));
  }
  SECTION("by a rotated key") {
    s.old.add_rotation();
    s.old.seal();
    s.closed = s.old.checkpoint();
    options.policy = s.old.policy();
    options.successions = s.brought(Succeeded::note_of(s.statement(), *s.old.rotated, s.collector.get()));
    CHECK(verify(options).verdict == Verdict::fine);
    options.successions = s.brought();  // by the one before it
    CHECK(tampered(verify(options), "without a signature by its identity key"));
  }
  SECTION("as its collector keeps it") {
    options.successions = {};
    write_all(successor, s.note(s.collector.get()).encode());
    const VerifyReport shown = verify(options);
    CHECK(shown.verdict == Verdict::fine);
    CHECK(shown.logs.at(0).closed->countersigned_by.empty());
    CHECK_THAT(report_text(shown), Catch::Contains("closed      at size 5, by successor (NOT believed"));
    options.successions.key = s.brought().key;
    const VerifyReport believed = verify(options);
    CHECK(believed.verdict == Verdict::fine);
    CHECK(believed.logs.at(0).closed->countersigned_by == Succeeded::kCollector);
    write_all(successor, s.note(nullptr).encode());
    CHECK(verify(options).verdict == Verdict::unproven);
    Note note = s.note(s.collector.get());
    note.signatures[1].signature[5] = static_cast<char>(note.signatures[1].signature[5] ^ 1);
    write_all(successor, note.encode());
    CHECK(tampered(verify(options), "that verifies"));
    CHECK(verify(options).logs.at(0).closed);
    note = s.note(s.collector.get());
    note.signatures[0].signature[5] = static_cast<char>(note.signatures[0].signature[5] ^ 1);
    write_all(successor, note.encode());
    CHECK(tampered(verify(options), "does not hold"));
    write_all(successor, Succeeded::note_of(s.statement(), *test_key(60), s.collector.get()).encode());
    CHECK(tampered(verify(options), "without a signature by its identity key"));
    CHECK_FALSE(verify(options).logs.at(0).closed);
    write_all(successor, "x");
    CHECK(tampered(verify(options), "is not the statement of a succession"));
    write_all(s.log.folder + "/successor", s.note(s.collector.get()).encode());
    CHECK(tampered(verify(asking(s.log, s.log.folder)), "not this log"));
  }
  SECTION("twice, in different ways") {
    Succession other = s.statement();
    other.genesis = sha256("x");
    write_all(successor, Succeeded::note_of(other, *s.old.identity, s.collector.get()).encode());
    CHECK(says(verify(options), Verdict::forked, "closes this log otherwise than statement"));
  }
}

TEST_CASE("a second succession that the collector refused and kept", "[verify][succession]") {
  Succeeded s;
  s.complete();
  VerifyOptions options = s.by_old_anchor(s.old.folder);
  write_all(s.old.folder + "/successor", s.note(s.collector.get()).encode());
  std::filesystem::create_directories(s.old.folder + "/evidence");
  Succession other = s.statement();
  other.genesis = sha256("x");
  const std::string name = "evidence/00000000000000000005-0123456789abcdef.succession";
  const auto keep = [&](const Succession& made, SoftwareSigner& by, const std::string& as) {
    write_all(s.old.folder + "/" + as, Succeeded::note_of(made, by, nullptr).encode());
  };
  SECTION("says that two follow") {
    keep(other, *s.old.identity, name);
    const VerifyReport report = verify(options);
    CHECK(report.verdict == Verdict::forked);
    CHECK(says(report, Verdict::named, name + ": the collector kept this because it refused it"));
    CHECK(says(report, Verdict::forked, name + ": closes this log otherwise than statement, for "));
    CHECK_FALSE(says(report, Verdict::named, "does not belong here"));
  }
  SECTION("by a former identity, whose word nobody takes") {
    s.old.add_rotation();
    s.old.seal();
    other.closed = s.old.checkpoint();
    const std::string behind = "evidence/" + std::string(20 - std::to_string(other.closed.size).size(), '0') +
                               std::to_string(other.closed.size) + "-0123456789abcdef.succession";
    keep(other, *s.old.identity, behind);
    CHECK(says(verify(options), Verdict::named, behind + ": closes this log without a signature by its identity key"));
    CHECK_FALSE(says(verify(options), Verdict::forked, ""));
    keep(other, *s.old.rotated, behind);
    CHECK(says(verify(options), Verdict::forked, behind + ": closes this log otherwise"));
  }
  SECTION("by nobody, of another log, of another size, garbage") {
    keep(other, *test_key(60), name);
    CHECK(tampered(verify(options), "without a signature by its identity key"));
    other.closed.size = 6;
    keep(other, *s.old.identity, name);
    CHECK(tampered(verify(options), "closes this log at size 6"));
    const std::string origin = std::string(kOrigin) + "~1";
    Succession next{{origin, 5, s.closed.root},
                    {origin.substr(0, origin.size() - 1) + "2", KeyType::ed25519, test_key(61)->public_key()},
                    sha256("x")};
    keep(next, *s.log.identity, name);
    CHECK(tampered(verify(options), "not this log"));
    write_all(s.old.folder + "/" + name, "x");
    CHECK(tampered(verify(options), "is not the statement of a succession"));
  }
  SECTION("and the first one is gone") {
    keep(other, *s.old.identity, name);
    std::filesystem::remove(s.old.folder + "/successor");
    CHECK(verify(options).verdict == Verdict::forked);  // it was brought
    options.successions = {};
    CHECK(tampered(verify(options), "another one had closed this log, which is not here"));
  }
}
