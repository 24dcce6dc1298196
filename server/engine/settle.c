/* Deferred work of operations: waiters to run again, objects and sessions to release. In slices: no
 * command does more than HF_BATCH_STEPS_MAX steps. */
#include "server/engine/settle.h"

#include "server/engine/cells.h"
#include "server/engine/deletion.h"
#include "server/engine/emptying.h"
#include "server/engine/run.h"
#include "server/engine/session_end.h"
#include "server/engine/steps.h"
#include "server/engine/wake.h"

/* Steps for the waiters of one queue before the next queue is served. */
#define PASS_STEPS_MAX ((uint64_t)16 * STEPS_OF_RUN)

/* ---- passes */

static bool is_in_pass(const struct wait_queue *queue) {
  return queue->cursor && queue->cursor->ticket <= queue->last_ticket;
}

/* Who lines up behind those that are served is served after them, though nothing wakes it. */
static void begin_pass(const struct engine *engine, struct wait_queue *queue) {
  queue->woken = false;
  queue->pass_key_hash = queue->key_hash;
  queue->last_ticket = queue->broadcast ? engine->next_ticket : UINT64_MAX;
  queue->cursor = TAILQ_FIRST(&queue->waiters);
}

/* In order, until one can't go on; in a broadcast, each one once. */
static void run_pass(struct engine *engine, uint64_t now_ns, struct wait_queue *queue) {
  uint64_t end = engine->steps + PASS_STEPS_MAX, key_hash = queue->pass_key_hash;
  while (is_in_pass(queue) && engine->steps < end) {
    struct waiter *waiter = queue->cursor;
    queue->cursor = TAILQ_NEXT(waiter, queue_link);
    bool is_meant = !key_hash || !waiter->key_hash || waiter->key_hash == key_hash;
    core_spend(engine, 1);
    if (is_meant && !core_run_again(engine, now_ns, waiter, false) && !queue->broadcast &&
        TAILQ_FIRST(&queue->waiters) == waiter) {
      queue->cursor = NULL;
    }
  }
}

static void run_first_queue(struct engine *engine, uint64_t now_ns) {
  struct wait_queue *queue = TAILQ_FIRST(&engine->ready);
  TAILQ_REMOVE(&engine->ready, queue, ready_link);
  queue->ready = false;
  if (!is_in_pass(queue) && queue->woken) {
    begin_pass(engine, queue);
  }
  run_pass(engine, now_ns, queue);
  if (is_in_pass(queue) || queue->woken) {
    core_make_ready(engine, queue);
  } else {
    queue->cursor = NULL;
  }
}

/* ---- all of it */

static bool has_unreferenced(const struct engine *engine) {
  return engine->dropped_values.len > 0 || !TAILQ_EMPTY(&engine->unreferenced);
}

/* Whether there is deferred work that no answer waits for. */
static bool has_leftovers(const struct engine *engine) {
  return has_unreferenced(engine) || !TAILQ_EMPTY(&engine->deleted) ||
         !TAILQ_EMPTY(&engine->ending) || !TAILQ_EMPTY(&engine->emptied);
}

bool core_has_work(const struct engine *engine) {
  return !TAILQ_EMPTY(&engine->ready) || has_leftovers(engine);
}

static void clear_leftovers(struct engine *engine, uint64_t now_ns) {
  if (!TAILQ_EMPTY(&engine->deleted)) {
    core_go_on_deleting(engine, now_ns);
  }
  if (!TAILQ_EMPTY(&engine->ending)) {
    core_go_on_ending(engine);
  }
  if (has_unreferenced(engine)) {
    core_drop_unreferenced(engine, now_ns);
  }
  if (!TAILQ_EMPTY(&engine->emptied)) {
    core_go_on_emptying(engine);
  }
}

/* The woken come first, but for the last quarter of the steps. */
static void settle_work(struct engine *engine, uint64_t now_ns) {
  uint64_t left = core_has_steps(engine) ? engine->steps_end - engine->steps : 0;
  uint64_t waking_end = engine->steps_end - left / 4;
  while (core_has_steps(engine) && core_has_work(engine)) {
    bool wakes = engine->steps < waking_end || !has_leftovers(engine);
    if (wakes && !TAILQ_EMPTY(&engine->ready)) {
      run_first_queue(engine, now_ns);
    } else {
      clear_leftovers(engine, now_ns);
    }
  }
}

void core_settle(struct engine *engine, uint64_t now_ns) {
  if (core_has_work(engine)) {
    settle_work(engine, now_ns);
  }
  if (!TAILQ_EMPTY(&engine->reviewed)) {
    core_settle_cells(engine);
  }
}

void core_settle_all(struct engine *engine, uint64_t now_ns) {
  do {
    core_begin_steps(engine);
    core_settle(engine, now_ns);
  } while (core_has_work(engine));
}
