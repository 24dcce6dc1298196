/* Barrier through the client library. */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/integration/world.h"

static struct hf_object_info info_of(hf_barrier *barrier) {
  struct hf_object_info info;
  expect_ok(hf_object_info(HF_AS_OBJECT(barrier), &info));
  return info;
}

/* One party in a thread of its own. */
struct party {
  hf_barrier *barrier;
  int64_t timeout_ms;
  bool (*action)(void *ctx);
  void *ctx;
  pthread_t thread;
  hf_status status;
  char reason[64];
  uint64_t index;
};

static void *wait_in_thread(void *argument) {
  struct party *party = argument;
  party->status =
      hf_barrier_wait(party->barrier, party->timeout_ms, party->action, party->ctx, &party->index);
  if (party->status != HF_OK) {
    snprintf(party->reason, sizeof party->reason, "%s", hf_last_error()->reason);
  }
  return NULL;
}

static void start_party(struct party *party, hf_barrier *barrier, int64_t timeout_ms) {
  party->barrier = barrier;
  party->timeout_ms = timeout_ms;
  assert_int_equal(pthread_create(&party->thread, NULL, wait_in_thread, party), 0);
}

static void expect_passed(struct party *party, uint64_t index) {
  pthread_join(party->thread, NULL);
  assert_int_equal(party->status, HF_OK);
  assert_int_equal(party->index, index);
}

static void expect_broken(struct party *party) {
  pthread_join(party->thread, NULL);
  assert_int_equal(party->status, HF_ABORTED);
  assert_string_equal(party->reason, "BARRIER_BROKEN");
}

/* ---------------------------------------------------------------- rounds */

static void test_barrier_of_one_lets_pass_at_once(void **state) {
  hf_barrier *barrier;
  uint64_t index = 9;
  (void)state;
  expect_ok(hf_barrier_open(world.conn, NULL, 1, &barrier));
  assert_int_equal(hf_object_kind(HF_AS_OBJECT(barrier)), HF_BARRIER);
  expect_ok(hf_barrier_wait(barrier, 0, NULL, NULL, &index));
  assert_int_equal(index, 0);
  expect_ok(hf_barrier_wait(barrier, HF_FOREVER, NULL, NULL, NULL));
  expect_fails(hf_barrier_wait(barrier, -2, NULL, NULL, NULL), INVALID_ARGUMENT, NEGATIVE_TIMEOUT);
  hf_barrier_close(barrier);
}

static void test_barrier_gives_indexes_in_order_round_after_round(void **state) {
  hf_barrier *barrier;
  uint64_t index;
  (void)state;
  expect_ok(hf_barrier_open(world.conn, NULL, 3, &barrier));
  for (int round = 0; round < 3; round++) {
    struct party parties[2] = {{0}, {0}};
    start_party(&parties[0], barrier, HF_FOREVER);
    await_waiting(1);
    start_party(&parties[1], barrier, 5000);
    await_waiting(2);
    assert_int_equal(info_of(barrier).parties, 3);
    assert_int_equal(info_of(barrier).arrived, 2);
    expect_ok(hf_barrier_wait(barrier, 0, NULL, NULL, &index));
    assert_int_equal(index, 2);
    expect_passed(&parties[0], 0);
    expect_passed(&parties[1], 1);
    assert_int_equal(info_of(barrier).arrived, 0);
  }
  assert_false(info_of(barrier).broken);
  hf_barrier_close(barrier);
}

static void test_barrier_of_another_shape_is_not_opened(void **state) {
  hf_barrier *barrier, *other;
  (void)state;
  expect_fails(hf_barrier_open(world.conn, NULL, 0, &barrier), INVALID_ARGUMENT, BAD_ARGUMENT);
  expect_ok(hf_barrier_open(world.conn, "shape", 2, &barrier));
  expect_ok(hf_barrier_open(world.conn, "shape", 2, &other));
  hf_barrier_close(other);
  expect_fails(hf_barrier_open(world.conn, "shape", 3, &other), INVALID_ARGUMENT, WRONG_SHAPE);
  expect_ok(hf_oneway_begin(world.conn));
  expect_fails(hf_barrier_wait(barrier, 0, NULL, NULL, NULL), UNIMPLEMENTED, NOT_ONE_WAY);
  expect_ok(hf_oneway_end(world.conn));
  expect_ok(hf_object_delete(HF_AS_OBJECT(barrier)));
  expect_fails(hf_barrier_abort(barrier), NOT_FOUND, NO_SUCH_OBJECT);
  hf_barrier_close(barrier);
}

