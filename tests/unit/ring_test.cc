#include "storage/ring.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "crypto/sha256.h"
#include "storage/ring_db.h"
#include "storage/store_reader.h"
#include "tests/unit/store_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

constexpr std::uint64_t kMap = 64u << 20;

struct Store {
  TempDir dir;
  ModelLog log{7};
  std::unique_ptr<Ring> ring;

  explicit Store(std::uint64_t map_bytes = kMap) {
    const auto genesis = log.next(1, 120);
    const Status status = Ring::create({dir / "store", map_bytes}, kOrigin, genesis.frame);
    if (!status.ok()) FAIL(status.error().message);
    reopen();
  }
  void reopen() {
    ring.reset();
    auto opened = Ring::open({dir / "store"});
    if (!opened) FAIL(opened.error().message);
    ring = std::move(opened).value();
  }
  Status append(std::size_t count, std::size_t bytes) {
    const auto step = log.next(count, bytes);
    const Status status = ring->append(step.frame, step.range, step.nodes);
    if (!status.ok()) log.rewind(step.frame.header.first);
    return status;
  }
  void must_append(std::size_t count, std::size_t bytes) {
    const Status status = append(count, bytes);
    if (!status.ok()) FAIL(status.error().message);
  }
  Bytes entry(std::uint64_t index) const {
    auto bytes = ring->entries(index, 1);
    return bytes ? bytes->substr(2) : "error: " + bytes.error().message;
  }
  // Everything from the first index on is what the model has, and the tree too.
  void check_all() const {
    const auto& want = log.entries();
    REQUIRE(ring->size() == want.size());
    REQUIRE(ring->contents().range.root() == log.range().root());
    for (std::uint64_t at = ring->usage().first_index; at < want.size();) {
      const std::size_t count = std::min<std::uint64_t>(kBundleEntries, want.size() - at);
      auto bytes = ring->entries(at, count);
      if (!bytes) FAIL(bytes.error().message);
      const auto got = split_entries(*bytes, count);
      REQUIRE(got.ok());
      for (std::size_t i = 0; i < count; ++i) REQUIRE((*got)[i] == want[at + i]);
      at += count;
    }
  }
};

NodeSource nodes_of(const Ring& ring) {
  return [&ring](int level, std::uint64_t start) { return ring.node(level, start); };
}

}  // namespace

TEST_CASE("ring: a new store has the genesis entry and nothing else") {
  Store s;
  CHECK(s.ring->contents().origin == kOrigin);
  CHECK(s.ring->contents().epoch == 0);
  s.check_all();
  auto again = Ring::create({s.dir / "store", kMap}, kOrigin, s.log.next(1, 10).frame);
  REQUIRE_FALSE(again.ok());
}

TEST_CASE("ring: a store that is there is never made again") {
  TempDir dir;
  ModelLog log{3};
  const auto genesis = log.next(1, 100);
  REQUIRE(Ring::create({dir / "store", kMap}, kOrigin, genesis.frame).ok());
  const Status again = Ring::create({dir / "store", kMap}, kOrigin, genesis.frame);
  REQUIRE_FALSE(again.ok());
  CHECK(again.error().kind == ErrorKind::reject);
  CHECK_THAT(again.error().message, Catch::Matchers::Contains("there is a store already"));
  // The file has its full size from the start and no commit changes it.
  CHECK(std::filesystem::file_size(dir / "store/ring.lmdb") == kMap);
}

TEST_CASE("ring: a second opener is refused") {
  Store s;
  auto second = Ring::open({s.dir / "store"});
  REQUIRE_FALSE(second.ok());
  CHECK_THAT(second.error().message, Catch::Matchers::Contains("another process has this store open"));
}

TEST_CASE("ring: frames of all sizes survive a kill at any moment between appends") {
  Store s;
  const std::pair<std::size_t, std::size_t> sizes[] = {{1, 1},      {1, 200},  {3, 5000},   {300, 40}, {1, 65535},
                                                       {20, 60000}, {256, 10}, {1000, 700}, {1, 0},    {2, 30000}};
  for (int lap = 0; lap < 3; ++lap)
    for (const auto& [count, bytes] : sizes) {
      s.must_append(count, bytes);
      s.check_all();
      s.reopen();  // without move(): as after a kill
      s.check_all();
    }
  CHECK(s.ring->usage().first_index == 0);
}

