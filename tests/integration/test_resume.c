/* Lost connections: calls go on over the next one, and everything happens once.
 *
 * The connections are cut from within: every socket of this process is shut down under the library.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/integration/world.h"

#define DESCRIPTORS_MAX 64

static void cut_all_links(void) {
  for (int fd = 3; fd < DESCRIPTORS_MAX; fd++) {
    /* ENOTSOCK for the others. The bare call, because thread sanitizers know which thread opened the
     * socket. */
    syscall(SYS_shutdown, fd, SHUT_RDWR);
  }
}

#define PAUSE_MS_MIN 15
#define PAUSE_MS_MAX 960

struct cutter {
  pthread_t thread;
  atomic_bool stop;
  atomic_uint calls; /* that returned */
  int cut_count;
};

/* The pause doubles while no call returns: a handshake may take longer than one pause, and the server
 * delays the handshakes of an address whose handshakes fail. */
static void *cut_until_stopped(void *argument) {
  struct cutter *cutter = argument;
  long pause_ms = PAUSE_MS_MIN;
  while (!cutter->stop) {
    unsigned before = cutter->calls;
    sleep_ms(pause_ms);
    cut_all_links();
    cutter->cut_count++;
    bool gets_on = cutter->calls != before;
    pause_ms = gets_on ? PAUSE_MS_MIN : pause_ms < PAUSE_MS_MAX ? pause_ms * 2 : pause_ms;
  }
  return NULL;
}

static void cutter_start(struct cutter *cutter) {
  atomic_init(&cutter->stop, false);
  atomic_init(&cutter->calls, 0);
  cutter->cut_count = 0;
  assert_int_equal(pthread_create(&cutter->thread, NULL, cut_until_stopped, cutter), 0);
}

static void cutter_stop(struct cutter *cutter) {
  cutter->stop = true;
  pthread_join(cutter->thread, NULL);
}

static void test_resume_idle_connection_is_made_again(void **state) {
  hf_dict *dict;
  hf_value value;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  expect_ok(hf_dict_set(dict, hf_int(1), hf_text("kept")));
  for (int i = 0; i < 20; i++) {
    cut_all_links();
    expect_ok(hf_dict_get(dict, hf_int(1), &value));
    expect_equal(value, hf_text("kept"));
  }
  hf_dict_close(dict);
}

static void *get_one(void *argument) {
  hf_value value;
  return (void *)(intptr_t)(hf_queue_get(argument, HF_FOREVER, &value) == HF_OK ? value.integer
                                                                                : -1);
}

static void test_resume_parked_get_keeps_its_place(void **state) {
  hf_queue *queue;
  pthread_t thread;
  void *got;
  (void)state;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  assert_int_equal(pthread_create(&thread, NULL, get_one, queue), 0);
  await_waiting(1);
  cut_all_links();
  sleep_ms(50);
  expect_ok(hf_queue_put(queue, hf_int(7), 0));
  pthread_join(thread, &got);
  assert_int_equal((intptr_t)got, 7);
  hf_queue_close(queue);
}

static void test_resume_owned_lock_stays_owned(void **state) {
  hf_conn *conn = connect_again(0);
  hf_lock *lock, *same;
  (void)state;
  expect_ok(hf_lock_open(world.conn, "over cuts", &lock));
  expect_ok(hf_lock_open(conn, "over cuts", &same));
  expect_ok(hf_lock_acquire(lock, 0, NULL));
  cut_all_links();
  expect_fails(hf_lock_acquire(same, 50, NULL), DEADLINE_EXCEEDED, LOCK_HELD);
  expect_ok(hf_lock_release(lock));
  hf_lock_close(same);
  hf_lock_close(lock);
  hf_close(conn);
  expect_ok(hf_delete(world.conn, "over cuts"));
}

static void test_resume_each_add_happens_once(void **state) {
  enum { ROUNDS = 40, CALLS = 2000 };
  struct cutter cutter;
  hf_dict *dict;
  hf_value value;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  cutter_start(&cutter);
  for (int round = 0; round < ROUNDS; round++) {
    expect_ok(hf_pipeline_begin(world.conn, 100));
    for (int i = 0; i < CALLS; i++) {
      expect_ok(hf_dict_add(dict, hf_text("n"), hf_int(1), NULL));
      cutter.calls++;
    }
    expect_ok(hf_pipeline_end(world.conn, NULL));
    expect_ok(hf_dict_add(dict, hf_text("n"), hf_int(1), &value));
    expect_equal(value, hf_int((round + 1) * (CALLS + 1)));
  }
  cutter_stop(&cutter);
  assert_true(cutter.cut_count > 3);
  hf_dict_close(dict);
}

static void test_resume_each_one_way_append_happens_once_in_order(void **state) {
  enum { COUNT = 300000 };
  struct hf_flush_result result;
  struct cutter cutter;
  hf_list *list;
  hf_value *values;
  size_t count;
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  cutter_start(&cutter);
  expect_ok(hf_oneway_begin(world.conn));
  for (int i = 0; i < COUNT; i++) {
    expect_ok(hf_list_append(list, hf_int(i)));
    cutter.calls++;
  }
  expect_ok(hf_oneway_end(world.conn));
  expect_ok(hf_flush(world.conn, 60000, &result));
  cutter_stop(&cutter);
  assert_int_equal(result.sent, COUNT);
  assert_int_equal(result.failed, 0);
  expect_ok(hf_list_copy(list, &values, &count));
  assert_int_equal(count, COUNT);
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(values[i].integer, i);
  }
  hf_values_free(values, count);
  hf_list_close(list);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_resume_idle_connection_is_made_again),
    cmocka_unit_test(test_resume_parked_get_keeps_its_place),
    cmocka_unit_test(test_resume_owned_lock_stays_owned),
    cmocka_unit_test(test_resume_each_add_happens_once),
    cmocka_unit_test(test_resume_each_one_way_append_happens_once_in_order),
};

WORLD_MAIN("resume", tests)
