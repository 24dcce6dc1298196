/* What users may use, and what happens to it when users change. Connection 1 is the owner's, 2 and 3 are
 * web's and eve's. Each has a session.
 */
#include "proto/base/clock.h"
#include "server/dispatch/operations.h"
#include "server/engine/core.h"
#include "tests/support/apply.h"
#include "tests/support/messages.h"
#include "tests/support/story.h"
#include "tests/support/story_cells.h"
#include "tests/support/user_sums.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define READ_WRITE (ACCESS_READ | ACCESS_WRITE)

static struct story story;
static struct story_cells cells;
static struct user_right web_right, eve_right;
static struct user_settings users[2];

static void set_users(size_t count) {
  story_set_users(&story, users, count);
}

static void connect_as(uint64_t connection, const char *user) {
  story_connect_as(&story, connection, false, user);
  story_open_session_of(&story, connection, (int)(100 + connection));
}

static int set_up(void **state) {
  (void)state;
  web_right = (struct user_right){bytes_of_text(""), ACCESS_ALL};
  eve_right = (struct user_right){bytes_of_text(""), ACCESS_ALL};
  users[0] =
      (struct user_settings){.name = bytes_of_text("web"), .rights = &web_right, .rights_count = 1};
  users[1] =
      (struct user_settings){.name = bytes_of_text("eve"), .rights = &eve_right, .rights_count = 1};
  story_begin_sharing(&story, story_cells_begin(&cells), 1u << 20);
  set_users(2);
  connect_as(1, "");
  connect_as(2, "web");
  connect_as(3, "eve");
  story_forget(&story);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  assert_true(user_sums_are_right(story.engine));
  story_end(&story);
  story_cells_end(&cells);
  return 0;
}

static const struct user *web(void) {
  return users_find_name(&story.engine->users, bytes_of_text("web"));
}

static void open_named(uint64_t connection, Holdfast__Kind kind, const char *name) {
  story_open(&story, connection, 0, kind, name, 0);
  assert_true(story_said(&story, "OK"));
  story_forget(&story);
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
  open_named(2, HOLDFAST__KIND__LIST, "l");
  uint64_t before = web()->memory_bytes;
  append(3, "l", 50000);
  assert_true(story_said(&story, "OK"));
  assert_true(web()->memory_bytes >= before + 50000);
  assert_true(user_sums_are_right(story.engine));
  ask(&story, 3, 0, IN("l", LIST_CLEAR, ListClear, list_clear));
  assert_int_equal(web()->memory_bytes, before);
  append(3, "l", 50000);
  ask(&story, 3, 0, IN("l", OBJECT_DELETE, ObjectDelete, object_delete));
  assert_int_equal(web()->memory_bytes, 0);
  assert_int_equal(web()->objects, 0);
}

static void test_memory_has_a_quota(void **state) {
  (void)state;
  open_named(2, HOLDFAST__KIND__LIST, "l");
  users[0].limits.memory_bytes = 40960;
  set_users(2);
  append(2, "l", 38000);
  assert_true(story_said(&story, "OK"));
  append(3, "l", 4000); /* others fill it too */
  story_expect(&story, "3 <- #0 RESOURCE_EXHAUSTED QUOTA_MEMORY\n");
  char expected[100];
  unsigned tenths = (unsigned)(web()->memory_bytes * 10 / 1024);
  snprintf(expected, sizeof expected, "user \"web\" uses %u.%u KiB of 40.0 KiB", tenths / 10,
           tenths % 10);
  assert_string_equal(story.sentence, expected);
  open_named(3, HOLDFAST__KIND__LIST, "m");
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
  open_named(2, HOLDFAST__KIND__LIST, "l");
  users[0].limits.memory_bytes = 40960;
  set_users(2);
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
  open_named(2, HOLDFAST__KIND__PIPE, "pipe");
  users[0].limits.memory_bytes = 98304;
  set_users(2);
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
  uint64_t before = web()->memory_bytes;
  for (size_t i = 0; i < 3; i++) {
    story_get(&story, 3, 0, "q", 0);
    story_get(&story, 3, 0, "many", 0);
  }
  ask(&story, 3, 0, IN("pipe", PIPE_RECV, PipeRecv, pipe_recv, .end = 1));
  assert_true(web()->memory_bytes > before + MANY_BYTES);
  assert_true(web()->memory_bytes < 98304 + 1000);
  assert_true(story_said(&story, "RESOURCE_EXHAUSTED QUOTA_MEMORY"));
  assert_true(story_said(&story, "2 <- #30 RESOURCE_EXHAUSTED QUOTA_MEMORY"));
  assert_true(user_sums_are_right(story.engine));
}