TEST_CASE("ring: proofs of every size verify, before and after a move") {
  Store s;
  for (int i = 0; i < 12; ++i) s.must_append(1 + 61 * (i % 3), 50);
  for (int pass = 0; pass < 2; ++pass) {
    const std::uint64_t size = s.ring->size();
    for (std::uint64_t at = 0; at < size; at += 7) {
      auto proof = subtree_proof(at, at + 1, size, nodes_of(*s.ring));
      if (!proof) FAIL(proof.error().message);
      CHECK(verify_inclusion(at, size, *proof, leaf_hash(s.log.entries()[at]), s.log.range().root()).ok());
    }
    for (std::uint64_t old = 1; old <= size; old += 13) {
      auto proof = subtree_proof(0, old, size, nodes_of(*s.ring));
      if (!proof) FAIL(proof.error().message);
      CHECK(verify_consistency(old, size, *proof, s.log.root_at(old), s.log.range().root()).ok());
    }
    REQUIRE(s.ring->move().ok());
  }
}

TEST_CASE("ring: segments close, get notes and receipts, and stay so after a reopen") {
  Store s;
  s.must_append(10, 100);
  REQUIRE(s.ring->close_segment(42).ok());
  s.must_append(5, 100);
  auto segments = s.ring->segments();
  REQUIRE(segments.size() == 2);
  CHECK(segments[0].state == SegmentState::sealed);
  CHECK(segments[0].start == 0);
  CHECK(segments[0].end == 11);
  CHECK(segments[1].state == SegmentState::open);
  CHECK(segments[1].start == 11);
  CHECK(s.ring->contents().epoch == 1);
  REQUIRE(s.ring->attach_note(0, "note").ok());
  REQUIRE(s.ring->acknowledge(0, "note with receipt").ok());
  CHECK_FALSE(s.ring->acknowledge(7, "x").ok());
  s.reopen();
  segments = s.ring->segments();
  REQUIRE(segments.size() == 2);
  CHECK(segments[0].state == SegmentState::acknowledged);
  CHECK(segments[0].note == "note with receipt");
  CHECK(segments[0].closed_wall_ns == 42);
  s.check_all();
}

TEST_CASE("ring: full without receipts refuses and keeps everything; a receipt makes room by itself") {
  Store s;
  std::uint64_t refused_at = 0;
  for (int segment = 0; refused_at == 0; ++segment) {
    for (int i = 0; i < 20 && refused_at == 0; ++i) {
      const Status status = s.append(100, 1000);
      if (status.ok()) continue;
      REQUIRE(status.error().kind == ErrorKind::full);
      refused_at = s.ring->size();
    }
    if (refused_at == 0) REQUIRE(s.ring->close_segment(0).ok());
    REQUIRE(segment < 100);
  }
  CHECK(s.ring->usage().first_index == 0);
  CHECK(s.ring->size() > 40000);  // 64 MiB less the reserve
  s.check_all();
  s.reopen();
  s.check_all();
  CHECK(s.append(100, 1000).error().kind == ErrorKind::full);
  for (std::uint64_t segment = 0; segment < 5; ++segment) REQUIRE(s.ring->acknowledge(segment, "receipt").ok());
  for (int i = 0; i < 50; ++i) s.must_append(100, 1000);
  CHECK(s.ring->usage().first_index > 0);
  CHECK(s.ring->entries(0, 1).error().kind == ErrorKind::missing);
  s.check_all();
}

