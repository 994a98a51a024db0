// Logs that break one rule each, with roots and signatures that are right all the same: as the holder of all keys
// could make them.
#include <catch2/catch.hpp>

#include "tests/unit/archive_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

struct Fixture {
  TempDir dir;
  std::string root = dir / "archive";
  LogBuilder log{root};

  // The verdict, once the log is closed by a lawful seal.
  VerifyReport sealed() {
    log.seal();
    log.write_log_line();
    return verify(asking(log, root));
  }
  VerifyReport report(std::set<std::uint64_t> accepted_breaks = {}) {
    log.write_log_line();
    VerifyOptions options = asking(log, root);
    options.accepted_breaks = std::move(accepted_breaks);
    return verify(options);
  }
};

}  // namespace

TEST_CASE("genesis", "[verify]") {
  Fixture f;
  LogBuilder& log = f.log;
  SECTION("lawful") {
    log.add_genesis();
    CHECK(f.sealed().verdict == Verdict::fine);
  }
  SECTION("not the first entry") {
    log.add_message("x");
    log.genesis_hash = leaf_hash(log.entries[0]);
    CHECK(tampered(f.sealed(), "must be its genesis"));
  }
  SECTION("a second one") {
    log.add_genesis();
    const Hash first = log.genesis_hash;
    log.add_genesis();
    log.genesis_hash = first;
    CHECK(tampered(f.sealed(), "entry 1 (byte"));
  }
  SECTION("of another origin") {
    log.origin = "example.com/other";
    log.add_genesis();
    log.origin = kOrigin;
    CHECK(tampered(f.sealed(), "is the genesis of \"example.com/other\""));
  }
  SECTION("of another identity") {
    log.identity = test_key(60);
    log.add_genesis();
    log.identity = test_key(1);
    CHECK(tampered(f.sealed(), "names another identity key"));
  }
  SECTION("of an identity that is no key") {
    Genesis genesis;
    genesis.origin = log.origin;
    genesis.identity = PublicKey{1};
    genesis.epoch_key = log.epoch_key->public_key();
    EntryCommon common = log.common();
    common.boot = 0;
    log.add({common, genesis});
    log.genesis_hash = leaf_hash(log.entries[0]);
    CHECK(tampered(f.sealed(), "names an identity that is no Ed25519 key"));
  }
  SECTION("with the identity as epoch key") {
    log.epoch_key = test_key(1);
    log.add_genesis();
    CHECK(tampered(f.sealed(), "takes the identity key for an epoch key"));
  }
}

