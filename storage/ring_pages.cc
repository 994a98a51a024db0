#include "storage/ring_pages.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "storage/disk_error.h"

namespace sealring {
namespace {

constexpr std::size_t kWordBytes = sizeof(std::size_t);  // LMDB's page numbers and transactions
constexpr std::size_t kPageHeaderBytes = kWordBytes + 8;
constexpr std::size_t kNodeHeaderBytes = 8;
constexpr std::size_t kMetaBytes = 8 + 2 * kWordBytes + 2 * (8 + 5 * kWordBytes) + 2 * kWordBytes;
constexpr std::uint32_t kMagic = 0xBEEFC0DE, kDataVersion = 1;
constexpr std::uint16_t kBranchPage = 1, kLeafPage = 2, kOverflowPage = 4, kMetaPage = 8;
constexpr std::uint16_t kBigNode = 1;                                // its value lies on pages of its own
constexpr std::uint16_t kFreeListFlags = 0x4008, kRecordsFlags = 0;  // integer keys, in a file without a folder
constexpr std::uint64_t kNoPage = static_cast<std::size_t>(-1);
constexpr std::uint16_t kMaxDepth = 32;
constexpr std::uint64_t kMinPageBytes = 512, kMaxPageBytes = 32768;

std::uint16_t u16_at(ByteView bytes, std::size_t at) {
  std::uint16_t v = 0;
  std::memcpy(&v, bytes.data() + at, sizeof v);
  return v;
}
std::uint32_t u32_at(ByteView bytes, std::size_t at) {
  std::uint32_t v = 0;
  std::memcpy(&v, bytes.data() + at, sizeof v);
  return v;
}
std::uint64_t word_at(ByteView bytes, std::size_t at) {
  std::size_t v = 0;
  std::memcpy(&v, bytes.data() + at, sizeof v);
  return v;
}

RingMeta::Tree tree_at(ByteView bytes, std::size_t at) {
  RingMeta::Tree tree;
  tree.flags = u16_at(bytes, at + 4);
  tree.depth = u16_at(bytes, at + 6);
  tree.branch_pages = word_at(bytes, at + 8);
  tree.leaf_pages = word_at(bytes, at + 8 + kWordBytes);
  tree.overflow_pages = word_at(bytes, at + 8 + 2 * kWordBytes);
  tree.records = word_at(bytes, at + 8 + 3 * kWordBytes);
  tree.root = word_at(bytes, at + 8 + 4 * kWordBytes);
  return tree;
}

std::size_t even(std::size_t n) { return n + (n & 1); }

// A node of a branch or leaf page: what it says, with every length checked against the page.
struct Node {
  ByteView key;
  std::uint64_t child = 0;  // of a branch
  RingPages::Value value;   // of a leaf
  std::size_t bytes = 0;    // it takes of the page
};

class Page {
 public:
  Page(ByteView bytes, std::uint64_t number) : bytes_(bytes), number_(number) {}

  // Empty when the page can be walked as one of `type`; otherwise what is wrong.
  std::string trouble(std::uint16_t type) const {
    if (word_at(bytes_, 0) != number_) return "says that it is page " + std::to_string(word_at(bytes_, 0));
    if (flags() != type) return "is of another kind, " + std::to_string(flags());
    if (lower() < kPageHeaderBytes || lower() % 2 != 0 || lower() > upper() || upper() > bytes_.size())
      return "has impossible bounds";
    std::size_t used = 0;
    for (std::size_t i = 0; i < count(); ++i) {
      const auto node = at(i);
      if (!node) return "has a record that does not lie in it";
      used += node->bytes;
    }
    return used == bytes_.size() - upper() ? "" : "has records that do not fill it";
  }
  std::uint16_t flags() const { return u16_at(bytes_, kWordBytes + 2); }
  std::size_t count() const { return (lower() - kPageHeaderBytes) / 2; }
  std::optional<Node> at(std::size_t i) const {
    const std::size_t from = u16_at(bytes_, kPageHeaderBytes + 2 * i);
    if (from < upper() || from + kNodeHeaderBytes > bytes_.size()) return std::nullopt;
    const std::uint64_t low = u16_at(bytes_, from), high = u16_at(bytes_, from + 2);
    const std::uint16_t node_flags = u16_at(bytes_, from + 4);
    const std::size_t key_bytes = u16_at(bytes_, from + 6), left = bytes_.size() - from - kNodeHeaderBytes;
    if (key_bytes > left) return std::nullopt;
    Node node;
    node.key = bytes_.substr(from + kNodeHeaderBytes, key_bytes);
    node.bytes = even(kNodeHeaderBytes + key_bytes);
    if (flags() == kBranchPage) {
      node.child = low | high << 16;
      if (kWordBytes > 4) node.child |= static_cast<std::uint64_t>(node_flags) << 32;
      return node;
    }
    if (node_flags > kBigNode) return std::nullopt;
    node.value.size = low | high << 16;
    const std::size_t here = node_flags == kBigNode ? kWordBytes : node.value.size;
    if (here > left - key_bytes) return std::nullopt;
    node.value.bytes_here = bytes_.substr(from + kNodeHeaderBytes + key_bytes, here);
    if (node_flags == kBigNode) {
      node.value.page = word_at(node.value.bytes_here, 0);
      node.value.bytes_here = {};
      if (node.value.page < 2) return std::nullopt;
    }
    node.bytes = even(kNodeHeaderBytes + key_bytes + here);
    return node;
  }

