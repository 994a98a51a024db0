#pragma once

/* The assertions on whole numbers, a table: included by unity.h. Types with a sign and without, bit widths, size_t,
 * hexadecimal ones (they differ in what is printed), characters and pointers. */

#define SEALRING_UNITY_NUMBER(x) ((long long)(x))
/* Whatever it points to: bytes of a driver are unsigned or volatile. */
#define SEALRING_UNITY_DATA(x) ((const void*)(x))
#define SEALRING_UNITY_ADDRESS(x) ((long long)(uintptr_t)(x))
#define SEALRING_UNITY_COMPARE(relation, type, expected, actual, message)                                   \
  sealring_unity_compare(SEALRING_UNITY_##relation, SEALRING_UNITY_##type, SEALRING_UNITY_NUMBER(expected), \
                         SEALRING_UNITY_NUMBER(actual), message, __LINE__)
#define SEALRING_UNITY_WITHIN(type, delta, expected, actual, message)                                        \
  sealring_unity_within(SEALRING_UNITY_##type, (unsigned long long)(delta), SEALRING_UNITY_NUMBER(expected), \
                        SEALRING_UNITY_NUMBER(actual), message, __LINE__)
#define SEALRING_UNITY_ELEMENTS(type, delta, expected, actual, count, message)                            \
  sealring_unity_array(SEALRING_UNITY_##type, (unsigned long long)(delta), SEALRING_UNITY_DATA(expected), \
                       SEALRING_UNITY_DATA(actual), (count), message, __LINE__)
#define SEALRING_UNITY_ALL(type, expected, actual, count, message)                                                  \
  sealring_unity_each(SEALRING_UNITY_##type, SEALRING_UNITY_NUMBER(expected), SEALRING_UNITY_DATA(actual), (count), \
                      message, __LINE__)
#define TEST_ASSERT_EQUAL(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, INT, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, INT, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN(threshold, actual) SEALRING_UNITY_COMPARE(GREATER_THAN, INT, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, INT, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN(threshold, actual) SEALRING_UNITY_COMPARE(LESS_THAN, INT, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, INT, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, INT, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, INT, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL(threshold, actual) SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, INT, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, INT, threshold, actual, (message))

#define TEST_ASSERT_EQUAL_INT(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, INT, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_INT_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, INT, expected, actual, (message))
#define TEST_ASSERT_NOT_EQUAL_INT(expected, actual) SEALRING_UNITY_COMPARE(NOT_EQUAL, INT, expected, actual, NULL)
#define TEST_ASSERT_NOT_EQUAL_INT_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(NOT_EQUAL, INT, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN_INT(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, INT, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_INT_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, INT, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN_INT(threshold, actual) SEALRING_UNITY_COMPARE(LESS_THAN, INT, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_INT_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, INT, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL_INT(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, INT, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_INT_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, INT, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL_INT(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, INT, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_INT_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, INT, threshold, actual, (message))
#define TEST_ASSERT_INT_WITHIN(delta, expected, actual) SEALRING_UNITY_WITHIN(INT, delta, expected, actual, NULL)
#define TEST_ASSERT_INT_WITHIN_MESSAGE(delta, expected, actual, message) \
  SEALRING_UNITY_WITHIN(INT, delta, expected, actual, (message))
#define TEST_ASSERT_INT_ARRAY_WITHIN(delta, expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(INT, delta, expected, actual, count, NULL)
#define TEST_ASSERT_INT_ARRAY_WITHIN_MESSAGE(delta, expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(INT, delta, expected, actual, count, (message))
#define TEST_ASSERT_EQUAL_INT_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(INT, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_INT_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(INT, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_INT(expected, actual, count) SEALRING_UNITY_ALL(INT, expected, actual, count, NULL)
#define TEST_ASSERT_EACH_EQUAL_INT_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ALL(INT, expected, actual, count, (message))

#define TEST_ASSERT_EQUAL_INT8(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, INT8, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_INT8_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, INT8, expected, actual, (message))
#define TEST_ASSERT_NOT_EQUAL_INT8(expected, actual) SEALRING_UNITY_COMPARE(NOT_EQUAL, INT8, expected, actual, NULL)
#define TEST_ASSERT_NOT_EQUAL_INT8_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(NOT_EQUAL, INT8, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN_INT8(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, INT8, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_INT8_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, INT8, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN_INT8(threshold, actual) SEALRING_UNITY_COMPARE(LESS_THAN, INT8, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_INT8_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, INT8, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL_INT8(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, INT8, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_INT8_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, INT8, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL_INT8(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, INT8, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_INT8_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, INT8, threshold, actual, (message))
#define TEST_ASSERT_INT8_WITHIN(delta, expected, actual) SEALRING_UNITY_WITHIN(INT8, delta, expected, actual, NULL)
#define TEST_ASSERT_INT8_WITHIN_MESSAGE(delta, expected, actual, message) \
  SEALRING_UNITY_WITHIN(INT8, delta, expected, actual, (message))
