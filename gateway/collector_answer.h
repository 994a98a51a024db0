// Words for what a collector answers.
#pragma once

#include "drivers/http.h"

namespace sealring {

// An answer that is of the right kind, but not as it should be written: the words must name who wrote it.
template <typename T>
Result<T> understood(Result<T> decoded, const std::string& endpoint) {
  if (decoded) return decoded;
  return retry_error("collector's answer to " + endpoint + " cannot be understood: " + decoded.error().message);
}

inline Error unexpected(const std::string& endpoint, const HttpResponse& response) {
  std::string said = quoted(ByteView(response.body).substr(0, response.body.find('\n')), 200);
  return retry_error("collector answered " + std::to_string(response.status) + " to " + endpoint + ": " + said);
}

}  // namespace sealring
