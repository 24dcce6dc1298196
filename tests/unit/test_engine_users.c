/* Reports of users, and what happens when users or their rights change. Connection 1 is the owner's, 2 and 3 are
 * web's and eve's. Each has a session.
 */
#include "server/engine/core.h"
#include "tests/support/apply.h"
#include "tests/support/messages.h"
#include "tests/support/story_users.h"
#include "tests/support/user_sums.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define READ_WRITE (ACCESS_READ | ACCESS_WRITE)

static struct story story;
static struct story_users world;

static int set_up(void **state) {
  (void)state;
  story_users_begin(&world, &story);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_users_end(&world);
  return 0;
}

/* ---- reports */

static void test_a_report_says_what_users_use(void **state) {
  (void)state;
  story_users_open(&world, 2, HOLDFAST__KIND__QUEUE, "q");
  story_get(&story, 2, 1, "q", STORY_WAIT_FOREVER);
  story_connect_as(&story, 4, false, "eve");
  ask(&story, 1, 0, REQUEST(SERVER_INFO, ServerInfo, server_info));
  story_expect(&story,
               "eve: 0 objects, 1 sessions, 2 connections, 0 waiting\n"
               "web: 1 objects, 1 sessions, 1 connections, 1 waiting\n");
  ask(&story, 3, 0, REQUEST(SERVER_INFO, ServerInfo, server_info));
  story_expect(&story, "eve: 0 objects, 1 sessions, 2 connections, 0 waiting\n");
  world.users[1].is_admin = true;
  world.users[0] = world.users[1];
  story_users_set(&world, 1);
  story_forget(&story);
  ask(&story, 3, 0, REQUEST(SERVER_INFO, ServerInfo, server_info));
  story_expect(&story,
               "eve: 0 objects, 1 sessions, 2 connections, 0 waiting\n"
               "web (removed): 1 objects, 0 sessions, 1 connections, 0 waiting\n");
}

/* ---- users that are gone */

static void test_of_a_user_that_is_gone_all_ends(void **state) {
  (void)state;
  story_users_open(&world, 2, HOLDFAST__KIND__QUEUE, "q");
  story_users_open(&world, 2, HOLDFAST__KIND__LOCK, "lock");
  story_acquire(&story, 2, 1, "lock", 1, 0);
  story_get(&story, 2, 2, "q", STORY_WAIT_FOREVER);
  story_connect_as(&story, 4, false, "web");
  story_get(&story, 4, 0, "q", STORY_WAIT_FOREVER);
  story_acquire(&story, 3, 1, "lock", 1, STORY_WAIT_FOREVER);
  story_forget(&story);
  world.users[0] = world.users[1];
  story_users_set(&world, 1);
  assert_true(story_said(&story, "2 <- #2 FAILED_PRECONDITION SESSION_ENDED\n"));
  assert_true(story_said(&story, "2 closed\n") && story_said(&story, "4 closed\n"));
  assert_true(story_said(&story, "3 <- #1 OK granted, owner died\n"));
  assert_int_equal(story.engine->waiting, 0);
  assert_false(apply_connect_as(story.engine, 7, ADDRESS_LOCAL, false, "web"));
  story_forget(&story);
  story_put(&story, 2, 3, "q", 5, 0); /* on its way meanwhile */
  story_put(&story, 4, 0, "q", 5, 0);
  story_expect(&story, "");
  story_disconnect(&story, 2);
  story_disconnect(&story, 4);
  assert_true(user_sums_are_right(story.engine));
}

static void test_what_a_gone_user_made_stays_and_is_its_own_when_it_comes_back(void **state) {
  (void)state;
  uint64_t id = story_open(&story, 2, 0, HOLDFAST__KIND__QUEUE, NULL, 0);
  story_users_open(&world, 2, HOLDFAST__KIND__QUEUE, "q");
  Holdfast__Request *keep =
      REQUEST(OBJECT_RETAIN, ObjectRetain, object_retain, .n_objects = 1, .objects = &id);
  ask(&story, 1, 0, keep); /* the owner keeps it */
  struct user_settings both[2] = {world.users[0], world.users[1]};
  world.users[0] = world.users[1];
  story_users_set(&world, 1);
  assert_int_equal(story_users_web(&world)->objects, 2);
  memcpy(world.users, both, sizeof both);
  story_users_set(&world, 2);
  story_users_connect(&world, 4, "web");
  story_forget(&story);
  ask(&story, 4, 0, keep);
  story_expect(&story, "4 <- #0 OK\n");
}

/* ---- rights that change */

