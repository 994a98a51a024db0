#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "drivers/allocator.h"
#include "drivers/last_words.h"
#include "gateway/daemon.h"
#include "gateway/manual.h"

namespace sealring {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// A file that cannot be read just now is not a wrong one.
int refuse(const Error& error) {
  diag(DiagLevel::error, error.message);
  return static_cast<int>(error.kind == ErrorKind::retry ? DaemonExit::system : DaemonExit::config);
}

int run(int argc, char** argv) {
  CLI::App app;
  std::string config_path;
  DaemonEnvironment around;
  describe_sealringd(app, config_path, around.assume_current);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : static_cast<int>(DaemonExit::config);
  }
  // Before any thread is made, so that all inherit it and only the one that waits for signals takes them.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);

  around.config_path = config_path;
  around.credentials = environment("CREDENTIALS_DIRECTORY");
  around.runtime = environment("RUNTIME_DIRECTORY");
  around.service = {environment("NOTIFY_SOCKET"), environment("WATCHDOG_USEC"), environment("WATCHDOG_PID")};
  auto config = GatewayConfig::load(config_path);
  if (!config) return refuse(config.error());
  if (Status s = config->load_secrets(around.credentials); !s) return refuse(s.error());
  return static_cast<int>(run_daemon(*config, around));
}

}  // namespace
}  // namespace sealring

int main(int argc, char** argv) {
  sealring::return_large_blocks();
  sealring::end_on_map_fault(static_cast<int>(sealring::DaemonExit::unknown));
  sealring::end_without_memory("sealringd ends. What was acknowledged is durable, the rest comes again",
                               static_cast<int>(sealring::DaemonExit::system));
  try {
    return sealring::run(argc, argv);
  } catch (const std::exception& error) {  // out of memory, say: what is durable, the next start finds out
    std::fprintf(stderr, "error: sealringd: %s\n", error.what());
    return static_cast<int>(sealring::DaemonExit::system);
  }
}
