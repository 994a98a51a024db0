#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "gateway/daemon.h"

namespace sealring {
namespace {

int run(int argc, char** argv) {
  CLI::App app("sealringd: records MQTT traffic in a signed, tamper-evident log and forwards it");
  std::string config_path;
  app.add_option("--config", config_path, "configuration file, see `sealring init`")->required();
  app.set_version_flag("--version", "sealringd " SEALRING_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : static_cast<int>(DaemonExit::config);
  }
  // Before any thread is made, so that all inherit it and only sigwait() takes them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);

  auto config = GatewayConfig::load(config_path);
  if (!config) {
    diag(DiagLevel::error, config.error().message);
    return static_cast<int>(DaemonExit::config);
  }
  const char* credentials = std::getenv("CREDENTIALS_DIRECTORY");
  if (Status s = config->load_secrets(credentials == nullptr ? "" : credentials); !s) {
    diag(DiagLevel::error, s.error().message);
    return static_cast<int>(DaemonExit::config);
  }
  return static_cast<int>(run_daemon(*config));
}

}  // namespace
}  // namespace sealring

int main(int argc, char** argv) {
  try {
    return sealring::run(argc, argv);
  } catch (const std::exception& error) {  // out of memory, say: what is durable, the next start finds out
    sealring::diag(sealring::DiagLevel::error, error.what());
    return static_cast<int>(sealring::DaemonExit::unknown);
  }
}
