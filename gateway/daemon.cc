#include "gateway/daemon.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <thread>

#include "drivers/file.h"
#include "drivers/key_file.h"
#include "gateway/check.h"
#include "gateway/reload.h"
#include "gateway/status_report.h"

namespace sealring {
namespace {

DaemonExit refuse(DaemonExit code, const Error& error) {
  diag(DiagLevel::error, error.message);
  return code;
}

DaemonExit refuse_store(const Error& error) {
  if (error.kind == ErrorKind::busy) return refuse(DaemonExit::busy, error);
  if (error.kind == ErrorKind::retry || error.kind == ErrorKind::full) return refuse(DaemonExit::system, error);
  if (error.kind == ErrorKind::missing) return refuse(DaemonExit::config, error);
  return refuse(DaemonExit::damaged, error);
}

// The key's name and public half must be what entry 0 of the log says, or nothing that it signs would verify.
Status check_identity(const Ring& ring, const NamedKey& key, const std::string& path) {
  if (key.name != ring.origin())
    return reject_error(path + ": is the key of " + quoted(key.name) + ", the store's origin is " +
                        quoted(ring.origin()));
  auto bytes = ring.entries(0, 1);
  if (!bytes) return {};  // released long ago; then the key was checked at every start before
  SEALRING_ASSIGN(const Entry entry, decode_entry(ByteView(*bytes).substr(2)));
  const auto* genesis = std::get_if<Genesis>(&entry.body);
  if (genesis == nullptr) return fatal_error("entry 0 of the store is not a genesis entry");
  if (genesis->identity != key.signer->public_key())
    return reject_error(path + ": is not the key that entry 0 of the log names");
  return {};
}

struct Uplink {
  std::unique_ptr<HttpClient> client;
  std::unique_ptr<Forwarder> forwarder;
};

Result<Uplink> make_uplink(const GatewayConfig& config, const PublicKey& identity, const Ring& ring,
                           RecordQueue& queue) {
  Uplink out;
  if (!config.upstream) return out;
  const GatewayConfig::Upstream& up = *config.upstream;
  SEALRING_ASSIGN(const Url url, parse_https_url(up.url));
  HttpClient::Config http;
  http.host = url.host;
  http.port = url.port;
  http.server_name = up.server_name;
  http.tls = {up.ca, up.cert, up.key};
  http.timeout = up.timeout;
  SEALRING_ASSIGN(out.client, HttpClient::create(http));
  Forwarder::Config forward;
  forward.origin = config.origin;
  forward.path = url.path;
  forward.mirror = up.mirror;
  SEALRING_ASSIGN(forward.policy, load_policy(config, identity));
  forward.retry_min = up.retry_min;
  forward.retry_max = up.retry_max;
  out.forwarder = std::make_unique<Forwarder>(std::move(forward), ring, *out.client, queue);
  return out;
}

// Keys are in memory: no core dumps, no attaching.
void keep_secrets() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
}

}  // namespace

DaemonExit run_daemon(const GatewayConfig& config, const DaemonEnvironment& environment) {
  keep_secrets();
  ServiceManager manager(environment.service);
  set_diag_level(config.diag_level);
  if (config.brokers.size() != 1)
    return refuse(DaemonExit::config, reject_error("this version records from exactly one [[broker]]"));
  SystemClock clock;
  auto ring = Ring::open({config.store});
  if (!ring) return refuse_store(ring.error());
  if ((*ring)->origin() != config.origin)
    return refuse(DaemonExit::config, reject_error("config says origin " + quoted(config.origin) + ", the store in " +
                                                   config.store + " is of " + quoted((*ring)->origin())));
  if (Status s = config.check_ring((*ring)->usage().map_bytes); !s.ok()) return refuse(DaemonExit::config, s.error());
  auto identity = load_key_file(config.identity_key);
  if (!identity) return refuse(DaemonExit::config, identity.error());
  if (Status s = check_identity(**ring, *identity, config.identity_key); !s.ok())
    return refuse(s.error().kind == ErrorKind::fatal ? DaemonExit::damaged : DaemonExit::config, s.error());

  RecordQueue queue(config.recorder.queue_bytes);
  EpochKeys epochs(config.store);
  Recorder recorder(recorder_config(config), **ring, *identity->signer, epochs, clock, queue);
  if (Status s = recorder.open(); !s.ok()) return refuse(DaemonExit::damaged, s.error());
  auto uplink = make_uplink(config, identity->signer->public_key(), **ring, queue);
  if (!uplink) return refuse(DaemonExit::config, uplink.error());
  auto source = MqttSource::create(config.brokers[0].source, queue);
  if (!source) return refuse(DaemonExit::config, source.error());
  recorder.set_release([&](std::uint64_t connection, std::uint64_t tag) { (*source)->release(connection, tag); });
  queue.set_on_room([&] { (*source)->wake(); });
  Forwarder* const forwarder = uplink->forwarder.get();
  if (forwarder != nullptr) recorder.set_on_segments([forwarder] { forwarder->wake(); });
  std::unique_ptr<StatusServer> status;
  if (!config.socket.empty()) {
    if (Status s = make_socket_folder(config.socket); !s.ok()) return refuse(DaemonExit::config, s.error());
    auto started = StatusServer::start(
        config.socket, [&] { return status_json(**ring, recorder, queue, **source, forwarder, clock); });
    if (!started) return refuse(DaemonExit::config, started.error());
    status = std::move(started).value();
  }

  Status outcome;
  std::thread recording([&] {
    outcome = recorder.run();
    // Orderly or not, the process ends with its recorder.
    ::kill(::getpid(), SIGTERM);
  });
  if (forwarder != nullptr) forwarder->start();
  const Status started = (*source)->start();
  if (started.ok())
    diag(DiagLevel::notice, "ready: recording " + config.origin + " from " + config.brokers[0].name + " at size " +
                                std::to_string((*ring)->size()));

  if (started.ok()) {
    Reload reload(environment.config_path, environment.credentials, config, (*ring)->usage().map_bytes, recorder,
                  forwarder);
    serve_signals(manager, reload, recorder, queue,
                  [&] { return "recording " + config.origin + ", " + std::to_string((*ring)->size()) + " entries"; });
  }

  // First the source, while the recorder still makes durable what it handed over and releases its acknowledgements;
  // then the forwarder, whose receipts the recorder may still take; then the recorder.
  (*source)->stop();
  if (forwarder != nullptr) forwarder->stop();
  queue.close();
  recording.join();
  status.reset();
  if (!started.ok()) return refuse(DaemonExit::config, started.error());
  if (!outcome.ok()) return refuse(DaemonExit::unknown, outcome.error());
  diag(DiagLevel::notice, "stopped at size " + std::to_string((*ring)->size()));
  return DaemonExit::stopped;
}

}  // namespace sealring
