/* The queue against a table of items that knows everything about each: random steps, the same
 * answers. */
#include "proto/base/clock.h"
#include "server/objects/queue.h"
#include "tests/support/malloc_hook.h"
#include "tests/support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS_MAX 200
#define STEPS 200000

static uint64_t seed;

enum state { FREE, READY, DELAYED, RESERVED, BURIED, TAKEN, STATES_COUNT };

struct item {
  enum state state;
  int64_t number, priority;
  uint64_t position; /* 0: none yet */
  uint64_t tries;
  uint64_t end_ns;   /* of the delay, or of the lease */
  uint64_t since;    /* rises with every change of state: orders those of one end, and the buried */
  struct task *task; /* RESERVED */
  struct taken taken; /* TAKEN */
};

struct model {
  struct queue queue;
  struct random random;
  struct item items[ITEMS_MAX];
  size_t counts[STATES_COUNT];
  uint64_t now_ns, next_position, next_since, unfinished;
  int64_t next_number;
  size_t gets, reserves, returns, expiries, kicks, put_backs, moves;
};

/* A number is an item; every fifth is a text in a box. */
static struct value value_of(int64_t number) {
  struct value value = value_int(number);
  if (number % 5 == 0) {
    char text[40];
    int len = snprintf(text, sizeof text, "number %020lld", (long long)number);
    assert_true(value_text(bytes_of(text, (size_t)len), &value));
  }
  return value;
}

static void expect_number(struct value value, int64_t number) {
  struct value expected = value_of(number);
  assert_true(value_equal(value, expected));
  value_release(expected);
}

static void set_state(struct model *model, struct item *item, enum state state) {
  model->counts[item->state]--;
  model->counts[state]++;
  item->state = state;
  item->since = ++model->next_since;
}

static bool is_first(const struct item *one, const struct item *other, enum state state) {
  if (state == READY) {
    return one->priority < other->priority ||
           (one->priority == other->priority && one->position < other->position);
  }
  if (state == BURIED) {
    return one->since < other->since;
  }
  return one->end_ns < other->end_ns || (one->end_ns == other->end_ns && one->since < other->since);
}

/* Of those in the state: the next ready, the longest buried, the first to end. NULL: none. */
static struct item *first_of(struct model *model, enum state state) {
  struct item *first = NULL;
  for (size_t i = 0; i < ITEMS_MAX; i++) {
    struct item *item = &model->items[i];
    if (item->state == state && (!first || is_first(item, first, state))) {
      first = item;
    }
  }
  return first;
}

/* Any of them. NULL: none. */
static struct item *some(struct model *model, enum state state) {
  size_t start = random_below(&model->random, ITEMS_MAX);
  for (size_t i = 0; i < ITEMS_MAX; i++) {
    struct item *item = &model->items[(start + i) % ITEMS_MAX];
    if (item->state == state) {
      return item;
    }
  }
  return NULL;
}

static void expect_same(const struct model *model) {
  const struct queue *queue = &model->queue;
  assert_int_equal(queue_ready_count(queue), model->counts[READY]);
  assert_int_equal(queue_delayed_count(queue), model->counts[DELAYED]);
  assert_int_equal(queue_reserved_count(queue), model->counts[RESERVED]);
  assert_int_equal(queue_buried_count(queue), model->counts[BURIED]);
  assert_int_equal(queue->unfinished, model->unfinished);
  assert_in_range(malloc_hook_live_bytes(), 0, queue_memory_bytes(queue) * 5 / 4 + 4096);
}

/* Soon, so that several end at once; sometimes never. */
static uint64_t some_end(struct model *model) {
  return random_below(&model->random, 10) ? model->now_ns + 1 + random_below(&model->random, 6)
                                          : CLOCK_NEVER;
}

/* ---- steps */

static void step_put(struct model *model) {
  struct item *item = some(model, FREE);
  bool plain = random_below(&model->random, 2), delayed = random_below(&model->random, 3) == 0;
  if (!item) {
    return;
  }
  *item = (struct item){.number = model->next_number++};
  struct value value = value_of(item->number);
  if (plain) {
    assert_int_equal(queue_put(&model->queue, value), HF_REASON_NONE);
    delayed = false;
  } else {
    item->priority = (int64_t)random_below(&model->random, 5) - 2;
    item->end_ns = delayed ? some_end(model) : 0;
    assert_true(queue_begin_tasks(&model->queue));
    assert_int_equal(queue_put_task(&model->queue, value, item->priority, item->end_ns),
                     HF_REASON_NONE);
  }
  item->position = delayed ? 0 : ++model->next_position;
  model->unfinished++;
  set_state(model, item, delayed ? DELAYED : READY);
}

static void step_get(struct model *model) {
  struct item *item = first_of(model, READY);
  if (!item) {
    return;
  }
  expect_number(queue_first(&model->queue), item->number);
  struct value value = queue_get(&model->queue, &item->taken);
  expect_number(value, item->number);
  value_release(value);
  assert_int_equal(item->taken.tries, item->tries);
  assert_int_equal(item->taken.position.priority, item->priority);
  set_state(model, item, random_below(&model->random, 3) ? FREE : TAKEN);
  model->gets++;
}

static void step_put_back(struct model *model) {
  struct item *item = some(model, TAKEN);
  if (item && random_below(&model->random, 4) == 0) {
    set_state(model, item, FREE); /* the reply was acknowledged after all */
  } else if (item) {
    struct value value = value_of(item->number);
    assert_true(queue_begin_tasks(&model->queue));
    assert_int_equal(queue_put_back(&model->queue, value, &item->taken), HF_REASON_NONE);
    set_state(model, item, READY);
    model->put_backs++;
  }
}