static void test_cells_are_mapped_with_read_and_write_only(void **state) {
  (void)state;
  story_users_open_array(&world, 1, "a");
  assert_true(story_said(&story, "shared"));
  static const unsigned rights[] = {ACCESS_READ, ACCESS_WRITE, READ_WRITE};
  for (size_t i = 0; i < 3; i++) {
    world.web_right.access = (uint8_t)rights[i];
    story_users_set(&world, 2);
    story_users_open_array(&world, 2, "a");
    assert_true(story_said(&story, "OK there"));
    assert_int_equal(story_said(&story, "shared"), rights[i] == READ_WRITE);
  }
}

static void narrow(unsigned access) {
  world.web_right.access = (uint8_t)access;
  story_forget(&story);
  story_users_set(&world, 2);
}

static void test_waiting_requests_end_with_the_right(void **state) {
  (void)state;
  story_users_open(&world, 2, HOLDFAST__KIND__QUEUE, "q");
  story_users_open(&world, 2, HOLDFAST__KIND__EVENT, "e");
  story_users_open(&world, 2, HOLDFAST__KIND__DICT, "d");
  story_connect_as(&story, 4, false, "web");
  story_get(&story, 2, 1, "q", STORY_WAIT_FOREVER);
  story_get(&story, 4, 0, "q", STORY_WAIT_FOREVER);
  story_get(&story, 3, 1, "q", STORY_WAIT_FOREVER);
  ask(&story, 2, 2, IN("e", EVENT_WAIT, EventWait, event_wait));
  ask(&story, 2, 3,
      REQUEST(WAIT_ANY, WaitAny, wait_any, .n_operations = 2,
              .operations = LIST_OF(Request, IN("e", EVENT_WAIT, EventWait, event_wait),
                                    IN("q", QUEUE_GET, QueueGet, queue_get))));
  Holdfast__Condition *is_set =
      MESSAGE(Condition, condition, .target_case = HOLDFAST__CONDITION__TARGET_NAME,
              .name = DATA("e"), .check_case = HOLDFAST__CONDITION__CHECK_IS_SET);
  ask(&story, 2, 4,
      REQUEST(TRANSACTION, Transaction, transaction, .n_conditions = 1, .conditions = &is_set,
              .n_operations = 1,
              .operations = LIST_OF(Request, IN("d", DICT_CLEAR, DictClear, dict_clear))));
  story_forget(&story); /* a clear can't be in one */
  ask(&story, 2, 5,
      REQUEST(TRANSACTION, Transaction, transaction, .n_conditions = 1, .conditions = &is_set,
              .n_operations = 1,
              .operations = LIST_OF(Request, IN("d", DICT_SET, DictSet, dict_set, .key = TEXT("k"),
                                                .value = INT(1)))));
  ask(&story, 2, 6,
      REQUEST(TRANSACTION, Transaction, transaction, .n_conditions = 1, .conditions = &is_set,
              .n_operations = 1,
              .operations = LIST_OF(Request, IN("d", DICT_LEN, DictLen, dict_len))));
  story_expect(&story, "");
  narrow(ACCESS_READ);
  story_expect(&story,
               "2 <- #1 PERMISSION_DENIED NO_RIGHT\n"
               "2 <- #3 PERMISSION_DENIED NO_RIGHT of part 2\n"
               "2 <- #5 PERMISSION_DENIED NO_RIGHT of part 2\n"
               "4 <- #0 PERMISSION_DENIED NO_RIGHT\n");
  assert_string_equal(story.sentence,
                      "user \"web\" may read \"q\", not write it "
                      "(queue_get needs rw; rights: :r)");
  narrow(ACCESS_NOTHING);
  story_expect(&story,
               "2 <- #2 PERMISSION_DENIED NO_RIGHT\n"
               "2 <- #6 PERMISSION_DENIED NO_RIGHT of part 1\n");
  assert_int_equal(story.engine->waiting, 1); /* eve's */
}

/* A job that is stopped answers when it is done: without the sentence of another's refusal meanwhile. */
static void test_a_sentence_is_of_its_own_refusal(void **state) {
  (void)state;
  uint64_t hidden = story_open(&story, 1, 0, HOLDFAST__KIND__LIST, "hidden", 0);
  story_users_open(&world, 2, HOLDFAST__KIND__LIST, "l");
  Holdfast__Value *item = INT(5), *items[1000];
  for (size_t i = 0; i < 1000; i++) {
    items[i] = item;
  }
  for (size_t i = 0; i < 10; i++) {
    ask(&story, 2, 0,
        IN("l", LIST_EXTEND, ListExtend, list_extend, .n_items = 1000, .items = items));
  }
  Holdfast__Request *retain = REQUEST(OBJECT_RETAIN, ObjectRetain, object_retain, .n_objects = 1,
                                      .objects = &hidden, .skip_missing = true);
  ask(&story, 3, 0, retain);
  story.keeps_jobs = true;
  story_forget(&story);
  ask(&story, 2, 1, IN("l", LIST_SORT, ListSort, list_sort));
  story_expect(&story, "");
  world.eve_right.prefix = bytes_of_text("own");
  narrow(ACCESS_READ);
  ask(&story, 3, 0, retain); /* it skips what eve may not see */
  story_expect(&story, "3 <- #0 OK\n");
  story.sentence[0] = 0;
  assert_true(story_run_job(&story));
  assert_true(story_said(&story, "2 <- #1 PERMISSION_DENIED NO_RIGHT\n"));
  assert_null(strstr(story.sentence, "user"));
}

