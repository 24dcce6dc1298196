/* Cells within reach: values and arrays whose elements are in memory that this process has mapped.
 *
 *   near_enter  -> NEAR_IN       read and write elements ...   near_leave
 *               -> NEAR_REQUEST  the call goes to the server: the cell is not within reach, or its
 *                                lock is the server's just now, or calls are being gathered
 *               -> NEAR_FAILED   *status is the call's
 *
 * layer   client, beside call
 * threads any; the cell's own lock
 * source  proto/cell_layout.h, which says why each step is where it is
 */
#ifndef HF_CLIENT_NEAR_H
#define HF_CLIENT_NEAR_H

#include <errno.h>

#include "client/src/objects/object.h"
#include "proto/cell.h"
#include "proto/cell_layout.h"

enum near_way { NEAR_IN, NEAR_REQUEST, NEAR_FAILED };

/* Where a reply says that the object's cell is; called with the connection's mutex held. */
void near_note_place(hf_object *object, const Holdfast__Object *reply);
/* Maps what was noted. Nothing happens when there is nothing, or it can't be had. */
void near_map(hf_object *object);

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
/* As hf_cell_lock_with and hf_cell_unlock. */
hf_status near_lock(hf_object *object, int64_t timeout_ms, struct hf_grant *grant);
hf_status near_unlock(hf_object *object);
/* The elements, for as long as the handle lives; NULL: not within reach. */
void *near_elements(hf_object *object);
/* Whether near.count, which never changes, is known: from opening, or asked for with the place. */
bool near_knows_count(hf_object *object);
/* Until the value is not `known`, as hf_cell_wait. */
enum near_way near_wait(hf_object *object, const hf_value *known, int64_t *timeout_ms,
                        hf_value *value, hf_status *status);
/* Before the handle goes: a lock that the thread took by it becomes the session's on the server; one
 * that another thread has keeps the place. */
void near_close(hf_object *object);
void near_become_child(hf_object *object);

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

static inline bool near_is_server_dead(const hf_object *object) {
  const struct cell_life *life = object->near.life;
  return (atomic_load_explicit(&life->word, memory_order_relaxed) & CELL_WORD_THREAD) == 0;
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

/* Whether the thread's calls on the connection go into a pipeline, or one way. */
bool near_is_gathering(const hf_object *object);

/* Numbers as cells take them; whatever fits none is VALUE_NONE. */
struct value near_input(const hf_value *value);
/* A number of the type that `access` (enum hf_access) says; clears the value. INVALID_ARGUMENT
 * WRONG_TYPE | OUT_OF_RANGE OVERFLOW */
hf_status near_take_number(hf_value *value, int access, void *number);
/* HF_REASON_NONE | NO_MEMORY */
hf_reason near_output(hf_object *object, uint64_t bits, hf_value *value);

#endif
