/* Dead clients take nothing with them: processes are killed at random while they own locks, wait
 * for items and have references.
 *
 * usage: kill [SEED [ROUNDS]]; a round is one killed process, 60 by default
 */
#include <holdfast/holdfast.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/crowd.h"
#include "tests/support/daemon.h"
#include "tests/support/random.h"

#define WORKERS_COUNT 8
#define GRACE_MS 100
#define CALL_TIMEOUT_MS 10000
#define LOCK_WAIT_MS 10000
#define GONE_WITHIN_MS 5000

static struct daemon server;
static struct random randomness;
static int kills_count = 60;

/* What a worker of the lock test found wrong. */
enum { NOT_ALONE = 20, TOKEN_NOT_HIGHER = 21 };

static useconds_t some_ms(uint64_t below_ms) {
  return (useconds_t)(1000 * random_below(&randomness, below_ms));
}

/* Inside the lock: alone, and with a token higher than every one before. */
static int check_inside(hf_dict *dict, int idx, uint64_t token) {
  hf_value value, none = hf_int(0);
  if (hf_dict_pop(dict, hf_text("token"), &none, &value) != HF_OK ||
      hf_dict_set(dict, hf_text("token"), hf_int((int64_t)token)) != HF_OK ||
      hf_dict_set(dict, hf_text("inside"), hf_int(getpid())) != HF_OK) {
    return crowd_fail("enter", idx);
  }
  if ((uint64_t)value.integer >= token) {
    fprintf(stderr, "worker %d: token %llu after %lld\n", idx, (unsigned long long)token,
            (long long)value.integer);
    return TOKEN_NOT_HIGHER;
  }
  for (int i = 0; i < 5; i++) {
    if (hf_dict_get(dict, hf_text("inside"), &value) != HF_OK) {
      return crowd_fail("look", idx);
    }
    if (value.integer != getpid()) {
      return NOT_ALONE;
    }
  }
  return CROWD_DONE;
}

static int lock_for_ever(const char *url, int idx, void *arg) {
  (void)arg;
  hf_conn *conn = crowd_connect(url, GRACE_MS, CALL_TIMEOUT_MS);
  hf_lock *lock;
  hf_dict *dict;
  struct hf_grant grant;
  if (hf_lock_open(conn, "lock", &lock) != HF_OK || hf_dict_open(conn, "inside", &dict) != HF_OK) {
    return crowd_fail("open", idx);
  }
  for (;;) {
    if (hf_lock_acquire(lock, LOCK_WAIT_MS, &grant) != HF_OK) {
      return crowd_fail("acquire", idx);
    }
    int code = check_inside(dict, idx, grant.token);
    if (code != CROWD_DONE) {
      return code;
    }
    if (hf_lock_release(lock) != HF_OK) {
      return crowd_fail("release", idx);
    }
  }
}

static void expect_lock_is_free(hf_conn *conn, uint64_t *token) {
  hf_lock *lock;
  struct hf_grant grant;
  crowd_expect_ok(hf_lock_open(conn, "lock", &lock), "open");
  crowd_expect_ok(hf_lock_acquire(lock, LOCK_WAIT_MS, &grant), "acquire");
  crowd_expect_ok(hf_lock_release(lock), "release");
  hf_lock_close(lock);
  *token = grant.token;
}

/* Workers take the lock all the time; each killed one is replaced. */
static void run_locks(const char *url) {
  pid_t pids[WORKERS_COUNT];
  hf_conn *conn;
  uint64_t first_token, token;
  crowd_expect_ok(hf_connect(url, NULL, &conn), "connect");
  expect_lock_is_free(conn, &first_token);
  for (int idx = 0; idx < WORKERS_COUNT; idx++) {
    pids[idx] = crowd_start(lock_for_ever, url, idx, NULL);
  }
  for (int round = 0; round < kills_count; round++) {
    usleep(some_ms(20));
    size_t idx = random_below(&randomness, WORKERS_COUNT);
    crowd_expect_running(pids[idx]);
    crowd_kill(pids[idx]);
    pids[idx] = crowd_start(lock_for_ever, url, (int)idx, NULL);
  }
  expect_lock_is_free(conn, &token);
  for (int idx = 0; idx < WORKERS_COUNT; idx++) {
    crowd_expect_running(pids[idx]);
    crowd_kill(pids[idx]);
  }
  expect_lock_is_free(conn, &token);
  print_message("  %d killed, %llu grants meanwhile\n", kills_count + WORKERS_COUNT,
                (unsigned long long)(token - first_token));
  assert_true(token > first_token + WORKERS_COUNT); /* it went from hand to hand */
  hf_close(conn);
}

static void test_kill_of_lock_owner_frees_the_lock_tcp(void **state) {
  (void)state;
  run_locks(server.tcp_url);
}

static void test_kill_of_lock_owner_frees_the_lock_ipc(void **state) {
  (void)state;
  run_locks(server.ipc_url);
}

static int wait_for_item(const char *url, int idx, void *arg) {
  (void)arg;
  hf_conn *conn = crowd_connect(url, GRACE_MS, CALL_TIMEOUT_MS);
  hf_queue *queue;
  hf_value value;
  if (hf_queue_open(conn, "items", 0, &queue) != HF_OK ||
      hf_queue_get(queue, HF_FOREVER, &value) != HF_OK) {
    return crowd_fail("get", idx);
  }
  return CROWD_DONE;
}