#define TEST_ASSERT_INT8_ARRAY_WITHIN(delta, expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(INT8, delta, expected, actual, count, NULL)
#define TEST_ASSERT_INT8_ARRAY_WITHIN_MESSAGE(delta, expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(INT8, delta, expected, actual, count, (message))
#define TEST_ASSERT_EQUAL_INT8_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(INT8, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_INT8_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(INT8, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_INT8(expected, actual, count) SEALRING_UNITY_ALL(INT8, expected, actual, count, NULL)
#define TEST_ASSERT_EACH_EQUAL_INT8_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ALL(INT8, expected, actual, count, (message))

#define TEST_ASSERT_EQUAL_INT16(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, INT16, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_INT16_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, INT16, expected, actual, (message))
#define TEST_ASSERT_NOT_EQUAL_INT16(expected, actual) SEALRING_UNITY_COMPARE(NOT_EQUAL, INT16, expected, actual, NULL)
#define TEST_ASSERT_NOT_EQUAL_INT16_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(NOT_EQUAL, INT16, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN_INT16(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, INT16, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_INT16_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, INT16, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN_INT16(threshold, actual) SEALRING_UNITY_COMPARE(LESS_THAN, INT16, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_INT16_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, INT16, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL_INT16(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, INT16, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_INT16_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, INT16, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL_INT16(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, INT16, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_INT16_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, INT16, threshold, actual, (message))
#define TEST_ASSERT_INT16_WITHIN(delta, expected, actual) SEALRING_UNITY_WITHIN(INT16, delta, expected, actual, NULL)
#define TEST_ASSERT_INT16_WITHIN_MESSAGE(delta, expected, actual, message) \
  SEALRING_UNITY_WITHIN(INT16, delta, expected, actual, (message))
#define TEST_ASSERT_INT16_ARRAY_WITHIN(delta, expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(INT16, delta, expected, actual, count, NULL)
#define TEST_ASSERT_INT16_ARRAY_WITHIN_MESSAGE(delta, expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(INT16, delta, expected, actual, count, (message))
#define TEST_ASSERT_EQUAL_INT16_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(INT16, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_INT16_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(INT16, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_INT16(expected, actual, count) SEALRING_UNITY_ALL(INT16, expected, actual, count, NULL)
#define TEST_ASSERT_EACH_EQUAL_INT16_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ALL(INT16, expected, actual, count, (message))

#define TEST_ASSERT_EQUAL_INT32(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, INT32, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_INT32_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, INT32, expected, actual, (message))
#define TEST_ASSERT_NOT_EQUAL_INT32(expected, actual) SEALRING_UNITY_COMPARE(NOT_EQUAL, INT32, expected, actual, NULL)
#define TEST_ASSERT_NOT_EQUAL_INT32_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(NOT_EQUAL, INT32, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN_INT32(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, INT32, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_INT32_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, INT32, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN_INT32(threshold, actual) SEALRING_UNITY_COMPARE(LESS_THAN, INT32, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_INT32_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, INT32, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL_INT32(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, INT32, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_INT32_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, INT32, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL_INT32(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, INT32, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_INT32_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, INT32, threshold, actual, (message))
#define TEST_ASSERT_INT32_WITHIN(delta, expected, actual) SEALRING_UNITY_WITHIN(INT32, delta, expected, actual, NULL)
#define TEST_ASSERT_INT32_WITHIN_MESSAGE(delta, expected, actual, message) \
  SEALRING_UNITY_WITHIN(INT32, delta, expected, actual, (message))
#define TEST_ASSERT_INT32_ARRAY_WITHIN(delta, expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(INT32, delta, expected, actual, count, NULL)
#define TEST_ASSERT_INT32_ARRAY_WITHIN_MESSAGE(delta, expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(INT32, delta, expected, actual, count, (message))
#define TEST_ASSERT_EQUAL_INT32_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(INT32, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_INT32_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(INT32, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_INT32(expected, actual, count) SEALRING_UNITY_ALL(INT32, expected, actual, count, NULL)
#define TEST_ASSERT_EACH_EQUAL_INT32_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ALL(INT32, expected, actual, count, (message))

