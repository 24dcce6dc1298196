#include "server/engine/operations/report.h"

#include "server/engine/cells.h"

static struct value holder_of(const struct engine *engine, const struct lock *lock) {
  const struct session *owner = map64_get(&engine->sessions, lock->owner.session);
  struct value unknown;
  value_text(bytes_of_text("?"), &unknown);
  return owner ? value_retain(owner->client) : unknown;
}

struct reply_object report_object(const struct engine *engine, struct object *object) {
  struct reply_object reported = {
      .id = object->id,
      .kind = object->kind,
      .name = value_retain(object->name),
      .length = object_length(object),
      .waiting = object_waiting(object),
      .holds = object->holds,
  };
  const struct lock *lock = object_lock(object);
  bool is_semaphore = object->kind == HOLDFAST__KIND__SEMAPHORE ||
                      object->kind == HOLDFAST__KIND__BOUNDED_SEMAPHORE;
  if (lock) {
    bool is_local = lock->depth == 0 && core_is_locked_locally(object);
    reported.locked = lock->depth > 0 || is_local;
    reported.token = lock->token;
    reported.lease_ms = lock->depth > 0 ? lock->lease_ms : 0;
    if (reported.locked) {
      reported.holder = holder_of(engine, lock);
    }
  }
  if (object->kind == HOLDFAST__KIND__QUEUE) {
    reported.maxsize = object->queue.maxsize;
    reported.unfinished = object->queue.unfinished;
    reported.delayed = queue_delayed_count(&object->queue);
    reported.reserved = queue_reserved_count(&object->queue);
    reported.buried = queue_buried_count(&object->queue);
    reported.shut_down = object->queue.is_shut_down;
  } else if (core_cells(object)) {
    reported.typecode = object->cells.typecode;
  } else if (is_semaphore) {
    reported.value = object->semaphore.value;
  } else if (object->kind == HOLDFAST__KIND__EVENT) {
    reported.value = object->event_is_set;
  } else if (object->kind == HOLDFAST__KIND__BARRIER) {
    reported.parties = object->barrier.parties;
    reported.arrived = object->barrier.arrived;
    reported.broken = object->barrier.state == BARRIER_BROKEN;
  }
  return reported;
}
