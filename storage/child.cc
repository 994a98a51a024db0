#include "storage/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "crypto/bytes.h"

namespace sealring {
namespace {

constexpr std::chrono::minutes kChildDeadline{10};
constexpr std::size_t kMaxWords = 4096;

void write_outcome(int fd, const Status& status) {
  Bytes out(1, status.ok() ? '\0' : static_cast<char>(1 + static_cast<int>(status.error().kind)));
  if (!status.ok()) out += status.error().message.substr(0, kMaxWords);
  for (ByteView rest = out; !rest.empty();) {
    const ssize_t n = ::write(fd, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
}

[[noreturn]] void be_child(int fd, const std::function<Status()>& work) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // it shares the lock of the store
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) ::signal(signal, SIG_DFL);
  // LMDB's assertions write to stderr; the parent has words of its own.
  if (const int sink = ::open("/dev/null", O_WRONLY | O_CLOEXEC); sink >= 0) ::dup2(sink, 2);
  write_outcome(fd, work());
  ::_exit(0);
}

// Everything until the other end closes; false: not in time.
bool read_outcome(int fd, Bytes& out) {
  const auto deadline = std::chrono::steady_clock::now() + kChildDeadline;
  char buffer[1024];
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return false;
    pollfd one{fd, POLLIN, 0};
    if (::poll(&one, 1, static_cast<int>(left)) <= 0) continue;
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    out.append(buffer, static_cast<std::size_t>(n));
  }
}

Status outcome_of(int wait_status, const Bytes& said, bool in_time) {
  if (!in_time) return fatal_error("ring: the process that examined it did not come to an end");
  if (WIFSIGNALED(wait_status))
    return fatal_error("ring: it killed the process that examined it, by signal " +
                       std::to_string(WTERMSIG(wait_status)) + " (" + ::strsignal(WTERMSIG(wait_status)) + ")");
  if (!WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0 || said.empty())
    return fatal_error("ring: the process that examined it ended without an answer");
  if (said[0] == '\0') return {};
  return Error{static_cast<ErrorKind>(said[0] - 1), said.substr(1)};
}

}  // namespace

Status in_child(const std::function<Status()>& work) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return retry_error(std::string("pipe: ") + std::strerror(errno));
  const pid_t child = ::fork();
  if (child == 0) be_child(ends[1], work);
  ::close(ends[1]);
  if (child < 0) {
    ::close(ends[0]);
    return retry_error(std::string("fork: ") + std::strerror(errno));
  }
  Bytes said;
  const bool in_time = read_outcome(ends[0], said);
  ::close(ends[0]);
  if (!in_time) ::kill(child, SIGKILL);
  int wait_status = 0;
  while (::waitpid(child, &wait_status, 0) < 0)
    if (errno != EINTR) return retry_error(std::string("waitpid: ") + std::strerror(errno));
  return outcome_of(wait_status, said, in_time);
}

}  // namespace sealring
