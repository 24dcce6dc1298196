#include "server/engine/admission.h"
#include "server/engine/call.h"
#include "server/engine/cells.h"
#include "server/engine/deletion.h"
#include "server/engine/emptying.h"
#include "server/engine/handlers.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/kinds/table.h"
#include "server/engine/lending.h"
#include "server/engine/operations/report.h"
#include "server/engine/quota.h"
#include "server/engine/references.h"
#include "server/engine/rights.h"

#include <stdlib.h>
#include <string.h>

/* ---- opening */

/* What the request asks for. HF_REASON_NONE | WRONG_KIND BAD_NAME BAD_ARGUMENT, or what the kind says */
static hf_reason read_shape(const struct call *call, struct object_shape *shape) {
  const Holdfast__ObjectOpen *message = call->message->object_open;
  const struct kind *kind = kind_find(message->kind);
  *shape = (struct object_shape){
      .kind = message->kind,
      .row = kind,
      .name = bytes_of(message->name.data, message->name.len),
      .user = call->user,
      .is_volatile = message->is_volatile && core_is_logged(call->engine),
  };
  if (!kind) {
    return HF_REASON_WRONG_KIND;
  }
  if (shape->name.len && call_check_name(shape->name)) {
    return HF_REASON_BAD_NAME;
  }
  if (message->elements.len && (!kind->fill_packed || message->n_initial)) {
    return HF_REASON_BAD_ARGUMENT;
  }
  return kind->read_shape ? kind->read_shape(message, shape) : HF_REASON_NONE;
}

/* Whether an existing object is what the request would have made. */
static hf_reason check_shape(struct call *call, const struct object_shape *shape) {
  struct object *object = call->object;
  const struct kind *kind = object->row;
  if (object->kind != shape->kind) {
    return HF_REASON_WRONG_KIND;
  }
  const struct cells *cells = core_cells(object);
  if (cells && cells->is_volatile != shape->is_volatile) {
    struct denial *denial = &call->engine->denial;
    denial_begin(denial, HF_REASON_WRONG_SHAPE);
    denial_add(denial, "the object exists and is %s; open it as such, or delete it first",
               cells->is_volatile ? "volatile" : "durable");
    return HF_REASON_WRONG_SHAPE;
  }
  if (kind->has_shape && !kind->has_shape(object, shape)) {
    return HF_REASON_WRONG_SHAPE;
  }
  return core_is_lost_cell(object) ? HF_REASON_CELL_LOST : HF_REASON_NONE;
}

/* What a new object begins with. */
static hf_reason fill_object(struct call *call, const Holdfast__ObjectOpen *message) {
  const struct kind *kind = call->object->row;
  struct value *values;
  if (message->elements.len) {
    kind->fill_packed(call->object, &message->elements);
    return HF_REASON_NONE;
  }
  hf_reason reason = call_values(call, message->n_initial, message->initial, &values);
  if (reason) {
    return reason;
  }
  if (kind->fill) {
    return kind->fill(call, values, message->n_initial);
  }
  call_free_values(values, message->n_initial);
  return HF_REASON_NONE;
}

/* The call has just made its object, and can't answer it. */
static void undo_creation(struct call *call) {
  core_stop_object(call->engine, call->object);
  registry_remove(&call->engine->registry, call->object);
  core_drop_content(call->engine, call->object);
  call->object = NULL;
}

static hf_reason create_object(struct call *call, const struct object_shape *shape) {
  struct engine *engine = call->engine;
  const struct kind *kind = shape->row;
  size_t bytes = call->body.len + shape->elements_bytes;
  hf_reason reason = kind->check_shape ? kind->check_shape(call, shape) : HF_REASON_NONE;
  if (!reason) {
    reason = core_check_memory(engine, bytes);
  }
  if (!reason && (reason = quota_check_objects(engine, call->user)) == HF_REASON_NONE) {
    reason = quota_check_memory(engine, call->user, bytes);
  }
  if (!reason) {
    reason = registry_create(&engine->registry, shape, &call->object);
  }
  if (reason) {
    return reason;
  }
  if (kind->begin) {
    kind->begin(call, shape);
  }
  reason = fill_object(call, call->message->object_open);
  if (reason) {
    undo_creation(call);
  }
  return reason;
}

/* ---- reports */

static hf_reason copy_elements(struct job *job) {
  const size_t piece = (size_t)1 << 17;
  const struct cell_host *host = job->share->host;
  const char *from = job->elements;
  for (size_t at = 0; at < job->elements_count; at += piece) {
    size_t count = job->elements_count - at < piece ? job->elements_count - at : piece;
    if (job_is_stopped(job)) {
      return HF_REASON_STOPPING;
    }
    host->write(host->ctx, &job->share->location, job->type, at, count,
                from + at * job->type->bytes);
  }
  return HF_REASON_NONE;
}

