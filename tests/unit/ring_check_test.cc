// What must fit together before a ring is gone on from: each rule by itself, with the nearest that keeps it.
#include "storage/ring_check.h"

#include <catch2/catch.hpp>

#include "crypto/sha256.h"
#include "storage/store_reader.h"
#include "tests/unit/store_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

RingState state_of(const ModelLog& log) {
  RingState state;
  state.origin = kOrigin;
  state.sequence = 10;
  state.range = log.range();
  return state;
}

Segment segment(std::uint64_t number, std::uint64_t start, std::uint64_t end) {
  Segment out;
  out.number = number;
  out.start = start;
  out.end = end;
  out.state = SegmentState::sealed;
  return out;
}

std::string words(const Status& status) { return status.ok() ? "" : status.error().message; }

JournalRecord record(std::uint64_t sequence, std::uint64_t first, std::uint32_t count, const Hash& root) {
  JournalRecord out;
  out.sequence = sequence;
  out.frame.header.first = first;
  out.frame.header.count = count;
  out.frame.header.root = root;
  return out;
}

}  // namespace

TEST_CASE("ring check: the last bundle is what the tree ends with") {
  ModelLog log(3);
  log.next(256, 30);
  const Frame last = log.next(77, 30).frame;
  const RingState state = state_of(log);
  CHECK(check_last_bundle(state, last.entries).ok());
  Bytes other = last.entries;
  other[40] = static_cast<char>(other[40] ^ 1);
  CHECK(words(check_last_bundle(state, other)) == "ring: the last bundle does not match the tree state");
  CHECK_THAT(words(check_last_bundle(state, ByteView(last.entries).substr(0, 77 * 32 - 1))),
             Catch::StartsWith("ring: last bundle: "));
  CHECK_FALSE(check_last_bundle(state, ByteView(last.entries).substr(0, 76 * 32)).ok());

  ModelLog whole(3);
  whole.next(256, 30);
  CHECK(check_last_bundle(state_of(whole), {}).ok());
}

TEST_CASE("ring check: segments follow one another up to the open one") {
  ModelLog log(4);
  log.next(40, 30);
  RingState state = state_of(log);
  state.segment_start = 0;
  CHECK(check_segments(state, {}).ok());
  state.segment_start = 30;
  CHECK(check_segments(state, {}).ok());  // all before it has gone
  CHECK(check_segments(state, {segment(1, 10, 20), segment(2, 20, 30)}).ok());
  CHECK(words(check_segments(state, {segment(1, 10, 20), segment(2, 21, 30)})) ==
        "ring: segment 2 does not begin where the one before ends");
  CHECK(words(check_segments(state, {segment(1, 10, 20), segment(2, 19, 30)})) ==
        "ring: segment 2 does not begin where the one before ends");
  for (const std::uint64_t end : {29, 31})
    CHECK(words(check_segments(state, {segment(1, 10, 20), segment(2, 20, end)})) ==
          "ring: the open segment does not begin where the last one ends");
}

TEST_CASE("ring check: a record of a loss lies in one segment, behind the one before, before its entry") {
  ModelLog log(5);
  log.next(2000, 20);
  RingState state = state_of(log);
  state.losses = true;
  const std::vector<Segment> segments = {segment(0, 0, 1024), segment(1, 1024, 1900)};
  const auto loss = [](std::uint64_t start, std::uint64_t end, std::uint64_t index) {
    LossRecord out;
    out.start = start;
    out.end = end;
    out.index = index;
    return out;
  };
  const auto checked = [&](const std::vector<LossRecord>& losses) {
    return words(check_losses(state, segments, losses));
  };
  CHECK(checked({loss(0, 1024, 1024), loss(1024, 1792, 1999)}).empty());
  const auto unfit = [](std::uint64_t start) {
    return "ring: the record of the loss at " + std::to_string(start) + " does not fit the log";
  };
  CHECK(checked({loss(0, 512, 511)}) == unfit(0));   // its entry would be lost itself
  CHECK(checked({loss(0, 512, 2000)}) == unfit(0));  // ... is beyond the end
  CHECK(checked({loss(0, 512, 1950), loss(256, 768, 1960)}) == unfit(256));
  CHECK(checked({loss(0, 512, 1950), loss(512, 768, 1960)}).empty());
  CHECK(checked({loss(768, 1280, 1950)}) == unfit(768));    // over a border
  CHECK(checked({loss(1792, 2048, 1950)}) == unfit(1792));  // in the open segment, too
  const std::string contradiction = "ring: the state record and the records of losses contradict each other";
  CHECK(checked({}) == contradiction);
  state.losses = false;
  CHECK(checked({}).empty());
  CHECK(checked({loss(0, 512, 1950)}) == contradiction);
}

