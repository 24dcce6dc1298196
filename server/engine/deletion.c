/* The end of an object: its waiters are told, its reserved items and its references let go, and its
 * memory freed; in slices where there are many. */
#include "server/engine/deletion.h"

#include "server/engine/holding.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/lending.h"
#include "server/engine/locks.h"
#include "server/engine/run.h"
#include "server/engine/settle.h"

/* Freeing less than this takes no longer than handing it over. */
#define LARGE_BYTES ((size_t)64 << 10)

/* ---- references */

struct emptying {
  struct engine *engine;
  struct object *owner; /* whose content it was; NULL: that one is gone */
};

static void let_go(void *ctx, uint64_t id) {
  struct emptying *emptying = ctx;
  core_spend(emptying->engine, 1);
  core_unhold(emptying->engine, id, 1);
  if (emptying->owner) {
    emptying->owner->references--;
  }
}

/* true: all of them. */
static bool let_go_of_references(struct engine *engine, struct object *object,
                                 struct content_cursor *cursor) {
  struct emptying emptying = {engine, registry_find(&engine->registry, object->id)};
  struct value value;
  /* A step is enough for several values that have none. */
  for (unsigned i = 0; core_has_steps(engine); i++) {
    if (!object_next_value(object, cursor, &value)) {
      return true;
    }
    value_each_reference(value, let_go, &emptying);
    core_spend(engine, i % 8 == 0);
  }
  return false;
}

/* Frees it; a large one outside the turn. */
static void bury(struct engine *engine, struct object *object) {
  if (object->memory_bytes < LARGE_BYTES) {
    memory_refund(&engine->memory, MEMORY_RECLAIMED, object->memory_bytes);
    object_free(object);
    return;
  }
  object->next_buried = engine->buried;
  engine->buried = object;
}

void core_drop_content(struct engine *engine, struct object *object) {
  struct content_cursor cursor = {0};
  memory_charge(&engine->memory, MEMORY_RECLAIMED, object->memory_bytes);
  if (object->references == 0) {
    bury(engine, object);
  } else if (TAILQ_EMPTY(&engine->emptied) && let_go_of_references(engine, object, &cursor)) {
    bury(engine, object);
  } else {
    if (TAILQ_EMPTY(&engine->emptied)) {
      engine->emptied_cursor = cursor;
    }
    TAILQ_INSERT_TAIL(&engine->emptied, object, doomed_link);
  }
}

void core_drop_values(struct engine *engine, struct object *object, struct list *values) {
  struct emptying emptying = {engine, object};
  while (values->len > 0) {
    struct value value = list_remove_at(values, values->len - 1);
    value_each_reference(value, let_go, &emptying);
    value_release(value);
  }
  list_deinit(values);
}

void core_go_on_emptying(struct engine *engine) {
  struct object *object = TAILQ_FIRST(&engine->emptied);
  if (let_go_of_references(engine, object, &engine->emptied_cursor)) {
    TAILQ_REMOVE(&engine->emptied, object, doomed_link);
    engine->emptied_cursor = (struct content_cursor){0};
    bury(engine, object);
  }
}

/* ---- waiters */

/* An ear's principal is told which part it was. */
void core_end_wait_on_deleted(struct engine *engine, uint64_t now_ns, struct waiter *waiter) {
  struct waiter *principal = waiter_principal(waiter);
  principal->reply->part = waiter->part;
  principal->object = NULL;
  core_end_wait(engine, now_ns, principal, HF_REASON_OBJECT_DELETED);
}

/* true: all of them. */
static bool end_waits(struct engine *engine, uint64_t now_ns, struct wait_queue *queue) {
  struct waiter *waiter;
  while ((waiter = TAILQ_FIRST(&queue->waiters)) || (waiter = TAILQ_FIRST(&queue->suspended))) {
    if (!core_has_steps(engine)) {
      return false;
    }
    core_spend(engine, STEPS_OF_RUN);
    core_end_wait_on_deleted(engine, now_ns, waiter);
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
  const struct kind *kind = kind_of(object);
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

void core_stop_object(struct engine *engine, uint64_t now_ns, struct object *object) {
  const struct kind *kind = kind_of(object);
  if (kind->stop) {
    kind->stop(engine, now_ns, object);
  }
}

void core_delete_object(struct engine *engine, uint64_t now_ns, struct object *object) {
  core_spend(engine, STEPS_OF_DELETION);
  unlink_lock(engine, object);
  forget_queues(engine, object);
  if (object->doomed) {
    TAILQ_REMOVE(&engine->doomed, object, doomed_link);
  }
  object->doomed = true; /* a reference to itself must not put it into the list again */
  core_stop_object(engine, now_ns, object);
  registry_remove(&engine->registry, object);
  object->is_deleted = true;
  if (!go_on(engine, now_ns, object)) {
    TAILQ_INSERT_TAIL(&engine->deleted, object, doomed_link);
  }
}

void core_go_on_deleting(struct engine *engine, uint64_t now_ns) {
  struct object *object = TAILQ_FIRST(&engine->deleted);
  TAILQ_REMOVE(&engine->deleted, object, doomed_link);
  if (!go_on(engine, now_ns, object)) {
    TAILQ_INSERT_TAIL(&engine->deleted, object, doomed_link);
  }
}
