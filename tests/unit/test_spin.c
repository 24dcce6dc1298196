/* How long the rings' thread goes round without traffic. Times in nanoseconds. */
#include "server/transport/spin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SPAN_MAX 50000
#define SPAN_MIN 4000

static struct spin spin;
static uint64_t now;

static int setup(void **state) {
  (void)state;
  spin = (struct spin){.span_ns = SPAN_MAX, .span_ns_max = SPAN_MAX};
  now = 1000000000;
  return 0;
}

static void pass(uint64_t ns) {
  now += ns;
}

static void request(void) {
  spin_record_traffic(&spin, now);
}

static void press(void) {
  request();
  pass(1000);
  request();
}

/* Goes round until it may sleep. Answers how long that was, to a microsecond. */
static uint64_t wait_in_vain(void) {
  uint64_t began = now;
  while (spin_goes_on(&spin, now)) {
    pass(1000);
  }
  spin_end(&spin);
  return now - began;
}

static void test_spin_ends_at_once_after_a_lone_request(void **state) {
  (void)state;
  request();
  assert_int_equal(wait_in_vain(), 0);
  pass(1000000);
  request();
  assert_int_equal(wait_in_vain(), 0);
}

static void test_spin_is_halved_in_vain_and_doubled_when_it_pays(void **state) {
  (void)state;
  for (uint64_t span = SPAN_MAX; span > 1000; span /= 2) {
    press();
    assert_in_range(wait_in_vain(), span, span + 999);
    pass(1000000);
  }
  spin.span_ns = SPAN_MIN;
  for (uint64_t span = 2 * SPAN_MIN; span < SPAN_MAX; span *= 2) {
    press();
    assert_true(spin_goes_on(&spin, now));
    pass(1000);
    request();
    assert_int_equal(spin.span_ns, span);
  }
}

static void test_spin_waits_a_little_for_who_is_awake(void **state) {
  (void)state;
  spin.span_ns = 0;
  press();
  assert_int_equal(wait_in_vain(), 0);
  press();
  spin.is_followed = true;
  assert_int_equal(wait_in_vain(), SPAN_MIN);
  press();
  assert_int_equal(wait_in_vain(), 0);
}

static void test_spin_is_never_where_there_is_one_processor(void **state) {
  (void)state;
  spin.span_ns = spin.span_ns_max = 0;
  press();
  spin.is_followed = true;
  assert_int_equal(wait_in_vain(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_spin_ends_at_once_after_a_lone_request, setup),
      cmocka_unit_test_setup(test_spin_is_halved_in_vain_and_doubled_when_it_pays, setup),
      cmocka_unit_test_setup(test_spin_waits_a_little_for_who_is_awake, setup),
      cmocka_unit_test_setup(test_spin_is_never_where_there_is_one_processor, setup),
  };
  return cmocka_run_group_tests_name("unit.spin", tests, NULL, NULL);
}
