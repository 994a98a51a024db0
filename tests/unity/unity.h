#pragma once

/* The Unity face: a test file that was written for Unity (ThrowTheSwitch) compiles against this header unchanged, as C
 * or as C++, and runs under CTest: sealring_unity_test() in cmake/unity.cmake. What there is, and what differs from
 * Unity: README.md beside this file.
 *
 * It stands by itself beside Catch2. A Unity file has a main of its own, which decides what runs in which order, and
 * prints its own lines; as sections of a Catch2 case that main would run once per section, with Catch2's report around
 * lines that other tools parse. CTest runs both kinds.
 *
 * A failed assertion throws, where Unity uses longjmp: destructors of a C++ test run, and C frames in between are
 * passed because the CMake function compiles them with -fexceptions. The failure is counted before it is thrown, so a
 * catch (...) in the test does not hide it. One thread: an assertion that fails in another thread ends the program.
 */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Before and after each test; defaults that do nothing are there. tearDown runs whatever became of setUp and test. */
void setUp(void);
void tearDown(void);

void UnityBegin(const char* file);
int UnityEnd(void); /* the number of failed tests */
void UnityDefaultTestRun(void (*test)(void), const char* name, int line);

/* What the macros below call. Messages may be NULL. */
typedef enum {
  SEALRING_UNITY_INT, /* the width of int, and so on */
  SEALRING_UNITY_INT8,
  SEALRING_UNITY_INT16,
  SEALRING_UNITY_INT32,
  SEALRING_UNITY_INT64,
  SEALRING_UNITY_UINT,
  SEALRING_UNITY_UINT8,
  SEALRING_UNITY_UINT16,
  SEALRING_UNITY_UINT32,
  SEALRING_UNITY_UINT64,
  SEALRING_UNITY_SIZE,
  SEALRING_UNITY_HEX8,
  SEALRING_UNITY_HEX16,
  SEALRING_UNITY_HEX32,
  SEALRING_UNITY_HEX64,
  SEALRING_UNITY_PTR,
  SEALRING_UNITY_CHAR,
  SEALRING_UNITY_FLOAT,
  SEALRING_UNITY_DOUBLE
} SealringUnityType;

typedef enum {
  SEALRING_UNITY_EQUAL,
  SEALRING_UNITY_NOT_EQUAL,
  SEALRING_UNITY_GREATER_THAN,
  SEALRING_UNITY_LESS_THAN,
  SEALRING_UNITY_GREATER_OR_EQUAL,
  SEALRING_UNITY_LESS_OR_EQUAL
} SealringUnityRelation;

typedef enum {
  SEALRING_UNITY_INF,
  SEALRING_UNITY_NEG_INF,
  SEALRING_UNITY_NAN,
  SEALRING_UNITY_DETERMINATE
} SealringUnityTrait;

/* each: `expected` is one value, to compare every element with. */
typedef enum { SEALRING_UNITY_ARRAY, SEALRING_UNITY_EACH } SealringUnityShape;

void sealring_unity_fail(const char* why, const char* message, int line);
void sealring_unity_ignore(const char* message, int line);
void sealring_unity_pass(void);
void sealring_unity_message(const char* message, int line);
void sealring_unity_compare(SealringUnityRelation relation, SealringUnityType type, long long expected,
                            long long actual, const char* message, int line);
void sealring_unity_within(SealringUnityType type, unsigned long long delta, long long expected, long long actual,
                           const char* message, int line);
void sealring_unity_array(SealringUnityType type, unsigned long long delta, const void* expected, const void* actual,
                          size_t count, const char* message, int line);
void sealring_unity_each(SealringUnityType type, long long expected, const void* actual, size_t count,
                         const char* message, int line);
void sealring_unity_bits(unsigned long long mask, unsigned long long expected, unsigned long long actual,
                         const char* message, int line);
void sealring_unity_string(const char* expected, const char* actual, size_t most, const char* message, int line);
void sealring_unity_strings(SealringUnityShape shape, const void* expected, const char* const* actual, size_t count,
                            const char* message, int line);
void sealring_unity_memory(SealringUnityShape shape, const void* expected, const void* actual, size_t size,
                           size_t count, const char* message, int line);