/* Moves the elements to shared memory, if there is any, before the reply says where to map them.
 * HF_REASON_NONE | REASON_PARKED | TIMED_OUT */
static hf_reason move_cells(struct call *call) {
  struct object *object = call->object;
  const struct cells *cells = core_cells(object);
  if (!cells || !core_may_share_cells(call->engine, call->session, object)) {
    return HF_REASON_NONE;
  }
  hf_reason reason = core_pass_line(call, object);
  if (reason) {
    return reason;
  }
  struct job job = {.work = copy_elements,
                    .elements = cells->elements,
                    .type = cell_type_of(cells->typecode),
                    .elements_count = cells->count};
  job.share = cells->share || call->job ? NULL : core_new_share(call->engine, object);
  if (!job.share) {
    return HF_REASON_NONE;
  }
  reason = call_work(call, &job, job.elements_count * job.type->bytes / 128, 0);
  if (reason == REASON_PARKED) {
    return reason;
  }
  cell_share_release(job.share); /* unless it is the object's by now */
  free(job.replaced);
  return reason == HF_REASON_TIMED_OUT ? reason : HF_REASON_NONE;
}

/* Where its elements are, for a client that is about to map them. */
static void report_location(struct call *call, struct reply_object *reported) {
  struct cells *cells = core_cells(call->object);
  if (!cells || !core_may_share_cells(call->engine, call->session, call->object) ||
      !map64_get(&call->session->references, call->object->id)) {
    return;
  }
  if (core_attach_cells(call->engine, call->session, call->object)) {
    reported->segment = cells->share->location.segment;
    reported->offset = cells->share->location.offset;
    reported->bytes = cells->share->location.bytes;
  }
}

static hf_reason answer_object(struct call *call, bool created, bool map) {
  struct reply_object *objects = malloc(sizeof *objects);
  if (!objects) {
    return HF_REASON_NO_MEMORY;
  }
  objects[0] = report_object(call, call->object);
  objects[0].created = created;
  if (map) {
    report_location(call, &objects[0]);
  }
  call->reply->shape = REPLY_OBJECT;
  call->reply->objects = objects;
  call->reply->objects_count = 1;
  call->reply->after = (struct value){0};
  return HF_REASON_NONE;
}

/* Of the session, which is handed no right with it. HF_REASON_NONE | MEMORY_FULL NO_MEMORY */
static hf_reason add_reference(struct call *call, uint64_t object) {
  hf_reason reason = core_check_entry(call->engine, &call->session->references);
  if (!reason && !session_add_reference(call->session, object, 0)) {
    reason = HF_REASON_NO_MEMORY;
  }
  if (!reason) {
    core_add_reference(call->engine, object);
  }
  return reason;
}

/* Adds a reference of the session, if any. */
static hf_reason retain_object(struct call *call) {
  if (!call->session) {
    return HF_REASON_NONE;
  }
  hf_reason reason = add_reference(call, call->object->id);
  if (!reason) {
    call_set_source(call, 0);
  }
  return reason;
}

static hf_reason answer_existing(struct call *call) {
  bool map = call->message->object_open->map;
  hf_reason reason = map ? move_cells(call) : HF_REASON_NONE;
  if (reason || (reason = retain_object(call))) {
    return reason;
  }
  return answer_object(call, false, map);
}

/* The object of that name becomes the call's, if there is one; else the user may make it. Without the right
 * to read or write the name, and with that mode to make it, the answer is the same in both cases.
 * HF_REASON_NONE | NO_RIGHT */
static hf_reason find_to_open(struct call *call, struct bytes name, int mode) {
  bool may_exist = mode != HOLDFAST__OBJECT_OPEN__MODE__CREATE;
  unsigned needed = may_exist ? ACCESS_EITHER : ACCESS_CREATE;
  if (!call->user) {
    call->object = registry_find_name(&call->engine->registry, name);
    return HF_REASON_NONE;
  }
  unsigned rights = user_rights(call->user, name);
  if (!rights_allow(rights, ACCESS_CREATE) && !rights_allow(rights, needed)) {
    return rights_refuse(call, name, rights, needed);
  }
  struct object *object = registry_find_name(&call->engine->registry, name);
  unsigned access = object ? ACCESS_EITHER : ACCESS_CREATE;
  if (!rights_allow(rights, access)) {
    return rights_refuse(call, name, rights, access);
  }
  call->object = object;
  return HF_REASON_NONE;
}

