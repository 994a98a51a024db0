// Byte strings, big-endian integers, hex and base64: the shapes that every other header uses.
//
// Bytes are std::string and std::string_view throughout: notes are text, entries are binary, and one type for both
// spares conversions. A ByteView never owns; whoever returns one says what it points into.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/result.h"

namespace sealring {

using Bytes = std::string;
using ByteView = std::string_view;
using Hash = std::array<std::uint8_t, 32>;       // SHA-256
using PublicKey = std::array<std::uint8_t, 32>;  // Ed25519
using Signature = std::array<std::uint8_t, 64>;  // Ed25519

template <std::size_t N>
ByteView view(const std::array<std::uint8_t, N>& a) {
  return {reinterpret_cast<const char*>(a.data()), N};
}
// The array with the bytes of `v`, which must be exactly N long (programmer error otherwise).
template <std::size_t N>
std::array<std::uint8_t, N> to_array(ByteView v) {
  SEALRING_ASSERT(v.size() == N);
  std::array<std::uint8_t, N> a;
  std::memcpy(a.data(), v.data(), N);
  return a;
}

// Big-endian, appended to `out`.
void put_u8(Bytes& out, std::uint8_t v);
void put_u16(Bytes& out, std::uint16_t v);
void put_u32(Bytes& out, std::uint32_t v);
void put_u64(Bytes& out, std::uint64_t v);
// Big-endian at `p`, which must have the bytes.
std::uint16_t get_u16(const char* p);
std::uint32_t get_u32(const char* p);
std::uint64_t get_u64(const char* p);

// Reads forward through bytes that may be too short. After the first failure every further read fails, so that a
// caller may read a whole structure and check ok() once.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : rest_(bytes), size_(bytes.size()) {}
  std::uint8_t u8();
  std::uint16_t u16();
  std::uint32_t u32();
  std::uint64_t u64();
  ByteView bytes(std::size_t n);  // a view into the input
  template <std::size_t N>
  std::array<std::uint8_t, N> array() {
    ByteView v = bytes(N);
    std::array<std::uint8_t, N> a{};
    if (v.size() == N) std::memcpy(a.data(), v.data(), N);
    return a;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && rest_.empty(); }
  ByteView rest() const { return rest_; }
  std::size_t offset() const { return size_ - rest_.size(); }

 private:
  ByteView rest_;
  std::size_t size_;
  bool ok_ = true;
};

std::string hex(ByteView bytes);                // lower case
Result<Bytes> from_hex(std::string_view text);  // either case; odd length or another character: reject
std::string base64(ByteView bytes);             // RFC 4648 §4, padded
// Strict: padding required and right, no white space, unused bits zero. Anything else: reject.
Result<Bytes> from_base64(std::string_view text);

// A decimal number as C2SP writes it: no sign, no leading zero, "0" for zero, fits 64 bits. Otherwise reject.
Result<std::uint64_t> from_decimal(std::string_view text);

// Whether `text` begins with `prefix`, which is then taken off.
inline bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}
// The next line without its newline, off `rest`; none when there is no newline any more.
inline std::optional<std::string_view> take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return line;
}

// For messages: at most `limit` bytes of `bytes` in double quotes, printable ASCII kept, all else as \xHH (a quote and
// a backslash too, so that it can be read back); "..." behind it when there are more.
std::string quoted(ByteView bytes, std::size_t limit = 64);

}  // namespace sealring
