// Recorder and store without MQTT: records per second by frame size, bytes written per commit, and the latency of a
// commit against a bare fdatasync of the same disk. Prints a table; asserts nothing about time.
//
//     recorder_bench [FOLDER]      default: a temporary folder in /var/tmp (a real disk, not a tmpfs)
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "crypto/checkpoint.h"
#include "gateway/recorder.h"

using namespace sealring;
using Steady = std::chrono::steady_clock;

namespace {

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "bench: %s\n", result.error().message.c_str());
    std::exit(1);
  }
  return std::move(result).value();
}
void must(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench: %s\n", status.error().message.c_str());
  std::exit(1);
}

double seconds(Steady::time_point since) { return std::chrono::duration<double>(Steady::now() - since).count(); }

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v.empty() ? 0 : v[v.size() / 2];
}

// Bytes that this process has handed to write calls: what the kernel counts, so LMDB's own writes are in it.
std::uint64_t bytes_to_write_calls() {
  std::ifstream io("/proc/self/io");
  std::string key;
  std::uint64_t value = 0;
  while (io >> key >> value)
    if (key == "wchar:") return value;
  return 0;
}

double cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// The median time of: write one sector behind the last one, fdatasync.
double fdatasync_seconds(const std::string& folder) {
  const std::string path = folder + "/plain";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const std::string zeros(1u << 20, '\0'), sector(512, 'x');
  bool good =
      fd >= 0 && ::write(fd, zeros.data(), zeros.size()) == static_cast<ssize_t>(zeros.size()) && ::fsync(fd) == 0;
  std::vector<double> times;
  for (int i = 0; good && i < 1000; ++i) {
    const auto begin = Steady::now();
    good = ::pwrite(fd, sector.data(), sector.size(), i * 512) == 512 && ::fdatasync(fd) == 0;
    times.push_back(seconds(begin));
  }
  ::close(fd);
  if (!good) must(Status(retry_error(path + ": " + std::strerror(errno))));
  return median(times);
}

struct Figures {
  double records_per_s = 0, records_per_cpu_s = 0, bytes_per_commit = 0, bytes_per_payload_byte = 0, commit_s = 0;
};

class Bench {
 public:
  explicit Bench(const std::string& folder) : store_(folder + "/store"), identity_(must(SoftwareSigner::generate())) {
    std::filesystem::create_directories(store_);
    EpochKeys keys(store_);
    const auto epoch = must(SoftwareSigner::generate());
    must(keys.save(0, *epoch));
    Bytes entry;
    must(encode_entry({EntryCommon{}, Genesis{"example.com/bench", identity_->public_key(), epoch->public_key(), "b"}},
                      entry));
    Frame frame;
    put_u16(frame.entries, static_cast<std::uint16_t>(entry.size()));
    frame.entries += entry;
    frame.header.count = 1;
    CompactRange range;
    range.append(leaf_hash(entry));
    frame.header.root = range.root();
    frame.header.signature = must(epoch->sign(Checkpoint{"example.com/bench", 1, range.root()}.text()));
    must(Ring::create({store_, 256u << 20}, "example.com/bench", frame));
    ring_ = must(Ring::open({store_}));
    epochs_ = std::make_unique<EpochKeys>(store_);
    recorder_ = std::make_unique<Recorder>(Recorder::Config(), *ring_, *identity_, *epochs_, clock_, queue_);
    recorder_->set_release([this](std::uint32_t, std::uint64_t, std::uint64_t tag) {
      std::lock_guard<std::mutex> lock(mutex_);
      released_ = tag;
      released_changed_.notify_one();
    });
    // Everything is receipted at once, so that the ring releases what it must, as on a gateway with a good link.
    recorder_->set_on_segments([this] {
      for (const Segment& s : ring_->segments())
        if (s.state == SegmentState::sealed && !s.note.empty()) queue_.put_receipt({s.number, s.note});
    });
    must(recorder_->open());
    thread_ = std::thread([this] { must(recorder_->run()); });
  }
  ~Bench() {
    queue_.close();
    thread_.join();
  }

  Figures run(std::size_t per_frame, std::size_t frames) {
    const std::string payload(200, 'p');
    std::vector<double> latencies;
    const std::uint64_t bytes = bytes_to_write_calls();
    const double cpu = cpu_seconds();
    const auto begin = Steady::now();
    for (std::size_t f = 0; f < frames; ++f) {
      std::vector<SourceItem> items(per_frame);
      for (SourceItem& item : items) {
        item.connection = 1;
        item.tag = ++tag_;
        item.qos = 1;
        item.packet_id = static_cast<std::uint16_t>(tag_ % 65535 + 1);
        item.topic = "site/line/sensor";
        item.payload = payload;
        item.payload_bytes = payload.size();
      }
      const auto put = Steady::now();
      queue_.put_all(std::move(items));
      std::unique_lock<std::mutex> lock(mutex_);
      released_changed_.wait(lock, [&] { return released_ >= tag_; });
      latencies.push_back(seconds(put));
    }
    const double records = static_cast<double>(per_frame * frames);
    Figures out;
    out.records_per_s = records / seconds(begin);
    out.records_per_cpu_s = records / (cpu_seconds() - cpu);
    out.bytes_per_commit = static_cast<double>(bytes_to_write_calls() - bytes) / static_cast<double>(frames);
    out.bytes_per_payload_byte = out.bytes_per_commit / static_cast<double>(per_frame * payload.size());
    out.commit_s = median(latencies);
    return out;
  }

 private:
  std::string store_;
  std::unique_ptr<SoftwareSigner> identity_;
  SystemClock clock_;
  RecordQueue queue_{64u << 20};
  std::unique_ptr<Ring> ring_;
  std::unique_ptr<EpochKeys> epochs_;
  std::unique_ptr<Recorder> recorder_;
  std::thread thread_;
  std::uint64_t tag_ = 0;
  std::mutex mutex_;
  std::condition_variable released_changed_;
  std::uint64_t released_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  std::string folder = argc > 1 ? argv[1] : "/var/tmp/sealring-bench-" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  {
    Bench bench(folder);
    std::printf("%8s %12s %14s %14s %16s %12s %12s\n", "frame", "records/s", "records/cpu-s", "bytes/commit",
                "bytes/payload B", "commit ms", "/fdatasync");
    const std::pair<std::size_t, std::size_t> shapes[] = {{1, 4000}, {100, 2000}, {1000, 600}, {4000, 150}};
    for (const auto& [per_frame, frames] : shapes) {
      bench.run(per_frame, frames / 10);
      std::vector<Figures> runs;
      for (int i = 0; i < 3; ++i) runs.push_back(bench.run(per_frame, frames));
      std::sort(runs.begin(), runs.end(), [](auto& a, auto& b) { return a.records_per_s < b.records_per_s; });
      const Figures& f = runs[1];
      const double plain = fdatasync_seconds(folder);
      std::printf("%8zu %12.0f %14.0f %14.0f %16.2f %12.3f %12.2f\n", per_frame, f.records_per_s, f.records_per_cpu_s,
                  f.bytes_per_commit, f.bytes_per_payload_byte, f.commit_s * 1e3, f.commit_s / plain);
      std::fflush(stdout);
    }
  }
  std::filesystem::remove_all(folder);
  return 0;
}
