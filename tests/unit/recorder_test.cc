#include "gateway/recorder.h"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <thread>

#include "crypto/checkpoint.h"
#include "crypto/sha256.h"
#include "gateway/tail_scan.h"
#include "gateway/verify.h"
#include "storage/store_reader.h"
#include "tests/unit/store_fixture.h"

using namespace sealring;
using namespace sealring::test;
using namespace std::chrono_literals;

namespace {

class FakeClock final : public Clock {
 public:
  ClockReading now() const override {
    const std::uint64_t t = ticks_.fetch_add(1);
    return {wall_ns.load() + static_cast<std::int64_t>(t), t + 1, synchronised.load()};
  }
  std::atomic<std::int64_t> wall_ns{1700000000000000000};
  std::atomic<bool> synchronised{true};

 private:
  mutable std::atomic<std::uint64_t> ticks_{0};
};

// A key that can be away (every signature fails) or hang, as one on a token.
class TokenSigner final : public Signer {
 public:
  enum class Mode { there, away, hangs };
  explicit TokenSigner(SoftwareSigner& key) : key_(key) {}
  const PublicKey& public_key() const override { return key_.public_key(); }
  Result<Signature> sign(ByteView message) override {
    std::unique_lock<std::mutex> lock(mutex_);
    ++asked;
    changed_.wait(lock, [this] { return mode_ != Mode::hangs || stopped_; });
    if (mode_ != Mode::there) return retry_error("the token is gone");
    return key_.sign(message);
  }
  void stop() override {
    std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  void set(Mode mode) {
    std::lock_guard<std::mutex> lock(mutex_);
    mode_ = mode;
    stopped_ = false;
    changed_.notify_all();
  }
  std::atomic<int> asked{0};

 private:
  SoftwareSigner& key_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Mode mode_ = Mode::there;
  bool stopped_ = false;
};

// A store with a recorder on its own thread, fed by hand.
struct Gateway {
  TempDir dir;
  std::string store = dir / "store";
  std::unique_ptr<SoftwareSigner> identity = std::move(SoftwareSigner::generate()).value();
  TokenSigner token{*identity};
  FakeClock clock;
  Recorder::Config config;
  std::uint64_t map_bytes = 64u << 20;

  std::unique_ptr<Ring> ring;
  std::unique_ptr<EpochKeys> epochs;
  std::unique_ptr<RecordQueue> queue;
  std::unique_ptr<Recorder> recorder;
  std::thread thread;
  Status outcome;
  std::atomic<std::uint64_t> released{0};
  // What every release could see in the store: tag -> durable entries at that moment.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> releases;

  Gateway() {
    config.heartbeat = 1h;
    std::filesystem::create_directory(store);
    EpochKeys keys(store);
    auto first = std::move(SoftwareSigner::generate()).value();
    REQUIRE(keys.save(0, *first).ok());
    Genesis genesis{kOrigin, identity->public_key(), first->public_key(), "sealring test"};
    Bytes entry;
    REQUIRE(encode_entry({EntryCommon{}, genesis}, entry).ok());
    ModelLog log(1);
    Frame frame = log.frame_of({entry}).frame;
    const std::string text = Checkpoint{kOrigin, 1, frame.header.root}.text();
    frame.header.signature = *first->sign(text);
    REQUIRE(Ring::create({store, map_bytes}, kOrigin, frame).ok());
  }
  ~Gateway() { kill(); }

