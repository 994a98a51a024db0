// Words of somebody else in a message of ours.
#pragma once

#include <string>

#include "crypto/bytes.h"

namespace sealring {

// `text` as one line, with control bytes as \xHH: a line break or an escape sequence must not forge a line. Other
// characters stay, whatever their language (unlike quoted(), in crypto/bytes.h). With more than `limit` bytes the text
// ends before one of its characters, in "...".
std::string one_line(ByteView text, std::size_t limit = 1024);

}  // namespace sealring
