/* What users may use: memory, objects, sessions, connections, waiting requests, and requests a second.
 * Connection 1 is the owner's, 2 and 3 are web's and eve's. Each has a session.
 */
#include "proto/base/clock.h"
#include "server/engine/core.h"
#include "tests/support/messages.h"
#include "tests/support/story_users.h"
#include "tests/support/user_sums.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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

static void append(uint64_t connection, const char *list, size_t len) {
  static char text[100000];
  memset(text, 'x', len);
  text[len] = 0;
  story_forget(&story);
  ask_within(&story, connection, 0, 0,
             IN(list, LIST_APPEND, ListAppend, list_append, .value = TEXT(text)));
}

/* ---- quotas */

static void test_memory_is_charged_to_who_made_the_object(void **state) {
  (void)state;
  story_users_open(&world, 2, HOLDFAST__KIND__LIST, "l");
  uint64_t before = story_users_web(&world)->memory_bytes;
  append(3, "l", 50000);
  assert_true(story_said(&story, "OK"));
  assert_true(story_users_web(&world)->memory_bytes >= before + 50000);
  assert_true(user_sums_are_right(story.engine));
  ask(&story, 3, 0, IN("l", LIST_CLEAR, ListClear, list_clear));
  assert_int_equal(story_users_web(&world)->memory_bytes, before);
  append(3, "l", 50000);
  ask(&story, 3, 0, IN("l", OBJECT_DELETE, ObjectDelete, object_delete));
  assert_int_equal(story_users_web(&world)->memory_bytes, 0);
  assert_int_equal(story_users_web(&world)->objects, 0);
}

static void test_memory_has_a_quota(void **state) {
  (void)state;
  story_users_open(&world, 2, HOLDFAST__KIND__LIST, "l");
  world.users[0].limits.memory_bytes = 40960;
  story_users_set(&world, 2);
  append(2, "l", 38000);
  assert_true(story_said(&story, "OK"));
  append(3, "l", 4000); /* others fill it too */
  story_expect(&story, "3 <- #0 RESOURCE_EXHAUSTED QUOTA_MEMORY\n");
  char expected[100];
  unsigned tenths = (unsigned)(story_users_web(&world)->memory_bytes * 10 / 1024);
  snprintf(expected, sizeof expected, "user \"web\" uses %u.%u KiB of 40.0 KiB", tenths / 10,
           tenths % 10);
  assert_string_equal(story.sentence, expected);
  story_users_open(&world, 3, HOLDFAST__KIND__LIST, "m");
  append(2, "m", 40000); /* that is eve's */
  assert_true(story_said(&story, "OK"));
  story_forget(&story);
  ask(&story, 2, 0,
      REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__ARRAY,
              .typecode = DATA("d"), .length = 1000));
  story_expect(&story, "2 <- #0 RESOURCE_EXHAUSTED QUOTA_MEMORY\n");
  append(2, "l", 4000);
  story_expect(&story, "2 <- #0 RESOURCE_EXHAUSTED QUOTA_MEMORY\n");
  char text[4001] = {0};
  memset(text, 'x', sizeof text - 1);
  ask(&story, 2, 0,
      REQUEST(TRANSACTION, Transaction, transaction, .n_operations = 1,
              .operations = LIST_OF(
                  Request, IN("l", LIST_APPEND, ListAppend, list_append, .value = TEXT(text)))));
  story_expect(&story, "2 <- #0 RESOURCE_EXHAUSTED QUOTA_MEMORY of part 1\n");
}

static void test_repeating_a_list_has_a_quota(void **state) {
  (void)state;
  story_users_open(&world, 2, HOLDFAST__KIND__LIST, "l");
  world.users[0].limits.memory_bytes = 40960;
  story_users_set(&world, 2);
  for (size_t i = 0; i < 100; i++) {
    append(2, "l", 10);
  }
  story_forget(&story);
  ask(&story, 2, 0,
      IN("l", LIST_REPEAT_IN_PLACE, ListRepeatInPlace, list_repeat_in_place, .count = 100));
  story_expect(&story, "2 <- #0 RESOURCE_EXHAUSTED QUOTA_MEMORY\n");
}

static void fill(Holdfast__Request *of_one_item) {
  for (size_t i = 0; i < 3; i++) {
    ask(&story, 2, 10 + i, of_one_item);
  }
}

