#include "crypto/tlog_wire.h"

#include <catch2/catch.hpp>

using namespace sealring;

namespace {

// The example body of the tlog-witness specification.
const char kSpecBody[] =
    "old 20852014\n"
    "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
    "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
    "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
    "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n"
    "\n"
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "\xE2\x80\x94 example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

template <class T>
std::string error_of(const Result<T>& result) {
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().kind == ErrorKind::reject);
  return result.error().message;
}

Bytes some_entry(std::uint64_t index) { return "e" + std::to_string(index); }

Bytes bundle(std::uint64_t start, std::uint64_t end) {
  Bytes out;
  for (std::uint64_t i = start; i < end; ++i) {
    put_u16(out, static_cast<std::uint16_t>(some_entry(i).size()));
    out += some_entry(i);
  }
  return out;
}

}  // namespace

TEST_CASE("wire: the specification's add-checkpoint body, both ways") {
  Result<AddCheckpoint> request = decode_add_checkpoint(kSpecBody);
  REQUIRE(request.ok());
  CHECK(request->old_size == 20852014);
  REQUIRE(request->proof.size() == 4);
  CHECK(base64(view(request->proof[3])) == "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=");
  CHECK(request->checkpoint.substr(0, 28) == "example.com/behind-the-sofa\n");
  CHECK(encode_add_checkpoint(*request) == kSpecBody);
}

TEST_CASE("wire: add-checkpoint without a proof, and with the most hashes allowed") {
  AddCheckpoint request{0, {}, "note"};
  CHECK(encode_add_checkpoint(request) == "old 0\n\nnote");
  request.proof.resize(kMaxProofHashes);
  Bytes body = encode_add_checkpoint(request);
  REQUIRE(decode_add_checkpoint(body).ok());
  CHECK(decode_add_checkpoint(body)->proof.size() == 63);
  body.insert(body.find("\n\n") + 1, base64(view(Hash{})) + "\n");
  CHECK(error_of(decode_add_checkpoint(body)) == "line 65: more than 63 proof hashes");
}

TEST_CASE("wire: add-checkpoint refuses what the specification does not allow") {
  CHECK(error_of(decode_add_checkpoint("")) == "line 1: does not begin with \"old \"");
  CHECK(error_of(decode_add_checkpoint("Old 1\n\nx")) == "line 1: does not begin with \"old \"");
  CHECK(error_of(decode_add_checkpoint("old 1")) == "line 1: no newline");
  for (const char* size : {"", "01", "-1", "+1", " 1", "1 ", "18446744073709551616", "1\r"})
    CHECK(error_of(decode_add_checkpoint("old " + std::string(size) + "\n\nx")).find("is not a decimal") !=
          std::string::npos);
  CHECK(error_of(decode_add_checkpoint("old 1\n")) == "line 2: the empty line before the checkpoint is missing");
  CHECK(error_of(decode_add_checkpoint("old 1\nAAAA\n\nx")) == "line 2: \"AAAA\" is not a base64 hash of 32 bytes");
  CHECK_FALSE(decode_add_checkpoint("old 1\n" + base64(view(Hash{})) + "\r\n\nx").ok());
}

TEST_CASE("wire: the size answer") {
  CHECK(encode_size(0) == "0\n");
  CHECK(*decode_size("18446744073709551615\n") == ~std::uint64_t{0});
  for (const char* bad : {"", "5", "\n", "05\n", "5\n\n", "5 \n", "x\n"}) CHECK_FALSE(decode_size(bad).ok());
}

TEST_CASE("wire: the mirror-info answer") {
  MirrorInfo info{700, 512, Bytes("\x00\xFFt", 3)};
  CHECK(encode_mirror_info(info) == "700\n512\nAP90\n");
  CHECK(encode_mirror_info({}) == "0\n0\n\n");
  Result<MirrorInfo> back = decode_mirror_info("700\n512\nAP90\n");
  REQUIRE(back.ok());
  CHECK(back->pending_size == 700);
  CHECK(back->next_entry == 512);
  CHECK(back->ticket == info.ticket);
  CHECK(decode_mirror_info("0\n0\n\n")->ticket.empty());
  for (const char* bad : {"", "7\n", "7\n5\n", "7\n5\nAP90", "7\n5\n*\n", "x\n5\n\n", "7\n5\n\n\n"})
    CHECK_FALSE(decode_mirror_info(bad).ok());
}

