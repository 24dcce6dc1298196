#include "server/engine/call.h"
#include "server/engine/handlers/handlers.h"

static uint64_t held_by(const struct session *session, const struct object *object) {
  return session ? (uintptr_t)map64_get(&session->permits, object->id) : 0;
}

/* false: out of memory. */
static bool set_held(struct session *session, const struct object *object, uint64_t count) {
  if (count == 0) {
    map64_remove(&session->permits, object->id);
    return true;
  }
  return map64_set(&session->permits, object->id, (void *)(uintptr_t)count);
}

hf_reason handle_semaphore_acquire(struct call *call) {
  struct object *object = call->object;
  struct semaphore *semaphore = &object->semaphore;
  struct wait_queue *queue = &object->waits[WAIT_SEMAPHORE];
  if (semaphore->value == 0 || call_must_line_up(call, queue)) {
    return call_park(call, queue, HF_REASON_NO_PERMIT);
  }
  if (!set_held(call->session, object, held_by(call->session, object) + 1)) {
    return HF_REASON_NO_MEMORY;
  }
  semaphore->value--;
  semaphore->held++;
  call_note_source(call, 0);
  return HF_REASON_NONE;
}

hf_reason handle_semaphore_release(struct call *call) {
  struct object *object = call->object;
  uint64_t count = call->message->semaphore_release->count;
  count = count ? count : 1;
  hf_reason reason = semaphore_release(&object->semaphore, count);
  if (reason) {
    return reason;
  }
  uint64_t held = held_by(call->session, object);
  if (held) {
    set_held(call->session, object, held > count ? held - count : 0);
  }
  core_wake(call->engine, &object->waits[WAIT_SEMAPHORE]);
  return HF_REASON_NONE;
}
