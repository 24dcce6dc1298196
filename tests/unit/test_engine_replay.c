/* The same commands give the same effects and the same state, whatever an engine's tables have been
 * through: a prelude leaves two engines in the same state, with tables of different capacities;
 * then both get the same random story, and are compared after each step.
 *
 * arguments  [SEED | --seeds COUNT]: one story, or COUNT of them from HOLDFAST_SEED, else 1, on
 */
#include "proto/base/clock.h"
#include "server/engine/core.h"
#include "tests/support/messages.h"
#include "tests/support/replay.h"
#include "tests/support/step_maker.h"
#include "tests/support/user_sums.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STEPS 2000
/* Things of each kind that the prelude makes, and how many of them it leaves: tables that grew have
 * more room for those than tables that did not. */
#define PAIRS 120
#define LEFT 20
#define SESSION_ID 9 /* each byte of the one that stays */
#define LONG_MS 2000 /* longer than the grace time of the session that stays */

static uint64_t first_seed = 1, seeds_count = 100;
static uint64_t steps_count, replies_count, failures_count;

static struct step_maker maker;
static struct replay one, other;

static void learn(void *ctx, uint64_t object) {
  (void)ctx;
  request_maker_learn(&maker.requests, object);
}

static void apply_to(struct replay *replay, struct replay_step step) {
  replay_apply(replay, &step);
}

/* ---- preludes: things are made and unmade again */

#define RELEASE(id) \
  MESSAGE(ObjectRelease__Release, object_release__release, .object = (id), .count = 1)

static uint64_t sequence; /* of the session that stays, on connection 1 */
static bool all_at_once;  /* the tables grow; else one after the other: they don't */

static void send(struct replay *replay, uint64_t connection, Holdfast__Request *request) {
  struct replay_step step = step_send(&maker, connection, request);
  step.id = (uint32_t)request->sequence; /* whatever order they go in */
  replay_apply(replay, &step);
}

/* Of the session that stays; numbered, so that its reply is kept. */
static void send_numbered(struct replay *replay, uint64_t number, Holdfast__Request *request) {
  request->sequence = number;
  send(replay, 1, request);
}

static struct replay_step connection_step(enum replay_kind kind, uint64_t connection) {
  return (struct replay_step){
      .kind = kind, .now_ns = maker.now_ns, .connection = connection, .address = connection};
}

static const char *numbered(const char *name, size_t number) {
  static char text[32];
  snprintf(text, sizeof text, "%s%zu", name, number);
  return text;
}

/* A connection with a session. */
static void make_session(struct replay *replay, size_t i) {
  Holdfast__Request *request = REQUEST(OPEN_SESSION, OpenSession, open_session, .grace_ms = 1000);
  apply_to(replay, connection_step(REPLAY_CONNECT, 1000 + i));
  struct replay_step step = step_send(&maker, 1000 + i, request);
  memset(step.entropy, 0, sizeof step.entropy);
  memcpy(step.entropy, &i, sizeof i);
  step.entropy[15] = 1;
  replay_apply(replay, &step);
}

static void unmake_session(struct replay *replay, size_t i) {
  send(replay, 1000 + i, REQUEST(CLOSE_SESSION, CloseSession, close_session));
  apply_to(replay, connection_step(REPLAY_DISCONNECT, 1000 + i));
}

static void make_object(struct replay *replay, size_t i) {
  send(replay, 2,
       REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__EVENT,
               .name = DATA(numbered("object", i))));
}

static void unmake_object(struct replay *replay, size_t i) {
  send(replay, 2, IN(numbered("object", i), OBJECT_DELETE, ObjectDelete, object_delete));
}

/* Anonymous, and the session refers to it. */
static void make_reference(struct replay *replay, size_t i) {
  (void)i;
  send(replay, 1, REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__EVENT));
}

static void unmake_reference(struct replay *replay, size_t i) {
  uint64_t next = replay->engine->registry.next_id;
  uint64_t object = all_at_once ? next - PAIRS + i : next - 1;
  send(replay, 1,
       REQUEST(OBJECT_RELEASE, ObjectRelease, object_release, .n_releases = 1,
               .releases = LIST_OF(ObjectRelease__Release, RELEASE(object))));
}

static void make_locked(struct replay *replay, size_t i) {
  send(replay, 1, IN(numbered("lock", i), LOCK_ACQUIRE, LockAcquire, lock_acquire));
}

static void unmake_locked(struct replay *replay, size_t i) {
  send(replay, 1, IN(numbered("lock", i), LOCK_RELEASE, LockRelease, lock_release));
}

