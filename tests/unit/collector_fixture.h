// A log in memory that plays the gateway's side, a collector on a scratch directory, and the oracle that re-reads the
// whole archive after each step without the collector's own code.
#pragma once

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "collector/service.h"
#include "crypto/sha256.h"
#include "drivers/diag.h"
#include "drivers/file.h"
#include "storage/entry.h"
#include "storage/frame.h"
#include "storage/skip_wire.h"

namespace sealring::test {

// A directory that goes when the test ends.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    char name[] = "/tmp/sealring-collector-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~ScratchDirectory() { remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  static void remove_all(const std::string& path) {
    struct stat s {};
    if (::lstat(path.c_str(), &s) != 0) return;
    if (S_ISDIR(s.st_mode)) {
      Result<std::vector<std::string>> names = list_directory(path);
      if (names.ok())
        for (const std::string& name : *names) remove_all(path + "/" + name);
      ::rmdir(path.c_str());
    } else {
      ::unlink(path.c_str());
    }
  }
  std::string path_;
};

class FakeClock final : public Clock {
 public:
  ClockReading now() const override { return {wall_ns, 0, true}; }
  std::int64_t wall_ns = 1'700'000'000'000'000'000;
};

inline std::unique_ptr<SoftwareSigner> signer(char fill) {
  auto made = SoftwareSigner::from_seed(Bytes(32, fill));
  REQUIRE(made.ok());
  return std::move(made).value();
}

// The gateway's log: all its entries, leaf hashes and proofs.
class FakeLog {
 public:
  explicit FakeLog(std::string origin = "example.com/gw-1", char seed = 'i')
      : by(1, seed), origin_(std::move(origin)), signer_(signer(seed)) {}

  VerifierKey key() const { return {origin_, KeyType::ed25519, signer_->public_key()}; }  // the first
  VerifierKey key_of(char seed) const { return {origin_, KeyType::ed25519, signer(seed)->public_key()}; }
  void grow(std::uint64_t size, const std::string& word = "entry ") {
    while (entries.size() < size) {
      entries.push_back(word + std::to_string(entries.size()) + std::string(entries.size() % 7, '.'));
      leaves.push_back(leaf_hash(entries.back()));
    }
  }
  Hash root(std::uint64_t size) const {
    CompactRange range;
    for (std::uint64_t i = 0; i < size; ++i) range.append(leaves[i]);
    return range.root();
  }
  Bytes checkpoint(std::uint64_t size) const { return sign({origin_, size, root(size)}); }
  Bytes sign(const Checkpoint& checkpoint) const {
    Note note{checkpoint.text(), {}};
    for (const char seed : by) {
      const auto line = sign_note_text(note.text, origin_, *signer(seed));
      REQUIRE(line.ok());
      note.signatures.push_back(*line);
    }
    return note.encode();
  }
  // Any text under the log's own name.
  Bytes sign_text(const std::string& text) const {
    Result<NoteSignature> line = sign_note_text(text, origin_, *signer_);
    REQUIRE(line.ok());
    return Note{text, {*line}}.encode();
  }
  NodeSource nodes() const {
    return [this](int level, std::uint64_t start) -> Result<Hash> {
      CompactRange range;
      for (std::uint64_t i = start; i < start + (std::uint64_t{1} << level); ++i) range.append(leaves.at(i));
      return range.root();
    };
  }
  Proof consistency(std::uint64_t old_size, std::uint64_t size) const {
    if (old_size == 0) return {};
    Result<Proof> proof = subtree_proof(0, old_size, size, nodes());
    REQUIRE(proof.ok());
    return *proof;
  }
  Bytes bundle(std::uint64_t start, std::uint64_t end) const {
    Bytes out;
    for (std::uint64_t i = start; i < end; ++i) {
      put_u16(out, static_cast<std::uint16_t>(entries[i].size()));
      out += entries[i];
    }
    return out;
  }
  Bytes add_checkpoint(std::uint64_t old_size, std::uint64_t size) const {
    return encode_add_checkpoint({old_size, consistency(old_size, size), checkpoint(size)});
  }
  // Packages [first, last) of the upload; all of them by default.
  Bytes add_entries(std::uint64_t start, std::uint64_t end, std::uint64_t first = 0, std::uint64_t last = ~0ull) const {
    Bytes body = encode_add_entries({origin_, start, end, ""});
    for (std::uint64_t i = first; i < std::min(last, package_count(start, end)); ++i) {
      PackageRange range = package_range(start, end, i);
      Result<Proof> proof = subtree_proof(range.aligned, range.end, end, nodes());
      REQUIRE(proof.ok());
      append_package(body, bundle(range.start, range.end), *proof);
    }
    return body;
  }

