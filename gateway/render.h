// Records as people and programs read them.
//
// Topics and payloads are what some device sent: nothing of them reaches a terminal as a control character, a line
// break or a change of writing direction, so that no payload can forge a line or command the terminal.
#pragma once

#include "gateway/record_reader.h"

namespace sealring {

bool is_utf8(ByteView bytes);
// `bytes`, which is UTF-8, with \n, \t, \r, \\ and \u{HEX} for what must not reach a terminal.
std::string escaped(ByteView utf8);
// At most `width` columns, ending in "…" when there is more. Never cuts a character or an escape in two.
std::string fitted(std::string_view escaped_utf8, std::size_t width);

std::string utc_time(std::int64_t unix_ns);                 // RFC 3339 with nine digits, Z
std::string local_time(std::int64_t unix_ns, bool millis);  // "2026-11-25 14:03:07.123" in the process' time zone

// "label        text", a line of what record_text() makes. `text` comes escaped.
void record_row(std::string& out, const std::string& label, const std::string& text);
// One line without its end. `width`: columns; 0: any.
std::string record_line(const Record& record, std::size_t width);
// One JSON object without its end, plain ASCII; every field of the entry is in it.
std::string record_json(const Record& record);
// Everything there is to say, in lines. `segment`: the one it lies in, where known.
std::string record_text(const Record& record, const std::optional<Segment>& segment);

}  // namespace sealring
