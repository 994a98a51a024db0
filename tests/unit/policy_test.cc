#include "crypto/policy.h"

#include <catch2/catch.hpp>

#include "crypto/merkle.h"
#include "tests/unit/vectors.h"

namespace sealring {
namespace {

using testing::check_expected;
using testing::read_vectors;
using testing::unescape;

std::unique_ptr<SoftwareSigner> signer_of(char c) { return SoftwareSigner::from_seed(Bytes(32, c)).value(); }

const std::string kText = Checkpoint{"a.example", 7, leaf_hash("x")}.text();

TEST_CASE("cosignature: the signed bytes", "[cosignature]") {
  CHECK(cosignature_message(1679315147,
                            "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n") ==
        "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n");
  CHECK(cosignature_message(0, "x\n") == "cosignature/v1\ntime 0\nx\n");
}

TEST_CASE("cosignature: a line has key ID, time and signature", "[cosignature]") {
  const auto signer = signer_of('w');
  const VerifierKey key{"w.example", KeyType::cosignature_v1, signer->public_key()};
  const auto line = cosign(kText, 1679315147, "w.example", *signer);
  REQUIRE(line.ok());
  CHECK(line->name == "w.example");
  CHECK(line->key_id == key.id());
  CHECK(hex(line->signature.substr(0, 8)) ==
        "0000000064185"
        "0cb");
  CHECK(line->signature.size() == 72);
  CHECK(line->line().size() == 4 + 9 + 1 + 104 + 1);

  const CosignatureCheck check = check_cosignature({kText, {*line}}, key);
  CHECK(check.state == SignatureState::valid);
  CHECK(check.time_s == 1679315147);
  // A cosignature is no plain signature, whatever key ID it claims.
  CHECK(check_note_signature({kText, {*line}}, key) == SignatureState::invalid);
  CHECK(check_note_signature({kText, {*line}}, {"w.example", KeyType::ed25519, key.key}) == SignatureState::absent);
}

TEST_CASE("cosignature: a flip of any bit is invalid", "[cosignature]") {
  const auto signer = signer_of('w');
  const VerifierKey key{"w.example", KeyType::cosignature_v1, signer->public_key()};
  const NoteSignature line = cosign(kText, 1679315147, "w.example", *signer).value();
  for (std::size_t bit = 0; bit < 8 * line.signature.size(); ++bit) {
    NoteSignature other = line;
    other.signature[bit / 8] = static_cast<char>(other.signature[bit / 8] ^ (1 << (bit % 8)));
    INFO("bit " << bit);
    CHECK(check_cosignature({kText, {other}}, key).state == SignatureState::invalid);
    CHECK(check_cosignature({kText, {line, other}}, key).state == SignatureState::invalid);
    CHECK(check_cosignature({kText, {other, line}}, key).state == SignatureState::invalid);
  }
  for (std::size_t i = 0; i < kText.size(); ++i) {
    std::string other = kText;
    other[i] = static_cast<char>(other[i] ^ 1);
    CHECK(check_cosignature({other, {line}}, key).state == SignatureState::invalid);
  }
  for (std::size_t n = 0; n < line.signature.size(); ++n) {
    NoteSignature shorter = line;
    shorter.signature.resize(n);
    CHECK(check_cosignature({kText, {shorter}}, key).state == SignatureState::invalid);
  }
  NoteSignature longer = line;
  longer.signature += '\0';
  CHECK(check_cosignature({kText, {longer}}, key).state == SignatureState::invalid);
  // A key of the other type signs nothing here, even if a cosignature carries its ID.
  const VerifierKey plain{key.name, KeyType::ed25519, key.key};
  NoteSignature as_plain = line;
  as_plain.key_id = plain.id();
  CHECK(check_cosignature({kText, {as_plain}}, plain).state == SignatureState::invalid);
  CHECK(check_cosignature({kText, {}}, key).state == SignatureState::absent);
  CHECK(check_cosignature({kText, {line}}, {"v.example", key.type, key.key}).state == SignatureState::absent);
}

TEST_CASE("cosign refuses what would be a false statement", "[cosignature]") {
  const auto signer = signer_of('w');
  CHECK(cosign(kText, 0, "w", *signer).ok());
  CHECK(cosign(kText, INT64_MAX, "w", *signer).ok());
  check_expected(cosign(kText, std::uint64_t{INT64_MAX} + 1, "w", *signer), "time is above 2^63 - 1");
  check_expected(cosign(kText, 1, "", *signer), "key name is empty");
  check_expected(cosign("a.example\n", 1, "w", *signer), "size is missing");
  check_expected(cosign(kText + "more\n", 1, "w", *signer), "extension lines");
}

TEST_CASE("a cosignature that does not verify is not released", "[cosignature]") {
  class Other : public Signer {
   public:
    const PublicKey& public_key() const override { return signer_->public_key(); }
    Result<Signature> sign(ByteView) override { return signer_->sign("something else"); }

   private:
    std::unique_ptr<SoftwareSigner> signer_ = signer_of('w');
  } other;
  const auto line = cosign(kText, 1, "w", other);
  REQUIRE_FALSE(line.ok());
  CHECK(line.error().kind == ErrorKind::fatal);
}

TEST_CASE("policy vectors", "[policy]") {
  for (const auto& row : read_vectors("policy.tsv", 3)) {
    INFO(row[0]);
    check_expected(Policy::parse(unescape(row[2])), row[1]);
  }
}

TEST_CASE("policy: what is read", "[policy]") {
  const VerifierKey log{"a.example", KeyType::ed25519, signer_of('a')->public_key()};
  const VerifierKey witness{"w.example", KeyType::cosignature_v1, signer_of('w')->public_key()};
  const VerifierKey mirror{"m.example", KeyType::cosignature_v1, signer_of('m')->public_key()};
  const auto policy = Policy::parse(
      "# whom to trust\nlog " + log.encode() + " https://a.example/#log\n\n  witness W\t" + witness.encode() +
      "\nwitness M " + mirror.encode() + " https://m.example\ngroup both all W M\ngroup top any both\nquorum top\n");
  REQUIRE(policy.ok());
  REQUIRE(policy->logs.size() == 1);
  CHECK(policy->logs[0].key == log);
  CHECK(policy->logs[0].url == "https://a.example/#log");
  REQUIRE(policy->witnesses.size() == 2);
  CHECK(policy->witnesses[0].name == "W");
  CHECK(policy->witnesses[0].key == witness);
  CHECK(policy->witnesses[0].url == "");
  CHECK(policy->witnesses[1].url == "https://m.example");
  REQUIRE(policy->groups.size() == 2);
  CHECK(policy->groups[0].name == "both");
  CHECK(policy->groups[0].threshold == 2);
  CHECK(policy->groups[0].members == std::vector<std::string>{"W", "M"});
  CHECK(policy->groups[1].threshold == 1);
  CHECK(policy->quorum == "top");
  CHECK(policy->find_log("a.example") == &policy->logs[0]);
  CHECK(policy->find_log("b.example") == nullptr);
  CHECK(policy->find_witness("M") == &policy->witnesses[1]);
  CHECK(policy->find_witness("both") == nullptr);
  CHECK(policy->find_witness("m.example") == nullptr);  // the policy's names, not the keys'
}

std::string describe(const Policy::Verdict& verdict) {
  std::string text =
      std::string("log=") + (verdict.log_signed ? "1" : "0") + " quorum=" + (verdict.quorum_met ? "1" : "0");
  for (const auto& [name, time_s] : verdict.cosigned_by) text += " " + name + ":" + std::to_string(time_s);
  return text;
}

TEST_CASE("policy: evaluation vectors", "[policy]") {
  for (const auto& row : read_vectors("evaluation.tsv", 4)) {
    INFO(row[0]);
    const auto policy = Policy::parse(unescape(row[2]));
    REQUIRE(policy.ok());
    const auto note = Note::parse(unescape(row[3]));
    REQUIRE(note.ok());
    const auto verdict = policy->evaluate(*note);
    if (row[1].rfind("log=", 0) == 0) {
      REQUIRE(verdict.ok());
      CHECK(describe(*verdict) == row[1]);
    } else {
      check_expected(verdict, row[1]);
    }
  }
}

// Every threshold of every number of members, against a count of bits.
TEST_CASE("policy: thresholds, exhaustively", "[policy]") {
  const auto log = signer_of('a');
  std::vector<NoteSignature> cosignatures;
  std::string witnesses = "log " + VerifierKey{"a.example", KeyType::ed25519, log->public_key()}.encode() + "\n",
              members;
  for (unsigned n = 1; n <= 4; ++n) {
    const auto signer = signer_of(static_cast<char>('0' + n));
    const std::string name = "w" + std::to_string(n);
    witnesses +=
        "witness " + name + " " + VerifierKey{name, KeyType::cosignature_v1, signer->public_key()}.encode() + "\n";
    members += " " + name;
    cosignatures.push_back(cosign(kText, n, name, *signer).value());
    for (unsigned k = 1; k <= n; ++k) {
      const auto policy = Policy::parse(witnesses + "group g " + std::to_string(k) + members + "\nquorum g\n");
      REQUIRE(policy.ok());
      for (unsigned present = 0; present < (1u << n); ++present) {
        Note note{kText, {sign_note_text(kText, "a.example", *log).value()}};
        for (unsigned i = 0; i < n; ++i) {
          if (present >> i & 1) note.signatures.push_back(cosignatures[i]);
        }
        INFO(k << " of " << n << ", present " << present);
        CHECK(policy->evaluate(note).value().quorum_met == (static_cast<unsigned>(__builtin_popcount(present)) >= k));
      }
    }
  }
}

TEST_CASE("policy: one that was never read asks for what cannot be met", "[policy]") {
  Policy policy;
  const auto log = signer_of('a');
  policy.logs.push_back({{"a.example", KeyType::ed25519, log->public_key()}, ""});
  const Note note{kText, {sign_note_text(kText, "a.example", *log).value()}};
  CHECK(policy.evaluate(note).value().log_signed);
  CHECK_FALSE(policy.evaluate(note).value().quorum_met);
}

}  // namespace
}  // namespace sealring
