#include "crypto/succession.h"

#include <catch2/catch.hpp>

#include "crypto/merkle.h"
#include "storage/entry.h"
#include "tests/unit/entry_vectors.h"

using namespace sealring;

TEST_CASE("the succession beside the example is signed by the identity and by the collector") {
  const auto note = Note::parse(file_vector("succession.note"));
  REQUIRE(note.ok());
  const auto read = Succession::parse(note->text);
  REQUIRE(read.ok());
  CHECK(read->text() == note->text);
  const Bytes genesis_bytes = entry_vector("genesis"), follower_bytes = entry_vector("follower"),
              entry_bytes = entry_vector("succession");
  const auto genesis = decode_entry(genesis_bytes), follower = decode_entry(follower_bytes),
             entry = decode_entry(entry_bytes);
  REQUIRE((genesis.ok() && follower.ok() && entry.ok()));
  const auto& g = std::get<Genesis>(genesis->body);
  const auto& f = std::get<Genesis>(follower->body);
  const auto& s = std::get<SuccessionEntry>(entry->body);
  // Entries 0 and 1 of the log that follows make the statement.
  Succession made;
  made.closed = {std::string(s.origin), s.size, s.root};
  made.follower = {std::string(f.origin), KeyType::ed25519, f.identity};
  made.genesis = leaf_hash(follower_bytes);
  CHECK(made == *read);
  CHECK(s.old_key == g.identity);
  CHECK(ed25519_verify(s.old_key, made.text(), s.by_old));
  CHECK(check_note_signature(*note, {std::string(g.origin), KeyType::ed25519, g.identity}) == SignatureState::valid);
  CHECK(note->signatures.at(1).name == "collector.example/succession");
}

TEST_CASE("the statement of a succession is parsed strictly") {
  const std::string good = Note::parse(file_vector("succession.note"))->text;
  REQUIRE(Succession::parse(good).ok());
  const auto refused = [&](const std::string& what, const std::string& with, const std::string& words) {
    std::string text = good;
    REQUIRE(text.find(what) != std::string::npos);
    text.replace(text.find(what), what.size(), with);
    const auto read = Succession::parse(text);
    INFO(text);
    REQUIRE_FALSE(read.ok());
    CHECK_THAT(read.error().message, Catch::Contains(words));
  };
  const std::string hash = good.substr(good.size() - 45, 44);
  refused("sealring/succession/v1", "sealring/succession/v2", "line 1");
  refused("\n6\n", "\n06\n", "lines 2 to 4");
  refused("\n6\n", "\n0\n", "lines 2 to 4");
  refused("example.com/site7/gw-0042\n", "example.com/site8/gw-0042\n", "line 5");
  refused("example.com/site7/gw-0042\n", "example.com/site7/gw-0042~1\n", "line 5");
  refused("example.com/site7/gw-0042\n", "sealring/x\n", "lines 2 to 4");
  refused("+c9286df8+", "+c9286df9+", "line 5");
  refused(hash, hash.substr(4), "line 6");
  refused(hash + "\n", hash + "\n\n", "more than six");
  refused(hash + "\n", "", "fewer than six");
  // The empty root goes with size 0, and such a log has nothing to follow.
  std::string empty = good;
  const std::size_t at = empty.find("\n6\n");
  empty.replace(at, 48, "\n0\n" + base64(view(empty_root())) + "\n");
  CHECK_THAT(Succession::parse(empty).error().message, Catch::Contains("without entries"));
  // A cosigner's key is none that signs a log.
  const auto read = Succession::parse(good);
  VerifierKey cosigner = read->follower;
  cosigner.type = KeyType::cosignature_v1;
  refused(read->follower.encode(), cosigner.encode(), "line 5");
  CHECK_FALSE(Succession::parse("").ok());
  CHECK_FALSE(Succession::parse(good.substr(0, good.size() - 1)).ok());
}

TEST_CASE("the origins of logs that follow one another") {
  CHECK(*follower_origin("example.com/gw") == "example.com/gw~1");
  CHECK(*follower_origin("example.com/gw~1") == "example.com/gw~2");
  CHECK(*follower_origin("example.com/gw~99") == "example.com/gw~100");
  // What is no number of ours is a part of the name.
  for (const char* name : {"gw~", "gw~0", "gw~01", "gw~x", "~1", "gw~1~", "gw~99999999999999999999"})
    CHECK(*follower_origin(name) == std::string(name) + "~1");
  CHECK_FALSE(follower_origin("gw~18446744073709551615").ok());
  CHECK_FALSE(follower_origin(std::string(254, 'g')).ok());
  CHECK(follower_origin(std::string(253, 'g')).ok());

  CHECK(follows("gw~1", "gw"));
  CHECK(follows("gw~7", "gw"));
  CHECK(follows("gw~7", "gw~6"));
  CHECK_FALSE(follows("gw", "gw"));
  CHECK_FALSE(follows("gw", "gw~1"));
  CHECK_FALSE(follows("gw~1", "gw~1"));
  CHECK_FALSE(follows("gw2~1", "gw"));
  CHECK_FALSE(follows("gw~0", "gw"));
  CHECK_FALSE(follows("gw~1~1", "gw"));
}