TEST_CASE("a break of the chain", "[verify]") {
  Fixture f;
  LogBuilder& log = f.log;
  log.add_genesis();
  log.seal();
  log.add_message("x");
  log.seal(false);
  log.add_message("y");
  const std::uint64_t index = log.range.size();
  KeyBreak b = log.key_break(2);
  const auto close = [&](const KeyBreak& lost) {
    log.add({log.common(), lost});
    log.write_segment();
    write_all(log.receipt_path(), log.receipt().encode());
    log.begin_next();
  };
  SECTION("is told, graded from the last receipt before it, and has a verdict of its own") {
    close(b);
    log.add_message("z");
    log.seal();
    const VerifyReport report = f.report();
    CHECK(report.verdict == Verdict::broken);
    CHECK(says(report, Verdict::broken, "the key of epoch 2 was lost; entries [2, 5) rest on the identity key alone"));
    REQUIRE(report.logs.at(0).breaks.size() == 1);
    CHECK(report.logs[0].breaks[0].index == index);
    CHECK(report.logs[0].handovers == 3);
    CHECK(report_json(report).find("\"identity_only_from\": 2") != std::string::npos);
  }
  SECTION("is graded from the largest receipt, which may be of its own index") {
    write_all(log.receipt_path(), log.receipt().encode());
    close(b);
    CHECK(says(f.report(), Verdict::broken, "was lost; a receipt covers everything before it"));
  }
  SECTION("that the auditor names by its index is named, and no more") {
    close(b);
    const VerifyReport report = f.report({index});
    CHECK(report.verdict == Verdict::named);
    CHECK(says(report, Verdict::named, "(accepted)"));
  }
  SECTION("is not accepted under another index, and that one is told") {
    close(b);
    const VerifyReport report = f.report({index - 1});
    CHECK(report.verdict == Verdict::broken);
    CHECK(says(report, Verdict::named, "there is no break at index 4"));
  }
  SECTION("that the collector has kept is the one that is there") {
    const std::string kept = log.folder + "/evidence/00000000000000000005.break";
    Bytes bytes;
    REQUIRE(encode_entry({log.common(), b}, bytes).ok());
    close(b);
    write_all(kept, bytes);
    CHECK(f.report({index}).verdict == Verdict::named);
    for (const char* other : {"/evidence/00000000000000000004.break", "/evidence/5.break"}) {
      fs::rename(kept, log.folder + other);
      const VerifyReport report = f.report({index});
      CHECK(says(report, other[10] == '0' ? Verdict::tampered : Verdict::named,
                 other[10] == '0' ? "a break that the collector has seen at index 4" : "does not belong here"));
      fs::rename(log.folder + other, kept);
    }
    bytes.back() ^= 1;
    write_all(kept, bytes);
    CHECK(tampered(f.report({index}), "which has another entry now"));
    fs::rename(kept, log.folder + "/evidence/00000000000000000099.break");  // not archived yet
    CHECK(f.report({index}).verdict == Verdict::named);
  }
  SECTION("of another epoch") {
    b.epoch = 1;
    log.sign(b);
    close(b);
    CHECK(tampered(f.report(), "is a break of epoch 1, expected was 2"));
  }
  SECTION("of another place") {
    b.size += 1;
    log.sign(b);
    close(b);
    CHECK(tampered(f.report(), "says that it stands at index 6"));
  }
  SECTION("of another root") {
    b.root[0] ^= 1;
    log.sign(b);
    close(b);
    CHECK(tampered(f.report(), "its root is not that of the entries before it"));
  }
  SECTION("that the key that begins has not signed") {
    b.by_next = *test_key(77)->sign(break_message(log.origin, b));
    close(b);
    CHECK(tampered(f.report(), "the signature of the epoch that begins"));
  }
  SECTION("to a key that was in use before") {
    log.next_key = test_key(100);
    b.next_key = log.next_key->public_key();
    log.sign(b);
    close(b);
    CHECK(tampered(f.report(), "was in use before"));
  }
  SECTION("within a segment") {
    log.add({log.common(), b});
    log.add_message("z");
    CHECK(tampered(f.sealed(), "a break may only be the last entry"));
  }
  SECTION("after which the lost key goes on") {
    close(b);
    log.epoch_key = test_key(102);  // of epoch 2
    log.add_message("z");
    log.seal();
    CHECK(tampered(f.report(), "the signature of the epoch that ends"));
  }
}

