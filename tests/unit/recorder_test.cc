#include "crypto/sha256.h"
#include "gateway/tail_scan.h"
#include "tests/unit/recorder_fixture.h"

using namespace sealring;
using namespace sealring::test;

TEST_CASE("recorder: acknowledgements go only for what is in the store") {
  Gateway g;
  g.start();
  g.connect(false);
  for (std::uint16_t i = 1; i <= 50; ++i) g.message("t", "payload " + std::to_string(i), i);
  g.wait_released(50);
  // Released, so it is durable: a copy of the files now, as a power cut would leave them, has every one of them.
  const std::string copy = g.dir / "copy";
  std::filesystem::copy(g.store, copy, std::filesystem::copy_options::recursive);
  g.stop();
  auto reader = StoreReader::open(copy);
  if (!reader) FAIL(reader.error().message);
  std::size_t found = 0;
  for (std::uint64_t i = 0; i < (*reader)->size(); ++i) {
    const Bytes bytes = *(*reader)->entries(i, 1);
    found += std::holds_alternative<Message>(decode_entry(ByteView(bytes).substr(2))->body);
  }
  CHECK(found == 50);
}

TEST_CASE("recorder: start, stop, connections and heartbeats are records, and the store verifies") {
  Gateway g;
  g.config.heartbeat = 20ms;
  g.start();
  g.connect(true);
  g.message("a/b", "x", 1);
  g.wait_released(1);
  g.wait_for([&] { return g.recorder->stats().events >= 4; });  // start, connected, two heartbeats
  g.stop();
  const Decoded d(g.raw());
  CHECK(d.event(EventCode::start));
  CHECK(d.event(EventCode::stop));
  CHECK(d.event(EventCode::heartbeat));
  REQUIRE(d.event(EventCode::broker_connected));
  const auto report = g.verified();
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::fine);
}

TEST_CASE("recorder: every entry says which start, connection and count it belongs to") {
  Gateway g;
  for (std::uint64_t boot = 1; boot <= 2; ++boot) {
    g.start();
    g.tag = 0;
    g.connect(false);
    g.message("t", "x", 1);
    g.message("t", "y", 2);
    g.wait_released(2);
    g.stop();
  }
  const Decoded d(g.raw());
  std::uint64_t connected = 0, messages = 0;
  for (std::uint64_t i = 1; i < d.entries.size(); ++i) {
    const EntryCommon& c = d.entries[i].common;
    CHECK(c.boot == (i <= d.entries.size() / 2 ? 1 : 2));
    if (const auto* e = std::get_if<Event>(&d.entries[i].body); e && e->code == EventCode::broker_connected)
      connected = i, messages = 0;
    if (!std::holds_alternative<Message>(d.entries[i].body)) continue;
    CHECK(c.connection == connected);
    CHECK(c.received == ++messages);
  }
}

TEST_CASE("recorder: segments are sealed by count, handed over and signed; the log verifies after each restart") {
  Gateway g;
  g.config.segment_entries = 20;
  for (int run = 0; run < 3; ++run) {
    g.start();
    g.tag = 0;
    g.connect(run > 0);
    for (std::uint16_t i = 1; i <= 60; ++i) {
      g.message("t", std::to_string(run) + "/" + std::to_string(i), static_cast<std::uint16_t>(run * 100 + i));
      if (i % 10 == 0) g.wait_released(i);
    }
    g.stop();
    const auto report = g.verified();
    INFO(report_text(report));
    CHECK(report.verdict == Verdict::fine);
  }
  const Decoded d(g.raw());
  CHECK(d.messages == 180);
  CHECK(d.handovers >= 6);
  CHECK(g.verified().logs.at(0).checkpoints == d.handovers);
  // Only the key of the open epoch is still there.
  std::size_t keys = 0;
  for (const auto& f : std::filesystem::directory_iterator(g.store)) keys += f.path().extension() == ".key";
  CHECK(keys == 1);
}

TEST_CASE("recorder: age seals a segment that holds records, and never an empty one") {
  Gateway g;
  g.config.segment_age = 30ms;
  g.start();
  g.wait_for([&] { return g.ring->segments().size() == 2; });  // the start event
  g.connect(false);
  g.message("t", "x", 1);
  g.wait_for([&] { return g.ring->segments().size() == 3; });
  const std::uint64_t size = g.ring->size();
  ReceivedReceipt receipt{0, g.ring->segments().front().note};
  g.queue->put_receipt(std::move(receipt));
  g.wait_for([&] { return g.ring->size() == size + 1; });  // the receipt is logged
  const auto until = std::chrono::steady_clock::now() + 150ms;
  g.wait_for([&] { return std::chrono::steady_clock::now() > until; });
  CHECK(g.ring->segments().size() == 3);  // and seals nothing: no endless chain of receipts for receipts
  g.stop();
  CHECK(Decoded(g.raw()).receipts == 1);
}

