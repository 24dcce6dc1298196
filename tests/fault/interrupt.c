/* Ctrl-C in blocking gets, under load: SIGINT withdraws whatever waits. No item is lost or doubled,
 * and the connection answers the next call rightly. Nor is one out of order, unless somebody gave
 * up a get, being interrupted again before it had returned: what that had got goes back to the
 * front, while the other may have got later ones.
 *
 * usage: interrupt [--interrupts N] [SEED]     1,000 by default
 */
#include <holdfast/holdfast.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/crowd.h"
#include "tests/support/daemon.h"
#include "tests/support/random.h"

#define GETTERS_COUNT 2
#define PRODUCERS_COUNT 3
#define ITEMS_MAX (1 << 22)
#define ENTRIES_COUNT 100
#define PAUSE_US_MAX 2000
#define TIMEOUT_MS 20000
#define PILL (-1)

struct getter {
  atomic_bool is_ready;
  atomic_ullong interrupts, cancelled, given_up, items_count;
  int32_t items[ITEMS_MAX];
};

/* Shared with the processes; the kernel gives it memory as it is written. */
static struct {
  atomic_bool is_over;
  atomic_int put_counts[PRODUCERS_COUNT];
  struct getter getters[GETTERS_COUNT];
} * shared;

static struct random randomness;
static int interrupts_count = 1000;

/* ---------------------------------------------------------------- getters */

static hf_conn *own_conn;
static struct getter *self;

static void on_interrupt(int number) {
  (void)number;
  atomic_fetch_add(&self->interrupts, 1);
  hf_cancel(own_conn);
}

static void handle_interrupts(void) {
  struct sigaction action = {.sa_handler = on_interrupt};
  sigaction(SIGINT, &action, NULL);
  atomic_store(&self->is_ready, true);
}

/* An answer that can't be mistaken for the one of another call. */
static bool answers_rightly(hf_dict *entries, int64_t key) {
  hf_value value;
  return hf_dict_get(entries, hf_int(key), &value) == HF_OK && value.integer == key * key;
}

static int get_all(const char *url, int idx, void *arg) {
  (void)arg;
  hf_queue *queue;
  hf_dict *entries;
  hf_value value = hf_none();
  unsigned long long before = 0;
  self = &shared->getters[idx];
  own_conn = crowd_connect(url, 0, TIMEOUT_MS);
  if (hf_queue_open(own_conn, "items", 0, &queue) != HF_OK ||
      hf_dict_open(own_conn, "squares", &entries) != HF_OK) {
    return crowd_fail("open", idx);
  }
  handle_interrupts();
  while (value.type == HF_TYPE_NONE || value.integer != PILL) {
    hf_status status = hf_queue_get(queue, HF_FOREVER, &value);
    unsigned long long count = atomic_load(&self->items_count);
    if (status == HF_OK) {
      self->items[count] = (int32_t)value.integer;
      atomic_store(&self->items_count, count + 1);
    } else if (status != HF_CANCELLED) {
      return crowd_fail("get", idx);
    } else {
      unsigned long long cancelled = atomic_fetch_add(&self->cancelled, 1);
      atomic_fetch_add(&self->given_up, atomic_load(&self->interrupts) > before + 1);
      if (!answers_rightly(entries, (int64_t)(cancelled % ENTRIES_COUNT))) {
        return crowd_fail("the call after", idx);
      }
    }
    before = atomic_load(&self->interrupts);
  }
  return CROWD_DONE;
}

/* ---------------------------------------------------------------- producers */

/* Producer idx puts idx, idx + PRODUCERS_COUNT, ..., now and then with a pause. */
static int put_all(const char *url, int idx, void *arg) {
  struct random pause = {*(uint64_t *)arg + (uint64_t)idx};
  hf_conn *conn = crowd_connect(url, 0, TIMEOUT_MS);
  hf_queue *queue;
  if (hf_queue_open(conn, "items", 0, &queue) != HF_OK) {
    return crowd_fail("open", idx);
  }
  while (!atomic_load(&shared->is_over)) {
    int count = atomic_load(&shared->put_counts[idx]);
    if (hf_queue_put(queue, hf_int(count * PRODUCERS_COUNT + idx), HF_FOREVER) != HF_OK) {
      return crowd_fail("put", idx);
    }
    atomic_store(&shared->put_counts[idx], count + 1);
    usleep((useconds_t)random_below(&pause, PAUSE_US_MAX));
  }
  return CROWD_DONE;
}

/* ---------------------------------------------------------------- the test */

static void interrupt_all(const pid_t getters[GETTERS_COUNT]) {
  for (int idx = 0; idx < GETTERS_COUNT; idx++) {
    while (!atomic_load(&shared->getters[idx].is_ready)) {
      usleep(1000);
    }
  }
  for (int i = 0; i < interrupts_count; i++) {
    usleep((useconds_t)random_below(&randomness, PAUSE_US_MAX));
    assert_int_equal(kill(getters[i % GETTERS_COUNT], SIGINT), 0);
  }
}

