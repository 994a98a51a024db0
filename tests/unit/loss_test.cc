// A full ring that drops what was not sent, from the recorder to the archive.
#include "gateway/droppable.h"
#include "tests/unit/line_fixture.h"

namespace sealring::test {
namespace {

struct LossLine : OutageLine {
  std::uint64_t sent = 0;

  LossLine() {
    g.config.segment_entries = 100000;
    g.config.segment_bytes = 2u << 20;
    g.config.drop_oldest = true;
    g.config.mirror = "mirror";
  }
  // Messages of 2000 bytes, until `enough`.
  template <class Enough>
  void feed(Enough&& enough) {
    const std::string payload(2000, 'p');
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(3);
    while (!enough()) {
      if (g.queue->bytes() < (1u << 20)) g.message("t/" + std::to_string(++sent), payload);
      if (std::chrono::steady_clock::now() > deadline) FAIL("not in time");
      std::this_thread::yield();
    }
    g.wait_for([&] { return g.recorder->stats().messages == sent || g.recorder->stats().waiting_for_room; });
  }
  std::uint64_t losses() const { return g.recorder->stats().losses; }
  void wait_drained() {
    const auto drained = [this] {
      const auto all = g.ring->segments();
      return std::all_of(all.begin(), all.end() - 1,
                         [](const Segment& s) { return s.state == SegmentState::acknowledged; });
    };
    g.wait_for(drained, std::chrono::minutes(5));
  }
  // Of what is in the store from `index` on.
  std::uint64_t messages_from(std::uint64_t index) const {
    std::uint64_t n = 0;
    const std::vector<Bytes> all = raw_of(g.store);
    for (std::uint64_t i = index - g.first_index(); i < all.size(); ++i) {
      const auto entry = decode_entry(all[static_cast<std::size_t>(i)]);
      n += entry && std::holds_alternative<Message>(entry->body);
    }
    return n;
  }
};

struct Counted {
  std::set<std::string> topics;
  std::uint64_t messages = 0, lost = 0;
};

// What is in an archive: every topic is another message.
Counted count(const std::string& folder) {
  Counted out;
  const auto names = list_directory(folder + "/segments");
  REQUIRE(names.ok());
  for (const std::string& name : *names) {
    const auto segment = decode_segment_file(*read_file(folder + "/segments/" + name, 100u << 20));
    REQUIRE(segment.ok());
    const auto take = [&](std::uint64_t, ByteView bytes) {
      const auto entry = decode_entry(bytes);
      REQUIRE(entry.ok());
      if (const auto* message = std::get_if<Message>(&entry->body)) {
        ++out.messages;
        out.topics.insert(std::string(message->topic));
      }
      if (const auto* loss = std::get_if<Loss>(&entry->body)) out.lost += loss->messages;
    };
    REQUIRE(
        walk_entries(segment->start, segment->end, segment->entries, segment->holes, take, [](const auto&) {}).ok());
  }
  return out;
}

}  // namespace

TEST_CASE("loss: while the collector is away the ring drops the oldest, and then all the rest is archived") {
  LossLine line;
  line.start(false);
  line.feed([&] { return line.losses() >= 6; });
  CHECK_FALSE(line.g.recorder->stats().waiting_for_room);
  const auto losses = line.g.ring->losses();
  REQUIRE(losses.size() >= 6);
  // Each is an alarm, in the log and to whoever is told. One more may come at any moment.
  line.g.wait_for([&] { return line.alarms("loss") == line.losses(); });
  line.g.wait_for([&] {
    std::uint64_t messages = 0;
    for (const LossRecord& loss : line.g.ring->losses()) messages += loss.messages;
    return line.g.recorder->stats().lost_messages == messages;
  });
  CHECK(line.desk.alarms().begun().at("loss") >= 1);
  // The first segment of the outage stays: the witness may have cosigned a size within.
  CHECK(losses.front().start >= line.g.ring->segments().front().end);
  CHECK(line.g.ring->usage().first_index == 0);
  CHECK(line.g.ring->entries(0, 1).ok());
  line.stop();
  std::atomic<std::size_t> registered{0};
  line.client.answer_by([&registered](const HttpClient::Request& request) -> Answer {
    if (request.target.find("mirror/add-checkpoint") != std::string::npos) ++registered;
    return std::nullopt;
  });
  line.start(true);
  line.wait_drained();
  CHECK_FALSE(line.forwarder->lacks_skip());
  line.stop();
  // Each checkpoint once, and again after a failure at the most: not all of a full ring for each segment of it.
  CHECK(registered <= 2 * list_directory(line.folder() + "/segments")->size());
  const Counted archived = count(line.folder());
  CHECK(archived.topics.size() == archived.messages);
  CHECK(archived.messages + archived.lost + line.messages_from(line.archived()) == line.sent);
  const VerifyReport report = line.verified(line.folder());
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::named);
  REQUIRE(report.logs.at(0).losses.size() >= 6);
  for (const LossSeen& seen : report.logs.at(0).losses) CHECK(seen.missing_from == seen.loss.start);
  const VerifyReport store = line.verified(line.g.store);
  INFO(report_text(store));
  CHECK(worse_of(store.verdict, Verdict::unproven) == Verdict::unproven);
}