 private:
  std::size_t lower() const { return u16_at(bytes_, kWordBytes + 4); }
  std::size_t upper() const { return u16_at(bytes_, kWordBytes + 6); }

  ByteView bytes_;
  std::uint64_t number_;
};

std::uint64_t pages_of(std::uint64_t value_bytes, std::uint64_t page_bytes) {
  return (kPageHeaderBytes - 1 + value_bytes) / page_bytes + 1;
}

// One pass over everything under a meta page.
class Audit {
 public:
  Audit(const RingPages& file, const RingMeta& meta) : file_(file), meta_(meta) {}

  Status run(const RingPages::Visit& visit) {
    seen_.assign(static_cast<std::size_t>(meta_.last_page + 1), false);
    seen_[0] = seen_[1] = true;
    SEALRING_TRY(tree(meta_.records, false, visit));
    Status bad;
    SEALRING_TRY(tree(meta_.free_list, true, [&](ByteView key, const RingPages::Value& value) {
      if (bad.ok()) bad = free_pages(key, value);
    }));
    SEALRING_TRY(bad);
    const auto lost = std::find(seen_.begin(), seen_.end(), false);
    if (lost == seen_.end()) return {};
    return fatal_error(page_words(static_cast<std::uint64_t>(lost - seen_.begin())) + "is neither in use nor free");
  }

 private:
  static std::string page_words(std::uint64_t number) { return "ring: page " + std::to_string(number) + " "; }

  Status claim(std::uint64_t first, std::uint64_t count, const char* as) {
    if (first < 2 || count > seen_.size() || first > seen_.size() - count)
      return fatal_error(page_words(first) + "is named as " + as + ", and there is no such page");
    for (std::uint64_t i = first; i < first + count; ++i) {
      if (seen_[static_cast<std::size_t>(i)]) return fatal_error(page_words(i) + "is in use twice, also as " + as);
      seen_[static_cast<std::size_t>(i)] = true;
    }
    return {};
  }

  Status tree(const RingMeta::Tree& tree, bool integers, const RingPages::Visit& visit) {
    branches_ = leaves_ = overflows_ = records_ = 0;
    integers_ = integers;
    last_key_.reset();
    if (tree.root != kNoPage) SEALRING_TRY(walk(tree.root, tree.depth, {}, {}, visit));
    if (branches_ == tree.branch_pages && leaves_ == tree.leaf_pages && overflows_ == tree.overflow_pages &&
        records_ == tree.records)
      return {};
    return fatal_error("ring: meta page " + std::to_string(meta_.page) + " counts other pages and records than are " +
                       (integers ? "in its free list" : "there"));
  }

  bool less(ByteView a, ByteView b) const {
    if (!integers_) return a < b;
    return word_at(a, 0) < word_at(b, 0);
  }
  bool is_key(ByteView key) const { return integers_ ? key.size() == kWordBytes : !key.empty(); }