  void start() {
    auto opened = Ring::open({store});
    if (!opened) FAIL(opened.error().message);
    ring = std::move(opened).value();
    epochs = std::make_unique<EpochKeys>(store);
    queue = std::make_unique<RecordQueue>(4u << 20);
    recorder = std::make_unique<Recorder>(config, *ring, token, *epochs, clock, *queue);
    recorder->set_release([this](std::uint32_t, std::uint64_t, std::uint64_t up_to) {
      releases.emplace_back(up_to, ring->size());
      released = up_to;
    });
    releases.clear();
    const Status status = recorder->open();
    if (!status.ok()) FAIL(status.error().message);
    released = 0;
    thread = std::thread([this] { outcome = recorder->run(); });
  }
  void stop() {
    queue->close();
    thread.join();
    CHECK(outcome.ok());
    recorder.reset();
    ring.reset();
    check_releases();
  }
  // The promise itself: at each release, every message up to its tag was in the store already, at an index below the
  // size of that moment; or it is one that an earlier connection recorded.
  void check_releases() const {
    std::map<std::uint64_t, std::uint64_t> index_of;  // received -> index of its last entry, of this start
    const std::vector<Bytes> all = raw();
    const std::uint64_t boot = decode_entry(all.back())->common.boot, first = first_index();
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto entry = decode_entry(all[i]);
      const bool recorded = std::holds_alternative<Message>(entry->body) || std::holds_alternative<Part>(entry->body);
      if (recorded && entry->common.boot == boot) index_of[entry->common.received] = first + i;
    }
    for (const auto& [up_to, size] : releases)
      for (const auto& [received, index] : index_of)
        if (received <= up_to && index >= size)
          FAIL("tag " << up_to << " was released at size " << size << ", but message " << received << " is at "
                      << index);
  }
  std::uint64_t first_index() const {
    auto reader = StoreReader::open(store);
    return reader ? (*reader)->first_index() : 0;
  }
  // What is left after a kill: nothing that was in memory only. (The stop event is not what a kill leaves, so tests
  // that depend on the end use snapshots of the folder.)
  void kill() {
    if (thread.joinable()) stop();
  }
  template <class Condition>
  void wait_for(Condition&& condition) {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) FAIL("the condition was not met in time");
      std::this_thread::yield();
    }
  }
  void connect(bool session, std::uint64_t connection = 1) {
    SourceItem item;
    item.type = SourceItem::Type::connected;
    item.connection = connection;
    item.session_present = session;
    item.protocol = 5;
    queue->put(std::move(item));
  }
  std::uint64_t tag = 0;
  void message(const std::string& topic, const std::string& payload, std::uint16_t id = 0, bool dup = false) {
    SourceItem item;
    item.connection = 1;
    item.tag = ++tag;
    item.topic = topic;
    item.payload = payload;
    item.payload_bytes = payload.size();
    item.qos = id ? 1 : 0;
    item.packet_id = id;
    item.dup = dup;
    queue->put(std::move(item));
  }
  std::size_t sealed(bool with_note) const {
    const auto all = ring->segments();
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const Segment& s) {
      return s.state == SegmentState::sealed && s.note.empty() != with_note;
    }));
  }
  void wait_signed() {
    wait_for([&] { return sealed(false) == 0; });
  }
  void wait_released(std::uint64_t t) {
    wait_for([&] { return released >= t; });
  }
  std::vector<Bytes> raw() const {
    auto reader = StoreReader::open(store);
    if (!reader) FAIL(reader.error().message);
    std::vector<Bytes> out;
    for (std::uint64_t i = (*reader)->first_index(); i < (*reader)->size(); ++i)
      out.push_back((*reader)->entries(i, 1)->substr(2));
    return out;
  }
  VerifyReport verified(bool with_anchor = true) const {
    VerifyOptions options;
    options.path = store;
    if (with_anchor) {
      Anchor anchor;
      anchor.key = {kOrigin, KeyType::ed25519, identity->public_key()};
      anchor.genesis = leaf_hash(raw().front());
      options.anchors.push_back(anchor);
    }
    options.min_size = 1;
    return verify(options);
  }
};

struct Decoded {
  std::vector<Bytes> raw;
  std::vector<Entry> entries;
  std::size_t messages = 0, events = 0, handovers = 0, parts = 0, receipts = 0;
  explicit Decoded(std::vector<Bytes> bytes) : raw(std::move(bytes)) {
    for (const Bytes& b : raw) {
      auto entry = decode_entry(b);
      if (!entry) FAIL(entry.error().message);
      messages += std::holds_alternative<Message>(entry->body);
      events += std::holds_alternative<Event>(entry->body);
      handovers += std::holds_alternative<Handover>(entry->body);
      parts += std::holds_alternative<Part>(entry->body);
      receipts += std::holds_alternative<Receipt>(entry->body);
      entries.push_back(std::move(entry).value());
    }
  }
  const Event* event(EventCode code) const {
    for (const Entry& e : entries)
      if (const auto* event = std::get_if<Event>(&e.body))
        if (event->code == code) return event;
    return nullptr;
  }
};

}  // namespace

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
  const std::string payload(30000, 'x');
  std::uint16_t id = 0;
  while (!g.recorder->stats().waiting_for_room) {
    if (g.queue->bytes() < (1u << 20)) g.message("t", payload, ++id);
    REQUIRE(id < 4000);
  }
  const std::uint64_t before = g.released;
  CHECK(before < id);
  g.wait_signed();
  for (const Segment& s : g.ring->segments())
    if (s.state == SegmentState::sealed) g.queue->put_receipt({s.number, s.note});
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
  const std::string payload(30000, 'x');
  std::uint16_t id = 0;
  while (!g.recorder->stats().waiting_for_room) {
    if (g.queue->bytes() < (1u << 20)) g.message("t", payload, ++id);
    REQUIRE(id < 4000);
  }
  const std::uint64_t released = g.released;
  g.stop();
  // Everything that was acknowledged is there, and the store opens again.
  CHECK(g.released == released);
  Decoded d(g.raw());
  CHECK(d.messages >= released);
}

