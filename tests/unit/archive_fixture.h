// Builds small archives from the primitives alone (no recorder, no collector), with hooks for everything that a test
// may want to be wrong about them.
#pragma once

#include <filesystem>
#include <fstream>

#include "crypto/checkpoint.h"
#include "crypto/cosignature.h"
#include "crypto/merkle.h"
#include "crypto/sha256.h"
#include "gateway/verify.h"
#include "storage/entry.h"
#include "storage/segment_file.h"
#include "tests/unit/store_fixture.h"

namespace sealring::test {

namespace fs = std::filesystem;

inline std::unique_ptr<SoftwareSigner> test_key(int n) {
  Bytes seed(32, static_cast<char>(n));
  return std::move(SoftwareSigner::from_seed(seed)).value();
}

inline Bytes read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}
inline void write_all(const std::string& path, ByteView bytes) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A log under construction, and the archive of what was sealed so far.
class LogBuilder {
 public:
  std::string origin = kOrigin;
  std::unique_ptr<SoftwareSigner> identity = test_key(1), witness = test_key(2), mirror = test_key(3);
  // Once the identity was rotated: signs notes, and `identity`, which is always the first one, only in the overlap.
  std::unique_ptr<SoftwareSigner> rotated;
  bool overlap = true;
  std::uint64_t epoch = 0;
  std::unique_ptr<SoftwareSigner> epoch_key = test_key(100);
  std::uint64_t now_s = 1'700'000'000;

  CompactRange range, segment_range;  // now, and before the open segment
  std::vector<Bytes> entries;         // of the open segment
  std::string folder;                 // archive/<hash>

  explicit LogBuilder(const std::string& archive, std::string name = kOrigin)
      : origin(std::move(name)), folder(archive + "/" + hex(view(sha256(origin)))) {}

  VerifierKey vkey() const { return {origin, KeyType::ed25519, identity->public_key()}; }
  VerifierKey witness_vkey() const { return {"witness.example", KeyType::cosignature_v1, witness->public_key()}; }
  VerifierKey mirror_vkey() const { return {"mirror.example", KeyType::cosignature_v1, mirror->public_key()}; }
  Anchor anchor() const { return {vkey(), genesis_hash}; }
  VerifierKey rotated_vkey() const { return {origin, KeyType::ed25519, rotated->public_key()}; }
  // With both keys of the log, in their order, once it was rotated.
  Policy policy() const {
    return policy_naming(rotated ? std::vector<VerifierKey>{vkey(), rotated_vkey()} : std::vector{vkey()});
  }
  Policy policy_naming(const std::vector<VerifierKey>& keys) const {
    std::string logs;
    for (const VerifierKey& key : keys) logs += "log " + key.encode() + "\n";
    return std::move(Policy::parse(logs + "witness w " + witness_vkey().encode() + "\nwitness m " +
                                   mirror_vkey().encode() + "\nquorum m\n"))
        .value();
  }

