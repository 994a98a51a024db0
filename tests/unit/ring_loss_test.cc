// The ring with holes: what drop() leaves, and what a crash in it does.
#include <catch2/catch.hpp>
#include <fstream>

#include "storage/ring_db.h"
#include "storage/ring_pages.h"
#include "storage/store_reader.h"
#include "tests/unit/store_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

constexpr std::uint64_t kMap = 64u << 20;

struct Store {
  TempDir dir;
  ModelLog log{19};
  std::unique_ptr<Ring> ring;

  Store() {
    const auto genesis = log.next(1, 120);
    REQUIRE(Ring::create({dir / "store", kMap}, kOrigin, genesis.frame).ok());
    reopen();
  }
  void reopen() {
    ring.reset();
    auto opened = Ring::open({dir / "store"});
    if (!opened) FAIL(opened.error().message);
    ring = std::move(opened).value();
  }
  void append(std::size_t count, std::size_t bytes) {
    const auto step = log.next(count, bytes);
    const Status status = ring->append(step.frame, step.range, step.nodes);
    if (!status.ok()) FAIL(status.error().message);
  }
  // A closed segment of `count` entries.
  void segment(std::size_t count, std::size_t bytes = 40) {
    append(count, bytes);
    REQUIRE(ring->close_segment(0).ok());
  }
  LossRecord record(std::uint64_t start, std::uint64_t end) const {
    return {start, end, ring->size(), 5 * (end - start), -7, 9};
  }
  Status drop(std::uint64_t start, std::uint64_t end) {
    const LossRecord loss = record(start, end);
    const auto step = log.next(1, 100);
    const Status status = ring->drop(loss, step.frame, step.range, step.nodes);
    if (!status.ok()) log.rewind(step.frame.header.first);
    return status;
  }
  void must_drop(std::uint64_t start, std::uint64_t end) {
    const Status status = drop(start, end);
    if (!status.ok()) FAIL(status.error().message);
  }
  bool has(std::uint64_t index) const {
    const auto bytes = ring->entries(index, 1);
    if (bytes) REQUIRE(bytes->substr(2) == log.entries()[index]);
    return bytes.ok();
  }
  // Every entry is here and right, or in a loss; and so says the reader.
  void check_all() {
    REQUIRE(ring->size() == log.entries().size());
    REQUIRE(ring->contents().range.root() == log.range().root());
    const auto losses = ring->losses();
    for (std::uint64_t i = ring->usage().first_index; i < ring->size(); ++i) {
      INFO(i);
      REQUIRE(has(i) == (find_loss(losses, i) == nullptr));
    }
  }
  // Proofs between all sizes that a receipt, or a checkpoint of a witness within what is here, may have.
  void check_proofs(const std::vector<std::uint64_t>& sizes) const {
    const NodeSource nodes = [this](int level, std::uint64_t start) { return ring->node(level, start); };
    for (const std::uint64_t size : sizes)
      for (const std::uint64_t old : sizes) {
        if (old == 0 || old > size) continue;
        INFO(old << " in " << size);
        const auto proof = subtree_proof(0, old, size, nodes);
        if (!proof) FAIL(proof.error().message);
        CHECK(verify_consistency(old, size, *proof, log.root_at(old), log.root_at(size)).ok());
      }
  }
};

}  // namespace

TEST_CASE("ring: what is dropped is gone, what stands around it stays, and proofs go on") {
  Store s;
  for (const std::size_t count : {700, 1500, 900}) s.segment(count);
  s.append(100, 40);
  REQUIRE(s.drop(0, 256).ok());
  s.must_drop(768, 2048);
  s.check_all();
  CHECK_FALSE(s.has(2047));
  CHECK(s.has(2048));
  const auto gone = s.ring->entries(800, 1);
  REQUIRE_FALSE(gone.ok());
  CHECK(gone.error().kind == ErrorKind::missing);
  CHECK_THAT(gone.error().message, Catch::Contains("entries [768, 2048) were dropped unsent") &&
                                       Catch::Contains("the loss entry is " + std::to_string(s.ring->size() - 1)));
  const std::vector<std::uint64_t> sizes = {701, 2201, 3101, 3150, s.ring->size()};
  s.check_proofs(sizes);
  s.reopen();
  s.check_all();
  s.check_proofs(sizes);
  const auto losses = s.ring->losses();
  REQUIRE(losses.size() == 2);
  CHECK(losses[1].start == 768);
  CHECK(losses[1].end == 2048);
  CHECK(losses[1].index == s.ring->size() - 1);
  CHECK(losses[1].messages == 6400);
  CHECK(losses[1].first_wall_ns == -7);
  CHECK(losses[1].last_wall_ns == 9);
  s.ring.reset();
  const auto reader = StoreReader::open(s.dir / "store");
  REQUIRE(reader.ok());
  CHECK((*reader)->losses().size() == 2);
  CHECK_THAT((*reader)->entries(800, 1).error().message, Catch::Contains("were dropped unsent"));
  CHECK((*reader)->entries(2048, 100).ok());
  CHECK((*reader)->range_at(768)->root() == s.log.root_at(768));
  CHECK((*reader)->range_at(2048)->root() == s.log.root_at(2048));
}