hf_reason object_check_open(struct call *call) {
  const Holdfast__ObjectOpen *message = call->message->object_open;
  struct bytes name = bytes_of(message->name.data, message->name.len);
  bool only_opens = message->mode == HOLDFAST__OBJECT_OPEN__MODE__OPEN && name.len > 0;
  bool is_full = call->engine->is_disk_full;
  hf_reason reason = HF_REASON_NONE;
  if (!call->user && !is_full) {
    return HF_REASON_NONE;
  }
  if (only_opens) {
    reason = admission_find_name(call, name, ACCESS_EITHER, &call->object);
    reason = reason == HF_REASON_NO_RIGHT ? reason : HF_REASON_NONE;
  } else if (name.len > 0) {
    reason = find_to_open(call, name, message->mode);
  }
  bool makes = !reason && !only_opens && !call->object;
  call->object = NULL; /* which it will find */
  return makes && is_full ? HF_REASON_JOURNAL_FULL : reason;
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
    struct bytes name = bytes_of(message->name.data, message->name.len);
    reason = admission_find_name(call, name, ACCESS_EITHER, &call->object);
    if (reason) {
      return reason;
    }
    if (message->kind != HOLDFAST__KIND__ANY && (int)message->kind != call->object->kind) {
      return HF_REASON_WRONG_KIND;
    }
    return answer_existing(call);
  }
  reason = read_shape(call, &shape);
  if (reason) {
    return reason;
  }
  if (shape.name.len == 0 && !call->session) {
    return HF_REASON_NEEDS_SESSION;
  }
  reason = shape.name.len ? find_to_open(call, shape.name, message->mode) : HF_REASON_NONE;
  if (reason) {
    return reason;
  }
  bool exists = call->object != NULL;
  if (exists && message->mode == HOLDFAST__OBJECT_OPEN__MODE__CREATE) {
    return HF_REASON_NAME_TAKEN;
  }
  reason = exists ? check_shape(call, &shape) : create_object(call, &shape);
  if (reason) {
    return reason;
  }
  if (exists) {
    return answer_existing(call);
  }
  reason = retain_object(call);
  if (reason) {
    undo_creation(call);
    return reason;
  }
  return answer_object(call, true, message->map);
}

hf_reason handle_object_delete(struct call *call) {
  struct object *object = call->object;
  call->object = NULL;
  core_delete_object(call->engine, call->now_ns, object);
  return HF_REASON_NONE;
}

hf_reason handle_object_info(struct call *call) {
  bool map = call->message->object_info->map;
  bool has_reference = call->session && map64_get(&call->session->references, call->object->id);
  hf_reason reason = map && has_reference ? move_cells(call) : HF_REASON_NONE;
  return reason ? reason : answer_object(call, false, map);
}

/* ---- references of the session */

static void let_go(struct call *call, uint64_t id, uint64_t count) {
  uint64_t dropped = id ? session_drop_references(call->session, id, count) : 0;
  if (dropped) {
    core_drop_references(call->engine, id, dropped);
  }
}

/* What the session may refer to: what it may see, or has a reference to already. HF_REASON_NONE |
 * NO_SUCH_OBJECT NO_RIGHT */
static hf_reason find(const struct call *call, uint64_t id) {
  struct object *object;
  return admission_find_id(call, id, ACCESS_EITHER, &object);
}

hf_reason handle_object_retain(struct call *call) {
  const Holdfast__ObjectRetain *message = call->message->object_retain;
  if (message->n_objects > HF_REFERENCES_PER_REQUEST_MAX) {
    return HF_REASON_TOO_MANY_FIELDS;
  }
  for (size_t i = 0; !message->skip_missing && i < message->n_objects; i++) {
    hf_reason reason = find(call, message->objects[i]);
    if (reason) {
      return reason;
    }
  }
  for (size_t i = 0; i < message->n_objects; i++) {
    if (find(call, message->objects[i])) {
      continue;
    }
    hf_reason reason = add_reference(call, message->objects[i]);
    if (reason) {
      while (i-- > 0) {
        bool was_skipped = find(call, message->objects[i]) != HF_REASON_NONE;
        let_go(call, was_skipped ? 0 : message->objects[i], 1);
      }
      return reason;
    }
  }
  return HF_REASON_NONE;
}

hf_reason handle_object_release(struct call *call) {
  const Holdfast__ObjectRelease *message = call->message->object_release;
  if (message->n_releases > HF_REFERENCES_PER_REQUEST_MAX) {
    return HF_REASON_TOO_MANY_FIELDS;
  }
  for (size_t i = 0; i < message->n_releases; i++) {
    let_go(call, message->releases[i]->object, message->releases[i]->count);
  }
  return HF_REASON_NONE;
}
