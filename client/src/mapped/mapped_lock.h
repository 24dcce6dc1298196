/* Access to the elements of mapped cells, under the cell's lock if it has one.
 *
 *   mapped_cell_enter  -> MAPPED_IN       read and write elements ...   mapped_cell_leave
 *                      -> MAPPED_REQUEST  the call goes to the server: the cell is not mapped, or its
 *                                         lock is the server's just now, or the thread has a call
 *                                         mode open
 *                      -> MAPPED_FAILED   *status is the call's
 *
 * layer   client, mapped
 * threads any; the cell's own lock
 * source  proto/cell_layout.h, which says why each step is where it is
 */
#ifndef HF_CLIENT_MAPPED_LOCK_H
#define HF_CLIENT_MAPPED_LOCK_H

#include <errno.h>

#include "client/src/mapped/mapped_cell.h"

enum mapped_way { MAPPED_IN, MAPPED_REQUEST, MAPPED_FAILED };

/* Takes the cell's lock, if it has one, waiting as long as *timeout_ms says, which it makes what is
 * left of it. out owner_died, may be NULL: a holder died with it, and nobody was told yet. */
enum mapped_way mapped_cell_enter(hf_object *object, int64_t *timeout_ms, bool *owner_died,
                                  hf_status *status);
/* The same for calls that may wait for ever. */
static inline enum mapped_way mapped_cell_enter_call(hf_object *object, hf_status *status) {
  int64_t timeout_ms = HF_FOREVER;
  return mapped_cell_enter(object, &timeout_ms, NULL, status);
}
void mapped_cell_leave(hf_object *object);
/* The same after elements were written. */
void mapped_cell_leave_changed(hf_object *object);
/* Unlocks what mapped_cell_enter locked with owner_died. MAPPED_IN: done */
enum mapped_way mapped_cell_unlock(hf_object *object, hf_status *status);

/* ---- the quickest way in, for hf_cell_add_int; mapped_cell_enter has the others */

/* Between a store to the cell and a load that must not come before it. Locking and unlocking are
 * such barriers by themselves where atomic exchanges are. */
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

/* The thread has just locked the mutex: the server doesn't want it, or the thread had it before. */
static inline bool mapped_cell_may_stay(const hf_object *object, const struct cell_header *header) {
  cell_lock_barrier();
  bool is_ours = atomic_load_explicit(&header->remote, memory_order_relaxed) == 0 ||
                 header->mutex.__data.__count > 1;
  return is_ours && mapped_cell_is_object(object, header) && !mapped_cell_is_server_dead(object);
}

/* The mutex came from one who died. What it published stands. */
void mapped_cell_take_over_from_dead(struct cell_header *header);

/* A mapped Value whose lock is free, no call mode being open: enters. false: mapped_cell_enter knows
 * better. */
static inline bool mapped_cell_enter_quickly(hf_object *object) {
  struct cell_header *header = __atomic_load_n(&object->mapped.header, __ATOMIC_ACQUIRE);
  if (header == NULL || object->kind != HF_VALUE ||
      atomic_load_explicit(&object->conn->has_call_modes, memory_order_relaxed)) {
    return false;
  }
  int error = pthread_mutex_trylock(&header->mutex);
  if (error == EOWNERDEAD) {
    mapped_cell_take_over_from_dead(header);
    error = 0;
  }
  if (error == 0 && !mapped_cell_may_stay(object, header)) {
    pthread_mutex_unlock(&header->mutex);
    return false;
  }
  return error == 0;
}

#endif
