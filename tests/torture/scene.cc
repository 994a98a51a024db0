#include "tests/torture/scene.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "crypto/checkpoint.h"
#include "crypto/sha256.h"
#include "drivers/file.h"
#include "drivers/key_file.h"
#include "gateway/alarm_kinds.h"
#include "gateway/follower.h"
#include "gateway/incident.h"
#include "gateway/init.h"
#include "gateway/uplink.h"

namespace sealring::torture {
namespace {

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "scene: %s\n", result.error().message.c_str());
    std::abort();
  }
  return std::move(result).value();
}

void must(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "scene: %s\n", status.error().message.c_str());
  std::abort();
}

}  // namespace

void mark_number(Mark kind, std::uint64_t number) {
  Bytes bytes;
  put_u64(bytes, number);
  put_mark(kind, bytes);
}

void mark_attempt(const Frame& frame) {
  put_mark(Mark::attempt, encode_frame_header(frame.header, frame.entries.size()) + frame.entries);
}

Result<Signature> MarkingSigner::sign(ByteView message) {
  if (const auto checkpoint = Checkpoint::parse(message)) {
    Bytes bytes;
    put_u64(bytes, checkpoint->size);
    bytes += view(checkpoint->root);
    put_mark(Mark::checkpoint, bytes);
  }
  return key_.sign(message);
}

Status MarkingRing::append(const Frame& frame, const CompactRange& range, const std::vector<TreeNode>& nodes) {
  mark_attempt(frame);
  SEALRING_TRY(ring_->append(frame, range, nodes));
  mark_number(Mark::durable, frame.header.end());
  if (after_append) after_append(frame.entries.size());
  return {};
}

Status MarkingRing::drop(const LossRecord& loss, const Frame& frame, const CompactRange& range,
                         const std::vector<TreeNode>& nodes) {
  mark_attempt(frame);
  SEALRING_TRY(ring_->drop(loss, frame, range, nodes));
  mark_number(Mark::durable, frame.header.end());
  return {};
}

Status MarkingRing::close_segment(std::int64_t wall_ns) {
  const Segment open = ring_->segments().back();
  if (before_close) before_close();
  SEALRING_TRY(ring_->close_segment(wall_ns));
  Bytes bytes;
  put_u64(bytes, open.number);
  put_u64(bytes, open.start);
  put_u64(bytes, open.end);
  put_mark(Mark::closed, bytes);
  return {};
}

Status MarkingRing::acknowledge(std::uint64_t segment, ByteView note) {
  Bytes bytes;
  put_u64(bytes, segment);
  for (const Segment& s : ring_->segments())
    if (s.number == segment) put_u64(bytes, s.end);
  put_mark(Mark::acknowledge, bytes);
  SEALRING_TRY(ring_->acknowledge(segment, note));
  mark_number(Mark::acknowledged, segment);
  return {};
}

// --- Bench ---

Bench::Bench(std::string root_folder, int trace, unsigned seed, bool recorded)
    : root(std::move(root_folder)), store(root + "/store"), trace_(trace), random_(seed) {
  config.heartbeat = std::chrono::hours(1);
  config.segment_age = std::chrono::hours(1);
  gateway.origin = kTortureOrigin;
  gateway.store = store;
  gateway.identity_key = root + "/identity.key";
  sealring_tap_record(recorded ? root.c_str() : "/nowhere", trace_, recorded);
}

Bench::~Bench() {
  if (thread_.joinable()) stop();
}

void Bench::create() {
  must(init_gateway({root, kTortureOrigin, kTortureRingBytes, "sealring torture"}, clock));
  Frame genesis;
  {
    const auto opened = must(Ring::open({store}));
    genesis.header = opened->contents().last;
    genesis.entries = must(opened->entries(0, 1));
  }
  mark_attempt(genesis);
  mark_number(Mark::durable, 1);
  put_mark(Mark::created, kTortureOrigin);
}

