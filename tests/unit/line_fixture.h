// The forwarder, with a recorder and its store on one side and a real collector behind a client that tests command on
// the other.
#pragma once

#include "collector/service.h"
#include "crypto/sha256.h"
#include "drivers/file.h"
#include "gateway/alarm_desk.h"
#include "gateway/succession.h"
#include "gateway/uplink.h"
#include "gateway/verify.h"
#include "tests/unit/recorder_fixture.h"

namespace sealring::test {

constexpr std::chrono::milliseconds kSoon{1};

inline NamedKey named_key(const std::string& name, char fill) {
  return {name, std::move(SoftwareSigner::from_seed(Bytes(32, fill))).value()};
}

// Hands requests to a collector without a socket, unless the test answers in its place.
class DirectClient final : public HttpClient {
 public:
  using Answer = std::function<std::optional<Result<HttpResponse>>(const Request&)>;
  Result<HttpResponse> call(const Request& request) override {
    std::lock_guard<std::mutex> lock(mutex_);
    ++calls;
    if (stopped_) return retry_error("stopped");
    if (answer_)
      if (auto made = answer_(request)) return *made;
    HttpRequest out;
    out.method = request.method;
    out.target = request.target;
    out.content_type = request.content_type;
    out.body = request.body;
    return service->handle(out);
  }
  void stop() override {
    std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
  }
  void start() {
    std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = false;
  }
  void answer_by(Answer answer) {
    std::lock_guard<std::mutex> lock(mutex_);
    answer_ = std::move(answer);
  }
  CollectorService* service = nullptr;
  std::atomic<std::uint64_t> calls{0};

 private:
  std::mutex mutex_;
  Answer answer_;
  bool stopped_ = false;
};

struct Line {  // from a recorder to the archive
  Gateway g;
  TempDir archive;
  SystemClock clock;
  std::unique_ptr<CollectorService> collector;
  DirectClient client;
  std::unique_ptr<Forwarder> forwarder;
  bool witness_in_policy = true;
  std::optional<Note> succession;  // to be offered
  bool taken = false;
  std::atomic<bool> archive_lost{false};
  std::atomic<int> proofs{0};  // of a rollback, that were kept
  AlarmDesk desk{{}, std::chrono::milliseconds(0)};

  Line() {
    g.config.segment_entries = 10;
    open_collector();
  }
  ~Line() { stop(); }
  std::string folder() const { return archive.path() + "/" + hex(view(sha256(kOrigin))); }
  VerifierKey identity() const { return {kOrigin, KeyType::ed25519, g.identity->public_key()}; }

  void open_collector() {
    client.service = nullptr;
    collector.reset();
    LogIdentity log;
    log.key = identity();
    auto opened =
        CollectorService::open(archive.path(), {log}, {named_key("witness", 'w'), named_key("mirror", 'm')}, clock, {});
    if (!opened) FAIL(opened.error().message);
    collector = std::move(opened).value();
    client.service = collector.get();
  }
  Policy policy() const {
    auto line = [](const std::string& name, char fill) {
      return "witness " + name + " " +
             VerifierKey{name, KeyType::cosignature_v1, named_key(name, fill).signer->public_key()}.encode() + "\n";
    };
    std::string text = "log " + identity().encode() + "\n" + line("mirror", 'm');
    text +=
        witness_in_policy ? line("witness", 'w') + "group both all witness mirror\nquorum both\n" : "quorum mirror\n";
    auto parsed = Policy::parse(text);
    if (!parsed) FAIL(parsed.error().message);
    return *parsed;
  }
  // As run_daemon() does it.
  void start(bool held = true) {
    auto opened = Ring::open({g.store});
    if (!opened) FAIL(opened.error().message);
    g.ring = std::move(opened).value();
    g.epochs = std::make_unique<EpochKeys>(g.store);
    g.queue = std::make_unique<RecordQueue>(4u << 20);
    g.recorder = std::make_unique<Recorder>(g.config, *g.ring, g.token, *g.epochs, g.clock, *g.queue);
    g.recorder->hold_signatures(held);
    desk.serve(kOrigin, *g.recorder);
    g.recorder->set_alarms(&desk.alarms());
    REQUIRE(g.recorder->open().ok());
    Forwarder::Config config;
    config.identity = {{identity()}};
    config.mirror = "mirror";
    config.policy = policy();
    config.retry_min = kSoon;
    config.retry_max = 2 * kSoon;
    config.ask_first = held;
    config.needs_skip = g.config.drop_oldest;
    config.succession = succession;
    config.succession_taken = taken;
    forwarder = std::make_unique<Forwarder>(std::move(config), *g.ring, client, *g.queue);
    client.start();
    connect_uplink(forwarder.get(), *g.recorder, desk.alarms(), *g.ring, g.store, std::nullopt,
                   [this](const Head&) { ++proofs; });
    g.thread = std::thread([this] { g.outcome = g.recorder->run(); });
    forwarder->start();
  }
  void stop() {
    if (!forwarder) return;
    forwarder->stop();
    desk.leave();
    g.kill();
    forwarder.reset();
  }
  void seal_some(std::size_t segments) {
    for (std::size_t i = 0; i < segments; ++i) {
      const std::uint64_t before = g.ring->segments().back().number;
      for (std::uint64_t n = 0; n < g.config.segment_entries; ++n) g.message("t", "x");
      g.wait_for([&] { return g.ring->segments().back().number > before; });
    }
  }
  void wait_receipted() {
    g.wait_for([&] {
      const auto all = g.ring->segments();
      return all.size() > 1 && std::all_of(all.begin(), all.end() - 1,
                                           [](const Segment& s) { return s.state == SegmentState::acknowledged; });
    });
  }
  std::uint64_t archived() const {
    const auto names = list_directory(folder() + "/segments");
    return names && !names->empty() ? std::stoull(names->back().substr(21, 20)) : 0;
  }
  // Of the collector's witness.
  std::uint64_t witnessed() const {
    const auto note = read_file(folder() + "/witness");
    return note ? Checkpoint::parse(Note::parse(*note)->text)->size : 0;
  }
  std::size_t alarms(const std::string& what) const {
    std::size_t n = 0;
    for (std::uint64_t i = 0; i < g.ring->size(); ++i) {
      const auto bytes = g.ring->entries(i, 1);
      if (!bytes) continue;  // dropped
      const auto entry = decode_entry(ByteView(*bytes).substr(2));
      const auto* event = std::get_if<Event>(&entry->body);
      if (event == nullptr || event->code != EventCode::alarm) continue;
      const Detail* detail = find_detail(*event, "alarm");
      n += detail != nullptr && std::get<ByteView>(detail->value) == what;
    }
    return n;
  }
  // What somebody with our identity key has signed.
  Bytes signed_by_us(std::uint64_t size, const Hash& root, const std::string& origin = kOrigin) {
    return sign_checkpoint({origin, size, root}, *g.identity)->encode();
  }
};

using Answer = std::optional<Result<HttpResponse>>;

struct OutageLine : Line {  // the collector is away at first
  const Hash genesis = leaf_hash(raw_of(g.store).front());

  OutageLine() { away(); }
  void away() {
    client.answer_by([](const auto&) { return Result<HttpResponse>(retry_error("nobody there")); });
  }
  void back() { client.answer_by(nullptr); }
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

}  // namespace sealring::test
