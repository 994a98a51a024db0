/* Each assertion failing once. The comment at the end of a line is what that line prints; unity_test.py compares. */
#include "unity.h"

#include <math.h>

static const int16_t words[] = {1, 2, -3}, other_words[] = {1, 2, 4};
static const char *names[] = {"one", "two"}, *other_names[] = {"one", "three"}, *same_names[] = {"one"};
static const double reals[] = {1.0, 2.0}, other_reals[] = {1.0, 3.0};
static const float floats[] = {1.0f, 2.0f}, other_floats[] = {1.0f, 3.0f};
static const int16_t *places[] = {words, words}, *same_places[] = {words, words};
static uint8_t line[] = "ok";
static volatile uint8_t port[] = {'o', 'k'};

static void test_true(void) { TEST_ASSERT_TRUE(0); } /*= FAIL: Expected TRUE Was FALSE */
static void test_true_message(void) { TEST_ASSERT_TRUE_MESSAGE(0, "why"); } /*= FAIL: why */
static void test_false(void) { TEST_ASSERT_FALSE(2); } /*= FAIL: Expected FALSE Was TRUE */
static void test_assert(void) { TEST_ASSERT(0); } /*= FAIL: Expression Evaluated To FALSE */
static void test_unless(void) { TEST_ASSERT_UNLESS(1); } /*= FAIL: Expression Evaluated To TRUE */
static void test_null(void) { TEST_ASSERT_NULL(""); } /*= FAIL: Expected NULL */
static void test_not_null(void) { TEST_ASSERT_NOT_NULL((void*)0); } /*= FAIL: Expected Non-NULL */
static void test_empty(void) { TEST_ASSERT_EMPTY("a"); } /*= FAIL: Expected Empty */
static void test_not_empty(void) { TEST_ASSERT_NOT_EMPTY(""); } /*= FAIL: Expected Non-Empty */
static void test_equal(void) { TEST_ASSERT_EQUAL(1, -2); } /*= FAIL: Expected 1 Was -2 */
static void test_equal_message(void)
{
    TEST_ASSERT_EQUAL_INT_MESSAGE(1, 2, "count"); /*@ test_equal_message */
    /*= FAIL: Expected 1 Was 2. count */
}
static void test_not_equal(void) { TEST_ASSERT_NOT_EQUAL(1, 1); } /*= FAIL: Expected Not-Equal */
static void test_int8(void) { TEST_ASSERT_EQUAL_INT8(127, 128); } /*= FAIL: Expected 127 Was -128 */
static void test_int16(void) { TEST_ASSERT_EQUAL_INT16(1, 0x8000); } /*= FAIL: Expected 1 Was -32768 */
static void test_int32(void) { TEST_ASSERT_EQUAL_INT32(0, 0x80000000); } /*= FAIL: Expected 0 Was -2147483648 */
static void test_int64(void) { TEST_ASSERT_EQUAL_INT64(0, INT64_MIN); } /*= FAIL: Expected 0 Was -9223372036854775808 */
static void test_uint8(void) { TEST_ASSERT_EQUAL_UINT8(0, -1); } /*= FAIL: Expected 0 Was 255 */
static void test_uint16(void) { TEST_ASSERT_EQUAL_UINT16(0, -1); } /*= FAIL: Expected 0 Was 65535 */
static void test_uint32(void) { TEST_ASSERT_EQUAL_UINT32(0, -1); } /*= FAIL: Expected 0 Was 4294967295 */
static void test_uint64(void)
{
    TEST_ASSERT_EQUAL_UINT64(0, UINT64_MAX); /*@ test_uint64 */
    /*= FAIL: Expected 0 Was 18446744073709551615 */
}
static void test_uint(void) { TEST_ASSERT_EQUAL_UINT(1, 2); } /*= FAIL: Expected 1 Was 2 */
static void test_size_t(void) { TEST_ASSERT_EQUAL_size_t(3, 4); } /*= FAIL: Expected 3 Was 4 */
static void test_hex8(void) { TEST_ASSERT_EQUAL_HEX8(0x0F, 0xF0); } /*= FAIL: Expected 0x0F Was 0xF0 */
static void test_hex16(void) { TEST_ASSERT_EQUAL_HEX16(1, 0xABCD); } /*= FAIL: Expected 0x0001 Was 0xABCD */
static void test_hex(void) { TEST_ASSERT_EQUAL_HEX(1, 2); } /*= FAIL: Expected 0x00000001 Was 0x00000002 */
static void test_hex64(void)
{
    TEST_ASSERT_EQUAL_HEX64(1, UINT64_MAX); /*@ test_hex64 */
    /*= FAIL: Expected 0x0000000000000001 Was 0xFFFFFFFFFFFFFFFF */
}
static void test_char(void) { TEST_ASSERT_EQUAL_CHAR('a', 'b'); } /*= FAIL: Expected 'a' Was 'b' */
static void test_char_line(void) { TEST_ASSERT_EQUAL_CHAR('a', '\n'); } /*= FAIL: Expected 'a' Was '\n' */
static void test_greater(void) { TEST_ASSERT_GREATER_THAN_INT(5, 5); } /*= FAIL: Expected 5 to be greater than 5 */
static void test_greater_uint(void)
{
    TEST_ASSERT_GREATER_THAN_UINT64(UINT64_MAX, 1); /*@ test_greater_uint */
    /*= FAIL: Expected 1 to be greater than 18446744073709551615 */
}
static void test_less(void) { TEST_ASSERT_LESS_THAN(5, 6); } /*= FAIL: Expected 6 to be less than 5 */
static void test_greater_or_equal(void)
{
    TEST_ASSERT_GREATER_OR_EQUAL_INT8(5, 4); /*@ test_greater_or_equal */
    /*= FAIL: Expected 4 to be greater than or equal to 5 */
}
static void test_less_or_equal(void)
{
    TEST_ASSERT_LESS_OR_EQUAL_HEX8_MESSAGE(5, 6, "m"); /*@ test_less_or_equal */
    /*= FAIL: Expected 0x06 to be less than or equal to 0x05. m */
}
static void test_not_equal_int(void) { TEST_ASSERT_NOT_EQUAL_INT(5, 5); } /*= FAIL: Expected 5 to be not equal to 5 */
static void test_within(void)
{
    TEST_ASSERT_INT_WITHIN(2, 10, 13); /*@ test_within */
    /*= FAIL: Values Not Within Delta 2 Expected 10 Was 13 */
}
static void test_within_far(void)
{
    TEST_ASSERT_INT64_WITHIN(1, INT64_MIN, INT64_MAX); /*@ test_within_far */
    /*= FAIL: Values Not Within Delta 1 Expected -9223372036854775808 Was 9223372036854775807 */
}
static void test_within_uint(void)
{
    TEST_ASSERT_UINT8_WITHIN(1, 0, 255); /*@ test_within_uint */
    /*= FAIL: Values Not Within Delta 1 Expected 0 Was 255 */
}
static void test_array(void)
{
    TEST_ASSERT_EQUAL_INT16_ARRAY(words, other_words, 3); /*@ test_array */
    /*= FAIL: Element 2 Expected -3 Was 4 */
}
static void test_array_within(void)
{
    TEST_ASSERT_INT16_ARRAY_WITHIN(6, words, other_words, 3); /*@ test_array_within */
    /*= FAIL: Values Not Within Delta 6 Element 2 Expected -3 Was 4 */
}
static void test_array_nothing(void)
{
    TEST_ASSERT_EQUAL_INT16_ARRAY(words, other_words, 0); /*@ test_array_nothing */
    /*= FAIL: You Asked Me To Compare Nothing, Which Was Pointless. */
}
static void test_array_null(void)
{
    TEST_ASSERT_EQUAL_INT16_ARRAY(words, NULL, 3); /*@ test_array_null */
    /*= FAIL: Actual pointer was NULL */
}
static void test_array_expected_null(void)
{
    TEST_ASSERT_EQUAL_INT16_ARRAY(NULL, words, 3); /*@ test_array_expected_null */
    /*= FAIL: Expected pointer to be NULL */
}
static void test_each(void) { TEST_ASSERT_EACH_EQUAL_INT16(1, words, 3); } /*= FAIL: Element 1 Expected 1 Was 2 */
static void test_bits(void)
{
    TEST_ASSERT_BITS(0x0F, 0x05, 0x04); /*@ test_bits */
    /*= FAIL: Expected XXXXXXXXXXXXXXXXXXXXXXXXXXXX0101 Was XXXXXXXXXXXXXXXXXXXXXXXXXXXX0100 */
}
static void test_bit_high(void)
{
    TEST_ASSERT_BIT_HIGH(1, 0x01); /*@ test_bit_high */
    /*= FAIL: Expected XXXXXXXXXXXXXXXXXXXXXXXXXXXXXX1X Was XXXXXXXXXXXXXXXXXXXXXXXXXXXXXX0X */
}
static void test_bit_low(void)
{
    TEST_ASSERT_BIT_LOW(0, 0x01); /*@ test_bit_low */
    /*= FAIL: Expected XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX0 Was XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX1 */
}
static void test_string(void) { TEST_ASSERT_EQUAL_STRING("on", "o\tf"); } /*= FAIL: Expected 'on' Was 'o\x09f' */
static void test_string_null(void) { TEST_ASSERT_EQUAL_STRING("on", NULL); } /*= FAIL: Expected 'on' Was NULL */
static void test_string_len(void)
{
    TEST_ASSERT_EQUAL_STRING_LEN("abcd", "abxx", 3); /*@ test_string_len */
    /*= FAIL: Expected 'abc' Was 'abx' */
}
static void test_string_array(void)
{
    TEST_ASSERT_EQUAL_STRING_ARRAY(names, other_names, 2); /*@ test_string_array */
    /*= FAIL: Element 1 Expected 'two' Was 'three' */
}
static void test_each_string(void)
{
    TEST_ASSERT_EACH_EQUAL_STRING("one", names, 2); /*@ test_each_string */
    /*= FAIL: Element 1 Expected 'one' Was 'two' */
}
static void test_memory(void)
{
    TEST_ASSERT_EQUAL_MEMORY("ab", "ac", 2); /*@ test_memory */
    /*= FAIL: Memory Mismatch. Byte 1 Expected 0x62 Was 0x63 */
}
static void test_memory_array(void)
{
    TEST_ASSERT_EQUAL_MEMORY_ARRAY("abcd", "abcx", 2, 2); /*@ test_memory_array */
    /*= FAIL: Memory Mismatch. Element 1 Byte 1 Expected 0x64 Was 0x78 */
}
static void test_each_memory(void)
{
    TEST_ASSERT_EACH_EQUAL_MEMORY("ab", "abax", 2, 2); /*@ test_each_memory */
    /*= FAIL: Memory Mismatch. Element 1 Byte 1 Expected 0x62 Was 0x78 */
}
static void test_pointer_each(void)
{
    TEST_ASSERT_EACH_EQUAL_PTR(words, places, 0); /*@ test_pointer_each */
    /*= FAIL: You Asked Me To Compare Nothing, Which Was Pointless. */
}
static void test_float(void) { TEST_ASSERT_EQUAL_FLOAT(1.5f, 2.5f); } /*= FAIL: Expected 1.5 Was 2.5 */
static void test_float_within(void) { TEST_ASSERT_FLOAT_WITHIN(0.25f, 1.0f, 1.5f); } /*= FAIL: Expected 1 Was 1.5 */
static void test_float_nan(void) { TEST_ASSERT_EQUAL_FLOAT(1.0f, (float)NAN); } /*= FAIL: Expected 1 Was nan */
static void test_float_is_nan(void) { TEST_ASSERT_FLOAT_IS_NAN(1.0f); } /*= FAIL: Expected NaN Was 1 */
static void test_double(void) { TEST_ASSERT_EQUAL_DOUBLE(1.0, 1.00000001); } /*= FAIL: Expected 1 Was 1.00000001 */
static void test_double_not(void)
{
    TEST_ASSERT_DOUBLE_IS_NOT_INF(1e300 * 1e300); /*@ test_double_not */
    /*= FAIL: Expected Not Infinity Was inf */
}
static void test_double_less(void) { TEST_ASSERT_LESS_THAN_DOUBLE(1.0, 1.0); } /*= FAIL: Expected 1 to be less than 1 */
static void test_within_uint64(void)
{
    TEST_ASSERT_UINT64_WITHIN(1, 0, UINT64_MAX); /*@ test_within_uint64 */
    /*= FAIL: Values Not Within Delta 1 Expected 0 Was 18446744073709551615 */
}
static void test_double_neg_inf(void)
{
    TEST_ASSERT_DOUBLE_IS_NEG_INF(INFINITY); /*@ test_double_neg_inf */
    /*= FAIL: Expected Negative Infinity Was inf */
}
static void test_double_inf(void) { TEST_ASSERT_DOUBLE_IS_INF(-INFINITY); } /*= FAIL: Expected Infinity Was -inf */
static void test_double_other_inf(void)
{
    TEST_ASSERT_EQUAL_DOUBLE(INFINITY, -INFINITY); /*@ test_double_other_inf */
    /*= FAIL: Expected inf Was -inf */
}
static void test_double_within_inf(void)
{
    TEST_ASSERT_DOUBLE_WITHIN(INFINITY, 1.0, INFINITY); /*@ test_double_within_inf */
    /*= FAIL: Expected 1 Was inf */
}
static void test_double_greater(void)
{
    TEST_ASSERT_GREATER_OR_EQUAL_DOUBLE(1.0, 0.5); /*@ test_double_greater */
    /*= FAIL: Expected 0.5 to be greater than or equal to 1 */
}
static void test_double_less_or_equal(void)
{
    TEST_ASSERT_LESS_OR_EQUAL_DOUBLE(1.0, NAN); /*@ test_double_less_or_equal */
    /*= FAIL: Expected nan to be less than or equal to 1 */
}
static void test_double_not_equal(void)
{
    TEST_ASSERT_NOT_EQUAL_DOUBLE(1.0, 1.0); /*@ test_double_not_equal */
    /*= FAIL: Expected 1 to be not equal to 1 */
}
static void test_float_array(void)
{
    TEST_ASSERT_EQUAL_FLOAT_ARRAY(floats, other_floats, 2); /*@ test_float_array */
    /*= FAIL: Element 1 Expected 2 Was 3 */
}
static void test_ptr_array(void)
{
    TEST_ASSERT_EQUAL_PTR_ARRAY(places, same_places, 0); /*@ test_ptr_array */
    /*= FAIL: You Asked Me To Compare Nothing, Which Was Pointless. */
}
static void test_double_each(void)
{
    TEST_ASSERT_EACH_EQUAL_DOUBLE(1.0, reals, 2); /*@ test_double_each */
    /*= FAIL: Element 1 Expected 1 Was 2 */
}
static void test_double_array(void)
{
    TEST_ASSERT_EQUAL_DOUBLE_ARRAY(reals, other_reals, 2); /*@ test_double_array */
    /*= FAIL: Element 1 Expected 2 Was 3 */
}
static void test_fail(void) { TEST_FAIL(); } /*= FAIL */
static void test_fail_message(void) { TEST_FAIL_MESSAGE("broken"); } /*= FAIL: broken */
static void test_ignore(void) { TEST_IGNORE(); } /*= IGNORE */
static void test_ignore_message(void) { TEST_IGNORE_MESSAGE("no hardware"); } /*= IGNORE: no hardware */