TEST_CASE("the chain of handovers", "[verify]") {
  Fixture f;
  LogBuilder& log = f.log;
  log.add_genesis();
  log.seal();
  log.add_message("x");
  Handover h = log.handover();
  const auto close = [&](const Handover& handover) {
    log.add({log.common(), handover});
    log.write_segment();
    write_all(log.receipt_path(), log.receipt().encode());
    log.begin_next();
  };
  SECTION("lawful") {
    close(h);
    CHECK(f.report().verdict == Verdict::fine);
  }
  SECTION("another epoch number") {
    h.epoch = 2;
    log.sign(h);
    close(h);
    CHECK(tampered(f.report(), "ends epoch 2, expected was 1"));
  }
  SECTION("another index") {
    h.size -= 1;
    log.sign(h);
    close(h);
    CHECK(tampered(f.report(), "says that it stands at index 2"));
    CHECK(f.report().logs.at(0).handovers == 1);
  }
  SECTION("another root") {
    h.root[0] ^= 1;
    log.sign(h);
    close(h);
    CHECK(tampered(f.report(), "its root is not that of the entries before it"));
  }
  SECTION("not signed by the epoch that ends") {
    h.by_old = *test_key(77)->sign(handover_message(log.origin, h.epoch, h.size, h.root, h.next_key));
    close(h);
    CHECK(f.report().logs.at(0).handovers == 1);
    const VerifyReport report = f.report();
    CHECK(tampered(report, "the signature of the epoch that ends"));
    CHECK(report_json(report).find("outside of its range") == std::string::npos);
  }
  SECTION("signed by the epoch before it in its place") {
    h.by_old = *test_key(100)->sign(handover_message(log.origin, h.epoch, h.size, h.root, h.next_key));
    close(h);
    CHECK(tampered(f.report(), "it is by the key of epoch 0, outside of its range"));
  }
  SECTION("signed by the epoch that begins in its place") {
    h.by_old = h.by_next;
    close(h);
    CHECK(tampered(f.report(), "it is by the key of epoch 2, outside of its range"));
  }
  SECTION("another epoch number after a gap") {
    close(h);
    fs::remove(log.folder + "/segments/" + segment_file_name(0, 2));
    log.add_message("z");
    h = log.handover();
    h.epoch = 7;
    log.sign(h);
    close(h);
    CHECK(says(f.report(), Verdict::tampered, "ends epoch 7, expected was 2"));
  }
  SECTION("not signed by the epoch that begins") {
    h.by_next = h.by_old;
    close(h);
    CHECK(tampered(f.report(), "the signature of the epoch that begins"));
  }
  SECTION("signed for another log") {
    log.origin = "example.com/other";
    log.sign(h);
    log.origin = kOrigin;
    close(h);
    CHECK(tampered(f.report(), "the signature of the epoch that ends"));
  }
  SECTION("a key that was in use before") {
    log.next_key = test_key(100);
    h.next_key = log.next_key->public_key();
    log.sign(h);
    close(h);
    CHECK(tampered(f.report(), "was in use before, for epoch 0"));
  }
  SECTION("the key of the epoch itself") {
    log.next_key = test_key(101);
    h.next_key = log.next_key->public_key();
    log.sign(h);
    close(h);
    CHECK(tampered(f.report(), "was in use before"));
  }
  SECTION("what is no key") {
    h.next_key = PublicKey{1};
    log.sign(h);
    close(h);
    CHECK(tampered(f.report(), "takes what is no Ed25519 key for an epoch key"));
  }
  SECTION("the identity key") {
    log.next_key = test_key(1);
    h.next_key = log.next_key->public_key();
    log.sign(h);
    close(h);
    CHECK(tampered(f.report(), "takes the identity key for an epoch key"));
  }
  SECTION("within a segment") {
    log.add({log.common(), h});
    log.epoch_key = std::move(log.next_key);
    ++log.epoch;
    CHECK(tampered(f.sealed(), "may only be the last entry"));
  }
  SECTION("missing at the end of a segment") {
    log.add_message("the last");
    log.write_segment();
    write_all(log.receipt_path(), log.receipt().encode());
    CHECK(tampered(f.report(), "its last entry is neither a handover nor a break"));
    // Said once: whose key the next epoch has is not known, and nothing is held against it.
    log.begin_next();
    log.add_message("z");
    log.seal();
    const VerifyReport report = f.report();
    const auto& findings = report.logs.at(0).findings;
    CHECK(std::count_if(findings.begin(), findings.end(),
                        [](const Finding& x) { return x.verdict == Verdict::tampered; }) == 1);
  }
}

TEST_CASE("segments and their checkpoints", "[verify]") {
  Fixture f;
  LogBuilder& log = f.log;
  log.add_genesis();
  log.seal();
  log.add_message("x");
  log.add({log.common(), log.handover()});
  const auto write = [&](const SegmentFile& file) {
    write_all(log.folder + "/segments/" + segment_file_name(file.start, file.end),
              encode_segment_header(file) + file.entries);
    write_all(log.receipt_path(), log.receipt().encode());
  };
  SegmentFile file = log.segment_file(log.note().encode());
  SECTION("lawful") {
    write(file);
    CHECK(f.report().verdict == Verdict::fine);
  }
  SECTION("another compact range") {
    file.range[0][0] ^= 1;
    write(file);
    CHECK(tampered(f.report(), "the hashes of what stands before it"));
  }
  SECTION("checkpoint of another size") {
    Note note = *sign_checkpoint({log.origin, 3, log.range.root()}, *log.identity);
    file.note = note.encode();
    write(file);
    CHECK(tampered(f.report(), "is of size 3, not 4"));
  }
  SECTION("checkpoint of another root") {
    Note note = *sign_checkpoint({log.origin, 4, sha256("x")}, *log.identity);
    file.note = note.encode();
    write(file);
    CHECK(tampered(f.report(), "its root is not that of the entries up to here"));
  }
  SECTION("checkpoint of another log") {
    Note note = *sign_checkpoint({"example.com/other", 4, log.range.root()}, *log.identity);
    file.note = note.encode();
    write(file);
    CHECK(tampered(f.report(), "is a checkpoint of \"example.com/other\""));
  }
  SECTION("checkpoint by another key") {
    file.note = sign_checkpoint(log.checkpoint(), *test_key(5))->encode();
    write(file);
    CHECK(tampered(f.report(), "has no signature by the identity key"));
  }
  SECTION("checkpoint with a false signature beside the right one") {
    Note note = log.note();
    note.signatures.push_back(note.signatures[0]);
    note.signatures[1].signature[5] ^= 1;
    file.note = note.encode();
    write(file);
    CHECK(tampered(f.report(), "signature by the identity key does not hold"));
  }
  SECTION("checkpoint with a stranger's line") {
    file.note = log.receipt().encode();
    write(file);
    CHECK(tampered(f.report(), "other signatures beside the identity's"));
  }
  SECTION("the same segment twice, cut differently") {
    write(file);
    file.end = 3;
    file.entries = file.entries.substr(0, 2 + get_u16(file.entries.data()));
    write_all(log.folder + "/segments/" + segment_file_name(2, 3), encode_segment_header(file) + file.entries);
    CHECK(tampered(f.report(), "overlaps the segment before it"));
  }
  SECTION("an entry that is not one") {
    log.entries[0] = "not CBOR";
    log.range = log.segment_range;
    for (const Bytes& entry : log.entries) log.range.append(leaf_hash(entry));
    write(log.segment_file(log.note().encode()));
    CHECK(tampered(f.report(), "entry 2 (byte "));
    CHECK(tampered(f.report(), "is not a valid entry"));
  }
}

