// A log that is closed by a succession, and the one that follows it. 'i' is the identity of the first.
#include <fstream>
#include <thread>

#include "tests/unit/capture_stderr.h"
#include "tests/unit/collector_mirror_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

const std::string kUri = "sealring:gw-1", kOrigin = "example.com/gw-1";

struct SuccessionTest {
  FakeLog log{kOrigin}, follower{kOrigin + "~1", 'f'}, other{kOrigin + "~1", 'o'};
  Collector collector{{{log.key(), std::nullopt, kUri}}};
  std::string directory = collector.directory(log), path = directory + "/successor";

  SuccessionTest() {
    log.grow(700);
    follower.grow(300, "of the follower ");
    other.grow(300, "of another follower ");
    collector.peer_uris = {kUri};
  }
  // All that a collector can have of a log: archived, cosigned and pending sizes.
  void fill(FakeLog& one, std::uint64_t archived = 100, std::uint64_t witnessed = 150, std::uint64_t pending = 200) {
    require_status(collector.mirror(one.add_checkpoint(0, archived)), 200);
    require_status(collector.upload(one.add_entries(0, archived)), 200);
    require_status(collector.witness(one.add_checkpoint(0, witnessed)), 200);
    require_status(collector.mirror(one.add_checkpoint(archived, pending)), 200);
  }
  static Succession statement(const FakeLog& closed, std::uint64_t size, const FakeLog& next) {
    return {{closed.key().name, size, closed.root(size)}, next.key(), next.leaves[0]};
  }
  static Bytes signed_by(char seed, const Succession& one) {
    return Note{one.text(), {*sign_note_text(one.text(), one.closed.origin, *signer(seed))}}.encode();
  }
  Bytes note(std::uint64_t size = 150) const { return signed_by('i', statement(log, size, follower)); }
  HttpResponse post(Bytes body) { return collector.send("POST", "/succession", std::move(body), "text/plain"); }
  HttpResponse get(const FakeLog& one, const std::string& resource, const std::string& role = "witness") {
    return collector.send("GET", "/" + role + "/" + origin_hash(one.key().name) + "/" + resource);
  }
  // As if the log had been closed that long ago.
  void age(const std::string& closed, std::int64_t seconds) {
    timespec times[2] = {};
    times[0].tv_sec = times[1].tv_sec = collector.clock.wall_ns / 1'000'000'000 - seconds;
    REQUIRE(::utimensat(AT_FDCWD, (collector.archive() + "/" + origin_hash(closed) + "/successor").c_str(), times, 0) ==
            0);
  }
  // Refused with these words, which stand in our own lines, too; and nothing happened.
  void require_refused(const Bytes& body, unsigned status, const std::string& words, bool closed = false) {
    collector.open();  // each kind of line is said once a second
    HttpResponse response;
    const std::string said = stderr_of([&] { response = post(body); });
    require_status(response, status);
    CHECK_THAT(response.body, Catch::Contains(words));
    CHECK_THAT(said, Catch::Contains("warning: refused a succession from ") && Catch::Contains(words));
    CHECK(read_file(path).ok() == closed);
  }
  void require_open() {
    require_status(collector.witness(log.add_checkpoint(150, 700)), 200);
    CHECK(collector.service->log_count() == collector.logs().size());
  }
  void require_closed(FakeLog& one, const std::string& next) {
    for (const HttpResponse& response :
         {collector.witness(one.add_checkpoint(150, 300)), collector.witness(one.add_checkpoint(150, 150)),
          collector.mirror(one.add_checkpoint(200, 300)), collector.upload(one.add_entries(100, 200))}) {
      require_status(response, 403);
      CHECK_THAT(response.body, Catch::Contains(one.key().name + "\" is closed: \"" + next + "\" follows it"));
    }
    CHECK(get(one, "checkpoint").status == 200);
    CHECK(get(one, "checkpoint", "mirror").status == 200);
    CHECK(get(one, "tile/0/000.p/100", "mirror").status == 200);
  }
  // The follower is a log like any other, pinned, and bound to the certificate.
  void require_follower(FakeLog& one, const std::string& uri = kUri) {
    collector.peer_uris = {"sealring:stranger"};
    require_status(collector.witness(one.add_checkpoint(0, 10)), 403);
    collector.peer_uris = {uri};
    FakeLog impostor{one.key().name, one.by[0]};
    impostor.grow(300, "another entry 0 ");
    require_status(collector.mirror(impostor.add_checkpoint(0, 5)), 200);
    const HttpResponse wrong = collector.upload(impostor.add_entries(0, 5));
    require_status(wrong, 422);
    CHECK_THAT(wrong.body, Catch::Contains("the anchor pinned here"));
  }
};

