/* The queue of waiters keeps the order of tickets, with waiters suspended and resumed. */
#include "server/engine/waiter.h"
#include "tests/support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the four above */
#include <cmocka.h>

#define COUNT 64

static void expect_in_order(const struct wait_queue *queue, size_t count) {
  const struct waiter *waiter;
  uint64_t before = 0;
  size_t seen = 0;
  TAILQ_FOREACH(waiter, &queue->waiters, queue_link) {
    assert_true(waiter->ticket > before);
    before = waiter->ticket;
    seen++;
  }
  assert_int_equal(seen, count);
  assert_int_equal(queue->count, count);
}

static struct random chance;

static void test_waiter_any_changes_keep_the_order(void **state) {
  (void)state;
  struct wait_queue queue;
  static struct waiter waiters[COUNT];
  bool is_in[COUNT] = {false};
  size_t active = 0;
  uint64_t next_ticket = 0;
  wait_queue_init(&queue, false);
  for (size_t step = 0; step < 100000; step++) {
    size_t idx = random_below(&chance, COUNT);
    struct waiter *waiter = &waiters[idx];
    if (!is_in[idx]) {
      *waiter = (struct waiter){.ticket = ++next_ticket, .suspended = !random_below(&chance, 4)};
      TAILQ_INIT(&waiter->entries);
      wait_queue_insert(&queue, waiter);
      is_in[idx] = true;
      active += !waiter->suspended;
    } else if (waiter->suspended) {
      waiter_set_suspended(waiter, false);
      active++;
    } else if (random_below(&chance, 4)) {
      waiter_set_suspended(waiter, true);
      active--;
    } else {
      wait_queue_remove(&queue, waiter);
      is_in[idx] = false;
      active--;
    }
    expect_in_order(&queue, active);
  }
}

int main(int argc, char **argv) {
  chance.state = random_seed(argc, argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_waiter_any_changes_keep_the_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
