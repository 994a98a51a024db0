// How far the word of a succession reaches: from an anchor, from a policy alone, in a proof.
#include <catch2/catch.hpp>

#include "gateway/prove.h"
#include "gateway/verify_proof.h"
#include "tests/unit/succeeded_fixture.h"

using namespace sealring;
using namespace sealring::test;

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
