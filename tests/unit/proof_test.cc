#include <catch2/catch.hpp>
#include <map>

#include "crypto/checkpoint.h"
#include "crypto/tlog_proof.h"
#include "gateway/evidence.h"
#include "gateway/prove.h"
#include "gateway/rotation.h"
#include "gateway/verify_proof.h"
#include "storage/entry.h"
#include "tests/unit/archive_fixture.h"
#include "tests/unit/entry_vectors.h"

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

// A log as it is at another moment: with other segments, or less of it.
class ViewOf final : public LogView {
 public:
  explicit ViewOf(const LogView& all) : all_(all), closed(all.segments()) {}
  std::string origin() const override { return all_.origin(); }
  std::uint64_t first_index() const override { return first; }
  std::uint64_t size() const override { return all_.size(); }
  Result<Bytes> entries(std::uint64_t from, std::size_t count) const override {
    const auto other = instead.find(from);
    return count == 1 && other != instead.end() ? Result<Bytes>(other->second) : all_.entries(from, count);
  }
  Result<Hash> node(int level, std::uint64_t start) const override { return all_.node(level, start); }
  std::vector<Segment> segments() const override { return closed; }

 private:
  const LogView& all_;

 public:
  std::uint64_t first = 0;
  std::vector<Segment> closed;
  std::map<std::uint64_t, Bytes> instead;  // of entries, as a bundle has them
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
    const ProofReport report = verify_proof(options);
    CHECK(report.quorum_met);
    CHECK(report.verdict == Verdict::unproven);  // not fine, whoever cut it out
    CHECK(open_says(report, "entry 0"));
    ProofOptions quorum = options;
    quorum.anchors.clear();
    CHECK(verify_proof(quorum).verdict == Verdict::fine);
    options.policy.reset();
    CHECK(verify_proof(options).verdict == Verdict::unproven);
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
  for (std::size_t bit = 0; bit < 8 * file.size(); ++bit) {
    changed.file = file;
    changed.file[bit / 8] = static_cast<char>(changed.file[bit / 8] ^ (1 << (bit % 8)));
    if (verify_proof(changed).verdict == Verdict::fine) FAIL_CHECK("byte " << bit / 8 << ", bit " << bit % 8);
  }
  for (std::size_t length = 0; length < file.size(); ++length) {
    changed.file = file.substr(0, length);
    INFO("cut to " << length);
    CHECK(verify_proof(changed).verdict != Verdict::fine);
  }
  changed.file = file + "\n";
  CHECK(verify_proof(changed).verdict == Verdict::tampered);
}

// A line of a key that nobody asked about says nothing. It is the one place where a bit does not matter, and there it
// changes nothing of what is said.
TEST_CASE("bits of a cosigner's line, where only the anchor is asked", "[proof]") {
  const Proven p;
  const Bytes file = p.proof(3);
  ProofOptions options = p.options(file);
  options.policy.reset();
  const ProofReport sound = verify_proof(options);
  REQUIRE(sound.verdict == Verdict::fine);
  const std::size_t cosigner = file.find("\n\u2014 mirror.example ") + 1;
  REQUIRE(cosigner != 0);
  std::size_t harmless = 0;
  for (std::size_t bit = 0; bit < 8 * file.size(); ++bit) {
    options.file = file;
    options.file[bit / 8] = static_cast<char>(options.file[bit / 8] ^ (1 << (bit % 8)));
    const ProofReport report = verify_proof(options);
    if (report.verdict != Verdict::fine) continue;
    ++harmless;
    INFO("byte " << bit / 8 << ", bit " << bit % 8);
    CHECK(bit / 8 >= cosigner);
    CHECK(report.entry == sound.entry);
    CHECK(report.index == sound.index);
    CHECK(report.size == sound.size);
    CHECK(report.root == sound.root);
    CHECK(report.cosigned_by.empty());
  }
  CHECK(harmless > 0);
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
  evidence.genesis_path.resize(63);
  Bytes most = evidence.encode();
  CHECK(Evidence::decode(most));
  most[most.size() - 63 * sizeof(Hash) - 1] = 64;
  CHECK_FALSE(Evidence::decode(most + Bytes(sizeof(Hash), '\0')));
  evidence.genesis.clear();
  CHECK_FALSE(Evidence::decode(evidence.encode()));
}

