/* Stories of a mutex whose word names an invalid thread: a client overwrote the word, or continued
 * on with it after his session was over. "v" is a Value that sessions 1 and 2 have mapped, of
 * processes 101 and 102; 3 is on another machine. */
#include "tests/support/messages.h"
#include "tests/support/story_cells.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SOME_THREAD 4711
#define WAITERS UINT32_C(0x80000000) /* FUTEX_WAITERS */
#define NO_PROCESS 999
#define VALIDATE_MS 10

static struct story story;
static struct story_cells cells;

static void share(uint64_t connection) {
  ask(&story, connection, 1,
      REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__VALUE,
              .name = DATA("v"), .typecode = DATA("i"), .length = 1, .map = true));
}

static void add_within(uint64_t connection, uint64_t sequence, int64_t timeout_ms) {
  ask_within(&story, connection, sequence, timeout_ms,
             IN("v", VALUE_ADD, ValueAdd, value_add, .amount = INT(1)));
}

static void add(uint64_t connection, uint64_t sequence) {
  add_within(connection, sequence, STORY_WAIT_FOREVER);
}

static void await_free(uint64_t connection, uint64_t sequence) {
  Holdfast__Request *set = IN("event", EVENT_SET, EventSet, event_set, );
  Holdfast__Condition *condition = MESSAGE(
      Condition, condition, .target_case = HOLDFAST__CONDITION__TARGET_NAME, .name = DATA("v"),
      .check_case = HOLDFAST__CONDITION__CHECK_VALUE_AT_LEAST, .value_at_least = INT(0));
  ask(&story, connection, sequence,
      REQUEST(TRANSACTION, Transaction, transaction, .n_conditions = 1, .conditions = &condition,
              .n_operations = 1, .operations = &set));
}

static int set_up(void **state) {
  (void)state;
  story_begin_with_cells(&story, &cells);
  story_open(&story, 3, 1, HOLDFAST__KIND__EVENT, "event", 0);
  share(1);
  share(2);
  story_forget(&story);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  story_cells_end(&cells);
  return 0;
}

static uint32_t word(void) {
  return atomic_load(&cells.header->word);
}

static void lock_locally(uint64_t process) {
  cells.threads_of = process;
  atomic_store(&cells.header->word, SOME_THREAD | WAITERS);
}

static void test_cells_owner_that_is_invalid_counts_as_dead(void **state) {
  (void)state;
  lock_locally(NO_PROCESS);
  add(3, 2);
  story_expect(&story, "3 <- #2 OK 1\n");
  assert_int_equal(word(), CELL_WORD_DIED | WAITERS);
  assert_int_equal(cells.mutex_wakes, 1);
  story_acquire(&story, 3, 3, "v", 1, STORY_WAIT_FOREVER);
  story_expect(&story, "3 <- #3 OK granted, owner died\n");
}

/* That is said once, and not to an attempt that was undone. */
static void test_cells_owner_s_death_is_reported_after_a_failed_transaction(void **state) {
  (void)state;
  lock_locally(NO_PROCESS);
  ask(&story, 3, 2,
      REQUEST(TRANSACTION, Transaction, transaction, .n_operations = 4,
              .operations = LIST_OF(Request, IN("v", LOCK_ACQUIRE, LockAcquire, lock_acquire, ),
                                    IN("v", LOCK_RELEASE, LockRelease, lock_release, ),
                                    IN("v", LOCK_ACQUIRE, LockAcquire, lock_acquire, ),
                                    IN("v", EVENT_SET, EventSet, event_set, ))));
  story_expect(&story, "3 <- #2 INVALID_ARGUMENT WRONG_KIND of part 4\n");
  assert_true((atomic_load(&cells.header->flags) & CELL_DIED) !=
              0); /* a local thread may be next */
  story_acquire(&story, 3, 3, "v", 1, STORY_WAIT_FOREVER);
  story_expect(&story, "3 <- #3 OK granted, owner died\n");
}

static void test_cells_owner_of_any_session_is_waited_for(void **state) {
  (void)state;
  for (uint64_t process = 101; process <= 102; process++) {
    lock_locally(process);
    add(3, process);
    story_pass_ms(&story, 60000);
    story_expect(&story, "");
    assert_int_equal(word(), SOME_THREAD | WAITERS);
    atomic_store(&cells.header->word, 0);
    story_pass_ms(&story, VALIDATE_MS);
    story_forget(&story);
  }
  assert_int_equal(cells.mutex_wakes, 0);
}

static void test_cells_owner_overwritten_while_others_wait_counts_as_dead(void **state) {
  (void)state;
  lock_locally(101);
  add(3, 2);
  story_pass_ms(&story, 1000);
  story_expect(&story, "");
  lock_locally(NO_PROCESS);
  story_pass_ms(&story, VALIDATE_MS);
  story_expect(&story, "3 <- #2 OK 1\n");
}

