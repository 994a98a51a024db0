// The verifier on stores: frames, open segments, released beginnings. First over a source made by hand, where every
// part can be wrong; then over a real one.
#include <catch2/catch.hpp>

#include "gateway/verify_log.h"
#include "tests/unit/archive_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

class FakeSource final : public EvidenceSource {
 public:
  std::string folder = "store";
  Bytes anchor;
  std::vector<SegmentRef> refs;
  std::vector<SegmentEvidence> list;
  std::vector<NoteRef> note_refs;
  std::vector<Bytes> note_list;
  std::vector<Finding> finding_list;
  std::vector<RecordedRotation> rotation_list;
  std::optional<Error> segment_error;
  mutable int reads = 0;
  int changed_at_read = -1;  // the n-th read gives another entry
  int fails_at_read = -1;

  bool is_store() const override { return true; }
  const std::string& where() const override { return folder; }
  const Bytes& own_anchor() const override { return anchor; }
  const std::vector<SegmentRef>& segments() const override { return refs; }
  const std::vector<NoteRef>& notes() const override { return note_refs; }
  const std::vector<RecordedRotation>& rotations() const override { return rotation_list; }
  std::uint64_t staged() const override { return 0; }
  Result<SegmentEvidence> segment(std::size_t i) const override {
    if (segment_error) return *segment_error;
    SegmentEvidence out = list[i];
    if (reads == fails_at_read) return retry_error("gone");
    if (reads++ == changed_at_read) out.entries.back() ^= 1;
    return out;
  }
  Result<Bytes> note(std::size_t i) const override { return note_list[i]; }
  const std::vector<Finding>& findings() const override { return finding_list; }
};

// A log whose segments become evidence of a store: frames of every entry, receipts at the notes.
struct Fixture {
  LogBuilder log{"/nowhere"};
  FakeSource source;
  std::vector<FrameHeader> frames;

  void frame() {
    FrameHeader header;
    header.first = frames.empty() ? log.segment_range.size() : frames.back().end();
    header.count = static_cast<std::uint32_t>(log.range.size() - header.first);
    header.epoch = log.epoch;
    header.root = log.range.root();
    header.signature = *log.epoch_key->sign(log.checkpoint().text());
    frames.push_back(header);
  }
  void close(bool sealed) {
    const SegmentFile file = log.segment_file("-");
    SegmentEvidence segment{file.start, file.end, sealed, file.range, "", file.entries, {}, 0, frames};
    if (sealed) segment.note = log.receipt().encode();
    source.refs.push_back({"segment " + std::to_string(log.epoch), file.start, file.end});
    source.list.push_back(std::move(segment));
    frames.clear();
  }
  void seal() {
    log.add({log.common(), log.handover()});
    frame();
    const Bytes receipt = log.receipt().encode();
    close(true);
    source.note_refs.push_back({NoteRef::Role::receipt, source.refs.back().where + ": receipt", log.range.size()});
    source.note_list.push_back(receipt);
    log.begin_next();
  }
  void build() {
    log.add_genesis();
    frame();
    log.add_message("one");
    frame();
    seal();
    log.add_message("two");
    log.add_message("three");
    frame();
    seal();
    log.add_message("four");
    frame();
    log.add_message("five");
    frame();
    close(false);
  }
  LogReport check() {
    const Policy policy = log.policy();
    Trust trust;
    trust.anchor = log.anchor();
    trust.policy = &policy;
    for (const Policy::Log& one : policy.logs) trust.policy_keys.push_back(one.key);
    return verify_log(source, trust);
  }
};

}  // namespace

