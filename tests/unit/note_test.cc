#include "crypto/note.h"

#include <catch2/catch.hpp>

#include "crypto/checkpoint.h"
#include "crypto/merkle.h"
#include "tests/unit/vectors.h"

namespace sealring {
namespace {

using namespace std::string_literals;
using testing::check_expected;
using testing::read_vectors;
using testing::unescape;

std::unique_ptr<SoftwareSigner> signer_of(char c) { return SoftwareSigner::from_seed(Bytes(32, c)).value(); }

// Answers with what it was told, like a token that is away or broken.
class FaultySigner : public Signer {
 public:
  explicit FaultySigner(Result<Signature> answer) : key_(signer_of('k')->public_key()), answer_(std::move(answer)) {}
  const PublicKey& public_key() const override { return key_; }
  Result<Signature> sign(ByteView) override { return answer_; }

 private:
  PublicKey key_;
  Result<Signature> answer_;
};

TEST_CASE("vkey vectors", "[note]") {
  for (const auto& row : read_vectors("vkey.tsv", 3)) {
    INFO(row[0]);
    const Bytes text = unescape(row[2]);
    const auto key = VerifierKey::parse(text);
    check_expected(key, row[1]);
    if (key.ok()) CHECK(key->encode() == text);
  }
}

TEST_CASE("vkey: key IDs of the specifications", "[note]") {
  const auto key = VerifierKey::parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k");
  REQUIRE(key.ok());
  CHECK(key->name == "example.com/foo");
  CHECK(key->type == KeyType::ed25519);
  CHECK(key->id() == 0x530d903a);
  CHECK(hex(view(key->key)) == "e932791ae6e7a840a46164c904786426d5e7821dd8b29a00d61cae72afdd4da4");
  CHECK(VerifierKey::parse("example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k").value() == *key);
}

TEST_CASE("vkey: a change of any character is refused or is the same key", "[note]") {
  const std::string vkey = VerifierKey{"a.example", KeyType::cosignature_v1, signer_of('v')->public_key()}.encode();
  const VerifierKey key = VerifierKey::parse(vkey).value();
  for (std::size_t i = 0; i < vkey.size(); ++i) {
    for (int c = 0; c < 256; ++c) {
      std::string other = vkey;
      other[i] = static_cast<char>(c);
      if (other == vkey) continue;
      const auto parsed = VerifierKey::parse(other);
      const bool same_id = std::tolower(c) == vkey[i] && i > 9 && i < 18;  // hex digits have two cases
      INFO("offset " << i << ", character " << c);
      CHECK(parsed.ok() == same_id);
    }
    CHECK_FALSE(VerifierKey::parse(vkey.substr(0, i)).ok());
  }
}

TEST_CASE("note vectors", "[note]") {
  for (const auto& row : read_vectors("note.tsv", 3)) {
    INFO(row[0]);
    const Bytes text = unescape(row[2]);
    const auto note = Note::parse(text);
    check_expected(note, row[1]);
    if (note.ok()) CHECK(note->encode() == text);
  }
}

TEST_CASE("each control character, and code points that a view cuts", "[note]") {
  for (int c = 0; c < 0x80; ++c) {
    INFO("character " << c);
    const std::string text = "a"s + static_cast<char>(c) + "\n";
    CHECK(check_note_text(text).ok() == (c >= 0x20 || c == '\n'));
    CHECK(check_key_name("a"s + static_cast<char>(c)).ok() == (c > 0x20 && c != '+'));
  }
  // What follows the view in memory would complete the code point.
  for (const std::string_view whole : {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}) {
    CHECK(check_key_name(whole).ok());
    for (std::size_t n = 1; n < whole.size(); ++n) {
      check_expected(check_key_name(whole.substr(0, n)), "is not valid UTF-8 at offset 0");
    }
  }
}

TEST_CASE("note: limits", "[note]") {
  const std::string lines = NoteSignature{"x", 1, Bytes(64, 'x')}.line();
  const auto note_of = [&](std::size_t size) { return std::string(size - lines.size() - 2, 'x') + "\n\n" + lines; };
  CHECK(Note::parse(note_of(kMaxNoteBytes)).ok());
  check_expected(Note::parse(note_of(kMaxNoteBytes + 1)), "524289 bytes, more than the 524288");
}

TEST_CASE("note: the specification's example verifies", "[note]") {
  const auto key = VerifierKey::parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k");
  const std::string note =
      "This is an example message.\n\n\xE2\x80\x94 example.com/foo "
      "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
  const auto parsed = Note::parse(note);
  REQUIRE(parsed.ok());
  CHECK(parsed->text == "This is an example message.\n");
  REQUIRE(parsed->signatures.size() == 1);
  CHECK(parsed->signatures[0].name == "example.com/foo");
  CHECK(parsed->signatures[0].key_id == 0x530d903a);
  CHECK(parsed->signatures[0].signature.size() == 64);
  CHECK(check_note_signature(*parsed, *key) == SignatureState::valid);

  SECTION("no flip of a bit leaves it valid") {
    for (std::size_t i = 0; i < note.size(); ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string other = note;
        other[i] = static_cast<char>(other[i] ^ (1 << bit));
        const auto changed = Note::parse(other);
        INFO("offset " << i << ", bit " << bit);
        CHECK((!changed.ok() || check_note_signature(*changed, *key) != SignatureState::valid));
      }
    }
  }
  SECTION("no part of it is a note") {
    for (std::size_t n = 0; n < note.size(); ++n) {
      INFO("length " << n);
      CHECK_FALSE(Note::parse(note.substr(0, n)).ok());
    }
    for (std::size_t n = 1; n < note.size(); ++n) {
      const auto rest = Note::parse(note.substr(n));
      INFO("from " << n);
      CHECK((!rest.ok() || check_note_signature(*rest, *key) != SignatureState::valid));
    }
  }
}

TEST_CASE("signature lines alone", "[note]") {
  const std::string a = NoteSignature{"a", 1, "signature of a"}.line(), b = NoteSignature{"b", 2, "of b"}.line();
  const auto two = parse_signature_lines(a + b);
  REQUIRE(two.ok());
  REQUIRE(two->size() == 2);
  CHECK((*two)[0].line() == a);
  CHECK((*two)[1].line() == b);
  check_expected(parse_signature_lines(""), "line 1: no signature line");
  check_expected(parse_signature_lines("\n"), "line 1: signature line must begin");
  check_expected(parse_signature_lines(a + "\n" + b), "line 2: signature line must begin");
  check_expected(parse_signature_lines(a + b + "\n"), "line 3: signature line must begin");
  check_expected(parse_signature_lines("text\n\n" + a), "line 1: signature line must begin");
  check_expected(parse_signature_lines(a + b.substr(0, b.size() - 1)), "line 2: signature line does not end");
  check_expected(parse_signature_lines(a + "\xff\n"),
                 "line 2, offset " + std::to_string(a.size()) + ": not valid UTF-8");
  std::string many;
  for (std::size_t i = 0; i < kMaxNoteSignatures; ++i) many += a;
  CHECK(parse_signature_lines(many).ok());
  check_expected(parse_signature_lines(many + a), "line 65: more than 64");
  check_expected(parse_signature_lines(std::string(kMaxNoteBytes + 1, '\n')), "more than the 524288");
}

TEST_CASE("signing a note", "[note]") {
  const auto signer = signer_of('a');
  Note note{"Some text.\n", {}};
  note.signatures.push_back(sign_note_text(note.text, "a.example", *signer).value());
  const VerifierKey key{"a.example", KeyType::ed25519, signer->public_key()};
  CHECK(check_note_signature(note, key) == SignatureState::valid);
  CHECK(check_note_signature(Note::parse(note.encode()).value(), key) == SignatureState::valid);

  check_expected(sign_note_text("", "a", *signer), "must end in a newline");
  check_expected(sign_note_text("x", "a", *signer), "must end in a newline");
  check_expected(sign_note_text("x\ty\n", "a", *signer), "line 1, offset 1: control character 0x09");
  check_expected(sign_note_text("x\n\xff\n", "a", *signer), "line 2, offset 2: not valid UTF-8");
  check_expected(sign_note_text("x\n", "", *signer), "key name is empty");
  check_expected(sign_note_text("x\n", "a b", *signer), "has a space");
}

TEST_CASE("a signature that does not verify is not released", "[note]") {
  FaultySigner wrong{Signature{}}, away{retry_error("the token is away")};
  const auto refused = sign_note_text("x\n", "a", wrong);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == ErrorKind::fatal);
  const auto later = sign_note_text("x\n", "a", away);
  REQUIRE_FALSE(later.ok());
  CHECK(later.error().kind == ErrorKind::retry);
  CHECK(later.error().message == "sign as \"a\": the token is away");
  // Right for another text: what a token that mixes up its sessions would give.
  FaultySigner mixed{signer_of('k')->sign("y\n")};
  CHECK_FALSE(sign_note_text("x\n", "a", mixed).ok());
  FaultySigner right{signer_of('k')->sign("x\n")};
  CHECK(sign_note_text("x\n", "a", right).ok());
}

