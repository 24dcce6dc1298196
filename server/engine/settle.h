/* What operations leave to be done, in slices.
 *
 * Work is counted in steps, of a tenth of a microsecond or so. A command does up to
 * HF_TURN_STEPS_MAX of what it found and caused; what is left goes on with later commands, and
 * engine_next_deadline_ns says that there is some.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_SETTLE_H
#define HF_ENGINE_SETTLE_H

#include "server/engine/core.h"

/* What takes more steps than one. */
enum {
  STEPS_OF_RUN = 16,
  STEPS_OF_DELETION = 40, /* of one among a million, which takes 4 us of cache misses */
  STEPS_OF_REFERENCE = 4, /* of a session that ends, to one among a million */
  STEPS_OF_TIMER = 4,
  STEPS_BODY_BYTES = 64,
};

static inline void core_spend(struct engine *engine, uint64_t steps) {
  engine->steps += steps;
}

/* false: the rest is for later. */
static inline bool core_has_steps(const struct engine *engine) {
  return engine->steps < engine->steps_end;
}

/* Whether something was left for later. */
bool core_has_work(const struct engine *engine);

/* A command begins. */
static inline void core_begin_steps(struct engine *engine) {
  engine->steps_end = engine->steps + HF_TURN_STEPS_MAX;
}

/* A request is to see to its own, and to a little of what others have left. */
static inline void core_begin_request_steps(struct engine *engine) {
  engine->steps_end =
      engine->steps + (core_has_work(engine) ? HF_TURN_STEPS_MAX / 8 : HF_TURN_STEPS_MAX);
}
/* Something a queue's waiters wait for may have happened. */
void core_wake(struct engine *engine, struct wait_queue *queue);
/* The same for one who is about to be parked there, first in line: it runs again at once, as a
 * waiter, whose handler can't fail to be parked after it has changed something. */
void core_wake_parking(struct engine *engine, struct wait_queue *queue);
/* The same for the waiters of that note, and those without one. */
void core_wake_noted(struct engine *engine, struct wait_queue *queue, uint64_t note);
/* A lock was freed: for those who want it, and those who watch it. */
void core_wake_lock(struct engine *engine, struct object *object);
/* Where it waits. */
void core_wake_waiter(struct engine *engine, const struct waiter *waiter);
/* Those who wait in the queue now may go on, also if what they wait for is over when they do. */
void core_release(struct engine *engine, struct wait_queue *queue);
/* Nobody will be woken there any more. */
void core_forget_queue(struct engine *engine, struct wait_queue *queue);
/* Runs what was woken, drops what nobody holds, goes on with deletions and ends of sessions, as far
 * as the steps reach. */
void core_settle(struct engine *engine, uint64_t now_ns);
/* The same to the end. */
void core_settle_all(struct engine *engine, uint64_t now_ns);

#endif
