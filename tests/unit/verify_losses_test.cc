// What a verifier says of entries that were dropped unsent: only a signed loss entry makes a hole pass.
#include <catch2/catch.hpp>

#include "crypto/sha256.h"
#include "gateway/verify_log.h"
#include "tests/unit/archive_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

constexpr std::uint64_t kStart = 256, kEnd = 768;

// Two segments. The first has lost the bundles 1 and 2, as an entry in the second says.
struct LossTest {
  TempDir dir;
  LogBuilder log{dir.path()};
  SegmentFile first;
  std::vector<Hash> leaves;
  Loss loss;
  std::uint64_t index = 0;
  Bytes loss_entry;

  LossTest() {
    log.add_genesis();
    while (log.range.size() < 900) log.add_message("reading " + std::to_string(log.range.size()));
    log.add({log.common(), log.handover()});
    first = log.segment_file(log.note().encode());
    for (const Bytes& entry : log.entries) leaves.push_back(leaf_hash(entry));
    write_receipt();
    log.begin_next();
    loss.start = kStart;
    loss.end = kEnd;
    loss.messages = kEnd - kStart;
    loss.hashes = fold_subtrees(kStart, kEnd, 8, {bundle(1), bundle(2)});
    log.write_log_line();
  }
  void write_receipt() { write_all(log.receipt_path(), log.receipt().encode()); }
  Hash bundle(std::uint64_t number) const {
    CompactRange range;
    for (std::uint64_t i = 256 * number; i < 256 * (number + 1); ++i) range.append(leaves[i]);
    return range.root();
  }
  // The second segment; `later`: it is not archived yet, and its checkpoint is pending.
  void record(bool later = false) {
    index = log.add({log.common(), loss});
    loss_entry = log.entries.back();
    log.add_message("after");
    log.add({log.common(), log.handover()});
    for (const Bytes& entry : log.entries) leaves.push_back(leaf_hash(entry));
    size = log.range.size();
    note = log.note().encode();
    if (later) {
      write_all(log.folder + "/pending/" + receipt_file_name(size), note);
    } else {
      log.write_segment();
      second = log.segment_path();
      write_receipt();
      log.begin_next();
    }
  }
  SegmentHole hole() const {
    const NodeSource nodes = [this](int level, std::uint64_t start) -> Result<Hash> {
      CompactRange range;
      for (std::uint64_t i = start; i < start + (1ull << level); ++i) range.append(leaves.at(i));
      return range.root();
    };
    SegmentHole out;
    out.from = out.start = kStart;
    out.end = kEnd;
    out.loss_entry = loss_entry;
    out.loss_index = index;
    out.note = note;
    out.proof = *subtree_proof(index, index + 1, size, nodes);
    out.bundles = {bundle(1), bundle(2)};
    return out;
  }
  // The first segment without what was dropped.
  void write(const SegmentHole& hole) {
    SegmentFile file = first;
    file.holes = {hole};
    file.entries.clear();
    const auto all = split_entries(first.entries, first.end - first.start);
    for (std::uint64_t i = first.start; i < first.end; ++i) {
      if (i >= hole.from && i < hole.end) continue;
      put_u16(file.entries, static_cast<std::uint16_t>((*all)[i].size()));
      file.entries += (*all)[i];
    }
    write_all(log.folder + "/segments/" + segment_file_name(first.start, first.end),
              encode_segment_header(file) + file.entries);
  }
  VerifyReport verified() const { return verify(asking(log, log.folder)); }
  VerifyReport with(const SegmentHole& hole) {
    write(hole);
    return verified();
  }

  std::uint64_t size = 0;
  Bytes note;
  std::string second;  // its file
};

}  // namespace

