/* What peers can make grow is counted by what it is used for, has its limit, and comes back. Sessions
 * 1 to 3 are there, 1 and 2 of processes that the server can watch; all are local. */
#include "server/dispatch/operations.h"
#include "server/engine/core.h"
#include "tests/support/apply.h"
#include "tests/support/messages.h"
#include "tests/support/story.h"
#include "tests/support/story_cells.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#define ELSEWHERE UINT64_C(77) /* an address */

static struct story story;
static struct story_cells cells;

static int set_up(void **state) {
  (void)state;
  story_begin_with_cells(&story, &cells);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  story_cells_end(&cells);
  return 0;
}

static size_t used(enum memory_use use) {
  return story.engine->memory.used[use];
}

static bool said(const char *text) {
  bool found = strstr(story.text, text) != NULL;
  story_forget(&story);
  return found;
}

/* A session named by the number, in a flood of which nothing is written down. */
static void open_session(uint64_t connection, uint64_t number) {
  Holdfast__OpenSession open = HOLDFAST__OPEN_SESSION__INIT;
  Holdfast__Request message = story_request(0, NULL, STORY_WAIT_FOREVER);
  message.operation_case = HOLDFAST__REQUEST__OPERATION_OPEN_SESSION;
  message.open_session = &open;
  open.grace_ms = HF_GRACE_MS_MAX;
  struct engine_request request = {
      .connection = connection, .message = &message, .operation = operations_find(&message)};
  memcpy(request.entropy, &number, sizeof number);
  apply_request(story.engine, story.now_ns, &request);
  story_forget(&story);
}

static bool is_there(uint64_t number) {
  return map64_get(&story.engine->sessions, number) != NULL;
}

static void park(uint64_t connection, size_t count) {
  for (size_t i = 0; i < count; i++) {
    story_get(&story, connection, 0, "q", STORY_WAIT_FOREVER);
  }
}

/* ---- waiters */

static void test_waiters_of_former_sessions_count_for_the_connection(void **state) {
  (void)state;
  story_open(&story, 2, 1, HOLDFAST__KIND__QUEUE, "q", 0);
  story_forget(&story);
  park(1, HF_IN_FLIGHT_MAX - 1);
  open_session(1, 1000);
  park(1, 1);
  assert_int_equal(story.len, 0); /* it waits */
  park(1, 1);
  assert_true(said("IN_FLIGHT_FULL"));
  size_t bytes = used(MEMORY_WAITERS);
  open_session(1, 1001);
  park(1, 1);
  assert_true(said("IN_FLIGHT_FULL"));
  assert_int_equal(used(MEMORY_WAITERS), bytes);
}

static void test_waiters_of_one_address_leave_room_for_others(void **state) {
  (void)state;
  const size_t peers = 100;
  story_open(&story, 2, 1, HOLDFAST__KIND__QUEUE, "q", 0);
  for (uint64_t connection = 100; connection < 100 + peers; connection++) {
    assert_true(apply_connect(story.engine, connection, ELSEWHERE, false));
    for (size_t i = 0; i < HF_IN_FLIGHT_MAX; i++) {
      story_get(&story, connection, 0, "q", STORY_WAIT_FOREVER);
      story_forget(&story);
    }
  }
  size_t most = memory_waiters_of_address_max(&story.engine->memory);
  assert_true(used(MEMORY_WAITERS) <= most);
  assert_true(used(MEMORY_WAITERS) > most - most / 8);
  story_get(&story, 100 + peers - 1, 0, "q", STORY_WAIT_FOREVER);
  assert_true(said("MEMORY_FULL"));
  park(1, 1);
  assert_int_equal(story.len, 0);
  for (uint64_t connection = 100; connection < 100 + peers; connection++) {
    story_disconnect(&story, connection);
  }
  story_close_session(&story, 1);
  assert_int_equal(used(MEMORY_WAITERS), 0);
}

/* ---- sessions */

