#include <algorithm>
#include <string>
#include <vector>

#include "unity.h"

static double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    const size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

static void test_odd_count()
{
    TEST_ASSERT_EQUAL_DOUBLE(2.0, median({3.0, 1.0, 2.0}));
}

static void test_even_count()
{
    TEST_ASSERT_DOUBLE_WITHIN(0.001, 2.5, median({4.0, 1.0, 2.0, 3.0}));
    TEST_ASSERT_FLOAT_IS_DETERMINATE(median({1.0, 2.0}));
    TEST_ASSERT_GREATER_THAN_DOUBLE(1.0, median({1.0, 2.0}));
}

static void test_strings_and_pointers()
{
    const std::string unit = "celsius";
    const void *nothing = nullptr;
    TEST_ASSERT_EQUAL_STRING("celsius", unit.c_str());
    TEST_ASSERT_EQUAL_STRING_LEN("cellar", unit.c_str(), 3);
    TEST_ASSERT_NULL(nothing);
    TEST_ASSERT_NOT_NULL(unit.data());
    TEST_ASSERT_EQUAL_PTR(unit.data(), unit.c_str());
    TEST_ASSERT_NOT_EMPTY(unit.c_str());
}

/* C++ lets main go without void, and without return. */
int main(int, char **)
{
    UNITY_BEGIN();
    RUN_TEST(test_odd_count);
    RUN_TEST(test_even_count);
    RUN_TEST(test_strings_and_pointers);
    UNITY_END();
}
