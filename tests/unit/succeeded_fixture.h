// A log that was closed, the one that follows it, and what says so.
#pragma once

#include "tests/unit/archive_fixture.h"

namespace sealring::test {

// A log that was closed at the end of its second segment, and its follower up to entry 0, in one archive.
struct Succeeded {
  TempDir dir;
  std::string root = dir / "archive";
  LogBuilder old{root}, log{root, std::string(kOrigin) + "~1"};
  Checkpoint closed;  // by what proved the store of `old` to be a copy

  Succeeded() {
    old.add_genesis();
    old.add_message("before");
    old.seal();
    old.add_message("lost on the way");
    old.seal();
    old.write_log_line();
    closed = old.checkpoint();
    log.identity = test_key(40);
    log.add_genesis();
  }
  Succession statement() const { return {closed, log.vkey(), log.genesis_hash}; }
  SuccessionEntry entry() {
    return {closed.origin, closed.size, closed.root, old.identity->public_key(),
            *old.identity->sign(statement().text())};
  }
  void carry(std::uint64_t index, ByteView bytes, std::uint64_t from = 0, std::uint64_t to = UINT64_MAX) {
    Carried carried;
    carried.index = index;
    carried.length = bytes.size();
    carried.offset = from;
    carried.bytes = bytes.substr(from, to - from);
    log.add({log.common(), carried});
  }
  void follow() { log.add({log.common(), entry()}); }
  // Signed by the closed log, and by the collector unless it is nobody.
  Note note(SoftwareSigner* countersigner) const { return note_of(statement(), *old.identity, countersigner); }
  static Note note_of(const Succession& made, SoftwareSigner& identity, SoftwareSigner* countersigner) {
    Note out{made.text(), {}};
    out.signatures.push_back(*sign_note_text(out.text, made.closed.origin, identity));
    if (countersigner) out.signatures.push_back(*sign_note_text(out.text, kCollector, *countersigner));
    return out;
  }
  static constexpr const char* kCollector = "collector.example/succession";
  std::unique_ptr<SoftwareSigner> collector = test_key(50);
  SuccessionsBrought brought(const Note& file) const {
    return {{{"statement", file.encode()}}, VerifierKey{kCollector, KeyType::ed25519, collector->public_key()}};
  }
  SuccessionsBrought brought() const { return brought(note(collector.get())); }
  // The follower as it should be, in the archive.
  void complete() {
    follow();
    carry(3, Bytes(300, 'x'));
    log.seal();
    log.add_message("after");
    log.seal();
    log.write_log_line();
  }
  // What whoever knew the closed log asks of the follower.
  VerifyOptions by_old_anchor(const std::string& path) const {
    VerifyOptions options = asking(old, path);
    options.successions = brought();
    return options;
  }
  VerifyReport report(bool seal = true) {
    if (seal) log.seal();
    log.write_log_line();
    return verify(asking(log, log.folder));
  }
};

}  // namespace sealring::test
