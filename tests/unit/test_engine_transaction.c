/* Stories of several operations that are done as one, or not at all. */
#include "tests/support/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the four above */
#include <cmocka.h>

#define GET(queue) IN(queue, QUEUE_GET, QueueGet, queue_get, )
#define PUT(queue, number) IN(queue, QUEUE_PUT, QueuePut, queue_put, .value = INT(number))
#define SIZE(queue) IN(queue, QUEUE_SIZE, QueueSize, queue_size, )
#define GET_KEY(name_of_key) IN("d", DICT_GET, DictGet, dict_get, .key = TEXT(name_of_key))
#define SET_KEY(name_of_key, number) \
  IN("d", DICT_SET, DictSet, dict_set, .key = TEXT(name_of_key), .value = INT(number))
#define ADD_KEY(name_of_key, number) \
  IN("d", DICT_ADD, DictAdd, dict_add, .key = TEXT(name_of_key), .amount = INT(number))
#define DELETE_KEY(name_of_key) \
  IN("d", DICT_DELETE, DictDelete, dict_delete, .key = TEXT(name_of_key))
#define ACQUIRE(lock) IN(lock, LOCK_ACQUIRE, LockAcquire, lock_acquire, )
#define RELEASE(lock) IN(lock, LOCK_RELEASE, LockRelease, lock_release, )
#define SET_EVENT() IN("event", EVENT_SET, EventSet, event_set, )
#define SET_VALUE(number) IN("v", VALUE_SET, ValueSet, value_set, .value = INT(number))
#define GET_VALUE() IN("v", VALUE_GET, ValueGet, value_get, )
#define DELETE_OBJECT(name_of_object) \
  IN(name_of_object, OBJECT_DELETE, ObjectDelete, object_delete, )

#define WHERE(target, CHECK, field, ...)                                          \
  MESSAGE(Condition, condition, .target_case = HOLDFAST__CONDITION__TARGET_NAME,  \
          .name = DATA(target), .check_case = HOLDFAST__CONDITION__CHECK_##CHECK, \
          .field = __VA_ARGS__)
#define EQUALS(name_of_key, expected) \
  WHERE("d", KEY_EQUALS, key_equals,  \
        MESSAGE(KeyEquals, key_equals, .key = TEXT(name_of_key), .value = (expected)))
#define LENGTH(target, number) WHERE(target, LENGTH_AT_LEAST, length_at_least, number)
#define ROOM(target, number) WHERE(target, ROOM_AT_LEAST, room_at_least, number)
#define AT_LEAST(bound) WHERE("v", VALUE_AT_LEAST, value_at_least, bound)
#define HELD(target, token) WHERE(target, OWNED_WITH_TOKEN, owned_with_token, token)
#define FREE(target) WHERE(target, FREE, free, HOLDFAST__NONE_VALUE__NONE)
#define IS_SET(target) WHERE(target, IS_SET, is_set, HOLDFAST__NONE_VALUE__NONE)

/* IF(conditions)(operations), DO(operations) */
#define DO(...)                                                                                  \
  REQUEST(TRANSACTION, Transaction, transaction, .n_operations = COUNT_OF(Request, __VA_ARGS__), \
          .operations = LIST_OF(Request, __VA_ARGS__))
#define IF1(condition_, ...)                                        \
  REQUEST(TRANSACTION, Transaction, transaction, .n_conditions = 1, \
          .conditions = LIST_OF(Condition, condition_),             \
          .n_operations = COUNT_OF(Request, __VA_ARGS__),           \
          .operations = LIST_OF(Request, __VA_ARGS__))
#define IF2(condition_, other_, ...)                                \
  REQUEST(TRANSACTION, Transaction, transaction, .n_conditions = 2, \
          .conditions = LIST_OF(Condition, condition_, other_),     \
          .n_operations = COUNT_OF(Request, __VA_ARGS__),           \
          .operations = LIST_OF(Request, __VA_ARGS__))

/* The first token of an engine that begins at 0. */
#define FIRST_TOKEN 1

static struct story story;

static int set_up(void **state) {
  (void)state;
  Holdfast__Value *zero = INT(0);
  story_begin_crowded(&story, 4);
  story_open(&story, 4, 1, HOLDFAST__KIND__QUEUE, "q", 2);
  story_open(&story, 4, 2, HOLDFAST__KIND__DICT, "d", 0);
  story_open(&story, 4, 3, HOLDFAST__KIND__LOCK, "lock", 0);
  story_open(&story, 4, 4, HOLDFAST__KIND__EVENT, "event", 0);
  story_open(&story, 4, 5, HOLDFAST__KIND__LIST, "list", 0);
  ask(&story, 4, 6,
      REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__VALUE,
              .name = DATA("v"), .typecode = DATA("i"), .n_initial = 1, .initial = &zero));
  ask(&story, 4, 7,
      REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__SEMAPHORE,
              .name = DATA("semaphore"), .start = 1));
  story_forget(&story);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

