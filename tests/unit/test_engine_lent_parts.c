/* Stories of what finds its object lent when it is not the only one it needs: transactions, waits
 * for the first of several, waits for a key; and of what may not wait, and must not because of
 * that. */
#include "proto/limits.h"
#include "tests/support/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS 40000u
#define GET(queue) IN(queue, QUEUE_GET, QueueGet, queue_get, )
#define WAIT_KEY(name_of_key) IN("dict", DICT_WAIT, DictWait, dict_wait, .key = TEXT(name_of_key))
#define SET_KEY(name_of_key, number) \
  IN("dict", DICT_SET, DictSet, dict_set, .key = TEXT(name_of_key), .value = INT(number))
#define FIRST(...)                                                                     \
  REQUEST(WAIT_ANY, WaitAny, wait_any, .n_operations = COUNT_OF(Request, __VA_ARGS__), \
          .operations = LIST_OF(Request, __VA_ARGS__))
#define HAS_ITEM                                                                       \
  MESSAGE(Condition, condition, .target_case = HOLDFAST__CONDITION__TARGET_NAME,       \
          .name = DATA("q"), .check_case = HOLDFAST__CONDITION__CHECK_LENGTH_AT_LEAST, \
          .length_at_least = 1)
/* The first item of the list, when there is one in the queue. */
#define FIRST_OF_LIST                                                    \
  REQUEST(TRANSACTION, Transaction, transaction, .n_conditions = 1,      \
          .conditions = LIST_OF(Condition, HAS_ITEM), .n_operations = 1, \
          .operations = LIST_OF(Request, IN("list", LIST_GET, ListGet, list_get, )))

static struct story story;

static void fill(void) {
  ask(&story, 4, 0, IN("list", LIST_APPEND, ListAppend, list_append, .value = INT(7)));
  ask(&story, 4, 0,
      IN("list", LIST_REPEAT_IN_PLACE, ListRepeatInPlace, list_repeat_in_place, .count = ITEMS));
  for (unsigned i = 0; i < ITEMS; i++) {
    ask(&story, 4, 0, IN("dict", DICT_SET, DictSet, dict_set, .key = INT(i), .value = INT(i)));
    story_forget(&story);
  }
}

