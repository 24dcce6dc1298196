#include "proto/cell.h"
#include "server/engine/call.h"
#include "server/engine/cells.h"
#include "server/engine/deletion.h"
#include "server/engine/handlers.h"
#include "server/engine/holding.h"
#include "server/engine/lending.h"
#include "server/engine/operations/report.h"

#include <stdlib.h>
#include <string.h>

/* ---- opening */

static bool is_single_value(int kind) {
  return kind == HOLDFAST__KIND__VALUE || kind == HOLDFAST__KIND__RAW_VALUE;
}

static bool is_typed(int kind) {
  return is_single_value(kind) || kind == HOLDFAST__KIND__ARRAY ||
         kind == HOLDFAST__KIND__RAW_ARRAY;
}

static bool is_semaphore(int kind) {
  return kind == HOLDFAST__KIND__SEMAPHORE || kind == HOLDFAST__KIND__BOUNDED_SEMAPHORE;
}

/* What the request asks for. HF_REASON_NONE | WRONG_KIND BAD_NAME BAD_TYPECODE OBJECT_TOO_BIG */
static hf_reason read_shape(const Holdfast__ObjectOpen *message, struct object_shape *shape) {
  *shape = (struct object_shape){
      .kind = message->kind,
      .name = bytes_of(message->name.data, message->name.len),
      .maxsize = message->maxsize > 0 ? message->maxsize : 0,
      .one_way = message->one_way,
      .length = message->n_initial ? message->n_initial : message->length,
      .start = message->start,
      .parties = message->parties,
      .guard = message->kind == HOLDFAST__KIND__CONDITION ? message->lock : 0,
  };
  if (message->kind < HOLDFAST__KIND__DICT || message->kind > HOLDFAST__KIND__BARRIER) {
    return HF_REASON_WRONG_KIND;
  }
  if (shape->name.len && call_check_name(shape->name)) {
    return HF_REASON_BAD_NAME;
  }
  if (message->kind == HOLDFAST__KIND__BARRIER && shape->parties == 0) {
    return HF_REASON_BAD_ARGUMENT;
  }
  if (message->elements.len && (!is_typed(message->kind) || message->n_initial)) {
    return HF_REASON_BAD_ARGUMENT;
  }
  if (!is_typed(message->kind)) {
    return HF_REASON_NONE;
  }
  if (is_single_value(message->kind)) {
    shape->length = 1;
  }
  if (message->typecode.len != 1 || cell_element_bytes((char)message->typecode.data[0]) == 0) {
    return HF_REASON_BAD_TYPECODE;
  }
  shape->typecode = (char)message->typecode.data[0];
  if (shape->length > HF_LENGTH_MAX) {
    return HF_REASON_OBJECT_TOO_BIG;
  }
  size_t elements_bytes = shape->length * cell_element_bytes(shape->typecode);
  bool is_whole = !message->elements.len || message->elements.len == elements_bytes;
  return is_whole ? HF_REASON_NONE : HF_REASON_BAD_ARGUMENT;
}

/* Whether an existing object is what the request would have made. */
static hf_reason check_shape(const struct object *object, const struct object_shape *shape) {
  if (object->kind != shape->kind) {
    return HF_REASON_WRONG_KIND;
  }
  bool same = true;
  if (is_typed(object->kind)) {
    same = object->cells.typecode == shape->typecode && object->cells.count == shape->length;
  } else if (object->kind == HOLDFAST__KIND__QUEUE) {
    same = object->queue.maxsize == shape->maxsize;
  } else if (object->kind == HOLDFAST__KIND__PIPE) {
    same = object->pipe.one_way == shape->one_way;
  } else if (is_semaphore(object->kind)) {
    same = object->semaphore.start == shape->start;
  } else if (object->kind == HOLDFAST__KIND__CONDITION) {
    same = object->condition.guard == shape->guard;
  } else if (object->kind == HOLDFAST__KIND__BARRIER) {
    same = object->barrier.parties == shape->parties;
  }
  return same ? HF_REASON_NONE : HF_REASON_WRONG_SHAPE;
}

static hf_reason fill_cells(struct cells *cells, const struct value *values, size_t count) {
  hf_reason reason = HF_REASON_NONE;
  for (size_t i = 0; i < count && i < cells->count && !reason; i++) {
    reason = cell_store(cells->typecode, cells->elements, i, values[i]);
  }
  return reason;
}

/* Of exactly that many bytes, which read_shape has seen to; nobody else sees the cells yet. */
static void fill_packed(struct cells *cells, const ProtobufCBinaryData *elements) {
  memcpy(cells->elements, elements->data, elements->len);
  uint8_t *bytes = cells->elements;
  for (size_t i = 0; cells->typecode == '?' && i < elements->len; i++) {
    bytes[i] = bytes[i] != 0;
  }
}