// message.tlog-proof and entry-evidence.hex are made without our code, and shown in storage/FORMAT.md.
TEST_CASE("the example of a proof file", "[proof]") {
  const Bytes file = file_vector("message.tlog-proof"), evidence_bytes = entry_vector("evidence");
  const auto proof = TlogProof::parse(file);
  REQUIRE(proof);
  CHECK(proof->encode() == file);
  CHECK(hex(*proof->extra) == hex(evidence_bytes));
  const auto evidence = Evidence::decode(evidence_bytes);
  REQUIRE(evidence);
  CHECK(hex(evidence->encode()) == hex(evidence_bytes));
  CHECK(hex(evidence->entry) == hex(entry_vector("message")));
  CHECK(hex(evidence->genesis) == hex(entry_vector("genesis")));

  const auto genesis = decode_entry(evidence->genesis);
  REQUIRE(genesis);
  const auto& body = std::get<Genesis>(genesis->body);
  ProofOptions options;
  options.file = file;
  options.anchors.push_back(
      {{std::string(body.origin), KeyType::ed25519, body.identity}, leaf_hash(evidence->genesis)});
  const ProofReport report = verify_proof(options);
  INFO(proof_report_text(report));
  CHECK(report.verdict == Verdict::fine);
  CHECK(report.anchor_matched);
  CHECK(report.index == 3);
  CHECK(report.size == 5);
}

// A bit that is turned in `extra` breaks a hash there. Here the file agrees with itself and only a signature is wrong.
TEST_CASE("a proof of a tree that nobody has signed", "[proof]") {
  const Proven p;
  TlogProof proof = *TlogProof::parse(p.proof(2));
  Evidence evidence = *Evidence::decode(*proof.extra);
  const Note note = *Note::parse(proof.checkpoint);
  evidence.entry = "what was never recorded";
  const Hash forged = leaf_hash(evidence.entry), genesis = leaf_hash(evidence.genesis);
  const auto keep_lines = proof.checkpoint.substr(note.text.size());
  proof.index = 1;
  proof.inclusion = {genesis};
  evidence.genesis_path = {forged};
  const std::string origin = Checkpoint::parse(note.text)->origin;
  proof.checkpoint = Checkpoint{origin, 2, node_hash(genesis, forged)}.text() + keep_lines;
  proof.extra = evidence.encode();
  ProofOptions options = p.options(proof.encode());
  CHECK(verify_proof(options).verdict == Verdict::tampered);
  options.policy.reset();
  CHECK(verify_proof(options).verdict == Verdict::tampered);
  options.anchors.clear();
  CHECK(verify_proof(options).verdict == Verdict::tampered);  // by the key in its own entry 0
  options.policy = p.options({}).policy;
  CHECK(verify_proof(options).verdict == Verdict::tampered);

  // Without any line of the log: other cosigners alone vouch for nothing.
  options.policy.reset();
  proof.checkpoint =
      Checkpoint{origin, 2, node_hash(genesis, forged)}.text() + "\n\u2014 x " + base64(Bytes(68, 'x')) + "\n";
  options.file = proof.encode();
  CHECK(verify_proof(options).verdict == Verdict::tampered);
}

namespace {

struct RotatedProof {
  TempDir dir;
  std::string root = dir / "archive";
  LogBuilder log{root};
  std::unique_ptr<LogView> view;
  TlogProof proof;
  Evidence evidence;

  explicit RotatedProof(bool overlap) {
    log.overlap = overlap;
    log.add_genesis();
    log.add_message("before");
    log.seal();
    log.add_message("still before");
    log.add_rotation();
    log.add_message("after");
    log.seal();
    log.write_log_line();
    auto opened = open_log_view(root);
    if (!opened) FAIL(opened.error().message);
    view = std::move(opened).value();
    proof = make_proof(*view, 5)->proof;
    evidence = *Evidence::decode(*proof.extra);
  }
  ProofReport report(bool by_anchor, const std::optional<Policy>& policy) {
    proof.extra = evidence.encode();
    ProofOptions options;
    options.file = proof.encode();
    options.policy = policy;
    if (by_anchor) options.anchors = {log.anchor()};
    return verify_proof(options);
  }
};

}  // namespace

