#include "tests/unit/capture_stderr.h"
#include "tests/unit/collector_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

struct WitnessTest {
  WitnessTest() { log.grow(600); }
  FakeLog log;
  Collector collector{{{log.key(), std::nullopt, ""}}};
  std::string hex_origin = origin_hash(log.key().name);
};

void require_size_conflict(const HttpResponse& response, const std::string& size) {
  CHECK(response.status == 409);
  CHECK(response.content_type == "text/x.tlog.size");
  CHECK(response.body == size + "\n");
}

void require_sentence(const HttpResponse& response, unsigned status) {
  INFO(response.body);
  CHECK(response.status == status);
  CHECK(response.content_type == "text/plain; charset=utf-8");
  CHECK(response.body.size() > 10);
  CHECK(response.body.substr(response.body.size() - 2) == ".\n");
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  REQUIRE(text.find(from) != std::string::npos);
  return text.replace(text.find(from), from.size(), to);
}

}  // namespace

TEST_CASE_METHOD(WitnessTest, "witness: cosigns a log as it grows, and serves the latest checkpoint") {
  CHECK(collector.send("GET", "/witness/" + hex_origin + "/checkpoint").status == 404);
  std::uint64_t before = 0;
  for (std::uint64_t size : {1, 2, 255, 256, 257, 600}) {
    require_cosignature(collector.witness(log.add_checkpoint(before, size)), Collector::witness_key(), log, size);
    before = size;
  }
  // The same checkpoint again: cosigned again.
  require_cosignature(collector.witness(log.add_checkpoint(600, 600)), Collector::witness_key(), log, 600);
  HttpResponse got = collector.send("GET", "/witness/" + hex_origin + "/checkpoint");
  CHECK(got.status == 200);
  Result<Note> note = Note::parse(got.body);
  REQUIRE(note.ok());
  CHECK(note->text == Checkpoint{log.key().name, 600, log.root(600)}.text());
  CHECK(check_note_signature(*note, log.key()) == SignatureState::valid);
  CHECK(check_cosignature(*note, Collector::witness_key()).state == SignatureState::valid);
  CHECK(*read_file(collector.directory(log) + "/witness") == got.body);
  CHECK(names_in(collector.directory(log) + "/evidence").empty());
}

TEST_CASE_METHOD(WitnessTest, "witness: an empty log") {
  require_cosignature(collector.witness(log.add_checkpoint(0, 0)), Collector::witness_key(), log, 0);
  collector.open();
  require_cosignature(collector.witness(log.add_checkpoint(0, 5)), Collector::witness_key(), log, 5);
}

TEST_CASE_METHOD(WitnessTest, "witness: another old size is answered by the size it has") {
  require_size_conflict(collector.witness(log.add_checkpoint(7, 100)), "0");
  REQUIRE(collector.witness(log.add_checkpoint(0, 100)).status == 200);
  require_size_conflict(collector.witness(log.add_checkpoint(0, 200)), "100");
  require_size_conflict(collector.witness(log.add_checkpoint(99, 200)), "100");
  CHECK(names_in(collector.directory(log) + "/evidence").empty());
  require_size_conflict(collector.witness(log.add_checkpoint(0, 100)), "100");  // what is known says nothing
  CHECK(names_in(collector.directory(log) + "/evidence").empty());
  require_size_conflict(collector.witness(log.add_checkpoint(0, 50)), "100");  // a rollback: both are kept, once
  require_size_conflict(collector.witness(log.add_checkpoint(0, 50)), "100");
  CHECK(names_in(collector.directory(log) + "/evidence").size() == 2);
}

TEST_CASE_METHOD(WitnessTest, "witness: remembers over a restart what it has signed") {
  REQUIRE(collector.witness(log.add_checkpoint(0, 100)).status == 200);
  collector.open();
  require_size_conflict(collector.witness(log.add_checkpoint(0, 200)), "100");
  REQUIRE(collector.witness(log.add_checkpoint(100, 200)).status == 200);
}

