/* Pauses between retries: exponential, bounded, and different. */
#include "client/src/connection/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NS_PER_MS UINT64_C(1000000)

static void test_backoff_doubles_up_to_its_bound(void **state) {
  (void)state;
  for (uint32_t retry = 0; retry < 100; retry++) {
    uint64_t full_ns = BACKOFF_LAST_MS * NS_PER_MS;
    if (retry < 9) {
      full_ns = (BACKOFF_FIRST_MS * NS_PER_MS) << retry;
    }
    full_ns = full_ns < BACKOFF_LAST_MS * NS_PER_MS ? full_ns : BACKOFF_LAST_MS * NS_PER_MS;
    for (int i = 0; i < 1000; i++) {
      assert_in_range(backoff_ns(retry), full_ns / 2, full_ns);
    }
  }
  assert_in_range(backoff_ns(UINT32_MAX), BACKOFF_LAST_MS * NS_PER_MS / 2,
                  BACKOFF_LAST_MS * NS_PER_MS);
}

/* A thousand clients that lost their server together come back over the whole second half. */
static void test_backoff_spreads(void **state) {
  const uint64_t last_ns = BACKOFF_LAST_MS * NS_PER_MS;
  unsigned buckets[10] = {0};
  (void)state;
  for (int i = 0; i < 1000; i++) {
    uint64_t above_ns = backoff_ns(20) - last_ns / 2;
    buckets[above_ns * 10 / (last_ns / 2 + 1)]++;
  }
  for (int i = 0; i < 10; i++) {
    assert_in_range(buckets[i], 50, 200);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_backoff_doubles_up_to_its_bound),
      cmocka_unit_test(test_backoff_spreads),
  };
  return cmocka_run_group_tests_name("unit.backoff", tests, NULL, NULL);
}
