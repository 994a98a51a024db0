// A full ring that drops what was not sent, from the recorder to the archive.
#include "gateway/droppable.h"
#include "tests/unit/line_fixture.h"

namespace sealring::test {
namespace {

using Answer = std::optional<Result<HttpResponse>>;

struct LossLine : Line {
  std::uint64_t sent = 0;
  const Hash genesis = leaf_hash(raw_of(g.store).front());

  LossLine() {
    g.config.segment_entries = 100000;
    g.config.segment_bytes = 2u << 20;
    g.config.drop_oldest = true;
    g.config.mirror = "mirror";
    away();
  }
  void away() {
    client.answer_by([](const auto&) { return Result<HttpResponse>(retry_error("nobody there")); });
  }
  void back() { client.answer_by(nullptr); }
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
  template <class Condition>
  void wait_long(Condition&& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(5);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) FAIL("the condition was not met in time");
      std::this_thread::sleep_for(kSoon);
    }
  }
  void wait_drained() {
    wait_long([this] {
      const auto all = g.ring->segments();
      return std::all_of(all.begin(), all.end() - 1,
                         [](const Segment& s) { return s.state == SegmentState::acknowledged; });
    });
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
  VerifyReport verified(const std::string& path) const {
    VerifyOptions options;
    options.path = path;
    options.policy = policy();
    Anchor anchor;
    anchor.key = identity();
    anchor.genesis = genesis;
    options.anchors.push_back(anchor);
    return verify(options);
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
  line.feed([&] { return line.losses() >= 12; });
  CHECK_FALSE(line.g.recorder->stats().waiting_for_room);
  const auto losses = line.g.ring->losses();
  REQUIRE(losses.size() >= 12);
  // The first segment of the outage stays: the witness may have cosigned a size within.
  CHECK(losses.front().start >= line.g.ring->segments().front().end);
  CHECK(line.g.ring->usage().first_index == 0);
  CHECK(line.g.ring->entries(0, 1).ok());
  const bool restarted = GENERATE(false, true);
  if (restarted) {
    line.stop();
    line.start(true);
  }
  line.back();
  line.wait_drained();
  CHECK_FALSE(line.forwarder->lacks_skip());
  line.stop();
  const Counted archived = count(line.folder());
  CHECK(archived.topics.size() == archived.messages);
  CHECK(archived.messages + archived.lost + line.messages_from(line.archived()) == line.sent);
  const VerifyReport report = line.verified(line.folder());
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::named);
  REQUIRE(report.logs.at(0).losses.size() >= 12);
  for (const LossSeen& seen : report.logs.at(0).losses) CHECK(seen.missing_from == seen.loss.start);
  const VerifyReport store = line.verified(line.g.store);
  INFO(report_text(store));
  CHECK(worse_of(store.verdict, Verdict::unproven) == Verdict::unproven);
}

}  // namespace sealring::test
