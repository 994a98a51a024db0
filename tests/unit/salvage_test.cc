// What `sealring repair` saves: of a store that is whole, everything; of a damaged one, nothing but what was appended,
// and what is not there is named. The old store is not touched.
#include "storage/salvage.h"

#include "storage/store_reader.h"
#include "tests/unit/damage_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

struct Repair : Damaged {
  std::string into = dir / "saved";

  int newest_half() {
    const auto scan = scan_journal(journal_image, kOrigin);
    REQUIRE(scan.ok());
    return scan->half;
  }
  // The report of a salvage, after holding it against what was appended. None: refused, with words.
  std::optional<SalvageReport> salvage() {
    std::filesystem::remove_all(into);
    const Bytes before = slurp(ring, ring_image.size());
    auto report = salvage_store(folder, into);
    const bool untouched = slurp(ring, ring_image.size()) == before;
    CHECK(untouched);
    if (!report) {
      CHECK_FALSE(report.error().message.empty());
      CHECK_FALSE(std::filesystem::exists(into));
      ++outcomes["refused"];
      return std::nullopt;
    }
    ++outcomes[report->whole ? "whole" : "partly"];
    check_saved(*report);
    return std::move(*report);
  }
  void check_saved(const SalvageReport& report) {
    if (report.whole) {
      CHECK(report.size == log.entries().size());
      auto opened = Ring::open({into});
      if (!opened) FAIL(opened.error().message);
      CHECK((*opened)->contents().range.root() == log.range().root());
      CHECK((*opened)->usage().first_index == report.first_index);
      CHECK((*opened)->losses().size() == report.dropped.size());
    } else {
      CHECK_THAT(Ring::open({into}).error().message, Catch::Matchers::Contains("to be read only"));
    }
    auto reader = StoreReader::open(into);
    if (!reader) FAIL(reader.error().message);
    CHECK((*reader)->size() == report.size);
    std::uint64_t saved = 0;
    for (std::uint64_t at = report.first_index; at < report.size; ++at) {
      const auto holds = [at](const auto& range) { return range.start <= at && at < range.end; };
      if (std::any_of(report.missing.begin(), report.missing.end(), holds) ||
          std::any_of(report.dropped.begin(), report.dropped.end(), holds)) {
        CHECK_FALSE((*reader)->entries(at, 1).ok());
        continue;
      }
      ++saved;
      if (at % 7 != 0) continue;  // each reads its bundle
      const auto entry = (*reader)->entries(at, 1);
      if (!entry) FAIL(entry.error().message);
      const bool same = entry->substr(2) == log.entries()[at];
      CHECK(same);
    }
    CHECK(saved == report.entries);
  }
};

// The page of a chunk of that bundle.
std::size_t page_of(const std::string& ring, std::uint64_t bundle) {
  auto pages = RingPages::open(ring);
  REQUIRE(pages.ok());
  std::size_t page = 0;
  REQUIRE(pages
              ->audit(*pages->newest(),
                      [&](ByteView key, const RingPages::Value& value) {
                        const auto named = parse_ring_key(key);
                        if (named->kind == RingKey::Kind::chunk && named->index == bundle && value.page != 0)
                          page = static_cast<std::size_t>(value.page);
                      })
              .ok());
  REQUIRE(page != 0);
  return page;
}

}  // namespace

TEST_CASE("salvage: of a store that is whole, everything") {
  Repair r;
  const auto report = r.salvage();
  REQUIRE(report);
  CHECK(report->whole);
  CHECK(report->entries == r.log.entries().size());
  CHECK(report->segments == 3);
  CHECK(report->frames == 2);
  CHECK(report->troubles.empty());
  // And it goes on.
  auto opened = Ring::open({r.into});
  REQUIRE(opened.ok());
  r.append(**opened, 300, 100);
  REQUIRE((*opened)->close_segment(5).ok());
  r.check_all(**opened);
  CHECK(salvage_store(r.folder, r.into).error().kind == ErrorKind::reject);  // is there
  r.folder = r.into;
  CHECK(salvage_store(r.folder, r.dir / "other").error().kind == ErrorKind::busy);
}

TEST_CASE("salvage: a damaged bundle is left out, and everything else is there") {
  Repair r;
  put_at(r.ring, page_of(r.ring, 2) * kPage + 999, "damage");
  const auto report = r.salvage();
  REQUIRE(report);
  CHECK_FALSE(report->whole);
  REQUIRE(report->missing.size() == 1);
  CHECK(report->missing[0].start == 512);
  CHECK(report->missing[0].end == 768);
  CHECK(report->size == r.log.entries().size());
}

