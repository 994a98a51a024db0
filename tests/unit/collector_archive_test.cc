// The archive on disk: the anchor, what a failing file system may not do, what a crash leaves, what damage is found.
#include <random>

#include "tests/unit/collector_mirror_fixture.h"

using namespace sealring;
using namespace sealring::test;

// ---------- the anchor ----------

TEST_CASE("anchor: only the pinned entry 0 is archived") {
  FakeLog log, other;
  log.grow(300);
  other.grow(300, "other ");
  Collector collector({{log.key(), log.leaves[0], ""}});
  std::string directory = collector.directory(log);
  REQUIRE(collector.mirror(other.add_checkpoint(0, 300)).status == 200);
  HttpResponse refused = collector.upload(other.add_entries(0, 300));
  CHECK(refused.status == 422);
  CHECK(refused.body.find(hex(view(log.leaves[0]))) != std::string::npos);
  CHECK(refused.body.find(hex(view(other.leaves[0]))) != std::string::npos);
  CHECK(names_in(directory + "/staging").empty());
  CHECK(names_in(directory + "/segments").empty());
  CHECK(*read_file(directory + "/log") == log.key().encode() + " " + hex(view(log.leaves[0])) + "\n");
}

TEST_CASE("anchor: the pin outlives the configuration, and another one is refused") {
  FakeLog log;
  log.grow(300);
  Collector collector({{log.key(), std::nullopt, ""}});
  REQUIRE(collector.mirror(log.add_checkpoint(0, 300)).status == 200);
  REQUIRE(collector.upload(log.add_entries(0, 300)).status == 200);
  CHECK(*read_file(collector.directory(log) + "/log") == log.key().encode() + "\n");

  collector.logs()[0].genesis = log.leaves[1];  // pinned later, but to what is not there
  Status opened = collector.try_open();
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().kind == ErrorKind::fatal);
  CHECK(*read_file(collector.directory(log) + "/log") == log.key().encode() + "\n");
  collector.logs()[0].genesis = log.leaves[0];
  collector.open();
  CHECK(*read_file(collector.directory(log) + "/log") == log.key().encode() + " " + hex(view(log.leaves[0])) + "\n");
  collector.logs()[0].genesis = std::nullopt;
  collector.open();
  collector.logs()[0].genesis = log.leaves[1];
  CHECK_FALSE(collector.try_open().ok());
  FakeLog replaced(log.key().name, 'x');  // the same origin under another key
  collector.logs()[0] = {replaced.key(), std::nullopt, ""};
  CHECK_FALSE(collector.try_open().ok());
}

TEST_CASE("anchor: a pin without an archive holds after the configuration has lost it") {
  FakeLog log, other;
  log.grow(10);
  other.grow(10, "other ");
  Collector collector({{log.key(), log.leaves[0], ""}});
  collector.logs()[0].genesis = std::nullopt;
  collector.open();
  REQUIRE(collector.mirror(other.add_checkpoint(0, 10)).status == 200);
  CHECK(collector.upload(other.add_entries(0, 10)).status == 422);

  collector.logs()[0].genesis = other.leaves[0];
  Status opened = collector.try_open();
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().kind == ErrorKind::fatal);
  CHECK(opened.error().message.find(hex(view(log.leaves[0]))) != std::string::npos);
}

// ---------- the file system fails ----------

