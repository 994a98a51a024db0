#include "collector/manual.h"

#include <CLI/CLI.hpp>

#include "collector/config_keys.h"
#include "manual/commands.h"
#include "manual/page.h"

namespace sealring {
namespace {

constexpr const char* kProgram = "sealring-collector";

std::string program_page(const Command& program) {
  return roff::title(kProgram, "8", "take over, check and archive the logs of gateways") + ".SH SYNOPSIS\n" +
         roff::synopsis(kProgram, program) + roff::all_synopses(program) +
         ".SH DESCRIPTION\n"
         "Witness and mirror of the logs that sealringd(8) keeps on gateways. It proves every upload against the\n"
         "signed checkpoint, stores the entries in an archive of write\\-once files, and signs a receipt; only then\n"
         "does the gateway reuse the space. Whoever has a certificate of its CA can read what is archived, as C2SP\n"
         "tlog\\-tiles. It runs in the foreground; a service manager starts it. One collector writes an archive at a "
         "time.\n.SH OPTIONS\n" +
         roff::arguments(program) + roff::as_written(program.footer) + ".SH COMMANDS\n" + roff::commands(program) +
         ".SH SIGNALS\n.TP\n.BR SIGTERM , \" SIGINT\"\nAnswers what is under way and ends.\n"
         ".SH EXIT STATUS\n"
         "0: ended in order. 2: usage or configuration. 3: the archive is damaged. 4: another collector has the\n"
         "archive. 5: a write of unknown outcome. 6: the system is in the way (rights, full disk, port in use).\n"
         ".SH ENVIRONMENT\n.TP\n.B JOURNAL_STREAM\nWhen standard error is the journal, lines have its priorities.\n"
         ".SH FILES\n.TP\n" +
         roff::italic(kDefaultCollectorConfig) +
         "\nThe configuration.\n.SH SEE ALSO\n.BR collector.toml (5),\n.BR sealring (1)\n";
}

std::string config_page() {
  return roff::title("collector.toml", "5", "configuration of sealring-collector") +
         ".SH DESCRIPTION\nTOML, read strictly: an unknown key is refused with file, line and the nearest valid one.\n"
         "Files and folders are relative to the file's own folder.\n" +
         roff::config_keys(collector_config_tables(), collector_config_keys()) + ".SH FILES\n" +
         roff::italic(kDefaultCollectorConfig) + "\n.SH SEE ALSO\n.BR sealring\\-collector (8)\n";
}

}  // namespace

void describe_collector(CLI::App& app, std::string& config_path, std::function<void(const Result<std::string>&)> show) {
  app.name(kProgram);
  app.description("sealring-collector: takes over, checks and archives the logs of gateways, and signs receipts");
  app.set_help_flag("-h,--help", "print this help");
  app.set_version_flag("--version", "sealring-collector " SEALRING_VERSION, "print the version");
  config_path = kDefaultCollectorConfig;
  app.add_option("--config", config_path, "configuration, see `sealring-collector man collector.toml`")
      ->type_name("FILE")
      ->capture_default_str();
  app.footer("Without a command it serves, until SIGTERM.");
  ManualCommands what;
  what.pages = {kProgram, "collector.toml"};
  what.page = [&app](const std::string& page) -> Result<std::string> {
    return page == kProgram ? program_page(command_tree(app)) : config_page();
  };
  what.keys = [] { return config_markdown(collector_config_tables(), collector_config_keys()); };
  what.show = std::move(show);
  add_manual_commands(app, std::move(what));
}

}  // namespace sealring
