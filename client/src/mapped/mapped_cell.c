#include "client/src/mapped/mapped_cell.h"

#include "client/src/call/call_mode.h"
#include "client/src/call/plain.h"
#include "client/src/connection/cancellation.h"
#include "client/src/mapped/segments.h"

/* Sets the location once, since other threads may read it later. */
void mapped_cell_record_location(hf_object *object, const Holdfast__Object *reply) {
  struct mapped_cell *cell = &object->mapped;
  if (!mapped_cell_is_of_kind(object->kind) || cell->is_asked) {
    return;
  }
  cell->type = reply->typecode.len == 1 ? cell_type_of((char)reply->typecode.data[0]) : NULL;
  cell->count = reply->length;
  cell->segment = reply->segment;
  cell->offset = reply->offset;
  cell->bytes = reply->bytes;
  __atomic_store_n(&cell->knows_count, cell->type != NULL, __ATOMIC_RELEASE);
  __atomic_store_n(&cell->is_asked, true, __ATOMIC_RELEASE);
}

/* Checks the location that the server sent. */
static bool fits(const struct mapped_cell *cell, size_t segment_bytes) {
  return cell->type != NULL && cell->offset % CELL_ALIGNMENT == 0 &&
         cell->offset >= SHARED_HEADER_BYTES && cell->offset <= segment_bytes &&
         cell->bytes <= segment_bytes - cell->offset && cell->bytes >= CELL_HEADER_BYTES &&
         cell->count <= (cell->bytes - CELL_HEADER_BYTES) / cell->type->bytes;
}

/* Fills in the view of raw kinds for the inline functions of <holdfast/numbers.h>, which read the
 * pointer before the count. */
static void open_view(hf_object *object) {
  const struct cell_type *type = object->mapped.type;
  struct hf_view *view = &object->view;
  void *elements = object->mapped.elements;
  if (mapped_cell_has_lock(object)) {
    return;
  }
  view->count = object->mapped.count;
  if (type->is_float && type->bytes == sizeof(double)) {
    __atomic_store_n(&view->f64, elements, __ATOMIC_RELEASE);
  } else if (!type->is_float && type->min < 0 && type->bytes == sizeof(int64_t)) {
    __atomic_store_n(&view->i64, elements, __ATOMIC_RELEASE);
  } else if (!type->is_float && type->min < 0 && type->bytes == sizeof(int32_t)) {
    __atomic_store_n(&view->i32, elements, __ATOMIC_RELEASE);
  }
}

static void publish(hf_object *object, struct cell_header *header) {
  object->mapped.elements = (char *)header + CELL_HEADER_BYTES;
  __atomic_store_n(&object->mapped.header, header, __ATOMIC_RELEASE);
  open_view(object);
}

void mapped_cell_map(hf_object *object) {
  struct mapped_cell *cell = &object->mapped;
  if (cell->segment == 0 || __atomic_load_n(&cell->is_mapped, __ATOMIC_RELAXED) ||
      __atomic_exchange_n(&cell->is_mapped, true, __ATOMIC_ACQ_REL)) {
    return;
  }
  hf_conn *conn = object->conn;
  struct segment_map *before = cell->map; /* in a forked child: the parent's */
  int cancellation = cancellation_disable();
  cell->life = segments_life(conn);
  struct segment_map *map =
      cell->life != NULL ? segments_use(conn, cell->segment, cell->bytes) : NULL;
  cancellation_restore(cancellation);
  if (map == NULL) {
    return;
  }
  cell->map = map;
  if (fits(cell, map->bytes)) {
    publish(object, (struct cell_header *)(void *)((char *)map->address + cell->offset));
  }
  segments_release(conn, before);
}

static hf_reason take_location(hf_conn *conn, const Holdfast__Response *reply,
                               const struct result *result) {
  (void)conn;
  if (reply->result_case != HOLDFAST__RESPONSE__RESULT_OBJECT) {
    return HF_REASON_BAD_REPLY;
  }
  mapped_cell_record_location(result->first, reply->object);
  return HF_REASON_NONE;
}

/* For a handle made by hf_reference_open, or inherited by a fork. */
hf_status mapped_cell_ask(hf_object *object) {
  struct request request;
  Holdfast__ObjectInfo arm = HOLDFAST__OBJECT_INFO__INIT;
  arm.map = segments_are_available(object->conn);
  request_of(&request, object, OPERATION(OBJECT_INFO));
  request_ask(&request, take_location, object, NULL);
  hf_status status = call_now(&request, &arm.base);
  if (status == HF_OK) {
    mapped_cell_map(object);
  }
  return status;
}

bool mapped_cell_may_be(const hf_object *object) {
  return mapped_cell_is_of_kind(object->kind) &&
         !__atomic_load_n(&object->mapped.is_asked, __ATOMIC_ACQUIRE) &&
         segments_are_available(object->conn);
}

/* A handle opened asynchronously has its location recorded, and is mapped here. */
struct cell_header *mapped_cell_find(hf_object *object, hf_status *status) {
  struct cell_header *header = mapped_cell_header(object);
  *status = HF_OK;
  if (header == NULL && mapped_cell_is_of_kind(object->kind)) {
    if (mapped_cell_may_be(object)) {
      *status = mapped_cell_ask(object);
    } else if (__atomic_load_n(&object->mapped.is_asked, __ATOMIC_ACQUIRE)) {
      mapped_cell_map(object);
    }
    header = mapped_cell_header(object);
  }
  return header;
}

void *mapped_cell_elements(hf_object *object) {
  hf_status status;
  (void)mapped_cell_find(object, &status); /* an unknown cell is not mapped */
  bool is_mapped = mapped_cell_header(object) != NULL && !mapped_cell_is_server_dead(object);
  return is_mapped ? object->mapped.elements : NULL;
}

bool mapped_cell_knows_count(hf_object *object) {
  bool knows = __atomic_load_n(&object->mapped.knows_count, __ATOMIC_ACQUIRE);
  if (!knows && mapped_cell_may_be(object) && !mapped_cell_has_call_mode(object)) {
    (void)mapped_cell_ask(object);
    knows = __atomic_load_n(&object->mapped.knows_count, __ATOMIC_ACQUIRE);
  }
  return knows;
}

hf_status mapped_cell_type(hf_object *object, const struct cell_type **type) {
  if (!__atomic_load_n(&object->mapped.knows_count, __ATOMIC_ACQUIRE)) {
    hf_status status = mapped_cell_has_call_mode(object) ? error_reason(HF_REASON_ALREADY_OPEN)
                                                         : mapped_cell_ask(object);
    if (status != HF_OK) {
      return status;
    }
  }
  *type = object->mapped.type;
  return *type != NULL ? HF_OK : error_reason(HF_REASON_BAD_REPLY);
}

void mapped_cell_become_child(hf_object *object) {
  object->view = (struct hf_view){NULL};
  object->mapped.elements = NULL;
  object->mapped.header = NULL;
  object->mapped.is_asked = false;
  object->mapped.is_mapped = false;
  object->mapped.depth = 0;
}

bool mapped_cell_has_call_mode(const hf_object *object) {
  hf_conn *conn = object->conn;
  return atomic_load_explicit(&conn->has_call_modes, memory_order_relaxed) &&
         call_mode_of(conn) != NULL;
}
