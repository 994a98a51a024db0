// `sealring repair`: what can be saved of a damaged store, into a new folder (storage/salvage.h), and what goes with
// it.
#pragma once

#include "storage/salvage.h"

namespace sealring {

struct Repaired {
  SalvageReport store;
  std::vector<std::string> files;      // copied as they are: notes, keys
  std::vector<std::string> not_files;  // not copied, with the reason
};
// The old store is only read. Epoch keys are copied only when the log can go on from the new store: two stores that
// sign for one epoch would be two histories. Otherwise as salvage_store().
Result<Repaired> repair_store(const std::string& store, const std::string& into);

std::string repaired_text(const Repaired& repaired, const std::string& store, const std::string& into);
std::string repaired_json(const Repaired& repaired);

}  // namespace sealring
