// The journal: where small frames become durable, one write and one sync each. FORMAT.md "Journal" has the bytes.
//
// One pre-sized file: a header page and two halves. Records are appended to the current half, each from a sector
// boundary, so that a torn write never touches an earlier, acknowledged frame. The caller moves a half's frames
// elsewhere, then calls switch_half(): the other half is overwritten, which by then must have been moved for one commit
// longer.
//
// Rejected: a ring without halves (what may be overwritten would have to be stored, at one more sync); preallocation
// without writing (the first write of each block then changes file-system metadata and costs a second flush).
//
// Not thread safe; one owner.
#pragma once

#include <memory>
#include <vector>

#include "storage/frame.h"

namespace sealring {

struct JournalRecord {
  std::uint64_t sequence = 0;
  bool mark = false;  // only the header of a frame that went to the ring directly
  Frame frame;
};

// What is in the bytes of a journal file. Pure; any thread.
struct JournalScan {
  Bytes salt;                          // of the file: without it nobody can make a payload look like a record
  std::vector<JournalRecord> records;  // sequences ascending without a gap
  int half = 0;                        // of the last record
  std::size_t offset = 0;              // in that half, after the last record
};
// fatal: not a journal, of another version or another log; no record; or a damaged record before an intact later one
// (a torn write can only be the last). Says where.
Result<JournalScan> scan_journal(ByteView file, std::string_view origin);

// The bytes of a journal file, as the page cache has them. fatal: not there. retry, unknown: the file system.
Result<Bytes> read_journal(const std::string& path);

// Whether a file says, intact, that it is the journal of another log, or of another version.
bool is_foreign_journal(ByteView file, std::string_view origin);

// Every record that is intact, by sequence, whatever lies between: for what can be saved of a damaged one.
std::vector<JournalRecord> intact_records(ByteView file);

class Journal {
 public:
  static constexpr std::size_t kFileBytes = 4096 + 2 * kJournalHalfBytes;

  // Writes the file out (zeros, header, first record: a mark of `first`) and syncs it. Overwrites what is there.
  // `sequence`: of that record.
  static Status create(const std::string& path, std::string_view origin, const FrameHeader& first,
                       std::uint64_t sequence = 1);
  // As scan_journal(), of what the disk has: the page cache is forgotten first. fatal: not there, too. retry, unknown:
  // the file system.
  static Result<std::unique_ptr<Journal>> open(const std::string& path, std::string_view origin);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // What open() found; the caller takes it.
  std::vector<JournalRecord> take_records() { return std::move(records_); }
  std::uint64_t last_sequence() const { return sequence_; }

  bool fits(std::size_t entries_bytes) const;  // in what is left of the current half
  // Errors of the writing functions: retry (disk full, read-only: nothing is claimed, call again), unknown (I/O error).
  // Durable when it returns ok. After retry the next append() takes the same place; a restart may find either.
  Status append(const Frame& frame);
  // Written, not yet durable: sync() before the ring's next commit (docs/log.md §4). Where the disk is full the mark is
  // owed, and that sync() writes it.
  Status mark(const FrameHeader& header);
  Status sync();       // what mark() wrote, or owes; no cost when there is nothing
  void switch_half();  // nothing is done where the current half has got no record since the last switch
  std::uint64_t bytes_written() const { return bytes_written_; }

 private:
  Journal(int fd, JournalScan scan);
  void begin_record(bool mark, const FrameHeader& header, ByteView entries);
  void take_back();

  int fd_;
  int half_;
  std::size_t offset_;
  std::uint64_t sequence_;
  Bytes salt_;
  Bytes buffer_;            // the last record, as long as it is not durable
  std::size_t at_ = 0;      // where in the file
  bool dirty_ = false;      // that record is written, or owed, and not durable
  bool unwritten_ = false;  // it is not written, or a sync of it failed, which loses what was written
  std::uint64_t bytes_written_ = 0;
  std::vector<JournalRecord> records_;
};

}  // namespace sealring
