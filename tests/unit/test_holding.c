/* Replies wait for their batches, and none is lost unnoticed. */
#include "server/dispatch/holding.h"
#include "tests/support/malloc_hook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static size_t released;

static void release(void *ctx, struct batch_delivery *deliveries, size_t count) {
  (void)ctx;
  for (size_t i = 0; i < count; i++) {
    reply_release(deliveries[i].reply);
  }
  released += count;
}

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
  holding_init(&holding, 7);
  add(&batch, 7);
  add(&batch, 8);
  assert_true(holding_take(&holding, &batch));
  assert_int_equal(batch.deliveries_count, 1);
  assert_int_equal(batch.deliveries[0].index, 7);
  holding_commit(&holding, 8, release, NULL);
  assert_int_equal(released, 1);
  release(NULL, batch.deliveries, batch.deliveries_count);
  free(batch.deliveries);
  holding_deinit(&holding);
}

static void test_one_that_has_no_room_is_reported(void **state) {
  (void)state;
  struct holding holding;
  struct batch batch = {.deliveries_count = 0};
  holding_init(&holding, 7);
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
      cmocka_unit_test(test_one_that_has_no_room_is_reported),
  };
  return cmocka_run_group_tests_name("unit.holding", tests, NULL, NULL);
}
