#include "storage/journal_anew.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "storage/disk_error.h"
#include "storage/ring_check.h"

namespace sealring {
namespace {

bool follows(const JournalRecord& record, CompactRange& range) {
  if (record.mark || record.frame.header.first != range.size()) return false;
  const auto entries = split_entries(record.frame.entries, record.frame.header.count);
  if (!entries) return false;
  CompactRange after = range;
  for (ByteView entry : *entries) after.append(leaf_hash(entry));
  if (after.root() != record.frame.header.root) return false;
  range = after;
  return true;
}

// Why the journal cannot serve a ring of that state; empty: it can, or whoever opens it has to say why not.
Result<std::string> trouble_of(const Result<Bytes>& bytes, const RingState& state) {
  if (!bytes && bytes.error().kind != ErrorKind::fatal) return bytes.error();
  if (!bytes) return bytes.error().message;
  if (is_foreign_journal(*bytes, state.origin)) return std::string();
  const auto scan = scan_journal(*bytes, state.origin);
  if (!scan) return scan.error().message;
  const std::uint64_t last = scan->records.back().sequence;
  if (last >= state.sequence || (last + 1 == state.sequence && state.direct)) return std::string();
  return "the journal ends at size " + std::to_string(scan->records.back().frame.header.end()) +
         ", before the ring: it is an older one";
}

std::string incident_words(const std::string& trouble, const std::string& kept, const RingState& state,
                           const FreshJournal& fresh) {
  std::string words =
      trouble + ". The ring is whole, and the log goes on from it at size " + std::to_string(fresh.size);
  if (fresh.frames > 0)
    words += " (" + std::to_string(fresh.size - state.size()) + " entries of it are from the journal)";
  const std::string kept_words = kept.empty() ? "" : ". The journal is kept as " + kept;
  if (fresh.nothing_lost) return words + ". What is damaged had been moved into the ring: nothing is lost" + kept_words;
  words += ". What else was in the journal only was acknowledged, and is LOST";
  if (fresh.beyond_size > fresh.size)
    words += ": " + std::to_string(fresh.beyond_size - fresh.size) + " entries at least";
  return words + kept_words +
         ". Nothing is signed with the identity key until the collector has said what it has of this log";
}

}  // namespace

Result<FreshJournal> write_fresh_journal(const std::string& path, const RingState& state,
                                         const std::vector<JournalRecord>& records) {
  SEALRING_TRY(Journal::create(path, state.origin, state.last, state.sequence));
  SEALRING_ASSIGN(auto journal, Journal::open(path, state.origin));
  FreshJournal out;
  CompactRange range = state.range;
  std::uint64_t next = state.sequence + 1;
  bool reaches = false;
  for (const JournalRecord& record : records) {
    reaches = reaches || record.sequence >= state.sequence;
    if (record.sequence < next) continue;
    if (record.sequence > next || !follows(record, range)) {
      ++out.beyond;
      out.beyond_size = std::max(out.beyond_size, record.frame.header.end());
      continue;
    }
    // Nothing is in the other half of a new one; a half of frames and the mark before them may take a little of it.
    if (!journal->fits(record.frame.entries.size())) journal->switch_half();
    SEALRING_TRY(journal->append(record.frame));
    ++out.frames;
    out.entries += record.frame.header.count;
    ++next;
  }
  out.size = range.size();
  out.nothing_lost = reaches && out.beyond == 0;
  return out;
}

Result<std::string> make_journal_usable(const std::string& directory, const RingState& state,
                                        const std::string& earlier) {
  const std::string path = directory + "/journal", fresh_path = path + ".new";
  const Result<Bytes> bytes = read_journal(path);
  SEALRING_ASSIGN(const std::string trouble, trouble_of(bytes, state));
  if (trouble.empty()) return std::string();
  const auto records = bytes ? intact_records(*bytes) : std::vector<JournalRecord>();
  for (const JournalRecord& record : records)
    if (record.sequence == state.sequence &&
        (record.frame.header.end() != state.size() || record.frame.header.root != state.range.root()))
      return std::string();
  std::string kept;
  if (bytes) {
    kept = kept_name(path);
    SEALRING_TRY(write_store_file(kept, *bytes));
  }
  SEALRING_ASSIGN(const FreshJournal fresh, write_fresh_journal(fresh_path, state, records));
  const std::string words = (earlier.empty() ? "" : earlier + ". And: ") + incident_words(trouble, kept, state, fresh);
  if (!fresh.nothing_lost) SEALRING_TRY(write_store_file(directory + kSilentFile, trouble + "\n"));
  SEALRING_TRY(write_store_file(directory + kIncidentFile, words));
  SEALRING_TRY(sync_store_folder(directory));
  if (::rename(fresh_path.c_str(), path.c_str()) != 0) return disk_error(path + ": rename", errno);
  SEALRING_TRY(sync_store_folder(directory));
  return words;
}

Result<std::string> examine_journal(const std::string& directory) {
  SEALRING_ASSIGN(const auto db, RingDb::open(directory + "/ring.lmdb", RingDb::Mode::read, 0));
  SEALRING_ASSIGN(const auto reader, db->read());
  SEALRING_ASSIGN(const RingState state, reader.state());
  return trouble_of(read_journal(directory + "/journal"), state);
}

Status end_silence(const std::string& directory) {
  const std::string path = directory + kSilentFile;
  if (::unlink(path.c_str()) != 0) return errno == ENOENT ? Status() : Status(disk_error(path + ": unlink", errno));
  return sync_store_folder(directory);
}

}  // namespace sealring
