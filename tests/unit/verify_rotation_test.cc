// What the verifier makes of a log whose identity key was rotated.
#include <catch2/catch.hpp>

#include "tests/unit/archive_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

struct Rotated {
  TempDir dir;
  std::string root = dir / "archive";
  LogBuilder log{root};
  std::uint64_t index = 0;  // of the rotation

  Rotated() {
    log.add_genesis();
    log.add_message("before");
    log.seal();
    log.add_event(EventCode::start);
  }
  void rotate() {
    index = log.add_rotation();
    log.add_message("after");
  }
  VerifyReport report(const std::optional<Policy>& policy = std::nullopt) {
    log.write_log_line();
    VerifyOptions options = asking(log, root);
    if (policy) options.policy = *policy;
    return verify(options);
  }
  VerifyReport sealed() {
    log.seal();
    return report();
  }
};

}  // namespace

TEST_CASE("a rotation of the identity is followed from the old anchor on", "[verify]") {
  Rotated r;
  r.log.overlap = GENERATE(true, false);
  r.rotate();
  r.log.seal();
  r.log.add_message("later");
  r.log.seal();
  r.log.write_witness();
  const VerifyReport report = r.report();
  INFO(report_text(report));
  CHECK(report.verdict == Verdict::fine);
  const LogReport& log = report.logs.at(0);
  REQUIRE(log.rotations.size() == 1);
  CHECK(log.rotations[0].index == r.index);
  CHECK(log.rotations[0].from == r.log.vkey());
  CHECK(log.rotations[0].to == r.log.rotated_vkey());
  CHECK(log.kinds.at("rotation") == 1);
  CHECK(log.receipts_counted == 3);
  CHECK_THAT(report_text(report), Catch::Contains("rotated     the identity key, at entry " + std::to_string(r.index)));
  CHECK_THAT(report_json(report),
             Catch::Contains("\"index\": " + std::to_string(r.index) + ",\n          \"from\": \"" +
                             r.log.vkey().encode() + "\",\n          \"to\": \"" + r.log.rotated_vkey().encode()));
}

TEST_CASE("the keys that a policy names of a rotated log", "[verify]") {
  Rotated r;
  r.log.overlap = GENERATE(true, false);
  r.rotate();
  r.log.seal();
  SECTION("the old one alone serves in the overlap, and not after it") {
    const VerifyReport report = r.report(r.log.policy_naming({r.log.vkey()}));
    CHECK(report.verdict == (r.log.overlap ? Verdict::fine : Verdict::named));
    CHECK(report.logs.at(0).receipts_counted == (r.log.overlap ? 2 : 1));
    if (!r.log.overlap) CHECK(says(report, Verdict::named, "name the old and the new key"));
  }
  SECTION("the new one alone counts receipts of what it has signed") {
    const VerifyReport report = r.report(r.log.policy_naming({r.log.rotated_vkey()}));
    CHECK(report.verdict == Verdict::named);
    CHECK(report.logs.at(0).receipts_counted == 1);
  }
  SECTION("in whatever order") {
    CHECK(r.report(r.log.policy_naming({r.log.rotated_vkey(), r.log.vkey()})).verdict == Verdict::fine);
  }
  SECTION("another one") {
    CHECK(tampered(r.report(r.log.policy_naming({{kOrigin, KeyType::ed25519, test_key(91)->public_key()}})),
                   "anchor and policy name different identity keys"));
  }
  SECTION("without an anchor") {
    r.log.write_log_line();
    VerifyOptions options = asking(r.log, r.root);
    options.anchors.clear();
    const VerifyReport report = verify(options);
    CHECK(report.verdict == Verdict::unproven);
    CHECK(report.logs.at(0).rotations.size() == 1);
    CHECK(report.logs[0].receipts_counted == 2);
  }
  SECTION("without an anchor, the new one alone") {
    r.log.write_log_line();
    if (GENERATE(false, true)) fs::remove(r.log.folder + "/log");
    VerifyOptions options = asking(r.log, r.root);
    options.anchors.clear();
    options.policy = r.log.policy_naming({r.log.rotated_vkey()});
    const VerifyReport report = verify(options);
    INFO(report_text(report));
    CHECK(report.verdict == Verdict::unproven);
    CHECK(report.logs.at(0).receipts_counted == 1);
    options.policy = r.log.policy_naming({{kOrigin, KeyType::ed25519, test_key(91)->public_key()}});
    CHECK(tampered(verify(options), "log and policy name different identity keys"));
  }
}

