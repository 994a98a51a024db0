#include "storage/entry.h"
#include "tests/unit/capture_stderr.h"
#include "tests/unit/collector_mirror_fixture.h"

using namespace sealring;
using namespace sealring::test;

TEST_CASE_METHOD(MirrorTest, "mirror: archives one segment per pending checkpoint, and signs each") {
  add_pending({10, 256, 257, 700, 5000});
  CHECK(pending().size() == 5);
  CHECK(collector.send("GET", "/mirror/" + origin_hash(log.key().name) + "/checkpoint").status == 404);
  std::uint64_t before = 0, left = 5;
  for (std::uint64_t size : {10, 256, 257, 700, 5000}) {
    require_receipt(collector.upload(log.add_entries(before, size)), size);
    CHECK(pending().size() == --left);
    CHECK(staged().empty());
    before = size;
  }
  CHECK(names_in(directory + "/segments").size() == 5);
  CHECK(names_in(directory + "/receipts").size() == 5);
}

TEST_CASE_METHOD(MirrorTest, "mirror: does not sign when a checkpoint is registered") {
  add_pending({10});
  CHECK(names_in(directory + "/receipts").empty());
  CHECK(copy(directory + "/pending/" + receipt_file_name(10)) == log.checkpoint(10));
}

TEST_CASE_METHOD(MirrorTest, "mirror: an upload may end at any pending checkpoint and passes over those below") {
  add_pending({10, 20, 300, 400});
  require_receipt(collector.upload(log.add_entries(0, 300)), 300);
  CHECK(pending() == std::vector<std::string>{receipt_file_name(400)});
  require_info(collector.upload(log.add_entries(0, 20)), 409, 400, 300);  // below what is archived
  require_receipt(collector.upload(log.add_entries(300, 400)), 400);
}

TEST_CASE_METHOD(MirrorTest, "mirror: a receipt carries the witness' line of the same checkpoint") {
  auto witness_line = [&](std::uint64_t size) {
    return check_cosignature(*Note::parse(copy(directory + "/receipts/" + receipt_file_name(size))),
                             Collector::witness_key())
        .state;
  };
  log.grow(20);
  REQUIRE(collector.witness(log.add_checkpoint(0, 10)).status == 200);
  SECTION("at once") { add_pending({10, 20}); }
  SECTION("when it comes after the registration") {
    collector.open();
    add_pending({10, 20});
    REQUIRE(collector.witness(log.add_checkpoint(10, 10)).status == 200);
  }
  SECTION("after a restart") {
    add_pending({10, 20});
    collector.open();
  }
  require_receipt(collector.upload(log.add_entries(0, 10)), 10);
  CHECK(witness_line(10) == SignatureState::valid);
  // As after a crash between the segment and its receipt.
  REQUIRE(::unlink((directory + "/receipts/" + receipt_file_name(10)).c_str()) == 0);
  collector.open();
  CHECK(witness_line(10) == SignatureState::valid);
  require_receipt(collector.upload(log.add_entries(10, 20)), 20);
  CHECK(witness_line(20) == SignatureState::absent);  // it has not cosigned that one
}

TEST_CASE_METHOD(MirrorTest, "mirror: what the witness cosigned further ahead is in no receipt") {
  add_pending({10});
  log.grow(20);
  REQUIRE(collector.witness(log.add_checkpoint(0, 10)).status == 200);
  REQUIRE(collector.witness(log.add_checkpoint(10, 20)).status == 200);
  require_receipt(collector.upload(log.add_entries(0, 10)), 10);
  CHECK(Note::parse(copy(directory + "/receipts/" + receipt_file_name(10)))->signatures.size() == 2);
}

