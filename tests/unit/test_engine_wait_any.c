/* Stories of wait-any: a request waits for the first of several operations. */
#include "server/engine/core.h"
#include "tests/support/apply.h"
#include "tests/support/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the four above */
#include <cmocka.h>

#define GET(queue) IN(queue, QUEUE_GET, QueueGet, queue_get, )
#define ACQUIRE(lock) IN(lock, LOCK_ACQUIRE, LockAcquire, lock_acquire, )
#define WAIT_EVENT(event) IN(event, EVENT_WAIT, EventWait, event_wait, )
#define WAIT_KEY(dict, name_of_key) \
  IN(dict, DICT_WAIT, DictWait, dict_wait, .key = TEXT(name_of_key))
#define SET_KEY(dict, name_of_key, number) \
  IN(dict, DICT_SET, DictSet, dict_set, .key = TEXT(name_of_key), .value = INT(number))
#define LENGTH(queue) IN(queue, QUEUE_SIZE, QueueSize, queue_size, )
#define FIRST(...)                                                                     \
  REQUEST(WAIT_ANY, WaitAny, wait_any, .n_operations = COUNT_OF(Request, __VA_ARGS__), \
          .operations = LIST_OF(Request, __VA_ARGS__))

static struct story story;

static int set_up(void **state) {
  (void)state;
  story_begin_crowded(&story, 4);
  story_open(&story, 4, 1, HOLDFAST__KIND__QUEUE, "p", 0);
  story_open(&story, 4, 2, HOLDFAST__KIND__QUEUE, "q", 0);
  story_open(&story, 4, 3, HOLDFAST__KIND__LOCK, "lock", 0);
  story_open(&story, 4, 4, HOLDFAST__KIND__EVENT, "event", 0);
  story_open(&story, 4, 5, HOLDFAST__KIND__DICT, "d", 0);
  story_open(&story, 4, 6, HOLDFAST__KIND__LIST, "list", 0);
  story_forget(&story);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

static void put(const char *queue, int64_t number) {
  ask(&story, 4, 0, IN(queue, QUEUE_PUT, QueuePut, queue_put, .value = INT(number)));
}

static void test_first_listed_of_those_ready_and_only_that(void **state) {
  (void)state;
  put("p", 1);
  put("q", 2);
  ask(&story, 1, 1, FIRST(WAIT_EVENT("event"), GET("q"), GET("p")));
  ask(&story, 1, 2, LENGTH("p"));
  ask(&story, 1, 3, LENGTH("q"));
  story_expect(&story,
               "4 <- #0 OK\n4 <- #0 OK\n"
               "1 <- #1 OK first 1: OK 2\n1 <- #2 OK 1\n1 <- #3 OK 0\n");
}

static void test_waits_for_all_and_leaves_the_others(void **state) {
  (void)state;
  ask(&story, 1, 1, FIRST(GET("p"), GET("q"), ACQUIRE("lock"), WAIT_EVENT("event")));
  ask(&story, 2, 1, FIRST(GET("p"), GET("q"), WAIT_EVENT("event"), WAIT_KEY("d", "k")));
  story_expect(&story, "1 <- #1 OK first 2: OK granted\n");
  put("q", 7);
  put("p", 8);
  ask(&story, 2, 2, LENGTH("p"));
  ask(&story, 3, 1, SET_KEY("d", "k", 1));
  story_expect(&story,
               "4 <- #0 OK\n2 <- #1 OK first 1: OK 7\n4 <- #0 OK\n2 <- #2 OK 1\n3 <- #1 OK\n");
}

static void test_overtakes_nobody(void **state) {
  (void)state;
  ask(&story, 1, 1, GET("q"));
  ask(&story, 2, 1, FIRST(GET("p"), GET("q")));
  ask(&story, 3, 1, GET("q"));
  put("q", 1);
  put("q", 2);
  put("q", 3);
  story_expect(&story,
               "4 <- #0 OK\n1 <- #1 OK 1\n4 <- #0 OK\n2 <- #1 OK first 1: OK 2\n"
               "4 <- #0 OK\n3 <- #1 OK 3\n");
}

static void test_lock_comes_in_turn_and_goes_with_its_session(void **state) {
  (void)state;
  story_acquire(&story, 1, 1, "lock", 1, STORY_WAIT_FOREVER);
  story_acquire(&story, 2, 1, "lock", 1, STORY_WAIT_FOREVER);
  ask(&story, 3, 1, FIRST(GET("q"), ACQUIRE("lock")));
  story_release(&story, 1, 2, "lock", 1);
  story_expect(&story, "1 <- #1 OK granted\n1 <- #2 OK\n2 <- #1 OK granted\n");
  story_release(&story, 2, 2, "lock", 1);
  story_expect(&story, "2 <- #2 OK\n3 <- #1 OK first 1: OK granted\n");
  story_acquire(&story, 1, 3, "lock", 1, STORY_WAIT_FOREVER);
  story_disconnect(&story, 3);
  story_pass_ms(&story, 5000);
  story_expect(&story, "1 <- #3 OK granted, owner died\n");
}

static void test_ends_at_its_deadline(void **state) {
  (void)state;
  ask_within(&story, 1, 1, 0, FIRST(GET("q"), WAIT_EVENT("event")));
  ask_within(&story, 1, 2, 50, FIRST(GET("q"), WAIT_EVENT("event")));
  story_pass_ms(&story, 50);
  put("q", 1);
  story_expect(&story,
               "1 <- #1 DEADLINE_EXCEEDED TIMED_OUT\n1 <- #2 DEADLINE_EXCEEDED TIMED_OUT\n"
               "4 <- #0 OK\n");
  ask_within(&story, 1, 3, 0, FIRST(WAIT_EVENT("event"), GET("q")));
  ask_within(&story, 1, 4, -1 - 1, FIRST(GET("q")));
  story_expect(&story, "1 <- #3 OK first 1: OK 1\n1 <- #4 INVALID_ARGUMENT NEGATIVE_TIMEOUT\n");
}

static void test_timeouts_within_are_not_looked_at(void **state) {
  (void)state;
  Holdfast__Request *get = GET("q");
  get->wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
  ask(&story, 1, 1, FIRST(get));
  story_expect(&story, "");
  put("q", 1);
  story_expect(&story, "4 <- #0 OK\n1 <- #1 OK first 0: OK 1\n");
}

static void test_error_of_a_part_is_the_whole_s(void **state) {
  (void)state;
  put("q", 1);
  ask(&story, 1, 1, FIRST(GET("p"), GET("nobody"), GET("q")));
  ask(&story, 1, 2, FIRST(GET("p"), WAIT_EVENT("q")));
  ask(&story, 1, 3, FIRST(GET("p"), GET("q"), LENGTH("q")));
  ask(&story, 1, 4, FIRST(GET("p"), FIRST(GET("q"))));
  ask(&story, 1, 5, FIRST(GET("p"), MESSAGE(Request, request, )));
  ask(&story, 1, 6, LENGTH("q"));
  story_expect(&story,
               "4 <- #0 OK\n"
               "1 <- #1 NOT_FOUND NO_SUCH_OBJECT of part 2\n"
               "1 <- #2 INVALID_ARGUMENT WRONG_KIND of part 2\n"
               "1 <- #3 INVALID_ARGUMENT NOT_NESTABLE of part 3\n"
               "1 <- #4 INVALID_ARGUMENT NOT_NESTABLE of part 2\n"
               "1 <- #5 UNIMPLEMENTED UNKNOWN_OPERATION of part 2\n"
               "1 <- #6 OK 1\n");
}

static void test_error_after_a_wait_names_the_part(void **state) {
  (void)state;
  ask(&story, 4, 0, SET_KEY("d", "k", 1));
  ask(&story, 1, 1,
      FIRST(GET("q"), IN("d", DICT_WAIT, DictWait, dict_wait, .key = TEXT("k"), .known = INT(1))));
  ask(&story, 4, 0, IN("d", DICT_DELETE, DictDelete, dict_delete, .key = TEXT("k")));
  story_expect(&story, "4 <- #0 OK\n4 <- #0 OK\n1 <- #1 NOT_FOUND NO_SUCH_KEY of part 2\n");
}

static void test_number_of_parts_is_bounded(void **state) {
  (void)state;
  Holdfast__Request *parts[HF_WAIT_ANY_COUNT_MAX + 1], *get = GET("q");
  for (size_t i = 0; i <= HF_WAIT_ANY_COUNT_MAX; i++) {
    parts[i] = get;
  }
  Holdfast__WaitAny *most = MESSAGE(WaitAny, wait_any, .operations = parts);
  Holdfast__Request *request = MESSAGE(
      Request, request, .operation_case = HOLDFAST__REQUEST__OPERATION_WAIT_ANY, .wait_any = most);
  ask(&story, 1, 1, request);
  most->n_operations = HF_WAIT_ANY_COUNT_MAX + 1;
  ask(&story, 1, 2, request);
  most->n_operations = HF_WAIT_ANY_COUNT_MAX;
  ask(&story, 1, 3, request);
  put("q", 1);
  story_expect(&story,
               "1 <- #1 INVALID_ARGUMENT BAD_ARGUMENT\n"
               "1 <- #2 RESOURCE_EXHAUSTED TOO_MANY_FIELDS\n"
               "4 <- #0 OK\n1 <- #3 OK first 0: OK 1\n");
}

static void test_object_deleted_under_a_wait_entry(void **state) {
  (void)state;
  ask(&story, 1, 1, FIRST(GET("p"), GET("q"), GET("q")));
  ask(&story, 4, 0, IN("q", OBJECT_DELETE, ObjectDelete, object_delete, ));
  put("p", 1);
  ask(&story, 1, 2, LENGTH("p"));
  story_expect(&story,
               "1 <- #1 ABORTED OBJECT_DELETED of part 2\n4 <- #0 OK\n4 <- #0 OK\n1 <- #2 OK 1\n");
}

static void test_killed_one_takes_nothing(void **state) {
  (void)state;
  ask(&story, 1, 1, FIRST(GET("p"), GET("q")));
  story_connect(&story, 9); /* without a session */
  ask(&story, 9, 0, FIRST(GET("p"), GET("q")));
  ask(&story, 2, 1, GET("q"));
  story_disconnect(&story, 1);
  story_disconnect(&story, 9);
  put("q", 1);
  put("p", 2);
  story_expect(&story, "4 <- #0 OK\n2 <- #1 OK 1\n4 <- #0 OK\n");
  story_pass_ms(&story, 5000);
  ask(&story, 2, 2, LENGTH("p"));
  story_expect(&story, "0 <- #1 FAILED_PRECONDITION SESSION_ENDED\n2 <- #2 OK 1\n");
}

static void test_resumed_one_has_its_old_places(void **state) {
  (void)state;
  ask(&story, 1, 1, FIRST(GET("p"), GET("q")));
  ask(&story, 2, 1, GET("p"));
  ask(&story, 2, 2, GET("q"));
  story_disconnect(&story, 1);
  story_connect(&story, 11);
  story_resume(&story, 11, 1, 1);
  ask(&story, 11, 1, FIRST(GET("p"), GET("q"))); /* the same request again */
  put("q", 1);
  put("p", 2);
  story_expect(&story,
               "11 <- #0 OK session\n4 <- #0 OK\n11 <- #1 OK first 1: OK 1\n"
               "4 <- #0 OK\n2 <- #1 OK 2\n");
  ask(&story, 11, 1, FIRST(GET("p"), GET("q"))); /* answered from the window */
  story_expect(&story, "11 <- #1 OK first 1: OK 1\n");
}

static void test_what_came_while_away_is_there_on_return(void **state) {
  (void)state;
  ask_within(&story, 1, 1, 1000, FIRST(GET("p"), GET("q")));
  ask(&story, 1, 2, FIRST(GET("p"), WAIT_EVENT("event")));
  story_disconnect(&story, 1);
  put("q", 1);
  ask(&story, 4, 0, IN("event", EVENT_SET, EventSet, event_set, ));
  story_pass_ms(&story, 2000);
  story_connect(&story, 11);
  story_resume(&story, 11, 1, 1);
  story_expect(&story,
               "4 <- #0 OK\n4 <- #0 OK\n0 <- #1 OK first 1: OK 1\n11 <- #0 OK session\n"
               "0 <- #2 OK first 1: OK yes\n");
}

static void test_two_parts_in_one_queue(void **state) {
  (void)state;
  ask(&story, 1, 1, FIRST(WAIT_KEY("d", "a"), WAIT_KEY("d", "b")));
  ask(&story, 2, 1, FIRST(WAIT_KEY("d", "b"), WAIT_KEY("d", "c")));
  ask(&story, 4, 0, SET_KEY("d", "z", 0));
  story_expect(&story, "4 <- #0 OK\n");
  Holdfast__Entry *entries[] = {MESSAGE(Entry, entry, .key = TEXT("a"), .value = INT(1)),
                                MESSAGE(Entry, entry, .key = TEXT("b"), .value = INT(2)),
                                MESSAGE(Entry, entry, .key = TEXT("c"), .value = INT(3))};
  ask(&story, 4, 0, IN("d", DICT_UPDATE, DictUpdate, dict_update, .n_items = 3, .items = entries));
  story_expect(&story, "4 <- #0 OK\n1 <- #1 OK first 0: OK 1\n2 <- #1 OK first 0: OK 2\n");
}

/* A wait for a value is first one for its lock. */
static void test_wait_entry_follows_to_another_queue(void **state) {
  (void)state;
  Holdfast__Value *zero = INT(0);
  ask(&story, 4, 7,
      REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__VALUE,
              .name = DATA("v"), .typecode = DATA("i"), .n_initial = 1, .initial = &zero));
  story_acquire(&story, 4, 8, "v", 1, 0);
  story_forget(&story);
  ask(&story, 1, 1, FIRST(GET("q"), IN("v", VALUE_WAIT, ValueWait, value_wait, .known = INT(0))));
  story_release(&story, 4, 9, "v", 1);
  story_expect(&story, "4 <- #9 OK\n");
  ask(&story, 2, 1, IN("v", VALUE_SET, ValueSet, value_set, .value = INT(5)));
  story_expect(&story, "2 <- #1 OK\n1 <- #1 OK first 1: OK 5\n");
}

