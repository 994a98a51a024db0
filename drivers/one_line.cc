#include "drivers/one_line.h"

#include <algorithm>

namespace sealring {

std::string one_line(ByteView text, std::size_t limit) {
  static const char kHex[] = "0123456789abcdef";
  std::size_t end = std::min(limit, text.size());
  while (end < text.size() && end > 0 && (static_cast<std::uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  std::string line;
  line.reserve(end);
  for (const char c : text.substr(0, end)) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (byte >= 0x20 && byte != 0x7f)
      line += c;
    else
      line += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
  }
  if (end < text.size()) line += "...";
  return line;
}

}  // namespace sealring