static void test_objects_have_a_quota(void **state) {
  (void)state;
  users[0].limits.objects = 2;
  set_users(2);
  uint64_t first = story_open(&story, 2, 0, HOLDFAST__KIND__EVENT, NULL, 0);
  open_named(2, HOLDFAST__KIND__EVENT, "e");
  story_open(&story, 2, 0, HOLDFAST__KIND__EVENT, "f", 0);
  story_expect(&story, "2 <- #0 RESOURCE_EXHAUSTED QUOTA_OBJECTS\n");
  assert_string_equal(story.sentence, "user \"web\" uses 2 of 2 objects");
  open_named(2, HOLDFAST__KIND__EVENT, "e"); /* it is there */
  open_named(3, HOLDFAST__KIND__EVENT, "f");
  story_drop(&story, 2, 0, first, 1);
  open_named(2, HOLDFAST__KIND__EVENT, "g");
}

static void test_sessions_have_a_quota(void **state) {
  (void)state;
  uint8_t child[HF_SESSION_BYTES] = {77, 1};
  users[0].limits.sessions = 2;
  set_users(2);
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
  users[0].limits.connections = 2;
  set_users(2);
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
  users[0].limits.connections = 1;
  set_users(2);
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
  users[0].limits.connections = 1;
  set_users(2);
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
  users[0].limits.waiting = 2;
  set_users(2);
  open_named(2, HOLDFAST__KIND__QUEUE, "q");
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
  users[0].limits.requests_per_s = 10;
  set_users(2);
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
    users[0].limits.requests_per_s = rates[i];
    set_users(2);
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
  users[0].limits.requests_per_s = 100;
  set_users(2);
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
  open_named(2, HOLDFAST__KIND__QUEUE, "q");
  users[0].limits.requests_per_s = 1;
  set_users(2);
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
  open_named(2, HOLDFAST__KIND__QUEUE, "q");
  open_named(2, HOLDFAST__KIND__QUEUE, "empty");
  users[0].limits.requests_per_s = 3;
  set_users(2);
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
  users[0].limits.connections = 1;
  set_users(2);
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

/* ---- cells */

static void open_array(uint64_t connection, const char *name) {
  story_forget(&story);
  ask(&story, connection, 0,
      REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__ARRAY,
              .name = DATA(name), .typecode = DATA("d"), .length = 100, .map = true));
}

static void test_cells_are_mapped_with_read_and_write_only(void **state) {
  (void)state;
  open_array(1, "a");
  assert_true(story_said(&story, "shared"));
  static const unsigned rights[] = {ACCESS_READ, ACCESS_WRITE, READ_WRITE};
  for (size_t i = 0; i < 3; i++) {
    web_right.access = (uint8_t)rights[i];
    set_users(2);
    open_array(2, "a");
    assert_true(story_said(&story, "OK there"));
    assert_int_equal(story_said(&story, "shared"), rights[i] == READ_WRITE);
  }
}

static void test_cells_are_charged_until_all_have_let_go(void **state) {
  (void)state;
  open_array(2, "a");
  assert_true(story_said(&story, "shared"));
  open_array(3, "a");
  uint64_t bytes = web()->memory_bytes;
  assert_true(bytes >= 800);
  assert_true(user_sums_are_right(story.engine));
  ask(&story, 2, 0, IN("a", OBJECT_DELETE, ObjectDelete, object_delete));
  assert_true(web()->memory_bytes >= 800 && web()->memory_bytes < bytes);
  assert_true(user_sums_are_right(story.engine));
  story_close_session(&story, 2);
  story_close_session(&story, 3);
  assert_int_equal(web()->memory_bytes, 0);
}

/* ---- reports */

static void test_a_report_says_what_users_use(void **state) {
  (void)state;
  open_named(2, HOLDFAST__KIND__QUEUE, "q");
  story_get(&story, 2, 1, "q", STORY_WAIT_FOREVER);
  story_connect_as(&story, 4, false, "eve");
  ask(&story, 1, 0, REQUEST(SERVER_INFO, ServerInfo, server_info));
  story_expect(&story,
               "eve: 0 objects, 1 sessions, 2 connections, 0 waiting\n"
               "web: 1 objects, 1 sessions, 1 connections, 1 waiting\n");
  ask(&story, 3, 0, REQUEST(SERVER_INFO, ServerInfo, server_info));
  story_expect(&story, "eve: 0 objects, 1 sessions, 2 connections, 0 waiting\n");
  users[1].is_admin = true;
  users[0] = users[1];
  set_users(1);
  story_forget(&story);
  ask(&story, 3, 0, REQUEST(SERVER_INFO, ServerInfo, server_info));
  story_expect(&story,
               "eve: 0 objects, 1 sessions, 2 connections, 0 waiting\n"
               "web (removed): 1 objects, 0 sessions, 1 connections, 0 waiting\n");
}

