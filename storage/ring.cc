#include "storage/ring.h"

#include "storage/page_cache.h"
#include "storage/ring_check.h"
#include "storage/ring_store.h"

namespace sealring {
namespace {

Result<Hash> stored_node(const RingDb::Reader& reader, std::uint64_t bundle, int level, std::uint64_t index) {
  auto hash = reader.node(level, index);
  if (hash || hash.error().kind != ErrorKind::missing) return hash;
  return fatal_error("ring: bundle " + std::to_string(bundle) + ": a hash above it is gone, of level " +
                     std::to_string(level));
}

// Entries [first, first + count) out of bundle-encoded bytes that begin at `begin` and hold `have` entries.
Result<Bytes> slice(ByteView bytes, std::uint64_t begin, std::size_t have, std::uint64_t first, std::size_t count) {
  SEALRING_ASSIGN(const auto entries, split_entries(bytes, have));
  const std::size_t skip = static_cast<std::size_t>(first - begin);
  SEALRING_ASSERT(skip + count <= entries.size() && count > 0);
  const char* from = entries[skip].data() - 2;
  const ByteView last = entries[skip + count - 1];
  return Bytes(from, static_cast<std::size_t>(last.data() + last.size() - from));
}

}  // namespace

std::vector<Hash> leaf_hashes(const std::vector<ByteView>& entries) {
  std::vector<Hash> hashes;
  hashes.reserve(entries.size());
  for (ByteView entry : entries) hashes.push_back(leaf_hash(entry));
  return hashes;
}

Result<Bytes> RingStore::entries(std::uint64_t first, std::size_t count) const {
  std::uint64_t ring_size = 0;
  std::vector<FramePtr> pending;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (count > kBundleEntries || first + count > size_)
      return Error{ErrorKind::missing, "store: entries " + std::to_string(first) + " to " +
                                           std::to_string(first + count) + " are not in a log of size " +
                                           std::to_string(size_)};
    ring_size = ring_size_;
    // Only the frames that are asked for: the recorder waits for this lock, and the journal may hold thousands.
    const auto from = std::lower_bound(pending_.begin(), pending_.end(), first,
                                       [](const FramePtr& f, std::uint64_t i) { return f->header.end() <= i; });
    for (auto it = from; it != pending_.end() && (*it)->header.first < first + count; ++it) pending.push_back(*it);
  }
  Bytes out;
  const std::uint64_t end = first + count;
  for (std::uint64_t at = first; at < std::min(end, ring_size);) {
    const std::uint64_t bundle = at / kBundleEntries, begin = bundle * kBundleEntries;
    const std::uint64_t stop = std::min({end, ring_size, begin + kBundleEntries});
    SEALRING_ASSIGN(auto reader, db_->read());
    SEALRING_ASSIGN(const RingState state, reader.state());
    // Of what is damaged, a page may have had to stay.
    if (at < state.first_index)
      return Error{ErrorKind::missing, "store: entry " + std::to_string(at) + " was released"};
    if (state.losses) {
      SEALRING_ASSIGN(const auto lost, reader.losses());
      if (const LossRecord* loss = find_loss(lost, at)) return Error{ErrorKind::missing, "store: " + loss_words(*loss)};
    }
    SEALRING_ASSIGN(const Bytes bytes, reader.bundle(bundle));
    const std::size_t have = std::min<std::uint64_t>(kBundleEntries, state.size() - begin);
    SEALRING_ASSIGN(const Bytes part, slice(bytes, begin, have, at, static_cast<std::size_t>(stop - at)));
    out += part;
    at = stop;
  }
  for (const FramePtr& frame : pending) {
    const FrameHeader& h = frame->header;
    const std::uint64_t from = std::max({h.first, first, ring_size}), to = std::min(h.end(), end);
    if (from >= to) continue;
    SEALRING_ASSIGN(const Bytes part,
                    slice(frame->entries, h.first, h.count, from, static_cast<std::size_t>(to - from)));
    out += part;
  }
  return out;
}

// Of entries in which bits have flipped, a root would be made that nobody has signed: as a checkpoint, or in a proof,
// it would look like a second history.
Status RingStore::check_leaves(std::uint64_t bundle, const std::vector<Hash>& leaves) const {
  if (leaves.size() < kBundleEntries) return {};
  SEALRING_ASSIGN(auto reader, db_->read());
  const auto stored = reader.node(kStoredNodeLevel, bundle);
  if (!stored && stored.error().kind == ErrorKind::missing) return {};  // complete in the journal only
  if (!stored) return stored.error();
  CompactRange range;
  for (const Hash& leaf : leaves) range.append(leaf);
  if (range.root() == *stored) return {};
  return fatal_error("ring: bundle " + std::to_string(bundle) +
                     " is damaged: its entries do not have the hash that was stored");
}

