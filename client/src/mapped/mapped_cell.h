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

static inline bool mapped_cell_has_lock(const hf_object *object) {
  return object->kind == HF_VALUE || object->kind == HF_ARRAY;
}

/* NULL: not mapped. */
static inline struct cell_header *mapped_cell_header(const hf_object *object) {
  return __atomic_load_n(&object->mapped.header, __ATOMIC_ACQUIRE);
}

static inline bool mapped_cell_is_server_dead(const hf_object *object) {
  const struct cell_life *life = object->mapped.life;
  return (atomic_load_explicit(&life->word, memory_order_relaxed) & CELL_WORD_THREAD) == 0;
}

/* Where a reply says that the object's cell is; called with the connection's mutex held. */
void mapped_cell_record_location(hf_object *object, const Holdfast__Object *reply);
/* Maps what was noted. Nothing happens when there is nothing, or it can't be had. */
void mapped_cell_map(hf_object *object);
/* Whether the server is still to be asked where the cell is. */
bool mapped_cell_may_be(const hf_object *object);
/* Asks, and maps it: for a handle that came from a reference, or through a fork. HF_OK | an error,
 * which is the thread's last then */
hf_status mapped_cell_ask(hf_object *object);
/* Its header; asks and maps where that was not done yet. NULL: not mapped. out status: of asking */
struct cell_header *mapped_cell_find(hf_object *object, hf_status *status);
/* The elements, for as long as the handle lives; NULL: not mapped. */
void *mapped_cell_elements(hf_object *object);
/* Whether mapped.count, which never changes, is known: from opening, or asked for with the place. */
bool mapped_cell_knows_count(hf_object *object);
/* The type of the elements, which never changes: known from opening, or asked for, unless a call mode
 * is open. HF_OK | FAILED_PRECONDITION ALREADY_OPEN | an error of asking; the thread's last one */
hf_status mapped_cell_type(hf_object *object, const struct cell_type **type);
/* Whether the thread has a call mode open on the object's connection. */
bool mapped_cell_has_call_mode(const hf_object *object);
void mapped_cell_become_child(hf_object *object);

#endif