void Bench::shrink(std::uint64_t bytes) {
  const std::string path = store + "/ring.lmdb";
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  // Page header of 16 bytes, magic, version, address: then the size of the map, in both meta pages.
  for (const off_t page : {0, 4096})
    SEALRING_ASSERT(fd >= 0 && ::pwrite(fd, &bytes, sizeof bytes, page + 16 + 4 + 4 + 8) == sizeof bytes);
  SEALRING_ASSERT(::ftruncate(fd, static_cast<off_t>(bytes)) == 0);
  ::close(fd);
}

void Bench::damage_meta() {
  constexpr off_t kTransaction = 16 + 8 + 8 + 8 + 2 * 48 + 8, kRoot = 16 + 8 + 8 + 8 + 48 + 40;  // in the page
  const int fd = ::open((store + "/ring.lmdb").c_str(), O_RDWR | O_CLOEXEC);
  std::uint64_t transactions[2] = {0, 0};
  for (const off_t page : {0, 1}) SEALRING_ASSERT(::pread(fd, &transactions[page], 8, page * 4096 + kTransaction) == 8);
  const std::uint64_t nowhere = 0x7fffffff;
  const off_t younger = transactions[1] > transactions[0] ? 4096 : 0;
  SEALRING_ASSERT(::pwrite(fd, &nowhere, sizeof nowhere, younger + kRoot) == sizeof nowhere);
  ::close(fd);
}

void Bench::record() {
  record_files(root, trace_);
  put_mark(Mark::begin, {});
}

void Bench::start() {
  ring = std::make_unique<MarkingRing>(must(Ring::open({store})));
  epochs = std::make_unique<EpochKeys>(store);
  queue_ = std::make_unique<RecordQueue>(64u << 20);
  must(finish_rotation(store, kTortureOrigin, entries_of(*ring)));
  identity_ = must(load_identity(gateway, "", *ring));
  marking_ = std::make_unique<MarkingSigner>(*identity_.current);
  IdentitySigners signers(*marking_);
  if (identity_.previous) {
    marking_previous_ = std::make_unique<MarkingSigner>(*identity_.previous);
    signers.previous = marking_previous_.get();
  }
  signers.since = identity_.rotation ? IdentitySigners::kNotYet : identity_.since;
  recorder = std::make_unique<Recorder>(config, *ring, signers, *epochs, clock, *queue_);
  recorder->set_release([this](std::uint32_t, std::uint64_t connection, std::uint64_t tag) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (connection != connection_) return;
    if (tag > released_) mark_number(Mark::released, tag - released_);
    released_ = tag;
    changed_.notify_all();
  });
  const auto news = [this] {
    std::lock_guard<std::mutex> lock(mutex_);
    ++news_;
    changed_.notify_all();
  };
  recorder->set_on_segments(news);
  recorder->set_on_commit([news](std::int64_t) { news(); });
  if (early) recorder->set_early({[] { return true; }, [](std::uint64_t, Bytes) {}});
  must(recorder->open());
  incidents += !ring->contents().incident.empty();
  Alarms alarms(gateway_alarm_kinds());
  tell_incident(*recorder, alarms, *ring, store);
  if (identity_.rotation)
    must(recorder->set_rotation(identity_.rotation->rotation, [this](std::uint64_t index) {
      return put_recorded_rotation(store, index, *identity_.rotation);
    }));
  tag_ = released_ = 0;
  ++connection_;
  thread_ = std::thread([this] { must(recorder->run()); });
  SourceItem item;
  item.type = SourceItem::Type::connected;
  item.connection = connection_;
  item.session_present = connection_ > 1;
  item.protocol = 5;
  queue_->put(std::move(item));
}

void Bench::stop() {
  queue_->close();
  thread_.join();
  recorder.reset();
  ring.reset();
}

template <class Condition>
void Bench::wait_for(Condition&& condition) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (changed_.wait_for(lock, std::chrono::seconds(60), condition)) return;
  std::fprintf(stderr, "scene: waited in vain\n");
  std::abort();
}

