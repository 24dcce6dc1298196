#include "client/src/call/plain.h"
#include "client/src/connection/references.h"
#include "client/src/objects/object.h"

/* ---------------------------------------------------------------- opening */

static hf_status send_attach(struct steps *steps, const hf_object *handle, uint32_t end) {
  struct request request;
  Holdfast__PipeAttach arm = HOLDFAST__PIPE_ATTACH__INIT;
  request_of(&request, handle, OPERATION(PIPE_ATTACH));
  request.needs_reply = true;
  arm.end = end;
  return steps_send(steps, &request, &arm.base);
}

static void record_end(hf_object *handle, uint32_t end) {
  handle->end = end;
  handle->is_attached = true;
}

/* One end of a pipe, or both of a new one. */
struct opening {
  struct steps steps; /* first */
  const char *name;   /* until the first request */
  bool is_one_way, has_both;
  uint32_t end;       /* the first one */
  hf_object *ends[2]; /* as they are opened; [1] if has_both */
  uint32_t attached_count;
  hf_pipe **to;
};

static hf_status send_open(struct opening *opening) {
  struct request request;
  Holdfast__ObjectOpen arm;
  object_open_of(&request, opening->steps.conn, &arm, opening->name, HF_PIPE);
  arm.one_way = opening->is_one_way;
  request_ask(&request, object_take, &opening->ends[0], NULL);
  return steps_send(&opening->steps, &request, &arm.base);
}

/* first: hf_object *[2], of which the first is open */
static hf_reason take_second(hf_conn *conn, const Holdfast__Response *reply,
                             const struct result *result) {
  hf_object **ends = result->first;
  (void)reply;
  ends[1] = handle_new(conn, ends[0]->id, HF_PIPE);
  return ends[1] == NULL ? HF_REASON_NO_MEMORY : HF_REASON_NONE;
}

static hf_status send_retain(struct opening *opening) {
  struct request request;
  Holdfast__ObjectRetain arm;
  uint64_t id = opening->ends[0]->id;
  object_retain_of(&request, opening->steps.conn, &arm, &id);
  request_ask(&request, take_second, opening->ends, NULL);
  return steps_send(&opening->steps, &request, &arm.base);
}

static hf_status open_step(struct steps *steps) {
  struct opening *opening = (struct opening *)steps;
  switch (steps->sent_count) {
    case 0:
      return send_open(opening);
    case 1:
      return send_attach(steps, opening->ends[0], opening->end);
    case 2:
      opening->attached_count = 1;
      return opening->has_both ? send_retain(opening) : HF_OK;
    case 3:
      return send_attach(steps, opening->ends[1], 1 - opening->end);
    default:
      opening->attached_count = 2;
      return HF_OK;
  }
}

/* The other end is to see the end of file. */
static void close_end(struct steps *steps, const hf_object *handle, uint32_t end) {
  struct request request;
  Holdfast__PipeClose arm = HOLDFAST__PIPE_CLOSE__INIT;
  request_of(&request, handle, OPERATION(PIPE_CLOSE));
  arm.end = end;
  steps_send_unawaited(steps, &request, &arm.base);
}

/* Without its references a new pipe is deleted; an old one is not, so ends are closed. */
static void drop_ends(struct opening *opening) {
  hf_conn *conn = opening->steps.conn;
  conn_lock(conn);
  for (uint32_t i = 0; i < opening->attached_count; i++) {
    close_end(&opening->steps, opening->ends[i], i == 0 ? opening->end : 1 - opening->end);
  }
  for (uint32_t i = 0; i < 2 && opening->ends[i] != NULL; i++) {
    handle_free(opening->ends[i]);
  }
  conn_write_unawaited(conn);
  conn_unlock(conn);
}

static hf_status open_end(struct steps *steps, hf_status status) {
  struct opening *opening = (struct opening *)steps;
  if (status != HF_OK) {
    drop_ends(opening);
    return status;
  }
  for (uint32_t i = 0; i < 2 && opening->ends[i] != NULL; i++) {
    record_end(opening->ends[i], i == 0 ? opening->end : 1 - opening->end);
    opening->to[i] = (hf_pipe *)opening->ends[i];
  }
  return HF_OK;
}

static hf_status open_pipe(hf_conn *conn, struct opening opening) {
  static const struct steps_kind kind = {
      .size = sizeof(struct opening), .step = open_step, .end = open_end, .opens_handles = true};
  opening.steps = (struct steps){.kind = &kind, .conn = conn};
  return steps_run(&opening.steps);
}

