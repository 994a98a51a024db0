#include "crypto/succession.h"

#include <limits>

namespace sealring {
namespace {

constexpr std::string_view kContext = "sealring/succession/v1";
constexpr char kMark = '~';

Error malformed(const char* what) { return reject_error(std::string("succession: ") + what); }

// How many logs there were before it, and where that is said. 0: it is a first one.
struct Ordinal {
  std::size_t base_bytes;
  std::uint64_t number = 0;
};
Ordinal ordinal_of(std::string_view origin) {
  const std::size_t mark = origin.rfind(kMark);
  if (mark == std::string_view::npos || mark == 0) return {origin.size()};
  const auto number = from_decimal(origin.substr(mark + 1));
  if (!number.ok() || *number == 0) return {origin.size()};
  return {mark, *number};
}

}  // namespace

std::string Succession::text() const {
  return std::string(kContext) + "\n" + closed.text() + follower.encode() + "\n" + base64(view(genesis)) + "\n";
}

Result<Succession> Succession::parse(std::string_view text) {
  SEALRING_TRY(check_note_text(text));
  std::string_view rest = text;
  std::string_view lines[6];
  for (std::string_view& line : lines) {
    const auto next = take_line(rest);
    if (!next) return malformed("has fewer than six lines");
    line = *next;
  }
  if (!rest.empty()) return malformed("has more than six lines");
  if (lines[0] != kContext) return malformed("line 1 is not \"sealring/succession/v1\"");
  Succession out;
  const std::size_t begin = static_cast<std::size_t>(lines[1].data() - text.data());
  const std::size_t end = static_cast<std::size_t>(lines[4].data() - text.data());
  auto closed = Checkpoint::parse(text.substr(begin, end - begin));
  if (!closed) return std::move(closed).error().in("succession: lines 2 to 4");
  out.closed = std::move(closed).value();
  SEALRING_TRY(check_origin(out.closed.origin));
  if (out.closed.size == 0) return malformed("line 3: a log without entries is not followed by another");
  auto follower = VerifierKey::parse(lines[4]);
  if (!follower) return std::move(follower).error().in("succession: line 5");
  out.follower = std::move(follower).value();
  const auto name = follower_origin(out.closed.origin);
  if (out.follower.type != KeyType::ed25519 || !name || out.follower.name != *name)
    return malformed("line 5 is not a vkey of the origin that follows");
  const auto genesis = from_base64(lines[5]);
  if (!genesis.ok() || genesis->size() != sizeof(Hash)) return malformed("line 6 is not a hash");
  out.genesis = to_array<32>(*genesis);
  return out;
}

bool operator==(const Succession& a, const Succession& b) {
  return a.closed == b.closed && a.follower == b.follower && a.genesis == b.genesis;
}

Result<std::string> follower_origin(const std::string& origin) {
  const Ordinal ordinal = ordinal_of(origin);
  if (ordinal.number == std::numeric_limits<std::uint64_t>::max())
    return reject_error("origin " + quoted(origin, 255) + ": there is no number for a log that follows");
  std::string out = origin.substr(0, ordinal.base_bytes) + kMark + std::to_string(ordinal.number + 1);
  SEALRING_TRY(check_origin(out));
  return out;
}

bool follows(std::string_view origin, std::string_view base) {
  const Ordinal of_base = ordinal_of(base), ordinal = ordinal_of(origin);
  return origin.substr(0, ordinal.base_bytes) == base.substr(0, of_base.base_bytes) && ordinal.number > of_base.number;
}

}  // namespace sealring