Result<std::vector<Hash>> RingStore::bundle_leaves(std::uint64_t bundle) const {
  const std::uint64_t begin = bundle * kBundleEntries;
  const std::size_t count = std::min<std::uint64_t>(kBundleEntries, size() - std::min(size(), begin));
  if (count == 0) return Error{ErrorKind::missing, "store: bundle " + std::to_string(bundle) + " is not there yet"};
  {
    std::lock_guard<std::mutex> lock(leaves_mutex_);
    if (leaves_bundle_ == bundle && leaves_.size() >= count) return leaves_;
  }
  // Read and hashed without the lock: a thread of low priority must not keep others waiting for that.
  SEALRING_ASSIGN(const Bytes bytes, entries(begin, count));
  SEALRING_ASSIGN(const auto split, split_entries(bytes, count));
  std::vector<Hash> leaves = leaf_hashes(split);
  SEALRING_TRY(check_leaves(bundle, leaves));
  std::lock_guard<std::mutex> lock(leaves_mutex_);
  leaves_ = leaves;
  leaves_bundle_ = bundle;
  return leaves;
}

Result<Hash> RingStore::node(int level, std::uint64_t start) const {
  SEALRING_ASSERT(level >= 0 && level < 64 && start % (1ull << level) == 0);
  if (start + (1ull << level) > size()) return Error{ErrorKind::missing, "store: the subtree is not complete yet"};
  if (level >= kStoredNodeLevel) {
    SEALRING_ASSIGN(auto reader, db_->read());
    auto stored = reader.node(level, start >> level);
    if (stored || stored.error().kind != ErrorKind::missing) return stored;
  } else {
    SEALRING_ASSIGN(const auto leaves, bundle_leaves(start / kBundleEntries));
    CompactRange range;
    const std::size_t from = start % kBundleEntries, count = std::size_t{1} << level;
    SEALRING_ASSERT(from + count <= leaves.size());
    for (std::size_t i = from; i < from + count; ++i) range.append(leaves[i]);
    return range.root();
  }
  // Complete, but still in the journal.
  const std::uint64_t half = 1ull << (level - 1);
  SEALRING_ASSIGN(const Hash left, node(level - 1, start));
  SEALRING_ASSIGN(const Hash right, node(level - 1, start + half));
  return node_hash(left, right);
}

std::vector<Segment> RingStore::segments() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Segment> out = segments_;
  Segment open;
  open.number = contents_.epoch;
  open.start = contents_.segment_start;
  open.end = size_;
  out.push_back(open);
  return out;
}

Ring::Usage RingStore::usage() const {
  std::lock_guard<std::mutex> lock(mutex_);
  Usage usage = usage_;
  usage.map_bytes = db_->map_bytes();
  usage.reserve_bytes = reserve_bytes_;
  usage.size = size_;
  return usage;
}

const LossRecord* find_loss(const std::vector<LossRecord>& losses, std::uint64_t index) {
  const auto ends_after = [](std::uint64_t i, const LossRecord& loss) { return i < loss.end; };
  const auto it = std::upper_bound(losses.begin(), losses.end(), index, ends_after);
  return it != losses.end() && it->start <= index ? &*it : nullptr;
}

std::string loss_words(const LossRecord& loss) {
  return "entries [" + std::to_string(loss.start) + ", " + std::to_string(loss.end) + ") were dropped unsent " +
         (loss.damaged ? "since they were damaged" : "when the ring was full") + "; the loss entry is " +
         std::to_string(loss.index);
}

