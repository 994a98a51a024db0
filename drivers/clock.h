// The gateway's clocks, behind a seam so that tests and the simulator can set them.
#pragma once

#include <cstdint>

namespace sealring {

struct ClockReading {
  std::int64_t wall_ns = 0;       // CLOCK_REALTIME
  std::uint64_t boottime_ns = 0;  // CLOCK_BOOTTIME
  bool synchronised = false;      // the kernel's clock discipline says so (adjtimex: no STA_UNSYNC)
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual ClockReading now() const = 0;  // any thread
};

class SystemClock final : public Clock {
 public:
  ClockReading now() const override;
};

}  // namespace sealring