#define TEST_ASSERT_EQUAL_INT64(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, INT64, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_INT64_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, INT64, expected, actual, (message))
#define TEST_ASSERT_NOT_EQUAL_INT64(expected, actual) SEALRING_UNITY_COMPARE(NOT_EQUAL, INT64, expected, actual, NULL)
#define TEST_ASSERT_NOT_EQUAL_INT64_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(NOT_EQUAL, INT64, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN_INT64(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, INT64, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_INT64_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, INT64, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN_INT64(threshold, actual) SEALRING_UNITY_COMPARE(LESS_THAN, INT64, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_INT64_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, INT64, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL_INT64(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, INT64, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_INT64_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, INT64, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL_INT64(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, INT64, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_INT64_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, INT64, threshold, actual, (message))
#define TEST_ASSERT_INT64_WITHIN(delta, expected, actual) SEALRING_UNITY_WITHIN(INT64, delta, expected, actual, NULL)
#define TEST_ASSERT_INT64_WITHIN_MESSAGE(delta, expected, actual, message) \
  SEALRING_UNITY_WITHIN(INT64, delta, expected, actual, (message))
#define TEST_ASSERT_INT64_ARRAY_WITHIN(delta, expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(INT64, delta, expected, actual, count, NULL)
#define TEST_ASSERT_INT64_ARRAY_WITHIN_MESSAGE(delta, expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(INT64, delta, expected, actual, count, (message))
#define TEST_ASSERT_EQUAL_INT64_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(INT64, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_INT64_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(INT64, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_INT64(expected, actual, count) SEALRING_UNITY_ALL(INT64, expected, actual, count, NULL)
#define TEST_ASSERT_EACH_EQUAL_INT64_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ALL(INT64, expected, actual, count, (message))

#define TEST_ASSERT_EQUAL_UINT(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, UINT, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_UINT_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, UINT, expected, actual, (message))
#define TEST_ASSERT_NOT_EQUAL_UINT(expected, actual) SEALRING_UNITY_COMPARE(NOT_EQUAL, UINT, expected, actual, NULL)
#define TEST_ASSERT_NOT_EQUAL_UINT_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(NOT_EQUAL, UINT, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN_UINT(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, UINT, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_UINT_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, UINT, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN_UINT(threshold, actual) SEALRING_UNITY_COMPARE(LESS_THAN, UINT, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_UINT_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, UINT, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL_UINT(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, UINT, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_UINT_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, UINT, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL_UINT(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, UINT, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_UINT_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, UINT, threshold, actual, (message))
#define TEST_ASSERT_UINT_WITHIN(delta, expected, actual) SEALRING_UNITY_WITHIN(UINT, delta, expected, actual, NULL)
#define TEST_ASSERT_UINT_WITHIN_MESSAGE(delta, expected, actual, message) \
  SEALRING_UNITY_WITHIN(UINT, delta, expected, actual, (message))
#define TEST_ASSERT_UINT_ARRAY_WITHIN(delta, expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(UINT, delta, expected, actual, count, NULL)
#define TEST_ASSERT_UINT_ARRAY_WITHIN_MESSAGE(delta, expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(UINT, delta, expected, actual, count, (message))
#define TEST_ASSERT_EQUAL_UINT_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(UINT, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_UINT_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(UINT, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_UINT(expected, actual, count) SEALRING_UNITY_ALL(UINT, expected, actual, count, NULL)
#define TEST_ASSERT_EACH_EQUAL_UINT_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ALL(UINT, expected, actual, count, (message))

#define TEST_ASSERT_EQUAL_UINT8(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, UINT8, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_UINT8_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, UINT8, expected, actual, (message))
#define TEST_ASSERT_NOT_EQUAL_UINT8(expected, actual) SEALRING_UNITY_COMPARE(NOT_EQUAL, UINT8, expected, actual, NULL)
#define TEST_ASSERT_NOT_EQUAL_UINT8_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(NOT_EQUAL, UINT8, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN_UINT8(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, UINT8, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_UINT8_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, UINT8, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN_UINT8(threshold, actual) SEALRING_UNITY_COMPARE(LESS_THAN, UINT8, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_UINT8_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, UINT8, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL_UINT8(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, UINT8, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_UINT8_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, UINT8, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL_UINT8(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, UINT8, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_UINT8_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, UINT8, threshold, actual, (message))
#define TEST_ASSERT_UINT8_WITHIN(delta, expected, actual) SEALRING_UNITY_WITHIN(UINT8, delta, expected, actual, NULL)
#define TEST_ASSERT_UINT8_WITHIN_MESSAGE(delta, expected, actual, message) \
  SEALRING_UNITY_WITHIN(UINT8, delta, expected, actual, (message))
