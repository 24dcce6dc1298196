#include "proto/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_status_names_are_the_canonical_ones(void **state) {
  (void)state;
  assert_string_equal(hf_status_name(HF_OK), "OK");
  assert_string_equal(hf_status_name(HF_NOT_FOUND), "NOT_FOUND");
  assert_string_equal(hf_status_name(HF_UNAUTHENTICATED), "UNAUTHENTICATED");
  assert_string_equal(hf_status_name((hf_status)17), "UNKNOWN");
  assert_string_equal(hf_status_name((hf_status)-1), "UNKNOWN");
}

static void test_status_every_reason_is_found_by_its_name(void **state) {
  (void)state;
  for (int i = 1; i < HF_REASON_COUNT; i++) {
    const char *name = hf_reason_name((hf_reason)i);
    assert_true(strlen(name) > 0);
    assert_int_equal(hf_reason_find(name, strlen(name)), i);
    assert_int_not_equal(hf_reason_status((hf_reason)i), HF_OK);
    assert_true(strlen(hf_reason_sentence((hf_reason)i)) > 10);
  }
}

static void test_status_reason_none_is_ok_and_empty(void **state) {
  (void)state;
  assert_int_equal(hf_reason_status(HF_REASON_NONE), HF_OK);
  assert_string_equal(hf_reason_name(HF_REASON_NONE), "");
  assert_string_equal(hf_reason_sentence(HF_REASON_NONE), "");
  assert_int_equal(hf_reason_find("", 0), HF_REASON_NONE);
}

static void test_status_unknown_reason_is_none(void **state) {
  (void)state;
  assert_int_equal(hf_reason_find("NO_SUCH_KEYS", 12), HF_REASON_NONE);
  assert_int_equal(hf_reason_find("NO_SUCH_KEYS", 11), HF_REASON_NO_SUCH_KEY);
  assert_int_equal(hf_reason_find("NO_SUCH", 7), HF_REASON_NONE);
  assert_int_equal(hf_reason_status(HF_REASON_COUNT), HF_UNKNOWN);
  assert_string_equal(hf_reason_name(HF_REASON_COUNT), "");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_status_names_are_the_canonical_ones),
      cmocka_unit_test(test_status_every_reason_is_found_by_its_name),
      cmocka_unit_test(test_status_reason_none_is_ok_and_empty),
      cmocka_unit_test(test_status_unknown_reason_is_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