/* What others find. */
static void expect_found(Holdfast__Request *request, const char *outcome) {
  char expected[128];
  snprintf(expected, sizeof expected, "4 <- #0 %s\n", outcome);
  story_forget(&story);
  ask_within(&story, 4, 0, 0, request);
  story_expect(&story, expected);
}

/* ---- operations */

static void test_all_are_done_and_answered(void **state) {
  (void)state;
  ask(&story, 1, 1,
      DO(SET_KEY("a", 1), ADD_KEY("a", 2), PUT("q", 7), SIZE("q"), GET("q"), SET_VALUE(5),
         GET_VALUE(), SET_EVENT(), ACQUIRE("lock"), RELEASE("lock"), DELETE_KEY("a")));
  story_expect(&story, "1 <- #1 OK OK, OK 3, OK, OK 1, OK 7, OK, OK 5, OK, OK granted, OK, OK\n");
  expect_found(GET_KEY("a"), "NOT_FOUND NO_SUCH_KEY");
  expect_found(GET_VALUE(), "OK 5");
}

static void test_failure_undoes_what_was_done(void **state) {
  (void)state;
  ask(&story, 4, 0, SET_KEY("a", 1));
  ask(&story, 4, 0, PUT("q", 7));
  story_forget(&story);
  ask(&story, 1, 1,
      DO(SET_KEY("a", 2), SET_KEY("b", 3), DELETE_KEY("a"), GET("q"), PUT("q", 8), PUT("q", 9),
         SET_VALUE(5), SET_EVENT(), ACQUIRE("lock"), GET_KEY("nobody")));
  story_expect(&story, "1 <- #1 NOT_FOUND NO_SUCH_KEY of part 10\n");
  expect_found(GET_KEY("a"), "OK 1");
  expect_found(GET_KEY("b"), "NOT_FOUND NO_SUCH_KEY");
  expect_found(SIZE("q"), "OK 1");
  expect_found(GET("q"), "OK 7");
  expect_found(GET_VALUE(), "OK 0");
  expect_found(IN("event", EVENT_IS_SET, EventIsSet, event_is_set, ), "OK no");
  expect_found(ACQUIRE("lock"), "OK granted");
}

/* Also where an item's position is not the end or the beginning of a plain line. */
static void test_failure_puts_work_back_to_its_place(void **state) {
  (void)state;
  ask(&story, 4, 0, PUT("q", 2));
  ask(&story, 4, 0, IN("q", QUEUE_PUT, QueuePut, queue_put, .value = INT(1), .priority = -1));
  story_forget(&story);
  ask(&story, 1, 1, DO(GET("q"), GET("q"), GET("d")));
  ask(&story, 1, 2, DO(GET("q"), PUT("q", 3), GET("q"), GET("q"), GET("q")));
  story_expect(&story,
               "1 <- #1 INVALID_ARGUMENT WRONG_KIND of part 3\n"
               "1 <- #2 RESOURCE_EXHAUSTED QUEUE_EMPTY of part 5\n");
  expect_found(SIZE("q"), "OK 2");
  expect_found(GET("q"), "OK 1");
  expect_found(GET("q"), "OK 2");
  expect_found(GET("q"), "RESOURCE_EXHAUSTED QUEUE_EMPTY");
}

static void test_put_is_plain(void **state) {
  (void)state;
  ask(&story, 1, 1,
      DO(PUT("q", 1), IN("q", QUEUE_PUT, QueuePut, queue_put, .value = INT(1), .delay_ms = 1)));
  story_expect(&story, "1 <- #1 INVALID_ARGUMENT NOT_NESTABLE of part 2\n");
  expect_found(SIZE("q"), "OK 0");
}

/* Neither is it waited for a condition first, nor looked whether its object is there. */
static void test_put_with_priority_is_refused_at_once(void **state) {
  (void)state;
  ask(&story, 1, 1,
      IF1(IS_SET("event"), PUT("q", 1),
          IN("nobody", QUEUE_PUT, QueuePut, queue_put, .value = INT(1), .priority = -1)));
  story_expect(&story, "1 <- #1 INVALID_ARGUMENT NOT_NESTABLE of part 3\n");
}