static void test_reference_in_an_outcome_is_counted(void **state) {
  (void)state;
  uint64_t before = story_objects(&story, 1), id;
  id = story_open(&story, 4, 7, HOLDFAST__KIND__LIST, NULL, 0);
  ask(&story, 4, 8, IN("q", QUEUE_PUT, QueuePut, queue_put, .value = REFERENCE(id)));
  story_drop(&story, 4, 9, id, 1);
  ask(&story, 1, 1, FIRST(GET("p"), GET("q")));
  assert_int_equal(story_objects(&story, 1), before + 1);
  story_drop(&story, 1, 2, id, 1);
  assert_int_equal(story_objects(&story, 1), before);
  story_expect(&story,
               "4 <- #7 OK created\n4 <- #8 OK\n4 <- #9 OK\n"
               "1 <- #1 OK first 1: OK reference\n1 <- #2 OK\n");
}

static void test_needs_a_session_where_its_part_does(void **state) {
  (void)state;
  story_connect(&story, 9);
  ask(&story, 9, 0, FIRST(GET("p"), ACQUIRE("lock")));
  story_expect(&story, "9 <- #0 FAILED_PRECONDITION NEEDS_SESSION of part 2\n");
}

static void test_drain_answers_it(void **state) {
  (void)state;
  ask(&story, 1, 1, FIRST(GET("p"), GET("q")));
  apply_drain(story.engine);
  story_expect(&story, "1 <- #1 UNAVAILABLE STOPPING\n");
}

