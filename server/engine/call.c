#include "server/engine/call.h"

#include "proto/text.h"
#include "server/engine/admission.h"
#include "server/engine/cells.h"
#include "server/engine/decoded.h"
#include "server/engine/emptying.h"
#include "server/engine/references.h"

#include <stdlib.h>

/* ---- arguments */

struct reference_check {
  const struct call *call;
  unsigned access;
  hf_reason reason;
};

static void check_reference(void *ctx, uint64_t id) {
  struct reference_check *check = ctx;
  struct object *object;
  if (!check->reason) {
    check->reason = admission_find_id(check->call, id, check->access, &object);
  }
}

/* Others get the reference with their rights to what it is stored in, and so does the caller if it is in the
 * reply: that is not to be more than there was. */
static unsigned access_to_references(const struct call *call) {
  bool is_handed_on = call->operation->effect == EFFECT_OBJECT ||
                      call->operation->arm == HOLDFAST__REQUEST__OPERATION_LIST_CONCAT;
  return is_handed_on ? ACCESS_READ | ACCESS_WRITE : ACCESS_EITHER;
}

/* The argument is refused: *out must not be released twice. */
static hf_reason refuse_value(struct value *out, hf_reason reason) {
  value_release(*out);
  *out = (struct value){0};
  return reason;
}

hf_reason call_value(struct call *call, const Holdfast__Value *message, struct value *out) {
  hf_reason reason = decoded_value(message, out);
  if (reason || !value_has_reference(*out)) {
    return reason;
  }
  struct reference_check check = {.call = call, .access = access_to_references(call)};
  value_each_reference(*out, check_reference, &check);
  return check.reason ? refuse_value(out, check.reason) : HF_REASON_NONE;
}

hf_reason call_key(struct call *call, const Holdfast__Value *message, struct value *out) {
  hf_reason reason = call_value(call, message, out);
  if (!reason && (reason = value_check_key(*out))) {
    return refuse_value(out, reason);
  }
  return reason;
}

uint64_t call_key_hash(const struct call *call, struct value key) {
  return value_hash(&call->engine->config.hash_key, key) | 1;
}

hf_reason call_values(struct call *call, size_t count, Holdfast__Value *const *messages,
                      struct value **out) {
  struct value *values = malloc((count ? count : 1) * sizeof *values);
  if (!values) {
    return HF_REASON_NO_MEMORY;
  }
  for (size_t i = 0; i < count; i++) {
    hf_reason reason = call_value(call, messages[i], &values[i]);
    if (reason) {
      call_free_values(values, i);
      return reason;
    }
  }
  *out = values;
  return HF_REASON_NONE;
}

void call_free_values(struct value *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    value_release(values[i]);
  }
  free(values);
}

hf_reason call_range(const Holdfast__Slice *slice, size_t len, struct list_range *range) {
  if (!slice) {
    return list_range_of(len, NULL, NULL, NULL, range);
  }
  bool start = slice->first_case == HOLDFAST__SLICE__FIRST_START;
  bool stop = slice->last_case == HOLDFAST__SLICE__LAST_STOP;
  bool step = slice->stride_case == HOLDFAST__SLICE__STRIDE_STEP;
  return list_range_of(len, start ? &slice->start : NULL, stop ? &slice->stop : NULL,
                       step ? &slice->step : NULL, range);
}

hf_reason call_check_name(struct bytes name) {
  return text_is_name(name) ? HF_REASON_NONE : HF_REASON_BAD_NAME;
}

/* ---- what containers keep */

void call_keep(struct call *call, struct value value) {
  core_keep(call->engine, call->object, value);
}

static void drop_reference(void *ctx, uint64_t object) {
  struct call *call = ctx;
  (void)object;
  call->object->stored_references--;
}

/* References in the value are dropped after the answer, which may hand them to a session. */
void call_discard(struct call *call, struct value value) {
  if (value_has_reference(value)) {
    value_each_reference(value, drop_reference, call);
    if (list_append(&call->engine->dropped_values, value) == HF_REASON_NONE) {
      return;
    }
    core_drop_value_references(call->engine, value);
  }
  value_release(value);
}