void flip_line(Note& note, std::size_t which) {
  note.signatures.at(which).signature[9] = static_cast<char>(note.signatures.at(which).signature[9] ^ 1);
}

}  // namespace

TEST_CASE_METHOD(SuccessionTest, "succession: it closes the log, and its follower is a log at once and ever after") {
  fill(log);
  HttpResponse response;
  const std::string said = stderr_of([&] { response = post(note()); });
  require_status(response, 200);
  CHECK(response.content_type == "text/plain; charset=utf-8");
  const Note taken = *Note::parse(response.body);
  CHECK(taken.text == statement(log, 150, follower).text());
  REQUIRE(taken.signatures.size() == 2);
  CHECK(taken.signatures[0].name == kOrigin);
  CHECK(taken.signatures[1].name == "mon.example/succession");
  CHECK(check_note_signature(taken, log.key()) == SignatureState::valid);
  CHECK(check_note_signature(taken, collector.succession_key()) == SignatureState::valid);
  CHECK(copy(path) == response.body);
  struct stat s {};
  REQUIRE(::stat(path.c_str(), &s) == 0);
  CHECK((s.st_mode & 0777) == 0444);
  CHECK_THAT(said,
             Catch::Contains("error: alarm: " + kOrigin + " is closed at size 150: " + kOrigin + "~1 follows it") &&
                 Catch::Contains(follower.key().encode() + " " + hex(view(follower.leaves[0]))));
  CHECK(said.find("alarm: ") == said.rfind("alarm: "));
  const bool restarted = GENERATE(false, true);
  if (restarted) {
    // Said until an operator has enrolled it: a kill may have come before the first time.
    CHECK_THAT(stderr_of([&] { collector.open(); }), Catch::Contains("alarm: " + kOrigin + " is closed at size 150"));
  }
  CHECK(collector.service->log_count() == 2);
  require_closed(log, kOrigin + "~1");
  require_follower(follower);
  CHECK(get(follower, "checkpoint", "mirror").status == 404);
  require_status(collector.mirror(follower.add_checkpoint(5, 300)), 422);  // the impostor's is pending
  require_status(collector.witness(follower.add_checkpoint(0, 300)), 200);
  CHECK(get(follower, "checkpoint").status == 200);
  for (const std::string role : {"witness", "mirror"}) {
    CHECK(get(log, "successor", role).body == response.body);
    CHECK(get(follower, "successor", role).status == 404);
  }
}

TEST_CASE("succession: its key is a third one, with a third name") {
  ScratchDirectory scratch;
  FakeClock clock;
  const auto opens = [&](const std::string& name, char seed) {
    CollectorService::Keys keys{{"w", signer('w')}, {"m", signer('m')}, NamedKey{name, signer(seed)}};
    return CollectorService::open(scratch.path(), {}, std::move(keys), clock, {}).ok();
  };
  CHECK(opens("s", 's'));
  for (const char* name : {"w", "m"}) CHECK_FALSE(opens(name, 's'));
  for (const char seed : {'w', 'm'}) CHECK_FALSE(opens("s", seed));
}

TEST_CASE_METHOD(SuccessionTest, "succession: what the follower sends is archived") {
  fill(log);
  require_status(post(note()), 200);
  if (GENERATE(false, true)) collector.open();
  require_status(collector.mirror(follower.add_checkpoint(0, 300)), 200);
  require_status(collector.upload(follower.add_entries(0, 300)), 200);
  CHECK(check_archive(collector.directory(follower), follower) == 300);
  CHECK(get(follower, "tile/0/000", "mirror").status == 200);
}

