#include "server/engine/emptying.h"

#include "server/engine/holding.h"
#include "server/engine/steps.h"

/* Freeing less than this takes no longer than handing it over. */
#define LARGE_BYTES ((size_t)64 << 10)

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
