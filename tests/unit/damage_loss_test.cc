// A bundle that no receipt covers is damaged: its loss is recorded, and everything else goes up. With a real collector.
#include <fcntl.h>
#include <unistd.h>

#include "gateway/droppable.h"
#include "storage/ring_db.h"
#include "storage/ring_pages.h"
#include "tests/unit/line_fixture.h"

namespace sealring::test {
namespace {

struct DamageLine : OutageLine {
  std::uint64_t sent = 0;

  DamageLine() {
    g.config.segment_entries = 1000;
    g.config.segment_bytes = 8u << 20;
  }
  void send(std::uint64_t count, std::size_t bytes = 100) {
    for (std::uint64_t i = 0; i < count; ++i) g.message("t/" + std::to_string(++sent), std::string(bytes, 'p'));
    g.wait_for([&] { return g.recorder->stats().messages == sent; });
  }
  // Sealed segments, then a stop.
  void record_segments(std::size_t count) {
    start(false);
    while (g.ring->segments().size() <= count) send(100);
    stop();
    sent_before = sent;
    sent = 0;
  }
  // A byte of every value of that kind and number in the pages that are in use.
  void spoil(RingKey::Kind kind, std::uint64_t index, std::size_t within = 60) {
    const std::string path = g.store + "/ring.lmdb";
    auto pages = RingPages::open(path);
    REQUIRE(pages.ok());
    std::vector<Bytes> values;
    const auto look = [&](ByteView key, const RingPages::Value& value) {
      const auto named = parse_ring_key(key);
      if (named->kind == kind && named->index == index) values.push_back(pages->read(value).value());
    };
    REQUIRE(pages->audit(*pages->newest(), look).ok());
    REQUIRE_FALSE(values.empty());
    const auto image = read_file(path, 1u << 30);
    REQUIRE(image.ok());
    const int fd = ::open(path.c_str(), O_WRONLY);
    REQUIRE(fd >= 0);
    const std::size_t at_value = std::min(within, values.front().size() - 1);
    for (std::size_t at = image->find(values.front()); at != Bytes::npos; at = image->find(values.front(), at + 1)) {
      const char wrong = static_cast<char>((*image)[at + at_value] ^ 4);
      REQUIRE(::pwrite(fd, &wrong, 1, static_cast<off_t>(at + at_value)) == 1);
    }
    ::close(fd);
  }
  // The first bundles are small: what is lost of them makes next to no room.
  void fill() {
    if (g.ring->size() < 1500) send(1500, 10);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(3);
    while (!g.recorder->stats().waiting_for_room) {
      if (g.queue->bytes() < (1u << 20)) g.message("t", std::string(2000, 'p'));
      if (std::chrono::steady_clock::now() > deadline) FAIL("not in time");
      std::this_thread::yield();
    }
  }
  void wait_drained() {
    const auto drained = [this] {
      const auto all = g.ring->segments();
      return all.size() > 1 && std::all_of(all.begin(), all.end() - 1,
                                           [](const Segment& s) { return s.state == SegmentState::acknowledged; });
    };
    g.wait_for(drained, std::chrono::minutes(5));
  }
  // Indexes of the archive's messages.
  std::set<std::uint64_t> archived_messages() const {
    std::set<std::uint64_t> out;
    const auto names = list_directory(folder() + "/segments");
    REQUIRE(names.ok());
    for (const std::string& name : *names) {
      const auto segment = decode_segment_file(*read_file(folder() + "/segments/" + name, 100u << 20));
      REQUIRE(segment.ok());
      const auto take = [&](std::uint64_t index, ByteView bytes) {
        const auto entry = decode_entry(bytes);
        REQUIRE(entry.ok());
        if (std::holds_alternative<Message>(entry->body)) out.insert(index);
      };
      REQUIRE(
          walk_entries(segment->start, segment->end, segment->entries, segment->holes, take, [](const auto&) {}).ok());
    }
    return out;
  }
  std::uint64_t sent_before = 0;
};

}  // namespace

TEST_CASE("damage: what no receipt covers is recorded as lost, and everything else is archived") {
  DamageLine line;
  line.record_segments(2);
  const std::vector<Bytes> before = raw_of(line.g.store);
  line.spoil(RingKey::Kind::chunk, 1);
  line.back();
  line.start(true);
  line.g.wait_for([&] { return line.g.recorder->stats().losses == 1; });
  line.wait_drained();
  const auto losses = line.g.ring->losses();
  REQUIRE(losses.size() == 1);
  CHECK(losses[0].start == 256);
  CHECK(losses[0].end == 512);
  CHECK(losses[0].damaged);
  CHECK(losses[0].messages == 256);
  CHECK_THAT(line.g.ring->entries(300, 1).error().message, Catch::Contains("since they were damaged"));
  CHECK(line.g.ring->check_bundle(1).error().kind == ErrorKind::missing);
  CHECK(line.alarms("loss") == 1);
  CHECK(line.desk.alarms().begun().at("loss") == 1);
  line.send(10);  // and recording goes on
  line.stop();
  CHECK(std::filesystem::file_size(line.g.store + "/bundle-1-damaged") > 256 * 100);
  const auto archived = line.archived_messages();
  for (std::uint64_t i = 0; i < before.size() && i < line.archived(); ++i) {
    const auto entry = decode_entry(before[static_cast<std::size_t>(i)]);
    if (entry && std::holds_alternative<Message>(entry->body)) CHECK((archived.count(i) == 1) == (i < 256 || i >= 512));
  }
  const VerifyReport report = line.verified(line.folder());
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::named);
  REQUIRE(report.logs.at(0).losses.size() == 1);
  CHECK(report.logs.at(0).losses[0].loss.damaged);
  CHECK_THAT(report_text(report), Catch::Contains("lost by damage"));
  const VerifyReport store = line.verified(line.g.store);
  INFO(report_text(store));
  CHECK(worse_of(store.verdict, Verdict::unproven) == Verdict::unproven);
  line.sent = 0;
  line.start(true);  // and a start finds nothing new
  line.send(1);
  CHECK(line.g.ring->losses().size() == 1);
  CHECK(line.g.recorder->stats().losses == 0);
}

