#include "storage/segment_file.h"

#include <catch2/catch.hpp>

#include "crypto/checkpoint.h"
#include "storage/entry.h"
#include "storage/frame.h"
#include "tests/unit/entry_vectors.h"

using namespace sealring;

namespace {

std::string refusal(ByteView bytes) {
  const auto segment = decode_segment_file(bytes);
  REQUIRE_FALSE(segment.ok());
  CHECK(segment.error().kind == ErrorKind::reject);
  return segment.error().message;
}

// A header by hand, so that every field may be wrong.
Bytes header(std::uint64_t start, std::uint64_t end, const Bytes& range, std::uint32_t note_bytes) {
  Bytes out = "sealring/segment/v1\n";
  put_u64(out, start);
  put_u64(out, end);
  out.append(range);
  put_u32(out, note_bytes);
  return out;
}

// What an auditor does with a segment and nothing else: recompute the root that its note has signed.
void check_stands_alone(const SegmentFile& segment, const VerifierKey& key) {
  auto range = CompactRange::from(segment.start, segment.range);
  REQUIRE(range.ok());
  const auto entries = split_entries(segment.entries, segment.end - segment.start);
  REQUIRE(entries.ok());
  for (ByteView entry : *entries) range->append(leaf_hash(entry));
  const auto note = Note::parse(segment.note);
  REQUIRE(note.ok());
  CHECK(check_note_signature(*note, key) == SignatureState::valid);
  const auto checkpoint = Checkpoint::parse(note->text);
  REQUIRE(checkpoint.ok());
  CHECK(checkpoint->size == segment.end);
  CHECK(checkpoint->root == range->root());
}

}  // namespace

TEST_CASE("the example segments are what another implementation wrote, and stand alone") {
  const Bytes genesis_bytes = entry_vector("genesis");
  const auto genesis = decode_entry(genesis_bytes);
  REQUIRE(genesis.ok());
  const auto& g = std::get<Genesis>(genesis->body);
  const VerifierKey key{std::string(g.origin), KeyType::ed25519, g.identity};
  for (const char* name : {"segment", "segment-5"}) {
    INFO(name);
    const Bytes vector = entry_vector(name);
    const auto segment = decode_segment_file(vector);
    REQUIRE(segment.ok());
    CHECK(segment->start == (name == std::string("segment") ? 0 : 5));
    CHECK(segment->end == (name == std::string("segment") ? 5 : 6));
    CHECK(hex(encode_segment_header(*segment) + segment->entries) == hex(vector));
    check_stands_alone(*segment, key);
  }
}

TEST_CASE("no prefix of a segment file is one, and nothing may follow it") {
  for (const char* name : {"segment", "segment-5"}) {
    const Bytes vector = entry_vector(name);
    for (std::size_t n = 0; n < vector.size(); ++n) {
      INFO(name << " cut to " << n);
      const ExactCopy prefix(vector, n);
      CHECK_THAT(refusal(prefix.view()), Catch::Contains("offset "));
    }
    CHECK_THAT(refusal(vector + '\0'), Catch::Contains("left over at offset"));
  }
}

TEST_CASE("a segment file with any bit flipped is refused or another one") {
  for (const char* name : {"segment", "segment-5"}) {
    const Bytes vector = entry_vector(name);
    for (std::size_t bit = 0; bit < vector.size() * 8; ++bit) {
      Bytes flipped = vector;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
      const auto segment = decode_segment_file(flipped);
      INFO(name << " bit " << bit);
      if (bit < 8 * kSegmentFileMagic.size()) REQUIRE_FALSE(segment.ok());
      if (segment) REQUIRE(encode_segment_header(*segment) + segment->entries == flipped);
    }
  }
}

TEST_CASE("a segment file with an impossible header is refused, with the offset") {
  const Bytes none("\0", 1), one = "\1" + Bytes(32, 'h'), two = "\2" + Bytes(64, 'h');
  const Bytes note_and_entry("note\0\1e", 7);
  REQUIRE(decode_segment_file(header(0, 1, none, 4) + note_and_entry).ok());
  REQUIRE(decode_segment_file(header(4, 5, one, 4) + note_and_entry).ok());
  REQUIRE(decode_segment_file(header(5, 6, two, 4) + note_and_entry).ok());

  CHECK_THAT(refusal("sealring/segment/v2\n" + Bytes(100, '\0')), Catch::Contains("of a later version"));
  CHECK_THAT(refusal(header(1, 1, one, 4) + "note"), Catch::Contains("offset 20: no entries"));
  CHECK_THAT(refusal(header(6, 5, two, 4) + note_and_entry), Catch::Contains("offset 20: no entries"));
  CHECK_THAT(refusal(header(0, 1, one, 4) + note_and_entry),
             Catch::Contains("offset 36: 1 hashes for a range of size 0"));
  CHECK_THAT(refusal(header(5, 6, one, 4) + note_and_entry), Catch::Contains("offset 36: 1 hashes"));
  CHECK_THAT(refusal(header(0, 1, none, 0) + Bytes("\0\1e", 3)), Catch::Contains("offset 37: a note of impossible"));
  CHECK_THAT(refusal(header(0, 1, none, 524289) + note_and_entry), Catch::Contains("a note of impossible length"));
  CHECK_THAT(refusal(header(0, 1, none, 100) + note_and_entry), Catch::Contains("ends within the note"));
  CHECK_THAT(refusal(header(0, 2, none, 4) + note_and_entry), Catch::Contains("offset 45: entry 1 of 2"));
  CHECK_THAT(refusal(header(0, UINT64_MAX, none, 4) + note_and_entry),
             Catch::Contains("ends before 18446744073709551615 entries"));
}

TEST_CASE("archive names have 20 digits, so that they sort by index") {
  CHECK(segment_file_name(0, 100000) == "00000000000000000000-00000000000000100000.seg");
  CHECK(segment_file_name(9, UINT64_MAX) == "00000000000000000009-18446744073709551615.seg");
  CHECK(receipt_file_name(1234) == "00000000000000001234.note");
  CHECK(segment_file_name(9, 10) < segment_file_name(10, 11));
}
