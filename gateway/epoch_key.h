// The files of the epoch secrets (docs/log.md §3): one small file for each epoch and a copy of it, in the store's
// folder.
//
//     <store>/epoch-<k>.key, <store>/epoch-<k>.key.copy      mode 0600
//         "sealring/epoch-key/v1\n"
//         u64be k
//         32 bytes     seed of E(k)
//         32 bytes     SHA-256 of all before
//
// Never in LMDB, whose free pages would keep it. Written under its final name, without a temporary one that a kill
// could leave behind with the secret in it: the checksum tells a whole file from half of one, and the second copy is
// begun only when the first is durable. Overwritten with zeros before it is unlinked. Flash and copying file systems
// may keep old blocks all the same: erasing is best effort, and the documents say so.
//
// One thread.
#pragma once

#include <memory>

#include "crypto/ed25519.h"

namespace sealring {

class EpochKeys {
 public:
  explicit EpochKeys(std::string directory) : directory_(std::move(directory)) {}

  // Both copies durable when it returns ok. Files of this epoch that are there are erased first: what a seal that was
  // cut short left behind. So never call it for an epoch that the log names already.
  Status save(std::uint64_t epoch, const SoftwareSigner& key);
  // From whichever copy is whole and can be read; a damaged one is then written anew, or it is said that it cannot be.
  // missing: neither is there whole. reject: permissions. retry: neither can be read. fatal: they hold different keys.
  Result<std::unique_ptr<SoftwareSigner>> load(std::uint64_t epoch);
  // Overwrites, syncs, unlinks both, syncs the folder. Not being there is fine.
  Status erase(std::uint64_t epoch);
  // The epochs below `epoch` of which a file is still there, for a kill may come between handover and erasing. Call it
  // at start, once the log is known to have handed over to `epoch`.
  Status erase_before(std::uint64_t epoch);

  std::string path(std::uint64_t epoch) const;
  std::string copy_path(std::uint64_t epoch) const { return path(epoch) + ".copy"; }

 private:
  std::string directory_;
};

}  // namespace sealring