TEST_CASE("messages in parts", "[verify]") {
  Fixture f;
  LogBuilder& log = f.log;
  log.add_genesis();
  Message first = log.message("aaa");
  const Bytes payload = "aaabbbcc";
  first.parts = PartsInfo{8, 3, sha256(payload)};
  const auto part = [&](std::uint64_t number, ByteView bytes, std::uint64_t of = 1) {
    Part p;
    p.first = of;
    p.number = number;
    p.payload = bytes;
    log.add({log.common(), p});
  };
  SECTION("lawful") {
    log.add({log.common(), first});
    part(1, "bbb");
    part(2, "cc");
    CHECK(f.sealed().verdict == Verdict::fine);
  }
  SECTION("out of order") {
    log.add({log.common(), first});
    part(2, "cc");
    part(1, "bbb");
    CHECK(tampered(f.sealed(), "expected was part 1"));
  }
  SECTION("of another message") {
    log.add({log.common(), first});
    part(1, "bbb", 7);
    part(2, "cc");
    CHECK(tampered(f.sealed(), "is part 1 of the message of entry 7"));
  }
  SECTION("without a first one") {
    log.add_message("x");
    part(1, "bbb");
    CHECK(tampered(f.sealed(), "does not stand directly before it"));
  }
  SECTION("interrupted") {
    log.add({log.common(), first});
    part(1, "bbb");
    log.add_message("x");
    part(2, "cc");
    CHECK(tampered(f.sealed(), "interrupts the message of entry 1"));
  }
  SECTION("interrupted by the end of the segment") {
    log.add({log.common(), first});
    part(1, "bbb");
    CHECK(tampered(f.sealed(), "interrupts the message of entry 1"));
  }
  SECTION("one too many") {
    log.add({log.common(), first});
    part(1, "bbb");
    part(2, "cc");
    part(3, "dd");
    CHECK(tampered(f.sealed(), "is part 3"));
  }
  SECTION("another length") {
    log.add({log.common(), first});
    part(1, "bbb");
    part(2, "c");
    CHECK(tampered(f.sealed(), "has 7 bytes, announced were 8"));
  }
  SECTION("another content") {
    log.add({log.common(), first});
    part(1, "bbb");
    part(2, "cd");
    CHECK(tampered(f.sealed(), "does not have the SHA-256"));
  }
}

TEST_CASE("the archive's own anchor line", "[verify]") {
  Fixture f;
  f.log.build();
  VerifyOptions nothing_known;
  nothing_known.path = f.root;
  const auto with = [&](const Bytes& line) {
    write_all(f.log.folder + "/log", line);
    return verify(nothing_known);
  };
  const std::string line = f.log.anchor().line(), vkey = f.log.vkey().encode();
  CHECK(with(line + "\n").verdict == Verdict::unproven);
  CHECK(with(line).verdict == Verdict::unproven);
  CHECK(with(vkey + "\n").verdict == Verdict::unproven);
  CHECK(tampered(with("x"), "is not a vkey or an anchor line"));
  CHECK(tampered(with(line + "\n\n"), "is not a vkey or an anchor line"));
  CHECK(tampered(with(vkey + " " + hex(view(sha256("x")))), "names another entry 0"));
  CHECK(says(with(""), Verdict::named, "is missing or empty"));
  write_all(f.log.folder + "/log", VerifierKey{kOrigin, KeyType::ed25519, test_key(9)->public_key()}.encode());
  nothing_known.anchors = {f.log.anchor()};
  CHECK(tampered(verify(nothing_known), "names another key"));
}

