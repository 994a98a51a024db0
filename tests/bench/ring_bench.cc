// The spike that the store's design rests on: frames of mixed sizes through a nearly full ring, many laps. Prints, per
// mix, how full the map was, how often no room was found, the pauses and the bytes written for each byte appended.
//
//     ring_bench [LAPS] [FOLDER]      default: 8 laps, a temporary folder in /var/tmp
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>

#include "storage/ring.h"

using namespace sealring;
using Steady = std::chrono::steady_clock;

namespace {

constexpr std::uint64_t kMapBytes = 256u << 20;

std::uint64_t bytes_to_write_calls() {
  std::ifstream io("/proc/self/io");
  std::string key;
  std::uint64_t value = 0;
  while (io >> key >> value)
    if (key == "wchar:") return value;
  return 0;
}

struct Shape {
  std::size_t count, bytes;
};
using Mix = Shape (*)(std::mt19937&);

Shape small_and_few_large(std::mt19937& random) {
  if (random() % 500 == 0) return {16, 60000};
  return {1 + random() % 6, 250 + random() % 50};
}
Shape everything(std::mt19937& random) {
  const unsigned dice = random() % 100;
  if (dice < 70) return {1 + random() % 8, 100 + random() % 200};
  if (dice < 95) return {50 + random() % 200, 300 + random() % 300};
  return {20, 30000 + random() % 20000};
}
Shape twenty_kb_to_a_mb(std::mt19937& random) { return {20, 1000 + random() % 50000}; }

class Lapper {
 public:
  explicit Lapper(const std::string& folder) {
    Frame genesis = frame(1, 100);
    if (!Ring::create({folder, kMapBytes}, "example.com/bench", genesis).ok()) std::exit(1);
    auto opened = Ring::open({folder});
    if (!opened) std::exit(1);
    ring_ = std::move(opened).value();
  }

  void run(const char* name, Mix mix, std::uint64_t laps) {
    std::vector<double> pauses;
    std::uint64_t appended = 0, full = 0, since_seal = 0;
    const std::uint64_t written = bytes_to_write_calls();
    while (appended < laps * kMapBytes) {
      const Shape shape = mix(random_);
      Frame f = frame(shape.count, shape.bytes);
      const auto begin = Steady::now();
      const Status status = ring_->append(f, range_, nodes_);
      pauses.push_back(std::chrono::duration<double, std::milli>(Steady::now() - begin).count());
      if (!status.ok()) {
        ++full;
        std::fprintf(stderr, "ring_bench: %s\n", status.error().message.c_str());
        std::exit(1);
      }
      appended += f.entries.size();
      since_seal += f.entries.size();
      if (since_seal < (4u << 20)) continue;
      since_seal = 0;
      if (!ring_->close_segment(0).ok()) std::exit(1);
      // Receipts come two segments later: all else is kept until its room is needed.
      const auto segments = ring_->segments();
      for (std::size_t i = 0; i + 3 < segments.size(); ++i)
        if (segments[i].state == SegmentState::sealed) (void)ring_->acknowledge(segments[i].number, "r").ok();
    }
    std::sort(pauses.begin(), pauses.end());
    const auto at = [&](double q) {
      return pauses[static_cast<std::size_t>(q * static_cast<double>(pauses.size() - 1))];
    };
    const auto usage = ring_->usage();
    std::printf("%-22s %8zu %7.0f%% %9llu %10.2f %10.2f %10.2f %10.2f %8.2f\n", name, pauses.size(),
                100.0 * static_cast<double>(usage.used_bytes) / static_cast<double>(usage.map_bytes),
                static_cast<unsigned long long>(full), at(0.5), at(0.99), at(0.999), pauses.back(),
                static_cast<double>(bytes_to_write_calls() - written) / static_cast<double>(appended));
    std::fflush(stdout);
  }

 private:
  Frame frame(std::size_t count, std::size_t bytes) {
    Frame f;
    f.header.first = range_.size();
    f.header.count = static_cast<std::uint32_t>(count);
    nodes_.clear();
    const Bytes entry(bytes, 'e');
    for (std::size_t i = 0; i < count; ++i) {
      put_u16(f.entries, static_cast<std::uint16_t>(entry.size()));
      f.entries += entry;
      range_.append(leaf_hash(entry), [&](int level, std::uint64_t index, const Hash& hash) {
        if (level >= kStoredNodeLevel) nodes_.push_back({level, index, hash});
      });
    }
    f.header.root = range_.root();
    return f;
  }

  std::mt19937 random_{1};
  CompactRange range_;
  std::vector<TreeNode> nodes_;
  std::unique_ptr<Ring> ring_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t laps = std::max(1ull, argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 8ull);
  const std::string folder = argc > 2 ? argv[2] : "/var/tmp/sealring-ring-bench-" + std::to_string(::getpid());
  {
    Lapper lapper(folder);
    std::printf("%-22s %8s %8s %9s %10s %10s %10s %10s %8s\n", "mix", "frames", "map", "no room", "p50 ms", "p99 ms",
                "p99.9 ms", "max ms", "B/B");
    // One store for all: what one mix leaves behind is what the next one has to live with.
    lapper.run("0.3-1.8 KB, few 1 MB", small_and_few_large, 1);
    lapper.run("0.1 KB to 1 MB", everything, laps);
    lapper.run("20 KB to 1 MB", twenty_kb_to_a_mb, laps);
    lapper.run("0.1 KB to 1 MB again", everything, (laps + 1) / 2);
  }
  std::filesystem::remove_all(folder);
  return 0;
}