/* A session that ends with a goodbye has released everything. */
static void test_cells_owner_that_said_goodbye_counts_as_dead(void **state) {
  (void)state;
  lock_locally(101);
  add(3, 2);
  story_pass_ms(&story, 1000);
  story_expect(&story, "");
  story_close_session(&story, 1);
  story_pass_ms(&story, VALIDATE_MS);
  story_expect(&story, "process 101 forgotten\n1 <- #0 OK\n3 <- #2 OK 1\n");
}

static void lose_session(uint64_t connection) {
  story_disconnect(&story, connection);
  story_pass_ms(&story, HF_GRACE_MS_DEFAULT + 1);
  story_forget(&story);
}

/* Its process may not know, and goes on: the mutex is in a list of its thread's. */
static void test_cells_owner_whose_session_was_lost_is_waited_for(void **state) {
  (void)state;
  lose_session(1);
  lock_locally(101);
  add(3, 2);
  story_pass_ms(&story, 60000);
  story_expect(&story, "");
  assert_int_equal(word(), SOME_THREAD | WAITERS);
  cells.threads_of = NO_PROCESS; /* it ended */
  story_pass_ms(&story, VALIDATE_MS);
  story_expect(&story, "3 <- #2 OK 1\n");
}

static void test_cells_owner_whose_process_has_ended_counts_as_dead(void **state) {
  (void)state;
  story_disconnect(&story, 1);
  story_end_process(&story);
  story_forget(&story);
  lock_locally(101);
  add(3, 2);
  story_expect(&story, "3 <- #2 OK 1\n");
}

static void test_cells_owner_that_is_invalid_delays_no_transaction(void **state) {
  (void)state;
  lock_locally(NO_PROCESS);
  await_free(3, 2);
  story_pass_ms(&story, 50);
  story_expect(&story, "3 <- #2 OK OK\n");
}

/* A local thread that waits for the mutex asks. */
static void test_cells_owner_that_is_invalid_is_found_by_a_notification(void **state) {
  (void)state;
  lock_locally(NO_PROCESS);
  ask(&story, 1, 0, IN("v", CELL_NOTIFY, CellNotify, cell_notify, ));
  assert_int_equal(word(), CELL_WORD_DIED | WAITERS);
  assert_int_equal(cells.mutex_wakes, 1);
}

static void test_cells_owner_is_validated_now_and_then(void **state) {
  (void)state;
  lock_locally(101);
  add_within(3, 2, 0);
  lock_locally(NO_PROCESS);
  add_within(3, 3, 0);
  story_expect(&story,
               "3 <- #2 DEADLINE_EXCEEDED LOCK_HELD\n3 <- #3 DEADLINE_EXCEEDED LOCK_HELD\n");
  story_pass_ms(&story, VALIDATE_MS);
  add_within(3, 4, 0);
  story_expect(&story, "3 <- #4 OK 1\n");
}

static void test_cells_raw_have_no_owner(void **state) {
  (void)state;
  ask(&story, 3, 2,
      REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__RAW_VALUE,
              .name = DATA("r"), .typecode = DATA("i"), .length = 1, .map = true));
  ask(&story, 3, 3, IN("r", VALUE_WAIT, ValueWait, value_wait, .known = INT(0)));
  story_expect(&story, "3 <- #2 OK created shared\n");
  lock_locally(NO_PROCESS);
  ask(&story, 3, 0, IN("r", CELL_NOTIFY, CellNotify, cell_notify, ));
  story_pass_ms(&story, 1000);
  assert_int_equal(word(), SOME_THREAD | WAITERS);
  assert_int_equal(cells.mutex_wakes, 0);
}

#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      STORY(test_cells_owner_that_is_invalid_counts_as_dead),
      STORY(test_cells_owner_s_death_is_reported_after_a_failed_transaction),
      STORY(test_cells_owner_of_any_session_is_waited_for),
      STORY(test_cells_owner_overwritten_while_others_wait_counts_as_dead),
      STORY(test_cells_owner_that_said_goodbye_counts_as_dead),
      STORY(test_cells_owner_whose_session_was_lost_is_waited_for),
      STORY(test_cells_owner_whose_process_has_ended_counts_as_dead),
      STORY(test_cells_owner_that_is_invalid_delays_no_transaction),
      STORY(test_cells_owner_that_is_invalid_is_found_by_a_notification),
      STORY(test_cells_owner_is_validated_now_and_then),
      STORY(test_cells_raw_have_no_owner),
  };
  return cmocka_run_group_tests_name("unit.engine_cells_owner", tests, NULL, NULL);
}
