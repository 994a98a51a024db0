#include "storage/salvage.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include "storage/disk_error.h"
#include "storage/journal_anew.h"
#include "storage/ring_check.h"
#include "storage/ring_pages.h"

namespace sealring {
namespace {

constexpr int kMaxTries = 256;  // of candidates for the chunks of one bundle
constexpr std::size_t kBatchBundles = 64;

struct Chunk {
  RingPages::Value value;
  Bytes here;  // where it lies in a leaf
};

// Everything on the pages of a ring that is a record of ours.
struct Found {
  std::optional<RingState> state;
  std::map<std::uint64_t, Segment> segments;
  std::map<std::uint64_t, LossRecord> losses;
  std::map<std::pair<int, std::uint64_t>, std::vector<Hash>> nodes;
  std::map<std::uint64_t, std::map<std::size_t, std::vector<Chunk>>> bundles;
};

bool newer(const RingState& a, const RingState& b) {
  if (a.sequence != b.sequence) return a.sequence > b.sequence;
  return a.segment != b.segment ? a.segment > b.segment : a.first_index > b.first_index;
}

// Acknowledged is more than sealed, and a later note has more lines.
bool newer(const Segment& a, const Segment& b) {
  return a.state != b.state ? a.state > b.state : a.note.size() > b.note.size();
}

void take(Found& found, const RingPages& file, ByteView key, const RingPages::Value& value) {
  const auto named = parse_ring_key(key);
  if (!named) return;
  if (named->kind == RingKey::Kind::chunk) {
    if (value.size <= kChunkBytes)
      found.bundles[named->index][named->chunk].push_back({value, Bytes(value.bytes_here)});
    return;
  }
  const auto bytes = file.read(value);
  if (!bytes) return;
  if (named->kind == RingKey::Kind::node && bytes->size() == 32) {
    auto& hashes = found.nodes[{named->level, named->index}];
    const Hash hash = to_array<32>(*bytes);
    if (std::find(hashes.begin(), hashes.end(), hash) == hashes.end()) hashes.push_back(hash);
  }
  if (named->kind == RingKey::Kind::state) {
    auto state = decode_ring_state(*bytes);
    if (state && (!found.state || newer(*state, *found.state))) found.state = std::move(*state);
  }
  if (named->kind == RingKey::Kind::loss) {
    if (const auto loss = decode_loss(*bytes, named->index)) found.losses[named->index] = *loss;
  }
  if (named->kind == RingKey::Kind::segment) {
    auto segment = decode_segment(*bytes, named->index);
    if (!segment) return;
    const auto known = found.segments.find(named->index);
    if (known == found.segments.end() || newer(*segment, known->second)) found.segments[named->index] = *segment;
  }
}

Bytes chunk_bytes(const RingPages& file, const Chunk& chunk) {
  if (chunk.value.page == 0) return chunk.here;
  // Not by read(): its first page may be damaged in its header alone.
  auto page = file.read_page(chunk.value.page);
  if (!page) return {};
  const std::size_t header = page->size() - kChunkBytes;
  return page->substr(header, static_cast<std::size_t>(chunk.value.size));
}

// What is proven, from the state downwards.
class Proven {
 public:
  Proven(const RingPages& file, const Found& found) : file_(file), found_(found), state_(*found.state) {}

  void run() {
    std::uint64_t at = 0;
    std::size_t peak = 0;
    for (int level = 63; level >= kStoredNodeLevel; --level) {
      if ((state_.size() >> level & 1) == 0) continue;
      prove(level, at >> level, state_.range.hashes()[peak++]);
      at += 1ull << level;
    }
  }

  const std::vector<TreeNode>& nodes() const { return nodes_; }
  // The bundle of that number, short if it is the last; empty: not proven.
  Bytes bundle(std::uint64_t number) const {
    const std::uint64_t begin = number * kBundleEntries;
    const std::size_t count = std::min<std::uint64_t>(kBundleEntries, state_.size() - begin);
    const auto hash = hashes_.find(number);
    if (count == kBundleEntries && hash == hashes_.end()) return {};
    return assemble(number, count, [&](const CompactRange& range) {
      if (count == kBundleEntries) return range.root() == hash->second;
      const auto& all = state_.range.hashes();
      return std::equal(range.hashes().rbegin(), range.hashes().rend(), all.rbegin());
    });
  }

 private:
  using Fits = std::function<bool(const CompactRange&)>;