TEST_CASE("a store with its open segment", "[verify]") {
  Fixture f;
  f.build();
  SECTION("is fine, by every frame's signature") {
    const LogReport report = f.check();
    CHECK(report.findings.empty());
    CHECK(report.verdict == Verdict::fine);
    CHECK(report.epoch_signatures == 7);
    CHECK(report.handovers == 2);
    CHECK(report.checkpoints == 2);
    CHECK(report.receipts_counted == 2);
    CHECK(report.size == f.log.range.size());
  }
  FrameHeader& frame = f.source.list[2].frames[0];
  SECTION("a frame of another root") {
    frame.root[0] ^= 1;
    CHECK(tampered(f.check(), "segment 2: frame [6, 7): its root"));
  }
  SECTION("a frame that its epoch did not sign") {
    frame.signature[5] ^= 1;
    CHECK(tampered(f.check(), "the signature of its epoch key does not hold"));
  }
  SECTION("a frame signed by an epoch before it") {
    frame.signature = *test_key(101)->sign(Checkpoint{f.log.origin, frame.end(), frame.root}.text());
    CHECK(tampered(f.check(), "does not hold; it is by the key of epoch 1, outside of its range"));
  }
  SECTION("a frame signed by the next epoch") {
    FrameHeader& last = f.source.list[1].frames[0];
    last.signature = *f.log.epoch_key->sign(Checkpoint{f.log.origin, last.end(), last.root}.text());
    CHECK(tampered(f.check(), "segment 1: frame"));
  }
  SECTION("a frame of another epoch number") {
    frame.epoch = 1;
    CHECK(tampered(f.check(), "is of epoch 1, expected was 2"));
  }
  SECTION("a frame that ends nowhere") {
    f.source.list[2].frames[1].count = 9;
    CHECK(tampered(f.check(), "ends at no entry"));
  }
  SECTION("an end that nobody signed") {
    f.source.list[2].frames.pop_back();
    const LogReport report = f.check();
    CHECK(report.verdict == Verdict::unproven);
    CHECK(says(report, Verdict::unproven, "have no signature of their epoch key"));
  }
  SECTION("no frames at all are known of the open segment") {
    f.source.list[2].frames.clear();
    CHECK(f.check().verdict == Verdict::unproven);
  }
  SECTION("a sealed segment that the identity has not signed yet") {
    f.source.list[1].note.clear();
    f.source.note_refs.pop_back();
    const LogReport report = f.check();
    CHECK(report.verdict == Verdict::named);
    CHECK(says(report, Verdict::named, "has not signed this segment yet"));
  }
  SECTION("a segment where entries are missing at the end") {
    f.source.list[2].end = 9;
    f.source.refs[2].end = 9;
    CHECK(tampered(f.check(), "ends within entry 8"));
  }
  SECTION("a segment with bytes too many") {
    f.source.list[2].entries += "x";
    CHECK(tampered(f.check(), "has 1 bytes after its last entry"));
  }
  SECTION("what the source itself found") {
    f.source.finding_list.push_back({Verdict::unreadable, "journal", "is gone"});
    CHECK(f.check().verdict == Verdict::unreadable);
  }
}

TEST_CASE("the end of an epoch in the open segment", "[verify]") {
  Fixture f;
  f.log.add_genesis();
  f.log.add_message("one");
  f.frame();
  SECTION("is its end: a kill came before the segment could be closed") {
    f.log.add({f.log.common(), f.log.handover()});
    f.frame();
    f.close(false);
    CHECK(f.check().verdict == Verdict::unproven);  // there is no receipt yet
    CHECK(f.check().handovers == 1);
  }
  SECTION("is not before its end") {
    f.log.add({f.log.common(), f.log.handover()});
    f.log.add_message("two");
    f.frame();
    f.close(false);
    CHECK(tampered(f.check(), "a handover may only be the last entry of a segment"));
  }
}

