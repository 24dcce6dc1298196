#include "server/engine/call.h"
#include "server/engine/handlers.h"
#include "server/engine/sync.h"

hf_reason handle_semaphore_acquire(struct call *call) {
  struct object *object = call->object;
  struct semaphore *semaphore = &object->semaphore;
  struct wait_queue *queue = &object->waits[WAIT_SEMAPHORE];
  if (semaphore->value == 0 || call_must_line_up(call, queue)) {
    return call_park(call, queue, HF_REASON_NO_PERMIT);
  }
  struct map64 *permits = &call->session->permits;
  uintptr_t held = (uintptr_t)map64_get(permits, object->id);
  if (!core_may_note(call->engine, permits)) {
    return HF_REASON_MEMORY_FULL;
  }
  if (!session_set(call->session, permits, object->id, (void *)(held + 1))) {
    return HF_REASON_NO_MEMORY;
  }
  semaphore->value--;
  semaphore->held++;
  call_note_source(call, 0);
  return HF_REASON_NONE;
}

hf_reason handle_semaphore_release(struct call *call) {
  uint64_t count = call->message->semaphore_release->count;
  return core_release_permits(call->engine, call->session, call->object, count ? count : 1);
}
