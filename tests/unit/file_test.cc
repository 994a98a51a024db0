#include "drivers/file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <thread>

#include "crypto/note.h"
#include "drivers/clock.h"
#include "drivers/diag.h"
#include "drivers/key_file.h"
#include "tests/unit/capture_stderr.h"

using namespace sealring;

namespace {

unsigned mode_of(const std::string& path) {
  struct stat s {};
  REQUIRE(::stat(path.c_str(), &s) == 0);
  return s.st_mode & 07777;
}

void write_plainly(const std::string& path, const std::string& bytes, unsigned mode) {
  REQUIRE(replace_file(path, bytes, mode).ok());
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("file: reads what is there, and says what is not") {
  TempDir dir;
  Bytes bytes("a\0b\xff", 4);
  write_plainly(dir.file("f"), bytes, 0644);
  CHECK(*read_file(dir.file("f")) == bytes);
  CHECK(*read_file(dir.file("f"), 4) == bytes);
  Result<Bytes> large = read_file(dir.file("f"), 3);
  REQUIRE_FALSE(large.ok());
  CHECK(large.error().kind == ErrorKind::reject);
  CHECK(contains(large.error().message, "larger than 3 bytes"));

  write_plainly(dir.file("empty"), "", 0644);
  CHECK(read_file(dir.file("empty"))->empty());
  CHECK(read_file(dir.file("empty"), 0)->empty());

  Bytes big(300'000, 'x');
  write_plainly(dir.file("big"), big, 0644);
  CHECK(*read_file(dir.file("big")) == big);

  Result<Bytes> missing = read_file(dir.file("no"));
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().kind == ErrorKind::missing);
  CHECK(missing.error().message == "cannot open " + dir.file("no") + ": No such file or directory");
  Result<Bytes> directory = read_file(dir.path());
  REQUIRE_FALSE(directory.ok());
  CHECK(directory.error().kind == ErrorKind::reject);
  CHECK(contains(directory.error().message, "Is a directory"));
}

TEST_CASE("file: of unknown size is read to its end") {
  Result<Bytes> status = read_file("/proc/self/status");
  REQUIRE(status.ok());
  CHECK(contains(*status, "VmPeak"));
  CHECK_FALSE(read_file("/dev/zero", 100'000).ok());
}

TEST_CASE("file: replace gives exactly the bytes and the mode, and leaves no temporary name") {
  TempDir dir;
  mode_t old = umask(0077);
  CHECK(replace_file(dir.file("f"), "one", 0664).ok());
  umask(old);
  CHECK(mode_of(dir.file("f")) == 0664);
  CHECK(replace_file(dir.file("f"), "two", 0444).ok());
  CHECK(*read_file(dir.file("f")) == "two");
  CHECK(mode_of(dir.file("f")) == 0444);
  CHECK(replace_file(dir.file("f"), "three").ok());  // a read-only file can be replaced: only the directory counts
  CHECK(*list_directory(dir.path()) == std::vector<std::string>{"f"});
  CHECK(*read_file(dir.file("f")) == "three");
}

TEST_CASE("file: a failed replace leaves the old file and no temporary name") {
  TempDir dir;
  CHECK(replace_file(dir.file("f"), "old").ok());
  SECTION("no room") {
    rlimit before{}, small{};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    small = before;
    small.rlim_cur = 1000;
    auto handler = std::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    Status status = replace_file(dir.file("f"), Bytes(5000, 'n'));
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    std::signal(SIGXFSZ, handler);
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().kind == ErrorKind::retry);
    CHECK(contains(status.error().message, "File too large"));
    CHECK(*read_file(dir.file("f")) == "old");
  }
  SECTION("a directory is in its place") {
    REQUIRE(make_directories(dir.file("d/x")).ok());
    Status status = replace_file(dir.file("d"), "new");
    REQUIRE_FALSE(status.ok());
    CHECK(contains(status.error().message, "cannot replace " + dir.file("d")));
  }
  std::vector<std::string> names = *list_directory(dir.path());
  for (const std::string& name : names) CHECK(name[0] != '.');
}

TEST_CASE("file: in a directory that is not there") {
  TempDir dir;
  Status status = replace_file(dir.file("no/f"), "x");
  REQUIRE_FALSE(status.ok());
  CHECK(contains(status.error().message, "No such file or directory"));
  Result<std::vector<std::string>> names = list_directory(dir.file("no"));
  REQUIRE_FALSE(names.ok());
  CHECK(names.error().kind == ErrorKind::missing);
  CHECK_FALSE(sync_directory(dir.file("no")).ok());
}

TEST_CASE("file: create never overwrites") {
  TempDir dir;
  CHECK(create_file(dir.file("f"), "one", 0440).ok());
  CHECK(mode_of(dir.file("f")) == 0440);
  Status again = create_file(dir.file("f"), "two");
  REQUIRE_FALSE(again.ok());
  CHECK(again.error().kind == ErrorKind::reject);
  CHECK(*read_file(dir.file("f")) == "one");
  // A link to nothing is a name that is taken, too: nothing is written through it.
  REQUIRE(symlink(dir.file("elsewhere").c_str(), dir.file("link").c_str()) == 0);
  CHECK_FALSE(create_file(dir.file("link"), "x").ok());
  CHECK(*list_directory(dir.path()) == std::vector<std::string>{"f", "link"});
}

TEST_CASE("file: of many who create one file at once, one succeeds") {
  TempDir dir;
  std::atomic<int> created{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      if (create_file(dir.file("f"), Bytes(10'000, static_cast<char>('a' + i))).ok()) ++created;
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(created == 1);
  Bytes bytes = *read_file(dir.file("f"));
  CHECK(bytes == Bytes(10'000, bytes[0]));
  CHECK(list_directory(dir.path())->size() == 1);
}

TEST_CASE("file: directories are made with their parents") {
  TempDir dir;
  CHECK(make_directories(dir.file("a/b/c")).ok());
  CHECK(make_directories(dir.file("a/b/c")).ok());
  CHECK(make_directories(dir.file("a//d/")).ok());
  CHECK(*list_directory(dir.file("a")) == std::vector<std::string>{"b", "d"});
  CHECK(make_directories(dir.file("s"), 0700).ok());
  CHECK(mode_of(dir.file("s")) == 0700);
  write_plainly(dir.file("f"), "", 0644);
  for (const char* path : {"f", "f/x"}) {
    Status status = make_directories(dir.file(path));
    REQUIRE_FALSE(status.ok());
    CHECK(contains(status.error().message, dir.file("f") + ": Not a directory"));
  }
}

// --- keys ---

namespace {

// The example of Go's note package: key and vkey belong together.
constexpr char kGoKey[] = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
constexpr char kGoVkey[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

std::string refusal_of(const std::string& path) {
  Result<NamedKey> key = load_key_file(path);
  REQUIRE_FALSE(key.ok());
  CHECK(key.error().kind == ErrorKind::reject);
  CHECK(contains(key.error().message, path));
  CHECK_FALSE(contains(key.error().message, "AYEKFALV"));  // not a byte of the key
  return key.error().message;
}

}  // namespace

TEST_CASE("key file: one made by Go's note package is read") {
  TempDir dir;
  for (const char* end : {"", "\n"}) {
    write_plainly(dir.file("k"), std::string(kGoKey) + end, 0600);
    Result<NamedKey> key = load_key_file(dir.file("k"));
    REQUIRE(key.ok());
    CHECK(key->name == "PeterNeumann");
    CHECK(VerifierKey{key->name, KeyType::ed25519, key->signer->public_key()}.encode() == kGoVkey);
  }
  write_plainly(dir.file("k"), kGoKey, 0400);
  CHECK(load_key_file(dir.file("k")).ok());
}

TEST_CASE("key file: written and read again") {
  TempDir dir;
  auto key = std::move(SoftwareSigner::generate()).value();
  REQUIRE(create_key_file(dir.file("k"), "example.com/gw", *key).ok());
  CHECK(mode_of(dir.file("k")) == 0600);
  Result<NamedKey> loaded = load_key_file(dir.file("k"));
  REQUIRE(loaded.ok());
  CHECK(loaded->name == "example.com/gw");
  CHECK(loaded->signer->public_key() == key->public_key());

  Bytes before = *read_file(dir.file("k"));
  CHECK(before.back() == '\n');
  Status again = create_key_file(dir.file("k"), "example.com/gw", *key);
  REQUIRE_FALSE(again.ok());
  CHECK(again.error().kind == ErrorKind::reject);
  CHECK(*read_file(dir.file("k")) == before);
  CHECK_FALSE(create_key_file(dir.file("k2"), "a name", *key).ok());
  CHECK(list_directory(dir.path())->size() == 1);
}

TEST_CASE("key file: writes the line that Go's note package writes") {
  TempDir dir;
  write_plainly(dir.file("k"), kGoKey, 0600);
  Result<NamedKey> key = load_key_file(dir.file("k"));
  REQUIRE(key.ok());
  REQUIRE(create_key_file(dir.file("copy"), key->name, *key->signer).ok());
  CHECK(*read_file(dir.file("copy")) == std::string(kGoKey) + "\n");
}

TEST_CASE("key file: every mode but 0600 and 0400 is refused with the command that mends it") {
  TempDir dir;
  for (unsigned mode : {0644u, 0640u, 0604u, 0660u, 0606u, 0700u, 0500u, 0601u, 0000u, 04600u}) {
    INFO(mode);
    write_plainly(dir.file("k"), kGoKey, mode);
    if (mode == 0 && geteuid() != 0) continue;  // cannot even be opened
    CHECK(contains(refusal_of(dir.file("k")), "chmod 600 " + dir.file("k")));
  }
}

TEST_CASE("key file: another user's is refused, root's is not") {
  if (geteuid() != 0) {
    WARN("skipped: only root can give files away");
    return;
  }
  TempDir dir;
  write_plainly(dir.file("k"), kGoKey, 0600);
  REQUIRE(chown(dir.file("k").c_str(), 12345, 12345) == 0);
  CHECK(contains(refusal_of(dir.file("k")), "belongs to user 12345"));
}

TEST_CASE("key file: what is not a regular file is refused without waiting") {
  TempDir dir;
  REQUIRE(mkfifo(dir.file("fifo").c_str(), 0600) == 0);
  CHECK(contains(refusal_of(dir.file("fifo")), "not a regular file"));
  REQUIRE(make_directories(dir.file("d"), 0700).ok());
  CHECK(contains(refusal_of(dir.file("d")), "not a regular file"));
  Result<NamedKey> missing = load_key_file(dir.file("no"));
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().kind == ErrorKind::missing);
}

TEST_CASE("key file: any damage is refused") {
  TempDir dir;
  std::string good = kGoKey;
  auto refused = [&](const std::string& line) {
    INFO(line);
    write_plainly(dir.file("k"), line, 0600);
    return refusal_of(dir.file("k"));
  };
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    refused(bad);
    refused(good.substr(0, i));
  }
  refused(good + "\n\n");
  refused(good + "\nx");
  refused(" " + good);
  refused(good + "\r\n");
  refused("PRIVATE+KEY+PeterNeumann+C74F20A3" + good.substr(33));  // the ID is written in lower case
  refused("PRIVATE+KEY++c74f20a3" + good.substr(33));
  CHECK(contains(refused(kGoVkey), "PRIVATE+KEY+"));
  // Another type and another length, although the key ID is that of the key.
  std::size_t key_at = good.rfind('+', good.find("AYEK")) + 1;
  Bytes raw = *from_base64(good.substr(key_at));
  REQUIRE(good.substr(0, key_at) + base64(raw) == good);
  CHECK(contains(refused(good.substr(0, key_at) + base64("\x04" + raw.substr(1))), "not an Ed25519 key"));
  CHECK(contains(refused(good.substr(0, key_at) + base64(raw + "x")), "33 bytes"));
  CHECK(contains(refused(good.substr(0, key_at) + base64(raw.substr(0, 32))), "33 bytes"));
  refused(std::string(5000, 'x'));
}

// --- clock and diagnostics ---

TEST_CASE("clock: tells the system's clocks") {
  SystemClock clock;
  std::int64_t before = std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
  ClockReading a = clock.now(), b = clock.now();
  std::int64_t after = std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
  CHECK(b.boottime_ns >= a.boottime_ns);
  CHECK(before <= a.wall_ns);
  CHECK(b.wall_ns <= after);
  // Boot time by another way: the kernel's own file, in seconds since boot.
  double uptime = std::stod(*read_file("/proc/uptime"));
  CHECK(std::abs(uptime - static_cast<double>(b.boottime_ns) / 1e9) < 5);
}

TEST_CASE("diag: one line each, by level, with nothing that could forge another") {
  std::string out = stderr_of([] {
    diag(DiagLevel::warning, "topic a\nready: x\x1b[1m \x7f \xc3\xbc");
    diag(DiagLevel::debug, "not wanted");
    set_diag_level(DiagLevel::debug);
    diag(DiagLevel::debug, "wanted");
    set_diag_level(DiagLevel::error);
    diag(DiagLevel::warning, "not wanted");
    diag(DiagLevel::error, "");
    set_diag_level(DiagLevel::info);
  });
  CHECK(out == "warning: topic a\\x0aready: x\\x1b[1m \\x7f \xc3\xbc\ndebug: wanted\nerror: \n");
}

TEST_CASE("diag: lines of many threads stay whole") {
  std::string out = stderr_of([] {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([i] {
        for (int n = 0; n < 100; ++n) diag(DiagLevel::notice, std::string(200, static_cast<char>('a' + i)));
      });
    }
    for (std::thread& t : threads) t.join();
  });
  std::size_t lines = 0;
  for (std::size_t at = 0; at < out.size(); ++lines) {
    std::size_t end = out.find('\n', at);
    REQUIRE(end == at + 8 + 200);
    CHECK(out.substr(at, end - at) == "notice: " + std::string(200, out[at + 8]));
    at = end + 1;
  }
  CHECK(lines == 400);
}
