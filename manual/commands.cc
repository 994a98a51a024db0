#include "manual/commands.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "manual/command_tree.h"

namespace sealring {

void add_manual_commands(CLI::App& app, ManualCommands what) {
  const auto shared = std::make_shared<const ManualCommands>(std::move(what));
  auto page = std::make_shared<std::string>(shared->pages.front()), shell = std::make_shared<std::string>();
  auto markdown = std::make_shared<bool>(false);
  CLI::App* man = app.add_subcommand("man", "print a manual page, as roff");
  man->add_option("PAGE", *page, "which page")->check(CLI::IsMember(shared->pages))->capture_default_str();
  // For the page in docs/, which a test compares with this.
  man->add_flag("--keys-as-markdown", *markdown, "")->group("");
  man->footer("Example:\n  " + app.get_name() + " man " + shared->pages.back() + " | man -l -");
  man->callback([shared, page, markdown] { shared->show(*markdown ? shared->keys() : shared->page(*page)); });

  CLI::App* completion = app.add_subcommand("completion", "print the completion for a shell");
  completion->add_option("SHELL", *shell, "for which shell")->check(CLI::IsMember({"bash", "zsh", "fish"}))->required();
  completion->footer("Example:\n  " + app.get_name() + " completion bash > /usr/share/bash-completion/completions/" +
                     app.get_name());
  completion->callback([shared, shell, &app] { shared->show(shell_completion(app, *shell)); });
}

}  // namespace sealring
