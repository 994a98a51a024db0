// A ring that LMDB cannot be trusted with, and of which nothing that was signed is lost all the same.
//
// Everything that can be proven of it goes into a new one (salvage.h). Only when that is all the log needs to go on,
// with the journal as it is, does the new one take its place, and the damaged one is kept beside it. Otherwise it stays
// where it is, and a person has to say what is to become of the log: by itself a start never goes on from less than was
// signed.
#pragma once

#include <string>

#include "crypto/result.h"

namespace sealring {

// To be called with the store locked; `found`: why its ring cannot be used. Gives the note of the incident, which is
// written to `directory`/incident before anything else is, for a person. Otherwise nothing was changed, and the error
// says why it was not possible. Needs as much room as the ring.
Result<std::string> quarantine_ring(const std::string& directory, const std::string& found);

}  // namespace sealring