static void test_failure_gives_a_leased_lock_back_with_its_lease(void **state) {
  (void)state;
  ask(&story, 1, 1, IN("lock", LOCK_ACQUIRE, LockAcquire, lock_acquire, .lease_ms = 100));
  ask(&story, 1, 2, DO(RELEASE("lock"), GET("q")));
  ask(&story, 2, 1, ACQUIRE("lock"));
  story_expect(&story, "1 <- #1 OK granted\n1 <- #2 RESOURCE_EXHAUSTED QUEUE_EMPTY of part 2\n");
  story_pass_ms(&story, 100);
  story_expect(&story, "2 <- #1 OK granted, owner died\n");
}

/* Otherwise tries for a lock would keep a stopped owner. */
static void test_failure_does_not_prolong_a_lease(void **state) {
  (void)state;
  ask(&story, 1, 1, IN("lock", LOCK_ACQUIRE, LockAcquire, lock_acquire, .lease_ms = 100));
  story_pass_ms(&story, 60);
  ask(&story, 2, 1, DO(ACQUIRE("lock")));
  ask(&story, 2, 2, DO(RELEASE("lock"), GET("q")));
  story_forget(&story);
  ask(&story, 2, 3, ACQUIRE("lock"));
  story_pass_ms(&story, 39);
  story_expect(&story, "");
  story_pass_ms(&story, 1);
  story_expect(&story, "2 <- #3 OK granted, owner died\n");
}

/* That is said once, and not to an attempt that was undone. */
static void test_failure_leaves_what_a_lease_s_end_is_reported_by(void **state) {
  (void)state;
  ask(&story, 1, 1, IN("lock", LOCK_ACQUIRE, LockAcquire, lock_acquire, .lease_ms = 100));
  story_pass_ms(&story, 100);
  ask(&story, 1, 2, DO(ACQUIRE("lock"), GET("q")));
  ask(&story, 2, 1, ACQUIRE("lock"));
  story_forget(&story);
  ask(&story, 1, 3, RELEASE("lock"));
  story_expect(&story, "1 <- #3 FAILED_PRECONDITION TOKEN_STALE\n");
}

static void test_no_operation_waits(void **state) {
  (void)state;
  story_acquire(&story, 2, 1, "lock", 1, 0);
  story_acquire(&story, 2, 2, "v", 1, 0);
  story_forget(&story);
  ask(&story, 1, 1, DO(SET_KEY("a", 1), GET("q")));
  ask(&story, 1, 2, DO(PUT("q", 1), PUT("q", 2), PUT("q", 3)));
  ask(&story, 1, 3, DO(SET_KEY("a", 1), ACQUIRE("lock")));
  ask(&story, 1, 4, DO(SET_KEY("a", 1), SET_VALUE(1)));
  ask(&story, 1, 5,
      DO(IN("semaphore", SEMAPHORE_ACQUIRE, SemaphoreAcquire, semaphore_acquire, ),
         IN("semaphore", SEMAPHORE_ACQUIRE, SemaphoreAcquire, semaphore_acquire, )));
  story_expect(&story,
               "1 <- #1 RESOURCE_EXHAUSTED QUEUE_EMPTY of part 2\n"
               "1 <- #2 RESOURCE_EXHAUSTED QUEUE_FULL of part 3\n"
               "1 <- #3 DEADLINE_EXCEEDED LOCK_HELD of part 2\n"
               "1 <- #4 DEADLINE_EXCEEDED LOCK_HELD of part 2\n"
               "1 <- #5 DEADLINE_EXCEEDED NO_PERMIT of part 2\n");
  expect_found(SIZE("q"), "OK 0");
  expect_found(GET_KEY("a"), "NOT_FOUND NO_SUCH_KEY");
  expect_found(IN("semaphore", SEMAPHORE_ACQUIRE, SemaphoreAcquire, semaphore_acquire, ), "OK");
}

static void test_waiters_are_woken_once_all_is_done(void **state) {
  (void)state;
  ask(&story, 2, 1, GET("q"));
  ask(&story, 3, 1, IN("v", VALUE_WAIT, ValueWait, value_wait, .known = INT(0)));
  ask(&story, 1, 1, DO(PUT("q", 1), SET_VALUE(3), GET_KEY("nobody")));
  story_expect(&story, "1 <- #1 NOT_FOUND NO_SUCH_KEY of part 3\n");
  ask(&story, 1, 2, DO(PUT("q", 1), GET("q")));
  story_expect(&story, "1 <- #2 RESOURCE_EXHAUSTED QUEUE_EMPTY of part 2\n"); /* 2 was first */
  ask(&story, 1, 3, DO(PUT("q", 1), SET_VALUE(3)));
  story_expect(&story, "1 <- #3 OK OK, OK\n2 <- #1 OK 1\n3 <- #1 OK 3\n");
}

