// Where `tail`, `show` and `prove` find the log: the daemon of a configuration, its store when no daemon runs, or
// --from.
#pragma once

#include <map>

#include "gateway/cli.h"
#include "gateway/record_reader.h"

namespace sealring {

struct LogArguments {
  std::string config = kDefaultConfig;
  std::string from;
};
void add_log_options(CLI::App& sub, LogArguments& arguments);

class LogAccess {
 public:
  // Says on stderr when it reads the store because no daemon answers. reject: configuration or path.
  static Result<LogAccess> open(const LogArguments& arguments, bool follow);
  Result<std::unique_ptr<RecordReader>> read(const RecordQuery& query, bool follow = false) const;
  // Puts the broker's name to the record, where what names its connection is still here. One look for a connection.
  void name_broker(Record& record);

  const std::string& socket() const { return socket_; }
  const LogView* view() const { return view_.get(); }      // null: the daemon is asked
  bool expects_receipts() const { return has_upstream_; }  // a daemon whose configuration has a collector
  bool has_several_brokers() const { return several_; }    // by the configuration

 private:
  std::string find_broker(const Record& record) const;

  std::string socket_;
  bool has_upstream_ = false, several_ = false;
  std::unique_ptr<LogView> view_;                 // none: the daemon is asked
  std::map<std::uint64_t, std::string> brokers_;  // by connection; empty: nothing names it
};

}  // namespace sealring
