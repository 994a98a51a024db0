#include "gateway/record_index.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

namespace sealring {
namespace {

constexpr std::chrono::seconds kKeepUp{1};  // a bundle that is not covered yet is only read
constexpr std::uint32_t kWholeTopic = UINT32_MAX;

std::uint16_t fingerprint(std::uint32_t level, std::string_view word) {
  std::uint32_t h = (2166136261u ^ level) * 16777619u;  // FNV-1a
  for (const char c : word) h = (h ^ static_cast<unsigned char>(c)) * 16777619u;
  return static_cast<std::uint16_t>(h >> 16 ^ h);
}

// take(level, word) for each level.
template <class Take>
void each_level(std::string_view topic, Take&& take) {
  for (std::uint32_t level = 0;; ++level) {
    const std::size_t slash = topic.find('/');
    take(level, topic.substr(0, slash));
    if (slash == std::string_view::npos) return;
    topic.remove_prefix(slash + 1);
  }
}

}  // namespace

RecordIndex::RecordIndex(const LogView& log) : log_(log), low_(log.size() / kBundleEntries) {}

RecordIndex::~RecordIndex() {
  if (!thread_.joinable()) return;
  stop_.wake();
  thread_.join();
}

void RecordIndex::start() {
  SEALRING_ASSERT(!thread_.joinable() && stop_.ok());
  thread_ = std::thread([this] { loop(); });
}

void RecordIndex::loop() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 19);
  for (bool more = true;;) {
    if (more ? stop_.woken() : wait_for(-1, 0, deadline_in(kKeepUp), &stop_) == Wait::woken) return;
    try {
      more = step();
    } catch (...) {  // no memory: it is only an index, and what it lacks is read
      more = false;
    }
  }
}

RecordIndex::Bundle RecordIndex::read(std::uint64_t number) const {
  Bundle bundle;
  bundle.any = true;
  const Result<Bytes> bytes = log_.entries(number * kBundleEntries, kBundleEntries);
  if (!bytes) return bundle;
  const auto split = split_entries(*bytes, kBundleEntries);
  if (!split) return bundle;
  std::vector<std::uint16_t> found;
  for (const ByteView view : *split) {
    const Result<Entry> entry = decode_entry(view);
    if (!entry) return bundle;
    bundle.min_ns = std::min(bundle.min_ns, entry->common.wall_ns);
    bundle.max_ns = std::max(bundle.max_ns, entry->common.wall_ns);
    const auto topic = topic_of(*entry);
    if (!topic) continue;
    found.push_back(fingerprint(kWholeTopic, *topic));
    each_level(*topic, [&](std::uint32_t level, std::string_view word) { found.push_back(fingerprint(level, word)); });
    if (found.size() < 8 * kMaxFingerprints) continue;  // a topic may have thousands of levels
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    if (found.size() >= kMaxFingerprints) return bundle;
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  bundle.any = found.size() >= kMaxFingerprints;
  if (!bundle.any) bundle.fingerprints.assign(found.begin(), found.end());  // of exactly that capacity
  return bundle;
}

bool RecordIndex::step() {
  const std::uint64_t first = (log_.first_index() + kBundleEntries - 1) / kBundleEntries;
  const std::uint64_t end = log_.size() / kBundleEntries;
  {
    std::unique_lock<std::shared_mutex> lock(mutex_);
    for (; !bundles_.empty() && low_ < first; ++low_) {
      fingerprint_count_ -= bundles_.front().fingerprints.size();
      bundles_.pop_front();
    }
    if (bundles_.empty()) low_ = std::max(low_, first);
  }
  const std::uint64_t high = low_ + bundles_.size();  // only this thread changes them
  const bool newer = high < end;
  if (!newer && low_ <= first) return false;
  const std::uint64_t number = newer ? high : low_ - 1;
  Bundle bundle = read(number);
  std::unique_lock<std::shared_mutex> lock(mutex_);
  const std::size_t fingerprints = bundle.fingerprints.size();
  if (newer) {
    bundles_.push_back(std::move(bundle));
  } else {
    bundles_.push_front(std::move(bundle));
    --low_;
  }
  fingerprint_count_ += fingerprints;  // only now: to make room for it may have failed
  return true;
}

bool RecordIndex::may_match(std::uint64_t number, const RecordQuery& query) const {
  std::shared_lock<std::shared_mutex> lock(mutex_);
  if (number < low_ || number - low_ >= bundles_.size()) return true;
  const Bundle& bundle = bundles_[static_cast<std::size_t>(number - low_)];
  if (bundle.any) return true;
  if (query.since_ns && bundle.max_ns < *query.since_ns) return false;
  if (query.until_ns && bundle.min_ns >= *query.until_ns) return false;
  if (query.topic.empty()) return true;
  bool possible = true, literal = true;
  const auto need = [&](std::uint16_t print) {
    possible = possible && std::binary_search(bundle.fingerprints.begin(), bundle.fingerprints.end(), print);
  };
  each_level(query.topic, [&](std::uint32_t level, std::string_view word) {
    const bool wildcard = word == "+" || word == "#";
    literal = literal && !wildcard;
    if (!wildcard) need(fingerprint(level, word));
  });
  if (literal) need(fingerprint(kWholeTopic, query.topic));
  return possible && !bundle.fingerprints.empty();  // none: not a single message
}

RecordIndex::Progress RecordIndex::progress() const {
  Progress out;
  const std::uint64_t first = (log_.first_index() + kBundleEntries - 1) / kBundleEntries;
  const std::uint64_t end = log_.size() / kBundleEntries;
  std::shared_lock<std::shared_mutex> lock(mutex_);
  out.bundles = bundles_.size();
  out.of = std::max(end, first) - first;
  out.memory_bytes = bundles_.size() * (sizeof(Bundle) + 16) + 2 * fingerprint_count_;
  return out;
}

}  // namespace sealring
