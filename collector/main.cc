// sealring-collector: witness and mirror of transparency logs over mTLS.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>

#include "collector/config.h"
#include "collector/service.h"
#include "drivers/file.h"

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

Result<Inputs> load_inputs(const std::string& path) {
  Inputs inputs;
  SEALRING_ASSIGN(inputs.config, CollectorConfig::load(path));
  SEALRING_ASSIGN(Bytes text, read_file(inputs.config.policy));
  Result<Policy> policy = Policy::parse(text);
  if (!policy.ok()) return std::move(policy).error().in(inputs.config.policy);
  Result<std::vector<LogIdentity>> logs = trusted_logs(inputs.config, *policy);
  if (!logs.ok()) return std::move(logs).error().in(path);
  inputs.logs = std::move(logs).value();
  SEALRING_ASSIGN(inputs.keys.witness, load_key_file(inputs.config.witness_key));
  SEALRING_ASSIGN(inputs.keys.mirror, load_key_file(inputs.config.mirror_key));
  return inputs;
}

std::string listen_words(const std::string& address, std::uint16_t port) {
  bool v6 = address.find(':') != std::string::npos;
  return (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

int exit_for(const Error& error) {
  if (error.kind == ErrorKind::reject) return kUsage;
  return error.kind == ErrorKind::fatal ? kDamaged : kSystem;  // no permission, disk full: nothing is damaged
}

int serve(Inputs inputs, const sigset_t& stop_signals) {
  const CollectorConfig& config = inputs.config;
  set_diag_level(config.diag_level);
  Result<std::unique_ptr<ArchiveLock>> lock = ArchiveLock::acquire(config.archive);
  if (!lock.ok()) return fail(lock.error().kind == ErrorKind::reject ? kRunsAlready : kSystem, lock.error().message);

  SystemClock clock;
  Result<std::unique_ptr<CollectorService>> service =
      CollectorService::open(config.archive, std::move(inputs.logs), std::move(inputs.keys), clock);
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
  if (!server.ok()) return fail(kUsage, server.error().message);
  diag(DiagLevel::notice, "ready: listening on " + listen_words(config.address, (*server)->port()) + ", " +
                              std::to_string((*service)->log_count()) + " logs");
  int signal = 0;
  sigwait(&stop_signals, &signal);
  *server = nullptr;  // waits for the requests under way
  return fatal ? kUnknownOutcome : kStopped;
}

int run(int argc, char** argv) {
  CLI::App app("sealring-collector: takes over, checks and archives the logs of gateways, and signs receipts");
  app.name("sealring-collector");
  app.set_help_flag("-h,--help", "print this help");
  app.set_version_flag("--version", "sealring-collector " SEALRING_VERSION, "print the version");
  std::string config;
  app.add_option("--config", config, "collector.toml, see docs/architecture.md")->type_name("FILE")->required();
  app.footer("SIGTERM ends in order.\n\nExample:\n  sealring-collector --config /etc/sealring/collector.toml");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  // Blocked before any thread starts, so that only sigwait() takes them.
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
  try {
    return sealring::run(argc, argv);
  } catch (...) {  // only the command line parser and the lack of memory throw
    std::fputs("error: sealring-collector: an exception nobody expected\n", stderr);
    return sealring::kUnknownOutcome;
  }
}