TEST_CASE_METHOD(WitnessTest, "witness: a checkpoint it cannot write down is not signed") {
  REQUIRE(collector.witness(log.add_checkpoint(0, 100)).status == 200);
  std::string file = collector.directory(log) + "/witness", saved = *read_file(file);
  REQUIRE(::unlink(file.c_str()) == 0);
  REQUIRE(::mkdir(file.c_str(), 0755) == 0);  // nothing can be renamed onto it
  HttpResponse refused = collector.witness(log.add_checkpoint(100, 200));
  require_sentence(refused, 503);
  CHECK(refused.body.find("\xE2\x80\x94") == std::string::npos);
  CHECK(collector.send("GET", "/witness/" + hex_origin + "/checkpoint").body == saved);
  REQUIRE(::rmdir(file.c_str()) == 0);
  require_cosignature(collector.witness(log.add_checkpoint(100, 200)), Collector::witness_key(), log, 200);
}

TEST_CASE_METHOD(WitnessTest, "witness and mirror: status codes of bad requests") {
  for (const std::string target : {"/witness/add-checkpoint", "/mirror/add-checkpoint"}) {
    INFO(target);
    auto post = [&](const Bytes& body) { return collector.send("POST", target, body, "text/plain"); };
    Bytes good = log.add_checkpoint(0, 10);
    require_sentence(post(""), 400);
    require_sentence(post("old 0\n\n"), 400);
    require_sentence(post(replaced(good, "old 0", "old 00")), 400);
    require_sentence(post(replaced(good, "\n10\n", "\n010\n")), 400);
    require_sentence(post("old 11\n\n" + log.checkpoint(10)), 400);  // old above the size
    require_sentence(collector.send("GET", target), 405);

    FakeLog stranger("example.com/stranger");
    stranger.grow(10);
    require_sentence(post(stranger.add_checkpoint(0, 10)), 404);

    FakeLog impostor(log.key().name, 'x');  // same origin, another key
    impostor.grow(10);
    require_sentence(post(impostor.add_checkpoint(0, 10)), 403);
    Bytes tampered = replaced(good, "\n10\n", "\n11\n");  // the log's line no longer fits
    require_sentence(post(tampered), 403);

    require_sentence(post(encode_add_checkpoint({0, {Hash{}}, log.checkpoint(10)})), 422);  // a proof from 0
    Bytes other_root = "old 0\n\n" + log.checkpoint(0);
    require_sentence(post(replaced(other_root, base64(view(empty_root())), base64(view(Hash{})))), 422);

    REQUIRE(post(good).status == 200);
    Proof proof = log.consistency(10, 100);
    for (std::size_t i = 0; i < proof.size(); ++i) {
      Proof bad = proof;
      bad[i][5] ^= 1;
      require_sentence(post(encode_add_checkpoint({10, bad, log.checkpoint(100)})), 422);
    }
    Proof shorter(proof.begin(), proof.end() - 1);
    require_sentence(post(encode_add_checkpoint({10, shorter, log.checkpoint(100)})), 422);
    CHECK(post(encode_add_checkpoint({10, proof, log.checkpoint(100)})).status == 200);
  }
  require_sentence(collector.send("POST", "/nowhere"), 404);
  require_sentence(collector.send("GET", "/"), 404);
  require_sentence(collector.send("GET", "/witness/" + hex_origin + "/tile/0/000"), 404);
  require_sentence(collector.send("GET", "/witness/" + hex_origin), 404);
  require_sentence(collector.send("GET", "/witness/00/checkpoint"), 404);
}

TEST_CASE_METHOD(WitnessTest, "witness: a checkpoint that the log's key has not signed is told, with its sender") {
  FakeLog impostor(log.key().name, 'x');
  impostor.grow(10);
  const std::string said = stderr_of([&] { CHECK(collector.witness(impostor.add_checkpoint(0, 10)).status == 403); });
  CHECK_THAT(said, Catch::Matchers::Contains("warning: " + log.key().name +
                                             ": refused a checkpoint from \"\": the "
                                             "checkpoint has no signature of " +
                                             log.key().encode()));
}

