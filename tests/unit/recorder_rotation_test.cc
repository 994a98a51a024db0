// The recorder across a rotation of the identity key.
#include "drivers/key_file.h"
#include "gateway/config.h"
#include "gateway/identity_key.h"
#include "gateway/rotation.h"
#include "tests/unit/recorder_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

using Mode = TokenSigner::Mode;

struct RotatingGateway : Gateway {
  std::unique_ptr<SoftwareSigner> next = std::move(SoftwareSigner::generate()).value();
  TokenSigner next_token{*next};
  std::uint64_t index = 0;  // of the rotation, once recorded

  RotatingGateway() { config.segment_entries = 20; }
  void start_rotating(bool overlap) {
    const RotationStatement statement = *RotationStatement::make(kOrigin, *identity, *next);
    signers = IdentitySigners(next_token);
    if (overlap) signers->previous = &token;
    signers->since = IdentitySigners::kNotYet;
    before_run = [this, statement] {
      const Status set = recorder->set_rotation(statement.rotation, [this](std::uint64_t at) {
        index = at;
        return put_recorded_rotation(store, at, *RotationStatement::make(kOrigin, *identity, *next));
      });
      if (!set.ok()) FAIL(set.error().message);
    };
    start();
    before_run = {};
    connect(false);
  }
  void start_rotated(bool overlap) {
    signers = IdentitySigners(next_token);
    if (overlap) signers->previous = &token;
    signers->since = index;
    start();
    connect(false);
  }
  // Why a start that is due to rotate, without the old key, may not go on.
  std::string refusal() {
    auto opened = Ring::open({store});
    EpochKeys keys(store);
    RecordQueue items(1u << 20);
    IdentitySigners alone(next_token);
    alone.since = IdentitySigners::kNotYet;
    Recorder due(config, **opened, alone, keys, clock, items);
    REQUIRE(due.open().ok());
    const RotationStatement statement = *RotationStatement::make(kOrigin, *identity, *next);
    const Status set = due.set_rotation(statement.rotation, [](std::uint64_t) { return Status(); });
    return set.ok() ? "" : set.error().message;
  }
  void messages(std::uint16_t count) {
    const std::uint64_t from = tag;
    for (std::uint16_t i = 0; i < count; ++i) {
      message("t", "payload", static_cast<std::uint16_t>(tag % 60000 + 1));
      if (i % 25 == 24) wait_released(from + i + 1u);
    }
    wait_released(tag);
  }
  std::vector<std::size_t> lines() const {
    std::vector<std::size_t> out;
    for (const Segment& segment : ring->segments())
      if (!segment.note.empty()) out.push_back(Note::parse(segment.note)->signatures.size());
    return out;
  }
};

}  // namespace

TEST_CASE("recorder: a rotation is the entry after the start, and what follows has the new key's line") {
  const bool overlap = GENERATE(true, false);
  RotatingGateway g;
  g.start();
  g.connect(false);
  g.messages(50);
  g.wait_signed();
  g.stop();
  g.start_rotating(overlap);
  g.messages(50);
  g.wait_signed();
  CHECK(g.lines().front() == 1);
  CHECK(g.lines().back() == (overlap ? 2 : 1));
  CHECK(g.recorder->stats().identity.since == g.index);
  g.stop();
  const Decoded d(g.raw());
  REQUIRE(g.index > 0);
  const auto* rotation = std::get_if<Rotation>(&d.entries.at(g.index).body);
  REQUIRE(rotation != nullptr);
  CHECK(rotation->new_key == g.next->public_key());
  const auto* before = std::get_if<Event>(&d.entries[g.index - 1].body);
  REQUIRE(before != nullptr);
  CHECK(before->code == EventCode::start);
  CHECK(d.entries[g.index].common.boot == d.entries[g.index - 1].common.boot);
  VerifyReport report = g.verified();
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::fine);
  CHECK(report.logs.at(0).rotations.size() == 1);
  // The next start has nothing to record, and no old key.
  g.start_rotated(false);
  g.messages(30);
  g.wait_signed();
  g.stop();
  report = g.verified();
  CHECK(report.verdict == Verdict::fine);
  CHECK(report.logs.at(0).kinds.at("rotation") == 1);
}

TEST_CASE("recorder: what was sealed before the rotation is signed by the old key, and waits for it") {
  RotatingGateway g;
  g.token.set(Mode::away);
  g.start();
  g.connect(false);
  g.messages(75);
  const std::size_t waiting = g.sealed(false);
  CHECK(waiting >= 2);
  g.stop();
  g.token.set(Mode::away);
  SECTION("in the overlap") {
    g.start_rotating(true);
    g.messages(50);
    CHECK(g.sealed(true) == 0);
    g.token.set(Mode::there);
    g.wait_signed();
    CHECK(g.lines().front() == 1);
    CHECK(g.lines().back() == 2);
    g.stop();
    CHECK(g.verified().verdict == Verdict::fine);
  }
  SECTION("without it the rotation is refused, and the words say who must sign") {
    CHECK_THAT(g.refusal(), Catch::Contains("sealed segments must be signed") &&
                                Catch::Contains("set previous_identity_key to the key before it"));
    g.token.set(Mode::there);
    g.start_rotating(true);
    g.messages(50);
    g.wait_signed();
    g.stop();
    CHECK(g.verified().verdict == Verdict::fine);
  }
}

TEST_CASE("recorder: with one of two keys away signatures wait, and nothing else") {
  const bool new_one = GENERATE(true, false);
  RotatingGateway g;
  g.start_rotating(true);
  TokenSigner& away = new_one ? g.next_token : g.token;
  away.set(Mode::away);
  g.messages(75);
  g.wait_for([&] {
    const std::string trouble = g.recorder->stats().identity.trouble;
    return trouble.find("the token is gone") != std::string::npos &&
           (trouble.find("previous_identity_key") == std::string::npos) == new_one;
  });
  CHECK(g.sealed(false) >= 2);
  CHECK(g.sealed(true) == 0);
  away.set(Mode::there);
  g.wait_signed();
  g.stop();
  CHECK(g.verified().verdict == Verdict::fine);
}

