// The `sealring` command, see cli.h.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "drivers/last_words.h"
#include "gateway/cli.h"

namespace sealring {

int fail(const Error& error, int code) {
  std::fprintf(stderr, "sealring: %s\n", error.message.c_str());
  return code;
}

bool print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return true;
  std::fprintf(stderr, "sealring: cannot write to standard output\n");
  return false;
}

namespace {

int run(int argc, char** argv) {
  CLI::App app("sealring: a signed, tamper-evident log of MQTT traffic");
  app.name("sealring");
  app.require_subcommand(1);
  app.set_help_flag("-h,--help", "print this help");  // before the commands, which take it over
  app.set_version_flag("--version", "sealring " SEALRING_VERSION, "print the version");
  app.footer("`sealring COMMAND --help` has options and examples.");
  int code = kDone;
  add_init(app, code);
  add_status(app, code);
  add_tail(app, code);
  add_show(app, code);
  add_check(app, code);
  add_prove(app, code);
  add_verify(app, code);
  add_repair(app, code);
  add_key(app, code);
  add_manual(app, code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kUsage;
  }
  return code;
}

}  // namespace
}  // namespace sealring

int main(int argc, char** argv) {
  sealring::end_on_map_fault(sealring::kFailed);
  try {
    return sealring::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sealring: %s\n", error.what());
    return sealring::kFailed;
  }
}
