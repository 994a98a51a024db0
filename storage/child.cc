#include "storage/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "crypto/bytes.h"
#include "storage/disk_error.h"

namespace sealring {
namespace {

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

[[noreturn]] void be_child(int fd, pid_t parent, unsigned seconds, const std::function<Status()>& work) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // it shares the lock of the store
  if (::getppid() != parent) ::_exit(1);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  sigset_t own;
  sigemptyset(&own);
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM}) {
    ::signal(signal, SIG_DFL);
    sigaddset(&own, signal);
  }
  ::sigprocmask(SIG_UNBLOCK, &own, nullptr);
  ::alarm(seconds);
  // LMDB's assertions write to stderr; the parent has words of its own.
  if (const int sink = ::open("/dev/null", O_WRONLY | O_CLOEXEC); sink >= 0) ::dup2(sink, 2);
  try {
    write_outcome(fd, work());
  } catch (...) {  // above all it must not get away into what the parent goes on with
    ::_exit(1);
  }
  ::_exit(0);
}

// Everything until the other end closes, which the child's end does at the latest. No clock here: the limit is the
// child's own alarm.
Bytes read_outcome(int fd) {
  Bytes out;
  char buffer[1024];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return out;
    out.append(buffer, static_cast<std::size_t>(n));
  }
}

Status outcome_of(int wait_status, const Bytes& said) {
  if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGALRM)
    return fatal_error("ring: the process that examined it did not come to an end");
  if (WIFSIGNALED(wait_status))
    return fatal_error("ring: it killed the process that examined it, by signal " +
                       std::to_string(WTERMSIG(wait_status)) + " (" + ::strsignal(WTERMSIG(wait_status)) + ")");
  if (!WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0 || said.empty())
    return fatal_error("ring: the process that examined it ended without an answer");
  if (said[0] == '\0') return {};
  return Error{static_cast<ErrorKind>(said[0] - 1), said.substr(1)};
}

}  // namespace

Status in_child(const std::function<Status()>& work, unsigned seconds) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return disk_error("pipe", errno);
  const pid_t parent = ::getpid(), child = ::fork();
  if (child == 0) be_child(ends[1], parent, seconds, work);
  ::close(ends[1]);
  if (child < 0) {
    ::close(ends[0]);
    return disk_error("fork", errno);
  }
  const Bytes said = read_outcome(ends[0]);
  ::close(ends[0]);
  int wait_status = 0;
  while (::waitpid(child, &wait_status, 0) < 0)
    if (errno != EINTR) return disk_error("waitpid", errno);
  return outcome_of(wait_status, said);
}

}  // namespace sealring