#define TEST_ASSERT_UINT8_ARRAY_WITHIN(delta, expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(UINT8, delta, expected, actual, count, NULL)
#define TEST_ASSERT_UINT8_ARRAY_WITHIN_MESSAGE(delta, expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(UINT8, delta, expected, actual, count, (message))
#define TEST_ASSERT_EQUAL_UINT8_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(UINT8, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_UINT8_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(UINT8, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_UINT8(expected, actual, count) SEALRING_UNITY_ALL(UINT8, expected, actual, count, NULL)
#define TEST_ASSERT_EACH_EQUAL_UINT8_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ALL(UINT8, expected, actual, count, (message))

#define TEST_ASSERT_EQUAL_UINT16(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, UINT16, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_UINT16_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, UINT16, expected, actual, (message))
#define TEST_ASSERT_NOT_EQUAL_UINT16(expected, actual) SEALRING_UNITY_COMPARE(NOT_EQUAL, UINT16, expected, actual, NULL)
#define TEST_ASSERT_NOT_EQUAL_UINT16_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(NOT_EQUAL, UINT16, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN_UINT16(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, UINT16, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_UINT16_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, UINT16, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN_UINT16(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_THAN, UINT16, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_UINT16_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, UINT16, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL_UINT16(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, UINT16, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_UINT16_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, UINT16, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL_UINT16(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, UINT16, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_UINT16_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, UINT16, threshold, actual, (message))
#define TEST_ASSERT_UINT16_WITHIN(delta, expected, actual) SEALRING_UNITY_WITHIN(UINT16, delta, expected, actual, NULL)
#define TEST_ASSERT_UINT16_WITHIN_MESSAGE(delta, expected, actual, message) \
  SEALRING_UNITY_WITHIN(UINT16, delta, expected, actual, (message))
#define TEST_ASSERT_UINT16_ARRAY_WITHIN(delta, expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(UINT16, delta, expected, actual, count, NULL)
#define TEST_ASSERT_UINT16_ARRAY_WITHIN_MESSAGE(delta, expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(UINT16, delta, expected, actual, count, (message))
#define TEST_ASSERT_EQUAL_UINT16_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(UINT16, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_UINT16_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(UINT16, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_UINT16(expected, actual, count) SEALRING_UNITY_ALL(UINT16, expected, actual, count, NULL)
#define TEST_ASSERT_EACH_EQUAL_UINT16_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ALL(UINT16, expected, actual, count, (message))

#define TEST_ASSERT_EQUAL_UINT32(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, UINT32, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_UINT32_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, UINT32, expected, actual, (message))
#define TEST_ASSERT_NOT_EQUAL_UINT32(expected, actual) SEALRING_UNITY_COMPARE(NOT_EQUAL, UINT32, expected, actual, NULL)
#define TEST_ASSERT_NOT_EQUAL_UINT32_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(NOT_EQUAL, UINT32, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN_UINT32(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, UINT32, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_UINT32_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, UINT32, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN_UINT32(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_THAN, UINT32, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_UINT32_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, UINT32, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL_UINT32(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, UINT32, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_UINT32_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, UINT32, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL_UINT32(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, UINT32, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_UINT32_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, UINT32, threshold, actual, (message))
#define TEST_ASSERT_UINT32_WITHIN(delta, expected, actual) SEALRING_UNITY_WITHIN(UINT32, delta, expected, actual, NULL)
#define TEST_ASSERT_UINT32_WITHIN_MESSAGE(delta, expected, actual, message) \
  SEALRING_UNITY_WITHIN(UINT32, delta, expected, actual, (message))
#define TEST_ASSERT_UINT32_ARRAY_WITHIN(delta, expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(UINT32, delta, expected, actual, count, NULL)
#define TEST_ASSERT_UINT32_ARRAY_WITHIN_MESSAGE(delta, expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(UINT32, delta, expected, actual, count, (message))
#define TEST_ASSERT_EQUAL_UINT32_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(UINT32, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_UINT32_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(UINT32, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_UINT32(expected, actual, count) SEALRING_UNITY_ALL(UINT32, expected, actual, count, NULL)
#define TEST_ASSERT_EACH_EQUAL_UINT32_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ALL(UINT32, expected, actual, count, (message))

