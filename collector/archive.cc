#include "collector/archive.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "crypto/note.h"
#include "crypto/sha256.h"
#include "drivers/diag.h"
#include "drivers/file.h"

namespace sealring {

namespace {

constexpr std::size_t kIndexDigits = 20;
constexpr std::size_t kMaxSegmentFileBytes = kMaxSegmentBytes + (1u << 20);  // with header and note
constexpr char kSegments[] = "segments", kReceipts[] = "receipts", kPending[] = "pending", kStaging[] = "staging",
               kEvidence[] = "evidence", kIndex[] = "index", kKeys[] = "keys";
constexpr char kSegmentSuffix[] = ".seg", kNoteSuffix[] = ".note", kPartSuffix[] = ".part", kIndexSuffix[] = ".idx",
               kSkipSuffix[] = ".skip", kBreakSuffix[] = ".break", kSuccessionSuffix[] = ".succession";

std::string padded(std::uint64_t index) {
  std::string digits = std::to_string(index);
  return std::string(kIndexDigits - digits.size(), '0') + digits;
}

std::optional<std::uint64_t> from_padded(std::string_view text) {
  if (text.size() != kIndexDigits) return std::nullopt;
  text.remove_prefix(std::min(text.find_first_not_of('0'), text.size() - 1));
  Result<std::uint64_t> number = from_decimal(text);
  if (!number.ok()) return std::nullopt;
  return *number;
}

bool has_suffix(std::string_view name, std::string_view suffix) {
  return name.size() > suffix.size() && name.substr(name.size() - suffix.size()) == suffix;
}

// "<start>-<end><suffix>"; nullopt for any other name.
std::optional<EntryRange> parse_range(std::string_view name, std::string_view suffix) {
  if (!has_suffix(name, suffix)) return std::nullopt;
  name.remove_suffix(suffix.size());
  if (name.size() != 2 * kIndexDigits + 1 || name[kIndexDigits] != '-') return std::nullopt;
  auto start = from_padded(name.substr(0, kIndexDigits)), end = from_padded(name.substr(kIndexDigits + 1));
  if (!start || !end || *start >= *end) return std::nullopt;
  return EntryRange{*start, *end};
}

std::optional<std::uint64_t> parse_size_name(std::string_view name) {
  if (!has_suffix(name, kNoteSuffix)) return std::nullopt;
  return from_padded(name.substr(0, name.size() - (sizeof kNoteSuffix - 1)));
}

// For reading a part of a segment.
struct OpenFile {
  int fd = -1;
  static Result<OpenFile> open(const std::string& path) {
    OpenFile file;
    file.fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file.fd >= 0) return file;
    std::string words = "cannot open " + path + ": " + std::strerror(errno);
    return errno == ENOENT ? fatal_error(words) : retry_error(words);
  }
  OpenFile() = default;
  OpenFile(OpenFile&& other) noexcept : fd(std::exchange(other.fd, -1)) {}
  OpenFile& operator=(OpenFile&&) = delete;
  ~OpenFile() {
    if (fd >= 0) ::close(fd);
  }
};

std::string staged_name(const EntryRange& range, const char* suffix) {
  return padded(range.start) + "-" + padded(range.end) + suffix;
}

// What is staged has its hash before it. reject: it is not what was written.
Result<Bytes> read_staged(const std::string& file) {
  SEALRING_ASSIGN(Bytes bytes, read_file(file, kMaxSegmentFileBytes));
  ByteReader reader(bytes);
  Hash written = reader.array<32>();
  if (!reader.ok() || written != sha256(reader.rest())) return reject_error(file + " is damaged");
  bytes.erase(0, written.size());
  return bytes;
}

// Creates a file that is never to change. That it is there already, with the same bytes, is what a repeated attempt
// finds after an error between rename and the sync of the directory.
Status create_once(const std::string& folder, const std::string& path, ByteView bytes) {
  Status created = create_file(path, bytes, 0444);
  if (created.ok() || created.error().kind != ErrorKind::reject) return created;
  Result<Bytes> present = read_file(path, bytes.size() + 1);
  if (!present.ok() || *present != bytes) return fatal_error(path + " exists with other contents");
  return sync_directory(folder);
}

Result<std::vector<std::uint64_t>> list_sizes(const std::string& folder) {
  Result<std::vector<std::string>> names = list_directory(folder);
  if (!names.ok()) return std::move(names).error();
  std::vector<std::uint64_t> sizes;
  for (const std::string& name : *names)
    if (auto size = parse_size_name(name)) sizes.push_back(*size);
  return sizes;
}

Result<std::vector<EntryRange>> list_ranges(const std::string& folder, const char* suffix) {
  Result<std::vector<std::string>> names = list_directory(folder);
  if (!names.ok()) return std::move(names).error();
  std::vector<EntryRange> ranges;
  for (const std::string& name : *names)
    if (auto range = parse_range(name, suffix)) ranges.push_back(*range);
  return ranges;
}

void remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    diag(DiagLevel::warning, "cannot remove " + path + ": " + std::strerror(errno));
}

