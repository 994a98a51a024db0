/* Mains and tests that would look like success if nobody watched; argv[1] chooses one. */
#include <stdlib.h>
#include <string.h>

#include "unity.h"

static void test_good(void) { TEST_ASSERT_EQUAL(1, 1); }
static void test_bad(void) { TEST_FAIL(); }
static void test_exit(void) { exit(0); }

int main(int argc, char** argv) {
  const char* how = argc > 1 ? argv[1] : "";
  int i;
  if (strcmp(how, "outside") == 0) TEST_FAIL_MESSAGE("not in a test");
  UNITY_BEGIN();
  if (strcmp(how, "nothing") == 0) return UNITY_END();
  RUN_TEST(test_good);
  if (strcmp(how, "good") == 0) return UNITY_END();
  if (strcmp(how, "no-end") == 0) return 0;
  if (strcmp(how, "exit-in-test") == 0) RUN_TEST(test_exit);
  for (i = 0; i < (strcmp(how, "many") == 0 ? 256 : 2); i++) RUN_TEST(test_bad);
  UNITY_END();
  if (strcmp(how, "two-suites") == 0) {
    UNITY_BEGIN();
    RUN_TEST(test_good);
    return UNITY_END();
  }
  if (strcmp(how, "exit-after") == 0) exit(0);
  return 0; /* drops the result */
}