  EntryCommon common() const {
    EntryCommon c;
    c.wall_ns = static_cast<std::int64_t>(now_s) * 1'000'000'000;
    c.boot = 1;
    c.boottime_ns = 7 + range.size();
    return c;
  }
  void add_bytes(Bytes bytes) {
    range.append(leaf_hash(bytes));
    entries.push_back(std::move(bytes));
  }
  std::uint64_t add(const Entry& entry) {
    Bytes bytes;
    Status status = encode_entry(entry, bytes);
    if (!status) throw std::runtime_error(status.error().message);
    add_bytes(std::move(bytes));
    return range.size() - 1;
  }
  void add_genesis() {
    Genesis genesis;
    genesis.origin = origin;
    genesis.identity = identity->public_key();
    genesis.epoch_key = epoch_key->public_key();
    genesis.software = "sealring test";
    EntryCommon c = common();
    c.boot = 0;
    add({c, genesis});
    genesis_hash = leaf_hash(entries.back());
  }
  Message message(ByteView payload) const {
    Message m;
    m.salt[0] = static_cast<std::uint8_t>(range.size());
    m.topic = "a/b";
    m.payload = payload;
    return m;
  }
  std::uint64_t add_message(ByteView payload) { return add({common(), message(payload)}); }
  std::uint64_t add_event(EventCode code) {
    Event event;
    event.code = code;
    return add({common(), event});
  }
  // A message in `count` parts of 100 bytes.
  void add_large(std::uint64_t count) {
    Bytes payload;
    for (std::uint64_t i = 0; i < count * 100; ++i) payload.push_back(static_cast<char>(i * 7));
    Message first = message(ByteView(payload).substr(0, 100));
    first.parts = PartsInfo{payload.size(), count, sha256(payload)};
    const std::uint64_t index = add({common(), first});
    for (std::uint64_t n = 1; n < count; ++n) {
      Part part;
      part.first = index;
      part.number = n;
      part.payload = ByteView(payload).substr(n * 100, 100);
      add({common(), part});
    }
  }
  Handover handover() {
    next_key = test_key(static_cast<int>(101 + epoch));
    Handover h;
    h.epoch = epoch;
    h.size = range.size();
    h.root = range.root();
    h.next_key = next_key->public_key();
    sign(h);
    return h;
  }
  void sign(Handover& h) {
    const Bytes text = handover_message(origin, h.epoch, h.size, h.root, h.next_key);
    h.by_old = *epoch_key->sign(text);
    h.by_next = *next_key->sign(text);
  }
  KeyBreak key_break(std::uint64_t receipted) {
    next_key = test_key(static_cast<int>(101 + epoch));
    KeyBreak b;
    b.epoch = epoch;
    b.size = range.size();
    b.root = range.root();
    b.next_key = next_key->public_key();
    b.receipted = receipted;
    sign(b);
    return b;
  }
  void sign(KeyBreak& b) { b.by_next = *next_key->sign(break_message(origin, b)); }
  Rotation rotation(SoftwareSigner& from, SoftwareSigner& to) const {
    const Bytes text = rotation_message(origin, from.public_key(), to.public_key());
    return {from.public_key(), to.public_key(), *from.sign(text), *to.sign(text)};
  }
  // Lawful.
  std::uint64_t add_rotation(int key = 90) {
    rotated = test_key(key);
    return add({common(), rotation(*identity, *rotated)});
  }
  Checkpoint checkpoint() const { return {origin, range.size(), range.root()}; }
  Note note() {
    Note n = *sign_checkpoint(checkpoint(), rotated ? *rotated : *identity);
    if (rotated && overlap) n.signatures.push_back(*sign_note_text(n.text, origin, *identity));
    return n;
  }
  Note receipt() {
    Note n = note();
    n.signatures.push_back(*cosign(n.text, now_s, "mirror.example", *mirror));
    return n;
  }
  SegmentFile segment_file(ByteView signed_note) const {
    SegmentFile file;
    file.start = segment_range.size();
    file.end = range.size();
    file.range = segment_range.hashes();
    file.note = Bytes(signed_note);
    for (const Bytes& entry : entries) {
      put_u16(file.entries, static_cast<std::uint16_t>(entry.size()));
      file.entries += entry;
    }
    return file;
  }
  std::string segment_path() const {
    return folder + "/segments/" + segment_file_name(segment_range.size(), range.size());
  }
  std::string receipt_path() const { return folder + "/receipts/" + receipt_file_name(range.size()); }
  void write_segment() {
    const SegmentFile file = segment_file(note().encode());
    write_all(segment_path(), encode_segment_header(file) + file.entries);
  }
  void begin_next() {
    segment_range = range;
    entries.clear();
    ++epoch;
    epoch_key = std::move(next_key);
    now_s += 600;
  }
  // Handover, segment file, receipt; then the next epoch.
  void seal(bool with_receipt = true) {
    add({common(), handover()});
    write_segment();
    if (with_receipt) write_all(receipt_path(), receipt().encode());
    begin_next();
  }
  void write_log_line() { write_all(folder + "/log", anchor().line() + "\n"); }
  void write_witness() {
    Note n = note();
    n.signatures.push_back(*cosign(n.text, now_s, "witness.example", *witness));
    write_all(folder + "/witness", n.encode());
  }

  // Three segments with everything in them that a verifier looks at.
  void build() {
    add_genesis();
    add_event(EventCode::start);
    add_message("on");
    seal();
    Note first_receipt = *Note::parse(read_all(folder + "/receipts/" + receipt_file_name(segment_range.size())));
    const Bytes text = first_receipt.encode();
    Receipt logged;
    logged.note = text;
    add({common(), logged});
    add_large(3);
    Message again = message("on");
    again.possible_duplicate_of = 2;
    add({common(), again});
    seal();
    add_message("off");
    add_event(EventCode::stop);
    seal();
    write_witness();
    write_log_line();
  }

  Hash genesis_hash{};
  std::unique_ptr<SoftwareSigner> next_key;
};

inline VerifyOptions asking(const LogBuilder& log, const std::string& path) {
  VerifyOptions options;
  options.path = path;
  options.anchors = {log.anchor()};
  options.policy = log.policy();
  return options;
}

// Whether a finding of that verdict has the words; otherwise all findings are told.
inline bool says(const LogReport& report, Verdict verdict, const std::string& words) {
  for (const Finding& f : report.findings)
    if (f.verdict == verdict && (f.where + ": " + f.what).find(words) != std::string::npos) return true;
  for (const Finding& f : report.findings) UNSCOPED_INFO(f.where << ": " << f.what);
  return false;
}
inline bool tampered(const LogReport& report, const std::string& words) {
  return report.verdict == Verdict::tampered && says(report, Verdict::tampered, words);
}
// Of a report on one log.
inline bool says(const VerifyReport& report, Verdict verdict, const std::string& words) {
  return says(report.logs.at(0), verdict, words);
}
inline bool tampered(const VerifyReport& report, const std::string& words) {
  return report.verdict == Verdict::tampered && says(report, Verdict::tampered, words);
}

}  // namespace sealring::test
