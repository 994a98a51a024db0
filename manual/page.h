// The parts of a manual page, as roff(7), made from what the program's own command line and its table of configuration
// keys declare, so that `--help`, the manual and the completion cannot tell different things.
#pragma once

#include "manual/command_tree.h"
#include "manual/config_table.h"

namespace sealring::roff {

// Words: backslashes and hyphens as they are, and no line that begins like a request.
std::string text(std::string_view words);
std::string bold(std::string_view words);
std::string italic(std::string_view words);
// As a terminal shows it: what a footer of `--help` is.
std::string as_written(const std::string& words);

std::string title(const std::string& name, const std::string& section, const std::string& about);
std::string synopsis(const std::string& program, const Command& command);
std::string arguments(const Command& command);
// Of all commands below `program` that have none below them.
std::string all_synopses(const Command& program);
std::string commands(const Command& program);
std::string config_keys(const std::vector<ConfigTable>& tables, const std::vector<ConfigKey>& keys);

}  // namespace sealring::roff