namespace {

// That `hash`, of the bundle, and the stored ones above it lead to the tree state. A hash that should be here and is
// not is damage, too.
Status leads_to_root(const RingDb::Reader& reader, const RingState& state, std::uint64_t bundle, Hash hash) {
  const std::string words = "ring: bundle " + std::to_string(bundle);
  std::uint64_t index = bundle;
  int level = kStoredNodeLevel;
  for (; (index | 1) + 1 <= state.size() >> level; index >>= 1, ++level) {
    SEALRING_ASSIGN(const Hash beside, stored_node(reader, bundle, level, index ^ 1));
    hash = index & 1 ? node_hash(beside, hash) : node_hash(hash, beside);
  }
  // One hash for each bit of the size, the highest first.
  const auto at = static_cast<std::size_t>(__builtin_popcountll(state.size() >> level)) - 1;
  if (hash != state.range.hashes()[at]) return fatal_error(words + ": the hashes above it do not lead to the root");
  return {};
}

Status not_recorded(const RingDb::Reader& reader, const RingState& state, std::uint64_t bundle) {
  if (!state.losses) return {};
  SEALRING_ASSIGN(const auto losses, reader.losses());
  const LossRecord* loss = find_loss(losses, bundle * kBundleEntries);
  return loss == nullptr ? Status() : Status(Error{ErrorKind::missing, "store: " + loss_words(*loss)});
}

// missing: not here, or in the journal yet. fatal: what is damaged. Of a whole bundle in the ring.
Result<std::uint64_t> check_entries(const RingDb::Reader& reader, const RingState& state, std::uint64_t bundle) {
  const std::string words = "ring: bundle " + std::to_string(bundle);
  const Result<Bytes> read = reader.bundle(bundle);
  if (!read && read.error().kind == ErrorKind::missing && bundle * kBundleEntries >= state.first_index)
    return fatal_error(words + " is damaged: its entries are gone, and no loss entry is of them");
  SEALRING_ASSIGN(const Bytes bytes, read);
  const auto entries = split_entries(bytes, kBundleEntries);
  if (!entries) return fatal_error(words + " is damaged: " + entries.error().message);
  CompactRange range;
  for (const Hash& leaf : leaf_hashes(*entries)) range.append(leaf);
  SEALRING_ASSIGN(const Hash stored, stored_node(reader, bundle, kStoredNodeLevel, bundle));
  if (range.root() == stored) return std::uint64_t{bytes.size()};
  return fatal_error(words + " is damaged: its entries do not have the hash that was stored");
}

}  // namespace

Result<std::uint64_t> RingStore::check_bundle(std::uint64_t bundle) const {
  SEALRING_ASSIGN(auto reader, db_->read());
  SEALRING_ASSIGN(const RingState state, reader.state());
  if (bundle >= state.size() / kBundleEntries) {
    SEALRING_ASSIGN(const Bytes bytes, reader.bundle(bundle));
    SEALRING_TRY(check_last_bundle(state, bytes));
    return std::uint64_t{bytes.size()};
  }
  SEALRING_TRY(not_recorded(reader, state, bundle));
  SEALRING_ASSIGN(const std::uint64_t bytes, check_entries(reader, state, bundle));
  SEALRING_ASSIGN(const Hash stored, stored_node(reader, bundle, kStoredNodeLevel, bundle));
  SEALRING_TRY(leads_to_root(reader, state, bundle, stored));
  return bytes;
}

Result<std::optional<DamagedBundle>> RingStore::damaged_bundle(std::uint64_t bundle) const {
  std::optional<DamagedBundle> out;
  SEALRING_ASSIGN(auto reader, db_->read());
  SEALRING_ASSIGN(const RingState state, reader.state());
  const std::uint64_t start = bundle * kBundleEntries;
  if (start < state.first_index || bundle >= state.size() / kBundleEntries) return out;
  if (const Status s = not_recorded(reader, state, bundle); !s.ok())
    return s.error().kind == ErrorKind::missing ? Result<std::optional<DamagedBundle>>(out) : s.error();
  const auto checked = check_entries(reader, state, bundle);
  if (!checked && checked.error().kind != ErrorKind::fatal) return checked.error();
  SEALRING_ASSIGN(const Hash stored, stored_node(reader, bundle, kStoredNodeLevel, bundle));
  SEALRING_TRY(leads_to_root(reader, state, bundle, stored));
  if (checked) return out;
  out = DamagedBundle{checked.error().message, reader.raw_bundle(bundle)};
  return out;
}

Status RingStore::reread() { return forget_page_cache(db_->path()); }

std::uint64_t receipted_size(const std::vector<Segment>& segments) {
  std::uint64_t size = 0;
  for (const Segment& segment : segments) {
    size = segment.start;
    if (segment.state != SegmentState::acknowledged) break;
    size = segment.end;
  }
  return size;
}

const char* segment_state_name(SegmentState state) {
  switch (state) {
    case SegmentState::open:
      return "open";
    case SegmentState::sealed:
      return "sealed";
    case SegmentState::acknowledged:
      return "acknowledged";
    case SegmentState::released:
      return "released";
  }
  return "unknown";
}

}  // namespace sealring
