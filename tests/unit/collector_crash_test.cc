// The collector killed before each of its system calls, each of them failing once, and the order of its syncs.
//
// The calls that change files are defined here and so stand before the C library's in this program. Disarmed, they do
// what they always do. The kill keeps what was written (a process dies, not the machine); that a power cut loses no
// promise follows from the last test: whenever an answer goes out, nothing is unsynced.
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <map>
#include <set>

#include "tests/unit/collector_mirror_fixture.h"
#include "tests/unit/tile_fixture.h"

namespace {

struct Faults {
  enum class Mode { off, count, die, fail, watch };
  Mode mode = Mode::off;
  int calls = 0;  // so far
  int at = 0;     // the call that is hit, from 1

  // watch: what a power cut could take away.
  std::set<std::string> unsynced_files, unsynced_directories;
  std::vector<std::string> mistakes;
} faults;

std::string path_of(int fd) {
  char path[4096];
  ssize_t n = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
  return n < 0 ? std::string() : std::string(path, static_cast<std::size_t>(n));
}
std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

// True: the call is to fail.
bool hit() {
  if (faults.mode == Faults::Mode::off || ++faults.calls != faults.at) return false;
  if (faults.mode == Faults::Mode::die) ::_exit(9);
  if (faults.mode != Faults::Mode::fail) return false;
  errno = EIO;
  return true;
}

void renamed(const char* from, const char* to) {
  if (faults.mode != Faults::Mode::watch) return;
  if (faults.unsynced_files.count(from) != 0)
    faults.mistakes.push_back(std::string(to) + " is named before its bytes are synced");
  faults.unsynced_directories.insert(folder_of(to));
}

}  // namespace