TEST_CASE("recorder: a payload of 0 bytes, of 1 MiB, and one too large") {
  Gateway g;
  g.start();
  g.connect(false);
  const std::string mib(1u << 20, 'm');
  g.message("empty", "", 1);
  g.message("large", mib, 2);
  g.message("too large", mib + "x", 3);
  g.message(std::string("odd\xff\x01topic"), "x", 4);
  g.message(std::string(40000, 't'), std::string(40000, 'p'), 5);  // more than one entry can hold
  g.wait_released(5);
  g.stop();
  const Decoded d(g.raw());
  std::map<std::string, std::string> payloads;
  for (std::size_t i = 0; i < d.entries.size(); ++i) {
    const auto* m = std::get_if<Message>(&d.entries[i].body);
    if (m == nullptr) continue;
    std::string payload(m->payload);
    for (std::uint64_t p = 1; m->parts && p < m->parts->count; ++p) {
      const auto* part = std::get_if<Part>(&d.entries[i + p].body);
      REQUIRE(part);
      CHECK(part->first == i);
      payload += part->payload;
    }
    payloads[std::string(m->topic)] = payload;
  }
  CHECK(payloads.at("empty").empty());
  CHECK(payloads.at("large") == mib);
  CHECK(payloads.at(std::string("odd\xff\x01topic")) == "x");
  CHECK(payloads.size() == 3);
  std::size_t rejected = 0;
  for (const Entry& e : d.entries)
    if (const auto* event = std::get_if<Event>(&e.body); event && event->code == EventCode::rejected) {
      ++rejected;
      bool has_hash = false;
      for (const Detail& detail : event->details)
        if (const Hash* hash = std::get_if<Hash>(&detail.value))
          has_hash = *hash == sha256(mib + "x") || *hash == sha256(std::string(40000, 'p'));
      CHECK(has_hash);
    }
  CHECK(rejected == 2);
  CHECK(g.verified().verdict == Verdict::fine);
}

TEST_CASE("recorder: what a broker sends again after a kill is in the log once") {
  Gateway g;
  g.start();
  g.connect(false);
  const std::string large(200000, 'L');
  const auto send = [&](std::uint16_t id, bool dup) {
    if (id == 7) return g.message("large", large, id, dup);
    g.message("t", id % 3 == 0 ? "21.0" : "v" + std::to_string(id), id, dup);
  };
  for (std::uint16_t id = 1; id <= 10; ++id) send(id, false);
  g.wait_released(10);
  g.stop();
  g.start();
  g.tag = 0;
  g.connect(true);
  for (std::uint16_t id = 5; id <= 14; ++id) send(id, true);  // 11 to 14 were sent but never recorded
  g.wait_released(10);
  CHECK(g.recorder->stats().suppressed == 6);
  g.stop();
  const Decoded d(g.raw());
  CHECK(d.messages == 14);
  for (const Entry& e : d.entries)
    if (const auto* m = std::get_if<Message>(&e.body)) CHECK_FALSE(m->possible_duplicate_of);
}

TEST_CASE("recorder: what is further back than a start reads is flagged when it comes again") {
  const bool limited = GENERATE(true, false);
  Gateway g;
  g.start();
  g.connect(false);
  g.message("t", "far back", 1);
  for (int i = 0; i < 2000; ++i) g.message("t", "QoS 0");
  g.message("t", "last");
  g.wait_released(g.tag);
  g.stop();
  if (limited) g.config.max_tail_scan = 1000;
  g.start();
  g.tag = 0;
  g.connect(true);
  g.message("t", "far back", 1, true);
  g.message("t", "new", 2);
  g.wait_released(2);
  CHECK(g.recorder->stats().suppressed == !limited);
  g.stop();
  std::size_t flagged = 0;
  const Decoded d(g.raw());
  for (const Entry& e : d.entries)
    if (const auto* m = std::get_if<Message>(&e.body); m && m->possible_duplicate_of) {
      ++flagged;
      CHECK(m->payload == "far back");
      const auto* event = std::get_if<Event>(&d.entries[*m->possible_duplicate_of].body);
      REQUIRE(event);
      CHECK(event->code == EventCode::broker_connected);
      CHECK(*m->possible_duplicate_of == e.common.connection);
    }
  CHECK(flagged == limited);
  CHECK(g.verified().verdict == Verdict::fine);
}

TEST_CASE("recorder: a broker's count of dropped messages is compared over starts, also when it began anew") {
  Gateway g;
  const auto count = [&](std::uint64_t total) {
    SourceItem item;
    item.type = SourceItem::Type::drops;
    item.connection = 1;
    item.tag = ++g.tag;
    item.dropped_total = total;
    g.queue->put(std::move(item));
    g.wait_released(g.tag);
  };
  for (const auto& totals : std::vector<std::vector<std::uint64_t>>{{0, 0}, {3, 3}, {5, 0}, {0, 5}, {9, 7}}) {
    g.start();  // a kill would leave the same, for nothing says "disconnected"
    g.tag = 0;
    g.connect(true);
    for (const std::uint64_t total : totals) count(total);
    g.stop();
  }
  std::vector<std::uint64_t> dropped;
  for (const Entry& e : Decoded(g.raw()).entries)
    if (const auto* event = std::get_if<Event>(&e.body); event && event->code == EventCode::gap)
      dropped.push_back(number_of(*event, "dropped"));
  CHECK(dropped == std::vector<std::uint64_t>{3, 2, 5, 4, 7});
}

