#include "gateway/manual.h"

#include <CLI/CLI.hpp>

#include "crypto/bytes.h"
#include "gateway/command_tree.h"
#include "gateway/config_keys.h"

namespace sealring {
namespace {

constexpr const char* kDate = "2026-11-25";  // of the words below; a build may not read the clock

// Text for roff: backslashes and hyphens as they are, and no line that begins like a request.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
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

std::string bold(std::string_view text) { return "\\fB" + roff(text) + "\\fR"; }
std::string italic(std::string_view text) { return "\\fI" + roff(text) + "\\fR"; }

std::string title(const std::string& name, const char* section, const std::string& about) {
  return ".\\\" Made from the program's own command line.\n.TH \"" + name + "\" \"" + section + "\" \"" + kDate +
         "\" \"sealring " SEALRING_VERSION "\" \"sealring\"\n.SH NAME\n" + roff(name) + " \\- " + roff(about) + "\n";
}

std::string value_words(const CommandArgument& a) {
  if (a.choices.empty()) return italic(a.value);
  std::string out;
  for (const std::string& choice : a.choices) out += (out.empty() ? "" : "|") + bold(choice);
  return out;
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
      out += ".TP\n" + names + "\n" + roff(a.about);
      if (!a.fallback.empty()) out += " (default: " + roff(a.fallback) + ")";
      out += "\n";
    }
  }
  return out;
}

// A footer is set as it was written for a terminal.
std::string as_written(const std::string& text) {
  return text.empty() ? "" : ".PP\n.nf\n" + roff(text) + (text.back() == '\n' ? "" : "\n") + ".fi\n";
}

void all_commands(const Command& command, std::vector<const Command*>& out) {
  for (const Command& sub : command.commands) {
    if (sub.commands.empty()) out.push_back(&sub);
    all_commands(sub, out);
  }
}

std::string command_page(const Command& program) {
  std::vector<const Command*> commands;
  all_commands(program, commands);
  std::string out = title("sealring", "1", "a signed, tamper-evident log of MQTT traffic") + ".SH SYNOPSIS\n";
  for (const Command* command : commands) out += synopsis("sealring", *command);
  out +=
      ".SH DESCRIPTION\nEverything by hand around the log that sealringd(8) keeps on a gateway "
      "and\nsealring\\-collector "
      "archives: making one, looking into it, proving and checking it.\n.SH COMMANDS\n";
  for (const Command* command : commands) {
    out += ".SS \"sealring " + roff(command->path) + "\"\n" + roff(command->about) + ".\n" + arguments(*command) +
           as_written(command->footer);
  }
  out += ".SH OPTIONS\n" + arguments(program);
  out +=
      ".SH EXIT STATUS\n0: done. 1: failed, the reason is on standard error. 2: wrong usage.\n.B sealring verify\nhas "
      "more, see there.\n.SH FILES\n.TP\n" +
      italic(kDefaultConfig) +
      "\nThe gateway's configuration.\n.SH SEE ALSO\n.BR sealring.toml (5),\n.BR sealringd (8)\n";
  return out;
}

