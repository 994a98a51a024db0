#include "collector/mirror.h"

#include <algorithm>

#include "drivers/diag.h"
#include "storage/entry.h"
#include "storage/frame.h"

namespace sealring {

static_assert(kWirePackageEntries == kBundleEntries && kPackageEntries == kBundleEntries,
              "packages, bundles and the tail of leaf hashes are aligned alike");

namespace {

constexpr int kBundleLevel = 8;  // 256 leaves

std::uint64_t bundle_start(std::uint64_t index) { return index - index % kBundleEntries; }

// `tail` holds the leaf hashes of the bundle that `index` is in, up to `index`.
void push_leaf(std::vector<Hash>& tail, std::uint64_t index, const Hash& leaf) {
  tail.push_back(leaf);
  if ((index + 1) % kBundleEntries == 0) tail.clear();
}

Hash root_of(const std::vector<Hash>& leaves) {
  CompactRange range;
  for (const Hash& leaf : leaves) range.append(leaf);
  return range.root();
}

// Bundle-encoded entries of `range`: `visit(index, entry)` for each.
template <class Visit>
Status for_each_entry(const Bytes& entries, const EntryRange& range, Visit&& visit) {
  Result<std::vector<ByteView>> split = split_entries(entries, range.end - range.start);
  if (!split.ok()) return std::move(split).error();
  for (std::size_t i = 0; i < split->size(); ++i) visit(range.start + i, (*split)[i]);
  return {};
}

template <class OnNode>
void append_bundles(CompactRange& range, const SegmentHole& hole, OnNode&& on_node) {
  for (std::uint64_t at = hole.from; at < hole.end; at += kBundleEntries)
    range.append_subtree(kBundleLevel, hole.bundle_at(at), on_node);
}

void append_entry(Bytes& out, ByteView entry) {
  put_u16(out, static_cast<std::uint16_t>(entry.size()));
  out += entry;
}

// Staged entries that cannot be read back, or are not what was written.
bool staging_damaged(const Error& error) { return error.kind == ErrorKind::reject || error.kind == ErrorKind::missing; }

std::string words(const EntryRange& range) {
  return "[" + std::to_string(range.start) + ", " + std::to_string(range.end) + ")";
}

}  // namespace

// ---------- start ----------

Status Mirror::load() {
  SEALRING_TRY(load_segments());
  SEALRING_TRY(load_pending());
  return load_parts();
}

// Reads back as far as the bundle that the archive ends in, so that uploads can go on inside it. The hashes of the
// compact range that the first file states are checked by the roots of all files after it.
Status Mirror::load_segments() {
  SEALRING_ASSIGN(segments_, archive_.segments());
  if (segments_.empty()) return {};
  bytes_ = 0;
  for (const EntryRange& range : segments_) {
    SEALRING_ASSIGN(const std::uint64_t length, archive_.segment_length(range));
    bytes_ += length;
  }
  std::uint64_t from = bundle_start(segments_.back().end);
  auto first = segments_.end() - 1;
  while (first->start > from) --first;
  for (auto it = first; it != segments_.end(); ++it) {
    SEALRING_ASSIGN(SegmentFile segment, archive_.segment(*it));
    std::string context = archive_.directory() + ": segment " + words(*it);
    Result<CompactRange> before = CompactRange::from(segment.start, segment.range);
    if (!before.ok()) return fatal_error(context + ": " + before.error().message);
    if (it != first && before->hashes() != range_.hashes())
      return fatal_error(context + " does not continue the segment before it");
    range_ = std::move(before).value();
    const auto on_entry = [&](std::uint64_t index, ByteView entry) {
      Hash leaf = leaf_hash(entry);
      range_.append(leaf);
      push_leaf(tail_, index, leaf);
    };
    const auto on_hole = [&](const SegmentHole& hole) {
      append_bundles(range_, hole, [](int, std::uint64_t, const Hash&) {});
      tail_.clear();
    };
    Status split = walk_entries(it->start, it->end, segment.entries, segment.holes, on_entry, on_hole);
    if (!split.ok()) return fatal_error(context + ": " + split.error().message);
    Result<SignedCheckpoint> end = read_checkpoint(segment.note, log_);
    if (!end.ok()) return std::move(end).error().in(context);
    if (end->checkpoint.size != it->end || end->checkpoint.root != range_.root())
      return fatal_error(context + ": the entries do not have the root that the log has signed");
    head_ = std::move(end).value();
  }
  return tiles_.load(segments_, range_);
}

Status Mirror::load_receipt() {
  SEALRING_ASSIGN(std::vector<std::uint64_t> sizes, archive_.receipts());
  if (!sizes.empty() && sizes.back() > archived())
    return fatal_error(archive_.directory() + ": there is a receipt for size " + std::to_string(sizes.back()) +
                       ", but the segments end at " + std::to_string(archived()));
  if (archived() == 0) return {};
  if (sizes.empty() || sizes.back() != archived()) {
    diag(DiagLevel::notice, log_.front().name + ": making the receipt for size " + std::to_string(archived()) +
                                ", which an earlier run did not come to");
    return make_receipt();
  }
  std::string context = archive_.directory() + ": receipt for size " + std::to_string(archived());
  SEALRING_ASSIGN(Bytes bytes, archive_.receipt(archived()));
  Result<SignedCheckpoint> checkpoint = read_checkpoint(bytes, log_);
  if (!checkpoint.ok()) return std::move(checkpoint).error().in(context);
  if (!(checkpoint->checkpoint == head_.checkpoint)) return fatal_error(context + " is not of what is archived");
  Result<NoteSignature> line = cosigner_.find_line(*Note::parse(bytes));
  if (!line.ok()) return std::move(line).error().in(context);
  receipt_size_ = archived();
  receipt_ = std::move(bytes);
  receipt_line_ = line->line();
  forget_covered();
  return {};
}

// Staged entries are only a convenience: what does not fit is removed, and the client sends it again.
Status Mirror::load_parts() {
  next_ = archived();
  staged_tail_ = tail_;
  SEALRING_ASSIGN(std::vector<EntryRange> parts, archive_.parts());
  SEALRING_ASSIGN(std::vector<EntryRange> skips, archive_.skips());
  for (auto part = parts.begin(), skip = skips.begin(); part != parts.end() || skip != skips.end();) {
    const bool is_skip = part == parts.end() || (skip != skips.end() && skip->start <= part->start);
    if (!is_skip) {
      SEALRING_TRY(load_part(*part++));
      continue;
    }
    SEALRING_ASSIGN(const bool kept, load_skip(*skip));
    if (!kept) diag(DiagLevel::notice, log_.front().name + ": removing the staged skip of " + words(*skip));
    if (!kept) archive_.remove_skip(*skip);
    ++skip;
  }
  return {};
}

Status Mirror::load_part(const EntryRange& range) {
  bool useful = range.start <= next_ && range.end > next_;
  Result<Bytes> bytes = useful ? archive_.part(range) : Result<Bytes>(Bytes());
  if (!bytes.ok() && bytes.error().kind == ErrorKind::retry) return std::move(bytes).error();
  Status split =
      !bytes.ok() ? Status(bytes.error()) : for_each_entry(*bytes, useful ? range : EntryRange{}, [](auto...) {});
  if (!useful || !split.ok()) {
    diag(DiagLevel::notice, log_.front().name + ": removing staged entries " + words(range) +
                                (split.ok() ? ": not needed" : ": " + split.error().message));
    archive_.remove_part(range);
    return {};
  }
  SEALRING_TRY(for_each_entry(*bytes, range, [&](std::uint64_t index, ByteView entry) {
    if (index >= next_) push_leaf(staged_tail_, index, leaf_hash(entry));
  }));
  parts_.push_back({range, bytes->size()});
  next_ = range.end;
  return {};
}

Status Mirror::pin_genesis(const Hash& genesis) {
  genesis_ = genesis;
  SEALRING_ASSIGN(const std::optional<Hash> first, first_leaf());
  if (!first || *first == genesis) return {};
  return fatal_error(archive_.directory() + ": the archived entry 0 has the hash " + hex(view(*first)) +
                     ", but the anchor says " + hex(view(genesis)));
}

Result<std::optional<Hash>> Mirror::first_leaf() const {
  std::optional<Hash> none;
  if (next_ == 0) return none;
  SEALRING_ASSIGN(const std::vector<Hash> first, stored_leaves(0, 1));
  return std::optional<Hash>(first.front());
}

// ---------- add-entries ----------

const Checkpoint* Mirror::target(std::uint64_t upload_end) const {
  auto it = pending_.find(upload_end);
  if (it != pending_.end()) return &it->second.checkpoint;
  return upload_end == archived() && upload_end != 0 ? &head_.checkpoint : nullptr;
}

HttpResponse Mirror::conflict(std::uint64_t upload_end) const {
  std::uint64_t size = upload_end;
  if (target(upload_end) == nullptr) size = latest() == nullptr ? 0 : latest()->checkpoint.size;
  return mirror_info(409, {size, next_, ""});
}

Result<HttpResponse> Mirror::add_entries(AddEntriesReader& upload) {
  if (receipt_size_ != archived()) SEALRING_TRY(make_receipt());  // step 4 failed earlier
  const AddEntries& header = upload.header();
  const Checkpoint* end = target(header.upload_end);
  if (end == nullptr || header.upload_start > next_) return conflict(header.upload_end);
  // Within a bundle of which nothing is here, nothing can be joined to.
  if (header.upload_start % kBundleEntries != 0) {
    SEALRING_ASSIGN(const bool skipped, is_skipped(header.upload_start));
    if (skipped) return conflict(header.upload_end);
  }

  Fresh fresh;
  fresh.end = next_;
  fresh.tail = staged_tail_;
  Result<std::optional<HttpResponse>> taken = take_packages(upload, *end, fresh);
  if (!taken.ok() && staging_damaged(taken.error())) {
    drop_staging(taken.error().message);
    return conflict(header.upload_end);
  }
  if (!taken.ok()) return std::move(taken).error();
  std::optional<HttpResponse> refusal = std::move(taken).value();
  bool nothing_usable = fresh.packages == 0 && header.upload_start != header.upload_end;
  SEALRING_TRY(stage(std::move(fresh)));  // what came before a refusal was proven, and is kept
  if (refusal) return *refusal;
  if (nothing_usable) return sentence(400, "The body has no whole package.");
  if (next_ >= header.upload_end) return finish(header.upload_end);
  return mirror_info(202, {header.upload_end, next_, ""});
}

Result<std::optional<HttpResponse>> Mirror::take_packages(AddEntriesReader& upload, const Checkpoint& end,
                                                          Fresh& fresh) {
  std::optional<HttpResponse> refusal;
  const AddEntries& header = upload.header();
  std::uint64_t aligned = bundle_start(header.upload_start);
  SEALRING_ASSIGN(std::vector<Hash> leading, stored_leaves(aligned, header.upload_start));
  while (fresh.packages < kMaxPackagesPerRequest) {
    Result<std::optional<EntryPackage>> package = upload.next();
    if (!package.ok() && fresh.packages == 0) {
      refusal = sentence(400, package.error().message + ".");
      return refusal;
    }
    if (!package.ok() || !package->has_value()) return refusal;  // a part of a package is dropped without a word
    refusal = take_package(**package, std::move(leading), end, fresh);
    if (refusal) return refusal;
    leading.clear();
  }
  return refusal;
}

// `leaves`: of the entries between the package's aligned start and its first entry.
std::optional<HttpResponse> Mirror::take_package(const EntryPackage& package, std::vector<Hash> leaves,
                                                 const Checkpoint& end, Fresh& fresh) const {
  const PackageRange& range = package.range;
  std::size_t before = leaves.size();
  for (ByteView entry : package.entries) leaves.push_back(leaf_hash(entry));
  if (range.start == 0 && genesis_ && leaves.front() != *genesis_) {
    refusals_.report(DiagLevel::warning,
                     log_.front().name + ": refused an upload whose entry 0 is not the one that was pinned");
    if (alarms_ != nullptr)
      alarms_->happened(kAlarmForked, log_.front().name, "an upload has another entry 0 than the one that was pinned");
    return sentence(422,
                    "Entry 0 has the hash " + hex(view(leaves.front())) + ", but the anchor pinned here says " +
                        hex(view(*genesis_)) + ": this is another history.",
                    "genesis");
  }
  Status proven = verify_subtree(range.aligned, range.end, end.size, package.proof, root_of(leaves), end.root);
  if (!proven.ok()) {
    refusals_.report(DiagLevel::warning, log_.front().name + ": refused entries " + words({range.start, range.end}) +
                                             ", which are not in the pending checkpoint of size " +
                                             std::to_string(end.size));
    return sentence(422,
                    "The entries " + words({range.start, range.end}) +
                        " are not proven to be in the checkpoint of size " + std::to_string(end.size) + ": " +
                        proven.error().message + ".",
                    "not-proven");
  }
  std::size_t bytes = staged_bytes() + fresh.entries.size();
  for (ByteView entry : package.entries) bytes += 2 + entry.size();
  if (bytes > kMaxSegmentBytes && range.end > fresh.end)
    return sentence(422, "More than " + std::to_string(kMaxSegmentBytes) + " bytes of entries from " +
                             std::to_string(archived()) + " on: upload to a nearer checkpoint, a segment ends there.");
  for (std::uint64_t index = std::max(range.start, fresh.end); index < range.end; ++index) {
    append_entry(fresh.entries, package.entries[index - range.start]);
    push_leaf(fresh.tail, index, leaves[before + (index - range.start)]);
    fresh.end = index + 1;
  }
  ++fresh.packages;
  return std::nullopt;
}

Status Mirror::stage(Fresh fresh) {
  if (fresh.entries.empty()) return {};
  EntryRange range{next_, fresh.end};
  SEALRING_TRY(archive_.put_part(range, fresh.entries));
  parts_.push_back({range, fresh.entries.size()});
  staged_tail_ = std::move(fresh.tail);
  next_ = fresh.end;
  return {};
}

Result<HttpResponse> Mirror::finish(std::uint64_t upload_end) {
  if (upload_end > archived()) {
    SEALRING_ASSIGN(bool archived_it, archive_segment(pending_.at(upload_end)));
    if (!archived_it) return conflict(upload_end);
    SEALRING_TRY(make_receipt());
  }
  return signature_lines(receipt_line_);
}

// Step 3. False: the staged entries turned out to be damaged and were dropped.
Result<bool> Mirror::archive_segment(const SignedCheckpoint& checkpoint) {
  EntryRange range{archived(), checkpoint.checkpoint.size};
  CompactRange after = range_;
  std::vector<Hash> tail = tail_;
  Result<Bytes> entries = staged_entries(range.end);
  if (!entries.ok() && !staging_damaged(entries.error())) return std::move(entries).error();
  SegmentFile segment{range.start, range.end, range_.hashes(), checkpoint.note.encode(), "", staged_holes(range.end)};
  SegmentIndexer indexer(range, encode_segment_header(segment).size());
  ByteView last;
  auto replay = [&](std::uint64_t index, ByteView entry) {
    last = entry;
    Hash leaf = leaf_hash(entry);
    indexer.entry(index, entry.size());
    after.append(leaf, [&](int level, std::uint64_t, const Hash& hash) { indexer.node(level, hash); });
    push_leaf(tail, index, leaf);
  };
  auto skip = [&](const SegmentHole& hole) {
    indexer.hole(hole);
    append_bundles(after, hole, [&](int level, std::uint64_t, const Hash& hash) { indexer.node(level, hash); });
    tail.clear();
  };
  Status replayed = !entries.ok() ? Status(entries.error())
                                  : walk_entries(range.start, range.end, *entries, segment.holes, replay, skip);
  if (!replayed.ok() || after.root() != checkpoint.checkpoint.root) {
    drop_staging(replayed.ok() ? "their root is not the one that was proven" : replayed.error().message);
    return false;
  }
  SEALRING_TRY(look_for_break(range, last));
  segment.entries = std::move(entries).value();
  SEALRING_TRY(archive_.put_segment(segment));
  // From here on the segment is what the archive has, with or without its receipt: no other one may begin at its start.
  head_ = checkpoint;
  range_ = std::move(after);
  tail_ = std::move(tail);
  segments_.push_back(range);
  if (const auto length = archive_.segment_length(range)) bytes_ += *length;
  tiles_.add(indexer.finish());
  return true;
}

// Said when its evidence is new, so once for each break, whatever is tried again.
Status Mirror::look_for_break(const EntryRange& range, ByteView last_entry) {
  if (!genesis_) return {};
  const Result<Entry> entry = decode_entry(last_entry);
  const auto* lost = entry ? std::get_if<KeyBreak>(&entry->body) : nullptr;
  if (lost == nullptr) return {};
  const Result<bool> fresh = archive_.put_break(range.end - 1, last_entry);
  if (!fresh && fresh.error().kind != ErrorKind::full) return retry_error(fresh.error().message);
  if (fresh && !*fresh) return {};
  diag(DiagLevel::warning, log_.front().name + ": BREAK: entry " + std::to_string(range.end - 1) +
                               " says that the key of epoch " + std::to_string(lost->epoch) + " was lost; entries " +
                               words({range.start, range.end - 1}) + " rest on the identity key alone, for ever; " +
                               (fresh ? "it is kept in " + archive_.directory() + "/evidence" : fresh.error().message));
  if (alarms_ != nullptr)
    alarms_->happened(kAlarmBreak, log_.front().name,
                      "entry " + std::to_string(range.end - 1) + " says that the key of epoch " +
                          std::to_string(lost->epoch) + " was lost");
  return {};
}

// Steps 4 and 5.
Status Mirror::make_receipt() {
  SEALRING_ASSIGN(NoteSignature line, cosigner_.sign(head_.note));
  Note note = head_.note;
  if (auto shown = witness_lines_.find(archived()); shown != witness_lines_.end())
    note.signatures.push_back(shown->second);
  else if (witnessed_ && witnessed_->first == head_.checkpoint)
    note.signatures.push_back(witnessed_->second);
  note.signatures.push_back(line);
  SEALRING_TRY(archive_.put_receipt(archived(), note.encode()));
  receipt_size_ = archived();
  receipt_ = note.encode();
  receipt_line_ = line.line();
  ++receipts_;
  forget_covered();
  return {};
}

void Mirror::forget_covered() {
  while (!pending_.empty() && pending_.begin()->first <= archived()) {
    archive_.remove_pending(pending_.begin()->first);
    pending_.erase(pending_.begin());
  }
  if (std::exchange(left_pending_, false)) archive_.remove_pending(archived());
  witness_lines_.erase(witness_lines_.begin(), witness_lines_.upper_bound(archived()));
  // A part that reaches above A stays whole; what is below A in it is passed over.
  while (!parts_.empty() && parts_.front().range.end <= archived()) {
    remove_staged(parts_.front());
    parts_.erase(parts_.begin());
  }
}

void Mirror::remove_staged(const Part& part) {
  if (part.hole)
    archive_.remove_skip(part.range);
  else
    archive_.remove_part(part.range);
}

std::size_t Mirror::staged_bytes() const {
  std::size_t bytes = 0;
  for (const Part& part : parts_) bytes += part.bytes;
  return bytes;
}

// The entries [A, end) that are here. reject: a part is damaged.
Result<Bytes> Mirror::staged_entries(std::uint64_t end) const {
  Bytes entries;
  for (const Part& part : parts_) {
    if (part.hole) continue;
    SEALRING_ASSIGN(Bytes bytes, archive_.part(part.range));
    SEALRING_TRY(for_each_entry(bytes, part.range, [&](std::uint64_t index, ByteView entry) {
      if (archived() <= index && index < end) append_entry(entries, entry);
    }));
  }
  return entries;
}

// Leaf hashes of [start, end), all of one bundle that begins at `start`, from memory or, for a client that repeats
// itself, from the files.
Result<std::vector<Hash>> Mirror::stored_leaves(std::uint64_t start, std::uint64_t end) const {
  std::vector<Hash> leaves;
  if (start == end) return leaves;
  if (start == bundle_start(next_)) {
    leaves.assign(staged_tail_.begin(), staged_tail_.begin() + static_cast<std::ptrdiff_t>(end - start));
    return leaves;
  }
  auto take = [&](std::uint64_t index, ByteView entry) {
    if (index == start + leaves.size() && index < end) leaves.push_back(leaf_hash(entry));
  };
  auto by_end = [](std::uint64_t index, const EntryRange& range) { return index < range.end; };
  for (auto it = std::upper_bound(segments_.begin(), segments_.end(), start, by_end);
       it != segments_.end() && it->start < end; ++it) {
    SEALRING_ASSIGN(SegmentFile segment, archive_.segment(*it));
    Status split = walk_entries(it->start, it->end, segment.entries, segment.holes, take, [](const SegmentHole&) {});
    if (!split.ok())
      return fatal_error(archive_.directory() + ": segment " + words(*it) + ": " + split.error().message);
  }
  for (const Part& part : parts_) {
    if (part.hole || part.range.end <= start || part.range.start >= end) continue;
    SEALRING_ASSIGN(Bytes bytes, archive_.part(part.range));
    SEALRING_TRY(for_each_entry(bytes, part.range, take));
  }
  if (leaves.size() != end - start)
    return fatal_error(archive_.directory() + ": entries " + words({start, end}) + " cannot be read back");
  return leaves;
}

void Mirror::drop_staging(const std::string& why) {
  diag(DiagLevel::error,
       log_.front().name + ": dropping the staged entries " + words({archived(), next_}) + ": " + why);
  for (const Part& part : parts_) remove_staged(part);
  parts_.clear();
  next_ = archived();
  staged_tail_ = tail_;
}

}  // namespace sealring
