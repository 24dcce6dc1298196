#include "client/src/call/mode.h"

#include "client/src/connection/fork.h"

static _Thread_local struct call_mode *own_modes;

static struct call_mode **find(const hf_conn *conn) {
  struct call_mode **place = &own_modes;
  while (*place != NULL && (*place)->conn != conn) {
    place = &(*place)->next;
  }
  return place;
}

struct call_mode *mode_of(const hf_conn *conn) {
  if (!atomic_load_explicit(&conn->has_modes, memory_order_relaxed)) {
    return NULL; /* this thread would have set it */
  }
  struct call_mode **place = find(conn), *mode = *place;
  if (mode == NULL || mode->kind->forget == NULL || mode->generation == fork_generation()) {
    return mode;
  }
  *place = mode->next;
  hf_conn *counted = mode->conn;
  mode->kind->forget(mode);
  conn_release(counted); /* not the last: the caller has it too */
  return NULL;
}

struct call_mode *mode_of_kind(const hf_conn *conn, const struct mode_kind *kind) {
  struct call_mode *mode = mode_of(conn);
  return mode != NULL && mode->kind == kind ? mode : NULL;
}

struct call_mode *mode_for(const struct request *request) {
  struct call_mode *mode = mode_of(request->conn);
  return mode != NULL && mode->kind->takes(request) ? mode : NULL;
}

void mode_begin(struct call_mode *mode, const struct mode_kind *kind, hf_conn *conn) {
  *mode = (struct call_mode){kind, conn_retain(conn), own_modes, fork_generation()};
  own_modes = mode;
  atomic_store(&conn->has_modes, true);
}

void mode_end(struct call_mode *mode) {
  struct call_mode **place = &own_modes;
  while (*place != NULL && *place != mode) {
    place = &(*place)->next;
  }
  if (*place != NULL) {
    *place = mode->next;
  }
}

hf_status mode_check_none(const hf_conn *conn) {
  return mode_of(conn) != NULL ? error_reason(HF_REASON_ALREADY_OPEN) : HF_OK;
}

hf_status mode_error(const char *sentence) {
  return error_take(HF_FAILED_PRECONDITION, failure_new(HF_FAILED_PRECONDITION, bytes_of_text(""),
                                                        bytes_of_text(sentence)));
}