/* A wake finds what has changed without a reload of its own. */
static void test_nothing_ends_while_rights_suffice(void **state) {
  (void)state;
  story_users_open(&world, 2, HOLDFAST__KIND__QUEUE, "q");
  story_get(&story, 2, 1, "q", STORY_WAIT_FOREVER);
  narrow(READ_WRITE);
  story_expect(&story, "");
  story_put(&story, 3, 1, "q", 7, 0);
  story_expect(&story, "3 <- #1 OK\n2 <- #1 OK 7\n");
}

static bool lessens(size_t count) {
  const struct users_settings settings = {world.users, count};
  bool lessens;
  assert_true(users_set(&story.engine->users, &settings, &lessens));
  return lessens;
}

/* Most reloads change something else: then nobody's sessions and waits are looked at. */
static void test_the_same_rights_again_are_no_change(void **state) {
  (void)state;
  struct user_right both[] = {{bytes_of_text("b"), READ_WRITE}, {bytes_of_text("bb"), READ_WRITE}};
  struct user_right other_order[] = {both[1], both[0]};
  world.users[0].rights = both;
  world.users[0].rights_count = 2;
  assert_true(lessens(2));
  world.users[0].rights = other_order;
  world.users[0].limits.objects = 7;
  assert_false(lessens(2));
  other_order[1].access = ACCESS_READ;
  assert_true(lessens(2));
  world.users[0].rights_count = 1;
  assert_true(lessens(2));
  assert_true(lessens(1));
  assert_false(lessens(1));
  assert_false(lessens(2)); /* it comes back */
}

static bool has_session(uint64_t connection) {
  return core_peer(story.engine, connection)->session != NULL;
}

static void test_a_session_that_can_give_nothing_back_ends(void **state) {
  (void)state;
  static const Holdfast__Kind kinds[] = {HOLDFAST__KIND__LOCK, HOLDFAST__KIND__SEMAPHORE,
                                         HOLDFAST__KIND__QUEUE};
  static const char *const names[] = {"lock", "semaphore", "queue"};
  for (size_t i = 0; i < 3; i++) {
    ask(&story, 1, 0,
        REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = kinds[i], .name = DATA(names[i]),
                .start = 1));
    narrow(ACCESS_ALL);
    uint64_t connection = 10 + i;
    story_users_connect(&world, connection, "web");
    story_put(&story, 1, 0, "queue", 5, 0);
    Holdfast__Request *take[] = {
        IN("lock", LOCK_ACQUIRE, LockAcquire, lock_acquire),
        IN("semaphore", SEMAPHORE_ACQUIRE, SemaphoreAcquire, semaphore_acquire),
        IN("queue", QUEUE_RESERVE, QueueReserve, queue_reserve)};
    story_forget(&story);
    ask_within(&story, connection, 1, 0, take[i]);
    assert_true(story_said(&story, "OK"));
    assert_true(has_session(connection));
    narrow(ACCESS_READ);
    assert_false(has_session(connection));
    assert_true(has_session(2)); /* it has nothing */
  }
}

static void test_a_session_that_has_mapped_a_cell_ends(void **state) {
  (void)state;
  story_users_open_array(&world, 1, "a");
  story_users_open_array(&world, 2, "a");
  assert_true(story_said(&story, "shared"));
  narrow(ACCESS_ALL);
  assert_true(has_session(2));
  narrow(ACCESS_READ);
  assert_false(has_session(2));
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  static const struct CMUnitTest tests[] = {
      STORY(test_a_report_says_what_users_use),
      STORY(test_of_a_user_that_is_gone_all_ends),
      STORY(test_what_a_gone_user_made_stays_and_is_its_own_when_it_comes_back),
      STORY(test_cells_are_mapped_with_read_and_write_only),
      STORY(test_waiting_requests_end_with_the_right),
      STORY(test_a_sentence_is_of_its_own_refusal),
      STORY(test_nothing_ends_while_rights_suffice),
      STORY(test_the_same_rights_again_are_no_change),
      STORY(test_a_session_that_can_give_nothing_back_ends),
      STORY(test_a_session_that_has_mapped_a_cell_ends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
