/* Ranges of an array to and from C arrays. */
#include <stdlib.h>

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

/* The request of a part. */
union part {
  Holdfast__ArrayRead read;
  Holdfast__ArrayWrite write;
  ProtobufCMessage base;
};

static void read_of(struct request *request, const struct range *range, size_t first, size_t count,
                    Holdfast__ArrayRead *arm) {
  *arm = (Holdfast__ArrayRead)HOLDFAST__ARRAY_READ__INIT;
  arm->start = range->start + first;
  arm->count = count;
  request_of(request, range->object, OPERATION(ARRAY_READ));
  request_ask(request, result_bytes, range->to + first * range->type->bytes, NULL);
  request->result.size = count * range->type->bytes;
  request->result.lands = true;
}

static void write_of(struct request *request, const struct range *range, size_t first, size_t count,
                     Holdfast__ArrayWrite *arm) {
  const char *from = range->from + first * range->type->bytes;
  *arm = (Holdfast__ArrayWrite)HOLDFAST__ARRAY_WRITE__INIT;
  arm->start = range->start + first;
  arm->elements = (ProtobufCBinaryData){count * range->type->bytes, (uint8_t *)(uintptr_t)from};
  request_of(request, range->object, OPERATION(ARRAY_WRITE));
}

static void part_of(struct request *request, const struct range *range, size_t first, size_t count,
                    union part *part) {
  if (range->is_read) {
    read_of(request, range, first, count, &part->read);
  } else {
    write_of(request, range, first, count, &part->write);
  }
  request_wait(request, HF_FOREVER);
}

static hf_status run_part(const struct range *range, size_t first, size_t count) {
  struct request request;
  union part part;
  part_of(&request, range, first, count, &part);
  return request_send(&request, &part.base);
}

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

/* ---------------------------------------------------------------- several requests, submitted */

enum stage { STAGE_BEGUN, STAGE_LOCKING, STAGE_MOVING, STAGE_UNLOCKING };

/* One part after the other, under the Array's lock as without a call mode. */
struct parts {
  struct steps steps; /* first */
  struct range range;
  hf_object object; /* what requests need of the handle, which the program may close */
  enum stage stage;
  bool is_locked;
  size_t moved; /* elements in the parts that were sent */
  char *copy;   /* of what is written */
};

static hf_status send_lock(struct parts *parts) {
  struct request request;
  Holdfast__LockAcquire arm = HOLDFAST__LOCK_ACQUIRE__INIT;
  request_of(&request, &parts->object, OPERATION(LOCK_ACQUIRE));
  request_wait(&request, HF_FOREVER);
  request_ask(&request, result_grant, NULL, NULL);
  return steps_send(&parts->steps, &request, &arm.base);
}

static hf_status send_part(struct parts *parts) {
  struct request request;
  union part part;
  size_t part_count = PART_BYTES / parts->range.type->bytes;
  size_t first = parts->moved, left = parts->range.count - first;
  size_t count = left < part_count ? left : part_count;
  parts->moved += count;
  part_of(&request, &parts->range, first, count, &part);
  return steps_send(&parts->steps, &request, &part.base);
}

static hf_status send_unlock(struct parts *parts) {
  struct request request;
  Holdfast__LockRelease arm = HOLDFAST__LOCK_RELEASE__INIT;
  request_of(&request, &parts->object, OPERATION(LOCK_RELEASE));
  request.outlives_call = true;
  hf_status status = steps_send(&parts->steps, &request, &arm.base);
  parts->is_locked = status != HF_OK;
  return status;
}

static hf_status parts_step(struct steps *steps) {
  struct parts *parts = (struct parts *)steps;
  parts->range.object = &parts->object;
  switch (parts->stage) {
    case STAGE_BEGUN:
      if (mapped_cell_has_lock(&parts->object)) {
        parts->stage = STAGE_LOCKING;
        return send_lock(parts);
      }
      parts->stage = STAGE_MOVING;
      return send_part(parts);
    case STAGE_LOCKING:
      parts->is_locked = true;
      parts->stage = STAGE_MOVING;
      return send_part(parts);
    case STAGE_MOVING:
      if (parts->moved < parts->range.count) {
        return send_part(parts);
      }
      parts->stage = STAGE_UNLOCKING;
      return parts->is_locked ? send_unlock(parts) : HF_OK;
    default:
      return HF_OK;
  }
}

/* The lock must not outlive the call. */
static void parts_stop(struct steps *steps) {
  struct parts *parts = (struct parts *)steps;
  struct request request;
  Holdfast__LockRelease arm = HOLDFAST__LOCK_RELEASE__INIT;
  if (parts->is_locked) {
    request_of(&request, &parts->object, OPERATION(LOCK_RELEASE));
    steps_send_unawaited(steps, &request, &arm.base);
  }
}

static hf_status parts_end(struct steps *steps, hf_status status) {
  free(((struct parts *)steps)->copy);
  return status;
}

static hf_status submit_parts(const struct range *range) {
  static const struct steps_kind kind = {sizeof(struct parts), parts_step, parts_stop, parts_end};
  const hf_object *object = range->object;
  struct parts parts = {.steps = {.kind = &kind, .conn = object->conn},
                        .range = *range,
                        .object = {.conn = object->conn, .id = object->id, .kind = object->kind}};
  if (!range->is_read) {
    parts.copy = malloc(range->count * range->type->bytes);
    if (parts.copy == NULL) {
      return error_reason(HF_REASON_NO_MEMORY);
    }
    memcpy(parts.copy, range->from, range->count * range->type->bytes);
    parts.range.from = parts.copy;
  }
  return steps_run(&parts.steps);
}

/* ---------------------------------------------------------------- several requests */

/* Owns the Array's lock for all parts, which makes one access of them. */
static hf_status run_parts(struct range *range) {
  hf_object *object = range->object;
  bool has_lock = mapped_cell_has_lock(object);
  if (steps_are_submitted(object->conn)) {
    return submit_parts(range);
  }
  if (mapped_cell_has_call_mode(object)) {
    return error_format(HF_REASON_REQUEST_TOO_BIG,
                        "in a pipeline, one-way or batch a range may have %u bytes; take a shorter "
                        "one",
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
    hf_status unlocked = cell_unlock_always(object);
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