TEST_CASE("recorder: a token that is away or hangs holds up nothing but the identity's signatures") {
  using Mode = TokenSigner::Mode;
  const Mode mode = GENERATE(Mode::away, Mode::hangs);
  const bool restarted = GENERATE(false, true);
  Gateway g;
  g.config.segment_entries = 20;
  g.start();
  g.connect(false);
  for (std::uint16_t id = 1; id <= 50; ++id) g.message("t", "before", id);
  g.wait_released(50);
  g.wait_signed();
  g.token.set(mode);
  const std::size_t signed_before = g.sealed(true);
  for (std::uint16_t id = 51; id <= 200; ++id) {
    g.message("t", "meanwhile", id);
    if (id % 25 == 0) g.wait_released(id);  // a frame of its own, and with that a segment
  }
  g.wait_for([&] { return g.sealed(false) >= 3; });  // handed over to new epochs as ever
  CHECK(g.sealed(true) == signed_before);
  CHECK(g.recorder->stats().identity.waiting >= 3);
  if (mode == Mode::away)
    g.wait_for([&] { return g.recorder->stats().identity.trouble.find("the token is gone") != std::string::npos; });
  if (restarted) {
    g.stop();
    CHECK(g.verified().verdict == Verdict::named);  // sound, with segments that are not signed yet
    g.start();
    CHECK(g.sealed(true) == signed_before);
  }
  g.token.set(Mode::there);
  g.wait_signed();
  CHECK(g.recorder->stats().identity.waiting == 0);
  CHECK(g.recorder->stats().identity.trouble.empty());
  g.stop();
  CHECK(g.verified().verdict == Verdict::fine);
  Decoded d(g.raw());
  CHECK(d.messages == 200);
  // The alarm is in the log, and its end. One that only hangs is none before its deadline, which is the signer's.
  std::vector<std::string> alarms;
  for (const Entry& entry : d.entries)
    if (const auto* event = std::get_if<Event>(&entry.body); event && event->code == EventCode::alarm)
      for (const Detail& detail : event->details)
        if (detail.name == "state") alarms.emplace_back(std::get<ByteView>(detail.value));
  std::vector<std::string> expected = {"does not sign", "signs again"};
  if (mode == Mode::hangs) expected.clear();
  if (mode == Mode::away && restarted) expected = {"does not sign", "does not sign", "signs again"};
  CHECK(alarms == expected);
}

TEST_CASE("recorder: a ring that is full of unsigned segments goes on when the token is back") {
  Gateway g;
  g.config.segment_bytes = 4u << 20;
  g.token.set(TokenSigner::Mode::away);
  g.start();
  g.connect(false);
  const std::string payload(30000, 'x');
  std::uint16_t id = 0;
  while (!g.recorder->stats().waiting_for_room) {
    if (g.queue->bytes() < (1u << 20)) g.message("t", payload, ++id);
    REQUIRE(id < 4000);
  }
  CHECK(g.sealed(true) == 0);
  g.token.set(TokenSigner::Mode::there);
  g.wait_signed();
  for (const Segment& s : g.ring->segments())
    if (s.state == SegmentState::sealed) g.queue->put_receipt({s.number, s.note});
  g.wait_released(id);
  g.stop();
}

TEST_CASE("recorder: a missing or foreign epoch key is refused with words") {
  Gateway g;
  const auto open = [&] {
    auto ring = Ring::open({g.store});
    EpochKeys epochs(g.store);
    RecordQueue queue(1u << 20);
    Recorder recorder(g.config, **ring, *g.identity, epochs, g.clock, queue);
    return recorder.open();
  };
  CHECK(open().ok());
  EpochKeys epochs(g.store);
  REQUIRE(epochs.save(0, **SoftwareSigner::generate()).ok());
  CHECK_THAT(open().error().message, Catch::Matchers::Contains("is not the key that entry 0 of the log names"));
  REQUIRE(epochs.erase(0).ok());
  CHECK_FALSE(open().ok());
}
