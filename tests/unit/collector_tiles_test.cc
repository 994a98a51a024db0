#include <fstream>
#include <random>

#include "collector/tiles.h"
#include "tests/unit/capture_stderr.h"
#include "tests/unit/tile_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

// A log whose segments are written straight into an archive, and the tiles of them.
struct TilesTest {
  TilesTest() { REQUIRE(archive.prepare().ok()); }

  // One more segment, up to `end`. Not synced: thousands are made here.
  SegmentIndex write_segment(std::uint64_t end) {
    log.grow(end);
    std::uint64_t start = range.size();
    CompactRange after = range;
    for (std::uint64_t i = start; i < end; ++i) after.append(log.leaves[i]);
    SegmentFile segment{start, end, range.hashes(), log.sign({log.key().name, end, after.root()}),
                        log.bundle(start, end)};
    std::ofstream(path("segments", {start, end}), std::ios::binary)
        << encode_segment_header(segment) << segment.entries;
    range = std::move(after);
    segments.push_back({start, end});
    Result<SegmentIndex> index = index_segment(segment);
    REQUIRE(index.ok());
    return *index;
  }
  void grow(std::uint64_t end) { tiles.add(write_segment(end)); }
  std::string path(const std::string& folder, const EntryRange& of) const {
    std::string name = folder == "index" ? segment_index_name(of) : segment_file_name(of.start, of.end);
    return archive.directory() + "/" + folder + "/" + name;
  }
  Bytes wanted(const NamedTile& tile) const {
    if (tile.level >= 0) return naive_tile(log.leaves, tile.level, tile.index, tile.width);
    return log.bundle(tile.index * 256, tile.index * 256 + tile.width);
  }
  static ErrorKind failure(const Tiles& of, int level, std::uint64_t index, std::uint64_t width) {
    Result<Bytes> got = of.read({level, index, width});
    REQUIRE_FALSE(got.ok());
    return got.error().kind;
  }
  // All that a checkpoint of the present size needs, and nothing beyond it.
  void require_size(const Tiles& of) const {
    std::uint64_t size = range.size();
    INFO("size " << size);
    for (const NamedTile& tile : tiles_of_size(size)) {
      bool old_and_full = tile.width == 256 && (tile.index + 1) * 256 < size / 2 && tile.level <= 0;
      if (old_and_full) continue;  // looked at when they were new
      INFO(tile_name(tile.level, tile.index, tile.width));
      Result<Bytes> got = of.read({tile.level, tile.index, tile.width});
      REQUIRE(got.ok());
      REQUIRE(*got == wanted(tile));
    }
    for (int level : {-1, 0, 1, 2, 3, 7, 8, 63}) {
      std::uint64_t hashes = level > 7 ? 0 : size / power_of_256(std::max(level, 0));
      REQUIRE(failure(of, level, hashes / 256, hashes % 256 + 1) == ErrorKind::missing);
      REQUIRE(failure(of, level, hashes / 256 + 1, 1) == ErrorKind::missing);
      REQUIRE(failure(of, level, UINT64_MAX, 256) == ErrorKind::missing);
      REQUIRE(failure(of, level, UINT64_MAX / 256 + 1, 1) == ErrorKind::missing);
    }
  }

  ScratchDirectory scratch;
  FakeLog log;
  LogArchive archive{scratch.path(), log.key().name};
  CompactRange range;
  std::vector<EntryRange> segments;
  Tiles tiles{archive};
};

Bytes file_bytes(const std::string& path) {
  Result<Bytes> bytes = read_file(path);
  REQUIRE(bytes.ok());
  return *bytes;
}

void write(const std::string& path, ByteView bytes) { std::ofstream(path, std::ios::binary) << bytes; }

}  // namespace

