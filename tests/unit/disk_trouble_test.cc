// Journal and ring on a disk that refuses, or fails.
#include <fcntl.h>
#include <sys/mman.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "storage/journal.h"
#include "storage/page_cache.h"
#include "tests/unit/failing_disk.h"
#include "tests/unit/store_fixture.h"

using namespace sealring;
using namespace sealring::test;
using Call = FailingDisk::Call;

namespace {

struct Store {
  TempDir dir;
  std::string path = dir / "store";
  ModelLog log{7};
  std::unique_ptr<Ring> ring;

  Store() {
    REQUIRE(Ring::create({path, 64u << 20}, kOrigin, log.next(1, 50).frame).ok());
    open();
  }
  void open() {
    ring.reset();
    auto opened = Ring::open({path});
    if (!opened) FAIL(opened.error().message);
    ring = std::move(opened).value();
  }
  Status append(const ModelLog::Step& step) { return ring->append(step.frame, step.range, step.nodes); }
  void check_after_restart() {
    open();
    REQUIRE(ring->size() == log.entries().size());
    CHECK(ring->contents().range.root() == log.range().root());
  }
};

}  // namespace

TEST_CASE("disk trouble: a refused append leaves no trace, and the same frame is appended later") {
  const auto [call, error] = GENERATE(table<Call, int>(
      {{Call::write, ENOSPC}, {Call::write, EROFS}, {Call::write, EDQUOT}, {Call::sync, ENOSPC}, {Call::sync, EROFS}}));
  Store store;
  REQUIRE(store.append(store.log.next(3, 100)).ok());
  const ModelLog::Step step = store.log.next(5, 200);
  {
    FailingDisk disk("/journal", call, error);
    for (int i = 0; i < 3; ++i) {
      const Status status = store.append(step);
      REQUIRE_FALSE(status.ok());
      CHECK(status.error().kind == ErrorKind::retry);
      CHECK(store.ring->size() == step.frame.header.first);
    }
    CHECK(disk.failed() == 3);
  }
  REQUIRE(store.append(step).ok());
  REQUIRE(store.append(store.log.next(2, 70)).ok());
  store.check_after_restart();
}

TEST_CASE("disk trouble: what a failed sync lost is written again") {
  Store store;
  const ModelLog::Step step = store.log.next(5, 200);
  const std::string path = store.path + "/journal";
  const auto content = [&] {
    std::ifstream in(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(in), {});
  };
  const Bytes before = content();
  {
    FailingDisk disk("/journal", Call::sync, ENOSPC);
    REQUIRE_FALSE(store.append(step).ok());
  }
  REQUIRE(content() != before);
  std::ofstream(path, std::ios::binary | std::ios::in) << before;  // the kernel gave the pages up
  REQUIRE(store.append(step).ok());
  store.check_after_restart();
}

TEST_CASE("disk trouble: an interrupted call is made again") {
  Store store;
  {
    FailingDisk disk("/journal", Call::sync, EINTR, 1);
    REQUIRE(store.append(store.log.next(5, 200)).ok());
    CHECK(disk.failed() == 1);
  }
  store.check_after_restart();
}

TEST_CASE("disk trouble: an I/O error is of unknown outcome, in the journal and in the ring") {
  const auto [file, call] = GENERATE(table<const char*, Call>(
      {{"/journal", Call::write}, {"/journal", Call::sync}, {"/ring.lmdb", Call::write}, {"/ring.lmdb", Call::sync}}));
  Store store;
  REQUIRE(store.append(store.log.next(3, 100)).ok());
  const std::uint64_t durable = store.log.entries().size();
  {
    FailingDisk disk(file, call, EIO);
    const Status status = file == std::string("/journal") ? store.append(store.log.next(5, 200)) : store.ring->move();
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().kind == ErrorKind::unknown);
    CHECK_THAT(status.error().message, Catch::Matchers::Contains("Input/output error"));
  }
  store.open();
  CHECK(store.ring->size() >= durable);
  CHECK(store.ring->contents().range.root() == store.log.root_at(store.ring->size()));
}

TEST_CASE("disk trouble: a refused move, or large frame, is made later") {
  const auto [call, error, only] = GENERATE(table<Call, int, int>(
      {{Call::write, ENOSPC, 0}, {Call::write, EROFS, 1}, {Call::sync, ENOSPC, 0}, {Call::write, EINTR, 1}}));
  Store store;
  REQUIRE(store.append(store.log.next(3, 100)).ok());
  const ModelLog::Step large = store.log.next(3, 40000);
  {
    FailingDisk disk("/ring.lmdb", call, error, only);
    if (only == 0) {
      const Status moved = store.ring->move(), appended = store.append(large);
      REQUIRE_FALSE(moved.ok());
      CHECK(moved.error().kind == ErrorKind::retry);
      REQUIRE_FALSE(appended.ok());
      CHECK(appended.error().kind == ErrorKind::retry);
    } else {
      Status appended = store.append(large);
      if (!appended.ok()) {
        CHECK(appended.error().kind == ErrorKind::retry);
        appended = store.append(large);
      }
      CHECK(appended.ok());
    }
    CHECK(disk.failed() > 0);
  }
  if (only == 0) REQUIRE(store.append(large).ok());
  REQUIRE(store.append(store.log.next(1, 10)).ok());
  store.check_after_restart();
}

TEST_CASE("disk trouble: a mark that the disk refuses is owed, and written before the next commit") {
  Store store;
  const ModelLog::Step large = store.log.next(3, 40000), next = store.log.next(1, 30);
  {
    FailingDisk disk("/journal", Call::write, ENOSPC);
    REQUIRE(store.append(large).ok());  // it is in the ring
    CHECK(store.append(next).error().kind == ErrorKind::retry);
    CHECK(store.ring->move().error().kind == ErrorKind::retry);
    CHECK(store.ring->close_segment(0).error().kind == ErrorKind::retry);
  }
  SECTION("by the same process") { REQUIRE(store.append(next).ok()); }
  SECTION("by the next start") { store.log.rewind(large.range.size()); }
  store.check_after_restart();
}

TEST_CASE("disk trouble: a store that cannot be read or synced at a start is not damaged") {
  const int error = GENERATE(EIO, ENOSPC, EROFS);
  Store store;
  store.ring.reset();
  FailingDisk disk(GENERATE("/journal", "/ring.lmdb"), Call::sync, error);
  const auto opened = Ring::open({store.path});
  REQUIRE_FALSE(opened);
  CHECK(opened.error().kind == (error == EIO ? ErrorKind::unknown : ErrorKind::retry));
}

TEST_CASE("page cache: what cannot be dropped because it is mapped is compared with the disk") {
  TempDir dir;
  const std::string path = dir / "file";
  const Bytes content(3 << 20, 'x');
  std::ofstream(path, std::ios::binary) << content;
  const int fd = ::open(path.c_str(), O_RDONLY);
  REQUIRE(fd >= 0);
  void* const map = ::mmap(nullptr, content.size(), PROT_READ, MAP_SHARED, fd, 0);
  REQUIRE(map != MAP_FAILED);
  CHECK(ByteView(static_cast<const char*>(map), content.size()) == content);
  CHECK(forget_page_cache(path).ok());
  CHECK(ByteView(static_cast<const char*>(map), content.size()) == content);
  ::munmap(map, content.size());
  ::close(fd);
  CHECK(forget_page_cache(dir / "nothing").error().kind == ErrorKind::missing);
}
