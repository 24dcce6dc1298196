/* Threads that are cancelled, and threads with little stack. */
#include <limits.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/integration/every_call.h"
#include "tests/integration/world.h"

/* What glibc demands, and all that a call may need; the sanitizers' own frames are larger. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK_BYTES = 256 << 10, TLS_STACK_BYTES = 256 << 10 };
#else
enum { STACK_BYTES = 16 << 10, TLS_STACK_BYTES = 64 << 10 };
#endif

static void *call_all(void *unused) {
  (void)unused;
  return (void *)(uintptr_t)every_call(world.url);
}

static void expect_none_failed(void *result) {
  if (result != NULL) {
    print_error("%s: %s\n", (const char *)result, hf_last_error()->message);
  }
  assert_null(result);
}

static void test_threads_with_little_stack_make_every_call(void **state) {
  pthread_attr_t attributes;
  pthread_t thread;
  void *failed;
  (void)state;
  pthread_attr_init(&attributes);
  bool is_tls = strcmp(world.path, "tls") == 0;
  assert_int_equal(pthread_attr_setstacksize(&attributes, is_tls ? TLS_STACK_BYTES : STACK_BYTES),
                   0);
  assert_int_equal(pthread_create(&thread, &attributes, call_all, NULL), 0);
  pthread_join(thread, &failed);
  expect_none_failed(failed);
  pthread_attr_destroy(&attributes);
}

static void *call_all_cancelled(void *failed) {
  pthread_cancel(pthread_self());
  *(const char **)failed = every_call(world.url);
  pthread_testcancel();
  return failed;
}

static void test_threads_that_are_cancelled_finish_every_call(void **state) {
  const char *failed = "the thread ended in a call";
  pthread_t thread;
  void *result;
  (void)state;
  assert_int_equal(pthread_create(&thread, NULL, call_all_cancelled, &failed), 0);
  pthread_join(thread, &result);
  assert_ptr_equal(result, PTHREAD_CANCELED);
  expect_none_failed((void *)(uintptr_t)failed);
}

static void *get_item(void *queue) {
  hf_value value;
  return hf_queue_get(queue, HF_FOREVER, &value) == HF_OK ? NULL : queue;
}

/* One drives the connection, the others sleep. */
static void test_threads_cancelled_while_they_wait_leave_the_connection_whole(void **state) {
  enum { THREADS = 4 };
  pthread_t threads[THREADS];
  hf_queue *queue;
  (void)state;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, get_item, queue), 0);
  }
  await_waiting(THREADS);
  for (int i = 0; i < THREADS; i++) {
    pthread_cancel(threads[i]);
  }
  for (int i = 0; i < THREADS; i++) {
    expect_ok(hf_queue_put(queue, hf_int(i), 1000));
  }
  for (int i = 0; i < THREADS; i++) {
    void *result;
    pthread_join(threads[i], &result);
    assert_null(result);
  }
  hf_queue_close(queue);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_threads_cancelled_while_they_wait_leave_the_connection_whole),
    cmocka_unit_test(test_threads_that_are_cancelled_finish_every_call),
    cmocka_unit_test(test_threads_with_little_stack_make_every_call),
};

WORLD_MAIN("strange_threads", tests)
