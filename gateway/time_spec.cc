#include "gateway/time_spec.h"

#include <algorithm>
#include <ctime>
#include <optional>

#include "crypto/bytes.h"

namespace sealring {
namespace {

constexpr std::int64_t kSecond = 1000000000;

// Reads forward; a number has exactly the digits asked for.
struct Scanner {
  std::string_view rest;
  bool ok = true;

  bool has(char c) {
    if (rest.empty() || rest[0] != c) return false;
    rest.remove_prefix(1);
    return true;
  }
  int digits(std::size_t n) {
    int value = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (i >= rest.size() || rest[i] < '0' || rest[i] > '9') return ok = false, 0;
      value = 10 * value + (rest[i] - '0');
    }
    rest.remove_prefix(n);
    return value;
  }
  void need(char c) { ok = has(c) && ok; }
};

// "HH:MM[:SS[.fraction]]"; nanoseconds of the fraction in `ns`.
void clock_time(Scanner& in, std::tm& tm, std::int64_t& ns) {
  tm.tm_hour = in.digits(2);
  in.need(':');
  tm.tm_min = in.digits(2);
  if (in.has(':')) {
    tm.tm_sec = in.digits(2);
    if (in.has('.')) {
      std::int64_t unit = kSecond / 10;
      if (in.rest.empty() || in.rest[0] < '0' || in.rest[0] > '9') in.ok = false;
      for (; !in.rest.empty() && in.rest[0] >= '0' && in.rest[0] <= '9'; in.rest.remove_prefix(1), unit /= 10)
        ns += (in.rest[0] - '0') * unit;
    }
  }
  if (tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60) in.ok = false;
}

// "Z" or "+HH:MM": seconds east of Greenwich.
std::optional<int> zone(Scanner& in) {
  if (in.has('Z') || in.has('z')) return 0;
  const bool west = in.has('-');
  if (!west && !in.has('+')) return std::nullopt;
  const int hours = in.digits(2);
  in.need(':');
  const int minutes = in.digits(2);
  if (hours > 23 || minutes > 59) in.ok = false;
  return (west ? -1 : 1) * (hours * 3600 + minutes * 60);
}

std::optional<std::int64_t> absolute(std::string_view text, std::int64_t now_ns) {
  const auto now = static_cast<std::time_t>(now_ns / kSecond);
  std::tm tm{};
  ::localtime_r(&now, &tm);
  tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
  tm.tm_isdst = -1;
  std::int64_t ns = 0;
  Scanner in{text};
  const bool dated = text.size() > 4 && text[4] == '-';
  std::optional<int> east;
  if (dated) {
    tm.tm_year = in.digits(4) - 1900;
    in.need('-');
    tm.tm_mon = in.digits(2) - 1;
    in.need('-');
    tm.tm_mday = in.digits(2);
    if (tm.tm_year < 70 || tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1) in.ok = false;
  }
  if (!dated || in.has('T') || in.has('t') || in.has(' ')) {
    clock_time(in, tm, ns);
    if (dated) east = zone(in);
  }
  if (!in.ok || !in.rest.empty() || tm.tm_year > 362) return std::nullopt;  // beyond 2262 nanoseconds overflow
  const int day = tm.tm_mday;
  const std::time_t seconds = east ? ::timegm(&tm) - *east : ::mktime(&tm);
  if (dated && tm.tm_mday != day) return std::nullopt;  // no such day in that month
  if (seconds < 0 || seconds > INT64_MAX / kSecond - 1) return std::nullopt;
  return static_cast<std::int64_t>(seconds) * kSecond + ns;
}

std::optional<std::int64_t> ago(std::string_view text, std::int64_t now_ns) {
  for (const std::string_view end : {"ago", " "})
    if (text.size() > end.size() && text.substr(text.size() - end.size()) == end) text.remove_suffix(end.size());
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const Result<std::uint64_t> number = from_decimal(text.substr(0, digits));
  std::string_view unit = text.substr(digits);
  if (!unit.empty() && unit[0] == ' ') unit.remove_prefix(1);
  std::int64_t seconds = 0;
  for (const auto& [name, value] : {std::pair{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}})
    if (unit == name) seconds = value;
  if (!number || seconds == 0 || *number > static_cast<std::uint64_t>(now_ns / kSecond / seconds)) return std::nullopt;
  return now_ns - static_cast<std::int64_t>(*number) * seconds * kSecond;
}

}  // namespace

Result<std::int64_t> parse_time(std::string_view text, std::int64_t now_ns) {
  if (text == "now") return now_ns;
  if (const auto relative = ago(text, now_ns)) return *relative;
  if (const auto point = absolute(text, now_ns)) return *point;
  return reject_error(quoted(text) +
                      " is no time; write 14:03, \"2026-11-25 14:03\", 2026-11-25T14:03:00Z, or 10min, 2h, 3d for so "
                      "long ago");
}

}  // namespace sealring
