/* Who refers to what: sessions and containers hold objects; what nobody holds goes. */
#include "server/engine/core.h"

/* Freeing less than this takes no longer than handing it over. */
#define LARGE_BYTES ((size_t)64 << 10)

static void look_at(struct engine *engine, struct object *object) {
  if (object->holds == 0 && value_is_absent(object->name) && !object->doomed) {
    object->doomed = true;
    TAILQ_INSERT_TAIL(&engine->doomed, object, doomed_link);
  }
}

void core_hold(struct engine *engine, uint64_t id) {
  struct object *object = registry_find(&engine->registry, id);
  if (object) {
    object->holds++;
  }
}

void core_unhold(struct engine *engine, uint64_t id, uint64_t count) {
  struct object *object = registry_find(&engine->registry, id);
  if (object) {
    object->holds -= count < object->holds ? count : object->holds;
    look_at(engine, object);
  }
}

struct keeping {
  struct engine *engine;
  struct object *object;
};

static void keep_one(void *ctx, uint64_t id) {
  struct keeping *keeping = ctx;
  core_hold(keeping->engine, id);
  keeping->object->references++;
}

void core_keep(struct engine *engine, struct object *object, struct value value) {
  struct keeping keeping = {engine, object};
  if (value_has_reference(value)) {
    value_each_reference(value, keep_one, &keeping);
  }
}

static void unhold_one(void *engine, uint64_t id) {
  core_unhold(engine, id, 1);
}

static void unlink_lock(struct engine *engine, struct object *object) {
  struct lock *lock = object_lock(object);
  if (lock && lock->depth > 0) {
    core_forget_lock(engine, object, lock->owner);
  }
}

/* An ear's principal is told which part it was. */
static void end_wait_on_deleted(struct engine *engine, uint64_t now_ns, struct waiter *waiter) {
  struct waiter *principal = waiter_principal(waiter);
  principal->reply->part = waiter->part;
  principal->object = NULL;
  core_end_wait(engine, now_ns, principal, HF_REASON_OBJECT_DELETED);
}

void core_delete_object(struct engine *engine, uint64_t now_ns, struct object *object) {
  core_end_foreign_waits(engine, now_ns, object);
  unlink_lock(engine, object);
  for (size_t i = 0; i < OBJECT_WAITS; i++) {
    struct wait_queue *queue = &object->waits[i];
    struct waiter *waiter;
    while ((waiter = TAILQ_FIRST(&queue->waiters)) || (waiter = TAILQ_FIRST(&queue->suspended))) {
      end_wait_on_deleted(engine, now_ns, waiter);
    }
    if (queue->ready) {
      TAILQ_REMOVE(&engine->ready, queue, ready_link);
    }
  }
  if (object->doomed) {
    TAILQ_REMOVE(&engine->doomed, object, doomed_link);
  }
  object->doomed = true; /* a reference to itself must not put it into the list again */
  core_forget_tasks(engine, object);
  core_forget_cells(engine, object);
  if (object->references > 0) {
    object_each_reference(object, unhold_one, engine);
  }
  registry_remove(&engine->registry, object);
  core_bury(engine, object);
}

void core_bury(struct engine *engine, struct object *object) {
  if (object->memory_bytes < LARGE_BYTES) {
    object_free(object);
    return;
  }
  object->next_buried = engine->buried;
  engine->buried = object;
}

void core_drop_unheld(struct engine *engine, uint64_t now_ns) {
  while (engine->trash.len > 0) {
    struct value value = list_remove_at(&engine->trash, engine->trash.len - 1);
    value_each_reference(value, unhold_one, engine);
    value_release(value);
  }
  struct object *object = TAILQ_FIRST(&engine->doomed);
  if (object) {
    TAILQ_REMOVE(&engine->doomed, object, doomed_link);
    object->doomed = false;
    if (object->holds == 0) {
      core_delete_object(engine, now_ns, object);
    }
  }
}
