// Words for what a collector answers; for the files of the forwarder only.
#pragma once

#include "drivers/http.h"

namespace sealring {

constexpr int kMaxRounds = 3;  // of "no, my size is N" in one attempt
constexpr const char* kEntriesEndpoint = "/mirror/add-entries";
constexpr const char* kSkipEndpoint = "/mirror/skip";

inline bool is_type(const HttpResponse& response, std::string_view type) {
  return response.content_type.substr(0, type.size()) == type;
}

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