namespace {

// What the archive has, what is still in the store, and what the log says is lost: that is everything. Once, but where
// what was dropped had gone up, and its receipt came too late.
void check_all(LossLine& line, std::size_t losses) {
  const Counted archived = count(line.folder());
  CHECK(archived.topics.size() == archived.messages);
  const VerifyReport report = line.verified(line.folder());
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::named);
  CHECK(report.logs.at(0).losses.size() >= losses);
  std::uint64_t least = archived.messages + line.messages_from(line.archived()), most = least;
  for (const LossSeen& seen : report.logs.at(0).losses) {
    if (seen.missing_from == seen.loss.start) least += seen.loss.messages;
    if (seen.missing_from) most += seen.loss.messages;
  }
  CHECK(least <= line.sent);
  CHECK(line.sent <= most);
}

}  // namespace

TEST_CASE("loss: the collector comes and goes while the ring drops") {
  LossLine line;
  line.start(false);
  for (std::uint64_t round = 0; round < 3; ++round) {
    const std::uint64_t lost = line.losses();
    line.feed([&] { return line.losses() >= lost + 2; });
    line.back();
    const std::uint64_t receipts = line.g.recorder->stats().receipts;
    line.feed([&] { return line.g.recorder->stats().receipts >= receipts + 3; });
    line.away();
  }
  line.back();
  line.wait_drained();
  line.stop();
  check_all(line, 6);
}

TEST_CASE("loss: what was archived while its receipt got lost stays in the archive, and verify says so") {
  LossLine line;
  line.back();
  line.start(false);
  line.feed([&] { return line.g.recorder->stats().receipts >= 1; });
  // The witness answers, and the mirror takes the entries; only what it says last does not arrive.
  CollectorService& collector = *line.collector;
  std::atomic<std::uint64_t> cut{0};
  line.client.answer_by([&](const HttpClient::Request& request) -> Answer {
    if (request.target.find("add-entries") == std::string::npos) return std::nullopt;
    HttpRequest out;
    out.method = request.method;
    out.target = request.target;
    out.content_type = request.content_type;
    out.body = request.body;
    HttpResponse response = collector.handle(out);
    if (response.status != 200) return Result<HttpResponse>(std::move(response));
    ++cut;
    return Result<HttpResponse>(retry_error("the connection was cut"));
  });
  line.feed([&] { return cut > 0; });
  const std::uint64_t archived = line.archived();
  line.g.wait_for([&] {
    const auto all = line.g.ring->segments();
    return std::any_of(all.begin(), all.end(), [&](const Segment& s) {
      return s.end == archived && s.note.find("witness") != std::string::npos;
    });
  });
  line.away();
  line.feed([&] { return line.losses() >= 3; });
  REQUIRE(line.g.ring->losses().front().end <= archived);
  line.back();
  line.wait_drained();
  line.stop();
  const VerifyReport report = line.verified(line.folder());
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::named);
  const auto& losses = report.logs.at(0).losses;
  REQUIRE(losses.size() >= 3);
  CHECK_FALSE(losses.front().missing_from);
  CHECK(losses.back().missing_from);
  CHECK_THAT(report_text(report), Catch::Contains("all of them are here"));
}

