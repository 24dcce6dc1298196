/* What a reply to a request that only reads shows: so long it waits for the log. */
#include "server/dispatch/operations.h"
#include "server/engine/reads.h"
#include "server/engine/requests.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct story story;

static int set_up(void **state) {
  (void)state;
  story_begin(&story);
  story_connect(&story, 1);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

/* In that batch of a log. */
static void apply_in(uint64_t index, struct command command) {
  command.now_ns = story.now_ns;
  command.index = index;
  assert_true(engine_apply(story.engine, &command));
}

static void ask_in(uint64_t index, Holdfast__Request *message) {
  struct engine_request request = {
      .connection = 1, .message = message, .operation = operations_find(message)};
  request.may_only_read = engine_may_only_read(story.engine, story.now_ns, &request);
  apply_in(index, (struct command){.kind = COMMAND_REQUEST, .request = &request});
}

static void set_in(uint64_t index, const char *name) {
  Holdfast__Request request = story_request(0, name, STORY_WAIT_FOREVER);
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__DictSet set = HOLDFAST__DICT_SET__INIT;
  value.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  set.key = set.value = &value;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_DICT_SET;
  request.dict_set = &set;
  ask_in(index, &request);
}

/* The batch that the reply waits for. */
static uint64_t read_by(uint64_t index, Holdfast__Request *message) {
  ask_in(index, message);
  assert_true(engine_has_only_read(story.engine));
  return engine_read_index(story.engine);
}

static uint64_t read_in(uint64_t index, const char *name) {
  Holdfast__Request request = story_request(0, name, STORY_WAIT_FOREVER);
  Holdfast__DictLen len = HOLDFAST__DICT_LEN__INIT;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_DICT_LEN;
  request.dict_len = &len;
  return read_by(index, &request);
}

static uint64_t ping_in(uint64_t index) {
  Holdfast__Request request = story_request(0, NULL, STORY_WAIT_FOREVER);
  Holdfast__Ping ping = HOLDFAST__PING__INIT;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_PING;
  request.ping = &ping;
  return read_by(index, &request);
}

static void open_both(void) {
  story_open(&story, 1, 0, HOLDFAST__KIND__DICT, "a", 0);
  story_open(&story, 1, 0, HOLDFAST__KIND__DICT, "b", 0);
}

static void test_a_read_waits_for_its_own_object(void **state) {
  (void)state;
  open_both();
  set_in(3, "a");
  set_in(5, "b");
  assert_int_equal(read_in(6, "a"), 3);
  assert_int_equal(read_in(6, "b"), 5);
}

static void test_a_ping_shows_nothing(void **state) {
  (void)state;
  open_both();
  set_in(3, "a");
  assert_int_equal(ping_in(4), 0);
}

/* On a disk without any room no batch is committed, and yet clients come. */
static void test_connections_and_the_disk_change_no_object(void **state) {
  (void)state;
  open_both();
  set_in(3, "a");
  apply_in(5, (struct command){.kind = COMMAND_DISK, .is_full = true});
  apply_in(6, (struct command){.kind = COMMAND_CONNECT, .connection = 2, .address = 1});
  apply_in(7, (struct command){.kind = COMMAND_CROWDED, .is_crowded = true});
  assert_int_equal(read_in(8, "a"), 3);
}

static void test_what_may_change_all_is_waited_for(void **state) {
  (void)state;
  open_both();
  set_in(3, "a");
  apply_in(5, (struct command){.kind = COMMAND_TICK});
  assert_int_equal(read_in(6, "a"), 5);
}

#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      STORY(test_a_read_waits_for_its_own_object),
      STORY(test_a_ping_shows_nothing),
      STORY(test_connections_and_the_disk_change_no_object),
      STORY(test_what_may_change_all_is_waited_for),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
