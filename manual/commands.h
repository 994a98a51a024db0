// The commands `man` and `completion`, which every program of ours has.
#pragma once

#include <functional>

#include "crypto/result.h"

namespace CLI {
class App;
}

namespace sealring {

struct ManualCommands {
  std::vector<std::string> pages;  // the first is the default
  std::function<Result<std::string>(const std::string& page)> page;
  std::function<std::string()> keys;                     // the configuration's, for the page in docs/
  std::function<void(const Result<std::string>&)> show;  // called with the text that was asked for
};
// `app` outlives its parsing, and is what the completion is of.
void add_manual_commands(CLI::App& app, ManualCommands what);

}  // namespace sealring
