#include "client/src/call/plain.h"
#include "client/src/connection/references.h"
#include "client/src/objects/object.h"

static hf_status attach(hf_object *handle, uint32_t end) {
  struct request request;
  Holdfast__PipeAttach arm = HOLDFAST__PIPE_ATTACH__INIT;
  request_of(&request, handle, OPERATION(PIPE_ATTACH));
  request.is_now = request.needs_reply = true;
  handle->end = end;
  arm.end = end;
  hf_status status = request_send(&request, &arm.base);
  handle->is_attached = status == HF_OK;
  return status;
}

/* Frees a handle that was never attached to its end. */
static void drop(hf_object *handle) {
  hf_conn *conn = handle->conn;
  conn_lock(conn);
  handle_free(handle);
  conn_unlock(conn);
}

static hf_status open_end(hf_conn *conn, const char *name, int end, bool one_way, hf_pipe **pipe) {
  struct request request;
  Holdfast__ObjectOpen arm;
  hf_object *handle;
  if (end != 0 && end != 1) {
    return error_reason(HF_REASON_BAD_END);
  }
  object_open_of(&request, conn, &arm, name, HF_PIPE);
  arm.one_way = one_way;
  request.is_now = true; /* the end is attached to next */
  hf_status status = object_open(&request, &arm, &handle);
  if (status != HF_OK) {
    return status;
  }
  status = attach(handle, (uint32_t)end);
  if (status != HF_OK) {
    drop(handle);
    return status;
  }
  *pipe = (hf_pipe *)handle;
  return HF_OK;
}

hf_status hf_pipe_open(hf_conn *conn, const char *name, int end, hf_pipe **pipe) {
  return open_end(conn, name, end, false, pipe);
}

hf_status hf_pipe_open_one_way(hf_conn *conn, const char *name, int end, hf_pipe **pipe) {
  return open_end(conn, name, end, true, pipe);
}

hf_status hf_pipe_new(hf_conn *conn, bool duplex, hf_pipe *ends[2]) {
  hf_pipe *first;
  hf_object *second;
  hf_status status = open_end(conn, NULL, 0, !duplex, &first);
  if (status != HF_OK) {
    return status;
  }
  status = object_retain(conn, hf_object_id(HF_AS_OBJECT(first)), HF_PIPE, &second);
  if (status != HF_OK) {
    hf_pipe_close(first);
    return status;
  }
  status = attach(second, 1);
  if (status != HF_OK) {
    drop(second);
    hf_pipe_close(first);
    return status;
  }
  ends[0] = first;
  ends[1] = (hf_pipe *)second;
  return HF_OK;
}

hf_status hf_pipe_attach(hf_pipe *pipe, int end) {
  if (end != 0 && end != 1) {
    return error_reason(HF_REASON_BAD_END);
  }
  return HF_AS_OBJECT(pipe)->is_attached ? error_reason(HF_REASON_ALREADY_OPEN)
                                         : attach(HF_AS_OBJECT(pipe), (uint32_t)end);
}

void hf_pipe_close(hf_pipe *pipe) {
  hf_object *handle = HF_AS_OBJECT(pipe);
  if (handle == NULL) {
    return;
  }
  Holdfast__PipeClose arm = HOLDFAST__PIPE_CLOSE__INIT;
  struct request request;
  request_of(&request, handle, OPERATION(PIPE_CLOSE));
  arm.end = handle->end;
  if (handle->is_attached && !conn_has_ended(handle->conn)) {
    /* The other end is to see the end of file now, in each call mode. */
    (void)call_now(&request, &arm.base);
  }
  drop(handle);
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