/* What a new object begins with. */
static hf_reason fill_object(struct call *call, const Holdfast__ObjectOpen *message) {
  struct object *object = call->object;
  struct value *values;
  if (message->elements.len) {
    fill_packed(&object->cells, &message->elements);
    return HF_REASON_NONE;
  }
  hf_reason reason = call_values(call, message->n_initial, message->initial, &values);
  if (reason) {
    return reason;
  }
  if (object->kind == HOLDFAST__KIND__LIST) {
    reason = list_insert(&object->list, 0, values, message->n_initial);
    for (size_t i = 0; !reason && i < message->n_initial; i++) {
      call_keep(call, values[i]);
    }
  } else if (is_typed(object->kind)) {
    reason = fill_cells(&object->cells, values, message->n_initial);
  }
  bool taken = object->kind == HOLDFAST__KIND__LIST && !reason;
  call_free_values(values, taken ? 0 : message->n_initial);
  return reason;
}

/* A condition refers to the lock it was given. */
static hf_reason check_guard(const struct engine *engine, const struct object_shape *shape) {
  if (!shape->guard) {
    return HF_REASON_NONE;
  }
  const struct object *guard = registry_find(&engine->registry, shape->guard);
  if (!guard) {
    return HF_REASON_NO_SUCH_OBJECT;
  }
  bool is_lock = guard->kind == HOLDFAST__KIND__LOCK || guard->kind == HOLDFAST__KIND__RLOCK;
  return is_lock ? HF_REASON_NONE : HF_REASON_WRONG_KIND;
}

static hf_reason create_object(struct call *call, const struct object_shape *shape) {
  struct engine *engine = call->engine;
  hf_reason reason = check_guard(engine, shape);
  if (reason) {
    return reason;
  }
  size_t cells_bytes =
      is_typed(shape->kind) ? shape->length * cell_element_bytes(shape->typecode) : 0;
  if (!core_has_room(engine, call->body.len + cells_bytes)) {
    return HF_REASON_MEMORY_FULL;
  }
  reason = registry_create(&engine->registry, shape, &call->object);
  if (reason) {
    return reason;
  }
  if (shape->guard) {
    core_hold(engine, shape->guard);
    call->object->references++;
  }
  if (is_typed(shape->kind) && call->message->object_open->map &&
      core_may_share_cells(call->session, shape->kind)) {
    core_share_fresh_cells(engine, call->object);
  }
  reason = fill_object(call, call->message->object_open);
  if (reason) {
    core_forget_cells(engine, call->object);
    registry_remove(&engine->registry, call->object);
    core_drop_content(engine, call->object);
    call->object = NULL;
  }
  return reason;
}

/* ---- reports */

static hf_reason copy_elements(struct job *job) {
  const size_t piece = (size_t)1 << 20;
  char *to = cell_share_elements(job->share);
  const char *from = job->elements;
  for (size_t at = 0; at < job->share_bytes; at += piece) {
    if (job_is_stopped(job)) {
      return HF_REASON_STOPPING;
    }
    memcpy(to + at, from + at, job->share_bytes - at < piece ? job->share_bytes - at : piece);
  }
  return HF_REASON_NONE;
}

/* Before a client is told where to map the elements: they move to shared memory, if there is any.
 * HF_REASON_NONE | REASON_PARKED */
static hf_reason move_cells(struct call *call) {
  struct object *object = call->object;
  const struct cells *cells = core_cells(object);
  if (!cells || !core_may_share_cells(call->session, object->kind)) {
    return HF_REASON_NONE;
  }
  if (core_must_wait_for(call, object)) {
    return REASON_PARKED;
  }
  struct job job = {.work = copy_elements,
                    .elements = cells->elements,
                    .share_bytes = cells->count * cell_element_bytes(cells->typecode)};
  job.share = cells->share || call->job ? NULL : core_new_share(call->engine, object);
  if (!job.share) {
    return HF_REASON_NONE;
  }
  hf_reason reason = call_work(call, &job, job.share_bytes / 128, 0);
  if (reason == REASON_PARKED) {
    return reason;
  }
  cell_share_release(job.share); /* unless it is the object's by now */
  free(job.replaced);
  return HF_REASON_NONE;
}

/* Where its elements are, for a client that is about to map them. */
static void report_place(struct call *call, struct reply_object *reported) {
  struct cells *cells = core_cells(call->object);
  if (!cells || !core_may_share_cells(call->session, call->object->kind) ||
      !map64_get(&call->session->holds, call->object->id)) {
    return;
  }
  if (core_attach_cells(call->engine, call->session, call->object)) {
    reported->segment = cells->share->place.segment;
    reported->offset = cells->share->place.offset;
    reported->bytes = cells->share->place.bytes;
  }
}

static hf_reason answer_object(struct call *call, bool created, bool map) {
  struct reply_object *objects = malloc(sizeof *objects);
  if (!objects) {
    return HF_REASON_NO_MEMORY;
  }
  objects[0] = report_object(call->engine, call->object);
  objects[0].created = created;
  if (map) {
    report_place(call, &objects[0]);
  }
  call->reply->shape = REPLY_OBJECT;
  call->reply->objects = objects;
  call->reply->objects_count = 1;
  call->reply->after = (struct value){0};
  return HF_REASON_NONE;
}