// The temporary names of drivers/file.cc.
bool is_temporary(std::string_view name) { return name.front() == '.' && has_suffix(name, ".tmp"); }

void remove_leftover(const std::string& path) {
  diag(DiagLevel::notice, "removing " + path + ", left by a run that was cut off");
  remove_file(path);
}

}  // namespace

Result<std::unique_ptr<ArchiveLock>> ArchiveLock::acquire(const std::string& archive) {
  SEALRING_TRY(make_directories(archive));
  std::string path = archive + "/lock";
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return retry_error("cannot write to the archive: " + path + ": " + std::strerror(errno));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    int error = errno;
    ::close(fd);
    if (error == EWOULDBLOCK)
      return reject_error("another collector has the archive " + archive +
                          ": stop it first, two would sign two histories");
    return retry_error(path + ": " + std::strerror(error));
  }
  return std::unique_ptr<ArchiveLock>(new ArchiveLock(fd));
}

ArchiveLock::~ArchiveLock() { ::close(fd_); }

std::string segment_index_name(const EntryRange& range) {
  return padded(range.start) + "-" + padded(range.end) + kIndexSuffix;
}

std::string origin_hash(std::string_view origin) { return hex(view(sha256(origin))); }

LogArchive::LogArchive(const std::string& archive, std::string_view origin)
    : directory_(archive + "/" + origin_hash(origin)) {}

std::string LogArchive::path(const char* folder, const std::string& name) const {
  return directory_ + "/" + folder + (name.empty() ? "" : "/" + name);
}

Status LogArchive::prepare() {
  for (const char* folder : {kSegments, kReceipts, kPending, kStaging, kEvidence, kIndex, kKeys})
    SEALRING_TRY(make_directories(path(folder, "")));
  SEALRING_TRY(clean(kSegments, {kSegmentSuffix}));
  SEALRING_TRY(clean(kReceipts, {kNoteSuffix}));
  SEALRING_TRY(clean(kPending, {kNoteSuffix}));
  SEALRING_TRY(clean(kStaging, {kPartSuffix, kSkipSuffix}));
  SEALRING_TRY(clean(kEvidence, {kNoteSuffix, kBreakSuffix, kSuccessionSuffix}));
  SEALRING_TRY(clean(kIndex, {kIndexSuffix}));
  SEALRING_TRY(clean(kKeys, {kNoteSuffix}));
  Result<std::vector<std::string>> names = list_directory(directory_);
  if (!names.ok()) return std::move(names).error();
  for (const std::string& name : *names)
    if (is_temporary(name)) remove_leftover(directory_ + "/" + name);
  // What an earlier run renamed may not be on disk yet: it may have died, or failed, before the folder was synced. From
  // here on it is taken for durable, and receipts are signed on it.
  for (const char* folder : {kSegments, kReceipts, kPending, kStaging, kEvidence, kIndex, kKeys})
    SEALRING_TRY(sync_directory(path(folder, "")));
  return sync_directory(directory_);
}

