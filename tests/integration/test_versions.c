/* Programs that were built with another version of the library: structs of other sizes. */
#include "tests/integration/world.h"

/* A newer program's struct: further fields behind those that the library knows. */
struct newer_options {
  struct hf_options known;
  uint64_t further;
};

static void test_versions_options_of_a_newer_program(void **state) {
  struct newer_options options = {.known = {.call_timeout_ms = 5000}};
  hf_conn *conn;
  (void)state;
  expect_ok(hf_connect_sized(world.url, &options.known, sizeof options, &conn));
  hf_close(conn);
  options.further = 1;
  expect_fails(hf_connect_sized(world.url, &options.known, sizeof options, &conn), INVALID_ARGUMENT,
               BAD_ARGUMENT);
}

static void test_versions_options_of_an_older_program(void **state) {
  struct hf_options options = {.call_timeout_ms = 5000, .client = "not to be looked at"};
  hf_conn *conn;
  (void)state;
  memset(&options.client, 0x5a, sizeof options.client);
  expect_ok(hf_connect_sized(world.url, &options, offsetof(struct hf_options, client), &conn));
  hf_close(conn);
}

static void test_versions_put_and_lock_options(void **state) {
  struct {
    struct hf_put_options known;
    uint64_t further;
  } put = {.known = {.priority = 3}, .further = 1};
  struct {
    struct hf_lock_options known;
    uint64_t further;
  } acquire = {.further = 1};
  struct hf_grant grant;
  hf_queue *queue;
  hf_lock *lock;
  (void)state;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  expect_ok(hf_lock_open(world.conn, NULL, &lock));
  expect_fails(hf_queue_put_with_sized(queue, hf_int(1), &put.known, sizeof put, 0),
               INVALID_ARGUMENT, BAD_ARGUMENT);
  expect_fails(hf_lock_acquire_with_sized(lock, &acquire.known, sizeof acquire, 0, &grant),
               INVALID_ARGUMENT, BAD_ARGUMENT);
  put.further = acquire.further = 0;
  expect_ok(hf_queue_put_with_sized(queue, hf_int(1), &put.known, sizeof put, 0));
  expect_ok(hf_lock_acquire_with_sized(lock, &acquire.known, sizeof acquire, 0, &grant));
  hf_lock_close(lock);
  hf_queue_close(queue);
}

static void test_versions_results_fit_the_program(void **state) {
  struct {
    struct hf_object_info known;
    uint64_t further;
  } info = {.further = 7};
  enum { OLDER = offsetof(struct hf_object_info, waiting) };
  hf_array *array;
  (void)state;
  expect_ok(hf_raw_array_open(world.conn, NULL, 'd', 3, NULL, &array));
  expect_ok(hf_object_info_sized(HF_AS_OBJECT(array), &info.known, sizeof info));
  assert_int_equal(info.known.length, 3);
  assert_int_equal(info.further, 0);
  memset(&info, 0x5a, sizeof info);
  expect_ok(hf_object_info_sized(HF_AS_OBJECT(array), &info.known, OLDER));
  assert_int_equal(info.known.typecode, 'd');
  assert_int_equal(info.known.waiting, 0x5a5a5a5a5a5a5a5a);
  hf_array_close(array);
}

/* Each element is as large as the program's. */
static void test_versions_arrays_of_results(void **state) {
  struct newer {
    struct hf_object_info known;
    uint64_t further;
  };
  struct newer_lock {
    struct hf_lock_info known;
    uint64_t further;
  };
  hf_dict *dicts[3];
  hf_lock *locks[2];
  struct hf_object_info *infos;
  struct hf_lock_info *held;
  size_t count;
  char name[] = "versions 0";
  (void)state;
  for (int i = 0; i < 3; i++) {
    name[sizeof name - 2] = (char)('0' + i);
    expect_ok(hf_dict_open(world.conn, name, &dicts[i]));
  }
  expect_ok(hf_list_objects_sized(world.conn, "versions ", HF_DICT, &infos, sizeof(struct newer),
                                  &count));
  assert_int_equal(count, 3);
  for (size_t i = 0; i < count; i++) {
    name[sizeof name - 2] = (char)('0' + i);
    assert_string_equal(((struct newer *)(void *)infos)[i].known.name, name);
    assert_int_equal(((struct newer *)(void *)infos)[i].further, 0);
  }
  free(infos);
  for (int i = 0; i < 2; i++) {
    expect_ok(hf_lock_open(world.conn, NULL, &locks[i]));
    expect_ok(hf_lock_acquire(locks[i], 0, NULL));
  }
  expect_ok(hf_list_locks_sized(world.conn, &held, sizeof(struct newer_lock), &count));
  assert_true(count >= 2);
  for (size_t i = 0; i < count; i++) {
    assert_true(((struct newer_lock *)(void *)held)[i].known.owned);
    assert_int_equal(((struct newer_lock *)(void *)held)[i].further, 0);
  }
  hf_locks_free_sized(held, sizeof(struct newer_lock), count);
  for (int i = 0; i < 2; i++) {
    hf_lock_close(locks[i]);
  }
  for (int i = 0; i < 3; i++) {
    expect_ok(hf_object_delete(HF_AS_OBJECT(dicts[i])));
    hf_dict_close(dicts[i]);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_versions_options_of_a_newer_program),
    cmocka_unit_test(test_versions_options_of_an_older_program),
    cmocka_unit_test(test_versions_put_and_lock_options),
    cmocka_unit_test(test_versions_results_fit_the_program),
    cmocka_unit_test(test_versions_arrays_of_results),
};

WORLD_MAIN("versions", tests)