#define TEST_ASSERT_EQUAL_UINT64(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, UINT64, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_UINT64_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, UINT64, expected, actual, (message))
#define TEST_ASSERT_NOT_EQUAL_UINT64(expected, actual) SEALRING_UNITY_COMPARE(NOT_EQUAL, UINT64, expected, actual, NULL)
#define TEST_ASSERT_NOT_EQUAL_UINT64_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(NOT_EQUAL, UINT64, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN_UINT64(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, UINT64, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_UINT64_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, UINT64, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN_UINT64(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_THAN, UINT64, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_UINT64_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, UINT64, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL_UINT64(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, UINT64, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_UINT64_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, UINT64, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL_UINT64(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, UINT64, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_UINT64_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, UINT64, threshold, actual, (message))
#define TEST_ASSERT_UINT64_WITHIN(delta, expected, actual) SEALRING_UNITY_WITHIN(UINT64, delta, expected, actual, NULL)
#define TEST_ASSERT_UINT64_WITHIN_MESSAGE(delta, expected, actual, message) \
  SEALRING_UNITY_WITHIN(UINT64, delta, expected, actual, (message))
#define TEST_ASSERT_UINT64_ARRAY_WITHIN(delta, expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(UINT64, delta, expected, actual, count, NULL)
#define TEST_ASSERT_UINT64_ARRAY_WITHIN_MESSAGE(delta, expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(UINT64, delta, expected, actual, count, (message))
#define TEST_ASSERT_EQUAL_UINT64_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(UINT64, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_UINT64_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(UINT64, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_UINT64(expected, actual, count) SEALRING_UNITY_ALL(UINT64, expected, actual, count, NULL)
#define TEST_ASSERT_EACH_EQUAL_UINT64_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ALL(UINT64, expected, actual, count, (message))

#define TEST_ASSERT_EQUAL_size_t(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, SIZE, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_size_t_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, SIZE, expected, actual, (message))
#define TEST_ASSERT_NOT_EQUAL_size_t(expected, actual) SEALRING_UNITY_COMPARE(NOT_EQUAL, SIZE, expected, actual, NULL)
#define TEST_ASSERT_NOT_EQUAL_size_t_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(NOT_EQUAL, SIZE, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN_size_t(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, SIZE, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_size_t_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, SIZE, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN_size_t(threshold, actual) SEALRING_UNITY_COMPARE(LESS_THAN, SIZE, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_size_t_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, SIZE, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL_size_t(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, SIZE, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_size_t_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, SIZE, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL_size_t(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, SIZE, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_size_t_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, SIZE, threshold, actual, (message))
#define TEST_ASSERT_size_t_WITHIN(delta, expected, actual) SEALRING_UNITY_WITHIN(SIZE, delta, expected, actual, NULL)
#define TEST_ASSERT_size_t_WITHIN_MESSAGE(delta, expected, actual, message) \
  SEALRING_UNITY_WITHIN(SIZE, delta, expected, actual, (message))
#define TEST_ASSERT_size_t_ARRAY_WITHIN(delta, expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(SIZE, delta, expected, actual, count, NULL)
#define TEST_ASSERT_size_t_ARRAY_WITHIN_MESSAGE(delta, expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(SIZE, delta, expected, actual, count, (message))
#define TEST_ASSERT_EQUAL_size_t_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(SIZE, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_size_t_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(SIZE, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_size_t(expected, actual, count) SEALRING_UNITY_ALL(SIZE, expected, actual, count, NULL)
#define TEST_ASSERT_EACH_EQUAL_size_t_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ALL(SIZE, expected, actual, count, (message))

