#include "gateway/redelivery.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

using namespace sealring;

namespace {

// A log that knows what was recorded where, and a gateway that records what Redelivery tells it to.
struct Model {
  std::map<std::uint64_t, std::string> log;  // index -> payload
  std::vector<std::pair<std::string, std::optional<std::uint64_t>>> recorded;
  Redelivery redelivery{[this](std::uint64_t index, const SourceItem& item) { return log.at(index) == item.payload; }};
  std::uint64_t next = 100;

  void record(std::vector<Redelivery::ToRecord> records) {
    for (auto& r : records) {
      recorded.emplace_back(r.item.payload, r.possible_duplicate_of);
      log[next] = r.item.payload;
      if (r.item.qos > 0) redelivery.recorded(r.item.packet_id, next, r.possible_duplicate_of.has_value());
      ++next;
    }
  }
  void receive(std::uint16_t id, const std::string& payload, bool dup, std::uint8_t qos = 1) {
    SourceItem item;
    item.packet_id = id;
    item.payload = payload;
    item.dup = dup;
    item.qos = qos;
    item.tag = next;
    record(redelivery.offer(std::move(item)));
  }
  void connect(bool session_present) { record(redelivery.connected(session_present)); }
  std::size_t count(const std::string& payload) const {
    std::size_t n = 0;
    for (const auto& r : recorded) n += r.first == payload;
    return n;
  }
};

}  // namespace

TEST_CASE("redelivery: the end of the log that comes again is suppressed, what follows is recorded") {
  Model m;
  m.connect(false);
  for (std::uint16_t id = 1; id <= 5; ++id) m.receive(id, "p" + std::to_string(id), false);
  m.connect(true);
  for (std::uint16_t id = 3; id <= 7; ++id) m.receive(id, "p" + std::to_string(id), true);
  m.receive(8, "p8", false);
  CHECK(m.recorded.size() == 8);
  CHECK(m.redelivery.suppressed() == 3);
  for (const auto& [payload, flag] : m.recorded) {
    CHECK(m.count(payload) == 1);
    CHECK_FALSE(flag);
  }
}

TEST_CASE("redelivery: equal payloads are told apart by their place") {
  Model m;
  m.connect(false);
  for (std::uint16_t id = 1; id <= 4; ++id) m.receive(id, "21.0", false);
  m.connect(true);
  for (std::uint16_t id = 3; id <= 6; ++id) m.receive(id, "21.0", true);  // 3 and 4 are in the log, 5 and 6 are not
  CHECK(m.count("21.0") == 6);
}

TEST_CASE("redelivery: without session everything is recorded and the tail is forgotten") {
  Model m;
  m.connect(false);
  m.receive(1, "a", false);
  m.connect(false);
  m.receive(1, "a", true);
  REQUIRE(m.recorded.size() == 2);
  CHECK_FALSE(m.recorded[1].second);
}

TEST_CASE("redelivery: what stops before the end of the tail is recorded, flagged, and nothing is lost") {
  Model m;
  m.connect(false);
  for (std::uint16_t id = 1; id <= 5; ++id) m.receive(id, "p" + std::to_string(id), false);
  m.connect(true);
  SECTION("another message comes first") {
    m.receive(3, "p3", true);
    CHECK(m.redelivery.holding());
    CHECK(m.redelivery.held_from_tag());
    m.receive(9, "new", false);
    CHECK(m.count("p3") == 2);
    CHECK(m.recorded[5].second == 102);
    CHECK_FALSE(m.recorded[6].second);
  }
  SECTION("the next one is not the next of the tail") {
    m.receive(2, "p2", true);
    m.receive(4, "p4", true);
    CHECK(m.count("p2") == 2);
    CHECK(m.count("p4") == 2);
    CHECK(m.recorded[6].second == 103);
  }
  SECTION("nothing more comes") {
    m.receive(4, "p4", true);
    m.record(m.redelivery.give_up());
    CHECK(m.count("p4") == 2);
    CHECK_FALSE(m.redelivery.holding());
  }
  SECTION("same id, other content: it is a new message") {
    m.receive(5, "other", true);
    CHECK(m.count("other") == 1);
    CHECK_FALSE(m.recorded[5].second);
  }
  SECTION("the connection breaks and the broker has forgotten us: nobody will send it again") {
    m.receive(4, "p4", true);
    m.redelivery.disconnected();
    CHECK_FALSE(m.redelivery.holding());
    m.connect(false);
    CHECK(m.count("p4") == 2);
    CHECK(m.recorded[5].second == 103);
  }
  SECTION("the connection breaks: the broker will send it once more") {
    m.receive(4, "p4", true);
    m.connect(true);
    m.receive(4, "p4", true);
    m.receive(5, "p5", true);
    CHECK(m.recorded.size() == 5);
  }
}

TEST_CASE("redelivery: what is held when the connection ends comes once more, and is not recorded twice") {
  Model m;
  m.connect(false);
  for (std::uint16_t id = 1; id <= 5; ++id) m.receive(id, "p" + std::to_string(id), false);
  m.connect(true);
  m.receive(2, "p2", true);
  m.receive(3, "p3", true);  // 4 does not come: the connection ends
  REQUIRE(m.redelivery.holding());
  m.redelivery.disconnected();
  CHECK_FALSE(m.redelivery.holding());
  m.record(m.redelivery.give_up());  // as the recorder does when nothing more comes for a while
  CHECK(m.recorded.size() == 5);
  m.connect(true);
  for (std::uint16_t id = 2; id <= 6; ++id) m.receive(id, "p" + std::to_string(id), true);
  CHECK(m.recorded.size() == 6);
  CHECK(m.redelivery.suppressed() == 4);
  for (const auto& [payload, flag] : m.recorded) CHECK_FALSE(flag);
}