  // `from` and `to`: what the pages above say of its keys; empty: nothing.
  Status walk(std::uint64_t number, std::uint16_t depth, ByteView from, ByteView to, const RingPages::Visit& visit) {
    if (depth == 0) return fatal_error(page_words(number) + "is deeper than the tree");
    SEALRING_TRY(claim(number, 1, depth == 1 ? "leaf" : "branch"));
    SEALRING_ASSIGN(const Bytes bytes, file_.read_page(number));
    const Page page(bytes, number);
    if (std::string trouble = page.trouble(depth == 1 ? kLeafPage : kBranchPage); !trouble.empty())
      return fatal_error(page_words(number) + trouble);
    if (depth == 1) return leaf(page, number, from, to, visit);
    ++branches_;
    if (page.count() < 2) return fatal_error(page_words(number) + "branches nowhere");
    for (std::size_t i = 0; i < page.count(); ++i) {
      const Node node = *page.at(i);
      const ByteView begin = i == 0 ? from : node.key;
      const ByteView end = i + 1 < page.count() ? page.at(i + 1)->key : to;
      if ((i > 0 && !is_key(node.key)) || (!begin.empty() && !end.empty() && !less(begin, end)))
        return fatal_error(page_words(number) + "has keys out of order");
      SEALRING_TRY(walk(node.child, static_cast<std::uint16_t>(depth - 1), begin, end, visit));
    }
    return {};
  }

  Status leaf(const Page& page, std::uint64_t number, ByteView from, ByteView to, const RingPages::Visit& visit) {
    ++leaves_;
    if (page.count() == 0) return fatal_error(page_words(number) + "is an empty leaf");
    for (std::size_t i = 0; i < page.count(); ++i) {
      const Node node = *page.at(i);
      if (!is_key(node.key) || (last_key_ && !less(*last_key_, node.key)) || (!from.empty() && less(node.key, from)) ||
          (!to.empty() && !less(node.key, to)))
        return fatal_error(page_words(number) + "has a key out of order");
      last_key_ = Bytes(node.key);
      ++records_;
      if (node.value.page != 0) {
        const std::uint64_t count = pages_of(node.value.size, file_.page_bytes());
        overflows_ += count;
        SEALRING_TRY(claim(node.value.page, count, "value"));
      }
      visit(node.key, node.value);
    }
    return {};
  }

  Status free_pages(ByteView key, const RingPages::Value& value) {
    const std::uint64_t transaction = word_at(key, 0);
    const std::string where = "ring: free list of transaction " + std::to_string(transaction) + " ";
    if (transaction > meta_.transaction) return fatal_error(where + "is of a later one than the meta page");
    SEALRING_ASSIGN(const Bytes list, file_.read(value));
    const std::uint64_t count = list.size() < kWordBytes ? kNoPage : word_at(list, 0);
    if (count > list.size() / kWordBytes - 1) return fatal_error(where + "is longer than its record");
    for (std::uint64_t i = 1; i <= count; ++i) {
      const std::uint64_t number = word_at(list, static_cast<std::size_t>(i) * kWordBytes);
      if (i > 1 && number >= word_at(list, static_cast<std::size_t>(i - 1) * kWordBytes))
        return fatal_error(where + "is out of order");
      SEALRING_TRY(claim(number, 1, "free"));
    }
    return {};
  }

  const RingPages& file_;
  const RingMeta& meta_;
  std::vector<bool> seen_;
  std::uint64_t branches_ = 0, leaves_ = 0, overflows_ = 0, records_ = 0;
  bool integers_ = false;
  std::optional<Bytes> last_key_;
};

}  // namespace

Result<RingPages> RingPages::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat st {};
  if (fd < 0 || ::fstat(fd, &st) != 0) {
    Error error = disk_error(path + ": open", errno);
    if (fd >= 0) ::close(fd);
    return error;
  }
  RingPages file(fd, static_cast<std::uint64_t>(st.st_size));
  // Where the second meta page lies is what the first says, or the usual place.
  Bytes head(kPageHeaderBytes + kMetaBytes, '\0');
  if (::pread(fd, head.data(), head.size(), 0) != static_cast<ssize_t>(head.size())) return file;
  const std::uint32_t said = u32_at(head, kPageHeaderBytes + 8 + 2 * kWordBytes);
  if (said >= kMinPageBytes && said <= kMaxPageBytes && (said & (said - 1)) == 0) file.page_bytes_ = said;
  return file;
}

RingPages::RingPages(RingPages&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), file_bytes_(other.file_bytes_), page_bytes_(other.page_bytes_) {}