std::string daemon_page() {
  CLI::App app;
  std::string path;
  describe_sealringd(app, path);
  const Command program = command_tree(app);
  std::string out = title("sealringd", "8", "record MQTT traffic in a signed, tamper-evident log");
  out += ".SH SYNOPSIS\n" + synopsis("sealringd", program);
  out +=
      ".SH DESCRIPTION\nSubscribes to the devices' messages at one or more brokers, keeps each in a signed Merkle log "
      "on "
      "the local disk,\nacknowledges it to the broker only when it is durable, and forwards the log to a collector "
      "whenever the link is up.\nIt runs in the foreground; a service manager starts it.\n.SH OPTIONS\n" +
      arguments(program) + as_written(program.footer);
  out +=
      ".SH SIGNALS\n.TP\n.BR SIGTERM , \" SIGINT\"\nMakes durable what was taken over, leaves the rest to the brokers, "
      "and ends within seconds.\n.TP\n.B SIGHUP\nReads the configuration again. What can change while running does; "
      "the "
      "rest is named with the words\n\\(lqneeds a restart\\(rq. A file that is not valid changes nothing. An event in "
      "the log says so either way.\n"
      ".SH EXIT STATUS\n"
      "0: ended in order. 2: usage or configuration. 3: the store is damaged. 4: another instance runs.\n5: a write of "
      "unknown outcome. 6: the system is in the way (rights, full disk).\n"
      ".SH ENVIRONMENT\n.TP\n.BR NOTIFY_SOCKET , \" WATCHDOG_USEC\"\nWhere and how often a service manager wants to "
      "hear "
      "that all is well, see\n.BR sd_notify (3).\n.TP\n.B CREDENTIALS_DIRECTORY\nWhere the service manager puts what "
      "the "
      "configuration calls\n.IR credential:NAME .\n.TP\n.B JOURNAL_STREAM\nWhen standard error is the journal, lines "
      "have its priorities.\n"
      ".SH FILES\n.TP\n" +
      italic(kDefaultConfig) + "\nThe configuration.\n.TP\n" + italic("/var/lib/sealring") +
      "\nIdentity key and store.\n.TP\n" + italic("/run/sealring/sock") +
      "\nWhere the commands ask.\n.SH SEE ALSO\n.BR sealring (1),\n.BR sealring.toml (5)\n";
  return out;
}

std::string key_words(const ConfigKey& key) {
  std::string out = ".TP\n" + bold(key.name) + " = " + italic(key.type) + "\n";
  std::string about(key.about);
  while (!about.empty() && about.back() == ',') about.pop_back();
  out += roff(about) + ".\n";
  switch (key.kind) {
    case ConfigKey::Value::fallback:
      out += "Default: " + roff(key.derived.empty() ? key.value : key.derived) + ".\n";
      break;
    case ConfigKey::Value::derived:
      out += "Default: " + roff(key.derived) + ". Example: " + roff(key.value) + ".\n";
      break;
    case ConfigKey::Value::required:
      out += "Required. Example: " + roff(key.value) + ".\n";
      break;
    case ConfigKey::Value::optional:
      out += "Example: " + roff(key.value) + ".\n";
      break;
  }
  return out + (key.live ? "A change takes effect at SIGHUP.\n" : "A change needs a restart.\n");
}

std::string config_page() {
  std::string out = title("sealring.toml", "5", "configuration of a sealring gateway");
  out +=
      ".SH DESCRIPTION\nTOML, read strictly: an unknown key is refused with file, line and the nearest valid "
      "one.\nFiles "
      "and folders are relative to the file's own folder. A size is a number of bytes, or one with KiB, MiB or\nGiB "
      "behind it in quotes; a duration has ms, s, min or h.\n"
      ".B sealring check\nsays whether the daemon would start with it.\n";
  for (const ConfigTable& table : config_tables()) {
    out += ".SH \"" + (table.header.empty() ? "AT THE TOP" : roff(table.header)) + "\"\n" + roff(table.about) + "\n";
    if (table.optional) out += "Optional.\n";
    for (const ConfigKey& key : config_keys())
      if (key.table == table.name) out += key_words(key);
  }
  return out + ".SH FILES\n" + italic(kDefaultConfig) + "\n.SH SEE ALSO\n.BR sealring (1),\n.BR sealringd (8)\n";
}

}  // namespace

void describe_sealringd(CLI::App& app, std::string& config_path) {
  app.name("sealringd");
  app.description("sealringd: records MQTT traffic in a signed, tamper-evident log and forwards it");
  config_path = kDefaultConfig;
  app.add_option("--config", config_path, "configuration, see `sealring init`")
      ->type_name("FILE")
      ->capture_default_str();
  app.set_version_flag("--version", "sealringd " SEALRING_VERSION, "print the version");
  app.footer(
      "SIGHUP reads the configuration again, SIGTERM ends in order. `sealring check` says what is wrong with it.");
}

Result<std::string> manual_page(const CLI::App& app, const std::string& page) {
  if (page == "sealring") return command_page(command_tree(app));
  if (page == "sealringd") return daemon_page();
  if (page == "sealring.toml") return config_page();
  return reject_error("there is no page " + sealring::quoted(page) +
                      "; there are sealring, sealringd and sealring.toml");
}

}  // namespace sealring