TEST_CASE("the frame of a break", "[verify]") {
  Fixture f;
  f.log.add_genesis();
  f.log.add_message("one");
  f.frame();
  const auto close_after_break = [&](bool sealed) {
    f.close(sealed);
    f.log.begin_next();
    if (!sealed) return;
    f.log.add_message("two");
    f.frame();
    f.close(false);
  };
  const auto by_next = [&] {
    std::swap(f.log.epoch_key, f.log.next_key);
    ++f.log.epoch;
    f.frame();
    --f.log.epoch;
    std::swap(f.log.epoch_key, f.log.next_key);
  };
  SECTION("is by the key that begins") {
    f.log.add({f.log.common(), f.log.key_break(0)});
    by_next();
    const bool sealed = GENERATE(true, false);
    close_after_break(sealed);
    const LogReport report = f.check();
    CHECK(report.verdict == Verdict::broken);
    CHECK(report.breaks.size() == 1);
    CHECK(report.epoch_signatures == (sealed ? 3 : 2));
  }
  SECTION("is not by the key that was lost") {
    f.log.add({f.log.common(), f.log.key_break(0)});
    f.frame();
    close_after_break(true);
    CHECK(tampered(f.check(), "is of epoch 0, expected was 1"));
  }
  SECTION("holds nothing else") {
    f.log.add_message("slipped in");
    f.log.add({f.log.common(), f.log.key_break(0)});
    by_next();
    close_after_break(true);
    CHECK(tampered(f.check(), "is of epoch 1, expected was 0"));
  }
}

TEST_CASE("a store of which the beginning was released", "[verify]") {
  Fixture f;
  f.build();
  f.source.refs.erase(f.source.refs.begin());
  f.source.list.erase(f.source.list.begin());
  SECTION("proves less, and says so") {
    const LogReport report = f.check();
    CHECK(report.verdict == Verdict::unproven);
    CHECK(report.first == 3);
    CHECK(says(report, Verdict::unproven, "entries [0, 3) are not in this store any more"));
    CHECK(says(report, Verdict::unproven, "entry 0 is not here to be compared"));
    CHECK(says(report, Verdict::unproven, "segment 0: receipt: cannot be compared"));
    CHECK(report.epoch_signatures == 2);  // of the epoch whose key the handover here names
  }
  SECTION("is still one tree with its receipts") {
    f.source.list[0].entries[20] ^= 1;
    CHECK(f.check().verdict == Verdict::tampered);
  }
  SECTION("needs the right hashes of what is gone") {
    f.source.list[0].range.pop_back();
    CHECK(tampered(f.check(), "are not as many as its start demands"));
  }
}

namespace {

// As a release at the bundle boundary `first` leaves it: the beginning of the first segment is not here any more.
void release_up_to(Fixture& f, std::uint64_t first) {
  CompactRange before;
  SegmentEvidence& segment = f.source.list.at(0);
  ByteReader reader(segment.entries);
  for (; before.size() < first; before.append(leaf_hash(reader.bytes(reader.u16())))) continue;
  segment.entries = Bytes(reader.rest());
  segment.start = f.source.refs.at(0).start = first;
  segment.range = before.hashes();
  while (!segment.frames.empty() && segment.frames.front().end() <= first) segment.frames.erase(segment.frames.begin());
}

}  // namespace

TEST_CASE("a store of which the release went through the middle of a large message", "[verify]") {
  Fixture f;
  f.log.add_genesis();
  f.log.add_message("one");
  f.frame();
  SECTION("has its later parts, and they are no fault") {
    f.log.add_large(4);  // entries 2 to 5
    f.log.add_message("two");
    f.log.add_large(2);
    f.frame();
    f.seal();
    release_up_to(f, GENERATE(2U, 3U, 4U, 5U, 6U));
    const LogReport report = f.check();
    CHECK(report.verdict == Verdict::unproven);
    CHECK(says(report, Verdict::unproven, "are not in this store any more"));
  }
  const auto spoilt = [&](std::uint64_t first, const std::string& words) {
    f.frame();
    f.seal();
    release_up_to(f, first);
    CHECK(tampered(f.check(), words));
  };
  Part part;
  part.first = 2;
  part.number = 1;
  part.payload = "later";
  SECTION("but not in another order") {
    f.log.add_message("two");
    f.log.add({f.log.common(), part});  // entry 3
    part.number = GENERATE(1U, 3U);
    f.log.add({f.log.common(), part});
    spoilt(3, "is part " + std::to_string(part.number) + " of the message of entry 2, which does not stand directly");
  }
  SECTION("nor from another place") {
    f.log.add_message("two");
    part.first = GENERATE(1U, 3U);
    f.log.add({f.log.common(), part});
    spoilt(3, "does not stand directly before it");
  }
  SECTION("nor behind something else") {
    f.log.add_message("two");
    f.log.add({f.log.common(), part});
    f.log.add_message("three");
    part.number = 3;
    f.log.add({f.log.common(), part});
    spoilt(3, "is part 3 of the message of entry 2, which does not stand directly before it");
  }
  SECTION("nor of a message that begins here") {
    f.log.add_message("two");
    f.log.add({f.log.common(), part});
    part.first = 3;
    f.log.add({f.log.common(), part});
    spoilt(3, "is part 1 of the message of entry 3, which does not stand directly before it");
  }
}

