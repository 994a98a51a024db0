// What becomes of a store in which bits were flipped or pages torn: everything acknowledged is there, or it is refused
// with words. Never a dead process, never less than there was without a word.
#include "storage/store_reader.h"
#include "tests/unit/damage_fixture.h"

using namespace sealring;
using namespace sealring::test;

TEST_CASE("child: what kills it is an error, and so is what it answers") {
  CHECK(in_child([] { return Status(); }).ok());
  const Status said = in_child([] { return Status(reject_error("no")); });
  CHECK(said.error().kind == ErrorKind::reject);
  CHECK(said.error().message == "no");
  const Status killed = in_child([]() -> Status {
    ::raise(SIGBUS);
    return {};
  });
  CHECK(killed.error().kind == ErrorKind::fatal);
  CHECK_THAT(killed.error().message, Catch::Matchers::Contains("signal 7"));
  CHECK_THAT(in_child([]() -> Status { ::_exit(3); }).error().message, Catch::Matchers::Contains("without an answer"));
  CHECK_THAT(in_child([]() -> Status { throw std::bad_alloc(); }).error().message,
             Catch::Matchers::Contains("without an answer"));
}

TEST_CASE("child: one that hangs is ended, also where its parent has blocked what ends it") {
  sigset_t alarm, before;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  REQUIRE(::pthread_sigmask(SIG_BLOCK, &alarm, &before) == 0);
  const Status hung = in_child(
      []() -> Status {
        for (;;) ::pause();
      },
      1);
  REQUIRE(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
  CHECK(hung.error().kind == ErrorKind::fatal);
  CHECK_THAT(hung.error().message, Catch::Matchers::Contains("did not come to an end"));
}

TEST_CASE("damage: every byte of both meta pages") {
  Damaged d;
  for (std::size_t page = 0; page < 2; ++page)
    for (std::size_t at = 0; at < 160; ++at) d.flip(page * kPage + at, static_cast<int>(at % 8));
  CHECK(d.outcomes["refused"] == 0);
  CHECK(d.outcomes["bundle refused"] == 0);
  CHECK(d.outcomes["recovered"] > 150);
}

// The 120 bytes that LMDB writes, in words of 8 bytes: any of them may be those of the page's last content.
TEST_CASE("damage: a meta page torn in any of its words") {
  Damaged d;
  const Bytes older = d.ring_image;
  {
    auto opened = d.open();
    REQUIRE(opened->attach_note(1, Bytes(900, 'm')).ok());  // with the frames that the journal had
    d.append(*opened, 2, 100);
    REQUIRE(opened->acknowledge(1, Bytes(800, 'r')).ok());
  }
  d.keep();
  const auto page = static_cast<std::size_t>(d.newest_meta()) * kPage;
  const std::size_t first = page + 16 + 16, words = 15;  // behind magic, version and address
  const auto tear = [&](unsigned kept) {
    for (std::size_t word = 0; word < words; ++word)
      if ((kept >> word & 1) == 0) put_at(d.ring, first + 8 * word, ByteView(older).substr(first + 8 * word, 8));
    d.judge("torn, new words " + std::to_string(kept));
    d.put_back();
  };
  for (std::size_t word = 0; word <= words; ++word) {
    tear((1u << word) - 1);                          // a prefix
    tear(~((1u << word) - 1));                       // the rest
    tear((1u << words) - 1 - (1u << word % words));  // all but one
  }
  std::mt19937 random(5);
  for (int i = 0; i < 150; ++i) tear(static_cast<unsigned>(random()) & ((1u << words) - 1));
  CHECK(d.outcomes["refused"] == 0);
  CHECK(d.outcomes["recovered"] > 50);
}

// Whoever upgraded the store has written it with the last commit: the one before is not to be gone on with.
TEST_CASE("damage: a state record of another version is no damage") {
  Damaged d;
  auto pages = RingPages::open(d.ring);
  REQUIRE(pages.ok());
  const std::size_t at = d.ring_image.find("sealring/ring/v1\n");
  for (std::size_t found = at; found < d.used; found = d.ring_image.find("sealring/ring/v1\n", found + 1))
    put_at(d.ring, found, "sealring/ring/v9\n");
  const Bytes before = slurp(d.ring, d.ring_image.size());
  const auto opened = Ring::open({d.folder});
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().kind == ErrorKind::reject);
  CHECK_THAT(opened.error().message, Catch::Matchers::Contains("format version"));
  const bool untouched = slurp(d.ring, d.ring_image.size()) == before;
  CHECK(untouched);
}