TEST_CASE_METHOD(WitnessTest, "witness: lines of strangers are ignored and not carried on") {
  Note note = *Note::parse(log.checkpoint(10));
  note.signatures.insert(note.signatures.begin(), NoteSignature{"stranger", 7, "junk"});
  Bytes body = encode_add_checkpoint({0, {}, note.encode()});
  require_cosignature(collector.witness(body), Collector::witness_key(), log, 10);
  CHECK(collector.send("GET", "/witness/" + hex_origin + "/checkpoint").body.find("stranger") == std::string::npos);
}

TEST_CASE_METHOD(WitnessTest, "fork: two roots for one size are refused and both are kept") {
  FakeLog fork(log.key().name);
  fork.grow(50);
  fork.grow(200, "forked ");
  REQUIRE(collector.witness(log.add_checkpoint(0, 100)).status == 200);
  require_sentence(collector.witness("old 100\n\n" + fork.checkpoint(100)), 422);
  std::vector<std::string> kept = names_in(collector.directory(log) + "/evidence");
  REQUIRE(kept.size() == 2);
  std::vector<Bytes> notes;
  for (const std::string& name : kept) notes.push_back(*read_file(collector.directory(log) + "/evidence/" + name));
  CHECK(std::count(notes.begin(), notes.end(), log.checkpoint(100)) == 1);
  CHECK(std::count(notes.begin(), notes.end(), fork.checkpoint(100)) == 1);

  // Also when the client pretends to know nothing: the answer is the protocol's, the evidence is kept.
  FakeLog third(log.key().name);
  third.grow(200, "third ");
  require_size_conflict(collector.witness(third.add_checkpoint(0, 100)), "100");
  CHECK(names_in(collector.directory(log) + "/evidence").size() == 3);
  // Nothing of it has moved the witness.
  REQUIRE(collector.witness(log.add_checkpoint(100, 200)).status == 200);
}

TEST_CASE_METHOD(WitnessTest, "fork: a longer branch without a proof is refused and both are kept") {
  FakeLog fork(log.key().name);
  fork.grow(50);
  fork.grow(200, "forked ");
  REQUIRE(collector.witness(log.add_checkpoint(0, 100)).status == 200);
  require_sentence(collector.witness(fork.add_checkpoint(100, 200)), 422);
  CHECK(names_in(collector.directory(log) + "/evidence").size() == 2);
}

TEST_CASE_METHOD(WitnessTest, "fork: one branch for the witness and one for the mirror") {
  FakeLog fork(log.key().name);
  fork.grow(200, "forked ");
  REQUIRE(collector.witness(log.add_checkpoint(0, 100)).status == 200);
  require_sentence(collector.mirror(fork.add_checkpoint(0, 100)), 422);
  REQUIRE(collector.mirror(log.add_checkpoint(0, 150)).status == 200);
  require_sentence(collector.witness("old 100\n\n" + fork.checkpoint(150)), 422);
  // What is archived and what was pending count as well.
  REQUIRE(collector.mirror(log.add_checkpoint(150, 200)).status == 200);
  REQUIRE(collector.upload(log.add_entries(0, 150)).status == 200);
  REQUIRE(collector.upload(log.add_entries(150, 200)).status == 200);
  std::size_t before = names_in(collector.directory(log) + "/evidence").size();
  FakeLog third(log.key().name);
  third.grow(200, "third ");
  require_size_conflict(collector.mirror(third.add_checkpoint(0, 150)), "200");
  CHECK(names_in(collector.directory(log) + "/evidence").size() == before + 1);
}

