// The answers of the endpoints. Whoever reads an error is a person with a terminal: one sentence of plain text.
#pragma once

#include "crypto/note.h"
#include "crypto/tlog_wire.h"
#include "drivers/http.h"

namespace sealring {

// `refusal`: as in HttpResponse.
inline HttpResponse sentence(unsigned status, const std::string& text, const char* refusal = "other") {
  HttpResponse response = {status, "text/plain; charset=utf-8", text + "\n"};
  response.refusal = refusal;
  return response;
}
inline HttpResponse signature_lines(const std::string& lines) { return {200, "text/plain; charset=utf-8", lines}; }
inline HttpResponse note_answer(const Bytes& note) { return {200, "text/plain; charset=utf-8", note}; }
inline HttpResponse size_conflict(std::uint64_t size) {
  HttpResponse response = {409, std::string(kSizeType), encode_size(size)};
  response.refusal = "size";
  return response;
}
inline HttpResponse mirror_info(unsigned status, const MirrorInfo& info) {
  return {status, std::string(kMirrorInfoType), encode_mirror_info(info)};
}

}  // namespace sealring
