// What a fuzz target is, and what the targets share. A target is a function of bytes from outside: it decodes them and
// says what must hold of the result, by FUZZ_CHECK. That nothing crashes or leaks is the sanitizers' business; that
// nothing hangs or takes far more memory than its input is the driver's: libfuzzer.cc (clang), or replay.cc, which
// feeds the corpora and quick mutations of them and needs no libFuzzer. Neither is in here: no main.
//
// A target keeps nothing between two inputs that could change what it says about the next one. One thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "crypto/bytes.h"

namespace sealring::fuzz {

struct Limits {
  std::size_t input_bytes = 4096;  // longer inputs would say nothing new
  // What may be allocated at one time: so much, and so much more for each byte of input. Notes, properties and entries
  // become vectors of small structures, and a vector that grows exists twice for a moment.
  std::size_t memory_bytes = 256u << 10;
  std::size_t memory_per_byte = 64;
};

struct Target {
  const char* name;
  void (*run)(ByteView input);
  Limits limits;
};

const std::vector<Target>& targets();  // by name
const Target* find_target(const std::string& name);
// Runs it once. Ends the process when a check fails, as the sanitizers do.
void run(const Target& target, ByteView input);

struct Registration {
  Registration(const char* name, void (*run)(ByteView), const Limits& limits);
};

// FUZZ_TARGET(name[, fields of Limits]) { ... `input` ... }
#define FUZZ_TARGET(name, ...)                                                                            \
  static void fuzz_##name(::sealring::ByteView input);                                                    \
  static const ::sealring::fuzz::Registration registration_##name(#name, fuzz_##name,                     \
                                                                  ::sealring::fuzz::Limits{__VA_ARGS__}); \
  static void fuzz_##name(::sealring::ByteView input)

#define FUZZ_CHECK(condition)                                                             \
  do {                                                                                    \
    if (!(condition)) ::sealring::fuzz::check_failed(#condition, {}, __FILE__, __LINE__); \
  } while (0)
// With what is to be shown where it does not hold.
#define FUZZ_CHECK_SHOW(condition, text)                                                    \
  do {                                                                                      \
    if (!(condition)) ::sealring::fuzz::check_failed(#condition, text, __FILE__, __LINE__); \
  } while (0)

[[noreturn]] void check_failed(const char* condition, ByteView shown, const char* file, int line);

// An error's message goes to terminals and into the diag: no control bytes, valid UTF-8, not empty, and no longer than
// a screen however long the input was.
void check_message(ByteView message);

// A vkey, whatever is behind it, with its key ID in lower case: Go's note package does not mind, so ours does not.
Bytes lower_key_id(ByteView vkey);
inline void check_error(const Error& error) { check_message(error.message); }
// Of a Result or Status: whether it is ok; its error is checked otherwise.
template <class T>
bool ok_or_checked(const T& result) {
  if (result.ok()) return true;
  check_error(result.error());
  return false;
}

// Takes an input apart into numbers and pieces. Never fails: what is not there any more is 0 or empty.
class Pieces {
 public:
  explicit Pieces(ByteView input) : rest_(input) {}
  std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint64_t u64() { return number(8); }
  ByteView bytes(std::size_t n);
  ByteView sized() { return bytes(u16()); }  // u16be length, bytes
  ByteView until(char end);                  // without it
  ByteView rest() const { return rest_; }
  bool empty() const { return rest_.empty(); }

 private:
  std::uint64_t number(std::size_t n);
  ByteView rest_;
};

// As the record formats have it: `bytes` and the first 16 bytes of their SHA-256. A fuzzer never finds those by itself.
Bytes with_checksum16(ByteView bytes);

}  // namespace sealring::fuzz