// A 32-bit machine writes page numbers and sizes of 4 bytes, and what follows is nearer by as much. A start that may
// replace a damaged ring must not take either for one.
TEST_CASE("damage: a ring of another word size or version of LMDB is no damage") {
  const bool narrow = GENERATE(true, false), may_replace = GENERATE(true, false);
  Damaged d;
  for (std::size_t page = 0; page < 2; ++page) {
    const std::size_t header = narrow ? 12 : 16;
    if (narrow) put_at(d.ring, page * kPage, Bytes(kPage, '\0'));
    put_at(d.ring, page * kPage, Bytes{static_cast<char>(page), 0, 0, 0});
    put_at(d.ring, page * kPage + header - 6, Bytes{8, 0});
    put_at(d.ring, page * kPage + header, "\xde\xc0\xef\xbe");
    put_at(d.ring, page * kPage + header + 4, Bytes{static_cast<char>(narrow ? 1 : 2), 0, 0, 0});
  }
  const Bytes before = slurp(d.ring, d.ring_image.size());
  for (const Error& error : {Ring::open({d.folder, 0, may_replace}).error(), StoreReader::open(d.folder).error()}) {
    CHECK(error.kind == ErrorKind::reject);
    CHECK_THAT(error.message, Catch::Matchers::Contains("not an LMDB file of this version and word size"));
  }
  const bool untouched = slurp(d.ring, d.ring_image.size()) == before;
  CHECK(untouched);
}

TEST_CASE("damage: sampled bytes of all pages in use") {
  Damaged d;
  std::mt19937 random(17);
  for (std::size_t page = 2 * kPage; page < d.used; page += kPage) {
    for (int i = 0; i < 3; ++i) d.flip(page + random() % 24, static_cast<int>(random() % 8));
    for (int i = 0; i < 3; ++i) d.flip(page + random() % kPage, static_cast<int>(random() % 8));
  }
  CHECK(d.outcomes["refused"] > 0);
  CHECK(d.outcomes["recovered"] > 0);
  CHECK(d.outcomes["bundle refused"] > 0);
}

TEST_CASE("damage: truncated at page borders") {
  Damaged d;
  std::mt19937 random(3);
  const Bytes whole = slurp(d.ring, d.ring_image.size());
  for (std::size_t page = 0; page < d.used / kPage + 3; page += 1 + random() % 3) {
    std::filesystem::resize_file(d.ring, page * kPage + (random() % 2) * 100);
    auto opened = Ring::open({d.folder});
    REQUIRE_FALSE(opened.ok());
    CHECK_FALSE(opened.error().message.empty());
    put_at(d.ring, 0, whole);
  }
  std::filesystem::resize_file(d.ring, 64u << 20);
  d.judge("put back");
  CHECK(d.outcomes["fine"] == 1);
}

TEST_CASE("damage: a lock file that is deleted, stale or garbage does no harm") {
  Damaged d;
  std::filesystem::remove(d.ring + "-lock");
  d.judge("deleted");
  d.put_back();
  std::ofstream(d.ring + "-lock") << std::string(5000, 'x');
  d.judge("garbage");
  d.put_back();
  std::ofstream(d.ring + "-lock") << "";
  d.judge("empty");
  CHECK(d.outcomes["fine"] == 3);
}

