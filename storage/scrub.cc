#include "storage/scrub.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

namespace sealring {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::hours kLap{24};
constexpr std::uint64_t kSaveEvery = 64;     // bundles, at most read again after a kill
constexpr std::uint64_t kLeastBytes = 4096;  // that a bundle counts for
constexpr const char* kScrubMagic = "sealring/scrub/v1";

}  // namespace

Scrub::Scrub(const Ring& ring, const std::string& directory, std::uint64_t bytes_per_second,
             std::function<void(const Damage&)> on_damage, std::function<void()> on_whole)
    : ring_(ring),
      path_(directory + "/scrub"),
      bytes_per_second_(bytes_per_second),
      on_damage_(std::move(on_damage)),
      on_whole_(std::move(on_whole)) {
  load();
}

Scrub::~Scrub() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Scrub::start() {
  SEALRING_ASSERT(!thread_.joinable());
  if (bytes_per_second_ > 0) thread_ = std::thread([this] { loop(); });
}

// False: it is to stop.
bool Scrub::pause(steady_clock::duration time) {
  std::unique_lock<std::mutex> lock(mutex_);
  return !changed_.wait_for(lock, time, [this] { return stopping_; });
}

void Scrub::loop() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 19);
  for (auto lap = steady_clock::now();;) {
    std::uint64_t bytes = 0;
    try {
      bytes = step();
    } catch (...) {  // no memory: another time
      bytes = kLeastBytes;
    }
    if (bytes == 0) {
      if (!pause(lap + kLap - steady_clock::now())) break;
      lap = steady_clock::now();
    } else if (!pause(std::chrono::milliseconds(std::max(bytes, kLeastBytes) * 1000 / bytes_per_second_))) {
      break;
    }
  }
  save();
}

std::uint64_t Scrub::step() {
  const Ring::Usage usage = ring_.usage();
  const std::uint64_t first = usage.first_index / kBundleEntries;
  const std::uint64_t end = (usage.size + kBundleEntries - 1) / kBundleEntries;
  const std::vector<LossRecord> losses = ring_.losses();
  std::uint64_t bundle = 0;
  bool damaged = false, damaged_still = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    damaged = !damaged_.empty();
    damaged_.erase(damaged_.begin(), damaged_.lower_bound(first));  // released
    for (auto it = damaged_.begin(); it != damaged_.end();)         // nor is what was given up here any more
      it = find_loss(losses, *it * kBundleEntries) != nullptr ? damaged_.erase(it) : std::next(it);
    damaged_still = !damaged_.empty();
    bundle = next_ = std::max(next_, first);
    if (bundle >= end) {
      next_ = 0;
      ++laps_;
    } else {
      ++next_;
    }
  }
  std::uint64_t bytes = 0;
  if (bundle >= end) {
    save();
  } else {
    bytes = read_one(bundle);
    std::lock_guard<std::mutex> lock(mutex_);
    damaged_still = !damaged_.empty();
  }
  if (damaged && !damaged_still && on_whole_) on_whole_();
  return bytes;
}

std::uint64_t Scrub::read_one(std::uint64_t bundle) {
  const auto read = ring_.check_bundle(bundle);
  bool is_new = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!read && read.error().kind == ErrorKind::fatal) is_new = damaged_.insert(bundle).second;
    if (read) damaged_.erase(bundle);  // read wrongly then, or cut off and written again
  }
  if (is_new) on_damage_({bundle, read.error().message});
  if (is_new || bundle % kSaveEvery == 0) save();
  return read ? std::max<std::uint64_t>(*read, 1) : kLeastBytes;
}

Scrub::Stats Scrub::stats() const {
  const Ring::Usage usage = ring_.usage();
  std::lock_guard<std::mutex> lock(mutex_);
  Stats out;
  out.bytes_per_second = bytes_per_second_;
  out.end = (usage.size + kBundleEntries - 1) / kBundleEntries;
  out.next = std::min(std::max(next_, usage.first_index / kBundleEntries), out.end);
  out.laps = laps_;
  out.damaged.assign(damaged_.begin(), damaged_.end());
  return out;
}

void Scrub::load() {
  std::ifstream in(path_);
  std::string line, word;
  if (!std::getline(in, line) || line != kScrubMagic) return;
  for (std::uint64_t number = 0; in >> word >> number;)
    if (word == "next")
      next_ = number;
    else if (word == "damaged")
      damaged_.insert(number);
}

// Not synced: what a power cut takes is read again.
void Scrub::save() const {
  const std::string temporary = path_ + ".tmp";
  {
    std::lock_guard<std::mutex> lock(mutex_);
    std::ofstream out(temporary, std::ios::trunc);
    out << kScrubMagic << "\nnext " << next_ << "\n";
    for (const std::uint64_t bundle : damaged_) out << "damaged " << bundle << "\n";
    if (!out.flush()) return;
  }
  std::rename(temporary.c_str(), path_.c_str());
}

}  // namespace sealring