TEST_CASE("which lines count for a key", "[note]") {
  const auto a = signer_of('a'), b = signer_of('b');
  const std::string text = "Some text.\n";
  const VerifierKey key{"a.example", KeyType::ed25519, a->public_key()};
  const NoteSignature good = sign_note_text(text, "a.example", *a).value();
  const NoteSignature other = sign_note_text(text, "b.example", *b).value();
  NoteSignature bad = good;
  bad.signature[10] ^= 1;
  NoteSignature other_id = bad;
  other_id.key_id ^= 1;
  NoteSignature other_name = bad;
  other_name.name += "x";
  NoteSignature longer = good, shorter = good;
  longer.signature += '\0';
  shorter.signature.pop_back();

  const auto state = [&](std::vector<NoteSignature> lines) { return check_note_signature({text, lines}, key); };
  CHECK(state({}) == SignatureState::absent);
  CHECK(state({other}) == SignatureState::absent);
  CHECK(state({other_id}) == SignatureState::absent);
  CHECK(state({other_name}) == SignatureState::absent);
  CHECK(state({good}) == SignatureState::valid);
  CHECK(state({other, other_id, good, other_name}) == SignatureState::valid);
  CHECK(state({good, good}) == SignatureState::valid);
  CHECK(state({bad}) == SignatureState::invalid);
  CHECK(state({good, bad}) == SignatureState::invalid);
  CHECK(state({bad, good}) == SignatureState::invalid);
  CHECK(state({longer}) == SignatureState::invalid);
  CHECK(state({shorter}) == SignatureState::invalid);
  CHECK(check_note_signature({text + "\n", {good}}, key) == SignatureState::invalid);

  // A key of the other type is refused even if a plain signature carries its ID.
  const VerifierKey cosigner{"a.example", KeyType::cosignature_v1, a->public_key()};
  NoteSignature as_cosigner = good;
  as_cosigner.key_id = cosigner.id();
  CHECK(check_note_signature({text, {as_cosigner}}, cosigner) == SignatureState::invalid);
  CHECK(check_note_signature({text, {good}}, cosigner) == SignatureState::absent);
}