TEST_CASE_METHOD(MirrorTest, "mirror: a break at the end of a segment is an alarm, once, and is kept") {
  const auto push = [&](const Bytes& entry) {
    log.entries.push_back(entry);
    log.leaves.push_back(leaf_hash(entry));
  };
  Entry entry;
  entry.common.boot = 1;
  entry.common.boottime_ns = 1;
  KeyBreak lost;
  lost.epoch = 7;
  lost.size = 19;
  entry.body = lost;
  Bytes bytes;
  REQUIRE(encode_entry(entry, bytes).ok());
  log.grow(12);
  push(bytes);  // 12, within a segment: no business of the mirror's
  log.grow(19);
  push(bytes);
  add_pending({10, 20});
  const std::string kept = directory + "/evidence/00000000000000000019.break";
  const auto archive = [&] {
    return stderr_of([&] {
      require_receipt(collector.upload(log.add_entries(0, 10)), 10);
      require_receipt(collector.upload(log.add_entries(10, 20)), 20);
      collector.open();
    });
  };
  SECTION("of an enrolled log") {
    collector.logs()[0].genesis = log.leaves[0];
    collector.open();
    std::string said;
    SECTION("at once") { said = archive(); }
    SECTION("tried again after the disk did not take the segment") {
      require_receipt(collector.upload(log.add_entries(0, 10)), 10);
      said = stderr_of([&] {
        Unusable segments(directory + "/segments");
        require_status(collector.upload(log.add_entries(10, 20)), 503);
      });
      CHECK(archive().find("BREAK") == std::string::npos);
    }
    SECTION("not without its evidence") {
      require_receipt(collector.upload(log.add_entries(0, 10)), 10);
      {
        Unusable evidence(directory + "/evidence");
        require_status(collector.upload(log.add_entries(10, 20)), 503);
      }
      CHECK(names_in(directory + "/segments").size() == 1);
      said = archive();
    }
    CHECK(said.find(": BREAK: entry 19 says that the key of epoch 7 was lost; entries [10, 19) rest on the identity "
                    "key alone, for ever; it is kept in " +
                    directory + "/evidence\n") != std::string::npos);
    CHECK(said.find("BREAK") == said.rfind("BREAK"));
    CHECK(names_in(directory + "/evidence").size() == 1);
    CHECK(copy(kept) == bytes);
  }
  SECTION("of a stranger's log nothing is looked at") {
    CHECK(archive().find("BREAK") == std::string::npos);
    CHECK(names_in(directory + "/evidence").empty());
  }
}

TEST_CASE_METHOD(MirrorTest, "mirror: a receipt carries the witness' line that was shown at the registration") {
  log.grow(20);
  const HttpResponse cosigned = collector.witness(log.add_checkpoint(0, 10));
  REQUIRE(collector.witness(log.add_checkpoint(10, 20)).status == 200);  // further ahead by now
  std::string line = cosigned.body;
  auto registered = [&] { return collector.mirror(encode_add_checkpoint({0, {}, log.checkpoint(10) + line})); };
  auto state = [&] {
    return check_cosignature(*Note::parse(copy(directory + "/receipts/" + receipt_file_name(10))),
                             Collector::witness_key())
        .state;
  };
  SECTION("kept, also over a restart") {
    REQUIRE(registered().status == 200);
    collector.open();
    require_receipt(collector.upload(log.add_entries(0, 10)), 10);
    CHECK(state() == SignatureState::valid);
    // As after a crash between the segment and its receipt.
    Note note = *Note::parse(log.checkpoint(10));
    note.signatures.push_back(parse_signature_lines(line)->front());
    REQUIRE(replace_file(directory + "/pending/" + receipt_file_name(10), note.encode()).ok());
    REQUIRE(::unlink((directory + "/receipts/" + receipt_file_name(10)).c_str()) == 0);
    collector.open();
    CHECK(state() == SignatureState::valid);
    CHECK(pending().empty());
  }
  SECTION("shown at a second registration") {
    REQUIRE(collector.mirror(log.add_checkpoint(0, 10)).status == 200);
    REQUIRE(collector.mirror(encode_add_checkpoint({10, {}, log.checkpoint(10) + line})).status == 200);
    require_receipt(collector.upload(log.add_entries(0, 10)), 10);
    CHECK(state() == SignatureState::valid);
  }
  SECTION("a false one is not") {
    const std::size_t at = line.rfind(' ') + 20;
    line[at] = line[at] == 'A' ? 'B' : 'A';
    REQUIRE(registered().status == 200);
    require_receipt(collector.upload(log.add_entries(0, 10)), 10);
    CHECK(state() == SignatureState::absent);
  }
}

