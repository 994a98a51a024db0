// The recorder while the disk refuses.
#include "gateway/alarm_desk.h"
#include "tests/unit/failing_disk.h"
#include "tests/unit/recorder_fixture.h"

using namespace sealring;
using namespace sealring::test;
using Call = FailingDisk::Call;

namespace {

using Words = std::vector<std::string>;

// "kind state" of each in the log.
Words alarms(const std::vector<Bytes>& raw) {
  Words out;
  for (const Bytes& bytes : raw) {
    const auto entry = decode_entry(bytes);
    const auto* event = entry ? std::get_if<Event>(&entry->body) : nullptr;
    if (event == nullptr || event->code != EventCode::alarm) continue;
    const Detail *alarm = find_detail(*event, "alarm"), *state = find_detail(*event, "state");
    REQUIRE(state != nullptr);
    out.emplace_back(std::get<ByteView>(alarm->value));
    out.back().append(" ").append(std::get<ByteView>(state->value));
  }
  return out;
}

// Alarms of its recorder, over as soon as their cause is. Must outlive it.
struct Desk {
  AlarmDesk desk{{}, 0ms};
  void serve(Gateway& g) {
    g.before_run = [this, &g] {
      desk.serve(kOrigin, *g.recorder);
      g.recorder->set_alarms(&desk.alarms());
    };
  }
  Words active() {
    Words out;
    for (const Alarm& alarm : desk.alarms().active()) out.push_back(alarm.kind + ": " + alarm.words);
    return out;
  }
};

}  // namespace

TEST_CASE("recorder: while the disk refuses, acknowledgements are held; then all goes on, and the log says so") {
  const Call call = GENERATE(Call::write, Call::sync);
  Desk desk;
  Gateway g;
  desk.serve(g);
  g.start();
  g.connect(false);
  g.message("a", "before", 1);
  g.wait_released(1);
  {
    FailingDisk disk("/journal", call, EROFS);
    g.message("a", "meanwhile", 2);
    g.wait_for([&] { return !g.recorder->stats().disk_trouble.empty() && disk.failed() >= 3; });
    CHECK(g.released == 1);
    REQUIRE(desk.active().size() == 1);
    CHECK_THAT(desk.active().front(), Catch::Matchers::StartsWith("store-not-writable: the store cannot be written: "));
    desk.desk.alarms().tick();
    CHECK(desk.active().size() == 1);
  }
  g.wait_released(2);
  CHECK(g.recorder->stats().disk_trouble.empty());
  desk.desk.alarms().tick();
  CHECK(desk.active().empty());
  g.message("a", "after", 3);
  g.wait_released(3);
  g.stop();
  CHECK(g.verified().verdict == Verdict::fine);
  CHECK(alarms(g.raw()) == Words{"store-not-writable begins", "store-not-writable ends"});
}

TEST_CASE("recorder: a refusal that passes at once is not told") {
  Desk desk;
  Gateway g;
  desk.serve(g);
  g.start();
  g.connect(false);
  FailingDisk disk("/journal", Call::write, ENOSPC, 1);
  g.message("a", "once", 1);
  g.wait_released(1);
  CHECK(disk.failed() == 1);
  CHECK(desk.desk.alarms().begun()[kAlarmDisk] == 0);
  g.stop();
  CHECK(alarms(g.raw()).empty());
}

TEST_CASE("recorder: it can be stopped while the disk refuses, and what was held is not acknowledged") {
  Gateway g;
  g.start();
  g.connect(false);
  g.message("a", "before", 1);
  g.wait_released(1);
  const std::uint64_t size = g.ring->size();
  {
    FailingDisk disk("/journal", Call::write, EROFS);
    g.message("a", "held", 2);
    g.wait_for([&] { return !g.recorder->stats().disk_trouble.empty(); });
    g.queue->close();
    g.thread.join();
    CHECK(g.outcome.ok());
  }
  CHECK(g.released == 1);
  g.recorder.reset();
  g.ring.reset();
  CHECK(g.raw().size() == size);
}

TEST_CASE("recorder: after an I/O error nothing is acknowledged") {
  Gateway g;
  g.start();
  g.connect(false);
  g.message("a", "before", 1);
  g.wait_released(1);
  {
    FailingDisk disk("/journal", Call::sync, EIO);
    g.message("a", "lost or not", 2);
    g.thread.join();
  }
  REQUIRE_FALSE(g.outcome.ok());
  CHECK(g.outcome.error().kind == ErrorKind::unknown);
  CHECK(g.released == 1);
}

TEST_CASE("recorder: a key that finds no place puts the seal off, not the recording") {
  Desk desk;
  Gateway g;
  desk.serve(g);
  g.config.segment_entries = 4;
  g.start();
  g.connect(false);
  const std::string in_the_way = g.epochs->path(1);
  std::filesystem::create_directory(in_the_way);
  for (int i = 1; i <= 20; ++i) {
    g.message("a", std::to_string(i), static_cast<std::uint16_t>(i));
    g.wait_released(g.tag);
  }
  CHECK_THAT(g.recorder->stats().key_trouble, Catch::Matchers::Contains("the segment stays open"));
  CHECK(g.ring->segments().size() == 1);
  REQUIRE(desk.active().size() == 1);
  CHECK_THAT(desk.active().front(), Catch::Matchers::StartsWith("epoch-key: the next epoch key cannot be saved"));
  std::filesystem::remove(in_the_way);
  g.wait_for([&] { return g.ring->segments().size() > 1; });
  CHECK(g.recorder->stats().key_trouble.empty());
  desk.desk.alarms().tick();
  CHECK(desk.active().empty());
  g.stop();
  CHECK(g.verified().verdict == Verdict::fine);
  CHECK(alarms(g.raw()) == Words{"epoch-key begins", "epoch-key ends"});
}