TEST_CASE_METHOD(WitnessTest, "evidence: the same again adds nothing, and there is an end to it") {
  REQUIRE(collector.witness(log.add_checkpoint(0, 1)).status == 200);
  for (std::uint64_t i = 0; i < kMaxEvidence + 20; ++i) {
    Hash root{};
    root[0] = static_cast<std::uint8_t>(i), root[1] = static_cast<std::uint8_t>(i >> 8), root[2] = 1;
    set_diag_level(DiagLevel::error);
    Bytes body = "old 1\n\n" + log.sign({log.key().name, 1, root});
    REQUIRE(collector.witness(body).status == 422);
    REQUIRE(collector.witness(body).status == 422);
    set_diag_level(DiagLevel::info);
  }
  CHECK(names_in(collector.directory(log) + "/evidence").size() == kMaxEvidence);
}

TEST_CASE_METHOD(WitnessTest, "tls: a log with a URI takes requests from no other certificate") {
  collector.logs()[0].tls_uri = "sealring:gw-1";
  collector.open();
  for (std::vector<std::string> uris :
       {std::vector<std::string>{}, {"sealring:gw-2"}, {"sealring:gw-1x", "sealring:gw-"}}) {
    collector.peer_uris = uris;
    require_sentence(collector.witness(log.add_checkpoint(0, 10)), 403);
    require_sentence(collector.mirror(log.add_checkpoint(0, 10)), 403);
    require_sentence(collector.upload(log.add_entries(0, 0)), 403);
  }
  collector.peer_uris = {"other:x", "sealring:gw-1"};
  CHECK(collector.witness(log.add_checkpoint(0, 10)).status == 200);
  CHECK(collector.mirror(log.add_checkpoint(0, 10)).status == 200);
  CHECK(collector.upload(log.add_entries(0, 10)).status == 200);
}

TEST_CASE_METHOD(WitnessTest, "start: a witness file that is damaged is never taken for an empty one") {
  REQUIRE(collector.witness(log.add_checkpoint(0, 100)).status == 200);
  std::string file = collector.directory(log) + "/witness";
  const Bytes good = *read_file(file);
  FakeLog impostor(log.key().name, 'x');
  impostor.grow(100);
  // Signed by the log's key, and a good cosignature even, but of another log.
  std::string other = Checkpoint{"example.com/other", 100, log.root(100)}.text();
  Note of_other = *Note::parse(log.sign_text(other));
  of_other.signatures.push_back(*cosign(other, 1, "mon.example/witness", *signer('w')));
  for (const Bytes& bad : {of_other.encode(), Bytes(), Bytes("x"), good.substr(0, good.size() / 2), log.checkpoint(100),
                           impostor.checkpoint(100), replaced(good, "\n100\n", "\n101\n")}) {
    REQUIRE(replace_file(file, bad).ok());
    Status opened = collector.try_open();
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().kind == ErrorKind::fatal);
    CHECK(opened.error().message.find("/witness") != std::string::npos);
  }
  REQUIRE(replace_file(file, good).ok());
  collector.open();
}

TEST_CASE("witness and mirror: one key in both roles is refused") {
  ScratchDirectory scratch;
  FakeClock clock;
  auto open = [&](const char* w, char ws, const char* m, char ms) {
    CollectorService::Keys keys{{w, signer(ws)}, {m, signer(ms)}};
    return CollectorService::open(scratch.path(), {}, std::move(keys), clock, {}).ok();
  };
  CHECK(open("a", 'a', "b", 'b'));
  CHECK_FALSE(open("a", 'a', "b", 'a'));
  CHECK_FALSE(open("a", 'a', "a", 'b'));
}

TEST_CASE("archive: one collector at a time") {
  ScratchDirectory scratch;
  auto first = ArchiveLock::acquire(scratch.path() + "/new/archive");
  REQUIRE(first.ok());
  auto second = ArchiveLock::acquire(scratch.path() + "/new/archive");
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().kind == ErrorKind::reject);
  first->reset();
  CHECK(ArchiveLock::acquire(scratch.path() + "/new/archive").ok());
}
