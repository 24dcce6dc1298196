/* Much to read at once: however much it is together, each call that keeps its own limits ends, also
 * when links are lost meanwhile. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "tests/integration/world.h"

#define MB 1000000
#define THREADS_MAX 8
#define CUTS 4
#define CUT_EVERY_MS 40
#define DESCRIPTORS_MAX 256
#define CALL_TIMEOUT_MS 60000

/* ---- lost links */

/* Every link of this process: nothing else of it is a connected socket. */
static void cut_all(void) {
  for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0) {
      shutdown(fd, SHUT_RDWR);
    }
  }
}

static atomic_bool is_over;
static hf_conn *conn; /* with time for all of it on a busy machine */

static void *cut_some(void *unused) {
  (void)unused;
  for (int i = 0; i < CUTS && !atomic_load(&is_over); i++) {
    sleep_ms(CUT_EVERY_MS);
    cut_all();
  }
  return NULL;
}

/* Runs it on an undisturbed link, and on one that is cut a few times. */
static void run_twice(void (*run)(void)) {
  pthread_t cutter;
  conn = connect_again(CALL_TIMEOUT_MS);
  run();
  atomic_store(&is_over, false);
  assert_int_equal(pthread_create(&cutter, NULL, cut_some, NULL), 0);
  run();
  atomic_store(&is_over, true);
  pthread_join(cutter, NULL);
  hf_close(conn);
}

/* ---- values */

/* Text of that length, of one letter. */
static hf_value text_of(char letter, size_t len) {
  static char text[16 * MB];
  assert_true(len <= sizeof text);
  memset(text, letter, len);
  return hf_text_n(text, len);
}

static bool is_text_of(const hf_value *value, char letter, size_t len) {
  return value->type == HF_TYPE_TEXT && value->size == len && value->text[0] == letter &&
         value->text[len - 1] == letter;
}

/* ---- pipelines */

static void get_in_a_pipeline(void) {
  enum { COUNT = 16, BYTES = 5 * MB };
  hf_value values[COUNT] = {{0}};
  hf_dict *dict;
  expect_ok(hf_dict_open(conn, NULL, &dict));
  expect_ok(hf_dict_set(dict, hf_int(1), text_of('p', BYTES)));
  expect_ok(hf_pipeline_begin(conn, 0));
  for (int i = 0; i < COUNT; i++) {
    expect_ok(hf_dict_get(dict, hf_int(1), &values[i]));
  }
  expect_ok(hf_pipeline_end(conn, NULL));
  for (int i = 0; i < COUNT; i++) {
    assert_true(is_text_of(&values[i], 'p', BYTES));
    hf_value_clear(&values[i]);
  }
  hf_dict_close(dict);
}

static void test_large_gets_in_a_pipeline_end(void **state) {
  (void)state;
  run_twice(get_in_a_pipeline);
}

/* Both ways are full at the same time. */
static void set_and_get_in_a_pipeline(void) {
  enum { COUNT = 8, BYTES = 5 * MB };
  hf_value values[COUNT] = {{0}};
  hf_dict *dict;
  expect_ok(hf_dict_open(conn, NULL, &dict));
  expect_ok(hf_pipeline_begin(conn, 0));
  for (int i = 0; i < COUNT; i++) {
    expect_ok(hf_dict_set(dict, hf_int(i), text_of((char)('a' + i), BYTES)));
    expect_ok(hf_dict_get(dict, hf_int(i), &values[i]));
  }
  expect_ok(hf_pipeline_end(conn, NULL));
  for (int i = 0; i < COUNT; i++) {
    assert_true(is_text_of(&values[i], (char)('a' + i), BYTES));
    hf_value_clear(&values[i]);
  }
  hf_dict_close(dict);
}

static void test_large_sets_and_gets_in_a_pipeline_end(void **state) {
  (void)state;
  run_twice(set_and_get_in_a_pipeline);
}

/* Replies of many values, which are encoded in parts otherwise than one long value. */
static void copy_in_a_pipeline(void) {
  enum { COUNT = 12, ITEMS = 300, BYTES = 40000 };
  hf_value *copies[COUNT];
  size_t lens[COUNT];
  hf_list *list;
  expect_ok(hf_list_open(conn, NULL, &list));
  for (int i = 0; i < ITEMS; i++) {
    expect_ok(hf_list_append(list, text_of((char)('a' + i % 26), BYTES)));
  }
  expect_ok(hf_pipeline_begin(conn, 0));
  for (int i = 0; i < COUNT; i++) {
    expect_ok(hf_list_copy(list, &copies[i], &lens[i]));
  }
  expect_ok(hf_pipeline_end(conn, NULL));
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(lens[i], ITEMS);
    for (int j = 0; j < ITEMS; j++) {
      assert_true(is_text_of(&copies[i][j], (char)('a' + j % 26), BYTES));
    }
    hf_values_free(copies[i], lens[i]);
  }
  hf_list_close(list);
}

static void test_large_copies_in_a_pipeline_end(void **state) {
  (void)state;
  run_twice(copy_in_a_pipeline);
}