TEST_CASE_METHOD(MirrorTest, "mirror: a new checkpoint must extend the last pending one, then the archived one") {
  add_pending({10, 20});
  require_status(collector.mirror(log.add_checkpoint(0, 20)), 409);
  require_status(collector.mirror(log.add_checkpoint(10, 20)), 409);
  CHECK(collector.mirror(log.add_checkpoint(10, 20)).body == "20\n");
  require_status(collector.mirror(log.add_checkpoint(20, 20)), 200);
  require_receipt(collector.upload(log.add_entries(0, 20)), 20);
  add_pending({30}, 20);
  require_receipt(collector.upload(log.add_entries(20, 30)), 30);
  collector.open();
  add_pending({40}, 30);
  require_receipt(collector.upload(log.add_entries(30, 40)), 40);
}

TEST_CASE_METHOD(MirrorTest, "mirror: a conflict says where to go on") {
  log.grow(1000);
  require_info(collector.upload(log.add_entries(0, 0)), 409, 0, 0);   // "what do you have?"
  require_info(collector.upload(log.add_entries(0, 10)), 409, 0, 0);  // nothing is pending
  add_pending({500, 1000});
  require_info(collector.upload(log.add_entries(0, 0)), 409, 1000, 0);
  require_info(collector.upload(log.add_entries(0, 499)), 409, 1000, 0);      // not a pending size
  require_info(collector.upload(log.add_entries(1, 500)), 409, 500, 0);       // a gap
  require_info(collector.upload(log.add_entries(1000, 1000)), 409, 1000, 0);  // nothing sent, nothing signed
  require_receipt(collector.upload(log.add_entries(0, 500)), 500);
  require_info(collector.upload(log.add_entries(501, 1000)), 409, 1000, 500);
  require_info(collector.upload(log.add_entries(0, 0)), 409, 1000, 500);
  require_receipt(collector.upload(log.add_entries(500, 1000)), 1000);
  require_info(collector.upload(log.add_entries(0, 0)), 409, 1000, 1000);
}

TEST_CASE_METHOD(MirrorTest, "mirror: at most 32 packages of a request are taken") {
  add_pending({100, 8500, 9000});
  require_receipt(collector.upload(log.add_entries(0, 100)), 100);
  require_info(collector.upload(log.add_entries(100, 8500)), 202, 8500, 8192);
  require_receipt(collector.upload(log.add_entries(8192, 8500)), 8500);
}

TEST_CASE_METHOD(MirrorTest, "mirror: goes on after any package, also after a restart") {
  bool restart = GENERATE(false, true);
  std::uint64_t first = GENERATE(0, 7, 256, 300);
  if (first != 0) {
    add_pending({first});
    require_receipt(collector.upload(log.add_entries(0, first)), first);
  }
  add_pending({1500}, first);
  std::uint64_t next = first;
  for (;;) {
    HttpResponse response = collector.upload(log.add_entries(next, 1500, 0, 1));
    if (response.status == 200) {
      require_receipt(response, 1500);
      break;
    }
    next = package_range(next, 1500, 0).end;
    require_info(response, 202, 1500, next);
    REQUIRE(check_archive(directory, log) == first);
    if (restart) collector.open();
    require_info(collector.upload(log.add_entries(0, 0)), 409, 1500, next);
  }
  CHECK(staged().empty());
}