RingPages::~RingPages() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Bytes> RingPages::read_page(std::uint64_t number) const {
  Bytes page(static_cast<std::size_t>(page_bytes_), '\0');
  std::size_t done = 0;
  while (done < page.size()) {
    const ssize_t n =
        ::pread(fd_, page.data() + done, page.size() - done, static_cast<off_t>(number * page_bytes_ + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return disk_error("ring: page " + std::to_string(number) + ": read", errno);
    if (n == 0) return fatal_error("ring: page " + std::to_string(number) + " is behind the end of the file");
    done += static_cast<std::size_t>(n);
  }
  return page;
}

Result<RingMeta> RingPages::meta(int number) const {
  const std::string where = "ring: meta page " + std::to_string(number) + " ";
  SEALRING_ASSIGN(const Bytes page, read_page(static_cast<std::uint64_t>(number)));
  const ByteView body = ByteView(page).substr(kPageHeaderBytes);
  if (u16_at(page, kWordBytes + 2) != kMetaPage || u32_at(body, 0) != kMagic || u32_at(body, 4) != kDataVersion)
    return reject_error("ring: not an LMDB file of this version and word size (meta page " + std::to_string(number) +
                        "); a store cannot be carried between 32-bit and 64-bit machines");
  RingMeta meta;
  meta.page = number;
  const std::size_t trees = 8 + 2 * kWordBytes, tree_bytes = 8 + 5 * kWordBytes;
  meta.map_bytes = word_at(body, 8 + kWordBytes);
  meta.free_list = tree_at(body, trees);
  meta.records = tree_at(body, trees + tree_bytes);
  meta.last_page = word_at(body, trees + 2 * tree_bytes);
  meta.transaction = word_at(body, trees + 2 * tree_bytes + kWordBytes);
  if (word_at(page, 0) != static_cast<std::uint64_t>(number) || word_at(body, 8) != 0 ||
      u32_at(body, trees) != page_bytes_ || u32_at(body, trees + tree_bytes) != 0 ||
      meta.free_list.flags != kFreeListFlags || meta.records.flags != kRecordsFlags)
    return fatal_error(where + "is damaged");
  for (const RingMeta::Tree* tree : {&meta.free_list, &meta.records})
    if (tree->depth > kMaxDepth || (tree->root == kNoPage) != (tree->depth == 0))
      return fatal_error(where + "is damaged");
  if (meta.map_bytes % page_bytes_ != 0 || meta.last_page < 1 || meta.last_page >= meta.map_bytes / page_bytes_)
    return fatal_error(where + "is damaged: its last page lies behind its map");
  if (meta.map_bytes > file_bytes_)
    return fatal_error(where + "says that the file has " + std::to_string(meta.map_bytes) + " bytes, and it has " +
                       std::to_string(file_bytes_) + ": it was cut short");
  return meta;
}

// Not by meta(): LMDB goes by the transaction alone, whatever else the page says.
std::optional<RingMeta> RingPages::newest() const {
  const auto first = meta(0), second = meta(1);
  if (!first && !second) return std::nullopt;
  if (!first || !second) return first ? *first : *second;
  return first->transaction < second->transaction ? *second : *first;
}

Status RingPages::audit(const RingMeta& meta, const Visit& visit) const { return Audit(*this, meta).run(visit); }

void RingPages::scan(const Visit& visit) const {
  for (std::uint64_t number = 2; number < file_bytes_ / page_bytes_; ++number) {
    const auto bytes = read_page(number);
    if (!bytes) continue;
    const Page page(*bytes, number);
    if (page.flags() != kLeafPage || u16_at(*bytes, kWordBytes + 4) < kPageHeaderBytes ||
        u16_at(*bytes, kWordBytes + 4) > page_bytes_)
      continue;
    for (std::size_t i = 0; i < page.count(); ++i)
      if (const auto node = page.at(i); node && !node->key.empty()) visit(node->key, node->value);
  }
}

Result<Bytes> RingPages::read(const Value& value) const {
  if (value.page == 0) return Bytes(value.bytes_here);
  const std::uint64_t count = pages_of(value.size, page_bytes_);
  const std::string where = "ring: page " + std::to_string(value.page) + " ";
  if (value.page >= file_bytes_ / page_bytes_ || count > file_bytes_ / page_bytes_ - value.page)
    return fatal_error(where + "and its value are behind the end of the file");
  Bytes out;
  for (std::uint64_t i = 0; i < count; ++i) {
    SEALRING_ASSIGN(const Bytes page, read_page(value.page + i));
    if (i == 0 && (word_at(page, 0) != value.page || u16_at(page, kWordBytes + 2) != kOverflowPage ||
                   u32_at(page, kWordBytes + 4) != count))
      return fatal_error(where + "does not say that it holds a value of " + std::to_string(value.size) + " bytes");
    out += ByteView(page).substr(i == 0 ? kPageHeaderBytes : 0);
  }
  out.resize(static_cast<std::size_t>(value.size));
  return out;
}

}  // namespace sealring