TEST_CASE("which key a checkpoint needs", "[verify]") {
  Rotated r;
  SECTION("the old one alone, in segment and receipt") {
    r.rotate();
    const auto by_old = [&] { return *sign_checkpoint(r.log.checkpoint(), *r.log.identity); };
    r.log.add({r.log.common(), r.log.handover()});
    const SegmentFile file = r.log.segment_file(by_old().encode());
    const bool segment = GENERATE(true, false);
    if (segment)
      write_all(r.log.segment_path(), encode_segment_header(file) + file.entries);
    else
      r.log.write_segment();
    Note receipt = segment ? r.log.note() : by_old();
    receipt.signatures.push_back(*cosign(receipt.text, r.log.now_s, "mirror.example", *r.log.mirror));
    write_all(r.log.receipt_path(), receipt.encode());
    CHECK(tampered(r.report(), "only by " + r.log.vkey().encode() + ", which was not the identity at that size"));
  }
  SECTION("the new one says nothing before it") {
    r.log.rotated = test_key(90);
    r.log.overlap = false;
    r.log.seal();
    r.log.add({r.log.common(), r.log.rotation(*r.log.identity, *r.log.rotated)});
    CHECK(tampered(r.sealed(), "has no signature by the identity key " + r.log.vkey().encode()));
  }
  SECTION("a line of the new one that does not hold") {
    r.rotate();
    r.log.add({r.log.common(), r.log.handover()});
    Note note = r.log.note();
    const std::size_t which = GENERATE(0, 1);
    note.signatures[which].signature[5] = static_cast<char>(note.signatures[which].signature[5] ^ 1);
    const SegmentFile file = r.log.segment_file(note.encode());
    write_all(r.log.segment_path(), encode_segment_header(file) + file.entries);
    CHECK(tampered(r.report(), "does not hold"));
  }
  SECTION("a third line") {
    r.rotate();
    r.log.add({r.log.common(), r.log.handover()});
    Note note = r.log.note();
    note.signatures.push_back(*sign_note_text(note.text, kOrigin, *test_key(91)));
    const SegmentFile file = r.log.segment_file(note.encode());
    write_all(r.log.segment_path(), encode_segment_header(file) + file.entries);
    CHECK(tampered(r.report(), "carries other signatures beside the identity's"));
  }
}

