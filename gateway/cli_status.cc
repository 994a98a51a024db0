#include <CLI/CLI.hpp>
#include <memory>

#include "gateway/cli.h"
#include "gateway/config.h"
#include "gateway/status.h"

namespace sealring {
namespace {

struct StatusArguments {
  std::string config = kDefaultConfig;
  bool json = false;
};

int run_status(const StatusArguments& a) {
  Result<GatewayConfig> config = GatewayConfig::load(a.config);
  if (!config) return fail(config.error(), kUsage);
  Result<std::string> answer = Error{ErrorKind::missing, "the config names no status socket"};
  if (!config->socket.empty()) answer = ask_status(config->socket);
  if (!answer && answer.error().kind != ErrorKind::missing) return fail(answer.error());
  if (!answer) {
    std::fprintf(stderr, "sealring: no daemon answers (%s); reading the store itself\n",
                 answer.error().message.c_str());
    answer = offline_status_json(config->store);
    if (!answer) return fail(answer.error());
  }
  if (!a.json) answer = status_text(*answer);
  if (!answer) return fail(answer.error());
  return print(*answer) ? 0 : kFailed;
}

}  // namespace

void add_status(CLI::App& app, int& code) {
  auto arguments = std::make_shared<StatusArguments>();
  StatusArguments& a = *arguments;
  CLI::App* sub = app.add_subcommand("status", "what the gateway is doing");
  sub->add_option("--config", a.config, "the gateway's sealring.toml")->type_name("FILE")->capture_default_str();
  sub->add_flag("--json", a.json, "for programs");
  sub->footer(
      "Asks the running daemon; when there is none, reads what the store itself tells.\n\n"
      "Example:\n"
      "  sealring status");
  sub->callback([arguments, &code] { code = run_status(*arguments); });
}

}  // namespace sealring
