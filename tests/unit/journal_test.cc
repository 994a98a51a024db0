#include "storage/journal.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "crypto/sha256.h"
#include "tests/unit/store_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

Bytes slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

void spit(const std::string& path, const Bytes& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

struct Fixture {
  TempDir dir;
  ModelLog log{1};
  std::string path = dir / "journal";

  Fixture() { REQUIRE(Journal::create(path, kOrigin, log.next(1, 50).frame.header).ok()); }
  std::unique_ptr<Journal> open() {
    auto journal = Journal::open(path, kOrigin);
    if (!journal) FAIL(journal.error().message);
    return std::move(journal).value();
  }
};

}  // namespace

TEST_CASE("journal: a new one has the mark of the first frame") {
  Fixture f;
  auto journal = f.open();
  const auto records = journal->take_records();
  REQUIRE(records.size() == 1);
  CHECK(records[0].mark);
  CHECK(records[0].sequence == 1);
  CHECK(records[0].frame.header.root == f.log.range().root());
  CHECK(std::filesystem::file_size(f.path) == Journal::kFileBytes);
}

TEST_CASE("journal: frames come back in order, over both halves") {
  Fixture f;
  std::vector<Frame> written;
  {
    auto journal = f.open();
    for (int half = 0; half < 3; ++half) {
      if (half > 0) {
        journal->switch_half();
        written.erase(written.begin(), written.size() > 20 ? written.end() - 20 : written.begin());
      }
      for (int i = 0; i < 20; ++i) {
        const Frame frame = f.log.next(1 + i % 3, 100 + 37 * i).frame;
        REQUIRE(journal->append(frame).ok());
        written.push_back(frame);
      }
    }
  }
  const auto records = f.open()->take_records();
  REQUIRE(records.size() == written.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    CHECK(records[i].frame.entries == written[i].entries);
    CHECK(records[i].frame.header.first == written[i].header.first);
    if (i > 0) CHECK(records[i].sequence == records[i - 1].sequence + 1);
  }
}

TEST_CASE("journal: one record costs one sector at least and two at most for 200 bytes") {
  Fixture f;
  auto journal = f.open();
  REQUIRE(journal->append(f.log.next(1, 270).frame).ok());
  CHECK(journal->bytes_written() <= 1024);
  CHECK(journal->bytes_written() % kJournalSectorBytes == 0);
}

// A power cut may leave any prefix of the last write, by sectors or by bytes. Whatever it leaves, the frames before
// are there and the torn one is not.
TEST_CASE("journal: torn at every byte of the last record, nothing before it is lost") {
  Fixture f;
  {
    auto journal = f.open();
    for (int i = 0; i < 3; ++i) REQUIRE(journal->append(f.log.next(2, 300).frame).ok());
  }
  const Bytes before = slurp(f.path);
  {
    auto journal = f.open();
    REQUIRE(journal->append(f.log.next(3, 400).frame).ok());
  }
  const Bytes after = slurp(f.path);
  std::size_t begin = 0, end = after.size();
  while (before[begin] == after[begin]) ++begin;
  while (before[end - 1] == after[end - 1]) --end;
  for (std::size_t cut = begin; cut < end; ++cut) {
    Bytes torn = after.substr(0, cut) + before.substr(cut);
    auto scan = scan_journal(torn, kOrigin);
    REQUIRE(scan.ok());
    REQUIRE(scan->records.size() == 4);
  }
  REQUIRE(scan_journal(after, kOrigin)->records.size() == 5);
}

TEST_CASE("journal: a record torn after two commits without one between them") {
  Fixture f;
  {
    auto journal = f.open();
    for (int i = 0; i < 3; ++i) REQUIRE(journal->append(f.log.next(2, 300).frame).ok());
    journal->switch_half();
    journal->switch_half();
  }
  const Bytes before = slurp(f.path);
  {
    auto journal = f.open();  // which goes on in the half of the last record
    REQUIRE(journal->append(f.log.next(2, 300).frame).ok());
    journal->switch_half();
    journal->switch_half();
    REQUIRE(journal->append(f.log.next(3, 400).frame).ok());
  }
  Bytes torn = slurp(f.path);
  std::size_t end = torn.size();
  while (before[end - 1] == torn[end - 1]) --end;
  torn[end - 1] = static_cast<char>(torn[end - 1] ^ 1);
  const auto scan = scan_journal(torn, kOrigin);
  REQUIRE(scan.ok());
  CHECK(scan->records.size() == 5);
}

