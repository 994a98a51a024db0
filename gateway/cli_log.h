// Where `tail` and `show` find the log: the daemon of a configuration, its store when no daemon runs, or --from.
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

 private:
  std::string socket_;
  std::unique_ptr<LogView> view_;  // none: the daemon is asked
};

}  // namespace sealring
