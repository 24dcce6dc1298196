/* Forked children: their own sessions, the parent's handles. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/world.h"

/* Runs work in a child; the child's exit status. */
static int in_child(int (*work)(void *), void *argument) {
  int status;
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    _exit(work(argument));
  }
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int add_ten(void *argument) {
  for (int i = 0; i < 10; i++) {
    if (hf_dict_add(argument, hf_text("n"), hf_int(1), NULL) != HF_OK) {
      return 1;
    }
  }
  hf_close(hf_object_conn(argument));
  return 0;
}

static void test_fork_children_share_the_parents_handles(void **state) {
  hf_dict *dict;
  hf_value value;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  for (int i = 0; i < 5; i++) {
    assert_int_equal(in_child(add_ten, dict), 0);
    expect_ok(hf_dict_add(dict, hf_text("n"), hf_int(1), NULL));
  }
  expect_ok(hf_dict_get(dict, hf_text("n"), &value));
  expect_equal(value, hf_int(55));
  hf_dict_close(dict);
}

static int sessions_are_two(void *argument) {
  struct hf_server_info info;
  uint64_t *before = argument;
  return hf_server_info(world.conn, &info) == HF_OK && info.sessions == *before + 1 ? 0 : 1;
}

static void test_fork_child_has_a_session_of_its_own(void **state) {
  struct hf_server_info info;
  uint64_t sessions;
  (void)state;
  expect_ok(hf_server_info(world.conn, &info));
  sessions = info.sessions;
  assert_int_equal(in_child(sessions_are_two, &sessions), 0);
  expect_ok(hf_ping(world.conn, NULL));
}

static int clear_and_close(void *argument) {
  hf_value_clear(argument);
  return hf_ping(world.conn, NULL) == HF_OK ? 0 : 1;
}

static void test_fork_child_does_not_give_back_what_the_parent_holds(void **state) {
  hf_list *list, *inner;
  hf_object *again;
  hf_value value;
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  expect_ok(hf_list_open(world.conn, NULL, &inner));
  expect_ok(hf_list_append(list, hf_reference(HF_AS_OBJECT(inner))));
  hf_list_close(inner);
  expect_ok(hf_list_pop(list, 0, &value));
  assert_int_equal(in_child(clear_and_close, &value), 0);
  expect_ok(hf_reference_open(world.conn, &value, &again));
  expect_ok(hf_list_append((hf_list *)again, hf_int(1)));
  hf_object_close(again);
  hf_list_close(list);
}

static int open_reference(void *argument) {
  hf_object *list;
  return hf_reference_open(world.conn, argument, &list) == HF_OK &&
                 hf_list_append((hf_list *)list, hf_int(1)) == HF_OK
             ? 0
             : 1;
}

static void test_fork_child_opens_a_reference_the_parent_got(void **state) {
  hf_list *list, *inner;
  hf_value value;
  uint64_t len;
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  expect_ok(hf_list_open(world.conn, NULL, &inner));
  expect_ok(hf_list_append(list, hf_reference(HF_AS_OBJECT(inner))));
  expect_ok(hf_list_get(list, 0, &value));
  assert_int_equal(in_child(open_reference, &value), 0);
  expect_ok(hf_list_len(inner, &len));
  assert_int_equal(len, 1);
  hf_value_clear(&value);
  hf_list_close(inner);
  hf_list_close(list);
}

static int answer_on_pipe(void *argument) {
  hf_value value;
  if (hf_pipe_recv(argument, 5000, &value) != HF_OK) {
    return 1;
  }
  hf_status status = hf_pipe_send(argument, hf_int(value.integer + 1), 0);
  hf_pipe_close(argument);
  return status == HF_OK ? 0 : 2;
}

static void test_fork_child_talks_through_its_pipe_end(void **state) {
  hf_pipe *ends[2];
  hf_value value;
  (void)state;
  expect_ok(hf_pipe_new(world.conn, true, ends));
  expect_ok(hf_pipe_send(ends[0], hf_int(41), 0));
  assert_int_equal(in_child(answer_on_pipe, ends[1]), 0);
  expect_ok(hf_pipe_recv(ends[0], 1000, &value));
  expect_equal(value, hf_int(42));
  hf_pipe_close(ends[0]);
  hf_pipe_close(ends[1]);
}

