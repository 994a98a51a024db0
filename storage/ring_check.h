// What a start looks at before LMDB is given a ring to write into (docs/log.md §4; FORMAT.md, "On open").
//
// A damaged map can kill whoever reads it, so all of it happens in a child process, which ends there and then: the
// pages (ring_pages.h), the state record, the segments, the last bundle, and by LMDB itself a transaction of everything
// that a move does, which is given up at its end. The child has the file open, but no lock of LMDB's, and writes
// nothing.
//
// Where the younger meta page, or what only it leads to, is damaged, the other one still leads to the commit before,
// all of it: LMDB does not reuse its pages before the commit after. The journal has what came since, by the rule of its
// halves. So when everything fits, the damaged page is set aside as a file and overwritten by the other one, and
// nothing is lost. It never happens on a guess: the journal must begin no later than that commit, and go on from it
// frame by frame, each with the root that follows from its entries.
#pragma once

#include <functional>

#include "storage/journal.h"
#include "storage/ring_db.h"

namespace sealring {

// The end of the log in the ring: what the next append builds on. `bundle`: its last one, if that is short.
Status check_last_bundle(const RingState& state, ByteView bundle);
// Every closed segment begins where the one before ends, and the open one behind the last.
Status check_segments(const RingState& state, const std::vector<Segment>& segments);
// Each within one closed segment, in whole bundles, and recorded by an entry behind it. Their entries are not looked
// for: what else is not there is found by whoever reads it.
Status check_losses(const RingState& state, const std::vector<Segment>& segments,
                    const std::vector<LossRecord>& losses);
// FORMAT.md's table "On open". fatal: with sizes and roots. Sets `direct_ahead` where the ring is ahead by the one
// large frame whose mark a kill has prevented.
Status check_against_journal(const RingState& state, const std::vector<JournalRecord>& records, bool& direct_ahead);
// What follows from the journal's frames behind the ring's end, in order: `take` gets each of them, with the tree after
// it. fatal: they do not follow.
using TakeFrame =
    std::function<void(JournalRecord& record, const CompactRange& range, const std::vector<TreeNode>& nodes)>;
Status replay_journal(const RingState& state, std::vector<JournalRecord>& records, const TakeFrame& take);

// Empty: all is well. What is damaged, where a start would go on from the commit before. Otherwise the error: why it
// would not. Changes nothing; no writer may be at work.
Result<std::string> examine_ring(const std::string& directory);
// To be called with the store locked. What was found and done about it, for a person; empty: all is well. Written to
// `directory`/incident before anything else is. Otherwise nothing was changed, and the error says what is damaged.
Result<std::string> make_ring_usable(const std::string& directory);

// For the small files beside ring and journal: whole and durable, their name after sync_store_folder(). Whatever was
// there is overwritten.
Status write_store_file(const std::string& path, ByteView bytes);
Status sync_store_folder(const std::string& directory);
// What is damaged is kept beside `path`: `path`-damaged, or with a number behind it where that is taken.
std::string kept_name(const std::string& path);

// Behind the words of what cannot be gone on from.
constexpr const char* kRepairAdvice =
    ". Keep all files as they are; `sealring repair` saves what can be saved into a new store";

// The note of an incident that no entry of the log tells of yet.
constexpr const char* kIncidentFile = "/incident";

}  // namespace sealring