void sealring_unity_real_within(SealringUnityType type, double delta, double expected, double actual,
                                const char* message, int line);
void sealring_unity_real(SealringUnityRelation relation, SealringUnityType type, double expected, double actual,
                         const char* message, int line);
void sealring_unity_real_array(SealringUnityShape shape, SealringUnityType type, double each, const void* expected,
                               const void* actual, size_t count, const char* message, int line);
void sealring_unity_real_trait(int wanted, SealringUnityTrait trait, SealringUnityType type, double actual,
                               const char* message, int line);

#ifdef __cplusplus
}
#endif

/* --- running --------------------------------------------------------------------------------------------------- */

#define UNITY_BEGIN() UnityBegin(__FILE__)
#define UNITY_END() UnityEnd()
/* RUN_TEST(test), or as old runners have it RUN_TEST(test, line). */
#define RUN_TEST(...) SEALRING_UNITY_RUN(__VA_ARGS__, __LINE__, 0)
#define SEALRING_UNITY_RUN(test, line, ...) UnityDefaultTestRun(test, #test, line)

#define TEST_PASS() sealring_unity_pass()
#define TEST_PASS_MESSAGE(message) (sealring_unity_message((message), __LINE__), sealring_unity_pass())
#define TEST_MESSAGE(message) sealring_unity_message((message), __LINE__)
#define TEST_FAIL() sealring_unity_fail(NULL, NULL, __LINE__)
#define TEST_FAIL_MESSAGE(message) sealring_unity_fail(NULL, (message), __LINE__)
#define TEST_IGNORE() sealring_unity_ignore(NULL, __LINE__)
#define TEST_IGNORE_MESSAGE(message) sealring_unity_ignore((message), __LINE__)
#define TEST_ONLY()

/* --- conditions ------------------------------------------------------------------------------------------------ */

/* With a message, Unity prints it in place of its own words. */
#define SEALRING_UNITY_CHECK(condition, why) ((condition) ? (void)0 : sealring_unity_fail(NULL, why, __LINE__))
#define TEST_ASSERT(condition) SEALRING_UNITY_CHECK(condition, "Expression Evaluated To FALSE")
#define TEST_ASSERT_MESSAGE(condition, message) SEALRING_UNITY_CHECK(condition, (message))
#define TEST_ASSERT_TRUE(condition) SEALRING_UNITY_CHECK(condition, "Expected TRUE Was FALSE")
#define TEST_ASSERT_TRUE_MESSAGE(condition, message) SEALRING_UNITY_CHECK(condition, (message))
#define TEST_ASSERT_UNLESS(condition) SEALRING_UNITY_CHECK(!(condition), "Expression Evaluated To TRUE")
#define TEST_ASSERT_UNLESS_MESSAGE(condition, message) SEALRING_UNITY_CHECK(!(condition), (message))
#define TEST_ASSERT_FALSE(condition) SEALRING_UNITY_CHECK(!(condition), "Expected FALSE Was TRUE")
#define TEST_ASSERT_FALSE_MESSAGE(condition, message) SEALRING_UNITY_CHECK(!(condition), (message))
#define TEST_ASSERT_NULL(pointer) SEALRING_UNITY_CHECK((pointer) == NULL, "Expected NULL")
#define TEST_ASSERT_NULL_MESSAGE(pointer, message) SEALRING_UNITY_CHECK((pointer) == NULL, (message))
#define TEST_ASSERT_NOT_NULL(pointer) SEALRING_UNITY_CHECK((pointer) != NULL, "Expected Non-NULL")
#define TEST_ASSERT_NOT_NULL_MESSAGE(pointer, message) SEALRING_UNITY_CHECK((pointer) != NULL, (message))
#define TEST_ASSERT_EMPTY(string) SEALRING_UNITY_CHECK((string)[0] == 0, "Expected Empty")
#define TEST_ASSERT_EMPTY_MESSAGE(string, message) SEALRING_UNITY_CHECK((string)[0] == 0, (message))
#define TEST_ASSERT_NOT_EMPTY(string) SEALRING_UNITY_CHECK((string)[0] != 0, "Expected Non-Empty")
#define TEST_ASSERT_NOT_EMPTY_MESSAGE(string, message) SEALRING_UNITY_CHECK((string)[0] != 0, (message))
#define TEST_ASSERT_NOT_EQUAL(expected, actual) SEALRING_UNITY_CHECK((expected) != (actual), "Expected Not-Equal")
#define TEST_ASSERT_NOT_EQUAL_MESSAGE(expected, actual, message) SEALRING_UNITY_CHECK((expected) != (actual), (message))

