// The command line of sealring-collector, and its manual pages.
#pragma once

#include <functional>
#include <string>

#include "crypto/result.h"

namespace CLI {
class App;
}

namespace sealring {

constexpr const char* kDefaultCollectorConfig = "/etc/sealring/collector.toml";

// `show`: what happens with the text of `man` and `completion`.
void describe_collector(CLI::App& app, std::string& config_path, std::function<void(const Result<std::string>&)> show);

}  // namespace sealring
