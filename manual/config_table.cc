#include "manual/config_table.h"

#include <algorithm>

namespace sealring {
namespace {

using Value = ConfigKey::Value;

std::string default_words(const ConfigKey& key) {
  switch (key.kind) {
    case Value::fallback:
      return "`" + std::string(key.value) + "`";
    case Value::derived:
      return std::string(key.derived);
    case Value::required:
      return "required";
    case Value::optional:
      return "none";
  }
  return "";
}

}  // namespace

std::string wrapped(std::string_view text, const std::string& prefix, std::size_t width) {
  std::string out = prefix;
  std::size_t column = prefix.size();
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (column > prefix.size() && column + 1 + word.size() > width) {
      out += "\n" + prefix;
      column = prefix.size();
    }
    if (column > prefix.size()) out += ' ', ++column;
    out += word;
    column += word.size();
  }
  return out + "\n";
}

std::string config_markdown(const std::vector<ConfigTable>& tables, const std::vector<ConfigKey>& keys) {
  std::string out;
  for (const ConfigTable& table : tables) {
    const std::string header = table.header.empty() ? "At the top" : "`" + std::string(table.header) + "`";
    out += "## " + header + "\n\n" + wrapped(std::string(table.about) + (table.optional ? " Optional." : ""), "", 120) +
           "\n| key | type | default | change | |\n|---|---|---|---|---|\n";
    for (const ConfigKey& key : keys) {
      if (key.table != table.name) continue;
      out += "| `" + std::string(key.name) + "` | " + std::string(key.type) + " | " + default_words(key) + " | " +
             (key.live ? "live" : "restart") + " | " + std::string(key.about) + " |\n";
    }
    out += "\n";
  }
  out.pop_back();
  return out;
}

}  // namespace sealring
