// While sealringd runs: the configuration read again at SIGHUP, and what the service manager hears.
//
// A file that is not valid changes nothing. Of a valid one the live keys (config_keys.h) take effect at once; the rest
// is named with the words "needs a restart". Either way the event config-changed says so in the log: the file's
// SHA-256, and the names of keys. Never a value, and of a file that is refused not even the reason: a password may have
// been put into the wrong place, and the log is for ever.
#pragma once

#include <signal.h>

#include <functional>

#include "drivers/service_manager.h"
#include "gateway/config.h"
#include "gateway/forwarder.h"
#include "gateway/recorder.h"
#include "gateway/watch.h"

namespace sealring {

struct ConfigDiff;

Recorder::Config recorder_config(const GatewayConfig& config);

class Reload {
 public:
  // `credentials` as for GatewayConfig::load_secrets(); `forwarder` may be null; all referenced objects outlive
  // this.
  Reload(std::string path, std::string credentials, GatewayConfig running, std::uint64_t map_bytes, Recorder& recorder,
         Forwarder* forwarder, Watch& watch);

  // Reads the file again and takes over what can be. One diag line says what came of it.
  void run();
  // Keys of the file as it was read last that wait for a restart, "a, b"; empty: none.
  const std::string& waiting() const { return waiting_; }

 private:
  Result<GatewayConfig> read(Bytes& text) const;
  void refuse(const Error& error, const Bytes& text);
  void take(const GatewayConfig& next, const ConfigDiff& diff);

  const std::string path_, credentials_;
  GatewayConfig running_;  // what is in effect
  const std::uint64_t map_bytes_;
  Recorder& recorder_;
  Forwarder* const forwarder_;
  Watch& watch_;
  std::string waiting_;
};

// Serves until SIGTERM, SIGINT or kAgain, which it returns: SIGHUP reloads, the watchdog is told that recorder and
// forwarder come round, and only then, so that a manager restarts us when one hangs. (A token that hangs is none of
// these: recording goes on, and a restart would not mend it.) `words` is what people see of the state. The
// four signals are blocked in all threads.
constexpr int kAgain = SIGUSR1;  // the daemon's own, to itself: everything is to be begun anew
int serve_signals(ServiceManager& manager, Reload& reload, const Recorder& recorder, RecordQueue& queue,
                  const Watch& watch, const std::function<std::string()>& words);

}  // namespace sealring
