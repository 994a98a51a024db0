#include "storage/frame.h"

#include <catch2/catch.hpp>

#include "crypto/checkpoint.h"
#include "crypto/merkle.h"
#include "storage/entry.h"
#include "tests/unit/entry_vectors.h"

using namespace sealring;

namespace {

FrameHeader some_header() {
  FrameHeader h;
  h.first = 0x0102030405060708;
  h.count = 2;
  h.epoch = 0x1112131415161718;
  h.root = to_array<32>(Bytes(32, 'r'));
  h.signature = to_array<64>(Bytes(64, 's'));
  return h;
}

const Bytes kTwoEntries("\0\1a\0\2bc", 7);

bool same(const FrameHeader& a, const FrameHeader& b) {
  return a.first == b.first && a.count == b.count && a.epoch == b.epoch && a.root == b.root &&
         a.signature == b.signature;
}

std::string refusal(ByteView frame) {
  const auto decoded = decode_frame(frame);
  REQUIRE_FALSE(decoded.ok());
  CHECK(decoded.error().kind == ErrorKind::reject);
  return decoded.error().message;
}

}  // namespace

TEST_CASE("the example frame is what another implementation wrote, and its signature is good") {
  const Bytes vector = entry_vector("frame"), message = entry_vector("message"),
              genesis_bytes = entry_vector("genesis");
  const auto frame = decode_frame(vector);
  REQUIRE(frame.ok());
  CHECK(frame->header.first == 3);
  CHECK(frame->header.end() == 4);
  CHECK(frame->header.epoch == 0);
  CHECK(hex(encode_frame_header(frame->header, frame->entries.size()) + frame->entries) == hex(vector));
  const auto entries = split_entries(frame->entries, 1);
  REQUIRE(entries.ok());
  CHECK((*entries)[0] == message);

  CompactRange range;
  for (const char* name : {"genesis", "start", "connected", "message"}) range.append(leaf_hash(entry_vector(name)));
  CHECK(frame->header.root == range.root());
  const auto genesis = decode_entry(genesis_bytes);
  REQUIRE(genesis.ok());
  const auto& g = std::get<Genesis>(genesis->body);
  const Checkpoint checkpoint{std::string(g.origin), 4, frame->header.root};
  CHECK(ed25519_verify(g.epoch_key, checkpoint.text(), frame->header.signature));
}

TEST_CASE("a frame survives a round trip") {
  const FrameHeader h = some_header();
  const Bytes head = encode_frame_header(h, kTwoEntries.size());
  CHECK(head.size() == kFrameHeaderBytes);
  CHECK(hex(head.substr(0, 24)) ==
        "0102030405060708"
        "00000002"
        "00000007"
        "1112131415161718");
  const auto frame = decode_frame(head + kTwoEntries);
  REQUIRE(frame.ok());
  CHECK(same(frame->header, h));
  CHECK(frame->entries == kTwoEntries);
  std::size_t announced = 0;
  const auto alone = decode_frame_header(head, announced);
  REQUIRE(alone.ok());
  CHECK(same(*alone, h));
  CHECK(announced == 7);
  CHECK(decode_frame_header(head + "what follows is not looked at", announced).ok());
}

TEST_CASE("a mark is a header that announces no entries, and no frame") {
  std::size_t announced = 99;
  const Bytes mark = encode_frame_header(some_header(), 0);
  REQUIRE(decode_frame_header(mark, announced).ok());
  CHECK(announced == 0);
  CHECK_THAT(refusal(mark), Catch::Contains("runs past the end"));
}

TEST_CASE("no prefix of a frame is a frame, and nothing may follow one") {
  const Bytes vector = entry_vector("frame");
  for (std::size_t n = 0; n < vector.size(); ++n) {
    INFO(n);
    const ExactCopy prefix(vector, n);
    const std::string words = refusal(prefix.view());
    CHECK_THAT(words, Catch::Contains(n < kFrameHeaderBytes ? "must be 120" : "its header says 96"));
    std::size_t announced = 0;
    CHECK(decode_frame_header(prefix.view(), announced).ok() == (n >= kFrameHeaderBytes));
  }
  CHECK_THAT(refusal(vector + '\0'), Catch::Contains("97 bytes of entries, its header says 96"));
}