/* What is equal, at the edges. */
static void test_good(void)
{
    TEST_ASSERT_EQUAL_INT8(-1, 255);
    TEST_ASSERT_EQUAL_HEX8((int8_t)-1, 0xFF);
    TEST_ASSERT_EQUAL_UINT64(UINT64_MAX, -1);
    TEST_ASSERT_GREATER_THAN_UINT64(1, UINT64_MAX);
    TEST_ASSERT_LESS_THAN_INT64(1, -1);
    TEST_ASSERT_UINT64_WITHIN(1, UINT64_MAX - 1, UINT64_MAX);
    TEST_ASSERT_INT_WITHIN(3, 10, 13);
    TEST_ASSERT_GREATER_OR_EQUAL_INT(5, 5);
    TEST_ASSERT_LESS_OR_EQUAL_INT(5, 5);
    TEST_ASSERT_LESS_THAN_CHAR(0, (signed char)-1);
    TEST_ASSERT_GREATER_OR_EQUAL_DOUBLE(1.0, 1.0);
    TEST_ASSERT_LESS_OR_EQUAL_DOUBLE(1.0, 1.0);
    TEST_ASSERT_GREATER_THAN_FLOAT(1.0f, 1.5f);
    TEST_ASSERT_EQUAL_FLOAT_ARRAY(floats, floats, 2);
    TEST_ASSERT_EQUAL_PTR_ARRAY(places, same_places, 1);
    TEST_ASSERT_EQUAL_INT16_ARRAY(words, other_words, 2);
    TEST_ASSERT_INT16_ARRAY_WITHIN(7, words, other_words, 3);
    TEST_ASSERT_EQUAL_STRING(NULL, NULL);
    TEST_ASSERT_EQUAL_STRING_LEN("abc", "abd", 2);
    TEST_ASSERT_EQUAL_PTR(words, &words[0]);
    TEST_ASSERT_EACH_EQUAL_STRING("one", same_names, 1);
    TEST_ASSERT_EACH_EQUAL_PTR(words, places, 2);
    TEST_ASSERT_EQUAL_FLOAT(1.0f, 1.000001f);
    TEST_ASSERT_EQUAL_FLOAT(NAN, NAN);
    TEST_ASSERT_EQUAL_DOUBLE(INFINITY, INFINITY);
    TEST_ASSERT_DOUBLE_IS_NEG_INF(-INFINITY);
    TEST_ASSERT_DOUBLE_IS_NOT_DETERMINATE(NAN);
    TEST_ASSERT_BITS(0xF0, 0x5A, 0x50);
    TEST_ASSERT_EQUAL_MESSAGE(1, 1, NULL);
    TEST_ASSERT_EQUAL_STRING("ok", line);
    TEST_ASSERT_EQUAL_UINT8_ARRAY(line, port, 2);
}
static void test_message(void) { TEST_MESSAGE("by the way"); } /*= INFO: by the way */

