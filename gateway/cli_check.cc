#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>

#include "gateway/check.h"
#include "gateway/cli.h"

namespace sealring {

void add_check(CLI::App& app, int& code) {
  struct Arguments {
    std::string config = kDefaultConfig;
    bool json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* sub = app.add_subcommand("check", "configuration, keys, certificates, store: would the daemon start");
  sub->add_option("--config", arguments->config, "the gateway's sealring.toml")
      ->type_name("FILE")
      ->capture_default_str();
  sub->add_flag("--json", arguments->json, "for programs");
  sub->footer(
      "Looks at everything that sealringd looks at when it starts, and at what would only come up later, such as\n"
      "certificates that are about to expire. Changes nothing. Run it as the daemon's user. Exit code 0: no errors;\n"
      "1: there are.\n\n"
      "Example:\n"
      "  sealring check");
  sub->callback([arguments, &code] {
    const char* credentials = std::getenv("CREDENTIALS_DIRECTORY");
    const SystemClock clock;
    const CheckReport report = check_gateway(arguments->config, credentials == nullptr ? "" : credentials, clock);
    code = print(arguments->json ? check_json(report) : check_text(report)) && report.ok() ? kDone : kFailed;
  });
}

}  // namespace sealring
