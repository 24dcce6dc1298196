/* Access to the elements of mapped cells, under the cell's lock if it has one.
 *
 *   near_enter  -> NEAR_IN       read and write elements ...   near_leave
 *               -> NEAR_REQUEST  the call goes to the server: the cell is not mapped, or its
 *                                lock is the server's just now, or calls are being gathered
 *               -> NEAR_FAILED   *status is the call's
 *
 * layer   client, mapped
 * threads any; the cell's own lock
 * source  proto/cell_layout.h, which says why each step is where it is
 */
#ifndef HF_CLIENT_MAPPED_LOCK_H
#define HF_CLIENT_MAPPED_LOCK_H

#include <errno.h>

#include "client/src/mapped/mapped_cell.h"

enum near_way { NEAR_IN, NEAR_REQUEST, NEAR_FAILED };

/* Takes the cell's lock, if it has one, waiting as long as *timeout_ms says, which it makes what is
 * left of it. out owner_died, may be NULL: a holder died with it, and nobody was told yet. */
enum near_way near_enter(hf_object *object, int64_t *timeout_ms, bool *owner_died,
                         hf_status *status);
/* The same for calls that may wait for ever. */
static inline enum near_way near_enter_call(hf_object *object, hf_status *status) {
  int64_t timeout_ms = HF_FOREVER;
  return near_enter(object, &timeout_ms, NULL, status);
}
void near_leave(hf_object *object);
/* The same after elements were written. */
void near_leave_changed(hf_object *object);
/* Unlocks what near_enter locked with owner_died. NEAR_IN: done */
enum near_way near_unlock(hf_object *object, hf_status *status);

/* ---- the quickest way in, for hf_cell_add_int; near_enter has the others */

/* Between a store to the cell and a load that must not come before it. Locking and unlocking are
 * such barriers by themselves where atomic exchanges are. */
static inline void near_lock_barrier(void) {
#if defined(__x86_64__) || defined(__i386__)
  atomic_signal_fence(memory_order_seq_cst);
#else
  atomic_thread_fence(memory_order_seq_cst);
#endif
}

static inline bool near_is_object(const hf_object *object, const struct cell_header *header) {
  return atomic_load_explicit(&header->owner, memory_order_relaxed) == (uint32_t)object->id;
}

/* The thread has just locked the mutex: the server doesn't want it, or the thread had it before. */
static inline bool near_may_stay(const hf_object *object, const struct cell_header *header) {
  near_lock_barrier();
  bool is_ours = atomic_load_explicit(&header->remote, memory_order_relaxed) == 0 ||
                 header->mutex.__data.__count > 1;
  return is_ours && near_is_object(object, header) && !near_is_server_dead(object);
}

/* The mutex came from one who died. What it published stands. */
void near_take_over_from_dead(struct cell_header *header);

/* A Value within reach whose lock is free, no calls being gathered: enters. false: near_enter knows
 * better. */
static inline bool near_enter_quickly(hf_object *object) {
  struct cell_header *header = __atomic_load_n(&object->near.header, __ATOMIC_ACQUIRE);
  if (header == NULL || object->kind != HF_VALUE ||
      atomic_load_explicit(&object->conn->has_modes, memory_order_relaxed)) {
    return false;
  }
  int error = pthread_mutex_trylock(&header->mutex);
  if (error == EOWNERDEAD) {
    near_take_over_from_dead(header);
    error = 0;
  }
  if (error == 0 && !near_may_stay(object, header)) {
    pthread_mutex_unlock(&header->mutex);
    return false;
  }
  return error == 0;
}

#endif
