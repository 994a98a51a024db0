#include "crypto/ed25519.h"

#include <catch2/catch.hpp>
#include <set>
#include <thread>
#include <vector>

#include "tests/unit/vectors.h"

namespace sealring {
namespace {

using testing::read_vectors;
using testing::unhex;

TEST_CASE("Ed25519: vectors of RFC 8032 section 7.1", "[ed25519]") {
  for (const auto& row : read_vectors("rfc8032.tsv", 5)) {
    INFO(row[0]);
    auto signer = SoftwareSigner::from_seed(unhex(row[1]));
    REQUIRE(signer.ok());
    const Bytes message = unhex(row[3]);
    CHECK(hex(view((*signer)->public_key())) == row[2]);
    CHECK(hex(view((*signer)->sign(message).value())) == row[4]);
    CHECK(ed25519_verify((*signer)->public_key(), message, to_array<64>(unhex(row[4]))));
    CHECK((*signer)->seed() == unhex(row[1]));
  }
}

// Where the reason begins with "only", the bare equation holds: a verifier that leaves out that one rule accepts it.
TEST_CASE("Ed25519: one strict rule", "[ed25519]") {
  int accepted = 0, refused = 0, by_one_rule = 0;
  for (const auto& row : read_vectors("ed25519.tsv", 6)) {
    INFO(row[0] << ": " << row[2]);
    const bool ok = ed25519_verify(to_array<32>(unhex(row[3])), unhex(row[4]), to_array<64>(unhex(row[5])));
    CHECK(ok == (row[1] == "ok"));
    ++(ok ? accepted : refused);
    by_one_rule += row[2].rfind("only ", 0) == 0;
  }
  CHECK(accepted == 7);
  CHECK(refused == 75);
  CHECK(by_one_rule == 45);
}

TEST_CASE("Ed25519: what is a key", "[ed25519]") {
  int accepted = 0, refused = 0;
  for (const auto& row : read_vectors("ed25519_keys.tsv", 4)) {
    INFO(row[0] << ": " << row[2]);
    const bool ok = is_ed25519_key(to_array<32>(unhex(row[3])));
    CHECK(ok == (row[1] == "ok"));
    ++(ok ? accepted : refused);
  }
  CHECK(accepted == 9);
  CHECK(refused == 49);
  for (int i = 0; i < 50; ++i) CHECK(is_ed25519_key(SoftwareSigner::generate().value()->public_key()));
}

TEST_CASE("Ed25519: a flip of any bit of key, message or signature is refused", "[ed25519]") {
  auto signer = SoftwareSigner::from_seed(Bytes(32, 's'));
  REQUIRE(signer.ok());
  const Bytes message = "a message of a few bytes";
  const PublicKey key = (*signer)->public_key();
  const Signature signature = (*signer)->sign(message).value();
  REQUIRE(ed25519_verify(key, message, signature));
  for (std::size_t bit = 0; bit < 8 * 64; ++bit) {
    const std::size_t byte = bit / 8;
    const auto mask = static_cast<std::uint8_t>(1u << (bit % 8));
    INFO("bit " << bit);
    Signature other_signature = signature;
    other_signature[byte] ^= mask;
    CHECK_FALSE(ed25519_verify(key, message, other_signature));
    if (byte < key.size()) {
      PublicKey other_key = key;
      other_key[byte] ^= mask;
      CHECK_FALSE(ed25519_verify(other_key, message, signature));
    }
    if (byte < message.size()) {
      Bytes other_message = message;
      other_message[byte] = static_cast<char>(other_message[byte] ^ mask);
      CHECK_FALSE(ed25519_verify(key, other_message, signature));
    }
  }
  CHECK_FALSE(ed25519_verify(key, message.substr(1), signature));
  CHECK_FALSE(ed25519_verify(key, message + '\0', signature));
  CHECK_FALSE(ed25519_verify(key, "", signature));
}

TEST_CASE("signers: fresh keys differ, seeds of another length are refused", "[ed25519]") {
  auto a = SoftwareSigner::generate(), b = SoftwareSigner::generate();
  REQUIRE(a.ok());
  REQUIRE(b.ok());
  CHECK((*a)->public_key() != (*b)->public_key());
  CHECK((*a)->seed() != (*b)->seed());
  auto again = SoftwareSigner::from_seed((*a)->seed());
  REQUIRE(again.ok());
  CHECK((*again)->public_key() == (*a)->public_key());
  const Signature signature = (*again)->sign("x").value();
  CHECK(ed25519_verify((*a)->public_key(), "x", signature));
  CHECK_FALSE(ed25519_verify((*b)->public_key(), "x", signature));
  for (const std::size_t n : {0, 31, 33, 64}) {
    testing::check_expected(SoftwareSigner::from_seed(Bytes(n, 'x')), std::to_string(n) + " bytes, must have 32");
  }
}

TEST_CASE("random bytes", "[ed25519]") {
  CHECK(random_bytes(0).empty());
  std::set<Bytes> seen;
  std::set<char> values;
  for (int i = 0; i < 100; ++i) {
    const Bytes bytes = random_bytes(16);
    CHECK(bytes.size() == 16);
    values.insert(bytes.begin(), bytes.end());
    seen.insert(bytes);
  }
  CHECK(seen.size() == 100);
  CHECK(values.size() > 200);  // of 256, in 1 600 draws: fewer has a probability below 10^-60
}

TEST_CASE("wipe leaves nothing in the string's memory", "[ed25519]") {
  Bytes secret(100, 'k');
  secret.resize(40);  // what it once held must go, too
  const char* memory = secret.data();
  const std::size_t capacity = secret.capacity();
  wipe(secret);
  CHECK(secret.empty());
  REQUIRE(secret.data() == memory);
  secret.resize(1);  // not beyond what was allocated: the bytes behind are still the string's
  REQUIRE(secret.data() == memory);
  REQUIRE(secret.capacity() == capacity);
  for (std::size_t i = 1; i < 100; ++i) CHECK(memory[i] == '\0');
}

// Under the thread sanitizer this also shows that the library is made ready once, whoever comes first.
TEST_CASE("verification from many threads", "[ed25519]") {
  std::vector<std::thread> threads;
  std::vector<int> good(8);
  for (std::size_t t = 0; t < good.size(); ++t) {
    threads.emplace_back([&good, t] {
      auto signer = SoftwareSigner::generate();
      if (!signer.ok()) return;
      for (int i = 0; i < 20; ++i) {
        const Bytes message = random_bytes(20);
        const auto signature = (*signer)->sign(message);
        if (signature.ok() && ed25519_verify((*signer)->public_key(), message, *signature)) ++good[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(good == std::vector<int>(8, 20));
}

}  // namespace
}  // namespace sealring
