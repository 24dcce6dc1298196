/* Replies wait for their batches, and none is lost unnoticed. */
#include "proto/base/clock.h"
#include "server/dispatch/holding.h"
#include "tests/support/malloc_hook.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static atomic_size_t released;
static pthread_t releaser; /* the thread that released last */

static void release(void *ctx, struct batch_delivery *deliveries, size_t count) {
  (void)ctx;
  for (size_t i = 0; i < count; i++) {
    reply_release(deliveries[i].reply);
  }
  released += count;
  releaser = pthread_self();
}

static const struct holding_sink sink = {release, NULL};

static void add(struct batch *batch, uint64_t index) {
  const struct sp_route route = {0};
  struct reply *reply = reply_new(1);
  assert_non_null(reply);
  batch_add_delivery(batch, 1, &route, reply);
  batch->deliveries[batch->deliveries_count - 1].index = index;
}

static void test_replies_wait_for_their_batch(void **state) {
  (void)state;
  struct holding holding;
  struct batch batch = {.deliveries_count = 0};
  released = 0;
  holding_init(&holding, 7, &sink);
  add(&batch, 7);
  add(&batch, 8);
  assert_true(holding_take(&holding, &batch));
  assert_int_equal(batch.deliveries_count, 1);
  assert_int_equal(batch.deliveries[0].index, 7);
  assert_int_equal(batch.awaited, 8);
  assert_false(holding_is_durable(&holding, 8));
  holding_commit(&holding, 8);
  assert_true(holding_is_durable(&holding, 8));
  assert_int_equal(released, 1);
  release(NULL, batch.deliveries, batch.deliveries_count);
  free(batch.deliveries);
  holding_deinit(&holding);
}

static atomic_bool interrupted;

struct waiter {
  struct holding *holding;
  uint64_t index, deadline_ns;
  pthread_t thread;
};

static void *run_waiter(void *arg) {
  struct waiter *waiter = arg;
  holding_await(waiter->holding, waiter->index, waiter->deadline_ns, &interrupted);
  return NULL;
}

static void start(struct waiter *waiter, struct holding *holding, uint64_t index) {
  *waiter = (struct waiter){holding, index, clock_now_ns() + 60000 * CLOCK_NS_PER_MS};
  assert_int_equal(pthread_create(&waiter->thread, NULL, run_waiter, waiter), 0);
  while (!holding_is_awaited(holding)) {
    sched_yield();
  }
}

static void test_a_thread_that_waits_releases(void **state) {
  (void)state;
  struct holding holding;
  struct batch batch = {.deliveries_count = 0};
  struct waiter waiter;
  released = 0;
  holding_init(&holding, 7, &sink);
  add(&batch, 8);
  add(&batch, 9);
  assert_true(holding_take(&holding, &batch));
  assert_int_equal(batch.awaited, 9);

  start(&waiter, &holding, 9);
  holding_commit(&holding, 8); /* not what it waits for, and released by it all the same */
  while (atomic_load(&released) < 1) {
    sched_yield();
  }
  holding_commit(&holding, 9);
  pthread_join(waiter.thread, NULL);
  assert_int_equal(released, 2);
  assert_true(pthread_equal(releaser, waiter.thread));

  start(&waiter, &holding, 10);
  atomic_store(&interrupted, true);
  holding_interrupt(&holding);
  pthread_join(waiter.thread, NULL);
  holding_await(&holding, 11, UINT64_MAX / 2, &interrupted); /* at once */
  atomic_store(&interrupted, false);
  holding_await(&holding, 11, clock_now_ns() + CLOCK_NS_PER_MS, &interrupted); /* the deadline */
  free(batch.deliveries);
  holding_deinit(&holding);
}

static void test_one_that_has_no_room_is_reported(void **state) {
  (void)state;
  struct holding holding;
  struct batch batch = {.deliveries_count = 0};
  holding_init(&holding, 7, &sink);
  add(&batch, 8);
  malloc_hook_fail(1);
  assert_false(holding_take(&holding, &batch));
  assert_true(malloc_hook_has_failed());
  free(batch.deliveries);
  holding_deinit(&holding);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_replies_wait_for_their_batch),
      cmocka_unit_test(test_a_thread_that_waits_releases),
      cmocka_unit_test(test_one_that_has_no_room_is_reported),
  };
  return cmocka_run_group_tests_name("unit.holding", tests, NULL, NULL);
}
