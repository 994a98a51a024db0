// How long the first record of a query takes in a long log, with the index and without.
//
//     index_bench [MILLIONS]      default 1; entries are made when they are read, in no memory of their own
//
// The reading side of a store (LMDB, page cache) is not in it: only encoding, decoding and the index.
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "gateway/record_index.h"

namespace sealring {
namespace {

using std::chrono::steady_clock;

// 200 devices with 5 topics each, one message a millisecond; device 777 speaks once, in the middle.
class SyntheticLog final : public LogView {
 public:
  explicit SyntheticLog(std::uint64_t size) : size_(size) {}
  std::string origin() const override { return "example.com/bench"; }
  std::uint64_t first_index() const override { return 0; }
  std::uint64_t size() const override { return size_; }
  Result<Bytes> entries(std::uint64_t first, std::size_t count) const override {
    Bytes out, entry;
    for (std::uint64_t i = first; i < first + count; ++i) {
      const std::uint64_t device = i == size_ / 2 ? 777 : i * 7919 % 200;
      const std::string topic =
          "plant/line" + std::to_string(device % 8) + "/device" + std::to_string(device) + "/" + std::to_string(i % 5);
      EntryCommon common;
      common.wall_ns = static_cast<std::int64_t>(i) * 1000000;
      Message message;
      message.topic = topic;
      message.payload = "21.0";
      entry.clear();
      if (Status s = encode_message(common, message, entry); !s.ok()) return std::move(s).error();
      put_u16(out, static_cast<std::uint16_t>(entry.size()));
      out += entry;
    }
    return out;
  }
  Result<Hash> node(int, std::uint64_t) const override { return Error{ErrorKind::missing, "none"}; }
  std::vector<Segment> segments() const override { return {}; }

 private:
  const std::uint64_t size_;
};

double seconds_since(steady_clock::time_point began) {
  return std::chrono::duration<double>(steady_clock::now() - began).count();
}

void time_query(const char* name, const LogView& log, const RecordQuery& query, const RecordIndex* index) {
  const auto began = steady_clock::now();
  RecordCursor cursor(log, query, index);
  std::vector<FoundEntry> found;
  if (Status s = cursor.seek([] { return false; }); !s.ok()) std::exit(1);
  while (found.empty()) {
    const Result<bool> more = cursor.next(found);
    if (!more || !*more) break;
  }
  std::printf("%-34s %9.2f ms to the first of its records%s\n", name, 1000 * seconds_since(began),
              found.empty() ? ": NONE" : "");
}

int run(std::uint64_t size) {
  const SyntheticLog log(size);
  RecordIndex index(log);
  auto began = steady_clock::now();
  while (index.step()) {
  }
  const RecordIndex::Progress progress = index.progress();
  std::printf("index of %llu entries: %.1f s to build, %.1f MB\n", static_cast<unsigned long long>(size),
              seconds_since(began), static_cast<double>(progress.memory_bytes) / 1e6);
  RecordQuery rare, time, last;
  rare.topic = "plant/+/device777/#";
  time.since_ns = static_cast<std::int64_t>(size / 10 * 9) * 1000000;
  last.last = 20;
  last.topic = "plant/line3/device3/#";
  time_query("a topic that was once, index", log, rare, &index);
  time_query("a topic that was once, no index", log, rare, nullptr);
  time_query("a time, index", log, time, &index);
  time_query("a time, no index", log, time, nullptr);
  time_query("the last 20 of a topic, index", log, last, &index);
  return 0;
}

}  // namespace
}  // namespace sealring

int main(int argc, char** argv) {
  const std::uint64_t millions = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  return sealring::run((millions == 0 ? 1 : millions) * 1000000);
}