/* --- whole numbers --------------------------------------------------------------------------------------------- */

#include "tests/unity/unity_numbers.h"

/* --- bits ------------------------------------------------------------------------------------------------------ */

#define TEST_ASSERT_BITS(mask, expected, actual) sealring_unity_bits((mask), (expected), (actual), NULL, __LINE__)
#define TEST_ASSERT_BITS_MESSAGE(mask, expected, actual, message) \
  sealring_unity_bits((mask), (expected), (actual), (message), __LINE__)
#define TEST_ASSERT_BITS_HIGH(mask, actual) sealring_unity_bits((mask), ~0ULL, (actual), NULL, __LINE__)
#define TEST_ASSERT_BITS_HIGH_MESSAGE(mask, actual, message) \
  sealring_unity_bits((mask), ~0ULL, (actual), (message), __LINE__)
#define TEST_ASSERT_BITS_LOW(mask, actual) sealring_unity_bits((mask), 0, (actual), NULL, __LINE__)
#define TEST_ASSERT_BITS_LOW_MESSAGE(mask, actual, message) \
  sealring_unity_bits((mask), 0, (actual), (message), __LINE__)
#define TEST_ASSERT_BIT_HIGH(bit, actual) sealring_unity_bits(1ULL << (bit), ~0ULL, (actual), NULL, __LINE__)
#define TEST_ASSERT_BIT_HIGH_MESSAGE(bit, actual, message) \
  sealring_unity_bits(1ULL << (bit), ~0ULL, (actual), (message), __LINE__)
#define TEST_ASSERT_BIT_LOW(bit, actual) sealring_unity_bits(1ULL << (bit), 0, (actual), NULL, __LINE__)
#define TEST_ASSERT_BIT_LOW_MESSAGE(bit, actual, message) \
  sealring_unity_bits(1ULL << (bit), 0, (actual), (message), __LINE__)

/* --- strings and memory ---------------------------------------------------------------------------------------- */

#define TEST_ASSERT_EQUAL_STRING(expected, actual) \
  sealring_unity_string((const char*)(expected), (const char*)(actual), SIZE_MAX, NULL, __LINE__)
#define TEST_ASSERT_EQUAL_STRING_MESSAGE(expected, actual, message) \
  sealring_unity_string((const char*)(expected), (const char*)(actual), SIZE_MAX, (message), __LINE__)
#define TEST_ASSERT_EQUAL_STRING_LEN(expected, actual, length) \
  sealring_unity_string((const char*)(expected), (const char*)(actual), (length), NULL, __LINE__)
#define TEST_ASSERT_EQUAL_STRING_LEN_MESSAGE(expected, actual, length, message) \
  sealring_unity_string((const char*)(expected), (const char*)(actual), (length), (message), __LINE__)
#define TEST_ASSERT_EQUAL_STRING_ARRAY(expected, actual, count)                                                      \
  sealring_unity_strings(SEALRING_UNITY_ARRAY, SEALRING_UNITY_DATA(expected), (const char* const*)(actual), (count), \
                         NULL, __LINE__)
#define TEST_ASSERT_EQUAL_STRING_ARRAY_MESSAGE(expected, actual, count, message)                                     \
  sealring_unity_strings(SEALRING_UNITY_ARRAY, SEALRING_UNITY_DATA(expected), (const char* const*)(actual), (count), \
                         (message), __LINE__)
#define TEST_ASSERT_EACH_EQUAL_STRING(expected, actual, count)                                                      \
  sealring_unity_strings(SEALRING_UNITY_EACH, SEALRING_UNITY_DATA(expected), (const char* const*)(actual), (count), \
                         NULL, __LINE__)