static int five_rounds(void *barrier) {
  for (int i = 0; i < 5; i++) {
    if (hf_barrier_wait(barrier, 10000, NULL, NULL, NULL) != HF_OK) {
      return 1;
    }
  }
  hf_close(world.conn);
  return 0;
}

static void test_barrier_joins_forked_children(void **state) {
  hf_barrier *barrier;
  pid_t children[4];
  (void)state;
  expect_ok(hf_barrier_open(world.conn, NULL, 4, &barrier));
  for (int i = 0; i < 4; i++) {
    children[i] = child_start(five_rounds, barrier);
  }
  for (int i = 0; i < 4; i++) {
    assert_int_equal(child_end(children[i]), 0);
  }
  hf_barrier_close(barrier);
}

/* ---------------------------------------------------------------- breaking */

static void test_barrier_out_of_time_is_broken_until_reset(void **state) {
  hf_barrier *barrier;
  struct party patient = {0};
  (void)state;
  expect_ok(hf_barrier_open(world.conn, NULL, 3, &barrier));
  start_party(&patient, barrier, HF_FOREVER);
  await_waiting(1);
  expect_fails(hf_barrier_wait(barrier, 30, NULL, NULL, NULL), ABORTED, BARRIER_BROKEN);
  expect_broken(&patient);
  assert_true(info_of(barrier).broken);
  assert_int_equal(info_of(barrier).arrived, 0);
  expect_fails(hf_barrier_wait(barrier, HF_FOREVER, NULL, NULL, NULL), ABORTED, BARRIER_BROKEN);
  expect_ok(hf_barrier_reset(barrier));
  assert_false(info_of(barrier).broken);
  expect_fails(hf_barrier_wait(barrier, 0, NULL, NULL, NULL), ABORTED, BARRIER_BROKEN);
  hf_barrier_close(barrier);
}

static void test_barrier_abort_and_reset_break_it_for_those_who_wait(void **state) {
  hf_barrier *barrier;
  struct party first = {0}, second = {0};
  (void)state;
  expect_ok(hf_barrier_open(world.conn, NULL, 2, &barrier));
  start_party(&first, barrier, HF_FOREVER);
  await_waiting(1);
  expect_ok(hf_barrier_reset(barrier));
  expect_broken(&first);
  assert_false(info_of(barrier).broken);
  start_party(&second, barrier, HF_FOREVER);
  await_waiting(1);
  expect_ok(hf_barrier_abort(barrier));
  expect_broken(&second);
  assert_true(info_of(barrier).broken);
  expect_ok(hf_barrier_reset(barrier));
  start_party(&first, barrier, 5000);
  await_waiting(1);
  expect_ok(hf_barrier_wait(barrier, 5000, NULL, NULL, NULL));
  expect_passed(&first, 0);
  hf_barrier_close(barrier);
}

static int wait_by_name(void *name) {
  hf_barrier *barrier;
  return hf_barrier_open(child_connect(), name, 3, &barrier) == HF_OK &&
                 hf_barrier_wait(barrier, HF_FOREVER, NULL, NULL, NULL) == HF_OK
             ? 0
             : 1;
}

static void test_barrier_is_broken_by_a_killed_party(void **state) {
  hf_barrier *barrier;
  struct party party = {0};
  (void)state;
  expect_ok(hf_barrier_open(world.conn, "killed", 3, &barrier));
  start_party(&party, barrier, HF_FOREVER);
  await_waiting(1);
  pid_t child = child_start(wait_by_name, (char[]){"killed"});
  await_waiting(2);
  child_kill(child);
  expect_broken(&party);
  assert_true(info_of(barrier).broken);
  hf_barrier_close(barrier);
  expect_ok(hf_delete(world.conn, "killed"));
}

/* ---------------------------------------------------------------- action */

static atomic_int action_count;

/* ctx: whether it succeeds. The others are still waiting. */
static bool count_action(void *ctx) {
  sleep_ms(20);
  action_count += waiting_count() == 2 ? 1 : 100;
  return *(bool *)ctx;
}

static void start_acting(struct party *party, hf_barrier *barrier, bool *succeeds) {
  *party = (struct party){.action = count_action, .ctx = succeeds};
  start_party(party, barrier, HF_FOREVER);
}

static void test_barrier_action_is_run_once_before_the_others_go(void **state) {
  hf_barrier *barrier;
  struct party parties[2];
  bool succeeds = true;
  uint64_t index;
  (void)state;
  action_count = 0;
  expect_ok(hf_barrier_open(world.conn, NULL, 3, &barrier));
  for (int round = 1; round <= 2; round++) {
    start_acting(&parties[0], barrier, &succeeds);
    await_waiting(1);
    start_acting(&parties[1], barrier, &succeeds);
    await_waiting(2);
    expect_ok(hf_barrier_wait(barrier, 0, count_action, &succeeds, &index));
    assert_int_equal(index, 2);
    expect_passed(&parties[0], 0);
    expect_passed(&parties[1], 1);
    assert_int_equal(action_count, round);
  }
  hf_barrier_close(barrier);
}

