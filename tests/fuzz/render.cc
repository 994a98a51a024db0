// What a device sent, as it reaches a terminal or a program that reads JSON.
#include "gateway/render.h"

#include <nlohmann/json.hpp>

#include "gateway/render_payload.h"
#include "storage/cbor.h"
#include "storage/entry.h"
#include "tests/fuzz/fuzz.h"

namespace sealring::fuzz {
namespace {

// Nothing that moves a cursor, turns the writing, or hides: by code points, which the renderer does not decode for us.
void check_for_terminal(ByteView text, bool lines) {
  FUZZ_CHECK(valid_utf8(text));
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(at + i < text.size() ? text[at + i] : 0); };
    if (byte(0) == '\n' && lines) continue;
    FUZZ_CHECK_SHOW(byte(0) >= 0x20 && byte(0) != 0x7f, text);
    FUZZ_CHECK_SHOW(!(byte(0) == 0xc2 && byte(1) < 0xa0), text);  // U+0080 to U+009F
    FUZZ_CHECK_SHOW(!(byte(0) == 0xe2 && byte(1) == 0x80 && byte(2) >= 0x8b && byte(2) <= 0x8f), text);  // U+200B on
    FUZZ_CHECK_SHOW(!(byte(0) == 0xe2 && byte(1) == 0x80 && byte(2) >= 0xa8 && byte(2) <= 0xae), text);  // U+2028 on
    FUZZ_CHECK_SHOW(!(byte(0) == 0xe2 && byte(1) == 0x81 && byte(2) >= 0xa0 && byte(2) <= 0xaf), text);  // U+2060 on
  }
}

void check_record(const Record& record, std::size_t width) {
  check_for_terminal(record_line(record, width), false);
  check_for_terminal(record_line(record, 0), false);
  check_for_terminal(record_text(record, std::nullopt), true);
  const std::string json = record_json(record);
  for (const char c : json) FUZZ_CHECK_SHOW(c >= 0x20 && c < 0x7f, json);
  FUZZ_CHECK_SHOW(nlohmann::json::parse(json, nullptr, false).is_object(), json);
}

}  // namespace

// The first byte: columns. The rest is an entry, or what should be one.
FUZZ_TARGET(render_record, 8u << 10, 1u << 20, 1024) {
  Pieces pieces(input);
  Record record;
  const std::size_t width = pieces.u8();
  record.index = width;
  record.entry = Bytes(pieces.rest());
  if (const auto entry = decode_entry(record.entry); entry.ok()) {
    record.connection = entry->common.connection;
    if (const auto* message = std::get_if<Message>(&entry->body)) record.payload = Bytes(message->payload);
  }
  check_record(record, width);
}

FUZZ_TARGET(render_text, 4096, 256u << 10, 256) {
  Pieces pieces(input);
  const std::size_t width = pieces.u8();
  const ByteView bytes = pieces.rest();
  check_for_terminal(escaped(bytes), false);
  check_for_terminal(fitted(escaped(bytes), width), false);
  check_for_terminal(shown(bytes), false);
  check_for_terminal(hexdump(bytes), true);
  check_for_terminal(indented(bytes), true);
  FUZZ_CHECK(!is_text(bytes) || is_utf8(bytes));
  const std::string json = pretty_json(bytes);
  if (json.empty()) return;
  // The same value: only white space was made anew.
  FUZZ_CHECK(nlohmann::json::parse(json, nullptr, false) == nlohmann::json::parse(bytes, nullptr, false));
  check_for_terminal(indented(json), true);
}

}  // namespace sealring::fuzz