TEST_CASE_METHOD(MirrorTest, "mirror: what is staged for one checkpoint serves another") {
  add_pending({400, 700, 900});
  require_info(collector.upload(log.add_entries(0, 900, 0, 2)), 202, 900, 512);
  SECTION("a nearer one that is covered already: nothing need be sent") {
    require_receipt(collector.upload(log.add_entries(400, 400)), 400);
    require_info(collector.upload(log.add_entries(0, 0)), 409, 900, 512);
    if (GENERATE(false, true)) collector.open();
    require_info(collector.upload(log.add_entries(0, 0)), 409, 900, 512);
    require_receipt(collector.upload(log.add_entries(512, 700)), 700);
    require_receipt(collector.upload(log.add_entries(700, 900)), 900);
  }
  SECTION("one behind it") {
    require_receipt(collector.upload(log.add_entries(512, 700)), 700);
    require_receipt(collector.upload(log.add_entries(700, 900)), 900);
  }
  CHECK(staged().empty());
}

TEST_CASE_METHOD(MirrorTest, "mirror: a segment may end inside what one request has staged") {
  add_pending({300, 400, 450, 500});
  require_receipt(collector.upload(log.add_entries(0, 300)), 300);
  {
    Unusable gone(directory + "/segments");
    require_status(collector.upload(log.add_entries(300, 450)), 503);
  }
  require_receipt(collector.upload(log.add_entries(400, 400)), 400);
  if (GENERATE(false, true)) collector.open();
  require_info(collector.upload(log.add_entries(0, 0)), 409, 500, 450);
  require_receipt(collector.upload(log.add_entries(450, 500)), 500);
}

TEST_CASE_METHOD(MirrorTest, "mirror: entries that it has already are checked and passed over") {
  add_pending({300, 700});
  require_receipt(collector.upload(log.add_entries(0, 300)), 300);
  require_info(collector.upload(log.add_entries(300, 700, 0, 1)), 202, 700, 512);
  for (std::uint64_t start : {0, 1, 255, 256, 260, 299, 300, 301, 400, 511}) {
    INFO(start);
    require_info(collector.upload(log.add_entries(start, 700, 0, 1)), 202, 700, 512);
    Bytes wrong = log.add_entries(start, 700, 0, 1);
    wrong[wrong.find("entry ")] ^= 1;
    require_status(collector.upload(wrong), 422);
  }
  collector.open();
  for (std::uint64_t start : {1, 260, 301, 511})
    require_info(collector.upload(log.add_entries(start, 700, 0, 1)), 202, 700, 512);
  require_receipt(collector.upload(log.add_entries(17, 700)), 700);  // all of it, from far below
}

TEST_CASE_METHOD(MirrorTest, "mirror: the same upload again is answered by the same receipt") {
  add_pending({300, 700});
  Bytes upload = log.add_entries(0, 300);
  HttpResponse first = collector.upload(upload);
  require_receipt(first, 300);
  collector.clock.wall_ns += 3600'000'000'000;
  CHECK(collector.upload(upload).body == first.body);
  CHECK(collector.upload(log.add_entries(300, 300)).body == first.body);  // a client that has asked what we have
  collector.open();
  CHECK(collector.upload(upload).body == first.body);
  Bytes wrong = upload;
  wrong[wrong.find("entry ")] ^= 1;
  require_status(collector.upload(wrong), 422);
  REQUIRE(check_archive(directory, log) == 300);
  CHECK(names_in(directory + "/receipts").size() == 1);
}

TEST_CASE_METHOD(MirrorTest, "mirror: every byte of a package is proven") {
  add_pending({300, 420});
  require_receipt(collector.upload(log.add_entries(0, 300)), 300);
  const Bytes good = log.add_entries(300, 420);
  std::size_t header = encode_add_entries({log.key().name, 300, 420, ""}).size();
  for (std::size_t at = header; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= 1;
    HttpResponse response = collector.upload(bad);
    INFO(at << " " << response.body);
    REQUIRE((response.status == 422 || response.status == 400));
    REQUIRE(staged().empty());
  }
  require_receipt(collector.upload(good), 420);
}

