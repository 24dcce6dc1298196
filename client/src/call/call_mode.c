#include "client/src/call/call_mode.h"

#include "client/src/connection/generation.h"

static _Thread_local struct call_mode *thread_modes;

static struct call_mode **find(const hf_conn *conn) {
  struct call_mode **entry = &thread_modes;
  while (*entry != NULL && (*entry)->conn != conn) {
    entry = &(*entry)->next;
  }
  return entry;
}

struct call_mode *call_mode_of(const hf_conn *conn) {
  if (!atomic_load_explicit(&conn->has_call_modes, memory_order_relaxed)) {
    return NULL; /* call_mode_begin of this thread would have set has_call_modes */
  }
  struct call_mode **entry = find(conn), *mode = *entry;
  if (mode == NULL || mode->kind->forget == NULL || mode->generation == fork_generation()) {
    return mode;
  }
  *entry = mode->next;
  hf_conn *counted = mode->conn;
  mode->kind->forget(mode);
  conn_release(counted); /* not the last reference: the caller has one */
  return NULL;
}

struct call_mode *call_mode_of_kind(const hf_conn *conn, const struct call_mode_kind *kind) {
  struct call_mode *mode = call_mode_of(conn);
  return mode != NULL && mode->kind == kind ? mode : NULL;
}

static struct call_mode *below(const struct call_mode *mode) {
  struct call_mode *next = mode->next;
  while (next != NULL && next->conn != mode->conn) {
    next = next->next;
  }
  return next;
}

struct call_mode *call_mode_for_opening(const hf_conn *conn) {
  struct call_mode *mode = call_mode_of(conn), *lower = mode;
  while (lower != NULL) {
    mode = lower;
    lower = below(mode);
  }
  return mode;
}

struct call_mode *call_mode_for(const struct request *request) {
  struct call_mode *mode = call_mode_of(request->conn);
  while (mode != NULL && !mode->kind->takes(request)) {
    mode = below(mode);
  }
  return mode;
}

void call_mode_begin(struct call_mode *mode, const struct call_mode_kind *kind, hf_conn *conn) {
  *mode = (struct call_mode){kind, conn_retain(conn), thread_modes, fork_generation()};
  thread_modes = mode;
  atomic_store(&conn->has_call_modes, true);
}

void call_mode_end(struct call_mode *mode) {
  struct call_mode **entry = &thread_modes;
  while (*entry != NULL && *entry != mode) {
    entry = &(*entry)->next;
  }
  if (*entry != NULL) {
    *entry = mode->next;
  }
}

uint64_t hf_calls_made(hf_conn *conn) {
  const struct call_mode *mode = call_mode_of(conn);
  return mode != NULL && mode->kind->made != NULL ? mode->kind->made(mode) : 0;
}

hf_status call_mode_check_none(const hf_conn *conn) {
  return call_mode_of(conn) != NULL ? error_reason(HF_REASON_ALREADY_OPEN) : HF_OK;
}

hf_status call_mode_check_batch(const hf_conn *conn) {
  const struct call_mode *mode = call_mode_of(conn);
  return mode != NULL && !mode->kind->sends_batches ? error_reason(HF_REASON_ALREADY_OPEN) : HF_OK;
}

hf_status call_mode_error(const char *sentence) {
  return error_take(HF_FAILED_PRECONDITION, failure_new(HF_FAILED_PRECONDITION, bytes_of_text(""),
                                                        bytes_of_text(sentence)));
}
