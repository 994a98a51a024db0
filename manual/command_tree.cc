#include "manual/command_tree.h"

#include <CLI/CLI.hpp>

namespace sealring {
namespace {

CommandArgument argument(const CLI::Option& option) {
  CommandArgument out;
  out.positional = option.get_positional();
  if (out.positional) {
    out.names = {option.get_name(true)};
  } else {
    for (const std::string& name : option.get_snames()) out.names.push_back("-" + name);
    for (const std::string& name : option.get_lnames()) out.names.push_back("--" + name);
  }
  if (option.get_type_size() != 0) {
    // "FILE", or "TEXT:{bash,zsh,fish}" where a validator names all that may come.
    std::string type = option.get_type_name();
    const std::size_t open = type.find('{'), close = type.rfind('}');
    if (open != std::string::npos && close != std::string::npos && open < close) {
      for (std::size_t at = open + 1; at <= close;) {
        const std::size_t end = std::min(type.find(',', at), close);
        out.choices.push_back(type.substr(at, end - at));
        at = end + 1;
      }
    }
    type = type.substr(0, type.find(':'));
    out.value = out.positional ? out.names[0] : type;
  }
  out.fallback = option.get_default_str();
  out.about = option.get_description();
  out.required = option.get_required();
  out.repeated = option.get_items_expected_max() > 1;
  return out;
}

Command command(const CLI::App& app, const std::string& path) {
  Command out;
  out.name = app.get_name();
  out.path = path;
  out.about = app.get_description();
  out.footer = app.get_footer();
  // Options without a group are hidden.
  for (const CLI::Option* option : app.get_options())
    if (!option->get_group().empty()) out.arguments.push_back(argument(*option));
  for (const CLI::App* sub : app.get_subcommands(std::function<bool(const CLI::App*)>{})) {
    if (sub->get_group().empty()) continue;
    out.commands.push_back(command(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name()));
  }
  return out;
}

}  // namespace

Command command_tree(const CLI::App& app) { return command(app, ""); }

}  // namespace sealring