/* The session, if any, has one reference more. Without memory to note it a new anonymous object is
 * nobody's, and goes again. */
static hf_reason hold_object(struct call *call) {
  uint64_t id = call->object->id;
  if (!call->session) {
    return HF_REASON_NONE;
  }
  bool may_hold = core_may_note(call->engine, &call->session->holds);
  if (!may_hold || !session_hold(call->session, id)) {
    core_unhold(call->engine, id, 0);
    return may_hold ? HF_REASON_NO_MEMORY : HF_REASON_MEMORY_FULL;
  }
  core_hold(call->engine, id);
  call_note_source(call, 0);
  return HF_REASON_NONE;
}

static hf_reason answer_existing(struct call *call) {
  bool map = call->message->object_open->map;
  hf_reason reason = map ? move_cells(call) : HF_REASON_NONE;
  if (reason || (reason = hold_object(call))) {
    return reason;
  }
  return answer_object(call, false, map);
}

hf_reason handle_object_open(struct call *call) {
  const Holdfast__ObjectOpen *message = call->message->object_open;
  struct object_shape shape;
  hf_reason reason;
  if (message->mode < HOLDFAST__OBJECT_OPEN__MODE__OPEN_OR_CREATE ||
      message->mode > HOLDFAST__OBJECT_OPEN__MODE__OPEN) {
    return HF_REASON_BAD_ARGUMENT;
  }
  if (message->mode == HOLDFAST__OBJECT_OPEN__MODE__OPEN && message->name.len) {
    call->object = registry_find_name(&call->engine->registry,
                                      bytes_of(message->name.data, message->name.len));
    if (!call->object) {
      return HF_REASON_NO_SUCH_OBJECT;
    }
    if (message->kind != HOLDFAST__KIND__ANY && (int)message->kind != call->object->kind) {
      return HF_REASON_WRONG_KIND;
    }
    return answer_existing(call);
  }
  reason = read_shape(message, &shape);
  if (reason) {
    return reason;
  }
  if (shape.name.len == 0 && !call->session) {
    return HF_REASON_NEEDS_SESSION;
  }
  call->object = shape.name.len ? registry_find_name(&call->engine->registry, shape.name) : NULL;
  bool exists = call->object != NULL;
  if (exists && message->mode == HOLDFAST__OBJECT_OPEN__MODE__CREATE) {
    return HF_REASON_NAME_TAKEN;
  }
  reason = exists ? check_shape(call->object, &shape) : create_object(call, &shape);
  if (reason) {
    return reason;
  }
  if (exists) {
    return answer_existing(call);
  }
  reason = hold_object(call);
  return reason ? reason : answer_object(call, true, message->map);
}

hf_reason handle_object_delete(struct call *call) {
  struct object *object = call->object;
  call->object = NULL;
  core_delete_object(call->engine, call->now_ns, object);
  return HF_REASON_NONE;
}

hf_reason handle_object_info(struct call *call) {
  bool map = call->message->object_info->map;
  bool is_held = call->session && map64_get(&call->session->holds, call->object->id);
  hf_reason reason = map && is_held ? move_cells(call) : HF_REASON_NONE;
  return reason ? reason : answer_object(call, false, map);
}

/* ---- references of the session */

static void let_go(struct call *call, uint64_t id, uint64_t count) {
  uint64_t dropped = id ? session_unhold(call->session, id, count) : 0;
  if (dropped) {
    core_unhold(call->engine, id, dropped);
  }
}

static bool is_there(const struct call *call, uint64_t id) {
  return registry_find(&call->engine->registry, id) != NULL;
}

hf_reason handle_object_hold(struct call *call) {
  const Holdfast__ObjectHold *message = call->message->object_hold;
  for (size_t i = 0; !message->skip_missing && i < message->n_objects; i++) {
    if (!is_there(call, message->objects[i])) {
      return HF_REASON_NO_SUCH_OBJECT;
    }
  }
  for (size_t i = 0; i < message->n_objects; i++) {
    if (!is_there(call, message->objects[i])) {
      continue;
    }
    bool may_hold = core_may_note(call->engine, &call->session->holds);
    if (!may_hold || !session_hold(call->session, message->objects[i])) {
      while (i > 0) {
        let_go(call, message->objects[--i], 1);
      }
      return may_hold ? HF_REASON_NO_MEMORY : HF_REASON_MEMORY_FULL;
    }
    core_hold(call->engine, message->objects[i]);
  }
  return HF_REASON_NONE;
}

hf_reason handle_object_release(struct call *call) {
  const Holdfast__ObjectRelease *message = call->message->object_release;
  for (size_t i = 0; i < message->n_releases; i++) {
    let_go(call, message->releases[i]->object, message->releases[i]->count);
  }
  return HF_REASON_NONE;
}
