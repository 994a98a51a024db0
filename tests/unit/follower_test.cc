// A log that follows one whose store is an old copy.
#include "gateway/follower.h"

#include "crypto/sha256.h"
#include "drivers/file.h"
#include "drivers/key_file.h"
#include "gateway/config.h"
#include "gateway/succession.h"
#include "gateway/uplink.h"
#include "tests/unit/recorder_fixture.h"

namespace sealring::test {
namespace {

const std::string kFollower = std::string(kOrigin) + "~1";

// A store of which a later checkpoint is known, signed by its own identity.
struct OldCopy {
  Gateway g;
  GatewayConfig config;
  GatewayIdentity identity;
  Head proof;
  std::unique_ptr<Ring> ring;
  int alive = 0;
  bool stops = false;

  OldCopy() {
    g.store = g.dir / "store";
    config.origin = kOrigin;
    config.store = g.store;
    config.identity_key = g.dir / "identity.key";
    REQUIRE(create_key_file(config.identity_key, kOrigin, *g.identity).ok());
    identity.current = std::move(load_key_file(config.identity_key)->signer);
  }
  // When all that is to be in it is.
  void open() {
    g.kill();
    auto opened = Ring::open({g.store});
    if (!opened) FAIL(opened.error().message);
    ring = std::move(opened).value();
    proof.checkpoint = {kOrigin, ring->size() + 5, sha256("a root")};
    proof.note = sign_checkpoint(proof.checkpoint, *identity.current)->encode();
    proof.contradicts = true;
    REQUIRE(replace_file(g.store + "/" + kRollbackFile, proof.note).ok());
  }
  void open_with_a_message() {
    g.start();
    g.connect(false);
    g.message("plant/x", "reading", 1);
    g.wait_released(1);
    open();
  }
  Status follow() {
    return make_follower(config, "", identity, proof, *ring, g.clock, [this]() -> Status {
      ++alive;
      return stops ? retry_error("told to stop") : Status();
    });
  }
  std::string beside(const char* suffix) const { return g.store + suffix; }
};

// Index there -> bytes, put together from their pieces.
std::map<std::uint64_t, Bytes> carried_in(const std::vector<Bytes>& follower) {
  std::map<std::uint64_t, Bytes> out;
  for (const Bytes& bytes : follower) {
    const auto entry = decode_entry(bytes);
    const auto* carried = std::get_if<Carried>(&entry->body);
    if (carried == nullptr) continue;
    Bytes& whole = out[carried->index];
    CHECK(whole.size() == carried->offset);
    whole += carried->bytes;
    CHECK(whole.size() <= carried->length);
  }
  return out;
}

// What must be in it: all but the marks of the chain, from the first entry on that no receipt covers.
std::map<std::uint64_t, Bytes> records_from(const std::vector<Bytes>& abandoned, std::uint64_t from,
                                            std::uint64_t first = 0) {
  std::map<std::uint64_t, Bytes> out;
  for (std::uint64_t i = from; i < first + abandoned.size(); ++i) {
    const Bytes& bytes = abandoned[static_cast<std::size_t>(i - first)];
    if (bytes.empty()) continue;  // dropped
    const auto entry = decode_entry(bytes);
    if (std::holds_alternative<Message>(entry->body) || std::holds_alternative<Part>(entry->body) ||
        std::holds_alternative<Event>(entry->body) || std::holds_alternative<Loss>(entry->body))
      out[i] = bytes;
  }
  return out;
}

VerifyReport verified(const std::string& store) {
  VerifyOptions options;
  options.path = store;
  const auto known = succession_of(store);
  options.anchors.push_back({(*known)->statement.follower, (*known)->statement.genesis});
  options.min_size = 1;
  return verify(options);
}

}  // namespace

TEST_CASE("follower: it begins with the closed log's word and with all that no receipt covers") {
  const bool receipts = GENERATE(true, false);
  OldCopy old;
  if (receipts) old.g.config.segment_entries = 30;
  old.config.recorder.segment_bytes = 64u << 10;
  old.g.start();
  old.g.connect(false);
  for (std::uint16_t id = 1; id <= 100; ++id) old.g.message("plant/x", "reading " + std::to_string(id), id);
  old.g.wait_released(100);
  if (receipts) {
    old.g.wait_for([&] { return old.g.sealed(true) > 0; });
    old.g.receipt_all();
    old.g.wait_for([&] { return receipted_size(old.g.ring->segments()) > 0; });
  }
  for (std::uint16_t id = 101; id <= 150; ++id) old.g.message("plant/x", "reading " + std::to_string(id), id);
  old.g.message("plant/large", Bytes(300000, 'L'), 151);
  // The longest entry there is: wrapped, it does not fit one.
  old.g.message(std::string(16000, 't'), Bytes(kPartPayloadBytes, 'p'), 152);
  old.g.wait_released(152);
  old.open();
  const std::vector<Bytes> abandoned = raw_of(old.g.store);
  const std::uint64_t from = receipted_size(old.ring->segments());
  CHECK((from > 0) == receipts);

  const Status made = old.follow();
  if (!made.ok()) FAIL(made.error().message);
  old.ring.reset();
  CHECK(old.alive > 0);
  CHECK(raw_of(old.beside(".abandoned")) == abandoned);
  CHECK_FALSE(std::filesystem::exists(old.beside(".new")));
  const auto left = list_directory(old.beside(".abandoned"));
  REQUIRE(left.ok());
  for (const std::string& name : *left) CHECK(name.rfind("epoch-", 0) != 0);

  const std::vector<Bytes> follower = raw_of(old.g.store);
  CHECK(carried_in(follower) == records_from(abandoned, from));
  const auto known = succession_of(old.g.store);
  REQUIRE((known.ok() && *known));
  const Succession& statement = (*known)->statement;
  CHECK(statement.closed == old.proof.checkpoint);
  CHECK(statement.follower.name == kFollower);
  CHECK(statement.genesis == leaf_hash(follower.front()));
  CHECK_FALSE((*known)->taken());
  const VerifierKey closed{kOrigin, KeyType::ed25519, old.g.identity->public_key()};
  CHECK(check_note_signature((*known)->note, closed) == SignatureState::valid);
  const auto second = decode_entry(follower.at(1));
  const auto& entry = std::get<SuccessionEntry>(second->body);
  CHECK(entry.origin == kOrigin);
  CHECK(ed25519_verify(closed.key, statement.text(), entry.by_old));
  const auto key = load_key_file(follower_key_path(old.g.store));
  REQUIRE(key.ok());
  CHECK(key->name == kFollower);
  CHECK(key->signer->public_key() == statement.follower.key);
  CHECK(statement.follower.key != closed.key);

  const VerifyReport report = verified(old.g.store);
  for (const LogReport& log : report.logs)
    for (const Finding& finding : log.findings) UNSCOPED_INFO(finding.what);
  CHECK((report.verdict == Verdict::fine || report.verdict == Verdict::unproven));  // its segments are not signed yet
}

TEST_CASE("follower: a recorder goes on in it, and flags what the broker may send again") {
  OldCopy old;
  old.g.start();
  old.g.connect(false);
  for (std::uint16_t id = 1; id <= 10; ++id) old.g.message("plant/x", "reading " + std::to_string(id), id);
  old.g.wait_released(10);
  old.open();
  REQUIRE(old.follow().ok());
  old.ring.reset();
  const std::size_t before = raw_of(old.g.store).size();

  old.g.identity = std::move(load_key_file(follower_key_path(old.g.store))->signer);
  old.g.signers.emplace(*old.g.identity);
  old.g.tag = 0;
  old.g.start();
  old.g.connect(true);  // with its session
  old.g.message("plant/x", "reading 10", 10, true);
  old.g.message("plant/x", "reading 11", 11);
  old.g.wait_released(2);
  old.g.kill();
  const Decoded log(raw_of(old.g.store));
  REQUIRE(log.messages == 2);
  std::vector<bool> flagged;
  for (std::size_t i = before; i < log.entries.size(); ++i)
    if (const auto* message = std::get_if<Message>(&log.entries[i].body))
      flagged.push_back(message->possible_duplicate_of.has_value());
  CHECK(flagged == std::vector<bool>{true, false});
}

TEST_CASE("follower: a full store is followed by a larger one, with all that is in it") {
  OldCopy old;
  old.g.start();
  old.g.connect(false);
  old.g.fill();
  old.open();
  const std::vector<Bytes> abandoned = raw_of(old.g.store);
  const Status made = old.follow();
  if (!made.ok()) FAIL(made.error().message);
  old.ring.reset();
  CHECK(carried_in(raw_of(old.g.store)) == records_from(abandoned, 0));
  const auto ring = Ring::open({old.g.store});
  REQUIRE(ring.ok());
  CHECK((*ring)->usage().map_bytes > old.g.map_bytes);
  // Sealed on the way, since no collector takes a segment of any size.
  CHECK((*ring)->segments().size() > 8);
}

// A drop while the follower is made there is none: no recorder runs then.
TEST_CASE("follower: of a store that has dropped something, all the rest is carried, and what says so") {
  OldCopy old;
  old.g.config.segment_entries = 100000;
  old.g.config.segment_bytes = 8u << 20;
  old.g.config.drop_oldest = true;
  old.g.config.mirror = "mirror";
  old.g.start();
  old.g.connect(false);
  const std::string payload(8000, 'p');
  std::uint64_t sent = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(3);
  while (old.g.recorder->stats().losses < 3) {
    if (old.g.queue->bytes() < (1u << 20)) old.g.message("t", payload, static_cast<std::uint16_t>(++sent % 60000 + 1));
    if (std::chrono::steady_clock::now() > deadline) FAIL("nothing is dropped");
    std::this_thread::yield();
  }
  old.g.wait_released(sent);
  old.open();
  const auto losses = old.ring->losses();
  const std::vector<Bytes> abandoned = raw_of(old.g.store);
  const Status made = old.follow();
  if (!made.ok()) FAIL(made.error().message);
  old.ring.reset();
  const auto carried = carried_in(raw_of(old.g.store));
  CHECK(carried == records_from(abandoned, 0));
  std::uint64_t messages = 0, lost = 0;
  for (const auto& [index, bytes] : carried) messages += std::holds_alternative<Message>(decode_entry(bytes)->body);
  for (const LossRecord& loss : losses) {
    lost += loss.messages;
    REQUIRE(carried.count(loss.index) == 1);
    const auto entry = decode_entry(carried.at(loss.index));
    const auto* said = std::get_if<Loss>(&entry->body);
    REQUIRE(said != nullptr);
    CHECK((said->start == loss.start && said->end == loss.end));
  }
  CHECK(losses.size() >= 3);
  CHECK(messages + lost == sent);
  CHECK(worse_of(verified(old.g.store).verdict, Verdict::unproven) == Verdict::unproven);
}

TEST_CASE("follower: of a follower, whose carried entries are carried on") {
  OldCopy old;
  old.open_with_a_message();
  REQUIRE(old.follow().ok());
  const auto first = carried_in(raw_of(old.g.store));
  REQUIRE_FALSE(first.empty());
  old.ring = std::move(Ring::open({old.g.store})).value();
  auto adopted = config_of_store(old.config, "");
  REQUIRE(adopted.ok());
  old.config = *adopted;
  old.identity.current = std::move(load_key_file(old.config.identity_key)->signer);
  old.proof.checkpoint = {kFollower, 1000, sha256("another root")};
  old.proof.note = sign_checkpoint(old.proof.checkpoint, *old.identity.current)->encode();
  REQUIRE(replace_file(old.g.store + "/" + kRollbackFile, old.proof.note).ok());
  const Status made = old.follow();
  if (!made.ok()) FAIL(made.error().message);
  old.ring.reset();
  std::map<std::uint64_t, Bytes> twice;
  for (const auto& [index, bytes] : carried_in(raw_of(old.g.store))) {
    const auto inner = decode_entry(bytes);
    const auto* carried = std::get_if<Carried>(&inner->body);
    REQUIRE(carried != nullptr);
    twice[carried->index] = Bytes(carried->bytes);
  }
  CHECK(twice == first);
  CHECK((*succession_of(old.g.store))->statement.follower.name == std::string(kOrigin) + "~2");
  CHECK(std::filesystem::exists(old.beside(".abandoned")));
  CHECK(std::filesystem::exists(old.beside(".abandoned-2")));
}

TEST_CASE("follower: where it cannot be made, everything is as it was") {
  OldCopy old;
  old.open_with_a_message();
  const std::vector<Bytes> before = raw_of(old.g.store);
  SECTION("the identity does not sign") {
    old.identity.current = std::make_unique<TokenSigner>(*old.g.identity);
    static_cast<TokenSigner&>(*old.identity.current).set(TokenSigner::Mode::away);
    CHECK_THAT(old.follow().error().message, Catch::Contains("does not sign the succession"));
    CHECK_FALSE(std::filesystem::exists(old.beside(".new")));
  }
  SECTION("it is told to stop") {
    old.stops = true;
    CHECK_THAT(old.follow().error().message, Catch::Contains("told to stop"));
    CHECK_FALSE(std::filesystem::exists(old.beside(".new")));
  }
  SECTION("the configuration could not run on it") {
    old.config.upstream = GatewayConfig::Upstream();
    old.config.upstream->policy = old.g.dir / "policy";
    old.config.upstream->mirror = "mirror";
    REQUIRE(create_file(old.config.upstream->policy, "quorum none\n").ok());
    CHECK_THAT(old.follow().error().message,
               Catch::Contains("this configuration cannot run on it") && Catch::Contains("names as mirror"));
    CHECK_FALSE(std::filesystem::exists(old.beside(".new")));
  }
  SECTION("something is in the way") {
    std::filesystem::create_directory(old.beside(".new"));
    CHECK_THAT(old.follow().error().message, Catch::Contains("in the way"));
  }
  CHECK(raw_of(old.g.store) == before);
  CHECK_FALSE(std::filesystem::exists(old.beside(".abandoned")));
  CHECK_FALSE(succession_of(old.g.store)->has_value());
}

TEST_CASE("follower: what a kill left beside the store") {
  OldCopy old;
  old.g.start();
  old.open();
  const std::string beside = old.beside(".new");
  SECTION("nothing") { clear_up_beside(old.g.store); }
  SECTION("one that was not finished: it is of no use") {
    std::filesystem::create_directory(beside);
    if (GENERATE(true, false)) {  // not even begun
      REQUIRE(create_file(beside + "/unfinished-follower", "").ok());
      REQUIRE(create_file(beside + "/identity.key", "half of it").ok());
    }
    clear_up_beside(old.g.store);
    CHECK_FALSE(std::filesystem::exists(old.beside(".abandoned")));
  }
  SECTION("what is somebody else's: it is not touched, and nothing is made") {
    REQUIRE(old.follow().ok());
    old.ring.reset();
    std::filesystem::rename(old.beside(".abandoned"), beside);
    std::filesystem::remove(beside + "/" + kRollbackFile);
    const std::vector<Bytes> theirs = raw_of(beside);
    clear_up_beside(old.g.store);
    CHECK(raw_of(beside) == theirs);
    CHECK_FALSE(std::filesystem::exists(old.beside(".abandoned")));
    old.ring = std::move(Ring::open({old.g.store})).value();
    CHECK_THAT(old.follow().error().message, Catch::Contains("in the way"));
    CHECK(raw_of(beside) == theirs);
    std::filesystem::remove_all(beside);
  }
  SECTION("what was replaced: it is kept") {
    REQUIRE(old.follow().ok());
    old.ring.reset();
    std::filesystem::rename(old.beside(".abandoned"), beside);
    const std::vector<Bytes> abandoned = raw_of(beside);
    std::filesystem::create_directory(old.beside(".abandoned"));
    clear_up_beside(old.g.store);
    CHECK(raw_of(old.beside(".abandoned-2")) == abandoned);
  }
  CHECK_FALSE(std::filesystem::exists(beside));
}

TEST_CASE("follower: when it is left to an operator") {
  OldCopy old;
  old.g.start();
  old.open();
  CHECK(may_follow(old.config, old.identity, old.proof).ok());
  const auto refused = [&](const std::string& words) {
    const Status may = may_follow(old.config, old.identity, old.proof);
    REQUIRE_FALSE(may.ok());
    CHECK_THAT(may.error().message, Catch::Contains(words));
  };
  SECTION("the configuration says so") {
    old.config.follow_rollback = false;
    refused("on_rollback");
  }
  SECTION("a token has the key") {
    old.config.identity_key = "pkcs11:token=t;object=k";
    refused("on a token");
    old.config.follower_identity_key = "pkcs11:token=t;object=follower";
    CHECK(may_follow(old.config, old.identity, old.proof).ok());
  }
  SECTION("the proof is by another key") {
    old.proof.note = sign_checkpoint(old.proof.checkpoint, **SoftwareSigner::generate())->encode();
    refused("not by the key");
  }
  SECTION("the store is behind a symbolic link") {
    std::filesystem::rename(old.g.store, old.beside(".elsewhere"));
    std::filesystem::create_symlink(old.beside(".elsewhere"), old.g.store);
    refused("is a symbolic link");
  }
  SECTION("the store is a mount point") {
    old.config.store = "/proc";
    refused("is a mount point");
  }
  SECTION("a rotation is due, so it is not known which of two keys the log has") {
    const auto next = std::move(SoftwareSigner::generate()).value();
    old.identity.rotation = *RotationStatement::make(kOrigin, *old.g.identity, *next);
    refused("not by the key");
  }
}

TEST_CASE("follower: the key that an operator has prepared") {
  OldCopy old;
  old.open_with_a_message();
  const std::string prepared = old.g.dir / "follower.key";
  old.config.follower_identity_key = prepared;
  const auto key = std::move(SoftwareSigner::generate()).value();
  const auto refused = [&](const std::string& words) {
    const Status made = old.follow();
    REQUIRE_FALSE(made.ok());
    CHECK_THAT(made.error().message, Catch::Contains(words));
    CHECK_FALSE(std::filesystem::exists(old.beside(".new")));
    CHECK(std::filesystem::exists(old.g.store + "/" + kRollbackFile));
  };
  SECTION("it is not there") { refused("follower_identity_key: cannot open " + prepared); }
  SECTION("it is of another name") {
    REQUIRE(create_key_file(prepared, kOrigin, *key).ok());
    refused("is the key of");
  }
  SECTION("it is the log's own") {
    REQUIRE(create_key_file(prepared, kFollower, *old.g.identity).ok());
    refused("is a key of this log");
  }
  SECTION("it is the log's own of before its rotation") {
    REQUIRE(create_key_file(prepared, kFollower, *key).ok());
    old.identity.previous = std::move(load_key_file(prepared)->signer);
    refused("is a key of this log");
  }
  SECTION("it is the follower's, until the operator names another one") {
    REQUIRE(create_key_file(prepared, kFollower, *key).ok());
    const Status made = old.follow();
    if (!made.ok()) FAIL(made.error().message);
    old.ring.reset();
    CHECK((*succession_of(old.g.store))->statement.follower.key == key->public_key());
    CHECK_FALSE(std::filesystem::exists(follower_key_path(old.g.store)));
    CHECK(config_of_store(old.config, "")->identity_key == prepared);
    CHECK(verified(old.g.store).verdict == Verdict::fine);
    GatewayConfig later = old.config;
    later.identity_key = prepared;
    later.follower_identity_key = old.g.dir / "the next.key";
    CHECK(config_of_store(later, "")->identity_key == prepared);
    // A second old copy, with the key that is the log's now.
    old.config = *config_of_store(old.config, "");
    old.identity.current = std::move(load_key_file(prepared)->signer);
    auto opened = Ring::open({old.g.store});
    REQUIRE(opened.ok());
    old.ring = std::move(opened).value();
    old.proof.checkpoint = {kFollower, old.ring->size() + 5, sha256("a root")};
    old.proof.note = sign_checkpoint(old.proof.checkpoint, *key)->encode();
    const Status again = old.follow();
    REQUIRE_FALSE(again.ok());
    CHECK_THAT(again.error().message, Catch::Contains("follower_identity_key"));
  }
}

TEST_CASE("follower: what the store makes of the configuration") {
  OldCopy old;
  old.g.start();
  old.open();
  const auto same = config_of_store(old.config, "");
  REQUIRE(same.ok());
  CHECK((same->origin == kOrigin && same->follows.empty() && same->identity_key == old.config.identity_key));
  REQUIRE(old.follow().ok());
  const std::string own = follower_key_path(old.g.store);
  const auto adopted = [&](const std::string& place) {
    old.config.identity_key = place;
    auto config = config_of_store(old.config, "");
    if (!config) FAIL(config.error().message);
    CHECK((config->origin == kFollower && config->follows == kOrigin));
    return config->identity_key;
  };
  CHECK(adopted(old.config.identity_key) == own);
  CHECK(adopted(old.g.dir / "gone.key") == own);
  const std::string rotated = old.g.dir / "rotated.key";
  REQUIRE(create_key_file(rotated, kFollower, **SoftwareSigner::generate()).ok());
  CHECK(adopted(rotated) == rotated);
  CHECK(adopted("pkcs11:token=t;object=k") == "pkcs11:token=t;object=k");
  // A key before a rotation is of the closed log, until this one was rotated.
  old.config.identity_key = rotated;
  old.config.previous_identity_key = old.g.dir / "identity.key";
  CHECK(config_of_store(old.config, "")->previous_identity_key.empty());
  const auto next = std::move(SoftwareSigner::generate()).value();
  const auto key = std::move(load_key_file(own)->signer);
  REQUIRE(put_pending_rotation(old.g.store, *RotationStatement::make(kFollower, *key, *next)).ok());
  CHECK(config_of_store(old.config, "")->previous_identity_key == old.config.previous_identity_key);
  // Another gateway's store stays another gateway's, which whoever opens it says.
  old.config.origin = "example.com/other";
  CHECK(config_of_store(old.config, "")->origin == "example.com/other");
  // A file that is not what it should be is not passed over.
  REQUIRE(replace_file(old.g.store + "/succession.note", "what is this\n").ok());
  CHECK_FALSE(config_of_store(old.config, "").ok());
}

}  // namespace sealring::test