  // The next entry says that [start, end) was dropped. What that takes to be told to a mirror, in the checkpoints of
  // two sizes.
  std::uint64_t add_loss(std::uint64_t start, std::uint64_t end, std::uint64_t messages = 7) {
    Loss loss;
    loss.start = start;
    loss.end = end;
    loss.messages = messages;
    for (const Subtree& one : complete_subtrees(start, end)) loss.hashes.push_back(*nodes()(one.level, one.start));
    Bytes bytes;
    REQUIRE(encode_entry({{}, loss}, bytes).ok());
    entries.push_back(bytes);
    leaves.push_back(leaf_hash(bytes));
    return entries.size() - 1;
  }
  SkipRequest skip(std::uint64_t index, std::uint64_t upload_end, std::uint64_t loss_size) const {
    SkipRequest out;
    out.origin = origin_;
    out.upload_end = upload_end;
    out.loss_entry = entries.at(index);
    out.loss_index = index;
    out.loss_size = loss_size;
    out.inclusion = *subtree_proof(index, index + 1, loss_size, nodes());
    const auto entry = decode_entry(out.loss_entry);
    REQUIRE(entry.ok());
    out.start = std::get<Loss>(entry->body).start;
    out.end = std::get<Loss>(entry->body).end;
    for (std::uint64_t at = out.start; at < out.end; at += kBundleEntries) out.bundles.push_back(*nodes()(8, at));
    for (const Subtree& one : complete_subtrees(out.start, out.end))
      out.proofs.push_back(*subtree_proof(one.start, one.start + (1ull << one.level), upload_end, nodes()));
    return out;
  }

  std::string by;  // seeds of the keys that sign checkpoints; those of its identity before and after a rotation, say
  std::vector<Bytes> entries;
  std::vector<Hash> leaves;

 private:
  std::string origin_;
  std::unique_ptr<SoftwareSigner> signer_;
};

class Collector {
 public:
  explicit Collector(std::vector<LogIdentity> logs) : logs_(std::move(logs)) { open(); }
  void open() {
    service.reset();
    Status opened = try_open();
    INFO((opened.ok() ? "" : opened.error().message));
    REQUIRE(opened.ok());
  }
  Status try_open() {
    service.reset();
    fatal.clear();
    CollectorService::Keys keys{{"mon.example/witness", signer('w')}, {"mon.example/mirror", signer('m')}};
    if (succession != 0) keys.succession = NamedKey{"mon.example/succession", signer(succession)};
    auto made = CollectorService::open(archive(), logs_, std::move(keys), clock, quiet, &alarms);
    if (!made.ok()) return std::move(made).error();
    service = std::move(made).value();
    service->on_fatal([this](const Error& error) { fatal = error.message; });
    return {};
  }
  std::string archive() const { return scratch_.path() + "/archive"; }
  std::string directory(const FakeLog& log) const { return archive() + "/" + origin_hash(log.key().name); }

  HttpResponse send(const std::string& method, const std::string& target, Bytes body = "",
                    const std::string& type = "application/octet-stream") {
    HttpRequest request;
    request.method = method;
    request.target = target;
    request.content_type = type;
    request.body = std::move(body);
    request.peer_uris = peer_uris;
    return service->handle(request);
  }
  HttpResponse witness(Bytes body) { return send("POST", "/witness/add-checkpoint", std::move(body), "text/plain"); }
  HttpResponse mirror(Bytes body) { return send("POST", "/mirror/add-checkpoint", std::move(body), "text/plain"); }
  HttpResponse upload(Bytes body) { return send("POST", "/mirror/add-entries", std::move(body)); }

  static VerifierKey witness_key() {
    return {"mon.example/witness", KeyType::cosignature_v1, signer('w')->public_key()};
  }
  static VerifierKey mirror_key() { return {"mon.example/mirror", KeyType::cosignature_v1, signer('m')->public_key()}; }

