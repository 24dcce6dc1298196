/* Mapped cells: values and arrays whose elements are in memory that this process has mapped.
 *
 * layer   client, mapped: which cell is where
 * threads any
 * source  proto/cell_layout.h
 */
#ifndef HF_CLIENT_MAPPED_CELL_H
#define HF_CLIENT_MAPPED_CELL_H

#include "client/src/connection/conn.h"
#include "client/src/connection/handle.h"
#include "proto/cell.h"
#include "proto/cell_layout.h"
#include "proto/holdfast.pb-c.h"

static inline bool near_has_lock(const hf_object *object) {
  return object->kind == HF_VALUE || object->kind == HF_ARRAY;
}

/* NULL: not mapped. */
static inline struct cell_header *near_header(const hf_object *object) {
  return __atomic_load_n(&object->near.header, __ATOMIC_ACQUIRE);
}

static inline bool near_is_server_dead(const hf_object *object) {
  const struct cell_life *life = object->near.life;
  return (atomic_load_explicit(&life->word, memory_order_relaxed) & CELL_WORD_THREAD) == 0;
}

/* Where a reply says that the object's cell is; called with the connection's mutex held. */
void near_note_place(hf_object *object, const Holdfast__Object *reply);
/* Maps what was noted. Nothing happens when there is nothing, or it can't be had. */
void near_map(hf_object *object);
/* Whether the server is still to be asked where the cell is. */
bool near_may_be_mapped(const hf_object *object);
/* Asks, and maps it: for a handle that came from a reference, or through a fork. HF_OK | an error,
 * which is the thread's last then */
hf_status near_ask(hf_object *object);
/* The elements, for as long as the handle lives; NULL: not within reach. */
void *near_elements(hf_object *object);
/* Whether near.count, which never changes, is known: from opening, or asked for with the place. */
bool near_knows_count(hf_object *object);
/* Whether the thread has a call mode open on the object's connection. */
bool near_is_gathering(const hf_object *object);
void near_become_child(hf_object *object);

#endif
