#include "drivers/operator_config.h"

#include <arpa/inet.h>

namespace sealring {

std::optional<ListenAddress> parse_listen(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  const Result<std::uint64_t> port = from_decimal(text.substr(colon + 1));
  std::string_view address = text.substr(0, colon);
  const bool bracketed = address.size() > 2 && address.front() == '[' && address.back() == ']';
  if (bracketed) address = address.substr(1, address.size() - 2);
  if (!bracketed && address.find(':') != std::string_view::npos) return std::nullopt;
  if (!port.ok() || *port > 65535) return std::nullopt;
  return ListenAddress{std::string(address), static_cast<std::uint16_t>(*port)};
}

bool is_loopback(const std::string& address) {
  in_addr v4{};
  if (::inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string listen_words(const std::string& address, std::uint16_t port) {
  const bool v6 = address.find(':') != std::string::npos;
  return (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

std::optional<ListenAddress> read_metrics(TomlTable& root) {
  std::optional<TomlTable> table = root.table("metrics");
  if (!table) return std::nullopt;
  auto listen = parse_listen(table->string("listen", "127.0.0.1:9464"));
  const bool remote = table->boolean("allow_remote", false);
  if (!listen) {
    table->fail("listen", "must be ADDRESS:PORT, such as 127.0.0.1:9464 or [::1]:9464");
  } else if (!remote && !is_loopback(listen->address)) {
    table->fail("listen",
                "is not an address of this machine alone: whoever reaches it would read names of brokers and logs and "
                "how much they say, without a password; allow_remote = true if that is meant");
  }
  return listen;
}

std::vector<std::string> read_alarm_command(TomlTable& root) {
  std::vector<std::string> command = root.strings("alarm_command");
  if (!command.empty() && (command.front().empty() || command.front().front() != '/'))
    root.fail("alarm_command", "must begin with the absolute path of a program");
  for (const std::string& word : command)
    if (word.find('\0') != std::string::npos) root.fail("alarm_command", "must not have a zero byte");
  return command;
}

}  // namespace sealring
