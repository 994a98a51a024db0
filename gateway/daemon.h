// sealringd: the graph of objects, and their order of start and stop.
#pragma once

#include "drivers/service_manager.h"
#include "gateway/config.h"

namespace sealring {

// The daemon's exit codes (docs/architecture.md).
enum class DaemonExit : int {
  stopped = 0,  // by SIGTERM or SIGINT, everything durable
  config = 2,   // usage or configuration
  damaged = 3,  // store
  busy = 4,     // another instance has the store
  unknown = 5,  // a commit of unknown outcome: the next start finds out
  system = 6,   // no permission, disk full, no memory: nothing is damaged
};

// What main found around it.
struct DaemonEnvironment {
  std::string config_path;  // for SIGHUP
  std::string credentials;  // $CREDENTIALS_DIRECTORY, or empty
  std::string runtime;      // $RUNTIME_DIRECTORY, or empty
  ServiceManager::Environment service;
  bool assume_current = false;  // --assume-current: sign without having asked the collector
};

// Serves until SIGTERM or SIGINT. To be called with both, SIGHUP and SIGUSR1 blocked in the only thread there is.
DaemonExit run_daemon(const GatewayConfig& config, const DaemonEnvironment& environment);

}  // namespace sealring