static void expect_waiting(hf_queue *queue, uint64_t count) {
  struct hf_object_info info;
  for (int tries = 0; tries < 500; tries++) {
    crowd_expect_ok(hf_object_info(HF_AS_OBJECT(queue), &info), "info");
    if (info.waiting == count) {
      return;
    }
    usleep(10000);
  }
  fail_msg("%llu wait instead of %llu", (unsigned long long)info.waiting,
           (unsigned long long)count);
}

static void put_items(hf_queue *queue, int count) {
  for (int i = 0; i < count; i++) {
    crowd_expect_ok(hf_queue_put(queue, hf_int(i), HF_FOREVER), "put");
  }
}

/* All wait, half are killed, then items come: the other half gets one each, the rest stay. */
static void test_kill_of_waiters_loses_no_item(void **state) {
  (void)state;
  const int further_count = 5;
  pid_t pids[WORKERS_COUNT];
  hf_conn *conn;
  hf_queue *queue;
  uint64_t size;
  crowd_expect_ok(hf_connect(server.tcp_url, NULL, &conn), "connect");
  crowd_expect_ok(hf_queue_open(conn, "items", 0, &queue), "open");
  for (int round = 0; round < kills_count; round += WORKERS_COUNT / 2) {
    for (int idx = 0; idx < WORKERS_COUNT; idx++) {
      pids[idx] = crowd_start(wait_for_item, server.tcp_url, idx, NULL);
    }
    expect_waiting(queue, WORKERS_COUNT);
    for (int idx = round / 4 % 2; idx < WORKERS_COUNT; idx += 2) {
      crowd_kill(pids[idx]);
      pids[idx] = 0;
    }
    expect_waiting(queue, WORKERS_COUNT / 2);
    put_items(queue, WORKERS_COUNT / 2 + further_count);
    for (int idx = 0; idx < WORKERS_COUNT; idx++) {
      if (pids[idx] != 0) {
        assert_int_equal(crowd_wait(pids[idx], CALL_TIMEOUT_MS), CROWD_DONE);
      }
    }
    crowd_expect_ok(hf_queue_size(queue, &size), "size");
    assert_int_equal(size, further_count);
    for (int i = 0; i < further_count; i++) {
      hf_value value;
      crowd_expect_ok(hf_queue_get(queue, 0, &value), "get");
      assert_int_equal(value.integer, WORKERS_COUNT / 2 + i);
      hf_value_clear(&value);
    }
  }
  hf_queue_close(queue);
  hf_close(conn);
}

/* Anonymous objects that refer to each other, and references that were read and not let go. */
static int hold_references(const char *url, int idx, void *arg) {
  (void)arg;
  hf_conn *conn = crowd_connect(url, GRACE_MS, CALL_TIMEOUT_MS);
  for (int64_t i = 0;; i++) {
    hf_dict *dict;
    hf_list *list;
    hf_value value;
    if (hf_dict_open(conn, NULL, &dict) != HF_OK || hf_list_open(conn, NULL, &list) != HF_OK ||
        hf_dict_set(dict, hf_int(i), hf_reference(HF_AS_OBJECT(list))) != HF_OK ||
        hf_list_append(list, hf_text("kept")) != HF_OK ||
        hf_dict_get(dict, hf_int(i), &value) != HF_OK) {
      return crowd_fail("hold", idx);
    }
    if (i % 2 == 0) {
      hf_value_clear(&value);
      hf_list_close(list);
    }
  }
}

static void test_kill_of_reference_owner_leaves_no_object(void **state) {
  (void)state;
  pid_t pids[WORKERS_COUNT];
  hf_conn *conn;
  struct hf_server_info before, during;
  crowd_expect_ok(hf_connect(server.tcp_url, NULL, &conn), "connect");
  crowd_expect_left(conn, UINT64_MAX, 1, GONE_WITHIN_MS);
  crowd_expect_ok(hf_server_info(conn, &before), "server info");
  for (int idx = 0; idx < WORKERS_COUNT; idx++) {
    const char *url = idx % 2 == 0 ? server.tcp_url : server.ipc_url;
    pids[idx] = crowd_start(hold_references, url, idx, NULL);
  }
  usleep(200000);
  crowd_expect_ok(hf_server_info(conn, &during), "server info");
  for (int idx = 0; idx < WORKERS_COUNT; idx++) {
    crowd_expect_running(pids[idx]);
    crowd_kill(pids[idx]);
  }
  print_message("  %llu objects held by the killed\n",
                (unsigned long long)(during.objects - before.objects));
  assert_true(during.objects > before.objects + WORKERS_COUNT);
  crowd_expect_left(conn, before.objects, 1, GONE_WITHIN_MS);
  hf_close(conn);
}

static int start_server(void **state) {
  (void)state;
  daemon_start(&server, NULL);
  return 0;
}

static int stop_server(void **state) {
  (void)state;
  daemon_stop(&server);
  return 0;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_kill_of_lock_owner_frees_the_lock_tcp),
      cmocka_unit_test(test_kill_of_lock_owner_frees_the_lock_ipc),
      cmocka_unit_test(test_kill_of_waiters_loses_no_item),
      cmocka_unit_test(test_kill_of_reference_owner_leaves_no_object),
  };
  randomness.state = random_seed(argc, argv);
  if (argc > 2) {
    kills_count = (int)strtol(argv[2], NULL, 10);
  }
  return cmocka_run_group_tests_name("fault.kill", tests, start_server, stop_server);
}
