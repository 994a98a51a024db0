// A trace as the tap wrote it: events of files, and between them what the program under test promised.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "crypto/bytes.h"
#include "tests/torture/tap.h"

namespace sealring::torture {

struct Event {
  EventHeader header;
  ByteView bytes;  // into the trace
  EventType type() const { return static_cast<EventType>(header.type); }
};

class Trace {
 public:
  // missing, reject: cannot be read, or is cut short.
  static Result<Trace> load(const std::string& path);
  ~Trace();
  Trace(Trace&& other) noexcept;
  Trace(const Trace&) = delete;
  const std::vector<Event>& events() const { return events_; }
  const std::string& path() const { return path_; }

 private:
  Trace() = default;
  std::string path_;
  void* map_ = nullptr;
  std::size_t size_ = 0;
  std::vector<Event> events_;
};

// What a mark says. Numbers are u64be.
enum class Mark : std::uint64_t {
  begin = 1,     // from here on a crash may come; before it, everything is durable
  created,       // origin: the gateway is there, and must start from now on
  attempt,       // frame header, entries: about to be appended
  durable,       // size: append() returned
  released,      // number: so many more messages were acknowledged to the broker
  checkpoint,    // size, root: signed by the identity key, or about to be
  closed,        // number, start, end: close_segment() returned
  acknowledge,   // number, end: about to be acknowledged, so it may be released
  acknowledged,  // number: acknowledge() returned
  damaged,       // the store is, and the log will say so
  breaking,      // the epoch key is lost, and the log will say so, once
  rotating,      // the configuration names the next identity key, and the one before it as previous
  following,     // the store is known to be an old copy, and a follower is to take its place
  followed,      // it has
  dropping,      // a full ring drops the oldest that is not receipted, and the log says so
};

void put_mark(Mark kind, ByteView bytes);
// From here on: the changes below `root` besides the marks. What is there is put into the trace first, as durable.
void record_files(const std::string& root, int fd);

// --- what was promised up to an event ---

struct SegmentPromise {
  std::uint64_t start = 0, end = 0;
  bool acknowledged = false;
};

// The log as the program appended it. Only grows.
struct ModelEntries {
  Bytes bytes;                                      // bundle-encoded
  std::vector<std::uint64_t> offsets;               // of entry i; one more for the end
  std::map<std::uint64_t, Hash> roots;              // size -> root, at the ends of frames
  std::map<std::uint64_t, std::uint64_t> messages;  // size -> how many are in it
  std::uint64_t size() const { return offsets.empty() ? 0 : offsets.size() - 1; }
  ByteView entries(std::uint64_t first, std::uint64_t end) const {
    return ByteView(bytes).substr(offsets[first], offsets[end] - offsets[first]);
  }
};

struct Promise {
  std::string origin;  // empty: nothing was promised yet
  std::uint64_t durable = 0, attempted = 0;
  std::uint64_t released = 0;     // messages
  std::uint64_t may_release = 0;  // end of what was acknowledged, or was about to be
  std::uint64_t epoch = 0;        // of the last frame that was begun: the keys before it are erased
  std::map<std::uint64_t, Hash> checkpoints;
  std::map<std::uint64_t, SegmentPromise> segments;  // closed ones
  bool damaged = false, breaking = false, rotating = false, following = false, followed = false, dropping = false;

  bool created() const { return !origin.empty(); }
};

// Takes marks, in order.
class Promises {
 public:
  void take(const Event& event);
  const Promise& now() const { return now_; }
  const ModelEntries& model() const { return model_; }
  bool begun() const { return begun_; }

 private:
  void take_attempt(ByteReader& reader);

  Promise now_;
  ModelEntries model_;
  bool begun_ = false;
};

}  // namespace sealring::torture