#define TEST_ASSERT_EACH_EQUAL_STRING_MESSAGE(expected, actual, count, message)                                     \
  sealring_unity_strings(SEALRING_UNITY_EACH, SEALRING_UNITY_DATA(expected), (const char* const*)(actual), (count), \
                         (message), __LINE__)
#define TEST_ASSERT_EQUAL_MEMORY(expected, actual, size)                                                             \
  sealring_unity_memory(SEALRING_UNITY_ARRAY, SEALRING_UNITY_DATA(expected), SEALRING_UNITY_DATA(actual), (size), 1, \
                        NULL, __LINE__)
#define TEST_ASSERT_EQUAL_MEMORY_MESSAGE(expected, actual, size, message)                                            \
  sealring_unity_memory(SEALRING_UNITY_ARRAY, SEALRING_UNITY_DATA(expected), SEALRING_UNITY_DATA(actual), (size), 1, \
                        (message), __LINE__)
#define TEST_ASSERT_EQUAL_MEMORY_ARRAY(expected, actual, size, count)                                             \
  sealring_unity_memory(SEALRING_UNITY_ARRAY, SEALRING_UNITY_DATA(expected), SEALRING_UNITY_DATA(actual), (size), \
                        (count), NULL, __LINE__)
#define TEST_ASSERT_EQUAL_MEMORY_ARRAY_MESSAGE(expected, actual, size, count, message)                            \
  sealring_unity_memory(SEALRING_UNITY_ARRAY, SEALRING_UNITY_DATA(expected), SEALRING_UNITY_DATA(actual), (size), \
                        (count), (message), __LINE__)
#define TEST_ASSERT_EACH_EQUAL_MEMORY(expected, actual, size, count)                                             \
  sealring_unity_memory(SEALRING_UNITY_EACH, SEALRING_UNITY_DATA(expected), SEALRING_UNITY_DATA(actual), (size), \
                        (count), NULL, __LINE__)
#define TEST_ASSERT_EACH_EQUAL_MEMORY_MESSAGE(expected, actual, size, count, message)                            \
  sealring_unity_memory(SEALRING_UNITY_EACH, SEALRING_UNITY_DATA(expected), SEALRING_UNITY_DATA(actual), (size), \
                        (count), (message), __LINE__)

/* --- float and double ------------------------------------------------------------------------------------------ */

#define TEST_ASSERT_FLOAT_WITHIN(delta, expected, actual) \
  sealring_unity_real_within(SEALRING_UNITY_FLOAT, (delta), (expected), (actual), NULL, __LINE__)
#define TEST_ASSERT_FLOAT_WITHIN_MESSAGE(delta, expected, actual, message) \
  sealring_unity_real_within(SEALRING_UNITY_FLOAT, (delta), (expected), (actual), (message), __LINE__)
#define TEST_ASSERT_EQUAL_FLOAT(expected, actual) \
  sealring_unity_real(SEALRING_UNITY_EQUAL, SEALRING_UNITY_FLOAT, (expected), (actual), NULL, __LINE__)
#define TEST_ASSERT_EQUAL_FLOAT_MESSAGE(expected, actual, message) \
  sealring_unity_real(SEALRING_UNITY_EQUAL, SEALRING_UNITY_FLOAT, (expected), (actual), (message), __LINE__)
#define TEST_ASSERT_NOT_EQUAL_FLOAT(expected, actual) \
  sealring_unity_real(SEALRING_UNITY_NOT_EQUAL, SEALRING_UNITY_FLOAT, (expected), (actual), NULL, __LINE__)
#define TEST_ASSERT_NOT_EQUAL_FLOAT_MESSAGE(expected, actual, message) \
  sealring_unity_real(SEALRING_UNITY_NOT_EQUAL, SEALRING_UNITY_FLOAT, (expected), (actual), (message), __LINE__)
#define TEST_ASSERT_GREATER_THAN_FLOAT(threshold, actual) \
  sealring_unity_real(SEALRING_UNITY_GREATER_THAN, SEALRING_UNITY_FLOAT, (threshold), (actual), NULL, __LINE__)
#define TEST_ASSERT_GREATER_THAN_FLOAT_MESSAGE(threshold, actual, message) \
  sealring_unity_real(SEALRING_UNITY_GREATER_THAN, SEALRING_UNITY_FLOAT, (threshold), (actual), (message), __LINE__)
