/* Memory that peers can make grow, counted by what it is used for; --memory-max bounds the sum.
 *
 * layer   engine
 * units   bytes that things count for: functions of the state alone, at least four fifths of what
 *         malloc takes from the machine for them (proto/base/chunk.h); shared memory in slots
 * threads under the engine's lock
 *
 *   use         charged                                 refunded
 *   containers  object created, entry or item added     removed, deleted
 *   values      value stored                            removed, or its object deleted
 *   shared      cell in a segment created               its last reference is released
 *   index       id or name entered                      removed
 *   references  reference of a session entered          removed, or the session ends
 *   sessions    session opened, entry of its others     removed, or the session ends
 *   waiters     request parks                           its wait ends
 *   windows     reply kept                              acknowledged, or the session ends
 *   scratch     before work that needs it begins        when the work is done
 *   reclaimed   a large object is deleted               its memory has been freed
 *
 * M1  used[use] is what was charged to it and not refunded; total is the sum of all.
 * M2  Without objects, sessions, waiters and work every use is 0.
 *
 * What does not count here has a limit of its own in proto/limits.h: buffers of connections, rings,
 * unpacked requests, replies on their way.
 */
#ifndef HF_ENGINE_MEMORY_H
#define HF_ENGINE_MEMORY_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

enum memory_use {
  MEMORY_CONTAINERS,
  MEMORY_VALUES,
  MEMORY_SHARED,
  MEMORY_INDEX,
  MEMORY_REFERENCES,
  MEMORY_SESSIONS,
  MEMORY_WAITERS,
  MEMORY_WINDOWS,
  MEMORY_SCRATCH,
  MEMORY_RECLAIMED,
  MEMORY_USES,
};

struct memory {
  size_t used[MEMORY_USES];
  size_t total;
  size_t max;
};

static inline void memory_charge(struct memory *memory, enum memory_use use, size_t bytes) {
  memory->used[use] += bytes;
  memory->total += bytes;
}

static inline void memory_refund(struct memory *memory, enum memory_use use, size_t bytes) {
  assert(memory->used[use] >= bytes); /* M1 */
  memory->used[use] -= bytes;
  memory->total -= bytes;
}

/* What was charged as *counted is `bytes` now. */
static inline void memory_recharge(struct memory *memory, enum memory_use use, size_t *counted,
                                   size_t bytes) {
  memory_refund(memory, use, *counted);
  memory_charge(memory, use, bytes);
  *counted = bytes;
}

/* Bytes that count for admission. What is being freed does only beyond an eighth of all memory: a
 * program that deletes and fills again is not refused because the reclaimer is a moment behind. */
size_t memory_admitted_bytes(const struct memory *memory);
/* Whether so many bytes more may be charged. */
bool memory_has_room(const struct memory *memory, size_t more_bytes);
/* Whether more is used than small replies may take beyond the bound. */
bool memory_is_exhausted(const struct memory *memory);
/* Bytes that waiters may take together, and those of one address of peers. */
size_t memory_waiters_max(const struct memory *memory);
size_t memory_waiters_of_address_max(const struct memory *memory);
/* The word for a use, as in ServerInfo. */
const char *memory_use_name(enum memory_use use);

#endif