int main(void)
{
    UNITY_BEGIN();
    RUN_TEST(test_true);
    RUN_TEST(test_true_message);
    RUN_TEST(test_false);
    RUN_TEST(test_assert);
    RUN_TEST(test_unless);
    RUN_TEST(test_null);
    RUN_TEST(test_not_null);
    RUN_TEST(test_empty);
    RUN_TEST(test_not_empty);
    RUN_TEST(test_equal);
    RUN_TEST(test_equal_message);
    RUN_TEST(test_not_equal);
    RUN_TEST(test_int8);
    RUN_TEST(test_int16);
    RUN_TEST(test_int32);
    RUN_TEST(test_int64);
    RUN_TEST(test_uint8);
    RUN_TEST(test_uint16);
    RUN_TEST(test_uint32);
    RUN_TEST(test_uint64);
    RUN_TEST(test_uint);
    RUN_TEST(test_size_t);
    RUN_TEST(test_hex8);
    RUN_TEST(test_hex16);
    RUN_TEST(test_hex);
    RUN_TEST(test_hex64);
    RUN_TEST(test_char);
    RUN_TEST(test_char_line);
    RUN_TEST(test_greater);
    RUN_TEST(test_greater_uint);
    RUN_TEST(test_less);
    RUN_TEST(test_greater_or_equal);
    RUN_TEST(test_less_or_equal);
    RUN_TEST(test_not_equal_int);
    RUN_TEST(test_within);
    RUN_TEST(test_within_far);
    RUN_TEST(test_within_uint);
    RUN_TEST(test_array);
    RUN_TEST(test_array_within);
    RUN_TEST(test_array_nothing);
    RUN_TEST(test_array_null);
    RUN_TEST(test_array_expected_null);
    RUN_TEST(test_each);
    RUN_TEST(test_bits);
    RUN_TEST(test_bit_high);
    RUN_TEST(test_bit_low);
    RUN_TEST(test_string);
    RUN_TEST(test_string_null);
    RUN_TEST(test_string_len);
    RUN_TEST(test_string_array);
    RUN_TEST(test_each_string);
    RUN_TEST(test_memory);
    RUN_TEST(test_memory_array);
    RUN_TEST(test_each_memory);
    RUN_TEST(test_pointer_each);
    RUN_TEST(test_float);
    RUN_TEST(test_float_within);
    RUN_TEST(test_float_nan);
    RUN_TEST(test_float_is_nan);
    RUN_TEST(test_double);
    RUN_TEST(test_double_not);
    RUN_TEST(test_double_less);
    RUN_TEST(test_within_uint64);
    RUN_TEST(test_double_neg_inf);
    RUN_TEST(test_double_inf);
    RUN_TEST(test_double_other_inf);
    RUN_TEST(test_double_within_inf);
    RUN_TEST(test_double_greater);
    RUN_TEST(test_double_less_or_equal);
    RUN_TEST(test_double_not_equal);
    RUN_TEST(test_float_array);
    RUN_TEST(test_ptr_array);
    RUN_TEST(test_double_each);
    RUN_TEST(test_double_array);
    RUN_TEST(test_fail);
    RUN_TEST(test_fail_message);
    RUN_TEST(test_ignore);
    RUN_TEST(test_ignore_message);
    RUN_TEST(test_good); /*= PASS */
    RUN_TEST(test_message); /*= PASS */
    return UNITY_END();
}