/* ---- users that are gone */

static void test_of_a_user_that_is_gone_all_ends(void **state) {
  (void)state;
  open_named(2, HOLDFAST__KIND__QUEUE, "q");
  open_named(2, HOLDFAST__KIND__LOCK, "lock");
  story_acquire(&story, 2, 1, "lock", 1, 0);
  story_get(&story, 2, 2, "q", STORY_WAIT_FOREVER);
  story_connect_as(&story, 4, false, "web");
  story_get(&story, 4, 0, "q", STORY_WAIT_FOREVER);
  story_acquire(&story, 3, 1, "lock", 1, STORY_WAIT_FOREVER);
  story_forget(&story);
  users[0] = users[1];
  set_users(1);
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
  open_named(2, HOLDFAST__KIND__QUEUE, "q");
  Holdfast__Request *keep =
      REQUEST(OBJECT_RETAIN, ObjectRetain, object_retain, .n_objects = 1, .objects = &id);
  ask(&story, 1, 0, keep); /* the owner keeps it */
  struct user_settings both[2] = {users[0], users[1]};
  users[0] = users[1];
  set_users(1);
  assert_int_equal(web()->objects, 2);
  memcpy(users, both, sizeof users);
  set_users(2);
  connect_as(4, "web");
  story_forget(&story);
  ask(&story, 4, 0, keep);
  story_expect(&story, "4 <- #0 OK\n");
}

/* ---- rights that get less */

static void narrow(unsigned access) {
  web_right.access = (uint8_t)access;
  story_forget(&story);
  set_users(2);
}

static void test_waiting_requests_end_with_the_right(void **state) {
  (void)state;
  open_named(2, HOLDFAST__KIND__QUEUE, "q");
  open_named(2, HOLDFAST__KIND__EVENT, "e");
  open_named(2, HOLDFAST__KIND__DICT, "d");
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
  open_named(2, HOLDFAST__KIND__LIST, "l");
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
  eve_right.prefix = bytes_of_text("own");
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
  open_named(2, HOLDFAST__KIND__QUEUE, "q");
  story_get(&story, 2, 1, "q", STORY_WAIT_FOREVER);
  narrow(READ_WRITE);
  story_expect(&story, "");
  story_put(&story, 3, 1, "q", 7, 0);
  story_expect(&story, "3 <- #1 OK\n2 <- #1 OK 7\n");
}

static bool lessens(size_t count) {
  const struct users_settings settings = {users, count};
  bool lessens;
  assert_true(users_set(&story.engine->users, &settings, &lessens));
  return lessens;
}

/* Most reloads change something else: then nobody's sessions and waits are looked at. */
static void test_the_same_rights_again_are_no_change(void **state) {
  (void)state;
  struct user_right both[] = {{bytes_of_text("b"), READ_WRITE}, {bytes_of_text("bb"), READ_WRITE}};
  struct user_right other_order[] = {both[1], both[0]};
  users[0].rights = both;
  users[0].rights_count = 2;
  assert_true(lessens(2));
  users[0].rights = other_order;
  users[0].limits.objects = 7;
  assert_false(lessens(2));
  other_order[1].access = ACCESS_READ;
  assert_true(lessens(2));
  users[0].rights_count = 1;
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
    connect_as(connection, "web");
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
  open_array(1, "a");
  open_array(2, "a");
  assert_true(story_said(&story, "shared"));
  narrow(ACCESS_ALL);
  assert_true(has_session(2));
  narrow(ACCESS_READ);
  assert_false(has_session(2));
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
      STORY(test_cells_are_mapped_with_read_and_write_only),
      STORY(test_cells_are_charged_until_all_have_let_go),
      STORY(test_a_report_says_what_users_use),
      STORY(test_of_a_user_that_is_gone_all_ends),
      STORY(test_what_a_gone_user_made_stays_and_is_its_own_when_it_comes_back),
      STORY(test_waiting_requests_end_with_the_right),
      STORY(test_a_sentence_is_of_its_own_refusal),
      STORY(test_nothing_ends_while_rights_suffice),
      STORY(test_the_same_rights_again_are_no_change),
      STORY(test_a_session_that_can_give_nothing_back_ends),
      STORY(test_a_session_that_has_mapped_a_cell_ends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