hf_reason call_clear_content(struct call *call) {
  struct object *taken = object_take_content(call->object, call->engine->registry.hash_key);
  if (!taken) {
    return HF_REASON_NO_MEMORY;
  }
  core_drop_content(call->engine, taken);
  return HF_REASON_NONE;
}

/* ---- waiting */

/* One without time may have waited all the same, for an object that was lent. */
bool call_may_not_wait(const struct call *call) {
  const Holdfast__Request *message = call->message;
  bool has_no_time = message && message->wait_case == HOLDFAST__REQUEST__WAIT_TIMEOUT_MS &&
                     message->timeout_ms <= 0;
  return call->timed_out || has_no_time;
}

hf_reason call_park(struct call *call, struct wait_queue *queue, hf_reason reason) {
  if (call_may_not_wait(call)) {
    call->late = call->timed_out;
    return reason;
  }
  call->park_queue = queue;
  return REASON_PARKED;
}

struct lock_owner call_owner(const struct call *call) {
  uint64_t thread = call->waiter ? call->waiter->thread : call->message->thread;
  return (struct lock_owner){call->session ? call->session->serial : 0, thread};
}

hf_reason call_pass_lock(struct call *call) {
  struct lock *lock = object_lock(call->object);
  struct wait_queue *queue = &call->object->waits[WAIT_LOCK];
  if (!lock) {
    return HF_REASON_NONE;
  }
  bool is_owner = lock->depth > 0 && lock_is_free_for(lock, call_owner(call));
  if (is_owner) {
    return HF_REASON_NONE;
  }
  hf_reason reason = call_request_lock(call);
  return reason == HF_REASON_LOCK_HELD ? call_park(call, queue, reason) : reason;
}

hf_reason call_request_lock(struct call *call) {
  struct object *object = call->object;
  bool is_taken = object_lock(object)->depth > 0;
  if (is_taken || call_must_line_up(call, &object->waits[WAIT_LOCK])) {
    /* For earlier waiters: the requester may just have released the lock. */
    core_check_cells(call->engine, call->now_ns, object);
    return HF_REASON_LOCK_HELD;
  }
  return core_acquire_cells(call->engine, call->now_ns, object);
}

bool call_has_lock(const struct call *call) {
  return object_lock(call->object) != NULL;
}

/* ---- results */

void call_set_source(struct call *call, uint64_t order) {
  call->reply->source = call->object->id;
  call->reply->taken.order = order;
}

void call_answer_value(struct call *call, struct value value) {
  call->reply->shape = REPLY_VALUE;
  call->reply->value = value;
}

void call_answer_flag(struct call *call, bool flag) {
  call->reply->shape = REPLY_FLAG;
  call->reply->flag = flag;
}

void call_answer_count(struct call *call, uint64_t count) {
  call->reply->shape = REPLY_COUNT;
  call->reply->count = (int64_t)count;
}

hf_reason call_answer_values(struct call *call, enum reply_shape shape, size_t count,
                             struct value **values) {
  /* No value takes less than four bytes on the wire. */
  if (count > HF_REPLY_BYTES_MAX / 4) {
    return HF_REASON_REPLY_TOO_BIG;
  }
  *values = malloc((count ? count : 1) * sizeof **values);
  if (!*values) {
    return HF_REASON_NO_MEMORY;
  }
  call->reply->shape = shape;
  call->reply->values = *values;
  call->reply->values_count = count;
  call->reply->cursor = call->reply->length = 0;
  return HF_REASON_NONE;
}

void call_answer_work(struct call *call, enum reply_shape shape, struct job *job,
                      const struct value *more) {
  struct reply *reply = call->reply;
  for (size_t i = 0; i < job->more; i++) {
    job->values[job->values_count++] = more[i];
    job->has_references |= value_has_reference(more[i]);
  }
  reply->shape = shape;
  reply->values = job->values;
  reply->values_count = job->values_count;
  reply->cursor = reply->length = 0;
  reply->has_no_references = !job->has_references;
}

void call_answer_exchange(struct call *call, bool swapped, struct value found) {
  call->reply->shape = REPLY_EXCHANGE;
  call->reply->swapped = swapped;
  call->reply->found = found;
}
