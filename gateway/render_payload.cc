#include "gateway/render_payload.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "gateway/render.h"

namespace sealring {
namespace {

constexpr std::size_t kDumpBytes = 4096;  // of a hexdump; --payload FILE has all
constexpr int kHexWidth = 16;

constexpr std::size_t kMaxDepth = 16;  // deeper JSON is shown as it is: indented, a small payload could fill the memory

// The bytes as they are, with white space outside of strings made anew; "" when they nest too deep.
std::string reindented(ByteView bytes) {
  std::string out;
  std::size_t depth = 0;
  bool in_string = false, escape = false, opened = false;
  const auto line = [&] { out += "\n" + std::string(2 * depth, ' '); };
  for (char c : bytes) {
    if (in_string) {
      out += c;
      in_string = escape || c != '"';
      escape = !escape && c == '\\';
      continue;
    }
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    const bool closes = c == '}' || c == ']';
    if (closes) --depth;
    if (opened != closes) line();  // neither within "{}" nor in the middle of a value
    opened = false;
    out += c;
    in_string = c == '"';
    if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return "";
      opened = true;
    } else if (c == ',') {
      line();
    } else if (c == ':') {
      out += ' ';
    }
  }
  return out;
}

}  // namespace

bool is_text(ByteView bytes) { return bytes.find('\0') == ByteView::npos && is_utf8(bytes); }

// What is shown are the bytes that came, never what a parser made of them: it would drop a repeated key and round a
// long number.
std::string pretty_json(ByteView bytes) {
  const std::size_t first = bytes.find_first_not_of(" \t\r\n");
  // To nlohmann's parser a zero byte is the end: what comes behind it would not be looked at.
  if (first == ByteView::npos || bytes.find('\0') != ByteView::npos) return "";
  if (bytes[first] != '{' && bytes[first] != '[') return "";
  return nlohmann::ordered_json::accept(bytes) ? reindented(bytes) : "";
}

std::string shown(ByteView bytes) { return is_text(bytes) ? escaped(bytes) : "0x" + hex(bytes); }

std::string hexdump(ByteView bytes) {
  std::string out;
  for (std::size_t at = 0; at < std::min(bytes.size(), kDumpBytes); at += kHexWidth) {
    const ByteView line = bytes.substr(at, kHexWidth);
    char offset[24];
    std::snprintf(offset, sizeof offset, "%08zx ", at);
    std::string left = offset, right;
    for (const char c : line) {
      left += " " + hex(ByteView(&c, 1));
      right += c >= 0x20 && c < 0x7f ? c : '.';
    }
    out += "  " + left + std::string(9 + 3 * kHexWidth - std::min<std::size_t>(left.size(), 57), ' ') + "  " + right +
           "\n";
  }
  if (bytes.size() > kDumpBytes) out += "  ... " + std::to_string(bytes.size() - kDumpBytes) + " bytes more\n";
  return out;
}

std::string indented(ByteView text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    out += "  " + escaped(text.substr(0, end)) + "\n";
    text.remove_prefix(end == ByteView::npos ? text.size() : end + 1);
  }
  return out;
}

}  // namespace sealring
