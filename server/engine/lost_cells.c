#include "server/engine/lost_cells.h"

#include "server/engine/cells.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/lending.h"
#include "server/engine/locks.h"
#include "server/engine/wake.h"

/* Who owns it loses it, as with the end of a lease: a release says CELL_LOST. */
static void lose_lock(struct engine *engine, struct object *object) {
  struct lock *lock = &object->cells.lock;
  struct lock_owner owner = lock->owner;
  if (object_lock(object) && lock->depth > 0) {
    lock_abandon(lock, false);
    core_forget_lock(engine, object, owner);
  }
  *lock = (struct lock){.recursive = true, .token = lock->token};
}

/* A job that moves its elements reads them until it ends. */
static void lose(struct engine *engine, struct object *object) {
  struct cells *cells = &object->cells;
  core_forget_cells(engine, object);
  lose_lock(engine, object);
  *cells = (struct cells){
      .typecode = cells->typecode,
      .count = cells->count,
      .elements = cells->elements,
      .lock = cells->lock,
      .is_volatile = true,
      .is_lost = true,
      .timer = cells->timer,
  };
  for (size_t i = 0; i < OBJECT_WAITS; i++) {
    core_wake(engine, &object->waits[i]);
  }
  if (!core_is_lent(object)) {
    core_drop_lost_elements(object);
    registry_account(&engine->registry, object);
  }
}

static void forget_mapped(struct session *session) {
  uint64_t position = 0, id;
  void *share;
  while (map64_next(&session->cells, &position, &id, &share)) {
    session_remove(session, &session->cells, id);
    cell_share_release(share);
  }
}

void core_lose_cells(struct engine *engine) {
  uint64_t position = 0, id;
  void *item;
  while (map64_next(&engine->registry.by_id, &position, &id, &item)) {
    struct object *object = item;
    if (object->row->has_cells && object->cells.is_volatile) {
      lose(engine, object);
    }
  }
  position = 0;
  while (map64_next(&engine->sessions, &position, &id, &item)) {
    forget_mapped(item);
  }
}