static void test_lock_given_up_and_undone_stays_with_its_session(void **state) {
  (void)state;
  story_acquire(&story, 1, 1, "lock", 1, 0);
  story_acquire(&story, 2, 1, "lock", 1, STORY_WAIT_FOREVER);
  ask(&story, 3, 1, DO(RELEASE("lock"), GET("q"))); /* anyone may */
  story_expect(&story, "1 <- #1 OK granted\n3 <- #1 RESOURCE_EXHAUSTED QUEUE_EMPTY of part 2\n");
  story_disconnect(&story, 1);
  story_pass_ms(&story, 5000);
  story_expect(&story, "2 <- #1 OK granted, owner died\n");
}

static void test_lock_taken_and_undone_is_not_the_session_s(void **state) {
  (void)state;
  ask(&story, 1, 1, DO(ACQUIRE("lock"), GET("q")));
  story_acquire(&story, 2, 1, "lock", 1, 0);
  story_disconnect(&story, 1);
  story_pass_ms(&story, 5000);
  story_acquire(&story, 3, 1, "lock", 1, 0);
  story_expect(&story,
               "1 <- #1 RESOURCE_EXHAUSTED QUEUE_EMPTY of part 2\n2 <- #1 OK granted\n"
               "3 <- #1 DEADLINE_EXCEEDED LOCK_HELD\n");
}

static void test_only_some_operations_may_be_in_it(void **state) {
  (void)state;
  ask(&story, 1, 1, DO(SET_KEY("a", 1), IN("event", EVENT_WAIT, EventWait, event_wait, )));
  ask(&story, 1, 2, DO(SET_KEY("a", 1), DO(SET_KEY("a", 1))));
  ask(&story, 1, 3, DO(SET_KEY("a", 1), MESSAGE(Request, request, )));
  ask(&story, 1, 4,
      DO(SET_KEY("a", 1), IN("q", QUEUE_PUT, QueuePut, queue_put, .value = INT(1), .delay_ms = 1)));
  ask(&story, 1, 5, IF1(IS_SET("event"), SET_KEY("a", 1), DELETE_OBJECT("d")));
  ask(&story, 1, 6, DO(SET_KEY("a", 1), GET_KEY("a"), GET("list")));
  ask(&story, 1, 7, DO(SET_KEY("a", 1), GET("nobody")));
  ask(&story, 1, 8, REQUEST(TRANSACTION, Transaction, transaction, ));
  story_connect(&story, 9);
  ask(&story, 9, 0, DO(SET_KEY("a", 1), ACQUIRE("lock")));
  story_expect(&story,
               "1 <- #1 INVALID_ARGUMENT NOT_NESTABLE of part 2\n"
               "1 <- #2 INVALID_ARGUMENT NOT_NESTABLE of part 2\n"
               "1 <- #3 UNIMPLEMENTED UNKNOWN_OPERATION of part 2\n"
               "1 <- #4 INVALID_ARGUMENT NOT_NESTABLE of part 2\n"
               "1 <- #5 INVALID_ARGUMENT NOT_NESTABLE of part 3\n"
               "1 <- #6 INVALID_ARGUMENT WRONG_KIND of part 3\n"
               "1 <- #7 NOT_FOUND NO_SUCH_OBJECT of part 2\n"
               "1 <- #8 INVALID_ARGUMENT BAD_ARGUMENT\n"
               "9 <- #0 FAILED_PRECONDITION NEEDS_SESSION of part 2\n");
  expect_found(GET_KEY("a"), "NOT_FOUND NO_SUCH_KEY");
}

static void test_number_of_parts_is_bounded(void **state) {
  (void)state;
  static Holdfast__Request *parts[HF_TRANSACTION_COUNT_MAX + 1];
  Holdfast__Request *add = ADD_KEY("a", 1);
  for (size_t i = 0; i <= HF_TRANSACTION_COUNT_MAX; i++) {
    parts[i] = add;
  }
  Holdfast__Transaction *most = MESSAGE(Transaction, transaction, .operations = parts,
                                        .n_operations = HF_TRANSACTION_COUNT_MAX + 1);
  Holdfast__Request *request =
      MESSAGE(Request, request, .operation_case = HOLDFAST__REQUEST__OPERATION_TRANSACTION,
              .transaction = most);
  ask(&story, 1, 1, request);
  story_expect(&story, "1 <- #1 RESOURCE_EXHAUSTED TOO_MANY_FIELDS\n");
  most->n_operations = HF_TRANSACTION_COUNT_MAX;
  ask(&story, 1, 2, request);
  expect_found(GET_KEY("a"), "OK 1024");
}