#define MANY_BYTES 15000

/* What waits was let in one by one; it is stored together. */
static void test_what_waited_has_a_quota(void **state) {
  (void)state;
  static char text[MANY_BYTES + 1];
  memset(text, 'x', MANY_BYTES);
  story_open(&story, 2, 0, HOLDFAST__KIND__QUEUE, "q", 3);
  story_open(&story, 2, 0, HOLDFAST__KIND__QUEUE, "many", 3);
  story_users_open(&world, 2, HOLDFAST__KIND__PIPE, "pipe");
  world.users[0].limits.memory_bytes = 98304;
  story_users_set(&world, 2);
  for (size_t i = 0; i < 3; i++) {
    story_put(&story, 3, 0, "q", 5, 0);
    story_put(&story, 3, 0, "many", 5, 0);
  }
  for (size_t i = 0; i < HF_PIPE_COUNT_MAX; i++) {
    ask(&story, 3, 0, IN("pipe", PIPE_SEND, PipeSend, pipe_send, .value = INT(5)));
  }
  Holdfast__Value *items[] = {TEXT(text), TEXT(text), TEXT(text)};
  story_forget(&story);
  fill(IN("q", QUEUE_PUT, QueuePut, queue_put, .value = TEXT(text)));
  ask(&story, 2, 20,
      IN("many", QUEUE_PUT_MANY, QueuePutMany, queue_put_many, .n_items = 3, .items = items));
  ask(&story, 2, 30, IN("pipe", PIPE_SEND, PipeSend, pipe_send, .value = TEXT(text)));
  story_expect(&story, "");
  uint64_t before = story_users_web(&world)->memory_bytes;
  for (size_t i = 0; i < 3; i++) {
    story_get(&story, 3, 0, "q", 0);
    story_get(&story, 3, 0, "many", 0);
  }
  ask(&story, 3, 0, IN("pipe", PIPE_RECV, PipeRecv, pipe_recv, .end = 1));
  assert_true(story_users_web(&world)->memory_bytes > before + MANY_BYTES);
  assert_true(story_users_web(&world)->memory_bytes < 98304 + 1000);
  assert_true(story_said(&story, "RESOURCE_EXHAUSTED QUOTA_MEMORY"));
  assert_true(story_said(&story, "2 <- #30 RESOURCE_EXHAUSTED QUOTA_MEMORY"));
  assert_true(user_sums_are_right(story.engine));
}

static void test_objects_have_a_quota(void **state) {
  (void)state;
  world.users[0].limits.objects = 2;
  story_users_set(&world, 2);
  uint64_t first = story_open(&story, 2, 0, HOLDFAST__KIND__EVENT, NULL, 0);
  story_users_open(&world, 2, HOLDFAST__KIND__EVENT, "e");
  story_open(&story, 2, 0, HOLDFAST__KIND__EVENT, "f", 0);
  story_expect(&story, "2 <- #0 RESOURCE_EXHAUSTED QUOTA_OBJECTS\n");
  assert_string_equal(story.sentence, "user \"web\" uses 2 of 2 objects");
  story_users_open(&world, 2, HOLDFAST__KIND__EVENT, "e"); /* it is there */
  story_users_open(&world, 3, HOLDFAST__KIND__EVENT, "f");
  story_drop(&story, 2, 0, first, 1);
  story_users_open(&world, 2, HOLDFAST__KIND__EVENT, "g");
}

static void test_sessions_have_a_quota(void **state) {
  (void)state;
  uint8_t child[HF_SESSION_BYTES] = {77, 1};
  world.users[0].limits.sessions = 2;
  story_users_set(&world, 2);
  story_connect_as(&story, 4, false, "web");
  story_open_session(&story, 4);
  story_forget(&story);
  story_connect_as(&story, 5, false, "web");
  story_open_session(&story, 5);
  story_expect(&story, "5 <- #0 RESOURCE_EXHAUSTED QUOTA_SESSIONS\n");
  assert_string_equal(story.sentence, "user \"web\" uses 2 of 2 sessions");
  ask(&story, 2, 0,
      REQUEST(FORK_SESSION, ForkSession, fork_session, .child = {sizeof child, child}));
  story_expect(&story, "2 <- #0 RESOURCE_EXHAUSTED QUOTA_SESSIONS\n");
  story_close_session(&story, 4);
  story_forget(&story);
  story_open_session(&story, 5);
  story_expect(&story, "5 <- #0 OK session\n");
}

