#include "tests/torture/sim_world.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "crypto/checkpoint.h"
#include "crypto/sha256.h"
#include "drivers/file.h"
#include "gateway/verify.h"
#include "storage/entry.h"
#include "storage/frame.h"
#include "storage/segment_file.h"

namespace sealring::sim {
namespace {

constexpr std::int64_t kCallTimeoutMs = 5000;
constexpr std::int64_t kBrokerMs = 3600000;
constexpr std::int64_t kStartMs = 600000, kStopMs = 600000, kDrainMs = 4 * 3600000;  // of the fake clock

void must(const Status& status, const char* what) {
  if (!status.ok()) fail(std::string(what) + ": " + status.error().message);
}
template <class T>
T must(Result<T> result, const char* what) {
  if (!result) fail(std::string(what) + ": " + result.error().message);
  return std::move(result).value();
}

NamedKey named_key(const std::string& name, char fill) {
  return {name, must(SoftwareSigner::from_seed(Bytes(32, fill)), "key")};
}

void copy_file_sparse(const std::string& from, const std::string& to) {
  const int in = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const int out = ::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (in < 0 || out < 0) fail("cannot copy " + from);
  struct stat s {};
  static thread_local Bytes page(64u << 10, '\0');
  static const Bytes zeros(page.size(), '\0');
  if (::fstat(in, &s) != 0 || ::ftruncate(out, s.st_size) != 0) fail("cannot copy " + from);
  off_t at = 0;
  while ((at = ::lseek(in, at, SEEK_DATA)) >= 0 && at < s.st_size) {
    const ssize_t n = ::pread(in, page.data(), page.size(), at);
    if (n <= 0) break;
    const auto size = static_cast<std::size_t>(n);
    if (ByteView(page.data(), size) != ByteView(zeros.data(), size) && ::pwrite(out, page.data(), size, at) != n)
      fail("cannot write " + to);
    at += n;
  }
  ::close(in);
  ::close(out);
}

}  // namespace

void fail(const std::string& words) {
  std::fprintf(stderr, "FAILED at %lld ms: %s\n", static_cast<long long>(now_ns() / 1000000), words.c_str());
  std::_Exit(1);
}

// Not LMDB's lock file: in it are the locks of threads that are still there, though they will never run.
void copy_sparse(const std::string& from, const std::string& to) {
  std::filesystem::create_directories(to);
  for (const auto& file : std::filesystem::directory_iterator(from))
    if (file.is_regular_file() && file.path().filename() != "ring.lmdb-lock")
      copy_file_sparse(file.path(), to + "/" + file.path().filename().string());
}

ClockReading SimClock::now() const {
  timespec wall{}, boot{};
  ::clock_gettime(CLOCK_REALTIME, &wall);
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  return {wall.tv_sec * 1000000000 + wall.tv_nsec, static_cast<std::uint64_t>(boot.tv_sec * 1000000000 + boot.tv_nsec),
          true};
}

std::map<std::uint64_t, Hash>& WatchedIdentity::signed_roots() {
  static std::map<std::uint64_t, Hash> roots;
  return roots;
}

Result<Signature> WatchedIdentity::sign(ByteView message) {
  sleep_ms(static_cast<std::int64_t>(random_below(20)));
  const auto checkpoint = Checkpoint::parse(message);
  if (!checkpoint) fail("the identity was asked to sign what is no checkpoint: " + std::string(message));
  const auto [place, fresh] = signed_roots().emplace(checkpoint->size, checkpoint->root);
  if (!fresh && place->second != checkpoint->root)
    fail("the identity signs a second root of size " + std::to_string(checkpoint->size));
  return key_.sign(message);
}

// --- the broker ---

void Broker::publish(std::string payload) {
  ++published_[payload];
  waiting_.push_back(std::move(payload));
}

void Broker::connect(RecordQueue& queue) {
  queue_ = &queue;
  ++connection_;
  tag_ = acknowledged_ = 0;
  for (Sent& sent : under_way_) {
    sent.again = sent.again || sent.tag != 0;
    sent.tag = 0;
  }
  SourceItem item;
  item.type = SourceItem::Type::connected;
  item.connection = connection_;
  item.session_present = std::exchange(began_, true);
  item.protocol = 5;
  queue.put(std::move(item));
}

void Broker::disconnect() {
  if (queue_ == nullptr) return;
  SourceItem item;
  item.type = SourceItem::Type::disconnected;
  item.connection = connection_;
  item.reason = "cut";
  queue_->put(std::move(item));
  queue_ = nullptr;
}

void Broker::released(std::uint64_t connection, std::uint64_t tag) {
  if (connection == connection_) acknowledged_ = std::max(acknowledged_, tag);
}

bool Broker::has_something_to_do() const {
  if (queue_ == nullptr) return false;
  if (!under_way_.empty() && under_way_.front().tag != 0 && under_way_.front().tag <= acknowledged_) return true;
  const bool unsent = !under_way_.empty() && under_way_.back().tag == 0;
  return (unsent || (under_way_.size() < kWindow && !waiting_.empty())) && !queue_->full();
}

void Broker::run() {
  for (;;) {
    wait_until([this] { return has_something_to_do(); }, kBrokerMs);
    if (chance(30)) sleep_ms(static_cast<std::int64_t>(random_below(30)));
    pump();
  }
}

void Broker::pump() {
  if (queue_ == nullptr) return;
  while (!under_way_.empty() && under_way_.front().tag != 0 && under_way_.front().tag <= acknowledged_)
    under_way_.pop_front();
  for (; under_way_.size() < kWindow && !waiting_.empty(); waiting_.pop_front()) {
    under_way_.push_back({next_id_, std::move(waiting_.front())});
    next_id_ = static_cast<std::uint16_t>(next_id_ % 65535 + 1);
  }
  for (Sent& sent : under_way_) {
    if (sent.tag != 0) continue;
    if (queue_->full()) return;
    sent.tag = ++tag_;
    SourceItem item;
    item.connection = connection_;
    item.tag = sent.tag;
    item.qos = 1;
    item.dup = sent.again;
    item.packet_id = sent.packet_id;
    item.topic = "sim/topic";
    item.payload = sent.payload;
    item.payload_bytes = sent.payload.size();
    queue_->put(std::move(item));
  }
}

// --- the network ---

struct World::Call {
  std::optional<HttpResponse> response;
  bool broken = false;
};

class World::Client final : public HttpClient {
 public:
  explicit Client(World& world) : world_(world) {}
  Result<HttpResponse> call(const Request& request) override {
    sleep_ms(static_cast<std::int64_t>(1 + random_below(40)));
    if (stopped_) return retry_error("stopped");
    if (!world_.collector_runs()) return retry_error("connection refused");
    const bool never_arrives = !world_.online || chance(3), answer_is_lost = chance(3);
    auto call = std::make_shared<Call>();
    if (!never_arrives) {
      HttpRequest out;
      out.method = request.method;
      out.target = request.target;
      out.content_type = request.content_type;
      out.body = request.body;
      world_.calls_.insert(call);
      sim::start(world_.collector_life_, [world = &world_, call, out = std::move(out)] {
        HttpResponse response = world->answer(out);
        call->response = std::move(response);
      });
    }
    const bool came = wait_until([&] { return call->response || call->broken || stopped_; }, kCallTimeoutMs);
    world_.calls_.erase(call);
    if (stopped_) return retry_error("stopped");
    if (call->broken) return retry_error("closed in mid-answer");
    if (!came || !call->response || answer_is_lost || !world_.online) return retry_error("no answer");
    return std::move(*call->response);
  }
  void stop() override { stopped_ = true; }

