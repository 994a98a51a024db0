// Manual pages and shell completions, made from what the programs' own command lines declare, so that `--help`, the
// manual and the completion cannot tell different things. Of an option or argument, the name of its value says what a
// shell completes: FILE, PATH and DIR are files, {a,b,c} those words.
#pragma once

#include <string>

#include "crypto/result.h"

namespace CLI {
class App;
}

namespace sealring {

constexpr const char* kDefaultConfig = "/etc/sealring/sealring.toml";

// The command line of sealringd.
void describe_sealringd(CLI::App& app, std::string& config_path);

// roff(7) of the pages "sealring" (1, of `app`), "sealringd" (8), "sealring.toml" (5). reject: another page.
Result<std::string> manual_page(const CLI::App& app, const std::string& page);

// The completion of `app` for "bash", "zsh" or "fish". reject: another shell.
Result<std::string> shell_completion(const CLI::App& app, const std::string& shell);

}  // namespace sealring