TEST_CASE_METHOD(LossTest, "verify: a hole that the log names is fine, and is listed") {
  record();
  const VerifyReport report = with(hole());
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::named);
  const LogReport& one = report.logs.at(0);
  CHECK(one.findings.size() == 1);
  CHECK(says(one, Verdict::named, "entries [256, 768) were dropped unsent, with 512 messages"));
  REQUIRE(one.losses.size() == 1);
  CHECK(one.losses[0].missing_from == kStart);
  CHECK(one.checkpoints == 2);
  CHECK(one.handovers == 2);
  CHECK(one.receipts_counted == 2);
  CHECK(one.leaves == size - 512);
  const auto place = read_all(second).find(loss_entry);
  CHECK(says(one, Verdict::named, "entry 901 (byte " + std::to_string(place) + "): records a loss"));
  CHECK_THAT(report_text(report), Catch::Contains("entries 256 to 767, dropped unsent with 512 messages"));
  CHECK_THAT(report_json(report), Catch::Contains("\"missing\": 512"));
}

TEST_CASE_METHOD(LossTest, "verify: a loss whose entries had gone up all the same is named, too") {
  record();
  write_all(log.folder + "/segments/" + segment_file_name(first.start, first.end),
            encode_segment_header(first) + first.entries);
  const VerifyReport report = verified();
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::named);
  CHECK_FALSE(report.logs.at(0).losses.at(0).missing_from);
  SegmentHole part = hole();
  part.from = 512;
  CHECK(with(part).verdict == Verdict::named);
  CHECK(verified().logs.at(0).losses.at(0).missing_from == 512);
}

TEST_CASE_METHOD(LossTest, "verify: until the loss entry is archived, its proof in a signed checkpoint stands for it") {
  record(true);
  const VerifyReport report = with(hole());
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::unproven);
  CHECK(says(report, Verdict::unproven, "a later checkpoint has loss entry 901"));
  SegmentHole bad = hole();
  bad.proof[0] = leaves[5];
  CHECK(tampered(with(bad), "is not proven to be in the log"));
  bad = hole();
  Note forged = *Note::parse(note);
  forged.signatures[0].signature[5] = static_cast<char>(forged.signatures[0].signature[5] ^ 1);
  bad.note = forged.encode();
  CHECK(tampered(with(bad), "does not hold"));
  bad = hole();
  bad.note = Note::parse(note)->text + "\n";
  CHECK(with(bad).verdict == Verdict::tampered);
}

// Whoever has the identity's and the last epoch's key can write more log, and not its receipts.
TEST_CASE_METHOD(LossTest, "verify: a loss entry that no receipt covers excuses nothing for good") {
  record();
  fs::remove(log.folder + "/receipts/" + receipt_file_name(size));
  const VerifyReport report = with(hole());
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::unproven);
  CHECK(says(report, Verdict::unproven, "no receipt covers that"));
}

TEST_CASE_METHOD(LossTest, "verify: a hole without its loss entry is tampered with") {
  SECTION("the entry there is another one") {
    record();
    SegmentHole bad = hole();
    bad.loss_index = index + 1;
    CHECK(tampered(with(bad), "is no loss entry"));
  }
  SECTION("the entry there is a loss entry, but not that one") {
    record();
    SegmentHole bad = hole();
    Loss other = loss;
    other.messages = 1;
    bad.loss_entry.clear();
    REQUIRE(encode_entry({log.common(), other}, bad.loss_entry).ok());
    CHECK(tampered(with(bad), "is not the loss entry that they are said to be lost by"));
  }
  SECTION("the loss entry is of another range") {
    loss.start = 512;
    loss.hashes = {bundle(2)};
    record();
    SegmentHole bad = hole();
    Loss other = loss;
    other.start = 256;
    other.hashes = fold_subtrees(256, 768, 8, bad.bundles);
    bad.loss_entry.clear();
    REQUIRE(encode_entry({log.common(), other}, bad.loss_entry).ok());
    CHECK(with(bad).verdict == Verdict::tampered);
  }
  SECTION("the loss entry has other hashes") {
    loss.hashes[0] = leaves[1];
    record();
    CHECK(tampered(with(hole()), "has other hashes than the tree"));
  }
  SECTION("the hashes in the place of the entries are others") {
    record();
    SegmentHole bad = hole();
    bad.bundles[1] = bundle(0);
    CHECK(tampered(with(bad), "its root is not that of the entries up to here"));
  }
  SECTION("a loss entry of what comes after it") {
    loss.start = 1024;
    loss.end = 1280;
    loss.hashes = {leaves[1]};
    record();
    write_all(log.folder + "/segments/" + segment_file_name(first.start, first.end),
              encode_segment_header(first) + first.entries);
    CHECK(tampered(verified(), "is a loss entry of entries that are not before it"));
  }
  SECTION("the segment is gone") {
    record();
    CHECK(verified().verdict == Verdict::truncated);
  }
}