TEST_CASE_METHOD(SuccessionTest, "succession: refused, with words, and the log stays open") {
  fill(log);
  const Succession good = statement(log, 150, follower);
  SECTION("not a note, not a statement") {
    require_refused("sealring/succession/v1\n", 400, "");
    require_refused(log.sign_text("sealring/succession/v2\n"), 400, "Succession: has fewer than six lines");
    std::string text = good.text();
    text.replace(text.find("\n150\n"), 5, "\n0150\n");
    require_refused(log.sign_text(text), 400, "lines 2 to 4");
    require_refused(log.checkpoint(150), 400, "Succession: has fewer than six lines");
  }
  SECTION("of a log that is none of ours") {
    FakeLog stranger{"example.com/gw-2"};
    stranger.grow(200);
    FakeLog next{"example.com/gw-2~1", 'f'};
    next.grow(1);
    require_refused(signed_by('i', statement(stranger, 150, next)), 404, "\"example.com/gw-2\" is not one of");
  }
  SECTION("of a log that is not bound") {
    collector.logs()[0].tls_uri = "";
    require_refused(note(), 403, "is not bound to a certificate");
  }
  SECTION("by another certificate") {
    for (const std::vector<std::string>& uris : {std::vector<std::string>{}, {"sealring:gw-2"}, {kUri + "x"}}) {
      collector.peer_uris = uris;
      require_refused(note(), 403, "is bound to a certificate with another URI than yours");
    }
    collector.peer_uris = {"sealring:first", kUri};
  }
  SECTION("not signed by the log's identity") {
    require_refused(signed_by('f', good), 403, "has no signature of " + log.key().encode());
    Note wrong = *Note::parse(note());
    flip_line(wrong, 0);
    require_refused(wrong.encode(), 403, "signature of " + log.key().encode() + " is wrong");
    // A good line beside does not mend it.
    Note both = *Note::parse(note());
    both.signatures.push_back(wrong.signatures[0]);
    require_refused(both.encode(), 403, "is wrong");
  }
  SECTION("for a checkpoint that is not known") {
    for (const std::uint64_t size : {99, 120, 201, 700}) require_refused(note(size), 403, "has no checkpoint of size");
    for (const std::uint64_t size : {100, 150, 200}) {
      Succession forked = statement(log, size, follower);
      forked.closed.root[3] ^= 1;
      require_refused(signed_by('i', forked), 403, "with that root");
    }
  }
  SECTION("without the key") {
    collector.succession = 0;
    require_refused(note(), 403, "takes no succession by itself (succession_key is not set)");
    CHECK_THAT(post(note()).body, Catch::Contains("policy") && Catch::Contains("[[gateway]]"));
  }
  collector.open();
  CHECK(collector.send("GET", "/succession").status == 405);
  require_open();
  CHECK(get(log, "successor").status == 404);
  CHECK(names_in(directory + "/evidence").empty());
  CHECK_FALSE(read_file(collector.directory(follower) + "/log").ok());
}

TEST_CASE_METHOD(SuccessionTest, "succession: the witness' latest checkpoint, the mirror's, or a receipt's will do") {
  fill(log);
  require_status(collector.upload(log.add_entries(100, 200)), 200);
  require_status(collector.mirror(log.add_checkpoint(200, 700)), 200);
  const std::uint64_t size = GENERATE(100, 150, 200, 700);
  if (GENERATE(false, true)) collector.open();
  require_status(post(note(size)), 200);
  CHECK_THAT(copy(path), Catch::Contains("\n" + std::to_string(size) + "\n"));
}