extern "C" {

int fsync(int fd) {
  if (hit()) return -1;
  if (faults.mode == Faults::Mode::off) return static_cast<int>(::syscall(SYS_fsync, fd));
  faults.unsynced_files.erase(path_of(fd));
  faults.unsynced_directories.erase(path_of(fd));
  return 0;  // a kill loses nothing, so the disk need not be waited for
}

ssize_t write(int fd, const void* bytes, std::size_t n) {
  if (fd > 2 && hit()) return -1;
  if (fd > 2 && faults.mode == Faults::Mode::watch) faults.unsynced_files.insert(path_of(fd));
  return ::syscall(SYS_write, fd, bytes, n);
}

int rename(const char* from, const char* to) noexcept {
  if (hit()) return -1;
  renamed(from, to);
  return static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int renameat2(int from_fd, const char* from, int to_fd, const char* to, unsigned flags) noexcept {
  if (hit()) return -1;
  renamed(from, to);
  return static_cast<int>(::syscall(SYS_renameat2, from_fd, from, to_fd, to, flags));
}

int unlink(const char* path) noexcept {
  if (hit()) return -1;
  return static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

}  // extern "C"

using namespace sealring;
using namespace sealring::test;

namespace {

// What the collector has promised: only grows.
struct Promises {
  std::uint64_t witnessed = 0, pending = 0, received = 0;
};

// With a hole: the bundle [256, 512) is dropped, and entry 650 says so.
struct CrashTest : MirrorTest {
  const std::optional<std::uint64_t> loss;
  const std::uint64_t first_end;

  explicit CrashTest(bool hole = false)
      : loss(hole ? std::optional<std::uint64_t>(650) : std::nullopt), first_end(hole ? 600 : 300) {
    log.grow(650);
    if (hole) log.add_loss(256, 512);
    log.grow(700);
  }
  bool in_hole(std::uint64_t index) const { return loss && index >= 256 && index < 512; }

  // A gateway that asks what the other side has and goes on from there, until all is archived or a call fails.
  template <class Promised>
  bool drive(Promised&& promised) {
    Promises now;
    for (std::uint64_t end : {first_end, std::uint64_t{700}}) {
      if (!register_checkpoint("/witness/add-checkpoint", end, now.witnessed)) return false;
      promised(now);
      if (!register_checkpoint("/mirror/add-checkpoint", end, now.pending)) return false;
      promised(now);
    }
    for (std::uint64_t end : {first_end, std::uint64_t{700}}) {
      if (!upload_to(end)) return false;
      now.received = end;
      promised(now);
    }
    return true;
  }

  bool register_checkpoint(const std::string& target, std::uint64_t size, std::uint64_t& promised) {
    HttpResponse answer = collector.send("POST", target, log.add_checkpoint(0, size));
    if (answer.status == 409) {
      std::uint64_t known = *decode_size(answer.body);
      if (known > size) return true;
      answer = collector.send("POST", target, log.add_checkpoint(known, size));
    }
    if (answer.status != 200) return false;
    promised = size;
    return true;
  }

  bool upload_to(std::uint64_t end) {
    std::uint64_t next = 0;
    for (int i = 0; i < 20; ++i) {
      HttpResponse answer = in_hole(next)
                                ? collector.send("POST", "/mirror/skip", encode_skip(log.skip(*loss, end, 700)))
                                : collector.upload(log.add_entries(next, end, 0, 1));
      if (answer.status == 200) return true;
      if (answer.status != 202 && answer.status != 409) return false;
      MirrorInfo info = *decode_mirror_info(answer.body);
      if (info.pending_size != end) return true;  // archived further already
      next = std::min(end, info.next_entry);
    }
    return false;
  }

  // Runs the gateway's way in a process of its own; returns what was promised to it. `calls`: how many were counted.
  Promises run_child(Faults::Mode mode, int at, int* calls = nullptr) {
    int pipe[2];
    REQUIRE(::pipe(pipe) == 0);
    collector.service.reset();
    pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      set_diag_level(DiagLevel(0));
      faults = Faults();
      faults.at = at;
      faults.mode = mode;
      auto tell = [&](const Promises& now) { ::syscall(SYS_write, pipe[1], &now, sizeof now); };
      if (collector.try_open().ok()) drive(tell);
      ::syscall(SYS_write, pipe[1], &faults.calls, sizeof faults.calls);
      ::_exit(0);
    }
    ::close(pipe[1]);
    Promises last, now;
    ssize_t n;
    while ((n = ::read(pipe[0], &now, sizeof now)) == ssize_t(sizeof now)) last = now;
    if (calls != nullptr && n == ssize_t(sizeof *calls)) std::memcpy(calls, &now, sizeof *calls);
    ::close(pipe[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) == (mode == Faults::Mode::die ? 9 : 0));
    return last;
  }

  // Every segment has its index again, and the tiles are those of the log.
  void check_tiles(std::uint64_t archived) {
    CHECK(names_in(directory + "/index").size() == names_in(directory + "/segments").size());
    for (const NamedTile& tile : tiles_of_size(archived)) {
      if (tile.level < 0) continue;
      std::string name = tile_name(tile.level, tile.index, tile.width);
      HttpResponse response = collector.send("GET", "/mirror/" + origin_hash(log.key().name) + "/" + name);
      REQUIRE(response.status == (tile.level == 0 && in_hole(tile.index * 256) ? 404 : 200));
      if (response.status != 200) continue;
      REQUIRE(response.body == naive_tile(log.leaves, tile.level, tile.index, tile.width));
    }
  }

  // Opens what the child has left, and holds it to its promises.
  void check_promises(const Promises& promised) {
    collector.open();
    std::uint64_t archived = check_archive(directory, log);
    CHECK(archived >= promised.received);
    if (archived > 0) CHECK(names_in(directory + "/receipts").back() == receipt_file_name(archived));
    check_tiles(archived);
    HttpResponse witness = collector.witness(log.add_checkpoint(700, 700));
    std::uint64_t witnessed = witness.status == 409 ? *decode_size(witness.body) : 700;
    CHECK(witnessed >= promised.witnessed);
    HttpResponse mirror = collector.mirror(log.add_checkpoint(700, 700));
    std::uint64_t pending_size = mirror.status == 409 ? *decode_size(mirror.body) : 700;
    CHECK(pending_size >= promised.pending);
    for (const char* folder : {"/segments", "/receipts", "/pending", "/staging", "/evidence", "/index", ""})
      for (const std::string& name : names_in(directory + folder)) CHECK(name[0] != '.');
    REQUIRE(drive([](const Promises&) {}));
    CHECK(check_archive(directory, log) == 700);
    check_tiles(700);
    CHECK(staged().empty());
    CHECK(pending().empty());
    CHECK(names_in(directory + "/evidence").empty());
  }
};

int count_calls(bool hole) {
  CrashTest test(hole);
  int calls = 0;
  test.run_child(Faults::Mode::count, 0, &calls);
  return calls;
}

}  // namespace

namespace {

struct ClosingTest : CrashTest {
  FakeLog follower{log.key().name + "~1", 'f'};
  Bytes closing;

  ClosingTest() {
    follower.grow(10);
    collector.logs()[0].tls_uri = "sealring:gw-1";
    collector.peer_uris = {"sealring:gw-1"};
    collector.open();
    REQUIRE(drive([](const Promises&) {}));
    const Succession one{{log.key().name, 700, log.root(700)}, follower.key(), follower.leaves[0]};
    closing = log.sign_text(one.text());
  }
  HttpResponse post() { return collector.send("POST", "/succession", closing, "text/plain"); }
  // Closes the log and uses its follower, in a process of its own. Whether it was told that the log is closed.
  bool run_closing(Faults::Mode mode, int at, int* calls = nullptr) {
    int pipe[2];
    REQUIRE(::pipe(pipe) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      set_diag_level(DiagLevel(0));
      faults = Faults();
      faults.at = at;
      faults.mode = mode;
      struct {
        int calls = 0;
        bool promised = false;
      } tell;
      if (post().status == 200) tell.promised = true;
      if (tell.promised) ::syscall(SYS_write, pipe[1], &tell, sizeof tell);
      collector.witness(follower.add_checkpoint(0, 5));
      tell.calls = faults.calls;
      ::syscall(SYS_write, pipe[1], &tell, sizeof tell);
      ::_exit(0);
    }
    ::close(pipe[1]);
    struct {
      int calls = 0;
      bool promised = false;
    } told;
    while (::read(pipe[0], &told, sizeof told) == ssize_t(sizeof told)) {
    }
    ::close(pipe[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) == (mode == Faults::Mode::die ? 9 : 0));
    if (calls != nullptr) *calls = told.calls;
    return told.promised;
  }
  void check_closing(bool promised) {
    collector.open();
    const Result<Bytes> written = read_file(directory + "/successor");
    CHECK((written.ok() || !promised));
    // Both or neither: there is no log that is closed and has no follower here.
    CHECK(collector.service->log_count() == (written.ok() ? 2 : 1));
    CHECK(collector.witness(log.add_checkpoint(700, 700)).status == (written.ok() ? 403 : 200));
    const unsigned of_follower = collector.witness(follower.add_checkpoint(0, 10)).status;
    CHECK((written.ok() ? of_follower == 200 || of_follower == 409 : of_follower == 404));
    const HttpResponse again = post();
    CHECK(again.status == 200);
    if (written.ok()) CHECK(again.body == *written);
    for (const std::string& name : names_in(directory)) CHECK(name[0] != '.');
  }
};

}  // namespace

TEST_CASE("crash: killed before any system call of a succession, or any of them failing") {
  int calls = 0;
  CHECK(ClosingTest().run_closing(Faults::Mode::count, 0, &calls));
  REQUIRE(calls > 15);
  int kept_promises = 0, unpromised = 0;
  for (const Faults::Mode mode : {Faults::Mode::die, Faults::Mode::fail})
    for (int at = 1; at <= calls; ++at) {
      INFO("call " << at << " of " << calls << (mode == Faults::Mode::die ? ", killed" : ", failed"));
      ClosingTest test;
      const bool promised = test.run_closing(mode, at);
      ++(promised ? kept_promises : unpromised);
      test.check_closing(promised);
    }
  CHECK(kept_promises > 0);
  CHECK(unpromised > 0);
}

TEST_CASE("crash: when a succession is answered, nothing that it promises is unsynced") {
  ClosingTest test;
  faults = Faults();
  faults.mode = Faults::Mode::watch;
  const HttpResponse answer = test.post();
  Faults seen = faults;
  faults = Faults();
  CHECK(answer.status == 200);
  CHECK(seen.calls > 15);
  CHECK(seen.mistakes == std::vector<std::string>{});
  CHECK(seen.unsynced_files == std::set<std::string>{});
  CHECK(seen.unsynced_directories == std::set<std::string>{});
}

TEST_CASE("crash: killed before any system call, the collector keeps its promises and goes on") {
  const bool hole = GENERATE(false, true);
  int calls = count_calls(hole);
  REQUIRE(calls > 50);
  for (int at = 1; at <= calls; ++at) {
    INFO("call " << at << " of " << calls);
    CrashTest test(hole);
    test.check_promises(test.run_child(Faults::Mode::die, at));
  }
}

TEST_CASE("crash: any one system call fails, and no answer promises too much") {
  const bool hole = GENERATE(false, true);
  int calls = count_calls(hole);
  for (int at = 1; at <= calls; ++at) {
    INFO("call " << at << " of " << calls);
    CrashTest test(hole);
    test.check_promises(test.run_child(Faults::Mode::fail, at));
  }
}

TEST_CASE("crash: when an answer goes out, nothing that it promises is unsynced") {
  CrashTest test(GENERATE(false, true));
  test.collector.open();
  faults = Faults();
  faults.mode = Faults::Mode::watch;
  std::vector<std::string> unsynced;
  int answers = 0;
  bool finished = test.drive([&](const Promises&) {
    ++answers;
    for (const std::string& path : faults.unsynced_files) unsynced.push_back(path);
    for (const std::string& path : faults.unsynced_directories) unsynced.push_back(path);
  });
  Faults seen = faults;
  faults = Faults();
  CHECK(finished);
  CHECK(answers == 6);
  CHECK(seen.calls > 50);
  CHECK(seen.mistakes == std::vector<std::string>{});
  CHECK(unsynced == std::vector<std::string>{});
}
