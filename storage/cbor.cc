#include "storage/cbor.h"

#include <cbor.h>

namespace sealring {
namespace {

constexpr std::size_t kMaxHeadBytes = 9;
constexpr std::size_t kGrowBytes = 512;  // most entries are shorter: one growth each

// What the streaming decoder says about one item. libcbor gives lengths as size_t: where that has 32 bits a longer
// length arrives cut off, and is refused because its head is then not the shortest for what arrived.
struct Token {
  CborItem item;
  std::size_t length = 0;         // of the content
  const char* refused = nullptr;  // well-formed, but never written by us
};

Token& token(void* context) { return *static_cast<Token*>(context); }
template <class T>
void on_uint(void* context, T v) {
  token(context).item.type = CborItem::Type::uint;
  token(context).item.number = v;
}
template <class T>
void on_negative(void* context, T v) {
  token(context).item.type = CborItem::Type::negative;
  token(context).item.number = v;
}
template <CborItem::Type type>
void on_string(void* context, cbor_data data, size_t length) {
  token(context).item.type = type;
  token(context).item.number = length;
  token(context).item.content = {reinterpret_cast<const char*>(data), length};
  token(context).length = length;
}
template <CborItem::Type type>
void on_container(void* context, size_t items) {
  token(context).item.type = type;
  token(context).item.number = items;
}
void on_indefinite(void* context) { token(context).refused = "indefinite length"; }
void on_tag(void* context, std::uint64_t) { token(context).refused = "a tag"; }
void on_float(void* context, float) { token(context).refused = "a floating-point number"; }
void on_double(void* context, double) { token(context).refused = "a floating-point number"; }
void on_undefined(void* context) { token(context).refused = "the value undefined"; }
void on_break(void* context) { token(context).refused = "a break outside an indefinite length"; }
void on_null(void*) {}
void on_bool(void*, bool) {}

constexpr cbor_callbacks make_callbacks() {
  using Type = CborItem::Type;
  cbor_callbacks c{};
  c.uint8 = on_uint<std::uint8_t>;
  c.uint16 = on_uint<std::uint16_t>;
  c.uint32 = on_uint<std::uint32_t>;
  c.uint64 = on_uint<std::uint64_t>;
  c.negint64 = on_negative<std::uint64_t>;
  c.negint32 = on_negative<std::uint32_t>;
  c.negint16 = on_negative<std::uint16_t>;
  c.negint8 = on_negative<std::uint8_t>;
  c.byte_string_start = on_indefinite;
  c.byte_string = on_string<Type::bytes>;
  c.string = on_string<Type::text>;
  c.string_start = on_indefinite;
  c.indef_array_start = on_indefinite;
  c.array_start = on_container<Type::array>;
  c.indef_map_start = on_indefinite;
  c.map_start = on_container<Type::map>;
  c.tag = on_tag;
  c.float2 = on_float;
  c.float4 = on_float;
  c.float8 = on_double;
  c.undefined = on_undefined;
  c.null = on_null;
  c.boolean = on_bool;
  c.indef_break = on_break;
  return c;
}
constexpr cbor_callbacks kCallbacks = make_callbacks();

std::size_t shortest_head(std::uint64_t v) {
  return v < 24 ? 1 : v <= 0xff ? 2 : v <= 0xffff ? 3 : v <= 0xffffffff ? 5 : 9;
}

// Bytes of one well-formed UTF-8 sequence at the start of `v`, which is not empty; 0: none.
std::size_t utf8_sequence(ByteView v) {
  auto byte = [&](std::size_t i) { return i < v.size() ? static_cast<unsigned char>(v[i]) : 0u; };
  auto tail = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const unsigned low = lead == 0xe0 ? 0xa0 : 0x80, high = lead == 0xed ? 0x9f : 0xbf;
    return byte(1) >= low && byte(1) <= high && tail(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const unsigned low = lead == 0xf0 ? 0x90 : 0x80, high = lead == 0xf4 ? 0x8f : 0xbf;
    return byte(1) >= low && byte(1) <= high && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

bool valid_utf8(ByteView bytes) {
  while (!bytes.empty()) {
    const std::size_t n = utf8_sequence(bytes);
    if (n == 0) return false;
    bytes.remove_prefix(n);
  }
  return true;
}

unsigned char* CborWriter::room(std::size_t n) {
  if (out_.size() - used_ < n) out_.resize(used_ + n + kGrowBytes);
  return reinterpret_cast<unsigned char*>(out_.data()) + used_;
}

void CborWriter::advance(std::size_t n) {
  used_ += n;
  if (used_ - start_ > limit_) overflow_ = true;
}

// After an overflow nothing more is written: what is over the limit by a head stays, by a payload never comes to be.
void CborWriter::content(ByteView v) {
  if (overflow_ || v.size() > limit_ - (used_ - start_)) {
    overflow_ = true;
    return;
  }
  if (!v.empty()) std::memcpy(room(v.size()), v.data(), v.size());
  advance(v.size());
}

void CborWriter::uint(std::uint64_t v) {
  if (!overflow_) advance(cbor_encode_uint(v, room(kMaxHeadBytes), kMaxHeadBytes));
}

void CborWriter::integer(std::int64_t v) {
  if (v >= 0) return uint(static_cast<std::uint64_t>(v));
  if (!overflow_) advance(cbor_encode_negint(static_cast<std::uint64_t>(-(v + 1)), room(kMaxHeadBytes), kMaxHeadBytes));
}

void CborWriter::bytes(ByteView v) {
  if (!overflow_) advance(cbor_encode_bytestring_start(v.size(), room(kMaxHeadBytes), kMaxHeadBytes));
  content(v);
}

void CborWriter::text(ByteView v) {
  if (!overflow_) advance(cbor_encode_string_start(v.size(), room(kMaxHeadBytes), kMaxHeadBytes));
  content(v);
}

void CborWriter::array(std::size_t items) {
  if (!overflow_) advance(cbor_encode_array_start(items, room(kMaxHeadBytes), kMaxHeadBytes));
}

void CborWriter::map(std::size_t pairs) {
  if (!overflow_) advance(cbor_encode_map_start(pairs, room(kMaxHeadBytes), kMaxHeadBytes));
}

bool CborWriter::finish() {
  out_.resize(overflow_ ? start_ : used_);
  return !overflow_;
}

const char* cbor_type_name(CborItem::Type type) {
  switch (type) {
    case CborItem::Type::uint:
      return "an unsigned integer";
    case CborItem::Type::negative:
      return "a negative integer";
    case CborItem::Type::bytes:
      return "a byte string";
    case CborItem::Type::text:
      return "a text string";
    case CborItem::Type::array:
      return "an array";
    case CborItem::Type::map:
      return "a map";
    case CborItem::Type::simple:
      return "false, true or null";
  }
  return "";
}

void CborReader::fail(std::size_t offset, const std::string& what) {
  if (error_.empty()) error_ = "offset " + std::to_string(offset) + ": " + what;
}

bool CborReader::next(CborItem& item) {
  if (!ok()) return false;
  const ByteView rest = input_.substr(offset_);
  Token t;
  const cbor_decoder_result result =
      cbor_stream_decode(reinterpret_cast<cbor_data>(rest.data()), rest.size(), &kCallbacks, &t);
  if (result.status == CBOR_DECODER_NEDATA) return fail(offset_, "ends in the middle of a value"), false;
  if (result.status != CBOR_DECODER_FINISHED) return fail(offset_, "not CBOR"), false;
  if (t.refused) return fail(offset_, std::string(t.refused) + ", which entries never hold"), false;
  const bool simple = t.item.type == CborItem::Type::simple;
  if (result.read - t.length != (simple ? 1 : shortest_head(t.item.number)))
    return fail(offset_, "integer or length not in its shortest form"), false;
  if (t.item.type == CborItem::Type::text && !valid_utf8(t.item.content))
    return fail(offset_, "text that is not UTF-8"), false;
  item = t.item;
  item.offset = offset_;
  offset_ += result.read;
  return true;
}

bool CborReader::skip(CborItem& first) { return next(first) && skip_content(first, 1); }

bool CborReader::skip_content(const CborItem& container, int depth) {
  const bool is_map = container.type == CborItem::Type::map;
  if (!is_map && container.type != CborItem::Type::array) return true;
  if (depth > kMaxCborDepth) return fail(container.offset, "nested too deeply"), false;
  ByteView last_key;
  for (std::uint64_t i = 0; i < container.number; ++i) {
    CborItem item;
    const std::size_t start = offset_;
    if (!next(item) || !skip_content(item, depth + 1)) return false;
    if (!is_map) continue;
    const ByteView key = input_.substr(start, offset_ - start);
    if (i > 0 && key <= last_key) return fail(start, "map key repeated or out of order"), false;
    last_key = key;
    if (!next(item) || !skip_content(item, depth + 1)) return false;
  }
  return true;
}

}  // namespace sealring
