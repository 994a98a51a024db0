// What the simulator does to a store while no gateway runs: copies it, as a kill leaves it, and damages it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crypto/bytes.h"

namespace sealring::sim {

void copy_sparse(const std::string& from, const std::string& to);  // all files of a folder; what is zero stays a hole
// Makes the ring smaller than any that create() makes: with less of a map, in a file that has nothing behind that yet.
void shrink_ring(const std::string& store, std::uint64_t bytes);

// One bit of a message in the ring, flipped. `folder` is where the store is now.
class FlippedBit {
 public:
  // None: no message is in the ring's file. Pages that are free count as well.
  static std::optional<FlippedBit> flip(const std::string& folder);
  // The bytes around it are what flip() left there: the page was not used again.
  bool is_there(const std::string& folder) const;
  void flip_back(const std::string& folder) const;

 private:
  std::uint64_t at_ = 0;  // of the message
  Bytes damaged_;         // from there on
  std::size_t byte_ = 0;  // within
  char mask_ = 0;
};

// Of ring and journal.
std::vector<Hash> hashes_of_files(const std::string& folder);

// Removes the journal. What only that had, and so is lost: how many messages, by their names. `scratch`: for copies.
std::map<std::string, std::size_t> lose_journal(const std::string& folder, const std::string& scratch);

}  // namespace sealring::sim