#define TEST_ASSERT_EQUAL_HEX(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, HEX32, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_HEX_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, HEX32, expected, actual, (message))
#define TEST_ASSERT_NOT_EQUAL_HEX(expected, actual) SEALRING_UNITY_COMPARE(NOT_EQUAL, HEX32, expected, actual, NULL)
#define TEST_ASSERT_NOT_EQUAL_HEX_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(NOT_EQUAL, HEX32, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN_HEX(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, HEX32, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_HEX_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, HEX32, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN_HEX(threshold, actual) SEALRING_UNITY_COMPARE(LESS_THAN, HEX32, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_HEX_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, HEX32, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL_HEX(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, HEX32, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_HEX_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, HEX32, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL_HEX(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, HEX32, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_HEX_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, HEX32, threshold, actual, (message))
#define TEST_ASSERT_HEX_WITHIN(delta, expected, actual) SEALRING_UNITY_WITHIN(HEX32, delta, expected, actual, NULL)
#define TEST_ASSERT_HEX_WITHIN_MESSAGE(delta, expected, actual, message) \
  SEALRING_UNITY_WITHIN(HEX32, delta, expected, actual, (message))
#define TEST_ASSERT_HEX_ARRAY_WITHIN(delta, expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(HEX32, delta, expected, actual, count, NULL)
#define TEST_ASSERT_HEX_ARRAY_WITHIN_MESSAGE(delta, expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(HEX32, delta, expected, actual, count, (message))
#define TEST_ASSERT_EQUAL_HEX_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(HEX32, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_HEX_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(HEX32, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_HEX(expected, actual, count) SEALRING_UNITY_ALL(HEX32, expected, actual, count, NULL)
#define TEST_ASSERT_EACH_EQUAL_HEX_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ALL(HEX32, expected, actual, count, (message))

#define TEST_ASSERT_EQUAL_HEX8(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, HEX8, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_HEX8_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, HEX8, expected, actual, (message))
#define TEST_ASSERT_NOT_EQUAL_HEX8(expected, actual) SEALRING_UNITY_COMPARE(NOT_EQUAL, HEX8, expected, actual, NULL)
#define TEST_ASSERT_NOT_EQUAL_HEX8_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(NOT_EQUAL, HEX8, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN_HEX8(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, HEX8, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_HEX8_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, HEX8, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN_HEX8(threshold, actual) SEALRING_UNITY_COMPARE(LESS_THAN, HEX8, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_HEX8_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, HEX8, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL_HEX8(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, HEX8, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_HEX8_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, HEX8, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL_HEX8(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, HEX8, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_HEX8_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, HEX8, threshold, actual, (message))
#define TEST_ASSERT_HEX8_WITHIN(delta, expected, actual) SEALRING_UNITY_WITHIN(HEX8, delta, expected, actual, NULL)
#define TEST_ASSERT_HEX8_WITHIN_MESSAGE(delta, expected, actual, message) \
  SEALRING_UNITY_WITHIN(HEX8, delta, expected, actual, (message))
#define TEST_ASSERT_HEX8_ARRAY_WITHIN(delta, expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(HEX8, delta, expected, actual, count, NULL)
#define TEST_ASSERT_HEX8_ARRAY_WITHIN_MESSAGE(delta, expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(HEX8, delta, expected, actual, count, (message))
#define TEST_ASSERT_EQUAL_HEX8_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(HEX8, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_HEX8_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(HEX8, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_HEX8(expected, actual, count) SEALRING_UNITY_ALL(HEX8, expected, actual, count, NULL)
#define TEST_ASSERT_EACH_EQUAL_HEX8_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ALL(HEX8, expected, actual, count, (message))

#define TEST_ASSERT_EQUAL_HEX16(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, HEX16, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_HEX16_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, HEX16, expected, actual, (message))
#define TEST_ASSERT_NOT_EQUAL_HEX16(expected, actual) SEALRING_UNITY_COMPARE(NOT_EQUAL, HEX16, expected, actual, NULL)
#define TEST_ASSERT_NOT_EQUAL_HEX16_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(NOT_EQUAL, HEX16, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN_HEX16(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, HEX16, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_HEX16_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, HEX16, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN_HEX16(threshold, actual) SEALRING_UNITY_COMPARE(LESS_THAN, HEX16, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_HEX16_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, HEX16, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL_HEX16(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, HEX16, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_HEX16_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, HEX16, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL_HEX16(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, HEX16, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_HEX16_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, HEX16, threshold, actual, (message))
#define TEST_ASSERT_HEX16_WITHIN(delta, expected, actual) SEALRING_UNITY_WITHIN(HEX16, delta, expected, actual, NULL)
#define TEST_ASSERT_HEX16_WITHIN_MESSAGE(delta, expected, actual, message) \
  SEALRING_UNITY_WITHIN(HEX16, delta, expected, actual, (message))