  void prove(int level, std::uint64_t index, const Hash& hash) {
    if ((index + 1) << level <= state_.first_index) return;  // released: nobody asks for what is below it
    nodes_.push_back({level, index, hash});
    if (level == kStoredNodeLevel) {
      hashes_[index] = hash;
      return;
    }
    for (const bool computed : {false, true})
      for (const Hash& left : candidates(level - 1, 2 * index, computed))
        for (const Hash& right : candidates(level - 1, 2 * index + 1, computed))
          if (node_hash(left, right) == hash) {
            // Of a released half only the hash beside the path is kept.
            if ((2 * index + 1) << (level - 1) <= state_.first_index) nodes_.push_back({level - 1, 2 * index, left});
            prove(level - 1, 2 * index, left);
            prove(level - 1, 2 * index + 1, right);
            return;
          }
  }

  std::vector<Hash> candidates(int level, std::uint64_t index, bool computed) const {
    const auto stored = found_.nodes.find({level, index});
    std::vector<Hash> out = stored == found_.nodes.end() ? std::vector<Hash>() : stored->second;
    if (!computed) return out;
    if (const auto hash = from_below(level, index)) out.push_back(*hash);
    return out;
  }

  // Where a stored hash is lost: what the entries say, to be proven by the hash above it.
  std::optional<Hash> from_below(int level, std::uint64_t index) const {
    if (level == kStoredNodeLevel) {
      std::optional<Hash> hash;
      assemble(index, kBundleEntries, [&hash](const CompactRange& range) {
        hash = range.root();
        return true;
      });
      return hash;
    }
    const auto left = from_below(level - 1, 2 * index), right = from_below(level - 1, 2 * index + 1);
    return left && right ? std::optional(node_hash(*left, *right)) : std::nullopt;
  }

  Bytes assemble(std::uint64_t number, std::size_t count, const Fits& fits) const {
    const auto chunks = found_.bundles.find(number);
    Bytes out;
    int tries = 0;
    if (chunks != found_.bundles.end() && extend(chunks->second, 0, count, fits, tries, out)) return out;
    return {};
  }

  bool extend(const std::map<std::size_t, std::vector<Chunk>>& chunks, std::size_t next, std::size_t count,
              const Fits& fits, int& tries, Bytes& out) const {
    const auto candidates = chunks.find(next);
    if (candidates == chunks.end()) return false;
    const std::size_t before = out.size();
    for (const Chunk& chunk : candidates->second) {
      if (++tries > kMaxTries) return false;
      out += chunk_bytes(file_, chunk);
      if (const auto entries = split_entries(out, count)) {
        CompactRange range;
        for (ByteView entry : *entries) range.append(leaf_hash(entry));
        if (fits(range)) return true;
      }
      if (out.size() - before == kChunkBytes && extend(chunks, next + 1, count, fits, tries, out)) return true;
      out.resize(before);
    }
    return false;
  }

  const RingPages& file_;
  const Found& found_;
  const RingState& state_;
  std::vector<TreeNode> nodes_;
  std::map<std::uint64_t, Hash> hashes_;  // of whole bundles
};

void add_range(std::vector<SalvageReport::Range>& ranges, std::uint64_t start, std::uint64_t end) {
  if (!ranges.empty() && ranges.back().end == start)
    ranges.back().end = end;
  else if (start < end)
    ranges.push_back({start, end});
}

class Salvage {
 public:
  Salvage(const RingPages& file, Found found, std::string from, std::string into)
      : file_(file), found_(std::move(found)), from_(std::move(from)), into_(std::move(into)) {}

  Result<SalvageReport> run() {
    report_.origin = state().origin;
    look_at_structure();
    take_segments();
    take_losses();
    Proven proven(file_, found_);
    proven.run();
    find_gaps(proven);
    SEALRING_TRY(take_journal());
    report_.whole = report_.missing.empty() && segments_whole_ && journal_whole_;
    if (!report_.whole) SEALRING_TRY(write_text(into_ + kSalvagedFile, "what sealring repair has saved: to be read\n"));
    SEALRING_TRY(write_ring(proven));
    return std::move(report_);
  }

 private:
  RingState& state() { return *found_.state; }

  void look_at_structure() {
    for (int page = 0; page < 2; ++page)
      if (const auto meta = file_.meta(page); !meta) report_.troubles.push_back(meta.error().message);
    const auto meta = file_.newest();
    if (!meta) return;
    const Status audited = file_.audit(*meta, [](ByteView, const RingPages::Value&) {});
    if (!audited.ok()) report_.troubles.push_back(audited.error().message);
  }

