// The keys of a configuration file as data. A daemon has one table of them; from it come its manual page, its page in
// docs/ and, for the gateway, the file that `sealring init` writes and what a reload takes over. A test of each daemon
// holds the reader against the table.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sealring {

struct ConfigKey {
  enum class Value {
    fallback,  // `value` is the default, as TOML
    derived,   // the default depends on other keys: `derived` says how; `value` is an example
    required,  // within its table; `value` is an example
    optional,  // absent by default; `value` is an example
  };
  std::string_view table;  // of a ConfigTable
  std::string_view name;
  std::string_view
      type;  // for people: "string", "file", "size", "duration", "integer", "true or false", "5, 3.1.1 or auto"
  Value kind = Value::fallback;
  std::string_view value;
  std::string_view derived;
  bool live = false;       // SIGHUP is enough; otherwise a change needs a restart
  std::string_view about;  // one line, lower case, no full stop
};

struct ConfigTable {
  std::string_view name;    // "recorder", "broker.tls"; empty: the top of the file
  std::string_view header;  // "[recorder]", "[[broker]]"; empty: has no header of its own
  bool optional = false;
  std::string_view about;
};

// Tables with their keys, as the text of a page in docs/.
std::string config_markdown(const std::vector<ConfigTable>& tables, const std::vector<ConfigKey>& keys);

// `text` in lines of at most `width` characters, each beginning with `prefix` and ended.
std::string wrapped(std::string_view text, const std::string& prefix, std::size_t width);

}  // namespace sealring
