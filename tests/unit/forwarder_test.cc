#include "tests/unit/line_fixture.h"

namespace sealring::test {
namespace {

bool is_question(const HttpClient::Request& request) { return request.method == "GET"; }

DirectClient::Answer answer_questions(unsigned status, Bytes body) {
  return [=](const HttpClient::Request& request) -> std::optional<Result<HttpResponse>> {
    if (!is_question(request)) return std::nullopt;
    return Result<HttpResponse>(HttpResponse{status, "text/plain; charset=utf-8", body});
  };
}

}  // namespace

TEST_CASE("forwarder: the identity signs nothing before the collector has said what it has") {
  Line line;
  line.client.answer_by([](const auto&) { return Result<HttpResponse>(retry_error("nobody there")); });
  line.start();
  line.seal_some(2);
  line.g.wait_for([&] { return line.client.calls > 3; });
  CHECK(line.g.sealed(true) == 0);
  CHECK(line.g.token.asked == 0);
  CHECK(line.g.recorder->stats().identity.held);
  CHECK_FALSE(line.forwarder->stats().asked);
  line.client.answer_by(nullptr);
  line.wait_receipted();
  CHECK(line.archived() == line.g.ring->segments().back().start);
  CHECK_FALSE(line.g.recorder->stats().identity.held);

  // And again at the next start, when there is something to compare with.
  line.stop();
  line.client.answer_by([](const auto&) { return Result<HttpResponse>(retry_error("nobody there")); });
  const int asked = line.g.token.asked;
  line.start();
  line.seal_some(1);
  CHECK(line.g.token.asked == asked);
}

TEST_CASE("forwarder: the operator may say that the store is current") {
  Line line;
  line.client.answer_by([](const auto&) { return Result<HttpResponse>(retry_error("nobody there")); });
  line.start(false);
  line.seal_some(2);
  line.g.wait_signed();
  CHECK_FALSE(line.forwarder->stats().asked);
  // And what is lost at the collector is no reason to wait then.
  line.client.answer_by(nullptr);
  line.wait_receipted();
  line.stop();
  line.client.answer_by(answer_questions(404, "nothing here\n"));
  line.start(false);
  line.seal_some(1);
  line.wait_receipted();
}

TEST_CASE("forwarder: what anybody can say makes no gateway give up its log") {
  const unsigned which = GENERATE(range(0u, 12u));
  Line line;
  const Hash other = sha256("another root");
  auto stranger = std::move(SoftwareSigner::generate()).value();
  const Bytes by_stranger = sign_checkpoint({kOrigin, 5000, other}, *stranger)->encode();
  Bytes spoiled = line.signed_by_us(5000, other);
  spoiled[spoiled.size() - 9] ^= 1;
  const std::vector<std::pair<unsigned, Bytes>> answers = {
      {409, "5000\n"},
      {409, "99999999999999999999\n"},
      {500, ""},
      {200, ""},
      {200, "garbage"},
      {200, by_stranger},
      {200, spoiled},
      {200, line.signed_by_us(5000, other, "example.com/another")},
      {301, "elsewhere"},
      {200, Bytes(600000, '\n')},
      {403, "not yours, go"},
      {422, "this is a fork"},
  };
  const auto& [status, body] = answers[which];
  CAPTURE(status, body.substr(0, 200));
  line.client.answer_by([&, s = status, b = body](const auto&) {
    return Result<HttpResponse>(HttpResponse{s, "text/x.tlog.size", b});
  });
  line.start();
  line.seal_some(2);
  line.g.wait_for([&] { return line.client.calls > 6; });
  CHECK_FALSE(line.forwarder->stats().contradicted);
  CHECK(line.g.token.asked == 0);
  CHECK(line.alarms("rollback") == 0);
  CHECK_FALSE(read_file(line.g.store + "/" + kRollbackFile).ok());
  line.client.answer_by(nullptr);  // all is forgotten when it comes to its senses
  line.wait_receipted();
}

TEST_CASE("forwarder: what our identity signed and our store cannot extend is a rollback") {
  const bool in_mirror = GENERATE(false, true);
  const std::uint64_t size = GENERATE(5000u, 7u);  // beyond ours; within, with another root
  CAPTURE(in_mirror, size);
  Line line;
  line.start();
  line.seal_some(2);
  line.wait_receipted();
  line.stop();
  const Bytes proof = line.signed_by_us(size, sha256("another root"));
  line.client.answer_by([=](const HttpClient::Request& request) -> std::optional<Result<HttpResponse>> {
    if (!is_question(request) || (request.target.find("/mirror/") == 0) != in_mirror) return std::nullopt;
    return Result<HttpResponse>(HttpResponse{200, "text/plain; charset=utf-8", proof});
  });
  const int signatures = line.g.token.asked;
  const std::uint64_t archived = line.archived();
  line.start();
  line.g.wait_for([&] { return line.forwarder->stats().contradicted; });
  line.seal_some(2);  // recording goes on
  line.g.wait_for([&] { return line.alarms("rollback") == 1; });
  CHECK(line.g.token.asked == signatures);
  CHECK(line.archived() == archived);
  CHECK(*read_file(line.g.store + "/" + kRollbackFile) == proof);
  CHECK(line.proofs == 1);
}

TEST_CASE("forwarder: a rollback is noticed in the middle, too") {
  Line line;
  line.start();
  line.seal_some(1);
  line.wait_receipted();
  // A copy of this gateway goes on elsewhere: the witness has its checkpoint.
  const Bytes theirs = line.signed_by_us(5000, sha256("another root"));
  line.client.answer_by([=](const HttpClient::Request& request) -> std::optional<Result<HttpResponse>> {
    if (is_question(request)) return Result<HttpResponse>(HttpResponse{200, "text/plain; charset=utf-8", theirs});
    return Result<HttpResponse>(HttpResponse{409, std::string(kSizeType), "5000\n"});
  });
  line.seal_some(1);
  line.g.wait_for([&] { return line.forwarder->stats().contradicted && line.alarms("rollback") == 1; });
  CHECK(line.g.recorder->stats().identity.held);
}

TEST_CASE("forwarder: a copy that is behind ours is noticed when the witness refuses the fork") {
  Line line;
  line.start();
  line.seal_some(1);
  line.wait_receipted();
  const Bytes theirs = line.signed_by_us(line.g.ring->size(), sha256("another root"));
  line.client.answer_by([=](const HttpClient::Request& request) -> std::optional<Result<HttpResponse>> {
    if (is_question(request)) return Result<HttpResponse>(HttpResponse{200, "text/plain; charset=utf-8", theirs});
    return Result<HttpResponse>(HttpResponse{422, "text/plain; charset=utf-8", "this is a fork"});
  });
  line.seal_some(1);
  line.g.wait_for([&] { return line.forwarder->stats().contradicted; });
  CHECK(line.g.recorder->stats().identity.held);
  GatewayConfig config;
  config.store = line.g.store;
  config.origin = kOrigin;
  GatewayIdentity identity;
  identity.current = std::move(SoftwareSigner::from_seed(line.g.identity->seed())).value();
  CHECK(known_rollback(config, identity, *line.g.ring));
  // By a key that the policy alone knows, as the forwarder judges it.
  const auto later = std::move(SoftwareSigner::generate()).value();
  const Bytes proof = sign_checkpoint({kOrigin, 5000, sha256("another root")}, *later)->encode();
  REQUIRE(replace_file(line.g.store + "/" + kRollbackFile, proof).ok());
  CHECK_FALSE(known_rollback(config, identity, *line.g.ring));
  config.upstream = GatewayConfig::Upstream();
  config.upstream->policy = line.g.dir / "policy";
  const VerifierKey named{kOrigin, KeyType::ed25519, later->public_key()};
  REQUIRE(create_file(config.upstream->policy, "log " + named.encode() + "\nquorum none\n").ok());
  CHECK(known_rollback(config, identity, *line.g.ring));
  config.origin = "example.com/another";
  CHECK_FALSE(known_rollback(config, identity, *line.g.ring));
}

TEST_CASE("forwarder: no answer of the witness is kept that is not its cosignature, or proven") {
  const unsigned which = GENERATE(range(0u, 6u));
  Line line;
  const VerifierKey witness{"witness", KeyType::cosignature_v1, named_key("witness", 'w').signer->public_key()};
  const std::string junk = NoteSignature{"witness", witness.id(), Bytes(72, 'j')}.line();
  std::string many;
  for (int i = 0; i < 100; ++i) many += junk;
  const std::vector<HttpResponse> answers = {
      {200, "text/plain; charset=utf-8", junk},
      {200, "text/plain; charset=utf-8", many},
      {200, "text/plain; charset=utf-8", NoteSignature{"witness", witness.id(), Bytes(700000, 'j')}.line()},
      {409, std::string(kSizeType), "99999999999\n"},
      {403, "text/plain; charset=utf-8", "not you"},
      {200, "text/plain; charset=utf-8", ""},
  };
  line.client.answer_by([&](const HttpClient::Request& request) -> std::optional<Result<HttpResponse>> {
    if (request.target.find("/witness/add-checkpoint") == std::string::npos) return std::nullopt;
    return Result<HttpResponse>(answers[which]);
  });
  line.start();
  line.seal_some(2);
  line.g.wait_for([&] { return !line.forwarder->stats().last_trouble.empty(); });
  CHECK(line.forwarder->stats().segments == 0);
  line.client.answer_by(nullptr);
  line.wait_receipted();
  const Policy policy = line.policy();
  for (const Segment& segment : line.g.ring->segments())
    if (segment.state == SegmentState::acknowledged) CHECK(policy.evaluate(*Note::parse(segment.note))->quorum_met);
}

TEST_CASE("forwarder: a witness that refuses holds up no entries that it has cosigned before") {
  Line line;
  line.start();
  std::atomic<bool> mirror_away{true}, witness_refuses{false};
  line.client.answer_by([&](const HttpClient::Request& request) -> std::optional<Result<HttpResponse>> {
    if (mirror_away && request.target.find("/mirror/add") != std::string::npos)
      return Result<HttpResponse>(retry_error("no mirror"));
    if (witness_refuses && request.target.find("/witness/add") != std::string::npos)
      return Result<HttpResponse>(HttpResponse{503, "text/plain; charset=utf-8", "no room for the witness"});
    return std::nullopt;
  });
  line.seal_some(3);
  const std::uint64_t cosigned = line.g.ring->segments().back().start;
  line.g.wait_for([&] { return line.witnessed() >= cosigned; });
  witness_refuses = true;
  line.seal_some(1);
  mirror_away = false;
  line.g.wait_for([&] { return line.archived() >= cosigned; });
}

TEST_CASE("forwarder: a collector that has lost its archive is told from one that never had it") {
  Line line;
  line.start();
  line.seal_some(2);
  line.wait_receipted();
  line.stop();
  line.client.answer_by(answer_questions(404, "nothing here\n"));
  const int signatures = line.g.token.asked;
  const std::uint64_t calls = line.client.calls;
  line.start();
  line.seal_some(1);
  line.g.wait_for([&] { return line.client.calls > calls + 3; });
  CHECK(line.g.token.asked == signatures);
  CHECK_FALSE(line.forwarder->stats().contradicted);
  line.g.wait_for(
      [&] { return line.forwarder->stats().last_trouble.find("has given a receipt") != std::string::npos; });
  // An older copy of its archive does fit, but is told.
  const Bytes older = line.signed_by_us(1, leaf_hash(ByteView(*line.g.ring->entries(0, 1)).substr(2)));
  line.client.answer_by(answer_questions(200, older));
  line.g.wait_for([&] { return line.forwarder->stats().asked; });
}

TEST_CASE("forwarder: what the collector has of before a rotation is ours as well, and nothing by that key after it") {
  Line line;
  line.start();
  line.seal_some(1);
  line.wait_receipted();
  const auto next = std::move(SoftwareSigner::generate()).value();
  const VerifierKey later{kOrigin, KeyType::ed25519, next->public_key()};
  const Bytes head = *read_file(line.folder() + "/witness");
  const std::uint64_t size = Checkpoint::parse(Note::parse(head)->text)->size;
  for (const std::uint64_t until : {size, UINT64_MAX}) {
    const auto ours = check_head(head, {{later}, {line.identity(), until}}, *line.g.ring);
    REQUIRE(ours.ok());
    CHECK(ours->compared);
    CHECK_FALSE(ours->contradicts);
  }
  CHECK_FALSE(check_head(head, {{later}}, *line.g.ring).ok());
  const std::vector<LogKey> rotated = {{later}, {line.identity(), size}};
  const Bytes forged = line.signed_by_us(5000, sha256("x"));
  CHECK_THAT(check_head(forged, rotated, *line.g.ring).error().message,
             Catch::Contains("is of size 5000 and signed by " + line.identity().encode() + " alone"));
  CHECK_FALSE(check_head(line.signed_by_us(size + 1, sha256("x")), rotated, *line.g.ring).ok());
  CHECK(check_head(line.signed_by_us(size, sha256("x")), rotated, *line.g.ring)->contradicts);
  Note both = *Note::parse(forged);
  both.signatures.push_back(*sign_note_text(both.text, kOrigin, *next));
  const auto beyond = check_head(both.encode(), rotated, *line.g.ring);
  REQUIRE(beyond.ok());
  CHECK(beyond->contradicts);
}

TEST_CASE("forwarder: the keys of the log are the store's and the policy's, each as far as it signs") {
  Line line;
  std::vector<std::unique_ptr<SoftwareSigner>> keys;
  for (int i = 0; i < 4; ++i) keys.push_back(std::move(SoftwareSigner::generate()).value());
  const auto step = [&](std::size_t from) { return *RotationStatement::make(kOrigin, *keys[from], *keys[from + 1]); };
  TempDir store;
  GatewayConfig config;
  config.origin = kOrigin;
  config.store = store.path();
  REQUIRE(put_recorded_rotation(config.store, 7, step(0)).ok());
  REQUIRE(put_recorded_rotation(config.store, 70, step(1)).ok());
  const auto now = [&](std::size_t current, std::optional<RotationStatement> due) {
    GatewayIdentity identity;
    identity.current = std::make_unique<TokenSigner>(*keys[current]);
    identity.rotation = due;
    std::map<PublicKey, std::uint64_t> out;
    const auto found = keys_of_log(config, identity, line.policy());
    REQUIRE(found.ok());
    CHECK(found->front().key.key == keys[current]->public_key());
    for (const LogKey& one : *found) {
      CHECK(one.key.name == kOrigin);
      out[one.key.key] = one.until;
    }
    CHECK(out.size() == found->size());
    return out;
  };
  std::map<PublicKey, std::uint64_t> wanted = {{keys[0]->public_key(), 7},
                                               {keys[1]->public_key(), 70},
                                               {keys[2]->public_key(), UINT64_MAX},
                                               {line.g.identity->public_key(), UINT64_MAX}};  // of the policy only
  CHECK(now(2, std::nullopt) == wanted);
  wanted[keys[3]->public_key()] = UINT64_MAX;
  CHECK(now(3, step(2)) == wanted);
}

TEST_CASE("forwarder: a witness hears of the open segment, and receipts have both lines all the same") {
  Line line;
  line.g.config.heartbeat = kSoon;
  line.g.config.segment_entries = 50000;
  line.start();
  line.g.wait_for([&] { return line.witnessed() > 1; });
  const std::uint64_t first = line.witnessed();
  CHECK(line.g.ring->segments().size() == 1);
  line.g.message("t", "x");
  line.g.wait_for([&] { return line.witnessed() > first; });
  CHECK(line.forwarder->stats().witnessed_size >= first);
  CHECK(line.archived() == 0);

  // Segments now, while the witness goes on ahead of the mirror.
  Recorder::Change shorter;
  line.g.config.segment_entries = 5;
  shorter.config = line.g.config;
  line.g.recorder->change(shorter);
  const auto receipted = [&] {
    const auto names = list_directory(line.folder() + "/receipts");
    return names ? names->size() : 0;
  };
  while (receipted() < 15) line.seal_some(1);
  const Policy policy = line.policy();
  const auto receipts = list_directory(line.folder() + "/receipts");
  REQUIRE(receipts.ok());
  for (const std::string& name : *receipts) {
    const auto verdict = policy.evaluate(*Note::parse(*read_file(line.folder() + "/receipts/" + name)));
    REQUIRE(verdict.ok());
    CHECK(verdict->quorum_met);
    CHECK(verdict->cosigned_by.size() == 2);
  }
  line.stop();
  VerifyOptions options;
  options.path = line.g.store;
  options.policy = policy;
  CHECK(verify(options).verdict == Verdict::unproven);  // no anchor; and nothing worse
  options.path = line.folder();
  options.now_unix = static_cast<std::uint64_t>(line.clock.now().wall_ns / 1000000000);
  CHECK(verify(options).verdict == Verdict::unproven);
  // What was witnessed long ago should be here.
  if (line.witnessed() > line.archived()) {
    *options.now_unix += 2 * VerifyOptions::kMaxLagSeconds;
    const auto report = verify(options);
    const auto& findings = report.logs.at(0).findings;
    CHECK(std::any_of(findings.begin(), findings.end(), [](const Finding& f) {
      return f.what.find("existed by then and are not here") != std::string::npos;
    }));
  }
}

TEST_CASE("forwarder: a witness may be ahead, also of a policy that names it late") {
  const bool named_late = GENERATE(false, true);
  Line line;
  line.witness_in_policy = false;
  line.g.config.heartbeat = kSoon;
  line.start();
  // The mirror is away, so that sealed segments stay.
  line.client.answer_by([](const HttpClient::Request& request) -> std::optional<Result<HttpResponse>> {
    if (request.method == "GET" || request.target.find("/mirror/") == std::string::npos) return std::nullopt;
    return Result<HttpResponse>(retry_error("no mirror"));
  });
  line.seal_some(2);
  const std::uint64_t sealed = line.g.ring->segments().back().start;
  line.g.wait_for([&] { return line.witnessed() >= sealed; });
  line.stop();
  line.client.answer_by(nullptr);
  line.witness_in_policy = named_late;
  line.start();
  if (named_late) {
    // With the witness in the quorum the next segment's receipt stands for those without its line as well.
    line.g.wait_for([&] { return line.archived() >= sealed; });
    line.stop();
    line.start();
    line.seal_some(1);
  }
  line.g.wait_for(
      [&] { return line.archived() >= sealed && line.g.ring->segments()[1].state == SegmentState::acknowledged; });
  CHECK_FALSE(line.forwarder->stats().contradicted);
  CHECK(list_directory(line.folder() + "/evidence")->empty());
}

TEST_CASE("forwarder: a succession is offered until it comes back with the collector's line") {
  std::atomic<int> offered{0}, wrong{0};
  std::mutex mutex;
  HttpResponse answer{503, "text/plain", "later\n"};
  Bytes body_of_ours;
  Line line;  // its threads end before what they use
  const auto collector_key = std::move(SoftwareSigner::generate()).value();
  Succession statement;
  statement.closed = {kOrigin, 30, sha256("a root")};
  statement.follower = {std::string(kOrigin) + "~1", KeyType::ed25519, (*SoftwareSigner::generate())->public_key()};
  Note note{statement.text(), {}};
  note.signatures.push_back(*sign_note_text(note.text, kOrigin, *line.g.identity));
  line.succession = note;
  Note taken = note;
  taken.signatures.push_back(*sign_note_text(note.text, "collector.example/succession", *collector_key));
  Note of_another = taken;
  of_another.text += "more\n";
  Note resigned = taken;
  resigned.signatures.erase(resigned.signatures.begin());
  resigned.signatures.push_back(taken.signatures.front());
  body_of_ours = note.encode();
  const auto answer_with = [&](unsigned status, const Bytes& body) {
    std::lock_guard<std::mutex> lock(mutex);
    answer = {status, "text/plain", body};
    offered = 0;
  };
  line.client.answer_by([&](const HttpClient::Request& request) -> std::optional<Result<HttpResponse>> {
    if (line.archive_lost && is_question(request)) return Result<HttpResponse>(HttpResponse{404, "text/plain", "no\n"});
    if (request.target != "/succession") return std::nullopt;
    std::lock_guard<std::mutex> lock(mutex);
    wrong += request.method != "POST" || request.body != body_of_ours;
    ++offered;
    return Result<HttpResponse>(answer);
  });
  const auto kept = [&] { return succession_of(line.g.store)->has_value(); };

  // Refused, all goes on: the operator may have told the collector of the log.
  line.start();
  line.seal_some(1);
  line.wait_receipted();
  CHECK(offered >= 1);
  CHECK(line.forwarder->stats().succession_waits);
  line.stop();

  // What is no answer to it is not taken for one: not our words, not our line first, nobody's line beside.
  for (const Bytes& body : {of_another.encode(), resigned.encode(), note.encode(), Bytes("no note")}) {
    answer_with(200, body);
    line.start();
    line.g.wait_for([&] { return offered > 2; });
    CHECK(line.forwarder->stats().succession_waits);
    CHECK_FALSE(line.forwarder->stats().asked);
    CHECK_FALSE(kept());
    line.stop();
  }
  answer_with(200, taken.encode());
  line.start();
  line.g.wait_for([&] { return line.forwarder->stats().asked; });
  CHECK_FALSE(line.forwarder->stats().succession_waits);
  REQUIRE(kept());
  CHECK((*succession_of(line.g.store))->taken());
  CHECK(offered == 1);
  line.seal_some(1);
  line.wait_receipted();
  CHECK(offered == 1);
  line.stop();

  // One that does not know of the log, whatever another has said: an archive that was set back, or a true collector
  // after somebody in its place.
  offered = 0;
  line.taken = true;
  line.start();
  line.g.wait_for([&] { return line.forwarder->stats().asked; });
  CHECK(offered == 0);
  line.stop();
  line.archive_lost = true;
  line.start();
  line.g.wait_for([&] { return offered > 0; });
  CHECK(wrong == 0);
}

TEST_CASE("forwarder: a log that was closed by our own key is an alarm, and no other word of it is") {
  const unsigned which = GENERATE(range(0u, 4u));
  CAPTURE(which);
  Line line;
  line.start();
  line.seal_some(1);
  line.wait_receipted();
  auto stranger = std::move(SoftwareSigner::generate()).value();
  const std::string origin = which == 1 ? "example.com/another" : kOrigin;
  Succession statement{{origin, 5, sha256("a root")}, {origin + "~1", KeyType::ed25519, stranger->public_key()}, {}};
  Note note{statement.text(), {}};
  note.signatures.push_back(*sign_note_text(note.text, origin, which == 2 ? *stranger : *line.g.identity));
  const Bytes shown = which == 3 ? Bytes("garbage") : note.encode();
  line.client.answer_by([=](const HttpClient::Request& request) -> std::optional<Result<HttpResponse>> {
    if (request.target.find("/successor") != std::string::npos)
      return Result<HttpResponse>(HttpResponse{200, "text/plain; charset=utf-8", shown});
    if (is_question(request)) return std::nullopt;
    return Result<HttpResponse>(HttpResponse{403, "text/plain; charset=utf-8", "The log is closed.\n"});
  });
  const std::uint64_t calls = line.client.calls;
  line.seal_some(1);
  line.g.wait_for([&] { return line.client.calls > calls + 20; });
  if (which == 0) {
    line.g.wait_for([&] { return line.alarms("closed") == 1; });
    CHECK(line.forwarder->stats().closed_by == kOrigin + "~1");
    CHECK(line.desk.alarms().active().at(0).words.find(statement.follower.encode()) != std::string::npos);
  }
  CHECK(line.desk.alarms().active().size() == (which == 0 ? 1 : 0));
  CHECK(line.forwarder->stats().closed_by.empty() == (which != 0));
  line.client.answer_by(nullptr);  // another collector, that knows of nothing
  line.wait_receipted();
  CHECK(line.forwarder->stats().closed_by.empty());
  line.desk.alarms().tick();
  CHECK(line.desk.alarms().active().empty());
  line.g.wait_for([&] { return line.alarms("closed") == (which == 0 ? 2u : 0u); });
}

}  // namespace sealring::test