// The spike that the design rests on: mixed frame sizes, a nearly full map, many laps, and never a MAP_FULL.
TEST_CASE("ring: many laps with frames of mixed sizes never run out of pages") {
  Store s;
  std::mt19937 random(11);
  std::uint64_t bytes = 0;
  const std::uint64_t laps = 6;
  int frames = 0;
  while (bytes < laps * kMap) {
    std::size_t count = 1, size = 0;
    const unsigned dice = random() % 100;
    if (dice < 70) {
      count = 1 + random() % 8;
      size = 100 + random() % 200;  // 0.1 to 2 KB
    } else if (dice < 95) {
      count = 50 + random() % 200;
      size = 300 + random() % 300;  // 15 to 150 KB
    } else {
      count = 20;
      size = 30000 + random() % 20000;  // 0.6 to 1 MB
    }
    s.must_append(count, size);
    bytes += count * (size + 2);
    if (++frames % 40 == 0) REQUIRE(s.ring->close_segment(0).ok());
    // Receipts lag behind, so that the map is always nearly full.
    const auto segments = s.ring->segments();
    for (const Segment& segment : segments) {
      if (segment.state != SegmentState::sealed) continue;
      if (s.ring->size() - segment.end < 1000 && segments.size() < 6) break;
      REQUIRE(s.ring->acknowledge(segment.number, "receipt").ok());
      break;
    }
  }
  const auto usage = s.ring->usage();
  CHECK(usage.first_index > 0);
  CHECK(usage.map_full == 0);  // the budget in pages was right every time: no fallback was needed
  CHECK(usage.used_bytes > usage.map_bytes * 6 / 10);
  CHECK(usage.used_bytes < usage.map_bytes);
  CHECK(std::filesystem::file_size(s.dir / "store/ring.lmdb") == kMap);
  s.check_all();
  s.reopen();
  s.check_all();
  // Proofs from the first index on stay possible, though what is below it is gone.
  const std::uint64_t m = s.ring->usage().first_index, size = s.ring->size();
  for (std::uint64_t old : {m, m + 1, m + 300, size - 1, size}) {
    auto proof = subtree_proof(0, old, size, nodes_of(*s.ring));
    if (!proof) FAIL(proof.error().message);
    CHECK(verify_consistency(old, size, *proof, s.log.root_at(old), s.log.range().root()).ok());
  }
}

TEST_CASE("ring: one that is of another time than its journal is refused with both sizes") {
  Store s;
  s.must_append(3, 100);
  REQUIRE(s.ring->move().ok());
  std::filesystem::copy_file(s.dir / "store/journal", s.dir / "old-journal");
  std::filesystem::copy_file(s.dir / "store/ring.lmdb", s.dir / "old-ring");
  for (int i = 0; i < 5; ++i) {
    s.must_append(3, 100);
    REQUIRE(s.ring->move().ok());
  }
  s.ring.reset();
  std::filesystem::copy_file(s.dir / "store/journal", s.dir / "new-journal");
  std::filesystem::copy_file(s.dir / "store/ring.lmdb", s.dir / "new-ring");
  const auto put = [&](const char* journal, const char* ring) {
    std::filesystem::remove(s.dir / "store/journal");
    std::filesystem::remove(s.dir / "store/ring.lmdb");
    std::filesystem::copy_file(s.dir / journal, s.dir / "store/journal");
    std::filesystem::copy_file(s.dir / ring, s.dir / "store/ring.lmdb");
    return Ring::open({s.dir / "store"});
  };
  auto ahead = put("new-journal", "old-ring");
  REQUIRE_FALSE(ahead.ok());
  CHECK(ahead.error().kind == ErrorKind::fatal);
  CHECK_THAT(ahead.error().message, Catch::Matchers::Contains("the ring lost a commit"));
  CHECK(put("new-journal", "new-ring").ok());
}

TEST_CASE("ring: a file that is no LMDB file, and a folder without a store, are refused with words") {
  TempDir dir;
  CHECK(Ring::open({dir / "nothing"}).error().kind == ErrorKind::missing);
  std::filesystem::create_directory(dir / "store");
  std::ofstream(dir / "store/ring.lmdb") << std::string(8192, 'x');
  auto opened = Ring::open({dir / "store"});
  REQUIRE_FALSE(opened.ok());
  CHECK_THAT(opened.error().message, Catch::Matchers::Contains("not an LMDB file"));
}

// What LMDB can leave when its meta page is torn: the commit before. The journal still has what came since.
TEST_CASE("ring: one commit back, nothing acknowledged is lost") {
  Store s;
  s.must_append(5, 100);
  REQUIRE(s.ring->move().ok());
  for (int i = 0; i < 7; ++i) s.must_append(3, 200);
  s.ring.reset();
  std::filesystem::copy_file(s.dir / "store/ring.lmdb", s.dir / "before");
  s.reopen();  // moves the seven frames
  for (int i = 0; i < 4; ++i) s.must_append(3, 300);
  s.ring.reset();
  std::filesystem::copy_file(s.dir / "before", s.dir / "store/ring.lmdb",
                             std::filesystem::copy_options::overwrite_existing);
  s.reopen();
  CHECK(s.ring->contents().replayed == 11);
  s.check_all();
}

