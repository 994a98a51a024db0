#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>

#include "drivers/clock.h"
#include "drivers/pkcs11_uri.h"
#include "drivers/toml_reader.h"
#include "gateway/cli.h"
#include "gateway/init.h"

namespace sealring {
namespace {

struct InitArguments {
  std::string directory, origin, ring_size, identity_key, root;
  bool vkey_only = false;
};

int run_init(const InitArguments& arguments) {
  InitOptions options;
  options.directory = arguments.directory;
  options.origin = arguments.origin;
  options.software = "sealring " SEALRING_VERSION;
  options.identity_key = arguments.identity_key;
  if (const char* credentials = std::getenv("CREDENTIALS_DIRECTORY")) options.credentials = credentials;
  if (!options.identity_key.empty() && !is_pkcs11_uri(options.identity_key))
    return fail(reject_error("--identity-key is for a key on a token, pkcs11:...; a key file is made by itself"),
                kUsage);
  options.root = arguments.root;
  if (!arguments.ring_size.empty()) {
    Result<std::uint64_t> size = parse_size(arguments.ring_size);
    if (!size) return fail(std::move(size).error().in("--ring-size"), kUsage);
    options.ring_bytes = *size;
  }
  if (!arguments.root.empty() && !arguments.directory.empty())
    return fail(reject_error("--root is for the default places: leave out DIR"), kUsage);
  const SystemClock clock;
  Result<InitResult> made = init_gateway(options, clock);
  if (!made) return fail(made.error());
  const bool defaults = arguments.directory.empty();
  const std::string config = defaults ? "" : " --config " + made->config_file;
  if (!made->why_so_large.empty()) std::fprintf(stderr, "Disk space: %s.\n", made->why_so_large.c_str());
  std::fprintf(stderr,
               "%s %s for %s\n\n"
               "Next:\n"
               "  1. Keep the %s printed on standard output where this machine cannot change it: enrol it at the\n"
               "     collector ([[gateway]] anchor), give it to your auditor. `sealring verify %s` shows it again.\n"
               "  2. Look through %s: the broker, and [upstream] to forward the log.\n"
               "  3. Start:  sealringd%s\n",
               made->resumed ? "Completed" : "Made", (defaults ? made->config_file : arguments.directory).c_str(),
               arguments.origin.c_str(), arguments.vkey_only ? "vkey" : "anchor", made->store.c_str(),
               made->config_file.c_str(), config.c_str());
  return print((arguments.vkey_only ? made->anchor.key.encode() : made->anchor.line()) + "\n") ? 0 : kFailed;
}

}  // namespace

void add_init(CLI::App& app, int& code) {
  auto arguments = std::make_shared<InitArguments>();
  InitArguments& a = *arguments;
  CLI::App* sub = app.add_subcommand("init", "make a gateway: identity key, store, configuration");
  sub->add_option("DIR", a.directory, "folder to make everything in; without: /etc/sealring and /var/lib/sealring");
  sub->add_option("--origin", a.origin, "name of the log, unique and for ever, like a URL without scheme")
      ->type_name("NAME")
      ->required();
  sub->add_option(
         "--ring-size", a.ring_size,
         "disk space of the store, fixed for its life, at least 64MiB; without: a tenth of the file system, up "
         "to 4GiB")
      ->type_name("SIZE");
  sub->add_option("--identity-key", a.identity_key,
                  "the identity key is on this PKCS#11 token, made there before; without: a file is made")
      ->type_name("URI");
  sub->add_flag("--vkey-only", a.vkey_only, "print the vkey instead of the anchor");
  sub->add_option("--root", a.root, "put the default places under this folder, for an image")->group("");
  sub->footer(
      "Prints the anchor on standard output: the vkey and the hash of the log's first entry. Whoever has it can\n"
      "later check that this log, and no other, is the one that began here.\n\n"
      "Example:\n"
      "  sealring init --origin example.com/site7/gw-0042 > anchor");
  sub->callback([arguments, &code] { code = run_init(*arguments); });
}

}  // namespace sealring
