#include "client/src/objects/object.h"

#include "client/src/call/paging.h"
#include "client/src/mapped/near.h"
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

static ProtobufCBinaryData borrow_text(const char *text) {
  return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

void object_open_of(struct request *request, hf_conn *conn, Holdfast__ObjectOpen *arm,
                    const char *name, hf_kind kind) {
  request_of_conn(request, conn, OPERATION(OBJECT_OPEN));
  request->is_now = true;
  *arm = (Holdfast__ObjectOpen)HOLDFAST__OBJECT_OPEN__INIT;
  arm->kind = (Holdfast__Kind)kind;
  arm->map = segments_are_wanted(conn);
  if (name != NULL && *name == '\0') {
    request->reason = HF_REASON_BAD_NAME; /* on the wire it would mean: anonymous */
  } else if (name != NULL) {
    arm->name = borrow_text(name);
  }
}

/* first: hf_object ** */
static hf_reason take_handle(hf_conn *conn, const Holdfast__Response *reply,
                             const struct result *result) {
  if (reply->result_case != HOLDFAST__RESPONSE__RESULT_OBJECT) {
    return HF_REASON_BAD_REPLY;
  }
  hf_object *handle = handle_new(conn, reply->object->id, (hf_kind)reply->object->kind);
  if (handle == NULL) {
    return HF_REASON_NO_MEMORY;
  }
  near_note_place(handle, reply->object);
  *(hf_object **)result->first = handle;
  return HF_REASON_NONE;
}

hf_status object_open(struct request *request, const Holdfast__ObjectOpen *arm, void *handle) {
  hf_object *opened;
  request_ask(request, take_handle, &opened, NULL);
  hf_status status = request_send(request, &arm->base);
  if (status == HF_OK) {
    near_map(opened);
    memcpy(handle, &opened, sizeof opened);
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

void hf_object_close(hf_object *object) {
  if (object == NULL) {
    return;
  }
  if (object->kind == HF_PIPE) {
    hf_pipe_close((hf_pipe *)object);
    return;
  }
  hf_conn *conn = object->conn;
  near_close(object);
  struct segment_map *map = object->near.map;
  conn_lock(conn);
  handle_free(object);
  conn_unlock(conn);
  segments_let_go(conn, map);
}

/* ---------------------------------------------------------------- references */

hf_value hf_reference(const hf_object *object) {
  return (hf_value){.type = HF_TYPE_REFERENCE, .kind = object->kind, .object = object->id};
}

hf_status object_hold(hf_conn *conn, uint64_t id, hf_kind kind, hf_object **object) {
  struct request request;
  Holdfast__ObjectHold arm = HOLDFAST__OBJECT_HOLD__INIT;
  request_of_conn(&request, conn, OPERATION(OBJECT_HOLD));
  request.is_now = request.needs_reply = true;
  arm.objects = &id;
  arm.n_objects = 1;
  hf_status status = request_send(&request, &arm.base);
  if (status != HF_OK) {
    return status;
  }
  conn_lock(conn);
  hf_object *handle = handle_new(conn, id, kind);
  conn_unlock(conn);
  if (handle == NULL) {
    return error_reason(HF_REASON_NO_MEMORY);
  }
  *object = handle;
  return HF_OK;
}

hf_status hf_reference_open(hf_conn *conn, hf_value *value, hf_object **object) {
  bool is_inherited;
  uint64_t id = value->object;
  hf_kind kind = value->kind;
  if (value->type != HF_TYPE_REFERENCE || value_is_of_other(conn, value)) {
    return error_format(HF_REASON_WRONG_TYPE,
                        "the value is not a reference from a call on this connection");
  }
  if (!value_take_hold(conn, value, &is_inherited) || is_inherited) {
    /* An item of a tuple, or delivered before a fork: it needs a hold of its own. */
    hf_status status = object_hold(conn, id, kind, object);
    if (status == HF_OK) {
      *value = hf_none();
    }
    return status;
  }
  conn_lock(conn);
  hf_object *handle = handle_new(conn, id, kind);
  conn_unlock(conn);
  if (handle == NULL) {
    return error_reason(HF_REASON_NO_MEMORY);
  }
  *object = handle;
  return HF_OK;
}

/* ---------------------------------------------------------------- administration */

static void copy_info(const Holdfast__Object *object, struct hf_object_info *info) {
  *info = (struct hf_object_info){
      .id = object->id,
      .kind = (hf_kind)object->kind,
      .length = object->length,
      .maxsize = object->maxsize,
      .typecode = object->typecode.len > 0 ? (char)object->typecode.data[0] : '\0',
      .waiting = object->waiting,
      .holds = object->holds,
      .unfinished = object->unfinished,
      .token = object->token,
      .locked = object->locked,
      .value = object->value,
      .parties = object->parties,
      .arrived = object->arrived,
      .broken = object->broken,
      .delayed = object->delayed,
      .reserved = object->reserved,
      .buried = object->buried,
      .shut_down = object->shut_down,
      .lease_ms = object->lease_ms,
  };
  result_copy_text(info->name, sizeof info->name, object->name);
  result_copy_text(info->holder, sizeof info->holder, object->holder);
}

static hf_reason take_info(hf_conn *conn, const Holdfast__Response *reply,
                           const struct result *result) {
  (void)conn;
  if (reply->result_case != HOLDFAST__RESPONSE__RESULT_OBJECT) {
    return HF_REASON_BAD_REPLY;
  }
  copy_info(reply->object, result->first);
  return HF_REASON_NONE;
}

hf_status hf_object_info(hf_object *object, struct hf_object_info *info) {
  struct request request;
  Holdfast__ObjectInfo arm = HOLDFAST__OBJECT_INFO__INIT;
  request_of(&request, object, OPERATION(OBJECT_INFO));
  request_ask(&request, take_info, info, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_object_delete(hf_object *object) {
  struct request request;
  Holdfast__ObjectDelete arm = HOLDFAST__OBJECT_DELETE__INIT;
  request_of(&request, object, OPERATION(OBJECT_DELETE));
  return request_send(&request, &arm.base);
}

hf_status hf_delete(hf_conn *conn, const char *name) {
  struct request request;
  Holdfast__ObjectDelete arm = HOLDFAST__OBJECT_DELETE__INIT;
  request_of_conn(&request, conn, OPERATION(OBJECT_DELETE));
  request.envelope.name = name;
  return request_send(&request, &arm.base);
}

/* ---------------------------------------------------------------- listing */

struct listing {
  struct hf_object_info *infos;
  size_t count;
  bool has_more;
  bool is_further;                                         /* than the page before */
  char after[sizeof((struct hf_object_info *)NULL)->name]; /* where the next page begins */
};

/* An older server tells no cursor: the next page begins behind the last name. */
static void note_cursor(struct listing *listing, const Holdfast__Objects *page) {
  char after[sizeof listing->after] = "";
  listing->has_more = page->more;
  if (page->after.len > 0) {
    result_copy_text(after, sizeof after, page->after);
  } else if (page->n_items > 0) {
    result_copy_text(after, sizeof after, page->items[page->n_items - 1]->name);
  }
  listing->is_further = strcmp(after, listing->after) > 0;
  memcpy(listing->after, after, sizeof after);
}

static hf_reason add_infos(hf_conn *conn, const Holdfast__Response *reply,
                           const struct result *result) {
  struct listing *listing = result->first;
  (void)conn;
  if (reply->result_case != HOLDFAST__RESPONSE__RESULT_OBJECTS) {
    return HF_REASON_BAD_REPLY;
  }
  size_t more_count = reply->objects->n_items;
  struct hf_object_info *infos =
      realloc(listing->infos, (listing->count + more_count + 1) * sizeof *infos);
  if (infos == NULL) {
    return HF_REASON_NO_MEMORY;
  }
  for (size_t i = 0; i < more_count; i++) {
    copy_info(reply->objects->items[i], &infos[listing->count + i]);
  }
  listing->infos = infos;
  listing->count += more_count;
  note_cursor(listing, reply->objects);
  return HF_REASON_NONE;
}

static hf_status list_page(hf_conn *conn, const char *prefix, hf_kind kind,
                           struct listing *listing) {
  struct request request;
  Holdfast__ObjectList arm = HOLDFAST__OBJECT_LIST__INIT;
  request_of_conn(&request, conn, OPERATION(OBJECT_LIST));
  request.is_now = true;
  request_ask(&request, add_infos, listing, NULL);
  arm.prefix = borrow_text(prefix == NULL ? "" : prefix);
  arm.kind = (Holdfast__Kind)kind;
  arm.after = borrow_text(listing->after);
  return request_send(&request, &arm.base);
}

hf_status hf_list_objects(hf_conn *conn, const char *prefix, hf_kind kind,
                          struct hf_object_info **infos, size_t *count) {
  struct listing listing = {.infos = NULL};
  struct paging paging = paging_begin(conn);
  do {
    size_t before = listing.count;
    hf_status status = list_page(conn, prefix, kind, &listing);
    if (status == HF_OK && listing.has_more) {
      status = paging_check(&paging, listing.count - before, listing.is_further);
    }
    if (status != HF_OK) {
      free(listing.infos);
      return status;
    }
  } while (listing.has_more);
  *infos = listing.infos;
  *count = listing.count;
  return HF_OK;
}