  VerifierKey succession_key() const {
    return {"mon.example/succession", KeyType::ed25519, signer(succession)->public_key()};
  }

  FakeClock clock;
  Alarms alarms{collector_alarm_kinds()};
  std::chrono::milliseconds quiet{0};
  char succession = 's';  // 0: without such a key
  std::unique_ptr<CollectorService> service;
  std::string fatal;
  std::vector<std::string> peer_uris;
  std::vector<LogIdentity>& logs() { return logs_; }

 private:
  ScratchDirectory scratch_;
  std::vector<LogIdentity> logs_;
};

inline std::vector<std::string> names_in(const std::string& directory) {
  Result<std::vector<std::string>> names = list_directory(directory);
  REQUIRE(names.ok());
  return *names;
}

// The signature lines are a cosignature by `key` over the checkpoint of `size`.
inline void require_cosignature(const HttpResponse& response, const VerifierKey& key, const FakeLog& log,
                                std::uint64_t size) {
  INFO(response.body);
  REQUIRE(response.status == 200);
  Result<std::vector<NoteSignature>> lines = parse_signature_lines(response.body);
  REQUIRE(lines.ok());
  Note note{Checkpoint{log.key().name, size, log.root(size)}.text(), *lines};
  CosignatureCheck check = check_cosignature(note, key);
  CHECK(check.state == SignatureState::valid);
  CHECK(check.time_s == 1'700'000'000);
}

// The oracle: every segment is the log's own bytes, every receipt is of what the segments hold, and nothing that a
// receipt promises is missing.
inline std::uint64_t check_archive(const std::string& directory, const FakeLog& log) {
  CompactRange range;
  std::vector<std::uint64_t> ends;
  for (const std::string& name : names_in(directory + "/segments")) {
    Result<Bytes> bytes = read_file(directory + "/segments/" + name);
    REQUIRE(bytes.ok());
    Result<SegmentFile> segment = decode_segment_file(*bytes);
    REQUIRE(segment.ok());
    REQUIRE(name == segment_file_name(segment->start, segment->end));
    REQUIRE(segment->start == range.size());
    REQUIRE(segment->range == range.hashes());
    Bytes expected;
    std::uint64_t from = segment->start;
    for (const SegmentHole& hole : segment->holes) {
      REQUIRE(hole.loss_entry == log.entries.at(hole.loss_index));
      const Checkpoint later = *Checkpoint::parse(Note::parse(hole.note)->text);
      REQUIRE(later.root == log.root(later.size));
      REQUIRE(verify_inclusion(hole.loss_index, later.size, hole.proof, leaf_hash(hole.loss_entry), later.root).ok());
      for (std::uint64_t at = hole.start; at < hole.end; at += kBundleEntries)
        REQUIRE(hole.bundle_at(at) == *log.nodes()(8, at));
      expected += log.bundle(from, hole.from);
      from = hole.end;
    }
    REQUIRE(segment->entries == expected + log.bundle(from, segment->end));
    for (std::uint64_t i = segment->start; i < segment->end; ++i) range.append(log.leaves[i]);
    REQUIRE(segment->note == log.checkpoint(segment->end));
    struct stat s {};
    REQUIRE(::stat((directory + "/segments/" + name).c_str(), &s) == 0);
    REQUIRE((s.st_mode & 0777) == 0444);
    ends.push_back(segment->end);
  }
  for (const std::string& name : names_in(directory + "/receipts")) {
    Result<Bytes> bytes = read_file(directory + "/receipts/" + name);
    REQUIRE(bytes.ok());
    Result<Note> note = Note::parse(*bytes);
    REQUIRE(note.ok());
    Result<Checkpoint> checkpoint = Checkpoint::parse(note->text);
    REQUIRE(checkpoint.ok());
    REQUIRE(name == receipt_file_name(checkpoint->size));
    REQUIRE(checkpoint->root == log.root(checkpoint->size));
    REQUIRE(std::count(ends.begin(), ends.end(), checkpoint->size) == 1);
    REQUIRE(check_note_signature(*note, log.key()) == SignatureState::valid);
    REQUIRE(check_cosignature(*note, Collector::mirror_key()).state == SignatureState::valid);
  }
  return range.size();
}

}  // namespace sealring::test