void Bench::messages(std::size_t count, std::size_t bytes) {
  std::vector<SourceItem> items(count);
  for (SourceItem& item : items) {
    item.connection = connection_;
    item.tag = ++tag_;
    item.topic = "plant/line1/temp";
    item.payload.resize(bytes);
    for (char& c : item.payload) c = static_cast<char>(random_());
    item.payload_bytes = bytes;
    item.qos = 1;
    item.packet_id = static_cast<std::uint16_t>(tag_ % 60000 + 1);
  }
  queue_->put_all(std::move(items));
  wait_for([this] { return released_ >= tag_; });
}

void Bench::wait_signed() {
  wait_for([this] {
    for (const Segment& s : ring->segments())
      if (s.state == SegmentState::sealed && s.note.empty()) return false;
    return true;
  });
}

void Bench::receipt_all() {
  wait_signed();
  std::uint64_t last = 0;
  for (const Segment& s : ring->segments())
    if (s.state == SegmentState::sealed && !s.note.empty()) queue_->put_receipt({s.number, s.note}), last = s.number;
  wait_for([this, last] {
    for (const Segment& s : ring->segments())
      if (s.state == SegmentState::sealed && s.number <= last) return false;
    return true;
  });
}

// --- the scenes ---

namespace {

// Frames through both halves of the journal and round again, of all sizes below the largest; two stops.
void journal_scene(const std::string& root, int trace) {
  Bench bench(root, trace, 1);
  bench.create();
  bench.record();
  bench.start();
  for (int i = 0; i < 20; ++i) bench.message(i % 3 == 0 ? 46000 : 30000);
  bench.stop();
  bench.start();
  for (int i = 0; i < 70; ++i) bench.message(i % 7 == 0 ? 20 : i % 5 == 0 ? 3000 : 44000);
  bench.messages(30, 100);
  SEALRING_ASSERT(bench.ring->usage().moves >= 2);  // besides those of start and stop
  bench.stop();
  bench.start();
  for (int i = 0; i < 20; ++i) bench.message(47000);
  bench.stop();
}

// Seals after every few messages, with receipts, checkpoints within segments and two stops.
void seals_scene(const std::string& root, int trace) {
  Bench bench(root, trace, 2);
  bench.config.segment_entries = 6;
  bench.config.heartbeat = std::chrono::milliseconds(30);
  bench.early = true;
  bench.create();
  bench.record();
  for (int round = 0; round < 3; ++round) {
    bench.start();
    for (int i = 0; i < 20; ++i) {
      bench.message(100 + static_cast<std::size_t>(i));
      if (i == 12) bench.receipt_all();
    }
    bench.stop();
  }
}

// Frames that bypass the journal, between small ones.
void large_scene(const std::string& root, int trace) {
  Bench bench(root, trace, 3);
  bench.config.segment_bytes = 2500000;
  bench.create();
  bench.record();
  bench.start();
  for (const std::size_t bytes : {100, 70000, 100, 100, 300000, 66000, 66000, 40000, 1000000, 100, 500000, 50}) {
    bench.message(bytes);
  }
  bench.stop();
  bench.start();
  for (const std::size_t bytes : {200000, 66000, 100}) bench.message(bytes);
  bench.stop();
}

// From an empty folder on: `sealring init`, the first start.
void init_scene(const std::string& root, int trace) {
  Bench bench(root, trace, 4);
  bench.record();
  bench.create();
  bench.start();
  bench.message(100);
  bench.stop();
}

// A small ring that wraps: what is receipted goes when room is needed.
void release_scene(const std::string& root, int trace) {
  Bench bench(root, trace, 5);
  bench.config.segment_bytes = 1u << 20;
  bench.create();
  bench.shrink(24u << 20);
  bench.start();
  for (int i = 0; i < 10; ++i) {
    bench.messages(256, 4000);
    bench.receipt_all();
  }
  bench.stop();
  bench.record();
  bench.start();
  const std::uint64_t before = bench.ring->usage().first_index;
  for (int i = 0; i < 14; ++i) {
    if (i % 5 == 0)
      bench.messages(8, 40000);
    else
      bench.messages(i % 3 == 1 ? 10 : 100, 4000);
    bench.message(200);
    bench.receipt_all();
  }
  SEALRING_ASSERT(bench.ring->usage().first_index >= before + 2 * kBundleEntries);
  bench.stop();
}

// Another identity key, with an overlap.
void rotation_scene(const std::string& root, int trace) {
  Bench bench(root, trace, 6);
  bench.config.segment_entries = 8;
  bench.create();
  bench.start();
  for (int i = 0; i < 5; ++i) bench.message(100);
  bench.stop();
  const auto first = must(load_key_file(bench.gateway.identity_key));
  const auto next = must(SoftwareSigner::generate());
  must(create_key_file(root + "/next.key", kTortureOrigin, *next));
  bench.record();
  must(put_pending_rotation(bench.store, must(RotationStatement::make(kTortureOrigin, *first.signer, *next))));
  put_mark(Mark::rotating, {});
  bench.gateway.identity_key = root + "/next.key";
  bench.gateway.previous_identity_key = root + "/identity.key";
  for (int round = 0; round < 2; ++round) {
    bench.start();
    for (int i = 0; i < 15; ++i) bench.message(100);
    bench.stop();
  }
}

// A log that takes the place of one whose store is known to be an old copy.
void follower_scene(const std::string& root, int trace) {
  Bench bench(root, trace, 7);
  bench.config.segment_entries = 20;
  bench.create();
  bench.start();
  for (int i = 0; i < 30; ++i) bench.message(i == 7 ? 70000 : 100);
  bench.stop();
  const auto ring = must(Ring::open({bench.store}));
  const auto identity = must(load_identity(bench.gateway, "", *ring));
  Head proof;
  proof.checkpoint = {kTortureOrigin, ring->size() + 5, sha256("what somebody else has")};
  proof.note = must(sign_checkpoint(proof.checkpoint, *identity.current)).encode();
  proof.contradicts = true;
  must(replace_file(bench.store + "/" + kRollbackFile, proof.note));
  bench.record();
  put_mark(Mark::following, {});
  must(make_follower(bench.gateway, "", identity, proof, *ring, bench.clock, [] { return Status(); }));
  put_mark(Mark::followed, {});
}

void kill_self() { ::kill(::getpid(), SIGKILL); }

// `play` in a process of its own, which must end by a kill.
template <class Play>
void until_killed(Play&& play) {
  const pid_t child = ::fork();
  SEALRING_ASSERT(child >= 0);
  if (child == 0) {
    play();
    ::_exit(1);
  }
  int status = 0;
  SEALRING_ASSERT(::waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

// Kills and starts: what only the journal has goes into the ring, seals that were cut short are finished. What a killed
// process did not sync may be lost by a power cut long after.
void kills_scene(const std::string& root, int trace) {
  until_killed([&] {  // a large frame is in the ring, and what the journal says of it not synced
    Bench bench(root, trace, 8);
    bench.create();
    bench.record();
    bench.start();
    for (int i = 0; i < 10; ++i) bench.message(9000);
    bench.ring->after_append = [](std::size_t bytes) {
      if (bytes > 90000) kill_self();
    };
    bench.message(100000);
  });
  until_killed([&] {  // the handover is in the journal, and its segment not closed
    Bench bench(root, trace, 9, true);
    bench.config.segment_entries = 40;
    bench.start();
    bench.ring->before_close = kill_self;
    for (int i = 0; i < 60; ++i) bench.message(3000);
  });
  until_killed([&] {  // a frame is in the journal, and nobody was told
    Bench bench(root, trace, 10, true);
    bench.config.segment_entries = 40;
    bench.start();
    for (int i = 0; i < 10; ++i) bench.message(300);
    bench.ring->after_append = [](std::size_t) { kill_self(); };
    bench.message(300);
  });
  Bench bench(root, trace, 11, true);
  bench.config.segment_entries = 5;
  bench.start();
  for (int i = 0; i < 10; ++i) bench.message(300);
  bench.stop();
}

// A start that finds the younger meta page of the ring damaged, and goes on from the one before.
void damage_scene(const std::string& root, int trace) {
  Bench bench(root, trace, 12);
  bench.config.segment_entries = 30;
  bench.create();
  bench.start();
  for (int i = 0; i < 50; ++i) bench.message(200);
  bench.stop();
  bench.damage_meta();
  bench.record();
  put_mark(Mark::damaged, {});
  bench.start();
  for (int i = 0; i < 5; ++i) bench.message(200);
  bench.stop();
  SEALRING_ASSERT(bench.incidents == 1);
}

// A start that finds no journal, and goes on from the ring, which has all.
void lost_journal_scene(const std::string& root, int trace) {
  Bench bench(root, trace, 13);
  bench.config.segment_entries = 30;
  bench.create();
  bench.start();
  for (int i = 0; i < 50; ++i) bench.message(200);
  bench.stop();
  std::filesystem::remove(bench.store + "/journal");
  bench.record();
  put_mark(Mark::damaged, {});
  bench.start();
  for (int i = 0; i < 5; ++i) bench.message(200);
  bench.stop();
  SEALRING_ASSERT(bench.incidents == 1);
}

// A start whose epoch key is lost.
void break_scene(const std::string& root, int trace) {
  Bench bench(root, trace, 9);
  bench.config.segment_entries = 10;
  bench.create();
  bench.start();
  for (int i = 0; i < 15; ++i) bench.message(100);
  bench.stop();
  must(EpochKeys(bench.store).erase_before(UINT64_MAX));
  bench.record();
  put_mark(Mark::breaking, {});
  bench.start();
  for (int i = 0; i < 15; ++i) bench.message(100);
  bench.stop();
}

// A small ring that nobody receipts: the oldest is dropped, several times, with the loss entry and the seal that
// follows.
void drop_scene(const std::string& root, int trace) {
  Bench bench(root, trace, 12);
  bench.config.segment_bytes = 3u << 20;  // two bundles of these that can go
  bench.config.drop_oldest = true;
  bench.create();
  bench.shrink(24u << 20);
  bench.start();
  for (int i = 0; i < 100 && bench.ring->losses().empty(); ++i) bench.messages(100, 4000);
  bench.stop();
  bench.record();
  put_mark(Mark::dropping, {});
  bench.start();
  const std::size_t before = bench.ring->losses().size();
  for (int i = 0; i < 100 && bench.ring->losses().size() < before + 3; ++i) {
    bench.messages(60, 4000);
    bench.message(i % 3 == 0 ? 70000 : 200);
  }
  SEALRING_ASSERT(before > 0 && bench.ring->losses().size() >= before + 3);
  bench.stop();
}

}  // namespace

const std::vector<Scene>& scenes() {
  static const std::vector<Scene> all = {
      {"journal", "frames through the journal, its halves, the moves into the ring, two stops", 6, journal_scene},
      {"seals", "handovers with their key files, signatures, receipts, checkpoints, two stops", 8, seals_scene},
      {"large", "frames that bypass the journal", 4, large_scene},
      {"init", "from nothing to the first start", 2, init_scene},
      {"release", "a ring that wraps", 2, release_scene},
      {"drop", "a ring that is full of what nobody receipts, and drops it", 2, drop_scene},
      {"rotation", "another identity key", 2, rotation_scene},
      {"kills", "kills in the middle of things, each with the start after it", 3, kills_scene},
      {"damage", "a start that finds a damaged meta page", 2, damage_scene},
      {"lost_journal", "a start that finds no journal", 2, lost_journal_scene},
      {"break", "a start whose epoch key is lost", 2, break_scene},
      {"follower", "another log in the place of an old copy", 1, follower_scene},
  };
  return all;
}

}  // namespace sealring::torture
