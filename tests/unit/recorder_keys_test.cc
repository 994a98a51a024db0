// The recorder and its keys: an identity that is away, an epoch key that is lost.
#include <filesystem>

#include "tests/unit/recorder_fixture.h"

using namespace sealring;
using namespace sealring::test;

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
  const auto wait_trouble = [&] {
    if (mode != Mode::away) return;
    g.wait_for([&] { return g.recorder->stats().identity.trouble.find("the token is gone") != std::string::npos; });
  };
  wait_trouble();
  if (restarted) {
    g.stop();
    CHECK(g.verified().verdict == Verdict::named);  // sound, with segments that are not signed yet
    g.token.set(mode);                              // for a stop wakes what hangs
    g.start();
    CHECK(g.sealed(true) == signed_before);
    wait_trouble();
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

TEST_CASE("recorder: an early checkpoint that waits for the token is no segment that does") {
  Gateway g;
  g.config.heartbeat = 50ms;
  g.token.set(TokenSigner::Mode::away);
  g.before_run = [&g] { g.recorder->set_early({[] { return true; }, [](std::uint64_t, const Bytes&) {}}); };
  g.start();
  g.connect(false);
  g.message("t", "x", 1);
  g.wait_for([&] { return g.recorder->stats().identity.early == 1; });
  g.wait_for([&] { return !g.recorder->stats().identity.trouble.empty(); });
  CHECK(g.recorder->stats().identity.waiting == 0);
  CHECK(g.sealed(false) == 0);
  CHECK(g.recorder->stats().identity.latency.total() == 0);
  g.token.set(TokenSigner::Mode::there);
  g.wait_for([&] { return g.recorder->stats().identity.latency.total() > 0; });
  g.wait_for([&] { return g.recorder->stats().identity.trouble.empty(); });
}

TEST_CASE("recorder: a ring that is full of unsigned segments goes on when the token is back") {
  Gateway g;
  g.config.segment_bytes = 4u << 20;
  g.token.set(TokenSigner::Mode::away);
  g.start();
  g.connect(false);
  const std::uint16_t id = g.fill();
  CHECK(g.sealed(true) == 0);
  g.token.set(TokenSigner::Mode::there);
  g.wait_signed();
  g.receipt_all();
  g.wait_released(id);
  g.stop();
}

TEST_CASE("recorder: a foreign epoch key is refused with words") {
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
  CHECK_THAT(open().error().message, Catch::Matchers::Contains("holds another key than the log names"));
}

namespace {

// Does not survive the close of a segment: like a kill after a durable handover.
class DiesAtClose final : public Ring {
 public:
  explicit DiesAtClose(std::unique_ptr<Ring> ring) : ring_(std::move(ring)) {}
  Status close_segment(std::int64_t) override { return fatal_error("killed"); }
  const Contents& contents() const override { return ring_->contents(); }
  Status append(const Frame& frame, const CompactRange& range, const std::vector<TreeNode>& nodes) override {
    return ring_->append(frame, range, nodes);
  }
  Status make_room(std::uint64_t bytes, std::uint64_t count) override { return ring_->make_room(bytes, count); }
  Status drop(const LossRecord& loss, const Frame& frame, const CompactRange& range,
              const std::vector<TreeNode>& nodes) override {
    return ring_->drop(loss, frame, range, nodes);
  }
  std::vector<LossRecord> losses() const override { return ring_->losses(); }
  Status attach_note(std::uint64_t segment, ByteView note) override { return ring_->attach_note(segment, note); }
  Status acknowledge(std::uint64_t segment, ByteView note) override { return ring_->acknowledge(segment, note); }
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
  void lend_reserve(bool lend) override { ring_->lend_reserve(lend); }
  Status reread() override { return ring_->reread(); }

 private:
  std::unique_ptr<Ring> ring_;
};

}  // namespace

TEST_CASE("recorder: a seal, or a break, that a kill cut short is finished at the next start") {
  const bool lost = GENERATE(false, true);
  Gateway g;
  if (lost) REQUIRE(EpochKeys(g.store).erase(0).ok());
  {
    DiesAtClose ring(std::move(Ring::open({g.store})).value());
    EpochKeys epochs(g.store);
    RecordQueue queue(1u << 20);
    Recorder::Config config = g.config;
    config.segment_entries = 1;
    Recorder recorder(config, ring, *g.identity, epochs, g.clock, queue);
    REQUIRE(recorder.open().ok());
    queue.poke();
    CHECK(recorder.run().error().message == "killed");
  }
  const std::uint64_t size = g.raw().size();
  CHECK(g.verified().verdict == (lost ? Verdict::broken : Verdict::fine));
  g.start();
  g.message("a", "after");
  g.wait_released(g.tag);
  g.stop();
  const VerifyReport report = g.verified();
  CHECK(report.verdict == (lost ? Verdict::broken : Verdict::fine));
  CHECK(report.logs.at(0).handovers == (lost ? 0 : 1));
  CHECK(report.logs[0].breaks.size() == (lost ? 1 : 0));
  const auto last = decode_entry(g.raw()[size - 1]);
  CHECK(std::holds_alternative<KeyBreak>(last->body) == lost);
  CHECK(std::holds_alternative<Handover>(last->body) != lost);
  CHECK_FALSE(std::filesystem::exists(EpochKeys(g.store).path(0)));
}

TEST_CASE("recorder: with the epoch key lost the log goes on with a break, and says so") {
  Gateway g;
  g.start();
  g.message("a", "before");
  g.wait_released(g.tag);
  g.stop();
  const auto lose = [&](std::uint64_t epoch) {
    EpochKeys epochs(g.store);
    SECTION("both files are gone") { REQUIRE(epochs.erase(epoch).ok()); }
    SECTION("both files are damaged") {
      std::filesystem::resize_file(epochs.path(epoch), 10);
      std::filesystem::resize_file(epochs.copy_path(epoch), 0);
    }
  };
  lose(0);
  const std::uint64_t index = g.raw().size();
  g.start();
  g.message("a", "after");
  g.wait_released(g.tag);
  g.stop();
  const Decoded d(g.raw());
  REQUIRE(d.entries.size() > index);
  const auto* lost = std::get_if<KeyBreak>(&d.entries[index].body);
  REQUIRE(lost != nullptr);
  CHECK(lost->epoch == 0);
  CHECK(lost->size == index);
  CHECK(lost->receipted == 0);
  const auto* alarm = std::get_if<Event>(&d.entries[index + 1].body);
  REQUIRE(alarm != nullptr);
  CHECK(alarm->code == EventCode::alarm);
  CHECK(d.messages == 2);
  const VerifyReport report = g.verified();
  CHECK(report.verdict == Verdict::broken);
  REQUIRE(report.logs.at(0).breaks.size() == 1);
  CHECK(report.logs[0].breaks[0].index == index);
  CHECK(report.logs[0].epoch_signatures > 0);
  EpochKeys epochs(g.store);
  CHECK_FALSE(std::filesystem::exists(epochs.path(0)));
  CHECK_FALSE(std::filesystem::exists(epochs.copy_path(0)));
  // The new key serves as any other, and may be lost like any other.
  g.start();
  g.stop();
  CHECK(g.verified().logs.at(0).breaks.size() == 1);
  REQUIRE(epochs.erase(1).ok());
  g.start();
  g.stop();
  CHECK(g.verified().verdict == Verdict::broken);
  CHECK(g.verified().logs.at(0).breaks.size() == 2);
}
