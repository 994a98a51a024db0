#include "collector/config_keys.h"

namespace sealring {

const std::vector<ConfigTable>& collector_config_tables() {
  static const std::vector<ConfigTable> tables = {
      {"", "", false, "Where to listen, and where the archive and the keys are."},
      {"metrics", "[metrics]", true,
       "For a monitoring system: state and health by HTTP. Without this table nobody listens."},
      {"tls", "[tls]", false,
       "Both sides show a certificate of one CA. The files are followed by themselves: a renewed one counts from the "
       "next connection on."},
      {"gateway", "[[gateway]]", true,
       "One for each gateway that is bound to its anchor and its certificate. A log that is in the policy only is "
       "taken from any client of the CA, whatever its entry 0 is."},
  };
  return tables;
}

const std::vector<ConfigKey>& collector_config_keys() {
  using Value = ConfigKey::Value;
  constexpr bool kRestart = false;
  // clang-format off
  static const std::vector<ConfigKey> keys = {
      {"", "listen", "ADDRESS:PORT", Value::fallback, "\"127.0.0.1:8443\"", "", kRestart,
       "where gateways and readers connect; [::1]:8443 for IPv6, port 0 is any free one"},
      {"", "archive", "folder", Value::required, "\"/var/lib/sealring-collector/archive\"", "", kRestart,
       "the segments, receipts and all state; made when it is not there"},
      {"", "policy", "file", Value::required, "\"policy\"", "", kRestart,
       "which logs are trusted: a C2SP tlog-policy, of which only the `log` lines count; several of one origin are its "
       "identity keys in the order of their rotations"},
      {"", "witness_key", "file", Value::required, "\"witness.key\"", "", kRestart,
       "signs \"the log extends what I have seen\"; mode 0600, from `sealring key generate FILE NAME --cosigner`"},
      {"", "mirror_key", "file", Value::required, "\"mirror.key\"", "", kRestart,
       "signs \"every entry is stored here\"; another key than the witness', with another name"},
      {"", "succession_key", "file", Value::fallback, "\"\"", "", kRestart,
       "countersigns \"this log follows that one\", and lets a log that has a `tls_uri` be closed that way; a third "
       "key with a third name, mode 0600, from `sealring key generate FILE NAME`, for as long as the archive is kept; "
       "\"\": no succession is taken"},
      {"", "succession_quiet", "duration", Value::fallback, "\"2min\"", "", kRestart,
       "for how long the witness has cosigned nothing of a log that is to be closed: one that goes on is in use, and "
       "what wants to close it may be a copy of its gateway; more than the gateways' `heartbeat`; \"0s\": it is closed "
       "at once"},
      {"", "diag_level", "error, warning, notice, info or debug", Value::fallback, "\"info\"", "", kRestart,
       "the least urgent diagnostics that are written"},
      {"", "alarm_command", "array of strings", Value::fallback, "[]", "", kRestart,
       "program, by its absolute path, and arguments, run when an alarm begins and ends, with its name and JSON on "
       "standard input; []: none"},
      {"", "alarm_quiet", "duration", Value::fallback, "\"60s\"", "", kRestart,
       "an alarm is over when its cause has been gone for so long"},

      {"metrics", "listen", "ADDRESS:PORT", Value::fallback, "\"127.0.0.1:9464\"", "", kRestart,
       "where /metrics and /healthz are, by plain HTTP"},
      {"metrics", "allow_remote", "true or false", Value::fallback, "false", "", kRestart,
       "an address that others reach, who then read names of logs and how much there is without a password"},

      {"tls", "ca", "file", Value::required, "\"tls/ca.pem\"", "", kRestart,
       "who may connect: clients with a certificate of this CA"},
      {"tls", "cert", "file", Value::required, "\"tls/collector.pem\"", "", kRestart,
       "our certificate, with the name that the gateways' url has"},
      {"tls", "key", "file", Value::required, "\"tls/collector.key\"", "", kRestart,
       "its private key, mode 0600"},

      {"gateway", "anchor", "string", Value::required,
       "\"example.com/site7/gw-0042+3a1b2c4d+ARn... 5fd0...\"", "", kRestart,
       "the line that `sealring init` printed: the log's vkey, and what its entry 0 must be"},
      {"gateway", "tls_uri", "string", Value::fallback, "\"\"", "", kRestart,
       "URI that the certificate of whoever submits must have; \"\": any certificate of the CA"},
  };
  // clang-format on
  return keys;
}

}  // namespace sealring