TEST_CASE_METHOD(MirrorTest, "durability: no answer promises what could not be written") {
  log.grow(600);
  {
    Unusable gone(directory + "/pending");
    require_status(collector.mirror(log.add_checkpoint(0, 600)), 503);
  }
  require_status(collector.mirror(log.add_checkpoint(600, 600)), 409);
  add_pending({300, 600});
  {
    Unusable gone(directory + "/staging");
    require_status(collector.upload(log.add_entries(0, 300, 0, 1)), 503);
  }
  require_info(collector.upload(log.add_entries(0, 0)), 409, 600, 0);
  {
    Unusable gone(directory + "/segments");
    HttpResponse refused = collector.upload(log.add_entries(0, 300));
    require_status(refused, 503);
    CHECK(refused.body.find("\xE2\x80\x94") == std::string::npos);
  }
  CHECK(names_in(directory + "/receipts").empty());
  {
    Unusable gone(directory + "/receipts");
    HttpResponse refused = collector.upload(log.add_entries(300, 300));
    require_status(refused, 503);
    CHECK(refused.body.find("\xE2\x80\x94") == std::string::npos);
  }
  CHECK(names_in(directory + "/segments").size() == 1);
  CHECK(names_in(directory + "/receipts").empty());
  CHECK(collector.fatal.empty());
  SECTION("the client asks again") { require_receipt(collector.upload(log.add_entries(0, 300)), 300); }
  SECTION("a restart comes between") {
    collector.open();
    require_receipt(collector.upload(log.add_entries(0, 300)), 300);
  }
  SECTION("the client goes on to the next one: the receipt is made up for first") {
    require_receipt(collector.upload(log.add_entries(300, 600)), 600);
    CHECK(names_in(directory + "/receipts").size() == 2);
  }
}

TEST_CASE_METHOD(MirrorTest, "durability: a foreign file in the place of a segment stops the collector") {
  add_pending({300});
  REQUIRE(replace_file(directory + "/segments/" + segment_file_name(0, 300), "not ours").ok());
  require_status(collector.upload(log.add_entries(0, 300)), 500);
  CHECK(collector.fatal.find("other contents") != std::string::npos);
  require_status(collector.send("GET", "/"), 500);
  CHECK(copy(directory + "/segments/" + segment_file_name(0, 300)) == "not ours");
}

// ---------- what a crash leaves ----------

TEST_CASE_METHOD(MirrorTest, "crash: between the segment and its receipt") {
  add_pending({300, 600});
  require_info(collector.upload(log.add_entries(0, 300, 0, 1)), 202, 300, 256);
  Bytes part = copy(directory + "/staging/" + staged()[0]), note = copy(directory + "/pending/" + pending()[0]);
  std::string part_path = directory + "/staging/" + staged()[0], note_path = directory + "/pending/" + pending()[0];
  HttpResponse answer = collector.upload(log.add_entries(256, 300));
  require_receipt(answer, 300);
  collector.service.reset();
  REQUIRE(replace_file(part_path, part).ok());
  REQUIRE(replace_file(note_path, note).ok());
  SECTION("before the receipt: it is made at the start") {
    REQUIRE(::unlink((directory + "/receipts/" + receipt_file_name(300)).c_str()) == 0);
    collector.open();
    CHECK(names_in(directory + "/receipts").size() == 1);
  }
  SECTION("after the receipt: it stays") {
    Bytes receipt = copy(directory + "/receipts/" + receipt_file_name(300));
    collector.open();
    CHECK(copy(directory + "/receipts/" + receipt_file_name(300)) == receipt);
  }
  CHECK(staged().empty());
  CHECK(pending() == std::vector<std::string>{receipt_file_name(600)});
  require_receipt(collector.upload(log.add_entries(0, 300)), 300);
  require_receipt(collector.upload(log.add_entries(300, 600)), 600);
}

TEST_CASE_METHOD(MirrorTest, "crash: temporary names are cleaned up, strange ones left alone") {
  add_pending({300});
  for (const char* folder : {"/segments", "/receipts", "/pending", "/staging", "/evidence", ""}) {
    REQUIRE(create_file(directory + folder + "/.x.1-2.tmp", "half").ok());
    REQUIRE(create_file(directory + folder + "/notes-by-hand.tmp", "mine").ok());
  }
  collector.open();
  for (const char* folder : {"/segments", "/receipts", "/pending", "/staging", "/evidence", ""}) {
    CHECK_FALSE(read_file(directory + folder + "/.x.1-2.tmp").ok());
    CHECK(read_file(directory + folder + "/notes-by-hand.tmp").ok());
    REQUIRE(::unlink((directory + folder + std::string("/notes-by-hand.tmp")).c_str()) == 0);
  }
  require_receipt(collector.upload(log.add_entries(0, 300)), 300);
}

