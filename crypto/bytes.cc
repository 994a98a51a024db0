#include "crypto/bytes.h"

#include <algorithm>

namespace sealring {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";
constexpr char kBase64Digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

template <class T>
void put_big_endian(Bytes& out, T v) {
  char buffer[sizeof(T)];
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    buffer[i] = static_cast<char>(static_cast<std::uint8_t>(v >> (8 * (sizeof(T) - 1 - i))));
  }
  out.append(buffer, sizeof(T));
}

template <class T>
T get_big_endian(const char* p) {
  T v = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) v = static_cast<T>((v << 8) | static_cast<std::uint8_t>(p[i]));
  return v;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

struct Base64Values {
  std::int8_t of[256];
};

constexpr Base64Values base64_values() {
  Base64Values values{};
  for (int i = 0; i < 256; ++i) values.of[i] = -1;
  for (int i = 0; i < 64; ++i) values.of[static_cast<std::uint8_t>(kBase64Digits[i])] = static_cast<std::int8_t>(i);
  return values;
}

constexpr Base64Values kBase64Values = base64_values();

Error base64_error(const char* what, std::size_t offset) {
  return reject_error(std::string("base64: ") + what + " at offset " + std::to_string(offset));
}

}  // namespace

void put_u8(Bytes& out, std::uint8_t v) { out.push_back(static_cast<char>(v)); }
void put_u16(Bytes& out, std::uint16_t v) { put_big_endian(out, v); }
void put_u32(Bytes& out, std::uint32_t v) { put_big_endian(out, v); }
void put_u64(Bytes& out, std::uint64_t v) { put_big_endian(out, v); }

std::uint16_t get_u16(const char* p) { return get_big_endian<std::uint16_t>(p); }
std::uint32_t get_u32(const char* p) { return get_big_endian<std::uint32_t>(p); }
std::uint64_t get_u64(const char* p) { return get_big_endian<std::uint64_t>(p); }

std::uint8_t ByteReader::u8() {
  const ByteView v = bytes(1);
  return v.size() == 1 ? static_cast<std::uint8_t>(v[0]) : std::uint8_t{0};
}
std::uint16_t ByteReader::u16() {
  const ByteView v = bytes(2);
  return v.size() == 2 ? get_u16(v.data()) : std::uint16_t{0};
}
std::uint32_t ByteReader::u32() {
  const ByteView v = bytes(4);
  return v.size() == 4 ? get_u32(v.data()) : 0;
}
std::uint64_t ByteReader::u64() {
  const ByteView v = bytes(8);
  return v.size() == 8 ? get_u64(v.data()) : 0;
}

ByteView ByteReader::bytes(std::size_t n) {
  if (!ok_ || n > rest_.size()) {
    ok_ = false;
    return {};
  }
  const ByteView v = rest_.substr(0, n);
  rest_.remove_prefix(n);
  return v;
}

std::string hex(ByteView bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto b = static_cast<std::uint8_t>(c);
    text.push_back(kHexDigits[b >> 4]);
    text.push_back(kHexDigits[b & 15]);
  }
  return text;
}

Result<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return reject_error("hex: odd number of digits: " + std::to_string(text.size()));
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) {
      return reject_error("hex: not a hex digit at offset " + std::to_string(high < 0 ? i : i + 1));
    }
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

std::string base64(ByteView bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) group = group << 8 | (j < n ? static_cast<std::uint8_t>(bytes[i + j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j) {
      text.push_back(j <= n ? kBase64Digits[(group >> (18 - 6 * j)) & 63] : '=');
    }
  }
  return text;
}

Result<Bytes> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) {
    return reject_error("base64: " + std::to_string(text.size()) + " characters, must be a multiple of 4 (padding)");
  }
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  const std::string_view digits = text.substr(0, text.size() - padding);
  Bytes bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t pending = 0;
  int pending_bits = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const int value = kBase64Values.of[static_cast<std::uint8_t>(digits[i])];
    if (value < 0) return base64_error("not a base64 character", i);
    pending = pending << 6 | static_cast<std::uint32_t>(value);
    pending_bits += 6;
    if (pending_bits < 8) continue;
    pending_bits -= 8;
    bytes.push_back(static_cast<char>(static_cast<std::uint8_t>(pending >> pending_bits)));
    pending &= (1u << pending_bits) - 1;
  }
  // Unused bits carry nothing; were they free, one value would have several spellings.
  if (pending != 0) return base64_error("unused bits are not zero", digits.size() - 1);
  return bytes;
}

Result<std::uint64_t> from_decimal(std::string_view text) {
  if (text.empty()) return reject_error("decimal number: empty");
  if (text.size() > 1 && text[0] == '0') return reject_error("decimal number " + quoted(text, 24) + ": leading zero");
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return reject_error("decimal number " + quoted(text, 24) + ": not a digit");
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (UINT64_MAX - digit) / 10) {
      return reject_error("decimal number " + quoted(text, 24) + ": does not fit 64 bits");
    }
    value = value * 10 + digit;
  }
  return value;
}

std::string quoted(ByteView bytes, std::size_t limit) {
  std::string text = "\"";
  for (const char c : bytes.substr(0, limit)) {
    const auto b = static_cast<std::uint8_t>(c);
    if (b >= 0x20 && b < 0x7f && c != '"' && c != '\\') {
      text.push_back(c);
    } else {
      text.append("\\x").append(1, kHexDigits[b >> 4]).append(1, kHexDigits[b & 15]);
    }
  }
  text.push_back('"');
  if (bytes.size() > limit) text.append("...");
  return text;
}

}  // namespace sealring
