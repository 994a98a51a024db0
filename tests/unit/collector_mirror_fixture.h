// What the tests of the mirror share: one log, one collector, and a way to make the file system fail.
#pragma once

#include "tests/unit/collector_fixture.h"

namespace sealring::test {

struct MirrorTest {
  FakeLog log;
  Collector collector{{{log.key(), std::nullopt, ""}}};
  std::string directory = collector.directory(log);

  // Registers checkpoints of these sizes, each from the one before it.
  void add_pending(std::initializer_list<std::uint64_t> sizes, std::uint64_t before = 0) {
    for (std::uint64_t size : sizes) {
      log.grow(size);
      HttpResponse response = collector.mirror(log.add_checkpoint(before, size));
      INFO(response.body);
      REQUIRE(response.status == 200);
      REQUIRE(response.body.empty());
      before = size;
    }
  }
  void require_receipt(const HttpResponse& response, std::uint64_t size) {
    require_cosignature(response, Collector::mirror_key(), log, size);
    REQUIRE(check_archive(directory, log) == size);
    REQUIRE(collector.send("GET", "/mirror/" + origin_hash(log.key().name) + "/checkpoint").body ==
            *read_file(directory + "/receipts/" + receipt_file_name(size)));
  }
  std::vector<std::string> staged() { return names_in(directory + "/staging"); }
  std::vector<std::string> pending() { return names_in(directory + "/pending"); }
};

inline void require_info(const HttpResponse& response, unsigned status, std::uint64_t pending_size,
                         std::uint64_t next) {
  INFO(response.body);
  REQUIRE(response.status == status);
  REQUIRE(response.content_type == "text/x.tlog.mirror-info");
  Result<MirrorInfo> info = decode_mirror_info(response.body);
  REQUIRE(info.ok());
  REQUIRE(info->pending_size == pending_size);
  REQUIRE(info->next_entry == next);
}

inline void require_status(const HttpResponse& response, unsigned status) {
  INFO(response.body);
  REQUIRE(response.status == status);
}

// Makes a directory unusable for the time of its life: the file system's answer to every write is an error.
class Unusable {
 public:
  explicit Unusable(std::string path) : path_(std::move(path)) {
    REQUIRE(::rename(path_.c_str(), (path_ + ".away").c_str()) == 0);
  }
  ~Unusable() { ::rename((path_ + ".away").c_str(), path_.c_str()); }

 private:
  std::string path_;
};

inline Bytes copy(const std::string& path) {
  Result<Bytes> bytes = read_file(path);
  REQUIRE(bytes.ok());
  return *bytes;
}

}  // namespace sealring::test
