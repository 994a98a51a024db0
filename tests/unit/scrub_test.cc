// The scrub: finds what has flipped in a bundle or in a hash above one, says it once, and goes on where it was.
#include "storage/scrub.h"

#include "tests/unit/damage_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

struct Scrubbed : Damaged {
  std::vector<Scrub::Damage> found;
  int whole = 0;

  Scrub scrub_of(const Ring& of, std::uint64_t rate = 0) {
    return Scrub(
        of, folder, rate, [this](const Scrub::Damage& damage) { found.push_back(damage); }, [this] { ++whole; });
  }
  // A byte of a value, in the page that is in use.
  void spoil(RingKey::Kind kind, std::uint64_t index) {
    auto pages = RingPages::open(ring);
    REQUIRE(pages.ok());
    Bytes value;
    REQUIRE(pages
                ->audit(*pages->newest(),
                        [&](ByteView key, const RingPages::Value& found_value) {
                          const auto named = parse_ring_key(key);
                          if (named->kind == kind && named->index == index && value.empty())
                            value = found_value.page == 0 ? Bytes(found_value.bytes_here)
                                                          : pages->read(found_value).value();
                        })
                .ok());
    REQUIRE(value.size() > 20);
    // A value is where its bytes are; stale copies elsewhere may be hit as well.
    for (std::size_t at = ring_image.find(value); at != Bytes::npos; at = ring_image.find(value, at + 1))
      put_at(ring, at + 10, "x");
  }
};

}  // namespace

TEST_CASE("scrub: nothing is wrong with a store that is whole, lap after lap") {
  Scrubbed s;
  auto ring = s.open();
  Scrub scrub = s.scrub_of(*ring);
  for (int lap = 0; lap < 3; ++lap) {
    std::uint64_t bytes = 0, steps = 0;
    while (const std::uint64_t read = scrub.step()) bytes += read, ++steps;
    CHECK(steps == (s.log.entries().size() + 255) / 256);
    CHECK(bytes > 100000);
  }
  CHECK(s.found.empty());
  CHECK(scrub.stats().laps == 3);
  CHECK(scrub.stats().end == (s.log.entries().size() + 255) / 256);
}

TEST_CASE("scrub: a damaged bundle is found, told once, and known after a restart") {
  Scrubbed s;
  s.spoil(RingKey::Kind::chunk, 2);
  auto ring = s.open();
  {
    Scrub scrub = s.scrub_of(*ring);
    for (int i = 0; i < 3; ++i) REQUIRE(scrub.step() > 0);
    REQUIRE(s.found.size() == 1);
    CHECK(s.found[0].bundle == 2);
    CHECK(s.found[0].start() == 512);
    CHECK_THAT(s.found[0].words, Catch::Matchers::Contains("ring: bundle 2 is damaged"));
    while (scrub.step() > 0) continue;
    CHECK(s.found.size() == 1);
  }
  Scrub again = s.scrub_of(*ring);
  CHECK(again.stats().damaged == std::vector<std::uint64_t>{2});
  while (again.step() > 0) continue;
  CHECK(s.found.size() == 1);
  CHECK(s.whole == 0);
  // What comes back as it was is over, once.
  ring.reset();
  s.put_back();
  ring = s.open();
  Scrub later = s.scrub_of(*ring);
  for (int lap = 0; lap < 2; ++lap)
    while (later.step() > 0) continue;
  CHECK(later.stats().damaged.empty());
  CHECK(s.whole == 1);
}

TEST_CASE("scrub: a hash above the bundles is found, too") {
  Scrubbed s;
  s.spoil(RingKey::Kind::node, 1);
  auto ring = s.open();
  Scrub scrub = s.scrub_of(*ring);
  while (scrub.step() > 0) continue;
  CHECK_FALSE(s.found.empty());
}

TEST_CASE("scrub: goes on where it was, and what is not its file does no harm") {
  Scrubbed s;
  auto ring = s.open();
  {
    Scrub scrub = s.scrub_of(*ring);
    REQUIRE(scrub.step() > 0);  // saved with the first
    REQUIRE(scrub.step() > 0);
  }
  CHECK(s.scrub_of(*ring).stats().next == 1);
  for (const char* const text :
       {"", "x", "sealring/scrub/v1\nnext 18446744073709551615\ndamaged 99999999\n", "sealring/scrub/v1\nnext -5\n"}) {
    std::ofstream(s.folder + "/scrub") << text;
    Scrub scrub = s.scrub_of(*ring);
    while (scrub.step() > 0) continue;
    CHECK(scrub.step() > 0);
  }
  CHECK(s.found.empty());
}

TEST_CASE("scrub: by its own thread, beside a writer") {
  Scrubbed s;
  auto ring = s.open();
  Scrub scrub = s.scrub_of(*ring, 1u << 30);
  scrub.start();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (scrub.stats().laps == 0 && std::chrono::steady_clock::now() < deadline) {
    if (s.log.entries().size() > 5000) continue;  // it is to come to an end
    s.append(*ring, 5, 300);
    REQUIRE(ring->move().ok());
  }
  CHECK(scrub.stats().laps == 1);
}
