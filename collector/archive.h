// The archive as a directory: names, and writes that are durable when they return. What the files mean, and in which
// order they are written, is in origin_log.h.
//
//     <archive>/lock                       held while a collector runs
//     <archive>/<hex sha256(origin)>/
//         log                              the anchor line: vkey, and the leaf hash of entry 0 when it is pinned
//         segments/<start>-<end>.seg       0444, never replaced
//         receipts/<size>.note             0444, never replaced
//         witness                          replaced at each cosignature
//         pending/<size>.note              removed when a receipt covers it
//         staging/<start>-<end>.part       sha256(entries) || entries; removed when a segment covers it
//         staging/<from>-<end>.skip        sha256(hole) || hole: entries that will not come; likewise
//         evidence/<size>-<16 hex>.note    checkpoints that contradict each other
//         evidence/<index>.break           the break entry of that index, byte by byte
//         evidence/<size>-<16 hex>.succession  a second succession of a closed log
//         keys/<size>.note                 0444: the first checkpoint by each identity key after the first
//         successor                        0444: the countersigned succession; from then on the log is closed
//         index/<start>-<end>.idx          made from the segment, see segment_index.h
//
// A file is written under a temporary name and renamed, so a file with a proper name is whole. What a kill leaves under
// other names is removed by prepare().
//
// Errors: missing (no such file), retry (the file system is in the way), unknown (written, and perhaps not durable),
// fatal (the archive contradicts itself).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collector/segment_index.h"

namespace sealring {

// Holds <archive>/lock. Two collectors on one archive would sign two histories.
class ArchiveLock {
 public:
  // Makes the directory. reject: another process holds the lock.
  static Result<std::unique_ptr<ArchiveLock>> acquire(const std::string& archive);
  ~ArchiveLock();
  ArchiveLock(const ArchiveLock&) = delete;
  ArchiveLock& operator=(const ArchiveLock&) = delete;

 private:
  explicit ArchiveLock(int fd) : fd_(fd) {}
  int fd_;
};

// The directory name of a log, and its name in the monitoring URLs.
std::string origin_hash(std::string_view origin);

// One log's directory. One thread at a time.
class LogArchive {
 public:
  LogArchive(const std::string& archive, std::string_view origin);
  // Makes what is missing, removes what a kill left behind.
  Status prepare();
  const std::string& directory() const { return directory_; }

  Result<Bytes> log_line() const;
  Status put_log_line(ByteView line);

  // Ascending and without gaps from 0; otherwise fatal.
  Result<std::vector<EntryRange>> segments() const;
  Result<SegmentFile> segment(const EntryRange& range) const;
  // The same bytes again are fine; other bytes under the same name are fatal.
  Status put_segment(const SegmentFile& segment);
  // Any thread. `size` bytes of the file from `offset` on, and its length; fatal: it is shorter, or gone.
  Result<Bytes> segment_bytes(const EntryRange& range, std::uint64_t offset, std::uint64_t size) const;
  Result<std::uint64_t> segment_length(const EntryRange& range) const;

  Result<Bytes> index(const EntryRange& range) const;
  Status put_index(const EntryRange& range, ByteView bytes);  // replaces

  Result<std::vector<std::uint64_t>> receipts() const;  // sizes, ascending
  Result<Bytes> receipt(std::uint64_t size) const;
  Status put_receipt(std::uint64_t size, ByteView note);

  Result<Bytes> witness() const;
  Status put_witness(ByteView note);

  Result<std::vector<std::uint64_t>> pending() const;  // sizes, ascending
  Result<Bytes> pending(std::uint64_t size) const;
  Status put_pending(std::uint64_t size, ByteView note);
  void remove_pending(std::uint64_t size);  // what stays behind is removed at the next start

  Result<std::vector<std::uint64_t>> key_notes() const;  // sizes, ascending
  Result<Bytes> key_note(std::uint64_t size) const;
  Status put_key_note(std::uint64_t size, ByteView note);

  Result<Bytes> successor() const;
  Status put_successor(ByteView note);            // once
  Result<std::int64_t> successor_time_s() const;  // when it was written, by the file's own time

  Result<std::vector<EntryRange>> parts() const;  // by start
  // Bundle-encoded entries. reject: the bytes are not those that were written.
  Result<Bytes> part(const EntryRange& range) const;
  Status put_part(const EntryRange& range, ByteView entries);
  void remove_part(const EntryRange& range);

  // The same of a skip: a hole of the segment under way (encode_hole()).
  Result<std::vector<EntryRange>> skips() const;  // by start
  Result<Bytes> skip(const EntryRange& range) const;
  Status put_skip(const EntryRange& range, ByteView hole);
  void remove_skip(const EntryRange& range);

  // Keeps a note that contradicts another one. Full (more than kMaxEvidence files): says so and keeps no more.
  Status put_evidence(std::uint64_t size, ByteView note);
  // The same for a second succession of a closed log.
  Status put_succession_evidence(std::uint64_t size, ByteView note);
  // The same for the entry that is a break. Whether it is new: it may be known from an attempt that came no further.
  Result<bool> put_break(std::uint64_t index, ByteView entry);

 private:
  std::string path(const char* folder, const std::string& name) const;
  Status clean(const char* folder, std::initializer_list<std::string_view> suffixes) const;
  Result<bool> keep(const std::string& name, ByteView bytes);
  std::string directory_;
};

std::string segment_index_name(const EntryRange& range);  // "<start>-<end>.idx"

constexpr std::size_t kMaxEvidence = 1000;  // a log that lies a thousand times has made its point
// What one segment may have: it is put together in memory, and the readers of archives read a segment as a whole.
constexpr std::size_t kMaxSegmentBytes = 60u << 20;

}  // namespace sealring
