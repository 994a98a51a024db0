// The paths of tlog-tiles below a log's monitoring prefix, parsed strictly: each resource has one name.
//
//     tile/<L>/<N>[.p/<W>]          L: 0 to 63, no leading zeros. W: 1 to 255, no leading zeros; absent: a full tile
//     tile/entries/<N>[.p/<W>]      N in groups of three digits, all but the last with an x: 1234067 is x001/x234/067
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "storage/limits.h"

namespace sealring {

struct TilePath {
  static constexpr int kEntries = -1;  // as a level: the bundle of entries themselves
  int level = 0;
  std::uint64_t index = 0;               // N
  std::uint64_t width = kBundleEntries;  // 1 to 256
};

// nullopt: no such name, among them N that do not fit 64 bits.
std::optional<TilePath> parse_tile_path(std::string_view path);

}  // namespace sealring
