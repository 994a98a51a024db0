// gzip (RFC 1952) by zlib, of whole byte strings.
#pragma once

#include "crypto/bytes.h"

namespace sealring {

enum class GzipLevel { fast = 1, usual = 6 };
// One member. retry: no memory.
Result<Bytes> gzip(ByteView bytes, GzipLevel level = GzipLevel::usual);

enum class Gunzip { done, too_large, damaged };
// Appends all members to `out`; nothing may be behind them. Memory stays within `max_bytes`, however well the bytes
// were packed.
Gunzip gunzip(ByteView packed, std::size_t max_bytes, Bytes& out);

// Whether an Accept-Encoding header (RFC 9110 §12.5.3) lets an answer be gzip. Empty: no.
bool accepts_gzip(std::string_view accept_encoding);

}  // namespace sealring
