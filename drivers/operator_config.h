// The keys for operators that both daemons have: [metrics], and alarm_command.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drivers/toml_reader.h"

namespace sealring {

struct ListenAddress {
  std::string address;
  std::uint16_t port = 0;
};
// "127.0.0.1:9464" or "[::1]:9464". None: it is none.
std::optional<ListenAddress> parse_listen(std::string_view text);
bool is_loopback(const std::string& address);
std::string listen_words(const std::string& address, std::uint16_t port);

// [metrics]; none: there is no such table, and nobody listens. An address that is not this machine's own needs
// allow_remote: whoever reaches it reads names of brokers and logs, and how much traffic there is.
std::optional<ListenAddress> read_metrics(TomlTable& root);
// The program and its arguments; empty: none.
std::vector<std::string> read_alarm_command(TomlTable& root);

}  // namespace sealring
