// The recorder's start: what the log's end says.
#include "gateway/recorder.h"
#include "gateway/tail_scan.h"

namespace sealring {

// The messages that each broker may send again, the count of starts, the size of the open segment.
Status Recorder::rebuild_tail() {
  const std::uint64_t size = range_.size(), first = ring_.usage().first_index;
  const std::uint64_t segment_start = ring_.contents().segment_start;
  std::vector<std::string> names;
  for (const Source& source : sources_) names.push_back(source.name);
  TailScan scan(names, Redelivery::kMaxTail);
  bool enough = false;
  std::uint64_t looked_from = size;
  for (std::uint64_t end = size; end > first;) {
    const std::uint64_t begin = std::max(first, (end - 1) / kBundleEntries * kBundleEntries);
    SEALRING_ASSIGN(const Bytes bytes, ring_.entries(begin, static_cast<std::size_t>(end - begin)));
    SEALRING_ASSIGN(const auto entries, split_entries(bytes, static_cast<std::size_t>(end - begin)));
    for (std::uint64_t index = end; index-- > begin;) {
      const ByteView raw = entries[static_cast<std::size_t>(index - begin)];
      if (index >= segment_start) segment_bytes_ += 2 + raw.size();
      if (enough) continue;
      SEALRING_ASSIGN(const Entry entry, decode_entry(raw));
      if (index + 1 == size) boot_ = entry.common.boot + 1;
      scan.take(index, entry);
      enough = scan.complete();
    }
    end = begin;
    looked_from = enough ? looked_from : begin;
    enough = enough || size - begin >= config_.max_tail_scan;
    if (enough && begin <= segment_start) break;
  }
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    for (const TailScan::Found& found : scan.tail(i))
      sources_[i].redelivery.recorded(found.packet_id, found.index, found.flagged);
    if (scan.doubtful()) sources_[i].redelivery.doubt();
    if (!scan.complete(i) && looked_from > 0) sources_[i].redelivery.older_unknown();
    sources_[i].dropped = scan.dropped(i);
  }
  return {};
}

}  // namespace sealring
