#include "gateway/repair.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "drivers/file.h"

namespace sealring {
namespace {

constexpr std::size_t kMaxFileBytes = 1u << 20;  // notes and keys are far smaller

bool begins(const std::string& name, const char* with) { return name.rfind(with, 0) == 0; }

// Made anew by the salvage, or by the next start.
bool is_stores_own(const std::string& name) {
  return begins(name, "ring.lmdb") || name == "journal" || name == "lock" || name == "salvaged";
}

std::string range_words(const SalvageReport::Range& range) {
  return "[" + std::to_string(range.start) + ", " + std::to_string(range.end) + ")";
}

std::uint64_t count(const std::vector<SalvageReport::Range>& ranges) {
  std::uint64_t out = 0;
  for (const auto& range : ranges) out += range.end - range.start;
  return out;
}

nlohmann::ordered_json ranges_json(const std::vector<SalvageReport::Range>& ranges) {
  auto out = nlohmann::ordered_json::array();
  for (const auto& range : ranges) out.push_back({range.start, range.end});
  return out;
}

}  // namespace

Result<Repaired> repair_store(const std::string& store, const std::string& into) {
  Repaired out;
  SEALRING_ASSIGN(const auto names, list_directory(store));
  SEALRING_ASSIGN(out.store, salvage_store(store, into));
  for (const std::string& name : names) {
    if (is_stores_own(name)) continue;
    if (begins(name, "epoch-") && !out.store.whole) {
      out.not_files.push_back(name + ": the log does not go on in the new store");
      continue;
    }
    auto bytes = read_file(store + "/" + name, kMaxFileBytes);
    const bool secret = name.find(".key") != std::string::npos;
    const Status copied = bytes ? create_file(into + "/" + name, *bytes, secret ? 0600 : 0644) : Status(bytes.error());
    if (bytes && secret) std::fill(bytes->begin(), bytes->end(), '\0');
    if (copied.ok())
      out.files.push_back(name);
    else
      out.not_files.push_back(name + ": " + copied.error().message);
  }
  return out;
}

std::string repaired_text(const Repaired& repaired, const std::string& store, const std::string& into) {
  const SalvageReport& s = repaired.store;
  std::string out = "log        " + quoted(s.origin, 255) + ", size " + std::to_string(s.size) + "\n";
  out += "saved      " + std::to_string(s.entries) + " entries from " + std::to_string(s.first_index) +
         " on, each proven; " + std::to_string(s.segments) + " closed segments; " + std::to_string(s.frames) +
         " frames of the journal\n";
  for (const auto& range : s.missing)
    out += "NOT SAVED  entries " + range_words(range) + ": cannot be proven any more\n";
  for (const auto& range : s.dropped)
    out += "left out   entries " + range_words(range) + ": were dropped unsent, when the ring was full\n";
  for (const auto& range : s.left_behind)
    out += "left out   entries " + range_words(range) + ": a receipt covers them, the collector has them\n";
  for (const std::string& trouble : s.troubles) out += "found      " + trouble + "\n";
  for (const std::string& name : repaired.files) out += "copied     " + name + "\n";
  for (const std::string& name : repaired.not_files) out += "NOT COPIED " + name + "\n";
  out += s.whole ? "sealringd can go on from " + into + ": put it in the place of " + store + ", and keep that one\n"
                 : into +
                       " is to be read only: what is missing was signed, and a log that went on without it would be a "
                       "second history. Begin a new log (docs/operations.md, \"A store that is refused\")\n";
  return out;
}

std::string repaired_json(const Repaired& repaired) {
  const SalvageReport& s = repaired.store;
  nlohmann::ordered_json json;
  json["origin"] = s.origin;
  json["can_go_on"] = s.whole;
  json["first_index"] = s.first_index;
  json["size"] = s.size;
  json["entries"] = s.entries;
  json["segments"] = s.segments;
  json["journal_frames"] = s.frames;
  json["missing_entries"] = count(s.missing);
  json["missing"] = ranges_json(s.missing);
  json["dropped"] = ranges_json(s.dropped);
  json["left_behind"] = ranges_json(s.left_behind);
  json["found"] = s.troubles;
  json["copied"] = repaired.files;
  json["not_copied"] = repaired.not_files;
  return json.dump(2, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace sealring
