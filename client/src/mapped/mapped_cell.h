/* Mapped cells: values and arrays whose elements are in memory mapped by this process.
 *
 * layer   client, mapped: locating and mapping a cell
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

static inline bool mapped_cell_is_of_kind(hf_kind kind) {
  return kind >= HF_VALUE && kind <= HF_RAW_ARRAY;
}

static inline bool mapped_cell_has_lock(const hf_object *object) {
  return object->kind == HF_VALUE || object->kind == HF_ARRAY;
}

/* NULL: not mapped. */
static inline struct cell_header *mapped_cell_header(const hf_object *object) {
  return __atomic_load_n(&object->mapped.header, __ATOMIC_ACQUIRE);
}

static inline bool mapped_cell_is_server_dead(const hf_object *object) {
  return cell_life_is_over(object->mapped.life);
}

/* Records the cell's location from a reply; connection's mutex held. */
void mapped_cell_record_location(hf_object *object, const Holdfast__Object *reply);
/* Maps the recorded location, if there is one and the segment is available. */
void mapped_cell_map(hf_object *object);
/* Whether the server has yet to be asked for the location. */
bool mapped_cell_may_be(const hf_object *object);
/* Asks the server and maps the cell, for a handle made by hf_reference_open or inherited by a fork.
 * HF_OK | an error, also the thread's last error */
hf_status mapped_cell_ask(hf_object *object);
/* The cell's header; asks and maps first if that was not done. NULL: not mapped. out status: of
 * asking */
struct cell_header *mapped_cell_find(hf_object *object, hf_status *status);
/* The elements, valid while the handle is open; NULL: not mapped, or the server has stopped. */
void *mapped_cell_elements(hf_object *object);
/* Whether mapped.count, which never changes, is known: from opening the handle, or with the
 * location. */
bool mapped_cell_knows_count(hf_object *object);
/* The type of the elements, which never changes: from opening the handle, or asked for, unless a
 * call mode is open. HF_OK | FAILED_PRECONDITION ALREADY_OPEN | the error of asking; also the
 * thread's last error */
hf_status mapped_cell_type(hf_object *object, const struct cell_type **type);
/* Whether the thread has a call mode open on the object's connection. */
bool mapped_cell_has_call_mode(const hf_object *object);
void mapped_cell_become_child(hf_object *object);

#endif
