#include "unity.h"

#include <string.h>

/* A byte queue as it is found in many a UART driver. */
#define CAPACITY 4

static uint8_t bytes[CAPACITY];
static size_t head, used;

static int put(uint8_t byte)
{
    if (used == CAPACITY)
        return 0;
    bytes[(head + used++) % CAPACITY] = byte;
    return 1;
}

static int get(uint8_t *byte)
{
    if (used == 0)
        return 0;
    *byte = bytes[head];
    head = (head + 1) % CAPACITY;
    used--;
    return 1;
}

void setUp(void)
{
    memset(bytes, 0, sizeof bytes);
    head = used = 0;
}

void tearDown(void)
{
}

static void test_empty_queue_gives_nothing(void)
{
    uint8_t byte = 0x5A;
    TEST_ASSERT_FALSE(get(&byte));
    TEST_ASSERT_EQUAL_HEX8(0x5A, byte);
    TEST_ASSERT_EQUAL_size_t(0, used);
}

static void test_bytes_come_out_in_order_across_the_end(void)
{
    const uint8_t expected[] = {2, 3, 4, 5};
    uint8_t actual[4];
    uint8_t byte = 0;
    int i;

    for (i = 1; i <= 4; i++)
        TEST_ASSERT_TRUE_MESSAGE(put((uint8_t)i), "there is room");
    TEST_ASSERT_TRUE(get(&byte));
    TEST_ASSERT_EQUAL_UINT8(1, byte);
    TEST_ASSERT_TRUE(put(5));
    for (i = 0; i < 4; i++)
        TEST_ASSERT(get(&actual[i]));
    TEST_ASSERT_EQUAL_UINT8_ARRAY(expected, actual, 4);
    TEST_ASSERT_EQUAL_MEMORY(expected, actual, sizeof expected);
}

static void test_full_queue_refuses(void)
{
    while (used < CAPACITY)
        TEST_ASSERT_TRUE(put(0xFF));
    TEST_ASSERT_FALSE(put(0));
    TEST_ASSERT_EACH_EQUAL_HEX8(0xFF, bytes, CAPACITY);
    TEST_ASSERT_BITS_HIGH(0xF0, bytes[0]);
    TEST_ASSERT_LESS_OR_EQUAL_size_t(CAPACITY, used);
}

int main(void)
{
    UNITY_BEGIN();
    RUN_TEST(test_empty_queue_gives_nothing);
    RUN_TEST(test_bytes_come_out_in_order_across_the_end);
    RUN_TEST(test_full_queue_refuses);
    return UNITY_END();
}
