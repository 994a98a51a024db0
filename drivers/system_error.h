// errno in words, for messages.
#pragma once

#include <cerrno>
#include <string>
#include <system_error>

namespace sealring {

inline std::string errno_words(int error) { return std::generic_category().message(error); }

}  // namespace sealring
