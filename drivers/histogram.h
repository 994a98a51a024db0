// How long something takes, as counts below fixed bounds: what OpenMetrics calls a histogram. Adding is two relaxed
// atomic increments and no lock, for threads that must not wait; a reader may see one of the two, which the next look
// mends.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace sealring {

class LatencyHistogram {
 public:
  // Seconds; the last count is of what took longer than all of them. From a journal's sync on a good disk to a token
  // that signs once in a while.
  static constexpr std::array<double, 15> kBounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                     0.05,   0.1,     0.25,   0.5,   1,      5,     30};
  using Duration = std::chrono::steady_clock::duration;

  void add(Duration took) {  // any thread
    const double seconds = std::chrono::duration<double>(took).count();
    std::size_t i = 0;
    while (i < kBounds.size() && seconds > kBounds[i]) ++i;
    counts_[i].fetch_add(1, std::memory_order_relaxed);
    sum_ns_.fetch_add(static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(took).count()),
                      std::memory_order_relaxed);
  }

  struct Counts {
    std::array<std::uint64_t, kBounds.size() + 1> counts{};  // each of its own range
    double sum_seconds = 0;
    std::uint64_t total() const {
      std::uint64_t n = 0;
      for (const std::uint64_t one : counts) n += one;
      return n;
    }
  };
  Counts look() const {  // any thread
    Counts out;
    for (std::size_t i = 0; i < out.counts.size(); ++i) out.counts[i] = counts_[i].load(std::memory_order_relaxed);
    out.sum_seconds = static_cast<double>(sum_ns_.load(std::memory_order_relaxed)) / 1e9;
    return out;
  }

 private:
  std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> counts_{};
  std::atomic<std::uint64_t> sum_ns_{0};
};

}  // namespace sealring