static int set_up(void **state) {
  (void)state;
  story_begin_crowded(&story, 4);
  story_open(&story, 4, 1, HOLDFAST__KIND__LIST, "list", 0);
  story_open(&story, 4, 2, HOLDFAST__KIND__QUEUE, "q", 1);
  story_open(&story, 4, 3, HOLDFAST__KIND__DICT, "dict", 0);
  fill();
  story_forget(&story);
  story.keeps_jobs = true;
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

static void lend_list(uint64_t connection) {
  ask(&story, connection, 0, IN("list", LIST_SORT, ListSort, list_sort, ));
  story_expect(&story, "");
}

/* Its answer, with all keys, is too long for a reply. */
static void lend_dict(uint64_t connection) {
  ask(&story, connection, 0, IN("dict", DICT_KEYS, DictKeys, dict_keys, ));
  story_expect(&story, "");
}

/* Brings the dict back. */
static void run_copy(uint64_t connection) {
  char answer[32];
  assert_true(story_run_job(&story));
  snprintf(answer, sizeof answer, "%llu <- #0 OK 0 1", (unsigned long long)connection);
  char *at = strstr(story.text, answer);
  assert_non_null(at);
  char *end = strchr(at, '\n') + 1;
  memmove(at, end, strlen(end) + 1);
  story.len = strlen(story.text);
}

static void put(int64_t number) {
  ask_within(&story, 4, 0, 0, IN("q", QUEUE_PUT, QueuePut, queue_put, .value = INT(number)));
}

/* ---- a transaction */

static void test_its_condition_is_met_while_another_object_is_lent(void **state) {
  (void)state;
  ask(&story, 1, 1, FIRST_OF_LIST);
  lend_list(2);
  put(1);
  story_expect(&story, "4 <- #0 OK\n");
  assert_true(story_run_job(&story));
  story_expect(&story, "2 <- #0 OK\n1 <- #1 OK OK 7\n");
}

static void test_its_condition_is_over_when_the_object_is_back(void **state) {
  (void)state;
  ask(&story, 1, 1, FIRST_OF_LIST);
  lend_list(2);
  put(1);
  ask(&story, 3, 1, GET("q"));
  story_forget(&story);
  assert_true(story_run_job(&story));
  story_expect(&story, "2 <- #0 OK\n");
  put(2);
  story_expect(&story, "4 <- #0 OK\n1 <- #1 OK OK 7\n");
}

static void test_its_object_is_lent_before_its_condition_is_looked_at(void **state) {
  (void)state;
  lend_list(2);
  ask(&story, 1, 1, FIRST_OF_LIST);
  ask_within(&story, 1, 2, 0, FIRST_OF_LIST);
  ask_within(&story, 1, 3, 5, FIRST_OF_LIST);
  assert_true(story_run_job(&story));
  story_expect(&story, "2 <- #0 OK\n1 <- #2 ABORTED CONDITION_NOT_MET of part 1\n");
  story_pass_ms(&story, 5);
  story_expect(&story, "1 <- #3 DEADLINE_EXCEEDED CONDITION_NOT_MET of part 1\n");
  uint64_t before = engine_steps(story.engine);
  put(2);
  story_expect(&story, "4 <- #0 OK\n1 <- #1 OK OK 7\n");
  assert_true(engine_steps(story.engine) - before < 256);
}

static void test_its_time_is_over_while_the_object_is_lent(void **state) {
  (void)state;
  ask_within(&story, 1, 1, 5, FIRST_OF_LIST);
  lend_list(2);
  put(1);
  story_pass_ms(&story, 5);
  story_expect(&story, "4 <- #0 OK\n1 <- #1 DEADLINE_EXCEEDED TIMED_OUT\n");
  assert_true(story_run_job(&story));
  story_expect(&story, "2 <- #0 OK\n");
}

static void test_its_object_is_deleted_while_it_is_lent(void **state) {
  (void)state;
  ask(&story, 1, 1, FIRST_OF_LIST);
  lend_list(2);
  put(1);
  ask(&story, 3, 1, IN("list", OBJECT_DELETE, ObjectDelete, object_delete, ));
  story_expect(&story,
               "4 <- #0 OK\n1 <- #1 ABORTED OBJECT_DELETED\n"
               "2 <- #0 ABORTED OBJECT_DELETED\n3 <- #1 OK\n");
  assert_true(story_run_job(&story));
  story_expect(&story, "");
}

/* ---- a dict */

static void test_a_wait_for_a_key_of_a_lent_dict(void **state) {
  (void)state;
  lend_dict(2);
  ask(&story, 1, 1, WAIT_KEY("k"));
  ask_within(&story, 1, 2, 0, WAIT_KEY("k"));
  ask_within(&story, 1, 3, 5, WAIT_KEY("k"));
  run_copy(2);
  story_expect(&story, "1 <- #2 DEADLINE_EXCEEDED NOT_CHANGED\n");
  story_pass_ms(&story, 5);
  story_expect(&story, "1 <- #3 DEADLINE_EXCEEDED NOT_CHANGED\n");
  ask(&story, 3, 1, SET_KEY("other", 1));
  story_expect(&story, "3 <- #1 OK\n");
  ask(&story, 3, 2, SET_KEY("k", 5));
  story_expect(&story, "3 <- #2 OK\n1 <- #1 OK 5\n");
}

static void test_a_wait_for_a_key_is_met_while_the_dict_is_lent(void **state) {
  (void)state;
  ask(&story, 1, 1, WAIT_KEY("k"));
  lend_dict(2);
  ask(&story, 3, 1, SET_KEY("k", 5));
  story_expect(&story, "");
  run_copy(2);
  story_expect(&story, "3 <- #1 OK\n1 <- #1 OK 5\n");
}

/* ---- the first of several */

static void test_the_first_of_several_with_a_lent_dict(void **state) {
  (void)state;
  lend_dict(2);
  ask(&story, 1, 1, FIRST(WAIT_KEY("k"), GET("q")));
  ask(&story, 3, 1, FIRST(GET("q"), WAIT_KEY("k")));
  put(3);
  story_expect(&story, "4 <- #0 OK\n1 <- #1 OK first 1: OK 3\n");
  run_copy(2);
  story_expect(&story, "");
  ask(&story, 4, 0, SET_KEY("k", 5));
  story_expect(&story, "4 <- #0 OK\n3 <- #1 OK first 1: OK 5\n");
}

static void test_the_first_of_several_that_may_not_wait(void **state) {
  (void)state;
  lend_dict(2);
  ask_within(&story, 1, 1, 0, FIRST(WAIT_KEY("k"), GET("q")));
  ask_within(&story, 1, 2, 5, FIRST(WAIT_KEY("k"), GET("q")));
  story_forget(&story);
  story_pass_ms(&story, 5);
  story_expect(&story, "1 <- #2 DEADLINE_EXCEEDED TIMED_OUT\n");
  run_copy(2);
  story_expect(&story, "");
}

static void test_the_first_of_several_is_lent_and_deleted(void **state) {
  (void)state;
  ask(&story, 1, 1, FIRST(GET("q"), WAIT_KEY("k")));
  lend_dict(2);
  ask(&story, 3, 1, FIRST(GET("q"), WAIT_KEY("k")));
  ask(&story, 4, 0, IN("dict", OBJECT_DELETE, ObjectDelete, object_delete, ));
  story_expect(&story,
               "2 <- #0 ABORTED OBJECT_DELETED\n"
               "3 <- #1 ABORTED OBJECT_DELETED of part 2\n"
               "1 <- #1 ABORTED OBJECT_DELETED of part 2\n4 <- #0 OK\n");
  assert_true(story_run_job(&story));
  story_expect(&story, "");
}

/* ---- a queue whose kick goes on */

static void bury(unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    put(i);
    story_forget(&story);
    ask(&story, 4, 0, IN("q", QUEUE_RESERVE, QueueReserve, queue_reserve, ));
    uint64_t reservation = strtoull(strstr(story.text, "reserved as ") + 12, NULL, 10);
    ask(&story, 4, 0, IN("q", QUEUE_BURY, QueueBury, queue_bury, .reservation = reservation));
    story_forget(&story);
  }
}