static void test_sessions_of_a_connection_end_with_the_first(void **state) {
  (void)state;
  assert_true(apply_connect(story.engine, 50, ELSEWHERE, false));
  for (uint64_t number = 1000; number < 1000 + HF_SESSIONS_OF_CONNECTION_MAX; number++) {
    open_session(50, number);
  }
  assert_true(is_there(1000));
  open_session(50, 2000);
  assert_false(is_there(1000));
  assert_true(is_there(1001) && is_there(2000));
  story_disconnect(&story, 50);
  assert_true(is_there(1001) && is_there(2000)); /* they have their grace time */
}

static void test_flood_of_sessions_ends_those_of_its_own_address(void **state) {
  (void)state;
  const uint64_t first = 1000, count = HF_SESSIONS_OF_ADDRESS_MAX + 100;
  assert_true(apply_connect(story.engine, 50, ELSEWHERE + 1, false));
  open_session(50, 500);
  story_disconnect(&story, 50); /* lost before all others */
  for (uint64_t i = 0; i < count; i++) {
    assert_true(apply_connect(story.engine, 100 + i, ELSEWHERE, false));
    open_session(100 + i, first + i);
    story_disconnect(&story, 100 + i);
    story_forget(&story);
  }
  assert_true(is_there(500));
  assert_false(is_there(first));
  assert_true(is_there(first + count - 1));
  assert_int_equal(story.engine->sessions.count, 3 + 1 + HF_SESSIONS_OF_ADDRESS_MAX);
}

static void test_flood_of_sessions_ends_those_of_its_own_user(void **state) {
  (void)state;
  const struct user_settings users[] = {{.name = bytes_of_text("eve")},
                                        {.name = bytes_of_text("web")}};
  story_set_users(&story, users, 2);
  assert_true(apply_connect_as(story.engine, 50, ELSEWHERE, false, "web"));
  open_session(50, 500);
  story_disconnect(&story, 50); /* lost before all others */
  for (uint64_t i = 0; i < HF_SESSIONS_OF_ADDRESS_MAX; i++) {
    assert_true(apply_connect_as(story.engine, 100 + i, ELSEWHERE, false, "eve"));
    open_session(100 + i, 1000 + i);
    story_disconnect(&story, 100 + i);
    story_forget(&story);
  }
  assert_true(is_there(500));
  assert_false(is_there(1000));
  assert_true(is_there(1000 + HF_SESSIONS_OF_ADDRESS_MAX - 1));
  assert_true(apply_connect(story.engine, 51, ELSEWHERE, false));
  open_session(51, 501); /* the owner's */
  assert_true(is_there(501));
  assert_false(is_there(500));
}

static void test_address_whose_sessions_are_all_in_use_gets_no_more(void **state) {
  (void)state;
  for (uint64_t i = 0; i <= HF_SESSIONS_OF_ADDRESS_MAX; i++) {
    assert_true(apply_connect(story.engine, 100 + i, ELSEWHERE, false));
    open_session(100 + i, 1000 + i);
  }
  assert_int_equal(story.engine->sessions.count, 3 + HF_SESSIONS_OF_ADDRESS_MAX);
  assert_true(apply_connect(story.engine, 99, ELSEWHERE + 1, false));
  open_session(99, 500);
  assert_true(is_there(500));
}

/* ---- references */

static void hold(uint64_t connection, uint64_t first, size_t count) {
  uint64_t ids[1000];
  Holdfast__ObjectRetain message = HOLDFAST__OBJECT_RETAIN__INIT;
  Holdfast__Request request = story_request(0, NULL, STORY_WAIT_FOREVER);
  for (size_t i = 0; i < count; i++) {
    ids[i] = first + i;
  }
  message.n_objects = count;
  message.objects = ids;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_RETAIN;
  request.object_retain = &message;
  story_send(&story, connection, &request);
}

