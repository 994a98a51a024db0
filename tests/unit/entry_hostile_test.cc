// The decoder against what no encoder wrote: by hand, cut, flipped, damaged at random.
#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "storage/entry.h"
#include "tests/unit/entry_vectors.h"

using namespace sealring;

namespace {

Bytes unhex(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  const auto bytes = from_hex(text);
  REQUIRE(bytes.ok());
  return *bytes;
}

// Whatever is accepted is what our encoder writes; so two different byte strings are never the same entry.
bool accepted_only_as_itself(const Bytes& bytes) {
  const auto entry = decode_entry(bytes);
  if (!entry) return entry.error().kind == ErrorKind::reject && entry.error().message.find("entry: ") == 0;
  if (std::holds_alternative<Opaque>(entry->body)) return true;  // its body is not kept
  Bytes again;
  return encode_entry(*entry, again).ok() && again == bytes;
}

}  // namespace

// All of an event's bytes but the head of the map and what comes after the common keys.
static const std::string kEventCommon = "00 01 01 03 02 00 03 00 04 00 05 00";

TEST_CASE("the decoder refuses what no encoder writes, naming offset and key") {
  const std::string c = kEventCommon;
  REQUIRE(decode_entry(unhex("a7" + c + "10 00")).ok());
  const std::string salt = "10 50 00000000000000000000000000000000", digest = "5820" + std::string(64, '0');
  const std::string m = "00 01 01 01 02 00 03 00 04 00 05 00 " + salt;  // 7 pairs
  REQUIRE(decode_entry(unhex("aa" + m + "11 40 12 00 13 40")).ok());
  REQUIRE(decode_entry(unhex("ab" + m + "11 40 12 00 13 40 15 81 82 01 00")).ok());
  REQUIRE(decode_entry(unhex("ab" + m + "11 40 12 00 13 41 00 18 18 83 02 02" + digest)).ok());
  const std::string unknown = "00 01 01 18 64 02 00 03 00 04 00 05 00";  // kind 100
  REQUIRE(decode_entry(unhex("a6" + unknown)).ok());
  REQUIRE(decode_entry(unhex("a7" + unknown + "10 88 f4 f5 f6 20 40 60 80 a0")).ok());

  const std::pair<std::string, std::string> wrong[] = {
      {"", "offset 0: ends in the middle of a value"},
      {"87" + c + "10 00", "offset 0: an entry is a map, this is an array"},
      {"00", "an entry is a map, this is an unsigned integer"},
      {"a0", "offset 1: key 0 (version) is missing"},
      {"b8 07" + c + "10 00", "offset 0: integer or length not in its shortest form"},
      {"b9 0007" + c + "10 00", "shortest form"},
      {"bf" + c + "10 00 ff", "offset 0: indefinite length"},
      {"a7" + c + "10 00 00", "offset 15: bytes after the end of the map"},
      {"a7" + c + "10 00 a0", "offset 15: bytes after the end of the map"},
      {"a8" + c + "10 00", "offset 15: ends in the middle"},
      {"a6" + c, "offset 13: key 16 (code) is missing"},
      {"bb ffffffffffffffff" + c + "10 00", "ends in the middle"},
      {"a7 00 02 01 03 02 00 03 00 04 00 05 00 10 00", "offset 1: key 0 (version): written by version 2"},
      {"a2 00 02 60 60", "written by version 2"},
      {"a7 00 00 01 03 02 00 03 00 04 00 05 00 10 00", "written by version 0"},
      {"a7 00 20 01 03 02 00 03 00 04 00 05 00 10 00", "key 0 (version): must be an unsigned integer"},
      {"a6 01 03 02 00 03 00 04 00 05 00 10 00", "offset 1: key 0 (version) is missing, key 1 is there"},
      {"a7 00 01 01 20 02 00 03 00 04 00 05 00 10 00", "offset 4: key 1 (kind): must be an unsigned integer"},
      {"a7 00 01 01 03 02 40 03 00 04 00 05 00 10 00", "offset 5: key 2 (wall clock): must be an integer, is a byte"},
      {"a7 00 01 01 03 02 f6 03 00 04 00 05 00 10 00", "must be an integer, is false, true or null"},
      {"a7 00 01 01 03 02 1b8000000000000000 03 00 04 00 05 00 10 00", "key 2 (wall clock): beyond 64 bits"},
      {"a7 00 01 01 03 02 3b8000000000000000 03 00 04 00 05 00 10 00", "key 2 (wall clock): beyond 64 bits"},
      {"a7 00 01 01 03 02 00 03 02 04 00 05 00 10 00", "offset 7: key 3 (clock state): above 1"},
      {"a7 00 01 01 03 02 1817 03 00 04 00 05 00 10 00", "offset 6: integer or length not in its shortest form"},
      {"a7 00 01 01 03 02 3817 03 00 04 00 05 00 10 00", "offset 6: integer or length not in its shortest form"},
      {"a7 00 01 01 03 02 1900ff 03 00 04 00 05 00 10 00", "shortest form"},
      {"a7 00 01 01 03 02 1a0000ffff 03 00 04 00 05 00 10 00", "shortest form"},
      {"a7 00 01 01 03 02 1b00000000ffffffff 03 00 04 00 05 00 10 00", "shortest form"},
      {"a7 00 01 1801 03 02 00 03 00 04 00 05 00 10 00", "offset 3: integer or length not in its shortest form"},
      {"a7 00 01 01 03 02 c100 03 00 04 00 05 00 10 00", "offset 6: a tag"},
      {"a7 00 01 01 03 02 f93c00 03 00 04 00 05 00 10 00", "offset 6: a floating-point number"},
      {"a7 00 01 01 03 02 fa3f800000 03 00 04 00 05 00 10 00", "a floating-point number"},
      {"a7 00 01 01 03 02 fb3ff0000000000000 03 00 04 00 05 00 10 00", "a floating-point number"},
      {"a7 00 01 01 03 02 f7 03 00 04 00 05 00 10 00", "offset 6: the value undefined"},
      {"a7 00 01 01 03 02 e0 03 00 04 00 05 00 10 00", "offset 6: not CBOR"},
      {"a7 00 01 01 03 02 f814 03 00 04 00 05 00 10 00", "offset 6: not CBOR"},
      {"a7 00 01 01 03 02 f8ff 03 00 04 00 05 00 10 00", "offset 6: not CBOR"},
      {"a7 00 01 01 03 02 1c 03 00 04 00 05 00 10 00", "offset 6: not CBOR"},
      {"a7 00 01 01 03 02 ff 03 00 04 00 05 00 10 00", "offset 6: a break"},
      {"a8" + c + "06 00 10 00", "offset 13: key 6 (connection): 0 is written by leaving the key out"},
      {"a9" + c + "06 01 07 00 10 00", "key 7 (received): 0 is written by leaving the key out"},
      {"a8" + c + "07 01 10 00", "offset 13: key 7 (received): a count without its connection"},
      {"a8" + c + "08 00 10 00", "offset 13: key 16 (code) is missing, key 8 is there"},
      {"a8" + c + "10 00 10 00", "offset 15: key 16 repeated or out of order"},
      {"a8" + c + "10 00 05 00", "offset 15: key 5 repeated or out of order"},
      {"a7 00 01 01 03 03 00 02 00 04 00 05 00 10 00", "key 2 (wall clock) is missing, key 3 is there"},
      {"a8" + c + "10 00 12 00", "offset 15: key 18 is not known in this kind of entry"},
      {"a8" + c + "10 00 20 00", "offset 15: a key that is a negative integer"},
      {"a8" + c + "10 00 61 61 00", "offset 15: a key that is a text string"},
      {"a8" + c + "10 00 1812 00", "offset 15: integer or length not in its shortest form"},
      // details
      {"a8" + c + "10 00 11 a0", "offset 15: key 17 (details): empty is written by leaving the key out"},
      {"a8" + c + "10 00 11 80", "offset 16: key 17 (details): must be a map, is an array"},
      {"a8" + c + "10 00 11 a1 60 00", "key 17 (details): a detail without a name"},
      {"a8" + c + "10 00 11 a1 41 61 00", "offset 17: key 17 (details): must be a text string"},
      {"a8" + c + "10 00 11 a1 61 ff 00", "offset 17: text that is not UTF-8"},
      {"a8" + c + "10 00 11 a1 61 61 61 ff", "offset 19: text that is not UTF-8"},
      {"a8" + c + "10 00 11 a2 61 61 00 61 61 00", "offset 20: key 17 (details): name repeated or out of order"},
      {"a8" + c + "10 00 11 a2 61 62 00 61 61 00", "name repeated or out of order"},
      {"a8" + c + "10 00 11 a2 62 61 61 00 61 62 00", "name repeated or out of order"},
      {"a8" + c + "10 00 11 a1 61 61 20", "offset 19: key 17 (details): must be an unsigned integer, text or a hash"},
      {"a8" + c + "10 00 11 a1 61 61 f4", "must be an unsigned integer, text or a hash"},
      {"a8" + c + "10 00 11 a1 61 61 41 00", "must be 32 bytes long, is a byte string of 1"},
      {"a8" + c + "10 00 11 bf 61 61 00 ff", "offset 16: indefinite length"},
      {"a8" + c + "10 00 11 bb ffffffffffffffff 61 61 00", "ends in the middle"},
      // message
      {"aa" + m + "11 40 12 06 13 40", "key 18 (flags): QoS 3"},
      {"aa" + m + "11 40 12 10 13 40", "key 18 (flags): above 15"},
      {"aa" + m + "11 40 12 02 13 40", "key 18 (flags): QoS 1 or 2 without a packet id"},
      {"ab" + m + "11 40 12 00 13 40 14 01", "key 20 (packet id): a packet id at QoS 0"},
      {"ab" + m + "11 40 12 02 13 40 14 00", "key 20 (packet id): 0 is written by leaving the key out"},
      {"ab" + m + "11 40 12 02 13 40 14 1a 00010000", "key 20 (packet id): above 65535"},
      {"aa" + m + "11 60 12 00 13 40", "key 17 (topic): must be a byte string, is a text string"},
      {"aa" + m + "11 5f ff 12 00 13 40", "indefinite length"},
      {"aa" + m + "11 58 01 61 12 00 13 40", "integer or length not in its shortest form"},
      {"aa" + m + "11 5b 0000000100000000 12 00 13 40", "offset 32: ends in the middle"},
      {"aa" + m + "11 5b ffffffffffffffff 12 00 13 40", "ends in the middle"},
      {"aa 00 01 01 01 02 00 03 00 04 00 05 00 10 4f 000000000000000000000000000000 11 40 12 00 13 40",
       "offset 14: key 16 (salt): must be 16 bytes long, is a byte string of 15"},
      {"a9" + m + "11 40 12 00", "key 19 (payload) is missing"},
      {"a9" + m + "11 40 13 40", "key 18 (flags) is missing, key 19 is there"},
      {"ab" + m + "11 40 12 00 13 40 15 80", "key 21 (properties): empty is written by leaving the key out"},
      {"ab" + m + "11 40 12 00 13 40 15 a0", "key 21 (properties): must be an array, is a map"},
      {"ab" + m + "11 40 12 00 13 40 15 81 01", "key 21 (properties): must be an array, is an unsigned integer"},
      {"ab" + m + "11 40 12 00 13 40 15 81 80", "offset 40: ends in the middle"},
      {"ab" + m + "11 40 12 00 13 40 15 81 83 01 00 00", "key 21 (properties): must have 2 items"},
      {"ab" + m + "11 40 12 00 13 40 15 81 82 18 26 40", "key 21 (properties): must have 3 items"},
      {"ab" + m + "11 40 12 00 13 40 15 81 82 01 40", "key 21 (properties): must be an unsigned integer"},
      {"ab" + m + "11 40 12 00 13 40 15 81 82 01 19 0100", "key 21 (properties): number too large"},
      {"ab" + m + "11 40 12 00 13 40 15 81 82 03 60", "key 21 (properties): must be a byte string"},
      {"ab" + m + "11 40 12 00 13 40 15 81 82 00 00", "key 21 (properties): must be an MQTT 5 property identifier"},
      {"ab" + m + "11 40 12 00 13 40 15 81 82 19 0101 00", "must be an MQTT 5 property identifier"},
      {"ab" + m + "11 40 12 00 13 40 15 9b ffffffffffffffff 82 01 00", "ends in the middle"},
      {"ab" + m + "11 40 12 00 13 40 16 40", "key 22 (source): empty is written by leaving the key out"},
      {"ac" + m + "11 40 12 00 13 40 16 41 73 17 04", "key 23 (assurance): above 3"},
      {"ac" + m + "11 40 12 00 13 40 16 41 73 17 00", "key 23 (assurance): 0 is written by leaving the key out"},
      {"ab" + m + "11 40 12 00 13 40 17 01", "key 23 (assurance): assurance of no source"},
      {"ab" + m + "11 40 12 00 13 41 00 18 18 82 02 02", "key 24 (parts): must have three items"},
      {"ab" + m + "11 40 12 00 13 41 00 18 18 83 01 02" + digest, "key 24 (parts): total not above the first part"},
      {"ab" + m + "11 40 12 00 13 40 18 19 00", "key 25 (possible duplicate of): entry 0 is the genesis"},
      {"ab" + m + "11 40 12 00 13 40 18 1a 40", "key 26 (enc) is reserved"},
      {"ab" + m + "11 40 12 00 13 40 18 1b 40", "key 27 (digest) is reserved"},
      {"ab" + m + "11 40 12 00 13 40 18 1c 40", "key 28 is not known"},
      // unknown kinds are canonical CBOR all the same
      {"a6 00 01 01 18 64 02 00 03 00 04 00 10 00", "key 5 (boottime) is missing, key 16 is there"},
      {"a7" + unknown + "10 18 00", "shortest form"},
      {"a7" + unknown + "10 9f ff", "indefinite length"},
      {"a7" + unknown + "10 a2 01 00 00 00", "map key repeated or out of order"},
      {"a7" + unknown + "10 a2 00 00 00 00", "map key repeated or out of order"},
      {"a7" + unknown + "10 81 a2 61 61 00 20 00", "map key repeated or out of order"},
      {"a7" + unknown + "10 81 81 81 81 81 81 81 81 80", "nested too deeply"},
      {"a8" + unknown + "11 00 10 00", "key 16 repeated or out of order"},
      {"a7" + unknown + "10 82 00", "ends in the middle"},
      {"a7" + unknown + "10 c0 00", "a tag"},
      {"a7" + unknown + "10 f9 3c00", "a floating-point number"},
      {"a7" + unknown + "10 61 80", "text that is not UTF-8"},
      {"a7" + unknown + "61 61 00", "a key that is a text string"},
  };
  for (const auto& [input, words] : wrong) {
    const auto entry = decode_entry(unhex(input));
    INFO(input << "\nexpected: " << words);
    REQUIRE_FALSE(entry.ok());
    CHECK(entry.error().kind == ErrorKind::reject);
    CHECK_THAT(entry.error().message, Catch::StartsWith("entry: offset ") && Catch::Contains(words));
  }
}