#define TEST_ASSERT_LESS_THAN_FLOAT(threshold, actual) \
  sealring_unity_real(SEALRING_UNITY_LESS_THAN, SEALRING_UNITY_FLOAT, (threshold), (actual), NULL, __LINE__)
#define TEST_ASSERT_LESS_THAN_FLOAT_MESSAGE(threshold, actual, message) \
  sealring_unity_real(SEALRING_UNITY_LESS_THAN, SEALRING_UNITY_FLOAT, (threshold), (actual), (message), __LINE__)
#define TEST_ASSERT_GREATER_OR_EQUAL_FLOAT(threshold, actual) \
  sealring_unity_real(SEALRING_UNITY_GREATER_OR_EQUAL, SEALRING_UNITY_FLOAT, (threshold), (actual), NULL, __LINE__)
#define TEST_ASSERT_GREATER_OR_EQUAL_FLOAT_MESSAGE(threshold, actual, message) \
  sealring_unity_real(SEALRING_UNITY_GREATER_OR_EQUAL, SEALRING_UNITY_FLOAT, (threshold), (actual), (message), __LINE__)
#define TEST_ASSERT_LESS_OR_EQUAL_FLOAT(threshold, actual) \
  sealring_unity_real(SEALRING_UNITY_LESS_OR_EQUAL, SEALRING_UNITY_FLOAT, (threshold), (actual), NULL, __LINE__)
#define TEST_ASSERT_LESS_OR_EQUAL_FLOAT_MESSAGE(threshold, actual, message) \
  sealring_unity_real(SEALRING_UNITY_LESS_OR_EQUAL, SEALRING_UNITY_FLOAT, (threshold), (actual), (message), __LINE__)
#define TEST_ASSERT_EQUAL_FLOAT_ARRAY(expected, actual, count)                                            \
  sealring_unity_real_array(SEALRING_UNITY_ARRAY, SEALRING_UNITY_FLOAT, 0, SEALRING_UNITY_DATA(expected), \
                            SEALRING_UNITY_DATA(actual), (count), NULL, __LINE__)
#define TEST_ASSERT_EQUAL_FLOAT_ARRAY_MESSAGE(expected, actual, count, message)                           \
  sealring_unity_real_array(SEALRING_UNITY_ARRAY, SEALRING_UNITY_FLOAT, 0, SEALRING_UNITY_DATA(expected), \
                            SEALRING_UNITY_DATA(actual), (count), (message), __LINE__)
#define TEST_ASSERT_EACH_EQUAL_FLOAT(expected, actual, count)                                                         \
  sealring_unity_real_array(SEALRING_UNITY_EACH, SEALRING_UNITY_FLOAT, (expected), NULL, SEALRING_UNITY_DATA(actual), \
                            (count), NULL, __LINE__)
#define TEST_ASSERT_EACH_EQUAL_FLOAT_MESSAGE(expected, actual, count, message)                                        \
  sealring_unity_real_array(SEALRING_UNITY_EACH, SEALRING_UNITY_FLOAT, (expected), NULL, SEALRING_UNITY_DATA(actual), \
                            (count), (message), __LINE__)
#define TEST_ASSERT_FLOAT_IS_INF(actual) \
  sealring_unity_real_trait(1, SEALRING_UNITY_INF, SEALRING_UNITY_FLOAT, (actual), NULL, __LINE__)
#define TEST_ASSERT_FLOAT_IS_INF_MESSAGE(actual, message) \
  sealring_unity_real_trait(1, SEALRING_UNITY_INF, SEALRING_UNITY_FLOAT, (actual), (message), __LINE__)
#define TEST_ASSERT_FLOAT_IS_NOT_INF(actual) \
  sealring_unity_real_trait(0, SEALRING_UNITY_INF, SEALRING_UNITY_FLOAT, (actual), NULL, __LINE__)
#define TEST_ASSERT_FLOAT_IS_NOT_INF_MESSAGE(actual, message) \
  sealring_unity_real_trait(0, SEALRING_UNITY_INF, SEALRING_UNITY_FLOAT, (actual), (message), __LINE__)