/* ---- a crowd */

static void test_thousands_each_in_its_turn(void **state) {
  (void)state;
  enum { CROWD = 5000 };
  /* A quarter of it for waiters, half of that from here. */
  story.engine->memory.max = (size_t)128 << 20;
  for (uint64_t i = 0; i < CROWD; i++) {
    uint64_t connection = 100 + i / 1000;
    if (i % 1000 == 0) {
      story_connect(&story, connection);
    }
    ask(&story, connection, i + 1, FIRST(GET("p"), GET("q"), ACQUIRE("lock")));
    if (i == 0) { /* without a session there is no lock */
      story_expect(&story, "100 <- #1 FAILED_PRECONDITION NEEDS_SESSION of part 3\n");
    }
    story_forget(&story);
    ask(&story, connection, i + 1, FIRST(GET("p"), GET("q"), WAIT_EVENT("event")));
    story_expect(&story, "");
  }
  put("q", 1);
  put("p", 2);
  story_expect(&story,
               "4 <- #0 OK\n100 <- #1 OK first 1: OK 1\n"
               "4 <- #0 OK\n100 <- #2 OK first 0: OK 2\n");
  for (uint64_t connection = 100; connection < 104; connection++) {
    story_disconnect(&story, connection);
  }
  put("p", 3);
  story_expect(&story, "4 <- #0 OK\n104 <- #4001 OK first 0: OK 3\n");
  for (uint64_t i = 0; i < 999; i++) {
    put(i % 2 ? "p" : "q", 4);
    story_forget(&story);
  }
  ask(&story, 1, 1, LENGTH("p"));
  ask(&story, 1, 2, LENGTH("q"));
  put("p", 5);
  ask(&story, 1, 3, LENGTH("p"));
  story_expect(&story, "1 <- #1 OK 0\n1 <- #2 OK 0\n4 <- #0 OK\n1 <- #3 OK 1\n");
}

