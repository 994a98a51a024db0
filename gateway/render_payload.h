// Bytes that some device sent, as text for people. See render.h for what must not reach a terminal.
#pragma once

#include "crypto/bytes.h"

namespace sealring {

bool is_text(ByteView bytes);
// For a name or topic: as text where it is one.
std::string shown(ByteView bytes);
// A JSON object or array, indented; "": not one, or it nests too deep. A number or a word is text as it is.
std::string pretty_json(ByteView bytes);
// Of the beginning; the last line says how much there is behind it.
std::string hexdump(ByteView bytes);
// Line breaks stay line breaks here, but each line is indented: none can pass for one of ours.
std::string indented(ByteView utf8);

}  // namespace sealring