// Killed between the commit of a large frame and its mark in the journal.
TEST_CASE("ring: a large frame without its mark is kept, two of them are an older journal") {
  Store s;
  s.must_append(5, 100);
  s.ring.reset();
  const auto restore_journal = [&] {
    std::filesystem::copy_file(s.dir / "journal-before", s.dir / "store/journal",
                               std::filesystem::copy_options::overwrite_existing);
  };
  s.reopen();
  std::filesystem::copy_file(s.dir / "store/journal", s.dir / "journal-before");
  s.must_append(40, 3000);
  s.ring.reset();
  restore_journal();
  s.reopen();
  s.check_all();
  s.must_append(2, 100);
  s.must_append(40, 3000);
  s.must_append(40, 3000);
  s.ring.reset();
  restore_journal();
  s.reopen();
  CHECK_THAT(s.ring->contents().incident, Catch::Matchers::Contains("it is an older one"));
  s.check_all();
}

TEST_CASE("store reader: sees ring and journal as one, without the writer") {
  Store s;
  for (int i = 0; i < 9; ++i) s.must_append(60, 100);
  REQUIRE(s.ring->close_segment(1).ok());
  for (int i = 0; i < 3; ++i) s.must_append(2, 100);
  s.ring.reset();
  auto reader = StoreReader::open(s.dir / "store");
  if (!reader) FAIL(reader.error().message);
  const auto& want = s.log.entries();
  CHECK((*reader)->size() == want.size());
  CHECK((*reader)->frames().size() == 3);
  REQUIRE((*reader)->segments().size() == 1);
  for (std::uint64_t at = 0; at < want.size(); ++at) REQUIRE((*reader)->entries(at, 1)->substr(2) == want[at]);
  CHECK((*reader)->entries(500, 47)->size() > 0);
  CHECK((*reader)->entries(want.size(), 1).error().kind == ErrorKind::missing);
  for (std::uint64_t size : {0, 1, 255, 256, 300, 541})
    CHECK((*reader)->range_at(size)->root() == (size ? s.log.root_at(size) : empty_root()));
}

TEST_CASE("ring: a file that was cut short is refused with words, by writer and reader") {
  Store s;
  s.must_append(3, 100);
  s.ring.reset();
  for (std::uint64_t size : {std::uint64_t{8192}, std::uint64_t{12288}, std::uint64_t{1} << 20, kMap - 1}) {
    std::filesystem::resize_file(s.dir / "store/ring.lmdb", size);
    auto opened = Ring::open({s.dir / "store"});
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().kind == ErrorKind::fatal);
    CHECK_THAT(opened.error().message, Catch::Matchers::Contains("it was cut short"));
    CHECK_FALSE(StoreReader::open(s.dir / "store").ok());
  }
  std::filesystem::resize_file(s.dir / "store/ring.lmdb", 0);
  for (const Error& error : {Ring::open({s.dir / "store"}).error(), StoreReader::open(s.dir / "store").error()}) {
    CHECK(error.kind == ErrorKind::fatal);
    CHECK_THAT(error.message, Catch::Matchers::Contains("ring.lmdb: is empty, there is no log in it"));
  }
}

// One record of one sector each: the half ends exactly where the last one does.
TEST_CASE("ring: a journal half that is exactly full goes on after a reopen") {
  Store s;
  for (std::uint64_t i = 1; i < kJournalHalfBytes / kJournalSectorBytes; ++i) s.must_append(1, 100);
  CHECK(s.ring->usage().moves == 0);
  SECTION("stopped") { REQUIRE(s.ring->move().ok()); }
  SECTION("killed") {}
  s.reopen();
  s.must_append(1, 100);
  s.check_all();
  s.reopen();
  s.must_append(3, 100);
  s.check_all();
}

