// A recorder on a store of its own, with a clock and an identity key that tests command.
#pragma once

#include <catch2/catch.hpp>
#include <condition_variable>
#include <thread>

#include "crypto/checkpoint.h"
#include "gateway/recorder.h"
#include "gateway/verify.h"
#include "storage/store_reader.h"
#include "tests/unit/store_fixture.h"

namespace sealring::test {

using namespace std::chrono_literals;

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

// All entries of a store, a bundle at a time: each read makes the whole one. Those that were dropped are empty.
inline std::vector<Bytes> raw_of(const std::string& store) {
  auto reader = StoreReader::open(store);
  if (!reader) FAIL(reader.error().message);
  std::vector<Bytes> out;
  for (std::uint64_t at = (*reader)->first_index(); at < (*reader)->size();) {
    const std::uint64_t end = std::min((*reader)->size(), (at / kBundleEntries + 1) * kBundleEntries);
    const auto bundle = (*reader)->entries(at, static_cast<std::size_t>(end - at));
    if (!bundle && find_loss((*reader)->losses(), at) != nullptr) {
      out.resize(out.size() + static_cast<std::size_t>(end - at));
      at = end;
      continue;
    }
    if (!bundle) FAIL(bundle.error().message);
    const auto entries = split_entries(*bundle, static_cast<std::size_t>(end - at));
    REQUIRE(entries.ok());
    out.insert(out.end(), entries->begin(), entries->end());
    at = end;
  }
  return out;
}

// A store with a recorder on its own thread, fed by hand.
struct Gateway {
  TempDir dir;
  std::string store = dir / "store";
  std::unique_ptr<SoftwareSigner> identity = std::move(SoftwareSigner::generate()).value();
  TokenSigner token{*identity};
  FakeClock clock;
  Recorder::Config config;
  std::uint64_t map_bytes = 64u << 20;

  std::optional<IdentitySigners> signers;  // other than `token`
  std::function<void()> before_run;        // once the recorder is open

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
    recorder =
        std::make_unique<Recorder>(config, *ring, signers ? *signers : IdentitySigners(token), *epochs, clock, *queue);
    recorder->set_release([this](std::uint32_t, std::uint64_t, std::uint64_t up_to) {
      releases.emplace_back(up_to, ring->size());
      released = up_to;
    });
    releases.clear();
    const Status status = recorder->open();
    if (!status.ok()) FAIL(status.error().message);
    released = 0;
    if (before_run) before_run();
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
      if (all[i].empty()) continue;
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
  void wait_for(Condition&& condition, std::chrono::seconds limit = 20s) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
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
  // Messages until the ring is full; returns how many. For segments of 4 MiB.
  std::uint16_t fill() {
    const std::string payload(30000, 'x');
    std::uint16_t id = 0;
    while (!recorder->stats().waiting_for_room) {
      if (queue->bytes() < (1u << 20)) message("t", payload, ++id);
      if (id >= 4000) FAIL("the ring does not become full");
      std::this_thread::yield();
    }
    return id;
  }
  void receipt_all() {
    for (const Segment& s : ring->segments())
      if (s.state == SegmentState::sealed) queue->put_receipt({s.number, s.note});
  }
  void wait_released(std::uint64_t t) {
    wait_for([&] { return released >= t; });
  }
  std::vector<Bytes> raw() const { return raw_of(store); }
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

}  // namespace sealring::test
