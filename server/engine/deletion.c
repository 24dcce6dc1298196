/* The end of an object: its waiters are answered, its reserved items and references dropped, its memory
 * freed; in slices where there are many. */
#include "server/engine/deletion.h"

#include "server/engine/emptying.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/lending.h"
#include "server/engine/locks.h"
#include "server/engine/parking.h"
#include "server/engine/references.h"
#include "server/engine/steps.h"
#include "server/engine/wake.h"

/* ---- waiters */

/* true: all of them. */
static bool end_waits(struct engine *engine, uint64_t now_ns, struct wait_queue *queue) {
  struct waiter *waiter;
  while ((waiter = TAILQ_FIRST(&queue->waiters)) || (waiter = TAILQ_FIRST(&queue->suspended))) {
    if (!core_has_steps(engine)) {
      return false;
    }
    core_spend(engine, STEPS_OF_RUN);
    core_end_wait_on_gone(engine, now_ns, waiter, HF_REASON_OBJECT_DELETED);
  }
  return true;
}

static bool end_all_waits(struct engine *engine, uint64_t now_ns, struct object *object) {
  if (object->loan && !end_waits(engine, now_ns, &object->loan->queue)) {
    return false;
  }
  for (size_t i = 0; i < OBJECT_WAITS; i++) {
    if (!end_waits(engine, now_ns, &object->waits[i])) {
      return false;
    }
  }
  return true;
}

/* ---- deleting */

static void unlink_lock(struct engine *engine, struct object *object) {
  struct lock *lock = object_lock(object);
  if (lock && lock->depth > 0) {
    core_forget_lock(engine, object, lock->owner);
  }
}

static void forget_queues(struct engine *engine, struct object *object) {
  for (size_t i = 0; i < OBJECT_WAITS; i++) {
    core_forget_queue(engine, &object->waits[i]);
  }
  if (object->loan) {
    core_forget_queue(engine, &object->loan->queue);
  }
}

static bool disown(struct engine *engine, struct object *object) {
  const struct kind *kind = object->row;
  return !kind->disown || kind->disown(engine, object);
}

/* true: nothing but its content is left, which goes, or what a job has, which brings it back. */
static bool go_on(struct engine *engine, uint64_t now_ns, struct object *object) {
  if (!end_all_waits(engine, now_ns, object) || !disown(engine, object)) {
    return false;
  }
  forget_queues(engine, object);
  if (core_is_lent(object)) {
    object->loan->awaits_job = true;
    memory_charge(&engine->memory, MEMORY_RECLAIMED, object->memory_bytes);
  } else {
    core_drop_content(engine, object);
  }
  return true;
}

void core_stop_object(struct engine *engine, struct object *object) {
  const struct kind *kind = object->row;
  if (kind->stop) {
    kind->stop(engine, object);
  }
}

void core_delete_object(struct engine *engine, uint64_t now_ns, struct object *object) {
  core_spend(engine, STEPS_OF_DELETION);
  unlink_lock(engine, object);
  forget_queues(engine, object);
  if (object->is_unreferenced) {
    TAILQ_REMOVE(&engine->unreferenced, object, unreferenced_link);
  }
  object->is_unreferenced = true; /* a reference to itself must not put it into the list again */
  core_stop_object(engine, object);
  registry_remove(&engine->registry, object);
  object->is_deleted = true;
  if (!go_on(engine, now_ns, object)) {
    TAILQ_INSERT_TAIL(&engine->deleted, object, unreferenced_link);
  }
}

void core_go_on_deleting(struct engine *engine, uint64_t now_ns) {
  struct object *object = TAILQ_FIRST(&engine->deleted);
  TAILQ_REMOVE(&engine->deleted, object, unreferenced_link);
  if (!go_on(engine, now_ns, object)) {
    TAILQ_INSERT_TAIL(&engine->deleted, object, unreferenced_link);
  }
}

void core_drop_unreferenced(struct engine *engine, uint64_t now_ns) {
  while (engine->dropped_values.len > 0 && core_has_steps(engine)) {
    struct value value = list_remove_at(&engine->dropped_values, engine->dropped_values.len - 1);
    core_spend(engine, 1);
    core_drop_value_references(engine, value);
    value_release(value);
  }
  struct object *object = TAILQ_FIRST(&engine->unreferenced);
  if (object) {
    TAILQ_REMOVE(&engine->unreferenced, object, unreferenced_link);
    object->is_unreferenced = false;
    if (object->references == 0) {
      core_delete_object(engine, now_ns, object);
    }
  }
}