// A foreign file that is not one of our temporary names was put there by someone: it stays, but not unsaid.
Status LogArchive::clean(const char* folder, std::initializer_list<std::string_view> suffixes) const {
  Result<std::vector<std::string>> names = list_directory(path(folder, ""));
  if (!names.ok()) return std::move(names).error();
  for (const std::string& name : *names) {
    const auto fits = [&](std::string_view suffix) { return has_suffix(name, suffix); };
    if (is_temporary(name)) {
      remove_leftover(path(folder, name));
    } else if (std::none_of(suffixes.begin(), suffixes.end(), fits)) {
      diag(DiagLevel::warning, "ignoring " + path(folder, name) + ": not a name of this archive");
    }
  }
  return {};
}

Result<Bytes> LogArchive::log_line() const { return read_file(directory_ + "/log"); }
Status LogArchive::put_log_line(ByteView line) { return replace_file(directory_ + "/log", line); }

Result<std::vector<EntryRange>> LogArchive::segments() const {
  SEALRING_ASSIGN(std::vector<EntryRange> ranges, list_ranges(path(kSegments, ""), kSegmentSuffix));
  std::uint64_t end = 0;
  for (const EntryRange& range : ranges) {
    if (range.start != end)
      return fatal_error(path(kSegments, "") + ": " + segment_file_name(range.start, range.end) +
                         " does not begin at " + std::to_string(end) + ", where the segments before it end");
    end = range.end;
  }
  return ranges;
}

Result<SegmentFile> LogArchive::segment(const EntryRange& range) const {
  std::string file = path(kSegments, segment_file_name(range.start, range.end));
  SEALRING_ASSIGN(Bytes bytes, read_file(file, kMaxSegmentFileBytes));
  Result<SegmentFile> segment = decode_segment_file(bytes);
  if (!segment.ok()) return fatal_error(file + ": " + segment.error().message);
  if (segment->start != range.start || segment->end != range.end)
    return fatal_error(file + ": the file is of other entries than its name says");
  return segment;
}

Status LogArchive::put_segment(const SegmentFile& segment) {
  Bytes bytes = encode_segment_header(segment) + segment.entries;
  return create_once(path(kSegments, ""), path(kSegments, segment_file_name(segment.start, segment.end)), bytes);
}

