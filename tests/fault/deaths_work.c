/* Victims that work on items: what was reserved and not acknowledged comes back, with one try more;
 * what was acknowledged never does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/deaths.h"

#define LIFE_US 8000
#define WORK_US 200
#define ITEMS_COUNT 60

/* The ledger counts acknowledged items, which are taken in order; its token is 1 from the return of
 * a reserve to that of its ack. */
static int work_on_items(const char *url, int idx, void *arg) {
  struct ledger *ledger = arg;
  hf_conn *conn = crowd_connect(url, DEATHS_GRACE_MS, DEATHS_CALL_TIMEOUT_MS);
  hf_queue *queue;
  struct hf_reservation reservation;
  hf_status status = hf_queue_open(conn, "work", 0, &queue);
  while (status == HF_OK) {
    atomic_store(&ledger->state, VICTIM_INSIDE);
    status = hf_queue_reserve(queue, 0, HF_FOREVER, &reservation);
    if (status != HF_OK) {
      break;
    }
    atomic_store(&ledger->token, 1);
    atomic_store(&ledger->state, VICTIM_HOLDING);
    usleep(WORK_US);
    atomic_store(&ledger->state, VICTIM_INSIDE);
    status = hf_queue_ack(queue, reservation.id);
    atomic_fetch_add(&ledger->count, 1);
    atomic_store(&ledger->token, 0);
    atomic_store(&ledger->state, VICTIM_OUTSIDE);
  }
  return crowd_fail("work", idx);
}

/* For each item how often it was given out before; -1: it is not there. Empties the queue. */
static void take_rest(hf_queue *queue, int tries[ITEMS_COUNT]) {
  struct hf_reservation reservation;
  int64_t last = -1;
  for (int item = 0; item < ITEMS_COUNT; item++) {
    tries[item] = -1;
  }
  while (hf_queue_reserve(queue, 0, 0, &reservation) == HF_OK) {
    int64_t item = reservation.value.integer;
    assert_in_range(item, 0, ITEMS_COUNT - 1);
    assert_true(item > last);
    tries[item] = (int)reservation.tries;
    last = item;
    crowd_expect_ok(hf_queue_ack(queue, reservation.id), "ack");
  }
  assert_string_equal(hf_last_error()->reason, "QUEUE_EMPTY");
}

/* The first item that the victim is not known to have done. */
static void expect_at_hand(int tries) {
  bool may_be_done = atomic_load(&deaths.ledger->token) != 0;
  switch (atomic_load(&deaths.ledger->state)) {
    case VICTIM_HOLDING:
      assert_int_equal(tries, 1);
      break;
    case VICTIM_OUTSIDE:
      assert_int_equal(tries, 0);
      break;
    default:
      assert_true(tries <= 1 && (tries >= 0 || may_be_done));
      deaths.unknown_count++;
  }
}

static void expect_rest(const int tries[ITEMS_COUNT]) {
  int done_count = (int)atomic_load(&deaths.ledger->count);
  for (int item = 0; item < ITEMS_COUNT; item++) {
    if (item == done_count) {
      expect_at_hand(tries[item]);
    } else if (tries[item] != (item < done_count ? -1 : 0)) {
      fail_msg("after kill %d, %d items done: item %d %s, %d tries", deaths.killed_count,
               done_count, item, tries[item] < 0 ? "is gone" : "is there", tries[item]);
    }
  }
}

void test_death_of_a_reservation_owner(void **state) {
  (void)state;
  hf_queue *queue;
  crowd_expect_ok(hf_queue_open(deaths.conn, "work", 0, &queue), "open");
  deaths_begin();
  while (deaths.killed_count < deaths.kills_count) {
    int tries[ITEMS_COUNT];
    struct hf_object_info info;
    for (int item = 0; item < ITEMS_COUNT; item++) {
      crowd_expect_ok(hf_queue_put(queue, hf_int(item), 0), "put");
    }
    deaths_start(work_on_items);
    deaths_kill(LIFE_US);
    deaths_expect_session_gone();
    deaths_went_on();
    take_rest(queue, tries);
    expect_rest(tries);
    crowd_expect_ok(hf_object_info(HF_AS_OBJECT(queue), &info), "info");
    assert_int_equal(info.unfinished + info.reserved + info.length, 0);
  }
  deaths_end("reservation owners");
  hf_queue_close(queue);
}
