#include "gateway/daemon.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <thread>

#include "drivers/file.h"
#include "drivers/key_file.h"
#include "gateway/broker_tap.h"
#include "gateway/check.h"
#include "gateway/prove.h"
#include "gateway/reload.h"
#include "gateway/socket_server.h"
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

// One source for each broker, all into one queue.
class Sources {
 public:
  static Result<std::unique_ptr<Sources>> create(const GatewayConfig& config, RecordQueue& queue) {
    auto out = std::make_unique<Sources>();
    for (const GatewayConfig::Broker& broker : config.brokers) {
      const auto number = static_cast<std::uint32_t>(out->sources_.size());
      out->taps_.push_back(std::make_unique<BrokerTap>(number, broker.source, broker.watch_drops, queue));
      auto source = MqttSource::create(BrokerTap::watched(broker.source, broker.watch_drops), *out->taps_.back());
      if (!source) return std::move(source).error().in("broker " + broker.name);
      out->sources_.push_back(std::move(source).value());
    }
    return out;
  }
  Status start() {
    for (auto& source : sources_) SEALRING_TRY(source->start());
    return {};
  }
  // All at once: each may wait for acknowledgements.
  void stop() {
    std::vector<std::thread> stopping;
    for (auto& source : sources_) stopping.emplace_back([&source] { source->stop(); });
    for (std::thread& thread : stopping) thread.join();
  }
  void release(std::uint32_t source, std::uint64_t connection, std::uint64_t tag) {
    sources_[source]->release(connection, tag);
  }
  void wake() {
    for (auto& source : sources_) source->wake();
  }
  std::vector<NamedSource> named(const std::vector<std::string>& names) const {
    std::vector<NamedSource> out;
    for (std::size_t i = 0; i < sources_.size(); ++i) out.push_back({names[i], sources_[i]->stats()});
    return out;
  }

 private:
  std::vector<std::unique_ptr<BrokerTap>> taps_;
  std::vector<std::unique_ptr<MqttSource>> sources_;
};

std::vector<std::string> broker_names(const GatewayConfig& config) {
  std::vector<std::string> names;
  for (const GatewayConfig::Broker& broker : config.brokers) names.push_back(broker.name);
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

Result<std::unique_ptr<SocketServer>> listen(const GatewayConfig& config, SocketServer::Services services) {
  SEALRING_TRY(make_socket_folder(config.socket));
  return SocketServer::start({config.socket, config.socket_group}, std::move(services));
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
  Recorder recorder(recorder_config(config), **ring, *identity->signer, epochs, clock, queue, broker_names(config));
  if (Status s = recorder.open(); !s.ok()) return refuse(DaemonExit::damaged, s.error());
  auto uplink = make_uplink(config, identity->signer->public_key(), **ring, queue);
  if (!uplink) return refuse(DaemonExit::config, uplink.error());
  auto sources = Sources::create(config, queue);
  if (!sources) return refuse(DaemonExit::config, sources.error());
  recorder.set_release([&](std::uint32_t source, std::uint64_t connection, std::uint64_t tag) {
    (*sources)->release(source, connection, tag);
  });
  queue.set_on_room([&] { (*sources)->wake(); });
  Forwarder* const forwarder = uplink->forwarder.get();
  if (forwarder != nullptr) recorder.set_on_segments([forwarder] { forwarder->wake(); });
  const std::unique_ptr<LogView> log = view_of(**ring);
  RecordIndex index(*log);
  const std::string vkey = VerifierKey{config.origin, KeyType::ed25519, identity->signer->public_key()}.encode();
  CommitBell bell;
  recorder.set_on_commit([&bell] { bell.ring(); });
  std::unique_ptr<SocketServer> server;
  if (!config.socket.empty()) {
    SocketServer::Services services;
    services.status = [&](unsigned clients) {
      return status_json({**ring, recorder, queue, (*sources)->named(broker_names(config)), forwarder, clock,
                          index.progress(), clients, vkey});
    };
    services.proof = [&log](std::uint64_t at) -> Result<SocketServer::Made> {
      SEALRING_ASSIGN(const MadeProof made, make_proof(*log, at));
      SocketServer::Made answer{"", made.proof.encode()};
      answer.head = "{\"proof_bytes\": " + std::to_string(answer.bytes.size()) +
                    ", \"size\": " + std::to_string(made.size) +
                    ", \"receipted\": " + (made.receipted ? "true}" : "false}");
      return answer;
    };
    services.payload = [&log](std::uint64_t at) -> Result<SocketServer::Made> {
      SEALRING_ASSIGN(Bytes payload, record_payload(*log, at));
      return SocketServer::Made{"{\"payload_bytes\": " + std::to_string(payload.size()) + "}", std::move(payload)};
    };
    services.log = log.get();
    services.index = &index;
    services.bell = &bell;
    auto listening = listen(config, std::move(services));
    if (!listening) return refuse(DaemonExit::config, listening.error());
    server = std::move(listening).value();
    index.start();
  }

  Status outcome;
  std::thread recording([&] {
    outcome = recorder.run();
    // Orderly or not, the process ends with its recorder.
    ::kill(::getpid(), SIGTERM);
  });
  if (forwarder != nullptr) forwarder->start();
  const Status started = (*sources)->start();
  if (started.ok())
    diag(DiagLevel::notice, "ready: recording " + config.origin + " from " + joined(broker_names(config)) +
                                " at size " + std::to_string((*ring)->size()));

  if (started.ok()) {
    Reload reload(environment.config_path, environment.credentials, config, (*ring)->usage().map_bytes, recorder,
                  forwarder);
    serve_signals(manager, reload, recorder, queue,
                  [&] { return "recording " + config.origin + ", " + std::to_string((*ring)->size()) + " entries"; });
  }

  // First the sources, while the recorder still makes durable what they handed over and releases its acknowledgements;
  // then the forwarder, whose receipts the recorder may still take; then the recorder.
  (*sources)->stop();
  if (forwarder != nullptr) forwarder->stop();
  queue.close();
  recording.join();
  server.reset();
  if (!started.ok()) return refuse(DaemonExit::config, started.error());
  if (!outcome.ok()) return refuse(DaemonExit::unknown, outcome.error());
  diag(DiagLevel::notice, "stopped at size " + std::to_string((*ring)->size()));
  return DaemonExit::stopped;
}

}  // namespace sealring