// The commit that closed a segment is the one that is lost, and the next segment has begun in the journal.
TEST_CASE("damage: a segment whose closing is lost is closed again") {
  Damaged d;
  {
    auto opened = d.open();
    REQUIRE(opened->move().ok());
    d.append(*opened, 2, 100);
    d.append(*opened, d.log.frame_of({Bytes(50, 'x'), handover_entry(3, d.log.entries().size() + 1)}));
    REQUIRE(opened->close_segment(99).ok());
    auto step = d.log.next(5, 80);
    step.frame.header.epoch = 4;
    d.append(*opened, step);
  }
  d.keep();
  const std::uint64_t size = d.log.entries().size();
  const std::size_t at = static_cast<std::size_t>(d.newest_meta()) * kPage + 16;
  put_at(d.ring, at, Bytes(4, 'x'));
  auto opened = d.open();
  d.check_all(*opened);
  CHECK_THAT(opened->contents().incident, Catch::Matchers::Contains("nothing is lost"));
  const auto segments = opened->segments();
  REQUIRE(segments.size() == 5);
  CHECK(segments[3].end == size - 5);
  CHECK(segments[3].closed_wall_ns == 77);
  CHECK(opened->contents().epoch == 4);
  CHECK(opened->contents().segment_start == size - 5);
  // The page that was damaged is kept, and the note of it, until an entry tells of it.
  CHECK(slurp(d.ring + "-meta-damaged").substr(16, 4) == "xxxx");
  CHECK(slurp(d.folder + "/incident") == opened->contents().incident);
  opened.reset();
  CHECK(d.open()->contents().incident.find("nothing is lost") != std::string::npos);
}

// Else a proof, or a checkpoint, would be made of what nobody has signed.
TEST_CASE("damage: of a damaged bundle no hash is given") {
  Damaged d;
  auto opened = d.open();
  const Hash whole = opened->node(3, 520).value();
  const auto entries = opened->entries(600, 1);
  REQUIRE(entries.ok());
  opened.reset();
  for (std::size_t at = d.ring_image.find(*entries); at != Bytes::npos; at = d.ring_image.find(*entries, at + 1))
    put_at(d.ring, at + 20, "x");
  opened = d.open();
  const auto node = opened->node(3, 520);
  REQUIRE_FALSE(node.ok());
  CHECK_THAT(node.error().message, Catch::Matchers::Contains("bundle 2 is damaged"));
  CHECK(opened->node(8, 512).ok());
  CHECK(opened->node(3, 256).ok());
  opened.reset();
  d.put_back();
  CHECK(d.open()->node(3, 520).value() == whole);
}

TEST_CASE("damage: of a store with a hole, its record is looked at by a start") {
  Damaged d;
  d.drop_some();
  d.judge("whole");
  REQUIRE(d.outcomes["fine"] == 1);
  d.put_back();
  Bytes start;
  put_u64(start, 1024);
  put_u64(start, 1536);
  std::size_t records = 0;
  for (std::size_t at = d.ring_image.find(start); at != Bytes::npos; at = d.ring_image.find(start, at + 1)) {
    ++records;
    put_at(d.ring, at + 20, "x");  // in all copies of it
  }
  REQUIRE(records > 0);
  d.judge("record damaged");
  CHECK(d.outcomes["refused"] == 1);
  d.put_back();
  for (std::size_t page = 0; page < d.used; page += kPage * (page < 2 * kPage ? 1 : 3)) {
    d.flip(page + 20 + page / kPage % 100, static_cast<int>(page / kPage % 8));
    d.flip(page + 3000 + page / kPage % 1000, static_cast<int>(page / kPage % 8));
  }
  CHECK(d.outcomes["fine"] > 1);
}

// The B-tree can lose a bundle where all its pages are whole.
TEST_CASE("damage: a bundle that is gone, and that no loss entry names") {
  Damaged d;
  {
    auto db = RingDb::open(d.ring, RingDb::Mode::write, 0);
    REQUIRE(db.ok());
    auto writer = (*db)->write();
    REQUIRE(writer.ok());
    REQUIRE(writer->erase_bundle(1).ok());
    REQUIRE(writer->commit().ok());
  }
  auto opened = d.open();
  const auto checked = opened->check_bundle(1);
  REQUIRE_FALSE(checked.ok());
  CHECK(checked.error().kind == ErrorKind::fatal);
  CHECK_THAT(checked.error().message, Catch::Matchers::Contains("its entries are gone"));
  CHECK(opened->check_bundle(2).ok());
}