  // Those that lead to the open one without a gap.
  void take_segments() {
    std::uint64_t end = state().segment_start;
    for (std::uint64_t number = state().segment; number-- > 0 && end > state().first_index;) {
      const auto segment = found_.segments.find(number);
      if (segment == found_.segments.end() || segment->second.end != end) break;
      segments_.insert(segments_.begin(), segment->second);
      end = segment->second.start;
    }
    segments_whole_ = end <= state().first_index;
    if (!segments_whole_)
      report_.troubles.push_back("the records of segments before entry " + std::to_string(end) + " are lost");
    std::vector<Segment> all = segments_;
    all.push_back({state().segment, state().segment_start, state().size(), SegmentState::open, 0, {}});
    report_.segments = segments_.size();
    report_.receipted = segments_whole_ ? receipted_size(all) : 0;
  }

  // A record of a range whose loss entry the state does not have is of a later commit, and one below the lowest entry
  // is stale.
  void take_losses() {
    const bool expected = state().losses;
    for (const auto& [start, loss] : found_.losses) {
      const auto holds_it = [&loss = loss](const Segment& s) { return s.start <= loss.start && loss.end <= s.end; };
      if (expected && loss.end > state().first_index && loss.end <= loss.index && loss.index < state().size() &&
          (losses_.empty() || losses_.back().end <= start) && std::any_of(segments_.begin(), segments_.end(), holds_it))
        losses_.push_back(loss);
    }
    if (expected && losses_.empty()) report_.troubles.push_back("the records of what was dropped unsent are lost");
  }

  bool is_dropped(std::uint64_t bundle) const { return find_loss(losses_, bundle * kBundleEntries) != nullptr; }

  // What is receipted is in the archive: a gap there is one for this store only, which begins behind it.
  void find_gaps(const Proven& proven) {
    const std::uint64_t end = (state().size() + kBundleEntries - 1) / kBundleEntries;
    std::uint64_t first = state().first_index / kBundleEntries;
    std::vector<std::uint64_t> gaps;
    for (std::uint64_t number = first; number < end; ++number)
      if (!is_dropped(number) && proven.bundle(number).empty()) gaps.push_back(number);
    while (!gaps.empty() && (gaps.front() + 1) * kBundleEntries <= report_.receipted) {
      add_range(report_.left_behind, first * kBundleEntries, (gaps.front() + 1) * kBundleEntries);
      report_.troubles.push_back("bundle " + std::to_string(gaps.front()) + " is damaged; a receipt covers it");
      first = gaps.front() + 1;
      gaps.erase(gaps.begin());
    }
    for (const std::uint64_t gap : gaps)
      add_range(report_.missing, gap * kBundleEntries, std::min((gap + 1) * kBundleEntries, state().size()));
    state().first_index = first * kBundleEntries;
    while (!segments_.empty() && segments_.front().end <= state().first_index) segments_.erase(segments_.begin());
    while (!losses_.empty() && losses_.front().end <= state().first_index) losses_.erase(losses_.begin());
    state().losses = !losses_.empty();
    report_.first_index = state().first_index;
    report_.entries = state().size() - state().first_index;
    for (const LossRecord& loss : losses_) {
      add_range(report_.dropped, std::max(loss.start, state().first_index), loss.end);
      report_.entries -= loss.end - std::max(loss.start, state().first_index);
    }
    for (const auto& range : report_.missing) report_.entries -= range.end - range.start;
  }

  // As it is, where a start would go on from it; otherwise a new one, with the frames that follow the ring's end.
  Status take_journal() {
    const std::string path = from_ + "/journal", copy = into_ + "/journal";
    const auto bytes = read_journal(path);
    if (!bytes) report_.troubles.push_back(bytes.error().message);
    std::vector<JournalRecord> records = bytes ? intact_records(*bytes) : std::vector<JournalRecord>();
    Status usable = bytes ? Status() : Status(bytes.error());
    if (usable.ok()) {
      auto scan = scan_journal(*bytes, state().origin);
      bool direct_ahead = false;
      usable = scan ? check_against_journal(state(), scan->records, direct_ahead) : Status(scan.error());
      if (usable.ok())
        usable = replay_journal(state(), scan->records,
                                [this](JournalRecord& record, const CompactRange&, const auto&) { count(record); });
      if (usable.ok()) {
        // A replay closes one segment at most.
        journal_whole_ = last_epoch_ <= state().segment + 1;
        if (!journal_whole_) report_.troubles.push_back("the records of the last closed segments are lost");
        report_.size = std::max(report_.size, state().size());
        return write_text(copy, *bytes);
      }
      report_.troubles.push_back(usable.error().message);
    }
    report_.entries -= std::exchange(counted_, 0);
    SEALRING_ASSIGN(const FreshJournal fresh, write_fresh_journal(copy, state(), records));
    report_.frames = fresh.frames;
    report_.entries += fresh.entries;
    report_.size = fresh.size;
    if (fresh.beyond > 0)
      report_.troubles.push_back(std::to_string(fresh.beyond) +
                                 " records of the journal do not follow what could be saved");
    return {};
  }

