// A ring that is whole, and a journal that is not: missing, damaged, or ending before the ring (docs/log.md §4).
//
// Of what only the journal had, what still follows the ring is kept; the rest was acknowledged, and is lost. But no
// checkpoint or proof of it has ever left the process, for that has to be in the ring as well before one does. So the
// log goes on from the ring: recording, epoch signatures and acknowledgements at once. The identity key is silent until
// somebody who knows has said how far the log was: this ring may be older than it looks, since it was the journal that
// could have told.
#pragma once

#include <vector>

#include "storage/journal.h"
#include "storage/ring_db.h"

namespace sealring {

struct FreshJournal {
  std::uint64_t frames = 0, entries = 0;  // that follow the ring's end, and are in it
  std::uint64_t size = 0;                 // of the log with them
  std::uint64_t beyond = 0;               // intact records that do not follow what is before them
  std::uint64_t beyond_size = 0;          // how far the log was, as they say; 0: there are none
  bool nothing_lost = false;  // the records reach the ring's end, and all behind it follow: what is damaged was moved
};
// Writes a journal for a ring of that state, with those of `records`, ascending, that follow it.
Result<FreshJournal> write_fresh_journal(const std::string& path, const RingState& state,
                                         const std::vector<JournalRecord>& records);

// To be called with the store locked, and the ring known to be whole. Where the journal cannot serve, another takes its
// place: the old one is kept as a file beside it, `kSilentFile` and the note of the incident, behind `earlier`, are
// written first. Gives that note, for a person; empty: nothing was done. What the journal contradicts, and a file that
// is the journal of another log or version, is left to whoever opens it. retry, unknown: the file system.
Result<std::string> make_journal_usable(const std::string& directory, const RingState& state,
                                        const std::string& earlier);

// What is in the way of the journal of a store whose ring is whole, so that a start would make another one; empty:
// nothing. Only reads.
Result<std::string> examine_journal(const std::string& directory);

// In a store whose identity key is to be silent.
constexpr const char* kSilentFile = "/journal-lost";
// The identity may sign again. No error where it was not silent.
Status end_silence(const std::string& directory);

}  // namespace sealring
