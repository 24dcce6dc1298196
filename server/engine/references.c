/* Reference counts of objects. */
#include "server/engine/references.h"

#include "server/engine/steps.h"

static void review(struct engine *engine, struct object *object) {
  if (object->references == 0 && value_is_absent(object->name) && !object->is_unreferenced) {
    object->is_unreferenced = true;
    TAILQ_INSERT_TAIL(&engine->unreferenced, object, unreferenced_link);
  }
}

static void add_references(struct engine *engine, uint64_t id, uint64_t count) {
  struct object *object = registry_find(&engine->registry, id);
  if (object) {
    object->references += count;
  }
}

void core_add_reference(struct engine *engine, uint64_t id) {
  add_references(engine, id, 1);
}

void core_drop_references(struct engine *engine, uint64_t id, uint64_t count) {
  struct object *object = registry_find(&engine->registry, id);
  if (object) {
    object->references -= count < object->references ? count : object->references;
    review(engine, object);
  }
}

static void drop_one(void *engine, uint64_t id) {
  core_drop_references(engine, id, 1);
}

void core_drop_value_references(struct engine *engine, struct value value) {
  value_each_reference(value, drop_one, engine);
}

struct keeping {
  struct engine *engine;
  struct object *object;
  uint64_t times;
};

static void keep_one(void *ctx, uint64_t id) {
  struct keeping *keeping = ctx;
  core_spend(keeping->engine, 1);
  add_references(keeping->engine, id, keeping->times);
  keeping->object->stored_references += keeping->times;
}

void core_keep_times(struct engine *engine, struct object *object, struct value value,
                     uint64_t times) {
  struct keeping keeping = {engine, object, times};
  if (value_has_reference(value)) {
    value_each_reference(value, keep_one, &keeping);
  }
}

void core_keep(struct engine *engine, struct object *object, struct value value) {
  core_keep_times(engine, object, value, 1);
}
