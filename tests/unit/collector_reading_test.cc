// What others read through the service: names, headers, failures, and what is there while uploads go on.
#include <chrono>
#include <fstream>
#include <thread>

#include "drivers/gzip.h"
#include "tests/unit/capture_stderr.h"
#include "tests/unit/collector_mirror_fixture.h"
#include "tests/unit/tile_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

struct ReadingTest : MirrorTest {
  HttpResponse get(const std::string& resource, const std::string& role = "mirror",
                   const std::string& accept_encoding = "", const std::string& method = "GET") {
    HttpRequest request;
    request.method = method;
    request.target = "/" + role + "/" + origin_hash(log.key().name) + "/" + resource;
    request.accept_encoding = accept_encoding;
    return collector.service->handle(request);
  }
  void archive_to(std::uint64_t start, std::uint64_t end) {
    add_pending({end}, start);
    require_status(collector.upload(log.add_entries(start, end)), 200);
  }
  Bytes wanted(const NamedTile& tile) const {
    if (tile.level >= 0) return naive_tile(log.leaves, tile.level, tile.index, tile.width);
    return log.bundle(tile.index * 256, tile.index * 256 + tile.width);
  }
};

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

constexpr char kImmutable[] = "public, max-age=31536000, immutable";

}  // namespace

TEST_CASE_METHOD(ReadingTest, "reading: tiles and bundles under both prefixes, as far as the archive goes") {
  for (const char* name : {"checkpoint", "tile/0/000.p/1", "tile/entries/000"}) require_status(get(name), 404);
  archive_to(0, 300);
  archive_to(300, 700);
  add_pending({900}, 700);
  require_status(collector.upload(log.add_entries(700, 900, 0, 1)), 202);  // staged up to 768: not archived
  for (const char* role : {"mirror", "witness"}) {
    for (const NamedTile& tile : tiles_of_size(700)) {
      HttpResponse response = get(tile_name(tile.level, tile.index, tile.width), role);
      require_status(response, 200);
      CHECK(response.body == wanted(tile));
      CHECK(response.content_type == "application/octet-stream");
      CHECK(response.cache_control == kImmutable);
      CHECK(response.content_encoding.empty());
      CHECK(response.vary == (tile.level < 0 ? "Accept-Encoding" : ""));
    }
    for (const char* name : {"tile/0/002", "tile/0/002.p/189", "tile/entries/002", "tile/entries/003.p/1", "tile/1/000",
                             "tile/1/000.p/3", "tile/2/000.p/1", "tile/entries/2.p/1", "tile/entries/002.p/1?", "tile",
                             "", "checkpoint/", "checkpoint?x=1", "entries/000", "witness", "log", "../checkpoint"}) {
      INFO(name);
      HttpResponse response = get(name, role);
      CHECK(response.status == 404);
      CHECK(response.cache_control == "no-store");
    }
  }
  HttpResponse checkpoint = get("checkpoint");
  require_status(checkpoint, 200);
  CHECK(checkpoint.cache_control == "no-cache");
  CHECK(checkpoint.content_type == "text/plain; charset=utf-8");
  CHECK(get("checkpoint", "witness").status == 404);  // it has cosigned nothing
  HttpResponse head = get("tile/entries/002.p/188", "mirror", "", "HEAD");
  CHECK(head.status == 200);
  CHECK(head.body.size() == log.bundle(512, 700).size());  // the server sends the length of it
  for (const char* method : {"POST", "PUT", "DELETE"}) CHECK(get("tile/0/000", "mirror", "", method).status == 404);
  collector.open();
  for (const NamedTile& tile : tiles_of_size(700))
    CHECK(get(tile_name(tile.level, tile.index, tile.width)).body == wanted(tile));
}

TEST_CASE_METHOD(ReadingTest, "reading: bundles are packed for whoever takes it, and only when it helps") {
  archive_to(0, 300);
  HttpResponse packed = get("tile/entries/000", "mirror", "br, gzip;q=0.5");
  require_status(packed, 200);
  CHECK(packed.content_encoding == "gzip");
  CHECK(packed.vary == "Accept-Encoding");
  CHECK(packed.cache_control == kImmutable);
  Bytes out;
  REQUIRE(gunzip(packed.body, 1u << 20, out) == Gunzip::done);
  CHECK(out == log.bundle(0, 256));
  CHECK(packed.body.size() < out.size());
  CHECK(get("tile/entries/000", "mirror", "gzip;q=0").content_encoding.empty());
  CHECK(get("tile/0/000", "mirror", "gzip").content_encoding.empty());  // hashes do not pack
  HttpResponse tiny = get("tile/entries/000.p/1", "mirror", "gzip");    // nor does so little
  CHECK(tiny.content_encoding.empty());
  CHECK(tiny.vary == "Accept-Encoding");
  CHECK(tiny.body == log.bundle(0, 1));
}

