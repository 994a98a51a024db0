#include "tests/unity/unity.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "tests/unity/unity_values.h"

using namespace sealring::unity;

namespace {

// Thrown to leave a test. No std::exception: a test that catches those does not catch this.
struct LeaveTest {};

// One program, one thread, and C functions without an argument for it: so it is global.
struct State {
  const char* file = "";
  const char* test = "";  // empty outside of RUN_TEST
  int run_line = 0;
  bool failed = false;
  bool ignored = false;
  int tests = 0;
  int failures = 0;
  int ignores = 0;
  int all_tests = 0;  // over every UNITY_BEGIN
  int all_failures = 0;
  bool begun = false;  // between UNITY_BEGIN and UNITY_END
  bool main_left = false;
};
State state;

void print_line(const std::string& text) {
  std::fputs((text + "\n").c_str(), stdout);
  std::fflush(stdout);  // a crash in the next test must not take it along
}

void print_result(int line, const char* result, const std::string& message) {
  const std::string place = std::string(state.file) + ":" + std::to_string(line) + ":" + state.test + ":" + result;
  print_line(message.empty() ? place : place + ": " + message);
}

void count_failure(int line, const std::string& message) {
  state.failed = true;
  print_result(line, "FAIL", message);
}

[[noreturn]] void fail(const std::string& why, const char* message, int line) {
  const std::string words = message == nullptr ? "" : message;
  count_failure(line, why.empty() ? words : words.empty() ? why : why + ". " + words);
  throw LeaveTest{};
}

void guarded(void (*step)()) {
  try {
    step();
  } catch (const LeaveTest&) {
  } catch (const std::exception& error) {
    count_failure(state.run_line, std::string("Unexpected Exception: ") + error.what());
  } catch (...) {
    count_failure(state.run_line, "Unexpected Exception");
  }
}

bool comparable(const void* expected, const void* actual, size_t count, const char* message, int line) {
  if (count == 0) fail("You Asked Me To Compare Nothing, Which Was Pointless.", message, line);
  if (expected == actual) return false;  // the same memory is equal to itself
  if (expected == nullptr) fail("Expected pointer to be NULL", message, line);
  if (actual == nullptr) fail("Actual pointer was NULL", message, line);
  return true;
}

std::string element(size_t i) { return "Element " + std::to_string(i) + " "; }

std::string delta_words(SealringUnityType type, unsigned long long delta) {
  return "Values Not Within Delta " + show(unsigned_like(type), static_cast<long long>(delta)) + " ";
}

int give_up(const char* why) {
  std::fflush(stdout);
  std::fprintf(stderr, "unity: %s\n", why);
  return 126;
}

// exit(0) in the middle of a test would look like success.
void at_exit() {
  if (!state.main_left && (state.begun || state.all_tests == 0)) {
    _exit(give_up("exit() was called before UNITY_END(): not all tests ran"));
  }
  if (!state.main_left && state.all_failures > 0) _exit(std::min(state.all_failures, 125));
}

}  // namespace