static void make_attached(struct replay *replay, size_t i) {
  send(replay, 1, IN(numbered("pipe", i), PIPE_ATTACH, PipeAttach, pipe_attach, .end = 1));
}

static void unmake_attached(struct replay *replay, size_t i) {
  send(replay, 1, IN(numbered("pipe", i), PIPE_CLOSE, PipeClose, pipe_close, .end = 1));
}

static void make_permit(struct replay *replay, size_t i) {
  send(replay, 1, IN(numbered("sema", i), SEMAPHORE_ACQUIRE, SemaphoreAcquire, semaphore_acquire));
}

static void unmake_permit(struct replay *replay, size_t i) {
  send(replay, 1, IN(numbered("sema", i), SEMAPHORE_RELEASE, SemaphoreRelease, semaphore_release));
}

static uint64_t first_reservation;

static void make_reserved(struct replay *replay, size_t i) {
  (void)i;
  send(replay, 1, IN("work", QUEUE_PUT, QueuePut, queue_put, .value = INT(1)));
  send(replay, 1, IN("work", QUEUE_RESERVE, QueueReserve, queue_reserve, .lease_ms = 1000000));
}

static void unmake_reserved(struct replay *replay, size_t i) {
  send(replay, 1, IN("work", QUEUE_ACK, QueueAck, queue_ack, .reservation = first_reservation + i));
}

static void make_waiter(struct replay *replay, size_t i) {
  Holdfast__Request *request = IN("empty", QUEUE_GET, QueueGet, queue_get);
  request->wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
  request->timeout_ms = 1000000;
  send_numbered(replay, sequence + 2 * i, request);
}

static void unmake_waiter(struct replay *replay, size_t i) {
  send_numbered(replay, sequence + 2 * i + 1,
                REQUEST(CANCEL, Cancel, cancel, .sequence = sequence + 2 * i));
}

static void make_entry(struct replay *replay, size_t i) {
  send(
      replay, 2,
      IN("entries", DICT_SET, DictSet, dict_set, .key = TEXT(numbered("key", i)), .value = INT(5)));
}

static void unmake_entry(struct replay *replay, size_t i) {
  send(replay, 2,
       IN("entries", DICT_DELETE, DictDelete, dict_delete, .key = TEXT(numbered("key", i))));
}

static void make_item(struct replay *replay, size_t i) {
  send(replay, 2, IN("items", LIST_APPEND, ListAppend, list_append, .value = INT((int64_t)i)));
}

static void unmake_item(struct replay *replay, size_t i) {
  (void)i;
  send(replay, 2, IN("items", LIST_POP, ListPop, list_pop));
}

static const struct pair {
  void (*make)(struct replay *replay, size_t i);
  void (*unmake)(struct replay *replay, size_t i);
} pairs[] = {
    {make_session, unmake_session},     {make_object, unmake_object},
    {make_reference, unmake_reference}, {make_locked, unmake_locked},
    {make_attached, unmake_attached},   {make_permit, unmake_permit},
    {make_reserved, unmake_reserved},   {make_waiter, unmake_waiter},
    {make_entry, unmake_entry},         {make_item, unmake_item},
};

static void open_named(struct replay *replay, Holdfast__Kind kind, const char *name) {
  send(replay, 2,
       REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = kind, .name = DATA(name), .start = 1));
}

static void open_all(struct replay *replay) {
  for (size_t i = 0; i < PAIRS; i++) {
    open_named(replay, HOLDFAST__KIND__LOCK, numbered("lock", i));
    open_named(replay, HOLDFAST__KIND__PIPE, numbered("pipe", i));
    open_named(replay, HOLDFAST__KIND__SEMAPHORE, numbered("sema", i));
  }
  open_named(replay, HOLDFAST__KIND__QUEUE, "work");
  open_named(replay, HOLDFAST__KIND__QUEUE, "empty");
  open_named(replay, HOLDFAST__KIND__DICT, "entries");
  open_named(replay, HOLDFAST__KIND__LIST, "items");
}

static void run_pair(struct replay *replay, const struct pair *pair) {
  first_reservation = replay->engine->next_token + 1;
  for (size_t i = 0; i < PAIRS; i++) {
    pair->make(replay, i);
    if (!all_at_once && i >= LEFT) {
      pair->unmake(replay, i);
    }
  }
  for (size_t i = PAIRS; all_at_once && i > LEFT; i--) {
    pair->unmake(replay, i - 1);
  }
}

