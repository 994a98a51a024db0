#include "storage/segment_file.h"

#include <catch2/catch.hpp>
#include <map>

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
  const auto on_entry = [&](std::uint64_t index, ByteView entry) {
    REQUIRE(index == range->size());
    range->append(leaf_hash(entry));
  };
  const auto on_hole = [&](const SegmentHole& hole) {
    for (std::uint64_t at = hole.from; at < hole.end; at += kBundleEntries)
      range->append_subtree(8, hole.bundle_at(at));
  };
  REQUIRE(walk_entries(segment.start, segment.end, segment.entries, segment.holes, on_entry, on_hole).ok());
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
  for (const char* name : {"segment", "segment-5", "segment-loss"}) {
    INFO(name);
    const Bytes vector = entry_vector(name);
    const auto segment = decode_segment_file(vector);
    REQUIRE(segment.ok());
    const std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> ranges = {
        {"segment", {0, 5}}, {"segment-5", {5, 6}}, {"segment-loss", {300, 800}}};
    CHECK(std::pair(segment->start, segment->end) == ranges.at(name));
    CHECK(hex(encode_segment_header(*segment) + segment->entries) == hex(vector));
    check_stands_alone(*segment, key);
  }
}

TEST_CASE("no prefix of a segment file is one, and nothing may follow it") {
  for (const char* name : {"segment", "segment-5", "segment-loss"}) {
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
  for (const char* name : {"segment", "segment-5", "segment-loss"}) {
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

TEST_CASE("the hole of the example is proven by its own loss entry, and no other bytes pass for it") {
  const Bytes vector = entry_vector("segment-loss");
  const auto segment = decode_segment_file(vector);
  REQUIRE(segment.ok());
  REQUIRE(segment->holes.size() == 1);
  const SegmentHole& hole = segment->holes[0];
  CHECK(hole.from == 512);
  CHECK(hole.start == 512);
  CHECK(hole.end == 768);
  CHECK(hole.loss_index == 805);
  const auto entry = decode_entry(hole.loss_entry);
  REQUIRE(entry.ok());
  CHECK(std::get<Loss>(entry->body).hashes == fold_subtrees(512, 768, 8, hole.bundles));
  const auto note = Note::parse(hole.note);
  REQUIRE(note.ok());
  const auto checkpoint = Checkpoint::parse(note->text);
  REQUIRE(checkpoint.ok());
  CHECK(verify_inclusion(805, 806, hole.proof, leaf_hash(hole.loss_entry), checkpoint->root).ok());

  SegmentFile changed = *segment;
  const auto refused = [&](const std::string& words) {
    CHECK_THAT(refusal(encode_segment_header(changed) + changed.entries), Catch::Contains(words));
    changed = *segment;
  };
  changed.holes[0].from = 511;
  refused("it begins at 511");
  changed.holes[0].from = 256;
  refused("it begins at 256");
  changed.holes[0].loss_index = 767;
  refused("its loss entry, at 767");
  changed.holes[0].loss_entry = entry_vector("message");
  refused("what should be a loss entry is none");
  changed.holes.push_back(hole);
  refused("does not lie in the segment, behind the one before it");
  changed.end = 767;
  refused("does not lie in the segment");
  changed.start = 600;
  changed.range.resize(4);  // 600 has four bits, as 300
  refused("does not lie in the segment");
  changed.entries.pop_back();
  refused("entries, which begin at offset");
}

TEST_CASE("a segment file with an impossible header is refused, with the offset") {
  const Bytes none("\0", 1), one = "\1" + Bytes(32, 'h'), two = "\2" + Bytes(64, 'h');
  const Bytes note_and_entry("note\0\1e", 7);
  REQUIRE(decode_segment_file(header(0, 1, none, 4) + note_and_entry).ok());
  REQUIRE(decode_segment_file(header(4, 5, one, 4) + note_and_entry).ok());
  REQUIRE(decode_segment_file(header(5, 6, two, 4) + note_and_entry).ok());

  CHECK_THAT(refusal("sealring/segment/v3\n" + Bytes(100, '\0')), Catch::Contains("of a later version"));
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