static void test_repeated_one_is_done_once(void **state) {
  (void)state;
  ask(&story, 1, 1, DO(ADD_KEY("a", 1), ADD_KEY("b", 1)));
  ask(&story, 1, 1, DO(ADD_KEY("a", 1), ADD_KEY("b", 1)));
  story_expect(&story, "1 <- #1 OK OK 1, OK 1\n1 <- #1 OK OK 1, OK 1\n");
  expect_found(GET_KEY("a"), "OK 1");
}

static void test_one_way_is_done_or_counted_as_failed(void **state) {
  (void)state;
  uint8_t id[HF_SESSION_BYTES];
  memset(id, 1, sizeof id); /* of the session of connection 1 */
  Holdfast__Request *good = DO(SET_KEY("a", 1), SET_KEY("b", 2)),
                    *bad = DO(SET_KEY("a", 3), DELETE_KEY("nobody")),
                    *asking = DO(SET_KEY("a", 3), GET_KEY("a"));
  good->session = bad->session = asking->session = (ProtobufCBinaryData){sizeof id, id};
  story_connect_one_way(&story, 9);
  ask(&story, 9, 1, good);
  ask(&story, 9, 2, bad);
  ask(&story, 9, 3, asking);
  ask(&story, 1, 1, REQUEST(FLUSH, Flush, flush, .through = 3));
  story_expect(&story, "1 <- #1 OK received 3 finished 3 failed 2\n");
  expect_found(GET_KEY("a"), "OK 1");
  expect_found(GET_KEY("b"), "OK 2");
}

static void test_references_are_counted_also_when_undone(void **state) {
  (void)state;
  uint64_t before = story_objects(&story, 1);
  uint64_t old = story_open(&story, 4, 8, HOLDFAST__KIND__LIST, NULL, 0);
  uint64_t other = story_open(&story, 4, 9, HOLDFAST__KIND__LIST, NULL, 0);
#define REFER(key_, id) \
  IN("d", DICT_SET, DictSet, dict_set, .key = TEXT(key_), .value = REFERENCE(id))
  ask(&story, 4, 0, REFER("k", old));
  story_drop(&story, 4, 10, old, 1);
  for (uint64_t i = 0; i < 3; i++) {
    ask(&story, 1, 1 + i, DO(REFER("k", other), REFER("l", other), DELETE_KEY("k"), GET("q")));
    assert_int_equal(story_objects(&story, 1), before + 2);
  }
  story_drop(&story, 4, 11, other, 1);
  assert_int_equal(story_objects(&story, 1), before + 1);
  story_forget(&story);
  ask(&story, 1, 9, DO(GET_KEY("k"), DELETE_KEY("k")));
  story_expect(&story, "1 <- #9 OK OK reference, OK\n");
  assert_int_equal(story_objects(&story, 1), before + 1); /* the session has a reference now */
  story_drop(&story, 1, 10, old, 1);
  assert_int_equal(story_objects(&story, 1), before);
}

/* ---- conditions */

static void test_conditions_of_all_kinds(void **state) {
  (void)state;
  story_acquire(&story, 1, 1, "lock", 1, 0);
  ask(&story, 1, 2, SET_KEY("a", 1));
  ask(&story, 1, 3, PUT("q", 1));
  ask(&story, 1, 4, SET_VALUE(5));
  story_forget(&story);
#define CHECK(condition_) ask_within(&story, 1, 0, 0, IF1(condition_, SIZE("q")))
  CHECK(EQUALS("a", INT(1)));
  CHECK(EQUALS("b", NULL));
  CHECK(LENGTH("q", 1));
  CHECK(LENGTH("d", 1));
  CHECK(LENGTH("list", 0));
  CHECK(ROOM("q", 1));
  CHECK(AT_LEAST(INT(5)));
  CHECK(HELD("lock", FIRST_TOKEN));
  CHECK(FREE("v"));
  story_expect(&story,
               "1 <- #0 OK OK 1\n1 <- #0 OK OK 1\n1 <- #0 OK OK 1\n1 <- #0 OK OK 1\n"
               "1 <- #0 OK OK 1\n1 <- #0 OK OK 1\n1 <- #0 OK OK 1\n1 <- #0 OK OK 1\n"
               "1 <- #0 OK OK 1\n");
  CHECK(EQUALS("a", INT(2)));
  CHECK(EQUALS("a", NULL));
  CHECK(EQUALS("b", INT(1)));
  CHECK(LENGTH("q", 2));
  CHECK(ROOM("q", 2));
  CHECK(ROOM("q", UINT64_MAX));
  CHECK(AT_LEAST(INT(6)));
  CHECK(FREE("lock"));
  CHECK(IS_SET("event"));
#define NOT_MET "1 <- #0 ABORTED CONDITION_NOT_MET of part 1\n"
  story_expect(&story, NOT_MET NOT_MET NOT_MET NOT_MET NOT_MET NOT_MET NOT_MET NOT_MET NOT_MET);
}