TEST_CASE("tile paths: what is a name") {
  struct Good {
    const char* path;
    TilePath tile;
  };
  for (const Good& good : std::vector<Good>{
           {"tile/0/000", {0, 0, 256}},
           {"tile/0/000.p/1", {0, 0, 1}},
           {"tile/63/255.p/255", {63, 255, 255}},
           {"tile/1/x001/000", {1, 1000, 256}},
           {"tile/10/x001/x234/067", {10, 1234067, 256}},
           {"tile/entries/x001/x234/067.p/9", {-1, 1234067, 9}},
           {"tile/entries/999", {-1, 999, 256}},
           {"tile/entries/x018/x446/x744/x073/x709/x551/615", {-1, UINT64_MAX, 256}},
       }) {
    INFO(good.path);
    std::optional<TilePath> tile = parse_tile_path(good.path);
    REQUIRE(tile);
    CHECK(tile->level == good.tile.level);
    CHECK(tile->index == good.tile.index);
    CHECK(tile->width == good.tile.width);
    CHECK(tile_name(tile->level, tile->index, tile->width) == good.path);
  }
}

TEST_CASE("tile paths: what is none") {
  for (const char* bad : {"",
                          "tile",
                          "tile/",
                          "tile/0",
                          "tile/0/",
                          "/tile/0/000",
                          "tile//0/000",
                          "tile/0//000",
                          "tile/0/000/",
                          "tile/00/000",
                          "tile/01/000",
                          "tile/64/000",
                          "tile/-1/000",
                          "tile/+1/000",
                          "tile/data/000",
                          "tile/8/0/000",
                          "tile/0/0",
                          "tile/0/00",
                          "tile/0/0000",
                          "tile/0/1000",
                          "tile/0/x001",
                          "tile/0/001/000",
                          "tile/0/x000/000",
                          "tile/0/x000/x001/000",
                          "tile/0/x01/000",
                          "tile/0/x0001/000",
                          "tile/0/X001/000",
                          "tile/0/x001/x000",
                          "tile/0/x001/00a",
                          "tile/0/xx01/000",
                          "tile/0/ 00",
                          "tile/0/000.p",
                          "tile/0/000.p/",
                          "tile/0/000.p/0",
                          "tile/0/000.p/01",
                          "tile/0/000.p/256",
                          "tile/0/000.p/1000",
                          "tile/0/000.p/-1",
                          "tile/0/000.p/1/",
                          "tile/0/000.p/1.p/1",
                          "tile/0/000.q/1",
                          "tile/0/000?x",
                          "tile/0/000#x",
                          "tile/0/000.p/1?x",
                          "tile/0/%30%30%30",
                          "tile/entries",
                          "tile/entries/",
                          "tile/entries/entries/000",
                          "tile/Entries/000",
                          "tile/entries/x018/x446/x744/x073/x709/x551/616",
                          "tile/entries/x999/x999/x999/x999/x999/x999/x999/999",
                          "tile/0/../0/000",
                          "tile/99999999999999999999/000"}) {
    INFO(bad);
    CHECK_FALSE(parse_tile_path(bad));
  }
  CHECK_FALSE(parse_tile_path(std::string_view("tile/0/000\0", 11)));
}

TEST_CASE_METHOD(TilesTest, "tiles: an empty log has none") {
  require_size(tiles);
  REQUIRE(tiles.load({}, CompactRange()).ok());
  require_size(tiles);
}

TEST_CASE_METHOD(TilesTest, "tiles: of every size, as the log grows by one entry a segment") {
  for (std::uint64_t size = 1; size <= 1030; ++size) {
    grow(size);
    require_size(tiles);
  }
}

TEST_CASE_METHOD(TilesTest, "tiles: every width of every tile, however the segments are cut") {
  auto seed = GENERATE(1u, 2u, 3u, 4u);
  std::mt19937 random(seed);
  while (range.size() < 1300) {
    std::uint64_t step = std::uniform_int_distribution<std::uint64_t>(1, seed < 3 ? 700 : 60)(random);
    if (random() % 4 == 0) step = 256 - range.size() % 256;  // end with a bundle
    grow(range.size() + step);
  }
  Tiles again(archive);  // from the files
  REQUIRE(again.load(segments, range).ok());
  for (const Tiles* of : {&tiles, &again}) {
    require_size(*of);
    for (const NamedTile& tile : tiles_of_size(range.size())) {
      Bytes whole = wanted(tile);
      for (std::uint64_t width = 1; width <= tile.width; ++width) {
        Result<Bytes> got = of->read({tile.level, tile.index, width});
        REQUIRE(got.ok());
        REQUIRE(*got == wanted({tile.level, tile.index, width}));
        REQUIRE(whole.compare(0, got->size(), *got) == 0);
      }
    }
  }
}