TEST_CASE("a proof from a log whose identity was rotated", "[proof]") {
  const bool overlap = GENERATE(true, false);
  RotatedProof p(overlap);
  REQUIRE(p.evidence.rotations.size() == 1);
  SECTION("stands by the anchor of the first day, by a policy, or by both") {
    for (const auto& policy : {std::optional<Policy>(), std::optional(p.log.policy())})
      for (const bool anchor : {false, true}) {
        const ProofReport report = p.report(anchor, policy);
        INFO(proof_report_text(report));
        CHECK(report.verdict == (anchor || policy ? Verdict::fine : Verdict::unproven));
        REQUIRE(report.rotations.size() == 1);
        CHECK(report.rotations[0].second == p.log.rotated_vkey());
        CHECK_THAT(proof_report_text(report), Catch::Contains("rotated"));
      }
  }
  SECTION("of before the rotation has none in it") {
    CHECK(Evidence::decode(*make_proof(*p.view, 1)->proof.extra)->rotations.empty());
  }
  SECTION("and a policy that names the first key only") {
    const ProofReport report = p.report(true, p.log.policy_naming({p.log.vkey()}));
    CHECK(report.verdict == (overlap ? Verdict::fine : Verdict::unproven));
    if (!overlap) CHECK(open_says(report, "name the old and the new key"));
  }
  SECTION("and a policy that names the second key only") {
    CHECK(p.report(true, p.log.policy_naming({p.log.rotated_vkey()})).verdict == Verdict::fine);
    p.proof = make_proof(*p.view, 1)->proof;
    p.evidence = *Evidence::decode(*p.proof.extra);
    const ProofReport report = p.report(true, p.log.policy_naming({p.log.rotated_vkey()}));
    INFO(proof_report_text(report));
    CHECK(report.verdict == Verdict::unproven);
    CHECK(open_says(report, "name the old and the new key"));
    // Without the anchor nothing tells its key from a stranger's: entry 0 names whoever made it.
    CHECK(p.report(false, p.log.policy_naming({p.log.rotated_vkey()})).verdict == Verdict::tampered);
  }
  SECTION("made where neither entry 0 nor the rotation was any more") {
    p.evidence.genesis.clear();
    p.evidence.genesis_path.clear();
    p.evidence.rotations.clear();
    for (const auto& policy : {std::optional<Policy>(), std::optional(p.log.policy())}) {
      const ProofReport report = p.report(true, policy);
      INFO(proof_report_text(report));
      CHECK(report.verdict == Verdict::unproven);
      CHECK(open_says(report, overlap ? "entry 0" : "neither entry 0 nor a rotation"));
    }
    CHECK(p.report(false, p.log.policy()).verdict == Verdict::fine);
    Note note = *Note::parse(p.proof.checkpoint);
    for (NoteSignature& line : note.signatures)
      if (line.key_id == p.log.vkey().id()) line.signature[5] = static_cast<char>(line.signature[5] ^ 1);
    p.proof.checkpoint = note.encode();
    if (overlap) CHECK(open_says(p.report(true, std::nullopt), "its line does not verify"));
  }
  SECTION("without its entry 0, by the anchor's key") {
    p.evidence.genesis.clear();
    p.evidence.genesis_path.clear();
    CHECK(p.report(true, p.log.policy()).verdict == Verdict::unproven);
    CHECK(p.report(false, p.log.policy()).verdict == Verdict::fine);
  }
}

