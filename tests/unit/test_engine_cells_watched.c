/* Stories of several waits for changes of one cell in shared memory: no check hides a change
 * from the others. The local threads are the test's own: it writes elements and the futex's word as
 * they would. "v" is a Value, "r" a RawValue that session 1 has mapped. */
#include "tests/support/messages.h"
#include "tests/support/story_cells.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#define SOME_THREAD 4711
#define POLL_MS 50

static struct story story;
static struct story_cells cells;
static uint8_t sessions[4];

static void store(int number) {
  __atomic_store_n((int *)(cells.header + 1), number, __ATOMIC_SEQ_CST);
}

/* ---- requests */

static void share(uint64_t sequence, Holdfast__Kind kind, const char *name) {
  ask(&story, 1, sequence,
      REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = kind, .name = DATA(name),
              .typecode = DATA("i"), .length = 1, .map = true));
}

static void wait_for_change(uint64_t connection, const char *name, int known) {
  ask(&story, connection, 1, IN(name, VALUE_WAIT, ValueWait, value_wait, .known = INT(known)));
}

/* Waits until it is that much, and sets an event. */
static void wait_for_bound(uint64_t connection, const char *name, int bound) {
  Holdfast__Request *set = IN("event", EVENT_SET, EventSet, event_set, );
  Holdfast__Condition *condition = MESSAGE(
      Condition, condition, .target_case = HOLDFAST__CONDITION__TARGET_NAME, .name = DATA(name),
      .check_case = HOLDFAST__CONDITION__CHECK_VALUE_AT_LEAST, .value_at_least = INT(bound));
  ask(&story, connection, 1,
      REQUEST(TRANSACTION, Transaction, transaction, .n_conditions = 1, .conditions = &condition,
              .n_operations = 1, .operations = &set));
}

static void notify(const char *name) {
  ask(&story, 1, 0, IN(name, CELL_NOTIFY, CellNotify, cell_notify, ));
}

/* ---- */

static int set_up(void **state) {
  (void)state;
  story_begin_sharing(&story, story_cells_begin(&cells), 1u << 20);
  for (uint64_t connection = 1; connection <= 3; connection++) {
    story_connect(&story, connection);
    sessions[connection] = story_open_session_of(&story, connection, 100 + (int)connection);
  }
  story_open(&story, 1, 1, HOLDFAST__KIND__EVENT, "event", 0);
  return 0;
}

static void begin(Holdfast__Kind kind, const char *name) {
  share(2, kind, name);
  story_forget(&story);
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  story_cells_end(&cells);
  return 0;
}

static void test_cells_watched_change_seen_by_one_is_reported_to_the_other(void **state) {
  (void)state;
  begin(HOLDFAST__KIND__VALUE, "v");
  wait_for_change(2, "v", 0);
  store(5);
  wait_for_change(3, "v", 5);
  story_expect(&story, "");
  notify("v");
  story_expect(&story, "2 <- #1 OK 5\n");
}

static void test_cells_watched_change_without_a_notification_is_found_by_polling(void **state) {
  (void)state;
  begin(HOLDFAST__KIND__RAW_VALUE, "r");
  wait_for_change(2, "r", 0);
  store(5);
  wait_for_change(3, "r", 5);
  story_pass_ms(&story, POLL_MS);
  story_expect(&story, "2 <- #1 OK 5\n");
}

static void test_cells_watched_unlock_seen_by_one_is_reported_to_the_other(void **state) {
  (void)state;
  begin(HOLDFAST__KIND__VALUE, "v");
  store(5);
  atomic_store(&cells.header->word, SOME_THREAD);
  wait_for_bound(2, "v", 5);
  atomic_store(&cells.header->word, 0);
  wait_for_change(3, "v", 5);
  story_expect(&story, "");
  notify("v");
  story_expect(&story, "2 <- #1 OK OK\n");
}

/* A waiter for a change may be run while others wait in the queue of the lock, and find that the lock
 * was just released. */
static void test_cells_watched_lock_found_free_is_passed_on(void **state) {
  (void)state;
  begin(HOLDFAST__KIND__VALUE, "v");
  wait_for_change(3, "v", 0);
  story_disconnect(&story, 3);
  story_forget(&story);
  atomic_store(&cells.header->word, SOME_THREAD);
  ask(&story, 2, 1, IN("v", VALUE_ADD, ValueAdd, value_add, .amount = INT(1)));
  atomic_store(&cells.header->word, 0);
  story_connect(&story, 4);
  story_resume(&story, 4, sessions[3], 1);
  story_expect(&story, "4 <- #0 OK session\n2 <- #1 OK 1\n0 <- #1 OK 1\n"); /* 0: not asked again */
  assert_int_equal(atomic_load(&cells.header->remote), 0);
}

/* ---- a store at any moment while a wait begins */

#define STORES 20000
#define STORES_S 3      /* where others run, that many take longer */
#define DELAY_MAX 10000 /* rounds; until stored, or until it begins to wait */

static atomic_int is_ready, begun;

static void pass(uintptr_t rounds) {
  for (volatile uintptr_t i = 0; i < rounds; i++) {
  }
}

static void *store_soon(void *delay) {
  atomic_store(&is_ready, 1);
  while (atomic_load(&begun) == 0) {
    sched_yield();
  }
  pass((uintptr_t)delay);
  store(5);
  return NULL;
}

static void test_cells_watched_store_while_beginning_to_wait_is_not_missed(void **state) {
  unsigned meanwhile = 0;
  uintptr_t i = 0;
  for (time_t end = time(NULL) + STORES_S; i < STORES && time(NULL) < end; i++) {
    pthread_t thread;
    begin(HOLDFAST__KIND__RAW_VALUE, "r");
    atomic_store(&is_ready, 0);
    atomic_store(&begun, 0);
    uintptr_t delay = i * 7 % DELAY_MAX, is_late = i & 1;
    void *until_stored = (void *)(is_late ? 0 : delay);
    assert_int_equal(pthread_create(&thread, NULL, store_soon, until_stored), 0);
    while (atomic_load(&is_ready) == 0) {
      sched_yield();
    }
    atomic_store(&begun, 1);
    pass(is_late ? delay : 0);
    wait_for_bound(2, "r", 5);
    meanwhile += story.len == 0;
    pthread_join(thread, NULL);
    story_pass_ms(&story, POLL_MS);
    story_expect(&story, "2 <- #1 OK OK\n");
    tear_down(state);
    set_up(state);
  }
  print_message("%zu stores, %u after it was polled\n", (size_t)i, meanwhile);
}

#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      STORY(test_cells_watched_change_seen_by_one_is_reported_to_the_other),
      STORY(test_cells_watched_change_without_a_notification_is_found_by_polling),
      STORY(test_cells_watched_unlock_seen_by_one_is_reported_to_the_other),
      STORY(test_cells_watched_lock_found_free_is_passed_on),
      STORY(test_cells_watched_store_while_beginning_to_wait_is_not_missed),
  };
  return cmocka_run_group_tests_name("unit.engine_cells_watched", tests, NULL, NULL);
}