TEST_CASE_METHOD(SuccessionTest, "succession: after a rotation the former identity closes nothing") {
  const bool rotated = GENERATE(true, false);
  const char seed = GENERATE('j', 'k');
  collector.logs()[0].later = {log.key_of('j'), log.key_of('k')};
  collector.open();
  fill(log);
  const Succession good = statement(log, 150, follower);
  log.by = "j";
  if (rotated) require_status(collector.witness(log.add_checkpoint(150, 300)), 200);
  collector.open();
  if (rotated) {
    // At any size: the identity that it has now is to say so.
    for (const std::uint64_t size : {100, 150, 200})
      require_refused(signed_by('i', statement(log, size, follower)), 403,
                      "but from size 300 on the log has another one, " + log.key_of('j').encode());
    require_status(post(signed_by(seed, statement(log, 300, follower))), 200);
    CHECK(check_note_signature(*Note::parse(copy(path)), log.key_of(seed)) == SignatureState::valid);
  } else {
    // Of several lines the last key's is kept, and no stranger's.
    Note several = *Note::parse(signed_by('j', good));
    several.signatures.push_back(Note::parse(signed_by('i', good))->signatures[0]);
    several.signatures.push_back({"example.com/stranger", 7, Bytes(64, 'x')});
    require_status(post(several.encode()), 200);
    CHECK(Note::parse(copy(path))->signatures.size() == 2);
    CHECK(check_note_signature(*Note::parse(copy(path)), log.key_of('j')) == SignatureState::valid);
  }
  collector.open();
  CHECK(collector.service->log_count() == 2);
}

TEST_CASE_METHOD(SuccessionTest, "succession: sent again it has the same answer") {
  fill(log);
  const HttpResponse first = post(note());
  require_status(first, 200);
  for (const bool restarted : {false, true, true}) {
    if (restarted) collector.open();
    CHECK(post(note()).body == first.body);
    CHECK(post(first.body).body == first.body);  // as it was answered
    CHECK(copy(path) == first.body);
  }
  CHECK(collector.service->log_count() == 2);
  CHECK(names_in(directory + "/evidence").empty());
  collector.peer_uris = {"sealring:stranger"};
  CHECK(post(note()).status == 403);
}

TEST_CASE_METHOD(SuccessionTest, "succession: a second one is refused, and kept as evidence") {
  fill(log);
  const HttpResponse first = post(note());
  require_status(first, 200);
  const bool same_follower = GENERATE(false, true);
  const Bytes second = same_follower ? note(100) : signed_by('i', statement(log, 150, other));
  if (GENERATE(false, true)) collector.open();
  HttpResponse response;
  const std::string said = stderr_of([&] { response = post(second); });
  require_status(response, 403);
  CHECK_THAT(response.body, Catch::Contains("is closed already") && Catch::Contains(follower.key().encode()));
  CHECK_THAT(said, Catch::Contains("error: alarm: " + kOrigin + " has signed a second succession"));
  require_status(post(second), 403);
  const std::vector<std::string> kept = names_in(directory + "/evidence");
  REQUIRE(kept.size() == 1);
  CHECK_THAT(kept[0], Catch::EndsWith(".succession"));
  CHECK(copy(directory + "/evidence/" + kept[0]) == second);
  CHECK(copy(path) == first.body);
  CHECK_THAT(stderr_of([&] { collector.open(); }), !Catch::Contains("not a name of this archive"));
  CHECK(post(note()).body == first.body);
  // What the log's identity has not signed is no evidence.
  require_refused(signed_by('o', statement(log, 200, other)), 403, "has no signature", true);
  CHECK(names_in(directory + "/evidence").size() == 1);
}

TEST_CASE_METHOD(SuccessionTest, "succession: evidence has its bound") {
  fill(log);
  require_status(post(note()), 200);
  for (std::size_t i = 0; i < kMaxEvidence; ++i) std::ofstream(directory + "/evidence/" + std::to_string(i) + ".note");
  collector.open();
  const std::string said = stderr_of([&] { require_status(post(signed_by('i', statement(log, 150, other))), 403); });
  CHECK_THAT(said, Catch::Contains("evidence was not kept: ") && Catch::Contains("alarm: "));
  CHECK(names_in(directory + "/evidence").size() == kMaxEvidence);
}

