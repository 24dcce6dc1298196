#include "client/src/objects/object.h"

#include "client/src/connection/references.h"
#include "client/src/mapped/mapped_cell.h"
#include "client/src/mapped/segments.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const kind_names[] = {
    "any",   "dict",      "list",      "queue", "pipe",  "namespace", "value",
    "array", "raw_value", "raw_array", "lock",  "rlock", "semaphore", "bounded_semaphore",
    "event", "condition", "barrier",
};
#define KIND_COUNT (sizeof kind_names / sizeof *kind_names)

const char *hf_kind_name(hf_kind kind) {
  return (size_t)kind < KIND_COUNT ? kind_names[kind] : "unknown";
}

hf_kind hf_kind_find(const char *name) {
  for (size_t i = 1; i < KIND_COUNT; i++) {
    if (strcmp(kind_names[i], name) == 0) {
      return (hf_kind)i;
    }
  }
  return HF_ANY;
}

hf_conn *hf_object_conn(const hf_object *object) {
  return object->conn;
}

uint64_t hf_object_id(const hf_object *object) {
  return object->id;
}

hf_kind hf_object_kind(const hf_object *object) {
  return object->kind;
}

/* ---------------------------------------------------------------- opening */

ProtobufCBinaryData object_text(const char *text) {
  return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

void object_open_of(struct request *request, hf_conn *conn, Holdfast__ObjectOpen *arm,
                    const char *name, hf_kind kind) {
  request_of_conn(request, conn, OPERATION(OBJECT_OPEN));
  request->is_opening = true;
  *arm = (Holdfast__ObjectOpen)HOLDFAST__OBJECT_OPEN__INIT;
  arm->kind = (Holdfast__Kind)kind;
  arm->map = (kind == HF_ANY || mapped_cell_is_of_kind(kind)) && segments_are_available(conn);
  if (name != NULL && *name == '\0') {
    request->reason = HF_REASON_BAD_NAME; /* on the wire an empty name means anonymous */
  } else if (name != NULL) {
    arm->name = object_text(name);
  }
}

hf_reason object_take(hf_conn *conn, const Holdfast__Response *reply, const struct result *result) {
  if (reply->result_case != HOLDFAST__RESPONSE__RESULT_OBJECT) {
    return HF_REASON_BAD_REPLY;
  }
  hf_object *handle = handle_new(conn, reply->object->id, (hf_kind)reply->object->kind);
  if (handle == NULL) {
    return HF_REASON_NO_MEMORY;
  }
  mapped_cell_record_location(handle, reply->object);
  memcpy(result->first, &handle, sizeof handle);
  return HF_REASON_NONE;
}

hf_status object_open(struct request *request, const Holdfast__ObjectOpen *arm, void *handle) {
  hf_object *opened;
  request_ask(request, object_take, handle, NULL);
  hf_status status = request_send(request, &arm->base);
  if (status == HF_OK &&
      !request->is_submitted) { /* asynchronously opened handles are mapped at the first use */
    memcpy(&opened, handle, sizeof opened);
    mapped_cell_map(opened);
  }
  return status;
}

hf_status object_open_simple(hf_conn *conn, const char *name, hf_kind kind, void *handle) {
  struct request request;
  Holdfast__ObjectOpen arm;
  object_open_of(&request, conn, &arm, name, kind);
  return object_open(&request, &arm, handle);
}

hf_status hf_open(hf_conn *conn, const char *name, hf_kind kind, hf_object **object) {
  struct request request;
  Holdfast__ObjectOpen arm;
  object_open_of(&request, conn, &arm, name, kind);
  if (name == NULL) {
    request.reason = HF_REASON_BAD_NAME;
  }
  arm.mode = HOLDFAST__OBJECT_OPEN__MODE__OPEN;
  return object_open(&request, &arm, object);
}

void object_retain_of(struct request *request, hf_conn *conn, Holdfast__ObjectRetain *arm,
                      uint64_t *id) {
  request_of_conn(request, conn, OPERATION(OBJECT_RETAIN));
  *arm = (Holdfast__ObjectRetain)HOLDFAST__OBJECT_RETAIN__INIT;
  arm->objects = id;
  arm->n_objects = 1;
  request->outlives_call = true; /* a Cancel revokes no reference that was retained */
  request->retains = *id;
}

struct retaining {
  struct steps steps; /* first */
  uint64_t id;
  hf_kind kind;
  hf_object **object;
};

/* first: struct retaining * */
static hf_reason take_retained(hf_conn *conn, const Holdfast__Response *reply,
                               const struct result *result) {
  const struct retaining *retaining = result->first;
  hf_object *handle = handle_new(conn, retaining->id, retaining->kind);
  (void)reply;
  if (handle == NULL) {
    return HF_REASON_NO_MEMORY;
  }
  *retaining->object = handle;
  return HF_REASON_NONE;
}

static hf_status send_retain(struct steps *steps) {
  struct request request;
  Holdfast__ObjectRetain arm;
  if (steps->sent_count > 0) {
    return HF_OK;
  }
  object_retain_of(&request, steps->conn, &arm, &((struct retaining *)steps)->id);
  request_ask(&request, take_retained, steps, NULL);
  return steps_send(steps, &request, &arm.base);
}

hf_status hf_object_open(hf_conn *conn, uint64_t id, hf_kind kind, hf_object **object) {
  if (kind == HF_ANY || (size_t)kind >= KIND_COUNT) {
    return error_format(HF_REASON_BAD_ARGUMENT, "an object is opened as one of the kinds");
  }
  static const struct steps_kind steps = {
      .size = sizeof(struct retaining), .step = send_retain, .opens_handles = true};
  struct retaining retaining = {
      .steps = {.kind = &steps, .conn = conn}, .id = id, .kind = kind, .object = object};
  return steps_run(&retaining.steps);
}
