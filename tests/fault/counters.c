/* Exactly once: 100 processes add to shared counters while a proxy cuts their connections at
 * random, and every counter is exact. A quarter of them call one by one, a quarter in pipelines, a
 * quarter one-way, a quarter asynchronously. With --local they call through shared memory, and cut
 * their connections themselves.
 *
 * usage: counters [--local] [SEED [ROUNDS [PROCESSES [ADDS]]]]
 *   one seed per round, rising; --local needs HOLDFAST_LOCAL=on
 */
#include <holdfast/holdfast.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fault/attacker.h"
#include "tests/fault/crowd.h"
#include "tests/fault/cutter.h"
#include "tests/fault/proxy.h"
#include "tests/support/daemon.h"
#include "tests/support/random.h"

#define COUNTERS_COUNT 10
#define PROCESSES_MAX 1000
#define TIMEOUT_MS 60000
#define LOCAL_LIFE_MS 40
#define LOCAL_CUTS_MIN 100
#define LOCAL_ADDS 5000 /* they take less time */

static uint64_t first_seed;
static bool is_local;
static int rounds_count = 3, processes_count = 100, adds_count = 1000;

/* What worker idx adds with its nth add: known beforehand, so that the sums are. */
static int counter_of(int idx, int n) {
  return (idx + n) % COUNTERS_COUNT;
}

static int64_t amount_of(int idx, int n) {
  return 1 + (idx + 7 * n) % 3;
}

static hf_status add(hf_dict *dict, int idx, int n, hf_value *sum) {
  return hf_dict_add(dict, hf_int(counter_of(idx, n)), hf_int(amount_of(idx, n)), sum);
}

static int add_one_by_one(hf_conn *conn, hf_dict *dict, int idx) {
  for (int n = 0; n < adds_count; n++) {
    hf_value sum;
    cutter_record_call(conn);
    if (add(dict, idx, n, &sum) != HF_OK) {
      return crowd_fail("add", idx);
    }
    hf_value_clear(&sum);
  }
  return CROWD_DONE;
}

static int add_in_pipelines(hf_conn *conn, hf_dict *dict, int idx) {
  const uint32_t in_flight = 16;
  for (int n = 0; n < adds_count;) {
    cutter_record_call(conn);
    if (hf_pipeline_begin(conn, in_flight) != HF_OK) {
      return crowd_fail("begin", idx);
    }
    for (int end = n + 50; n < end && n < adds_count; n++) {
      hf_kept(add(dict, idx, n, NULL));
    }
    if (hf_pipeline_end(conn, NULL) != HF_OK) {
      return crowd_fail("end", idx);
    }
  }
  return CROWD_DONE;
}

static int add_one_way(hf_conn *conn, hf_dict *dict, int idx) {
  struct hf_flush_result result;
  for (int n = 0; n < adds_count;) {
    cutter_record_call(conn);
    if (hf_oneway_begin(conn) != HF_OK) {
      return crowd_fail("one-way", idx);
    }
    for (int end = n + 100; n < end && n < adds_count; n++) {
      if (add(dict, idx, n, NULL) != HF_OK) {
        return crowd_fail("one-way add", idx);
      }
    }
    if (hf_oneway_end(conn) != HF_OK || hf_flush(conn, TIMEOUT_MS, &result) != HF_OK) {
      return crowd_fail("flush", idx);
    }
    if (result.failed > 0) {
      fprintf(stderr, "worker %d: %llu one-way adds failed: %s\n", idx,
              (unsigned long long)result.failed, result.first_reason);
      return CROWD_FAILED;
    }
  }
  return CROWD_DONE;
}

/* Submits up to `end`, as a loop does. */
static int submit_adds(hf_async *async, hf_dict *dict, int idx, int *n, int end) {
  int code = CROWD_DONE;
  for (; code == CROWD_DONE && *n < end && *n < adds_count; ++*n) {
    if (hf_async_begin(async, dict) != HF_OK || add(dict, idx, *n, NULL) != HF_OK) {
      code = crowd_fail("submit", idx);
    }
  }
  hf_async_end(async);
  return code;
}

static int add_asynchronously(hf_conn *conn, hf_dict *dict, int idx) {
  const int in_flight = 64;
  struct hf_completion done = {0};
  hf_async *async;
  int submitted = 0, collected = 0, code = CROWD_DONE;
  if (hf_async_open(conn, &async) != HF_OK) {
    return crowd_fail("async", idx);
  }
  struct pollfd descriptor = {.fd = hf_async_descriptor(async), .events = POLLIN};
  while (code == CROWD_DONE && collected < adds_count) {
    cutter_record_call(conn);
    code = submit_adds(async, dict, idx, &submitted, collected + in_flight);
    if (poll(&descriptor, 1, TIMEOUT_MS) != 1) {
      fprintf(stderr, "worker %d: nothing to collect for a minute\n", idx);
      code = CROWD_FAILED;
    }
    for (; hf_async_collect(async, &done); collected++) {
      if (done.status != HF_OK) {
        fprintf(stderr, "worker %d: an add failed: %s\n", idx, done.message);
        code = CROWD_FAILED;
      }
    }
  }
  hf_async_close(async);
  return code;
}

static int add_in_a_way(hf_conn *conn, hf_dict *dict, int idx) {
  switch (idx % 4) {
    case 0:
      return add_one_by_one(conn, dict, idx);
    case 1:
      return add_in_pipelines(conn, dict, idx);
    case 2:
      return add_one_way(conn, dict, idx);
    default:
      return add_asynchronously(conn, dict, idx);
  }
}