#define TEST_ASSERT_FLOAT_IS_NEG_INF(actual) \
  sealring_unity_real_trait(1, SEALRING_UNITY_NEG_INF, SEALRING_UNITY_FLOAT, (actual), NULL, __LINE__)
#define TEST_ASSERT_FLOAT_IS_NEG_INF_MESSAGE(actual, message) \
  sealring_unity_real_trait(1, SEALRING_UNITY_NEG_INF, SEALRING_UNITY_FLOAT, (actual), (message), __LINE__)
#define TEST_ASSERT_FLOAT_IS_NOT_NEG_INF(actual) \
  sealring_unity_real_trait(0, SEALRING_UNITY_NEG_INF, SEALRING_UNITY_FLOAT, (actual), NULL, __LINE__)
#define TEST_ASSERT_FLOAT_IS_NOT_NEG_INF_MESSAGE(actual, message) \
  sealring_unity_real_trait(0, SEALRING_UNITY_NEG_INF, SEALRING_UNITY_FLOAT, (actual), (message), __LINE__)
#define TEST_ASSERT_FLOAT_IS_NAN(actual) \
  sealring_unity_real_trait(1, SEALRING_UNITY_NAN, SEALRING_UNITY_FLOAT, (actual), NULL, __LINE__)
#define TEST_ASSERT_FLOAT_IS_NAN_MESSAGE(actual, message) \
  sealring_unity_real_trait(1, SEALRING_UNITY_NAN, SEALRING_UNITY_FLOAT, (actual), (message), __LINE__)
#define TEST_ASSERT_FLOAT_IS_NOT_NAN(actual) \
  sealring_unity_real_trait(0, SEALRING_UNITY_NAN, SEALRING_UNITY_FLOAT, (actual), NULL, __LINE__)
#define TEST_ASSERT_FLOAT_IS_NOT_NAN_MESSAGE(actual, message) \
  sealring_unity_real_trait(0, SEALRING_UNITY_NAN, SEALRING_UNITY_FLOAT, (actual), (message), __LINE__)
#define TEST_ASSERT_FLOAT_IS_DETERMINATE(actual) \
  sealring_unity_real_trait(1, SEALRING_UNITY_DETERMINATE, SEALRING_UNITY_FLOAT, (actual), NULL, __LINE__)
#define TEST_ASSERT_FLOAT_IS_DETERMINATE_MESSAGE(actual, message) \
  sealring_unity_real_trait(1, SEALRING_UNITY_DETERMINATE, SEALRING_UNITY_FLOAT, (actual), (message), __LINE__)
#define TEST_ASSERT_FLOAT_IS_NOT_DETERMINATE(actual) \
  sealring_unity_real_trait(0, SEALRING_UNITY_DETERMINATE, SEALRING_UNITY_FLOAT, (actual), NULL, __LINE__)
#define TEST_ASSERT_FLOAT_IS_NOT_DETERMINATE_MESSAGE(actual, message) \
  sealring_unity_real_trait(0, SEALRING_UNITY_DETERMINATE, SEALRING_UNITY_FLOAT, (actual), (message), __LINE__)

#define TEST_ASSERT_DOUBLE_WITHIN(delta, expected, actual) \
  sealring_unity_real_within(SEALRING_UNITY_DOUBLE, (delta), (expected), (actual), NULL, __LINE__)
#define TEST_ASSERT_DOUBLE_WITHIN_MESSAGE(delta, expected, actual, message) \
  sealring_unity_real_within(SEALRING_UNITY_DOUBLE, (delta), (expected), (actual), (message), __LINE__)
#define TEST_ASSERT_EQUAL_DOUBLE(expected, actual) \
  sealring_unity_real(SEALRING_UNITY_EQUAL, SEALRING_UNITY_DOUBLE, (expected), (actual), NULL, __LINE__)
#define TEST_ASSERT_EQUAL_DOUBLE_MESSAGE(expected, actual, message) \
  sealring_unity_real(SEALRING_UNITY_EQUAL, SEALRING_UNITY_DOUBLE, (expected), (actual), (message), __LINE__)
