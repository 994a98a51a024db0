// Vector files: rows of columns divided by tabs, text escaped as \n \t \\ \xHH (tests/vectors/make_crypto_vectors.py).
#pragma once

#include <catch2/catch.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "crypto/bytes.h"

namespace sealring::testing {

using Row = std::vector<std::string>;

// Fails the test when there is no such file, no row, or a row with another number of columns: vectors that are not
// read prove nothing.
inline std::vector<Row> read_vectors(const std::string& name, std::size_t columns) {
  std::ifstream file(std::string(SEALRING_TEST_DATA) + "/" + name, std::ios::binary);
  INFO("vector file " << name);
  REQUIRE(file.good());
  std::vector<Row> rows;
  for (std::string line; std::getline(file, line);) {
    Row row(1);
    for (const char c : line) {
      if (c == '\t') {
        row.emplace_back();
      } else {
        row.back().push_back(c);
      }
    }
    INFO("row " << rows.size() + 1);
    REQUIRE(row.size() == columns);
    rows.push_back(std::move(row));
  }
  REQUIRE_FALSE(rows.empty());
  return rows;
}

inline Bytes unhex(std::string_view text) {
  auto bytes = from_hex(text);
  REQUIRE(bytes.ok());
  return *bytes;
}

inline Bytes unescape(std::string_view text) {
  Bytes out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out.push_back(text[i]);
      continue;
    }
    REQUIRE(i + 1 < text.size());
    const char kind = text[++i];
    REQUIRE((kind == 'n' || kind == 't' || kind == '\\' || kind == 'x'));
    if (kind == 'x') {
      out += unhex(text.substr(i + 1, 2));
      i += 2;
    } else {
      out.push_back(kind == 'n' ? '\n' : kind == 't' ? '\t' : '\\');
    }
  }
  return out;
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// A row's expectation against a result: "ok", or words of the message of a `reject`.
template <class R>
void check_expected(const R& result, const std::string& expected) {
  if (expected == "ok") {
    if (!result.ok()) FAIL_CHECK("refused: " << result.error().message);
    return;
  }
  if (result.ok()) {
    FAIL_CHECK("accepted, must be refused with: " << expected);
    return;
  }
  CHECK(result.error().kind == ErrorKind::reject);
  INFO("message: " << result.error().message);
  INFO("must have: " << expected);
  CHECK(contains(result.error().message, expected));
}

}  // namespace sealring::testing