TEST_CASE("damage: several bundles, side by side and apart, of which the database has lost some") {
  DamageLine line;
  line.g.config.segment_entries = 3000;
  line.record_segments(1);
  for (const std::uint64_t bundle : {1, 3, 4, 9}) line.spoil(RingKey::Kind::chunk, bundle);
  {
    auto db = RingDb::open(line.g.store + "/ring.lmdb", RingDb::Mode::write, 0);
    REQUIRE(db.ok());
    auto writer = (*db)->write();
    REQUIRE(writer.ok());
    REQUIRE(writer->erase_bundle(5).ok());
    REQUIRE(writer->commit().ok());
  }
  line.back();
  line.start(true);
  line.g.wait_for([&] { return line.g.recorder->stats().losses == 3; });
  line.wait_drained();
  const auto losses = line.g.ring->losses();
  REQUIRE(losses.size() == 3);
  CHECK(losses[0].end == 512);
  CHECK(losses[1].start == 768);
  CHECK(losses[1].end == 1536);
  CHECK(losses[2].start == 9 * 256);
  line.stop();
  const VerifyReport report = line.verified(line.folder());
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::named);
  CHECK(report.logs.at(0).losses.size() == 3);
}

TEST_CASE("damage: what others build on stays, everything before it goes up, and it is said what waits") {
  DamageLine line;
  line.record_segments(3);
  std::uint64_t bundle = 0, upto = 0;
  SECTION("entry 0") {}
  SECTION("where a segment ends") {
    auto ring = Ring::open({line.g.store});
    REQUIRE(ring.ok());
    bundle = ((*ring)->segments()[1].end - 1) / kBundleEntries;
    upto = (*ring)->segments()[0].end;
  }
  line.spoil(RingKey::Kind::chunk, bundle);
  line.back();
  line.start(true);
  line.g.wait_for([&] { return line.desk.alarms().begun()["damage"] >= 1; });
  line.g.wait_for([&] { return line.archived() == upto; });
  line.send(10);
  CHECK(line.g.recorder->stats().losses == 0);
  CHECK(line.g.ring->losses().empty());
  CHECK(line.archived() == upto);
}

