/* Stories of semaphores, events, conditions and barriers: which waiters go on, and what ended sessions
 * leave behind. */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CROWD 200u
#define CONDITIONS 6000u /* more than one command ends */

static struct story story;

static void open_shaped(const char *name, Holdfast__Kind kind, uint64_t start, uint64_t parties,
                        uint64_t lock) {
  Holdfast__ObjectOpen open = HOLDFAST__OBJECT_OPEN__INIT;
  Holdfast__Request request = story_request(0, NULL, STORY_WAIT_FOREVER);
  open.kind = kind;
  open.name = (ProtobufCBinaryData){strlen(name), (uint8_t *)name};
  open.start = start;
  open.parties = parties;
  open.lock = lock;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN;
  request.object_open = &open;
  story_send(&story, 4, &request);
}

static int set_up(void **state) {
  (void)state;
  story_begin_connected(&story, 4);
  open_shaped("two", HOLDFAST__KIND__SEMAPHORE, 2, 0, 0);
  open_shaped("bounded", HOLDFAST__KIND__BOUNDED_SEMAPHORE, 1, 0, 0);
  open_shaped("event", HOLDFAST__KIND__EVENT, 0, 0, 0);
  open_shaped("condition", HOLDFAST__KIND__CONDITION, 0, 0, 0);
  open_shaped("barrier", HOLDFAST__KIND__BARRIER, 0, 3, 0);
  uint64_t lock = story_open(&story, 4, 0, HOLDFAST__KIND__LOCK, "lock", 0);
  open_shaped("guarded", HOLDFAST__KIND__CONDITION, 0, 0, lock);
  story_forget(&story);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

/* An operation whose message has nothing to say, or is given. */
static void ask(uint64_t connection, uint64_t sequence, const char *name, int64_t timeout_ms,
                Holdfast__Request__OperationCase operation, void *message) {
  Holdfast__Request request = story_request(sequence, name, timeout_ms);
  request.thread = 1;
  request.operation_case = operation;
  request.semaphore_acquire = message; /* every arm is a pointer */
  story_send(&story, connection, &request);
}

static void acquire_permit(uint64_t connection, uint64_t sequence, const char *name,
                           int64_t timeout_ms) {
  Holdfast__SemaphoreAcquire message = HOLDFAST__SEMAPHORE_ACQUIRE__INIT;
  ask(connection, sequence, name, timeout_ms, HOLDFAST__REQUEST__OPERATION_SEMAPHORE_ACQUIRE,
      &message);
}

static void release_permits(uint64_t connection, uint64_t sequence, const char *name,
                            uint64_t count) {
  Holdfast__SemaphoreRelease message = HOLDFAST__SEMAPHORE_RELEASE__INIT;
  message.count = count;
  ask(connection, sequence, name, STORY_WAIT_FOREVER,
      HOLDFAST__REQUEST__OPERATION_SEMAPHORE_RELEASE, &message);
}

static void wait_condition(uint64_t connection, uint64_t sequence, const char *name,
                           int64_t timeout_ms) {
  Holdfast__ConditionWait message = HOLDFAST__CONDITION_WAIT__INIT;
  ask(connection, sequence, name, timeout_ms, HOLDFAST__REQUEST__OPERATION_CONDITION_WAIT,
      &message);
}

static void notify(uint64_t connection, uint64_t sequence, const char *name, uint64_t count,
                   bool all) {
  Holdfast__ConditionNotify message = HOLDFAST__CONDITION_NOTIFY__INIT;
  message.count = count;
  message.all = all;
  ask(connection, sequence, name, STORY_WAIT_FOREVER, HOLDFAST__REQUEST__OPERATION_CONDITION_NOTIFY,
      &message);
}

static void wait_barrier(uint64_t connection, uint64_t sequence, int64_t timeout_ms, bool acts) {
  Holdfast__BarrierWait message = HOLDFAST__BARRIER_WAIT__INIT;
  message.has_action = acts;
  ask(connection, sequence, "barrier", timeout_ms, HOLDFAST__REQUEST__OPERATION_BARRIER_WAIT,
      &message);
}

static void test_sync_semaphore_lets_as_many_in_as_it_has(void **state) {
  (void)state;
  acquire_permit(1, 1, "two", 0);
  acquire_permit(2, 1, "two", 0);
  acquire_permit(3, 1, "two", 0);
  acquire_permit(3, 2, "two", STORY_WAIT_FOREVER);
  release_permits(4, 1, "two", 1);
  release_permits(4, 2, "bounded", 1);
  story_expect(&story,
               "1 <- #1 OK\n2 <- #1 OK\n3 <- #1 DEADLINE_EXCEEDED NO_PERMIT\n"
               "4 <- #1 OK\n3 <- #2 OK\n4 <- #2 FAILED_PRECONDITION RELEASED_TOO_OFTEN\n");
}

static void test_sync_semaphore_of_a_killed_one_comes_back(void **state) {
  (void)state;
  acquire_permit(1, 1, "bounded", 0);
  acquire_permit(2, 1, "bounded", STORY_WAIT_FOREVER);
  story_disconnect(&story, 1);
  story_expect(&story, "1 <- #1 OK\n");
  story_pass_ms(&story, 5000);
  story_expect(&story, "2 <- #1 OK\n");
}

static void test_sync_semaphore_stays_acquired_after_a_goodbye(void **state) {
  (void)state;
  acquire_permit(1, 1, "bounded", 0);
  story_close_session(&story, 1);
  acquire_permit(2, 1, "bounded", 0);
  story_expect(&story, "1 <- #1 OK\n1 <- #0 OK\n2 <- #1 DEADLINE_EXCEEDED NO_PERMIT\n");
}

static void test_sync_event_wakes_all_and_answers_in_time(void **state) {
  (void)state;
  Holdfast__EventWait wait = HOLDFAST__EVENT_WAIT__INIT;
  Holdfast__EventSet set = HOLDFAST__EVENT_SET__INIT;
  const Holdfast__Request__OperationCase waits = HOLDFAST__REQUEST__OPERATION_EVENT_WAIT;
  ask(1, 1, "event", STORY_WAIT_FOREVER, waits, &wait);
  ask(2, 1, "event", 100, waits, &wait);
  ask(3, 1, "event", -5, waits, &wait);
  story_pass_ms(&story, 100);
  ask(4, 1, "event", STORY_WAIT_FOREVER, HOLDFAST__REQUEST__OPERATION_EVENT_SET, &set);
  ask(2, 2, "event", 0, waits, &wait);
  story_expect(&story,
               "3 <- #1 OK no\n2 <- #1 OK no\n4 <- #1 OK\n1 <- #1 OK yes\n2 <- #2 OK yes\n");
}

static void test_sync_condition_needs_its_lock(void **state) {
  (void)state;
  wait_condition(1, 1, "condition", STORY_WAIT_FOREVER);
  notify(1, 2, "condition", 1, false);
  story_expect(
      &story,
      "1 <- #1 FAILED_PRECONDITION NOT_ACQUIRED\n1 <- #2 FAILED_PRECONDITION NOT_ACQUIRED\n");
}

static void lock_and_wait(uint64_t connection, const char *name, int64_t timeout_ms) {
  story_acquire(&story, connection, 1, name, 1, STORY_WAIT_FOREVER);
  wait_condition(connection, 2, name, timeout_ms);
}

static void test_sync_condition_notifies_one_of_many_in_few_steps(void **state) {
  (void)state;
  for (uint64_t i = 0; i < CROWD; i++) {
    story_acquire(&story, 1, 2 * i + 1, "condition", 1, STORY_WAIT_FOREVER);
    wait_condition(1, 2 * i + 2, "condition", STORY_WAIT_FOREVER);
  }
  story_forget(&story);
  story_acquire(&story, 2, 1, "condition", 1, STORY_WAIT_FOREVER);
  uint64_t before = engine_steps(story.engine);
  notify(2, 2, "condition", 1, false);
  assert_true(engine_steps(story.engine) - before < CROWD / 4);
  story_release(&story, 2, 3, "condition", 1);
  story_expect(&story, "2 <- #1 OK granted\n2 <- #2 OK\n2 <- #3 OK\n1 <- #2 OK yes\n");
}

static void test_sync_condition_notifies_in_order_each_with_the_lock(void **state) {
  (void)state;
  lock_and_wait(1, "condition", STORY_WAIT_FOREVER);
  lock_and_wait(2, "condition", STORY_WAIT_FOREVER);
  story_acquire(&story, 3, 1, "condition", 1, 0);
  notify(3, 2, "condition", 2, false);
  story_release(&story, 3, 3, "condition", 1);
  story_release(&story, 1, 3, "condition", 1);
  story_expect(&story,
               "1 <- #1 OK granted\n2 <- #1 OK granted\n3 <- #1 OK granted\n3 <- #2 OK\n"
               "3 <- #3 OK\n1 <- #2 OK yes\n"
               "1 <- #3 OK\n2 <- #2 OK yes\n");
}

static void test_sync_condition_out_of_time_still_gets_the_lock_back(void **state) {
  (void)state;
  lock_and_wait(1, "guarded", 100);
  story_acquire(&story, 2, 1, "lock", 1, 0); /* the lock it was given */
  story_pass_ms(&story, 100);
  story_expect(&story, "1 <- #1 OK granted\n2 <- #1 OK granted\n");
  story_release(&story, 2, 2, "lock", 1);
  story_acquire(&story, 2, 3, "lock", 1, 0);
  story_expect(&story, "2 <- #2 OK\n1 <- #2 OK no\n2 <- #3 DEADLINE_EXCEEDED LOCK_HELD\n");
}

static void test_sync_condition_forgets_the_killed_and_passes_its_turn_on(void **state) {
  (void)state;
  lock_and_wait(1, "condition", STORY_WAIT_FOREVER);
  lock_and_wait(2, "condition", STORY_WAIT_FOREVER);
  story_acquire(&story, 3, 1, "condition", 1, 0);
  notify(3, 2, "condition", 1, false); /* meant for 1 */
  story_disconnect(&story, 1);
  story_pass_ms(&story, 5000);
  story_release(&story, 3, 3, "condition", 1);
  story_expect(&story,
               "1 <- #1 OK granted\n2 <- #1 OK granted\n3 <- #1 OK granted\n3 <- #2 OK\n"
               "0 <- #2 FAILED_PRECONDITION SESSION_ENDED\n"
               "3 <- #3 OK\n2 <- #2 OK yes\n");
}

/* 1 was answered, and killed before it said that it had read the answer. */
static void test_sync_condition_notification_of_the_killed_wakes_another(void **state) {
  (void)state;
  lock_and_wait(1, "condition", STORY_WAIT_FOREVER);
  lock_and_wait(2, "condition", STORY_WAIT_FOREVER);
  story_acquire(&story, 3, 1, "condition", 1, 0);
  notify(3, 2, "condition", 1, false);
  story_release(&story, 3, 3, "condition", 1);
  story_expect(&story,
               "1 <- #1 OK granted\n2 <- #1 OK granted\n3 <- #1 OK granted\n3 <- #2 OK\n"
               "3 <- #3 OK\n1 <- #2 OK yes\n");
  story_disconnect(&story, 1);
  story_pass_ms(&story, 5000);
  story_expect(&story, "2 <- #2 OK yes\n");
}

/* The one that was notified had read it: its next request says so. */
/* The answer to the wait can't say it. */
static void test_sync_condition_leaves_the_death_of_its_lock_s_owner_to_the_next(void **state) {
  (void)state;
  lock_and_wait(1, "condition", STORY_WAIT_FOREVER);
  story_acquire(&story, 3, 1, "condition", 1, 0);
  notify(3, 2, "condition", 1, false);
  story_forget(&story);
  story_disconnect(&story, 3);
  story_pass_ms(&story, HF_GRACE_MS_DEFAULT);
  story_release(&story, 1, 3, "condition", 1);
  story_acquire(&story, 2, 1, "condition", 1, 0);
  story_expect(&story, "1 <- #2 OK yes\n1 <- #3 OK\n2 <- #1 OK granted, owner died\n");
}

static void test_sync_condition_notification_that_was_read_is_not_passed_on(void **state) {
  (void)state;
  Holdfast__Request request = story_request(3, "two", 0);
  Holdfast__SemaphoreAcquire acquire = HOLDFAST__SEMAPHORE_ACQUIRE__INIT;
  lock_and_wait(1, "condition", STORY_WAIT_FOREVER);
  lock_and_wait(2, "condition", STORY_WAIT_FOREVER);
  story_acquire(&story, 3, 1, "condition", 1, 0);
  notify(3, 2, "condition", 1, false);
  story_release(&story, 3, 3, "condition", 1);
  request.acked = 2;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_SEMAPHORE_ACQUIRE;
  request.semaphore_acquire = &acquire;
  story_send(&story, 1, &request);
  story_forget(&story);
  story_disconnect(&story, 1);
  story_pass_ms(&story, 5000);
  story_expect(&story, "");
}

/* 1 lost its connection while it waited: it is notified all the same. */
static void test_sync_condition_notifies_those_that_come_back(void **state) {
  (void)state;
  story_connect(&story, 5);
  uint8_t session = story_open_session(&story, 5);
  story_forget(&story);
  lock_and_wait(5, "condition", STORY_WAIT_FOREVER);
  lock_and_wait(2, "condition", STORY_WAIT_FOREVER);
  story_disconnect(&story, 5);
  story_acquire(&story, 3, 1, "condition", 1, 0);
  notify(3, 2, "condition", 1, true);
  story_release(&story, 3, 3, "condition", 1);
  story_release(&story, 2, 3, "condition", 1);
  story_forget(&story);
  story_connect(&story, 6);
  story_resume(&story, 6, session, 1);
  story_forget(&story);
  wait_condition(6, 2, "condition", STORY_WAIT_FOREVER);
  story_expect(&story, "6 <- #2 OK yes\n");
}

static void delete_object(uint64_t connection, uint64_t sequence, const char *name) {
  Holdfast__ObjectDelete deletion = HOLDFAST__OBJECT_DELETE__INIT;
  ask(connection, sequence, name, STORY_WAIT_FOREVER, HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE,
      &deletion);
}

/* It has waited, and returns with the lock. */
static void test_sync_condition_deleted_while_its_waiter_wants_the_lock(void **state) {
  (void)state;
  lock_and_wait(1, "guarded", 100);
  story_acquire(&story, 2, 1, "lock", 1, 0);
  story_pass_ms(&story, 100);
  delete_object(3, 1, "guarded");
  story_release(&story, 2, 2, "lock", 1);
  story_release(&story, 1, 3, "lock", 1);
  story_expect(&story,
               "1 <- #1 OK granted\n2 <- #1 OK granted\n3 <- #1 OK\n"
               "2 <- #2 OK\n1 <- #2 OK no\n1 <- #3 OK\n");
}

/* Nobody could notify them any more: also who has lost the connection. 5 and 2 wait to be notified, 1 for the lock. */
static void test_sync_condition_ends_with_the_lock_it_was_given(void **state) {
  (void)state;
  story_connect(&story, 5);
  uint8_t session = story_open_session(&story, 5);
  lock_and_wait(1, "guarded", STORY_WAIT_FOREVER);
  lock_and_wait(2, "guarded", STORY_WAIT_FOREVER);
  lock_and_wait(5, "guarded", STORY_WAIT_FOREVER);
  story_disconnect(&story, 5);
  story_acquire(&story, 3, 1, "lock", 1, 0);
  notify(3, 2, "guarded", 1, false);
  story_forget(&story);
  delete_object(3, 3, "lock");
  story_expect(&story,
               "1 <- #2 ABORTED OBJECT_DELETED\n3 <- #3 OK\n2 <- #2 ABORTED OBJECT_DELETED\n");
  story_connect(&story, 6);
  story_resume(&story, 6, session, 1);
  story_forget(&story);
  wait_condition(6, 2, "guarded", STORY_WAIT_FOREVER);
  wait_condition(2, 3, "guarded", STORY_WAIT_FOREVER);
  story_expect(&story, "6 <- #2 ABORTED OBJECT_DELETED\n2 <- #3 NOT_FOUND NO_SUCH_OBJECT\n");
}

/* Each in its own slice, whichever goes first; then the condition itself. */
static void test_sync_condition_ends_with_its_lock_among_many(void **state) {
  (void)state;
  char name[16];
  uint64_t lock = story_open(&story, 4, 0, HOLDFAST__KIND__LOCK, "shared", 0);
  for (unsigned i = 0; i < CONDITIONS; i++) {
    snprintf(name, sizeof name, "c%u", i);
    open_shaped(name, HOLDFAST__KIND__CONDITION, 0, 0, lock);
  }
  lock_and_wait(1, "c0", STORY_WAIT_FOREVER);
  lock_and_wait(2, "c7", STORY_WAIT_FOREVER);
  story_forget(&story);
  story.in_slices = true;
  delete_object(3, 1, "shared");
  delete_object(3, 2, "c8");
  delete_object(3, 3, "c7");
  while (story_run_slice(&story)) {
  }
  assert_true(story_said(&story, "1 <- #2 ABORTED OBJECT_DELETED\n"));
  assert_true(story_said(&story, "2 <- #2 ABORTED OBJECT_DELETED\n"));
  delete_object(3, 4, "c9");
  assert_true(story_said(&story, "3 <- #4 OK\n"));
}

static void test_sync_barrier_opens_for_the_last(void **state) {
  (void)state;
  for (uint64_t round = 1; round <= 2; round++) {
    wait_barrier(1, round, STORY_WAIT_FOREVER, false);
    wait_barrier(2, round, STORY_WAIT_FOREVER, false);
    story_expect(&story, "");
    wait_barrier(3, round, 0, false);
    story_expect(&story, round == 1
                             ? "3 <- #1 OK index 2\n1 <- #1 OK index 0\n2 <- #1 OK index 1\n"
                             : "3 <- #2 OK index 2\n1 <- #2 OK index 0\n2 <- #2 OK index 1\n");
  }
}

static void test_sync_barrier_waits_for_the_action(void **state) {
  (void)state;
  Holdfast__BarrierDone done = HOLDFAST__BARRIER_DONE__INIT;
  const Holdfast__Request__OperationCase is_done = HOLDFAST__REQUEST__OPERATION_BARRIER_DONE;
  wait_barrier(1, 1, STORY_WAIT_FOREVER, true);
  wait_barrier(2, 1, STORY_WAIT_FOREVER, true);
  wait_barrier(3, 1, STORY_WAIT_FOREVER, true);
  wait_barrier(4, 1, STORY_WAIT_FOREVER, true); /* the next round's first */
  ask(1, 2, "barrier", STORY_WAIT_FOREVER, is_done, &done);
  story_expect(&story,
               "3 <- #1 OK index 2, acts in round 1\n1 <- #2 FAILED_PRECONDITION NOT_OWNER\n");
  ask(3, 2, "barrier", STORY_WAIT_FOREVER, is_done, &done);
  story_expect(&story, "3 <- #2 OK\n1 <- #1 OK index 0\n2 <- #1 OK index 1\n");
}

static void fill_round(uint64_t sequence) {
  for (uint64_t connection = 1; connection <= 3; connection++) {
    wait_barrier(connection, sequence, STORY_WAIT_FOREVER, true);
  }
}

static void end_action(uint64_t connection, uint64_t sequence, bool has_worked, uint64_t round) {
  Holdfast__BarrierDone done = HOLDFAST__BARRIER_DONE__INIT;
  Holdfast__BarrierAbort abort = HOLDFAST__BARRIER_ABORT__INIT;
  done.round = abort.round = round;
  ask(connection, sequence, "barrier", STORY_WAIT_FOREVER,
      has_worked ? HOLDFAST__REQUEST__OPERATION_BARRIER_DONE
                 : HOLDFAST__REQUEST__OPERATION_BARRIER_ABORT,
      has_worked ? (void *)&done : (void *)&abort);
}

/* One session acts in both rounds; neither end of the first action ends the second, nor its revocation. */
static void test_sync_barrier_action_is_of_its_round(void **state) {
  (void)state;
  Holdfast__BarrierReset reset = HOLDFAST__BARRIER_RESET__INIT;
  Holdfast__Cancel cancel = HOLDFAST__CANCEL__INIT;
  cancel.sequence = 1;
  cancel.revoke = true;
  fill_round(1);
  ask(4, 1, "barrier", STORY_WAIT_FOREVER, HOLDFAST__REQUEST__OPERATION_BARRIER_RESET, &reset);
  story_expect(&story,
               "3 <- #1 OK index 2, acts in round 1\n4 <- #1 OK\n"
               "1 <- #1 ABORTED BARRIER_BROKEN\n2 <- #1 ABORTED BARRIER_BROKEN\n");
  fill_round(2);
  end_action(3, 3, true, 1);
  end_action(3, 4, false, 1);
  ask(3, 5, NULL, STORY_WAIT_FOREVER, HOLDFAST__REQUEST__OPERATION_CANCEL, &cancel);
  end_action(3, 6, true, 2);
  story_expect(&story,
               "3 <- #2 OK index 2, acts in round 2\n"
               "3 <- #3 FAILED_PRECONDITION NOT_OWNER\n3 <- #4 FAILED_PRECONDITION NOT_OWNER\n"
               "3 <- #5 OK yes\n3 <- #6 OK\n1 <- #2 OK index 0\n2 <- #2 OK index 1\n");
  fill_round(7);
  end_action(3, 8, false, 3);
  end_action(3, 9, true, 3);
  end_action(3, 10, false, 3);
  story_expect(&story,
               "3 <- #7 OK index 2, acts in round 3\n3 <- #8 OK\n"
               "1 <- #7 ABORTED BARRIER_BROKEN\n2 <- #7 ABORTED BARRIER_BROKEN\n"
               "3 <- #9 ABORTED BARRIER_BROKEN\n3 <- #10 ABORTED BARRIER_BROKEN\n");
}

static void test_sync_barrier_newcomers_time_begins_after_the_action(void **state) {
  (void)state;
  Holdfast__BarrierDone done = HOLDFAST__BARRIER_DONE__INIT;
  wait_barrier(1, 1, STORY_WAIT_FOREVER, true);
  wait_barrier(2, 1, STORY_WAIT_FOREVER, true);
  wait_barrier(3, 1, STORY_WAIT_FOREVER, true);
  wait_barrier(4, 1, 100, true);
  story_pass_ms(&story, 200);
  story_expect(&story, "3 <- #1 OK index 2, acts in round 1\n");
  ask(3, 2, "barrier", STORY_WAIT_FOREVER, HOLDFAST__REQUEST__OPERATION_BARRIER_DONE, &done);
  story_pass_ms(&story, 99);
  story_expect(&story, "3 <- #2 OK\n1 <- #1 OK index 0\n2 <- #1 OK index 1\n");
  story_pass_ms(&story, 1);
  story_expect(&story, "4 <- #1 ABORTED BARRIER_BROKEN\n");
}

/* That its time was up once, while it could not even enter, is over. */
static void test_sync_barrier_newcomer_s_lost_time_counts_once(void **state) {
  (void)state;
  Holdfast__BarrierDone done = HOLDFAST__BARRIER_DONE__INIT;
  for (uint64_t connection = 1; connection <= 3; connection++) {
    wait_barrier(connection, 1, STORY_WAIT_FOREVER, true);
  }
  wait_barrier(4, 1, 100, true);
  story_disconnect(&story, 4);
  story_pass_ms(&story, 200);
  story_connect(&story, 5);
  story_resume(&story, 5, 4, 1);
  wait_barrier(5, 1, 100, true);
  ask(3, 2, "barrier", STORY_WAIT_FOREVER, HOLDFAST__REQUEST__OPERATION_BARRIER_DONE, &done);
  story_disconnect(&story, 5);
  story_connect(&story, 6);
  story_forget(&story);
  story_resume(&story, 6, 4, 2);
  wait_barrier(6, 1, 100, true);
  story_expect(&story, "6 <- #0 OK session\n");
}

static void test_sync_barrier_breaks_until_reset(void **state) {
  (void)state;
  Holdfast__BarrierReset reset = HOLDFAST__BARRIER_RESET__INIT;
  wait_barrier(1, 1, STORY_WAIT_FOREVER, false);
  wait_barrier(2, 1, 100, false);
  story_pass_ms(&story, 100);
  wait_barrier(3, 1, STORY_WAIT_FOREVER, false);
  ask(4, 1, "barrier", STORY_WAIT_FOREVER, HOLDFAST__REQUEST__OPERATION_BARRIER_RESET, &reset);
  wait_barrier(3, 2, STORY_WAIT_FOREVER, false);
  story_expect(&story,
               "2 <- #1 ABORTED BARRIER_BROKEN\n1 <- #1 ABORTED BARRIER_BROKEN\n"
               "3 <- #1 ABORTED BARRIER_BROKEN\n4 <- #1 OK\n");
}

static void test_sync_barrier_breaks_when_a_party_or_the_actor_is_killed(void **state) {
  (void)state;
  Holdfast__BarrierReset reset = HOLDFAST__BARRIER_RESET__INIT;
  wait_barrier(1, 1, STORY_WAIT_FOREVER, true);
  wait_barrier(2, 1, STORY_WAIT_FOREVER, true);
  story_disconnect(&story, 1);
  story_pass_ms(&story, 5000);
  ask(4, 1, "barrier", STORY_WAIT_FOREVER, HOLDFAST__REQUEST__OPERATION_BARRIER_RESET, &reset);
  story_connect(&story, 5);
  story_open_session(&story, 5);
  story_expect(&story,
               "0 <- #1 FAILED_PRECONDITION SESSION_ENDED\n2 <- #1 ABORTED BARRIER_BROKEN\n"
               "4 <- #1 OK\n5 <- #0 OK session\n");
  wait_barrier(2, 2, STORY_WAIT_FOREVER, true);
  wait_barrier(3, 1, STORY_WAIT_FOREVER, true);
  wait_barrier(5, 1, STORY_WAIT_FOREVER, true);
  story_disconnect(&story, 5);
  story_pass_ms(&story, 5000);
  story_expect(&story,
               "5 <- #1 OK index 2, acts in round 3\n"
               "2 <- #2 ABORTED BARRIER_BROKEN\n3 <- #1 ABORTED BARRIER_BROKEN\n");
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_sync_semaphore_lets_as_many_in_as_it_has),
      STORY(test_sync_semaphore_of_a_killed_one_comes_back),
      STORY(test_sync_semaphore_stays_acquired_after_a_goodbye),
      STORY(test_sync_event_wakes_all_and_answers_in_time),
      STORY(test_sync_condition_needs_its_lock),
      STORY(test_sync_condition_notifies_one_of_many_in_few_steps),
      STORY(test_sync_condition_notifies_in_order_each_with_the_lock),
      STORY(test_sync_condition_out_of_time_still_gets_the_lock_back),
      STORY(test_sync_condition_forgets_the_killed_and_passes_its_turn_on),
      STORY(test_sync_condition_notification_of_the_killed_wakes_another),
      STORY(test_sync_condition_leaves_the_death_of_its_lock_s_owner_to_the_next),
      STORY(test_sync_condition_notification_that_was_read_is_not_passed_on),
      STORY(test_sync_condition_notifies_those_that_come_back),
      STORY(test_sync_condition_deleted_while_its_waiter_wants_the_lock),
      STORY(test_sync_condition_ends_with_the_lock_it_was_given),
      STORY(test_sync_condition_ends_with_its_lock_among_many),
      STORY(test_sync_barrier_opens_for_the_last),
      STORY(test_sync_barrier_waits_for_the_action),
      STORY(test_sync_barrier_action_is_of_its_round),
      STORY(test_sync_barrier_newcomers_time_begins_after_the_action),
      STORY(test_sync_barrier_newcomer_s_lost_time_counts_once),
      STORY(test_sync_barrier_breaks_until_reset),
      STORY(test_sync_barrier_breaks_when_a_party_or_the_actor_is_killed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
