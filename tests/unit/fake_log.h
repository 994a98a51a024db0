#pragma once

#include <catch2/catch.hpp>
#include <functional>

#include "gateway/log_view.h"
#include "storage/entry.h"

namespace sealring::test {

// A log in memory, of which the beginning may be released.
class FakeLog final : public LogView {
 public:
  std::string origin() const override { return "example.com/log"; }
  std::uint64_t first_index() const override { return first; }
  std::uint64_t size() const override { return list.size(); }
  Result<Bytes> entries(std::uint64_t from, std::size_t count) const override {
    ++reads;
    if (on_read) on_read();
    if (from < first || from + count > list.size()) return Error{ErrorKind::missing, "not here"};
    Bytes out;
    for (std::size_t i = 0; i < count; ++i) {
      put_u16(out, static_cast<std::uint16_t>(list[from + i].size()));
      out += list[from + i];
    }
    return out;
  }
  Result<Hash> node(int, std::uint64_t) const override { return Error{ErrorKind::missing, "none"}; }
  std::vector<Segment> segments() const override { return {}; }

  void add(const Entry& entry) {
    Bytes bytes;
    REQUIRE(encode_entry(entry, bytes).ok());
    list.push_back(bytes);
  }
  void add_message(std::int64_t wall_ns, ByteView topic, ByteView payload = "x") {
    Entry entry;
    entry.common.wall_ns = wall_ns;
    Message message;
    message.topic = topic;
    message.payload = payload;
    entry.body = message;
    add(entry);
  }
  std::vector<Bytes> list;
  std::uint64_t first = 0;
  mutable std::uint64_t reads = 0;
  std::function<void()> on_read;
};

}  // namespace sealring::test
