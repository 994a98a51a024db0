// The manual pages of the gateway's programs, see manual/page.h.
#pragma once

#include <string>

#include "crypto/result.h"

namespace CLI {
class App;
}

namespace sealring {

constexpr const char* kDefaultConfig = "/etc/sealring/sealring.toml";

// The command line of sealringd.
void describe_sealringd(CLI::App& app, std::string& config_path, bool& assume_current);

// roff(7) of the pages "sealring" (1, of `app`), "sealringd" (8), "sealring.toml" (5). reject: another page.
Result<std::string> manual_page(const CLI::App& app, const std::string& page);

}  // namespace sealring