/* As for a put: a delayed item has its room already. */
static void test_room_is_what_a_put_finds(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    ask(&story, 1, 0,
        IN("q", QUEUE_PUT, QueuePut, queue_put, .value = INT(1), .delay_ms = 100 + 100 * i));
  }
  story_forget(&story);
  ask(&story, 1, 1, IF1(ROOM("q", 1), PUT("q", 2)));
  story_expect(&story, "");
  story_pass_ms(&story, 100);
  ask(&story, 2, 1, GET("q"));
  story_expect(&story, "2 <- #1 OK 1\n1 <- #1 OK OK\n");
}

static void test_condition_that_can_never_hold_is_an_error_at_once(void **state) {
  (void)state;
  story_acquire(&story, 1, 1, "lock", 1, 0);
  story_forget(&story);
#define FAIL(condition_) ask(&story, 1, 0, IF2(IS_SET("event"), condition_, SIZE("q")))
  FAIL(HELD("lock", FIRST_TOKEN + 1));
  FAIL(HELD("v", 0));
  FAIL(HELD("d", 1));
  FAIL(FREE("event"));
  FAIL(IS_SET("q"));
  FAIL(ROOM("d", 1));
  FAIL(LENGTH("event", 1));
  FAIL(AT_LEAST(TEXT("five")));
  FAIL(LENGTH("nobody", 1));
  FAIL(MESSAGE(Condition, condition, ));
  FAIL(MESSAGE(Condition, condition, .target_case = HOLDFAST__CONDITION__TARGET_NAME,
               .name = DATA("d")));
  story_expect(&story,
               "1 <- #0 FAILED_PRECONDITION TOKEN_STALE of part 2\n"
               "1 <- #0 FAILED_PRECONDITION TOKEN_STALE of part 2\n"
               "1 <- #0 INVALID_ARGUMENT WRONG_KIND of part 2\n"
               "1 <- #0 INVALID_ARGUMENT WRONG_KIND of part 2\n"
               "1 <- #0 INVALID_ARGUMENT WRONG_KIND of part 2\n"
               "1 <- #0 INVALID_ARGUMENT WRONG_KIND of part 2\n"
               "1 <- #0 INVALID_ARGUMENT WRONG_KIND of part 2\n"
               "1 <- #0 INVALID_ARGUMENT NOT_ORDERED of part 2\n"
               "1 <- #0 NOT_FOUND NO_SUCH_OBJECT of part 2\n"
               "1 <- #0 NOT_FOUND NO_SUCH_OBJECT of part 2\n"
               "1 <- #0 INVALID_ARGUMENT BAD_ARGUMENT of part 2\n");
}

static void test_waits_until_all_conditions_hold(void **state) {
  (void)state;
  ask(&story, 1, 1, IF2(IS_SET("event"), LENGTH("q", 2), GET("q"), GET("q")));
  ask(&story, 2, 1, PUT("q", 1));
  ask(&story, 2, 2, PUT("q", 2));
  story_expect(&story, "2 <- #1 OK\n2 <- #2 OK\n");
  ask(&story, 2, 3, GET("q"));
  ask(&story, 2, 4, SET_EVENT());
  story_expect(&story, "2 <- #3 OK 1\n2 <- #4 OK\n");
  ask(&story, 2, 5, PUT("q", 3));
  story_expect(&story, "2 <- #5 OK\n1 <- #1 OK OK 2, OK 3\n");
}

/* The put of many still waits: nothing else would wake the transaction. */
static void test_a_put_of_many_that_waits_on_has_put_some(void **state) {
  (void)state;
  ask(&story, 2, 1, IF1(LENGTH("q", 2), IN("q", QUEUE_GET, QueueGet, queue_get)));
  ask(&story, 1, 1,
      IN("q", QUEUE_PUT_MANY, QueuePutMany, queue_put_many, .n_items = 3,
         .items = LIST_OF(Value, INT(1), INT(2), INT(3))));
  story_expect(&story, "2 <- #1 OK OK 1\n1 <- #1 OK 3\n");
}