TEST_CASE_METHOD(SuccessionTest, "succession: a chain of them, none of a log that is younger than an hour") {
  FakeLog second{kOrigin + "~2", 'g'};
  second.grow(300, "of the second follower ");
  const Bytes next = signed_by('f', statement(follower, 150, second));
  fill(log);
  require_status(post(note()), 200);
  fill(follower);
  const bool restarted = GENERATE(false, true);
  const auto restart = [&] {
    if (restarted) collector.open();
  };
  for (const int seconds : {0, 3599, -3600}) {  // the last: by a clock that was wrong, then or now
    age(kOrigin, seconds);
    restart();
    HttpResponse response;
    const std::string said = stderr_of([&] { response = post(next); });
    require_status(response, 503);
    CHECK_THAT(response.body, Catch::Contains("since less than an hour") && Catch::Contains("retry later"));
    if (restarted) CHECK_THAT(said, Catch::Contains("warning: refused a succession from"));
  }
  CHECK_FALSE(read_file(collector.directory(follower) + "/successor").ok());
  age(kOrigin, 3600);
  restart();
  const HttpResponse taken = post(next);
  require_status(taken, 200);
  restart();
  CHECK(collector.service->log_count() == 3);
  require_closed(log, kOrigin + "~1");
  require_closed(follower, kOrigin + "~2");
  require_follower(second);
  age(kOrigin, 0);  // what was taken stays taken
  CHECK(post(next).body == taken.body);
  CHECK(post(note()).body == copy(path));
  CHECK(get(follower, "successor").body == taken.body);
}

