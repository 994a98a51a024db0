// Tiles by the words of tlog-tiles, without any of the collector's arithmetic.
#pragma once

#include "collector/tile_path.h"
#include "tests/unit/collector_fixture.h"

namespace sealring::test {

// MTH(leaves[start:end]) as RFC 6962 defines it.
inline Hash naive_root(const std::vector<Hash>& leaves, std::size_t start, std::size_t end) {
  if (end - start == 1) return leaves.at(start);
  std::size_t split = 1;
  while (2 * split < end - start) split *= 2;
  return node_hash(naive_root(leaves, start, start + split), naive_root(leaves, start + split, end));
}

inline std::uint64_t power_of_256(int exponent) {
  std::uint64_t power = 1;
  for (int i = 0; i < exponent; ++i) power *= 256;
  return power;
}

// Hash i is MTH(D[(n*256+i)*256^l : (n*256+i+1)*256^l]).
inline Bytes naive_tile(const std::vector<Hash>& leaves, int level, std::uint64_t index, std::uint64_t width) {
  Bytes out;
  std::uint64_t step = power_of_256(level);
  for (std::uint64_t i = index * 256; i < index * 256 + width; ++i)
    out += view(naive_root(leaves, i * step, (i + 1) * step));
  return out;
}

inline std::string tile_name(int level, std::uint64_t index, std::uint64_t width) {
  std::string digits = std::to_string(index);
  digits = std::string((3 - digits.size() % 3) % 3, '0') + digits;
  std::string groups = digits.substr(digits.size() - 3);
  for (std::size_t i = digits.size() - 3; i > 0; i -= 3) groups = "x" + digits.substr(i - 3, 3) + "/" + groups;
  return (level < 0 ? "tile/entries/" : "tile/" + std::to_string(level) + "/") + groups +
         (width == 256 ? "" : ".p/" + std::to_string(width));
}

struct NamedTile {
  int level;
  std::uint64_t index, width;
};
// What tlog-tiles wants to be there at a published size: full tiles, and at each level the partial one.
inline std::vector<NamedTile> tiles_of_size(std::uint64_t size) {
  std::vector<NamedTile> tiles;
  for (int level = 0; size / power_of_256(level) > 0; ++level) {
    std::uint64_t hashes = size / power_of_256(level);
    for (int kind : {level, TilePath::kEntries}) {
      if (kind == TilePath::kEntries && level != 0) continue;
      for (std::uint64_t n = 0; n < hashes / 256; ++n) tiles.push_back({kind, n, 256});
      if (hashes % 256 != 0) tiles.push_back({kind, hashes / 256, hashes % 256});
    }
  }
  return tiles;
}

}  // namespace sealring::test