TEST_CASE("checkpoint vectors", "[checkpoint]") {
  for (const auto& row : read_vectors("checkpoint.tsv", 3)) {
    INFO(row[0]);
    const Bytes text = unescape(row[2]);
    const auto checkpoint = Checkpoint::parse(text);
    check_expected(checkpoint, row[1]);
    if (checkpoint.ok()) CHECK(checkpoint->text() == text);
  }
}

TEST_CASE("checkpoint: values", "[checkpoint]") {
  const auto checkpoint =
      Checkpoint::parse("example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n");
  REQUIRE(checkpoint.ok());
  CHECK(checkpoint->origin == "example.com/behind-the-sofa");
  CHECK(checkpoint->size == 20852163);
  CHECK(hex(view(checkpoint->root)) == "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62");
  CHECK(Checkpoint{"o", 0, empty_root()}.text() == "o\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
}

TEST_CASE("checkpoint: another text is another checkpoint or none", "[checkpoint]") {
  const std::string text = Checkpoint{"example.com/log", 1234567, leaf_hash("x")}.text();
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (int c = 0; c < 256; ++c) {
      std::string other = text;
      other[i] = static_cast<char>(c);
      const auto parsed = Checkpoint::parse(other);
      INFO("offset " << i << ", character " << c);
      if (parsed.ok()) CHECK(parsed->text() == other);
    }
    CHECK_FALSE(Checkpoint::parse(text.substr(0, i)).ok());
  }
}

TEST_CASE("origins", "[checkpoint]") {
  CHECK(check_origin("example.com/site7/gw-0042").ok());
  CHECK(check_origin("sealring").ok());
  CHECK(check_origin("a/sealring/b").ok());
  CHECK(check_origin(std::string(255, 'x')).ok());
  check_expected(check_origin(std::string(256, 'x')), "has 256 bytes, may have 255");
  check_expected(check_origin(""), "is empty");
  check_expected(check_origin("sealring/x"), "may not begin with");
  check_expected(check_origin("sealring/"), "may not begin with");
  for (int c = 0; c < 256; ++c) {
    INFO("character " << c);
    CHECK(check_origin("a"s + static_cast<char>(c)).ok() == (c > 0x20 && c < 0x7f && c != '+'));
  }
}

TEST_CASE("signing a checkpoint", "[checkpoint]") {
  const auto signer = signer_of('a');
  const Checkpoint checkpoint{"a.example", 5, leaf_hash("x")};
  const auto note = sign_checkpoint(checkpoint, *signer);
  REQUIRE(note.ok());
  CHECK(note->text == checkpoint.text());
  CHECK(check_note_signature(*note, {"a.example", KeyType::ed25519, signer->public_key()}) == SignatureState::valid);
  CHECK(Checkpoint::parse(Note::parse(note->encode()).value().text).value() == checkpoint);

  CHECK(sign_checkpoint({"a.example", 0, empty_root()}, *signer).ok());
  check_expected(sign_checkpoint({"a.example", 0, Hash{}}, *signer), "size is 0");
  check_expected(sign_checkpoint({"a.example", UINT64_MAX, Hash{}}, *signer), "is too large");
  check_expected(sign_checkpoint({"a\n5", 5, Hash{}}, *signer), "has a space");
  check_expected(sign_checkpoint({"sealring/x", 5, Hash{}}, *signer), "may not begin with");
}

}  // namespace
}  // namespace sealring
