// Where `tail`, `show` and `prove` find the log: the daemon of a configuration, its store when no daemon runs, or
// --from.
#pragma once

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

  const std::string& socket() const { return socket_; }
  const LogView* view() const { return view_.get(); }      // null: the daemon is asked
  bool expects_receipts() const { return has_upstream_; }  // a daemon whose configuration has a collector

 private:
  std::string socket_;
  bool has_upstream_ = false;
  std::unique_ptr<LogView> view_;  // none: the daemon is asked
};

}  // namespace sealring
