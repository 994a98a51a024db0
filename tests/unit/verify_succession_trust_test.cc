// How far the word of a succession reaches: from an anchor, from a policy alone, in a proof.
#include <algorithm>
#include <catch2/catch.hpp>

#include "gateway/prove.h"
#include "gateway/verify_proof.h"
#include "tests/unit/succeeded_fixture.h"

using namespace sealring;
using namespace sealring::test;

TEST_CASE("whose key entry 1 names", "[verify][succession]") {
  Succeeded s;
  const auto other = test_key(60);
  const bool by_other = GENERATE(false, true);
  SuccessionEntry entry = s.entry();
  if (by_other) {
    entry.old_key = other->public_key();
    entry.by_old = *other->sign(s.statement().text());
  }
  s.log.add({s.log.common(), entry});
  s.log.seal();
  s.log.write_log_line();
  VerifyOptions options = asking(s.log, s.log.folder);
  const VerifierKey named{kOrigin, KeyType::ed25519, entry.old_key};
  const auto shown = [&](Verdict verdict, const std::string& signed_by) {
    const VerifyReport report = verify(options);
    INFO(report_text(report));
    CHECK(report.verdict == verdict);
    std::string text = report_text(report), line = "5, signed by " + signed_by + named.encode();
    text.erase(std::remove_if(text.begin(), text.end(), [](char c) { return c == ' ' || c == '\n'; }), text.end());
    line.erase(std::remove(line.begin(), line.end(), ' '), line.end());
    CHECK_THAT(text, Catch::Contains(line));
    CHECK_THAT(report_json(report),
               Catch::Contains(std::string("\"old_key_known\": ") + (signed_by == "its key " ? "true" : "false")));
    return report;
  };
  const std::string claims = "a key that claims to be its, ", its = "its key ";
  const auto not_its = [&] {
    CHECK(tampered(shown(Verdict::tampered, claims), "names a key that is not that log's, " + named.encode()));
  };
  const auto with = [&](const VerifierKey& key) { options.policy->logs.push_back({key, ""}); };
  SECTION("nobody here can say") { shown(Verdict::fine, claims); }
  SECTION("its anchor says, unless the identity was rotated") {
    options.anchors.push_back(s.old.anchor());
    shown(Verdict::fine, by_other ? claims : its);
  }
  SECTION("the policy says") {
    with(s.old.vkey());
    if (by_other) return not_its();
    shown(Verdict::fine, its);
  }
  SECTION("the policy says for each of several keys") {
    with({kOrigin, KeyType::ed25519, test_key(61)->public_key()});
    with(by_other ? named : s.old.vkey());
    shown(Verdict::fine, its);
    options.policy->logs.pop_back();
    not_its();
  }
  SECTION("the anchor's is one that the policy need not name") {
    with({kOrigin, KeyType::ed25519, test_key(61)->public_key()});
    options.anchors.push_back(s.old.anchor());
    if (by_other) return not_its();
    shown(Verdict::fine, its);
  }
}