TEST_CASE("what a collector refused of a former key is no word about the log", "[verify]") {
  Rotated r;
  const Checkpoint before = r.log.checkpoint();
  r.log.overlap = false;
  r.rotate();
  const auto refused = [&](std::uint64_t size, const std::vector<const SoftwareSigner*>& by) {
    Note note{Checkpoint{kOrigin, size, sha256("another history")}.text(), {}};
    for (const SoftwareSigner* key : by)
      note.signatures.push_back(*sign_note_text(note.text, kOrigin, *const_cast<SoftwareSigner*>(key)));
    return note;
  };
  const auto keep = [&](const Note& note, std::uint64_t size) {
    write_all(r.log.folder + "/evidence/" + receipt_file_name(size).substr(0, 20) + "-0123456789abcdef.note",
              note.encode());
  };
  const std::uint64_t size = r.log.range.size();
  r.log.seal();
  SECTION("alone, above the rotation") {
    for (const std::uint64_t of : {size, size + 1, size + 900}) keep(refused(of, {r.log.identity.get()}), of);
    const VerifyReport report = r.report();
    CHECK(report.verdict == Verdict::named);
    CHECK(says(report, Verdict::named, "which was not the identity at that size"));
  }
  SECTION("below it is another matter") {
    keep(refused(before.size, {r.log.identity.get()}), before.size);
    CHECK(says(r.report(), Verdict::forked, "two histories"));
  }
  SECTION("nor is it, below, what the new key signs") {
    keep(refused(before.size, {r.log.rotated.get()}), before.size);
    CHECK(tampered(r.report(), "which was not the identity at that size"));
  }
  SECTION("by the new key as well") {
    keep(refused(size, {r.log.identity.get(), r.log.rotated.get()}), size);
    CHECK(says(r.report(), Verdict::forked, "two histories"));
  }
  SECTION("with a line that does not hold") {
    Note note = refused(size, {r.log.identity.get()});
    note.signatures[0].signature[5] = static_cast<char>(note.signatures[0].signature[5] ^ 1);
    keep(note, size);
    CHECK(tampered(r.report(), "does not hold"));
  }
  SECTION("by nobody that the log knows") {
    keep(refused(size, {test_key(91).get()}), size);
    CHECK(tampered(r.report(), "has no signature by the identity key"));
  }
  SECTION("and what it has not refused, is") {
    write_all(r.log.receipt_path(), refused(r.log.range.size(), {r.log.identity.get()}).encode());
    CHECK(tampered(r.report(), "which was not the identity at that size"));
  }
}

TEST_CASE("a log that lacks the entries of its rotation", "[verify]") {
  Rotated r;
  r.log.overlap = false;
  const std::uint64_t lost_from = r.log.segment_range.size();
  r.rotate();
  const std::string lost = r.log.folder + "/segments/" + segment_file_name(lost_from, r.log.range.size() + 1);
  const std::string its_receipt = r.log.folder + "/receipts/" + receipt_file_name(r.log.range.size() + 1);
  r.log.seal();
  r.log.add_message("later");
  SECTION("is cut, and no more than that") {
    const bool from_start = GENERATE(false, true);
    r.log.seal();
    r.log.write_witness();
    fs::remove(lost);
    if (from_start) fs::remove(r.log.folder + "/segments/" + segment_file_name(0, lost_from));
    const VerifyReport report = r.report();
    CHECK(report.verdict == Verdict::truncated);
    CHECK(says(
        report, Verdict::unproven,
        ": checkpoint: has no signature by the identity key " + r.log.vkey().encode() + ", but entries are missing"));
    CHECK(says(report, Verdict::unproven, "witness: has no signature by the identity key"));
    SECTION("whatever the policy names") {
      const VerifyReport new_only = r.report(r.log.policy_naming({r.log.rotated_vkey()}));
      CHECK(new_only.verdict == Verdict::truncated);
      CHECK(says(new_only, Verdict::unproven, "nothing here leads from the log's identity key to the policy's"));
    }
  }
  SECTION("because they are not there yet, and its witness is ahead") {
    r.log.write_witness();
    fs::remove(lost);
    fs::remove(its_receipt);
    const VerifyReport report = r.report();
    CHECK(report.verdict == Verdict::unproven);
    CHECK(says(report, Verdict::unproven, "witness: has no signature by the identity key"));
    Note forged = *Note::parse(read_all(r.log.folder + "/witness"));
    forged.signatures.push_back(*sign_note_text(forged.text, kOrigin, *r.log.identity));
    forged.signatures.back().signature[5] = static_cast<char>(forged.signatures.back().signature[5] ^ 1);
    write_all(r.log.folder + "/witness", forged.encode());
    CHECK(tampered(r.report(), "does not hold"));
  }
  SECTION("and has another one after them") {
    const auto third = test_key(93);
    r.log.add({r.log.common(), r.log.rotation(*r.log.rotated, *third)});
    r.log.rotated = test_key(93);
    r.log.seal();
    fs::remove(lost);
    const VerifyReport report = r.report();
    CHECK(report.verdict == Verdict::truncated);
    CHECK(says(report, Verdict::unproven, "rotates the identity key, from "));
    CHECK(report.logs.at(0).rotations.empty());
  }
  SECTION("and has one by nobody after them") {
    Rotation forged = r.log.rotation(*r.log.rotated, *test_key(93));
    forged.by_old = forged.by_new;
    r.log.add({r.log.common(), forged});
    r.log.seal();
    fs::remove(lost);
    CHECK(says(r.report(), Verdict::tampered, "the signature of the key that ends does not hold"));
  }
  SECTION("excuses no line of the old key, nor one that does not hold") {
    const bool valid = GENERATE(true, false);
    r.log.add({r.log.common(), r.log.handover()});
    Note note = *sign_checkpoint(r.log.checkpoint(), *r.log.identity);
    if (!valid) note.signatures[0].signature[5] = static_cast<char>(note.signatures[0].signature[5] ^ 1);
    const SegmentFile file = r.log.segment_file(note.encode());
    write_all(r.log.segment_path(), encode_segment_header(file) + file.entries);
    r.log.begin_next();
    r.log.add_message("last");
    r.log.seal();
    fs::remove(lost);
    fs::remove(its_receipt);
    // Signed by the old one after the gap: then it was the identity still, and the next one must have its line.
    CHECK(says(r.report(), Verdict::tampered, valid ? "has no signature by the identity key" : "does not hold"));
  }
}