TEST_CASE("a message whose parts stop at the end of an open segment", "[verify]") {
  Fixture f;
  f.log.add_genesis();
  Message first = f.log.message("aaa");
  first.parts = PartsInfo{6, 2, sha256("aaabbb")};
  f.log.add({f.log.common(), first});
  f.frame();
  f.close(false);
  CHECK(tampered(f.check(), "lacks part 1 of 2"));
}

TEST_CASE("evidence that changes while it is read", "[verify]") {
  Fixture f;
  f.build();
  // A receipt within the open segment makes the verifier read it a second time.
  Note note = *sign_checkpoint({f.log.origin, 7, f.source.list[2].frames[0].root}, *f.log.identity);
  note.signatures.push_back(*cosign(note.text, 5, "mirror.example", *f.log.mirror));
  f.source.note_refs.push_back({NoteRef::Role::receipt, "receipt", 7});
  f.source.note_list.push_back(note.encode());
  CHECK(f.check().verdict == Verdict::fine);
  f.source.reads = 0;
  f.source.changed_at_read = 3;
  CHECK(tampered(f.check(), "changed while it was being verified"));
  f.source.reads = 0;
  f.source.changed_at_read = -1;
  f.source.fails_at_read = 3;
  const LogReport report = f.check();
  CHECK(report.verdict == Verdict::unreadable);
  CHECK(says(report, Verdict::unreadable, "could not be read a second time"));
}

TEST_CASE("what a source cannot give", "[verify]") {
  Fixture f;
  f.build();
  const auto with = [&](ErrorKind kind) {
    f.source.segment_error = Error{kind, "no"};
    return f.check().verdict;
  };
  CHECK(with(ErrorKind::retry) == Verdict::unreadable);
  CHECK(with(ErrorKind::missing) == Verdict::unreadable);
  CHECK(with(ErrorKind::reject) == Verdict::tampered);
  CHECK(with(ErrorKind::fatal) == Verdict::tampered);
}

namespace {

// The same log in a real store, frame by frame.
struct Store {
  TempDir dir;
  LogBuilder log{"/nowhere"};
  std::unique_ptr<Ring> ring;
  Bytes receipt;  // of the last segment

  Store() {
    log.add_genesis();
    REQUIRE(Ring::create({dir / "store", 64u << 20}, log.origin, frame(0)).ok());
    auto opened = Ring::open({dir / "store", 0});
    REQUIRE(opened);
    ring = std::move(*opened);
  }
  Frame frame(std::uint64_t first) const {
    Frame out;
    out.header.first = first;
    out.header.count = static_cast<std::uint32_t>(log.range.size() - first);
    out.header.epoch = log.epoch;
    out.header.root = log.range.root();
    out.header.signature = *log.epoch_key->sign(log.checkpoint().text());
    for (std::uint64_t i = first; i < log.range.size(); ++i) {
      const Bytes& entry = log.entries[static_cast<std::size_t>(i - log.segment_range.size())];
      put_u16(out.entries, static_cast<std::uint16_t>(entry.size()));
      out.entries += entry;
    }
    return out;
  }
  void append() { REQUIRE(ring->append(frame(ring->size()), log.range, {}).ok()); }
  void seal() {
    log.add({log.common(), log.handover()});
    append();
    const std::uint64_t number = log.epoch;
    REQUIRE(ring->close_segment(1).ok());
    REQUIRE(ring->attach_note(number, log.note().encode()).ok());
    receipt = log.receipt().encode();
    log.begin_next();
  }
  VerifyReport check() {
    VerifyOptions options;
    options.path = dir / "store";
    options.anchors = {log.anchor()};
    options.min_size = log.range.size();
    return verify(options);
  }
};

}  // namespace