// Payloads lie in the journal as they are. Whoever may publish must not be able to write something that is later taken
// for a record.
TEST_CASE("ring: payloads that look like journal records do no harm") {
  Store s;
  s.must_append(1, 100);
  // The bytes of a real record of this very store.
  std::ifstream in(s.dir / "store/journal", std::ios::binary);
  const Bytes journal(std::istreambuf_iterator<char>(in), {});
  Bytes record = journal.substr(4096 + 512, 512);
  record.replace(12, 8, Bytes("\x7f\0\0\0\0\0\0\1", 8));  // a sequence far ahead
  // ... with the checksum that anybody can compute who does not know the salt.
  const std::size_t body = 4 + 4 + 4 + 8 + 16;
  const std::uint32_t length = get_u32(record.data() + 8);
  const Hash sum = sha256({ByteView(record).substr(0, 20), ByteView(record).substr(body, length)});
  record.replace(20, 16, Bytes(view(sum).substr(0, 16)));
  // So that each copy in the payload begins at a sector: behind the headers of journal record, frame and entry.
  const std::size_t shift = 2 * kJournalSectorBytes - (body + kFrameHeaderBytes + 2);
  Bytes payload(shift % kJournalSectorBytes, 'x');
  while (payload.size() + record.size() < 45000) payload += record;
  // Two halves and a bit: behind the end of the journal lie the payloads of an earlier lap.
  const std::size_t frames = 2 * kJournalHalfBytes / payload.size() + 5;
  for (std::size_t i = 0; i < frames; ++i) {
    const auto step = s.log.frame_of({payload});
    REQUIRE(s.ring->append(step.frame, step.range, step.nodes).ok());
  }
  s.reopen();
  s.must_append(1, 10);
  s.reopen();
  s.check_all();
}

// What reads the store in another process, from the state of now until it is released.
class Reading {
 public:
  explicit Reading(const std::string& ring) {
    int begun[2];
    REQUIRE((::pipe(begun) == 0 && ::pipe(end_) == 0));
    pid_ = ::fork();
    if (pid_ == 0) {
      auto db = RingDb::open(ring, RingDb::Mode::read, 0);
      auto reader = db ? (*db)->read() : Result<RingDb::Reader>(fatal_error("x"));
      char byte = reader && reader->state() ? '1' : '0';
      ::close(end_[1]);
      const bool told = ::write(begun[1], &byte, 1) == 1;
      ::_exit(told && ::read(end_[0], &byte, 1) >= 0 ? 0 : 1);  // without giving the slot back
    }
    ::close(end_[0]);
    ::close(begun[1]);
    char byte = 0;
    REQUIRE((pid_ > 0 && ::read(begun[0], &byte, 1) == 1 && byte == '1'));
    ::close(begun[0]);
  }
  ~Reading() { end(); }
  void end() {
    if (pid_ == 0) return;
    ::close(end_[1]);
    ::waitpid(std::exchange(pid_, 0), nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  int end_[2] = {-1, -1};
  pid_t pid_ = 0;
};

// `append`s a segment that has a receipt at once.
Status receipted_segment(Store& s) {
  for (int i = 0; i < 20; ++i) SEALRING_TRY(s.append(100, 1000));
  SEALRING_TRY(s.ring->close_segment(0));
  const auto all = s.ring->segments();
  return s.ring->acknowledge(all[all.size() - 2].number, "receipt");
}

// A reader that was killed, as `sealring verify` by Ctrl-C, pins the pages of its snapshot until somebody clears it.
TEST_CASE("ring: a killed reader does not fill the ring") {
  Store s;
  while (s.ring->usage().first_index == 0) REQUIRE(receipted_segment(s).ok());  // from now on every append releases
  Reading(s.dir / "store/ring.lmdb").end();
  for (int i = 0; i < 20; ++i) REQUIRE(receipted_segment(s).ok());
  s.check_all();
}

TEST_CASE("ring: a reader that stays fills it, is named, and nothing is lost or goes on before it ends") {
  Store s;
  while (s.ring->usage().first_index == 0) REQUIRE(receipted_segment(s).ok());
  Reading reading(s.dir / "store/ring.lmdb");
  Status status;
  for (int i = 0; i < 60 && status.ok(); ++i) status = receipted_segment(s);
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().kind == ErrorKind::full);
  CHECK(status.error().message.find("process " + std::to_string(reading.pid()) + " reads the store") !=
        std::string::npos);
  s.check_all();
  reading.end();
  for (int i = 0; i < 20; ++i) REQUIRE(receipted_segment(s).ok());
  s.check_all();
  s.reopen();
  s.check_all();
}
