// The files tests/vectors/entry-*.hex: annotated hex, made by make_entry_vectors.py, an implementation of
// storage/FORMAT.md that shares nothing with ours.
#pragma once

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>
#include <vector>

#include "crypto/bytes.h"

namespace sealring {

// Hex digits and white space; '#' begins a comment that ends with its line.
inline Bytes parse_annotated_hex(std::istream& in) {
  std::string digits, line;
  while (std::getline(in, line)) {
    for (char c : line.substr(0, line.find('#'))) {
      if (c != ' ') digits += c;
    }
  }
  auto bytes = from_hex(digits);
  REQUIRE(bytes.ok());
  REQUIRE_FALSE(bytes->empty());
  return *bytes;
}

inline Bytes entry_vector(const std::string& name) {
  INFO("vector entry-" << name << ".hex");
  std::ifstream file(std::string(SEALRING_TEST_DATA) + "/entry-" + name + ".hex");
  REQUIRE(file.good());
  return parse_annotated_hex(file);
}

inline Bytes file_vector(const std::string& name) {
  INFO("vector " << name);
  std::ifstream file(std::string(SEALRING_TEST_DATA) + "/" + name, std::ios::binary);
  REQUIRE(file.good());
  std::stringstream bytes;
  bytes << file.rdbuf();
  REQUIRE_FALSE(bytes.str().empty());
  return bytes.str();
}

// The first `n` bytes in memory of their own that ends with them, so that a sanitizer sees a read beyond.
struct ExactCopy {
  ExactCopy(ByteView bytes, std::size_t n) : memory(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n)) {}
  ByteView view() const { return {memory.data(), memory.size()}; }
  std::vector<char> memory;
};

// All the vectors that are one entry, in the order of the log; all after the receipt are beside it.
inline const std::vector<std::string>& entry_vector_names() {
  static const std::vector<std::string> names = {
      "genesis", "start", "connected", "message", "handover", "receipt", "break",        "rotation", "succession",
      "carried", "piece", "follower",  "full",    "part",     "loss",    "loss-damaged", "unknown"};
  return names;
}

}  // namespace sealring