TEST_CASE("kinds that are reserved or unknown are opaque") {
  for (const char* kind : {"0b", "0c", "18 63", "1b ffffffffffffffff"}) {
    INFO(kind);
    const Bytes bytes = unhex(std::string("a6 00 01 01 ") + kind + "02 00 03 01 04 07 05 00");
    const auto entry = decode_entry(bytes);
    REQUIRE(entry.ok());
    REQUIRE(std::holds_alternative<Opaque>(entry->body));
    CHECK(entry->common.boot == 7);
    CHECK(entry->common.clock == ClockState::synchronised);
  }
}

TEST_CASE("no prefix of an entry is an entry, and nothing may follow one") {
  for (const std::string& name : entry_vector_names()) {
    const Bytes vector = entry_vector(name);
    for (std::size_t n = 0; n < vector.size(); ++n) {
      INFO(name << " cut to " << n);
      const ExactCopy prefix(vector, n);
      const auto entry = decode_entry(prefix.view());
      REQUIRE_FALSE(entry.ok());
      REQUIRE_THAT(entry.error().message, Catch::StartsWith("entry: offset "));
    }
    for (int byte = 0; byte < 256; ++byte) REQUIRE_FALSE(decode_entry(vector + static_cast<char>(byte)).ok());
  }
}

