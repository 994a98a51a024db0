#include "gateway/render.h"

#include <algorithm>
#include <ctime>

namespace sealring {
namespace {

// The next character of UTF-8, or -1 (RFC 3629: no surrogates, nothing overlong).
std::int32_t next_character(ByteView bytes, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) return bytes[at++];
  const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  if (first < 0xc2 || first > 0xf4 || at + static_cast<std::size_t>(more) >= bytes.size()) return -1;
  std::int32_t c = first & (0x3f >> more);
  for (int i = 1; i <= more; ++i) {
    const unsigned char next = byte(at + static_cast<std::size_t>(i));
    if ((next & 0xc0) != 0x80) return -1;
    c = c << 6 | (next & 0x3f);
  }
  if (c < (more == 3 ? 0x10000 : more == 2 ? 0x800 : 0x80) || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return -1;
  at += static_cast<std::size_t>(more) + 1;
  return c;
}

// Controls, and what turns or hides text: directions, line ends of Unicode, joiners of no width, tags.
bool unsafe(std::int32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) ||
         c >= 0xe0000;
}

// Columns on a terminal, about.
std::size_t columns(std::int32_t c) {
  if (c >= 0x300 && c < 0x370) return 0;
  const bool wide = (c >= 0x1100 && c < 0x1160) || (c >= 0x2e80 && c < 0xa4d0) || (c >= 0xac00 && c < 0xd7a4) ||
                    (c >= 0xf900 && c < 0xfb00) || (c >= 0xfe30 && c < 0xfe70) || (c >= 0xff00 && c < 0xff61) ||
                    (c >= 0x1f300 && c < 0x1fb00) || (c >= 0x20000 && c < 0x40000);
  return wide ? 2 : 1;
}

std::tm broken_down(std::int64_t unix_ns, bool local, std::int64_t& rest_ns) {
  std::int64_t seconds = unix_ns / 1000000000;
  rest_ns = unix_ns % 1000000000;
  if (rest_ns < 0) {
    rest_ns += 1000000000;
    --seconds;
  }
  const auto t = static_cast<std::time_t>(seconds);
  std::tm tm{};
  if (local)
    ::localtime_r(&t, &tm);
  else
    ::gmtime_r(&t, &tm);
  return tm;
}

}  // namespace

bool is_utf8(ByteView bytes) {
  for (std::size_t at = 0; at < bytes.size();)
    if (next_character(bytes, at) < 0) return false;
  return true;
}

std::string escaped(ByteView utf8) {
  std::string out;
  for (std::size_t at = 0; at < utf8.size();) {
    const std::size_t begin = at;
    const std::int32_t c = next_character(utf8, at);
    if (c < 0) {  // not for here; but nothing gets through
      char text[8];
      std::snprintf(text, sizeof text, "\\x%02x", static_cast<unsigned char>(utf8[begin]));
      out += text;
      at = begin + 1;
    } else if (c == '\n' || c == '\t' || c == '\r' || c == '\\') {
      out += c == '\n' ? "\\n" : c == '\t' ? "\\t" : c == '\r' ? "\\r" : "\\\\";
    } else if (unsafe(c)) {
      char text[16];
      std::snprintf(text, sizeof text, "\\u{%x}", static_cast<unsigned>(c));
      out += text;
    } else {
      out += utf8.substr(begin, at - begin);
    }
  }
  return out;
}

std::string fitted(std::string_view text, std::size_t width) {
  std::size_t used = 0, fits = 0;  // `fits`: bytes that leave a column for the mark
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    std::size_t wide = 0;
    if (text[at] == '\\' && at + 1 < text.size()) {  // an escape is one piece
      const char kind = text[at + 1];
      const std::size_t close = kind == 'u' ? text.find('}', at) : kind == 'x' ? at + 3 : at + 1;
      at = std::min(close, text.size() - 1) + 1;
      wide = at - begin;
    } else {
      const std::int32_t c = next_character(text, at);
      if (c < 0) at = begin + 1;
      wide = c < 0 ? 1 : columns(c);
    }
    used += wide;
    if (used + 1 <= width) fits = at;
    if (used > width) return width == 0 ? "" : std::string(text.substr(0, fits)) + "…";
  }
  return std::string(text);
}

std::string utc_time(std::int64_t unix_ns) {
  std::int64_t rest = 0;
  const std::tm tm = broken_down(unix_ns, false, rest);
  char text[80];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%09lldZ", tm.tm_year + 1900, tm.tm_mon + 1,
                tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, static_cast<long long>(rest));
  return text;
}

std::string local_time(std::int64_t unix_ns, bool millis) {
  std::int64_t rest = 0;
  const std::tm tm = broken_down(unix_ns, true, rest);
  char text[80];
  const int n = std::snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                              tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
  if (millis && n > 0)
    std::snprintf(text + n, sizeof text - static_cast<std::size_t>(n), ".%03d", static_cast<int>(rest / 1000000));
  return text;
}

}  // namespace sealring