TEST_CASE_METHOD(LossTest, "verify: a checkpoint of a size within a hole cannot be compared") {
  CompactRange range;
  for (std::uint64_t i = 0; i < 600; ++i) range.append(leaves[i]);
  Note at_600 = *sign_checkpoint({log.origin, 600, range.root()}, *log.identity);
  record();
  SECTION("the first one by another key is named") {
    write_all(log.folder + "/keys/" + receipt_file_name(600), at_600.encode());
    const VerifyReport report = with(hole());
    INFO(report_text(report));
    CHECK(report.verdict == Verdict::named);
    CHECK(says(report, Verdict::named, "cannot be compared: entries at size 600 were dropped unsent"));
  }
  SECTION("where the hole ends it can") {
    for (std::uint64_t i = 600; i < kEnd; ++i) range.append(leaves[i]);
    const bool right = GENERATE(true, false);
    Note at_end = *sign_checkpoint({log.origin, kEnd, right ? range.root() : leaves[0]}, *log.identity);
    at_end.signatures.push_back(*cosign(at_end.text, log.now_s, "witness.example", *log.witness));
    write_all(log.folder + "/witness", at_end.encode());
    CHECK(with(hole()).verdict == (right ? Verdict::named : Verdict::forked));
  }
  SECTION("any other is not proven") {
    at_600.signatures.push_back(*cosign(at_600.text, log.now_s, "witness.example", *log.witness));
    write_all(log.folder + "/witness", at_600.encode());
    const VerifyReport report = with(hole());
    INFO(report_text(report));
    CHECK(report.verdict == Verdict::unproven);
    CHECK(says(report, Verdict::unproven, "cannot be compared: entries at size 600 were dropped unsent"));
  }
}

// A store's holes are told by its ring's records of losses, which nobody has signed.
TEST_CASE("verify: what a ring says of a loss has to be what the loss entry says") {
  TempDir dir;
  const LogBuilder log{dir.path()};
  HoleEvidence hole;
  hole.from = hole.start = 256;
  hole.end = 768;
  hole.bundles = {sha256("one"), sha256("two")};
  hole.loss_index = 900;
  LogReport report;
  report.is_store = true;
  report.size = 1000;
  Loss loss;
  loss.start = 256;
  loss.end = 768;
  loss.hashes = fold_subtrees(256, 768, 8, hole.bundles);
  report.losses = {LossSeen{900, {}, loss}};
  const auto seen = [&] {
    report.findings.clear();
    check_losses({see_hole("here", hole)}, IdentityChain(), report);
    return report.findings.empty() ? std::string() : report.findings[0].where + ": " + report.findings[0].what;
  };
  CHECK(seen().empty());
  CHECK(report.losses[0].missing_from == 256);
  SECTION("it begins earlier") {
    report.losses[0].loss.start = 0;
    CHECK(seen() == "here: lacks entries [256, 768), but loss entry 900 is of [0, 768)");
  }
  SECTION("it ends later") {
    report.losses[0].loss.end = 1024;
    CHECK(seen() == "here: lacks entries [256, 768), but loss entry 900 is of [256, 1024)");
  }
  SECTION("entries before it are missing") {
    hole.from = 255;
    CHECK(seen() == "here: lacks entries [255, 768), but loss entry 900 is of [256, 768)");
  }
  SECTION("its hashes are others") {
    report.losses[0].loss.hashes[0] = sha256("three");
    CHECK(seen() == "here: lacks entries [256, 768), and loss entry 900 has other hashes than the tree");
  }
  SECTION("the log ends before it") {
    report.size = 900;
    CHECK(seen() == "here: loss entry 900: is not in the log");
  }
  SECTION("it is another entry") {
    report.losses[0].index = 901;
    CHECK(seen() == "here: lacks entries [256, 768), and entry 900, which should say so, is no loss entry");
  }
}

