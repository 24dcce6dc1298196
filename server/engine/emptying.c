#include "server/engine/emptying.h"

#include "server/engine/references.h"
#include "server/engine/steps.h"

/* Freeing less than this takes no longer than handing it over. */
#define LARGE_BYTES ((size_t)64 << 10)

struct emptying {
  struct engine *engine;
  struct object *owner; /* the object whose content it was; NULL: gone */
};

static void let_go(void *ctx, uint64_t id) {
  struct emptying *emptying = ctx;
  core_spend(emptying->engine, 1);
  core_drop_references(emptying->engine, id, 1);
  if (emptying->owner) {
    emptying->owner->stored_references--;
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

/* Frees the object; a large one outside the engine's lock. */
static void defer_free(struct engine *engine, struct object *object) {
  if (object->memory_bytes < LARGE_BYTES) {
    memory_refund(&engine->memory, MEMORY_RECLAIMED, object->memory_bytes);
    object_free(object);
    return;
  }
  engine->freeing_bytes += object->memory_bytes;
  object->next_deferred = engine->deferred_free;
  engine->deferred_free = object;
}

void core_drop_content(struct engine *engine, struct object *object) {
  struct content_cursor cursor = {0};
  memory_charge(&engine->memory, MEMORY_RECLAIMED, object->memory_bytes);
  if (object->stored_references == 0) {
    defer_free(engine, object);
  } else if (TAILQ_EMPTY(&engine->emptied) && let_go_of_references(engine, object, &cursor)) {
    defer_free(engine, object);
  } else {
    if (TAILQ_EMPTY(&engine->emptied)) {
      engine->emptied_cursor = cursor;
    }
    TAILQ_INSERT_TAIL(&engine->emptied, object, unreferenced_link);
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
    TAILQ_REMOVE(&engine->emptied, object, unreferenced_link);
    engine->emptied_cursor = (struct content_cursor){0};
    defer_free(engine, object);
  }
}
