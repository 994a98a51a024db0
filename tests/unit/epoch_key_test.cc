#include "gateway/epoch_key.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "tests/unit/archive_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

struct Fixture {
  TempDir dir;
  EpochKeys keys{dir.path()};
  std::unique_ptr<SoftwareSigner> key = test_key(5);
  PublicKey loaded(std::uint64_t epoch) {
    auto result = keys.load(epoch);
    return result ? (*result)->public_key() : PublicKey{};
  }
};

unsigned mode_of(const std::string& path) {
  struct stat st {};
  REQUIRE(::stat(path.c_str(), &st) == 0);
  return st.st_mode & 07777;
}

}  // namespace

TEST_CASE("an epoch key is kept twice, for nobody else", "[epoch]") {
  Fixture f;
  REQUIRE(f.keys.save(3, *f.key).ok());
  CHECK(mode_of(f.keys.path(3)) == 0600);
  CHECK(mode_of(f.keys.copy_path(3)) == 0600);
  CHECK(read_all(f.keys.path(3)) == read_all(f.keys.copy_path(3)));
  CHECK(f.loaded(3) == f.key->public_key());
  CHECK(f.keys.load(4).error().kind == ErrorKind::missing);
  SECTION("and replaced by another save") {
    auto other = test_key(6);
    REQUIRE(f.keys.save(3, *other).ok());
    CHECK(f.loaded(3) == other->public_key());
  }
  SECTION("and refused when others may read it") {
    REQUIRE(::chmod(f.keys.path(3).c_str(), 0640) == 0);
    Result<std::unique_ptr<SoftwareSigner>> result = f.keys.load(3);
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == ErrorKind::reject);
  }
}

TEST_CASE("any damage of one copy is mended from the other", "[epoch]") {
  Fixture f;
  REQUIRE(f.keys.save(3, *f.key).ok());
  const Bytes good = read_all(f.keys.path(3));
  const std::string bad = GENERATE(true, false) ? f.keys.path(3) : f.keys.copy_path(3);
  const auto mended = [&] {
    return f.loaded(3) == f.key->public_key() && read_all(f.keys.path(3)) == good &&
           read_all(f.keys.copy_path(3)) == good && mode_of(bad) == 0600;
  };
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes flipped = good;
    flipped[i] ^= 1;
    write_all(bad, flipped);
    INFO("byte " << i);
    REQUIRE(mended());
    write_all(bad, good.substr(0, i));
    REQUIRE(mended());
  }
  write_all(bad, good + "x");
  CHECK(mended());
  fs::remove(bad);
  CHECK(mended());
}

TEST_CASE("no whole copy is no key", "[epoch]") {
  Fixture f;
  REQUIRE(f.keys.save(3, *f.key).ok());
  const Bytes good = read_all(f.keys.path(3));
  SECTION("both damaged") {
    write_all(f.keys.path(3), good.substr(1));
    write_all(f.keys.copy_path(3), Bytes(good.size(), '\0'));
    CHECK(f.keys.load(3).error().kind == ErrorKind::missing);
  }
  SECTION("two different keys") {
    REQUIRE(f.keys.save(4, *test_key(6)).ok());
    Bytes other = read_all(f.keys.path(4));
    REQUIRE(f.keys.save(3, *test_key(7)).ok());
    write_all(f.keys.copy_path(3), good);
    CHECK(f.keys.load(3).error().kind == ErrorKind::fatal);
  }
  SECTION("the file of another epoch") {
    fs::rename(f.keys.path(3), f.keys.path(4));
    fs::rename(f.keys.copy_path(3), f.keys.copy_path(4));
    CHECK(f.keys.load(4).error().kind == ErrorKind::missing);
  }
}

TEST_CASE("an erased key is gone, and overwritten", "[epoch]") {
  Fixture f;
  REQUIRE(f.keys.save(3, *f.key).ok());
  // A second name of the same blocks shows what was written over them.
  fs::create_hard_link(f.keys.path(3), f.dir / "blocks");
  fs::create_hard_link(f.keys.copy_path(3), f.dir / "blocks2");
  const std::size_t size = read_all(f.dir / "blocks").size();
  REQUIRE(f.keys.erase(3).ok());
  CHECK_FALSE(fs::exists(f.keys.path(3)));
  CHECK_FALSE(fs::exists(f.keys.copy_path(3)));
  CHECK(read_all(f.dir / "blocks") == Bytes(size, '\0'));
  CHECK(read_all(f.dir / "blocks2") == Bytes(size, '\0'));
  CHECK(f.keys.load(3).error().kind == ErrorKind::missing);
  CHECK(f.keys.erase(3).ok());
}

TEST_CASE("what earlier epochs left behind is erased", "[epoch]") {
  Fixture f;
  for (std::uint64_t k : {0, 2, 9, 10}) REQUIRE(f.keys.save(k, *test_key(static_cast<int>(k + 20))).ok());
  fs::remove(f.keys.path(2));  // only its copy is there
  write_all(f.dir / "epoch-1.key.old", "not ours");
  write_all(f.dir / "epoch-01.key", "not ours");
  REQUIRE(f.keys.erase_before(10).ok());
  for (std::uint64_t k : {0, 2, 9}) CHECK(f.keys.load(k).error().kind == ErrorKind::missing);
  CHECK(f.loaded(10) == test_key(30)->public_key());
  CHECK(fs::exists(f.dir / "epoch-1.key.old"));
  CHECK(fs::exists(f.dir / "epoch-01.key"));
}