TEST_CASE("ring check: how far the journal may be from the ring") {
  ModelLog log(6);
  log.next(40, 30);
  RingState state = state_of(log);
  state.last.first = 36;
  const Hash root = log.range().root(), other = sha256("other");
  const auto at = [&](std::uint64_t sequence, const Hash& of) { return record(sequence, 36, 4, of); };
  const auto checked = [&](const std::vector<JournalRecord>& records) {
    bool direct_ahead = false;
    const Status status = check_against_journal(state, records, direct_ahead);
    return direct_ahead ? (status.ok() ? "direct ahead" : "both") : words(status);
  };
  state.direct = GENERATE(false, true);
  CAPTURE(state.direct);
  CHECK(checked({at(10, root)}).empty());
  CHECK(checked({at(9, other), at(10, root), at(11, other)}).empty());
  CHECK(checked({record(11, 40, 4, other)}).empty());
  CHECK_THAT(checked({record(12, 40, 4, other)}), Catch::Contains("the oldest frame in the journal begins at 40"));
  CHECK_THAT(checked({at(10, other)}), Catch::Contains("at the same place"));
  CHECK_THAT(checked({record(10, 36, 3, root)}), Catch::Contains("at the same place"));
  CHECK_THAT(checked({at(8, root)}), Catch::Contains("the journal ends before it at size 40"));
  if (state.direct)
    CHECK(checked({at(9, root)}) == "direct ahead");
  else
    CHECK_THAT(checked({at(9, root)}), Catch::Contains("was replaced by an older one"));
}

TEST_CASE("ring check: the journal's frames are taken as long as each follows") {
  ModelLog log(7);
  const RingState empty = [&] {
    log.next(40, 30);
    return state_of(log);
  }();
  std::vector<JournalRecord> records;
  for (std::uint64_t sequence = 9; sequence <= 12; ++sequence) {
    JournalRecord one;
    one.sequence = sequence;
    if (sequence > 10) one.frame = log.next(3, 30).frame;
    records.push_back(std::move(one));
  }
  std::vector<std::uint64_t> sizes;
  const auto replay = [&](std::vector<JournalRecord> some) {
    sizes.clear();
    return words(
        replay_journal(empty, some, [&](JournalRecord&, const CompactRange& range, const std::vector<TreeNode>&) {
          sizes.push_back(range.size());
        }));
  };
  CHECK(replay(records).empty());
  CHECK(sizes == std::vector<std::uint64_t>{43, 46});
  std::vector<JournalRecord> bad = records;
  bad[3].mark = true;
  CHECK(replay(bad) == "store: journal frame 12 begins at 43, but the ring ends at 43");
  CHECK(sizes == std::vector<std::uint64_t>{43});
  bad = records;
  bad.erase(bad.begin() + 2);
  CHECK(replay(bad) == "store: journal frame 12 begins at 43, but the ring ends at 40");
  bad = records;
  bad[2].frame.header.root = sha256("other");
  CHECK(replay(bad) == "store: journal frame 11: its root does not follow from its entries");
  CHECK(sizes.empty());
}

// By that a start tells the journal of a gateway that was killed between a large frame and its mark from an older one.
TEST_CASE("ring: says of its last frame whether it came through the journal") {
  TempDir dir;
  ModelLog log(8);
  const std::string folder = dir / "store";
  REQUIRE(Ring::create({folder, 64u << 20}, kOrigin, log.next(1, 120).frame).ok());
  auto ring = Ring::open({folder});
  REQUIRE(ring.ok());
  const auto append = [&](std::size_t count, std::size_t bytes) {
    const ModelLog::Step step = log.next(count, bytes);
    REQUIRE((*ring)->append(step.frame, step.range, step.nodes).ok());
  };
  const auto direct = [&] { return StoreReader::open(folder)->get()->state().direct; };
  append(9, 9000);
  CHECK(direct());
  append(2, 100);
  CHECK(direct());  // it has not moved yet
  REQUIRE((*ring)->move().ok());
  CHECK_FALSE(direct());
  append(9, 9000);
  CHECK(direct());
}
