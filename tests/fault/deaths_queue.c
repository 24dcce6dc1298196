/* Victims that wait for items, or have just got one.
 *
 * No test can see the instant between the arrival of an item in the victim's memory and its store in
 * the ledger. So one item may be missing after the death of a victim that was INSIDE a get while
 * there were items: the one after its last. It is counted, as unknown. A victim that was waiting
 * at an empty queue, and died before an item was put, takes nothing. No item comes out twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/deaths.h"

#define LIFE_US 8000
#define HELD_US 300
#define ITEMS_COUNT 12 /* put while the victim lives, and dies */
#define MARKER ITEMS_COUNT

static int take_items(const char *url, int idx, void *arg) {
  struct ledger *ledger = arg;
  hf_conn *conn = crowd_connect(url, DEATHS_GRACE_MS, DEATHS_CALL_TIMEOUT_MS);
  hf_queue *queue;
  hf_value value;
  hf_status status = hf_queue_open(conn, "items", 0, &queue);
  while (status == HF_OK) {
    atomic_store(&ledger->state, VICTIM_INSIDE);
    status = hf_queue_get(queue, HF_FOREVER, &value);
    if (status != HF_OK) {
      break;
    }
    unsigned long long count = atomic_load(&ledger->count);
    atomic_store(&ledger->items[count % DEATHS_ITEMS_MAX], value.integer);
    atomic_store(&ledger->count, count + 1);
    atomic_store(&ledger->state, VICTIM_HOLDING);
    usleep(HELD_US);
  }
  return crowd_fail("get", idx);
}

/* How often each item came out, and to which process. */
struct tally {
  int victims[ITEMS_COUNT + 1], survivors[ITEMS_COUNT + 1];
};

static int64_t take(hf_queue *queue, int64_t timeout_ms) {
  hf_value value;
  crowd_expect_ok(hf_queue_get(queue, timeout_ms, &value), "get");
  assert_in_range(value.integer, 0, MARKER);
  return value.integer;
}

/* What is there at once, without waiting for the victim's session to end, and what that brings. */
static void take_rest(hf_queue *queue, struct tally *tally) {
  int64_t item;
  uint64_t size;
  do {
    item = take(queue, DEATHS_CALL_TIMEOUT_MS);
    tally->survivors[item]++;
  } while (item != MARKER);
  deaths_went_on();
  deaths_expect_session_gone();
  crowd_expect_ok(hf_queue_size(queue, &size), "size");
  for (; size > 0; size--) {
    tally->survivors[take(queue, 0)]++;
  }
}

static void expect_each_once(const struct tally *tally, int64_t unknown) {
  for (int item = 0; item <= MARKER; item++) {
    int count = tally->victims[item] + tally->survivors[item];
    if (count == 0 && item == unknown) {
      deaths.unknown_count++;
    } else if (count != 1) {
      fail_msg("after kill %d item %d came out %d times to the victim, %d times to the survivor",
               deaths.killed_count, item, tally->victims[item], tally->survivors[item]);
    }
  }
}

static void await_parked(hf_queue *queue) {
  struct hf_object_info info = {0};
  while (info.waiting == 0) {
    crowd_expect_ok(hf_object_info(HF_AS_OBJECT(queue), &info), "info");
    usleep(100);
  }
}

static void put_items(hf_queue *queue) {
  for (int item = 0; item < ITEMS_COUNT; item++) {
    crowd_expect_ok(hf_queue_put(queue, hf_int(item), HF_FOREVER), "put");
    usleep((useconds_t)random_below(&deaths.randomness, LIFE_US / ITEMS_COUNT));
  }
}

/* Answers which item may be missing; -1: none. */
static int64_t put_around_death(hf_queue *queue) {
  deaths_start(take_items);
  if (deaths.killed_count % 4 < 2) {
    await_parked(queue);
    deaths_kill(HELD_US);
    put_items(queue);
    return -1;
  }
  deaths_kill_meanwhile(LIFE_US);
  put_items(queue);
  deaths_reap();
  bool is_inside = atomic_load(&deaths.ledger->state) == VICTIM_INSIDE;
  return is_inside ? (int64_t)atomic_load(&deaths.ledger->count) : -1;
}

void test_death_of_a_queue_waiter(void **state) {
  (void)state;
  hf_queue *queue;
  crowd_expect_ok(hf_queue_open(deaths.conn, "items", 0, &queue), "open");
  deaths_begin();
  while (deaths.killed_count < deaths.kills_count) {
    struct tally tally = {0};
    int64_t unknown = put_around_death(queue);
    crowd_expect_ok(hf_queue_put(queue, hf_int(MARKER), HF_FOREVER), "put");
    for (unsigned long long i = 0; i < atomic_load(&deaths.ledger->count); i++) {
      tally.victims[atomic_load(&deaths.ledger->items[i])]++;
    }
    take_rest(queue, &tally);
    expect_each_once(&tally, unknown);
  }
  deaths_end("queue waiters");
  hf_queue_close(queue);
}
