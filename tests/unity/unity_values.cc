#include "tests/unity/unity_values.h"

#include <cmath>
#include <cstdio>
#include <cstring>

namespace sealring::unity {
namespace {

size_t width(SealringUnityType type) {
  switch (type) {
    case SEALRING_UNITY_INT8:
    case SEALRING_UNITY_UINT8:
    case SEALRING_UNITY_HEX8:
    case SEALRING_UNITY_CHAR:
      return 1;
    case SEALRING_UNITY_INT16:
    case SEALRING_UNITY_UINT16:
    case SEALRING_UNITY_HEX16:
      return 2;
    case SEALRING_UNITY_INT32:
    case SEALRING_UNITY_UINT32:
    case SEALRING_UNITY_HEX32:
      return 4;
    case SEALRING_UNITY_INT:
    case SEALRING_UNITY_UINT:
      return sizeof(int);
    case SEALRING_UNITY_SIZE:
    case SEALRING_UNITY_PTR:
      return sizeof(size_t);
    default:
      return 8;
  }
}

bool has_sign(SealringUnityType type) { return type <= SEALRING_UNITY_INT64 || type == SEALRING_UNITY_CHAR; }

bool is_hex(SealringUnityType type) { return type >= SEALRING_UNITY_HEX8 && type <= SEALRING_UNITY_PTR; }

std::string show_byte(char c) {
  if (c == '\n') return "\\n";
  if (c == '\r') return "\\r";
  if (c >= ' ' && c <= '~') return std::string(1, c);
  char hex[8];
  std::snprintf(hex, sizeof hex, "\\x%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
  return hex;
}

}  // namespace

long long narrow(SealringUnityType type, long long value) {
  const unsigned unused = 64 - 8 * static_cast<unsigned>(width(type));
  const auto high = static_cast<unsigned long long>(value) << unused;
  return has_sign(type) ? static_cast<long long>(high) >> unused : static_cast<long long>(high >> unused);
}

long long load(SealringUnityType type, const void* array, size_t i) {
  unsigned long long bits = 0;  // Unity's arrays are the host's; so far all hosts are little-endian
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "load() copies the low bytes first");
  std::memcpy(&bits, static_cast<const char*>(array) + i * width(type), width(type));
  return narrow(type, static_cast<long long>(bits));
}

int order(SealringUnityType type, long long a, long long b) {
  if (a == b) return 0;
  const bool less = has_sign(type) ? a < b : static_cast<unsigned long long>(a) < static_cast<unsigned long long>(b);
  return less ? -1 : 1;
}

unsigned long long distance(SealringUnityType type, long long a, long long b) {
  const auto x = static_cast<unsigned long long>(a);
  const auto y = static_cast<unsigned long long>(b);
  return order(type, a, b) < 0 ? y - x : x - y;
}

SealringUnityType unsigned_like(SealringUnityType type) { return has_sign(type) ? SEALRING_UNITY_UINT64 : type; }

bool holds(SealringUnityRelation relation, int order) {
  switch (relation) {
    case SEALRING_UNITY_EQUAL:
      return order == 0;
    case SEALRING_UNITY_NOT_EQUAL:
      return order != 0;
    case SEALRING_UNITY_GREATER_THAN:
      return order > 0;
    case SEALRING_UNITY_LESS_THAN:
      return order < 0;
    case SEALRING_UNITY_GREATER_OR_EQUAL:
      return order >= 0;
    case SEALRING_UNITY_LESS_OR_EQUAL:
      return order <= 0;
  }
  return false;
}

bool near(double delta, double expected, double actual) {
  if (std::isnan(expected) || std::isnan(actual)) return std::isnan(expected) && std::isnan(actual);
  if (std::isinf(expected) || std::isinf(actual)) return expected == actual;
  return std::fabs(actual - expected) <= std::fabs(delta);
}

bool real_holds(SealringUnityRelation relation, SealringUnityType type, double expected, double actual) {
  const double precision = type == SEALRING_UNITY_FLOAT ? 1e-5 : 1e-12;  // Unity's, relative to what is expected
  const bool equal = near(expected * precision, expected, actual);
  switch (relation) {
    case SEALRING_UNITY_EQUAL:
      return equal;
    case SEALRING_UNITY_NOT_EQUAL:
      return !equal;
    case SEALRING_UNITY_GREATER_THAN:
      return actual > expected;
    case SEALRING_UNITY_LESS_THAN:
      return actual < expected;
    case SEALRING_UNITY_GREATER_OR_EQUAL:
      return actual >= expected || equal;
    case SEALRING_UNITY_LESS_OR_EQUAL:
      return actual <= expected || equal;
  }
  return false;
}

double load_real(SealringUnityType type, const void* array, size_t i) {
  return type == SEALRING_UNITY_FLOAT ? static_cast<double>(static_cast<const float*>(array)[i])
                                      : static_cast<const double*>(array)[i];
}

bool has_trait(SealringUnityTrait trait, double value) {
  switch (trait) {
    case SEALRING_UNITY_INF:
      return std::isinf(value) && value > 0;
    case SEALRING_UNITY_NEG_INF:
      return std::isinf(value) && value < 0;
    case SEALRING_UNITY_NAN:
      return std::isnan(value);
    case SEALRING_UNITY_DETERMINATE:
      return std::isfinite(value);
  }
  return false;
}

bool same_text(const char* expected, const char* actual, size_t most) {
  if (expected == nullptr || actual == nullptr) return expected == actual;
  return std::strncmp(expected, actual, most) == 0;
}

std::string show(SealringUnityType type, long long value) {
  char text[32];
  if (type == SEALRING_UNITY_CHAR) return "'" + show_byte(static_cast<char>(value)) + "'";
  if (is_hex(type)) {
    std::snprintf(text, sizeof text, "0x%0*llX", static_cast<int>(2 * width(type)),
                  static_cast<unsigned long long>(value));
  } else if (has_sign(type)) {
    std::snprintf(text, sizeof text, "%lld", value);
  } else {
    std::snprintf(text, sizeof text, "%llu", static_cast<unsigned long long>(value));
  }
  return text;
}

std::string show_bits(unsigned long long mask, unsigned long long value) {
  const int bits = (mask >> 32) == 0 ? 32 : 64;
  std::string text;
  for (int i = bits - 1; i >= 0; --i) {
    text += ((mask >> i) & 1) == 0 ? 'X' : ((value >> i) & 1) == 0 ? '0' : '1';
  }
  return text;
}

std::string show_text(const char* text, size_t most) {
  if (text == nullptr) return "NULL";
  std::string shown = "'";
  for (size_t i = 0; i < most && text[i] != 0; ++i) shown += show_byte(text[i]);
  return shown + "'";
}

std::string show_real(SealringUnityType type, double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", type == SEALRING_UNITY_FLOAT ? 7 : 9, value);
  return text;
}

std::string expected_was(const std::string& expected, const std::string& actual) {
  return "Expected " + expected + " Was " + actual;
}

std::string relation_words(SealringUnityRelation relation, const std::string& expected, const std::string& actual) {
  switch (relation) {
    case SEALRING_UNITY_EQUAL:
      return expected_was(expected, actual);
    case SEALRING_UNITY_NOT_EQUAL:
      return "Expected " + actual + " to be not equal to " + expected;
    case SEALRING_UNITY_GREATER_THAN:
      return "Expected " + actual + " to be greater than " + expected;
    case SEALRING_UNITY_LESS_THAN:
      return "Expected " + actual + " to be less than " + expected;
    case SEALRING_UNITY_GREATER_OR_EQUAL:
      return "Expected " + actual + " to be greater than or equal to " + expected;
    case SEALRING_UNITY_LESS_OR_EQUAL:
      return "Expected " + actual + " to be less than or equal to " + expected;
  }
  return "";
}

std::string trait_words(SealringUnityTrait trait) {
  switch (trait) {
    case SEALRING_UNITY_INF:
      return "Infinity";
    case SEALRING_UNITY_NEG_INF:
      return "Negative Infinity";
    case SEALRING_UNITY_NAN:
      return "NaN";
    case SEALRING_UNITY_DETERMINATE:
      return "Determinate";
  }
  return "";
}

}  // namespace sealring::unity
