#include "gateway/tail_scan.h"

#include <catch2/catch.hpp>

#include "gateway/broker_tap.h"

using namespace sealring;

namespace {

// A log's end, written forwards and scanned backwards as the recorder does.
struct Log {
  std::vector<Entry> entries;

  std::uint64_t add(EntryCommon common, decltype(Entry::body) body) {
    entries.push_back({common, std::move(body)});
    return entries.size() - 1;
  }
  std::uint64_t connected(ByteView broker, bool session) {
    std::vector<Detail> details = {{"session-present", std::uint64_t{session}}};
    if (!broker.empty()) details.push_back({kBrokerDetail, broker});
    return add({}, Event{EventCode::broker_connected, details});
  }
  std::uint64_t message(std::uint64_t connection, std::uint16_t packet_id) {
    EntryCommon common;
    common.connection = connection;
    Message message;
    message.qos = 1;
    message.packet_id = packet_id;
    return add(common, message);
  }
  TailScan scan(const std::vector<std::string>& brokers, std::size_t enough = 1000) const {
    TailScan out(brokers, enough);
    for (std::size_t i = entries.size(); i-- > 0 && !out.complete();) out.take(i, entries[i]);
    return out;
  }
};

std::vector<std::uint64_t> indexes(const TailScan& scan, std::size_t source) {
  std::vector<std::uint64_t> out;
  for (const TailScan::Found& found : scan.tail(source)) out.push_back(found.index);
  return out;
}

using Indexes = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("the log's end tells the brokers' messages apart", "[tail]") {
  Log log;
  log.connected("", false);  // 0, so that connections are not 0
  const auto a = log.connected("a", false), b = log.connected("b", false);
  const auto a7 = log.message(a, 7), b7 = log.message(b, 7), a8 = log.message(a, 8);
  const TailScan scan = log.scan({"a", "b"});
  CHECK(indexes(scan, 0) == Indexes{a7, a8});
  CHECK(indexes(scan, 1) == Indexes{b7});
  CHECK_FALSE(scan.doubtful());
  SECTION("a later connection with the session goes on with them, one without begins anew") {
    const auto a2 = log.connected("a", true), b2 = log.connected("b", false);
    const auto a9 = log.message(a2, 9), b9 = log.message(b2, 9);
    const TailScan later = log.scan({"a", "b"});
    CHECK(indexes(later, 0) == Indexes{a7, a8, a9});
    CHECK(indexes(later, 1) == Indexes{b9});
  }
  SECTION("the same brokers in another order") {
    const TailScan turned = log.scan({"b", "a"});
    CHECK(indexes(turned, 1) == Indexes{a7, a8});
  }
  SECTION("a broker that is not configured any more") {
    const TailScan one = log.scan({"a"});
    CHECK(indexes(one, 0) == Indexes{a7, a8});  // and nothing of b's, whose id 7 is another message
    CHECK(one.doubtful());
  }
}

TEST_CASE("where the event of a connection was released, the heartbeat of the segment names it", "[tail]") {
  Log log;
  const std::uint64_t a = 4000, b = 4001;
  log.add({}, Event{EventCode::heartbeat, {{"a", a}, {"b", b}}});
  const auto a1 = log.message(a, 1), b1 = log.message(b, 1);
  TailScan scan = log.scan({"a", "b"});
  CHECK(indexes(scan, 0) == Indexes{a1});
  CHECK(indexes(scan, 1) == Indexes{b1});
  CHECK_FALSE(scan.doubtful());
  SECTION("a connection that nothing names is everybody's, and a doubt") {
    const auto unknown = log.message(99, 5);
    const TailScan doubt = log.scan({"a", "b"});
    CHECK(indexes(doubt, 0) == Indexes{a1, unknown});
    CHECK(indexes(doubt, 1) == Indexes{b1, unknown});
    CHECK(doubt.doubtful());
  }
  SECTION("what was recorded after its session was gone is nobody's") {
    log.message(0, 5);
    const TailScan gone = log.scan({"a", "b"});
    CHECK(indexes(gone, 0) == Indexes{a1});
    CHECK_FALSE(gone.doubtful());
  }
}

TEST_CASE("with one broker what nothing names is its own", "[tail]") {
  Log log;
  log.connected("", false);
  const auto c = log.connected("", false);
  const auto m = log.message(c, 1), n = log.message(77, 2);
  const TailScan scan = log.scan({"a"});
  CHECK(indexes(scan, 0) == Indexes{m, n});
  CHECK_FALSE(scan.doubtful());
}

TEST_CASE("a busy broker does not end the search for a quiet one's messages, nor fill the memory", "[tail]") {
  Log log;
  log.connected("", true);
  const auto b = log.connected("b", true);
  const auto b1 = log.message(b, 1);
  const auto a = log.connected("a", true);
  std::uint64_t last = 0;
  for (std::uint16_t id = 1; id <= 50; ++id) last = log.message(a, id);
  SECTION("whose connections are named by their events") {}
  SECTION("or by a heartbeat, met before the messages or after them") {
    log.add({}, Event{EventCode::heartbeat, {{"a", a}, {"b", b}}});
    last = log.message(a, 51);
  }
  const TailScan scan = log.scan({"a", "b"}, 5);
  CHECK(indexes(scan, 1) == Indexes{b1});
  CHECK(indexes(scan, 0).size() == 5);
  CHECK(indexes(scan, 0).back() == last);
  CHECK(scan.complete(0));
  CHECK_FALSE(scan.complete(1));  // there may be older ones of this session
  CHECK_FALSE(scan.complete());
  SECTION("until all is known of it") {
    Log whole = log, begin;
    begin.connected("b", false);
    whole.entries[0] = begin.entries[0];
    CHECK(whole.scan({"a", "b"}, 5).complete());
  }
}

TEST_CASE("with one broker there is enough, whatever names its connections", "[tail]") {
  Log log;
  log.connected("", true);
  const auto known = log.connected("a", true);
  for (std::uint16_t id = 1; id <= 3; ++id) log.message(known, id);
  for (std::uint16_t id = 4; id <= 6; ++id) log.message(77, id);
  CHECK(log.scan({"a"}, 6).complete());
  CHECK_FALSE(log.scan({"a"}, 7).complete());
  const auto other = log.connected("z", true);
  for (std::uint16_t id = 7; id <= 9; ++id) log.message(other, id);
  CHECK(log.scan({"a"}, 6).complete());
  CHECK_FALSE(log.scan({"a"}, 7).complete());
}

TEST_CASE("the count of dropped messages is found again, the newest", "[tail]") {
  Log log;
  const std::uint64_t three = 3, five = 5, one = 1;
  log.add({}, Event{EventCode::gap, {{kBrokerDetail, ByteView("a")}, {kDroppedTotalDetail, three}}});
  log.add({}, Event{EventCode::gap, {{kBrokerDetail, ByteView("b")}, {kDroppedTotalDetail, one}}});
  log.add({}, Event{EventCode::broker_disconnected, {{kBrokerDetail, ByteView("a")}, {kDroppedTotalDetail, five}}});
  const TailScan scan = log.scan({"a", "b", "c"});
  CHECK(scan.dropped(0) == five);
  SECTION("one that began anew, too, and its event names no connection") {
    const std::uint64_t none = 0;
    const auto m = log.message(0, 1);
    log.add({}, Event{EventCode::heartbeat, {{kDroppedTotalDetail, none}}});
    const TailScan one_broker = log.scan({"a"});
    CHECK(one_broker.dropped(0) == none);
    CHECK(indexes(one_broker, 0) == Indexes{m});
  }
  CHECK(scan.dropped(1) == one);
  CHECK_FALSE(scan.dropped(2));
}

TEST_CASE("the tap takes counts out of the stream, and nothing else", "[tap]") {
  RecordQueue queue(1u << 20);
  MqttSource::Config config;
  config.subscriptions = {{"#", 1}};
  CHECK(BrokerTap::watched(config, true).subscriptions.size() == 2);
  CHECK(BrokerTap::watched(config, false).subscriptions.size() == 1);
  const auto item = [](const std::string& payload, std::uint8_t qos, const std::string& topic) {
    SourceItem out;
    out.topic = topic;
    out.payload = payload;
    out.qos = qos;
    out.tag = 9;
    return out;
  };
  const auto through = [&](BrokerTap& tap, SourceItem&& in) {
    tap.put(std::move(in));
    return queue.take(std::chrono::steady_clock::now()).items;
  };
  const std::string topic(kDropsTopic);
  BrokerTap tap(3, config, true, queue);
  auto items = through(tap, item("42", 0, topic));
  REQUIRE(items.size() == 1);
  CHECK(items[0].type == SourceItem::Type::drops);
  CHECK(items[0].dropped_total == 42);
  CHECK(items[0].source == 3);
  CHECK(items[0].tag == 9);
  for (const char* odd : {"", "-1", "4 2", "1e3", "9999999999999999999"}) {
    INFO(odd);
    items = through(tap, item(odd, 0, topic));
    REQUIRE(items.size() == 1);
    CHECK(items[0].type == SourceItem::Type::message);
  }
  items = through(tap, item("42", 0, topic + "/x"));
  REQUIRE(items.size() == 1);
  CHECK(items[0].type == SourceItem::Type::message);
  items = through(tap, item("42", 1, topic));  // both: it must be acknowledged, and may come again
  REQUIRE(items.size() == 2);
  CHECK(items[0].type == SourceItem::Type::message);
  CHECK(items[1].type == SourceItem::Type::drops);
  config.subscriptions.push_back({"$SYS/#", 1});
  CHECK(BrokerTap::watched(config, true).subscriptions.size() == 2);
  BrokerTap covered(0, config, true, queue);
  CHECK(through(covered, item("42", 0, topic)).size() == 2);
  BrokerTap off(0, config, false, queue);
  items = through(off, item("42", 0, topic));
  REQUIRE(items.size() == 1);
  CHECK(items[0].type == SourceItem::Type::message);
}