static int add_all(const char *url, int idx, void *arg) {
  const struct cutter_options *options = arg;
  hf_conn *conn = crowd_connect(url, TIMEOUT_MS, TIMEOUT_MS);
  hf_dict *dict;
  if (hf_dict_open(conn, "counters", &dict) != HF_OK) {
    return crowd_fail("open", idx);
  }
  if (options != NULL) {
    cutter_start(options, idx);
  }
  int code = add_in_a_way(conn, dict, idx);
  if (options != NULL) {
    cutter_stop();
  }
  hf_dict_close(dict);
  hf_close(conn);
  return code;
}

static void expect_sums(hf_conn *conn) {
  hf_dict *dict;
  crowd_expect_ok(hf_dict_open(conn, "counters", &dict), "open");
  for (int counter = 0; counter < COUNTERS_COUNT; counter++) {
    int64_t expected = 0;
    hf_value sum;
    for (int idx = 0; idx < processes_count; idx++) {
      for (int n = 0; n < adds_count; n++) {
        expected += counter_of(idx, n) == counter ? amount_of(idx, n) : 0;
      }
    }
    crowd_expect_ok(hf_dict_get(dict, hf_int(counter), &sum), "get");
    if (sum.integer != expected) {
      print_message("counter %d: %lld instead of %lld\n", counter, (long long)sum.integer,
                    (long long)expected);
    }
    assert_int_equal(sum.integer, expected);
    hf_value_clear(&sum);
  }
  hf_dict_close(dict);
}

static void run_processes(const char *url, const struct cutter_options *cutter) {
  pid_t pids[PROCESSES_MAX] = {0};
  int failed_count = 0;
  for (int idx = 0; idx < processes_count; idx++) {
    pids[idx] = crowd_start(add_all, url, idx, (void *)(uintptr_t)cutter);
  }
  for (int idx = 0; idx < processes_count; idx++) {
    failed_count += crowd_wait(pids[idx], 2 * TIMEOUT_MS) != CROWD_DONE ? 1 : 0;
  }
  assert_int_equal(failed_count, 0);
}

/* Through a bad network; answers how many connections were cut. */
static uint64_t run_behind_proxy(const struct daemon *server, uint64_t seed) {
  struct proxy_options options = {.seed = seed,
                                  .life_ms = 150,
                                  .stall_every_ms = 20,
                                  .stall_ms = 20,
                                  .delay_ms_max = 2,
                                  .dribble_bytes = seed % 2 == 0 ? 0 : 700};
  struct proxy proxy;
  char url[64];
  proxy_start(&proxy, server->tcp_port, &options);
  snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", proxy.port);
  run_processes(url, NULL);
  uint64_t cuts = atomic_load(&proxy.counts->cut);
  print_message("proxy: %llu cuts, %llu stalls, %llu connections\n", (unsigned long long)cuts,
                (unsigned long long)atomic_load(&proxy.counts->stalled),
                (unsigned long long)atomic_load(&proxy.counts->accepted));
  proxy_stop(&proxy);
  return cuts;
}

static uint64_t run_in_shared_memory(const struct daemon *server, uint64_t seed) {
  const struct cutter_options options = {
      .seed = seed, .life_ms = LOCAL_LIFE_MS, .counts = cutter_counts_new()};
  run_processes(server->ipc_url, &options);
  cutter_report(options.counts, LOCAL_CUTS_MIN);
  return atomic_load(&options.counts->handshakes);
}

/* Answers how many requests were answered from a window. */
static uint64_t run_round(uint64_t seed, uint64_t *cuts) {
  struct daemon server;
  struct hf_server_info info;
  hf_conn *conn;
  int64_t begun_ms = attacker_now_ms();
  daemon_start(&server, NULL);
  *cuts = is_local ? run_in_shared_memory(&server, seed) : run_behind_proxy(&server, seed);
  crowd_expect_ok(hf_connect(server.tcp_url, NULL, &conn), "connect");
  crowd_expect_ok(hf_server_info(conn, &info), "server info");
  expect_sums(conn);
  hf_close(conn);
  print_message("seed %llu: %d adds, %llu cuts, %llu duplicates answered, %lld ms\n",
                (unsigned long long)seed, processes_count * adds_count, (unsigned long long)*cuts,
                (unsigned long long)info.duplicates, (long long)(attacker_now_ms() - begun_ms));
  daemon_stop(&server);
  return info.duplicates;
}

static void test_counters_are_exact_over_cut_connections(void **state) {
  (void)state;
  uint64_t duplicates = 0, cuts = 0, round_cuts;
  for (int round = 0; round < rounds_count; round++) {
    duplicates += run_round(first_seed + (uint64_t)round, &round_cuts);
    cuts += round_cuts;
  }
  assert_true(cuts > 0);
  /* With that many cuts some hit between an add and its reply: the window must have been used. */
  assert_true(cuts < 300 || duplicates > 0);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_counters_are_exact_over_cut_connections),
  };
  if (argc > 1 && strcmp(argv[1], "--local") == 0) {
    is_local = true;
    adds_count = LOCAL_ADDS;
    argc--;
    argv++;
  }
  first_seed = random_seed(argc, argv);
  int *const numbers[] = {&rounds_count, &processes_count, &adds_count};
  for (int i = 2; i < argc && i < 5; i++) {
    *numbers[i - 2] = (int)strtol(argv[i], NULL, 10);
  }
  if (processes_count > PROCESSES_MAX) {
    fprintf(stderr, "at most %d processes\n", PROCESSES_MAX);
    return 2;
  }
  return cmocka_run_group_tests_name("fault.counters", tests, NULL, NULL);
}