#define TEST_ASSERT_HEX16_ARRAY_WITHIN(delta, expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(HEX16, delta, expected, actual, count, NULL)
#define TEST_ASSERT_HEX16_ARRAY_WITHIN_MESSAGE(delta, expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(HEX16, delta, expected, actual, count, (message))
#define TEST_ASSERT_EQUAL_HEX16_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(HEX16, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_HEX16_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(HEX16, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_HEX16(expected, actual, count) SEALRING_UNITY_ALL(HEX16, expected, actual, count, NULL)
#define TEST_ASSERT_EACH_EQUAL_HEX16_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ALL(HEX16, expected, actual, count, (message))

#define TEST_ASSERT_EQUAL_HEX32(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, HEX32, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_HEX32_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, HEX32, expected, actual, (message))
#define TEST_ASSERT_NOT_EQUAL_HEX32(expected, actual) SEALRING_UNITY_COMPARE(NOT_EQUAL, HEX32, expected, actual, NULL)
#define TEST_ASSERT_NOT_EQUAL_HEX32_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(NOT_EQUAL, HEX32, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN_HEX32(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, HEX32, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_HEX32_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, HEX32, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN_HEX32(threshold, actual) SEALRING_UNITY_COMPARE(LESS_THAN, HEX32, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_HEX32_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, HEX32, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL_HEX32(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, HEX32, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_HEX32_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, HEX32, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL_HEX32(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, HEX32, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_HEX32_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, HEX32, threshold, actual, (message))
#define TEST_ASSERT_HEX32_WITHIN(delta, expected, actual) SEALRING_UNITY_WITHIN(HEX32, delta, expected, actual, NULL)
#define TEST_ASSERT_HEX32_WITHIN_MESSAGE(delta, expected, actual, message) \
  SEALRING_UNITY_WITHIN(HEX32, delta, expected, actual, (message))
#define TEST_ASSERT_HEX32_ARRAY_WITHIN(delta, expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(HEX32, delta, expected, actual, count, NULL)
#define TEST_ASSERT_HEX32_ARRAY_WITHIN_MESSAGE(delta, expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(HEX32, delta, expected, actual, count, (message))
#define TEST_ASSERT_EQUAL_HEX32_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(HEX32, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_HEX32_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(HEX32, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_HEX32(expected, actual, count) SEALRING_UNITY_ALL(HEX32, expected, actual, count, NULL)
#define TEST_ASSERT_EACH_EQUAL_HEX32_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ALL(HEX32, expected, actual, count, (message))

#define TEST_ASSERT_EQUAL_HEX64(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, HEX64, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_HEX64_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, HEX64, expected, actual, (message))
#define TEST_ASSERT_NOT_EQUAL_HEX64(expected, actual) SEALRING_UNITY_COMPARE(NOT_EQUAL, HEX64, expected, actual, NULL)
#define TEST_ASSERT_NOT_EQUAL_HEX64_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(NOT_EQUAL, HEX64, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN_HEX64(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, HEX64, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_HEX64_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, HEX64, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN_HEX64(threshold, actual) SEALRING_UNITY_COMPARE(LESS_THAN, HEX64, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_HEX64_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, HEX64, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL_HEX64(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, HEX64, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_HEX64_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, HEX64, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL_HEX64(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, HEX64, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_HEX64_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, HEX64, threshold, actual, (message))
#define TEST_ASSERT_HEX64_WITHIN(delta, expected, actual) SEALRING_UNITY_WITHIN(HEX64, delta, expected, actual, NULL)
#define TEST_ASSERT_HEX64_WITHIN_MESSAGE(delta, expected, actual, message) \
  SEALRING_UNITY_WITHIN(HEX64, delta, expected, actual, (message))
#define TEST_ASSERT_HEX64_ARRAY_WITHIN(delta, expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(HEX64, delta, expected, actual, count, NULL)
#define TEST_ASSERT_HEX64_ARRAY_WITHIN_MESSAGE(delta, expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(HEX64, delta, expected, actual, count, (message))
#define TEST_ASSERT_EQUAL_HEX64_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(HEX64, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_HEX64_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(HEX64, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_HEX64(expected, actual, count) SEALRING_UNITY_ALL(HEX64, expected, actual, count, NULL)
#define TEST_ASSERT_EACH_EQUAL_HEX64_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ALL(HEX64, expected, actual, count, (message))

