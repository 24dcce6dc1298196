#include "server/engine/kinds/pipe.h"

#include "server/engine/admission.h"
#include "server/engine/call.h"
#include "server/engine/handlers.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/references.h"
#include "server/engine/sessions.h"
#include "server/engine/snapshot_parts.h"
#include "server/engine/wake.h"

/* Bits of session->ends. */
static uintptr_t ends_of(const struct call *call) {
  return call->session ? (uintptr_t)map64_get(&call->session->ends, call->object->id) : 0;
}

static hf_reason set_ends(struct call *call, uintptr_t bits) {
  if (bits == 0) {
    session_remove(call->session, &call->session->ends, call->object->id);
    return HF_REASON_NONE;
  }
  struct session *session = call->session;
  hf_reason reason = core_check_object_entry(call->engine, session, &session->ends, call->object);
  if (reason) {
    return reason;
  }
  bool set = session_set(session, &session->ends, call->object->id, (void *)bits);
  return set ? HF_REASON_NONE : HF_REASON_NO_MEMORY;
}

hf_reason handle_pipe_attach(struct call *call) {
  unsigned end = call->message->pipe_attach->end;
  struct pipe *pipe = &call->object->pipe;
  if (end > 1) {
    return HF_REASON_BAD_END;
  }
  if (pipe->closed[end]) {
    return HF_REASON_PIPE_CLOSED;
  }
  uintptr_t bits = ends_of(call);
  if (bits & (1u << end)) {
    return HF_REASON_NONE;
  }
  hf_reason reason = set_ends(call, bits | (1u << end));
  if (!reason) {
    pipe->attached[end]++;
  }
  return reason;
}

hf_reason handle_pipe_send(struct call *call) {
  unsigned end = call->message->pipe_send->end;
  struct object *object = call->object;
  struct pipe *pipe = &object->pipe;
  struct value value;
  if (end > 1 || !pipe_may_send(pipe, end)) {
    return HF_REASON_BAD_END;
  }
  if (pipe->closed[0] || pipe->closed[1]) {
    return HF_REASON_PIPE_CLOSED;
  }
  struct list *line = &pipe->lines[1 - end];
  struct wait_queue *senders = &object->waits[WAIT_PIPE_SEND + end];
  if (line->len >= HF_PIPE_COUNT_MAX || call_must_line_up(call, senders)) {
    return call_park(call, senders, HF_REASON_PIPE_FULL);
  }
  hf_reason reason = call_value(call, call->message->pipe_send->value, &value);
  if (reason) {
    return reason;
  }
  reason = admission_check_again(call, value_memory_bytes(value));
  reason = reason ? reason : list_append(line, value);
  if (reason) {
    value_release(value);
    return reason;
  }
  call_keep(call, value);
  core_wake(call->engine, &object->waits[WAIT_PIPE_RECV + 1 - end]);
  return HF_REASON_NONE;
}

/* HF_REASON_NONE: something is there, or the end of file. */
static hf_reason check_readable_end(const struct call *call, unsigned end) {
  if (end > 1 || !pipe_may_receive(&call->object->pipe, end)) {
    return HF_REASON_BAD_END;
  }
  return call->object->pipe.closed[end] ? HF_REASON_PIPE_CLOSED : HF_REASON_NONE;
}

hf_reason handle_pipe_recv(struct call *call) {
  unsigned end = call->message->pipe_recv->end;
  struct object *object = call->object;
  struct pipe *pipe = &object->pipe;
  hf_reason reason = check_readable_end(call, end);
  if (reason) {
    return reason;
  }
  struct wait_queue *receivers = &object->waits[WAIT_PIPE_RECV + end];
  if (pipe->lines[end].len == 0 && pipe->closed[1 - end]) {
    return HF_REASON_END_OF_FILE;
  }
  if (pipe->lines[end].len == 0 || call_must_line_up(call, receivers)) {
    return call_park(call, receivers, HF_REASON_PIPE_EMPTY);
  }
  struct value value = list_remove_at(&pipe->lines[end], 0);
  call_set_source(call, end);
  call->reply->gave_items = true;
  call_answer_value(call, value_retain(value));
  call_discard(call, value);
  core_wake(call->engine, &object->waits[WAIT_PIPE_SEND + 1 - end]);
  return HF_REASON_NONE;
}

hf_reason handle_pipe_poll(struct call *call) {
  unsigned end = call->message->pipe_poll->end;
  const struct pipe *pipe = &call->object->pipe;
  hf_reason reason = check_readable_end(call, end);
  if (reason) {
    return reason;
  }
  bool readable = pipe->lines[end].len > 0 || pipe->closed[1 - end];
  if (!readable && !call_may_not_wait(call)) {
    return call_park(call, &call->object->waits[WAIT_PIPE_RECV + end], HF_REASON_PIPE_EMPTY);
  }
  call_answer_flag(call, readable);
  return HF_REASON_NONE;
}