TEST_CASE_METHOD(SuccessionTest, "succession: a log that is being written to is not closed") {
  const bool restarted = GENERATE(false, true);
  collector.quiet = std::chrono::milliseconds(119'500);  // whole seconds, rounded up
  collector.open();
  fill(log);
  const auto later = [&](std::int64_t seconds) { collector.clock.wall_ns += seconds * 1'000'000'000; };
  const std::string words = "is still being written to: a log is closed when its last checkpoint is 120 s old";
  require_refused(note(200), 503, words);
  later(119);
  require_refused(note(200), 503, words);
  require_refused(note(99), 403, "has no checkpoint of size");  // what is refused for good is said at once
  SECTION("until it no longer is") {}
  SECTION("nor while it goes on, or says the same again") {
    require_status(collector.witness(log.add_checkpoint(150, 160)), 200);
    later(119);
    require_refused(note(200), 503, words);
    require_status(collector.witness(log.add_checkpoint(160, 160)), 200);
    later(119);
    require_refused(note(200), 503, words);
  }
  SECTION("nor by a clock that was wrong") {
    later(-3600);
    require_refused(note(200), 503, words);
    later(3600);
  }
  SECTION("by what was taken besides") {
    later(1);
    require_status(collector.upload(log.add_entries(100, 200)), 200);
    require_status(collector.mirror(log.add_checkpoint(200, 300)), 200);
    later(-1);
  }
  // Asked about and refused, which renews nothing.
  require_status(collector.witness(log.add_checkpoint(0, 50)), 409);
  CHECK(get(log, "checkpoint").status == 200);
  require_refused(note(200), 503, words);
  later(1);
  if (restarted) collector.open();
  const HttpResponse taken = post(note(200));
  require_status(taken, 200);
  later(-60);  // what was taken stays taken
  CHECK(post(note(200)).body == taken.body);
}

TEST_CASE_METHOD(SuccessionTest, "succession: a log of which the witness has nothing is not in use") {
  collector.quiet = std::chrono::hours(1);
  collector.open();
  require_status(collector.mirror(log.add_checkpoint(0, 150)), 200);
  require_status(post(note()), 200);
}

TEST_CASE_METHOD(SuccessionTest, "succession: the followers in an archive are found however long the chain is") {
  fill(log);
  require_status(post(note()), 200);
  for (int i = 1; i < 12; ++i) {  // past the tenth names are no longer in the order of text
    FakeLog one{kOrigin + "~" + std::to_string(i), 'f'}, next{kOrigin + "~" + std::to_string(i + 1), 'f'};
    for (FakeLog* log_of : {&one, &next}) log_of->grow(2, log_of->key().name);
    if (i == 1) {
      one.entries = follower.entries;
      one.leaves = follower.leaves;
    }
    require_status(collector.witness(one.add_checkpoint(0, 2)), 200);
    age(i == 1 ? kOrigin : kOrigin + "~" + std::to_string(i - 1), 3600);
    require_status(post(signed_by('f', statement(one, 2, next))), 200);
  }
  std::string uri = kUri;
  SECTION("by the first one alone") {}
  SECTION("or with some of them in the policy") {
    for (const char* name : {"~12", "~3", "~10"})
      collector.logs().insert(collector.logs().begin(), {FakeLog{kOrigin + name, 'f'}.key(), std::nullopt, ""});
  }
  SECTION("or with one that is pinned there, and bound to another certificate") {
    FakeLog fifth{kOrigin + "~5", 'f'};
    fifth.grow(1, fifth.key().name);
    uri = "sealring:new";  // so are those behind it
    collector.logs().push_back({fifth.key(), fifth.leaves[0], uri});
  }
  collector.open();
  CHECK(collector.service->log_count() == 13);
  FakeLog last{kOrigin + "~12", 'f'};
  last.grow(300, last.key().name);
  require_follower(last, uri);
}

TEST_CASE_METHOD(SuccessionTest, "succession: a follower that the policy names already, by the same anchor") {
  const std::string uri = GENERATE("sealring:its-own", "");
  const bool restarted = GENERATE(false, true);
  fill(log);
  collector.logs().push_back({follower.key(), follower.leaves[0], uri});
  collector.open();
  require_status(post(note()), 200);
  // An operator has enrolled it: there is nothing to say any more.
  if (restarted) CHECK_THAT(stderr_of([&] { collector.open(); }), !Catch::Contains("alarm"));
  CHECK(collector.service->log_count() == 2);
  // The operator's word counts.
  require_status(collector.witness(follower.add_checkpoint(0, 10)), uri.empty() ? 200 : 403);
  collector.peer_uris = {"sealring:its-own"};
  require_status(collector.witness(follower.add_checkpoint(uri.empty() ? 10 : 0, 20)), 200);
  // It is a follower all the same.
  FakeLog second{kOrigin + "~2", 'g'};
  second.grow(1);
  age(kOrigin, 1);
  require_status(post(signed_by('f', statement(follower, 20, second))), uri.empty() ? 403 : 503);
}

TEST_CASE_METHOD(SuccessionTest, "succession: a follower that the policy names already, by its vkey alone") {
  const int archived = GENERATE(0, 1, 2);  // nothing, its own entry 0, another one
  const bool restarted = GENERATE(false, true);
  fill(log);
  collector.logs().push_back({follower.key(), std::nullopt, ""});
  collector.open();
  FakeLog impostor{follower.key().name, 'f'};
  impostor.grow(300, "another entry 0 ");
  if (archived != 0) {
    FakeLog& one = archived == 1 ? follower : impostor;
    require_status(collector.mirror(one.add_checkpoint(0, 5)), 200);
    require_status(collector.upload(one.add_entries(0, 5)), 200);
  }
  if (archived == 2) {
    require_refused(note(), 403, "~1\" is here already, and has another anchor than " + follower.key().encode());
    return require_open();
  }
  require_status(post(note()), 200);
  if (restarted) CHECK_THAT(stderr_of([&] { collector.open(); }), !Catch::Contains("alarm"));
  CHECK(collector.service->log_count() == 2);
  require_closed(log, kOrigin + "~1");
  if (archived == 0) return require_follower(follower);
  collector.peer_uris = {"sealring:stranger"};
  require_status(collector.mirror(follower.add_checkpoint(5, 10)), 403);
  collector.peer_uris = {kUri};
  require_status(collector.mirror(follower.add_checkpoint(5, 10)), 200);
}

TEST_CASE_METHOD(SuccessionTest, "succession: a follower that is named by its vkey, while the other is not closed") {
  collector.quiet = std::chrono::minutes(2);
  collector.logs().push_back({follower.key(), std::nullopt, ""});
  collector.open();
  fill(log);
  require_refused(note(), 503, "is still being written to");
  // It is bound to nothing by that.
  FakeLog other_entries{follower.key().name, 'f'};
  other_entries.grow(5, "another entry 0 ");
  collector.peer_uris = {"sealring:stranger"};
  require_status(collector.mirror(other_entries.add_checkpoint(0, 5)), 200);
  require_status(collector.upload(other_entries.add_entries(0, 5)), 200);
}

TEST_CASE_METHOD(SuccessionTest, "succession: a follower that the policy names already, by another anchor") {
  fill(log);
  LogIdentity named{follower.key(), follower.leaves[0], kUri};
  const int what = GENERATE(0, 1, 2);
  if (what != 1) named.key = other.key();
  if (what == 1) named.genesis = other.leaves[0];
  if (what == 2) named.genesis = std::nullopt;
  collector.logs().push_back(named);
  require_refused(note(), 403, "~1\" is here already, and has another anchor than " + follower.key().encode());
  require_open();
}

TEST_CASE_METHOD(SuccessionTest, "succession: a follower of which the archive has something already") {
  fill(log);
  const bool same = GENERATE(false, true);
  collector.logs().push_back({(same ? follower : other).key(), follower.leaves[0], kUri});
  collector.open();
  collector.logs().resize(1);
  collector.open();
  CHECK(collector.service->log_count() == 1);
  if (same) {
    require_status(post(note()), 200);
    require_follower(follower);
  } else {
    require_refused(note(), 403, "is here already");
    require_open();
  }
}

TEST_CASE_METHOD(SuccessionTest, "succession: an operator enrols the follower afterwards") {
  const bool key = GENERATE(false, true);
  fill(log);
  require_status(post(note()), 200);
  SECTION("by its vkey alone: what bound it so far still does") {
    collector.logs().push_back({follower.key(), std::nullopt, ""});
    CHECK_THAT(stderr_of([&] { collector.open(); }), !Catch::Contains("alarm"));
    require_follower(follower);
  }
  SECTION("by the vkey that it was rotated to alone, or before its first one: that one is known") {
    const VerifierKey later = follower.key_of('g');
    collector.logs().push_back({later, std::nullopt, "", key ? LogKeys{follower.key()} : LogKeys{}});
    CHECK_THAT(stderr_of([&] { collector.open(); }), !Catch::Contains("alarm"));
    require_follower(follower);
    require_status(collector.witness(follower.add_checkpoint(0, 10)), 200);
    follower.by = "g";
    require_status(collector.witness(follower.add_checkpoint(10, 20)), 200);
    follower.by = "f";
    require_status(collector.witness(follower.add_checkpoint(20, 30)), 403);
  }
  SECTION("by another anchor than the succession has") {
    LogIdentity named{follower.key(), follower.leaves[0], kUri};
    if (key) named.key = other.key();
    if (!key) named.genesis = other.leaves[0];
    collector.logs().push_back(named);
    const Status opened = collector.try_open();
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().kind == ErrorKind::fatal);
    CHECK_THAT(opened.error().message, Catch::Contains(path + " says that " + follower.key().encode()) &&
                                           Catch::Contains("the configuration has another anchor"));
  }
}

TEST_CASE_METHOD(SuccessionTest, "succession: a start without the key leaves the log closed, and says so") {
  fill(log);
  require_status(post(note()), 200);
  collector.succession = 0;
  const std::string said = stderr_of([&] { collector.open(); });
  CHECK_THAT(said, Catch::Contains("warning: " + kOrigin + " is closed by a succession") &&
                       Catch::Contains("is not set") && Catch::Contains(kOrigin + "~1"));
  CHECK(collector.service->log_count() == 1);
  require_closed(log, kOrigin + "~1");
  require_status(collector.witness(follower.add_checkpoint(0, 10)), 404);
  require_status(post(note()), 403);
  collector.succession = 's';
  collector.open();
  CHECK(collector.service->log_count() == 2);
}

TEST_CASE_METHOD(SuccessionTest, "succession: what was kept of it must be what it was") {
  const bool without_key = GENERATE(false, true);
  fill(log);
  require_status(post(note()), 200);
  Note kept = *Note::parse(copy(path));
  Bytes bytes;
  std::string words = "/successor: ";
  SECTION("the collector's line is wrong") {
    flip_line(kept, 1);
    words += "no valid signature of " + collector.succession_key().encode() + " (was succession_key changed?)";
  }
  SECTION("another succession key") {
    collector.succession = 'S';
    words += "no valid signature of " + collector.succession_key().encode();
  }
  SECTION("the identity's line is wrong") {
    flip_line(kept, 0);
    if (without_key) collector.succession = 0;
    words += "the succession's signature of " + log.key().encode() + " is wrong";
  }
  SECTION("the collector's line is missing") {
    kept.signatures.pop_back();
    if (without_key) collector.succession = 0;
    words += "a succession with other lines";
  }
  SECTION("the identity's line is missing") {
    kept.signatures.erase(kept.signatures.begin());
    words += "the succession has no signature of " + log.key().encode();
  }
  SECTION("another log's") {
    FakeLog stranger{"example.com/gw-2"}, next{"example.com/gw-2~1", 'f'};
    stranger.grow(150);
    next.grow(1);
    kept = *Note::parse(signed_by('i', statement(stranger, 150, next)));
    words += "a succession of \"example.com/gw-2\" instead of";
  }
  SECTION("cut off") { bytes = copy(path).substr(0, 100); }
  SECTION("empty") { bytes = "\n"; }
  if (bytes.empty()) bytes = kept.encode();
  REQUIRE(::unlink(path.c_str()) == 0);
  std::ofstream(path) << bytes;
  const Status opened = collector.try_open();
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().kind == ErrorKind::fatal);
  CHECK_THAT(opened.error().message, Catch::Contains(words));
}

