#include <CLI/CLI.hpp>
#include <memory>

#include "drivers/clock.h"
#include "drivers/toml_reader.h"
#include "gateway/cli.h"
#include "gateway/init.h"

namespace sealring {
namespace {

struct InitArguments {
  std::string directory, origin, ring_size = "256MiB";
  bool vkey_only = false;
};

int run_init(const InitArguments& arguments) {
  Result<std::uint64_t> size = parse_size(arguments.ring_size);
  if (!size) return fail(std::move(size).error().in("--ring-size"), kUsage);
  const SystemClock clock;
  Result<InitResult> made =
      init_gateway({arguments.directory, arguments.origin, *size, "sealring " SEALRING_VERSION}, clock);
  if (!made) return fail(made.error());
  const std::string& dir = arguments.directory;
  std::fprintf(
      stderr,
      "%s %s for %s\n\n"
      "Next:\n"
      "  1. Keep the %s printed on standard output where this machine cannot change it: enrol it at the\n"
      "     collector ([[gateway]] anchor), give it to your auditor. `sealring verify %s/store` shows it again.\n"
      "  2. Look through %s/sealring.toml: the broker, and [upstream] to forward the log.\n"
      "  3. Start:  sealringd --config %s/sealring.toml\n",
      made->resumed ? "Completed" : "Made", dir.c_str(), arguments.origin.c_str(),
      arguments.vkey_only ? "vkey" : "anchor", dir.c_str(), dir.c_str(), dir.c_str());
  return print((arguments.vkey_only ? made->anchor.key.encode() : made->anchor.line()) + "\n") ? 0 : kFailed;
}

}  // namespace

void add_init(CLI::App& app, int& code) {
  auto arguments = std::make_shared<InitArguments>();
  InitArguments& a = *arguments;
  CLI::App* sub = app.add_subcommand("init", "make a gateway's folder: identity key, store, configuration");
  sub->add_option("DIR", a.directory, "folder to make, or one without a gateway in it")->required();
  sub->add_option("--origin", a.origin, "name of the log, unique and for ever, like a URL without scheme")->required();
  sub->add_option("--ring-size", a.ring_size, "disk space of the store, fixed for its life (at least 64MiB)")
      ->capture_default_str();
  sub->add_flag("--vkey-only", a.vkey_only, "print the vkey instead of the anchor");
  sub->footer(
      "Prints the anchor on standard output: the vkey and the hash of the log's first entry. Whoever has it can\n"
      "later check that this log, and no other, is the one that began here.\n\n"
      "Example:\n"
      "  sealring init /var/lib/sealring --origin example.com/site7/gw-0042 > anchor");
  sub->callback([arguments, &code] { code = run_init(*arguments); });
}

}  // namespace sealring
