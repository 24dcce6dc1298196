/* Namespaces through the client library. */
#include "tests/integration/world.h"

static void test_namespace_attributes_are_set_got_listed_and_deleted(void **state) {
  hf_namespace *ns;
  hf_value value, *names;
  size_t count;
  (void)state;
  expect_ok(hf_namespace_open(world.conn, NULL, &ns));
  expect_ok(hf_namespace_set(ns, "x", hf_int(1)));
  expect_ok(hf_namespace_set(ns, "y", hf_text("two")));
  expect_ok(hf_namespace_set(ns, "x", hf_float(1.5)));
  expect_ok(hf_namespace_get(ns, "x", &value));
  expect_equal(value, hf_float(1.5));
  expect_ok(hf_namespace_list(ns, &names, &count));
  assert_int_equal(count, 2);
  assert_string_equal(names[0].text, "x");
  assert_string_equal(names[1].text, "y");
  hf_values_free(names, count);
  expect_ok(hf_namespace_delete(ns, "x"));
  expect_fails(hf_namespace_get(ns, "x", &value), NOT_FOUND, NO_SUCH_ATTRIBUTE);
  expect_fails(hf_namespace_delete(ns, "x"), NOT_FOUND, NO_SUCH_ATTRIBUTE);
  hf_namespace_close(ns);
}

static void test_namespace_bad_attribute_names_are_refused(void **state) {
  hf_namespace *ns;
  char long_name[300];
  (void)state;
  memset(long_name, 'a', sizeof long_name);
  long_name[sizeof long_name - 1] = '\0';
  expect_ok(hf_namespace_open(world.conn, NULL, &ns));
  expect_fails(hf_namespace_set(ns, "", hf_none()), INVALID_ARGUMENT, BAD_NAME);
  expect_fails(hf_namespace_set(ns, long_name, hf_none()), INVALID_ARGUMENT, BAD_NAME);
  hf_namespace_close(ns);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_namespace_attributes_are_set_got_listed_and_deleted),
    cmocka_unit_test(test_namespace_bad_attribute_names_are_refused),
};

WORLD_MAIN("namespace", tests)