// The checkpoint that has the loss entry was not among those that were registered for that segment.
TEST_CASE("loss: what is dropped of a segment that goes up just now is skipped by the next try, and is no fork") {
  LossLine line;
  std::atomic<bool> waited{false};
  line.client.answer_by([&](const HttpClient::Request& request) -> Answer {
    if (waited || request.target.find("mirror/add-checkpoint") == std::string::npos) return std::nullopt;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(3);
    // Where it is the segment of this very request that should go, nothing goes before there is an answer.
    while (line.losses() == 0 && !line.g.recorder->stats().waiting_for_room &&
           std::chrono::steady_clock::now() < deadline)
      std::this_thread::yield();
    waited = line.losses() > 0;
    return std::nullopt;
  });
  line.start(false);
  line.feed([&] { return waited.load(); });
  line.wait_drained();
  CHECK(line.desk.alarms().begun().at("fork") == 0);
  const auto losses = line.losses();
  CHECK(losses > 0);
  line.stop();
  check_all(line, static_cast<std::size_t>(losses));
}

TEST_CASE("loss: a start with a ring that is full makes room before it records anything") {
  LossLine line;
  line.g.config.drop_oldest = false;
  line.start(false);
  line.feed([&] { return line.g.recorder->stats().waiting_for_room; });
  const std::uint64_t recorded = line.g.recorder->stats().messages;
  line.stop();
  line.sent = 0;  // the broker would send again what was not acknowledged
  line.g.config.drop_oldest = true;
  line.start(false);
  line.feed([&] { return line.losses() >= 2; });
  CHECK_FALSE(line.g.recorder->stats().waiting_for_room);
  CHECK(line.g.ring->losses().front().index < line.g.ring->size() - 1);
  CHECK(recorded > 1000);
  line.stop();
  const VerifyReport store = line.verified(line.g.store);
  INFO(report_text(store));
  CHECK(store.verdict == Verdict::unproven);  // no receipt bounds the tail
  CHECK(store.logs.at(0).losses.size() >= 2);
}

TEST_CASE("loss: nothing is dropped for a mirror that has no skip") {
  LossLine line;
  line.client.answer_by([](const HttpClient::Request& request) -> Answer {
    if (request.method == "GET" || request.target.find("/skip") != std::string::npos)
      return Result<HttpResponse>(HttpResponse{404, "text/plain; charset=utf-8", "There is no such endpoint.\n"});
    return Result<HttpResponse>(retry_error("nobody there"));
  });
  line.start(true);
  line.g.wait_for([&] { return line.forwarder->lacks_skip(); });
  line.feed([&] { return line.g.recorder->stats().waiting_for_room; });
  CHECK(line.losses() == 0);
  CHECK(line.g.ring->losses().empty());
  line.back();
  line.feed([&] { return line.g.recorder->stats().receipts >= 2; });
  CHECK_FALSE(line.forwarder->lacks_skip());
  line.stop();
}

// A witness may have cosigned a size in the open segment a moment before that is sealed and dropped.
TEST_CASE("loss: what a witness has cosigned within stays, and of what goes it is shown nothing") {
  Line line;
  line.g.config.heartbeat = std::chrono::milliseconds(1);
  line.g.config.segment_entries = 2000;
  line.start(false);
  line.seal_some(1);
  line.wait_receipted();
  const std::uint64_t end = line.g.ring->segments().front().end;
  line.g.message("t", "x");
  line.g.wait_for([&] { return line.witnessed() > end; });
  CHECK_FALSE(line.forwarder->give_up(end, 1000000));
  std::atomic<std::uint64_t> going{UINT64_MAX};
  std::atomic<int> shown{0};  // of a size beyond
  line.client.answer_by([&](const HttpClient::Request& request) -> Answer {
    const std::size_t at = request.body.find(kOrigin + "\n");
    if (request.target.find("/witness/add-checkpoint") != std::string::npos && at != std::string::npos)
      shown += std::stoull(request.body.substr(at + kOrigin.size() + 1)) > going;
    return std::nullopt;
  });
  line.g.wait_for([&] {
    const std::uint64_t size = line.g.ring->size();
    if (!line.forwarder->give_up(size, size + 100000)) return false;
    going = size;
    return true;
  });
  const int asked = line.g.token.asked;
  line.g.message("t", "x");
  line.g.wait_for([&] { return line.g.token.asked > asked + 10; });
  CHECK(shown == 0);
  const std::uint64_t before = line.witnessed();
  line.seal_some(1);
  line.wait_receipted();
  CHECK(line.witnessed() > before);
  line.stop();
}

