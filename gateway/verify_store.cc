// A gateway's store as evidence: ring and journal, read without their writer.
#include <algorithm>

#include "gateway/verify_source.h"
#include "storage/store_reader.h"

namespace sealring {
namespace {

class StoreSource final : public EvidenceSource {
 public:
  StoreSource(std::string folder, std::unique_ptr<StoreReader> reader)
      : folder_(std::move(folder)), reader_(std::move(reader)) {
    auto rotations = recorded_rotations(folder_, reader_->state().origin);
    if (rotations)
      rotations_ = std::move(*rotations);
    else
      findings_.push_back({Verdict::tampered, "", rotations.error().message});
    for (const Segment& segment : reader_->segments()) add(segment, true);
    Segment open;
    open.number = reader_->state().segment;
    open.start = reader_->state().segment_start;
    open.end = reader_->size();
    if (open.start < open.end) add(open, false);
  }

  bool is_store() const override { return true; }
  const std::string& where() const override { return folder_; }
  const Bytes& own_anchor() const override { return own_anchor_; }
  const std::string& claimed_origin() const override { return reader_->state().origin; }
  const std::vector<SegmentRef>& segments() const override { return refs_; }
  const std::vector<NoteRef>& notes() const override { return notes_; }
  const std::vector<RecordedRotation>& rotations() const override { return rotations_; }
  std::uint64_t staged() const override { return 0; }
  Result<SegmentEvidence> segment(std::size_t i) const override;
  Result<Bytes> note(std::size_t i) const override { return receipts_[i]; }
  const std::vector<Finding>& findings() const override { return findings_; }

 private:
  void add(const Segment& segment, bool closed);

  std::string folder_;
  std::unique_ptr<StoreReader> reader_;
  Bytes own_anchor_;  // none: a store's entry 0 is its own
  std::vector<SegmentRef> refs_;
  std::vector<std::pair<Segment, bool>> segments_;  // closed?
  std::vector<NoteRef> notes_;
  std::vector<Bytes> receipts_;
  std::vector<RecordedRotation> rotations_;
  std::vector<Finding> findings_;
};

// Of a segment that is being released, what is still here.
void StoreSource::add(const Segment& segment, bool closed) {
  const std::string where = "segment " + std::to_string(segment.number);
  const std::uint64_t start = std::max(segment.start, reader_->first_index());
  if (start < segment.end) {
    refs_.push_back({where, start, segment.end});
    segments_.emplace_back(segment, closed);
  }
  if (segment.state != SegmentState::acknowledged) return;
  notes_.push_back({NoteRef::Role::receipt, where + ": receipt", segment.end});
  receipts_.push_back(segment.note);
}

Result<SegmentEvidence> StoreSource::segment(std::size_t i) const {
  const auto& [segment, closed] = segments_[i];
  SegmentEvidence out;
  out.start = refs_[i].start;
  out.end = segment.end;
  out.sealed = closed;
  out.note = segment.note;
  if (out.start <= reader_->state().size()) {
    SEALRING_ASSIGN(const CompactRange range, reader_->range_at(out.start));
    out.range = range.hashes();
  } else {
    return fatal_error("begins at " + std::to_string(out.start) + ", behind what the ring holds");
  }
  std::uint64_t at = out.start;
  const auto read_to = [&](std::uint64_t end) -> Status {
    if (at == end) return {};
    SEALRING_ASSIGN(const Bytes some, reader_->entries(at, static_cast<std::size_t>(end - at)));
    out.entries += some;
    at = end;
    return {};
  };
  for (const LossRecord& loss : reader_->losses()) {
    if (loss.end <= out.start || loss.start >= out.end) continue;
    HoleEvidence hole;
    hole.start = loss.start;
    hole.end = loss.end;
    hole.from = std::max(loss.start, out.start);
    hole.loss_index = loss.index;
    for (std::uint64_t bundle = loss.start; bundle < loss.end; bundle += kBundleEntries) {
      SEALRING_ASSIGN(const Hash hash, reader_->node(kStoredNodeLevel, bundle));
      hole.bundles.push_back(hash);
    }
    SEALRING_TRY(read_to(hole.from));
    out.holes.push_back(std::move(hole));
    at = loss.end;
  }
  SEALRING_TRY(read_to(out.end));
  const auto take = [&](const FrameHeader& frame) {
    if (out.start < frame.end() && frame.end() <= out.end) out.frames.push_back(frame);
  };
  take(reader_->state().last);
  for (const JournalRecord& record : reader_->frames()) take(record.frame.header);
  return out;
}

}  // namespace

Result<std::unique_ptr<EvidenceSource>> open_store_source(const std::string& folder) {
  SEALRING_ASSIGN(auto reader, StoreReader::open(folder));
  return std::unique_ptr<EvidenceSource>(std::make_unique<StoreSource>(folder, std::move(reader)));
}

}  // namespace sealring