TEST_CASE("references go back, never forward", "[verify]") {
  Fixture f;
  LogBuilder& log = f.log;
  log.add_genesis();
  Message message = log.message("x");
  EntryCommon common = log.common();
  SECTION("a possible duplicate of itself") {
    message.possible_duplicate_of = 1;
    log.add({common, message});
    CHECK(tampered(f.sealed(), "may be a duplicate of entry 1"));
  }
  SECTION("a connection that begins later") {
    common.connection = 2;
    common.received = 1;
    log.add({common, message});
    CHECK(tampered(f.sealed(), "its connection begins at a later entry"));
  }
}

TEST_CASE("receipts within the log", "[verify]") {
  Fixture f;
  LogBuilder& log = f.log;
  log.add_genesis();
  log.add_message("x");
  log.seal();
  Checkpoint checkpoint{log.origin, 3, log.segment_range.root()};
  const auto add = [&](const Note& note) {
    const Bytes text = note.encode();
    Receipt receipt;
    receipt.note = text;
    log.add({log.common(), receipt});
  };
  const auto cosigned = [&](const Checkpoint& c, int by = 3) {
    Note note = *sign_checkpoint(c, *log.identity);
    note.signatures.push_back(*cosign(note.text, 5, "mirror.example", *test_key(by)));
    return note;
  };
  SECTION("lawful") {
    add(cosigned(checkpoint));
    const VerifyReport report = f.sealed();
    CHECK(report.verdict == Verdict::fine);
    CHECK(report.logs[0].logged_receipts == 1);
  }
  SECTION("of a size within a segment, lawful") {
    CompactRange two;
    two.append(log.genesis_hash);
    Fixture g;
    g.log.add_genesis();
    g.log.add_message("x");
    add(cosigned({log.origin, 2, g.log.range.root()}));
    const VerifyReport report = f.sealed();
    CHECK(report.verdict == Verdict::fine);
    CHECK(report.logs[0].logged_receipts == 1);
  }
  SECTION("of a size within a segment, another root") {
    checkpoint.size = 2;
    add(cosigned(checkpoint));
    const VerifyReport report = f.sealed();
    CHECK(report.verdict == Verdict::forked);
    CHECK(says(report, Verdict::forked, "entry 3 (byte"));
  }
  SECTION("another root") {
    checkpoint.root = sha256("x");
    add(cosigned(checkpoint));
    CHECK(f.sealed().verdict == Verdict::forked);
  }
  SECTION("of its own size or later") {
    checkpoint.size = 4;
    add(cosigned(checkpoint));
    CHECK(tampered(f.sealed(), "not below its own index"));
  }
  SECTION("not signed by the identity") {
    Note note = *sign_checkpoint(checkpoint, *test_key(9));
    add(note);
    CHECK(tampered(f.sealed(), "has no signature by the identity key"));
  }
  SECTION("a mirror's line that does not hold") {
    Note note = cosigned(checkpoint);
    note.signatures[1].signature[20] ^= 1;
    add(note);
    CHECK(tampered(f.sealed(), "the policy rejects it"));
  }
}

TEST_CASE("kinds that this version does not know", "[verify]") {
  Fixture f;
  LogBuilder& log = f.log;
  log.add_genesis();
  // {0: 1, 1: kind, 2: 1, 3: 0, 4: 1, 5: 8}: the common keys and nothing else.
  const auto opaque = [](std::uint8_t kind) {
    Bytes bytes("\xa6\x00\x01\x01", 4);
    if (kind > 23) bytes += '\x18';
    bytes += static_cast<char>(kind);
    return bytes + Bytes("\x02\x01\x03\x00\x04\x01\x05\x08", 8);
  };
  const auto with = [&](std::uint8_t kind) {
    const Bytes bytes = opaque(kind);
    REQUIRE(decode_entry(bytes));
    log.add_bytes(bytes);
    return f.sealed();
  };
  SECTION("are shown and counted") {
    const VerifyReport report = with(77);
    CHECK(report.verdict == Verdict::fine);
    CHECK(report.logs[0].kinds.at("kind 77") == 1);
  }
  // What is known by its kind is strict, and none of them is without its keys.
  SECTION("a succession and a loss are none of them") {
    CHECK_FALSE(decode_entry(opaque(7)));
    CHECK_FALSE(decode_entry(opaque(9)));
  }
}