TEST_CASE_METHOD(MirrorTest, "mirror: a body that is cut keeps its whole packages") {
  add_pending({600});
  const Bytes good = log.add_entries(0, 600);
  std::size_t one = log.add_entries(0, 600, 0, 1).size(), two = log.add_entries(0, 600, 0, 2).size();
  std::size_t header = encode_add_entries({log.key().name, 0, 600, ""}).size();
  for (std::size_t cut : {std::size_t(0), header - 1, header, header + 1, one - 1}) {
    require_status(collector.upload(good.substr(0, cut)), 400);
    CHECK(staged().empty());
  }
  require_info(collector.upload(good.substr(0, one)), 202, 600, 256);
  require_info(collector.upload(good.substr(0, two - 1)), 202, 600, 256);
  require_info(collector.upload(good.substr(0, two + 1)), 202, 600, 512);
  require_receipt(collector.upload(good), 600);
}

TEST_CASE_METHOD(MirrorTest, "mirror: packages before a wrong one are kept") {
  add_pending({600});
  Bytes bad = log.add_entries(0, 600);
  bad[bad.find("entry 300")] ^= 1;
  require_status(collector.upload(bad), 422);
  require_info(collector.upload(log.add_entries(0, 0)), 409, 600, 256);
  collector.open();
  require_info(collector.upload(log.add_entries(0, 0)), 409, 600, 256);
  require_receipt(collector.upload(log.add_entries(256, 600)), 600);
}

TEST_CASE_METHOD(MirrorTest, "mirror: a proof of another tree is refused") {
  FakeLog fork(log.key().name);
  fork.grow(600, "forked ");
  add_pending({600});
  require_status(collector.upload(fork.add_entries(0, 600)), 422);
  require_info(collector.upload(log.add_entries(0, 0)), 409, 600, 0);
}

TEST_CASE_METHOD(MirrorTest, "mirror: unknown logs and other content types") {
  FakeLog stranger("example.com/stranger");
  stranger.grow(5);
  require_status(collector.upload(stranger.add_entries(0, 5)), 404);
  add_pending({5});
  require_status(collector.send("POST", "/mirror/add-entries", log.add_entries(0, 5), "text/plain"), 400);
  require_status(collector.send("GET", "/mirror/add-entries"), 405);
  require_receipt(collector.upload(log.add_entries(0, 5)), 5);
}

TEST_CASE_METHOD(MirrorTest, "mirror: an empty log, and empty entries") {
  REQUIRE(collector.mirror(log.add_checkpoint(0, 0)).status == 200);
  CHECK(pending().empty());
  log.entries = {"", "", "x"};
  for (const Bytes& entry : log.entries) log.leaves.push_back(leaf_hash(entry));
  add_pending({3});
  require_receipt(collector.upload(log.add_entries(0, 3)), 3);
  collector.open();
  add_pending({4}, 3);
  require_receipt(collector.upload(log.add_entries(3, 4)), 4);
}

TEST_CASE_METHOD(MirrorTest, "mirror: entries of the greatest size") {
  for (int i = 0; i < 300; ++i) {
    log.entries.push_back(Bytes(i % 3 == 0 ? kMaxEntryBytes : 100, char(i)));
    log.leaves.push_back(leaf_hash(log.entries.back()));
  }
  add_pending({300});
  require_receipt(collector.upload(log.add_entries(0, 300)), 300);
  collector.open();
}

TEST_CASE_METHOD(MirrorTest, "mirror: an upload that no segment could hold is refused before it fills the disk") {
  std::size_t count = kMaxSegmentBytes / kMaxEntryBytes + 300;
  for (std::size_t i = 0; i < count; ++i) {
    log.entries.push_back(Bytes(kMaxEntryBytes, char(i)));
    log.leaves.push_back(leaf_hash(log.entries.back()));
  }
  add_pending({512, count});
  require_info(collector.upload(log.add_entries(0, count, 0, 1)), 202, count, 256);
  require_info(collector.upload(log.add_entries(256, count, 0, 1)), 202, count, 512);
  require_info(collector.upload(log.add_entries(512, count, 0, 1)), 202, count, 768);
  HttpResponse refused = collector.upload(log.add_entries(768, count));
  require_status(refused, 422);
  CHECK(refused.body.find("nearer checkpoint") != std::string::npos);
  require_receipt(collector.upload(log.add_entries(512, 512)), 512);
  require_receipt(collector.upload(log.add_entries(768, count)), count);
}