static int try_lock(void *argument) {
  return hf_lock_acquire(argument, 0, NULL) == HF_DEADLINE_EXCEEDED ? 0 : 1;
}

static void test_fork_parents_lock_stays_the_parents(void **state) {
  hf_lock *lock;
  (void)state;
  expect_ok(hf_rlock_open(world.conn, NULL, &lock));
  expect_ok(hf_lock_acquire(lock, 0, NULL));
  assert_int_equal(in_child(try_lock, lock), 0);
  expect_ok(hf_lock_release(lock));
  hf_lock_close(lock);
}

static void *call_until_stopped(void *argument) {
  atomic_bool *stop = argument;
  while (!*stop && hf_ping(world.conn, NULL) == HF_OK) {
  }
  return NULL;
}

static int ping(void *argument) {
  (void)argument;
  return hf_ping(world.conn, NULL) == HF_OK ? 0 : 1;
}

static void test_fork_while_other_threads_call(void **state) {
  pthread_t threads[2];
  atomic_bool stop = false;
  (void)state;
  for (int i = 0; i < 2; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, call_until_stopped, &stop), 0);
  }
  for (int i = 0; i < 20; i++) {
    assert_int_equal(in_child(ping, NULL), 0);
  }
  stop = true;
  for (int i = 0; i < 2; i++) {
    pthread_join(threads[i], NULL);
  }
  expect_ok(hf_ping(world.conn, NULL));
}

static int push_own(void *argument) {
  struct hf_flush_result result;
  if (hf_oneway_end(world.conn) != HF_OK || hf_oneway_begin(world.conn) != HF_OK ||
      hf_list_append(argument, hf_int(2)) != HF_OK || hf_oneway_end(world.conn) != HF_OK) {
    return 1;
  }
  return hf_flush(world.conn, 5000, &result) == HF_OK && result.sent == 1 ? 0 : 2;
}

static void test_fork_child_does_not_send_what_the_parent_buffered(void **state) {
  hf_list *list;
  uint64_t len;
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  expect_ok(hf_oneway_begin(world.conn));
  expect_ok(hf_list_append(list, hf_int(1)));
  assert_int_equal(in_child(push_own, list), 0);
  expect_ok(hf_oneway_end(world.conn));
  expect_ok(hf_flush(world.conn, 5000, NULL));
  expect_ok(hf_list_len(list, &len));
  assert_int_equal(len, 2);
  hf_list_close(list);
}

/* In the child the calls go one by one, until it begins a transaction of its own. */
static int commit_own(void *argument) {
  if (hf_list_append(argument, hf_int(2)) != HF_OK ||
      hf_transaction_commit(world.conn, 0, NULL) != HF_FAILED_PRECONDITION ||
      hf_transaction_begin(world.conn) != HF_OK || hf_list_append(argument, hf_int(3)) != HF_OK ||
      hf_transaction_commit(world.conn, 0, NULL) != HF_OK) {
    return 1;
  }
  uint64_t len;
  return hf_list_len(argument, &len) == HF_OK && len == 2 ? 0 : 2;
}

static void test_fork_child_has_not_the_parents_transaction(void **state) {
  hf_list *list;
  uint64_t len;
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(hf_list_append(list, hf_int(1)));
  assert_int_equal(in_child(commit_own, list), 0);
  expect_ok(hf_transaction_commit(world.conn, 0, NULL));
  expect_ok(hf_list_len(list, &len));
  assert_int_equal(len, 3);
  hf_list_close(list);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_fork_children_share_the_parents_handles),
    cmocka_unit_test(test_fork_child_has_a_session_of_its_own),
    cmocka_unit_test(test_fork_child_does_not_give_back_what_the_parent_holds),
    cmocka_unit_test(test_fork_child_opens_a_reference_the_parent_got),
    cmocka_unit_test(test_fork_child_talks_through_its_pipe_end),
    cmocka_unit_test(test_fork_parents_lock_stays_the_parents),
    cmocka_unit_test(test_fork_while_other_threads_call),
    cmocka_unit_test(test_fork_child_does_not_send_what_the_parent_buffered),
    cmocka_unit_test(test_fork_child_has_not_the_parents_transaction),
};

WORLD_MAIN("fork", tests)
