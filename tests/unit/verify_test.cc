#include <catch2/catch.hpp>

#include "gateway/progress.h"
#include "gateway/verify_log.h"
#include "tests/unit/archive_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

struct Archive {
  TempDir dir;
  std::string root = dir / "archive";
  LogBuilder log{root};
  Verdict check() { return verify(asking(log, root)).verdict; }
  VerifyReport report() { return verify(asking(log, root)); }
};

// In any log, or of the path as a whole.
bool says_anywhere(const VerifyReport& report, Verdict verdict, const std::string& words) {
  const auto has = [&](const Finding& f) {
    return f.verdict == verdict && (f.where + ": " + f.what).find(words) != std::string::npos;
  };
  for (const Finding& finding : report.findings)
    if (has(finding)) return true;
  for (const LogReport& log : report.logs)
    for (const Finding& finding : log.findings)
      if (has(finding)) return true;
  return false;
}

std::vector<std::string> all_files(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

TEST_CASE("progress is told after each segment, up to the end", "[verify]") {
  Archive a;
  a.log.build();
  VerifyOptions options = asking(a.log, a.root);
  std::vector<std::uint64_t> done;
  options.on_progress = [&](const std::string& where, std::uint64_t at, std::uint64_t of) {
    CHECK_FALSE(where.empty());
    CHECK(of == a.log.range.size());
    done.push_back(at);
  };
  CHECK(verify(options).verdict == Verdict::fine);
  REQUIRE(done.size() == 3);
  CHECK(std::is_sorted(done.begin(), done.end()));
  CHECK(done.back() == a.log.range.size());
}

TEST_CASE("a progress bar", "[verify]") {
  CHECK(progress_bar(0, 10, 10) == "[----------]   0 %");
  CHECK(progress_bar(5, 10, 10) == "[#####-----]  50 %");
  CHECK(progress_bar(10, 10, 10) == "[##########] 100 %");
  CHECK(progress_bar(11, 10, 4) == "[####] 100 %");
  CHECK(progress_bar(0, 0, 4) == "[####] 100 %");
}

TEST_CASE("a sound archive with anchor, policy and receipts is fine", "[verify]") {
  Archive a;
  a.log.build();
  const VerifyReport report = a.report();
  INFO(report_text(report));
  REQUIRE(report.verdict == Verdict::fine);
  REQUIRE(report.logs.size() == 1);
  const LogReport& log = report.logs[0];
  CHECK(log.findings.empty());
  CHECK(log.origin == kOrigin);
  CHECK(log.anchor_matched);
  CHECK(log.anchor == a.log.anchor().line());
  CHECK(log.size == a.log.range.size());
  CHECK(log.leaves == log.size);
  CHECK(log.root == a.log.range.root());
  CHECK(log.segments == 3);
  CHECK(log.checkpoints == 3);
  CHECK(log.handovers == 3);
  CHECK(log.receipts == 3);
  CHECK(log.receipts_counted == 3);
  CHECK(log.logged_receipts == 1);
  REQUIRE(log.highest_receipt);
  CHECK(log.highest_receipt->size == log.size);
  CHECK(log.highest_receipt->cosigned_by == std::map<std::string, std::uint64_t>{{"m", 1'700'001'200}});
  CHECK(log.witnessed == log.size);
  CHECK(log.kinds == std::map<std::string, std::uint64_t>{
                         {"event", 2}, {"genesis", 1}, {"handover", 3}, {"message", 4}, {"part", 2}, {"receipt", 1}});
  CHECK(log.events == std::map<std::string, std::uint64_t>{{"start", 1}, {"stop", 1}});
  CHECK_THAT(report_text(report), !Catch::Contains("not here"));

  SECTION("and so is the log's folder alone, under whatever name") {
    VerifyOptions options = asking(a.log, a.log.folder);
    CHECK(verify(options).verdict == Verdict::fine);
    fs::rename(a.log.folder, a.dir / "copy");
    options.path = a.dir / "copy";
    CHECK(verify(options).verdict == Verdict::fine);
  }
  SECTION("a minimum size bounds the tail as well") {
    VerifyOptions options = asking(a.log, a.root);
    options.policy.reset();
    CHECK(verify(options).verdict == Verdict::unproven);
    options.min_size = log.size;
    CHECK(verify(options).verdict == Verdict::fine);
    options.min_size = log.size + 1;
    CHECK(verify(options).verdict == Verdict::truncated);
  }
}

TEST_CASE("without an anchor the verdict is never fine", "[verify]") {
  Archive a;
  a.log.build();
  VerifyOptions options = asking(a.log, a.root);
  options.anchors.clear();
  CHECK(verify(options).verdict == Verdict::unproven);
  options.min_size = 1;
  CHECK(verify(options).verdict == Verdict::unproven);
  options.policy.reset();
  const VerifyReport report = verify(options);
  CHECK(report.verdict == Verdict::unproven);
  CHECK(says_anywhere(report, Verdict::unproven, "the whole history may have been re-made"));
}

TEST_CASE("a log that the identity key re-made from scratch fails against the anchor only", "[verify]") {
  Archive a;
  a.log.build();
  const Anchor anchor = a.log.anchor();
  fs::remove_all(a.root);
  LogBuilder again(a.root);
  again.now_s += 5;  // another genesis
  again.build();
  VerifyOptions options;
  options.path = a.root;
  CHECK(verify(options).verdict == Verdict::unproven);
  options.policy = again.policy();
  CHECK(verify(options).verdict == Verdict::unproven);
  options.anchors = {anchor};
  const VerifyReport report = verify(options);
  CHECK(report.verdict == Verdict::tampered);
  CHECK(says_anywhere(report, Verdict::tampered, "entry 0 (byte "));
  SECTION("also when its own log file is gone or claims the anchor") {
    write_all(again.folder + "/log", anchor.line() + "\n");
    CHECK(verify(options).verdict == Verdict::tampered);
    fs::remove(again.folder + "/log");
    CHECK(verify(options).verdict == Verdict::tampered);
  }
}

// No byte of an archive is without a check: one bit changed, whichever, is noticed.
TEST_CASE("every byte of every file counts", "[verify]") {
  Archive a;
  a.log.build();
  REQUIRE(a.check() == Verdict::fine);
  std::size_t bytes = 0;
  for (const std::string& file : all_files(a.root)) {
    const Bytes good = read_all(file);
    bytes += good.size();
    for (std::size_t i = 0; i < good.size(); ++i) {
      Bytes bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (i % 3 == 0 ? 0x20 : 1 << i % 8));
      write_all(file, bad);
      const Verdict verdict = a.check();
      INFO(file << " byte " << i << ": " << verdict_name(verdict));
      // A cosigner's name or key ID that nobody knows is a line of somebody else: then the receipt is named as not
      // counting. Everything else is tampering.
      const bool is_note = file.find(".seg") == std::string::npos && file.find("/log") == std::string::npos;
      if (verdict != Verdict::tampered) REQUIRE((is_note && verdict == Verdict::named));
    }
    write_all(file, good);
  }
  REQUIRE(bytes > 3000);
  REQUIRE(a.check() == Verdict::fine);
}

TEST_CASE("a segment cut at every length is noticed", "[verify]") {
  Archive a;
  a.log.build();
  const std::string file = all_files(a.log.folder + "/segments")[1];
  const Bytes good = read_all(file);
  for (std::size_t length = 0; length < good.size(); ++length) {
    write_all(file, good.substr(0, length));
    INFO(length);
    REQUIRE(a.check() == Verdict::tampered);
  }
  write_all(file, good + '\0');
  CHECK(a.check() == Verdict::tampered);
}

TEST_CASE("a file that is gone is named", "[verify]") {
  Archive a;
  a.log.build();
  const auto without = [&](const std::string& path) {
    fs::rename(path, a.dir / "away");
    const VerifyReport report = a.report();
    fs::rename(a.dir / "away", path);
    return report;
  };
  const auto segments = all_files(a.log.folder + "/segments");
  const auto receipts = all_files(a.log.folder + "/receipts");
  for (const std::string& file : segments) {
    INFO(file);
    CHECK(without(file).verdict == Verdict::truncated);
  }
  CHECK(says_anywhere(without(segments[1]), Verdict::truncated, "entries [4, "));
  CHECK(says_anywhere(without(segments[2]), Verdict::truncated, receipts[2].substr(receipts[2].find("receipts/"))));
  for (const std::string& file : receipts) {
    INFO(file);
    const VerifyReport report = without(file);
    CHECK(report.verdict == Verdict::named);
    CHECK(says_anywhere(report, Verdict::named, "has no receipt"));
  }
  CHECK(without(a.log.folder + "/log").verdict == Verdict::named);
  // Not every log has a witness, so its file may be missing; the report then does not claim one.
  const VerifyReport unwitnessed = without(a.log.folder + "/witness");
  CHECK(unwitnessed.verdict == Verdict::fine);
  CHECK_FALSE(unwitnessed.logs[0].witnessed);

  SECTION("all segments but the first") {
    fs::remove(segments[1]);
    fs::remove(segments[2]);
    CHECK(a.check() == Verdict::truncated);
  }
  SECTION("the tail with its receipt and witness: only a size from outside tells") {
    const std::uint64_t full = a.log.range.size();
    fs::remove(segments[2]);
    fs::remove(receipts[2]);
    CHECK(says_anywhere(a.report(), Verdict::named, "existed by then and are not here"));
    fs::remove(a.log.folder + "/witness");
    VerifyOptions options = asking(a.log, a.root);
    CHECK(verify(options).verdict == Verdict::fine);
    options.min_size = full;
    CHECK(verify(options).verdict == Verdict::truncated);
  }
  SECTION("all receipts") {
    for (const std::string& file : receipts) fs::remove(file);
    const VerifyReport report = a.report();
    CHECK(report.verdict == Verdict::unproven);
    CHECK(says_anywhere(report, Verdict::unproven, "no receipt counts"));
    CHECK(says_anywhere(report, Verdict::named, "receipts: there are none"));
  }
  SECTION("a whole log of which an anchor is known") {
    LogBuilder other(a.root, "example.com/other");
    other.build();
    fs::remove_all(a.log.folder);
    CHECK(says_anywhere(a.report(), Verdict::truncated, "there is no log of"));
  }
  SECTION("everything") {
    fs::remove_all(a.log.folder);
    CHECK(a.check() == Verdict::unreadable);
  }
}

TEST_CASE("files in each other's place are noticed", "[verify]") {
  Archive a;
  a.log.build();
  for (const char* folder : {"/segments", "/receipts"}) {
    const auto files = all_files(a.log.folder + folder);
    for (std::size_t i = 0; i < files.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        const auto swap = [&] {
          fs::rename(files[i], a.dir / "x");
          fs::rename(files[j], files[i]);
          fs::rename(a.dir / "x", files[j]);
        };
        swap();
        CHECK(a.check() == Verdict::tampered);
        swap();
      }
    }
  }
  REQUIRE(a.check() == Verdict::fine);
}

TEST_CASE("a file that does not belong is named", "[verify]") {
  Archive a;
  a.log.build();
  const std::string name = GENERATE(as<std::string>{}, "x", "segments/x.seg", "segments/.00000.seg.1-0.tmp",
                                    "segments/0-4.seg", "receipts/5.note", "pending/x", "staging/x", "evidence/x");
  INFO(name);
  write_all(a.log.folder + "/" + name, "x");
  const VerifyReport report = a.report();
  CHECK(report.verdict == Verdict::named);
  CHECK(says_anywhere(report, Verdict::named, name + ": does not belong here"));
}

TEST_CASE("parts of an upload under way are not evidence", "[verify]") {
  Archive a;
  a.log.build();
  write_all(a.log.folder + "/staging/00000000000000000020-00000000000000000021.part", "anything");
  const VerifyReport report = a.report();
  CHECK(report.verdict == Verdict::fine);
  CHECK(report.logs[0].staged == 1);
}

TEST_CASE("a pending checkpoint that a collector removes meanwhile is no trouble, a receipt that goes is", "[verify]") {
  Archive a;
  a.log.build();
  const std::string size = receipt_file_name(a.log.range.size());
  const std::string gone = a.log.folder + GENERATE("/pending/", "/receipts/") + size;
  write_all(gone, a.log.receipt().encode());
  Result<std::unique_ptr<EvidenceSource>> source = open_archive_source(a.log.folder);
  REQUIRE(source);
  fs::remove(gone);
  Trust trust;
  trust.anchor = a.log.anchor();
  trust.min_size = 1;
  const bool pending = gone.find("/pending/") != std::string::npos;
  CHECK(verify_log(**source, trust).verdict == (pending ? Verdict::fine : Verdict::unreadable));
}

TEST_CASE("what cannot be read never passes", "[verify]") {
  Archive a;
  a.log.build();
  SECTION("no such path") {
    VerifyOptions options = asking(a.log, a.dir / "nowhere");
    CHECK(verify(options).verdict == Verdict::unreadable);
  }
  SECTION("no archive") {
    VerifyOptions options = asking(a.log, a.dir / "empty");
    fs::create_directories(options.path);
    CHECK(verify(options).verdict == Verdict::unreadable);
    write_all(options.path + "/x", "x");
    CHECK(verify(options).verdict == Verdict::unreadable);
  }
  SECTION("a folder where a file should be") {
    const int which = GENERATE(0, 1, 2, 3);
    const std::string file = which == 0   ? all_files(a.log.folder + "/segments")[2]
                             : which == 1 ? all_files(a.log.folder + "/receipts")[0]
                             : which == 2 ? a.log.folder + "/witness"
                                          : a.log.folder + "/log";
    INFO(file);
    fs::remove(file);
    fs::create_directories(file);
    CHECK(a.check() == Verdict::unreadable);
  }
  SECTION("a file where a folder should be") {
    const std::string folder = GENERATE(as<std::string>{}, "segments", "receipts", "pending", "staging", "evidence");
    INFO(folder);
    fs::remove_all(a.log.folder + "/" + folder);
    write_all(a.log.folder + "/" + folder, "x");
    CHECK(says_anywhere(a.report(), Verdict::unreadable, folder + ": "));
  }
  SECTION("a folder that is not there") {
    fs::remove_all(a.log.folder + "/receipts");
    CHECK(says_anywhere(a.report(), Verdict::named, "receipts: there is no such folder"));
    fs::remove_all(a.log.folder + "/segments");
    fs::remove(a.log.folder + "/witness");
    VerifyOptions nothing_known;
    nothing_known.path = a.root;
    CHECK(says_anywhere(verify(nothing_known), Verdict::named, "segments: there is no such folder"));
    fs::remove(a.log.folder + "/log");
    fs::create_directories(a.log.folder + "/segments");
    CHECK(says_anywhere(verify(nothing_known), Verdict::unproven, "no identity key is known"));
  }
  SECTION("an empty log") {
    fs::remove_all(a.log.folder + "/segments");
    fs::remove_all(a.log.folder + "/receipts");
    fs::create_directories(a.log.folder + "/segments");
    CHECK(a.check() == Verdict::unproven);
    VerifyOptions options = asking(a.log, a.root);
    options.min_size = 1;
    CHECK(verify(options).verdict == Verdict::truncated);
  }
}

TEST_CASE("keys and policies of others", "[verify]") {
  Archive a;
  a.log.build();
  VerifyOptions options = asking(a.log, a.root);
  LogBuilder stranger(a.dir / "other");
  SECTION("another mirror key: no receipt counts") {
    stranger.mirror = test_key(9);
    options.policy = stranger.policy();
    CHECK(verify(options).verdict == Verdict::unproven);
  }
  SECTION("another log key in the policy, without an anchor") {
    stranger.identity = test_key(8);
    options.policy = stranger.policy();
    options.anchors.clear();
    CHECK(verify(options).verdict == Verdict::tampered);
  }
  SECTION("another log key in the policy than in the anchor") {
    stranger.identity = test_key(8);
    options.policy = stranger.policy();
    const VerifyReport report = verify(options);
    CHECK(report.verdict == Verdict::tampered);
    CHECK(says_anywhere(report, Verdict::tampered, "anchor and policy name different identity keys"));
  }
  SECTION("another identity key in the anchor") {
    stranger.identity = test_key(8);
    stranger.genesis_hash = a.log.genesis_hash;
    options.anchors = {stranger.anchor()};
    options.policy.reset();
    CHECK(verify(options).verdict == Verdict::tampered);
  }
  SECTION("two keys of the log in the policy, one of them the anchor's") {
    const std::string rest = "witness m " + a.log.mirror_vkey().encode() + "\nquorum m\n";
    stranger.identity = test_key(8);
    const std::string first = "log " + a.log.vkey().encode() + "\n", second = "log " + stranger.vkey().encode() + "\n";
    for (const std::string& text : {first + second + rest, second + first + rest}) {
      options.policy = Policy::parse(text).value();
      CHECK(verify(options).logs[0].receipts_counted == 3);
    }
  }
  SECTION("a policy that does not name the log") {
    LogBuilder other(a.dir / "other", "example.com/other");
    options.policy = other.policy();
    CHECK(verify(options).verdict == Verdict::unproven);
  }
  SECTION("a quorum that was not met") {
    options.policy->quorum = "w";
    const VerifyReport report = verify(options);
    CHECK(report.verdict == Verdict::unproven);
    CHECK(says_anywhere(report, Verdict::named, "the policy's quorum is not met, cosigned by \"m\""));
  }
  SECTION("a policy without a quorum proves nothing by a receipt that nobody signed") {
    options.policy->quorum = "none";
    options.policy->witnesses.clear();
    CHECK(verify(options).verdict == Verdict::unproven);
  }
}

TEST_CASE("forks", "[verify]") {
  Archive a;
  a.log.build();
  const std::uint64_t size = a.log.range.size();
  Checkpoint other{kOrigin, size, sha256("another history")};
  const auto signed_by_all = [&](const Checkpoint& checkpoint) {
    Note note = *sign_checkpoint(checkpoint, *a.log.identity);
    note.signatures.push_back(*cosign(note.text, 1, "mirror.example", *a.log.mirror));
    note.signatures.push_back(*cosign(note.text, 1, "witness.example", *a.log.witness));
    return note.encode();
  };
  SECTION("a receipt of another root") {
    write_all(a.log.folder + "/receipts/" + receipt_file_name(size), signed_by_all(other));
    CHECK(a.check() == Verdict::forked);
  }
  SECTION("the witness saw another root, at a size within a segment") {
    other.size = size - 2;
    write_all(a.log.folder + "/witness", signed_by_all(other));
    const VerifyReport report = a.report();
    CHECK(report.verdict == Verdict::forked);
    CHECK(says_anywhere(report, Verdict::forked, "size " + std::to_string(size - 2)));
  }
  SECTION("a pending checkpoint") {
    write_all(a.log.folder + "/pending/" + receipt_file_name(size), signed_by_all(other));
    CHECK(a.check() == Verdict::forked);
  }
  SECTION("two roots at a size that is not here yet") {
    other.size = size + 5;
    write_all(a.log.folder + "/pending/" + receipt_file_name(size + 5), signed_by_all(other));
    CHECK(a.check() == Verdict::named);
    other.root = sha256("a third history");
    write_all(a.log.folder + "/witness", signed_by_all(other));
    CHECK(a.check() == Verdict::forked);
  }
  SECTION("what the collector refused") {
    const std::string name =
        a.log.folder + "/evidence/" + receipt_file_name(size).substr(0, 20) + "-0123456789abcdef.note";
    write_all(name, signed_by_all({kOrigin, size, a.log.range.root()}));
    CHECK(a.check() == Verdict::named);
    write_all(name, signed_by_all(other));
    CHECK(a.check() == Verdict::forked);
  }
  SECTION("what the collector refused beyond the end: perhaps the longer branch of a fork") {
    const std::string name =
        a.log.folder + "/evidence/" + receipt_file_name(size + 7).substr(0, 20) + "-0123456789abcdef.note";
    write_all(name, signed_by_all({kOrigin, size + 7, sha256("another branch")}));
    CHECK(a.check() == Verdict::unproven);
  }
  SECTION("a file name cannot forge a line of the report") {
    write_all(a.log.folder + "/receipts/x\nverdict     FINE (0)\x1b[2J", "x");
    const std::string text = report_text(a.report());
    CHECK(text.find("\nverdict     FINE") == std::string::npos);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK_THAT(text, Catch::Matchers::Contains("x\\x0averdict"));
  }
  SECTION("not signed by the identity: no fork, a forgery") {
    Note note = *sign_checkpoint(other, *test_key(50));
    write_all(a.log.folder + "/receipts/" + receipt_file_name(size), note.encode());
    CHECK(a.check() == Verdict::tampered);
  }
}

TEST_CASE("notes that are none", "[verify]") {
  Archive a;
  a.log.build();
  const std::string path = a.log.folder + "/witness";
  write_all(path, "garbage");
  CHECK(says_anywhere(a.report(), Verdict::tampered, "witness: is not a signed note"));
  write_all(path, Note{"sealring/x/v1\n", {*sign_note_text("sealring/x/v1\n", kOrigin, *a.log.identity)}}.encode());
  CHECK(says_anywhere(a.report(), Verdict::tampered, "witness: is not a checkpoint"));
  write_all(path, a.log.note().encode());
  CHECK(says_anywhere(a.report(), Verdict::named, "nobody whom the policy names has cosigned it"));
}

TEST_CASE("checkpoints within a segment and ahead of it", "[verify]") {
  Archive a;
  a.log.add_genesis();
  a.log.add_message("x");
  a.log.write_witness();
  a.log.add_message("y");
  a.log.seal();
  a.log.write_log_line();
  CHECK(a.check() == Verdict::fine);
  a.log.add_message("z");
  a.log.write_witness();
  const VerifyReport report = a.report();
  CHECK(report.verdict == Verdict::named);
  CHECK(says_anywhere(report, Verdict::named, "entries [4, 5) existed by then"));
  // What was cosigned lately may be on its way; by a clock that is far behind nobody can tell.
  const auto at = [&a](std::int64_t later_s) {
    VerifyOptions options = asking(a.log, a.root);
    options.now_unix = static_cast<std::uint64_t>(static_cast<std::int64_t>(a.log.now_s) + later_s);
    return verify(options).verdict;
  };
  const auto lag = static_cast<std::int64_t>(VerifyOptions::kMaxLagSeconds);
  CHECK(at(0) == Verdict::fine);
  CHECK(at(lag - 1) == Verdict::fine);
  CHECK(at(lag) == Verdict::named);
  CHECK(at(-lag) == Verdict::fine);
  CHECK(at(-lag - 1) == Verdict::named);
}

TEST_CASE("several logs in one archive", "[verify]") {
  Archive a;
  a.log.build();
  LogBuilder other(a.root, "example.com/other");
  other.identity = test_key(40);
  other.build();
  VerifyOptions options;
  options.path = a.root;
  options.anchors = {a.log.anchor(), other.anchor()};
  options.policy =
      Policy::parse("log " + a.log.vkey().encode() + "\nlog " + other.vkey().encode() + "\nwitness m " +
                    other.mirror_vkey().encode() + "\nwitness w " + other.witness_vkey().encode() + "\nquorum m\n")
          .value();
  const VerifyReport report = verify(options);
  INFO(report_text(report));
  CHECK(report.logs.size() == 2);
  CHECK(report.verdict == Verdict::fine);
  SECTION("beside a collector's lock, and a stranger") {
    write_all(a.root + "/lock", "");
    CHECK(verify(options).verdict == Verdict::fine);
    write_all(a.root + "/x", "");
    CHECK(says_anywhere(verify(options), Verdict::named, "x: does not belong here"));
  }
  SECTION("one without an anchor") {
    options.anchors.pop_back();
    CHECK(verify(options).verdict == Verdict::unproven);
  }
  SECTION("in each other's folder") {
    fs::rename(a.log.folder, a.dir / "x");
    fs::rename(other.folder, a.log.folder);
    fs::rename(a.dir / "x", other.folder);
    CHECK(verify(options).verdict == Verdict::tampered);
    options.anchors.clear();
    options.policy.reset();
    CHECK(verify(options).verdict == Verdict::tampered);
  }
}

TEST_CASE("anchors", "[verify]") {
  const Anchor anchor{{kOrigin, KeyType::ed25519, test_key(1)->public_key()}, sha256("entry 0")};
  Result<Anchor> parsed = Anchor::parse(anchor.line());
  REQUIRE(parsed);
  CHECK(parsed->line() == anchor.line());
  const std::string line = anchor.line();
  for (std::size_t length = 0; length < line.size(); ++length) CHECK_FALSE(Anchor::parse(line.substr(0, length)));
  CHECK_FALSE(Anchor::parse(line + " "));
  CHECK_FALSE(Anchor::parse(line + "0"));
  CHECK_FALSE(Anchor::parse(" " + line));
  CHECK_FALSE(Anchor::parse(VerifierKey{"m", KeyType::cosignature_v1, test_key(1)->public_key()}.encode() +
                            line.substr(line.rfind(' '))));
  CHECK(parse_anchors("# enrolled\n\n" + line + "\n")->size() == 1);
  CHECK(parse_anchors(line)->size() == 1);
  CHECK_FALSE(parse_anchors(line + "\n" + line + "\n"));
  CHECK_FALSE(parse_anchors("# none\n"));
  CHECK_FALSE(parse_anchors("x\n"));
}

TEST_CASE("the verifier's tree agrees with the recorder's", "[verify]") {
  CompactRange range;
  TreeStack tree;
  for (int i = 0; i < 300; ++i) {
    CHECK(tree.root() == range.root());
    CHECK(tree.hashes() == range.hashes());
    TreeStack resumed;
    REQUIRE(resumed.resume(range.size(), range.hashes()));
    CHECK(resumed.root() == range.root());
    auto hashes = range.hashes();
    hashes.push_back({});
    CHECK_FALSE(resumed.resume(range.size(), hashes));
    const Hash leaf = leaf_hash(std::to_string(i));
    tree.push(leaf);
    range.append(leaf);
  }
}

TEST_CASE("the report says the same to people and to programs", "[verify]") {
  Archive a;
  a.log.build();
  write_all(a.log.folder + "/x\xff", "");
  const VerifyReport report = a.report();
  const std::string text = report_text(report), json = report_json(report);
  CHECK(text.find("verdict     NAMED (10)") != std::string::npos);
  CHECK(text.find("3 sealed checkpoints, 3 handovers, 3 receipts (3 count under the policy)") != std::string::npos);
  CHECK(json.find("\"exit_code\": 10") != std::string::npos);
  CHECK(json.find("\"handovers\": 3") != std::string::npos);
  CHECK(json.find("does not belong here") != std::string::npos);
}
