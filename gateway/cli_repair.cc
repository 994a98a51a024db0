#include <CLI/CLI.hpp>
#include <memory>

#include "gateway/cli.h"
#include "gateway/repair.h"

namespace sealring {
namespace {

constexpr int kNotAll = 10;  // as verify's "named"

}  // namespace

void add_repair(CLI::App& app, int& code) {
  struct Arguments {
    std::string store, into;
    bool json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* sub = app.add_subcommand("repair", "save what can be proven of a damaged store, into a new one");
  sub->add_option("STORE", arguments->store, "the folder of the damaged store; nothing is written to it")->required();
  sub->add_option("--into", arguments->into, "the folder to make; it must not exist")->type_name("NEW")->required();
  sub->add_flag("--json", arguments->json, "for programs");
  sub->footer(
      "Stop sealringd before, and run it as the daemon's user. Every entry is saved whose hash leads to the newest "
      "tree\n"
      "state that can be read; what cannot be saved is named. The new folder is a store: `verify`, `show` and `tail`\n"
      "read it. sealringd goes on from it only when nothing is missing.\n\n"
      "Exit codes:\n"
      "   0  nothing is missing: sealringd can go on from the new store\n"
      "  10  something is missing: the new store is to be read only\n"
      "   1  nothing could be saved\n"
      "   2  wrong usage\n\n"
      "Example:\n"
      "  sealring repair /var/lib/sealring/store --into /var/lib/sealring/saved");
  sub->callback([arguments, &code] {
    const auto repaired = repair_store(arguments->store, arguments->into);
    if (!repaired) {
      code = fail(repaired.error());
      return;
    }
    const bool printed =
        print(arguments->json ? repaired_json(*repaired) : repaired_text(*repaired, arguments->store, arguments->into));
    code = !printed ? kFailed : repaired->store.whole ? kDone : kNotAll;
  });
}

}  // namespace sealring