/* Answers how many; and how many came after a later one of the same producer. */
static int64_t count_items(const struct getter *getter, uint8_t *seen, int64_t *late_count) {
  int32_t last[PRODUCERS_COUNT];
  unsigned long long count = atomic_load(&getter->items_count);
  memset(last, -1, sizeof(last));
  for (unsigned long long i = 0; i + 1 < count; i++) {
    int32_t item = getter->items[i];
    *late_count += item < last[item % PRODUCERS_COUNT];
    last[item % PRODUCERS_COUNT] = item;
    assert_int_equal(seen[item]++, 0);
  }
  assert_int_equal(getter->items[count - 1], PILL);
  return (int64_t)count - 1;
}

static void expect_each_once(void) {
  uint8_t *seen = calloc(ITEMS_MAX, 1);
  int64_t put_count = 0, got_count = 0, late_count = 0;
  unsigned long long interrupts = 0, cancelled = 0, given_up = 0;
  assert_non_null(seen);
  for (int idx = 0; idx < PRODUCERS_COUNT; idx++) {
    put_count += atomic_load(&shared->put_counts[idx]);
  }
  for (int idx = 0; idx < GETTERS_COUNT; idx++) {
    got_count += count_items(&shared->getters[idx], seen, &late_count);
    given_up += atomic_load(&shared->getters[idx].given_up);
    interrupts += atomic_load(&shared->getters[idx].interrupts);
    cancelled += atomic_load(&shared->getters[idx].cancelled);
  }
  free(seen);
  print_message(
      "%lld items put, %lld got, %lld late, %llu interrupts, %llu gets cancelled, %llu of "
      "them given up\n",
      (long long)put_count, (long long)got_count, (long long)late_count, interrupts, cancelled,
      given_up);
  assert_int_equal(got_count, put_count);
  assert_true(late_count <= (int64_t)given_up);
  assert_true(cancelled <= interrupts && cancelled >= interrupts / 4);
}

static void start_squares(hf_conn *conn) {
  hf_dict *squares;
  crowd_expect_ok(hf_dict_open(conn, "squares", &squares), "open");
  for (int64_t key = 0; key < ENTRIES_COUNT; key++) {
    crowd_expect_ok(hf_dict_set(squares, hf_int(key), hf_int(key * key)), "set");
  }
  hf_dict_close(squares);
}

static void give_pills(hf_conn *conn) {
  hf_queue *queue;
  crowd_expect_ok(hf_queue_open(conn, "items", 0, &queue), "open");
  for (int idx = 0; idx < GETTERS_COUNT; idx++) {
    crowd_expect_ok(hf_queue_put(queue, hf_int(PILL), HF_FOREVER), "put");
  }
  hf_queue_close(queue);
}

static void test_interrupted_gets_lose_nothing(void **state) {
  (void)state;
  struct daemon server;
  hf_conn *conn;
  pid_t getters[GETTERS_COUNT], producers[PRODUCERS_COUNT];
  uint64_t seed = random_next(&randomness);
  daemon_start(&server, NULL);
  crowd_expect_ok(hf_connect(server.tcp_url, NULL, &conn), "connect");
  start_squares(conn);
  for (int idx = 0; idx < GETTERS_COUNT; idx++) {
    getters[idx] = crowd_start(get_all, idx % 2 ? server.ipc_url : server.tcp_url, idx, NULL);
  }
  for (int idx = 0; idx < PRODUCERS_COUNT; idx++) {
    producers[idx] = crowd_start(put_all, server.ipc_url, idx, &seed);
  }
  interrupt_all(getters);
  atomic_store(&shared->is_over, true);
  for (int idx = 0; idx < PRODUCERS_COUNT; idx++) {
    assert_int_equal(crowd_wait(producers[idx], TIMEOUT_MS), CROWD_DONE);
  }
  give_pills(conn);
  for (int idx = 0; idx < GETTERS_COUNT; idx++) {
    assert_int_equal(crowd_wait(getters[idx], TIMEOUT_MS), CROWD_DONE);
  }
  expect_each_once();
  hf_close(conn);
  daemon_stop(&server);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_interrupted_gets_lose_nothing),
  };
  if (argc > 2 && strcmp(argv[1], "--interrupts") == 0) {
    interrupts_count = atoi(argv[2]);
    argc -= 2;
    argv += 2;
  }
  randomness.state = random_seed(argc, argv);
  shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) {
    return 1;
  }
  return cmocka_run_group_tests_name("fault.interrupt", tests, NULL, NULL);
}