TEST_CASE("an entry with any bit flipped is refused or another entry") {
  std::size_t refused = 0, other = 0;
  for (const std::string& name : entry_vector_names()) {
    const Bytes vector = entry_vector(name);
    for (std::size_t bit = 0; bit < vector.size() * 8; ++bit) {
      Bytes flipped = vector;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
      INFO(name << " bit " << bit);
      REQUIRE(accepted_only_as_itself(flipped));
      ++(decode_entry(flipped).ok() ? other : refused);
    }
  }
  // Strings are most of an entry, and any string is as good as another; heads and keys are not.
  CHECK(refused > 1000);
  CHECK(other > 1000);
}

TEST_CASE("random damage and garbage never get through as something else") {
  std::mt19937 random(42);
  std::vector<Bytes> vectors;
  for (const std::string& name : entry_vector_names()) vectors.push_back(entry_vector(name));
  std::size_t accepted = 0;
  for (int i = 0; i < 60000; ++i) {
    Bytes bytes = vectors[random() % vectors.size()];
    for (unsigned n = 1 + random() % 3; n > 0; --n) {
      const std::size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.insert(at, 1, static_cast<char>(random()));
          break;
        case 2:
          bytes.erase(at, 1 + random() % 4);
          break;
        case 3:
          bytes.insert(at, bytes.substr(at, random() % 12));
          break;
      }
      if (bytes.empty()) bytes = "x";
    }
    INFO(hex(bytes));
    REQUIRE(accepted_only_as_itself(bytes));
    accepted += decode_entry(bytes).ok();
  }
  CHECK(accepted > 1000);  // else the damage is too coarse to say anything
  for (int i = 0; i < 60000; ++i) {
    Bytes bytes(random() % 80, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    if (!bytes.empty() && i % 2 == 0) bytes[0] = '\xa7';
    INFO(hex(bytes));
    REQUIRE(accepted_only_as_itself(bytes));
  }
}