TEST_CASE_METHOD(SuccessionTest, "succession: nothing is answered before it is durable, nor when it cannot be") {
  fill(log);
  SECTION("the log's folder") {
    {
      Unusable folder(directory);
      require_status(post(note()), 503);
    }
    CHECK_FALSE(read_file(path).ok());
    require_status(collector.witness(log.add_checkpoint(150, 150)), 200);
    CHECK(collector.service->log_count() == 1);
  }
  SECTION("the follower's folder") {
    // Closed by then; the gateway comes again, and finds the follower taken.
    const std::string in_the_way = collector.directory(follower) + "/segments";
    REQUIRE(::mkdir(collector.directory(follower).c_str(), 0755) == 0);
    std::ofstream{in_the_way}.put('x');
    require_status(post(note()), 503);
    CHECK(collector.service->log_count() == 1);
    CHECK(read_file(path).ok());
    require_closed(log, kOrigin + "~1");
    REQUIRE(::unlink(in_the_way.c_str()) == 0);
    require_status(post(note()), 200);
  }
  require_status(post(note(150)), 200);
  require_follower(follower);
}

TEST_CASE_METHOD(SuccessionTest, "succession: many at once, while the log is used and read") {
  fill(log);
  std::atomic<bool> stop{false};
  std::atomic<int> taken{0}, refused{0}, odd{0};
  std::atomic<std::uint64_t> cosigned{150};
  std::vector<Bytes> checkpoints, closings;  // made beforehand: making them asserts, and that is for one thread
  for (std::uint64_t size = 151; size <= 500; ++size) checkpoints.push_back(log.add_checkpoint(size - 1, size));
  for (const FakeLog* next : {&follower, &other, &follower, &other})
    closings.push_back(signed_by('i', statement(log, 100, *next)));
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    std::uint64_t size = 150;
    for (const Bytes& checkpoint : checkpoints) {
      const HttpResponse response = collector.witness(checkpoint);
      if (response.status != 200) return void(odd += response.status != 403);
      cosigned = ++size;
    }
  });
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      while (!stop) {
        odd += get(log, "checkpoint").status != 200;
        const unsigned of_follower = get(follower, "checkpoint").status, successor = get(log, "successor").status;
        odd += of_follower != 200 && of_follower != 404;
        odd += successor != 200 && successor != 404;
        odd += collector.service->log_count() > 2;
      }
    });
  std::vector<std::thread> posts;
  for (const Bytes& closing : closings)
    posts.emplace_back([&] {
      const HttpResponse response = post(closing);
      ++(response.status == 200 ? taken : refused);
      odd += response.status != 200 && response.status != 403;
    });
  for (std::thread& thread : posts) thread.join();
  const FakeLog& winner =
      read_succession(copy(path), {log.key()}, nullptr)->statement.follower == follower.key() ? follower : other;
  CHECK(collector.witness(winner.add_checkpoint(0, 10)).status == 200);
  threads.front().join();
  stop = true;
  threads[1].join();
  threads[2].join();
  CHECK(taken == 2);
  CHECK(refused == 2);
  CHECK(odd == 0);
  CHECK(names_in(directory + "/evidence").size() == 1);
  // What was cosigned before it was closed is there, and nothing came after it.
  CHECK_THAT(get(log, "checkpoint").body, Catch::Contains("\n" + std::to_string(cosigned) + "\n"));
}
