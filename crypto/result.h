// Errors as values. Every function that can fail returns Result<T> or Status; nothing of ours throws.
//
// An Error has a kind, which says what the caller may do about it, and a message that a person can act on: what went
// wrong, where, and, where we know, what to do. Context is put in front on the way up:
//     return std::move(error).in("reading " + path);      ->  "reading /etc/x: line 3: unknown key"
// No message ever holds a secret (key bytes, pin, password).
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

namespace sealring {

enum class ErrorKind {
  retry,    // the world is in the way (network, disk full, busy): nothing happened, the same call may succeed later
  reject,   // the input is wrong and stays wrong: refuse it, go on with the next
  fatal,    // the process may not go on: damage, a broken invariant
  unknown,  // an I/O error, or a write of unknown outcome: the process ends, the next start reads what the disk has
  full,     // the ring has no room until a receipt arrives
  busy,     // another process has it
  missing,  // the thing that was named does not exist (only where absence is an error)
};

struct Error {
  ErrorKind kind = ErrorKind::fatal;
  std::string message;

  Error in(const std::string& context) && { return {kind, context + ": " + std::move(message)}; }
};

inline Error retry_error(std::string message) { return {ErrorKind::retry, std::move(message)}; }
inline Error reject_error(std::string message) { return {ErrorKind::reject, std::move(message)}; }
inline Error fatal_error(std::string message) { return {ErrorKind::fatal, std::move(message)}; }
inline Error unknown_error(std::string message) { return {ErrorKind::unknown, std::move(message)}; }

// For programmer errors only, never for input; stays on in production.
#define SEALRING_ASSERT(condition)                                                  \
  do {                                                                              \
    if (!(condition)) ::sealring::assertion_failed(#condition, __FILE__, __LINE__); \
  } while (0)

[[noreturn]] inline void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "sealring: broken invariant %s at %s:%d\n", condition, file, line);
  std::abort();
}

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return check(), std::get<0>(state_); }
  const T& value() const& { return check(), std::get<0>(state_); }
  T&& value() && { return check(), std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  void check() const { SEALRING_ASSERT(ok()); }
  std::variant<T, Error> state_;
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT: implicit by design

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  const Error& error() const& { return error_; }
  Error&& error() && { return std::move(error_); }

 private:
  Error error_;
  bool ok_ = true;
};

}  // namespace sealring

// Return early with the error of `expression` (a Status or a Result whose value is not needed).
#define SEALRING_TRY(expression)                                    \
  do {                                                              \
    auto sealring_try = (expression);                               \
    if (!sealring_try.ok()) return std::move(sealring_try).error(); \
  } while (0)
#define SEALRING_JOIN2(a, b) a##b
#define SEALRING_JOIN(a, b) SEALRING_JOIN2(a, b)
// SEALRING_ASSIGN(auto x, f()): declare or assign from a Result, or return its error.
#define SEALRING_ASSIGN(target, expression) SEALRING_ASSIGN_IMPL(target, expression, SEALRING_JOIN(result_, __LINE__))
#define SEALRING_ASSIGN_IMPL(target, expression, name) \
  auto name = (expression);                            \
  if (!name.ok()) return std::move(name).error();      \
  target = std::move(name).value()
