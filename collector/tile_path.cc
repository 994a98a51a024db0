#include "collector/tile_path.h"

#include "crypto/bytes.h"

namespace sealring {

namespace {

constexpr std::string_view kTile = "tile/", kEntriesFolder = "entries/", kPartial = ".p/";
constexpr std::size_t kGroupDigits = 3;
constexpr std::uint64_t kMaxLevel = 63;

// A number without leading zeros up to `max`, from the whole of `text`.
std::optional<std::uint64_t> plain_number(std::string_view text, std::uint64_t max) {
  Result<std::uint64_t> number = from_decimal(text);
  if (!number.ok() || *number > max) return std::nullopt;
  return *number;
}

// Three digits.
std::optional<unsigned> group(std::string_view digits) {
  if (digits.size() != kGroupDigits) return std::nullopt;
  unsigned value = 0;
  for (char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    value = 10 * value + static_cast<unsigned>(c - '0');
  }
  return value;
}

std::optional<std::uint64_t> grouped_number(std::string_view text) {
  std::uint64_t number = 0;
  for (bool first = true;; first = false) {
    bool last = text.substr(0, 1) != "x";
    if (!last) text.remove_prefix(1);
    std::optional<unsigned> value = group(text.substr(0, last ? text.size() : kGroupDigits));
    if (!value || (!last && first && *value == 0)) return std::nullopt;  // x000 in front says nothing
    if (number > (UINT64_MAX - *value) / 1000) return std::nullopt;
    number = 1000 * number + *value;
    if (last) return number;
    text.remove_prefix(kGroupDigits);
    if (!take_prefix(text, "/")) return std::nullopt;
  }
}

}  // namespace

std::optional<TilePath> parse_tile_path(std::string_view path) {
  TilePath tile;
  if (!take_prefix(path, kTile)) return std::nullopt;
  if (take_prefix(path, kEntriesFolder)) {
    tile.level = TilePath::kEntries;
  } else {
    std::size_t slash = path.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    std::optional<std::uint64_t> level = plain_number(path.substr(0, slash), kMaxLevel);
    if (!level) return std::nullopt;
    tile.level = static_cast<int>(*level);
    path.remove_prefix(slash + 1);
  }
  if (std::size_t dot = path.find('.'); dot != std::string_view::npos) {
    std::string_view width = path.substr(dot);
    if (!take_prefix(width, kPartial)) return std::nullopt;
    std::optional<std::uint64_t> number = plain_number(width, kBundleEntries - 1);
    if (!number || *number == 0) return std::nullopt;
    tile.width = *number;
    path = path.substr(0, dot);
  }
  std::optional<std::uint64_t> index = grouped_number(path);
  if (!index) return std::nullopt;
  tile.index = *index;
  return tile;
}

}  // namespace sealring
