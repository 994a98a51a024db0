// Where the alarms of a gateway go: an event in the log, a line of diag for those that nobody has said yet, and the
// operator's command. Status and metrics read them from `alarms()`.
//
// It lives as long as the process; the recorder of the present run is told to it.
#pragma once

#include "drivers/alarm_command.h"
#include "gateway/alarm_kinds.h"
#include "gateway/recorder.h"

namespace sealring {

class AlarmDesk {
 public:
  AlarmDesk(std::vector<std::string> command, std::chrono::milliseconds quiet = Alarms::kQuiet);
  ~AlarmDesk();

  Alarms& alarms() { return alarms_; }
  AlarmCommand::Stats command() const { return command_.stats(); }
  // The log that alarms are of from now on; what an earlier one was troubled by is over, unless it is found again. The
  // recorder must be there until leave().
  void serve(const std::string& origin, Recorder& recorder);
  void leave();

 private:
  void tell(const Alarm& alarm, const std::string& origin, Recorder* recorder);
  Alarms alarms_;
  AlarmCommand command_;
};

}  // namespace sealring