TEST_CASE("damage: of a hash, or in front of a mirror that has no skip, nothing is given up") {
  DamageLine line;
  line.record_segments(2);
  SECTION("a hash") {
    line.spoil(RingKey::Kind::node, 1, 5);
    line.back();
  }
  SECTION("no skip") {
    line.spoil(RingKey::Kind::chunk, 1);
    line.client.answer_by([](const HttpClient::Request& request) -> Answer {
      if (request.target.find("/skip") == std::string::npos) return std::nullopt;
      return Result<HttpResponse>(HttpResponse{404, "text/plain; charset=utf-8", "There is no such endpoint.\n"});
    });
  }
  line.start(true);
  line.g.wait_for([&] { return line.forwarder->stats().last_trouble.find("bundle") != std::string::npos; });
  line.send(10);
  CHECK(line.g.recorder->stats().losses == 0);
  CHECK(line.g.ring->losses().empty());
  CHECK(line.g.ring->entries(300, 1).ok());
}

TEST_CASE("damage: in a ring that is full, and waits for the receipt that waits for the loss") {
  DamageLine line;
  line.g.config.segment_entries = 100000;
  line.g.config.segment_bytes = 4u << 20;
  line.start(false);
  line.fill();
  line.stop();
  line.spoil(RingKey::Kind::chunk, 2);
  line.spoil(RingKey::Kind::chunk, 4);
  line.start(false);
  line.fill();
  CHECK(line.g.ring->usage().first_index == 0);
  line.back();
  line.g.wait_for([&] { return line.g.recorder->stats().losses == 2; }, std::chrono::minutes(1));
  line.wait_drained();
  line.g.wait_for([&] { return !line.g.recorder->stats().waiting_for_room; });
  line.stop();
  CHECK(line.g.outcome.ok());
  const VerifyReport report = line.verified(line.folder());
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::named);
  CHECK(report.logs.at(0).losses.size() == 2);
}

// The loss entry is durable, out of the reserve, and what would let a receipt come is not.
TEST_CASE("damage: a full ring, killed between the loss entry and the seal behind it") {
  DamageLine line;
  line.g.config.segment_entries = 100000;
  line.g.config.segment_bytes = 4u << 20;
  line.start(false);
  line.fill();
  line.stop();
  line.spoil(RingKey::Kind::chunk, 2);
  const std::filesystem::path before = std::string(line.g.dir / "before");
  line.start(false);
  bool copied = false;
  line.g.recorder->set_on_commit([&](std::int64_t) {
    if (copied || line.g.ring->losses().empty()) return;
    std::filesystem::create_directory(before);
    for (const auto& file : std::filesystem::directory_iterator(line.g.store))
      if (file.path().filename() != "ring.lmdb-lock")
        std::filesystem::copy_file(file.path(), before / file.path().filename());
    copied = true;
  });
  line.fill();
  line.back();
  line.g.wait_for([&] { return line.g.recorder->stats().losses == 1; }, std::chrono::minutes(1));
  line.away();
  line.stop();
  REQUIRE(copied);
  std::filesystem::remove_all(line.g.store);
  std::filesystem::rename(before, line.g.store);
  line.start(false);
  line.back();
  line.wait_drained();
  line.g.wait_for([&] { return !line.g.recorder->stats().waiting_for_room; });
  line.stop();
  CHECK(line.g.outcome.ok());
  const VerifyReport report = line.verified(line.folder());
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::named);
}

}  // namespace sealring::test