TEST_CASE_METHOD(TilesTest, "tiles: three levels up, with hashes that nobody has computed from entries") {
  const std::uint64_t size = power_of_256(3) + 70000;
  SegmentIndex index;
  index.range = {0, size};
  index.offsets.assign(SegmentIndex::offset_count(index.range), 0);
  for (std::uint64_t i = 0; i < size / 256; ++i) index.bundles.push_back(leaf_hash(std::to_string(i)));
  CompactRange upper;
  for (const Hash& hash : index.bundles) upper.append(hash);
  std::vector<Hash> hashes = upper.hashes();
  for (std::uint64_t rest = size % 256; rest != 0; rest &= rest - 1) hashes.push_back(Hash{});
  tiles.add(index);
  write(path("segments", index.range), "");
  Tiles again(archive);
  REQUIRE(again.load({index.range}, *CompactRange::from(size, hashes)).ok());
  for (const Tiles* of : {&tiles, &again}) {
    for (const NamedTile& tile : tiles_of_size(size)) {
      if (tile.level < 1) continue;
      INFO(tile_name(tile.level, tile.index, tile.width));
      Result<Bytes> got = of->read({tile.level, tile.index, tile.width});
      REQUIRE(got.ok());
      REQUIRE(*got == naive_tile(index.bundles, tile.level - 1, tile.index, tile.width));
    }
    CHECK(of->read({3, 0, 1}).ok());
    CHECK(failure(*of, 3, 0, 2) == ErrorKind::missing);
    CHECK(failure(*of, 4, 0, 1) == ErrorKind::missing);
  }
}

TEST_CASE_METHOD(TilesTest, "index: made again when it is missing, cut or changed anywhere") {
  for (std::uint64_t size : {3, 300, 700, 768}) grow(size);
  std::string file = path("index", segments[2]);
  const Bytes good = file_bytes(file);
  CHECK(good.size() == 18 + 16 + 4 * 3 + 32 * 1 + 16);  // offsets of 300, 512 and the end; the bundle [256, 512)
  std::vector<Bytes> bad;
  for (std::size_t length = 0; length < good.size(); ++length) bad.push_back(good.substr(0, length));
  for (std::size_t i = 0; i < good.size(); ++i) {
    bad.push_back(good);
    bad.back()[i] = static_cast<char>(bad.back()[i] ^ (1 << i % 8));
  }
  bad.push_back(good + "x");
  bad.push_back(file_bytes(path("index", segments[1])));
  for (const Bytes& bytes : bad) {
    write(file, bytes);
    Tiles again(archive);
    std::string said = stderr_of([&] { REQUIRE(again.load(segments, range).ok()); });
    REQUIRE(said.find("made the tile index of 1 of 4 segments anew; the first was " +
                      segment_index_name(segments[2])) != std::string::npos);
    REQUIRE(file_bytes(file) == good);
    require_size(again);
  }
  REQUIRE(::unlink(file.c_str()) == 0);
  REQUIRE(tiles.read({0, 1, 256}).ok());  // the running one needs no file
  Tiles again(archive);
  CHECK(stderr_of([&] { REQUIRE(again.load(segments, range).ok()); }).find("1 of 4") != std::string::npos);
  CHECK(file_bytes(file) == good);
  CHECK(stderr_of([&] { REQUIRE(Tiles(archive).load(segments, range).ok()); }).empty());
}