static void test_references_are_counted_and_refused_when_memory_is_full(void **state) {
  (void)state;
  enum { COUNT = 1000 };
  uint64_t first = 0;
  story.engine->memory.max = 64u << 20;
  for (size_t i = 0; i < COUNT; i++) {
    uint64_t id = story_open(&story, 1, 0, HOLDFAST__KIND__EVENT, NULL, 0);
    first = first ? first : id;
    story_forget(&story);
  }
  size_t before = used(MEMORY_REFERENCES);
  assert_true(before >= COUNT * sizeof(struct map64_slot));
  hold(2, first, COUNT);
  assert_true(said("OK"));
  assert_true(used(MEMORY_REFERENCES) >= 2 * COUNT * sizeof(struct map64_slot));
  story.engine->memory.max = story.engine->memory.total + 1024;
  hold(3, first, COUNT);
  assert_true(said("MEMORY_FULL"));
  assert_true(story.engine->memory.total <= story.engine->memory.max + 2 * HF_SMALL_TABLE_BYTES);
  story_close_session(&story, 1);
  story_close_session(&story, 2);
  story_close_session(&story, 3);
  assert_int_equal(used(MEMORY_REFERENCES), 0);
}

static size_t references_bytes(void) {
  size_t bytes = 0;
  uint64_t position = 0, serial;
  void *session;
  while (map64_next(&story.engine->sessions, &position, &serial, &session)) {
    bytes += map64_counted_bytes(&((struct session *)session)->references);
  }
  return bytes;
}

/* By how many there are, not by what their table has been through. */
static void test_references_are_counted_while_their_table_moves(void **state) {
  (void)state;
  enum { COUNT = 8000 };
  static uint64_t ids[COUNT], counted[COUNT];
  story.engine->memory.max = 64u << 20;
  for (size_t i = 0; i < COUNT; i++) {
    ids[i] = story_open(&story, 1, 0, HOLDFAST__KIND__EVENT, NULL, 0);
    assert_true(said("OK"));
    assert_int_equal(used(MEMORY_REFERENCES), references_bytes());
    counted[i] = used(MEMORY_REFERENCES);
  }
  for (size_t i = COUNT; i > 0; i--) {
    assert_int_equal(used(MEMORY_REFERENCES), counted[i - 1]);
    story_drop(&story, 1, 0, ids[COUNT - i], 1);
    story_forget(&story);
    assert_int_equal(used(MEMORY_REFERENCES), references_bytes());
  }
}

/* ---- shared memory */

static void open_array(uint64_t connection, const char *name, bool map) {
  Holdfast__ObjectOpen open = HOLDFAST__OBJECT_OPEN__INIT;
  Holdfast__Request request = story_request(0, NULL, STORY_WAIT_FOREVER);
  open.kind = HOLDFAST__KIND__ARRAY;
  open.name = (ProtobufCBinaryData){strlen(name), (uint8_t *)name};
  open.typecode = (ProtobufCBinaryData){1, (uint8_t *)"d"};
  open.length = 100;
  open.map = map;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN;
  request.object_open = &open;
  story_send(&story, connection, &request);
}

static void delete_object(uint64_t connection, const char *name) {
  Holdfast__ObjectDelete message = HOLDFAST__OBJECT_DELETE__INIT;
  Holdfast__Request request = story_request(0, name, STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE;
  request.object_delete = &message;
  story_send(&story, connection, &request);
}

/* A worker that makes something for each of its tasks, and lives on. */
static void test_what_a_session_had_of_deleted_objects_does_not_add_up(void **state) {
  (void)state;
  size_t bytes_max = 0;
  for (unsigned task = 0; task < 5000; task++) {
    ask(&story, 1, 0,
        REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__SEMAPHORE,
                .name = DATA("s"), .start = 1));
    ask(&story, 1, 0, IN("s", SEMAPHORE_ACQUIRE, SemaphoreAcquire, semaphore_acquire, ));
    story_open(&story, 1, 0, HOLDFAST__KIND__PIPE, "p", 0);
    ask(&story, 1, 0, IN("p", PIPE_ATTACH, PipeAttach, pipe_attach, ));
    story_open(&story, 1, 0, HOLDFAST__KIND__LOCK, "l", 0);
    ask(&story, 1, 0, IN("l", LOCK_ACQUIRE, LockAcquire, lock_acquire, .lease_ms = 1));
    story_pass_ms(&story, 2); /* the lease is over */
    for (size_t i = 0; i < 3; i++) {
      const char *names[] = {"s", "p", "l"};
      ask(&story, 2, 0, IN(names[i], OBJECT_DELETE, ObjectDelete, object_delete, ));
    }
    if (task == 100) {
      bytes_max = used(MEMORY_SESSIONS);
    }
    story_forget(&story);
  }
  const struct session *session = core_peer(story.engine, 1)->session;
  assert_in_range(session->permits.count, 1, 16);
  assert_in_range(session->ends.count, 1, 16);
  assert_in_range(session->expired.count, 1, 16);
  assert_true(used(MEMORY_SESSIONS) <= bytes_max + 16 * 3 * MAP64_ENTRY_BYTES);
}

