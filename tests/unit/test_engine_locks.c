/* Stories of locks beyond acquire and release: leases, circles of waiters, lists of owners; and of
 * processes whose end the server can see. */
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct story story;

static int set_up(void **state) {
  (void)state;
  story_begin_connected(&story, 5);
  for (const char *name = "a\0b\0c\0"; *name; name += 2) {
    story_open(&story, 1, 0, HOLDFAST__KIND__LOCK, name, 0);
  }
  story_open(&story, 1, 0, HOLDFAST__KIND__RLOCK, "r", 0);
  story_forget(&story);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

static void acquire(uint64_t connection, uint64_t sequence, const char *name, uint64_t lease_ms,
                    bool refuses) {
  Holdfast__LockAcquire message = HOLDFAST__LOCK_ACQUIRE__INIT;
  Holdfast__Request request = story_request(sequence, name, STORY_WAIT_FOREVER);
  message.lease_ms = lease_ms;
  message.refuse_deadlock = refuses;
  request.thread = 1;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LOCK_ACQUIRE;
  request.lock_acquire = &message;
  story_send(&story, connection, &request);
}

static void list_locks(uint64_t connection) {
  Holdfast__LockList message = HOLDFAST__LOCK_LIST__INIT;
  Holdfast__Request request = story_request(0, NULL, STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LOCK_LIST;
  request.lock_list = &message;
  story_send(&story, connection, &request);
}

static void ping(uint64_t connection) {
  Holdfast__Ping message = HOLDFAST__PING__INIT;
  Holdfast__Request request = story_request(0, NULL, STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_PING;
  request.ping = &message;
  story_send(&story, connection, &request);
  story_forget(&story);
}

/* ---- leases */

static void test_locks_lease_ends_and_its_end_is_reported_to_the_next(void **state) {
  (void)state;
  acquire(1, 1, "a", 100, false);
  acquire(2, 1, "a", 0, false);
  story_pass_ms(&story, 99);
  story_expect(&story, "1 <- #1 OK granted\n");
  story_pass_ms(&story, 1);
  story_expect(&story, "2 <- #1 OK granted, owner died\n");
}

static void test_locks_any_call_renews_the_lease(void **state) {
  (void)state;
  acquire(1, 1, "a", 100, false);
  acquire(2, 1, "a", 0, false);
  story_forget(&story);
  for (unsigned i = 0; i < 5; i++) {
    story_pass_ms(&story, 80);
    ping(1);
  }
  story_pass_ms(&story, 99);
  story_expect(&story, "");
  story_pass_ms(&story, 1);
  story_expect(&story, "2 <- #1 OK granted, owner died\n");
}

/* The old owner must not release what another session owns by now. */
static void test_locks_release_after_the_lease_is_stale(void **state) {
  (void)state;
  acquire(1, 1, "a", 100, false);
  acquire(2, 1, "a", 0, false);
  story_pass_ms(&story, 100);
  story_forget(&story);
  story_release(&story, 1, 2, "a", 1);
  story_expect(&story, "1 <- #2 FAILED_PRECONDITION TOKEN_STALE\n");
  story_acquire(&story, 3, 1, "a", 1, 0);
  story_release(&story, 1, 3, "a",
                1); /* reported once; from now on anyone may release, as in Python */
  story_expect(&story, "3 <- #1 DEADLINE_EXCEEDED LOCK_HELD\n1 <- #3 OK\n");
}

static void test_locks_release_after_the_lease_when_nobody_came(void **state) {
  (void)state;
  acquire(1, 1, "a", 100, false);
  story_pass_ms(&story, 100);
  story_release(&story, 1, 2, "a", 1);
  story_release(&story, 1, 3, "a", 1);
  story_expect(&story,
               "1 <- #1 OK granted\n1 <- #2 FAILED_PRECONDITION TOKEN_STALE\n"
               "1 <- #3 FAILED_PRECONDITION NOT_LOCKED\n");
}

static void test_locks_released_in_time_the_lease_is_forgotten(void **state) {
  (void)state;
  acquire(1, 1, "a", 100, false);
  story_release(&story, 1, 2, "a", 1);
  acquire(2, 1, "a", 0, false); /* without a lease */
  story_pass_ms(&story, 1000);
  story_acquire(&story, 3, 1, "a", 1, 0);
  story_expect(&story,
               "1 <- #1 OK granted\n1 <- #2 OK\n2 <- #1 OK granted\n"
               "3 <- #1 DEADLINE_EXCEEDED LOCK_HELD\n");
}

static void test_locks_a_lease_without_end_never_ends(void **state) {
  (void)state;
  acquire(1, 1, "a", UINT64_MAX, false);
  story_pass_ms(&story, 1u << 30);
  story_acquire(&story, 2, 1, "a", 1, 0);
  story_expect(&story, "1 <- #1 OK granted\n2 <- #1 DEADLINE_EXCEEDED LOCK_HELD\n");
}

static void test_locks_lease_does_not_outlive_a_goodbye(void **state) {
  (void)state;
  acquire(1, 1, "a", 100000, false);
  story_close_session(&story, 1);
  story_acquire(&story, 2, 1, "a", 1, 0);
  story_expect(&story, "1 <- #1 OK granted\n1 <- #0 OK\n2 <- #1 OK granted\n");
}

static void test_locks_deleted_while_leased(void **state) {
  (void)state;
  Holdfast__ObjectDelete deletion = HOLDFAST__OBJECT_DELETE__INIT;
  Holdfast__Request request = story_request(2, "a", STORY_WAIT_FOREVER);
  acquire(1, 1, "a", 100, false);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE;
  request.object_delete = &deletion;
  story_send(&story, 1, &request);
  story_pass_ms(&story, 1000);
  story_expect(&story, "1 <- #1 OK granted\n1 <- #2 OK\n");
}

static void test_locks_recursive_lease_ends_whole(void **state) {
  (void)state;
  acquire(1, 1, "r", 100, false);
  acquire(1, 2, "r", 100, false);
  acquire(2, 1, "r", 0, false);
  story_pass_ms(&story, 100);
  story_release(&story, 1, 3, "r", 1);
  story_expect(&story,
               "1 <- #1 OK granted\n1 <- #2 OK granted\n2 <- #1 OK granted, owner died\n"
               "1 <- #3 FAILED_PRECONDITION TOKEN_STALE\n");
}

/* ---- circles */

static void test_locks_circle_of_two_is_named(void **state) {
  (void)state;
  acquire(1, 1, "a", 0, false);
  acquire(2, 1, "b", 0, false);
  acquire(1, 2, "b", 0, false);
  story_forget(&story);
  acquire(2, 2, "a", 0, false);
  story_expect(&story, "deadlock: ? waits for a, held by ?, who waits for b, held by ?\n");
  list_locks(3);
  story_expect(&story,
               "3 <- #0 OK a of 1 awaited by 2 deadlocked; b of 2 awaited by 1 deadlocked;\n");
}

static void test_locks_circle_is_refused_on_request(void **state) {
  (void)state;
  acquire(1, 1, "a", 0, false);
  acquire(2, 1, "b", 0, false);
  acquire(3, 1, "c", 0, false);
  acquire(1, 2, "b", 0, true);
  acquire(2, 2, "c", 0, true);
  story_forget(&story);
  acquire(3, 2, "a", 0, true);
  story_expect(&story,
               "deadlock: ? waits for a, held by ?, who waits for b, held by ?, who waits for c, "
               "held by ?\n3 <- #2 ABORTED DEADLOCK\n");
  story_release(&story, 3, 3, "c", 1);
  story_expect(&story, "3 <- #3 OK\n2 <- #2 OK granted\n");
}

static void test_locks_with_a_timeout_of_zero_nothing_is_a_circle(void **state) {
  (void)state;
  acquire(1, 1, "a", 0, false);
  story_acquire(&story, 1, 2, "a", 1, 0);
  story_expect(&story, "1 <- #1 OK granted\n1 <- #2 DEADLINE_EXCEEDED LOCK_HELD\n");
  acquire(1, 3, "a", 0, true);
  story_expect(&story, "deadlock: ? waits for a, held by ?\n1 <- #3 ABORTED DEADLOCK\n");
}

static void test_locks_a_line_is_no_circle(void **state) {
  (void)state;
  acquire(1, 1, "a", 0, false);
  acquire(2, 1, "b", 0, false);
  acquire(2, 2, "a", 0, true);
  acquire(3, 1, "b", 0, true);
  acquire(4, 1, "a", 0, true);
  story_expect(&story, "1 <- #1 OK granted\n2 <- #1 OK granted\n");
  list_locks(5);
  story_expect(&story, "5 <- #0 OK a of 1 awaited by 2 4; b of 2 awaited by 3;\n");
}

/* ---- processes that the server can watch */

static void test_locks_of_an_ended_process_are_free_at_once(void **state) {
  (void)state;
  story_connect(&story, 6);
  story_open_session_of(&story, 6, 77);
  acquire(6, 1, "a", 0, false);
  acquire(1, 1, "a", 0, false);
  story_disconnect(&story, 6);
  story_expect(&story, "6 <- #0 OK session\n6 <- #1 OK granted\nprocess 77 watched\n");
  story_end_process(&story);
  story_expect(&story, "process 77 forgotten\n1 <- #1 OK granted, owner died\n");
}

static void test_locks_of_a_process_that_came_back_stay(void **state) {
  (void)state;
  story_connect(&story, 6);
  uint8_t session = story_open_session_of(&story, 6, 77);
  acquire(6, 1, "a", 0, false);
  story_disconnect(&story, 6);
  story_connect(&story, 7);
  story_resume(&story, 7, session, 1);
  story_forget(&story);
  story_end_process(&story); /* an end reported before, or a wrong one */
  story_acquire(&story, 1, 1, "a", 1, 0);
  story_expect(&story, "1 <- #1 DEADLINE_EXCEEDED LOCK_HELD\n");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(test_locks_##name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(lease_ends_and_its_end_is_reported_to_the_next),
      TEST(any_call_renews_the_lease),
      TEST(release_after_the_lease_is_stale),
      TEST(release_after_the_lease_when_nobody_came),
      TEST(released_in_time_the_lease_is_forgotten),
      TEST(a_lease_without_end_never_ends),
      TEST(lease_does_not_outlive_a_goodbye),
      TEST(deleted_while_leased),
      TEST(recursive_lease_ends_whole),
      TEST(circle_of_two_is_named),
      TEST(circle_is_refused_on_request),
      TEST(with_a_timeout_of_zero_nothing_is_a_circle),
      TEST(a_line_is_no_circle),
      TEST(of_an_ended_process_are_free_at_once),
      TEST(of_a_process_that_came_back_stay),
  };
#undef TEST
  return cmocka_run_group_tests(tests, NULL, NULL);
}