static void run_prelude(struct replay *replay, bool at_once) {
  all_at_once = at_once;
  sequence = 1;
  apply_to(replay, connection_step(REPLAY_USERS, 0));
  apply_to(replay, connection_step(REPLAY_CONNECT, 1));
  apply_to(replay, connection_step(REPLAY_CONNECT, 2));
  Holdfast__Request *request = REQUEST(OPEN_SESSION, OpenSession, open_session, .grace_ms = 1000);
  struct replay_step step = step_send(&maker, 1, request);
  memset(step.entropy, SESSION_ID, sizeof step.entropy);
  replay_apply(replay, &step);
  open_all(replay);
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    run_pair(replay, &pairs[i]);
  }
  request = REQUEST(ACKNOWLEDGE, Acknowledge, acknowledge);
  request->acked = sequence + (uint64_t)2 * PAIRS;
  send(replay, 1, request);
  apply_to(replay, connection_step(REPLAY_FREE, 0));
}

/* ---- a story */

static void expect_equal(uint64_t seed, size_t step) {
  bool all = step % 32 == 0;
  if (!replay_is_equal(&one, &other, all) || (all && !user_sums_are_right(one.engine))) {
    fail_msg("seed %llu: the engines differ after step %zu", (unsigned long long)seed, step);
  }
}

static void apply_to_both(struct replay_step step, uint64_t seed, size_t number) {
  replay_apply(&one, &step);
  replay_apply(&other, &step);
  expect_equal(seed, number);
}

static void begin(uint64_t seed) {
  static const size_t memory[] = {4u << 20, 8u << 20, 64u << 20, 1u << 30};
  size_t memory_bytes_max = memory[seed % 4];
  step_maker_init(&maker, seed);
  replay_begin(&one, memory_bytes_max, NULL);
  replay_begin(&other, memory_bytes_max, NULL);
  run_prelude(&one, false);
  run_prelude(&other, true);
  one.effects_len = other.effects_len = 0;
  one.learn = learn;
  maker.open[1] = maker.open[2] = true;
  maker.bound[1] = &maker.sessions[maker.sessions_count++];
  maker.bound[1]->sequence = sequence + (uint64_t)2 * PAIRS;
  memset(maker.bound[1]->id, SESSION_ID, sizeof maker.bound[1]->id);
}

/* Its items go to the waiters. */
static void end_first_session(uint64_t seed, size_t number) {
  if (maker.open[1]) {
    apply_to_both(connection_step(REPLAY_DISCONNECT, 1), seed, number);
    maker.open[1] = false;
    maker.bound[1] = NULL;
  }
  maker.now_ns += LONG_MS * CLOCK_NS_PER_MS;
  apply_to_both(connection_step(REPLAY_TIME, 0), seed, number);
}

static void run_story(uint64_t seed) {
  begin(seed);
  expect_equal(seed, 0);
  for (size_t i = 0; i < STEP_SHARED_OBJECTS; i++) {
    apply_to_both(step_open_shared(&maker, 2, i), seed, i);
  }
  for (size_t i = 0; i < STEPS; i++) {
    if (i == STEPS / 4) {
      end_first_session(seed, i);
    }
    apply_to_both(step_maker_make(&maker), seed, i + 1);
  }
  apply_to_both(connection_step(REPLAY_DRAIN, 0), seed, STEPS + 1);
  steps_count += STEPS;
  replies_count += one.replies_count;
  failures_count += one.failures_count;
  replay_end(&one);
  replay_end(&other);
  step_maker_deinit(&maker);
}

static void test_engines_of_other_capacities_tell_the_same_story(void **state) {
  (void)state;
  for (uint64_t seed = first_seed; seed < first_seed + seeds_count; seed++) {
    run_story(seed);
  }
  print_message("  %llu seeds from %llu: %llu steps, %llu replies, %llu of them errors\n",
                (unsigned long long)seeds_count, (unsigned long long)first_seed,
                (unsigned long long)steps_count, (unsigned long long)replies_count,
                (unsigned long long)failures_count);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_engines_of_other_capacities_tell_the_same_story),
  };
  const char *given = getenv("HOLDFAST_SEED");
  first_seed = given ? strtoull(given, NULL, 0) : first_seed;
  if (argc == 3 && strcmp(argv[1], "--seeds") == 0) {
    seeds_count = strtoull(argv[2], NULL, 0);
  } else if (argc == 2) {
    first_seed = strtoull(argv[1], NULL, 0);
    seeds_count = 1;
  }
  return cmocka_run_group_tests_name("unit.engine_replay", tests, NULL, NULL);
}
