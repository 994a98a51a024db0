#include <random>

#include "tests/unit/collector_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

struct MirrorTest {
  FakeLog log;
  Collector collector{{{log.key(), std::nullopt, ""}}};
  std::string directory = collector.directory(log);

  // Registers checkpoints of these sizes, each from the one before it.
  void add_pending(std::initializer_list<std::uint64_t> sizes, std::uint64_t before = 0) {
    for (std::uint64_t size : sizes) {
      log.grow(size);
      HttpResponse response = collector.mirror(log.add_checkpoint(before, size));
      INFO(response.body);
      REQUIRE(response.status == 200);
      REQUIRE(response.body.empty());
      before = size;
    }
  }
  void require_receipt(const HttpResponse& response, std::uint64_t size) {
    require_cosignature(response, Collector::mirror_key(), log, size);
    REQUIRE(check_archive(directory, log) == size);
    REQUIRE(collector.send("GET", "/mirror/" + origin_hash(log.key().name) + "/checkpoint").body ==
            *read_file(directory + "/receipts/" + receipt_file_name(size)));
  }
  std::vector<std::string> staged() { return names_in(directory + "/staging"); }
  std::vector<std::string> pending() { return names_in(directory + "/pending"); }
};

void require_info(const HttpResponse& response, unsigned status, std::uint64_t pending_size, std::uint64_t next) {
  INFO(response.body);
  REQUIRE(response.status == status);
  REQUIRE(response.content_type == "text/x.tlog.mirror-info");
  Result<MirrorInfo> info = decode_mirror_info(response.body);
  REQUIRE(info.ok());
  REQUIRE(info->pending_size == pending_size);
  REQUIRE(info->next_entry == next);
}

void require_status(const HttpResponse& response, unsigned status) {
  INFO(response.body);
  REQUIRE(response.status == status);
}

// Makes a directory unusable for the time of its life: the file system's answer to every write is an error.
class Unusable {
 public:
  explicit Unusable(std::string path) : path_(std::move(path)) {
    REQUIRE(::rename(path_.c_str(), (path_ + ".away").c_str()) == 0);
  }
  ~Unusable() { ::rename((path_ + ".away").c_str(), path_.c_str()); }

 private:
  std::string path_;
};

Bytes copy(const std::string& path) {
  Result<Bytes> bytes = read_file(path);
  REQUIRE(bytes.ok());
  return *bytes;
}

}  // namespace

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
  add_pending({400, 450, 500});
  {
    Unusable gone(directory + "/segments");
    require_status(collector.upload(log.add_entries(0, 450)), 503);
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
    REQUIRE(create_file(directory + folder + "/notes-by-hand", "mine").ok());
  }
  collector.open();
  for (const char* folder : {"/segments", "/receipts", "/pending", "/staging", "/evidence", ""}) {
    CHECK_FALSE(read_file(directory + folder + "/.x.1-2.tmp").ok());
    CHECK(read_file(directory + folder + "/notes-by-hand").ok());
    REQUIRE(::unlink((directory + folder + std::string("/notes-by-hand")).c_str()) == 0);
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