Result<Bytes> LogArchive::segment_bytes(const EntryRange& range, std::uint64_t offset, std::uint64_t size) const {
  std::string file = path(kSegments, segment_file_name(range.start, range.end));
  Result<OpenFile> opened = OpenFile::open(file);
  if (!opened.ok()) return std::move(opened).error();
  Bytes bytes(size, '\0');
  for (std::size_t done = 0; done < bytes.size();) {
    ssize_t n = ::pread(opened->fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return retry_error("cannot read " + file + ": " + std::strerror(errno));
    if (n == 0) return fatal_error(file + " is shorter than it was when it was archived");
    done += static_cast<std::size_t>(n);
  }
  return bytes;
}

Result<std::uint64_t> LogArchive::segment_length(const EntryRange& range) const {
  std::string file = path(kSegments, segment_file_name(range.start, range.end));
  Result<OpenFile> opened = OpenFile::open(file);
  if (!opened.ok()) return std::move(opened).error();
  struct stat s {};
  if (::fstat(opened->fd, &s) != 0) return retry_error("cannot look at " + file + ": " + std::strerror(errno));
  return static_cast<std::uint64_t>(s.st_size);
}

Result<Bytes> LogArchive::index(const EntryRange& range) const {
  return read_file(path(kIndex, segment_index_name(range)));
}
Status LogArchive::put_index(const EntryRange& range, ByteView bytes) {
  return replace_file(path(kIndex, segment_index_name(range)), bytes);
}

Result<std::vector<std::uint64_t>> LogArchive::receipts() const { return list_sizes(path(kReceipts, "")); }
Result<Bytes> LogArchive::receipt(std::uint64_t size) const {
  return read_file(path(kReceipts, receipt_file_name(size)), kMaxNoteBytes);
}
Status LogArchive::put_receipt(std::uint64_t size, ByteView note) {
  return create_once(path(kReceipts, ""), path(kReceipts, receipt_file_name(size)), note);
}

Result<std::vector<std::uint64_t>> LogArchive::key_notes() const { return list_sizes(path(kKeys, "")); }
Result<Bytes> LogArchive::key_note(std::uint64_t size) const {
  return read_file(path(kKeys, receipt_file_name(size)), kMaxNoteBytes);
}
Status LogArchive::put_key_note(std::uint64_t size, ByteView note) {
  return create_once(path(kKeys, ""), path(kKeys, receipt_file_name(size)), note);
}

Result<Bytes> LogArchive::witness() const { return read_file(directory_ + "/witness", kMaxNoteBytes); }
Status LogArchive::put_witness(ByteView note) { return replace_file(directory_ + "/witness", note); }

Result<Bytes> LogArchive::successor() const { return read_file(directory_ + "/successor", kMaxNoteBytes); }
Status LogArchive::put_successor(ByteView note) { return create_once(directory_, directory_ + "/successor", note); }
Result<std::int64_t> LogArchive::successor_time_s() const {
  const std::string file = directory_ + "/successor";
  struct stat s {};
  if (::stat(file.c_str(), &s) != 0) return retry_error("cannot look at " + file + ": " + std::strerror(errno));
  return std::int64_t{s.st_mtim.tv_sec};
}

Result<std::vector<std::uint64_t>> LogArchive::pending() const { return list_sizes(path(kPending, "")); }
Result<Bytes> LogArchive::pending(std::uint64_t size) const {
  return read_file(path(kPending, receipt_file_name(size)), kMaxNoteBytes);
}
Status LogArchive::put_pending(std::uint64_t size, ByteView note) {
  return replace_file(path(kPending, receipt_file_name(size)), note);
}
void LogArchive::remove_pending(std::uint64_t size) { remove_file(path(kPending, receipt_file_name(size))); }

Result<std::vector<EntryRange>> LogArchive::parts() const { return list_ranges(path(kStaging, ""), kPartSuffix); }

Result<Bytes> LogArchive::part(const EntryRange& range) const {
  return read_staged(path(kStaging, staged_name(range, kPartSuffix)));
}
Status LogArchive::put_part(const EntryRange& range, ByteView entries) {
  return replace_file(path(kStaging, staged_name(range, kPartSuffix)), Bytes(view(sha256(entries))).append(entries));
}
void LogArchive::remove_part(const EntryRange& range) { remove_file(path(kStaging, staged_name(range, kPartSuffix))); }

Result<std::vector<EntryRange>> LogArchive::skips() const { return list_ranges(path(kStaging, ""), kSkipSuffix); }
Result<Bytes> LogArchive::skip(const EntryRange& range) const {
  return read_staged(path(kStaging, staged_name(range, kSkipSuffix)));
}
Status LogArchive::put_skip(const EntryRange& range, ByteView hole) {
  return replace_file(path(kStaging, staged_name(range, kSkipSuffix)), Bytes(view(sha256(hole))).append(hole));
}
void LogArchive::remove_skip(const EntryRange& range) { remove_file(path(kStaging, staged_name(range, kSkipSuffix))); }

Status LogArchive::put_evidence(std::uint64_t size, ByteView note) {
  SEALRING_TRY(keep(padded(size) + "-" + hex(view(sha256(note))).substr(0, 16) + kNoteSuffix, note));
  return {};
}

Status LogArchive::put_succession_evidence(std::uint64_t size, ByteView note) {
  SEALRING_TRY(keep(padded(size) + "-" + hex(view(sha256(note))).substr(0, 16) + kSuccessionSuffix, note));
  return {};
}

Result<bool> LogArchive::put_break(std::uint64_t index, ByteView entry) {
  return keep(padded(index) + kBreakSuffix, entry);
}

Result<bool> LogArchive::keep(const std::string& name, ByteView bytes) {
  SEALRING_ASSIGN(const std::vector<std::string> names, list_directory(path(kEvidence, "")));
  if (std::find(names.begin(), names.end(), name) != names.end()) return false;
  if (names.size() >= kMaxEvidence)
    return Error{ErrorKind::full, path(kEvidence, "") + " has " + std::to_string(kMaxEvidence) + " files already"};
  SEALRING_TRY(create_once(path(kEvidence, ""), path(kEvidence, name), bytes));
  return true;
}

}  // namespace sealring