static void close_end(struct engine *engine, struct object *object, unsigned end) {
  object->pipe.closed[end] = true;
  for (size_t i = 0; i < OBJECT_WAITS; i++) {
    core_wake(engine, &object->waits[i]);
  }
}

void core_detach_pipe(struct engine *engine, struct object *object, unsigned end) {
  struct pipe *pipe = &object->pipe;
  if (--pipe->attached[end] == 0) {
    close_end(engine, object, end);
  }
}

hf_reason handle_pipe_close(struct call *call) {
  unsigned end = call->message->pipe_close->end;
  if (end > 1) {
    return HF_REASON_BAD_END;
  }
  uintptr_t bits = ends_of(call);
  if (bits & (1u << end)) {
    set_ends(call, bits & ~(uintptr_t)(1u << end));
    core_detach_pipe(call->engine, call->object, end);
  } else if (call->object->pipe.attached[end] == 0) {
    close_end(call->engine, call->object, end);
  }
  return HF_REASON_NONE;
}

/* ---- the kind */

static hf_reason read_shape(const Holdfast__ObjectOpen *message, struct object_shape *shape) {
  shape->one_way = message->one_way;
  return HF_REASON_NONE;
}

static bool has_shape(const struct object *object, const struct object_shape *shape) {
  return object->pipe.one_way == shape->one_way;
}

static bool init_pipe(struct object *object, const struct object_shape *shape,
                      const struct value_hash_key *hash_key) {
  (void)hash_key;
  object->pipe.one_way = shape->one_way;
  list_init(&object->pipe.lines[0]);
  list_init(&object->pipe.lines[1]);
  return true;
}

static void deinit_pipe(struct object *object) {
  list_deinit(&object->pipe.lines[0]);
  list_deinit(&object->pipe.lines[1]);
}

static struct content_bytes bytes_of_pipe(const struct object *object) {
  size_t bytes =
      list_memory_bytes(&object->pipe.lines[0]) + list_memory_bytes(&object->pipe.lines[1]);
  return (struct content_bytes){bytes, bytes};
}

static uint64_t length_of_pipe(const struct object *object) {
  return object->pipe.lines[0].len + object->pipe.lines[1].len;
}

static bool next_value(const struct object *object, struct content_cursor *cursor,
                       struct value *value) {
  for (; cursor->part < 2; *cursor = (struct content_cursor){.part = cursor->part + 1}) {
    if (content_next_in_list(&object->pipe.lines[cursor->part], cursor, value)) {
      return true;
    }
  }
  return false;
}

static void revoke(struct engine *engine, struct session *session, struct object *object,
                   const struct reply *reply) {
  struct pipe *pipe = &object->pipe;
  struct value value = reply->value;
  uint64_t end = reply->taken.order;
  (void)session;
  if (pipe->closed[end] || list_insert(&pipe->lines[end], 0, &value, 1) != HF_REASON_NONE) {
    return;
  }
  core_keep(engine, object, value_retain(value));
  registry_account(&engine->registry, object);
  core_wake(engine, &object->waits[WAIT_PIPE_RECV + end]);
  core_wake(engine, &object->waits[WAIT_CHANGE]);
}

enum { RECORD_PIPE = RECORD_CONTENT, RECORD_LINE /* + end */ };

static const struct snapshot_field pipe_rows[] = {
    SNAPSHOT_FIELD(1, struct object, pipe.one_way),
    SNAPSHOT_FIELD(2, struct object, pipe.closed[0]),
    SNAPSHOT_FIELD(3, struct object, pipe.closed[1]),
    SNAPSHOT_FIELD(4, struct object, pipe.attached[0]),
    SNAPSHOT_FIELD(5, struct object, pipe.attached[1]),
};
static const struct snapshot_fields pipe_fields = SNAPSHOT_FIELDS(pipe_rows);

static void snapshot_pipe(const struct object *object, struct snapshot_out *out) {
  snapshot_put_fields(out, &pipe_fields, object);
  snapshot_end_record(out, RECORD_PIPE);
  snapshot_put_list(out, RECORD_LINE, &object->pipe.lines[0]);
  snapshot_put_list(out, RECORD_LINE + 1, &object->pipe.lines[1]);
}

static bool restore_pipe(struct restoring *restoring, struct object *object,
                         const struct snapshot_record *record) {
  switch (record->number) {
    case RECORD_PIPE:
      return snapshot_read(&restoring->in, record->body, &pipe_fields, object, NULL, NULL);
    case RECORD_LINE:
    case RECORD_LINE + 1:
      return restore_list(restoring, object, &object->pipe.lines[record->number - RECORD_LINE],
                          record->body);
    default:
      return true;
  }
}

const struct kind kind_pipe = {
    .read_shape = read_shape,
    .has_shape = has_shape,
    .init = init_pipe,
    .deinit = deinit_pipe,
    .bytes = bytes_of_pipe,
    .length = length_of_pipe,
    .next_value = next_value,
    .revoke = revoke,
    .snapshot = snapshot_pipe,
    .restore = restore_pipe,
};