namespace {

// A closed segment of entries of any kind, 256 to a bundle.
struct Bundles {
  TempDir dir;
  ModelLog log{3};
  std::unique_ptr<Ring> ring;
  std::vector<Bytes> entries;

  static EntryCommon common(std::int64_t wall) {
    EntryCommon out;
    out.wall_ns = wall;
    return out;
  }
  void add(Entry entry) {
    entry.common = common(static_cast<std::int64_t>(100 + entries.size()));
    Bytes bytes;
    const Status status = encode_entry(entry, bytes);
    if (!status.ok()) FAIL(status.error().message);
    entries.push_back(std::move(bytes));
  }
  void messages(std::uint64_t until) {
    while (entries.size() < until) {
      Message message;
      message.topic = "t";
      add({{}, message});
    }
  }
  void close() {
    const auto first = log.frame_of({entries.front()});
    REQUIRE(Ring::create({dir / "store", 64u << 20}, kOrigin, first.frame).ok());
    auto opened = Ring::open({dir / "store"});
    if (!opened) FAIL(opened.error().message);
    ring = std::move(opened).value();
    const auto rest = log.frame_of({entries.begin() + 1, entries.end()});
    REQUIRE(ring->append(rest.frame, rest.range, rest.nodes).ok());
    REQUIRE(ring->close_segment(0).ok());
  }
  std::optional<Droppable> look() const {
    auto found = droppable(*ring, ring->segments().front());
    if (!found) FAIL(found.error().message);
    return *found;
  }
};

}  // namespace

TEST_CASE("droppable: whole bundles without an entry that others build on, the longest run of them") {
  Bundles b;
  b.messages(300);
  SECTION("the first bundle has the genesis, the last one the end") {
    b.entries.clear();
    Genesis genesis;
    genesis.origin = kOrigin;
    genesis.software = "s";
    b.add({{}, genesis});
    b.messages(1024);
    b.close();
    const auto found = b.look();
    REQUIRE(found);
    CHECK(found->start == 256);
    CHECK(found->end == 768);
    CHECK(found->messages == 512);
    CHECK(found->first_wall_ns == 100 + 256);
    CHECK(found->last_wall_ns == 100 + 767);
    REQUIRE(found->hashes.size() == complete_subtrees(256, 768).size());
    CompactRange bundle;
    for (std::uint64_t i = 256; i < 512; ++i) bundle.append(leaf_hash(b.entries[i]));
    CHECK(found->hashes[0] == bundle.root());
  }
  SECTION("an entry in the middle") {
    Loss loss;
    loss.end = 256;
    loss.hashes.resize(1);
    const int kind = GENERATE(0, 1, 2, 3);
    if (kind == 3) b.entries.push_back("damaged");
    if (kind == 0) b.add({{}, loss});
    if (kind == 1) {
      Rotation rotation;
      rotation.old_key[0] = 1;
      b.add({{}, rotation});
    }
    if (kind == 2) b.add({{}, SuccessionEntry{"o", 1, {}, {}, {}}});
    b.messages(1300);
    b.close();
    const auto found = b.look();
    REQUIRE(found);
    CHECK(found->start == 512);
    CHECK(found->end == 1280);
  }
  SECTION("too little") {
    b.messages(512);
    b.close();
    CHECK(b.look()->end == 256);
  }
  SECTION("nothing") {
    b.messages(256);
    b.entries.resize(256);
    b.close();
    CHECK_FALSE(b.look());
  }
}

}  // namespace sealring::test
