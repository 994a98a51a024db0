// A ring that LMDB cannot be trusted with is replaced by what can be proven of it, where that is all; else it stays.
#include "storage/quarantine.h"

#include "tests/unit/damage_fixture.h"

using namespace sealring;
using namespace sealring::test;
using Catch::Matchers::Contains;

namespace {

struct Quarantined : Damaged {
  Quarantined() { quarantine = true; }
  void spoil_both_metas() {
    for (std::size_t page = 0; page < 2; ++page) put_at(ring, page * kPage + 16 + 8 + 96, Bytes(8, '\xff'));
  }
};

}  // namespace

TEST_CASE("quarantine: neither meta page can be read, and nothing is lost") {
  Quarantined q;
  q.spoil_both_metas();
  const Bytes before = slurp(q.ring);
  q.quarantine = false;
  q.judge("by hand");
  REQUIRE(q.outcomes["refused"] == 1);
  q.quarantine = true;
  {
    auto opened = q.open();
    q.check_all(*opened);
    CHECK_THAT(opened->contents().incident,
               Contains("nothing is lost") && Contains("The damaged ring is kept as " + q.ring + "-damaged"));
    CHECK(slurp(q.folder + kIncidentFile) == opened->contents().incident);
    CHECK_FALSE(opened->contents().silent);
    const auto segments = opened->segments();
    REQUIRE(segments.size() == 4);
    CHECK(segments[0].state == SegmentState::acknowledged);
    CHECK(segments[2].note == Bytes(300, 'n'));
    q.append(*opened, 300, 100);
    REQUIRE(opened->close_segment(5).ok());
    q.check_all(*opened);
  }
  const bool kept = slurp(q.ring + "-damaged") == before;
  CHECK(kept);
  CHECK_FALSE(std::filesystem::exists(q.folder + "/ring.saved"));
  q.check_all(*q.open());
}

TEST_CASE("quarantine: what a start before it has left in the way is no obstacle") {
  Quarantined q;
  q.spoil_both_metas();
  std::filesystem::create_directory(q.folder + "/ring.saved");
  std::ofstream(q.folder + "/ring.saved/ring.lmdb.new") << "half";
  std::ofstream(q.ring + "-damaged") << "an earlier one";
  q.check_all(*q.open());
  CHECK(slurp(q.ring + "-damaged") == "an earlier one");
  CHECK(std::filesystem::exists(q.ring + "-damaged-2"));
}

TEST_CASE("quarantine: where something is lost that was signed, nothing is changed") {
  Quarantined q;
  q.spoil_both_metas();
  SECTION("a bundle that no receipt covers") {
    auto pages = RingPages::open(q.ring);
    REQUIRE(pages.ok());
    const Bytes entry = q.log.entries()[700];
    for (std::size_t at = q.ring_image.find(entry); at != Bytes::npos; at = q.ring_image.find(entry, at + 1))
      put_at(q.ring, at, "x");
  }
  SECTION("the journal") { std::filesystem::remove(q.journal); }
  const Bytes before = slurp(q.ring);
  const auto refused = Ring::open({q.folder, 0, true});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().kind == ErrorKind::fatal);
  CHECK_THAT(refused.error().message, Contains("sealring repair") && Contains("not all that was signed can be read"));
  const bool untouched = slurp(q.ring) == before;
  CHECK(untouched);
  for (const char* name : {"/incident", "/ring.lmdb-damaged", "/ring.saved"})
    CHECK_FALSE(std::filesystem::exists(q.folder + name));
}

TEST_CASE("quarantine: bits anywhere in the ring") {
  Quarantined q;
  std::mt19937 random(31);
  for (std::size_t page = 2; page < q.used / kPage; page += 1 + random() % 3)
    q.flip(page * kPage + random() % (random() % 2 == 0 ? 24 : kPage), static_cast<int>(random() % 8));
  CHECK(q.outcomes["recovered"] > 0);
}