TEST_CASE("a gap after which the old key still signs hides no rotation", "[verify]") {
  Rotated r;
  r.log.seal();
  const std::uint64_t start = r.log.segment_range.size();
  r.log.add_message("lost");
  r.log.seal();
  const std::string lost = r.log.folder + "/segments/" + segment_file_name(start, r.log.segment_range.size());
  r.rotate();
  r.log.seal();
  r.log.add_message("last");
  r.log.seal();
  fs::remove(lost);
  const VerifyReport report = r.report();
  CHECK(report.verdict == Verdict::truncated);
  CHECK(report.logs.at(0).rotations.size() == 1);
  CHECK_FALSE(report_text(report).find("that may have been rotated") != std::string::npos);
}

TEST_CASE("a rotation that somebody else makes", "[verify]") {
  Rotated r;
  const auto other = test_key(91);
  const auto with = [&](const Rotation& rotation, const std::string& words) {
    r.log.add({r.log.common(), rotation});
    const VerifyReport report = r.sealed();
    CHECK(tampered(report, words));
    CHECK(report.logs.at(0).rotations.size() == (r.log.rotated ? 1 : 0));
  };
  Rotation lawful = r.log.rotation(*r.log.identity, *other);
  SECTION("without the old key") {
    lawful.by_old = lawful.by_new;
    with(lawful, "the signature of the key that ends does not hold");
  }
  SECTION("without the new key") {
    lawful.by_new = lawful.by_old;
    with(lawful, "the signature of the key that begins does not hold");
  }
  SECTION("from a key that is not the identity") {
    with(r.log.rotation(*test_key(92), *other), "which is not the identity here");
  }
  SECTION("for another log") {
    r.log.origin = "example.com/other";
    lawful = r.log.rotation(*r.log.identity, *other);
    r.log.origin = kOrigin;
    with(lawful, "the signature of the key that ends does not hold");
  }
  SECTION("twice") {
    r.rotate();
    with(r.log.rotation(*r.log.identity, *other), "which is not the identity here");
  }
  SECTION("back to a former key") {
    r.rotate();
    with(r.log.rotation(*r.log.rotated, *r.log.identity), "to one that was the identity before");
  }
  SECTION("to an epoch key") { with(r.log.rotation(*r.log.identity, *r.log.epoch_key), "to an epoch key"); }
}

TEST_CASE("the new identity is no epoch key later", "[verify]") {
  Rotated r;
  r.index = r.log.add_rotation(101 + 1);  // what epoch 2 will have
  CHECK(tampered(r.sealed(), "takes the identity key for an epoch key"));
}
