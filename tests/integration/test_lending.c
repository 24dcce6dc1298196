/* Work on large objects, beside everybody else's. */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/integration/world.h"

/* With time for a sort in a sanitized build on a busy machine. */
#define CALL_TIMEOUT_MS 60000

/* So many falling numbers, over and over. */
static hf_list *make_list(hf_conn *conn, const char *name, int64_t count) {
  enum { PERIOD = 1024 };
  hf_value values[PERIOD];
  hf_list *list;
  for (int64_t i = 0; i < PERIOD; i++) {
    values[i] = hf_int(PERIOD - i);
  }
  expect_ok(hf_list_open(conn, name, &list));
  expect_ok(hf_list_extend(list, values, PERIOD));
  expect_ok(hf_list_repeat_in_place(list, count / PERIOD));
  return list;
}

struct sorter {
  hf_list *list;
  hf_status status;
  atomic_bool is_done;
};

static void *sort(void *argument) {
  struct sorter *sorter = argument;
  sorter->status = hf_list_sort(sorter->list, false);
  atomic_store(&sorter->is_done, true);
  return NULL;
}

static void test_lending_lets_others_go_on_while_a_list_is_sorted(void **state) {
  const int64_t count = 1 << 21;
  hf_conn *other = connect_again(CALL_TIMEOUT_MS);
  struct sorter sorter = {.list = make_list(other, "long", count)};
  unsigned calls = 0;
  pthread_t thread;
  hf_dict *dict;
  hf_list *list;
  hf_value value;
  uint64_t len;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  expect_ok(hf_list_open(world.conn, "long", &list));
  assert_int_equal(pthread_create(&thread, NULL, sort, &sorter), 0);
  while (!atomic_load(&sorter.is_done)) {
    expect_ok(hf_dict_set(dict, hf_int(1), hf_int(calls)));
    calls += !atomic_load(&sorter.is_done);
  }
  pthread_join(thread, NULL);
  assert_int_equal(sorter.status, HF_OK);
  assert_true(calls >= 20); /* one or two when they wait for it */
  expect_ok(hf_list_len(list, &len));
  assert_int_equal(len, count);
  expect_ok(hf_list_get(list, count / 2, &value));
  expect_equal(value, hf_int(513));
  expect_ok(hf_delete(world.conn, "long"));
  hf_list_close(list);
  hf_list_close(sorter.list);
  hf_dict_close(dict);
  hf_close(other);
}

static void *read_len(void *argument) {
  hf_list *list = argument;
  uint64_t len = 0;
  return hf_list_len(list, &len) == HF_OK ? (void *)(uintptr_t)len : NULL;
}

/* Several clients want it at once: each gets it in the end. */
static void test_lending_serves_all_who_want_the_same_list(void **state) {
  enum { READERS = 4 };
  const int64_t count = 1 << 18;
  hf_conn *other = connect_again(CALL_TIMEOUT_MS);
  struct sorter sorter = {.list = make_list(other, "long", count)};
  hf_list *list;
  pthread_t thread, readers[READERS];
  (void)state;
  expect_ok(hf_list_open(world.conn, "long", &list));
  assert_int_equal(pthread_create(&thread, NULL, sort, &sorter), 0);
  for (int i = 0; i < READERS; i++) {
    assert_int_equal(pthread_create(&readers[i], NULL, read_len, list), 0);
  }
  expect_ok(hf_list_reverse(list));
  for (int i = 0; i < READERS; i++) {
    void *len;
    pthread_join(readers[i], &len);
    assert_int_equal((uintptr_t)len, count);
  }
  pthread_join(thread, NULL);
  assert_int_equal(sorter.status, HF_OK);
  expect_ok(hf_delete(world.conn, "long"));
  hf_list_close(list);
  hf_list_close(sorter.list);
  hf_close(other);
}

/* daemon_stop fails the test after 5 s, which is less than this takes to be sorted. */
static void test_lending_does_not_keep_the_server_from_stopping(void **state) {
  struct daemon daemon;
  struct sorter sorter = {.is_done = false};
  pthread_t thread;
  const struct hf_options options = {.call_timeout_ms = CALL_TIMEOUT_MS};
  hf_conn *conn;
  (void)state;
  daemon_start(&daemon, NULL);
  expect_ok(hf_connect(daemon.tcp_url, &options, &conn));
  sorter.list = make_list(conn, "long", 1 << 24);
  assert_int_equal(pthread_create(&thread, NULL, sort, &sorter), 0);
  sleep_ms(100);
  daemon_stop(&daemon);
  pthread_join(thread, NULL);
  assert_int_equal(sorter.status, HF_UNAVAILABLE);
  hf_list_close(sorter.list);
  hf_close(conn);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_lending_lets_others_go_on_while_a_list_is_sorted),
    cmocka_unit_test(test_lending_serves_all_who_want_the_same_list),
    cmocka_unit_test(test_lending_does_not_keep_the_server_from_stopping),
};

WORLD_MAIN("lending", tests)
