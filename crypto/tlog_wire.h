// What travels between a log and its witnesses and mirrors: the bodies of C2SP tlog-witness v1.0.0 (add-checkpoint)
// and tlog-mirror (untagged; text of 2026-07, C2SP 5ba5ee83). Both directions of each, so that the log's side and the
// collector's side cannot drift apart. Bytes only: who may send what, and what it proves, is the caller's business.
//
// Decoders are strict and take the whole input or nothing; errors are of kind reject. An encoder is given valid input.
#pragma once

#include <optional>
#include <vector>

#include "crypto/merkle.h"

namespace sealring {

// --- add-checkpoint ---
//     old <size>
//     <base64 hash>        0 to 63 times, the consistency proof from old to the checkpoint
//                          (empty line)
//     <checkpoint: a signed note>
struct AddCheckpoint {
  std::uint64_t old_size = 0;
  Proof proof;
  Bytes checkpoint;  // the note, verbatim; not parsed here
};
Bytes encode_add_checkpoint(const AddCheckpoint& request);
Result<AddCheckpoint> decode_add_checkpoint(ByteView body);

// The 409 of add-checkpoint: what size the witness has. Content type kSizeType.
constexpr std::string_view kSizeType = "text/x.tlog.size";
Bytes encode_size(std::uint64_t size);
Result<std::uint64_t> decode_size(ByteView body);

// --- add-entries ---
//     u16be n, origin
//     u64be upload_start, u64be upload_end
//     u16be n, ticket
//     packages, see EntryPackage
constexpr std::string_view kAddEntriesType = "application/octet-stream";
constexpr std::uint64_t kWirePackageEntries = 256;

struct AddEntries {
  std::string origin;
  std::uint64_t upload_start = 0;
  std::uint64_t upload_end = 0;
  Bytes ticket;
};
Bytes encode_add_entries(const AddEntries& header);  // everything before the packages

// The i-th package of an upload: it carries the entries of [start, end), and its proof is of the subtree
// [aligned, end): aligned is start rounded down to 256, so the first package of an upload that begins inside a bundle
// leaves out entries that the mirror has already.
struct PackageRange {
  std::uint64_t aligned = 0, start = 0, end = 0;
};
std::uint64_t package_count(std::uint64_t upload_start, std::uint64_t upload_end);
PackageRange package_range(std::uint64_t upload_start, std::uint64_t upload_end, std::uint64_t i);

// `entries`: those of [start, end), each u16be length || bytes. `proof`: subtree_proof(aligned, end, upload_end).
void append_package(Bytes& body, ByteView entries, const Proof& proof);

struct EntryPackage {
  PackageRange range;
  std::vector<ByteView> entries;  // views into the body
  Proof proof;
};

// Reads the packages of a body one by one, so that each can be checked and kept before the next is looked at.
class AddEntriesReader {
 public:
  // Reads the header: upload_start <= upload_end.
  static Result<AddEntriesReader> open(ByteView body);  // `body` must outlive the reader and its packages
  const AddEntries& header() const { return header_; }
  // nullopt: the body ends here, or all packages of the upload have been read. reject: the body ends inside a package,
  // or the package has more than 63 hashes.
  Result<std::optional<EntryPackage>> next();
  bool complete() const { return next_ == count_; }  // all packages were read
  ByteView rest() const { return reader_.rest(); }

 private:
  AddEntriesReader(AddEntries header, ByteReader reader);
  AddEntries header_;
  ByteReader reader_;
  std::uint64_t next_ = 0, count_ = 0;
};

// The 202 and 409 of add-entries: go on from here. Content type kMirrorInfoType.
//     <pending size>
//     <next entry>
//     <base64 ticket>
constexpr std::string_view kMirrorInfoType = "text/x.tlog.mirror-info";
struct MirrorInfo {
  std::uint64_t pending_size = 0;
  std::uint64_t next_entry = 0;
  Bytes ticket;
};
Bytes encode_mirror_info(const MirrorInfo& info);
Result<MirrorInfo> decode_mirror_info(ByteView body);

// The 200 of both is signature lines: parse_signature_lines() in note.h.

}  // namespace sealring
