/* One-way puts over a network that cuts all the time: after a flush exactly those items are there,
 * each producer's in order. With --local through shared memory, and the producers cut their
 * connections themselves.
 *
 * usage: oneway [--local] [--items N] [SEED]
 *   in all, 100,000 items by default, with --local 8,000,000; --local needs HOLDFAST_LOCAL=on
 */
#include <holdfast/holdfast.h>
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

#define PRODUCERS_COUNT 4
#define FLUSH_EVERY 5000
#define TIMEOUT_MS 120000
#define CUTS_MIN 100
#define BATCH_COUNT 1000
#define LOCAL_LIFE_MS 50
#define LOCAL_ITEMS 8000000 /* they take less time */

static uint64_t seed;
static bool is_local;
static int64_t items_count = 100000;

/* Producer idx puts idx, idx + PRODUCERS_COUNT, ... */
static int64_t item_of(int idx, int64_t n) {
  return n * PRODUCERS_COUNT + idx;
}

static int flush(hf_conn *conn, int64_t count, int idx) {
  struct hf_flush_result result;
  if (hf_oneway_end(conn) != HF_OK || hf_flush(conn, TIMEOUT_MS, &result) != HF_OK) {
    return crowd_fail("flush", idx);
  }
  if (result.failed > 0 || result.sent != (uint64_t)count) {
    fprintf(stderr, "producer %d: %llu of %llu failed, %lld were put: %s\n", idx,
            (unsigned long long)result.failed, (unsigned long long)result.sent, (long long)count,
            result.first_reason);
    return CROWD_FAILED;
  }
  return CROWD_DONE;
}

static int put_all(hf_conn *conn, hf_queue *queue, int idx) {
  int code = CROWD_DONE;
  for (int64_t n = 0; n < items_count / PRODUCERS_COUNT && code == CROWD_DONE;) {
    int64_t begin = n;
    cutter_record_call(conn);
    if (hf_oneway_begin(conn) != HF_OK) {
      return crowd_fail("begin", idx);
    }
    for (; n < items_count / PRODUCERS_COUNT && n < begin + FLUSH_EVERY; n++) {
      if (hf_queue_put(queue, hf_int(item_of(idx, n)), HF_FOREVER) != HF_OK) {
        return crowd_fail("put", idx);
      }
    }
    code = flush(conn, n - begin, idx);
  }
  return code;
}

static int produce(const char *url, int idx, void *arg) {
  const struct cutter_options *cutter = arg;
  hf_conn *conn = crowd_connect(url, TIMEOUT_MS, TIMEOUT_MS);
  hf_queue *queue;
  if (hf_queue_open(conn, "items", 0, &queue) != HF_OK) {
    return crowd_fail("open", idx);
  }
  if (cutter != NULL) {
    cutter_start(cutter, idx);
  }
  int code = put_all(conn, queue, idx);
  if (cutter != NULL) {
    cutter_stop();
  }
  hf_queue_close(queue);
  hf_close(conn);
  return code;
}

/* The next of each producer, checked. */
static void take_batch(hf_conn *conn, hf_queue *queue, int64_t count,
                       int64_t next[PRODUCERS_COUNT]) {
  static hf_value values[BATCH_COUNT];
  crowd_expect_ok(hf_pipeline_begin(conn, 0), "begin");
  for (int64_t i = 0; i < count; i++) {
    hf_kept(hf_queue_get(queue, 0, &values[i]));
  }
  crowd_expect_ok(hf_pipeline_end(conn, NULL), "get");
  for (int64_t i = 0; i < count; i++) {
    int idx = (int)(values[i].integer % PRODUCERS_COUNT);
    assert_int_equal(values[i].integer, item_of(idx, next[idx]));
    next[idx]++;
    hf_value_clear(&values[i]);
  }
}

static void expect_items(const char *url) {
  hf_conn *conn;
  hf_queue *queue;
  uint64_t size;
  int64_t next[PRODUCERS_COUNT] = {0};
  crowd_expect_ok(hf_connect(url, NULL, &conn), "connect");
  crowd_expect_ok(hf_queue_open(conn, "items", 0, &queue), "open");
  crowd_expect_ok(hf_queue_size(queue, &size), "size");
  assert_int_equal(size, items_count);
  for (int64_t left = items_count; left > 0; left -= BATCH_COUNT) {
    take_batch(conn, queue, left < BATCH_COUNT ? left : BATCH_COUNT, next);
  }
  hf_queue_close(queue);
  hf_close(conn);
}

/* How many failed. */
static int run_producers(const char *url, const struct cutter_options *cutter) {
  pid_t pids[PRODUCERS_COUNT];
  int failed_count = 0;
  for (int idx = 0; idx < PRODUCERS_COUNT; idx++) {
    pids[idx] = crowd_start(produce, url, idx, (void *)(uintptr_t)cutter);
  }
  for (int idx = 0; idx < PRODUCERS_COUNT; idx++) {
    failed_count += crowd_wait(pids[idx], 5 * TIMEOUT_MS) != CROWD_DONE ? 1 : 0;
  }
  return failed_count;
}

static void put_behind_proxy(const struct daemon *server) {
  const struct proxy_options network = {
      .seed = seed, .life_ms = 25, .stall_every_ms = 50, .stall_ms = 10, .delay_ms_max = 2};
  struct proxy proxy;
  char url[64];
  int64_t begun_ms = attacker_now_ms();
  proxy_start(&proxy, server->tcp_port, &network);
  snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", proxy.port);
  int failed_count = run_producers(url, NULL);
  unsigned long long cuts = atomic_load(&proxy.counts->cut);
  print_message("%lld items, %llu cuts, %llu stalls, %llu bytes, %lld ms\n", (long long)items_count,
                cuts, atomic_load(&proxy.counts->stalled), atomic_load(&proxy.counts->bytes),
                (long long)(attacker_now_ms() - begun_ms));
  proxy_stop(&proxy);
  assert_int_equal(failed_count, 0);
  assert_true(cuts >= CUTS_MIN);
}

static void put_in_shared_memory(const struct daemon *server) {
  const struct cutter_options cutter = {
      .seed = seed, .life_ms = LOCAL_LIFE_MS, .counts = cutter_counts_new()};
  int64_t begun_ms = attacker_now_ms();
  int failed_count = run_producers(server->ipc_url, &cutter);
  print_message("%lld items, %lld ms\n", (long long)items_count,
                (long long)(attacker_now_ms() - begun_ms));
  cutter_report(cutter.counts, CUTS_MIN);
  assert_int_equal(failed_count, 0);
}

static void test_oneway_puts_over_cut_connections_arrive_once(void **state) {
  (void)state;
  struct daemon server;
  daemon_start(&server, NULL);
  if (is_local) {
    put_in_shared_memory(&server);
  } else {
    put_behind_proxy(&server);
  }
  expect_items(server.tcp_url);
  daemon_stop(&server);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_oneway_puts_over_cut_connections_arrive_once),
  };
  if (argc > 1 && strcmp(argv[1], "--local") == 0) {
    is_local = true;
    items_count = LOCAL_ITEMS;
    argc--;
    argv++;
  }
  if (argc > 2 && strcmp(argv[1], "--items") == 0) {
    items_count = atoll(argv[2]) / PRODUCERS_COUNT * PRODUCERS_COUNT;
    argc -= 2;
    argv += 2;
  }
  seed = random_seed(argc, argv);
  return cmocka_run_group_tests_name("fault.oneway", tests, NULL, NULL);
}