static void test_waits_for_a_key_a_value_and_a_lock(void **state) {
  (void)state;
  story_acquire(&story, 4, 8, "lock", 1, 0);
  story_forget(&story);
  ask(&story, 1, 1, IF1(EQUALS("a", INT(1)), SET_KEY("b", 1)));
  ask(&story, 1, 2, IF1(AT_LEAST(INT(10)), SET_VALUE(0)));
  ask(&story, 1, 3, IF1(FREE("lock"), SIZE("q")));
  ask(&story, 1, 4, IF1(EQUALS("b", INT(1)), DELETE_KEY("b")));
  story_expect(&story, "");
  ask(&story, 2, 1, SET_VALUE(9));
  ask(&story, 2, 2, SET_VALUE(11));
  ask(&story, 2, 3, ADD_KEY("a", 1)); /* sets off one after the other */
  ask(&story, 2, 4, RELEASE("lock"));
  story_expect(&story,
               "2 <- #1 OK\n2 <- #2 OK\n1 <- #2 OK OK\n"
               "2 <- #3 OK 1\n1 <- #1 OK OK\n1 <- #4 OK OK\n"
               "2 <- #4 OK\n1 <- #3 OK OK 0\n");
}

static void test_value_under_somebody_s_lock_is_not_looked_at(void **state) {
  (void)state;
  story_acquire(&story, 2, 1, "v", 1, 0);
  ask(&story, 1, 1, IF1(AT_LEAST(INT(0)), GET_VALUE()));
  story_expect(&story, "2 <- #1 OK granted\n");
  story_disconnect(&story, 2);
  story_pass_ms(&story, 5000);
  story_expect(&story, "1 <- #1 OK OK 0\n");
}

static void test_lock_of_a_dead_session_is_free(void **state) {
  (void)state;
  story_acquire(&story, 2, 1, "lock", 1, 0);
  ask(&story, 1, 1, IF1(FREE("lock"), ACQUIRE("lock")));
  story_disconnect(&story, 2);
  story_pass_ms(&story, 5000);
  story_expect(&story, "2 <- #1 OK granted\n1 <- #1 OK OK granted, owner died\n");
}

static void test_token_that_was_lost_meanwhile_ends_the_wait(void **state) {
  (void)state;
  story_acquire(&story, 2, 1, "lock", 1, 0);
  ask(&story, 1, 1, IF2(HELD("lock", FIRST_TOKEN), LENGTH("q", 1), GET("q")));
  story_release(&story, 2, 2, "lock", 1);
  ask(&story, 2, 3, PUT("q", 1));
  story_expect(&story,
               "2 <- #1 OK granted\n2 <- #2 OK\n2 <- #3 OK\n"
               "1 <- #1 FAILED_PRECONDITION TOKEN_STALE of part 1\n");
}

static void test_ends_at_its_deadline(void **state) {
  (void)state;
  ask_within(&story, 1, 1, 100, IF2(LENGTH("q", 0), IS_SET("event"), SIZE("q")));
  ask_within(&story, 1, 2, -2, IF1(IS_SET("event"), SIZE("q")));
  story_pass_ms(&story, 100);
  ask(&story, 2, 1, SET_EVENT());
  story_expect(&story,
               "1 <- #2 INVALID_ARGUMENT NEGATIVE_TIMEOUT\n"
               "1 <- #1 DEADLINE_EXCEEDED CONDITION_NOT_MET of part 2\n2 <- #1 OK\n");
}

static void test_object_deleted_while_it_waits(void **state) {
  (void)state;
  ask(&story, 1, 1, IF2(LENGTH("q", 0), IS_SET("event"), SIZE("q")));
  ask(&story, 1, 2, IF1(IS_SET("event"), SIZE("q")));
  ask(&story, 4, 0, DELETE_OBJECT("q"));
  ask(&story, 4, 0, DELETE_OBJECT("event"));
  story_expect(&story,
               "4 <- #0 OK\n1 <- #1 ABORTED OBJECT_DELETED of part 2\n"
               "1 <- #2 ABORTED OBJECT_DELETED of part 1\n4 <- #0 OK\n");
}

static void test_killed_or_suspended_one_does_nothing(void **state) {
  (void)state;
  ask(&story, 1, 1, IF1(LENGTH("q", 1), GET("q")));
  ask(&story, 2, 1, IF1(LENGTH("q", 1), GET("q")));
  story_disconnect(&story, 1);
  story_disconnect(&story, 2);
  ask(&story, 3, 1, PUT("q", 1));
  story_pass_ms(&story, 4000);
  story_connect(&story, 11);
  story_resume(&story, 11, 1, 1);
  story_expect(&story, "3 <- #1 OK\n11 <- #0 OK session\n0 <- #1 OK OK 1\n");
  ask(&story, 11, 1, IF1(LENGTH("q", 1), GET("q")));
  story_pass_ms(&story, 1000);
  story_expect(&story, "11 <- #1 OK OK 1\n0 <- #1 FAILED_PRECONDITION SESSION_ENDED\n");
}

static void test_conditions_alone_are_waited_for(void **state) {
  (void)state;
  ask(&story, 1, 1,
      REQUEST(TRANSACTION, Transaction, transaction, .n_conditions = 1,
              .conditions = LIST_OF(Condition, IS_SET("event"))));
  ask(&story, 2, 1, SET_EVENT());
  story_expect(&story, "2 <- #1 OK\n1 <- #1 OK\n");
}

