#include "drivers/diag.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <mutex>

#include "drivers/one_line.h"

namespace sealring {

namespace {

std::atomic<int> g_level{static_cast<int>(DiagLevel::info)};

const char* level_name(DiagLevel level) {
  switch (level) {
    case DiagLevel::error:
      return "error";
    case DiagLevel::warning:
      return "warning";
    case DiagLevel::notice:
      return "notice";
    case DiagLevel::info:
      return "info";
    case DiagLevel::debug:
      return "debug";
  }
  return "error";
}

// systemd names the journal's socket as "<device>:<inode>"; a service whose stderr was redirected since inherits the
// variable but not the socket, so both are compared.
bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat s {};
  if (stream == nullptr || fstat(STDERR_FILENO, &s) != 0) return false;
  return stream == std::to_string(s.st_dev) + ":" + std::to_string(s.st_ino);
}

// A reader that has gone or a full disk must not stop the daemon: what cannot be written is dropped. A pipe that
// someone made non-blocking is waited for, but not for ever.
void write_all(const std::string& line) {
  for (std::size_t done = 0; done < line.size();) {
    ssize_t n = ::write(STDERR_FILENO, line.data() + done, line.size() - done);
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (n < 0 && errno == EAGAIN) {
      pollfd p{STDERR_FILENO, POLLOUT, 0};
      if (poll(&p, 1, 1000) <= 0) return;
    } else if (n == 0 || errno != EINTR) {
      return;
    }
  }
}

}  // namespace

void set_diag_level(DiagLevel level) { g_level = static_cast<int>(level); }

void diag(DiagLevel level, const std::string& message) {
  if (static_cast<int>(level) > g_level) return;
  static const bool journal = stderr_is_journal();
  std::string line =
      journal ? "<" + std::to_string(static_cast<int>(level)) + ">" : level_name(level) + std::string(": ");
  // Topics and names from outside end up in messages: a line break or an escape sequence in one must not forge a line.
  line += one_line(message, message.size()) + "\n";
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  write_all(line);
}

}  // namespace sealring