TEST_CASE_METHOD(ReadingTest, "reading: a damaged segment costs its tiles, not the collector") {
  archive_to(0, 300);
  archive_to(300, 700);
  std::string file = directory + "/segments/" + segment_file_name(300, 700);
  Bytes good = copy(file), bad = good;
  bad.back() ^= 1;  // entry 699: of a bundle that is not full, which nothing here vouches for but the reader's proof
  bad[good.size() - log.bundle(300, 700).size() + 2] ^= 1;  // entry 300
  REQUIRE(::chmod(file.c_str(), 0644) == 0);
  std::ofstream(file, std::ios::binary) << bad;
  std::string said = stderr_of([&] {
    for (int i = 0; i < 50; ++i) {
      HttpResponse response = get(i % 2 == 0 ? "tile/0/001" : "tile/entries/001.p/7");
      REQUIRE(response.status == 500);
      REQUIRE(response.cache_control == "no-store");
      REQUIRE(response.body.find(collector.archive()) == std::string::npos);  // no paths for strangers
    }
  });
  CHECK(said.find("error: a tile cannot be served: ") == 0);
  CHECK(said.find(segment_file_name(0, 300)) != std::string::npos);
  CHECK(count(said, "\n") < 50);
  CHECK(collector.fatal.empty());
  CHECK(get("tile/0/000").status == 200);
  archive_to(700, 800);
  std::ofstream(file, std::ios::binary) << good;
  CHECK(get("tile/0/001").body == wanted({0, 1, 256}));
}

TEST_CASE_METHOD(ReadingTest, "reading: so much may be on its way to readers, and no more") {
  archive_to(0, 300);
  FakeClock clock;
  Cosigner witness({"mon.example/witness", signer('w')}, clock), mirror({"mon.example/mirror", signer('m')}, clock);
  auto opened = OriginLog::open(collector.archive(), {log.key(), std::nullopt, ""}, witness, mirror);
  REQUIRE(opened.ok());
  Reading reading(3 * 8192);
  auto read = [&](const char* name) { return reading.answer(**opened, Reading::Of::mirror, name, ""); };
  std::vector<HttpResponse> slow;
  for (int i = 0; i < 3; ++i) slow.push_back(read("tile/0/000"));
  for (const HttpResponse& response : slow) CHECK(response.status == 200);
  HttpResponse refused = read("tile/0/000.p/1");
  CHECK(refused.status == 503);
  CHECK(refused.cache_control == "no-store");
  CHECK(read("checkpoint").status == 200);
  slow.pop_back();
  CHECK(read("tile/0/000").status == 200);
  slow.push_back(read("tile/0/000"));
  CHECK(slow.back().status == 200);
  CHECK(read("tile/0/000.p/1").status == 503);
}

TEST_CASE_METHOD(ReadingTest, "reading: what a checkpoint covers is there, whatever is uploaded meanwhile") {
  std::atomic<bool> done{false};
  std::atomic<int> looks{0};
  const std::string checkpoint_target = "/mirror/" + origin_hash(log.key().name) + "/checkpoint";
  log.grow(1500);
  std::vector<Bytes> registrations, uploads;
  std::uint64_t before = 0;
  for (std::uint64_t size = 50; size <= 1500; size += 50) {
    registrations.push_back(log.add_checkpoint(before, size));
    uploads.push_back(log.add_entries(before, size));
    before = size;
  }
  // Returns in words what was wrong.
  auto look = [&]() -> std::string {
    HttpResponse note = get("checkpoint");
    if (note.status != 200) return note.status == 404 ? "" : note.body;
    Result<Checkpoint> checkpoint = Checkpoint::parse(Note::parse(note.body)->text);
    for (const NamedTile& tile : tiles_of_size(checkpoint->size)) {
      std::string name = tile_name(tile.level, tile.index, tile.width);
      HttpResponse response = get(name, looks % 2 == 0 ? "mirror" : "witness");
      if (response.status != 200) return name + ": " + response.body;
      if (response.body != wanted(tile)) return name + " of size " + std::to_string(checkpoint->size) + " is wrong";
    }
    ++looks;
    return "";
  };
  std::vector<std::string> wrong(3);
  std::vector<std::thread> readers;
  for (std::string& words : wrong)
    readers.emplace_back([&] {
      while (!done && words.empty()) words = look();
    });
  bool all_archived = true;
  for (std::size_t i = 0; i < uploads.size(); ++i) {
    all_archived &= collector.mirror(registrations[i]).status == 200;
    all_archived &= collector.upload(uploads[i]).status == 200;
  }
  std::string last = look();
  done = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(all_archived);
  CHECK(last.empty());
  for (const std::string& words : wrong) CHECK(words.empty());
  CHECK(looks >= 1);
  CHECK(get("tile/1/000.p/5").body == naive_tile(log.leaves, 1, 0, 5));
}

TEST_CASE_METHOD(ReadingTest, "diagnostics: refused uploads do not fill the journal") {
  add_pending({300});
  Bytes body = log.add_entries(0, 300);
  body[60] ^= 1;
  auto began = std::chrono::steady_clock::now();
  std::string said = stderr_of([&] {
    for (int i = 0; i < 300; ++i) REQUIRE(collector.upload(body).status == 422);
  });
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - began).count();
  CHECK(said.find("refused entries [0, 256)") != std::string::npos);
  CHECK(count(said, "\n") <= static_cast<std::size_t>(seconds) + 1);
}
