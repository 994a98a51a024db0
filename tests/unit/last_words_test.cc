// How a process ends that cannot go on: each in a child of its own.
#include "drivers/last_words.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <functional>
#include <new>
#include <stdexcept>
#include <thread>

#include "drivers/file.h"
#include "tests/unit/temp_dir.h"

using namespace sealring;

namespace {

struct End {
  int status = 0;
  std::string said;
};

// `act` ends its process, or that ends with 0.
End end_of(const std::function<void()>& act) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    act();
    ::_exit(0);
  }
  ::close(ends[1]);
  End end;
  char buffer[512];
  for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    end.said.append(buffer, static_cast<std::size_t>(n));
  ::close(ends[0]);
  REQUIRE(::waitpid(child, &end.status, 0) == child);
  return end;
}

// A page of `path` that is not there any more.
const volatile char* lost_page(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR);
  void* const map = ::mmap(nullptr, 8192, PROT_READ, MAP_SHARED, fd, 0);
  if (fd < 0 || map == MAP_FAILED || ::ftruncate(fd, 0) != 0) ::_exit(99);
  return static_cast<const volatile char*>(map) + 4096;
}

}  // namespace

TEST_CASE("last words: memory that a thread cannot do without", "[last-words]") {
  const End end = end_of([] {
    end_without_memory("what it means", 6);
    std::thread([] { throw std::bad_alloc(); }).join();
  });
  REQUIRE(WIFEXITED(end.status));
  CHECK(WEXITSTATUS(end.status) == 6);
  CHECK(end.said == "error: no memory, in a thread that cannot do without: what it means\n");
}

TEST_CASE("last words: another exception is a mistake, and aborts", "[last-words]") {
  const End end = end_of([] {
    std::signal(SIGABRT, SIG_DFL);
    end_without_memory("what it means", 6);
    std::thread([] { throw std::logic_error("a mistake"); }).join();
  });
  REQUIRE(WIFSIGNALED(end.status));
  CHECK(WTERMSIG(end.status) == SIGABRT);
  CHECK_THAT(end.said, Catch::Matchers::Contains("a mistake"));
}

TEST_CASE("last words: a page of a mapped file that cannot be had", "[last-words]") {
  TempDir dir;
  const std::string path = dir / "ring.lmdb";
  REQUIRE(replace_file(path, std::string(8192, 'x'), 0600).ok());
  const End end = end_of([&] {
    end_on_map_fault(5);
    static_cast<void>(*lost_page(path));
  });
  REQUIRE(WIFEXITED(end.status));
  CHECK(WEXITSTATUS(end.status) == 5);
  CHECK(end.said == "error: cannot read " + path + " by its memory map: the disk fails, or the file was cut short\n");
}

TEST_CASE("last words: a child that is forked for it is killed, and so is who is sent the signal", "[last-words]") {
  TempDir dir;
  const std::string path = dir / "ring.lmdb";
  REQUIRE(replace_file(path, std::string(8192, 'x'), 0600).ok());
  const End of_child = end_of([&] {
    end_on_map_fault(5);
    const pid_t child = ::fork();
    if (child == 0) static_cast<void>(*lost_page(path));
    int status = 0;
    ::_exit(::waitpid(child, &status, 0) == child && WIFSIGNALED(status) ? WTERMSIG(status) : 98);
  });
  CHECK(WEXITSTATUS(of_child.status) == SIGBUS);
  CHECK(of_child.said.empty());
  const End sent = end_of([] {
    end_on_map_fault(5);
    ::kill(::getpid(), SIGBUS);
    for (;;) ::pause();
  });
  REQUIRE(WIFSIGNALED(sent.status));
  CHECK(WTERMSIG(sent.status) == SIGBUS);
}
