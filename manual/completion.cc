// Shell completions of a command tree. Each shell gets functions of its own kind; none asks the program.
#include "crypto/bytes.h"
#include "manual/command_tree.h"

namespace sealring {
namespace {

std::string head(const Command& program, const char* shell) {
  return "# Completion of " + program.name + ", made by `" + program.name + " completion " + shell + "`.\n";
}

std::string joined(const std::vector<std::string>& words, const char* between = " ") {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

// For shells: within single quotes.
std::string single_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::vector<std::string> option_names(const Command& command) {
  std::vector<std::string> out;
  for (const CommandArgument& a : command.arguments)
    if (!a.positional) out.insert(out.end(), a.names.begin(), a.names.end());
  return out;
}

// "_sealring_key_generate": a function for the command.
std::string function_of(const Command& program, const std::string& path = "") {
  std::string out = "_" + program.name + (path.empty() ? "" : "_" + path);
  for (char& c : out)
    if (c == ' ' || c == '-') c = '_';
  return out;
}

template <class Visit>
void each_command(const Command& command, Visit&& visit) {
  visit(command);
  for (const Command& sub : command.commands) each_command(sub, visit);
}

// --- bash ---

std::string bash_values(const CommandArgument& a) {
  if (!a.choices.empty())
    return "mapfile -t COMPREPLY < <(compgen -W " + single_quoted(joined(a.choices)) + " -- \"$cur\")";
  if (a.value == "DIR") return "mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"); compopt -o filenames 2>/dev/null";
  if (a.names_file()) return "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); compopt -o filenames 2>/dev/null";
  return ":";  // nobody but the user knows
}

std::string bash(const Command& program) {
  std::string paths, values, words;
  each_command(program, [&](const Command& c) {
    if (!c.path.empty())
      paths +=
          "      " +
          single_quoted((c.path.size() > c.name.size() ? c.path.substr(0, c.path.size() - c.name.size() - 1) : "") +
                        ":" + c.name) +
          ") path=" + single_quoted(c.path) + " ;;\n";
    std::string positional = ":";
    for (const CommandArgument& a : c.arguments) {
      if (a.positional && positional == ":") positional = bash_values(a);
      if (a.positional || a.value.empty()) continue;
      std::vector<std::string> patterns;
      for (const std::string& name : a.names) patterns.push_back(single_quoted(c.path + ":" + name));
      values += "    " + joined(patterns, " | ") + ") " + bash_values(a) + "; return ;;\n";
    }
    std::vector<std::string> subs;
    for (const Command& sub : c.commands) subs.push_back(sub.name);
    const std::string rest =
        subs.empty() ? positional
                     : "mapfile -t COMPREPLY < <(compgen -W " + single_quoted(joined(subs)) + " -- \"$cur\")";
    words += "    " + single_quoted(c.path) + ")\n      options=" + single_quoted(joined(option_names(c))) +
             "\n      [[ $cur == -* ]] || { " + rest + "; return; } ;;\n";
  });
  return head(program, "bash") + function_of(program) + "() {\n" +
         "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} path='' options='' i\n"
         "  COMPREPLY=()\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    case $path:${COMP_WORDS[i]} in\n" +
         paths +
         "    esac\n"
         "  done\n"
         "  case $path:$prev in\n" +
         values +
         "  esac\n"
         "  case $path in\n" +
         words +
         "  esac\n"
         "  mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
         "}\n"
         "complete -F " +
         function_of(program) + " " + program.name + "\n";
}

// --- zsh ---

// Within _arguments' specifications, brackets and colons have a meaning.
std::string zsh_words(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_values(const CommandArgument& a) {
  if (!a.choices.empty()) return "(" + joined(a.choices) + ")";
  if (a.value == "DIR") return "_files -/";
  return a.names_file() ? "_files" : " ";
}

std::string zsh(const Command& program) {
  const std::string own = function_of(program);
  std::string out = "#compdef " + program.name + "\n" + head(program, "zsh") + "\n";
  each_command(program, [&](const Command& c) {
    std::string specs, cases, described;
    for (const CommandArgument& a : c.arguments) {
      const std::string value = a.value.empty() ? "" : ":" + zsh_words(a.value) + ":" + zsh_values(a);
      if (a.positional)
        specs += " \\\n    " + single_quoted((a.required ? ":" : "::") + zsh_words(a.names[0]) + ":" + zsh_values(a));
      else
        for (const std::string& name : a.names)
          specs += " \\\n    " + single_quoted(name + "[" + zsh_words(a.about) + "]" + value);
    }
    for (const Command& sub : c.commands) {
      described += "        " + single_quoted(zsh_words(sub.name) + ":" + sub.about) + "\n";
      cases += "        " + sub.name + ") " + function_of(program, sub.path) + " ;;\n";
    }
    if (!c.commands.empty()) specs += " \\\n    '1: :->command' \\\n    '*:: :->arguments'";
    out += function_of(program, c.path) +
           "() {\n  local context state state_descr line\n  typeset -A opt_args\n  _arguments" +
           (c.commands.empty() ? "" : " -C") + specs + "\n";
    if (!c.commands.empty())
      out += "  case $state in\n    command)\n      local -a commands=(\n" + described +
             "      )\n      _describe command commands ;;\n    arguments)\n      case $words[1] in\n" + cases +
             "      esac ;;\n  esac\n";
    out += "}\n\n";
  });
  return out + "if [ \"$funcstack[1]\" = " + own + " ]; then\n  " + own + " \"$@\"\nelse\n  compdef " + own + " " +
         program.name + "\nfi\n";
}

// --- fish ---

std::string fish_values(const CommandArgument& a) {
  if (!a.choices.empty()) return " -a " + single_quoted(joined(a.choices));
  if (a.value == "DIR") return " -a '(__fish_complete_directories)'";
  return a.names_file() ? " -F" : "";
}

std::string fish(const Command& program) {
  const std::string complete = "complete -c " + program.name;
  std::string out = head(program, "fish") + complete + " -f\n";
  each_command(program, [&](const Command& c) {
    // Seen: all words of the path, and none of what may come next.
    std::string when;
    for (std::size_t at = 0; !c.path.empty() && at != std::string::npos;) {
      const std::size_t end = c.path.find(' ', at);
      when += (when.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + c.path.substr(at, end - at));
      at = end == std::string::npos ? end : end + 1;
    }
    std::vector<std::string> subs;
    for (const Command& sub : c.commands) subs.push_back(sub.name);
    std::string open = when;
    if (c.path.empty())
      open = when = "__fish_use_subcommand";
    else if (!subs.empty())
      open += "; and not __fish_seen_subcommand_from " + joined(subs);
    for (const Command& sub : c.commands)
      out += complete + " -n " + single_quoted(open) + " -a " + sub.name + " -d " + single_quoted(sub.about) + "\n";
    for (const CommandArgument& a : c.arguments) {
      std::string line = complete + " -n " + single_quoted(subs.empty() ? when : open);
      if (!a.positional) {
        for (const std::string& name : a.names)
          line += (name[1] == '-' ? " -l " + name.substr(2) : " -s " + name.substr(1));
        if (!a.value.empty()) line += " -r";
      }
      line += fish_values(a);
      if (!a.positional) line += " -d " + single_quoted(a.about);
      if (!a.positional || !fish_values(a).empty()) out += line + "\n";
    }
  });
  return out;
}

}  // namespace

Result<std::string> shell_completion(const CLI::App& app, const std::string& shell) {
  const Command program = command_tree(app);
  if (shell == "bash") return bash(program);
  if (shell == "zsh") return zsh(program);
  if (shell == "fish") return fish(program);
  return reject_error("no completion for " + sealring::quoted(shell) + "; there are bash, zsh and fish");
}

}  // namespace sealring
