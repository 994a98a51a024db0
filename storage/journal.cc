#include "storage/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>

#include "crypto/ed25519.h"
#include "crypto/sha256.h"
#include "storage/disk_error.h"
#include "storage/page_cache.h"

namespace sealring {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::string_view kFileMagic = "sealring/journal/v1\n";
constexpr std::string_view kVersionPrefix = "sealring/journal/v";
constexpr std::string_view kRecordMagic = "SRJ1";
constexpr std::uint8_t kFrameType = 1, kMarkType = 2;
constexpr std::size_t kChecksumBytes = 16;
constexpr std::size_t kRecordHeaderBytes = 4 + 4 + 4 + 8 + kChecksumBytes;

std::size_t padded(std::size_t n) { return (n + kJournalSectorBytes - 1) / kJournalSectorBytes * kJournalSectorBytes; }

std::size_t half_start(int half) { return kPage + static_cast<std::size_t>(half) * kJournalHalfBytes; }

constexpr std::size_t kSaltBytes = 16, kSaltOffset = kFileMagic.size() + 4 + 32;

Bytes file_header(std::string_view origin, ByteView salt) {
  Bytes page(kFileMagic);
  put_u32(page, kJournalHalfBytes);
  page += view(sha256(origin));
  page += salt;
  page += view(sha256(page)).substr(0, kChecksumBytes);
  page.resize(kPage);
  return page;
}

Status check_file_header(ByteView file, std::string_view origin) {
  if (file.size() != Journal::kFileBytes)
    return fatal_error("journal has " + std::to_string(file.size()) + " bytes instead of " +
                       std::to_string(Journal::kFileBytes));
  if (file.substr(0, kPage) == file_header(origin, file.substr(kSaltOffset, kSaltBytes))) return {};
  if (file.substr(0, kFileMagic.size()) != kFileMagic)
    return fatal_error("journal: not a sealring journal of version 1 (offset 0)");
  if (file.substr(kFileMagic.size() + 4, 32) != view(sha256(origin)))
    return fatal_error("journal: belongs to another log than " + quoted(origin) + " (offset 24)");
  return fatal_error("journal: header page damaged (offset 0)");
}

// The record at the start of `bytes`, if an intact one is there; `used` is its padded length.
bool read_record(ByteView bytes, ByteView salt, JournalRecord& record, std::size_t& used) {
  ByteReader reader(bytes);
  if (reader.bytes(4) != kRecordMagic) return false;
  const std::uint8_t type = reader.u8();
  if (reader.bytes(3) != ByteView("\0\0\0", 3)) return false;
  const std::uint32_t length = reader.u32();
  record.sequence = reader.u64();
  ByteView checksum = reader.bytes(kChecksumBytes);
  // Longer is none of ours: a payload that looks like records on every sector should not have the whole half hashed for
  // each of them.
  if (length >= kJournalFrameBytes) return false;
  ByteView body = reader.bytes(length);
  if (!reader.ok()) return false;
  const Hash computed = sha256({salt, bytes.substr(0, kRecordHeaderBytes - kChecksumBytes), body});
  if (view(computed).substr(0, kChecksumBytes) != checksum) return false;
  used = padded(kRecordHeaderBytes + length);
  record.mark = type == kMarkType;
  if (type == kFrameType) {
    auto frame = decode_frame(body);
    if (!frame) return false;
    record.frame = std::move(frame).value();
    return true;
  }
  std::size_t entries_bytes = 0;
  auto header = decode_frame_header(body, entries_bytes);
  if (!header || !record.mark || length != kFrameHeaderBytes || entries_bytes != 0) return false;
  record.frame = {*header, {}};
  return true;
}

struct Run {
  std::vector<JournalRecord> records;
  std::size_t offset = 0;  // after the last record
};

// The records from the start of a half, as long as each follows the one before.
Run read_run(ByteView half, ByteView salt) {
  Run run;
  JournalRecord record;
  std::size_t used = 0;
  while (run.offset < half.size() && read_record(half.substr(run.offset), salt, record, used) &&
         (run.records.empty() || record.sequence == run.records.back().sequence + 1)) {
    run.records.push_back(std::move(record));
    run.offset += used;
  }
  return run;
}

// An intact record behind the end of the run that is younger than the run means that what lies between was damaged
// later: a torn write is always the last one.
Status check_nothing_newer(ByteView half, ByteView salt, const Run& run, std::uint64_t last, int number) {
  JournalRecord record;
  std::size_t used = 0;
  for (std::size_t at = run.offset; at < half.size(); at += kJournalSectorBytes)
    if (read_record(half.substr(at), salt, record, used) && record.sequence > last)
      return fatal_error("journal: record " + std::to_string(last + 1) + " at offset " +
                         std::to_string(half_start(number) + run.offset) + " is damaged, but record " +
                         std::to_string(record.sequence) + " behind it is intact");
  return {};
}

Status write_all(int fd, ByteView bytes, std::size_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return disk_error("journal: write", n == 0 ? EIO : errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::size_t>(n);
  }
  return {};
}

Result<Bytes> read_all(int fd) {
  Bytes out(Journal::kFileBytes + 1, '\0');
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return disk_error("journal: read", errno);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  out.resize(done);
  return out;
}

void encode_record(Bytes& out, ByteView salt, std::uint64_t sequence, bool mark, const FrameHeader& header,
                   ByteView entries) {
  const Bytes frame = encode_frame_header(header, entries.size());
  out.assign(kRecordMagic);
  put_u8(out, mark ? kMarkType : kFrameType);
  out.append(3, '\0');
  put_u32(out, static_cast<std::uint32_t>(frame.size() + entries.size()));
  put_u64(out, sequence);
  const Hash checksum = sha256({salt, out, frame, entries});
  out += view(checksum).substr(0, kChecksumBytes);
  out += frame;
  out += entries;
  out.resize(padded(out.size()));
}

}  // namespace

