#include "drivers/gzip.h"

#include <zlib.h>

#include <algorithm>

namespace sealring {

namespace {

constexpr int kGzipWindow = 15 + 16;  // the largest window, with gzip's header

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// Splits `text` at the first `separator`: what is before it is returned, trimmed, and `text` is what is behind it.
std::string_view next_piece(std::string_view& text, char separator) {
  std::size_t end = text.find(separator);
  std::string_view piece = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return trimmed(piece);
}

// "q=0", "q=0.0" and the like: not acceptable. A weight that is none counts as absent.
bool weighs_nothing(std::string_view parameters) {
  while (!parameters.empty()) {
    std::string parameter = lower(next_piece(parameters, ';'));
    if (parameter.compare(0, 3, "q=0") != 0) continue;
    return parameter.find_first_not_of("0.", 2) == std::string::npos;
  }
  return false;
}

}  // namespace

Result<Bytes> gzip(ByteView bytes, GzipLevel level) {
  z_stream z{};
  if (deflateInit2(&z, static_cast<int>(level), Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    return retry_error("no memory to compress");
  Bytes out(deflateBound(&z, bytes.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  int code = deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  if (code != Z_STREAM_END) return retry_error("cannot compress: zlib says " + std::to_string(code));
  return out;
}

Gunzip gunzip(ByteView packed, std::size_t max_bytes, Bytes& out) {
  struct Inflater {
    z_stream z{};
    bool ok;
    Inflater() : ok(inflateInit2(&z, kGzipWindow) == Z_OK) {}
    ~Inflater() {
      if (ok) inflateEnd(&z);
    }
  } inflater;
  if (!inflater.ok || packed.empty()) return Gunzip::damaged;
  z_stream& z = inflater.z;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  z.avail_in = static_cast<uInt>(packed.size());
  char piece[16 << 10];
  for (;;) {
    z.next_out = reinterpret_cast<Bytef*>(piece);
    z.avail_out = sizeof piece;
    int code = inflate(&z, Z_NO_FLUSH);
    std::size_t made = sizeof piece - z.avail_out;
    if (made > max_bytes - out.size()) return Gunzip::too_large;
    out.append(piece, made);
    if (code == Z_STREAM_END && z.avail_in == 0) return Gunzip::done;
    if (code == Z_STREAM_END) code = inflateReset(&z);  // the next member
    if (code != Z_OK || (made == 0 && z.avail_in == 0)) return Gunzip::damaged;
  }
}

bool accepts_gzip(std::string_view accept_encoding) {
  bool any = false;
  while (!accept_encoding.empty()) {
    std::string_view choice = next_piece(accept_encoding, ',');
    std::string coding = lower(next_piece(choice, ';'));
    if (coding == "gzip" || coding == "x-gzip") return !weighs_nothing(choice);
    if (coding == "*") any = !weighs_nothing(choice);
  }
  return any;
}

}  // namespace sealring
