/* What the waiters of an object do to each other, in conditions and barriers; and what they leave. */
#include "server/engine/sync.h"

#include "server/engine/kinds/kind.h"
#include "server/engine/run.h"
#include "server/engine/settle.h"

struct object *core_guard_of(const struct engine *engine, struct object *object) {
  bool is_elsewhere = object->kind == HOLDFAST__KIND__CONDITION && object->condition.guard;
  return is_elsewhere ? registry_find(&engine->registry, object->condition.guard) : object;
}

hf_reason core_release_permits(struct engine *engine, struct session *session,
                               struct object *object, uint64_t count) {
  hf_reason reason = semaphore_release(&object->semaphore, count);
  uintptr_t held = session ? (uintptr_t)map64_get(&session->permits, object->id) : 0;
  if (reason) {
    return reason;
  }
  if (held > count) {
    session_set(session, &session->permits, object->id,
                (void *)(held - count)); /* needs no memory: it is there */
  } else if (held) {
    session_remove(session, &session->permits, object->id);
  }
  core_wake(engine, &object->waits[WAIT_SEMAPHORE]);
  core_wake(engine, &object->waits[WAIT_CHANGE]);
  return HF_REASON_NONE;
}

void core_notify(struct engine *engine, struct object *object, uint64_t count) {
  struct wait_queue *queue = &object->waits[WAIT_NOTIFY];
  struct waiter *waiter = TAILQ_FIRST(&queue->waiters);
  for (; waiter && count > 0; waiter = TAILQ_NEXT(waiter, queue_link)) {
    core_spend(engine, 1);
    if (waiter->step == STEP_WAITING) {
      waiter->step = STEP_NOTIFIED;
      count--;
    }
  }
  core_wake(engine, queue);
}

/* Those of earlier rounds, who have not had their turn yet, keep theirs. */
static void give_step(struct engine *engine, struct waiter_list *waiters, unsigned step) {
  struct waiter *waiter;
  TAILQ_FOREACH(waiter, waiters, queue_link) {
    core_spend(engine, 1);
    if (waiter->step == STEP_WAITING) {
      waiter->step = step;
    }
  }
}

void core_end_round(struct engine *engine, struct object *object, unsigned step) {
  struct wait_queue *parties = &object->waits[WAIT_BARRIER];
  give_step(engine, &parties->waiters, step);
  give_step(engine, &parties->suspended, step);
  struct session *actor = map64_get(&engine->sessions, object->barrier.actor_serial);
  if (actor) {
    session_remove(actor, &actor->acting, object->id);
  }
  object->barrier.arrived = 0;
  object->barrier.actor_serial = 0;
  object->barrier.state = step == STEP_BROKEN ? BARRIER_BROKEN : BARRIER_FILLING;
  core_wake(engine, parties);
  core_wake(engine, &object->waits[WAIT_BARRIER_ENTER]);
}

void core_leave_wait(struct engine *engine, const struct waiter *waiter) {
  struct object *object = waiter->object;
  if (!object) {
    return;
  }
  const struct kind *kind = kind_of(object);
  if (kind->leave_wait) {
    kind->leave_wait(engine, waiter);
  }
}

bool core_answer_part(const struct waiter *waiter) {
  const struct object *object = waiter->object;
  const struct kind *kind = object ? kind_of(object) : NULL;
  return kind && kind->answer_part && kind->answer_part(waiter);
}

static void end_waits_for(struct engine *engine, uint64_t now_ns, struct waiter_list *waiters,
                          const struct object *object) {
  struct waiter *next, *waiter = TAILQ_FIRST(waiters);
  for (; waiter; waiter = next) {
    next = TAILQ_NEXT(waiter, queue_link);
    if (waiter->object == object) {
      waiter->object = NULL;
      core_end_wait(engine, now_ns, waiter, HF_REASON_OBJECT_DELETED);
    }
  }
}

void core_end_foreign_waits(struct engine *engine, uint64_t now_ns, struct object *object) {
  struct object *guard = core_guard_of(engine, object);
  if (guard && guard != object) {
    end_waits_for(engine, now_ns, &guard->waits[WAIT_LOCK].waiters, object);
    end_waits_for(engine, now_ns, &guard->waits[WAIT_LOCK].suspended, object);
  }
}