  void count(const JournalRecord& record) {
    ++report_.frames;
    counted_ += record.frame.header.count;
    report_.entries += record.frame.header.count;
    report_.size = record.frame.header.end();
    last_epoch_ = record.frame.header.epoch;
  }

  Status write_ring(const Proven& proven) {
    const auto meta = file_.newest();
    const std::uint64_t mib = 1u << 20;
    const std::uint64_t bytes =
        meta ? meta->map_bytes : std::max<std::uint64_t>(64, (file_.file_bytes() + mib - 1) / mib) * mib;
    const std::string path = into_ + "/ring.lmdb", temporary = path + ".new";
    SEALRING_ASSIGN(auto db, RingDb::open(temporary, RingDb::Mode::create, bytes));
    const std::uint64_t end = (state().size() + kBundleEntries - 1) / kBundleEntries;
    for (std::uint64_t number = state().first_index / kBundleEntries; number < end;) {
      SEALRING_ASSIGN(auto writer, db->write());
      for (std::size_t i = 0; i < kBatchBundles && number < end; ++i, ++number) {
        const Bytes bundle = is_dropped(number) ? Bytes() : proven.bundle(number);
        for (std::size_t at = 0; at < bundle.size(); at += kChunkBytes)
          SEALRING_TRY(writer.put_chunk(number, at / kChunkBytes, ByteView(bundle).substr(at, kChunkBytes)));
      }
      SEALRING_TRY(writer.commit());
    }
    SEALRING_ASSIGN(auto writer, db->write());
    for (const TreeNode& node : proven.nodes()) SEALRING_TRY(writer.put_node(node));
    for (const Segment& segment : segments_) SEALRING_TRY(writer.put_segment(segment));
    for (const LossRecord& loss : losses_) SEALRING_TRY(writer.put_loss(loss));
    SEALRING_TRY(writer.put_state(state()));
    SEALRING_TRY(writer.commit());
    SEALRING_TRY(db->pre_size());
    db.reset();
    ::unlink((temporary + "-lock").c_str());
    if (::rename(temporary.c_str(), path.c_str()) != 0) return disk_error(path, errno);
    return {};
  }

  static Status write_text(const std::string& path, ByteView bytes) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool written = fd >= 0;
    for (ByteView rest = bytes; written && !rest.empty();) {
      const ssize_t n = ::write(fd, rest.data(), rest.size());
      written = n > 0 || (n < 0 && errno == EINTR);
      if (n > 0) rest.remove_prefix(static_cast<std::size_t>(n));
    }
    written = written && ::fsync(fd) == 0;
    Error error = disk_error(path, errno);
    if (fd >= 0) ::close(fd);
    return written ? Status() : Status(std::move(error));
  }

  const RingPages& file_;
  Found found_;
  const std::string from_, into_;
  SalvageReport report_;
  std::vector<Segment> segments_;
  std::vector<LossRecord> losses_;
  bool segments_whole_ = false, journal_whole_ = false;
  std::uint64_t counted_ = 0;
  std::uint64_t last_epoch_ = 0;  // of the journal's frames behind the ring's end
};

}  // namespace

Result<SalvageReport> salvage_store(const std::string& from, const std::string& into) {
  // Of a store that somebody writes to, pages of different age would be read.
  const int lock = ::open((from + "/lock").c_str(), O_RDONLY | O_CLOEXEC);
  const bool busy = lock >= 0 && ::flock(lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  if (lock >= 0) ::close(lock);
  if (busy) return Error{ErrorKind::busy, from + ": another process has this store open: stop sealringd first"};
  return salvage_locked_store(from, into);
}

Result<SalvageReport> salvage_locked_store(const std::string& from, const std::string& into) {
  SEALRING_ASSIGN(const RingPages file, RingPages::open(from + "/ring.lmdb"));
  Found found;
  file.scan([&](ByteView key, const RingPages::Value& value) { take(found, file, key, value); });
  if (!found.state)
    return reject_error(from +
                        ": no state record can be read, so nothing in it can be proven; what was receipted is in "
                        "the archive");
  if (::mkdir(into.c_str(), 0700) != 0) return reject_error(into + ": " + std::strerror(errno));
  auto report = Salvage(file, std::move(found), from, into).run();
  if (report) return report;
  std::error_code ignored;
  std::filesystem::remove_all(into, ignored);  // made just now
  return report;
}

}  // namespace sealring
