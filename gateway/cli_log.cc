#include "gateway/cli_log.h"

#include <CLI/CLI.hpp>

#include "gateway/config.h"

namespace sealring {

void add_log_options(CLI::App& sub, LogArguments& arguments) {
  CLI::Option* config = sub.add_option("--config", arguments.config, "the gateway's sealring.toml")
                            ->type_name("FILE")
                            ->capture_default_str();
  sub.add_option("--from", arguments.from, "a store, an archive or one log's folder in it, instead of the daemon")
      ->type_name("PATH")
      ->excludes(config);
}

Result<LogAccess> LogAccess::open(const LogArguments& arguments, bool follow) {
  LogAccess access;
  std::string path = arguments.from;
  if (path.empty()) {
    SEALRING_ASSIGN(const GatewayConfig config, GatewayConfig::load(arguments.config));
    access.socket_ = config.socket;
    access.has_upstream_ = config.upstream.has_value();
    Error nobody{ErrorKind::missing, arguments.config + " names no socket"};
    if (!config.socket.empty()) {
      const auto client = SocketClient::connect(config.socket);
      if (client) return access;
      nobody = client.error();
    }
    if (nobody.kind != ErrorKind::missing) return nobody;
    if (follow) return Error{ErrorKind::missing, "no daemon to follow: " + nobody.message};
    std::fprintf(stderr, "sealring: no daemon answers (%s); reading the store itself\n", nobody.message.c_str());
    path = config.store;
  }
  SEALRING_ASSIGN(access.view_, open_log_view(path));
  return access;
}

Result<std::unique_ptr<RecordReader>> LogAccess::read(const RecordQuery& query, bool follow) const {
  if (view_ != nullptr) return read_records(*view_, query);
  return read_records(socket_, query, follow);
}

}  // namespace sealring