#define TEST_ASSERT_EQUAL_CHAR(expected, actual) SEALRING_UNITY_COMPARE(EQUAL, CHAR, expected, actual, NULL)
#define TEST_ASSERT_EQUAL_CHAR_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(EQUAL, CHAR, expected, actual, (message))
#define TEST_ASSERT_NOT_EQUAL_CHAR(expected, actual) SEALRING_UNITY_COMPARE(NOT_EQUAL, CHAR, expected, actual, NULL)
#define TEST_ASSERT_NOT_EQUAL_CHAR_MESSAGE(expected, actual, message) \
  SEALRING_UNITY_COMPARE(NOT_EQUAL, CHAR, expected, actual, (message))
#define TEST_ASSERT_GREATER_THAN_CHAR(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, CHAR, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_THAN_CHAR_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_THAN, CHAR, threshold, actual, (message))
#define TEST_ASSERT_LESS_THAN_CHAR(threshold, actual) SEALRING_UNITY_COMPARE(LESS_THAN, CHAR, threshold, actual, NULL)
#define TEST_ASSERT_LESS_THAN_CHAR_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_THAN, CHAR, threshold, actual, (message))
#define TEST_ASSERT_GREATER_OR_EQUAL_CHAR(threshold, actual) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, CHAR, threshold, actual, NULL)
#define TEST_ASSERT_GREATER_OR_EQUAL_CHAR_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(GREATER_OR_EQUAL, CHAR, threshold, actual, (message))
#define TEST_ASSERT_LESS_OR_EQUAL_CHAR(threshold, actual) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, CHAR, threshold, actual, NULL)
#define TEST_ASSERT_LESS_OR_EQUAL_CHAR_MESSAGE(threshold, actual, message) \
  SEALRING_UNITY_COMPARE(LESS_OR_EQUAL, CHAR, threshold, actual, (message))
#define TEST_ASSERT_CHAR_WITHIN(delta, expected, actual) SEALRING_UNITY_WITHIN(CHAR, delta, expected, actual, NULL)
#define TEST_ASSERT_CHAR_WITHIN_MESSAGE(delta, expected, actual, message) \
  SEALRING_UNITY_WITHIN(CHAR, delta, expected, actual, (message))
#define TEST_ASSERT_CHAR_ARRAY_WITHIN(delta, expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(CHAR, delta, expected, actual, count, NULL)
#define TEST_ASSERT_CHAR_ARRAY_WITHIN_MESSAGE(delta, expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(CHAR, delta, expected, actual, count, (message))
#define TEST_ASSERT_EQUAL_CHAR_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(CHAR, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_CHAR_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(CHAR, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_CHAR(expected, actual, count) SEALRING_UNITY_ALL(CHAR, expected, actual, count, NULL)
#define TEST_ASSERT_EACH_EQUAL_CHAR_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ALL(CHAR, expected, actual, count, (message))

#define TEST_ASSERT_EQUAL_PTR(expected, actual)                                                      \
  sealring_unity_compare(SEALRING_UNITY_EQUAL, SEALRING_UNITY_PTR, SEALRING_UNITY_ADDRESS(expected), \
                         SEALRING_UNITY_ADDRESS(actual), NULL, __LINE__)
#define TEST_ASSERT_EQUAL_PTR_MESSAGE(expected, actual, message)                                     \
  sealring_unity_compare(SEALRING_UNITY_EQUAL, SEALRING_UNITY_PTR, SEALRING_UNITY_ADDRESS(expected), \
                         SEALRING_UNITY_ADDRESS(actual), (message), __LINE__)
#define TEST_ASSERT_EQUAL_PTR_ARRAY(expected, actual, count) \
  SEALRING_UNITY_ELEMENTS(PTR, 0, expected, actual, count, NULL)
#define TEST_ASSERT_EQUAL_PTR_ARRAY_MESSAGE(expected, actual, count, message) \
  SEALRING_UNITY_ELEMENTS(PTR, 0, expected, actual, count, (message))
#define TEST_ASSERT_EACH_EQUAL_PTR(expected, actual, count)                                                       \
  sealring_unity_each(SEALRING_UNITY_PTR, SEALRING_UNITY_ADDRESS(expected), SEALRING_UNITY_DATA(actual), (count), \
                      NULL, __LINE__)
#define TEST_ASSERT_EACH_EQUAL_PTR_MESSAGE(expected, actual, count, message)                                      \
  sealring_unity_each(SEALRING_UNITY_PTR, SEALRING_UNITY_ADDRESS(expected), SEALRING_UNITY_DATA(actual), (count), \
                      (message), __LINE__)