TEST_CASE("ring: only of closed segments that are not acknowledged") {
  Store s;
  s.segment(1000);
  s.segment(1000);
  s.append(1000, 40);
  REQUIRE(s.ring->acknowledge(0, "receipt").ok());
  CHECK(s.drop(256, 512).error().kind == ErrorKind::reject);    // acknowledged
  CHECK(s.drop(768, 1280).error().kind == ErrorKind::reject);   // of two segments
  CHECK(s.drop(2048, 2304).error().kind == ErrorKind::reject);  // of the open one
  CHECK(s.ring->losses().empty());
  s.check_all();
  s.must_drop(1024, 1792);
  s.check_all();
}

TEST_CASE("ring: a drop makes room, and a receipt releases over the hole; the record goes with what it is about") {
  Store s;
  const auto fill = [&s] {
    for (int i = 0; i < 500; ++i) {
      const auto step = s.log.next(256, 1000);
      const Status status = s.ring->append(step.frame, step.range, step.nodes);
      if (!status.ok()) {
        s.log.rewind(step.frame.header.first);
        return status.error().kind;
      }
      if (i % 10 == 9) REQUIRE(s.ring->close_segment(0).ok());
    }
    return ErrorKind::missing;
  };
  REQUIRE(fill() == ErrorKind::full);
  CHECK(s.ring->make_room(1u << 20, 1).error().kind == ErrorKind::full);
  const std::vector<Segment> segments = s.ring->segments();
  std::size_t dropped = 0;
  for (; dropped < 4; ++dropped) {
    const Segment& segment = segments[dropped];
    s.must_drop((segment.start + 255) / 256 * 256, (segment.end - 1) / 256 * 256);
  }
  CHECK(s.ring->make_room(1u << 20, 1).ok());
  CHECK(s.ring->usage().first_index == 0);
  s.check_all();
  s.reopen();
  REQUIRE(s.ring->close_segment(0).ok());
  const std::size_t lost_before = s.ring->losses().size();
  CHECK(lost_before == 4);
  for (const Segment& segment : s.ring->segments())
    if (segment.number < 6) REQUIRE(s.ring->acknowledge(segment.number, "receipt").ok());
  REQUIRE(fill() == ErrorKind::full);
  CHECK(s.ring->losses().empty());
  CHECK(s.ring->usage().first_index > segments[4].start);
  s.check_all();
  s.reopen();
  s.check_all();
}

// LMDB frees as many pages as the first one of a value says, from the one on that it says it is.
TEST_CASE("ring: a page that does not say what it is stays where it is when its bundle goes") {
  const unsigned within = GENERATE(0u, 12u);  // its number; how many pages
  Store s;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 4; ++j) s.append(512, 1000);
    s.segment(512, 1000);
  }
  s.ring.reset();
  const std::string path = s.dir / "store/ring.lmdb";
  {
    auto pages = RingPages::open(path);
    REQUIRE(pages.ok());
    std::vector<std::uint64_t> heads;  // of the second and of the tenth bundle
    const auto look = [&](ByteView key, const RingPages::Value& value) {
      const auto named = parse_ring_key(key);
      if (named->kind == RingKey::Kind::chunk && (named->index == 1 || named->index == 11) && named->chunk == 3)
        heads.push_back(value.page);
    };
    REQUIRE(pages->audit(*pages->newest(), look).ok());
    REQUIRE(heads.size() == 2);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    for (const std::uint64_t page : heads) {
      file.seekp(static_cast<std::streamoff>(page * 4096 + within));
      file.put(7);
    }
  }
  s.reopen();
  s.check_all();
  s.must_drop(2816, 3072);  // bundle 11, unsent
  CHECK(s.ring->usage().stuck_pages == 1);
  CHECK_FALSE(s.has(2900));
  CHECK(s.ring->check_bundle(11).error().kind == ErrorKind::missing);
  REQUIRE(s.ring->acknowledge(0, "receipt").ok());
  while (s.ring->usage().first_index < 512) s.append(256, 1000);
  CHECK(s.ring->usage().stuck_pages == 2);
  CHECK(s.ring->usage().map_full == 0);
  for (int lap = 0; lap < 2; ++lap) {
    s.check_all();
    CHECK_FALSE(s.has(300));
    CHECK(s.ring->entries(256, 256).error().kind == ErrorKind::missing);
    s.reopen();
  }
  s.ring.reset();
  const auto reader = StoreReader::open(s.dir / "store");
  REQUIRE(reader.ok());
  CHECK((*reader)->entries(256, 256).error().kind == ErrorKind::missing);
  CHECK((*reader)->entries(2816, 256).error().kind == ErrorKind::missing);
}