#define RESERVE(queue) IN(queue, QUEUE_RESERVE, QueueReserve, queue_reserve, )
#define CANCEL(number) REQUEST(CANCEL, Cancel, cancel, .sequence = (number), .revoke = true)

static void test_item_nobody_saw_goes_back(void **state) {
  (void)state;
  put("q", 1);
  ask(&story, 1, 1, FIRST(GET("q")));
  story_disconnect(&story, 1);
  story_pass_ms(&story, 5000);
  story_forget(&story);
  ask(&story, 2, 1, FIRST(GET("q")));
  story_expect(&story, "2 <- #1 OK first 0: OK 1\n");
}

static void test_withdrawn_while_it_waits_and_after(void **state) {
  (void)state;
  ask(&story, 1, 1, FIRST(GET("q"), ACQUIRE("lock")));
  ask(&story, 1, 2, FIRST(GET("q"), RESERVE("p")));
  put("q", 1);
  story_expect(&story, "1 <- #1 OK first 1: OK granted\n4 <- #0 OK\n1 <- #2 OK first 0: OK 1\n");
  ask(&story, 1, 3, CANCEL(1));
  ask(&story, 1, 4, CANCEL(2));
  ask(&story, 1, 5, FIRST(RESERVE("p")));
  ask(&story, 1, 6, CANCEL(5));
  story_expect(&story,
               "1 <- #3 OK yes\n1 <- #4 OK yes\n1 <- #5 CANCELLED CANCELLED\n1 <- #6 OK yes\n");
  ask(&story, 2, 1, FIRST(ACQUIRE("lock")));
  ask(&story, 2, 2, GET("q"));
  story_expect(&story, "2 <- #1 OK first 0: OK granted\n2 <- #2 OK 1\n");
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_first_listed_of_those_ready_and_only_that),
      STORY(test_waits_for_all_and_leaves_the_others),
      STORY(test_overtakes_nobody),
      STORY(test_lock_comes_in_turn_and_goes_with_its_session),
      STORY(test_ends_at_its_deadline),
      STORY(test_timeouts_within_are_not_looked_at),
      STORY(test_error_of_a_part_is_the_whole_s),
      STORY(test_error_after_a_wait_names_the_part),
      STORY(test_number_of_parts_is_bounded),
      STORY(test_object_deleted_under_a_wait_entry),
      STORY(test_killed_one_takes_nothing),
      STORY(test_resumed_one_has_its_old_places),
      STORY(test_what_came_while_away_is_there_on_return),
      STORY(test_two_parts_in_one_queue),
      STORY(test_wait_entry_follows_to_another_queue),
      STORY(test_reference_in_an_outcome_is_counted),
      STORY(test_needs_a_session_where_its_part_does),
      STORY(test_drain_answers_it),
      STORY(test_item_nobody_saw_goes_back),
      STORY(test_withdrawn_while_it_waits_and_after),
      STORY(test_thousands_each_in_its_turn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
