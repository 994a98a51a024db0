// Points in time as people type them.
#pragma once

#include <cstdint>
#include <string_view>

#include "crypto/result.h"

namespace sealring {

// Nanoseconds since 1970 of: RFC 3339 ("2026-11-25T14:03:00Z", "...+01:00", with a fraction or without seconds);
// "2026-11-25", "2026-11-25 14:03" and "14:03:05", today, in the process' time zone; "90s", "10min", "2h", "3d" before
// `now_ns`, with or without "ago"; "now". reject: says what there is.
Result<std::int64_t> parse_time(std::string_view text, std::int64_t now_ns);

}  // namespace sealring