TEST_CASE("a frame with any bit flipped is refused or another frame") {
  const Bytes vector = entry_vector("frame");
  for (std::size_t bit = 0; bit < vector.size() * 8; ++bit) {
    Bytes flipped = vector;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    const auto frame = decode_frame(flipped);
    INFO(bit);
    // Count, length and the entry's length bind each other; first, epoch, root, signature and content are free here.
    const bool bound = (bit >= 8 * 8 && bit < 16 * 8) || (bit >= 120 * 8 && bit < 122 * 8);
    REQUIRE(frame.ok() == !bound);
    if (frame) REQUIRE(encode_frame_header(frame->header, frame->entries.size()) + frame->entries == flipped);
  }
}

TEST_CASE("a header that cannot be a frame's is refused") {
  struct Case {
    std::uint64_t first;
    std::uint32_t count, bytes;
    const char* words;  // nullptr: fine
  };
  const Case cases[] = {
      {0, 0, 0, "no entries"},
      {0, 0, 10, "no entries"},
      {UINT64_MAX, 1, 10, "beyond 64 bits"},
      {UINT64_MAX - 1, 1, 10, nullptr},
      {UINT64_MAX - 5, 6, 0, "beyond 64 bits"},
      {0, 6, 11, "fewer bytes than entries need"},
      {0, 6, 12, nullptr},
      {0, UINT32_MAX, kMaxFrameBytes, "fewer bytes than entries need"},
      {0, 1, kMaxFrameBytes, nullptr},
      {0, 1, kMaxFrameBytes + 1, "more bytes than a frame may have"},
      {0, 1, UINT32_MAX, "more bytes than a frame may have"},
  };
  for (const Case& c : cases) {
    Bytes head;
    put_u64(head, c.first);
    put_u32(head, c.count);
    put_u32(head, c.bytes);
    head.append(8 + 32 + 64, 'x');
    std::size_t announced = 0;
    const auto header = decode_frame_header(head, announced);
    INFO(c.first << " " << c.count << " " << c.bytes);
    REQUIRE(header.ok() == (c.words == nullptr));
    if (c.words) CHECK_THAT(header.error().message, Catch::Contains(c.words));
  }
}

TEST_CASE("entries are split exactly as many as there are") {
  const auto two = split_entries(kTwoEntries, 2);
  REQUIRE(two.ok());
  REQUIRE(two->size() == 2);
  CHECK((*two)[0] == "a");
  CHECK((*two)[1] == "bc");
  CHECK((*two)[1].data() == kTwoEntries.data() + 5);  // a view into the input

  CHECK_THAT(split_entries(kTwoEntries, 1).error().message, Catch::Contains("4 bytes left over at offset 3"));
  CHECK_THAT(split_entries(kTwoEntries, 3).error().message, Catch::Contains("entry 2 of 3, at offset 7: runs past"));
  CHECK_THAT(split_entries(kTwoEntries, SIZE_MAX).error().message, Catch::Contains("runs past the end"));
  CHECK_THAT(split_entries(kTwoEntries, 0).error().message, Catch::Contains("7 bytes left over"));
  CHECK_THAT(split_entries(ByteView(kTwoEntries).substr(0, 6), 2).error().message,
             Catch::Contains("entry 1 of 2, at offset 3: runs past the end at 6"));
  CHECK_THAT(split_entries(ByteView(kTwoEntries).substr(0, 4), 2).error().message, Catch::Contains("at offset 3"));
  CHECK(split_entries("", 0).ok());
  CHECK_FALSE(split_entries("", 1).ok());

  Bytes longest;
  put_u16(longest, 65535);
  longest.append(65535, 'x');
  const auto one = split_entries(longest, 1);
  REQUIRE(one.ok());
  CHECK((*one)[0].size() == kMaxEntryBytes);
}
