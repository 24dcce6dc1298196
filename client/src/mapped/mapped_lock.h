/* Access to the elements of mapped cells, under the cell's lock if it has one.
 *
 *   mapped_cell_enter  -> MAPPED_IN       access elements ...   mapped_cell_leave
 *                      -> MAPPED_REQUEST  the call is to be a request: the cell is not mapped, or
 *                                         the server owns or requests its lock, or the thread has
 *                                         a call mode open
 *                      -> MAPPED_FAILED   *status is the call's
 *
 * layer   client, mapped
 * threads any; the cell's own lock
 * source  proto/cell_layout.h, for the order of steps
 */
#ifndef HF_CLIENT_MAPPED_LOCK_H
#define HF_CLIENT_MAPPED_LOCK_H

#include <errno.h>

#include "client/src/mapped/mapped_cell.h"

enum mapped_way { MAPPED_IN, MAPPED_REQUEST, MAPPED_FAILED };

/* Takes the cell's lock, if it has one, waiting up to *timeout_ms, which is reduced by the time
 * spent. out owner_died, may be NULL: an owner died, and this is the first lock call since. */
enum mapped_way mapped_cell_enter(hf_object *object, int64_t *timeout_ms, bool *owner_died,
                                  hf_status *status);
/* The same without a time limit. */
static inline enum mapped_way mapped_cell_enter_call(hf_object *object, hf_status *status) {
  int64_t timeout_ms = HF_FOREVER;
  return mapped_cell_enter(object, &timeout_ms, NULL, status);
}
/* The same without waiting and without a request. false: not entered; owner_died is not reported. */
bool mapped_cell_try_lock(hf_object *object);
/* Whether mapped_cell_try_lock would find the lock owned by this thread, and enter. */
bool mapped_cell_is_owned(hf_object *object);
void mapped_cell_leave(hf_object *object);
/* After elements were written, with the lock owned if there is one: wakes waiters for a change. */
void mapped_cell_changed(hf_object *object);
/* mapped_cell_leave after elements were written. */
void mapped_cell_leave_changed(hf_object *object);
/* Releases a lock that mapped_cell_enter took with owner_died. MAPPED_IN: done */
enum mapped_way mapped_cell_unlock(hf_object *object, hf_status *status);

/* ---- the fast path of hf_cell_add_int */

/* A full barrier between locking or unlocking and a load. On x86 the atomic exchange of lock and
 * unlock is one. */
static inline void cell_lock_barrier(void) {
#if defined(__x86_64__) || defined(__i386__)
  atomic_signal_fence(memory_order_seq_cst);
#else
  atomic_thread_fence(memory_order_seq_cst);
#endif
}

static inline bool mapped_cell_is_object(const hf_object *object,
                                         const struct cell_header *header) {
  return atomic_load_explicit(&header->owner, memory_order_relaxed) == (uint32_t)object->id;
}

/* Step 3 of the handshake in cell_layout.h, after locking: the server neither owns nor requests the
 * lock, or the thread owned it before. */
static inline bool mapped_cell_may_stay(const hf_object *object, const struct cell_header *header) {
  cell_lock_barrier();
  bool is_ours = atomic_load_explicit(&header->remote, memory_order_relaxed) == 0 ||
                 header->mutex.__data.__count > 1;
  return is_ours && mapped_cell_is_object(object, header) && !mapped_cell_is_server_dead(object);
}

/* Robust-mutex recovery after EOWNERDEAD: the elements that the dead owner published stay. */
void mapped_cell_recover(struct cell_header *header);

/* Enters a mapped Value whose lock is free, if no call mode is open. false: call mapped_cell_enter.
 */
static inline bool mapped_cell_enter_quickly(hf_object *object) {
  struct cell_header *header = __atomic_load_n(&object->mapped.header, __ATOMIC_ACQUIRE);
  if (header == NULL || object->kind != HF_VALUE ||
      atomic_load_explicit(&object->conn->has_call_modes, memory_order_relaxed)) {
    return false;
  }
  int error = pthread_mutex_trylock(&header->mutex);
  if (error == EOWNERDEAD) {
    mapped_cell_recover(header);
    error = 0;
  }
  if (error == 0 && !mapped_cell_may_stay(object, header)) {
    pthread_mutex_unlock(&header->mutex);
    return false;
  }
  return error == 0;
}

#endif
