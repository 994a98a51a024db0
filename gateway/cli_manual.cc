#include <CLI/CLI.hpp>

#include "gateway/cli.h"
#include "gateway/config_keys.h"
#include "gateway/manual.h"
#include "manual/commands.h"

namespace sealring {

void add_manual(CLI::App& app, int& code) {
  ManualCommands what;
  what.pages = {"sealring", "sealringd", "sealring.toml"};
  what.page = [&app](const std::string& page) { return manual_page(app, page); };
  what.keys = [] { return config_markdown(config_tables(), config_keys()); };
  what.show = [&code](const Result<std::string>& text) {
    code = !text ? fail(text.error(), kUsage) : print(*text) ? kDone : kFailed;
  };
  add_manual_commands(app, std::move(what));
}

}  // namespace sealring
