#include "client/src/call/steps.h"

#include <stdlib.h>

#include "client/src/call/call.h"
#include "client/src/call/call_mode.h"

/* ---------------------------------------------------------------- running */

static bool submits(const struct call_mode *mode) {
  return mode != NULL && mode->kind->submit_steps != NULL;
}

bool steps_are_submitted(const hf_conn *conn) {
  return submits(call_mode_of(conn));
}

bool steps_opening_are_submitted(const hf_conn *conn) {
  return submits(call_mode_for_opening(conn));
}

hf_status steps_run(struct steps *steps) {
  struct call_mode *mode =
      steps->kind->opens_handles ? call_mode_for_opening(steps->conn) : call_mode_of(steps->conn);
  hf_status status;
  bool is_sent;
  if (submits(mode)) {
    return mode->kind->submit_steps(mode, steps);
  }
  do {
    status = steps_take(steps, &is_sent);
  } while (status == HF_OK && is_sent);
  return steps_end(steps, status);
}

/* ---------------------------------------------------------------- in a step */

hf_status steps_send(struct steps *steps, struct request *request, const ProtobufCMessage *arm) {
  steps->sent_count++;
  if (steps->submit == NULL) {
    request->is_now = true;
    return request_send(request, arm);
  }
  request_arm(request, arm);
  request->envelope.thread = steps->thread;
  hf_status status = request_check(request);
  if (status == HF_OK) {
    status = steps->submit(steps, request);
  }
  arena_deinit(&request->arena);
  return status;
}

void steps_send_unawaited(struct steps *steps, struct request *request,
                          const ProtobufCMessage *arm) {
  hf_conn *conn = steps->conn;
  request_arm(request, arm);
  request->envelope.thread = steps->thread;
  if (conn->state != CONN_ENDED) {
    window_add_unawaited(&conn->window, conn->transport->framing, &request->envelope);
  }
  arena_deinit(&request->arena);
}

/* ---------------------------------------------------------------- for the mode */

struct steps *steps_copy(const struct steps *steps) {
  struct steps *copy = malloc(steps->kind->size);
  if (copy != NULL) {
    memcpy(copy, steps, steps->kind->size);
  }
  return copy;
}

hf_status steps_take(struct steps *steps, bool *is_sent) {
  uint32_t before = steps->sent_count;
  hf_status status = steps->kind->step(steps);
  *is_sent = steps->sent_count != before;
  return status;
}

hf_status steps_end(struct steps *steps, hf_status status) {
  return steps->kind->end == NULL ? status : steps->kind->end(steps, status);
}