TEST_CASE("a proof whose rotations are not the log's", "[proof]") {
  RotatedProof p(false);
  const auto statement = [&](SoftwareSigner& from, SoftwareSigner& to, const std::string& origin = kOrigin) {
    return RotationStatement::make(origin, from, to)->encode();
  };
  const auto other = test_key(91);
  std::string words;
  SECTION("none") {
    p.evidence.rotations.clear();
    words = "is not signed by the key of the log's own entry 0";
  }
  SECTION("to another key") {
    p.evidence.rotations = {statement(*p.log.identity, *other)};
    words = "nor by the one that it was rotated to";
  }
  SECTION("from another key") {
    p.evidence.rotations = {statement(*other, *p.log.rotated)};
    words = "do not begin with the key of the log's own entry 0";
  }
  SECTION("with a gap") {
    p.evidence.rotations = {statement(*p.log.identity, *other), statement(*test_key(92), *p.log.rotated)};
    words = "does not begin with the key that the one before it ends with";
  }
  SECTION("of another log") {
    p.evidence.rotations = {statement(*p.log.identity, *p.log.rotated, "example.com/other")};
    words = "is of another log";
  }
  SECTION("without the old key's signature") {
    RotationStatement forged = *RotationStatement::parse(p.evidence.rotations[0]);
    forged.rotation.by_old = forged.rotation.by_new;
    p.evidence.rotations = {forged.encode()};
    words = "does not hold";
  }
  for (const auto& policy : {std::optional<Policy>(), std::optional(p.log.policy())}) {
    const ProofReport report = p.report(true, policy);
    CHECK(report.verdict == Verdict::tampered);
    CHECK(open_says(report, words));
  }
}

TEST_CASE("evidence with rotations has one form only", "[proof]") {
  const RotatedProof p(false);
  const Bytes bytes = p.evidence.encode();
  CHECK_THAT(bytes, Catch::StartsWith("sealring/evidence/v2\n"));
  CHECK(Evidence::decode(bytes)->encode() == bytes);
  for (std::size_t length = 0; length < bytes.size(); ++length) CHECK_FALSE(Evidence::decode(bytes.substr(0, length)));
  CHECK_FALSE(Evidence::decode(bytes + "x"));
  Evidence none = p.evidence;
  none.rotations.clear();
  Bytes empty = none.encode();
  empty[empty.find("v1") + 1] = '2';
  CHECK_FALSE(Evidence::decode(empty));
  CHECK_FALSE(Evidence::decode(empty + Bytes(1, '\0')));
}

TEST_CASE("which checkpoint a record is proven with", "[proof]") {
  const Proven p;
  ViewOf log(*p.view);
  REQUIRE(log.closed.size() == 3);
  const auto made = make_proof(log, 2);
  REQUIRE(made);
  CHECK(made->size == log.closed[0].end);
  CHECK(made->receipted);
  // The lowest with a receipt, although a lower one covers it.
  log.closed[0].state = SegmentState::sealed;
  CHECK(make_proof(log, 2)->size == log.closed[1].end);
  CHECK(make_proof(log, 2)->receipted);
  for (Segment& segment : log.closed) segment.state = SegmentState::sealed;
  CHECK(make_proof(log, 2)->size == log.closed[0].end);
  CHECK_FALSE(make_proof(log, 2)->receipted);
  for (Segment& segment : log.closed) segment.note.clear();
  const Error unsigned_yet = make_proof(log, 2).error();
  CHECK(unsigned_yet.kind == ErrorKind::retry);
  CHECK_THAT(unsigned_yet.message, Catch::Contains("is sealed, but the identity key has not signed it yet"));
  for (Segment& segment : log.closed) segment.state = SegmentState::open;
  CHECK(make_proof(log, 2).error().kind == ErrorKind::retry);
  CHECK_THAT(make_proof(log, 2).error().message, Catch::Contains("is not sealed yet"));
}

TEST_CASE("a log that has lost its beginning", "[proof]") {
  const Proven p;
  ViewOf log(*p.view);
  log.first = 5;
  const auto gone = make_proof(log, 2);
  REQUIRE_FALSE(gone);
  CHECK(gone.error().kind == ErrorKind::missing);
  CHECK(gone.error().message.find("--from") != std::string::npos);
  const auto made = make_proof(log, 8);
  REQUIRE(made);
  CHECK_FALSE(made->genesis);
  ProofOptions options = p.options(made->proof.encode());
  CHECK(verify_proof(options).verdict == Verdict::unproven);  // the anchor cannot be matched
  ProofOptions quorum = options;
  quorum.anchors.clear();
  CHECK(verify_proof(quorum).verdict == Verdict::fine);
  options.policy.reset();
  CHECK(verify_proof(options).verdict == Verdict::unproven);
}