static void test_a_barrier_deleted_during_its_action_leaves_nothing(void **state) {
  (void)state;
  size_t before = used(MEMORY_SESSIONS);
  for (unsigned i = 0; i < 100; i++) {
    ask(&story, 1, 0,
        REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__BARRIER,
                .name = DATA("b"), .parties = 1));
    ask(&story, 1, 0, IN("b", BARRIER_WAIT, BarrierWait, barrier_wait, .has_action = true));
    ask(&story, 2, 0, IN("b", OBJECT_DELETE, ObjectDelete, object_delete, ));
  }
  assert_int_equal(core_peer(story.engine, 1)->session->acting.count, 0);
  assert_int_equal(used(MEMORY_SESSIONS), before);
}

/* Memory is full for all but what is there. */
static void test_an_end_of_a_pipe_is_closed_once_when_memory_is_full(void **state) {
  (void)state;
  char name[16];
  for (unsigned i = 0; i < 300; i++) { /* a small table may always grow */
    snprintf(name, sizeof name, "p%u", i);
    story_open(&story, 1, 0, HOLDFAST__KIND__PIPE, name, 0);
    ask(&story, 1, 0, IN(name, PIPE_ATTACH, PipeAttach, pipe_attach, ));
    story_forget(&story);
  }
  ask(&story, 1, 0, IN("p0", PIPE_ATTACH, PipeAttach, pipe_attach, .end = 1));
  assert_true(said("OK"));
  ask(&story, 2, 0, IN("p0", PIPE_ATTACH, PipeAttach, pipe_attach, .end = 1));
  assert_true(said("OK"));
  const size_t max = story.engine->memory.max;
  story.engine->memory.max = 1;
  ask(&story, 1, 0, IN("p0", PIPE_CLOSE, PipeClose, pipe_close, .end = 1));
  ask(&story, 1, 0, IN("p0", PIPE_CLOSE, PipeClose, pipe_close, .end = 1));
  story.engine->memory.max = max;
  story_forget(&story);
  ask(&story, 2, 0, IN("p0", PIPE_SEND, PipeSend, pipe_send, .end = 1, .value = INT(1)));
  assert_true(said("OK"));
}

static void test_a_refused_open_leaves_no_object_however_much_memory_is_left(void **state) {
  (void)state;
  unsigned refused = 0;
  for (unsigned i = 0; i < 1000; i++) {
    story_open(&story, 1, 0, HOLDFAST__KIND__EVENT, NULL, 0);
    story_forget(&story);
  }
  const size_t max = story.engine->memory.max;
  for (size_t left = 0; left < 4096; left += 8) {
    uint64_t objects = story_objects(&story, 1);
    story.engine->memory.max = story.engine->memory.total + left;
    story_open(&story, 1, 0, HOLDFAST__KIND__LIST, "new", 0);
    story.engine->memory.max = max;
    if (said("MEMORY_FULL")) {
      assert_int_equal(story_objects(&story, 1), objects);
      refused++;
    } else {
      ask(&story, 1, 0, IN("new", OBJECT_DELETE, ObjectDelete, object_delete, ));
      assert_true(said("OK"));
    }
  }
  assert_in_range(refused, 1, 511);
}