Result<JournalScan> scan_journal(ByteView file, std::string_view origin) {
  SEALRING_TRY(check_file_header(file, origin));
  const ByteView halves[2] = {file.substr(half_start(0), kJournalHalfBytes),
                              file.substr(half_start(1), kJournalHalfBytes)};
  JournalScan scan;
  scan.salt = Bytes(file.substr(kSaltOffset, kSaltBytes));
  Run runs[2] = {read_run(halves[0], scan.salt), read_run(halves[1], scan.salt)};
  if (runs[0].records.empty() && runs[1].records.empty()) return fatal_error("journal: no intact record in it");
  scan.half = runs[1].records.empty() ||
                      (!runs[0].records.empty() && runs[0].records.front().sequence > runs[1].records.front().sequence)
                  ? 0
                  : 1;
  Run& current = runs[scan.half];
  Run& earlier = runs[1 - scan.half];
  const std::uint64_t last = current.records.back().sequence;
  SEALRING_TRY(check_nothing_newer(halves[scan.half], scan.salt, current, last, scan.half));
  SEALRING_TRY(check_nothing_newer(halves[1 - scan.half], scan.salt, earlier, last, 1 - scan.half));
  scan.offset = current.offset;
  // A gap between the halves: the earlier one was damaged at its end. It may serve no more; whether it is still needed
  // is for the ring to say, which knows what has been moved.
  if (!earlier.records.empty() && earlier.records.back().sequence + 1 == current.records.front().sequence)
    scan.records = std::move(earlier.records);
  for (auto& record : current.records) scan.records.push_back(std::move(record));
  return scan;
}

Result<Bytes> read_journal(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return fatal_error(path + ": is not there");  // of a store that has a ring
  if (fd < 0) return disk_error(path + ": open", errno);
  auto file = read_all(fd);
  ::close(fd);
  return file;
}

bool is_foreign_journal(ByteView file, std::string_view origin) {
  constexpr std::size_t kHeaderBytes = kSaltOffset + kSaltBytes;
  if (file.substr(0, kVersionPrefix.size()) == kVersionPrefix && file.substr(0, kFileMagic.size()) != kFileMagic)
    return true;
  if (file.size() < kPage) return false;
  const Hash checksum = sha256(file.substr(0, kHeaderBytes));
  return view(checksum).substr(0, kChecksumBytes) == file.substr(kHeaderBytes, kChecksumBytes) &&
         file.substr(kFileMagic.size() + 4, 32) != view(sha256(origin));
}

std::vector<JournalRecord> intact_records(ByteView file) {
  std::map<std::uint64_t, JournalRecord> found;
  if (file.size() < kPage) return {};
  const ByteView salt = file.substr(kSaltOffset, kSaltBytes);
  for (std::size_t at = kPage; at < file.size(); at += kJournalSectorBytes) {
    JournalRecord record;
    std::size_t used = 0;
    if (read_record(file.substr(at), salt, record, used)) found[record.sequence] = std::move(record);
  }
  std::vector<JournalRecord> out;
  for (auto& [sequence, record] : found) out.push_back(std::move(record));
  return out;
}

