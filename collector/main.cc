// sealring-collector: witness and mirror of transparency logs over mTLS.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>

#include "collector/config.h"
#include "collector/manual.h"
#include "collector/metrics.h"
#include "collector/service.h"
#include "drivers/allocator.h"
#include "drivers/file.h"
#include "drivers/last_words.h"
#include "drivers/metrics_server.h"

namespace sealring {
namespace {

// Exit codes of docs/architecture.md.
constexpr int kStopped = 0, kUsage = 2, kDamaged = 3, kRunsAlready = 4, kUnknownOutcome = 5, kSystem = 6;

int fail(int code, const std::string& message) {
  diag(DiagLevel::error, message);
  return code;
}

struct Inputs {
  CollectorConfig config;
  std::vector<LogIdentity> logs;
  CollectorService::Keys keys;
};

Result<NamedKey> load_key(const std::string& config, const char* name, const std::string& path,
                          const char* option = " --cosigner") {
  Result<NamedKey> key = load_key_file(path);
  if (key.ok()) return key;
  Error error = std::move(key).error().in(config + ": " + name);
  if (error.kind == ErrorKind::missing)
    error.message += "; make it with `sealring key generate " + path + " NAME" + option + "`";
  return error;
}

Result<Inputs> load_inputs(const std::string& path) {
  Inputs inputs;
  Result<CollectorConfig> config = CollectorConfig::load(path);
  if (!config.ok() && config.error().kind == ErrorKind::missing)
    return reject_error(config.error().message +
                        "; `sealring-collector man collector.toml` says what is in it, --config where it is");
  if (!config.ok()) return std::move(config).error();
  inputs.config = std::move(config).value();
  Result<Bytes> text = read_file(inputs.config.policy);
  if (!text.ok()) return std::move(text).error().in(path + ": policy");
  Result<Policy> policy = Policy::parse(*text);
  if (!policy.ok()) return std::move(policy).error().in(path + ": policy: " + inputs.config.policy);
  Result<std::vector<LogIdentity>> logs = trusted_logs(inputs.config, *policy);
  if (!logs.ok()) return std::move(logs).error().in(path + ": policy " + inputs.config.policy);
  inputs.logs = std::move(logs).value();
  SEALRING_ASSIGN(inputs.keys.witness, load_key(path, "witness_key", inputs.config.witness_key));
  SEALRING_ASSIGN(inputs.keys.mirror, load_key(path, "mirror_key", inputs.config.mirror_key));
  if (!inputs.config.succession_key.empty()) {
    SEALRING_ASSIGN(inputs.keys.succession, load_key(path, "succession_key", inputs.config.succession_key, ""));
  }
  if (Status two = CollectorService::check_keys(inputs.keys); !two.ok()) return std::move(two).error().in(path);
  return inputs;
}

int exit_for(const Error& error) {
  if (error.kind == ErrorKind::reject) return kUsage;
  if (error.kind == ErrorKind::unknown) return kUnknownOutcome;
  return error.kind == ErrorKind::fatal ? kDamaged : kSystem;  // no permission, disk full: nothing is damaged
}

// Alarms that are over are told of in time.
int wait_for_signal(const sigset_t& signals, Alarms& alarms) {
  for (;;) {
    const timespec interval{2, 0};
    const int signal = ::sigtimedwait(&signals, nullptr, &interval);
    if (signal > 0) return signal;
    alarms.tick();
  }
}

void tell(const Alarm& alarm, AlarmCommand& command) {
  if (!alarm.begins)
    diag(DiagLevel::notice, "the alarm " + alarm.kind + " of " + alarm.subject + " is over, after " +
                                std::to_string(alarm.lasted_s) + " s");
  command.run(alarm, alarm_json(alarm, ""));
}

// None: the configuration has none.
Result<std::unique_ptr<HttpServer>> serve_metrics(const CollectorConfig& config, const CollectorService& service,
                                                  const Alarms& alarms, const AlarmCommand& command,
                                                  const Clock& clock) {
  if (!config.metrics) return std::unique_ptr<HttpServer>();
  const auto unix_now = [&clock] { return clock.now().wall_ns / 1'000'000'000; };
  auto server = start_metrics_server(
      *config.metrics,
      [&service, &alarms, &command, unix_now, started = unix_now()] {
        return collector_metrics_text(service, alarms, command.stats(), started, unix_now());
      },
      [&service, &alarms] { return collector_health(service, alarms); });
  if (!server.ok()) return std::move(server).error().in("metrics.listen");
  diag(DiagLevel::notice, "metrics at http://" + listen_words(config.metrics->address, (*server)->port()) + "/metrics");
  return server;
}

int serve(Inputs inputs, const sigset_t& stop_signals) {
  const CollectorConfig& config = inputs.config;
  set_diag_level(config.diag_level);
  Result<std::unique_ptr<ArchiveLock>> lock = ArchiveLock::acquire(config.archive);
  if (!lock.ok()) return fail(lock.error().kind == ErrorKind::reject ? kRunsAlready : kSystem, lock.error().message);

  SystemClock clock;
  AlarmCommand command(config.alarm_command);
  Alarms alarms(collector_alarm_kinds(), config.alarm_quiet);
  alarms.set_listener([&command](const Alarm& alarm) { tell(alarm, command); });
  Result<std::unique_ptr<CollectorService>> service = CollectorService::open(
      config.archive, std::move(inputs.logs), std::move(inputs.keys), clock, config.succession_quiet, &alarms);
  if (!service.ok()) return fail(exit_for(service.error()), service.error().message);
  std::atomic<bool> fatal{false};
  (*service)->on_fatal([&](const Error&) {
    fatal = true;
    ::kill(::getpid(), SIGTERM);
  });

  HttpServer::Config http;
  http.address = config.address;
  http.port = config.port;
  http.tls = config.tls;
  Result<std::unique_ptr<HttpServer>> server =
      HttpServer::start(http, [&](const HttpRequest& request) { return (*service)->handle(request); });
  if (!server.ok()) return fail(exit_for(server.error()), server.error().message);
  auto metrics = serve_metrics(config, **service, alarms, command, clock);
  if (!metrics.ok()) return fail(exit_for(metrics.error()), metrics.error().message);
  diag(DiagLevel::notice, "ready: listening on " + listen_words(config.address, (*server)->port()) + ", " +
                              std::to_string((*service)->log_count()) + " logs");
  wait_for_signal(stop_signals, alarms);
  *server = nullptr;  // waits for the requests under way
  return fatal ? kUnknownOutcome : kStopped;
}

// To standard output; whoever asked must get the whole answer.
int print(const Result<std::string>& text) {
  if (!text.ok()) return fail(kUsage, text.error().message);
  if (std::fwrite(text->data(), 1, text->size(), stdout) == text->size() && std::fflush(stdout) == 0) return kStopped;
  return fail(kSystem, "cannot write to standard output");
}

int run(int argc, char** argv) {
  CLI::App app;
  std::string config;
  int code = kStopped;
  describe_collector(app, config, [&code](const Result<std::string>& text) { code = print(text); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  if (!app.get_subcommands().empty()) return code;
  // Blocked before any thread starts, so that only the one that waits takes them.
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  sigaddset(&stop_signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  Result<Inputs> inputs = load_inputs(config);
  if (!inputs.ok()) return fail(kUsage, inputs.error().message);
  return serve(std::move(inputs).value(), stop_signals);
}

}  // namespace
}  // namespace sealring

int main(int argc, char** argv) {
  sealring::return_large_blocks();
  sealring::end_without_memory("sealring-collector ends. What has a receipt is durable, the rest comes again",
                               sealring::kSystem);
  try {
    return sealring::run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("error: sealring-collector: no memory\n", stderr);
    return sealring::kSystem;
  } catch (...) {  // only the command line parser throws
    std::fputs("error: sealring-collector: an exception nobody expected\n", stderr);
    return sealring::kUnknownOutcome;
  }
}
