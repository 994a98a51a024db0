#include "gateway/json_text.h"

#include <nlohmann/json.hpp>

namespace sealring {

JsonText& JsonText::put(std::string_view key, std::string_view text) {
  // A string by itself is destroyed without more memory.
  const nlohmann::json string = std::string(text);
  return put_raw(key, string.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
}

JsonText& JsonText::put_raw(std::string_view key, std::string_view json) {
  if (text_.size() > 1) text_ += ',';
  text_.append("\"").append(key).append("\":").append(json);
  return *this;
}

}  // namespace sealring