TEST_CASE_METHOD(MirrorTest, "crash: staged entries that are damaged or do not fit are sent again") {
  bool restart = GENERATE(true, false);
  add_pending({1000});
  require_info(collector.upload(log.add_entries(0, 1000, 0, 1)), 202, 1000, 256);
  require_info(collector.upload(log.add_entries(256, 1000, 0, 1)), 202, 1000, 512);
  require_info(collector.upload(log.add_entries(512, 1000, 0, 1)), 202, 1000, 768);
  REQUIRE(staged().size() == 3);
  std::string second = directory + "/staging/" + staged()[1];
  Bytes bytes = copy(second);
  std::uint64_t next = 256;
  SECTION("a bit") {
    bytes[100] ^= 1;
    REQUIRE(replace_file(second, bytes).ok());
  }
  SECTION("cut") { REQUIRE(replace_file(second, bytes.substr(0, bytes.size() - 1)).ok()); }
  SECTION("empty") { REQUIRE(replace_file(second, "").ok()); }
  SECTION("gone") { REQUIRE(::unlink(second.c_str()) == 0); }
  SECTION("whole, but not as many as its name says") {
    std::string longer = directory + "/staging/00000000000000000256-00000000000000000513.part";
    REQUIRE(::rename(second.c_str(), longer.c_str()) == 0);
  }
  SECTION("nothing is wrong") { next = 768; }
  if (restart) {
    collector.open();
    require_info(collector.upload(log.add_entries(0, 0)), 409, 1000, next);
    CHECK(staged().size() == (next == 768 ? 3 : 1));
  } else {  // found out only when the segment is put together
    next = next == 768 ? 1000 : 0;
    HttpResponse response = collector.upload(log.add_entries(768, 1000));
    if (next == 0) require_info(response, 409, 1000, 0);
  }
  if (next != 1000) require_receipt(collector.upload(log.add_entries(next, 1000)), 1000);
  require_receipt(collector.upload(log.add_entries(1000, 1000)), 1000);
}

TEST_CASE_METHOD(MirrorTest, "crash: staged entries that were exchanged with their checksum are caught by the root") {
  add_pending({600});
  require_info(collector.upload(log.add_entries(0, 600, 0, 1)), 202, 600, 256);
  Bytes entries = log.bundle(0, 256);
  entries[entries.find("entry")] ^= 1;
  REQUIRE(replace_file(directory + "/staging/" + staged()[0], Bytes(view(sha256(entries))) + entries).ok());
  if (GENERATE(true, false)) collector.open();
  require_info(collector.upload(log.add_entries(256, 600)), 409, 600, 0);
  CHECK(names_in(directory + "/segments").empty());
  require_receipt(collector.upload(log.add_entries(0, 600)), 600);
}