static void test_connections_have_a_quota(void **state) {
  (void)state;
  world.users[0].limits.connections = 2;
  story_users_set(&world, 2);
  story_connect_as(&story, 4, false, "web");
  story_connect_as(&story, 5, false, "web");
  ask(&story, 4, 0, REQUEST(PING, Ping, ping));
  ask(&story, 5, 0, REQUEST(PING, Ping, ping));
  ask(&story, 3, 0, REQUEST(PING, Ping, ping));
  story_expect(&story,
               "4 <- #0 OK\n"
               "5 <- #0 RESOURCE_EXHAUSTED QUOTA_CONNECTIONS\n"
               "5 closed\n"
               "3 <- #0 OK\n");
  assert_string_equal(story.sentence, "user \"web\" uses 2 of 2 connections");
  assert_true(user_sums_are_right(story.engine));
  story_disconnect(&story, 5);
  story_connect_as(&story, 6, false, "web");
  assert_true(engine_exceeds_quota(story.engine, 6));
  story_disconnect(&story, 4);
  ask(&story, 6, 0, REQUEST(PING, Ping, ping));
  story_expect(&story, "6 <- #0 OK\n");
  assert_false(engine_exceeds_quota(story.engine, 6));
}

/* Whatever it says: nothing keeps a connection beyond the quota but the session that it brings back. */
static void test_a_connection_too_many_ends_with_its_first_answer(void **state) {
  (void)state;
  uint8_t session = core_peer(story.engine, 2)->session->id[0];
  world.users[0].limits.connections = 1;
  story_users_set(&world, 2);
  story_connect_as(&story, 4, false, "web");
  story_resume(&story, 4, (uint8_t)(session + 100), 1); /* of none */
  story_expect(&story, "4 <- #0 FAILED_PRECONDITION SESSION_ENDED\n4 closed\n");
  story_connect_as(&story, 5, true, "web");
  ask(&story, 5, 0, REQUEST(PING, Ping, ping));
  story_expect(&story, "5 closed\n");
  story_connect_as(&story, 6, false, "web");
  story_resume(&story, 6, session, 0); /* an attempt that is too old */
  story_expect(&story, "6 <- #0 ABORTED ATTEMPT_STALE\n6 closed\n");
}

/* A session that lost its place to another connection is still there, and finds one when there is room. */
static void test_a_session_outlives_the_loss_of_its_place(void **state) {
  (void)state;
  world.users[0].limits.connections = 1;
  story_users_set(&world, 2);
  uint8_t session = core_peer(story.engine, 2)->session->id[0];
  story_disconnect(&story, 2);
  story_forget(&story);
  story_connect_as(&story, 4, false, "web");
  story_connect_as(&story, 5, false, "web");
  story_resume(&story, 5, session, 1);
  ask(&story, 5, 1, REQUEST(PING, Ping, ping));
  story_expect(&story,
               "5 <- #0 OK session\n"
               "5 <- #1 RESOURCE_EXHAUSTED QUOTA_CONNECTIONS\n"
               "5 closed\n");
  story_disconnect(&story, 5);
  story_disconnect(&story, 4);
  story_forget(&story);
  story_connect_as(&story, 6, false, "web");
  story_resume(&story, 6, session, 2);
  ask(&story, 6, 1, REQUEST(PING, Ping, ping));
  story_expect(&story, "6 <- #0 OK session\n6 <- #1 OK\n");
}

static void test_waiting_requests_have_a_quota(void **state) {
  (void)state;
  world.users[0].limits.waiting = 2;
  story_users_set(&world, 2);
  story_users_open(&world, 2, HOLDFAST__KIND__QUEUE, "q");
  story_get(&story, 2, 1, "q", STORY_WAIT_FOREVER);
  story_connect_as(&story, 4, false, "web");
  story_get(&story, 4, 0, "q", STORY_WAIT_FOREVER); /* without a session */
  story_get(&story, 2, 2, "q", STORY_WAIT_FOREVER);
  story_expect(&story, "2 <- #2 RESOURCE_EXHAUSTED QUOTA_WAITING\n");
  assert_string_equal(story.sentence, "user \"web\" uses 2 of 2 waiting requests");
  assert_true(user_sums_are_right(story.engine));
  story_disconnect(&story, 4);
  story_get(&story, 2, 3, "q", STORY_WAIT_FOREVER);
  story_expect(&story, "");
}