static void test_deleted_arrays_count_until_the_last_session_lets_go(void **state) {
  (void)state;
  open_array(1, "a", true);
  open_array(2, "a", true);
  assert_true(said("shared"));
  assert_true(used(MEMORY_SHARED) >= 800);
  assert_true(used(MEMORY_VALUES) < 800); /* not twice */
  delete_object(1, "a");
  assert_true(used(MEMORY_SHARED) >= 800);
  story_close_session(&story, 1);
  assert_true(used(MEMORY_SHARED) >= 800);
  story_disconnect(&story, 2);
  story_pass_ms(&story, HF_GRACE_MS_DEFAULT);
  assert_int_equal(used(MEMORY_SHARED), 0);
}

/* ---- all */

static void fill(void) {
  story_open(&story, 1, 1, HOLDFAST__KIND__QUEUE, "q", 0);
  story_open(&story, 1, 2, HOLDFAST__KIND__LIST, "l", 0);
  story_open(&story, 1, 3, HOLDFAST__KIND__LOCK, "k", 0);
  open_array(1, "a", true);
  open_array(3, "plain", false);
  uint64_t object = story_open(&story, 1, 4, HOLDFAST__KIND__LIST, NULL, 0);
  story_append_reference(&story, 1, 5, "l", object);
  story_pop(&story, 2, 1, "l"); /* nothing of it is acknowledged */
  story_acquire(&story, 2, 2, "k", 1, STORY_WAIT_FOREVER);
  story_acquire(&story, 1, 6, "k", 1, STORY_WAIT_FOREVER);
  story_put(&story, 1, 7, "q", 5, 0);
  story_get(&story, 2, 3, "q", STORY_WAIT_FOREVER);
  story_get(&story, 3, 0, "q", STORY_WAIT_FOREVER);
}

/* Kept, and may not wait. */
static void send_release(uint64_t connection, uint64_t sequence, uint64_t acked) {
  Holdfast__Request *request = IN("lock", LOCK_RELEASE, LockRelease, lock_release, );
  request->acked = acked;
  ask(&story, connection, sequence, request);
}

/* Each session fills its window, which is kept for an hour. */
static void test_windows_are_small_when_memory_is_exhausted(void **state) {
  enum { FLOODS = 300, SMALL_BYTES = 16 << 10 };
  const struct memory *memory = &story.engine->memory;
  (void)state;
  story_open(&story, 1, 1, HOLDFAST__KIND__QUEUE, "q", 0);
  story_open(&story, 2, 1, HOLDFAST__KIND__LOCK, "lock", 0);
  for (uint64_t flood = 1; flood <= FLOODS; flood++) {
    story_connect(&story, 100 + flood);
    open_session(100 + flood, 100 + flood);
    for (uint64_t sequence = 1; sequence <= HF_WINDOW_COUNT_MAX; sequence++) {
      story_get(&story, 100 + flood, sequence, "q", 0);
    }
    assert_true(said(memory_is_exhausted(memory) ? "MEMORY_FULL" : "QUEUE_EMPTY"));
    story_disconnect(&story, 100 + flood);
  }
  assert_true(memory_is_exhausted(memory));
  assert_true(memory->total <= memory->max + HF_WINDOWS_RESERVE_BYTES + FLOODS * SMALL_BYTES);
  for (uint64_t sequence = 2; sequence <= HF_SMALL_WINDOW_COUNT; sequence++) {
    story_get(&story, 1, sequence, "q", 0);
    assert_true(said("RESOURCE_EXHAUSTED QUEUE_EMPTY"));
  }
  story_get(&story, 1, HF_SMALL_WINDOW_COUNT + 1, "q", 0);
  assert_true(said("RESOURCE_EXHAUSTED MEMORY_FULL"));
  /* What it acknowledges makes room; what acknowledges nothing that is there does not. */
  send_release(1, HF_SMALL_WINDOW_COUNT + 2, HF_SMALL_WINDOW_COUNT);
  assert_true(said("FAILED_PRECONDITION NOT_LOCKED"));
  for (uint64_t sequence = 20; sequence < 20 + HF_SMALL_WINDOW_COUNT; sequence++) {
    send_release(1, sequence, 18);
    assert_true(said("FAILED_PRECONDITION NOT_LOCKED"));
  }
  send_release(1, 99, 19);
  assert_true(said("RESOURCE_EXHAUSTED MEMORY_FULL"));
}

