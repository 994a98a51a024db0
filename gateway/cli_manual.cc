#include <CLI/CLI.hpp>
#include <memory>

#include "gateway/cli.h"
#include "gateway/config_keys.h"
#include "gateway/manual.h"

namespace sealring {
namespace {

int show(const Result<std::string>& text) {
  if (!text) return fail(text.error(), kUsage);
  return print(*text) ? kDone : kFailed;
}

}  // namespace

void add_manual(CLI::App& app, int& code) {
  auto page = std::make_shared<std::string>("sealring"), shell = std::make_shared<std::string>();
  auto markdown = std::make_shared<bool>(false);
  CLI::App* man = app.add_subcommand("man", "print a manual page, as roff");
  man->add_option("PAGE", *page, "which page")
      ->check(CLI::IsMember({"sealring", "sealringd", "sealring.toml"}))
      ->capture_default_str();
  // For docs/configuration.md, which a test compares with this.
  man->add_flag("--keys-as-markdown", *markdown, "")->group("");
  man->footer("Example:\n  sealring man sealring.toml | man -l -");
  man->callback([page, markdown, &app, &code] {
    code = *markdown ? show(config_keys_markdown()) : show(manual_page(app, *page));
  });

  CLI::App* completion = app.add_subcommand("completion", "print the completion for a shell");
  completion->add_option("SHELL", *shell, "for which shell")->check(CLI::IsMember({"bash", "zsh", "fish"}))->required();
  completion->footer(
      "Example:\n"
      "  sealring completion bash > /usr/share/bash-completion/completions/sealring");
  completion->callback([shell, &app, &code] { code = show(shell_completion(app, *shell)); });
}

}  // namespace sealring
