/* Stories of work that is too much for one command: it goes on in slices, which shows only
 * by the time it takes. */
#include "proto/limits.h"
#include "server/engine/core.h"
#include "server/engine/session.h"
#include "tests/support/apply.h"
#include "tests/support/messages.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WAITERS 1000u

static struct story story;

static int set_up(void **state) {
  (void)state;
  story_begin_crowded(&story, 4);
  story_open(&story, 4, 1, HOLDFAST__KIND__EVENT, "event", 0);
  story_open(&story, 4, 2, HOLDFAST__KIND__QUEUE, "q", 0);
  story_open(&story, 4, 3, HOLDFAST__KIND__LIST, "list", 0);
  story_forget(&story);
  story.in_slices = true;
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

/* How often the story says so. */
static unsigned count_of(const char *words) {
  unsigned count = 0;
  for (const char *at = story.text; (at = strstr(at, words)); at += strlen(words)) {
    count++;
  }
  return count;
}

/* To the end; no command does more than a few times what one is to do. Answers how many it took. */
static unsigned run_slices(void) {
  unsigned slices = 0;
  uint64_t before;
  bool more;
  do {
    before = engine_steps(story.engine);
    more = story_run_slice(&story);
    assert_true(engine_steps(story.engine) - before < 4 * HF_BATCH_STEPS_MAX);
    slices++;
  } while (more);
  return slices;
}

static void send_wait(uint64_t connection, uint64_t sequence, int64_t timeout_ms) {
  Holdfast__EventWait wait = HOLDFAST__EVENT_WAIT__INIT;
  Holdfast__Request request = story_request(sequence, "event", timeout_ms);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_EVENT_WAIT;
  request.event_wait = &wait;
  story_send(&story, connection, &request);
}

static void send_set(uint64_t connection, bool is_set) {
  Holdfast__EventSet set = HOLDFAST__EVENT_SET__INIT;
  Holdfast__EventClear clear = HOLDFAST__EVENT_CLEAR__INIT;
  Holdfast__Request request = story_request(0, "event", STORY_WAIT_FOREVER);
  request.operation_case =
      is_set ? HOLDFAST__REQUEST__OPERATION_EVENT_SET : HOLDFAST__REQUEST__OPERATION_EVENT_CLEAR;
  if (is_set) {
    request.event_set = &set;
  } else {
    request.event_clear = &clear;
  }
  story_send(&story, connection, &request);
}

static void send_delete(uint64_t connection, const char *name) {
  Holdfast__ObjectDelete deletion = HOLDFAST__OBJECT_DELETE__INIT;
  Holdfast__Request request = story_request(0, name, STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE;
  request.object_delete = &deletion;
  story_send(&story, connection, &request);
}

static void wait_for_event(unsigned count, int64_t timeout_ms) {
  for (uint64_t i = 1; i <= count; i++) {
    send_wait(1, i, timeout_ms);
  }
  story_expect(&story, "");
}

/* ---- waking */

static void test_slices_wake_all_who_waited_for_an_event_that_was_cleared_again(void **state) {
  (void)state;
  wait_for_event(WAITERS, STORY_WAIT_FOREVER);
  send_set(2, true);
  assert_in_range(count_of(" OK yes"), 1, WAITERS - 1);
  send_set(2, false);
  send_wait(3, 1, 1); /* it came after that */
  assert_true(run_slices() > 1);
  assert_int_equal(count_of("1 <- "), WAITERS);
  assert_int_equal(count_of("1 <- #1 OK yes\n"), 1);
  assert_int_equal(count_of(" OK yes\n"), WAITERS);
  story_forget(&story);
  story_pass_ms(&story, 1);
  story_expect(&story, "3 <- #1 OK no\n");
}

static void test_slices_of_one_object_do_not_hold_up_others(void **state) {
  (void)state;
  wait_for_event(WAITERS, STORY_WAIT_FOREVER);
  story_get(&story, 3, 1, "q", STORY_WAIT_FOREVER);
  send_set(2, true);
  story_forget(&story);
  story_put(&story, 2, 1, "q", 7, STORY_WAIT_FOREVER);
  assert_int_equal(count_of("3 <- #1 OK 7\n"), 1);
  assert_true(story_run_slice(&story));
  run_slices();
}

static void test_slices_serve_those_who_wait_in_order(void **state) {
  (void)state;
  Holdfast__Value item = HOLDFAST__VALUE__INIT, *items[WAITERS];
  Holdfast__QueuePutMany put = HOLDFAST__QUEUE_PUT_MANY__INIT;
  Holdfast__Request request = story_request(0, "q", STORY_WAIT_FOREVER);
  for (uint64_t i = 1; i <= WAITERS; i++) {
    story_get(&story, 1, i, "q", STORY_WAIT_FOREVER);
    items[i - 1] = &item;
  }
  item.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  put.n_items = WAITERS;
  put.items = items;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_PUT_MANY;
  request.queue_put_many = &put;
  story_send(&story, 2, &request);
  assert_in_range(count_of("1 <- "), 1, WAITERS - 1);
  story_get(&story, 3, 1, "q", 0); /* all items are for waiters */
  assert_int_equal(count_of("3 <- #1 RESOURCE_EXHAUSTED QUEUE_EMPTY\n"), 1);
  run_slices();
  const char *at = story.text;
  for (unsigned i = 1; i <= WAITERS; i++) {
    char words[64];
    snprintf(words, sizeof words, "1 <- #%u OK 0\n", i);
    assert_non_null(at = strstr(at, words));
  }
}

static void put_for_waiters(unsigned more) {
  Holdfast__Value *item = INT(0), *items[2 * WAITERS];
  unsigned count = WAITERS + more;
  for (unsigned i = 0; i < count; i++) {
    items[i] = item;
  }
  ask(&story, 2, 1,
      IN("q", QUEUE_PUT_MANY, QueuePutMany, queue_put_many, .n_items = count, .items = items));
}

/* It lines up behind those who are being served, and one item is left for it. */
static void test_slices_serve_who_came_meanwhile(void **state) {
  (void)state;
  for (uint64_t i = 1; i <= WAITERS; i++) {
    story_get(&story, 1, i, "q", STORY_WAIT_FOREVER);
  }
  put_for_waiters(1);
  story_get(&story, 3, 1, "q", STORY_WAIT_FOREVER);
  assert_int_equal(count_of("3 <- "), 0);
  run_slices();
  assert_int_equal(count_of("1 <- "), WAITERS);
  assert_int_equal(count_of("3 <- #1 OK 0\n"), 1);
}

/* ---- kicking */

#define BURIED 10000u

static uint64_t reservation_in_text(void) {
  const char *at = strstr(story.text, "reserved as ");
  assert_non_null(at);
  return strtoull(at + strlen("reserved as "), NULL, 10);
}

/* So many items of "q" that somebody gave up. */
static void bury(unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    story_put(&story, 4, 0, "q", (int64_t)i, 0);
    story_forget(&story);
    ask(&story, 4, 0, IN("q", QUEUE_RESERVE, QueueReserve, queue_reserve));
    uint64_t reservation = reservation_in_text();
    ask(&story, 4, 0, IN("q", QUEUE_BURY, QueueBury, queue_bury, .reservation = reservation));
    story_forget(&story);
  }
}

static void send_kick(uint64_t connection, uint64_t sequence, int64_t timeout_ms) {
  ask_within(&story, connection, sequence, timeout_ms, IN("q", QUEUE_KICK, QueueKick, queue_kick));
}

static void test_slices_kick_before_who_came_later_and_beside_others(void **state) {
  (void)state;
  bury(BURIED);
  uint64_t before = engine_steps(story.engine);
  send_kick(1, 1, STORY_WAIT_FOREVER);
  assert_true(engine_steps(story.engine) - before < 2 * HF_BATCH_STEPS_MAX);
  ask(&story, 2, 1, IN("q", QUEUE_SIZE, QueueSize, queue_size));
  story_expect(&story, ""); /* it sees all of them kicked, or none */
  ask(&story, 3, 1, IN("list", LIST_APPEND, ListAppend, list_append, .value = INT(1)));
  story_expect(&story, "3 <- #1 OK\n");
  assert_true(run_slices() > 1);
  story_expect(&story, "1 <- #1 OK 10000\n2 <- #1 OK 10000\n");
}

/* Items kicked already are reported, since they are not kicked again. */
static void test_slices_of_a_kick_that_is_cancelled_tell_how_many(void **state) {
  (void)state;
  bury(BURIED);
  send_kick(1, 1, STORY_WAIT_FOREVER);
  ask(&story, 1, 2, REQUEST(CANCEL, Cancel, cancel, .sequence = 1));
  assert_int_equal(count_of("1 <- #1 OK "), 1);
  assert_int_equal(count_of("1 <- #2 OK yes\n"), 1);
  unsigned kicked = (unsigned)strtoul(strstr(story.text, "1 <- #1 OK ") + 11, NULL, 10);
  assert_in_range(kicked, 1, BURIED - 1);
  story_forget(&story);
  run_slices();
  send_kick(2, 1, STORY_WAIT_FOREVER);
  run_slices();
  assert_int_equal(kicked + strtoul(strstr(story.text, " OK ") + 4, NULL, 10), BURIED);
}

/* It can't wait for its next slice: it tells how many, and does not take longer instead. */
static void test_slices_of_a_kick_that_may_not_wait_tell_how_many(void **state) {
  (void)state;
  bury(BURIED);
  wait_for_event(HF_IN_FLIGHT_MAX, STORY_WAIT_FOREVER);
  uint64_t before = engine_steps(story.engine);
  send_kick(1, 0, STORY_WAIT_FOREVER);
  assert_true(engine_steps(story.engine) - before < 2 * HF_BATCH_STEPS_MAX);
  unsigned kicked = (unsigned)strtoul(strstr(story.text, "1 <- #0 OK ") + 11, NULL, 10);
  assert_in_range(kicked, 1, BURIED - 1);
  story_forget(&story);
  send_kick(2, 1, STORY_WAIT_FOREVER);
  run_slices();
  assert_int_equal(kicked + strtoul(strstr(story.text, " OK ") + 4, NULL, 10), BURIED);
}

/* The get came while the queue was lent; those before it had come long before that. */
static void test_slices_of_a_kick_do_not_let_who_came_meanwhile_overtake(void **state) {
  (void)state;
  bury(BURIED);
  for (uint64_t i = 1; i <= WAITERS; i++) {
    story_get(&story, 1, i, "q", STORY_WAIT_FOREVER);
  }
  send_kick(2, 1, STORY_WAIT_FOREVER);
  story_get(&story, 3, 1, "q", STORY_WAIT_FOREVER);
  run_slices();
  const char *last = strstr(story.text, "1 <- #1000 OK 999\n");
  const char *late = strstr(story.text, "3 <- #1 OK 1000\n");
  assert_true(last && late && last < late);
}

/* Its time passes while its session has no connection; others use the queue meanwhile. */
static void test_slices_of_a_kick_go_on_when_its_session_is_back(void **state) {
  (void)state;
  bury(BURIED);
  story_connect(&story, 5);
  uint8_t session = story_open_session(&story, 5);
  send_kick(5, 1, 5);
  story_disconnect(&story, 5);
  story_forget(&story);
  story_get(&story, 2, 1, "q", 0);
  story_expect(&story, "2 <- #1 OK 0\n");
  story_pass_ms(&story, 10);
  story_connect(&story, 6);
  story_resume(&story, 6, session, 1);
  run_slices();
  assert_int_equal(count_of("0 <- #1 OK 10000\n"), 1); /* reported when it asks again */
}

static void test_slices_leave_a_wait_its_own_ends(void **state) {
  (void)state;
  story_disconnect(&story, 3);
  story_connect(&story, 3); /* without a session: its waits go with it */
  wait_for_event(WAITERS, STORY_WAIT_FOREVER);
  send_wait(2, 1, 5);
  send_wait(2, 2, STORY_WAIT_FOREVER);
  send_wait(3, 1, STORY_WAIT_FOREVER);
  send_set(4, true);
  assert_int_equal(count_of("2 <- "), 0);
  Holdfast__Cancel cancel = HOLDFAST__CANCEL__INIT;
  Holdfast__Request request = story_request(3, NULL, STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_CANCEL;
  request.cancel = &cancel;
  cancel.sequence = 2;
  story_send(&story, 2, &request);
  assert_int_equal(count_of("2 <- #2 CANCELLED CANCELLED\n2 <- #3 OK yes\n"), 1);
  story_disconnect(&story, 3);
  story_pass_ms(&story, 5);
  run_slices();
  assert_int_equal(count_of("2 <- #1 OK yes\n"), 1); /* it was set in time */
  assert_int_equal(count_of("1 <- "), WAITERS);
  assert_int_equal(count_of("3 <- "), 0);
}

static void send_arrival(uint64_t connection, uint64_t sequence) {
  Holdfast__BarrierWait wait = HOLDFAST__BARRIER_WAIT__INIT;
  Holdfast__Request request = story_request(sequence, "barrier", STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_BARRIER_WAIT;
  request.barrier_wait = &wait;
  story_send(&story, connection, &request);
}

/* The second round is broken before all waiters of the first were run. */
static void test_slices_keep_the_rounds_of_a_barrier_apart(void **state) {
  (void)state;
  Holdfast__ObjectOpen open = HOLDFAST__OBJECT_OPEN__INIT;
  Holdfast__Request request = story_request(0, NULL, STORY_WAIT_FOREVER);
  open.kind = HOLDFAST__KIND__BARRIER;
  open.name = (ProtobufCBinaryData){7, (uint8_t *)"barrier"};
  open.parties = WAITERS + 1;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN;
  request.object_open = &open;
  story_send(&story, 4, &request);
  for (uint64_t i = 1; i <= WAITERS; i++) {
    send_arrival(1, i);
  }
  story_forget(&story);
  send_arrival(2, 1);
  send_arrival(3, 1);
  Holdfast__BarrierAbort abort = HOLDFAST__BARRIER_ABORT__INIT;
  request = story_request(0, "barrier", STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_BARRIER_ABORT;
  request.barrier_abort = &abort;
  story_send(&story, 4, &request);
  assert_in_range(count_of("1 <- "), 1, WAITERS - 1);
  run_slices();
  assert_int_equal(count_of(" OK index "), WAITERS + 1);
  assert_int_equal(count_of("3 <- #1 ABORTED BARRIER_BROKEN\n"), 1);
}

static void test_slices_are_finished_when_the_server_stops(void **state) {
  (void)state;
  wait_for_event(WAITERS, STORY_WAIT_FOREVER);
  story_get(&story, 3, 1, "q", STORY_WAIT_FOREVER);
  send_set(2, true);
  apply_drain(story.engine);
  assert_int_equal(count_of("1 <- "), WAITERS);
  assert_int_equal(count_of(" OK yes\n"), WAITERS);
  assert_int_equal(count_of("3 <- #1 UNAVAILABLE STOPPING\n"), 1);
}

static void test_slices_may_be_left_when_the_engine_goes(void **state) {
  (void)state;
  wait_for_event(WAITERS, STORY_WAIT_FOREVER);
  send_set(2, true);
}

/* ---- time */

static void test_slices_end_waits_that_are_over_at_the_same_time(void **state) {
  (void)state;
  wait_for_event(WAITERS, 5);
  story_pass_ms(&story, 5);
  assert_in_range(count_of(" OK no\n"), 1, WAITERS - 1);
  assert_true(run_slices() > 1);
  assert_int_equal(count_of(" OK no\n"), WAITERS);
}

static void test_slices_ripen_items_that_are_due_at_the_same_time(void **state) {
  (void)state;
  Holdfast__Value item = HOLDFAST__VALUE__INIT;
  Holdfast__QueuePut put = HOLDFAST__QUEUE_PUT__INIT;
  Holdfast__QueueSize size = HOLDFAST__QUEUE_SIZE__INIT;
  item.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  put.value = &item;
  put.delay_ms = 5;
  for (unsigned i = 0; i < 10000; i++) {
    Holdfast__Request request = story_request(0, "q", STORY_WAIT_FOREVER);
    request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_PUT;
    request.queue_put = &put;
    story_send(&story, 1, &request);
    story_forget(&story);
  }
  story_pass_ms(&story, 5);
  assert_true(run_slices() > 1);
  Holdfast__Request request = story_request(0, "q", STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_SIZE;
  request.queue_size = &size;
  story_send(&story, 1, &request);
  story_expect(&story, "1 <- #0 OK 10000\n");
}

/* ---- letting go */

static void open_anonymous(uint64_t connection, unsigned count, uint64_t ids[]) {
  for (unsigned i = 0; i < count; i++) {
    ids[i] = story_open(&story, connection, 0, HOLDFAST__KIND__LIST, NULL, 0);
    story_forget(&story);
  }
}

static void append_reference_to(uint64_t connection, uint64_t list, uint64_t object) {
  Holdfast__Reference reference = HOLDFAST__REFERENCE__INIT;
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__ListAppend append = HOLDFAST__LIST_APPEND__INIT;
  Holdfast__Request request = story_request(0, NULL, STORY_WAIT_FOREVER);
  reference.object = object;
  value.kind_case = HOLDFAST__VALUE__KIND_REFERENCE;
  value.reference = &reference;
  append.value = &value;
  request.target_case = HOLDFAST__REQUEST__TARGET_OBJECT;
  request.object = list;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_APPEND;
  request.list_append = &append;
  story_send(&story, connection, &request);
  story_forget(&story);
}

#define OBJECTS 5000u

static void test_slices_end_a_session_with_many_objects(void **state) {
  (void)state;
  static uint64_t ids[OBJECTS];
  uint64_t others = story_objects(&story, 4);
  open_anonymous(1, OBJECTS, ids);
  story_acquire(&story, 1, 1, "lock", 1, 0);
  story_forget(&story);
  story_close_session(&story, 1);
  story_expect(&story, "1 <- #0 OK\n"); /* at once */
  assert_true(story_objects(&story, 4) > others);
  story_open_session(&story, 1); /* others come and go meanwhile */
  assert_true(run_slices() > 1);
  assert_int_equal(story_objects(&story, 4), others);
}

static void test_slices_delete_a_long_chain(void **state) {
  (void)state;
  static uint64_t ids[OBJECTS];
  uint64_t others = story_objects(&story, 4);
  open_anonymous(1, OBJECTS, ids);
  for (unsigned i = 0; i + 1 < OBJECTS; i++) {
    append_reference_to(1, ids[i], ids[i + 1]);
    story_drop(&story, 1, 0, ids[i + 1], 1);
  }
  run_slices();
  assert_int_equal(story_objects(&story, 4), others + OBJECTS);
  story_drop(&story, 1, 0, ids[0], 1);
  assert_true(run_slices() > 1);
  assert_int_equal(story_objects(&story, 4), others);
}

static void send_clear(uint64_t connection, const char *name) {
  Holdfast__ListClear clear = HOLDFAST__LIST_CLEAR__INIT;
  Holdfast__Request request = story_request(0, name, STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_CLEAR;
  request.list_clear = &clear;
  story_send(&story, connection, &request);
}

static void test_slices_let_go_of_what_a_list_referred_to(void **state) {
  (void)state;
  uint64_t others = story_objects(&story, 4), id;
  open_anonymous(1, 1, &id);
  for (unsigned i = 0; i < 2 * OBJECTS; i++) {
    story_append_reference(&story, 1, 0, "list", id);
    story_forget(&story);
  }
  story_drop(&story, 1, 0, id, 1);
  run_slices();
  send_clear(2, "list");
  story_append_reference(&story, 2, 0, "list", id); /* kept by what is still to be let go of */
  assert_true(run_slices() > 1);
  assert_int_equal(story_objects(&story, 4), others + 1);
  send_clear(2, "list");
  run_slices();
  assert_int_equal(story_objects(&story, 4), others);
}

static void test_slices_tell_those_who_wait_for_what_is_deleted(void **state) {
  (void)state;
  wait_for_event(WAITERS, STORY_WAIT_FOREVER);
  send_wait(2, 1, 5);
  send_delete(4, "event");
  assert_in_range(count_of("1 <- "), 1, WAITERS - 1);
  send_set(4, true);
  assert_int_equal(count_of("4 <- #0 NOT_FOUND NO_SUCH_OBJECT\n"), 1);
  story_disconnect(&story, 1); /* those that are left are reported when it is resumed */
  story_pass_ms(&story, 5);
  run_slices();
  assert_int_equal(count_of("2 <- #1 ABORTED OBJECT_DELETED\n"), 1);
  assert_int_equal(count_of(" ABORTED OBJECT_DELETED\n"), WAITERS + 1);
}

/* ---- tables that are emptied in an order which a client has chosen */

#define MANY_OBJECTS 20000u

/* The longest row of slots that are taken: as far as one may have to look. */
static size_t longest_run(const struct map64 *map) {
  size_t longest = 0, run = 0;
  for (size_t i = 0; i < map->capacity; i++) {
    run = map->slots[i].key != 0 ? run + 1 : 0;
    longest = run > longest ? run : longest;
  }
  return longest;
}

/* As a map without a secret, whose hash is known, has them. */
static struct map64 open_many(struct session **session) {
  struct map64 ids = {0};
  for (unsigned i = 0; i < MANY_OBJECTS; i++) {
    uint64_t id = story_open(&story, 1, 0, HOLDFAST__KIND__EVENT, NULL, 0);
    assert_true(map64_set(&ids, id, &ids));
  }
  story_forget(&story);
  *session = core_peer(story.engine, 1)->session;
  assert_non_null(*session);
  return ids;
}

static void test_slices_tables_stay_spread_whatever_order_objects_leave_in(void **state) {
  (void)state;
  struct session *session;
  struct map64 ids = open_many(&session);
  uint64_t position = 0, id;
  void *item;
  for (unsigned i = 1; map64_next(&ids, &position, &id, &item); i++) {
    story_drop(&story, 1, 0, id, 1);
    apply_tick(story.engine, story.now_ns);
    if (i % 1000 == 0) {
      assert_true(longest_run(&session->references) < 200);
      assert_true(longest_run(&story.engine->registry.by_id) < 200);
    }
  }
  story_forget(&story);
  map64_deinit(&ids);
}

static void test_slices_tables_stay_spread_when_a_session_ends(void **state) {
  (void)state;
  struct session *session;
  struct map64 ids = open_many(&session);
  struct registry *registry = &story.engine->registry;
  size_t others = registry->by_id.count - MANY_OBJECTS;
  map64_deinit(&ids);
  story_close_session(&story, 1);
  while (registry->by_id.count > others) {
    apply_tick(story.engine, story.now_ns);
    assert_true(longest_run(&registry->by_id) < 200);
  }
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_slices_wake_all_who_waited_for_an_event_that_was_cleared_again),
      STORY(test_slices_of_one_object_do_not_hold_up_others),
      STORY(test_slices_serve_those_who_wait_in_order),
      STORY(test_slices_serve_who_came_meanwhile),
      STORY(test_slices_kick_before_who_came_later_and_beside_others),
      STORY(test_slices_of_a_kick_that_may_not_wait_tell_how_many),
      STORY(test_slices_of_a_kick_do_not_let_who_came_meanwhile_overtake),
      STORY(test_slices_of_a_kick_that_is_cancelled_tell_how_many),
      STORY(test_slices_of_a_kick_go_on_when_its_session_is_back),
      STORY(test_slices_leave_a_wait_its_own_ends),
      STORY(test_slices_keep_the_rounds_of_a_barrier_apart),
      STORY(test_slices_are_finished_when_the_server_stops),
      STORY(test_slices_may_be_left_when_the_engine_goes),
      STORY(test_slices_end_waits_that_are_over_at_the_same_time),
      STORY(test_slices_ripen_items_that_are_due_at_the_same_time),
      STORY(test_slices_end_a_session_with_many_objects),
      STORY(test_slices_delete_a_long_chain),
      STORY(test_slices_let_go_of_what_a_list_referred_to),
      STORY(test_slices_tell_those_who_wait_for_what_is_deleted),
      STORY(test_slices_tables_stay_spread_whatever_order_objects_leave_in),
      STORY(test_slices_tables_stay_spread_when_a_session_ends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