#define TEST_ASSERT_NOT_EQUAL_DOUBLE(expected, actual) \
  sealring_unity_real(SEALRING_UNITY_NOT_EQUAL, SEALRING_UNITY_DOUBLE, (expected), (actual), NULL, __LINE__)
#define TEST_ASSERT_NOT_EQUAL_DOUBLE_MESSAGE(expected, actual, message) \
  sealring_unity_real(SEALRING_UNITY_NOT_EQUAL, SEALRING_UNITY_DOUBLE, (expected), (actual), (message), __LINE__)
#define TEST_ASSERT_GREATER_THAN_DOUBLE(threshold, actual) \
  sealring_unity_real(SEALRING_UNITY_GREATER_THAN, SEALRING_UNITY_DOUBLE, (threshold), (actual), NULL, __LINE__)
#define TEST_ASSERT_GREATER_THAN_DOUBLE_MESSAGE(threshold, actual, message) \
  sealring_unity_real(SEALRING_UNITY_GREATER_THAN, SEALRING_UNITY_DOUBLE, (threshold), (actual), (message), __LINE__)
#define TEST_ASSERT_LESS_THAN_DOUBLE(threshold, actual) \
  sealring_unity_real(SEALRING_UNITY_LESS_THAN, SEALRING_UNITY_DOUBLE, (threshold), (actual), NULL, __LINE__)
#define TEST_ASSERT_LESS_THAN_DOUBLE_MESSAGE(threshold, actual, message) \
  sealring_unity_real(SEALRING_UNITY_LESS_THAN, SEALRING_UNITY_DOUBLE, (threshold), (actual), (message), __LINE__)
#define TEST_ASSERT_GREATER_OR_EQUAL_DOUBLE(threshold, actual) \
  sealring_unity_real(SEALRING_UNITY_GREATER_OR_EQUAL, SEALRING_UNITY_DOUBLE, (threshold), (actual), NULL, __LINE__)
#define TEST_ASSERT_GREATER_OR_EQUAL_DOUBLE_MESSAGE(threshold, actual, message)                                 \
  sealring_unity_real(SEALRING_UNITY_GREATER_OR_EQUAL, SEALRING_UNITY_DOUBLE, (threshold), (actual), (message), \
                      __LINE__)
#define TEST_ASSERT_LESS_OR_EQUAL_DOUBLE(threshold, actual) \
  sealring_unity_real(SEALRING_UNITY_LESS_OR_EQUAL, SEALRING_UNITY_DOUBLE, (threshold), (actual), NULL, __LINE__)
#define TEST_ASSERT_LESS_OR_EQUAL_DOUBLE_MESSAGE(threshold, actual, message) \
  sealring_unity_real(SEALRING_UNITY_LESS_OR_EQUAL, SEALRING_UNITY_DOUBLE, (threshold), (actual), (message), __LINE__)
#define TEST_ASSERT_EQUAL_DOUBLE_ARRAY(expected, actual, count)                                            \
  sealring_unity_real_array(SEALRING_UNITY_ARRAY, SEALRING_UNITY_DOUBLE, 0, SEALRING_UNITY_DATA(expected), \
                            SEALRING_UNITY_DATA(actual), (count), NULL, __LINE__)
#define TEST_ASSERT_EQUAL_DOUBLE_ARRAY_MESSAGE(expected, actual, count, message)                           \
  sealring_unity_real_array(SEALRING_UNITY_ARRAY, SEALRING_UNITY_DOUBLE, 0, SEALRING_UNITY_DATA(expected), \
                            SEALRING_UNITY_DATA(actual), (count), (message), __LINE__)
#define TEST_ASSERT_EACH_EQUAL_DOUBLE(expected, actual, count)                                                         \
  sealring_unity_real_array(SEALRING_UNITY_EACH, SEALRING_UNITY_DOUBLE, (expected), NULL, SEALRING_UNITY_DATA(actual), \
                            (count), NULL, __LINE__)
#define TEST_ASSERT_EACH_EQUAL_DOUBLE_MESSAGE(expected, actual, count, message)                                        \
  sealring_unity_real_array(SEALRING_UNITY_EACH, SEALRING_UNITY_DOUBLE, (expected), NULL, SEALRING_UNITY_DATA(actual), \
                            (count), (message), __LINE__)