TEST_CASE("salvage: what a receipt covers may be missing, and the log goes on") {
  Repair r;
  put_at(r.ring, page_of(r.ring, 0) * kPage + 999, "damage");
  const auto report = r.salvage();
  REQUIRE(report);
  CHECK(report->whole);
  CHECK(report->first_index == 256);
  REQUIRE(report->left_behind.size() == 1);
  CHECK(report->left_behind[0].end == 256);
  auto opened = Ring::open({r.into});
  REQUIRE(opened.ok());
  CHECK((*opened)->check_bundle(1).ok());
  r.append(**opened, 3, 100);
}

TEST_CASE("salvage: a journal that is missing or damaged") {
  Repair r;
  SECTION("missing") { std::filesystem::remove(r.journal); }
  SECTION("the record before the last") {
    // The two frames that only the journal has are the youngest; the records of the other half have been moved.
    const std::size_t at = r.journal_image.find("SRJ1", kPage + (r.newest_half() == 1 ? kJournalHalfBytes : 0));
    put_at(r.journal, at + 70, "damage");
  }
  SECTION("the header") { put_at(r.journal, 90, "damage"); }
  const auto report = r.salvage();
  REQUIRE(report);
  CHECK_FALSE(report->whole);
  CHECK(report->size <= r.log.entries().size());
  CHECK(report->size >= r.log.entries().size() - 7);
  CHECK_FALSE(report->troubles.empty());
}

TEST_CASE("salvage: sampled bytes of all pages, and files that were cut short") {
  Repair r;
  std::mt19937 random(23);
  for (std::size_t page = 0; page < r.used; page += kPage * (1 + random() % 5))
    for (int i = 0; i < 2; ++i) {
      const std::size_t at = page + random() % (i == 0 ? 24 : kPage);
      const char byte = static_cast<char>(r.ring_image[at] ^ (1 << random() % 8));
      put_at(r.ring, at, ByteView(&byte, 1));
      INFO("byte " << at);
      r.salvage();
      r.put_back();
    }
  CHECK(r.outcomes["refused"] == 0);
  CHECK(r.outcomes["whole"] > 0);
  CHECK(r.outcomes["partly"] > 0);
  for (std::size_t page = 0; page < r.used / kPage; page += 5 + random() % 20) {
    std::filesystem::resize_file(r.ring, page * kPage);
    INFO("cut at page " << page);
    r.salvage();
    put_at(r.ring, 0, r.ring_image);
  }
  CHECK(r.outcomes["refused"] > 0);
}

TEST_CASE("salvage: what was dropped is no gap, and its record is saved") {
  Repair r;
  r.drop_some();
  SECTION("whole") {
    const auto report = r.salvage();
    REQUIRE(report);
    CHECK(report->whole);
    REQUIRE(report->dropped.size() == 1);
    CHECK(report->dropped[0].start == 1024);
    CHECK(report->dropped[0].end == 1536);
    CHECK(report->entries == r.log.entries().size() - 512);
    auto opened = Ring::open({r.into});
    REQUIRE(opened.ok());
    REQUIRE((*opened)->losses().size() == 1);
    CHECK((*opened)->losses()[0].messages == 512);
    r.append(**opened, 300, 100);
    REQUIRE((*opened)->close_segment(5).ok());
    r.check_all(**opened);
  }
  SECTION("the bundle beside it is damaged") {
    put_at(r.ring, page_of(r.ring, 6) * kPage + 999, "damage");
    const auto report = r.salvage();
    REQUIRE(report);
    CHECK_FALSE(report->whole);
    REQUIRE(report->missing.size() == 1);
    CHECK(report->missing[0].start == 1536);
    CHECK(report->dropped.size() == 1);
  }
  SECTION("its record is damaged") {
    Bytes start;
    put_u64(start, 1024);
    put_u64(start, 1536);
    for (std::size_t at = r.ring_image.find(start); at != Bytes::npos; at = r.ring_image.find(start, at + 1))
      put_at(r.ring, at + 20, "x");
    const auto report = r.salvage();
    REQUIRE(report);
    // Its pages are free and not used again: all of it can still be proven, and stands where a loss entry says that it
    // does not.
    CHECK(report->whole);
    CHECK(report->dropped.empty());
    CHECK(report->missing.empty());
    CHECK_THAT(report->troubles.back(), Catch::Matchers::Contains("dropped unsent are lost"));
  }
  SECTION("sampled bytes") {
    std::mt19937 random(29);
    for (std::size_t page = 0; page < r.used; page += kPage * (1 + random() % 9)) {
      const std::size_t at = page + random() % kPage;
      const char byte = static_cast<char>(r.ring_image[at] ^ (1 << random() % 8));
      put_at(r.ring, at, ByteView(&byte, 1));
      INFO("byte " << at);
      r.salvage();
      r.put_back();
    }
    CHECK(r.outcomes["whole"] > 0);
  }
}