static hf_status open_one(hf_conn *conn, const char *name, int end, bool is_one_way,
                          hf_pipe **pipe) {
  if (end != 0 && end != 1) {
    return error_reason(HF_REASON_BAD_END);
  }
  return open_pipe(
      conn,
      (struct opening){.name = name, .is_one_way = is_one_way, .end = (uint32_t)end, .to = pipe});
}

hf_status hf_pipe_open(hf_conn *conn, const char *name, int end, hf_pipe **pipe) {
  return open_one(conn, name, end, false, pipe);
}

hf_status hf_pipe_open_one_way(hf_conn *conn, const char *name, int end, hf_pipe **pipe) {
  return open_one(conn, name, end, true, pipe);
}

hf_status hf_pipe_new(hf_conn *conn, bool duplex, hf_pipe *ends[2]) {
  return open_pipe(conn, (struct opening){.is_one_way = !duplex, .has_both = true, .to = ends});
}

/* ---------------------------------------------------------------- attaching, closing */

struct attaching {
  struct steps steps; /* first */
  hf_object *handle;
  uint32_t end;
};

/* With the reply the end is the handle's, also if nobody collects the completion. */
static hf_status attach_step(struct steps *steps) {
  const struct attaching *attaching = (const struct attaching *)steps;
  if (steps->sent_count == 0) {
    attaching->handle->end = attaching->end; /* of calls that are submitted behind it */
    return send_attach(steps, attaching->handle, attaching->end);
  }
  attaching->handle->is_attached = true;
  return HF_OK;
}

hf_status hf_pipe_attach(hf_pipe *pipe, int end) {
  static const struct steps_kind kind = {
      .size = sizeof(struct attaching), .step = attach_step, .opens_handles = true};
  hf_object *handle = HF_AS_OBJECT(pipe);
  if (end != 0 && end != 1) {
    return error_reason(HF_REASON_BAD_END);
  }
  if (handle->is_attached) {
    return error_reason(HF_REASON_ALREADY_OPEN);
  }
  struct attaching attaching = {
      .steps = {.kind = &kind, .conn = handle->conn}, .handle = handle, .end = (uint32_t)end};
  return steps_run(&attaching.steps);
}

void hf_pipe_close(hf_pipe *pipe) {
  hf_object *handle = HF_AS_OBJECT(pipe);
  if (handle == NULL) {
    return;
  }
  hf_conn *conn = handle->conn;
  Holdfast__PipeClose arm = HOLDFAST__PIPE_CLOSE__INIT;
  struct request request;
  request_of(&request, handle, OPERATION(PIPE_CLOSE));
  arm.end = handle->end;
  if (handle->is_attached && !conn_has_ended(conn)) {
    /* The other end is to see the end of file now, in each call mode. */
    (void)call_now(&request, &arm.base);
  }
  conn_lock(conn);
  handle_free(handle);
  conn_unlock(conn);
}

hf_status hf_pipe_send(hf_pipe *pipe, hf_value value, int64_t timeout_ms) {
  struct request request;
  Holdfast__PipeSend arm = HOLDFAST__PIPE_SEND__INIT;
  request_of(&request, pipe, OPERATION(PIPE_SEND));
  request_wait(&request, timeout_ms);
  arm.end = HF_AS_OBJECT(pipe)->end;
  arm.value = request_value(&request, &value);
  return request_send(&request, &arm.base);
}

hf_status hf_pipe_recv(hf_pipe *pipe, int64_t timeout_ms, hf_value *value) {
  struct request request;
  Holdfast__PipeRecv arm = HOLDFAST__PIPE_RECV__INIT;
  request_of(&request, pipe, OPERATION(PIPE_RECV));
  request_wait(&request, timeout_ms);
  request_ask(&request, result_value, value, NULL);
  arm.end = HF_AS_OBJECT(pipe)->end;
  return request_send(&request, &arm.base);
}

hf_status hf_pipe_poll(hf_pipe *pipe, int64_t timeout_ms, bool *readable) {
  struct request request;
  Holdfast__PipePoll arm = HOLDFAST__PIPE_POLL__INIT;
  request_of(&request, pipe, OPERATION(PIPE_POLL));
  request_wait(&request, timeout_ms);
  request_ask(&request, result_flag, readable, NULL);
  arm.end = HF_AS_OBJECT(pipe)->end;
  return request_send(&request, &arm.base);
}
