#include "drivers/last_words.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <exception>
#include <new>

namespace sealring {
namespace {

int fault_code = 0, memory_code = 0;
pid_t owner = 0;
const char* memory_words = "";
std::terminate_handler former_terminate = nullptr;

// What runs within the signal handler: system calls, and memory of its own.

struct Line {
  char text[4400];  // a path, and what /proc/self/maps has before it
  std::size_t size = 0;
};

bool next_line(int fd, Line& line) {
  line.size = 0;
  for (char c = 0; ::read(fd, &c, 1) == 1;) {
    if (c == '\n') return true;
    if (line.size < sizeof line.text - 1) line.text[line.size++] = c;
  }
  return false;
}

std::uintptr_t hex_number(const char*& at) {
  std::uintptr_t out = 0;
  for (;; ++at) {
    const int digit = *at >= '0' && *at <= '9' ? *at - '0' : *at >= 'a' && *at <= 'f' ? *at - 'a' + 10 : -1;
    if (digit < 0) return out;
    out = out * 16 + static_cast<std::uintptr_t>(digit);
  }
}

// The file that is mapped at `address`; nullptr: none is. `line`: where its name is put.
const char* mapped_file(std::uintptr_t address, Line& line) {
  const int fd = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  while (next_line(fd, line)) {
    line.text[line.size] = '\0';
    const char* at = line.text;
    const std::uintptr_t begin = hex_number(at);
    if (*at != '-') continue;
    const std::uintptr_t end = hex_number(++at);
    if (address >= begin && address < end) return std::strchr(line.text, '/');
  }
  return nullptr;
}

void say(const char* words) { static_cast<void>(!::write(STDERR_FILENO, words, std::strlen(words))); }

void on_bus_error(int, siginfo_t* info, void*) {
  Line line;
  const char* const file = ::getpid() == owner && info->si_code > 0
                               ? mapped_file(reinterpret_cast<std::uintptr_t>(info->si_addr), line)
                               : nullptr;
  if (file == nullptr) {
    ::signal(SIGBUS, SIG_DFL);  // what has done it does it again, and is killed
    if (info->si_code <= 0) ::raise(SIGBUS);
    return;
  }
  say("error: cannot read ");
  say(file);
  say(" by its memory map: the disk fails, or the file was cut short\n");
  ::_exit(fault_code);
}

void on_terminate() {
  try {
    if (std::current_exception()) throw;
  } catch (const std::bad_alloc&) {
    say("error: no memory, in a thread that cannot do without: ");
    say(memory_words);
    say("\n");
    ::_exit(memory_code);
  } catch (...) {  // a mistake in the program: below
  }
  former_terminate();
}

}  // namespace

void end_on_map_fault(int exit_code) {
  fault_code = exit_code;
  owner = ::getpid();
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

void end_without_memory(const char* words, int exit_code) {
  memory_words = words;
  memory_code = exit_code;
  former_terminate = std::set_terminate(on_terminate);
}

}  // namespace sealring
