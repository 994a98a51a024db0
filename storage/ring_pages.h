// ring.lmdb read page by page, without LMDB: what must be known of a file before LMDB is trusted with it, and what can
// still be had from one that it is not trusted with.
//
// LMDB 0.9 has no checksums and believes what a page says. A wrong page number sends it behind the map, and the process
// is dead; a wrong free list makes it write over pages that are in use, and nobody notices. But the pages of a whole
// file are a partition: each one up to the last is in the tree, in the tree of the free list, or named by that list,
// once. A meta page that was put together from two of different age (torn in words of 8 bytes), a flipped bit in a
// branch page, a truncated file do not give that any more.
//
// Not seen here: bits of values. What lies in the records has checksums of its own, and what lies in bundles has the
// tree of the log.
//
// Reads with pread() only, so a file that shrinks or is garbage is an error and no signal. The layout is that of lmdb.h
// and mdb.c 0.9 (data version 1), in words of this machine. Const and thread safe.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "crypto/bytes.h"

namespace sealring {

struct RingMeta {
  struct Tree {
    std::uint16_t flags = 0, depth = 0;
    std::uint64_t branch_pages = 0, leaf_pages = 0, overflow_pages = 0, records = 0;
    std::uint64_t root = 0;
  };
  int page = 0;  // 0 or 1
  std::uint64_t transaction = 0, map_bytes = 0, last_page = 0;
  Tree free_list, records;
};

class RingPages {
 public:
  static Result<RingPages> open(const std::string& path);
  ~RingPages();
  RingPages(RingPages&& other) noexcept;
  RingPages(const RingPages&) = delete;
  RingPages& operator=(const RingPages&) = delete;

  // reject: not a meta page of this version and word size. fatal: what is wrong with it.
  Result<RingMeta> meta(int page) const;
  // The one that LMDB goes by: the younger one. None: neither is one.
  std::optional<RingMeta> newest() const;

  struct Value {
    std::uint64_t page = 0;  // the first of its pages; 0: `bytes_here` is all of it
    std::uint64_t size = 0;
    ByteView bytes_here;  // valid in the visit only
  };
  using Visit = std::function<void(ByteView key, const Value& value)>;
  // The whole structure under a meta page, and every record, in order. fatal: which page is wrong, and why.
  Status audit(const RingMeta& meta, const Visit& visit) const;
  // Records of every page of the file that can be read as a leaf, in use or not, in no order.
  void scan(const Visit& visit) const;
  // fatal: its first page does not say that it is as long.
  Result<Bytes> read(const Value& value) const;

  std::uint64_t file_bytes() const { return file_bytes_; }
  std::uint64_t page_bytes() const { return page_bytes_; }
  Result<Bytes> read_page(std::uint64_t number) const;

 private:
  RingPages(int fd, std::uint64_t file_bytes) : fd_(fd), file_bytes_(file_bytes) {}
  int fd_;
  std::uint64_t file_bytes_;
  std::uint64_t page_bytes_ = 4096;
};

}  // namespace sealring