TEST_CASE_METHOD(MirrorTest, "start: a damaged archive is named and not served") {
  add_pending({300, 350, 600});
  require_receipt(collector.upload(log.add_entries(0, 300)), 300);
  require_receipt(collector.upload(log.add_entries(300, 350)), 350);
  std::string first = directory + "/segments/" + segment_file_name(0, 300),
              last = directory + "/segments/" + segment_file_name(300, 350),
              receipt = directory + "/receipts/" + receipt_file_name(350),
              note = directory + "/pending/" + receipt_file_name(600);
  auto refused = [&](const std::string& words) {
    Status opened = collector.try_open();
    REQUIRE_FALSE(opened.ok());
    INFO(opened.error().message);
    CHECK(opened.error().kind == ErrorKind::fatal);
    CHECK(opened.error().message.find(words) != std::string::npos);
  };
  auto damage = [&](const std::string& path, std::size_t at) {
    Bytes bytes = copy(path);
    bytes[at] ^= 1;
    REQUIRE(replace_file(path, bytes).ok());
  };
  SECTION("a bit of the last segment's entries") {
    damage(last, copy(last).size() - 1);
    refused("do not have the root");
  }
  SECTION("a bit of a segment that the same bundle is in") {
    damage(first, copy(first).size() - 1);
    refused("do not have the root");
  }
  SECTION("the last segment's compact range") {
    damage(last, kSegmentFileMagic.size() + 17 + 5);
    refused("does not continue");
  }
  SECTION("the last segment's signature") {
    std::size_t at = copy(last).find("gw-1 ", copy(last).find("\xE2\x80\x94")) + 30;
    damage(last, at);
    refused("segment [300, 350)");
  }
  SECTION("the file of another segment") {
    REQUIRE(replace_file(last, copy(first)).ok());
    refused("of other entries than its name says");
  }
  SECTION("the last segment is gone") {
    REQUIRE(::unlink(last.c_str()) == 0);
    refused("the segments end at 300");
  }
  SECTION("all segments are gone") {
    REQUIRE(::unlink(last.c_str()) == 0);
    REQUIRE(::unlink(first.c_str()) == 0);
    refused("the segments end at 0");
  }
  SECTION("a gap") {
    REQUIRE(::unlink(first.c_str()) == 0);
    refused("does not begin at 0");
  }
  SECTION("a receipt of something else") {
    REQUIRE(replace_file(receipt, copy(directory + "/receipts/" + receipt_file_name(300))).ok());
    refused("is not of what is archived");
  }
  SECTION("a receipt without our line") {
    REQUIRE(replace_file(receipt, log.checkpoint(350)).ok());
    refused("no valid cosignature");
  }
  SECTION("a pending checkpoint that the log has not signed") {
    FakeLog impostor(log.key().name, 'x');
    impostor.grow(600);
    REQUIRE(replace_file(note, impostor.checkpoint(600)).ok());
    refused("has no signature");
  }
  SECTION("a pending checkpoint of another size") {
    REQUIRE(replace_file(note, log.checkpoint(599)).ok());
    refused("is of another size");
  }
}

TEST_CASE_METHOD(MirrorTest, "crash: random uploads, restarts and losses of the receipt end in the same archive") {
  unsigned seed = GENERATE(1u, 2u, 3u, 4u);
  std::mt19937 random(seed);
  auto below = [&](std::uint64_t n) { return n == 0 ? 0 : random() % n; };
  std::vector<std::uint64_t> ends;
  std::uint64_t size = 0, registered = 0, archived = 0, next = 0;
  for (int step = 0; step < 120; ++step) {
    INFO("seed " << seed << " step " << step);
    switch (below(4)) {
      case 0:
        if (ends.size() > 6) break;
        size += 1 + below(400);
        add_pending({size}, registered);
        registered = size;
        ends.push_back(size);
        break;
      case 1:
        if (below(3) != 0) break;
        if (archived > 0 && below(2) == 0)
          REQUIRE(::unlink((directory + "/receipts/" + receipt_file_name(archived)).c_str()) == 0);
        collector.open();
        if (archived > 0) REQUIRE(names_in(directory + "/receipts").back() == receipt_file_name(archived));
        break;
      default: {
        if (ends.empty()) break;
        std::uint64_t end = ends[below(std::min<std::size_t>(ends.size(), 2))];
        std::uint64_t start = std::min(end, next - below(std::min<std::uint64_t>(next, 300)));
        HttpResponse response = collector.upload(log.add_entries(start, end, 0, 1 + below(3)));
        if (response.status == 200) {
          require_receipt(response, end);
          archived = end;
          next = std::max(next, end);
          while (!ends.empty() && ends.front() <= end) ends.erase(ends.begin());
        } else {
          REQUIRE(response.status == 202);
          std::uint64_t reached = decode_mirror_info(response.body)->next_entry;
          REQUIRE(reached >= next);
          next = reached;
        }
        REQUIRE(check_archive(directory, log) == archived);
      }
    }
  }
  CHECK(archived > 1000);
}
