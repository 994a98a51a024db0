// What runs around a test, in which order, however the test ends; printed as lines that unity_test.py knows.
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "unity.h"

static std::string setup_fails, teardown_fails;

static void say(const char *what) { std::puts(what); }

struct Guard {
    ~Guard() { say("destructor"); }
};

void setUp()
{
    say("setUp");
    if (!setup_fails.empty()) TEST_FAIL_MESSAGE(setup_fails.c_str());
}

void tearDown()
{
    say("tearDown");
    TEST_ASSERT_EQUAL(1, 1); // a good assertion after a failed one: what follows still runs
    if (!teardown_fails.empty()) TEST_FAIL_MESSAGE(teardown_fails.c_str());
    say("tearDown done");
}

static void test_good() { say("good"); }
static void test_bad() { Guard guard; say("bad"); TEST_ASSERT_TRUE(false); say("NEVER"); }
static void test_ignored() { Guard guard; TEST_IGNORE_MESSAGE("later"); say("NEVER"); }
static void test_passed() { TEST_PASS_MESSAGE("enough"); say("NEVER"); }
static void test_throws() { throw std::runtime_error("full"); }
static void test_throws_int() { throw 1; }
static void test_swallows()
{
    try {
        TEST_FAIL_MESSAGE("swallowed");
    } catch (...) {
        say("caught");
    }
}

// Through a frame of the C library.
static int compare(const void *, const void *) { TEST_FAIL_MESSAGE("in qsort"); return 0; }
static void test_through_c() { int two[] = {2, 1}; std::qsort(two, 2, sizeof two[0], compare); say("NEVER"); }

int main()
{
    UNITY_BEGIN();
    RUN_TEST(test_good);
    RUN_TEST(test_bad);
    RUN_TEST(test_ignored);
    RUN_TEST(test_passed);
    RUN_TEST(test_throws);
    RUN_TEST(test_throws_int);
    RUN_TEST(test_swallows);
    RUN_TEST(test_through_c);
    setup_fails = "no setup";
    RUN_TEST(test_good);
    setup_fails.clear();
    teardown_fails = "no teardown";
    RUN_TEST(test_good);
    RUN_TEST(test_bad);
    RUN_TEST(test_ignored);
    return UNITY_END();
}