TEST_CASE("a statement does not make an anchor of a policy", "[verify][succession]") {
  Succeeded s;
  s.complete();
  VerifyOptions options = s.by_old_anchor(s.log.folder);
  options.anchors.clear();
  const auto as_little_as_the_closed_log = [&] {
    const VerifyReport report = verify(options);
    INFO(report_text(report));
    CHECK(report.verdict == Verdict::unproven);
    const LogReport& log = report.logs.at(0);
    CHECK_FALSE(log.anchor_matched);
    CHECK(log.anchor_from.empty());
    CHECK(says(report, Verdict::unproven, "no anchor was given"));
    CHECK(says(report, Verdict::unproven, "may have been re-made"));
    CHECK_THAT(report_text(report), !Catch::Contains("the anchor's entry 0"));
    return report;
  };
  SECTION("for the closed log") {
    options.path = s.old.folder;
    as_little_as_the_closed_log();
  }
  SECTION("for the one that follows, in the archive or a copy of it") {
    if (GENERATE(false, true)) {
      options.path = s.dir / "copy";
      fs::copy(s.log.folder, options.path, fs::copy_options::recursive);
    }
    const VerifyReport report = as_little_as_the_closed_log();
    CHECK(report.logs.at(0).receipts_counted == 2);  // the policy is about it, too
    CHECK(says(report, Verdict::unproven, "statement leads to it from the policy alone"));
    CHECK_THAT(report.logs.at(0).proven.back(),
               Catch::Contains("by the word of statement, countersigned by \"collector.example"));
  }
  SECTION("nor for one that follows that") {
    LogBuilder third{s.root, *follower_origin(s.log.origin)};
    third.identity = test_key(41);
    third.add_genesis();
    const Succession made{s.log.checkpoint(), third.vkey(), third.genesis_hash};
    third.add({third.common(), SuccessionEntry{made.closed.origin, made.closed.size, made.closed.root,
                                               s.log.identity->public_key(), *s.log.identity->sign(made.text())}});
    third.seal();
    third.write_log_line();
    options.path = third.folder;
    options.successions.files.push_back(
        {"second", Succeeded::note_of(made, *s.log.identity, s.collector.get()).encode()});
    as_little_as_the_closed_log();
    options.anchors = {s.log.anchor()};  // of the one between them: from there on it leads
    CHECK(verify(options).verdict == Verdict::fine);
    CHECK(verify(options).logs.at(0).anchor_from == "second");
  }
  SECTION("which has to begin as it says all the same") {
    Succession other = s.statement();
    other.genesis = sha256("x");
    options.successions = s.brought(Succeeded::note_of(other, *s.old.identity, s.collector.get()));
    CHECK(tampered(verify(options), "names another entry 0"));
    other = s.statement();
    other.follower.key = test_key(41)->public_key();
    options.successions = s.brought(Succeeded::note_of(other, *s.old.identity, s.collector.get()));
    CHECK(verify(options).verdict == Verdict::tampered);
  }
  SECTION("and which has to be here") {
    options.path = s.root;
    CHECK(verify(options).verdict == Verdict::unproven);
    fs::remove_all(s.log.folder);
    const VerifyReport lacking = verify(options);
    CHECK(lacking.verdict == Verdict::truncated);
    CHECK_THAT(lacking.findings.at(0).what, Catch::Contains("which follows by statement"));
  }
  SECTION("in a proof") {
    const auto view = open_log_view(s.log.folder);
    REQUIRE(view);
    ProofOptions proof;
    proof.policy = options.policy;
    proof.successions = options.successions;
    proof.file = make_proof(**view, 2)->proof.encode();
    const ProofReport report = verify_proof(proof);
    INFO(proof_report_text(report));
    CHECK(report.verdict == Verdict::fine);  // by the quorum, as of the closed log
    CHECK_FALSE(report.anchor_matched);
    CHECK(report.anchor_from.empty());
    CHECK_THAT(proof_report_text(report),
               !Catch::Contains("the anchor") && Catch::Contains("by the word of statement, countersigned by"));
    proof.policy->quorum = "w";  // which has not signed
    CHECK(verify_proof(proof).verdict == Verdict::unproven);
    proof.policy = options.policy;
    Succession other = s.statement();
    other.genesis = sha256("x");
    proof.successions = s.brought(Succeeded::note_of(other, *s.old.identity, s.collector.get()));
    CHECK(verify_proof(proof).verdict == Verdict::tampered);
  }
}

TEST_CASE("proofs of records, by the anchor of the log that was closed", "[proof][succession]") {
  Succeeded s;
  SECTION("of the follower") {
    s.complete();
    const auto view = open_log_view(s.log.folder);
    REQUIRE(view);
    ProofOptions options;
    options.anchors = {s.old.anchor()};
    options.policy = s.old.policy();
    options.successions = s.brought();
    for (const std::uint64_t index : {0, 1, 2, 4}) {
      options.file = make_proof(**view, index)->proof.encode();
      const ProofReport report = verify_proof(options);
      INFO(proof_report_text(report));
      CHECK(report.verdict == Verdict::fine);
      CHECK(report.anchor_from == "statement");
      CHECK(report.quorum_met);
    }
    options.successions = s.brought(s.note(nullptr));
    const ProofReport report = verify_proof(options);
    CHECK(report.verdict == Verdict::tampered);
    CHECK(report.findings.at(0).verdict == Verdict::unproven);
  }
  SECTION("of a follower whose entry 1 says otherwise") {
    s.closed.size = 4;
    s.follow();
    s.closed.size = 5;
    s.log.seal();
    s.log.write_log_line();
    const auto view = open_log_view(s.log.folder);
    REQUIRE(view);
    ProofOptions options;
    options.anchors = {s.old.anchor()};
    options.successions = s.brought();
    options.file = make_proof(**view, 1)->proof.encode();
    CHECK(verify_proof(options).verdict == Verdict::tampered);
  }
  SECTION("of the closed one") {
    s.complete();
    const auto view = open_log_view(s.old.folder);
    REQUIRE(view);
    ProofOptions options;
    options.anchors = {s.old.anchor()};
    options.successions = s.brought();
    options.file = make_proof(**view, 3)->proof.encode();
    const ProofReport report = verify_proof(options);
    CHECK(report.verdict == Verdict::fine);
    CHECK_THAT(proof_report_text(report), Catch::Contains("closed        at size 5, by statement"));
    CHECK_THAT(proof_report_json(report), Catch::Contains("\"closed\": {"));
    s.closed.root = sha256("x");
    options.successions = s.brought();
    CHECK(verify_proof(options).verdict == Verdict::forked);
  }
}
