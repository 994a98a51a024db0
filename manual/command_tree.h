// A command line as data: what its parser was told, for everything that is made from it.
#pragma once

#include <string>
#include <vector>

#include "crypto/result.h"

namespace CLI {
class App;
}

namespace sealring {

struct CommandArgument {
  std::vector<std::string> names;  // "-o", "--output"; of a positional argument, its one name
  std::string value;               // what follows: "FILE"; empty: a flag
  std::vector<std::string> choices;
  std::string fallback, about;
  bool positional = false, required = false, repeated = false;

  bool names_file() const { return value == "FILE" || value == "PATH" || value == "DIR"; }
};

struct Command {
  std::string name;  // "generate"
  std::string path;  // "key generate"; empty: the program itself
  std::string about, footer;
  std::vector<CommandArgument> arguments;
  std::vector<Command> commands;
};

Command command_tree(const CLI::App& app);

// The completion of `app`, under its name, for "bash", "zsh" or "fish". Of an option or argument, the name of its value
// says what a shell completes: FILE, PATH and DIR are files, {a,b,c} those words. reject: another shell.
Result<std::string> shell_completion(const CLI::App& app, const std::string& shell);

}  // namespace sealring