 private:
  World& world_;
  bool stopped_ = false;
};

HttpResponse World::answer(const HttpRequest& request) { return collector_->handle(request); }

// --- the gateway ---

struct World::Gateway {
  std::unique_ptr<Ring> ring;
  std::unique_ptr<EpochKeys> epochs;
  std::unique_ptr<RecordQueue> queue;
  std::unique_ptr<Recorder> recorder;
  Alarms alarms{gateway_alarm_kinds()};
  std::unique_ptr<Client> client;
  std::unique_ptr<Forwarder> forwarder;
  bool ready = false, told_to_stop = false, stopped = false;
};

World::World(const std::string& image, std::string folder, SoftwareSigner& identity, const Hash& genesis)
    : folder_(std::move(folder)),
      key_(identity),
      genesis_(genesis),
      identity_(identity),
      archive_(folder_ + "/archive") {
  store_ = folder_ + "/store-0";
  copy_sparse(image, store_);
  std::filesystem::create_directories(archive_);
  sim::start(new_life(), [this] { broker.run(); });
}

Policy World::policy() const {
  const auto line = [](const std::string& name, char fill) {
    return "witness " + name + " " +
           VerifierKey{name, KeyType::cosignature_v1, named_key(name, fill).signer->public_key()}.encode() + "\n";
  };
  return must(
      Policy::parse("log " + VerifierKey{kOrigin, KeyType::ed25519, key_.public_key()}.encode() + "\n" +
                    line("mirror", 'm') + line("witness", 'w') + "group both all witness mirror\nquorum both\n"),
      "policy");
}

void World::start_gateway() {
  auto g = std::make_shared<Gateway>();
  gateway_ = g;
  gateway_life_ = new_life();
  Recorder::Config config;
  config.segment_entries = 10 + random_below(60);
  config.segment_age = std::chrono::seconds(1 + random_below(30));
  config.heartbeat = std::chrono::seconds(5 + random_below(60));
  config.commit_interval = std::chrono::milliseconds(chance(50) ? 0 : random_below(20));
  sim::start(gateway_life_, [this, g, config] {
    g->ring = must(Ring::open({store_}), "the store does not open");
    g->epochs = std::make_unique<EpochKeys>(store_);
    g->queue = std::make_unique<RecordQueue>(256u << 10);
    g->recorder = std::make_unique<Recorder>(config, *g->ring, identity_, *g->epochs, clock_, *g->queue);
    g->recorder->set_release([this, g = g.get()](std::uint32_t, std::uint64_t connection, std::uint64_t tag) {
      if (gateway_.get() == g) broker.released(connection, tag);
    });
    g->recorder->hold_signatures(true);
    must(g->recorder->open(), "the recorder does not open");
    g->client = std::make_unique<Client>(*this);
    Forwarder::Config forward;
    forward.identity = {{VerifierKey{kOrigin, KeyType::ed25519, key_.public_key()}}};
    forward.mirror = "mirror";
    forward.policy = policy();
    g->forwarder = std::make_unique<Forwarder>(std::move(forward), *g->ring, *g->client, *g->queue);
    connect_uplink(g->forwarder.get(), *g->recorder, g->alarms, *g->ring, store_, std::nullopt,
                   [](const Head&) { fail("the gateway takes its own store for an old copy"); });
    std::thread recording([g] { must(g->recorder->run(), "the recorder ends"); });
    g->forwarder->start();
    g->ready = true;
    wait_until([&] { return g->told_to_stop; }, INT64_MAX / 2000000);
    g->client->stop();
    g->forwarder->stop();
    g->queue->close();
    recording.join();
    g->forwarder.reset();
    g->recorder.reset();
    released_ = released_ || g->ring->usage().first_index > 0;
    g->ring.reset();
    g->stopped = true;
  });
  if (!wait_until([&] { return g->ready; }, kStartMs)) fail("the gateway does not start");
  broker.connect(*g->queue);
}

void World::stop_gateway() {
  const auto g = std::exchange(gateway_, nullptr);
  broker.disconnect();
  g->told_to_stop = true;
  if (!wait_until([&] { return g->stopped; }, kStopMs)) fail("the gateway does not stop");
}

void World::reconnect() {
  broker.disconnect();
  sleep_ms(static_cast<std::int64_t>(random_below(3000)));
  broker.connect(*gateway_->queue);
}

void World::kill_gateway() {
  abandon(gateway_life_);
  // Leaked on purpose: its threads are in the middle of it.
  new std::shared_ptr<Gateway>(std::exchange(gateway_, nullptr));
  broker.disconnect();
  const std::string old = store_;
  store_ = folder_ + "/store-" + std::to_string(++stores_);
  copy_sparse(old, store_);
  std::filesystem::remove_all(old);
  ++kills;
}

// --- the collector ---

void World::start_collector() {
  collector_life_ = new_life();
  bool done = false;
  sim::start(collector_life_, [&] {
    LogIdentity log;
    log.key = {kOrigin, KeyType::ed25519, key_.public_key()};
    auto opened =
        CollectorService::open(archive_, {log}, {named_key("witness", 'w'), named_key("mirror", 'm')}, clock_, {});
    collector_ = must(std::move(opened), "the archive does not open").release();
    collector_->on_fatal([](const Error& error) { fail("the collector: " + error.message); });
    done = true;
  });
  if (!wait_until([&] { return done; }, kStartMs)) fail("the collector does not start");
}

void World::kill_collector() {
  abandon(collector_life_);
  collector_ = nullptr;
  for (const auto& call : calls_) call->broken = true;
  ++kills;
}

// --- what it comes to ---

void World::read_segment(const std::string& path) {
  const Bytes bytes = must(read_file(path), "archive");
  const SegmentFile segment = must(decode_segment_file(bytes), path.c_str());
  const auto entries =
      must(split_entries(segment.entries, static_cast<std::size_t>(segment.end - segment.start)), path.c_str());
  for (const ByteView one : entries) {
    const Entry entry = must(decode_entry(one), path.c_str());
    if (const auto* message = std::get_if<Message>(&entry.body)) {
      Archived& same = archived_[std::string(message->payload.substr(0, 24))];
      ++same.all;
      same.flagged += message->possible_duplicate_of.has_value();
      ++archived_count_;
    }
  }
}

std::size_t World::archived_messages() {
  const std::string segments = archive_ + "/" + hex(view(sha256(kOrigin))) + "/segments";
  if (!std::filesystem::exists(segments)) return 0;
  for (const auto& file : std::filesystem::directory_iterator(segments)) {
    const std::string name = file.path().filename().string();
    if (file.path().extension() == ".seg" && name.front() != '.' && read_.insert(name).second)
      read_segment(file.path());
  }
  return archived_count_;
}

void World::drain() {
  online = true;
  if (collector_ == nullptr) start_collector();
  if (gateway_ == nullptr) start_gateway();
  if (!broker.connected()) broker.connect(*gateway_->queue);
  std::size_t wanted = 0;
  for (const auto& [payload, times] : broker.published()) wanted += times;
  const std::int64_t deadline = now_ns() + kDrainMs * 1000000;
  while (!broker.idle() || archived_messages() < wanted) {
    if (now_ns() > deadline)
      fail("not drained: " + std::to_string(archived_messages()) + " of " + std::to_string(wanted) +
           " messages are archived; forwarder: " + gateway_->forwarder->stats().last_trouble);
    sleep_ms(200);
  }
}

void World::check_archive() {
  archived_messages();
  // As docs/log.md §8 has it: nothing is lost, and what is there twice says so. Where nothing was released, the gateway
  // has all that a redelivery may be of, and nothing need be flagged.
  for (const auto& [payload, times] : broker.published()) {
    const Archived& have = archived_[payload.substr(0, 24)];
    if (have.all < times || have.all - have.flagged > times || (!released_ && have.flagged != 0))
      fail(sealring::quoted(payload.substr(0, 24)) + ": published " + std::to_string(times) + " times, archived " +
           std::to_string(have.all) + ", of which " + std::to_string(have.flagged) + " are flagged" +
           (released_ ? "" : " though nothing was released"));
  }
  for (const std::string& path : {archive_, store_}) {
    VerifyOptions options;
    options.path = path;
    options.policy = policy();
    options.anchors.push_back({{kOrigin, KeyType::ed25519, key_.public_key()}, genesis_});
    options.min_size = 1;
    const VerifyReport report = verify(options);
    // It ends in the middle of something: the witness is ahead of the archive, or the last receipt is on its way, which
    // is named. And a store may have released the entry that shows which log it is.
    const bool fine = report.verdict == Verdict::fine || report.verdict == Verdict::named;
    if (!fine && !(path == store_ && released_ && report.verdict == Verdict::unproven)) fail(report_text(report));
  }
}

}  // namespace sealring::sim