/* Those that wait leave room for what does not. */
static void test_requests_that_wait_leave_room_when_memory_is_exhausted(void **state) {
  (void)state;
  story_open(&story, 1, 1, HOLDFAST__KIND__QUEUE, "q", 0);
  story_open(&story, 1, 2, HOLDFAST__KIND__LOCK, "lock", 0);
  memory_charge(&story.engine->memory, MEMORY_VALUES,
                story.engine->memory.max + 2 * HF_WINDOWS_RESERVE_BYTES);
  for (uint64_t sequence = 3; sequence <= HF_SMALL_WINDOW_COUNT; sequence++) {
    story_get(&story, 1, sequence, "q", STORY_WAIT_FOREVER);
  }
  assert_false(said("MEMORY_FULL"));
  story_get(&story, 1, 50, "q", STORY_WAIT_FOREVER);
  assert_true(said("MEMORY_FULL"));
  send_release(1, 51, 0);
  assert_true(said("FAILED_PRECONDITION NOT_LOCKED"));
  memory_refund(&story.engine->memory, MEMORY_VALUES,
                story.engine->memory.max + 2 * HF_WINDOWS_RESERVE_BYTES);
}

static void test_every_use_is_back_at_nothing_when_all_is_gone(void **state) {
  (void)state;
  fill();
  for (int use = 0; use < MEMORY_USES; use++) {
    if (use != MEMORY_SCRATCH && use != MEMORY_RECLAIMED) {
      assert_true(used((enum memory_use)use) > 0);
    }
  }
  delete_object(3, "q");
  delete_object(3, "l");
  delete_object(3, "k");
  delete_object(3, "a");
  delete_object(3, "plain");
  story_close_session(&story, 1);
  story_disconnect(&story, 2);
  story_close_session(&story, 3);
  story_pass_ms(&story, HF_GRACE_MS_DEFAULT);
  assert_int_equal(story.engine->sessions.count, 0);
  assert_int_equal(story.engine->registry.by_id.count, 0);
  for (int use = 0; use < MEMORY_USES; use++) {
    assert_int_equal(used((enum memory_use)use), 0);
  }
  assert_int_equal(story.engine->memory.total, 0);
}

#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      STORY(test_waiters_of_former_sessions_count_for_the_connection),
      STORY(test_waiters_of_one_address_leave_room_for_others),
      STORY(test_sessions_of_a_connection_end_with_the_first),
      STORY(test_flood_of_sessions_ends_those_of_its_own_address),
      STORY(test_flood_of_sessions_ends_those_of_its_own_user),
      STORY(test_address_whose_sessions_are_all_in_use_gets_no_more),
      STORY(test_references_are_counted_and_refused_when_memory_is_full),
      STORY(test_references_are_counted_while_their_table_moves),
      STORY(test_what_a_session_had_of_deleted_objects_does_not_add_up),
      STORY(test_a_barrier_deleted_during_its_action_leaves_nothing),
      STORY(test_an_end_of_a_pipe_is_closed_once_when_memory_is_full),
      STORY(test_a_refused_open_leaves_no_object_however_much_memory_is_left),
      STORY(test_deleted_arrays_count_until_the_last_session_lets_go),
      STORY(test_windows_are_small_when_memory_is_exhausted),
      STORY(test_requests_that_wait_leave_room_when_memory_is_exhausted),
      STORY(test_every_use_is_back_at_nothing_when_all_is_gone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
