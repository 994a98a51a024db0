// One line of JSON, written as it is said: what the daemon answers with.
//
// Not by nlohmann's objects: their destructor takes memory, and where there is none it ends the process. Texts may hold
// what a peer chose: they come out as ASCII, what is no UTF-8 as U+FFFD.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sealring {

class JsonText {
 public:
  JsonText& put(std::string_view key, std::string_view text);
  JsonText& put(std::string_view key, const char* text) { return put(key, std::string_view(text)); }
  JsonText& put(std::string_view key, std::uint64_t value) { return put_raw(key, std::to_string(value)); }
  JsonText& put(std::string_view key, std::uint32_t value) { return put(key, std::uint64_t{value}); }
  JsonText& put(std::string_view key, std::int64_t value) { return put_raw(key, std::to_string(value)); }
  JsonText& put(std::string_view key, bool value) { return put_raw(key, value ? "true" : "false"); }
  JsonText& put(std::string_view key, const JsonText& object) { return put_raw(key, object.text()); }
  JsonText& put_raw(std::string_view key, std::string_view json);  // `key`: nothing in it has to be escaped
  std::string text() const { return text_ + "}"; }

 private:
  std::string text_ = "{";
};

}  // namespace sealring
