// A ring that is whole and a journal that is not: the log goes on from the ring, with what of the journal still
// follows, and the identity key is silent.
#include "storage/journal_anew.h"

#include "tests/unit/damage_fixture.h"

using namespace sealring;
using namespace sealring::test;
using Catch::Matchers::Contains;

namespace {

// Two frames are in the journal only: of 3 entries, and of 4.
struct Lost : Damaged {
  std::uint64_t size = log.entries().size(), in_ring = size - 7;

  std::size_t frame(int number) {  // where it is in the file
    const auto scan = scan_journal(journal_image, kOrigin);
    REQUIRE(scan.ok());
    std::size_t at = kPage + (scan->half == 1 ? kJournalHalfBytes : 0);
    for (int i = 0; i <= number; ++i) at = journal_image.find("SRJ1", i == 0 ? at : at + 1);
    return at;
  }
  // Opens it, and holds it against the first `expected` entries of the log, which it is to have.
  std::unique_ptr<Ring> goes_on(std::uint64_t expected) {
    auto opened = open();
    CHECK(opened->size() == expected);
    CHECK(opened->contents().range.root() == log.root_at(expected));
    CHECK(opened->contents().silent);
    CHECK_THAT(opened->contents().incident,
               Contains("The ring is whole, and the log goes on from it at size " + std::to_string(expected)));
    CHECK(slurp(folder + kIncidentFile) == opened->contents().incident);
    log.rewind(expected);
    append(*opened, 5, 100);
    check_all(*opened);
    return opened;
  }
};

}  // namespace

TEST_CASE("journal: missing, the log goes on from the ring, and the identity is silent") {
  Lost s;
  std::filesystem::remove(s.journal);
  auto opened = s.goes_on(s.in_ring);
  CHECK_THAT(opened->contents().incident, Contains("is not there"));
  // Until its entry is in the log, and somebody has said how far the log was.
  opened.reset();
  opened = s.open();
  CHECK(opened->contents().silent);
  CHECK_THAT(opened->contents().incident, Contains("is not there"));
  REQUIRE(opened->close_segment(1).ok());
  opened.reset();
  std::filesystem::remove(s.folder + kIncidentFile);
  REQUIRE(end_silence(s.folder).ok());
  REQUIRE(end_silence(s.folder).ok());
  opened = s.open();
  CHECK_FALSE(opened->contents().silent);
  CHECK(opened->contents().incident.empty());
  s.check_all(*opened);
}

TEST_CASE("journal: damaged, what follows the ring is kept, and the file as well") {
  Lost s;
  std::uint64_t expected = s.in_ring;
  const char* words = "LOST";
  SECTION("the header") { put_at(s.journal, 60, "damage"); }
  SECTION("the first page") { put_at(s.journal, 0, Bytes(kPage, '\0')); }
  SECTION("all of it") { put_at(s.journal, 0, Bytes(Journal::kFileBytes, '\0')); }
  SECTION("cut short") { std::filesystem::resize_file(s.journal, kPage + 100); }
  SECTION("empty") { std::filesystem::resize_file(s.journal, 0); }
  SECTION("the first of its frames") {
    put_at(s.journal, s.frame(0) + 70, "damage");
    words = "LOST: 7 entries at least";
  }
  SECTION("a third frame, with another behind it") {
    auto opened = s.open();
    s.append(*opened, 2, 100);
    s.append(*opened, 1, 100);
    s.append(*opened, 1, 100);
    opened.reset();
    s.keep();
    put_at(s.journal, s.frame(1) + 70, "damage");
    expected = s.size + 2;
    words = "LOST: 2 entries at least";
  }
  const Bytes before = slurp(s.journal);
  const auto opened = s.goes_on(expected);
  CHECK_THAT(opened->contents().incident, Contains(words));
  CHECK_THAT(opened->contents().incident, Contains("journal-damaged"));
  const bool kept = slurp(s.journal + "-damaged") == before;
  CHECK(kept);
}

TEST_CASE("journal: damaged where it has been moved, nothing is lost, and nobody is to be asked") {
  Lost s;
  s.open().reset();  // moves both frames
  s.journal_image = slurp(s.journal);
  put_at(s.journal, s.frame(0) + 70, "damage");
  auto opened = s.open();
  CHECK_FALSE(opened->contents().silent);
  CHECK_THAT(opened->contents().incident, Contains("nothing is lost"));
  s.append(*opened, 3, 100);
  s.check_all(*opened);
  opened.reset();
  s.check_all(*s.open());
}

TEST_CASE("journal: damaged in what no record needs, nothing is lost") {
  Lost s;
  put_at(s.journal, 90, "damage");
  const auto opened = s.open();
  CHECK_FALSE(opened->contents().silent);
  CHECK_THAT(opened->contents().incident, Contains("header page damaged") && Contains("nothing is lost"));
  s.check_all(*opened);
}

TEST_CASE("journal: older than the ring, which has all, is no reason to stop") {
  Lost s;
  {
    auto opened = s.open();
    for (int i = 0; i < 3; ++i) {
      s.append(*opened, 4, 100);
      REQUIRE(opened->move().ok());
    }
  }
  put_at(s.journal, 0, s.journal_image);
  const auto opened = s.goes_on(s.log.entries().size());
  CHECK_THAT(opened->contents().incident, Contains("before the ring: it is an older one"));
}

TEST_CASE("journal: of another log, of another version, or of another history it is left alone") {
  Lost s;
  const char* words = "";
  SECTION("another log") {
    REQUIRE(Journal::create(s.journal, "example.com/other", s.open()->contents().last).ok());
    words = "belongs to another log";
  }
  SECTION("another version") {
    put_at(s.journal, 0, "sealring/journal/v9\n");
    words = "not a sealring journal of version 1";
  }
  SECTION("another history") {
    auto opened = s.open();
    const FrameHeader last = opened->contents().last;
    opened.reset();
    FrameHeader other = last;
    other.root[0] = static_cast<unsigned char>(other.root[0] + 1);
    const auto records = intact_records(slurp(s.journal));
    REQUIRE(Journal::create(s.journal, kOrigin, other, records.back().sequence).ok());
    words = "at the same place";
  }
  const Bytes journal = slurp(s.journal);
  const auto refused = Ring::open({s.folder});
  REQUIRE_FALSE(refused.ok());
  CHECK_THAT(refused.error().message, Contains(words));
  const bool untouched = slurp(s.journal) == journal;
  CHECK(untouched);
  CHECK_FALSE(std::filesystem::exists(s.folder + kSilentFile));
  CHECK_FALSE(std::filesystem::exists(s.folder + kIncidentFile));
}

// The meta page is torn as well: then nobody knows where the log ended.
TEST_CASE("journal: missing, and a ring that is not whole either, are refused") {
  Lost s;
  put_at(s.ring, static_cast<std::size_t>(s.newest_meta()) * kPage + 16, "xxxx");
  std::filesystem::remove(s.journal);
  const auto refused = Ring::open({s.folder});
  REQUIRE_FALSE(refused.ok());
  CHECK_THAT(refused.error().message, Contains("the commit before does not help"));
  CHECK_FALSE(std::filesystem::exists(s.journal));
}
