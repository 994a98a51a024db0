// LogViews of an archive and of a store: every subtree and every stretch of entries against a list of all of them.
#include "gateway/log_view.h"

#include <catch2/catch.hpp>

#include "tests/unit/archive_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

std::unique_ptr<LogView> opened(const std::string& path) {
  auto view = open_log_view(path);
  if (!view) FAIL(view.error().message);
  return std::move(view).value();
}

Hash root_of(const std::vector<Bytes>& entries, std::uint64_t first, std::uint64_t count) {
  CompactRange range;
  for (std::uint64_t i = first; i < first + count; ++i) range.append(leaf_hash(entries[i]));
  return range.root();
}

// Of `entries` all is here, and nothing beyond.
void check_view(const LogView& view, const std::vector<Bytes>& entries) {
  REQUIRE(view.first_index() == 0);
  REQUIRE(view.size() == entries.size());
  for (int step = 0; step < 24; ++step) {  // the second time from what was kept of the first
    const int level = step % 12;
    const std::uint64_t leaves = std::uint64_t{1} << level;
    for (std::uint64_t start = 0; start < entries.size() + leaves; start += leaves) {
      INFO("level " << level << " from " << start);
      const Result<Hash> node = view.node(level, start);
      if (start + leaves <= entries.size()) {
        REQUIRE(node);
        REQUIRE(*node == root_of(entries, start, leaves));
      } else {
        REQUIRE_FALSE(node);
        REQUIRE(node.error().kind == ErrorKind::missing);
      }
    }
  }
  for (std::uint64_t first = 0; first <= entries.size(); first += 37) {
    for (const std::size_t count : {1, 2, 100, 256}) {
      INFO(count << " entries from " << first);
      const Result<Bytes> got = view.entries(first, count);
      if (first + count > entries.size()) {
        REQUIRE_FALSE(got);
        REQUIRE(got.error().kind == ErrorKind::missing);
        continue;
      }
      Bytes wanted;
      for (std::uint64_t i = first; i < first + count; ++i) {
        put_u16(wanted, static_cast<std::uint16_t>(entries[i].size()));
        wanted += entries[i];
      }
      REQUIRE(got);
      REQUIRE(*got == wanted);
    }
  }
  CHECK_FALSE(view.entries(UINT64_MAX, 1));
  CHECK_FALSE(view.node(1, UINT64_MAX - 1));
}

// Segments that end before, at and behind the borders of subtrees; the second has no receipt.
struct Archive {
  TempDir dir;
  LogBuilder log{dir / "archive"};
  std::vector<Bytes> entries;
  std::vector<std::string> files;

  Archive() {
    log.add_genesis();
    for (const std::uint64_t end : {3, 255, 256, 257, 511, 512, 600, 768, 1025, 1300}) {
      while (log.range.size() + 1 < end) log.add_message("message " + std::to_string(log.range.size()));
      log.add({log.common(), log.handover()});
      entries.insert(entries.end(), log.entries.begin(), log.entries.end());
      log.write_segment();
      files.push_back(log.segment_path());
      if (files.size() != 2) write_all(log.receipt_path(), log.receipt().encode());
      log.begin_next();
    }
    log.write_log_line();
  }
};

std::string failing(const std::string& path) {
  const auto view = open_log_view(path);
  return view ? "" : view.error().message;
}

}  // namespace

TEST_CASE("an archive as a log", "[log_view]") {
  const Archive archive;
  const auto view = opened(archive.dir / "archive");
  CHECK(view->origin() == kOrigin);
  check_view(*view, archive.entries);
  check_view(*opened(archive.log.folder), archive.entries);

  const std::vector<Segment> segments = view->segments();
  REQUIRE(segments.size() == archive.files.size());
  CHECK(segments[0].start == 0);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    INFO("segment " << i);
    if (i > 0) CHECK(segments[i].start == segments[i - 1].end);
    CHECK(segments[i].number == i);
    CHECK(segments[i].state == (i == 1 ? SegmentState::sealed : SegmentState::acknowledged));
    const auto note = Note::parse(segments[i].note);
    REQUIRE(note);
    CHECK(note->signatures.size() == (i == 1 ? 1 : 2));
  }
}

TEST_CASE("what is before a segment comes from its header, not from the files before it", "[log_view]") {
  const Archive whole;
  const auto view = opened(whole.dir / "archive");
  // Of the first 600 entries none can be read: what their subtrees hash to stands in headers further on.
  for (std::size_t i = 0; i < 7; ++i) write_all(whole.files[i], read_all(whole.files[i]).substr(0, 600) + "damaged");
  const Result<Hash> left = view->node(9, 0);
  REQUIRE(left);
  CHECK(*left == root_of(whole.entries, 0, 512));
  CHECK(*view->node(8, 256 * 3) == root_of(whole.entries, 768, 256));
  const Result<Hash> right = view->node(8, 256);  // the right half of its parent is in no header
  CHECK_FALSE(right);
  CHECK_FALSE(view->entries(300, 1));
  CHECK(view->entries(700, 1));
}

TEST_CASE("what is no log, or not one", "[log_view]") {
  TempDir dir;
  CHECK(failing(dir / "nothing").find("nothing") != std::string::npos);
  fs::create_directories(dir / "empty");
  CHECK(failing(dir / "empty").find("neither a store") != std::string::npos);

  Archive archive;
  SECTION("two logs: they are named") {
    LogBuilder other(archive.dir / "archive", "example.com/other");
    other.add_genesis();
    other.seal();
    other.write_log_line();
    const std::string words = failing(archive.dir / "archive");
    for (const std::string& part : {std::string("has 2 logs"), other.folder, archive.log.folder,
                                    std::string("\"example.com/other\""), "\"" + kOrigin + "\""}) {
      INFO(part << " in " << words);
      CHECK(words.find(part) != std::string::npos);
    }
    CHECK(opened(other.folder)->size() == 2);
  }
  SECTION("a segment under another's name") {
    fs::rename(archive.files[3], archive.files[2]);
    const auto view = open_log_view(archive.dir / "archive");
    REQUIRE_FALSE((view && (*view)->entries(255, 1)));
  }
  SECTION("no segment yet") {
    fs::remove_all(archive.log.folder + "/segments");
    fs::create_directories(archive.log.folder + "/segments");
    CHECK(failing(archive.log.folder).find("no segment has been archived yet") != std::string::npos);
  }
}

TEST_CASE("a store without its daemon as a log", "[log_view]") {
  TempDir dir;
  ModelLog log(11);
  REQUIRE(Ring::create({dir / "store", 64u << 20}, kOrigin, log.next(1, 120).frame).ok());
  {
    auto ring = Ring::open({dir / "store"});
    REQUIRE(ring);
    for (const std::size_t count : {2, 252, 1, 1, 255, 400, 100, 13}) {
      const auto step = log.next(count, 60);
      REQUIRE((*ring)->append(step.frame, step.range, step.nodes).ok());
      if (count == 400) REQUIRE((*ring)->move().ok());  // what is behind stays in the journal
    }
  }
  const auto view = opened(dir / "store");
  CHECK(view->origin() == kOrigin);
  check_view(*view, log.entries());
  const std::vector<Segment> segments = view->segments();
  REQUIRE(segments.size() == 1);
  CHECK(segments[0].state == SegmentState::open);
  CHECK(segments[0].start == 0);
  CHECK(segments[0].end == log.entries().size());
}