static void step_reserve(struct model *model) {
  struct item *item = first_of(model, READY);
  if (!item) {
    return;
  }
  item->end_ns = random_below(&model->random, 2) ? some_end(model) : CLOCK_NEVER;
  assert_true(queue_begin_tasks(&model->queue));
  assert_int_equal(queue_reserve(&model->queue, item->end_ns, &item->task), HF_REASON_NONE);
  expect_number(item->task->value, item->number);
  assert_int_equal(item->task->tries, item->tries);
  set_state(model, item, RESERVED);
  model->reserves++;
}

static void step_finish(struct model *model) {
  struct item *item = some(model, RESERVED);
  if (item) {
    struct value value = queue_finish(item->task);
    expect_number(value, item->number);
    value_release(value);
    model->unfinished -= model->unfinished > 0;
    set_state(model, item, FREE);
  }
}

static void step_extend(struct model *model) {
  struct item *item = some(model, RESERVED);
  if (item) {
    item->end_ns = some_end(model);
    assert_int_equal(queue_extend(item->task, item->end_ns), HF_REASON_NONE);
    set_state(model, item, RESERVED);
  }
}

static void step_give_back(struct model *model) {
  struct item *item = some(model, RESERVED);
  if (!item) {
    return;
  }
  if (random_below(&model->random, 2)) {
    item->end_ns = some_end(model);
    assert_int_equal(queue_give_back_later(item->task, item->end_ns), HF_REASON_NONE);
    item->tries++;
    set_state(model, item, DELAYED);
  } else {
    bool is_tried = random_below(&model->random, 2);
    queue_give_back(item->task, is_tried);
    item->tries += is_tried;
    set_state(model, item, READY);
  }
  model->returns++;
}

static void step_bury(struct model *model) {
  struct item *item = some(model, RESERVED);
  if (item) {
    queue_bury(item->task);
    set_state(model, item, BURIED);
  }
}

static void step_kick(struct model *model) {
  uint64_t count = random_below(&model->random, 4), expected = 0;
  struct item *item;
  while ((count == 0 || expected < count) && (item = first_of(model, BURIED))) {
    set_state(model, item, READY);
    expected++;
  }
  assert_int_equal(queue_kick(&model->queue, count), expected);
  model->kicks += expected;
}

static void step_pass(struct model *model) {
  struct item *item;
  struct task *task;
  if (!model->queue.tasks) {
    return;
  }
  model->now_ns += random_below(&model->random, 4);
  while ((item = first_of(model, DELAYED)) && item->end_ns <= model->now_ns) {
    item->position = item->position ? item->position : ++model->next_position;
    set_state(model, item, READY);
  }
  while (queue_ripen_one(&model->queue, model->now_ns)) {
  }
  while ((item = first_of(model, RESERVED)) && item->end_ns <= model->now_ns) {
    task = queue_next_overdue(&model->queue, model->now_ns);
    assert_ptr_equal(task, item->task);
    queue_give_back(task, true);
    item->tries++;
    set_state(model, item, READY);
    model->expiries++;
  }
  assert_null(queue_next_overdue(&model->queue, model->now_ns));
  struct item *due = first_of(model, DELAYED);
  uint64_t due_ns = due ? due->end_ns : CLOCK_NEVER, end_ns = item ? item->end_ns : CLOCK_NEVER;
  assert_int_equal(queue_next_deadline_ns(&model->queue), due_ns < end_ns ? due_ns : end_ns);
}

static void step_done(struct model *model) {
  assert_int_equal(queue_count_done(&model->queue, 1), model->unfinished > 0);
  model->unfinished -= model->unfinished > 0;
}

static void step_move(struct model *model) {
  struct queue moved;
  size_t count = model->counts[READY] + model->counts[DELAYED];
  assert_true(queue_move_waiting(&model->queue, &moved));
  queue_deinit(&moved);
  model->unfinished -= count < model->unfinished ? count : model->unfinished;
  for (size_t i = 0; i < ITEMS_MAX; i++) {
    if (model->items[i].state == READY || model->items[i].state == DELAYED) {
      set_state(model, &model->items[i], FREE);
    }
  }
  model->moves++;
}

static void take_step(struct model *model) {
  static void (*const steps[])(struct model *) = {
      step_put,  step_put,     step_put,      step_put,      step_put,    step_get,
      step_get,  step_reserve, step_reserve,  step_finish,   step_extend, step_give_back,
      step_bury, step_kick,    step_put_back, step_put_back, step_pass,   step_pass,
  };
  uint64_t rare = random_below(&model->random, 1000);
  if (rare == 0) {
    step_move(model);
  } else if (rare < 10) {
    step_done(model);
  } else {
    steps[random_below(&model->random, sizeof steps / sizeof *steps)](model);
  }
}

static void test_queue_random_steps_match_a_table(void **state) {
  (void)state;
  static struct model model;
  model.random.state = seed;
  model.counts[FREE] = ITEMS_MAX;
  model.now_ns = 1;
  queue_init(&model.queue, 0);
  for (int step = 0; step < STEPS; step++) {
    take_step(&model);
    expect_same(&model);
  }
  printf(
      "%zu gets, %zu reserves, %zu returns, %zu leases ended, %zu kicked, %zu put back, %zu "
      "moves\n",
      model.gets, model.reserves, model.returns, model.expiries, model.kicks, model.put_backs,
      model.moves);
  queue_deinit(&model.queue);
  assert_int_equal(malloc_hook_live_bytes(), 0);
}

int main(int argc, char **argv) {
  seed = random_seed(argc, argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_queue_random_steps_match_a_table),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
