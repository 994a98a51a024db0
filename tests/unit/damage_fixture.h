// A store with a past that tests damage, and what they then hold against it: everything that was appended.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <map>

#include "storage/child.h"
#include "storage/entry.h"
#include "storage/ring_check.h"
#include "storage/ring_pages.h"
#include "tests/unit/store_fixture.h"

namespace sealring::test {

constexpr std::size_t kPage = 4096;  // of the ring

// From the start, all or so much of it.
inline Bytes slurp(const std::string& path, std::size_t bytes = SIZE_MAX) {
  Bytes out(std::min<std::size_t>(bytes, std::filesystem::file_size(path)), '\0');
  std::ifstream(path, std::ios::binary).read(out.data(), static_cast<std::streamsize>(out.size()));
  return out;
}

inline void put_at(const std::string& path, std::size_t offset, ByteView bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY);
  REQUIRE(fd >= 0);
  REQUIRE(::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes.size()));
  ::close(fd);
}

inline Bytes handover_entry(std::uint64_t epoch, std::uint64_t size) {
  Handover handover;
  handover.epoch = epoch;
  handover.size = size;
  Bytes bytes;
  EntryCommon common;
  common.wall_ns = 77;
  REQUIRE(encode_entry({common, handover}, bytes).ok());
  return bytes;
}

// A store with a past, as a kill leaves it: segments, released pages, bundles of several chunks, frames in the journal.
// put_back() makes of it what it was.
struct Damaged {
  TempDir dir;
  std::string folder = dir / "store", ring = folder + "/ring.lmdb", journal = folder + "/journal";
  ModelLog log{11};
  Bytes ring_image, journal_image;
  std::size_t used = 0;  // bytes of the ring with a page in use
  std::map<std::string, int> outcomes;
  bool quarantine = false;  // of the opens from then on

  Damaged() {
    REQUIRE(Ring::create({folder, 64u << 20}, kOrigin, log.next(1, 120).frame).ok());
    auto opened = open();
    for (int segment = 0; segment < 3; ++segment) {
      for (int i = 0; i < 5; ++i) append(*opened, 60, 90 + 40 * static_cast<std::size_t>(i));
      append(*opened, 9, 9000);  // goes to the ring directly
      REQUIRE(opened->close_segment(segment).ok());
      REQUIRE(opened->attach_note(static_cast<std::uint64_t>(segment), Bytes(300, 'n')).ok());
    }
    REQUIRE(opened->acknowledge(0, Bytes(700, 'r')).ok());
    append(*opened, 7, 100);
    REQUIRE(opened->move().ok());
    append(*opened, 3, 500);
    append(*opened, 4, 200);
    opened.reset();
    keep();
  }
  void keep() {
    auto pages = RingPages::open(ring);
    REQUIRE(pages.ok());
    used = static_cast<std::size_t>(pages->newest()->last_page + 1) * kPage;
    ring_image = slurp(ring, used + (1u << 20));
    journal_image = slurp(journal);
  }
  std::unique_ptr<Ring> open() {
    auto opened = Ring::open({folder, 0, quarantine});
    if (!opened) FAIL(opened.error().message);
    return std::move(opened).value();
  }
  void append(Ring& to, std::size_t count, std::size_t bytes) { append(to, log.next(count, bytes)); }
  void append(Ring& to, const ModelLog::Step& step) {
    const Status status = to.append(step.frame, step.range, step.nodes);
    if (!status.ok()) FAIL(status.error().message);
  }
  void put_back() {
    put_at(ring, 0, ring_image);
    put_at(journal, 0, journal_image);
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string name = entry.path().filename();
      if (name == "incident" || name.find("damaged") != std::string::npos) std::filesystem::remove(entry.path());
    }
  }
  // What a start makes of it. Bits of bundles are not a start's to see: check_bundle() is for that.
  void judge(const std::string& what) {
    INFO(what);
    const Bytes before = slurp(ring, ring_image.size());
    auto opened = Ring::open({folder, 0, quarantine});
    if (!opened) {
      ++outcomes["refused"];
      CHECK_FALSE(opened.error().message.empty());
      const bool untouched = slurp(ring, ring_image.size()) == before;
      INFO(opened.error().message);
      CHECK(untouched);
      return;
    }
    ++outcomes[(*opened)->contents().incident.empty() ? "fine" : "recovered"];
    check_all(**opened);
  }
  void check_all(Ring& opened) {
    const auto& want = log.entries();
    REQUIRE(opened.size() == want.size());
    REQUIRE(opened.contents().range.root() == log.range().root());
    for (std::uint64_t at = 0; at < want.size(); at += kBundleEntries) {
      const std::size_t count = std::min<std::uint64_t>(kBundleEntries, want.size() - at);
      const auto checked = opened.check_bundle(at / kBundleEntries);
      if (find_loss(opened.losses(), at) != nullptr) {
        CHECK(checked.error().kind == ErrorKind::missing);
        continue;
      }
      if (!checked.ok()) {
        ++outcomes["bundle refused"];
        CHECK_FALSE(checked.error().message.empty());
        continue;
      }
      const auto bytes = opened.entries(at, count);
      REQUIRE(bytes.ok());
      const auto got = split_entries(*bytes, count);
      REQUIRE(got.ok());
      for (std::size_t i = 0; i < count; ++i) REQUIRE((*got)[i] == want[at + i]);
    }
  }
  void flip(std::size_t offset, int bit) {
    const char byte = static_cast<char>(ring_image[offset] ^ (1 << bit));
    put_at(ring, offset, ByteView(&byte, 1));
    judge("bit " + std::to_string(bit) + " of byte " + std::to_string(offset) + " of the ring");
    put_back();
  }
  // A segment of which [1024, 1536) was dropped, and another frame in the journal.
  void drop_some() {
    auto opened = open();
    for (int i = 0; i < 5; ++i) append(*opened, 240, 30);
    REQUIRE(opened->close_segment(5).ok());
    const std::uint64_t index = opened->size();
    const auto step = log.next(1, 100);
    REQUIRE(opened->drop({1024, 1536, index, 512, -7, 9}, step.frame, step.range, step.nodes).ok());
    append(*opened, 5, 60);
    opened.reset();
    keep();
  }
  int newest_meta() { return RingPages::open(ring)->newest()->page; }
};

}  // namespace sealring::test