// The commit is LMDB's; what is ours is the mark behind it, and that nothing of a drop is anywhere before it.
TEST_CASE("crash: a drop is there with its frame, or neither is") {
  Store s;
  for (int i = 0; i < 3; ++i) s.segment(1000);
  s.append(10, 40);  // in the journal only
  const auto copy = [&s](const char* from, const char* to) {
    for (const char* name : {"journal", "ring.lmdb"})
      std::filesystem::copy_file(s.dir / (std::string(from) + "/" + name), s.dir / (std::string(to) + "/" + name),
                                 std::filesystem::copy_options::overwrite_existing);
  };
  std::filesystem::create_directory(s.dir / "before");
  std::filesystem::create_directory(s.dir / "after");
  s.ring.reset();
  copy("store", "before");
  s.reopen();
  s.must_drop(1280, 1792);
  const std::uint64_t size = s.ring->size();
  s.ring.reset();
  copy("store", "after");

  SECTION("killed between the commit and its mark: the start makes it") {
    std::filesystem::copy_file(s.dir / "before/journal", s.dir / "store/journal",
                               std::filesystem::copy_options::overwrite_existing);
    s.reopen();
    CHECK(s.ring->size() == size);
    REQUIRE(s.ring->losses().size() == 1);
    s.check_all();
    s.reopen();
    s.check_all();
    s.append(10, 40);
    s.check_all();
  }
  SECTION("killed before the commit: nothing happened") {
    copy("before", "store");
    s.log.rewind(size - 1);
    s.reopen();
    CHECK(s.ring->losses().empty());
    s.check_all();
    s.must_drop(1280, 1536);
    s.check_all();
  }
  SECTION("a ring of before beside the journal of after is refused") {
    std::filesystem::copy_file(s.dir / "before/ring.lmdb", s.dir / "store/ring.lmdb",
                               std::filesystem::copy_options::overwrite_existing);
    CHECK_FALSE(Ring::open({s.dir / "store"}).ok());
  }
}

TEST_CASE("ring: a store with losses is of version 2, one without of version 1 again") {
  RingState state;
  state.origin = kOrigin;
  state.range.append(leaf_hash("x"));
  state.last.count = 1;
  state.last.root = state.range.root();
  Bytes first = encode_ring_state(state);
  CHECK(first.substr(0, 17) == "sealring/ring/v1\n");
  state.losses = true;
  Bytes second = encode_ring_state(state);
  CHECK(second.substr(0, 17) == "sealring/ring/v2\n");
  CHECK(decode_ring_state(second)->losses);
  CHECK_FALSE(decode_ring_state(first)->losses);
  second[15] = '3';
  CHECK_THAT(decode_ring_state(second).error().message, Catch::Contains("knows versions 1 and 2"));
  second[15] = '1';
  CHECK_THAT(decode_ring_state(second).error().message, Catch::Contains("damaged"));
}

TEST_CASE("ring: records of losses that contradict the store are refused") {
  Store s;
  for (int i = 0; i < 2; ++i) s.segment(1000);
  s.must_drop(1280, 1792);
  s.ring.reset();
  const auto change = [&s](const auto& make) {
    auto db = RingDb::open(s.dir / "store/ring.lmdb", RingDb::Mode::write, 0);
    REQUIRE(db.ok());
    auto writer = (*db)->write();
    REQUIRE(writer.ok());
    make(*writer);
    REQUIRE(writer->commit().ok());
  };
  const LossRecord good{1280, 1792, 2001, 0, 0, 0};
  const auto with = [&](LossRecord record) {
    change([&](RingDb::Writer& writer) {
      REQUIRE(writer.erase_loss(1280).ok());
      REQUIRE(writer.put_loss(record).ok());
    });
    auto opened = Ring::open({s.dir / "store"});
    change([&](RingDb::Writer& writer) { REQUIRE(writer.erase_loss(record.start).ok()); });
    return opened.ok() ? std::string() : opened.error().message;
  };
  CHECK(with(good).empty());
  CHECK_THAT(with({768, 1280, 2001, 0, 0, 0}), Catch::Contains("does not fit the log"));   // of two segments
  CHECK_THAT(with({1280, 1792, 1700, 0, 0, 0}), Catch::Contains("does not fit the log"));  // recorded within
  CHECK_THAT(with({1280, 1792, 9999, 0, 0, 0}), Catch::Contains("does not fit the log"));  // not recorded
  CHECK_THAT(with({1281, 1792, 2001, 0, 0, 0}), Catch::Contains("damaged"));
  CHECK_THAT(Ring::open({s.dir / "store"}).error().message, Catch::Contains("contradict each other"));  // none at all
}
