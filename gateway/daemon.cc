#include "gateway/daemon.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <atomic>
#include <new>
#include <thread>

#include "drivers/file.h"
#include "gateway/check.h"
#include "gateway/follower.h"
#include "gateway/identity_key.h"
#include "gateway/incident.h"
#include "gateway/metrics.h"
#include "gateway/prove.h"
#include "gateway/reload.h"
#include "gateway/socket_request.h"
#include "gateway/socket_server.h"
#include "gateway/sources.h"
#include "gateway/status_report.h"
#include "gateway/succession.h"
#include "gateway/uplink.h"

namespace sealring {
namespace {

DaemonExit refuse(DaemonExit code, const Error& error) {
  diag(DiagLevel::error, error.message);
  return code;
}

DaemonExit refuse_store(const Error& error) {
  switch (error.kind) {
    case ErrorKind::busy:
      return refuse(DaemonExit::busy, error);
    case ErrorKind::retry:
    case ErrorKind::full:
      return refuse(DaemonExit::system, error);
    case ErrorKind::unknown:
      return refuse(DaemonExit::unknown, error);
    case ErrorKind::missing:
      return refuse(DaemonExit::config, error);
    case ErrorKind::reject:
    case ErrorKind::fatal:
      break;
  }
  return refuse(DaemonExit::damaged, error);
}

// What is wrong stays wrong, unless the system was only in the way.
DaemonExit refuse_config(const Error& error) {
  return error.kind == ErrorKind::retry || error.kind == ErrorKind::unknown ? refuse_store(error)
                                                                            : refuse(DaemonExit::config, error);
}

DaemonExit refuse_identity(const Error& error) {
  return error.kind == ErrorKind::fatal ? refuse(DaemonExit::damaged, error) : refuse_config(error);
}

bool passes(const Status& status) { return !status.ok() && status.error().kind == ErrorKind::retry; }

DaemonExit refuse_run(const Error& error) {
  if (error.kind != ErrorKind::retry) return refuse(DaemonExit::unknown, error);
  return refuse(DaemonExit::system, retry_error("alarm: the recorder has failed: " + error.message +
                                                ". What was acknowledged is durable, the rest comes again; beginning "
                                                "anew"));
}

// The process ends with its recorder, unless that can be begun anew. On the recorder's thread.
void end_with_recorder(const Status& outcome, std::atomic<bool>& again) {
  if (passes(outcome)) again = true;
  ::kill(::getpid(), passes(outcome) ? kAgain : SIGTERM);
}

// A recorder without memory is given up, and all begins anew from what the disk and the brokers have (docs/log.md §4).
Status run_recorder(Recorder& recorder) {
  Status outcome;
  try {
    outcome = recorder.run();
  } catch (const std::bad_alloc&) {
    outcome = retry_error("no memory");  // fits where no memory is needed for it
  }
  if (!outcome.ok()) recorder.hold_signatures(true);
  return outcome;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

struct Listeners {
  std::unique_ptr<SocketServer> socket;
  std::unique_ptr<HttpServer> metrics;
};

// Those that the configuration has; or why not, said.
std::optional<DaemonExit> listen(const GatewayConfig& config, const std::string& runtime,
                                 SocketServer::Services services,
                                 const std::function<StatusSnapshot(unsigned)>& snapshot, const Watch& watch,
                                 Listeners& out) {
  if (!config.socket.empty()) {
    const Status folder = make_socket_folder(config.socket, config.socket_group, runtime);
    if (!folder.ok()) return refuse_config(folder.error());
    auto socket = SocketServer::start({config.socket, config.socket_group}, std::move(services));
    if (!socket) return refuse_config(socket.error());
    out.socket = std::move(socket).value();
  }
  if (!config.metrics) return std::nullopt;
  auto metrics =
      serve_metrics(*config.metrics, {[snapshot] { return snapshot(0); }, [&watch] { return watch.hangs(); }});
  if (!metrics)
    return refuse(metrics.error().kind == ErrorKind::reject ? DaemonExit::config : DaemonExit::system,
                  std::move(metrics).error().in("metrics.listen"));
  out.metrics = std::move(metrics).value();
  diag(DiagLevel::notice,
       "metrics at http://" + listen_words(config.metrics->address, out.metrics->port()) + "/metrics");
  return std::nullopt;
}

// Alarms go to this run's recorder, as long as it is there.
struct AtDesk {
  AtDesk(AlarmDesk& at, const std::string& origin, Recorder& recorder) : desk(at) {
    desk.serve(origin, recorder);
    recorder.set_alarms(&desk.alarms());
  }
  ~AtDesk() { desk.leave(); }
  AtDesk(const AtDesk&) = delete;
  AtDesk& operator=(const AtDesk&) = delete;
  AlarmDesk& desk;
};

std::chrono::milliseconds max_lag(const GatewayConfig& config) {
  return config.upstream ? config.upstream->max_lag : std::chrono::milliseconds(0);
}

// Whether the identity key is silent until somebody has said how far the log was. Only the operator can where there is
// no upstream.
bool must_ask(const GatewayConfig& config, const DaemonEnvironment& environment, const Ring& ring) {
  if (environment.assume_current) {
    let_sign(config.store);
    return false;
  }
  if (config.upstream || !ring.contents().silent) return config.upstream.has_value();
  diag(
      DiagLevel::error,
      "nothing is signed with the identity key: the journal was lost, and there is no collector that could say how far "
      "this log was. If nobody has a checkpoint of it beyond size " +
          std::to_string(ring.size()) + ", start sealringd once with --assume-current");
  return true;
}

// The store, and the key that it is signed with; or why not, said.
std::optional<DaemonExit> open_store(const GatewayConfig& config, const std::string& credentials,
                                     std::unique_ptr<Ring>& ring, GatewayIdentity& identity) {
  Ring::Options options{config.store};
  options.quarantine = true;
  auto opened = Ring::open(options);
  if (!opened) return refuse_store(opened.error());
  ring = std::move(opened).value();
  clear_up_beside(config.store);
  if (ring->origin() != config.origin)
    return refuse(DaemonExit::config, reject_error("config says origin " + quoted(config.origin) + ", the store in " +
                                                   config.store + " is of " + quoted(ring->origin())));
  if (Status s = config.check_ring(ring->usage().map_bytes); !s.ok()) return refuse(DaemonExit::config, s.error());
  if (Status s = finish_rotation(config.store, config.origin, entries_of(*ring)); !s.ok())
    return refuse_identity(s.error());
  auto key = load_identity(config, credentials, *ring);
  if (!key) return refuse_identity(key.error());
  identity = std::move(key).value();
  return std::nullopt;
}

Result<SocketServer::Made> proof_answer(const LogView& log, std::uint64_t index) {
  SEALRING_ASSIGN(const MadeProof made, make_proof(log, index));
  Bytes proof = made.proof.encode();
  return SocketServer::Made{proof_head_json(proof.size(), made.size, made.receipted), std::move(proof)};
}

Result<SocketServer::Made> payload_answer(const LogView& log, std::uint64_t index) {
  SEALRING_ASSIGN(Bytes payload, record_payload(log, index));
  return SocketServer::Made{payload_head_json(payload.size()), std::move(payload)};
}

SocketServer::Services reading_services(const LogView& log, const RecordIndex& index, CommitBell& bell) {
  SocketServer::Services services;
  services.proof = [&log](std::uint64_t at) { return proof_answer(log, at); };
  services.payload = [&log](std::uint64_t at) { return payload_answer(log, at); };
  services.log = &log;
  services.index = &index;
  services.bell = &bell;
  return services;
}

IdentitySigners signers_of(const GatewayIdentity& identity) {
  IdentitySigners signers(*identity.current);
  signers.previous = identity.previous.get();
  signers.since = identity.rotation ? IdentitySigners::kNotYet : identity.since;
  return signers;
}

Status rotate(Recorder& recorder, const GatewayConfig& config, const std::optional<RotationStatement>& due) {
  if (!due) return {};
  return recorder.set_rotation(due->rotation, [&config, &statement = *due](std::uint64_t index) -> Status {
    SEALRING_TRY(put_recorded_rotation(config.store, index, statement));
    diag(DiagLevel::notice, "the identity key was rotated at entry " + std::to_string(index) + ", to " +
                                VerifierKey{config.origin, KeyType::ed25519, statement.rotation.new_key}.encode());
    return {};
  });
}

std::optional<DaemonExit> make_ready(Recorder& recorder, Alarms& alarms, const Ring& ring, const GatewayConfig& config,
                                     const GatewayIdentity& identity) {
  if (Status s = recorder.open(); !s.ok()) return refuse_store(s.error());
  tell_incident(recorder, alarms, ring, config.store);
  if (Status s = rotate(recorder, config, identity.rotation); !s.ok()) return refuse(DaemonExit::config, s.error());
  return std::nullopt;
}

std::string vkey_of(const GatewayConfig& config, const Signer* key) {
  return key == nullptr ? "" : VerifierKey{config.origin, KeyType::ed25519, key->public_key()}.encode();
}

void connect_sources(Sources& sources, Recorder& recorder, RecordQueue& queue) {
  recorder.set_release([&sources](std::uint32_t source, std::uint64_t connection, std::uint64_t tag) {
    sources.release(source, connection, tag);
  });
  queue.set_on_room([&sources] { sources.wake(); });
}

void after_commit(CommitBell& bell, DayCount& day, std::int64_t wall_ns, const Ring& ring) {
  bell.ring();
  day.turn(wall_ns, [&] { return written_bytes(ring.usage()); });
}

// What it finds is in the log, too.
std::unique_ptr<Scrub> start_scrub(const GatewayConfig& config, const Ring& ring, Recorder& recorder, Alarms& alarms) {
  auto scrub = std::make_unique<Scrub>(
      ring, config.store, config.scrub_rate,
      [&recorder, &alarms](const Scrub::Damage& damage) { tell_damage(recorder, alarms, damage); },
      [&recorder, &alarms] { tell_whole(recorder, alarms); });
  tell_remembered(alarms, scrub->stats());
  scrub->start();
  return scrub;
}

// First the sources, while the recorder still makes durable what they handed over and releases its acknowledgements;
// then the forwarder, whose receipts the recorder may still take; then the recorder.
void stop_in_order(std::atomic<bool>& ending, Watch& watch, Sources& sources, Forwarder* forwarder, RecordQueue& queue,
                   std::thread& recording) {
  ending = true;
  watch.stop();
  sources.stop();
  if (forwarder != nullptr) forwarder->stop();
  queue.close();
  recording.join();
}

std::thread record(Recorder& recorder, Status& outcome, const std::atomic<bool>& ending, std::atomic<bool>& again) {
  return std::thread([&] {
    outcome = run_recorder(recorder);
    if (!ending) end_with_recorder(outcome, again);
  });
}

// Keys are in memory: no core dumps, no attaching.
void keep_secrets() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
}

bool is_told_to_stop() {
  sigset_t pending;
  return ::sigpending(&pending) == 0 && (::sigismember(&pending, SIGTERM) == 1 || ::sigismember(&pending, SIGINT) == 1);
}

void say_not_followed(const Error& why) {
  diag(DiagLevel::error, "no log follows this one: " + why.message + ". Recording goes on in the old copy");
}

// Whether another log has taken the place of this one. Otherwise it stays what it is, held, and the reason is said.
// fatal: see make_follower().
Result<bool> has_followed(const GatewayConfig& config, const DaemonEnvironment& environment,
                          const GatewayIdentity& identity, const Head& proof, const Ring& ring, const Clock& clock,
                          ServiceManager& manager) {
  Status status = may_follow(config, identity, proof);
  if (status.ok()) {
    manager.status("making the log that follows " + config.origin);
    auto said = std::chrono::steady_clock::time_point();
    status = make_follower(config, environment.credentials, identity, proof, ring, clock, [&]() -> Status {
      if (is_told_to_stop()) return retry_error("sealringd is told to stop; its next start makes it");
      if (const auto now = std::chrono::steady_clock::now(); now - said >= std::chrono::seconds(1)) {
        manager.busy();
        said = now;
      }
      return {};
    });
  }
  if (status.ok()) return true;
  if (status.error().kind == ErrorKind::fatal) return status.error();
  say_not_followed(status.error());
  return false;
}

// `again`: whether a kAgain is our own.
int wait_for_signal(const GatewayConfig& config, const DaemonEnvironment& environment, ServiceManager& manager,
                    const Ring& ring, Recorder& recorder, RecordQueue& queue, Forwarder* forwarder, Watch& watch,
                    const std::function<StatusSnapshot(unsigned)>& snapshot, const std::atomic<bool>& again) {
  if (const std::string words = config.drop_warning(); !words.empty()) diag(DiagLevel::warning, words);
  diag(DiagLevel::notice, "ready: recording " + config.origin + " from " + joined(broker_names(config)) + " at size " +
                              std::to_string(ring.size()));
  Reload reload(environment.config_path, environment.credentials, config, ring.usage().map_bytes, recorder, forwarder,
                watch);
  for (;;) {
    const int signal = serve_signals(manager, reload, recorder, queue, watch, [&] {
      const std::string hangs = watch.hangs();  // a snapshot might wait for it
      return hangs.empty() ? status_line(snapshot(0)) : hangs;
    });
    if (signal != kAgain || again) return signal;
  }
}

// The store is known to be an old copy, and another log may follow. On the forwarder's thread.
void begin_anew(const GatewayConfig& config, const DaemonEnvironment& environment, const GatewayIdentity& identity,
                const Head& proof, bool hopeful, std::atomic<bool>& again) {
  if (const Status may = may_follow(config, identity, proof); !may.ok()) return say_not_followed(may.error());
  if (environment.assume_current) return say_not_followed(reject_error("--assume-current"));
  if (!hopeful) return say_not_followed(reject_error("this run has tried it before; restart sealringd"));
  again = true;
  ::kill(::getpid(), kAgain);
}

// False: this thread had none. The others are to be stopped in order all the same, which only it can do.
template <class Act>
bool has_memory_for(Act&& act) {
  try {
    act();
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

// Why a run has ended that nobody has stopped, said. None: it was stopped, or all is to be begun anew.
std::optional<DaemonExit> refuse_end(const Status& started, const Status& outcome, int signal, bool memory) {
  if (!started.ok()) return refuse_config(started.error());
  if (!outcome.ok() && (signal == kAgain || !passes(outcome))) return refuse_run(outcome.error());
  if (memory) return std::nullopt;
  return refuse(DaemonExit::system, retry_error("no memory: all was stopped in order; beginning anew"));
}

struct Life {
  bool hopeful = true;  // to begin anew may help a store that is an old copy, for it has not been tried in vain
  bool served = false;  // it was ready once
};

// One run on one store. None: the store is another one now, or it is known to be an old copy, and all is to be begun
// anew.
std::optional<DaemonExit> serve(const GatewayConfig& config, const std::optional<KnownSuccession>& succession,
                                const DaemonEnvironment& environment, ServiceManager& manager, AlarmDesk& desk,
                                Life& life) {
  SystemClock clock;
  std::unique_ptr<Ring> ring;
  GatewayIdentity identity;
  if (const auto refused = open_store(config, environment.credentials, ring, identity)) return *refused;
  const auto rollback = environment.assume_current ? std::nullopt : known_rollback(config, identity, *ring);
  if (rollback) {
    const auto followed = has_followed(config, environment, identity, *rollback, *ring, clock, manager);
    if (!followed) return refuse(DaemonExit::unknown, followed.error());
    life.hopeful = *followed;
    if (*followed) return std::nullopt;
  }

  RecordQueue queue(config.recorder.queue_bytes);
  EpochKeys epochs(config.store);
  Recorder recorder(recorder_config(config), *ring, signers_of(identity), epochs, clock, queue, broker_names(config));
  const AtDesk at_desk(desk, config.origin, recorder);
  recorder.hold_signatures(rollback || must_ask(config, environment, *ring));
  if (const auto refused = make_ready(recorder, desk.alarms(), *ring, config, identity)) return *refused;
  auto uplink = make_uplink(config, identity, environment.assume_current, *ring, queue, succession);
  if (!uplink) return refuse_config(uplink.error());
  auto sources = Sources::create(config, queue);
  if (!sources) return refuse_config(sources.error());
  connect_sources(**sources, recorder, queue);
  Forwarder* const forwarder = uplink->forwarder.get();
  std::atomic<bool> again{false}, ending{false};
  connect_uplink(forwarder, recorder, desk.alarms(), *ring, config.store, rollback,
                 [&](const Head& proof) { begin_anew(config, environment, identity, proof, life.hopeful, again); });
  const std::unique_ptr<LogView> log = view_of(*ring, config.store);
  RecordIndex index(*log);
  const std::string vkey = vkey_of(config, identity.current.get()), former = vkey_of(config, identity.previous.get());
  CommitBell bell;
  DayCount day(clock.now().wall_ns);
  recorder.set_on_commit([&](std::int64_t wall_ns) { after_commit(bell, day, wall_ns, *ring); });
  const auto scrub = start_scrub(config, *ring, recorder, desk.alarms());
  Watch watch({*ring, recorder, queue, forwarder, clock, desk.alarms()}, max_lag(config), {});
  const auto snapshot = [&, started_unix = clock.now().wall_ns / 1000000000](unsigned clients) {
    return take_snapshot({*ring, recorder, queue, (*sources)->stats(), forwarder, clock, index.progress(), clients,
                          vkey, former, config.follows, scrub->stats(), day, desk, watch, started_unix});
  };
  Listeners listeners;
  SocketServer::Services services = reading_services(*log, index, bell);
  services.status = [&](unsigned clients) { return status_json(snapshot(clients)); };
  if (const auto refused = listen(config, environment.runtime, std::move(services), snapshot, watch, listeners))
    return *refused;
  if (listeners.socket) index.start();

  Status started, outcome;
  if (forwarder != nullptr) forwarder->start();
  watch.start();
  std::thread recording = record(recorder, outcome, ending, again);
  int signal = 0;
  const bool memory = has_memory_for([&] {
    started = (*sources)->start();
    life.served = started.ok();
    if (started.ok())
      signal = wait_for_signal(config, environment, manager, *ring, recorder, queue, forwarder, watch, snapshot, again);
  });
  stop_in_order(ending, watch, **sources, forwarder, queue, recording);
  listeners = {};
  if (const auto refused = refuse_end(started, outcome, signal, memory)) return *refused;
  if (signal == kAgain) {
    life.hopeful = false;  // until something comes of it
    return std::nullopt;
  }
  diag(DiagLevel::notice, "stopped at size " + std::to_string(ring->size()));
  return DaemonExit::stopped;
}

// What the store says of itself, and then one run on it.
std::optional<DaemonExit> serve_store(const GatewayConfig& config, const DaemonEnvironment& environment,
                                      ServiceManager& manager, AlarmDesk& desk, Life& life) {
  const auto of_store = config_of_store(config, environment.credentials);
  if (!of_store) return refuse_config(of_store.error());
  const auto succession = succession_of(config.store);
  if (!succession) return refuse_config(succession.error());
  return serve(*of_store, *succession, environment, manager, desk, life);
}

std::optional<DaemonExit> serve_store_or_system(const GatewayConfig& config, const DaemonEnvironment& environment,
                                                ServiceManager& manager, AlarmDesk& desk, Life& life) {
  try {
    return serve_store(config, environment, manager, desk, life);
  } catch (const std::bad_alloc&) {
    return refuse(DaemonExit::system, retry_error("no memory"));
  } catch (const std::system_error& error) {  // no thread
    return refuse(DaemonExit::system, retry_error(error.what()));
  }
}

// Whether nobody has told us to stop meanwhile.
bool rest_a_second() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&signals, signal);
  const timespec second{1, 0};
  return ::sigtimedwait(&signals, nullptr, &second) < 0;
}

}  // namespace

DaemonExit run_daemon(const GatewayConfig& config, const DaemonEnvironment& environment) {
  keep_secrets();
  ServiceManager manager(environment.service);
  AlarmDesk desk(config.alarm_command, config.alarm_quiet);
  Life life;
  for (GatewayConfig present = config;;) {
    set_diag_level(present.diag_level);
    const auto exit = serve_store_or_system(present, environment, manager, desk, life);
    // What is in the way of a start is for whoever started it. Who was ready once waits for it to pass.
    if (exit && (*exit != DaemonExit::system || !life.served)) return *exit;
    if (exit && !rest_a_second()) return DaemonExit::stopped;
    // As a start does, for what was changed meanwhile; but it is not the moment to stop for a file that is not valid.
    auto read = GatewayConfig::load(environment.config_path);
    if (read && read->load_secrets(environment.credentials).ok() && read->store == present.store &&
        read->origin == present.origin)
      present = std::move(read).value();
  }
}

}  // namespace sealring