// The tag of a held message must hold back acknowledgements of everything after it, and a batch that is committed half
// way must not release its second half.
TEST_CASE("recorder: held redeliveries hold back the watermark until they are recorded") {
  Gateway g;
  g.start();
  g.connect(false);
  for (std::uint16_t id = 1; id <= 5; ++id) g.message("t", "v" + std::to_string(id), id);
  g.wait_released(5);
  g.stop();
  g.start();
  g.tag = 0;
  g.connect(true);
  g.message("t", "v3", 3, true);  // held: 4 should follow
  // QoS 0 is recorded meanwhile. When the second frame is there, what the first one released has been released.
  for (std::uint64_t recorded = 1; recorded <= 2; ++recorded) {
    const std::uint64_t size = g.ring->size();
    g.message("t", "zero");
    g.wait_for([&] { return g.ring->size() > size && g.recorder->stats().messages == recorded; });
  }
  CHECK(g.released == 0);
  g.message("t", "new", 9);  // 4 does not come: 3 is recorded, flagged
  g.wait_released(3);
  g.stop();
  const Decoded d(g.raw());
  std::size_t flagged = 0;
  for (const Entry& e : d.entries)
    if (const auto* m = std::get_if<Message>(&e.body)) flagged += m->possible_duplicate_of.has_value();
  CHECK(flagged == 1);
  CHECK(d.messages == 9);
  CHECK(g.verified().verdict == Verdict::fine);
}

TEST_CASE("recorder: held messages larger than a frame are not released before the last of them is recorded") {
  Gateway g;
  g.start();
  g.connect(false);
  const std::string large(900000, 'L');
  for (std::uint16_t id = 1; id <= 6; ++id) g.message("t", large, id);
  g.wait_released(6);
  g.stop();
  g.start();
  g.tag = 0;
  g.connect(true);
  for (std::uint16_t id = 2; id <= 5; ++id) g.message("t", large, id, true);  // held: 6 should follow
  g.message("t", "zero");
  g.message("t", "new", 9);
  g.wait_released(6);
  g.stop();  // checks every release
  CHECK(g.verified().verdict == Verdict::fine);
}

TEST_CASE("recorder: a reason that is no UTF-8 is recorded all the same") {
  Gateway g;
  g.start();
  SourceItem item;
  item.type = SourceItem::Type::trouble;
  item.reason = "refused: \xff\xfe";
  g.queue->put(std::move(item));
  g.wait_for([&] { return g.recorder->stats().events >= 2; });
  g.stop();
  REQUIRE(Decoded(g.raw()).event(EventCode::broker_disconnected));
}

TEST_CASE("recorder: clock steps and lost synchronisation are events; order stays by index") {
  Gateway g;
  g.start();
  g.connect(false);
  g.message("t", "before", 1);
  g.wait_released(1);
  g.clock.wall_ns = 100;  // back to 1970
  g.clock.synchronised = false;
  g.message("t", "after", 2);
  g.wait_released(2);
  g.stop();
  const Decoded d(g.raw());
  REQUIRE(d.event(EventCode::clock));
  CHECK(g.verified().verdict == Verdict::fine);
}

TEST_CASE("recorder: a full ring stops acknowledging and goes on by itself once receipts come") {
  Gateway g;
  g.config.segment_bytes = 4u << 20;
  g.start();
  g.connect(false);
  const std::uint16_t id = g.fill();
  const std::uint64_t before = g.released;
  CHECK(before < id);
  g.wait_signed();
  g.receipt_all();
  g.wait_released(id);
  CHECK_FALSE(g.recorder->stats().waiting_for_room);
  g.stop();
  // What is still there is the end of what was sent, without a gap.
  std::uint64_t expected = 0;
  for (const Bytes& b : g.raw()) {
    const auto entry = decode_entry(b);
    const auto* message = std::get_if<Message>(&entry->body);
    if (message == nullptr) continue;
    if (expected != 0) CHECK(message->packet_id == expected);
    expected = message->packet_id + 1u;
  }
  CHECK(expected == id + 1u);
}

TEST_CASE("recorder: a full ring does not keep it from stopping") {
  Gateway g;
  g.start();
  g.connect(false);
  g.fill();
  const std::uint64_t released = g.released;
  g.stop();
  // Everything that was acknowledged is there, and the store opens again.
  CHECK(g.released == released);
  Decoded d(g.raw());
  CHECK(d.messages >= released);
}
