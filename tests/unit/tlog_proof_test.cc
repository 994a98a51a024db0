#include "crypto/tlog_proof.h"

#include <catch2/catch.hpp>

#include "tests/unit/vectors.h"

using namespace sealring;

TEST_CASE("tlog-proof vectors", "[proof]") {
  for (const auto& row : sealring::testing::read_vectors("tlog_proof.tsv", 3)) {
    INFO(row[0]);
    const Bytes bytes = sealring::testing::unescape(row[2]);
    const auto proof = TlogProof::parse(bytes);
    sealring::testing::check_expected(proof, row[1]);
    if (proof) CHECK(proof->encode() == bytes);
  }
}

TEST_CASE("a proof is read back as it was written", "[proof]") {
  TlogProof proof;
  proof.index = 7;
  for (char i = 0; i < 63; ++i) proof.inclusion.push_back(to_array<32>(Bytes(32, i)));
  proof.checkpoint = "a\n1\nx\n\nnote\n";
  for (const bool with_extra : {false, true}) {
    proof.extra = with_extra ? std::optional<Bytes>(Bytes("\0x", 2)) : std::nullopt;
    const auto again = TlogProof::parse(proof.encode());
    REQUIRE(again);
    CHECK(again->extra == proof.extra);
    CHECK(again->index == 7);
    CHECK(again->inclusion == proof.inclusion);
    CHECK(again->checkpoint == proof.checkpoint);
  }
}
