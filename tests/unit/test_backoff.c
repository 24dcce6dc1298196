/* Pauses between retries: exponential, bounded, and different. */
#include "client/src/connection/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NS_PER_MS UINT64_C(1000000)

static uint64_t full_ns(uint32_t retry) {
  const uint64_t last_ns = BACKOFF_LAST_MS * NS_PER_MS;
  uint64_t doubled_ns = retry < 11 ? (BACKOFF_FIRST_MS * NS_PER_MS) << retry : last_ns;
  return doubled_ns < last_ns ? doubled_ns : last_ns;
}

static void test_backoff_doubles_up_to_its_bound(void **state) {
  (void)state;
  for (uint32_t retry = 0; retry < 100; retry++) {
    uint64_t least_ns = retry < BACKOFF_SHORT_RETRIES ? full_ns(retry) / 2 : 1;
    for (int i = 0; i < 1000; i++) {
      assert_in_range(backoff_ns(retry), least_ns, full_ns(retry));
    }
  }
  assert_in_range(backoff_ns(UINT32_MAX), 1, BACKOFF_LAST_MS * NS_PER_MS);
}

/* A thousand clients that lost their server together come back over the whole pause. */
static void test_backoff_spreads(void **state) {
  const uint32_t retries[] = {BACKOFF_SHORT_RETRIES, 20};
  (void)state;
  for (size_t i = 0; i < sizeof retries / sizeof *retries; i++) {
    unsigned buckets[10] = {0};
    for (int n = 0; n < 1000; n++) {
      buckets[backoff_ns(retries[i]) * 10 / (full_ns(retries[i]) + 1)]++;
    }
    for (int n = 0; n < 10; n++) {
      assert_in_range(buckets[n], 50, 200);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_backoff_doubles_up_to_its_bound),
      cmocka_unit_test(test_backoff_spreads),
  };
  return cmocka_run_group_tests_name("unit.backoff", tests, NULL, NULL);
}