/* ---- threads */

/* Runs `work` in that many threads. Each answers how often it failed. */
static void run_threads(int count, void *(*work)(void *), void *argument) {
  pthread_t threads[THREADS_MAX];
  uintptr_t failed_count = 0;
  for (int i = 0; i < count; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, work, argument), 0);
  }
  for (int i = 0; i < count; i++) {
    void *failed;
    pthread_join(threads[i], &failed);
    failed_count += (uintptr_t)failed;
  }
  assert_int_equal(failed_count, 0);
}

#define LARGEST (16 * MB)

static void *get_often(void *argument) {
  uintptr_t failed = 0;
  for (int i = 0; i < 2; i++) {
    hf_value value = hf_none();
    hf_status status = hf_dict_get(argument, hf_int(1), &value);
    if (status != HF_OK) {
      print_error("get: %s\n", hf_last_error()->message);
    }
    failed += status != HF_OK || !is_text_of(&value, 't', LARGEST);
    hf_value_clear(&value);
  }
  return (void *)failed;
}

static void get_in_threads(void) {
  hf_dict *dict;
  expect_ok(hf_dict_open(conn, NULL, &dict));
  expect_ok(hf_dict_set(dict, hf_int(1), text_of('t', LARGEST)));
  run_threads(THREADS_MAX, get_often, dict);
  hf_dict_close(dict);
}

static void test_large_gets_of_many_threads_end(void **state) {
  (void)state;
  run_twice(get_in_threads);
}

/* A transaction's results: one reply of three values. */
static void *get_at_once(void *argument) {
  hf_dict *dict = argument;
  hf_value values[3] = {{0}};
  uintptr_t failed = hf_transaction_begin(conn) != HF_OK;
  for (int i = 0; i < 3; i++) {
    failed += hf_dict_get(dict, hf_int(2), &values[i]) != HF_OK;
  }
  failed += hf_transaction_commit(conn, 0, NULL) != HF_OK;
  if (failed > 0) {
    print_error("transaction: %s\n", hf_last_error()->message);
  }
  for (int i = 0; i < 3; i++) {
    failed += !is_text_of(&values[i], 'x', 5 * MB);
    hf_value_clear(&values[i]);
  }
  return (void *)failed;
}

static void get_in_transactions(void) {
  hf_dict *dict;
  expect_ok(hf_dict_open(conn, NULL, &dict));
  expect_ok(hf_dict_set(dict, hf_int(2), text_of('x', 5 * MB)));
  run_threads(THREADS_MAX / 2, get_at_once, dict);
  hf_dict_close(dict);
}

static void test_large_results_of_transactions_end(void **state) {
  (void)state;
  run_twice(get_in_transactions);
}

/* ---- waiters */

static void *get_one(void *argument) {
  hf_value item = hf_none();
  hf_status status = hf_queue_get(argument, HF_FOREVER, &item);
  if (status != HF_OK) {
    print_error("queue get: %s\n", hf_last_error()->message);
  }
  uintptr_t failed = status != HF_OK || !is_text_of(&item, 'q', LARGEST);
  hf_value_clear(&item);
  return (void *)failed;
}

static void *put_all(void *argument) {
  hf_queue *queue = argument;
  uintptr_t failed = 0;
  for (int i = 0; i < THREADS_MAX; i++) {
    failed += hf_queue_put(queue, text_of('q', LARGEST), HF_FOREVER) != HF_OK;
  }
  return (void *)failed;
}

/* Items for many waiters of one connection: another connection wakes them, and does not wait for
 * them. */
static void consume_in_threads(void) {
  pthread_t consumers[THREADS_MAX];
  hf_conn *producing = connect_again(CALL_TIMEOUT_MS);
  hf_queue *queue, *items;
  expect_ok(hf_queue_open(conn, "large items", 0, &items));
  expect_ok(hf_queue_open(producing, "large items", 0, &queue));
  for (int i = 0; i < THREADS_MAX; i++) {
    assert_int_equal(pthread_create(&consumers[i], NULL, get_one, items), 0);
  }
  run_threads(1, put_all, queue);
  for (int i = 0; i < THREADS_MAX; i++) {
    void *failed;
    pthread_join(consumers[i], &failed);
    assert_int_equal((uintptr_t)failed, 0);
  }
  expect_ok(hf_object_delete(HF_AS_OBJECT(items)));
  hf_queue_close(queue);
  hf_queue_close(items);
  hf_close(producing);
}

static void test_large_items_for_many_waiters_end(void **state) {
  (void)state;
  run_twice(consume_in_threads);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_large_gets_in_a_pipeline_end),
    cmocka_unit_test(test_large_sets_and_gets_in_a_pipeline_end),
    cmocka_unit_test(test_large_copies_in_a_pipeline_end),
    cmocka_unit_test(test_large_gets_of_many_threads_end),
    cmocka_unit_test(test_large_results_of_transactions_end),
    cmocka_unit_test(test_large_items_for_many_waiters_end),
};

WORLD_MAIN("large", tests)
