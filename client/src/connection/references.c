#include "client/src/connection/references.h"

#include <stdlib.h>

#include "client/src/connection/withdraw.h"

/* Releases of more objects than this are split. */
#define RELEASES_PER_REQUEST 1024

/* ---------------------------------------------------------------- releases */

void references_release(hf_conn *conn, uint64_t object) {
  struct releases *releases = &conn->releases;
  if (releases->count > 0 && releases->items[releases->count - 1].object == object) {
    releases->items[releases->count - 1].count++;
    return;
  }
  if (releases->count == releases->capacity) {
    size_t capacity = releases->capacity == 0 ? 16 : releases->capacity * 2;
    struct release *items = realloc(releases->items, capacity * sizeof *items);
    if (items == NULL) {
      return;
    }
    releases->items = items;
    releases->capacity = capacity;
  }
  releases->items[releases->count++] = (struct release){object, 1};
}

static bool submit_unanswered(hf_conn *conn, uint32_t operation, uint64_t object,
                              const ProtobufCMessage *arm) {
  const struct envelope envelope = {.timeout_ms = -1,
                                    .thread = conn_thread(),
                                    .object = object,
                                    .operation = operation,
                                    .arm = arm,
                                    .arm_len = protobuf_c_message_get_packed_size(arm)};
  return window_add(&conn->window, conn->transport->framing, &envelope) != NULL;
}

/* Submits the newest releases, as many as one request takes; the next call submits others. Heap,
 * because stacks may be small. Out of memory: the next call tries again. */
static void submit_releases(hf_conn *conn) {
  Holdfast__ObjectRelease arm = HOLDFAST__OBJECT_RELEASE__INIT;
  struct releases *releases = &conn->releases;
  size_t count = releases->count < RELEASES_PER_REQUEST ? releases->count : RELEASES_PER_REQUEST;
  size_t first = releases->count - count;
  Holdfast__ObjectRelease__Release *items = malloc(count * sizeof *items);
  arm.releases = malloc(count * sizeof(Holdfast__ObjectRelease__Release *));
  arm.n_releases = count;
  for (size_t i = 0; items != NULL && arm.releases != NULL && i < count; i++) {
    items[i] = (Holdfast__ObjectRelease__Release)HOLDFAST__OBJECT_RELEASE__RELEASE__INIT;
    items[i].object = releases->items[first + i].object;
    items[i].count = releases->items[first + i].count;
    arm.releases[i] = &items[i];
  }
  if (items != NULL && arm.releases != NULL &&
      submit_unanswered(conn, OPERATION(OBJECT_RELEASE), 0, &arm.base)) {
    releases->count = first;
  }
  free(arm.releases);
  free(items);
}

/* ---------------------------------------------------------------- forked children */

/* Attaches pipe ends as far as the window has room. */
static void attach_pipes(hf_conn *conn) {
  struct hf_object *handle = conn->handles;
  for (; handle != NULL && conn->unattached_count > 0 && window_has_room(&conn->window);
       handle = handle->next) {
    if (handle->awaits_attach) {
      Holdfast__PipeAttach arm = HOLDFAST__PIPE_ATTACH__INIT;
      arm.end = handle->end;
      submit_unanswered(conn, OPERATION(PIPE_ATTACH), handle->id, &arm.base);
      handle->awaits_attach = false;
      conn->unattached_count--;
    }
  }
}

static void submit_retain(hf_conn *conn, uint64_t *ids, size_t count) {
  Holdfast__ObjectRetain arm = HOLDFAST__OBJECT_RETAIN__INIT;
  arm.objects = ids;
  arm.n_objects = count;
  arm.skip_missing = true; /* objects may have been deleted */
  submit_unanswered(conn, OPERATION(OBJECT_RETAIN), 0, &arm.base);
}

/* Takes a reference for each handle: the child's new session has none. */
static void submit_inherited(hf_conn *conn) {
  uint64_t *ids = malloc(HF_REFERENCES_PER_REQUEST_MAX * sizeof *ids);
  size_t count = 0;
  const struct hf_object *handle = ids == NULL ? NULL : conn->handles;
  for (; handle != NULL; handle = handle->next) {
    ids[count++] = handle->id;
    if (count == HF_REFERENCES_PER_REQUEST_MAX || handle->next == NULL) {
      submit_retain(conn, ids, count);
      count = 0;
    }
  }
  free(ids);
  conn->is_inherited = false;
}

void references_become_child(hf_conn *conn) {
  /* An inherited session still has to release what the parent had queued. */
  bool is_bare = !conn->is_forked;
  conn->releases.count = is_bare ? 0 : conn->releases.count;
  conn->is_inherited = is_bare;
  conn->unattached_count = 0;
  for (struct hf_object *handle = conn->handles; handle != NULL; handle = handle->next) {
    handle->awaits_attach = is_bare && handle->is_attached;
    conn->unattached_count += handle->awaits_attach;
  }
}

bool references_submit(hf_conn *conn) {
  withdraw_submit(conn);
  if (conn->is_inherited && window_has_room(&conn->window)) {
    submit_inherited(conn);
  }
  if (!conn->is_inherited) {
    attach_pipes(conn);
  }
  if (conn->releases.count > 0 && window_has_room(&conn->window)) {
    submit_releases(conn);
  }
  return !conn->is_inherited && conn->unattached_count == 0 && window_has_room(&conn->window);
}

/* ---------------------------------------------------------------- handles */

struct hf_object *handle_new(hf_conn *conn, uint64_t id, hf_kind kind) {
  struct hf_object *handle = calloc(1, sizeof *handle);
  if (handle == NULL) {
    references_release(conn, id);
    return NULL;
  }
  handle->conn = conn;
  handle->id = id;
  handle->kind = kind;
  handle->next = conn->handles;
  if (conn->handles != NULL) {
    conn->handles->previous = handle;
  }
  conn->handles = handle;
  return handle;
}

void handle_free(struct hf_object *handle) {
  hf_conn *conn = handle->conn;
  *(handle->previous != NULL ? &handle->previous->next : &conn->handles) = handle->next;
  if (handle->next != NULL) {
    handle->next->previous = handle->previous;
  }
  conn->unattached_count -= handle->awaits_attach;
  /* A forked child that has not connected has no references. */
  if (!conn->is_inherited && !handle->mapped.is_left_behind) {
    references_release(conn, handle->id);
  }
  free(handle);
}
