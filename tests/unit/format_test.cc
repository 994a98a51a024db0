// FORMAT.md shows bytes; here they are compared with the vectors, and the vectors with us in the other tests.
#include <catch2/catch.hpp>
#include <map>

#include "crypto/checkpoint.h"
#include "crypto/merkle.h"
#include "storage/entry.h"
#include "tests/unit/entry_vectors.h"

using namespace sealring;

static std::ifstream format_md() {
  std::ifstream file(std::string(SEALRING_TEST_DATA) + "/../../storage/FORMAT.md");
  REQUIRE(file.good());
  return file;
}

TEST_CASE("the lines quoted in FORMAT.md are those of the example log") {
  std::stringstream page;
  page << format_md().rdbuf();
  const Bytes genesis_bytes = entry_vector("genesis"), handover_bytes = entry_vector("handover");
  const auto genesis = decode_entry(genesis_bytes), handover = decode_entry(handover_bytes);
  REQUIRE(genesis.ok());
  REQUIRE(handover.ok());
  const auto& g = std::get<Genesis>(genesis->body);
  const auto& h = std::get<Handover>(handover->body);
  const VerifierKey identity{std::string(g.origin), KeyType::ed25519, g.identity};
  auto fenced = [](const std::string& text) { return Catch::Contains("```text\n" + text + "```\n"); };
  CHECK_THAT(page.str(), fenced(identity.encode() + " " + hex(view(leaf_hash(genesis_bytes))) + "\n"));
  CHECK_THAT(page.str(), fenced(handover_message(g.origin, 0, 4, h.root, h.next_key)));
  const Bytes break_bytes = entry_vector("break");
  const auto lost = decode_entry(break_bytes);
  REQUIRE(lost.ok());
  CHECK_THAT(page.str(), fenced(break_message(g.origin, std::get<KeyBreak>(lost->body))));
  const Bytes rotation_bytes = entry_vector("rotation");
  const auto rotation = decode_entry(rotation_bytes);
  REQUIRE(rotation.ok());
  const auto& r = std::get<Rotation>(rotation->body);
  CHECK_THAT(page.str(), fenced(rotation_message(g.origin, r.old_key, r.new_key)));
  CHECK_THAT(page.str(), fenced(file_vector("rotation.note")));
  CHECK_THAT(page.str(), fenced(file_vector("succession.note")));
  CHECK_THAT(page.str(), fenced(Checkpoint{identity.name, 4, h.root}.text()));
  CHECK_THAT(page.str(), Catch::Contains("`" + hex(view(leaf_hash(entry_vector("message")))) + "`"));

  CHECK_THAT(page.str(), fenced(file_vector("message.tlog-proof")));

  const Bytes seed(32, '\1');
  const auto signer = SoftwareSigner::from_seed(seed);
  REQUIRE(signer.ok());
  CHECK((*signer)->public_key() == g.identity);
  Bytes id;
  put_u32(id, identity.id());
  CHECK_THAT(page.str(), fenced("PRIVATE+KEY+" + identity.name + "+" + hex(id) + "+" + base64("\1" + seed) + "\n"));
}

TEST_CASE("the hexdumps in FORMAT.md are the vectors") {
  std::ifstream file = format_md();
  const std::string fence = "```hexdump ";
  std::map<std::string, Bytes> dumps;
  std::string line;
  while (std::getline(file, line)) {
    if (line.compare(0, fence.size(), fence) != 0) continue;
    const std::string name = line.substr(fence.size());
    std::stringstream block;
    while (std::getline(file, line) && line != "```") block << line << '\n';
    REQUIRE(dumps.emplace(name, parse_annotated_hex(block)).second);
  }
  REQUIRE(dumps.count("message") == 1);
  REQUIRE(dumps.count("frame") == 1);
  REQUIRE(dumps.count("segment-5") == 1);
  REQUIRE(dumps.count("rotation") == 1);
  REQUIRE(dumps.count("evidence") == 1);
  for (const auto& [name, bytes] : dumps) {
    INFO(name);
    CHECK(hex(bytes) == hex(entry_vector(name)));
  }
}