Status Journal::create(const std::string& path, std::string_view origin, const FrameHeader& first,
                       std::uint64_t sequence) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return disk_error(path + ": open", errno);
  const Bytes salt = random_bytes(kSaltBytes);
  Bytes record;
  encode_record(record, salt, sequence, true, first, {});
  Status status = write_all(fd, file_header(origin, salt), 0);
  if (status.ok()) status = write_all(fd, record, kPage);
  const Bytes zeros(kFileBytes - kPage - record.size(), '\0');
  if (status.ok()) status = write_all(fd, zeros, kPage + record.size());
  if (status.ok() && ::fsync(fd) != 0) status = disk_error("journal: fsync", errno);
  ::close(fd);
  return status;
}

Result<std::unique_ptr<Journal>> Journal::open(const std::string& path, std::string_view origin) {
  if (Status s = forget_page_cache(path); !s.ok()) {
    if (s.error().kind == ErrorKind::missing) return fatal_error(s.error().message);  // of a store that has a ring
    return std::move(s).error();
  }
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return disk_error(path + ": open", errno);
  const Result<Bytes> file = read_all(fd);
  Result<JournalScan> scan = file ? scan_journal(*file, origin) : Result<JournalScan>(file.error());
  if (!scan) {
    ::close(fd);
    return std::move(scan).error().in(path);
  }
  return std::unique_ptr<Journal>(new Journal(fd, std::move(scan).value()));
}

Journal::Journal(int fd, JournalScan scan)
    : fd_(fd),
      half_(scan.half),
      offset_(scan.offset),
      sequence_(scan.records.back().sequence),
      salt_(std::move(scan.salt)),
      records_(std::move(scan.records)) {}

Journal::~Journal() { ::close(fd_); }

bool Journal::fits(std::size_t entries_bytes) const {
  return offset_ + padded(kRecordHeaderBytes + kFrameHeaderBytes + entries_bytes) <= kJournalHalfBytes;
}

void Journal::begin_record(bool mark, const FrameHeader& header, ByteView entries) {
  SEALRING_ASSERT(kFrameHeaderBytes + entries.size() < kJournalFrameBytes);
  encode_record(buffer_, salt_, sequence_ + 1, mark, header, entries);
  SEALRING_ASSERT(offset_ + buffer_.size() <= kJournalHalfBytes);
  at_ = half_start(half_) + offset_;
  offset_ += buffer_.size();
  ++sequence_;
  dirty_ = unwritten_ = true;
}

// As if it had never been: nobody was told of it, and the next record overwrites it from its first byte.
void Journal::take_back() {
  offset_ -= buffer_.size();
  --sequence_;
  dirty_ = unwritten_ = false;
}

// A mark that is not synced yet goes first: of what one sync covers only the last record may be torn.
Status Journal::append(const Frame& frame) {
  SEALRING_TRY(sync());
  begin_record(false, frame.header, frame.entries);
  Status status = sync();
  if (!status.ok()) take_back();
  return status;
}

Status Journal::mark(const FrameHeader& header) {
  SEALRING_ASSERT(!dirty_);  // the commit of the frame has synced
  begin_record(true, header, {});
  const Status status = write_all(fd_, buffer_, at_);
  unwritten_ = !status.ok();
  if (status.ok()) bytes_written_ += buffer_.size();
  return status.ok() || status.error().kind == ErrorKind::retry ? Status() : status;
}

// Where a sync fails the kernel may have given up what was written and call it clean: it is written again.
Status Journal::sync() {
  if (!dirty_) return {};
  if (unwritten_) {
    SEALRING_TRY(write_all(fd_, buffer_, at_));
    bytes_written_ += buffer_.size();
  }
  unwritten_ = true;
  int rc = 0;
  while ((rc = ::fdatasync(fd_)) != 0 && errno == EINTR) continue;
  if (rc != 0) return disk_error("journal: fdatasync", errno);
  dirty_ = unwritten_ = false;
  return {};
}

// Two commits may come without a record between them (what was pending, then a large frame). Switching twice would have
// the next record overwrite the first one of the youngest half, and torn it would look like damage before those behind.
void Journal::switch_half() {
  if (offset_ == 0) return;
  half_ = 1 - half_;
  offset_ = 0;
}

}  // namespace sealring
