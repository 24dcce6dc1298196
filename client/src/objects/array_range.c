/* Ranges of an array to and from C arrays. */
#include "client/src/call/pipeline.h"
#include "client/src/mapped/mapped_lock.h"
#include "client/src/mapped/mapped_owner.h"
#include "client/src/objects/cell_lock.h"
#include "client/src/objects/object.h"
#include "proto/limits.h"

/* The size of a part of a long range, and the number of parts in flight: few requests, and enough of
 * them to keep both sides busy. */
#define PART_BYTES (512u << 10)
#define PARTS_IN_FLIGHT 4

struct range {
  hf_object *object;
  const struct cell_type *type;
  size_t start, count;
  bool is_read;
  char *to;         /* of a read */
  const char *from; /* of a write */
};

static bool exists(const struct range *range) {
  size_t length = range->object->mapped.count;
  return range->start <= length && range->count <= length - range->start;
}

/* ---------------------------------------------------------------- one request */

static hf_status read_part(const struct range *range, size_t first, size_t count) {
  struct request request;
  Holdfast__ArrayRead arm = HOLDFAST__ARRAY_READ__INIT;
  arm.start = range->start + first;
  arm.count = count;
  request_of(&request, range->object, OPERATION(ARRAY_READ));
  request_wait(&request, HF_FOREVER);
  request_ask(&request, result_bytes, range->to + first * range->type->bytes, NULL);
  request.result.size = count * range->type->bytes;
  request.result.lands = true;
  return request_send(&request, &arm.base);
}

static hf_status write_part(const struct range *range, size_t first, size_t count) {
  struct request request;
  Holdfast__ArrayWrite arm = HOLDFAST__ARRAY_WRITE__INIT;
  const char *from = range->from + first * range->type->bytes;
  arm.start = range->start + first;
  arm.elements = (ProtobufCBinaryData){count * range->type->bytes, (uint8_t *)(uintptr_t)from};
  request_of(&request, range->object, OPERATION(ARRAY_WRITE));
  request_wait(&request, HF_FOREVER);
  return request_send(&request, &arm.base);
}

static hf_status run_part(const struct range *range, size_t first, size_t count) {
  return range->is_read ? read_part(range, first, count) : write_part(range, first, count);
}

/* ---------------------------------------------------------------- several requests */

/* The elements are mapped, and this thread owns the lock. */
static void copy(const struct range *range) {
  const struct mapped_cell *cell = &range->object->mapped;
  if (range->is_read) {
    cell_read_range(cell->type, cell->elements, range->start, range->count, range->to);
  } else {
    cell_write_range(cell->type, cell->elements, range->start, range->count, range->from);
  }
}

/* context: struct range * */
static hf_status make_parts(void *context) {
  const struct range *range = context;
  size_t part_count = PART_BYTES / range->type->bytes;
  hf_status status = HF_OK;
  for (size_t first = 0; status == HF_OK && first < range->count; first += part_count) {
    size_t left = range->count - first;
    status = run_part(range, first, left < part_count ? left : part_count);
  }
  return status;
}

/* Owns the Array's lock for all parts, which makes one access of them. */
static hf_status run_parts(struct range *range) {
  hf_object *object = range->object;
  bool has_lock = mapped_cell_has_lock(object);
  if (mapped_cell_has_call_mode(object)) {
    return error_format(HF_REASON_REQUEST_TOO_BIG,
                        "in a pipeline, one-way, batch or hf_async a range may have %u bytes; "
                        "take a shorter one",
                        HF_ARRAY_PART_BYTES_MAX);
  }
  hf_status status = has_lock ? cell_lock(object, HF_FOREVER, NULL) : HF_OK;
  if (status != HF_OK) {
    return status;
  }
  const struct cell_header *header = mapped_cell_header(object);
  if (has_lock && header != NULL && mapped_cell_is_owned_here(header)) {
    copy(range); /* the server has returned the lock to local threads meanwhile */
  } else {
    status = pipeline_run(object->conn, PARTS_IN_FLIGHT, make_parts, range);
  }
  if (has_lock) {
    hf_status unlocked = cell_unlock(object);
    status = status == HF_OK ? unlocked : status;
  }
  return status;
}

/* ---------------------------------------------------------------- either way */

static hf_status run_mapped(const struct range *range) {
  bool is_there = exists(range);
  if (is_there) {
    copy(range);
  }
  mapped_cell_leave(range->object);
  return is_there ? HF_OK : error_reason(HF_REASON_BAD_INDEX);
}

static hf_status run(struct range *range) {
  hf_status status;
  enum mapped_way way = mapped_cell_enter_call(range->object, &status);
  if (way != MAPPED_REQUEST) {
    return way == MAPPED_IN ? run_mapped(range) : status;
  }
  status = mapped_cell_type(range->object, &range->type);
  if (status != HF_OK) {
    return status;
  }
  if (!exists(range)) {
    return error_reason(HF_REASON_BAD_INDEX);
  }
  return range->count <= HF_ARRAY_PART_BYTES_MAX / range->type->bytes
             ? run_part(range, 0, range->count)
             : run_parts(range);
}

hf_status hf_array_read(hf_array *array, size_t start, size_t count, void *elements) {
  struct range range = {.object = (hf_object *)array,
                        .start = start,
                        .count = count,
                        .is_read = true,
                        .to = elements};
  return run(&range);
}

hf_status hf_array_write(hf_array *array, size_t start, size_t count, const void *elements) {
  struct range range = {
      .object = (hf_object *)array, .start = start, .count = count, .from = elements};
  return run(&range);
}
