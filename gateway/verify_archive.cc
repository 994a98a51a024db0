#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "drivers/file.h"
#include "gateway/verify_source.h"
#include "storage/segment_file.h"

namespace sealring {
namespace {

constexpr std::size_t kMaxSegmentFileBytes = 128u << 20;  // twice what a collector writes
constexpr std::size_t kIndexDigits = 20;

// The name's number, only if the name is how the number is written: no second name for one thing.
std::optional<std::uint64_t> parse_index(std::string_view digits) {
  if (digits.size() != kIndexDigits) return std::nullopt;
  std::uint64_t n = 0;
  for (char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (n > (UINT64_MAX - digit) / 10) return std::nullopt;
    n = 10 * n + digit;
  }
  return n;
}

std::optional<SegmentRef> parse_segment_name(const std::string& name) {
  if (name.size() != 2 * kIndexDigits + 5 || name[kIndexDigits] != '-') return std::nullopt;
  const auto start = parse_index(std::string_view(name).substr(0, kIndexDigits));
  const auto end = parse_index(std::string_view(name).substr(kIndexDigits + 1, kIndexDigits));
  if (!start || !end || *start >= *end || name != segment_file_name(*start, *end)) return std::nullopt;
  return SegmentRef{"segments/" + name, *start, *end};
}

std::optional<std::uint64_t> parse_note_name(const std::string& name) {
  const auto size = parse_index(std::string_view(name).substr(0, kIndexDigits));
  if (!size || name != receipt_file_name(*size)) return std::nullopt;
  return size;
}

// "<size>-<16 hex>SUFFIX"
std::optional<std::uint64_t> parse_evidence_name(const std::string& name, std::string_view suffix) {
  if (name.size() != kIndexDigits + 1 + 16 + suffix.size() || name[kIndexDigits] != '-') return std::nullopt;
  if (name.find_first_not_of("0123456789abcdef", kIndexDigits + 1) != kIndexDigits + 17) return std::nullopt;
  if (name.substr(kIndexDigits + 17) != suffix) return std::nullopt;
  return parse_index(std::string_view(name).substr(0, kIndexDigits));
}

bool is_staged_name(const std::string& name) {
  return name.size() == 2 * kIndexDigits + 6 && name[kIndexDigits] == '-' &&
         parse_index(std::string_view(name).substr(0, kIndexDigits)) &&
         parse_index(std::string_view(name).substr(kIndexDigits + 1, kIndexDigits)) &&
         (name.substr(2 * kIndexDigits + 1) == ".part" || name.substr(2 * kIndexDigits + 1) == ".skip");
}

bool is_directory(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

class ArchiveSource final : public EvidenceSource {
 public:
  explicit ArchiveSource(std::string folder) : folder_(std::move(folder)) {}
  Status open();

  bool is_store() const override { return false; }
  const std::string& where() const override { return folder_; }
  const Bytes& own_anchor() const override { return own_anchor_; }
  const std::string& claimed_origin() const override { return claimed_origin_; }
  const Bytes& successor() const override { return successor_; }
  const std::vector<SegmentRef>& segments() const override { return segments_; }
  const std::vector<NoteRef>& notes() const override { return notes_; }
  const std::vector<KeptBreak>& kept_breaks() const override { return kept_breaks_; }
  const std::vector<RecordedRotation>& rotations() const override { return rotations_; }
  std::uint64_t staged() const override { return staged_; }
  Result<SegmentEvidence> segment(std::size_t i) const override;
  Result<Bytes> note(std::size_t i) const override { return read_file(folder_ + "/" + notes_[i].where, kMaxNoteBytes); }
  const std::vector<Finding>& findings() const override { return findings_; }

 private:
  // One folder of the archive; `take` says whether a name belongs there.
  void list(const std::string& name, bool required, const std::function<bool(const std::string&)>& take);
  void list_segments_and_receipts();
  void read(const char* name, std::size_t max_bytes, Bytes& out);
  void settle();
  bool take_note(NoteRef::Role role, const std::string& where, std::optional<std::uint64_t> size);
  bool take_break(const std::string& name);

  std::string folder_;
  Bytes own_anchor_, successor_;
  std::string claimed_origin_;
  std::vector<SegmentRef> segments_;
  std::vector<NoteRef> notes_;
  std::vector<KeptBreak> kept_breaks_;
  const std::vector<RecordedRotation> rotations_;  // none: an archive has the entries
  std::uint64_t staged_ = 0;
  std::vector<std::string> strangers_;
  std::vector<Finding> findings_;
};

void ArchiveSource::list(const std::string& name, bool required, const std::function<bool(const std::string&)>& take) {
  Result<std::vector<std::string>> names = list_directory(folder_ + "/" + name);
  if (!names) {
    if (names.error().kind != ErrorKind::missing)
      findings_.push_back({Verdict::unreadable, name, names.error().message});
    else if (required)
      findings_.push_back({Verdict::named, name, "there is no such folder"});
    return;
  }
  for (const std::string& entry : *names)
    if (!take(entry)) strangers_.push_back(name + "/" + entry);
}

bool ArchiveSource::take_note(NoteRef::Role role, const std::string& where, std::optional<std::uint64_t> size) {
  if (size) notes_.push_back({role, where, size});
  return size.has_value();
}

// "<index>.break": an entry, as the segment has it.
bool ArchiveSource::take_break(const std::string& name) {
  const auto index = parse_index(std::string_view(name).substr(0, kIndexDigits));
  if (!index || name.substr(kIndexDigits) != ".break") return false;
  const std::string where = "evidence/" + name;
  const Result<Bytes> entry = read_file(folder_ + "/" + where, kMaxEntryBytes);
  if (entry) kept_breaks_.push_back({where, *index, leaf_hash(*entry)});
  if (!entry) findings_.push_back({Verdict::unreadable, where, entry.error().message});
  return true;
}

// A file that need not be there.
void ArchiveSource::read(const char* name, std::size_t max_bytes, Bytes& out) {
  Result<Bytes> bytes = read_file(folder_ + "/" + name, max_bytes);
  if (bytes)
    out = std::move(*bytes);
  else if (bytes.error().kind != ErrorKind::missing)
    findings_.push_back({Verdict::unreadable, name, bytes.error().message});
}

Status ArchiveSource::open() {
  SEALRING_ASSIGN(const std::vector<std::string> names, list_directory(folder_));
  static constexpr const char* kFolders[] = {"segments", "receipts", "pending", "staging", "evidence", "index", "keys"};
  for (const std::string& name : names) {
    const bool folder = std::find(std::begin(kFolders), std::end(kFolders), name) != std::end(kFolders);
    if (!folder && name != "log" && name != "witness" && name != "successor") strangers_.push_back(name);
    if (name == "witness") notes_.push_back({NoteRef::Role::witness, name, std::nullopt});
  }
  read("log", 4096, own_anchor_);
  read("successor", kMaxNoteBytes, successor_);
  const ByteView own = ByteView(own_anchor_).substr(0, own_anchor_.find_first_of(" \n"));
  if (Result<VerifierKey> key = VerifierKey::parse(own)) claimed_origin_ = std::move(key->name);
  list("pending", false, [&](const std::string& name) {
    return take_note(NoteRef::Role::pending, "pending/" + name, parse_note_name(name));
  });
  list("evidence", false, [&](const std::string& name) {
    const std::string where = "evidence/" + name;
    return take_break(name) || take_note(NoteRef::Role::refused, where, parse_evidence_name(name, ".note")) ||
           take_note(NoteRef::Role::refused_succession, where, parse_evidence_name(name, ".succession"));
  });
  list("keys", false,
       [&](const std::string& name) { return take_note(NoteRef::Role::key, "keys/" + name, parse_note_name(name)); });
  list("staging", false, [&](const std::string& name) {
    staged_ += is_staged_name(name);
    return is_staged_name(name);
  });
  list_segments_and_receipts();
  settle();
  return {};
}

// A collector may be at work meanwhile. It writes a segment before its receipt, so the receipts are listed first: each
// of them has its segment in the later listing, or lacks it. The second look at the receipts is for the segments that
// came in between.
void ArchiveSource::list_segments_and_receipts() {
  std::uint64_t reach = 0;
  Result<std::vector<std::string>> early = list_directory(folder_ + "/receipts");
  if (early)
    for (const std::string& name : *early) reach = std::max(reach, parse_note_name(name).value_or(0));
  list("segments", true, [&](const std::string& name) {
    std::optional<SegmentRef> ref = parse_segment_name(name);
    if (ref) segments_.push_back(*ref);
    if (ref) reach = std::max(reach, ref->end);
    return ref.has_value();
  });
  std::sort(segments_.begin(), segments_.end(), [](const SegmentRef& a, const SegmentRef& b) {
    return a.start != b.start ? a.start < b.start : a.end < b.end;
  });
  list("receipts", true, [&](const std::string& name) {
    const std::optional<std::uint64_t> size = parse_note_name(name);
    return (size && *size > reach) || take_note(NoteRef::Role::receipt, "receipts/" + name, size);
  });
}

// A stranger that is gone again was the temporary name of a file being written.
void ArchiveSource::settle() {
  for (const std::string& name : strangers_) {
    struct stat st;
    if (::lstat((folder_ + "/" + name).c_str(), &st) == 0)
      findings_.push_back({Verdict::named, name, "does not belong here; it was not looked into"});
  }
}

Result<SegmentEvidence> ArchiveSource::segment(std::size_t i) const {
  const std::string path = folder_ + "/" + segments_[i].where;
  const Result<Bytes> read = read_file(path, kMaxSegmentFileBytes);
  // A file that is too long is damage; a folder in its place was not read.
  if (!read && !std::filesystem::is_regular_file(path)) return retry_error(read.error().message);
  if (!read) return read.error();
  const Bytes& bytes = *read;
  SEALRING_ASSIGN(SegmentFile file, decode_segment_file(bytes));
  SegmentEvidence segment;
  segment.start = file.start;
  segment.end = file.end;
  segment.range = std::move(file.range);
  segment.note = std::move(file.note);
  segment.entries_offset = bytes.size() - file.entries.size();
  segment.entries = std::move(file.entries);
  for (SegmentHole& hole : file.holes)
    segment.holes.push_back({hole.from, hole.start, hole.end, std::move(hole.bundles), hole.loss_index,
                             std::move(hole.loss_entry), std::move(hole.note), std::move(hole.proof)});
  return segment;
}

}  // namespace

Result<std::unique_ptr<EvidenceSource>> open_archive_source(const std::string& folder) {
  auto source = std::make_unique<ArchiveSource>(folder);
  SEALRING_TRY(source->open());
  return std::unique_ptr<EvidenceSource>(std::move(source));
}

bool is_log_folder_name(const std::string& name) {
  return name.size() == 64 && name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Result<PathKind> path_kind(const std::string& path) {
  SEALRING_ASSIGN(const std::vector<std::string> names, list_directory(path));
  const auto has = [&](const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  if (has("ring.lmdb") || has("journal")) return PathKind::store;
  if (has("segments") || has("log")) return PathKind::archive_log;
  for (const std::string& name : names)
    if (is_log_folder_name(name) && is_directory(path + "/" + name)) return PathKind::archive_root;
  return PathKind::unknown;
}

}  // namespace sealring
