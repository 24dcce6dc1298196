/* Who refers to what: sessions and containers hold objects; what nobody holds goes. */
#include "server/engine/holding.h"

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
