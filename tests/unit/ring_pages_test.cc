// What the walk over a ring's pages must notice, each by the smallest change that shows it. That nothing that matters
// goes unnoticed, whatever bit flips, is for damage_test.cc.
#include "tests/unit/damage_fixture.h"

using namespace sealring;
using namespace sealring::test;

namespace {

template <class T>
T number_at(ByteView bytes, std::size_t at) {
  T out = 0;
  std::memcpy(&out, bytes.data() + at, sizeof out);
  return out;
}
template <class T>
Bytes number(T n) {
  return Bytes(reinterpret_cast<const char*>(&n), sizeof n);
}

// lmdb.h and mdb.c 0.9: number, two bytes, flags, lower, upper; then the places of the nodes.
constexpr std::size_t kFlagsAt = 10, kLowerAt = 12, kUpperAt = 14, kNodesAt = 16, kNodeBytes = 8;
constexpr std::uint16_t kBranch = 1, kLeaf = 2, kOverflow = 4;

struct Pages : Damaged {
  RingMeta meta = *RingPages::open(ring)->newest();

  Bytes page(std::uint64_t n) const { return ring_image.substr(static_cast<std::size_t>(n) * kPage, kPage); }
  std::uint16_t flags(std::uint64_t n) const { return number_at<std::uint16_t>(page(n), kFlagsAt); }
  std::uint64_t child(std::uint64_t of, std::size_t i) const {
    const Bytes bytes = page(of);
    const auto at = number_at<std::uint16_t>(bytes, kNodesAt + 2 * i);
    return number_at<std::uint32_t>(bytes, at);  // of files of less than 16 TiB
  }
  // Of the tree under `root` the first page with those flags, down its first nodes.
  std::uint64_t first(std::uint64_t root, std::uint16_t wanted) const {
    while (flags(root) != wanted) {
      REQUIRE(flags(root) == kBranch);
      root = child(root, 0);
    }
    return root;
  }
  std::uint64_t any_overflow() const {
    for (std::uint64_t n = 2; n * kPage < used; ++n)
      if (flags(n) == kOverflow && number_at<std::uint64_t>(page(n), 0) == n) return n;
    FAIL("no value on pages of its own");
    return 0;
  }
  void put(std::uint64_t n, std::size_t at, ByteView bytes) {
    put_at(ring, static_cast<std::size_t>(n) * kPage + at, bytes);
  }
  void swap_nodes(std::uint64_t n, std::size_t a, std::size_t b) {
    const Bytes bytes = page(n);
    put(n, kNodesAt + 2 * a, ByteView(bytes).substr(kNodesAt + 2 * b, 2));
    put(n, kNodesAt + 2 * b, ByteView(bytes).substr(kNodesAt + 2 * a, 2));
  }
  std::string audited() const {
    const auto pages = RingPages::open(ring);
    REQUIRE(pages.ok());
    const Status status = pages->audit(meta, [](ByteView, const RingPages::Value&) {});
    return status.ok() ? "" : status.error().message;
  }
  // Where the numbers of the first list of free pages begin in its page, behind its transaction and their count.
  std::size_t free_numbers() const {
    const Bytes bytes = page(free_leaf());
    const auto node = number_at<std::uint16_t>(bytes, kNodesAt);
    return node + kNodeBytes + 16;
  }
  std::uint64_t free_leaf() const { return first(meta.free_list.root, kLeaf); }
};

std::string of_page(std::uint64_t n, const std::string& words) {
  return "ring: page " + std::to_string(n) + " " + words;
}

}  // namespace

TEST_CASE_METHOD(Pages, "ring pages: a whole ring has every record once, in order") {
  std::vector<Bytes> keys;
  const auto pages = RingPages::open(ring);
  REQUIRE(pages.ok());
  REQUIRE(pages->audit(meta, [&](ByteView key, const RingPages::Value&) { keys.emplace_back(key); }).ok());
  CHECK(keys.size() == meta.records.records);
  CHECK(std::is_sorted(keys.begin(), keys.end()));
  CHECK(std::adjacent_find(keys.begin(), keys.end()) == keys.end());
  CHECK(pages->file_bytes() == 64u << 20);
}

TEST_CASE_METHOD(Pages, "ring pages: keys out of order") {
  const std::uint64_t leaf = first(meta.records.root, kLeaf);
  swap_nodes(leaf, 0, 1);
  CHECK(audited() == of_page(leaf, "has a key out of order"));
  put_back();
  const std::uint64_t branch = first(meta.records.root, kBranch);
  swap_nodes(branch, 1, 2);
  CHECK(audited() == of_page(branch, "has keys out of order"));
  put_back();
  // The last key of a leaf is not that of the page behind it: the branch above says where that begins.
  const std::uint64_t second = child(branch, 1);
  const Bytes bytes = page(second);
  const auto node = number_at<std::uint16_t>(bytes, kNodesAt);
  put(second, node + kNodeBytes, Bytes(1, '\x01'));
  CHECK(audited() == of_page(second, "has a key out of order"));
}