TEST_CASE("verify: a hole may begin and end within a large message, and nothing else may") {
  TempDir dir;
  LogBuilder log{dir.path()};
  log.add_genesis();
  while (log.range.size() < 250) log.add_message("x");
  log.add_large(20);  // [250, 270)
  while (log.range.size() < 500) log.add_message("x");
  log.add_large(20);  // [500, 520)
  log.add_message("y");
  log.add({log.common(), log.handover()});
  std::vector<Hash> leaves;
  for (const Bytes& entry : log.entries) leaves.push_back(leaf_hash(entry));
  CompactRange bundle;
  for (std::uint64_t i = 256; i < 512; ++i) bundle.append(leaves[i]);
  SegmentFile file = log.segment_file(log.note().encode());
  write_all(log.receipt_path(), log.receipt().encode());
  log.begin_next();
  Loss loss;
  loss.start = 256;
  loss.end = 512;
  loss.hashes = {bundle.root()};
  loss.messages = 232;
  const std::uint64_t index = log.add({log.common(), loss});
  SegmentHole hole;
  hole.from = hole.start = 256;
  hole.end = 512;
  hole.loss_index = index;
  hole.loss_entry = log.entries.back();
  hole.note = "not looked at, since the entry is here";
  hole.bundles = {bundle.root()};
  log.seal();
  log.write_log_line();
  const auto all = split_entries(file.entries, file.end);
  Bytes kept;
  for (std::uint64_t i = 0; i < file.end; ++i) {
    if (i >= 256 && i < 512) continue;
    put_u16(kept, static_cast<std::uint16_t>((*all)[i].size()));
    kept += (*all)[i];
  }
  file.entries = kept;
  file.holes = {hole};
  write_all(log.folder + "/segments/" + segment_file_name(0, file.end), encode_segment_header(file) + file.entries);
  const VerifyReport report = verify(asking(log, log.folder));
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::named);
}

// Of a hole everything is said by others: only what ends an epoch could not be.
TEST_CASE("verify: a hole hides neither the end of a segment nor the end of one before it") {
  const bool within = GENERATE(false, true);
  CAPTURE(within);
  TempDir dir;
  LogBuilder log{dir.path()};
  std::vector<Bytes> all;
  std::vector<std::string> true_segments;
  const auto close = [&] {
    log.add({log.common(), log.handover()});
    all.insert(all.end(), log.entries.begin(), log.entries.end());
    log.write_segment();
    true_segments.push_back(log.segment_path());
    write_all(log.receipt_path(), log.receipt().encode());
  };
  log.add_genesis();
  if (within) {
    while (log.range.size() < 700) log.add_message("x");
    close();
    log.begin_next();
  }
  while (log.range.size() < 1023) log.add_message("x");
  close();
  SegmentFile file = log.segment_file(log.note().encode());
  file.start = 0;
  file.range.clear();
  log.begin_next();
  SegmentHole hole;
  hole.from = hole.start = within ? 512 : 768;
  hole.end = hole.start + 256;
  CompactRange bundle;
  for (std::uint64_t i = hole.start; i < hole.end; ++i) bundle.append(leaf_hash(all.at(i)));
  hole.bundles = {bundle.root()};
  Loss loss;
  loss.start = hole.start;
  loss.end = hole.end;
  loss.hashes = hole.bundles;
  loss.messages = 255;
  hole.loss_index = log.add({log.common(), loss});
  hole.loss_entry = log.entries.back();
  hole.note = "not looked at, since the entry is here";
  log.seal();
  log.write_log_line();
  CHECK(verify(asking(log, log.folder)).verdict == Verdict::named);

  file.entries.clear();
  for (std::uint64_t i = 0; i < file.end; ++i) {
    if (i >= hole.from && i < hole.end) continue;
    put_u16(file.entries, static_cast<std::uint16_t>(all[i].size()));
    file.entries += all[i];
  }
  file.holes = {hole};
  for (const std::string& path : true_segments) fs::remove(path);
  write_all(log.folder + "/segments/" + segment_file_name(0, file.end), encode_segment_header(file) + file.entries);
  const VerifyReport report = verify(asking(log, log.folder));
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::tampered);
  CHECK(says(report, Verdict::tampered, within ? "epoch" : "its last entry is neither a handover nor a break"));
}
