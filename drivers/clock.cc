#include "drivers/clock.h"

#include <sys/timex.h>

#include <ctime>

namespace sealring {

namespace {

std::int64_t nanoseconds(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);  // fails only for an unknown clock
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

bool kernel_says_synchronised() {
  timex t{};  // modes 0: only ask
  int state = adjtimex(&t);
  return state >= 0 && state != TIME_ERROR && (t.status & STA_UNSYNC) == 0;
}

}  // namespace

ClockReading SystemClock::now() const {
  ClockReading reading;
  reading.wall_ns = nanoseconds(CLOCK_REALTIME);
  reading.boottime_ns = static_cast<std::uint64_t>(nanoseconds(CLOCK_BOOTTIME));
  reading.synchronised = kernel_says_synchronised();
  return reading;
}

}  // namespace sealring
