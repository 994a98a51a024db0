// Which records somebody wants to see, and finding them in a log.
//
// A record is an entry with what belongs to it: a large message and its later parts are one. Records are judged one by
// one by their own wall clock, never by a search that takes times for ascending: a clock that stepped hides nothing.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "gateway/log_view.h"
#include "storage/entry.h"

namespace sealring {

class RecordIndex;

struct RecordQuery {
  std::uint64_t from = 0;                // lowest index
  std::optional<std::uint64_t> last;     // only the last so many of those that match
  std::optional<std::uint64_t> count;    // no more than so many
  std::string topic;                     // MQTT topic filter: only messages, carried ones too; empty: everything
  std::optional<std::int64_t> since_ns;  // wall clock >= since_ns
  std::optional<std::int64_t> until_ns;  // wall clock < until_ns
};

// By MQTT 5 §4.7: '+' is one level, '#' the rest and the parent; neither at the beginning matches a topic with '$'.
bool topic_matches(std::string_view filter, std::string_view topic);

// What a carried entry holds: nothing where it is a piece, or no entry.
std::optional<Entry> carried_entry(const Carried& carried);
// A log may follow one that followed another, so that an entry is carried again with what carried it. Deeper than so
// often nothing is looked for.
constexpr int kMaxCarried = 16;

// Of a message, or of one that was carried over in one piece from the log that this one follows, or from one before
// that. None: anything else.
std::optional<ByteView> topic_of(const Entry& entry);

struct FoundEntry {
  std::uint64_t index = 0;
  Bytes bytes;
  // Instead of an entry: so many from `index` on were released before they could be read, whatever they were.
  std::uint64_t skipped = 0;
  // Not released, but dropped unsent when the ring was full: the index of the entry that says so.
  std::optional<std::uint64_t> loss = std::nullopt;
};

// Goes forward through a log that may grow and be released meanwhile. One thread.
class RecordCursor {
 public:
  // `log`, and `index` where there is one, must outlive it. `index` only says what need not be read.
  RecordCursor(const LogView& log, RecordQuery query, const RecordIndex* index = nullptr);

  // With `last`: looks for where they begin. `stop` is asked often. Not called: begins at `from`.
  Status seek(const std::function<bool()>& stop);
  // Appends what it finds in the next bundle that cannot be left out. False: nothing more is there now.
  Result<bool> next(std::vector<FoundEntry>& out);
  std::uint64_t position() const { return next_; }
  bool finished() const { return finished_; }  // `count` is reached: never more

 private:
  bool wanted(ByteView bytes, std::uint64_t index, bool& is_part) const;
  std::optional<LossRecord> loss_at(const Result<Bytes>& read, std::uint64_t index) const;

  const LogView& log_;
  const RecordQuery query_;
  const RecordIndex* const index_;
  std::uint64_t next_;
  std::uint64_t found_ = 0;
  bool parts_follow_ = false;  // the last record was wanted, and so are its parts
  bool finished_ = false;
};

}  // namespace sealring
