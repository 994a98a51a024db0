// Deterministic CBOR (RFC 8949 §4.2.1) in the subset that entries use: unsigned and negative integers, byte and text
// strings, arrays, maps, false, true, null. No tags, floats or indefinite lengths. One seam around libcbor: its
// allocation-free encoders below the writer, its streaming decoder below the reader.
//
// The reader accepts exactly what a deterministic encoder writes; order and uniqueness of map keys is the caller's,
// except inside skip(). Both latch their first failure, so that a caller may go through a whole structure and ask once.
#pragma once

#include "crypto/bytes.h"

namespace sealring {

constexpr int kMaxCborDepth = 8;  // of containers within a skipped value: bounds the stack

bool valid_utf8(ByteView bytes);  // RFC 3629: no overlong forms, no surrogates, at most U+10FFFF

// Appends to `out`; nothing else may touch `out` until finish(). Without finish() the content of `out` is undefined.
class CborWriter {
 public:
  CborWriter(Bytes& out, std::size_t limit) : out_(out), start_(out.size()), used_(out.size()), limit_(limit) {}

  void uint(std::uint64_t v);
  void integer(std::int64_t v);
  void bytes(ByteView v);
  void text(ByteView v);  // valid UTF-8, or the result is not valid CBOR
  void array(std::size_t items);
  void map(std::size_t pairs);
  // False: more than `limit` bytes were to be appended; `out` is as it was.
  bool finish();

 private:
  unsigned char* room(std::size_t n);  // at least n writable bytes at the end
  void content(ByteView v);
  void advance(std::size_t n);

  Bytes& out_;
  std::size_t start_, used_, limit_;
  bool overflow_ = false;
};

struct CborItem {
  enum class Type { uint, negative, bytes, text, array, map, simple };
  Type type = Type::simple;
  std::uint64_t number = 0;  // the integer (negative: -1 - number); items of an array; pairs of a map
  ByteView content;          // of bytes and text; points into the input
  std::size_t offset = 0;    // of its first byte
};
const char* cbor_type_name(CborItem::Type type);  // "a byte string"

class CborReader {
 public:
  explicit CborReader(ByteView input) : input_(input) {}

  // The next integer or string, or the head of the next container. False after any failure.
  bool next(CborItem& item);
  // One value with all that is in it; keys of maps in it must be in canonical order. `first` is its first item.
  bool skip(CborItem& first);
  bool at_end() const { return offset_ == input_.size(); }
  std::size_t offset() const { return offset_; }

  bool ok() const { return error_.empty(); }
  const std::string& error() const { return error_; }  // "offset 17: length not in its shortest form"
  void fail(std::size_t offset, const std::string& what);

 private:
  bool skip_content(const CborItem& container, int depth);

  ByteView input_;
  std::size_t offset_ = 0;
  std::string error_;
};

}  // namespace sealring