TEST_CASE("journal: a flipped bit in an acknowledged record is damage, not a torn tail") {
  Fixture f;
  {
    auto journal = f.open();
    for (int i = 0; i < 4; ++i) REQUIRE(journal->append(f.log.next(1, 600).frame).ok());
  }
  const Bytes intact = slurp(f.path);
  const auto records = scan_journal(intact, kOrigin)->records.size();
  REQUIRE(records == 5);
  const std::size_t used = 4096 + 512 + 4 * 1024;
  for (std::size_t at = 0; at < used - 1024; ++at) {  // all but the last record
    Bytes damaged = intact;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    auto scan = scan_journal(damaged, kOrigin);
    // Padding behind a record is the only thing that may change unnoticed: it carries nothing.
    if (scan.ok()) {
      INFO("offset " << at);
      REQUIRE(intact[at] == '\0');
      REQUIRE(scan->records.size() == records);
    } else {
      REQUIRE(scan.error().kind == ErrorKind::fatal);
    }
  }
}

TEST_CASE("journal: what is longer than a record can be is none, whatever its checksum says") {
  for (const std::size_t bytes : {kJournalFrameBytes - 1, kJournalFrameBytes}) {
    Fixture f;
    Frame frame;
    frame.header = {1, 2, 0, {}, {}};
    for (const std::size_t n : {40000ul, bytes - kFrameHeaderBytes - 4 - 40000}) {
      put_u16(frame.entries, static_cast<std::uint16_t>(n));
      frame.entries.append(n, 'x');
    }
    Bytes file = slurp(f.path), record("SRJ1\x01\0\0\0", 8);
    const Bytes body = encode_frame_header(frame.header, frame.entries.size()) + frame.entries;
    REQUIRE(body.size() == bytes);
    put_u32(record, static_cast<std::uint32_t>(body.size()));
    put_u64(record, 2);
    const Hash checksum = sha256({ByteView(file).substr(20 + 4 + 32, 16), record, body});
    record.append(view(checksum).substr(0, 16)).append(body);
    file.replace(4096 + kJournalSectorBytes, record.size(), record);
    const auto scan = scan_journal(file, kOrigin);
    REQUIRE(scan.ok());
    CHECK(scan->records.size() == (bytes < kJournalFrameBytes ? 2 : 1));
  }
}

TEST_CASE("journal: a head whose body runs past the end of its half is no record") {
  Fixture f;
  Bytes file = slurp(f.path), head("SRJ1\x01\0\0\0", 8);
  put_u32(head, 60000);
  put_u64(head, 99);
  for (const std::size_t end : {kJournalHalfBytes, 2 * kJournalHalfBytes})
    file.replace(4096 + end - kJournalSectorBytes, head.size(), head);
  const auto scan = scan_journal(file, kOrigin);
  REQUIRE(scan.ok());
  CHECK(scan->records.size() == 1);
}

TEST_CASE("journal: one that is not there is said to be missing") {
  TempDir dir;
  const auto missing = read_journal(dir / "journal");
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().kind == ErrorKind::fatal);
  CHECK(missing.error().message == std::string(dir / "journal") + ": is not there");
}

TEST_CASE("journal: refused with words when it is another's, of another size, or empty") {
  Fixture f;
  auto other = Journal::open(f.path, "example.com/another");
  REQUIRE_FALSE(other.ok());
  CHECK_THAT(other.error().message, Catch::Matchers::Contains("belongs to another log"));
  Bytes bytes = slurp(f.path);
  spit(f.path, bytes.substr(0, bytes.size() - 1));
  CHECK_THAT(Journal::open(f.path, kOrigin).error().message, Catch::Matchers::Contains("bytes instead of"));
  spit(f.path, bytes.substr(0, 4096) + Bytes(bytes.size() - 4096, '\0'));
  CHECK_THAT(Journal::open(f.path, kOrigin).error().message, Catch::Matchers::Contains("no intact record"));
  bytes[0] = 'X';
  spit(f.path, bytes);
  CHECK_THAT(Journal::open(f.path, kOrigin).error().message, Catch::Matchers::Contains("not a sealring journal"));
}