#define TEST_ASSERT_DOUBLE_IS_INF(actual) \
  sealring_unity_real_trait(1, SEALRING_UNITY_INF, SEALRING_UNITY_DOUBLE, (actual), NULL, __LINE__)
#define TEST_ASSERT_DOUBLE_IS_INF_MESSAGE(actual, message) \
  sealring_unity_real_trait(1, SEALRING_UNITY_INF, SEALRING_UNITY_DOUBLE, (actual), (message), __LINE__)
#define TEST_ASSERT_DOUBLE_IS_NOT_INF(actual) \
  sealring_unity_real_trait(0, SEALRING_UNITY_INF, SEALRING_UNITY_DOUBLE, (actual), NULL, __LINE__)
#define TEST_ASSERT_DOUBLE_IS_NOT_INF_MESSAGE(actual, message) \
  sealring_unity_real_trait(0, SEALRING_UNITY_INF, SEALRING_UNITY_DOUBLE, (actual), (message), __LINE__)
#define TEST_ASSERT_DOUBLE_IS_NEG_INF(actual) \
  sealring_unity_real_trait(1, SEALRING_UNITY_NEG_INF, SEALRING_UNITY_DOUBLE, (actual), NULL, __LINE__)
#define TEST_ASSERT_DOUBLE_IS_NEG_INF_MESSAGE(actual, message) \
  sealring_unity_real_trait(1, SEALRING_UNITY_NEG_INF, SEALRING_UNITY_DOUBLE, (actual), (message), __LINE__)
#define TEST_ASSERT_DOUBLE_IS_NOT_NEG_INF(actual) \
  sealring_unity_real_trait(0, SEALRING_UNITY_NEG_INF, SEALRING_UNITY_DOUBLE, (actual), NULL, __LINE__)
#define TEST_ASSERT_DOUBLE_IS_NOT_NEG_INF_MESSAGE(actual, message) \
  sealring_unity_real_trait(0, SEALRING_UNITY_NEG_INF, SEALRING_UNITY_DOUBLE, (actual), (message), __LINE__)
#define TEST_ASSERT_DOUBLE_IS_NAN(actual) \
  sealring_unity_real_trait(1, SEALRING_UNITY_NAN, SEALRING_UNITY_DOUBLE, (actual), NULL, __LINE__)
#define TEST_ASSERT_DOUBLE_IS_NAN_MESSAGE(actual, message) \
  sealring_unity_real_trait(1, SEALRING_UNITY_NAN, SEALRING_UNITY_DOUBLE, (actual), (message), __LINE__)
#define TEST_ASSERT_DOUBLE_IS_NOT_NAN(actual) \
  sealring_unity_real_trait(0, SEALRING_UNITY_NAN, SEALRING_UNITY_DOUBLE, (actual), NULL, __LINE__)
#define TEST_ASSERT_DOUBLE_IS_NOT_NAN_MESSAGE(actual, message) \
  sealring_unity_real_trait(0, SEALRING_UNITY_NAN, SEALRING_UNITY_DOUBLE, (actual), (message), __LINE__)
#define TEST_ASSERT_DOUBLE_IS_DETERMINATE(actual) \
  sealring_unity_real_trait(1, SEALRING_UNITY_DETERMINATE, SEALRING_UNITY_DOUBLE, (actual), NULL, __LINE__)
#define TEST_ASSERT_DOUBLE_IS_DETERMINATE_MESSAGE(actual, message) \
  sealring_unity_real_trait(1, SEALRING_UNITY_DETERMINATE, SEALRING_UNITY_DOUBLE, (actual), (message), __LINE__)
#define TEST_ASSERT_DOUBLE_IS_NOT_DETERMINATE(actual) \
  sealring_unity_real_trait(0, SEALRING_UNITY_DETERMINATE, SEALRING_UNITY_DOUBLE, (actual), NULL, __LINE__)
#define TEST_ASSERT_DOUBLE_IS_NOT_DETERMINATE_MESSAGE(actual, message) \
  sealring_unity_real_trait(0, SEALRING_UNITY_DETERMINATE, SEALRING_UNITY_DOUBLE, (actual), (message), __LINE__)