TEST_CASE("a large message is proven by its first entry", "[proof]") {
  const Proven p;
  const auto made = make_proof(*p.view, 7);
  REQUIRE(made);
  CHECK(made->index == 5);
  CHECK(made->parts == 3);
  const auto payload = record_payload(*p.view, 7);
  REQUIRE(payload);
  CHECK(payload->size() == 300);
  CHECK_FALSE(record_payload(*p.view, 1));
  for (const std::uint64_t index : {std::uint64_t{2}, std::uint64_t{5}}) {
    ProofOptions options = p.options(p.proof(index));
    options.payload = *record_payload(*p.view, index);
    CHECK(verify_proof(options).verdict == Verdict::fine);
    CHECK(verify_proof(options).payload_matched);
    options.payload->back() ^= 1;
    CHECK(verify_proof(options).verdict == Verdict::tampered);
    options.payload->pop_back();
    CHECK(verify_proof(options).verdict == Verdict::tampered);
  }
  ProofOptions event = p.options(p.proof(1));
  event.payload = Bytes();
  CHECK(verify_proof(event).verdict == Verdict::tampered);
}

TEST_CASE("parts that are not the message's are not joined", "[proof]") {
  const Proven p;
  ViewOf log(*p.view);
  REQUIRE(record_payload(log, 5));
  const Bytes stored = p.view->entries(6, 1)->substr(2);
  Entry entry = *decode_entry(stored);
  Part& part = std::get<Part>(entry.body);
  Bytes payload(part.payload);
  part.payload = payload;
  std::string words = "is not part 1 of message 5";
  SECTION("of another message") { part.first = 4; }
  SECTION("of another place in it") { part.number = 2; }
  SECTION("with a byte changed") {
    payload.back() ^= 1;
    part.payload = payload;
    words = "do not make the payload";
  }
  SECTION("with a byte less") {
    part.payload.remove_suffix(1);
    words = "do not make the payload";
  }
  Bytes changed, framed;
  REQUIRE(encode_entry(entry, changed));
  put_u16(framed, static_cast<std::uint16_t>(changed.size()));
  log.instead[6] = framed + changed;
  const auto joined = record_payload(log, 5);
  REQUIRE_FALSE(joined);
  CHECK(joined.error().kind == ErrorKind::fatal);
  INFO(joined.error().message);
  CHECK(joined.error().message.find(words) != std::string::npos);
}

TEST_CASE("entry 0 is of the log that the checkpoint names", "[proof]") {
  TempDir dir;
  LogBuilder log(dir / "archive");
  log.add_genesis();
  Evidence evidence;
  evidence.entry = evidence.genesis = log.entries[0];
  TlogProof proof;
  proof.extra = evidence.encode();
  proof.checkpoint = log.note().encode();
  ProofOptions options;
  options.file = proof.encode();
  options.anchors = {log.anchor()};
  CHECK(verify_proof(options).verdict == Verdict::fine);
  log.origin = "example.com/other";
  proof.checkpoint = log.note().encode();
  options.file = proof.encode();
  options.anchors = {log.anchor()};
  CHECK(verify_proof(options).verdict == Verdict::tampered);
}

TEST_CASE("one of several keys that a policy has for a log is enough, none is not", "[proof]") {
  const Proven p;
  ProofOptions options = p.options(p.proof(2));
  options.anchors.clear();
  const auto other = test_key(77);
  options.policy->logs.insert(options.policy->logs.begin(),
                              {{p.log.origin, KeyType::ed25519, other->public_key()}, ""});
  CHECK(verify_proof(options).verdict == Verdict::fine);
  options.policy->logs.pop_back();
  const ProofReport report = verify_proof(options);
  CHECK(report.verdict == Verdict::tampered);
  CHECK(open_says(report, "policy"));
}