TEST_CASE_METHOD(Pages, "ring pages: bounds of a page") {
  const std::uint64_t leaf = first(meta.records.root, kLeaf);
  const Bytes bytes = page(leaf);
  const auto lower = number_at<std::uint16_t>(bytes, kLowerAt), upper = number_at<std::uint16_t>(bytes, kUpperAt);
  const auto with = [&](std::size_t at, std::uint32_t value) {
    put(leaf, at, number(static_cast<std::uint16_t>(value)));
    const std::string words = audited();
    put_back();
    return words;
  };
  const std::string impossible = of_page(leaf, "has impossible bounds");
  CHECK(with(kLowerAt, 14) == impossible);
  CHECK(with(kLowerAt, lower + 1u) == impossible);
  CHECK(with(kLowerAt, upper + 2u) == impossible);
  CHECK(with(kUpperAt, 4097) == impossible);
  CHECK(with(kUpperAt, upper - 2u) == of_page(leaf, "has records that do not fill it"));
  CHECK(with(kUpperAt, upper + 2u) == of_page(leaf, "has a record that does not lie in it"));
  CHECK(with(kLowerAt, 16) == of_page(leaf, "has records that do not fill it"));
  CHECK(with(kFlagsAt, kBranch) == of_page(leaf, "is of another kind, 1"));
  CHECK(with(0, 3) == of_page(leaf, "says that it is page 3"));
}

TEST_CASE_METHOD(Pages, "ring pages: the list of free pages") {
  const std::uint64_t leaf = free_leaf();
  const std::size_t at = free_numbers();
  const Bytes bytes = page(leaf);
  const auto count = number_at<std::uint64_t>(bytes, at - 8), begin = number_at<std::uint64_t>(bytes, at);
  REQUIRE(count > 1);
  const auto with = [&](std::size_t where, std::uint64_t value) {
    put(leaf, where, number(value));
    const std::string words = audited();
    put_back();
    return words;
  };
  const std::uint64_t second = number_at<std::uint64_t>(bytes, at + 8);
  CHECK(with(at - 8, count - 1) ==
        of_page(number_at<std::uint64_t>(bytes, at + 8 * (count - 1)), "is neither in use nor free"));
  CHECK_THAT(with(at - 8, count + 1), Catch::Contains("is longer than its record"));
  CHECK_THAT(with(at + 8, begin), Catch::Contains("is out of order"));
  CHECK_THAT(with(at, second), Catch::Contains("is out of order"));
  // The largest comes first.
  CHECK(with(at, meta.last_page + 1) == of_page(meta.last_page + 1, "is named as free, and there is no such page"));
  CHECK(with(at + 8 * (count - 1), 1) == of_page(1, "is named as free, and there is no such page"));
  meta.transaction = number_at<std::uint64_t>(bytes, at - 16);
  CHECK_THAT(audited(), !Catch::Contains("free list of transaction " + std::to_string(meta.transaction) + " "));
  --meta.transaction;
  CHECK(audited() == "ring: free list of transaction " + std::to_string(meta.transaction + 1) +
                         " is of a later one than the meta page");
}

TEST_CASE_METHOD(Pages, "ring pages: counts in the meta page") {
  for (std::uint64_t RingMeta::Tree::*count : {&RingMeta::Tree::branch_pages, &RingMeta::Tree::leaf_pages,
                                               &RingMeta::Tree::overflow_pages, &RingMeta::Tree::records}) {
    const RingMeta before = meta;
    ++(meta.records.*count);
    CHECK_THAT(audited(), Catch::Contains("counts other pages and records than are there"));
    meta = before;
    ++(meta.free_list.*count);
    CHECK_THAT(audited(), Catch::Contains("counts other pages and records than are in its free list"));
    meta = before;
  }
  ++meta.last_page;
  CHECK(audited() == of_page(meta.last_page, "is neither in use nor free"));
  meta.last_page -= 1;
  --meta.records.depth;
  CHECK_THAT(audited(), Catch::Contains("is of another kind"));
}

TEST_CASE_METHOD(Pages, "ring pages: a value on pages of its own") {
  const std::uint64_t n = any_overflow();
  const auto count = number_at<std::uint32_t>(page(n), kLowerAt);
  const std::uint64_t size = count * kPage - 16;
  const auto read = [&](RingPages::Value value) {
    const auto pages = RingPages::open(ring);
    const auto bytes = pages->read(value);
    return bytes.ok() ? "" : bytes.error().message;
  };
  CHECK(read({n, size, {}}).empty());
  CHECK(RingPages::open(ring)->read({n, size, {}})->size() == size);
  CHECK(read({0, 3, "abc"}).empty());
  CHECK_THAT(read({n, size + 1, {}}), Catch::Contains("does not say that it holds a value of"));
  CHECK_THAT(read({first(meta.records.root, kLeaf), kPage - 16, {}}),
             Catch::Contains("does not say that it holds a value of"));
  const std::uint64_t last = (64u << 20) / kPage - 1;
  CHECK(read({last + 1, 8, {}}) == of_page(last + 1, "and its value are behind the end of the file"));
  CHECK(read({last, kPage - 15, {}}) == of_page(last, "and its value are behind the end of the file"));
  put(n, kFlagsAt, number(kLeaf));
  CHECK_THAT(read({n, size, {}}), Catch::Contains("does not say that it holds a value of"));
}