/* How many are answered; the others are too fast. */
static size_t pings(uint64_t connection, size_t count) {
  size_t answered = 0;
  for (size_t i = 0; i < count; i++) {
    story_forget(&story);
    ask(&story, connection, 0, REQUEST(PING, Ping, ping));
    answered += story_said(&story, "OK");
  }
  return answered;
}

/* A second's requests at once, and those of HF_TOO_FAST_PAUSE_MS ahead of their time. */
static void test_requests_have_a_rate(void **state) {
  (void)state;
  world.users[0].limits.requests_per_s = 10;
  story_users_set(&world, 2);
  assert_int_equal(pings(2, 20), 11);
  assert_true(story_said(&story, "RESOURCE_EXHAUSTED TOO_FAST"));
  assert_string_equal(story.sentence, "user \"web\" may send 10 requests a second");
  assert_int_equal(pings(3, 20), 20);
  story_pass_ms(&story, 300);
  assert_int_equal(pings(2, 20), 3);
  story_pass_ms(&story, 5000);
  assert_int_equal(pings(2, 20), 11);
}

/* Where each pause is kept nothing is refused, and the rate is right. */
static void test_who_pauses_is_not_refused(void **state) {
  const uint64_t rates[] = {10, 11, 999, 50000};
  (void)state;
  for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
    world.users[0].limits.requests_per_s = rates[i];
    story_users_set(&world, 2);
    story_pass_ms(&story, 2000);
    assert_int_equal(pings(2, rates[i]), rates[i]);
    assert_int_equal(story.pause_ns, 0);
    uint64_t began_ns = story.now_ns;
    for (size_t sent = 0; sent < 100; sent++) {
      assert_int_equal(pings(2, 1), 1);
      assert_in_range(story.pause_ns, 1, HF_TOO_FAST_PAUSE_MS * CLOCK_NS_PER_MS);
      story.now_ns += story.pause_ns;
    }
    uint64_t took_us = (story.now_ns - began_ns) / 1000;
    assert_in_range(took_us, 100 * (1000000 / rates[i]) - 1, 100 * 1000000 / rates[i]);
  }
}

/* The connections of a user wait for each other, up to the longest pause. */
static void test_connections_share_the_rate_of_their_user(void **state) {
  (void)state;
  world.users[0].limits.requests_per_s = 100;
  story_users_set(&world, 2);
  assert_int_equal(pings(2, 100), 100);
  for (uint64_t connection = 4; connection < 14; connection++) {
    story_connect_as(&story, connection, false, "web");
    assert_int_equal(pings(connection, 1), 1);
    assert_int_equal(story.pause_ns, (connection - 3) * 10 * CLOCK_NS_PER_MS);
  }
  assert_int_equal(pings(2, 1), 0);
  assert_int_equal(story.pause_ns, HF_TOO_FAST_PAUSE_MS * CLOCK_NS_PER_MS);
  assert_int_equal(pings(3, 1), 1);
  assert_int_equal(story.pause_ns, 0);
}

/* A request that came too fast is not known: the same again is carried out. */
static void test_what_came_too_fast_may_come_again(void **state) {
  (void)state;
  story_users_open(&world, 2, HOLDFAST__KIND__QUEUE, "q");
  world.users[0].limits.requests_per_s = 1;
  story_users_set(&world, 2);
  story_put(&story, 2, 1, "q", 5, 0);
  story_put(&story, 2, 2, "q", 6, 0);
  story_pass_ms(&story, 1000);
  story_put(&story, 2, 2, "q", 6, 0);
  story_expect(&story,
               "2 <- #1 OK\n"
               "2 <- #2 RESOURCE_EXHAUSTED TOO_FAST\n"
               "2 <- #2 OK\n");
}

