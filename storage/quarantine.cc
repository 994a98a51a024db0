#include "storage/quarantine.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "storage/disk_error.h"
#include "storage/ring_check.h"
#include "storage/salvage.h"

namespace sealring {
namespace {

// Made in here, and gone at the end, whatever that is.
struct Scratch {
  explicit Scratch(std::string where) : path(std::move(where)) { clear(); }
  ~Scratch() { clear(); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  void clear() const {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);  // of a start that was killed
  }
  const std::string path;
};

std::string quarantine_words(const std::string& found, const SalvageReport& saved, const std::string& kept) {
  std::string words = found + ". All that was signed could be read and proven: nothing is lost, " +
                      std::to_string(saved.entries) + " entries are in a new ring";
  for (const SalvageReport::Range& range : saved.left_behind)
    words += "; [" + std::to_string(range.start) + ", " + std::to_string(range.end) +
             ") is left out, and a receipt covers it";
  return words + ". The damaged ring is kept as " + kept;
}

}  // namespace

Result<std::string> quarantine_ring(const std::string& directory, const std::string& found) {
  const std::string path = directory + "/ring.lmdb";
  const Scratch scratch(directory + "/ring.saved");
  SEALRING_ASSIGN(const SalvageReport saved, salvage_locked_store(directory, scratch.path));
  if (!saved.whole)
    return fatal_error("not all that was signed can be read in it" +
                       (saved.troubles.empty() ? std::string() : ": " + saved.troubles.back()));
  const Result<std::string> examined = examine_ring(scratch.path);
  if (!examined || !examined->empty())
    return fatal_error("what was saved of it is not whole: " + (examined ? *examined : examined.error().message));
  const std::string kept = kept_name(path);
  const std::string words = quarantine_words(found, saved, kept);
  SEALRING_TRY(write_store_file(directory + kIncidentFile, words));
  if (::link(path.c_str(), kept.c_str()) != 0) return disk_error(kept + ": link", errno);
  SEALRING_TRY(sync_store_folder(directory));
  if (::rename((scratch.path + "/ring.lmdb").c_str(), path.c_str()) != 0) return disk_error(path + ": rename", errno);
  SEALRING_TRY(sync_store_folder(directory));
  return words;
}

}  // namespace sealring