TEST_CASE("redelivery: with older records that nobody looked at, what comes again and is not known is flagged") {
  Model m;
  const auto start = [&](bool session) {
    m.redelivery.older_unknown();
    m.connect(session);
    m.redelivery.connection_began(77);
  };
  m.receive(5, "p5", false);
  SECTION("until the broker comes to what is known") {
    start(true);
    m.receive(3, "p3", true);
    m.receive(4, "p4", true);
    m.receive(5, "p5", true);
    m.receive(6, "p6", true);
    CHECK(m.recorded[1].second == 77);
    CHECK(m.recorded[2].second == 77);
    CHECK(m.recorded[3].second == 100);
    CHECK_FALSE(m.recorded[4].second);
  }
  SECTION("or begins with it") {
    start(true);
    m.receive(5, "p5", true);
    m.receive(6, "p6", true);
    REQUIRE(m.recorded.size() == 2);
    CHECK_FALSE(m.recorded[1].second);
  }
  SECTION("or to a new one") {
    start(true);
    m.receive(6, "p6", true);
    m.receive(7, "p7", false);
    m.receive(8, "p8", true);
    CHECK(m.recorded[1].second == 77);
    CHECK_FALSE(m.recorded[2].second);
    CHECK_FALSE(m.recorded[3].second);
  }
  SECTION("over connections in which it came to nothing") {
    start(true);
    m.receive(6, "p6", true);
    m.redelivery.disconnected();
    m.connect(true);
    m.redelivery.connection_began(88);
    m.receive(4, "p4", true);
    CHECK(m.recorded[2].second == 88);
  }
  SECTION("and not of a session that is gone") {
    start(false);
    m.receive(6, "p6", true);
    CHECK_FALSE(m.recorded[1].second);
  }
}

TEST_CASE("redelivery: QoS 0 in between has no place in the order and disturbs nothing") {
  Model m;
  m.connect(false);
  m.receive(1, "a", false);
  m.receive(2, "b", false);
  m.connect(true);
  m.receive(1, "a", true);
  m.receive(0, "zero", false, 0);
  m.receive(2, "b", true);
  CHECK(m.count("a") == 1);
  CHECK(m.count("b") == 1);
  CHECK(m.count("zero") == 1);
}

TEST_CASE("redelivery: a broker that reuses ids at once gets nothing suppressed") {
  Model m;
  m.connect(false);
  m.receive(1, "21.0", false);
  m.receive(1, "21.0", false);
  m.connect(true);
  m.receive(1, "21.0", true);  // old or new: nobody can tell
  REQUIRE(m.recorded.size() == 3);
  CHECK(m.recorded[2].second == 101);
  CHECK(m.redelivery.suppressed() == 0);
}

TEST_CASE("redelivery: a flagged duplicate is no reuse of its id") {
  Model m;
  m.connect(false);
  for (std::uint16_t id = 1; id <= 3; ++id) m.receive(id, "p", false);
  m.connect(true);
  m.receive(2, "p", true);
  m.receive(9, "new", false);  // 2 is now in the log twice
  m.connect(true);
  m.receive(9, "new", true);
  CHECK(m.count("new") == 1);
}

TEST_CASE("redelivery: more than may be held is recorded, not dropped") {
  Model m;
  m.connect(false);
  const std::string big(Redelivery::kMaxHeldBytes / 4, 'x');
  for (std::uint16_t id = 1; id <= 8; ++id) m.receive(id, big, false);
  m.connect(true);
  for (std::uint16_t id = 1; id <= 8; ++id) m.receive(id, big, true);
  CHECK(m.recorded.size() >= 8 + 3);
  CHECK_FALSE(m.redelivery.holding());
}

// A broker with ordered ids and a gateway that dies anywhere: whatever was recorded and acknowledged by then, every
// message is in the log exactly once.
TEST_CASE("redelivery: random kills lose and double nothing") {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    Model m;
    m.connect(false);
    const std::size_t total = 50;
    std::size_t acked = 0, delivered = 0;  // of the broker's messages, in order
    const auto payload = [](std::size_t i) { return i % 3 == 0 ? std::string("same") : "p" + std::to_string(i); };
    while (acked < total) {
      // Delivered so far and not acknowledged comes again, then new ones, until the connection breaks.
      const std::size_t stop = std::min(total, acked + 1 + random() % 12);
      for (std::size_t i = acked; i < stop; ++i)
        m.receive(static_cast<std::uint16_t>(i + 1), payload(i), i < delivered);
      delivered = std::max(delivered, stop);
      if (m.redelivery.holding()) m.record(m.redelivery.give_up());
      if (stop >= delivered) acked += random() % (stop - acked + 1);
      m.connect(true);
    }
    std::size_t unflagged = 0, same = 0;
    for (const auto& [p, flag] : m.recorded) unflagged += !flag, same += p == "same" && !flag;
    INFO("seed " << seed);
    REQUIRE(unflagged == total);
    REQUIRE(same == (total + 2) / 3);
  }
}
