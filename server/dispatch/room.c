#include "server/dispatch/room.h"

#include "server/engine/operation.h"

#define WAIT_NS (5 * CLOCK_NS_PER_MS)

bool room_is_needed(const struct engine_request *request, bool is_disk_full) {
  const struct operation *operation = request->operation;
  if (!operation || (operation->effect == EFFECT_NONE && operation->repeat == REPEAT_AGAIN)) {
    return false;
  }
  return operation->effect != EFFECT_OBJECT || (operation->flags & OPERATION_FREES) != 0 ||
         !is_disk_full;
}

bool room_await(const struct command_log *log, struct holding *holding, bool is_disk_full,
                const struct batch *batch, size_t first) {
  size_t i = first;
  while (i < batch->requests_count && !room_is_needed(&batch->requests[i], is_disk_full)) {
    i++;
  }
  uint64_t wait_ns = is_disk_full ? 0 : WAIT_NS;
  return i == batch->requests_count || (log->await_room(log->ctx, wait_ns) &&
                                        holding_await_room(holding, wait_ns, log->hurry, log->ctx));
}
