#include <catch2/catch.hpp>

#include "crypto/tlog_proof.h"
#include "gateway/evidence.h"
#include "gateway/prove.h"
#include "gateway/verify_proof.h"
#include "tests/unit/archive_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

struct Proven {
  TempDir dir;
  std::string root = dir / "archive";
  LogBuilder log{root};
  std::unique_ptr<LogView> view;
  Proven() {
    log.build();
    auto opened = open_log_view(root);
    if (!opened) FAIL(opened.error().message);
    view = std::move(opened).value();
  }
  Bytes proof(std::uint64_t index) const {
    const auto made = make_proof(*view, index);
    if (!made) FAIL(made.error().message);
    return made->proof.encode();
  }
  ProofOptions options(Bytes file) const {
    const VerifyOptions all = asking(log, root);
    ProofOptions out;
    out.file = std::move(file);
    out.policy = all.policy;
    out.anchors = all.anchors;
    return out;
  }
};

bool open_says(const ProofReport& report, const std::string& words) {
  for (const std::string& sentence : report.open)
    if (sentence.find(words) != std::string::npos) return true;
  for (const Finding& finding : report.findings)
    if (finding.what.find(words) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("every entry of an archive can be proven", "[proof]") {
  const Proven p;
  for (std::uint64_t index = 0; index < p.view->size(); ++index) {
    const ProofReport report = verify_proof(p.options(p.proof(index)));
    INFO(index << "\n" << proof_report_text(report));
    REQUIRE(report.verdict == Verdict::fine);
    CHECK(report.anchor_matched);
    CHECK(report.quorum_met);
    CHECK(report.index <= index);  // of a part: its message
    const auto bytes = p.view->entries(report.index, 1);
    REQUIRE(bytes);
    CHECK(report.entry == bytes->substr(2));
  }
  CHECK(make_proof(*p.view, p.view->size()).error().kind == ErrorKind::missing);
}

TEST_CASE("what a proof shows depends on what is brought", "[proof]") {
  const Proven p;
  const Bytes file = p.proof(2);
  ProofOptions options = p.options(file);
  SECTION("nothing") {
    options.policy.reset();
    options.anchors.clear();
    const ProofReport report = verify_proof(options);
    CHECK(report.verdict == Verdict::unproven);
    CHECK(open_says(report, "--anchor"));
  }
  SECTION("the anchor alone") {
    options.policy.reset();
    CHECK(verify_proof(options).verdict == Verdict::fine);
  }
  SECTION("the policy alone") {
    options.anchors.clear();
    CHECK(verify_proof(options).verdict == Verdict::fine);
  }
  SECTION("a policy whose quorum is not met, beside a good anchor") {
    // A second cosigner, whose key nobody has used.
    const auto other = std::move(SoftwareSigner::generate()).value();
    options.policy->witnesses.push_back({"other", {"other.example", KeyType::cosignature_v1, other->public_key()}, ""});
    options.policy->quorum = "other";
    const ProofReport report = verify_proof(options);
    CHECK(report.verdict == Verdict::unproven);
    CHECK(open_says(report, "quorum"));
  }
  SECTION("the anchor of another history") {
    options.anchors[0].genesis[0] ^= 1;
    const ProofReport report = verify_proof(options);
    CHECK(report.verdict == Verdict::tampered);
    CHECK(open_says(report, "another history"));
  }
  SECTION("an anchor with another key") {
    options.policy.reset();
    options.anchors[0].key.key[0] ^= 1;
    CHECK(verify_proof(options).verdict == Verdict::tampered);
  }
  SECTION("the anchor of another log") {
    options.anchors[0].key.name = "example.com/other";
    const ProofReport report = verify_proof(options);
    CHECK(report.verdict == Verdict::tampered);
    CHECK(open_says(report, "example.com/other"));
  }
  SECTION("no path of entry 0: the anchor is not enough, the quorum is") {
    TlogProof proof = *TlogProof::parse(file);
    Evidence evidence = *Evidence::decode(*proof.extra);
    evidence.genesis.clear();
    evidence.genesis_path.clear();
    proof.extra = evidence.encode();
    options.file = proof.encode();
    CHECK(verify_proof(options).verdict == Verdict::fine);
    options.policy.reset();
    const ProofReport report = verify_proof(options);
    CHECK(report.verdict == Verdict::unproven);
    CHECK(open_says(report, "entry 0"));
  }
  SECTION("no record inside") {
    TlogProof proof = *TlogProof::parse(file);
    proof.extra.reset();
    options.file = proof.encode();
    CHECK(verify_proof(options).verdict == Verdict::unreadable);
  }
  SECTION("another entry 0 with a path of its own") {
    TlogProof proof = *TlogProof::parse(file);
    Evidence evidence = *Evidence::decode(*proof.extra);
    evidence.genesis.back() ^= 1;
    proof.extra = evidence.encode();
    options.file = proof.encode();
    CHECK(verify_proof(options).verdict == Verdict::tampered);
  }
}

TEST_CASE("a proof file in which any bit is another one is not fine", "[proof]") {
  const Proven p;
  const Bytes file = p.proof(3);
  const ProofOptions sound = p.options(file);
  REQUIRE(verify_proof(sound).verdict == Verdict::fine);
  ProofOptions changed = sound;
  for (std::size_t at = 0; at < file.size(); ++at) {
    changed.file = file;
    changed.file[at] = static_cast<char>(changed.file[at] ^ (1 << (at % 8)));
    INFO("byte " << at);
    CHECK(verify_proof(changed).verdict != Verdict::fine);
  }
  for (std::size_t length = 0; length < file.size(); ++length) {
    changed.file = file.substr(0, length);
    INFO("cut to " << length);
    CHECK(verify_proof(changed).verdict != Verdict::fine);
  }
  changed.file = file + "\n";
  CHECK(verify_proof(changed).verdict == Verdict::tampered);
}

TEST_CASE("the parser of proofs takes what it writes, and nothing else", "[proof]") {
  TlogProof proof;
  proof.index = 7;
  proof.inclusion.resize(63);
  proof.checkpoint = "a\n1\nx\n\nnote\n";
  for (const bool with_extra : {false, true}) {
    proof.extra = with_extra ? std::optional<Bytes>(Bytes("\0x", 2)) : std::nullopt;
    const auto again = TlogProof::parse(proof.encode());
    REQUIRE(again);
    CHECK(again->encode() == proof.encode());
    CHECK(again->extra == proof.extra);
    CHECK(again->inclusion.size() == 63);
  }
  proof.inclusion.resize(64);
  CHECK_FALSE(TlogProof::parse(proof.encode()));
  const Bytes hash = base64(Bytes(32, 'h')), head(kTlogProofHeader);
  for (const Bytes& bad : {Bytes(), head, head + "index 1\n", head + "index 1\n\n", head + "index 01\n\nnote\n",
                           head + "index -1\n\nnote\n", head + "index 18446744073709551616\n\nnote\n",
                           head + "index 1 \n\nnote\n", head + "index 1\nAAAA\n\nnote\n",
                           head + "index 1\n" + hash + " \n\nnote\n", head + "extra !\nindex 1\n\nnote\n",
                           head + "index 1\nextra AA==\n\nnote\n", head + "extra AA==\nextra AA==\nindex 1\n\nnote\n",
                           Bytes("c2sp.org/tlog-proof@v2\nindex 1\n\nnote\n"), head + "Index 1\n\nnote\n"}) {
    INFO(bad);
    CHECK_FALSE(TlogProof::parse(bad));
  }
}

TEST_CASE("the evidence in a proof is decoded strictly", "[proof]") {
  Evidence evidence;
  evidence.entry = "entry";
  evidence.genesis = "genesis";
  evidence.genesis_path.resize(2);
  const Bytes bytes = evidence.encode();
  const auto again = Evidence::decode(bytes);
  REQUIRE(again);
  CHECK(again->encode() == bytes);
  for (std::size_t length = 0; length < bytes.size(); ++length) CHECK_FALSE(Evidence::decode(bytes.substr(0, length)));
  CHECK_FALSE(Evidence::decode(bytes + "x"));
  evidence.genesis.clear();
  CHECK_FALSE(Evidence::decode(evidence.encode()));
}