static void test_barrier_failing_action_breaks_it(void **state) {
  hf_barrier *barrier;
  struct party parties[2];
  bool succeeds = false;
  (void)state;
  action_count = 0;
  expect_ok(hf_barrier_open(world.conn, NULL, 3, &barrier));
  start_acting(&parties[0], barrier, &succeeds);
  await_waiting(1);
  start_acting(&parties[1], barrier, &succeeds);
  await_waiting(2);
  expect_fails(hf_barrier_wait(barrier, 0, count_action, &succeeds, NULL), ABORTED, BARRIER_BROKEN);
  expect_broken(&parties[0]);
  expect_broken(&parties[1]);
  assert_int_equal(action_count, 1);
  assert_true(info_of(barrier).broken);
  hf_barrier_close(barrier);
}

static bool abort_barrier(void *barrier) {
  return hf_barrier_abort(barrier) == HF_OK;
}

static void test_barrier_aborted_during_the_action_is_broken_for_who_acts(void **state) {
  hf_barrier *barrier;
  struct party party = {0};
  (void)state;
  expect_ok(hf_barrier_open(world.conn, NULL, 2, &barrier));
  start_party(&party, barrier, HF_FOREVER);
  await_waiting(1);
  expect_fails(hf_barrier_wait(barrier, HF_FOREVER, abort_barrier, barrier, NULL), ABORTED,
               BARRIER_BROKEN);
  expect_broken(&party);
  hf_barrier_close(barrier);
}

static bool reset_barrier(void *barrier) {
  return hf_barrier_reset(barrier) == HF_OK;
}

static void test_barrier_reset_during_the_action_is_broken_for_who_acts(void **state) {
  hf_barrier *barrier;
  struct party party = {0};
  uint64_t index;
  (void)state;
  expect_ok(hf_barrier_open(world.conn, NULL, 2, &barrier));
  start_party(&party, barrier, HF_FOREVER);
  await_waiting(1);
  expect_fails(hf_barrier_wait(barrier, HF_FOREVER, reset_barrier, barrier, NULL), ABORTED,
               BARRIER_BROKEN);
  expect_broken(&party);
  start_party(&party, barrier, HF_FOREVER); /* the barrier is as new */
  await_waiting(1);
  expect_ok(hf_barrier_wait(barrier, HF_FOREVER, NULL, NULL, &index));
  assert_int_equal(index, 1);
  expect_passed(&party, 0);
  hf_barrier_close(barrier);
}

struct earlier {
  hf_barrier *barrier;
  hf_event *begins, *ends; /* the second round's action */
  bool succeeds;           /* the first round's action */
  pthread_t thread;
  hf_status second;
};

static bool act_in_second_round(void *ctx) {
  const struct earlier *earlier = ctx;
  bool is_set;
  return hf_event_set(earlier->begins) == HF_OK &&
         hf_event_wait(earlier->ends, HF_FOREVER, &is_set) == HF_OK;
}

static void *be_in_second_round(void *ctx) {
  struct earlier *earlier = ctx;
  earlier->second =
      hf_barrier_wait(earlier->barrier, HF_FOREVER, act_in_second_round, earlier, NULL);
  return NULL;
}

/* Ends while the next round's action runs, which another thread of the session performs. */
static bool act_in_first_round(void *ctx) {
  struct earlier *earlier = ctx;
  bool is_set;
  return hf_barrier_reset(earlier->barrier) == HF_OK &&
         pthread_create(&earlier->thread, NULL, be_in_second_round, earlier) == 0 &&
         hf_event_wait(earlier->begins, HF_FOREVER, &is_set) == HF_OK && earlier->succeeds;
}

static void test_barrier_action_of_an_earlier_round_ends_no_later_one(void **state) {
  struct earlier earlier = {0};
  struct hf_object_info info;
  (void)state;
  expect_ok(hf_barrier_open(world.conn, NULL, 1, &earlier.barrier));
  for (int succeeds = 0; succeeds < 2; succeeds++) {
    earlier.succeeds = succeeds;
    expect_ok(hf_event_open(world.conn, NULL, &earlier.begins));
    expect_ok(hf_event_open(world.conn, NULL, &earlier.ends));
    expect_fails(hf_barrier_wait(earlier.barrier, HF_FOREVER, act_in_first_round, &earlier, NULL),
                 ABORTED, BARRIER_BROKEN);
    expect_ok(hf_object_info(HF_AS_OBJECT(earlier.barrier), &info));
    expect_ok(hf_event_set(earlier.ends));
    pthread_join(earlier.thread, NULL);
    assert_int_equal(earlier.second, HF_OK);
    assert_true(!info.broken && info.arrived == 1);
    hf_event_close(earlier.begins);
    hf_event_close(earlier.ends);
  }
  hf_barrier_close(earlier.barrier);
}