TEST_CASE_METHOD(TilesTest, "index: one that holds in itself but not with the log is found by the root") {
  for (std::uint64_t size : {300, 700, 1000}) grow(size);
  std::vector<Bytes> good;
  for (const EntryRange& segment : segments) good.push_back(file_bytes(path("index", segment)));
  Result<SegmentIndex> index = SegmentIndex::decode(good[1], segments[1]);
  REQUIRE(index.ok());
  index->bundles[0][31] ^= 1;
  write(path("index", segments[1]), index->encode());
  Tiles again(archive);
  std::string said = stderr_of([&] { REQUIRE(again.load(segments, range).ok()); });
  CHECK(said.find("3 of 3") != std::string::npos);
  require_size(again);
  for (std::size_t i = 0; i < segments.size(); ++i) CHECK(file_bytes(path("index", segments[i])) == good[i]);
}

TEST_CASE_METHOD(TilesTest, "index: a segment of another length than its index says is looked into again") {
  for (std::uint64_t size : {300, 700}) grow(size);
  std::string file = path("segments", segments[0]);
  const Bytes good = file_bytes(file);
  for (const Bytes& bytes : {good.substr(0, good.size() - 1), good + "x", Bytes()}) {
    write(file, bytes);
    Tiles again(archive);
    Status loaded = again.load(segments, range);
    REQUIRE_FALSE(loaded.ok());
    CHECK(loaded.error().kind == ErrorKind::fatal);
    CHECK(loaded.error().message.find(file) != std::string::npos);
  }
}

TEST_CASE_METHOD(TilesTest, "index: it cannot be kept, and everything goes on") {
  grow(300);
  std::string folder = archive.directory() + "/index";
  REQUIRE(::rename(folder.c_str(), (folder + ".away").c_str()) == 0);
  CHECK(stderr_of([&] { grow(700); }).find("a tile index was not kept: cannot create") != std::string::npos);
  require_size(tiles);
  Tiles again(archive);
  CHECK(stderr_of([&] { REQUIRE(again.load(segments, range).ok()); }).find("2 of 2") != std::string::npos);
  require_size(again);
}

TEST_CASE_METHOD(TilesTest, "tiles: what is damaged on disk is not served, and the rest is") {
  for (std::uint64_t size : {300, 700, 1000}) grow(size);
  std::string file = path("segments", segments[1]);  // [300, 700)
  const Bytes good = file_bytes(file);
  std::size_t entries_at = good.size() - log.bundle(300, 700).size();
  std::size_t in_bundle_1 = entries_at + 2, in_bundle_2 = entries_at + log.bundle(300, 512).size() + 2;
  for (std::size_t at : {in_bundle_1, in_bundle_2}) {
    Bytes bytes = good;
    bytes[at] ^= 1;
    write(file, bytes);
    std::uint64_t hurt = at == in_bundle_1 ? 1 : 2;
    for (int level : {-1, 0}) {
      for (std::uint64_t index : {0, 1, 2}) {
        INFO(level << " " << index << " " << at);
        if (index == hurt) {
          CHECK(failure(tiles, level, index, 256) == ErrorKind::fatal);
          CHECK(failure(tiles, level, index, 1) == ErrorKind::fatal);
        } else {
          CHECK(tiles.read({level, index, 256}).ok());
        }
      }
    }
    CHECK(tiles.read({1, 0, 3}).ok());
  }
  Bytes length = good;  // the length of an entry: all behind it is read otherwise
  ++length[entries_at + 1];
  for (const Bytes& bytes : {length, good.substr(0, entries_at + 5), Bytes()}) {
    write(file, bytes);
    CHECK(failure(tiles, -1, 1, 256) == ErrorKind::fatal);
    CHECK(tiles.read({-1, 0, 256}).ok());
  }
  REQUIRE(::unlink(file.c_str()) == 0);
  CHECK(failure(tiles, 0, 1, 256) == ErrorKind::fatal);
  CHECK(tiles.read({-1, 0, 256}).ok());
  write(file, good);
  require_size(tiles);
}