static void finish_slices(void) {
  while (story_run_slice(&story)) {
  }
}

static void test_who_may_not_wait_for_room_waits_for_no_more_than_the_kick(void **state) {
  (void)state;
  bury(10000);
  story.in_slices = true;
  ask(&story, 1, 1, IN("q", QUEUE_KICK, QueueKick, queue_kick, ));
  ask_within(&story, 2, 1, 0, IN("q", QUEUE_PUT, QueuePut, queue_put, .value = INT(1)));
  finish_slices();
  story_expect(&story, "1 <- #1 OK 10000\n2 <- #1 RESOURCE_EXHAUSTED QUEUE_FULL\n");
}

static void test_a_put_of_many_behind_the_kick_is_looked_at_as_a_whole(void **state) {
  (void)state;
  bury(10000);
  story.in_slices = true;
  ask(&story, 1, 1, IN("q", QUEUE_KICK, QueueKick, queue_kick, .count = 9999));
  ask(&story, 2, 1,
      IN("q", QUEUE_PUT_MANY, QueuePutMany, queue_put_many, .n_items = 2,
         .items = LIST_OF(Value, INT(1), MESSAGE(Value, value))));
  finish_slices();
  story_expect(&story, "1 <- #1 OK 9999\n2 <- #1 INVALID_ARGUMENT BAD_VALUE\n");
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_its_condition_is_met_while_another_object_is_lent),
      STORY(test_its_condition_is_over_when_the_object_is_back),
      STORY(test_its_object_is_lent_before_its_condition_is_looked_at),
      STORY(test_its_time_is_over_while_the_object_is_lent),
      STORY(test_its_object_is_deleted_while_it_is_lent),
      STORY(test_a_wait_for_a_key_of_a_lent_dict),
      STORY(test_a_wait_for_a_key_is_met_while_the_dict_is_lent),
      STORY(test_the_first_of_several_with_a_lent_dict),
      STORY(test_the_first_of_several_that_may_not_wait),
      STORY(test_the_first_of_several_is_lent_and_deleted),
      STORY(test_who_may_not_wait_for_room_waits_for_no_more_than_the_kick),
      STORY(test_a_put_of_many_behind_the_kick_is_looked_at_as_a_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