static bool hang(void *ctx) {
  hf_event *never;
  bool is_set;
  return hf_event_open(ctx, NULL, &never) == HF_OK &&
         hf_event_wait(never, HF_FOREVER, &is_set) == HF_OK;
}

static int act_by_name(void *name) {
  hf_conn *conn = child_connect();
  hf_barrier *barrier;
  return hf_barrier_open(conn, name, 2, &barrier) == HF_OK &&
                 hf_barrier_wait(barrier, HF_FOREVER, hang, conn, NULL) == HF_OK
             ? 0
             : 1;
}

static void test_barrier_is_broken_by_a_killed_actor(void **state) {
  hf_barrier *barrier;
  struct party party = {0};
  (void)state;
  expect_ok(hf_barrier_open(world.conn, "actor", 2, &barrier));
  start_party(&party, barrier, HF_FOREVER);
  await_waiting(1);
  pid_t child = child_start(act_by_name, (char[]){"actor"});
  await_waiting(2); /* the party, and the action's own wait */
  child_kill(child);
  expect_broken(&party);
  await_waiting(0);
  hf_barrier_close(barrier);
  expect_ok(hf_delete(world.conn, "actor"));
}

static void test_barrier_is_broken_by_an_actor_who_gave_up(void **state) {
  hf_conn *hasty = connect_again(500);
  hf_barrier *barrier, *same;
  struct party party = {0};
  bool succeeds = true;
  (void)state;
  action_count = 0;
  expect_ok(hf_barrier_open(world.conn, "hasty", 2, &barrier));
  expect_ok(hf_barrier_open(hasty, "hasty", 2, &same));
  start_party(&party, barrier, HF_FOREVER);
  await_waiting(1);
  server_stop();
  hf_status status = hf_barrier_wait(same, 0, count_action, &succeeds, NULL);
  server_continue();
  assert_int_equal(status, HF_UNAVAILABLE);
  expect_ok(hf_ping(hasty, NULL)); /* brings the late answer too */
  expect_broken(&party);
  assert_int_equal(action_count, 0);
  hf_barrier_close(same);
  hf_barrier_close(barrier);
  hf_close(hasty);
  expect_ok(hf_delete(world.conn, "hasty"));
}

static void test_barrier_in_a_pipeline_waits_at_the_end(void **state) {
  hf_barrier *barrier;
  struct party party = {0};
  uint64_t index = 9;
  (void)state;
  expect_ok(hf_barrier_open(world.conn, NULL, 2, &barrier));
  expect_ok(hf_pipeline_begin(world.conn, 0));
  expect_ok(hf_barrier_wait(barrier, 5000, NULL, NULL, &index));
  start_party(&party, barrier, 5000);
  expect_ok(hf_pipeline_end(world.conn, NULL));
  pthread_join(party.thread, NULL);
  assert_int_equal(party.status, HF_OK);
  assert_int_equal(party.index + index, 1);
  hf_barrier_close(barrier);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_barrier_of_one_lets_pass_at_once),
    cmocka_unit_test(test_barrier_gives_indexes_in_order_round_after_round),
    cmocka_unit_test(test_barrier_of_another_shape_is_not_opened),
    cmocka_unit_test(test_barrier_joins_forked_children),
    cmocka_unit_test(test_barrier_out_of_time_is_broken_until_reset),
    cmocka_unit_test(test_barrier_abort_and_reset_break_it_for_those_who_wait),
    cmocka_unit_test(test_barrier_is_broken_by_a_killed_party),
    cmocka_unit_test(test_barrier_action_is_run_once_before_the_others_go),
    cmocka_unit_test(test_barrier_failing_action_breaks_it),
    cmocka_unit_test(test_barrier_aborted_during_the_action_is_broken_for_who_acts),
    cmocka_unit_test(test_barrier_reset_during_the_action_is_broken_for_who_acts),
    cmocka_unit_test(test_barrier_action_of_an_earlier_round_ends_no_later_one),
    cmocka_unit_test(test_barrier_is_broken_by_a_killed_actor),
    cmocka_unit_test(test_barrier_is_broken_by_an_actor_who_gave_up),
    cmocka_unit_test(test_barrier_in_a_pipeline_waits_at_the_end),
};

WORLD_MAIN("barrier", tests)
