/* Stories of waiters for a change of a key. */
#include "server/engine/call.h"
#include "server/engine/handlers.h"
#include "tests/support/apply.h"
#include "tests/support/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the four above */
#include <cmocka.h>

#define SET(name_of_key, number) \
  IN("d", DICT_SET, DictSet, dict_set, .key = TEXT(name_of_key), .value = INT(number))
#define WAIT(name_of_key, known_value) \
  IN("d", DICT_WAIT, DictWait, dict_wait, .key = TEXT(name_of_key), .known = (known_value))

static struct story story;

static int set_up(void **state) {
  (void)state;
  story_begin_crowded(&story, 3);
  story_open(&story, 3, 1, HOLDFAST__KIND__DICT, "d", 0);
  story_forget(&story);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

static void test_wait_answers_at_once_what_is_not_known(void **state) {
  (void)state;
  ask(&story, 1, 1, SET("k", 5));
  ask(&story, 1, 2, WAIT("k", INT(4)));
  ask(&story, 1, 3, WAIT("k", NULL));
  ask(&story, 1, 4, WAIT("other", INT(4)));
  story_expect(&story, "1 <- #1 OK\n1 <- #2 OK 5\n1 <- #3 OK 5\n1 <- #4 NOT_FOUND NO_SUCH_KEY\n");
}

static void test_wait_until_the_key_changes(void **state) {
  (void)state;
  ask(&story, 1, 1, SET("k", 5));
  ask(&story, 2, 1, WAIT("k", INT(5)));
  ask(&story, 1, 2, SET("k", 5));
  ask(&story, 1, 3, SET("other", 6));
  story_expect(&story, "1 <- #1 OK\n1 <- #2 OK\n1 <- #3 OK\n");
  ask(&story, 1, 4, IN("d", DICT_ADD, DictAdd, dict_add, .key = TEXT("k"), .amount = INT(1)));
  story_expect(&story, "1 <- #4 OK 6\n2 <- #1 OK 6\n");
}

static void test_wait_until_the_key_is_there_or_went(void **state) {
  (void)state;
  ask(&story, 2, 1, WAIT("k", NULL));
  ask(&story, 1, 1, SET("k", 5));
  ask(&story, 2, 2, WAIT("k", INT(5)));
  ask(&story, 1, 2, IN("d", DICT_DELETE, DictDelete, dict_delete, .key = TEXT("k")));
  story_expect(&story,
               "1 <- #1 OK\n2 <- #1 OK 5\n"
               "1 <- #2 OK\n2 <- #2 NOT_FOUND NO_SUCH_KEY\n");
}

static void test_wait_sees_changes_of_many_keys(void **state) {
  (void)state;
  ask(&story, 1, 1, SET("k", 5));
  ask(&story, 2, 1, WAIT("k", INT(5)));
  ask(&story, 2, 2, WAIT("l", NULL));
  Holdfast__Entry *entries[] = {MESSAGE(Entry, entry, .key = TEXT("l"), .value = INT(1)),
                                MESSAGE(Entry, entry, .key = TEXT("k"), .value = INT(6))};
  ask(&story, 1, 2, IN("d", DICT_UPDATE, DictUpdate, dict_update, .n_items = 2, .items = entries));
  ask(&story, 2, 3, WAIT("k", INT(6)));
  ask(&story, 1, 3, IN("d", DICT_CLEAR, DictClear, dict_clear, ));
  story_expect(&story,
               "1 <- #1 OK\n1 <- #2 OK\n2 <- #1 OK 6\n2 <- #2 OK 1\n"
               "1 <- #3 OK\n2 <- #3 NOT_FOUND NO_SUCH_KEY\n");
}

static void test_wait_ends_at_its_deadline_or_with_the_dict(void **state) {
  (void)state;
  ask_within(&story, 1, 1, 0, WAIT("k", NULL));
  ask_within(&story, 1, 2, 100, WAIT("k", NULL));
  ask(&story, 2, 1, WAIT("k", NULL));
  story_pass_ms(&story, 100);
  story_expect(&story,
               "1 <- #1 DEADLINE_EXCEEDED NOT_CHANGED\n1 <- #2 DEADLINE_EXCEEDED NOT_CHANGED\n");
  ask(&story, 3, 2, IN("d", OBJECT_DELETE, ObjectDelete, object_delete, ));
  story_expect(&story, "2 <- #1 ABORTED OBJECT_DELETED\n3 <- #2 OK\n");
}

/* ---- a crowd */

static size_t runs;

static hf_reason handle_counted(struct call *call) {
  runs++;
  return handle_dict_wait(call);
}

static const struct operation counted = {
    .arm = HOLDFAST__REQUEST__OPERATION_DICT_WAIT,
    .kinds = ~0u,
    .flags = OPERATION_WAITS,
    .effect = EFFECT_NONE,
    .handle = handle_counted,
};

static void wait_counted(uint64_t connection, const char *key) {
  uint8_t body[128];
  Holdfast__Request *request = WAIT(key, NULL);
  struct engine_request applied = {
      .connection = connection,
      .body = bytes_of(body, holdfast__request__pack(request, body)),
      .message = request,
      .operation = &counted,
  };
  apply_request(story.engine, story.now_ns, &applied);
}

static void test_set_runs_only_those_who_wait_for_its_key(void **state) {
  (void)state;
  enum { CROWD = 5000 };
  char key[16];
  for (uint64_t i = 0; i < CROWD; i++) {
    uint64_t connection = 10 + i / 1000;
    if (i % 1000 == 0) {
      story_connect(&story, connection);
    }
    snprintf(key, sizeof key, "key %d", (int)i);
    wait_counted(connection, key);
  }
  story_expect(&story, "");
  runs = 0;
  ask(&story, 1, 1, SET("key 1234", 7));
  story_expect(&story, "1 <- #1 OK\n11 <- #0 OK 7\n");
  assert_int_equal(runs, 1);
}

/* ---- waiters whose conditions a change does not meet */

static hf_reason handle_counted_transaction(struct call *call) {
  runs++;
  return handle_transaction(call);
}

static const struct operation counted_transaction = {
    .arm = HOLDFAST__REQUEST__OPERATION_TRANSACTION,
    .flags = OPERATION_WAITS,
    .effect = EFFECT_NONE,
    .handle = handle_counted_transaction,
};

static void apply_counted(uint64_t connection, const struct operation *operation,
                          const Holdfast__Request *request) {
  size_t len = holdfast__request__get_packed_size(request);
  uint8_t *body = malloc(len);
  struct engine_request applied = {
      .connection = connection,
      .body = bytes_of(body, holdfast__request__pack(request, body)),
      .message = request,
      .operation = operation,
  };
  apply_request(story.engine, story.now_ns, &applied);
  free(body);
}

#define WHERE_D(CHECK, field, ...)                                               \
  MESSAGE(Condition, condition, .target_case = HOLDFAST__CONDITION__TARGET_NAME, \
          .name = DATA("d"), .check_case = HOLDFAST__CONDITION__CHECK_##CHECK,   \
          .field = __VA_ARGS__)
#define EQUALS(name_of_key, expected) \
  WHERE_D(KEY_EQUALS, key_equals,     \
          MESSAGE(KeyEquals, key_equals, .key = TEXT(name_of_key), .value = (expected)))

static Holdfast__Request *set_to(const char *key, Holdfast__Value *value) {
  static Holdfast__Request request;
  static Holdfast__DictSet set;
  static Holdfast__Value name;
  name = *TEXT(key);
  set = *MESSAGE(DictSet, dict_set, .key = &name, .value = value);
  request = *IN("d", PING, Ping, ping, );
  request.operation_case = HOLDFAST__REQUEST__OPERATION_DICT_SET;
  request.dict_set = &set;
  return &request;
}

/* Each knows 100 kilobytes: were these read, or the request decoded, the handler would run. */
static void test_change_that_is_none_runs_nobody(void **state) {
  (void)state;
  enum { CROWD = 500, LONG = 100000 };
  static char text[LONG + 1];
  memset(text, 'a', LONG);
  ask(&story, 1, 1, set_to("k", TEXT(text)));
  for (uint64_t i = 0; i < CROWD; i++) {
    apply_counted(2, &counted, WAIT("k", TEXT(text)));
  }
  runs = 0;
  ask(&story, 1, 2, set_to("k", TEXT(text)));
  ask(&story, 1, 3, SET("other", 1));
  story_expect(&story, "1 <- #1 OK\n1 <- #2 OK\n1 <- #3 OK\n");
  assert_int_equal(runs, 0);
  ask(&story, 1, 4, SET("k", 7));
  assert_int_equal(runs, CROWD);
}

/* What it knew is not kept: a thousand times as much would not fit this engine. */
static void test_waiter_keeps_a_digest_of_what_it_knows(void **state) {
  (void)state;
  enum { LONG = 128 << 10 };
  static char text[LONG + 1];
  memset(text, 'a', LONG);
  ask(&story, 1, 1, set_to("k", TEXT(text)));
  for (uint64_t i = 0; i < 1000; i++) {
    ask(&story, 2, 0, WAIT("k", TEXT(text)));
  }
  story_expect(&story, "1 <- #1 OK\n");
}

static void test_transaction_whose_condition_is_not_met_is_not_decoded(void **state) {
  (void)state;
  enum { CROWD = 500 };
  Holdfast__Condition *conditions[] = {EQUALS("k", INT(1)), EQUALS("other", INT(2)),
                                       WHERE_D(LENGTH_AT_LEAST, length_at_least, 2)};
  for (uint64_t i = 0; i < CROWD; i++) {
    apply_counted(2, &counted_transaction,
                  REQUEST(TRANSACTION, Transaction, transaction, .n_conditions = 3,
                          .conditions = conditions));
  }
  runs = 0;
  ask(&story, 1, 1, SET("k", 5));
  ask(&story, 1, 2, SET("k", 1)); /* now all wait for the other */
  ask(&story, 1, 3, SET("other", 1));
  ask(&story, 1, 4, SET("k", 3));
  ask(&story, 1, 5, SET("other", 2)); /* now for the first again */
  story_expect(&story, "1 <- #1 OK\n1 <- #2 OK\n1 <- #3 OK\n1 <- #4 OK\n1 <- #5 OK\n");
  assert_int_equal(runs, 0);
  ask(&story, 1, 6, SET("k", 1));
  assert_int_equal(runs, CROWD);
}

static void test_what_is_awaited_last_is_what_fails(void **state) {
  (void)state;
  Holdfast__Condition *conditions[] = {EQUALS("k", INT(1)), EQUALS("other", INT(2))};
  ask_within(
      &story, 2, 1, 100,
      REQUEST(TRANSACTION, Transaction, transaction, .n_conditions = 2, .conditions = conditions));
  ask(&story, 1, 1, SET("k", 1));
  story_pass_ms(&story, 100);
  story_expect(&story, "1 <- #1 OK\n2 <- #1 DEADLINE_EXCEEDED CONDITION_NOT_MET of part 2\n");
}

static void test_part_of_several_is_looked_at_without_its_request(void **state) {
  (void)state;
  ask(&story, 1, 1, SET("k", 5));
  ask(&story, 2, 1,
      REQUEST(WAIT_ANY, WaitAny, wait_any, .n_operations = 2,
              .operations = LIST_OF(Request, WAIT("other", NULL), WAIT("k", INT(5)))));
  ask(&story, 1, 2, SET("k", 5));
  ask(&story, 1, 3, SET("k", 6));
  story_expect(&story, "1 <- #1 OK\n1 <- #2 OK\n1 <- #3 OK\n2 <- #1 OK first 1: OK 6\n");
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_wait_answers_at_once_what_is_not_known),
      STORY(test_wait_until_the_key_changes),
      STORY(test_wait_until_the_key_is_there_or_went),
      STORY(test_wait_sees_changes_of_many_keys),
      STORY(test_wait_ends_at_its_deadline_or_with_the_dict),
      STORY(test_set_runs_only_those_who_wait_for_its_key),
      STORY(test_change_that_is_none_runs_nobody),
      STORY(test_waiter_keeps_a_digest_of_what_it_knows),
      STORY(test_transaction_whose_condition_is_not_met_is_not_decoded),
      STORY(test_what_is_awaited_last_is_what_fails),
      STORY(test_part_of_several_is_looked_at_without_its_request),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
