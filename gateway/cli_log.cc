#include "gateway/cli_log.h"

#include <CLI/CLI.hpp>

#include "gateway/config.h"

namespace sealring {
namespace {

// Who a connection belongs to, if this record says so: the event with which it began, or, since that may be released,
// the heartbeat that a segment begins with (docs/log.md §8).
std::string broker_by(const Record& record, std::uint64_t connection) {
  const Result<Entry> entry = decode_entry(record.entry);
  const auto* event = entry ? std::get_if<Event>(&entry->body) : nullptr;
  if (event == nullptr) return "";
  if (event->code == EventCode::broker_connected && record.index == connection) {
    const Detail* detail = find_detail(*event, kBrokerDetail);
    const auto* name = detail ? std::get_if<ByteView>(&detail->value) : nullptr;
    return name ? std::string(*name) : "";
  }
  if (event->code == EventCode::heartbeat && find_detail(*event, kDroppedTotalDetail) == nullptr)
    for (const Detail& detail : event->details)
      if (detail.value == decltype(detail.value)(connection)) return std::string(detail.name);
  return "";
}

}  // namespace

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
    access.several_ = config.brokers.size() > 1;
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

void LogAccess::name_broker(Record& record) {
  if (record.connection == 0) return;
  const auto [known, first] = brokers_.emplace(record.connection, "");
  if (first) known->second = find_broker(record);
  record.broker = known->second;
}

std::string LogAccess::find_broker(const Record& record) const {
  const auto said_at = [&](std::uint64_t index) -> std::string {
    RecordQuery query;
    query.from = index;
    query.count = 2;  // not 1: then the daemon looks for the segment as well
    const auto reader = read(query);
    if (!reader || index < (*reader)->first_index()) return "";  // then the first record may be a large one
    const Result<std::optional<Record>> found = (*reader)->next();
    return found && *found && (*found)->index == index ? broker_by(**found, record.connection) : "";
  };
  if (std::string name = said_at(record.connection); !name.empty()) return name;
  RecordQuery query;
  query.from = record.index;
  query.count = 1;
  const auto reader = read(query);
  const std::optional<Segment> segment = reader ? (*reader)->segment() : std::nullopt;
  if (!segment) return "";
  std::string name = said_at(segment->start);
  return name.empty() ? said_at(segment->end) : name;  // its own beginning may be released as well
}

}  // namespace sealring