extern "C" {

__attribute__((weak)) void setUp(void) {}
__attribute__((weak)) void tearDown(void) {}

void UnityBegin(const char* file) {
  state.file = file;
  state.test = "";
  state.tests = state.failures = state.ignores = 0;
  state.begun = true;
}

int UnityEnd(void) {
  state.begun = false;
  print_line("\n-----------------------");
  // The blank at the end is Unity's; tools match the line.
  print_line(std::to_string(state.tests) + " Tests " + std::to_string(state.failures) + " Failures " +
             std::to_string(state.ignores) + " Ignored ");
  print_line(state.failures == 0 ? "OK" : "FAIL");
  return state.failures;
}

void UnityDefaultTestRun(void (*test)(void), const char* name, int line) {
  state.test = name;
  state.run_line = line;
  state.failed = state.ignored = false;
  ++state.tests;
  ++state.all_tests;
  static void (*body)();
  body = test;
  guarded([] {
    setUp();
    body();
  });
  guarded(tearDown);
  if (state.failed) {
    ++state.failures;
    ++state.all_failures;
  } else if (state.ignored) {
    ++state.ignores;
  } else {
    print_result(line, "PASS", "");
  }
  state.test = "";
}

void sealring_unity_fail(const char* why, const char* message, int line) {
  fail(why == nullptr ? "" : why, message, line);
}

void sealring_unity_ignore(const char* message, int line) {
  state.ignored = true;
  print_result(line, "IGNORE", message == nullptr ? "" : message);
  throw LeaveTest{};
}

void sealring_unity_pass(void) { throw LeaveTest{}; }

void sealring_unity_message(const char* message, int line) { print_result(line, "INFO", message); }

void sealring_unity_compare(SealringUnityRelation relation, SealringUnityType type, long long expected,
                            long long actual, const char* message, int line) {
  const long long wanted = narrow(type, expected);
  const long long got = narrow(type, actual);
  if (holds(relation, order(type, got, wanted))) return;
  fail(relation_words(relation, show(type, wanted), show(type, got)), message, line);
}

void sealring_unity_within(SealringUnityType type, unsigned long long delta, long long expected, long long actual,
                           const char* message, int line) {
  const long long wanted = narrow(type, expected);
  const long long got = narrow(type, actual);
  if (distance(type, wanted, got) <= delta) return;
  fail(delta_words(type, delta) + expected_was(show(type, wanted), show(type, got)), message, line);
}

void sealring_unity_array(SealringUnityType type, unsigned long long delta, const void* expected, const void* actual,
                          size_t count, const char* message, int line) {
  if (!comparable(expected, actual, count, message, line)) return;
  for (size_t i = 0; i < count; ++i) {
    const long long wanted = load(type, expected, i);
    const long long got = load(type, actual, i);
    if (distance(type, wanted, got) <= delta) continue;
    fail((delta == 0 ? "" : delta_words(type, delta)) + element(i) + expected_was(show(type, wanted), show(type, got)),
         message, line);
  }
}

void sealring_unity_each(SealringUnityType type, long long expected, const void* actual, size_t count,
                         const char* message, int line) {
  if (count == 0 || actual == nullptr) comparable(&expected, actual, count, message, line);
  const long long wanted = narrow(type, expected);
  for (size_t i = 0; i < count; ++i) {
    const long long got = load(type, actual, i);
    if (got != wanted) fail(element(i) + expected_was(show(type, wanted), show(type, got)), message, line);
  }
}

void sealring_unity_bits(unsigned long long mask, unsigned long long expected, unsigned long long actual,
                         const char* message, int line) {
  if ((mask & expected) == (mask & actual)) return;
  fail(expected_was(show_bits(mask, expected), show_bits(mask, actual)), message, line);
}

void sealring_unity_string(const char* expected, const char* actual, size_t most, const char* message, int line) {
  if (same_text(expected, actual, most)) return;
  fail(expected_was(show_text(expected, most), show_text(actual, most)), message, line);
}

void sealring_unity_strings(SealringUnityShape shape, const void* expected, const char* const* actual, size_t count,
                            const char* message, int line) {
  // One expected string may be NULL, as an element may.
  const bool each = shape == SEALRING_UNITY_EACH;
  const void* there = each && expected == nullptr ? "" : expected;
  if (!comparable(there, actual, count, message, line)) return;
  for (size_t i = 0; i < count; ++i) {
    const char* wanted = each ? static_cast<const char*>(expected) : static_cast<const char* const*>(expected)[i];
    if (same_text(wanted, actual[i], SIZE_MAX)) continue;
    fail(element(i) + expected_was(show_text(wanted, SIZE_MAX), show_text(actual[i], SIZE_MAX)), message, line);
  }
}

void sealring_unity_memory(SealringUnityShape shape, const void* expected, const void* actual, size_t size,
                           size_t count, const char* message, int line) {
  if (!comparable(expected, actual, size == 0 ? 0 : count, message, line)) return;
  for (size_t i = 0; i < size * count; ++i) {
    const int wanted = static_cast<const uint8_t*>(expected)[shape == SEALRING_UNITY_EACH ? i % size : i];
    const int got = static_cast<const uint8_t*>(actual)[i];
    if (wanted == got) continue;
    fail("Memory Mismatch. " + (count > 1 ? element(i / size) : "") + "Byte " + std::to_string(i % size) + " " +
             expected_was(show(SEALRING_UNITY_HEX8, wanted), show(SEALRING_UNITY_HEX8, got)),
         message, line);
  }
}

void sealring_unity_real_within(SealringUnityType type, double delta, double expected, double actual,
                                const char* message, int line) {
  if (near(delta, expected, actual)) return;
  fail(expected_was(show_real(type, expected), show_real(type, actual)), message, line);
}

void sealring_unity_real(SealringUnityRelation relation, SealringUnityType type, double expected, double actual,
                         const char* message, int line) {
  if (real_holds(relation, type, expected, actual)) return;
  fail(relation_words(relation, show_real(type, expected), show_real(type, actual)), message, line);
}

void sealring_unity_real_array(SealringUnityShape shape, SealringUnityType type, double each, const void* expected,
                               const void* actual, size_t count, const char* message, int line) {
  const bool array = shape == SEALRING_UNITY_ARRAY;
  if (!comparable(array ? expected : &each, actual, count, message, line)) return;
  for (size_t i = 0; i < count; ++i) {
    const double wanted = array ? load_real(type, expected, i) : each;
    const double got = load_real(type, actual, i);
    if (real_holds(SEALRING_UNITY_EQUAL, type, wanted, got)) continue;
    fail(element(i) + expected_was(show_real(type, wanted), show_real(type, got)), message, line);
  }
}

void sealring_unity_real_trait(int wanted, SealringUnityTrait trait, SealringUnityType type, double actual,
                               const char* message, int line) {
  if (has_trait(trait, actual) == (wanted != 0)) return;
  fail(expected_was((wanted != 0 ? "" : "Not ") + trait_words(trait), show_real(type, actual)), message, line);
}

int __real_main(int argc, char** argv, char** environment);

// In place of main (linked with --wrap=main): what Unity leaves to the file's main, and to a careful author.
int __wrap_main(int argc, char** argv, char** environment) {
  std::atexit(at_exit);
  int code = 0;
  try {
    code = __real_main(argc, argv, environment);
  } catch (const LeaveTest&) {
    state.main_left = true;
    return give_up("an assertion left main: it stood outside of RUN_TEST()");
  }
  state.main_left = true;
  if (state.all_tests == 0) return give_up("no test ran");
  if (state.begun) return give_up("main ended without UNITY_END()");
  if (code == 0) code = state.all_failures;    // UNITY_END() whose result main drops
  return code < 0 || code > 125 ? 125 : code;  // 256 failures would be exit code 0
}

}  // extern "C"
