#include "gateway/manual.h"

#include <CLI/CLI.hpp>

#include "crypto/bytes.h"
#include "gateway/config_keys.h"
#include "manual/page.h"

namespace sealring {
namespace {

using roff::all_synopses, roff::arguments, roff::as_written, roff::commands, roff::italic, roff::synopsis, roff::title;

std::string command_page(const Command& program) {
  return title("sealring", "1", "a signed, tamper-evident log of MQTT traffic") + ".SH SYNOPSIS\n" +
         all_synopses(program) +
         ".SH DESCRIPTION\nEverything by hand around the log that sealringd(8) keeps on a gateway and\n"
         "sealring\\-collector(8) archives: making one, looking into it, proving and checking it.\n.SH COMMANDS\n" +
         commands(program) + ".SH OPTIONS\n" + arguments(program) +
         ".SH EXIT STATUS\n0: done. 1: failed, the reason is on standard error. 2: wrong usage.\n.B sealring verify\n"
         "and\n.B sealring repair\nhave more, see there.\n.SH FILES\n.TP\n" +
         italic(kDefaultConfig) +
         "\nThe gateway's configuration.\n.SH SEE ALSO\n.BR sealring.toml (5),\n.BR sealringd (8)\n";
}

std::string daemon_page() {
  CLI::App app;
  std::string path;
  bool assume_current = false;
  describe_sealringd(app, path, assume_current);
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

std::string config_page() {
  std::string out = title("sealring.toml", "5", "configuration of a sealring gateway");
  out +=
      ".SH DESCRIPTION\nTOML, read strictly: an unknown key is refused with file, line and the nearest valid "
      "one.\nFiles "
      "and folders are relative to the file's own folder. A size is a number of bytes, or one with KiB, MiB or\nGiB "
      "behind it in quotes; a duration has ms, s, min or h.\n"
      ".B sealring check\nsays whether the daemon would start with it.\n";
  out += roff::config_keys(config_tables(), config_keys());
  return out + ".SH FILES\n" + italic(kDefaultConfig) + "\n.SH SEE ALSO\n.BR sealring (1),\n.BR sealringd (8)\n";
}

}  // namespace

void describe_sealringd(CLI::App& app, std::string& config_path, bool& assume_current) {
  app.name("sealringd");
  app.description("sealringd: records MQTT traffic in a signed, tamper-evident log and forwards it");
  config_path = kDefaultConfig;
  app.add_option("--config", config_path, "configuration, see `sealring init`")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_flag("--assume-current", assume_current,
               "sign without having asked the collector what it has: for whoever knows that the store is no old copy, "
               "and that the collector will not answer for long");
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