TEST_CASE("wire: the packages of an upload") {
  struct Case {
    std::uint64_t start, end, count;
  };
  for (Case c :
       {Case{0, 0, 0}, Case{7, 7, 0}, Case{0, 1, 1}, Case{0, 256, 1}, Case{0, 257, 2}, Case{255, 257, 2},
        Case{256, 512, 1}, Case{300, 301, 1}, Case{300, 1000, 3}, Case{~std::uint64_t{0} - 1, ~std::uint64_t{0}, 1}}) {
    INFO(c.start << " " << c.end);
    CHECK(package_count(c.start, c.end) == c.count);
    std::uint64_t at = c.start;
    for (std::uint64_t i = 0; i < c.count; ++i) {
      PackageRange range = package_range(c.start, c.end, i);
      CHECK(range.aligned % 256 == 0);
      CHECK(range.start == at);
      CHECK(range.start - range.aligned < 256);
      CHECK(range.end > range.start);
      CHECK(range.end - range.aligned <= 256);
      CHECK((range.end - range.aligned == 256 || range.end == c.end));
      at = range.end;
    }
    CHECK(at == c.end);
  }
}

TEST_CASE("wire: the bytes of an add-entries request") {
  Bytes body = encode_add_entries({"o/1", 255, 257, "tk"});
  append_package(body, bundle(255, 256), {Hash{}});
  append_package(body, bundle(256, 257), {});
  CHECK(hex(body) ==
        "0003"
        "6f2f31"
        "00000000000000ff"
        "0000000000000101"
        "0002"
        "746b"
        "000465323535"
        "01"
        "0000000000000000000000000000000000000000000000000000000000000000"
        "000465323536"
        "00");
}

TEST_CASE("wire: add-entries is read package by package, and cut at every byte") {
  Bytes body = encode_add_entries({"o", 250, 700, ""});
  std::vector<std::size_t> ends{body.size()};
  for (std::uint64_t i = 0; i < package_count(250, 700); ++i) {
    PackageRange range = package_range(250, 700, i);
    append_package(body, bundle(range.start, range.end), Proof(i));
    ends.push_back(body.size());
  }
  REQUIRE(ends.size() == 4);
  for (std::size_t cut = 0; cut <= body.size(); ++cut) {
    Result<AddEntriesReader> reader = AddEntriesReader::open(ByteView(body).substr(0, cut));
    REQUIRE(reader.ok() == (cut >= ends[0]));
    if (!reader.ok()) continue;
    std::size_t whole = 0;
    for (;;) {
      Result<std::optional<EntryPackage>> package = reader->next();
      bool at_boundary = cut == ends[whole];
      REQUIRE(package.ok() == (at_boundary || cut >= ends[whole + 1]));
      if (!package.ok() || !package->has_value()) break;
      CHECK((*package)->entries.size() == (*package)->range.end - (*package)->range.start);
      CHECK((*package)->entries.front() == some_entry((*package)->range.start));
      CHECK((*package)->entries.back() == some_entry((*package)->range.end - 1));
      CHECK((*package)->proof.size() == whole);
      ++whole;
    }
    CHECK(reader->complete() == (cut == body.size()));
  }
}

TEST_CASE("wire: add-entries with too many hashes, a backward range, and bytes behind the last package") {
  Bytes body = encode_add_entries({"o", 0, 1, ""}) + bundle(0, 1) + '\x40' + Bytes(64 * 32, 'h');
  CHECK(error_of(AddEntriesReader::open(body)->next()).find("more than 63 hashes") != std::string::npos);

  Bytes backward = encode_add_entries({"o", 0, 0, ""});
  backward[3 + 7] = 1;  // upload_start
  CHECK(error_of(AddEntriesReader::open(backward)) == "upload_start is above upload_end");

  Bytes longer = encode_add_entries({"o", 0, 1, ""});
  append_package(longer, bundle(0, 1), {});
  longer += "x";
  Result<AddEntriesReader> reader = AddEntriesReader::open(longer);
  REQUIRE(reader->next()->has_value());
  CHECK(reader->complete());
  CHECK(reader->rest() == "x");
  CHECK_FALSE(reader->next()->has_value());
}
