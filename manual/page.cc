#include "manual/page.h"

namespace sealring::roff {
namespace {

constexpr const char* kDate = "2026-11-25";  // of the words of all pages; a build may not read the clock

std::string value_words(const CommandArgument& a) {
  if (a.choices.empty()) return italic(a.value);
  std::string out;
  for (const std::string& choice : a.choices) out += (out.empty() ? "" : "|") + bold(choice);
  return out;
}

void all_commands(const Command& command, std::vector<const Command*>& out) {
  for (const Command& sub : command.commands) {
    if (sub.commands.empty()) out.push_back(&sub);
    all_commands(sub, out);
  }
}

std::string key_words(const ConfigKey& key) {
  std::string out = ".TP\n" + bold(key.name) + " = " + italic(key.type) + "\n";
  std::string about(key.about);
  while (!about.empty() && about.back() == ',') about.pop_back();
  out += text(about) + ".\n";
  switch (key.kind) {
    case ConfigKey::Value::fallback:
      out += "Default: " + text(key.derived.empty() ? key.value : key.derived) + ".\n";
      break;
    case ConfigKey::Value::derived:
      out += "Default: " + text(key.derived) + ". Example: " + text(key.value) + ".\n";
      break;
    case ConfigKey::Value::required:
      out += "Required. Example: " + text(key.value) + ".\n";
      break;
    case ConfigKey::Value::optional:
      out += "Example: " + text(key.value) + ".\n";
      break;
  }
  return out + (key.live ? "A change takes effect at SIGHUP.\n" : "A change needs a restart.\n");
}

}  // namespace

std::string text(std::string_view words) {
  std::string out;
  for (const char c : words) {
    if ((out.empty() || out.back() == '\n') && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string bold(std::string_view words) { return "\\fB" + text(words) + "\\fR"; }
std::string italic(std::string_view words) { return "\\fI" + text(words) + "\\fR"; }

std::string title(const std::string& name, const std::string& section, const std::string& about) {
  return ".\\\" Made from the program's own command line.\n.TH \"" + name + "\" \"" + section + "\" \"" + kDate +
         "\" \"sealring " SEALRING_VERSION "\" \"sealring\"\n.SH NAME\n" + text(name) + " \\- " + text(about) + "\n";
}

std::string synopsis(const std::string& program, const Command& command) {
  std::string out = ".HP\n" + bold(program + (command.path.empty() ? "" : " " + command.path));
  for (const CommandArgument& a : command.arguments) {
    if (a.positional || a.names.back() == "--help") continue;
    std::string shown = bold(a.names.back()) + (a.value.empty() ? "" : " " + value_words(a));
    out += a.required ? " " + shown : " [" + shown + "]";
  }
  for (const CommandArgument& a : command.arguments)
    if (a.positional) out += a.required ? " " + value_words(a) : " [" + value_words(a) + "]";
  return out + "\n";
}

std::string arguments(const Command& command) {
  std::string out;
  for (const bool positional : {true, false}) {
    for (const CommandArgument& a : command.arguments) {
      if (a.positional != positional) continue;
      std::string names;
      for (const std::string& name : a.names)
        names += (names.empty() ? "" : ", ") + (positional ? value_words(a) : bold(name));
      if (!positional && !a.value.empty()) names += " " + value_words(a);
      out += ".TP\n" + names + "\n" + text(a.about);
      if (!a.fallback.empty()) out += " (default: " + text(a.fallback) + ")";
      out += "\n";
    }
  }
  return out;
}

std::string as_written(const std::string& words) {
  return words.empty() ? "" : ".PP\n.nf\n" + text(words) + (words.back() == '\n' ? "" : "\n") + ".fi\n";
}

std::string all_synopses(const Command& program) {
  std::vector<const Command*> commands;
  all_commands(program, commands);
  std::string out;
  for (const Command* command : commands) out += synopsis(program.name, *command);
  return out;
}

std::string commands(const Command& program) {
  std::vector<const Command*> found;
  all_commands(program, found);
  std::string out;
  for (const Command* command : found)
    out += ".SS \"" + text(program.name + " " + command->path) + "\"\n" + text(command->about) + ".\n" +
           arguments(*command) + as_written(command->footer);
  return out;
}

std::string config_keys(const std::vector<ConfigTable>& tables, const std::vector<ConfigKey>& keys) {
  std::string out;
  for (const ConfigTable& table : tables) {
    out += ".SH \"" + (table.header.empty() ? "AT THE TOP" : text(table.header)) + "\"\n" + text(table.about) + "\n";
    if (table.optional) out += "Optional.\n";
    for (const ConfigKey& key : keys)
      if (key.table == table.name) out += key_words(key);
  }
  return out;
}

}  // namespace sealring::roff