static void test_long_one_does_not_wait(void **state) {
  (void)state;
  static char text[HF_WAITING_TRANSACTION_BYTES_MAX + 1];
  memset(text, 'a', sizeof text - 1);
  Holdfast__Request *request = IF1(
      IS_SET("event"), IN("d", DICT_SET, DictSet, dict_set, .key = TEXT("a"), .value = TEXT(text)));
  ask(&story, 1, 1, request);
  ask_within(&story, 1, 2, 0, request);
  story_expect(&story,
               "1 <- #1 RESOURCE_EXHAUSTED REQUEST_TOO_BIG\n"
               "1 <- #2 ABORTED CONDITION_NOT_MET of part 1\n");
  request->wait_case = HOLDFAST__REQUEST__WAIT__NOT_SET;
  ask(&story, 2, 1, SET_EVENT());
  ask(&story, 1, 3, request);
  story_expect(&story, "2 <- #1 OK\n1 <- #3 OK OK\n");
}

/* Both parts become possible at once; the getter was there first. */
static void test_wait_entry_runs_only_its_part(void **state) {
  (void)state;
  ask(&story, 2, 1, GET("q"));
  ask(&story, 3, 1,
      REQUEST(WAIT_ANY, WaitAny, wait_any, .n_operations = 2,
              .operations = LIST_OF(Request, GET("q"),
                                    IN("d", DICT_WAIT, DictWait, dict_wait, .key = TEXT("k")))));
  ask(&story, 1, 1, DO(SET_KEY("k", 1), PUT("q", 2)));
  story_expect(&story, "1 <- #1 OK OK, OK\n3 <- #1 OK first 1: OK 1\n2 <- #1 OK 2\n");
}

static void test_thousands_wait_for_one_thing(void **state) {
  (void)state;
  enum { CROWD = 5000 };
  for (uint64_t i = 0; i < CROWD; i++) {
    uint64_t connection = 100 + i / 1000;
    if (i % 1000 == 0) {
      story_connect(&story, connection);
    }
    ask(&story, connection, i + 1, IF1(LENGTH("q", 1), GET("q"), ADD_KEY("n", 1)));
  }
  story_expect(&story, "");
  ask(&story, 1, 1, PUT("q", 7));
  story_expect(&story, "1 <- #1 OK\n100 <- #1 OK OK 7, OK 1\n");
  story_disconnect(&story, 100);
  ask(&story, 1, 2, PUT("q", 8));
  story_expect(&story, "1 <- #2 OK\n101 <- #1001 OK OK 8, OK 2\n");
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_all_are_done_and_answered),
      STORY(test_failure_undoes_what_was_done),
      STORY(test_failure_puts_work_back_to_its_place),
      STORY(test_put_is_plain),
      STORY(test_put_with_priority_is_refused_at_once),
      STORY(test_failure_gives_a_leased_lock_back_with_its_lease),
      STORY(test_failure_does_not_prolong_a_lease),
      STORY(test_failure_leaves_what_a_lease_s_end_is_reported_by),
      STORY(test_no_operation_waits),
      STORY(test_waiters_are_woken_once_all_is_done),
      STORY(test_lock_given_up_and_undone_stays_with_its_session),
      STORY(test_lock_taken_and_undone_is_not_the_session_s),
      STORY(test_only_some_operations_may_be_in_it),
      STORY(test_number_of_parts_is_bounded),
      STORY(test_repeated_one_is_done_once),
      STORY(test_one_way_is_done_or_counted_as_failed),
      STORY(test_references_are_counted_also_when_undone),
      STORY(test_conditions_of_all_kinds),
      STORY(test_room_is_what_a_put_finds),
      STORY(test_condition_that_can_never_hold_is_an_error_at_once),
      STORY(test_waits_until_all_conditions_hold),
      STORY(test_waits_for_a_key_a_value_and_a_lock),
      STORY(test_a_put_of_many_that_waits_on_has_put_some),
      STORY(test_value_under_somebody_s_lock_is_not_looked_at),
      STORY(test_lock_of_a_dead_session_is_free),
      STORY(test_token_that_was_lost_meanwhile_ends_the_wait),
      STORY(test_ends_at_its_deadline),
      STORY(test_object_deleted_while_it_waits),
      STORY(test_killed_or_suspended_one_does_nothing),
      STORY(test_conditions_alone_are_waited_for),
      STORY(test_long_one_does_not_wait),
      STORY(test_wait_entry_runs_only_its_part),
      STORY(test_thousands_wait_for_one_thing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