TEST_CASE("recorder: a rotation that cannot be kept ends the run, and is there all the same") {
  RotatingGateway g;
  g.start_rotating(true);
  g.stop();
  const std::uint64_t size = g.raw().size();
  RotatingGateway other;
  const RotationStatement statement = *RotationStatement::make(kOrigin, *other.identity, *other.next);
  other.signers = IdentitySigners(other.next_token);
  other.signers->since = IdentitySigners::kNotYet;
  other.before_run = [&] {
    const auto fails = [](std::uint64_t) { return Status(unknown_error("the disk fails")); };
    REQUIRE(other.recorder->set_rotation(statement.rotation, fails).ok());
  };
  other.start();
  other.thread.join();
  CHECK(other.outcome.error().message == "the disk fails");
  other.recorder.reset();
  other.ring.reset();
  const Decoded d(other.raw());
  CHECK(d.raw.size() < size);
  CHECK(std::holds_alternative<Rotation>(d.entries.back().body));
}

TEST_CASE("recorder: a rotation that finds no room is kept when there is") {
  RotatingGateway g;
  const RotationStatement statement = *RotationStatement::make(kOrigin, *g.identity, *g.next);
  g.signers = IdentitySigners(g.next_token);
  g.signers->since = IdentitySigners::kNotYet;
  std::atomic<int> asked{0};
  g.before_run = [&] {
    const auto no_room_at_first = [&asked](std::uint64_t) { return ++asked < 3 ? retry_error("no room") : Status(); };
    REQUIRE(g.recorder->set_rotation(statement.rotation, no_room_at_first).ok());
  };
  g.start();
  g.connect(false);
  g.messages(5);
  CHECK(asked == 3);
  g.stop();
}

TEST_CASE("recorder: a start that breaks the chain before a rotation needs the old key for what it closes") {
  RotatingGateway g;
  g.start();
  g.connect(false);
  g.messages(5);
  g.stop();
  CHECK(g.refusal().empty());
  REQUIRE(EpochKeys(g.store).erase(0).ok());
  const std::uint64_t size = g.raw().size();
  CHECK_THAT(g.refusal(), Catch::Contains("the epoch key is lost") && Catch::Contains("set previous_identity_key"));
  CHECK(g.raw().size() == size);
  g.start_rotating(true);
  g.messages(50);
  g.wait_signed();
  g.stop();
  CHECK(g.verified().verdict == Verdict::broken);
}

TEST_CASE("with the token away the key before says whether the next rotation is to be recorded") {
  RotatingGateway g;
  g.start_rotating(true);
  g.messages(5);
  g.stop();
  const auto third = std::move(SoftwareSigner::generate()).value();
  const RotationStatement prepared = *RotationStatement::make(kOrigin, *g.next, *third);
  REQUIRE(put_pending_rotation(g.store, prepared).ok());
  const std::string first = g.dir / "first.key", second = g.dir / "second.key", other = g.dir / "other.key";
  REQUIRE(create_key_file(first, kOrigin, *g.identity).ok());
  REQUIRE(create_key_file(second, kOrigin, *g.next).ok());
  REQUIRE(create_key_file(other, kOrigin, **SoftwareSigner::generate()).ok());
  const std::string away = "pkcs11:token=away;object=key?module-path=/nonexistent/library.so";
  GatewayConfig config;
  config.origin = kOrigin;
  config.store = g.store;
  config.identity_key = away;
  const auto ring = std::move(Ring::open({g.store})).value();
  const auto load = [&](const std::string& previous) {
    config.previous_identity_key = previous;
    return load_identity(config, "", *ring);
  };
  SECTION("the overlap of the last rotation goes on") {
    for (const std::string& previous : {first, std::string()}) {
      const auto identity = load(previous);
      if (!identity) FAIL(identity.error().message);
      CHECK(identity->current->public_key() == g.next->public_key());
      CHECK_FALSE(identity->rotation);
      CHECK(identity->since == g.index);
    }
  }
  SECTION("the next one is due") {
    const auto identity = load(second);
    if (!identity) FAIL(identity.error().message);
    CHECK(identity->current->public_key() == third->public_key());
    REQUIRE(identity->rotation);
    CHECK(identity->rotation->rotation == prepared.rotation);
    CHECK(identity->previous->public_key() == g.next->public_key());
  }
  SECTION("nothing is guessed") {
    CHECK_THAT(load(away).error().message,
               Catch::Contains("is prepared, and with the token of identity_key away") &&
                   Catch::Contains(VerifierKey{kOrigin, KeyType::ed25519, third->public_key()}.encode()));
    CHECK_THAT(load(other).error().message, Catch::Contains("is not the key before the rotation"));
  }
  SECTION("before any rotation, whoever names a previous key has made the step") {
    RotatingGateway fresh;
    REQUIRE(put_pending_rotation(fresh.store, *RotationStatement::make(kOrigin, *fresh.identity, *fresh.next)).ok());
    const std::string old = fresh.dir / "old.key";
    REQUIRE(create_key_file(old, kOrigin, *fresh.identity).ok());
    config.store = fresh.store;
    config.previous_identity_key = old;
    const auto begun = std::move(Ring::open({fresh.store})).value();
    const auto identity = load_identity(config, "", *begun);
    if (!identity) FAIL(identity.error().message);
    CHECK(identity->current->public_key() == fresh.next->public_key());
    CHECK(identity->rotation);
  }
}
