// The mirror and what will not come: skip, and the segments with holes that it leads to.
#include "tests/unit/collector_mirror_fixture.h"

namespace sealring::test {
namespace {

// The segment [0, 1100) has lost the bundles 2 and 3, by entry 1200, and so the checkpoint of 1300 has it.
struct SkipTest : MirrorTest {
  SkipTest() {
    log.grow(1200);
    REQUIRE(log.add_loss(512, 1024) == 1200);
    log.grow(1300);
    add_pending({1100, 1300});
  }
  SkipRequest request() const { return log.skip(1200, 1100, 1300); }
  HttpResponse skip(const SkipRequest& what) { return collector.send("POST", "/mirror/skip", encode_skip(what)); }
  void upload_before_the_hole() { require_info(collector.upload(log.add_entries(0, 1100, 0, 2)), 202, 1100, 512); }
  void refused(const SkipRequest& what, const std::string& words) {
    const HttpResponse response = skip(what);
    INFO(response.body);
    CHECK(response.status == 422);
    CHECK_THAT(response.body, Catch::Contains(words));
    CHECK(staged().size() == 1);
  }
  HttpResponse tile(const std::string& name) {
    return collector.send("GET", "/mirror/" + origin_hash(log.key().name) + "/tile/" + name);
  }
};

}  // namespace

TEST_CASE_METHOD(SkipTest, "skip: the mirror goes on behind what was dropped, and its receipt covers all but that") {
  upload_before_the_hole();
  require_info(skip(request()), 202, 1100, 1024);
  CHECK(staged() == std::vector<std::string>{"00000000000000000000-00000000000000000512.part",
                                             "00000000000000000512-00000000000000001024.skip"});
  const bool restarted = GENERATE(false, true);
  if (restarted) collector.open();
  require_info(skip(request()), 202, 1100, 1024);  // again
  require_receipt(collector.upload(log.add_entries(1024, 1100)), 1100);
  CHECK(staged().empty());
  const Bytes object = copy(directory + "/segments/" + segment_file_name(0, 1100));
  const auto segment = decode_segment_file(object);
  REQUIRE(segment.ok());
  REQUIRE(segment->holes.size() == 1);
  CHECK(segment->holes[0].from == 512);
  if (restarted) collector.open();
  require_info(skip(request()), 409, 1100, 1100);  // what is archived is archived
  require_receipt(collector.upload(log.add_entries(1100, 1300)), 1300);
  // What is served: the tree above, and everything around the hole.
  for (int round = 0; round < 2; ++round) {
    CHECK(tile("entries/001").status == 200);
    CHECK(tile("entries/002").status == 404);
    CHECK(tile("0/003").status == 404);
    CHECK(tile("entries/004").status == 200);
    CHECK(tile("0/004").status == 200);
    CHECK(tile("1/000.p/5").status == 200);
    collector.open();
  }
}

TEST_CASE_METHOD(SkipTest, "skip: where a part of the range had gone up already, that part stays") {
  require_info(collector.upload(log.add_entries(0, 1100, 0, 3)), 202, 1100, 768);
  require_info(skip(request()), 202, 1100, 1024);
  require_receipt(collector.upload(log.add_entries(1024, 1100)), 1100);
  const auto segment = decode_segment_file(copy(directory + "/segments/" + segment_file_name(0, 1100)));
  REQUIRE(segment->holes.size() == 1);
  CHECK(segment->holes[0].from == 768);
  CHECK(segment->holes[0].start == 512);
  CHECK(tile("entries/002").status == 200);
  CHECK(tile("entries/003").status == 404);
}

TEST_CASE_METHOD(SkipTest, "skip: refused unless everything is proven") {
  upload_before_the_hole();
  SkipRequest bad = request();
  bad.bundles[1] = log.leaves[3];
  refused(bad, "the loss entry has other hashes");
  bad = request();
  bad.proofs[0][0] = log.leaves[3];
  refused(bad, "their hashes are not proven to be in the checkpoint of size 1100");
  bad = request();
  bad.inclusion[2] = log.leaves[3];
  refused(bad, "the loss entry is not proven to be in the checkpoint of size 1300");
  bad = request();
  bad.loss_index = 1201;
  refused(bad, "the loss entry is not proven");
  bad.loss_index = 1023;
  refused(bad, "the loss entry is at 1023");
  bad.loss_index = 1300;
  refused(bad, "the loss entry is at 1300");
  bad = request();
  bad.loss_size = 1299;
  refused(bad, "is no pending checkpoint");
  // A loss entry that the log does not have.
  FakeLog forger;
  forger.grow(1200);
  forger.add_loss(512, 1024, 8);
  bad = request();
  bad.loss_entry = forger.entries[1200];
  refused(bad, "the loss entry is not proven");
  bad = request();
  bad.loss_entry = log.entries[1199];
  CHECK(skip(bad).status == 400);
  bad.loss_entry = request().loss_entry;
  bad.bundles.pop_back();
  CHECK(collector.send("POST", "/mirror/skip", encode_skip(request()).substr(0, 300)).status == 400);
  CHECK(collector.send("POST", "/mirror/skip", encode_skip(request()) + "x").status == 400);
  CHECK(collector.send("POST", "/mirror/skip", "").status == 400);
  CHECK(collector.send("GET", "/mirror/skip").status == 405);
  bad = request();
  bad.origin = "example.com/another";
  CHECK(skip(bad).status == 404);
  bad = request();
  bad.upload_end = 1099;
  require_info(skip(bad), 409, 1300, 512);
  require_info(skip(request()), 202, 1100, 1024);
}

TEST_CASE_METHOD(MirrorTest, "skip: never entry 0, the last one of a segment, or over the end of one") {
  log.grow(1300);
  const std::uint64_t first = log.add_loss(0, 256), last = log.add_loss(768, 1024), over = log.add_loss(1024, 1280);
  log.grow(1500);
  add_pending({1024, 1100, 1500});
  const auto skip = [&](std::uint64_t index, std::uint64_t end) {
    return collector.send("POST", "/mirror/skip", encode_skip(log.skip(index, end, 1500)));
  };
  require_info(skip(last, 1024), 409, 1024, 0);  // not there yet
  CHECK(skip(first, 1024).status == 422);
  require_info(collector.upload(log.add_entries(0, 1024, 0, 3)), 202, 1024, 768);
  const HttpResponse response = skip(last, 1024);
  CHECK(response.status == 422);
  CHECK_THAT(response.body, Catch::Contains("the last one of a segment"));
  require_receipt(collector.upload(log.add_entries(768, 1024)), 1024);
  SkipRequest beyond = log.skip(over, 1500, 1500);
  beyond.upload_end = 1100;
  CHECK_THAT(collector.send("POST", "/mirror/skip", encode_skip(beyond)).body,
             Catch::Contains("not all of one segment"));
  CHECK(staged().empty());
}

// A log may upload to a later checkpoint, and what lies before it becomes one segment: a handover in its middle must
// not go with the messages around it.
TEST_CASE_METHOD(MirrorTest, "skip: never the last entry of a segment in the middle of an upload") {
  log.grow(1300);
  const std::uint64_t whole = log.add_loss(256, 1024), before = log.add_loss(256, 768),
                      behind = log.add_loss(768, 1024);
  log.grow(1500);
  add_pending({768, 1100, 1500});
  const auto skip = [&](std::uint64_t index) {
    return collector.send("POST", "/mirror/skip", encode_skip(log.skip(index, 1100, 1500)));
  };
  require_info(collector.upload(log.add_entries(0, 1100, 0, 1)), 202, 1100, 256);
  for (const std::uint64_t index : {whole, before}) {
    const HttpResponse response = skip(index);
    CHECK(response.status == 422);
    CHECK_THAT(response.body, Catch::Contains("the last one of a segment"));
  }
  require_info(collector.upload(log.add_entries(256, 1100, 0, 2)), 202, 1100, 768);
  require_info(skip(behind), 202, 1100, 1024);
}

TEST_CASE_METHOD(SkipTest, "skip: is an alarm, and again at a start that finds it staged") {
  const auto times = [&] {
    std::uint64_t out = 0;
    for (const Alarm& alarm : collector.alarms.active()) out += alarm.kind == kAlarmDropped ? alarm.times : 0;
    return out;
  };
  upload_before_the_hole();
  CHECK(times() == 0);
  require_info(skip(request()), 202, 1100, 1024);
  CHECK(times() == 1);
  CHECK(collector.service->summaries().at(0).second.lost == 512);
  require_info(skip(request()), 202, 1100, 1024);
  CHECK(times() == 1);
  collector.open();
  CHECK(times() == 2);
  require_receipt(collector.upload(log.add_entries(1024, 1100)), 1100);
  collector.open();
  CHECK(times() == 2);
}

TEST_CASE_METHOD(SkipTest, "skip: entries of a hole are neither joined to nor taken later") {
  upload_before_the_hole();
  require_info(skip(request()), 202, 1100, 1024);
  require_info(collector.upload(log.add_entries(1000, 1100)), 409, 1100, 1024);  // within a bundle that is not here
  require_info(collector.upload(log.add_entries(768, 1100, 0, 1)), 202, 1100, 1024);
  require_receipt(collector.upload(log.add_entries(1024, 1100)), 1100);
  require_info(collector.upload(log.add_entries(1000, 1300)), 409, 1300, 1100);
  CHECK(collector.fatal.empty());
}

TEST_CASE_METHOD(SkipTest, "skip: a certificate of another gateway is refused") {
  collector.logs()[0].tls_uri = "sealring:gw-1";
  collector.open();
  collector.peer_uris = {"sealring:gw-2"};
  CHECK(skip(request()).status == 403);
  CHECK(staged().empty());
}

TEST_CASE_METHOD(SkipTest, "skip: a staged one that is damaged is asked for again") {
  upload_before_the_hole();
  require_info(skip(request()), 202, 1100, 1024);
  const std::string file = directory + "/staging/00000000000000000512-00000000000000001024.skip";
  Bytes bytes = copy(file);
  bytes[60] ^= 1;
  REQUIRE(replace_file(file, bytes).ok());
  collector.open();
  require_info(collector.upload(log.add_entries(1024, 1100)), 409, 1100, 512);
  require_info(skip(request()), 202, 1100, 1024);
  require_receipt(collector.upload(log.add_entries(1024, 1100)), 1100);
}

}  // namespace sealring::test