/* What was done already is answered again, however fast it comes, and what waits goes on to wait. */
static void test_what_comes_again_is_never_too_fast(void **state) {
  (void)state;
  story_users_open(&world, 2, HOLDFAST__KIND__QUEUE, "q");
  story_users_open(&world, 2, HOLDFAST__KIND__QUEUE, "empty");
  world.users[0].limits.requests_per_s = 3;
  story_users_set(&world, 2);
  uint8_t session = core_peer(story.engine, 2)->session->id[0];
  story_put(&story, 2, 1, "q", 5, 0);
  story_get(&story, 2, 2, "empty", STORY_WAIT_FOREVER);
  story_put(&story, 2, 3, "q", 6, 0);
  story_expect(&story, "2 <- #1 OK\n2 <- #3 OK\n");
  story_connect_as(&story, 4, false, "web");
  story_resume(&story, 4, session, 1);
  story_put(&story, 4, 1, "q", 5, 0);
  story_get(&story, 4, 2, "empty", STORY_WAIT_FOREVER);
  story_put(&story, 4, 3, "q", 6, 0);
  story_put(&story, 4, 4, "q", 7, 0);
  story_put(&story, 3, 0, "empty", 8, 0);
  story_expect(&story,
               "2 closed\n"
               "4 <- #0 OK session\n"
               "4 <- #1 OK\n"
               "4 <- #3 OK\n"
               "4 <- #4 RESOURCE_EXHAUSTED TOO_FAST\n"
               "3 <- #0 OK\n"
               "4 <- #2 OK 8\n");
}

/* The former connection, whose end the server has not seen yet, is not in the way of the next. */
static void test_a_session_comes_back_in_the_place_of_its_connection(void **state) {
  (void)state;
  world.users[0].limits.connections = 1;
  story_users_set(&world, 2);
  uint8_t session = core_peer(story.engine, 2)->session->id[0];
  story_connect_as(&story, 4, false, "web");
  story_resume(&story, 4, session, 1);
  ask(&story, 4, 1, REQUEST(PING, Ping, ping));
  story_expect(&story, "2 closed\n4 <- #0 OK session\n4 <- #1 OK\n");
  assert_true(user_sums_are_right(story.engine));
  story_connect_as(&story, 5, false, "web");
  ask(&story, 5, 0, REQUEST(PING, Ping, ping));
  story_expect(&story,
               "5 <- #0 RESOURCE_EXHAUSTED QUOTA_CONNECTIONS\n"
               "5 closed\n");
}

static void test_cells_are_charged_until_all_have_let_go(void **state) {
  (void)state;
  story_users_open_array(&world, 2, "a");
  assert_true(story_said(&story, "shared"));
  story_users_open_array(&world, 3, "a");
  uint64_t bytes = story_users_web(&world)->memory_bytes;
  assert_true(bytes >= 800);
  assert_true(user_sums_are_right(story.engine));
  ask(&story, 2, 0, IN("a", OBJECT_DELETE, ObjectDelete, object_delete));
  assert_true(story_users_web(&world)->memory_bytes >= 800 &&
              story_users_web(&world)->memory_bytes < bytes);
  assert_true(user_sums_are_right(story.engine));
  story_close_session(&story, 2);
  story_close_session(&story, 3);
  assert_int_equal(story_users_web(&world)->memory_bytes, 0);
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  static const struct CMUnitTest tests[] = {
      STORY(test_memory_is_charged_to_who_made_the_object),
      STORY(test_memory_has_a_quota),
      STORY(test_repeating_a_list_has_a_quota),
      STORY(test_what_waited_has_a_quota),
      STORY(test_objects_have_a_quota),
      STORY(test_sessions_have_a_quota),
      STORY(test_connections_have_a_quota),
      STORY(test_a_connection_too_many_ends_with_its_first_answer),
      STORY(test_a_session_outlives_the_loss_of_its_place),
      STORY(test_waiting_requests_have_a_quota),
      STORY(test_requests_have_a_rate),
      STORY(test_who_pauses_is_not_refused),
      STORY(test_connections_share_the_rate_of_their_user),
      STORY(test_what_came_too_fast_may_come_again),
      STORY(test_what_comes_again_is_never_too_fast),
      STORY(test_a_session_comes_back_in_the_place_of_its_connection),
      STORY(test_cells_are_charged_until_all_have_let_go),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
