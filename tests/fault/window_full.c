/* A full window is the library's business: pipelines as long as it, beside calls that wait, of one
 * connection that a proxy cuts at random. No call is refused, and every sum is exact.
 *
 * usage: window_full [SEED [ROUNDS [MS]]]
 *   one seed per round, rising
 */
#include <holdfast/holdfast.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/limits.h"
#include "tests/fault/attacker.h"
#include "tests/fault/crowd.h"
#include "tests/fault/proxy.h"
#include "tests/support/daemon.h"

#define ADDERS_COUNT 4
#define GETTERS_COUNT 3
#define TIMEOUT_MS 60000
#define GET_MS 300

static uint64_t first_seed;
static int rounds_count = 2, round_ms = 3000;

struct users {
  hf_conn *conn;
  int64_t until_ms;
  atomic_ullong added, failed, got;
};

static bool is_over(const struct users *users) {
  return attacker_now_ms() >= users->until_ms;
}

/* Prints the first few. */
static void record_failure(struct users *users, const char *what) {
  if (atomic_fetch_add(&users->failed, 1) < 10) {
    print_message("%s: %s %s\n", what, hf_last_error()->reason, hf_last_error()->message);
  }
}

static void *add(void *arg) {
  struct users *users = arg;
  hf_dict *dict;
  if (hf_dict_open(users->conn, "window", &dict) != HF_OK) {
    record_failure(users, "open");
    return NULL;
  }
  while (!is_over(users)) {
    hf_status status = hf_pipeline_begin(users->conn, 0);
    for (int i = 0; i < HF_WINDOW_COUNT_MAX && status == HF_OK; i++) {
      status = hf_dict_add(dict, hf_text("n"), hf_int(1), NULL);
    }
    struct hf_pipeline_result result = {0};
    if (hf_pipeline_end(users->conn, &result) != HF_OK || status != HF_OK) {
      record_failure(users, "pipeline");
    }
    atomic_fetch_add(&users->added, result.submitted - result.failed);
  }
  hf_dict_close(dict);
  return NULL;
}

static void *get(void *arg) {
  struct users *users = arg;
  hf_queue *queue;
  hf_value value;
  if (hf_queue_open(users->conn, "window items", 0, &queue) != HF_OK) {
    record_failure(users, "open");
    return NULL;
  }
  while (!is_over(users)) {
    hf_status status = hf_queue_get(queue, GET_MS, &value);
    if (status == HF_OK) {
      atomic_fetch_add(&users->got, 1);
      if (hf_queue_put(queue, value, 0) != HF_OK) {
        record_failure(users, "put");
      }
    } else if (strcmp(hf_last_error()->reason, "QUEUE_EMPTY") != 0) {
      record_failure(users, "get");
    }
  }
  hf_queue_close(queue);
  return NULL;
}

static void run_users(struct users *users) {
  pthread_t threads[ADDERS_COUNT + GETTERS_COUNT];
  for (int i = 0; i < ADDERS_COUNT + GETTERS_COUNT; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, i < ADDERS_COUNT ? add : get, users), 0);
  }
  for (int i = 0; i < ADDERS_COUNT + GETTERS_COUNT; i++) {
    pthread_join(threads[i], NULL);
  }
}

/* One for all: the others wait. */
static void put_item(hf_conn *conn) {
  hf_queue *queue;
  crowd_expect_ok(hf_queue_open(conn, "window items", 0, &queue), "open");
  crowd_expect_ok(hf_queue_put(queue, hf_int(1), 0), "put");
  hf_queue_close(queue);
}

static void expect_sum(const struct daemon *server, uint64_t added) {
  hf_conn *conn = crowd_connect(server->tcp_url, 0, 0);
  hf_dict *dict;
  hf_value sum;
  crowd_expect_ok(hf_dict_open(conn, "window", &dict), "open");
  crowd_expect_ok(hf_dict_get(dict, hf_text("n"), &sum), "get");
  assert_int_equal(sum.integer, added);
  hf_value_clear(&sum);
  hf_dict_close(dict);
  hf_close(conn);
}

static void run_round(uint64_t seed) {
  const struct proxy_options options = {.seed = seed, .life_ms = 60, .dribble_bytes = 900};
  struct daemon server;
  struct proxy proxy;
  struct users users = {.until_ms = 0};
  char url[64];
  daemon_start(&server, NULL);
  proxy_start(&proxy, server.tcp_port, &options);
  snprintf(url, sizeof url, "tcp://127.0.0.1:%u", proxy.port);
  users.conn = crowd_connect(url, TIMEOUT_MS, TIMEOUT_MS);
  put_item(users.conn);
  users.until_ms = attacker_now_ms() + round_ms;
  run_users(&users);
  uint64_t cuts = atomic_load(&proxy.counts->cut);
  print_message("seed %llu: %llu added, %llu got, %llu cuts, %llu failed\n",
                (unsigned long long)seed, (unsigned long long)atomic_load(&users.added),
                (unsigned long long)atomic_load(&users.got), (unsigned long long)cuts,
                (unsigned long long)atomic_load(&users.failed));
  assert_int_equal(atomic_load(&users.failed), 0);
  assert_true(cuts > 5);
  hf_close(users.conn);
  proxy_stop(&proxy);
  expect_sum(&server, atomic_load(&users.added));
  daemon_stop(&server);
}

static void test_window_full_never_reaches_a_user(void **state) {
  (void)state;
  for (int round = 0; round < rounds_count; round++) {
    run_round(first_seed + (uint64_t)round);
  }
}

int main(int argc, char **argv) {
  first_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  rounds_count = argc > 2 ? atoi(argv[2]) : rounds_count;
  round_ms = argc > 3 ? atoi(argv[3]) : round_ms;
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_window_full_never_reaches_a_user)};
  return cmocka_run_group_tests_name("fault.window_full", tests, NULL, NULL);
}
