#include "tests/torture/sim_world.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "crypto/checkpoint.h"
#include "crypto/sha256.h"
#include "drivers/file.h"
#include "gateway/incident.h"
#include "storage/journal_anew.h"

namespace sealring::sim {
namespace {

constexpr std::uint64_t kSmallRing = 24u << 20;
constexpr std::int64_t kCallTimeoutMs = 5000;
constexpr std::int64_t kBrokerMs = 3600000;
constexpr std::int64_t kStartMs = 600000, kStopMs = 600000, kDrainMs = 4 * 3600000,
                       kPatienceMs = 1800000;  // of the fake clock

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

}  // namespace

void fail(const std::string& words) {
  std::fprintf(stderr, "FAILED at %lld ms: %s\n", static_cast<long long>(now_ns() / 1000000), words.c_str());
  std::_Exit(1);
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
  const std::string name = payload.substr(0, kMarked);
  ++published_[name];
  order_.push_back(name);
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
  std::optional<RotationStatement> rotation;  // to be recorded
  std::vector<LogKey> keys;                   // of the log, the present one first
  Status refused;
  bool refused_by_ring = false;
  bool ready = false, told_to_stop = false, stopped = false;
};

World::World(const std::string& image, std::string folder, const Plan& plan, const Hash& genesis)
    : folder_(std::move(folder)),
      plan_(plan),
      first_(must(SoftwareSigner::from_seed(Bytes(32, 'i')), "key")),
      second_(must(SoftwareSigner::from_seed(Bytes(32, 'j')), "key")),
      genesis_(genesis),
      identity_(*first_),
      next_identity_(*second_),
      archive_(folder_ + "/archive"),
      read_(archive_ + "/" + hex(view(sha256(kOrigin)))) {
  store_ = folder_ + "/store-0";
  copy_sparse(image, store_);
  if (plan_.drop) shrink_ring(store_, kSmallRing);
  std::filesystem::create_directories(archive_);
  sim::start(new_life(), [this] { broker.run(); });
}

Policy World::policy() const {
  const auto line = [](const std::string& name, char fill) {
    return "witness " + name + " " +
           VerifierKey{name, KeyType::cosignature_v1, named_key(name, fill).signer->public_key()}.encode() + "\n";
  };
  return must(Policy::parse("log " + first_key().encode() + "\n" +
                            (plan_.rotation ? "log " + second_key().encode() + "\n" : "") + line("mirror", 'm') +
                            line("witness", 'w') + "group both all witness mirror\nquorum both\n"),
              "policy");
}

Recorder::Config World::recorder_config() const {
  Recorder::Config config;
  config.segment_entries = 10 + random_below(60);
  config.segment_age = std::chrono::seconds(1 + random_below(30));
  config.heartbeat = std::chrono::seconds(5 + random_below(60));
  config.commit_interval = std::chrono::milliseconds(chance(50) ? 0 : random_below(20));
  if (plan_.drop) {
    config.drop_oldest = true;
    config.mirror = "mirror";
    config.segment_entries = 600 + random_below(700);
    config.segment_bytes = kSmallRing;
    config.segment_age = std::chrono::minutes(10);
  }
  return config;
}

// As load_identity() has it.
Result<IdentitySigners> World::signers(Gateway& g) {
  SEALRING_TRY(finish_rotation(store_, kOrigin, entries_of(*g.ring)));
  SEALRING_ASSIGN(const StoreIdentity log, store_identity(store_, kOrigin, entries_of(*g.ring)));
  const bool rotated = log.pending || (log.key && *log.key == second_->public_key());
  if (rotation_prepared_ && !rotated) fail("the store has forgotten the rotation");
  if (!rotated) {
    g.keys = {{first_key()}};
    if (plan_.rotation) g.keys.push_back({second_key()});
    return IdentitySigners(identity_);
  }
  IdentitySigners out(next_identity_);
  out.since = log.pending ? IdentitySigners::kNotYet : log.since;
  g.rotation = log.pending;
  g.keys = {{second_key()}, {first_key(), log.pending ? UINT64_MAX : log.since}};
  const auto all = g.ring->segments();
  const auto waits = [&log](const Segment& one) { return one.note.empty() && one.start < log.since; };
  if (!log.pending && chance(30) && std::none_of(all.begin(), all.end(), waits)) overlap_is_over_ = true;
  if (!overlap_is_over_) out.previous = &identity_;
  return out;
}

Status World::open_gateway(Gateway& g, const Recorder::Config& config) {
  auto opened = Ring::open({store_});
  g.refused_by_ring = !opened;
  if (!opened) return opened.error();
  g.ring = std::move(opened).value();
  SEALRING_ASSIGN(const IdentitySigners identity, signers(g));
  g.epochs = std::make_unique<EpochKeys>(store_);
  g.queue = std::make_unique<RecordQueue>(256u << 10);
  g.recorder = std::make_unique<Recorder>(config, *g.ring, identity, *g.epochs, clock_, *g.queue);
  g.recorder->set_release([this, &g](std::uint32_t, std::uint64_t connection, std::uint64_t tag) {
    if (gateway_.get() == &g) broker.released(connection, tag);
  });
  g.recorder->hold_signatures(true);
  SEALRING_TRY(g.recorder->open());
  if (std::exchange(journal_lost_, false) && g.ring->contents().incident.empty())
    fail("a start without a journal says nothing");
  tell_incident(*g.recorder, g.alarms, *g.ring, store_);
  if (!g.rotation) return {};
  rotation_recorded_ = true;
  return g.recorder->set_rotation(g.rotation->rotation, [&g, store = store_](std::uint64_t index) {
    return put_recorded_rotation(store, index, *g.rotation);
  });
}

void World::run_gateway(const std::shared_ptr<Gateway>& g, const Recorder::Config& config) {
  g->refused = open_gateway(*g, config);
  if (!g->refused.ok()) {
    g->recorder.reset();
    g->ring.reset();
    g->stopped = true;
    return;
  }
  g->client = std::make_unique<Client>(*this);
  Forwarder::Config forward;
  forward.identity = g->keys;
  forward.mirror = "mirror";
  forward.policy = policy();
  forward.needs_skip = config.drop_oldest;
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
}

void World::start_gateway() {
  for (;;) {
    const auto g = std::make_shared<Gateway>();
    gateway_ = g;
    gateway_life_ = new_life();
    const Recorder::Config config = recorder_config();
    sim::start(gateway_life_, [this, g, config] { run_gateway(g, config); });
    if (!wait_until([&] { return g->ready || g->stopped; }, kStartMs)) fail("the gateway does not start");
    if (g->ready) break;
    // Only for damage, and then nothing was changed; mended, it starts.
    const std::string words = g->refused.error().message;
    if (!flipped_ || words.empty()) fail("the gateway does not start: " + words);
    if (g->refused_by_ring && hashes_of_files(store_) != flipped_files_) fail("a refused start has changed the store");
    if (!flipped_->is_there(store_)) fail("a refused start has moved what is damaged: " + words);
    ++refused_;
    heal();
  }
  broker.connect(*gateway_->queue);
}

std::size_t World::losses() const { return gateway_ ? gateway_->ring->losses().size() : 0; }

// Of two histories nothing must ever be heard, and no key gets lost.
void World::look_at_alarms() {
  const auto begun = gateway_->alarms.begun();
  for (const char* kind : {kAlarmFork, kAlarmRollback, kAlarmClosed, kAlarmKeyLost}) {
    const auto one = begun.find(kind);
    if (one != begun.end() && one->second > 0) fail(std::string("a false alarm: ") + kind);
  }
}

bool World::rotation_is_due() const { return must(pending_rotation(store_, kOrigin), "rotation").has_value(); }

void World::prepare_rotation() {
  if (std::exchange(rotation_prepared_, true)) return;
  must(put_pending_rotation(store_, must(RotationStatement::make(kOrigin, *first_, *second_), "rotation")), "rotation");
}

void World::do_damage() {
  if (plan_.damage == Plan::Damage::journal) {
    for (const auto& [name, times] : lose_journal(store_, folder_ + "/copy")) may_lack_[name] += times;
    ++journals_lost_;
    journal_lost_ = true;
  }
  if (plan_.damage != Plan::Damage::bit) return;
  if (!flipped_ || !flipped_->is_there(store_)) {
    flipped_ = FlippedBit::flip(store_);
    bits_flipped_ += flipped_.has_value();
  }
  if (flipped_) flipped_files_ = hashes_of_files(store_);
}

void World::heal() {
  if (flipped_ && flipped_->is_there(store_)) flipped_->flip_back(store_);
  flipped_.reset();
}

void World::stop_gateway() {
  look_at_alarms();
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
  look_at_alarms();
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
    log.key = first_key();
    if (plan_.rotation) log.later = {second_key()};
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

void World::drain(std::string last) {
  online = true;
  if (collector_ == nullptr) start_collector();
  if (gateway_ == nullptr) start_gateway();
  if (!broker.connected()) broker.connect(*gateway_->queue);
  const std::string name = last.substr(0, kMarked);
  broker.publish(std::move(last));
  const std::int64_t deadline = now_ns() + kDrainMs * 1000000;
  const std::int64_t patience = now_ns() + kPatienceMs * 1000000;
  for (read_.read(); !broker.idle() || !read_.has(name); read_.read()) {
    if (now_ns() > deadline)
      fail("not drained; " + std::to_string(read_.messages().size()) + " kinds of messages of " +
           std::to_string(broker.published().size()) +
           " are archived; forwarder: " + gateway_->forwarder->stats().last_trouble);
    // Damage in what was not forwarded yet, or in the bundle within which what the collector has ends.
    const std::string trouble = gateway_->forwarder->stats().last_trouble;
    const bool waits = trouble.find("is damaged") != std::string::npos;
    if (trouble.find("collector answered") != std::string::npos) fail("the collector refuses what goes up: " + trouble);
    if (flipped_ && (waits || now_ns() > patience)) {
      const auto losses = gateway_->ring->losses();
      const bool recorded = std::any_of(losses.begin(), losses.end(), [](const LossRecord& l) { return l.damaged; });
      stop_gateway();
      if (!recorded && !flipped_->is_there(store_)) fail("it waits, and not at damage");
      ++mended_;
      heal();
      start_gateway();
    }
    sleep_ms(200);
  }
}

// As docs/log.md §8 has it: nothing is lost, and what is there twice says so. Where nothing was released, or is
// missing, the gateway has all that a redelivery may be of, and nothing need be flagged.
void World::check_messages() {
  read_.read();
  for (const auto& [name, have] : read_.messages())
    if (broker.published().count(name) == 0) fail(sealring::quoted(name) + ": archived, and never published");
  const bool whole = !released_ && !plan_.drop && plan_.damage == Plan::Damage::none;
  if (!plan_.drop && bits_flipped_ == 0 && read_.losses() != 0) fail("something was dropped");
  if (!plan_.drop && !read_.only_damage()) fail("something was dropped that was not damaged");
  const std::set<std::string> dropped = read_.dropped(broker.order());
  for (const auto& [name, times] : broker.published()) {
    const auto found = read_.messages().find(name);
    const auto have = found == read_.messages().end() ? ArchiveReading::Archived() : found->second;
    const std::size_t gone = may_lack_[name] + dropped.count(name);
    if (have.all + gone < times || have.all - have.flagged > times || (whole && have.flagged != 0))
      fail(sealring::quoted(name) + ": published " + std::to_string(times) + " times, archived " +
           std::to_string(have.all) + ", of which " + std::to_string(have.flagged) + " are flagged; " +
           std::to_string(gone) + " were dropped, or lost with the journal");
  }
  if (journals_lost_ > 0 && read_.damage_alarms() == 0) fail("the log does not say that a journal was lost");
  if (std::filesystem::exists(store_ + kSilentFile)) fail("the identity is silent though the collector has answered");
}

std::string World::story() const {
  std::size_t lost = 0;
  for (const auto& one : may_lack_) lost += one.second;
  return std::to_string(read_.losses()) + " drops; " + (rotation_recorded_ ? "rotated; " : "") +
         std::to_string(journals_lost_) + " journals lost with " + std::to_string(lost) + " messages; " +
         std::to_string(bits_flipped_) + " bits flipped, " + std::to_string(refused_) + " starts refused for it, " +
         std::to_string(mended_) + " waits of the forwarder";
}

VerifyReport World::verified(const std::string& path) const {
  VerifyOptions options;
  options.path = path;
  options.policy = policy();
  options.anchors.push_back({first_key(), genesis_});
  options.min_size = 1;
  return verify(options);
}

void World::check_archive() {
  heal();
  check_messages();
  const auto is_good = [](const VerifyReport& report) {
    return report.verdict == Verdict::fine || report.verdict == Verdict::named;
  };
  // It ends in the middle of something: the witness is ahead of the archive, or the last receipt is on its way, which
  // is named. And a store may have released the entry that shows which log it is.
  const VerifyReport archive = verified(archive_), store = verified(store_);
  if (!is_good(archive)) fail(report_text(archive));
  if (!is_good(store) && !(released_ && store.verdict == Verdict::unproven)) fail(report_text(store));
  read_.compare(archive.logs.at(0).losses);
  if (rotation_recorded_ && archive.logs.at(0).rotations.size() != 1) fail("the archive has no rotation");
}

}  // namespace sealring::sim