TEST_CASE("a real store verifies, running or not", "[verify]") {
  Store s;
  s.log.add_message("the first message");
  s.append();
  s.seal();
  s.log.add_message("the second message");
  s.append();
  const auto sound = [&] {
    const VerifyReport report = s.check();
    INFO(report_text(report));
    CHECK(report.verdict == Verdict::fine);
    REQUIRE(report.logs.size() == 1);
    CHECK(report.logs[0].size == s.log.range.size());
    CHECK(report.logs[0].checkpoints == 1);
    CHECK(report.logs[0].handovers == 1);
    CHECK(report.logs[0].epoch_signatures >= 1);
  };
  SECTION("stopped without a move") {
    s.ring.reset();
    sound();
  }
  SECTION("with a receipt") {
    REQUIRE(s.ring->acknowledge(0, s.receipt).ok());
    s.ring.reset();
    sound();
    const VerifyReport report = s.check();
    CHECK(report.logs.at(0).receipts == 1);
    CHECK(report.logs.at(0).findings.empty());
  }
  SECTION("stopped in order") {
    REQUIRE(s.ring->move().ok());
    s.ring.reset();
    sound();
  }
  SECTION("changed where a message lies") {
    const std::string file = GENERATE("ring.lmdb", "journal");
    s.ring.reset();
    const std::string path = s.dir / ("store/" + file);
    Bytes bytes = read_all(path);
    const std::string what = file == "journal" ? "the second message" : "the first message";
    std::size_t places = 0;
    for (std::size_t at = bytes.find(what); at != Bytes::npos; at = bytes.find(what, at + 1)) {
      bytes[at] ^= 1;
      ++places;
    }
    REQUIRE(places > 0);
    write_all(path, bytes);
    const VerifyReport report = s.check();
    INFO(report_text(report));
    CHECK((report.verdict == Verdict::tampered || report.verdict == Verdict::truncated));
  }
  SECTION("without its journal") {
    s.ring.reset();
    fs::remove(s.dir / "store/journal");
    CHECK(s.check().verdict != Verdict::fine);
  }
}

TEST_CASE("a store that has released the entry of a rotation still knows of it", "[verify]") {
  Fixture f;
  f.log.overlap = false;
  f.log.add_genesis();
  const std::uint64_t index = f.log.add_rotation();
  f.seal();
  f.log.add_message("two");
  f.seal();
  f.source.refs.erase(f.source.refs.begin());
  f.source.list.erase(f.source.list.begin());
  f.source.note_refs.erase(f.source.note_refs.begin());
  f.source.note_list.erase(f.source.note_list.begin());
  RotationStatement statement{kOrigin, f.log.rotation(*f.log.identity, *f.log.rotated)};
  SECTION("by what it kept") {
    f.source.rotation_list = {{index, statement}};
    const LogReport report = f.check();
    CHECK(report.verdict == Verdict::unproven);
    CHECK(report.rotations.size() == 1);
    CHECK(report.checkpoints == 0);  // entry 0 is not here
    CHECK(report.receipts_counted == 1);
  }
  SECTION("and believes nobody who has not the old key") {
    statement.rotation.by_old = statement.rotation.by_new;
    f.source.rotation_list = {{index, statement}};
    CHECK(tampered(f.check(), "a rotation that this store names: rotates the identity key, but the signature"));
  }
  SECTION("nor one that it says is elsewhere") {
    f.source.rotation_list = {{f.log.range.size(), statement}};
    const LogReport report = f.check();
    CHECK(report.verdict == Verdict::unproven);
    CHECK(report.rotations.empty());
    CHECK(says(report, Verdict::unproven, "has no signature by the identity key"));
  }
}
