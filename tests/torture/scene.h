// Scenes: what a gateway does while it is recorded, each with the path of the code that it is about.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "gateway/config.h"
#include "gateway/identity_key.h"
#include "gateway/recorder.h"
#include "tests/torture/trace.h"

namespace sealring::torture {

const std::string kTortureOrigin = "example.com/torture/gw";
constexpr std::uint64_t kTortureRingBytes = 64u << 20;

struct Scene {
  const char* name;
  const char* about;
  unsigned share;  // of the states, in parts
  void (*play)(const std::string& root, int trace);
};
const std::vector<Scene>& scenes();

class StillClock final : public Clock {
 public:
  ClockReading now() const override {
    return {1700000000000000000 + static_cast<std::int64_t>(++ticks_), ticks_, true};
  }

 private:
  mutable std::atomic<std::uint64_t> ticks_{0};
};

// Marks, before it hands out a signature, what is signed.
class MarkingSigner final : public Signer {
 public:
  explicit MarkingSigner(Signer& key) : key_(key) {}
  const PublicKey& public_key() const override { return key_.public_key(); }
  Result<Signature> sign(ByteView message) override;

 private:
  Signer& key_;
};

// A ring that marks what it is asked for, and what it has promised.
class MarkingRing final : public Ring {
 public:
  explicit MarkingRing(std::unique_ptr<Ring> ring) : ring_(std::move(ring)) {}
  const Contents& contents() const override { return ring_->contents(); }
  Status append(const Frame& frame, const CompactRange& range, const std::vector<TreeNode>& nodes) override;
  Status make_room(std::uint64_t bytes, std::uint64_t count) override { return ring_->make_room(bytes, count); }
  Status drop(const LossRecord& loss, const Frame& frame, const CompactRange& range,
              const std::vector<TreeNode>& nodes) override;
  std::vector<LossRecord> losses() const override { return ring_->losses(); }
  Status close_segment(std::int64_t wall_ns) override;
  Status attach_note(std::uint64_t segment, ByteView note) override { return ring_->attach_note(segment, note); }
  Status acknowledge(std::uint64_t segment, ByteView note) override;
  Status move() override { return ring_->move(); }
  const std::string& origin() const override { return ring_->origin(); }
  std::uint64_t size() const override { return ring_->size(); }
  Result<Bytes> entries(std::uint64_t first, std::size_t count) const override { return ring_->entries(first, count); }
  Result<Hash> node(int level, std::uint64_t start) const override { return ring_->node(level, start); }
  std::vector<Segment> segments() const override { return ring_->segments(); }
  Usage usage() const override { return ring_->usage(); }
  Result<std::uint64_t> check_bundle(std::uint64_t bundle) const override { return ring_->check_bundle(bundle); }
  Result<std::optional<DamagedBundle>> damaged_bundle(std::uint64_t bundle) const override {
    return ring_->damaged_bundle(bundle);
  }
  Status reread() override { return ring_->reread(); }
  void lend_reserve(bool lend) override { ring_->lend_reserve(lend); }
  std::function<void()> before_close;                   // a segment
  std::function<void(std::size_t bytes)> after_append;  // of so many bytes of entries

 private:
  std::unique_ptr<Ring> ring_;
};
void mark_attempt(const Frame& frame);
void mark_number(Mark kind, std::uint64_t number);

// A gateway in `root`, fed by hand. Every trouble ends the process: a scene has none.
class Bench {
 public:
  // `recorded`: another process began the recording, and was killed.
  Bench(std::string root, int trace, unsigned seed, bool recorded = false);
  ~Bench();

  std::string root, store;
  Recorder::Config config;
  int incidents = 0;   // that the store told of, at starts
  bool early = false;  // checkpoints within the open segment

  void create();  // as `sealring init` does
  // Cuts the file of the ring, which must be nearly empty, and tells LMDB: so that it is full soon.
  void shrink(std::uint64_t bytes);
  // Bits of the ring's younger meta page, where it names the root of its records.
  void damage_meta();
  void record();  // a crash may come from here on
  void start();
  void stop();
  // One message of so many bytes, and waits until it is acknowledged.
  void message(std::size_t bytes) { messages(1, bytes); }
  void messages(std::size_t count, std::size_t bytes);  // together
  void receipt_all();                                   // and waits until they are in the ring
  void wait_signed();

  StillClock clock;
  GatewayConfig gateway;  // whose key files are in `root`
  std::unique_ptr<MarkingRing> ring;
  std::unique_ptr<EpochKeys> epochs;
  std::unique_ptr<Recorder> recorder;

 private:
  template <class Condition>
  void wait_for(Condition&& condition);

  const int trace_;
  std::minstd_rand random_;
  GatewayIdentity identity_;
  std::unique_ptr<MarkingSigner> marking_, marking_previous_;
  std::unique_ptr<RecordQueue> queue_;
  std::thread thread_;
  std::uint64_t tag_ = 0, connection_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t released_ = 0, news_ = 0;
};

}  // namespace sealring::torture
